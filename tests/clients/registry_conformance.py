"""The OCI distribution specification v1.1 against the registry, request by request: what its conformance suite asks for, and what
clients really send. Standard library only. Arguments: base URL, NAME:PASSWORD of somebody who pushes, of another who pushes, of
somebody who only looks."""

import base64
import hashlib
import http.client
import json
import random
import socket
import sys
import time
from urllib.parse import quote, urlsplit

BASE, ANN, BOB, VERA = sys.argv[1:5]
HOST = urlsplit(BASE).netloc
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
checked = 0


def basic(who):
    return {"Authorization": "Basic " + base64.b64encode(who.encode()).decode()} if who else {}


class Answer:
    def __init__(self, raw):
        self.status, self.headers, self.body = raw.status, raw.headers, raw.read()

    def json(self):
        return json.loads(self.body)

    def code(self):
        errors = self.json()["errors"]
        assert set(errors[0]) >= {"code", "message"}, errors
        return errors[0]["code"]


def ask(method, path, body=None, headers=None, who=ANN):
    connection = http.client.HTTPConnection(HOST, timeout=60)
    connection.request(method, path, body=body, headers={**basic(who), **(headers or {})})
    answer = Answer(connection.getresponse())
    connection.close()
    return answer


def expect(answer, status, code=None, **headers):
    global checked
    checked += 1
    assert answer.status == status, (answer.status, status, answer.body[:500])
    if code:
        assert answer.code() == code, (answer.code(), code)
    for name, value in headers.items():
        found = answer.headers.get(name.replace("_", "-"))
        assert found == value, (name, found, value)
    return answer


def digest(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def with_digest(location, value):
    return f"{location}{'&' if '?' in location else '?'}digest={quote(value)}"


def begin(name, who=ANN):
    answer = expect(ask("POST", f"/v2/{name}/blobs/uploads/", who=who), 202)
    return answer.headers["Location"]


def push(name, data, value=None):
    value = value or digest(data)
    answer = ask("PUT", with_digest(begin(name), value), data, {"Content-Type": "application/octet-stream"})
    expect(answer, 201, Docker_Content_Digest=value)
    return value


def described(data, kind, value=None):
    return {"mediaType": kind, "digest": value or digest(data), "size": len(data)}


def image(config, layers, **more):
    body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described(config, CONFIG),
            "layers": [described(layer, LAYER) for layer in layers], **more}
    return json.dumps(body).encode()


def put(name, reference, body, kind=MANIFEST, **more):
    return ask("PUT", f"/v2/{name}/manifests/{reference}", body, {"Content-Type": kind}, **more)


def authentication():
    answer = expect(ask("GET", "/v2/", who=None), 401, "UNAUTHORIZED")
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer ") and f'realm="http://{HOST}/v2/token"' in challenge, challenge
    answer = expect(ask("PUT", "/v2/team/app/manifests/x", b"", who=None), 401)
    assert 'scope="repository:team/app:pull,push"' in answer.headers["WWW-Authenticate"]
    expect(ask("GET", "/v2/"), 200)
    expect(ask("GET", "/v2/", who="ann:wrong password"), 401)
    expect(ask("GET", "/v2/token?service=drydock&scope=repository:a:pull", who=None), 401)
    token = expect(ask("GET", "/v2/token?service=drydock&scope=repository:a:pull,push"), 200).json()
    assert token["token"] == token["access_token"] and token["expires_in"] >= 60, token
    bearer = {"Authorization": f"Bearer {token['token']}"}
    expect(ask("GET", "/v2/", headers=bearer, who=None), 200)
    expect(ask("GET", "/v2/", headers={"Authorization": f"Bearer {token['token'][:-4]}AAAA"}, who=None), 401)
    name, password = ANN.split(":", 1)
    form = f"grant_type=password&service=drydock&username={quote(name)}&password={quote(password)}"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    expect(ask("POST", "/v2/token", form, kind, who=None), 200)
    expect(ask("POST", "/v2/token", "grant_type=refresh_token", kind, who=None), 405)


