"""Each way to sign a request, rightly and wrongly: a wrong one is 403 and leaves nothing behind.

Signs by hand where clients would not sign wrongly. Environment as of s3_boto3.py.
"""

import base64
import datetime
import hashlib
import hmac
import http.client
import os
import urllib.parse
import uuid
import zlib

HOST = urllib.parse.urlsplit(os.environ["S3_ENDPOINT"]).netloc
ACCESS, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
REGION = "us-east-1"
BUCKET = f"t-{uuid.uuid4().hex[:20]}"


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signing_key(day, secret):
    key = mac(b"AWS4" + secret.encode(), day)
    for word in (REGION, "s3", "aws4_request"):
        key = mac(key, word)
    return key


class Signed:
    """A request's signature, and what the chunks of its body need of it."""

    def __init__(self, method, path, query, headers, payload, secret=SECRET, at=None):
        now = at or datetime.datetime.now(datetime.timezone.utc)
        self.stamp, self.day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        self.headers = {"host": HOST, "x-amz-date": self.stamp, "x-amz-content-sha256": payload, **headers}
        names = sorted(self.headers)
        canonical = "\n".join([
            method, urllib.parse.quote(path), "&".join(f"{k}={urllib.parse.quote(v, safe='')}" for k, v in sorted(query.items())),
            "".join(f"{name}:{self.headers[name]}\n" for name in names), ";".join(names), payload])
        self.scope = f"{self.day}/{REGION}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", self.stamp, self.scope, hashlib.sha256(canonical.encode()).hexdigest()])
        self.key = signing_key(self.day, secret)
        self.signature = mac(self.key, text).hex()
        self.headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={ACCESS}/{self.scope},SignedHeaders={';'.join(names)},"
                                         f"Signature={self.signature}")

    def chunk(self, before, data):
        empty = hashlib.sha256(b"").hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", self.stamp, self.scope, before, empty, hashlib.sha256(data).hexdigest()])
        return mac(self.key, text).hex()

    def trailer(self, before, lines):
        text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", self.stamp, self.scope, before, hashlib.sha256(lines.encode()).hexdigest()])
        return mac(self.key, text).hex()


def send(method, path, headers, body=b"", query=None):
    connection = http.client.HTTPConnection(HOST, timeout=30)
    target = urllib.parse.quote(path) + ("?" + urllib.parse.urlencode(query) if query else "")
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if "content-length" not in headers:
        connection.putheader("content-length", str(len(body)))
    try:
        connection.endheaders(body)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the answer may come before the body went
    answer = connection.getresponse()
    return answer.status, answer.read()


def plain(method, path, body=b"", query=None, secret=SECRET, payload=None, at=None, headers=None):
    payload = payload or hashlib.sha256(body).hexdigest()
    signed = Signed(method, path, query or {}, headers or {}, payload, secret, at)
    return send(method, path, signed.headers, body, query)