def pulling():
    config, layer = b'{"os":"linux","architecture":"amd64"}', random.randbytes(300_000)
    push("pull/one", config)
    value = push("pull/one", layer)
    body = image(config, [layer])
    expect(put("pull/one", "tag1", body), 201, Docker_Content_Digest=digest(body))
    for reference in ("tag1", digest(body)):
        path = f"/v2/pull/one/manifests/{reference}"
        got = expect(ask("GET", path, who=VERA), 200, Content_Type=MANIFEST, Docker_Content_Digest=digest(body))
        assert got.body == body
        head = expect(ask("HEAD", path, who=VERA), 200, Content_Type=MANIFEST, Content_Length=str(len(body)))
        assert head.body == b""
        etag = head.headers["ETag"]
        expect(ask("GET", path, headers={"If-None-Match": etag}), 304)
    path = f"/v2/pull/one/blobs/{value}"
    assert expect(ask("GET", path, who=VERA), 200, Content_Length=str(len(layer))).body == layer
    assert expect(ask("HEAD", path, who=VERA), 200, Content_Length=str(len(layer))).body == b""
    part = expect(ask("GET", path, headers={"Range": "bytes=100000-"}), 206)
    assert part.body == layer[100_000:] and part.headers["Content-Range"] == f"bytes 100000-299999/{len(layer)}"
    expect(ask("GET", path, headers={"Range": "bytes=300000-"}), 416)
    expect(ask("GET", f"/v2/pull/one/blobs/{digest(b'none')}"), 404, "BLOB_UNKNOWN")
    expect(ask("GET", "/v2/pull/one/manifests/none"), 404, "MANIFEST_UNKNOWN")
    expect(ask("HEAD", "/v2/pull/one/manifests/none"), 404)


def uploading():
    data = random.randbytes(200_000)
    # POST then PUT, with nothing and with everything in the PUT
    push("push/one", data)
    push("push/one", b"")
    # POST with the digest
    value = digest(data + b"1")
    answer = ask("POST", f"/v2/push/one/blobs/uploads/?digest={quote(value)}", data + b"1")
    expect(answer, 201, Location=f"/v2/push/one/blobs/{value}")
    # docker: a PATCH as a stream without Content-Range, an empty PUT, a HEAD
    location = begin("push/docker")
    patched = expect(ask("PATCH", location, iter([data[:99], data[99:]])), 202, Range=f"0-{len(data) - 1}")
    expect(ask("PUT", with_digest(patched.headers["Location"], digest(data)), b""), 201)
    expect(ask("HEAD", f"/v2/push/docker/blobs/{digest(data)}"), 200, Content_Length=str(len(data)))
    # in chunks, out of order, asked about
    location = begin("push/chunks")
    expect(ask("GET", location), 204)
    first = expect(ask("PATCH", location, data[:70_000], {"Content-Range": "0-69999"}), 202, Range="0-69999")
    again = expect(ask("PATCH", location, data[:70_000], {"Content-Range": "0-69999"}), 416, Range="0-69999")
    assert again.headers["Location"] == first.headers["Location"]
    expect(ask("PATCH", location, data[80_000:], {"Content-Range": "80000-199999"}), 416)
    expect(ask("PATCH", location, data[70_000:80_000], {"Content-Range": "70000-79998"}), 400, "SIZE_INVALID")
    expect(ask("PATCH", location, data[70_000:80_000], {"Content-Range": "x"}), 400, "BLOB_UPLOAD_INVALID")
    expect(ask("GET", location), 204, Range="0-69999")
    last = ask("PUT", with_digest(location, digest(data)), data[70_000:], {"Content-Range": "70000-199999"})
    expect(last, 201)
    expect(ask("GET", location), 404, "BLOB_UPLOAD_UNKNOWN")
    # wrong, missing and malformed digests
    expect(ask("PUT", with_digest(begin("push/bad"), digest(b"other")), data), 400, "DIGEST_INVALID")
    expect(ask("PUT", begin("push/bad"), data), 400, "DIGEST_INVALID")
    expect(ask("PUT", with_digest(begin("push/bad"), "sha256:../../x"), data), 400, "DIGEST_INVALID")
    expect(ask("GET", f"/v2/push/bad/blobs/{digest(data)}"), 404, "BLOB_UNKNOWN")
    # another algorithm
    push("push/one", data, digest(data, "sha512"))
    assert expect(ask("GET", f"/v2/push/one/blobs/{digest(data, 'sha512')}"), 200).body == data
    # ended by the client; somebody else's
    location = begin("push/one")
    expect(ask("PATCH", location, data, who=BOB), 404, "BLOB_UPLOAD_UNKNOWN")
    expect(ask("DELETE", location), 204)
    expect(ask("PATCH", location, data), 404, "BLOB_UPLOAD_UNKNOWN")
    expect(ask("PATCH", location.replace("push/one", "push/two"), data), 404, "BLOB_UPLOAD_UNKNOWN")


def resuming():
    """A connection that is cut in the middle: what arrived counts, and the rest follows."""
    data = random.randbytes(9_000_000)
    for way in ("reset", "hang"):
        location = begin("push/cut")
        stream = socket.create_connection(urlsplit(BASE).netloc.split(":"), timeout=30)
        head = f"PATCH {location} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(data)}\r\n"
        head += f"Authorization: {basic(ANN)['Authorization']}\r\n\r\n"
        stream.sendall(head.encode() + data[:4_000_000])
        if way == "reset":
            stream.close()
        arrived, since = -1, time.monotonic()
        while arrived < 3_999_999 and time.monotonic() - since < 20:
            arrived = int(expect(ask("GET", location), 204).headers["Range"].split("-")[1])
            time.sleep(0.05)
        assert arrived == 3_999_999, (way, arrived)
        expect(ask("PATCH", location, data[4_000_000:], {"Content-Range": f"4000000-{len(data) - 1}"}), 202)
        expect(ask("PUT", with_digest(location, digest(data))), 201)
        assert expect(ask("GET", f"/v2/push/cut/blobs/{digest(data)}"), 200).body == data
        expect(ask("DELETE", f"/v2/push/cut/blobs/{digest(data)}"), 202)
        stream.close()


def mounting():
    data = random.randbytes(1000)
    value = push("mount/from", data)
    path = f"/v2/mount/to/blobs/uploads/?mount={quote(value)}"
    expect(ask("POST", f"{path}&from={quote('mount/none', safe='')}"), 202)
    expect(ask("POST", path), 202)
    expect(ask("POST", f"{path}&from=..%2F.."), 202)
    expect(ask("GET", f"/v2/mount/to/blobs/{value}"), 404)
    mounted = expect(ask("POST", f"{path}&from={quote('mount/from', safe='')}"), 201, Docker_Content_Digest=value)
    assert expect(ask("GET", mounted.headers["Location"]), 200).body == data


def manifests():
    config, layer = b"{}", random.randbytes(100)
    push("man/one", config)
    push("man/one", layer)
    body = image(config, [layer])
    expect(put("man/one", digest(body), body), 201)
    expect(put("man/one", digest(b"x"), body), 400, "DIGEST_INVALID")
    value = digest(body, "sha512")
    expect(put("man/one", value, body), 201, Docker_Content_Digest=value)
    assert expect(ask("GET", f"/v2/man/one/manifests/{value}"), 200).body == body
    expect(put("man/one", "t", image(config, [b"missing"])), 400, "MANIFEST_BLOB_UNKNOWN")
    expect(put("man/one", "t", b"{"), 400, "MANIFEST_INVALID")
    expect(put("man/one", "t", json.dumps({"schemaVersion": 1, "name": "x"}).encode(), "application/vnd.docker.distribution.manifest.v1+prettyjws"), 400, "MANIFEST_INVALID")
    expect(put("man/one", "t", b" " * (4 << 20) + b"{}"), 413)
    # an index of two, and one of what is not there
    other = image(config, [layer], annotations={"n": "2"})
    expect(put("man/one", digest(other), other), 201)
    children = [{**described(body, MANIFEST), "platform": {"os": "linux", "architecture": "amd64"}},
                {**described(other, MANIFEST), "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}]
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).encode()
    expect(put("man/one", "multi", index, INDEX), 201)
    assert expect(ask("GET", "/v2/man/one/manifests/multi"), 200, Content_Type=INDEX).body == index
    sparse = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [described(b"none", MANIFEST)]}).encode()
    expect(put("man/one", "sparse", sparse, INDEX), 400, "MANIFEST_BLOB_UNKNOWN")
    # docker's own type, whose bytes name it
    docker = body.replace(MANIFEST.encode(), DOCKER.encode())
    expect(put("man/one", "docker", docker, DOCKER), 201)
    expect(ask("GET", "/v2/man/one/manifests/docker"), 200, Content_Type=DOCKER)
    expect(put("man/one", "docker", docker, MANIFEST), 400, "MANIFEST_INVALID")


def referrers():
    config = b"{}"
    push("ref/one", config)
    subject = image(config, [])
    kinds = ["application/a", "application/b", "application/b"]
    for number, kind in enumerate(kinds):
        about = image(config, [], artifactType=kind, subject=described(subject, MANIFEST), annotations={"n": str(number)})
        expect(put("ref/one", digest(about), about), 201, OCI_Subject=digest(subject))
    expect(put("ref/one", "it", subject), 201)
    path = f"/v2/ref/one/referrers/{digest(subject)}"
    listed = expect(ask("GET", path), 200, Content_Type=INDEX).json()
    assert sorted(one["artifactType"] for one in listed["manifests"]) == kinds, listed
    assert {one["annotations"]["n"] for one in listed["manifests"]} == {"0", "1", "2"}
    some = expect(ask("GET", f"{path}?artifactType={quote('application/b')}"), 200, OCI_Filters_Applied="artifactType")
    assert len(some.json()["manifests"]) == 2
    assert expect(ask("GET", f"/v2/ref/none/referrers/{digest(b'none')}"), 200).json()["manifests"] == []
    expect(ask("GET", "/v2/ref/one/referrers/nonsense"), 400, "DIGEST_INVALID")