def chunked(key, data, mode, spoil=None, secret=SECRET):
    """A streamed body in two chunks; `spoil` names what is wrong with it."""
    trailers = "TRAILER" in mode
    unsigned = mode == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    headers = {"x-amz-decoded-content-length": str(len(data)), "content-encoding": "aws-chunked"}
    if trailers:
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"
    signed = Signed("PUT", f"/{BUCKET}/{key}", {}, headers, mode, secret)
    half = max(len(data) // 2, 1)
    body, before = b"", signed.signature
    for number, piece in enumerate((data[:half], data[half:], b"")):
        if unsigned:
            body += f"{len(piece):x}\r\n".encode()
        else:
            before = signed.chunk(before, piece)
            told = "0" * 64 if spoil == f"chunk {number}" else before
            body += f"{len(piece):x};chunk-signature={told}\r\n".encode()
        if piece:
            body += piece + b"\r\n"
    if trailers:
        crc = base64.b64encode(zlib.crc32(b"other" if spoil == "checksum" else data).to_bytes(4, "big")).decode()
        if spoil != "no trailer":
            body += f"x-amz-checksum-crc32:{crc}\r\n".encode()
            if not unsigned:
                told = signed.trailer(before, f"x-amz-checksum-crc32:{crc}\n")
                told = "0" * 64 if spoil == "trailer" else told
                body += f"x-amz-trailer-signature:{told}\r\n".encode()
    body += b"\r\n"
    if spoil == "cut":
        body = body[: len(body) // 2]
    if spoil == "data":
        body = body.replace(data[:8], b"XXXXXXXX", 1)
    return send("PUT", f"/{BUCKET}/{key}", signed.headers, body)


def presigned(method, key, body=b"", secret=SECRET, spoil=False, expires=60, age_s=0):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age_s)
    stamp, day = at.strftime("%Y%m%dT%H%M%SZ"), at.strftime("%Y%m%d")
    scope = f"{day}/{REGION}/s3/aws4_request"
    query = {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{ACCESS}/{scope}", "X-Amz-Date": stamp,
             "X-Amz-Expires": str(expires), "X-Amz-SignedHeaders": "host"}
    canonical = "\n".join([method, f"/{BUCKET}/{key}", "&".join(f"{k}={urllib.parse.quote(v, safe='')}" for k, v in sorted(query.items())),
                           f"host:{HOST}\n", "host", "UNSIGNED-PAYLOAD"])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    query["X-Amz-Signature"] = "0" * 64 if spoil else mac(signing_key(day, secret), text).hex()
    return send(method, f"/{BUCKET}/{key}", {"host": HOST}, body, query)


def exists(key):
    status, _ = plain("HEAD", f"/{BUCKET}/{key}")
    assert status in (200, 404), status
    return status == 200


def must(answer, status, *words):
    assert answer[0] in (status if isinstance(status, tuple) else (status,)), answer
    assert any(word.encode() in answer[1] for word in words) or not words, answer


def main():
    must(plain("PUT", f"/{BUCKET}"), 200)
    data = os.urandom(200_000)
    large = os.urandom(3_000_000)
    modes = ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"]

    must(plain("PUT", f"/{BUCKET}/good", data), 200)
    must(plain("PUT", f"/{BUCKET}/unsigned", data, payload="UNSIGNED-PAYLOAD"), 200)
    must(presigned("PUT", "linked", data), 200)
    for mode in modes:
        for size, body in (("small", b"12345678 small"), ("large", large)):
            key = f"{mode}-{size}"
            must(chunked(key, body, mode), 200)
            status, got = plain("GET", f"/{BUCKET}/{key}")
            assert status == 200 and got == body, (mode, size, status, len(got))

    wrong = []

    def refuse(key, answer, status, *words):
        must(answer, status, *words)
        wrong.append(key)

    refuse("w1", plain("PUT", f"/{BUCKET}/w1", data, secret="wrong"), 403, "SignatureDoesNotMatch")
    refuse("w2", plain("PUT", f"/{BUCKET}/w2", data, payload="UNSIGNED-PAYLOAD", secret="wrong"), 403, "SignatureDoesNotMatch")
    refuse("w3", plain("PUT", f"/{BUCKET}/w3", data, payload=hashlib.sha256(b"other").hexdigest()), 400, "XAmzContentSHA256Mismatch")
    other = hashlib.sha256(b"other").hexdigest()
    refuse("w3large", plain("PUT", f"/{BUCKET}/w3large", large, payload=other), 400, "XAmzContentSHA256Mismatch")
    refuse("w4", presigned("PUT", "w4", data, spoil=True), 403, "SignatureDoesNotMatch")
    refuse("w5", presigned("PUT", "w5", data, secret="wrong"), 403, "SignatureDoesNotMatch")
    refuse("w6", presigned("PUT", "w6", data, expires=10, age_s=60), 403, "AccessDenied")
    refuse("w7", send("PUT", f"/{BUCKET}/w7", {"host": HOST}, data), 403, "AccessDenied")
    old = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    refuse("w8", plain("PUT", f"/{BUCKET}/w8", data, at=old), 403, "RequestTimeTooSkewed")
    for number, mode in enumerate(modes):
        refuse(f"m{number}", chunked(f"m{number}", large, mode, secret="wrong"), 403, "SignatureDoesNotMatch")
        refuse(f"c{number}", chunked(f"c{number}", large, mode, spoil="cut"), (400, 403))
        if "UNSIGNED" not in mode:
            for chunk in range(3):
                key = f"s{number}{chunk}"
                refuse(key, chunked(key, large, mode, spoil=f"chunk {chunk}"), 403, "SignatureDoesNotMatch")
            refuse(f"d{number}", chunked(f"d{number}", large, mode, spoil="data"), 403, "SignatureDoesNotMatch")
        if "TRAILER" in mode:
            refuse(f"k{number}", chunked(f"k{number}", large, mode, spoil="checksum"), 400, "BadDigest")
            refuse(f"n{number}", chunked(f"n{number}", large, mode, spoil="no trailer"), (400, 403))
    refuse("t1", chunked("t1", large, modes[1], spoil="trailer"), 403, "SignatureDoesNotMatch")
    for key in wrong:
        assert not exists(key), key

    # every other operation, too, asks for the signature
    for method, path, query in [
        ("GET", "/", {}), ("GET", f"/{BUCKET}", {}), ("GET", f"/{BUCKET}", {"list-type": "2"}), ("GET", f"/{BUCKET}", {"versions": ""}),
        ("GET", f"/{BUCKET}", {"uploads": ""}), ("GET", f"/{BUCKET}", {"location": ""}), ("GET", f"/{BUCKET}", {"versioning": ""}),
        ("GET", f"/{BUCKET}", {"lifecycle": ""}), ("GET", f"/{BUCKET}", {"cors": ""}), ("GET", f"/{BUCKET}", {"tagging": ""}),
        ("GET", f"/{BUCKET}", {"acl": ""}), ("PUT", f"/{BUCKET}", {"versioning": ""}), ("PUT", f"/{BUCKET}", {"lifecycle": ""}),
        ("PUT", f"/{BUCKET}", {"cors": ""}), ("PUT", f"/{BUCKET}", {"tagging": ""}), ("PUT", "/another-bucket", {}),
        ("DELETE", f"/{BUCKET}", {}), ("DELETE", f"/{BUCKET}", {"cors": ""}), ("HEAD", f"/{BUCKET}", {}), ("POST", f"/{BUCKET}", {"delete": ""}),
        ("GET", f"/{BUCKET}/good", {}), ("HEAD", f"/{BUCKET}/good", {}), ("DELETE", f"/{BUCKET}/good", {}), ("GET", f"/{BUCKET}/good", {"tagging": ""}),
        ("PUT", f"/{BUCKET}/good", {"tagging": ""}), ("DELETE", f"/{BUCKET}/good", {"tagging": ""}), ("GET", f"/{BUCKET}/good", {"attributes": ""}),
        ("POST", f"/{BUCKET}/new", {"uploads": ""}), ("PUT", f"/{BUCKET}/new", {"partNumber": "1", "uploadId": "x"}),
        ("POST", f"/{BUCKET}/new", {"uploadId": "x"}), ("DELETE", f"/{BUCKET}/new", {"uploadId": "x"}), ("GET", f"/{BUCKET}/new", {"uploadId": "x"}),
    ]:
        for answer in (plain(method, path, query=query, secret="wrong"), send(method, path, {"host": HOST}, query=query)):
            assert answer[0] == 403, (method, path, query, answer)
    assert exists("good")
    print(f"signatures: {len(wrong)} wrong ones left nothing")


main()