def lists():
    push("list/one", b"{}")
    body = image(b"{}", [])
    tags = ["test0", "TEST1", "b", "_x", "10", "9"]
    for tag in tags:
        expect(put("list/one", tag, body), 201)
    listed = expect(ask("GET", "/v2/list/one/tags/list"), 200).json()
    assert listed == {"name": "list/one", "tags": sorted(tags)}, listed
    found, path = [], "/v2/list/one/tags/list?n=4"
    while path:
        page = expect(ask("GET", path), 200)
        found += page.json()["tags"]
        link = page.headers.get("Link")
        path = link.split("<")[1].split(">")[0] if link else None
    assert found == sorted(tags)
    assert expect(ask("GET", "/v2/list/one/tags/list?n=0"), 200).json()["tags"] == []
    assert expect(ask("GET", "/v2/list/one/tags/list?last=b&n=10"), 200).json()["tags"] == ["test0"]
    expect(ask("GET", "/v2/list/none/tags/list"), 404, "NAME_UNKNOWN")
    names = expect(ask("GET", "/v2/_catalog"), 200).json()["repositories"]
    assert names == sorted(names) and "list/one" in names
    for number in ("2147483648", str(2**63), "9" * 40):
        assert expect(ask("GET", f"/v2/_catalog?n={number}"), 200).json()["repositories"] == names
    expect(ask("GET", "/v2/_catalog?n=x"), 400)


def deleting():
    value = push("del/one", b"{}")
    body = image(b"{}", [])
    for tag in ("a", "b"):
        expect(put("del/one", tag, body), 201)
    expect(ask("DELETE", f"/v2/del/one/blobs/{value}"), 405)
    expect(ask("DELETE", "/v2/del/one/manifests/a"), 202)
    expect(ask("GET", "/v2/del/one/manifests/a"), 404)
    expect(ask("GET", "/v2/del/one/manifests/b"), 200)
    expect(ask("DELETE", f"/v2/del/one/manifests/{digest(body)}"), 202)
    expect(ask("GET", "/v2/del/one/manifests/b"), 404)
    expect(ask("DELETE", f"/v2/del/one/manifests/{digest(body)}"), 404)
    expect(ask("DELETE", f"/v2/del/one/blobs/{value}"), 202)
    expect(ask("HEAD", f"/v2/del/one/blobs/{value}"), 404)


def refusals():
    for path, code in [
        ("/v2/a/blobs/sha256:../../x", "DIGEST_INVALID"),
        ("/v2/a/blobs/sha256:%2e%2e%2f%2e%2e%2fx", "DIGEST_INVALID"),
        ("/v2/a/manifests/sha256:%252e", "DIGEST_INVALID"),
        ("/v2/UPPER/manifests/x", "NAME_INVALID"),
        ("/v2/..%2f..%2fetc/manifests/x", "NAME_INVALID"),
        ("/v2/a%00b/manifests/x", "NAME_INVALID"),
        ("/v2/a/manifests/..", "TAG_INVALID"),
    ]:
        expect(ask("GET", path), 400, code)
    data = b"x"
    for method, path, body in [
        ("POST", "/v2/a/blobs/uploads/", None),
        ("POST", f"/v2/a/blobs/uploads/?digest={digest(data)}", data),
        ("POST", f"/v2/a/blobs/uploads/?mount={digest(data)}&from=pull/one", None),
        ("PUT", "/v2/a/manifests/x", b"{}"),
        ("DELETE", "/v2/pull/one/manifests/tag1", None),
        ("DELETE", f"/v2/a/blobs/{digest(data)}", None),
    ]:
        expect(ask(method, path, body, who=VERA), 403, "DENIED")
        expect(ask(method, path, body, who=None), 401, "UNAUTHORIZED")
    expect(ask("GET", "/v2/pull/one/manifests/tag1", who=VERA), 200)
    expect(ask("PATCH", "/v2/_catalog"), 405)


for part in (authentication, pulling, uploading, resuming, mounting, manifests, referrers, lists, deleting, refusals):
    part()
    print(f"{part.__name__} ok")
print(f"{checked} answers as they should be")
