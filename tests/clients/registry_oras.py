"""The ORAS project's client against the registry: artifacts there and back, in one piece and in chunks, what refers to what, tags, deletion.

Arguments: host:port, a name, its password; with the certificate of an authority after them it speaks TLS and believes that one.
"""

import json
import os
import sys
import tempfile

import oras.client
import oras.oci

host, name, password = sys.argv[1:4]
authority = sys.argv[4] if len(sys.argv) > 4 else None
work = tempfile.mkdtemp()
os.environ["HOME"] = os.environ["DOCKER_CONFIG"] = work
os.chdir(work)


def client(auth):
    made = oras.client.OrasClient(hostname=host, insecure=authority is None, tls_verify=authority or False, auth_backend=auth)
    made.login(username=name, password=password, hostname=host, config_path=f"{work}/config.json")
    return made


def files(folder):
    found = {}
    for root, _, names in os.walk(folder):
        found.update({os.path.relpath(os.path.join(root, one), folder): open(os.path.join(root, one), "rb").read() for one in names})
    return found


os.makedirs("model/inner")
for path, content in {"model/weights.bin": os.urandom(3_000_000), "model/inner/card.md": b"# A card\n"}.items():
    with open(path, "wb") as file:
        file.write(content)
sent = files("model")

for auth in ("token", "basic"):
    registry, target = client(auth), f"{host}/oras/{auth}:1"
    pushed = registry.push(target=target, files=["model/weights.bin", "model/inner"], manifest_annotations={"who": "a test"}, quiet=True)
    assert pushed.status_code == 201, (pushed.status_code, pushed.text)
    chunked = registry.push(target=f"{host}/oras/{auth}:2", files=["model/weights.bin"], do_chunked=True, chunk_size=700_000, quiet=True)
    assert chunked.status_code == 201, (chunked.status_code, chunked.text)

    manifest = registry.get_manifest(target)
    assert manifest["annotations"]["who"] == "a test" and len(manifest["layers"]) == 2, manifest
    for tag, expected in (("1", sent), ("2", {"weights.bin": sent["weights.bin"]})):
        back = f"{work}/back-{auth}-{tag}"
        registry.pull(target=f"{host}/oras/{auth}:{tag}", outdir=back)
        got = files(back)
        assert {os.path.basename(path): data for path, data in got.items()} == {os.path.basename(path): data for path, data in expected.items()}, list(got)
    assert sorted(registry.get_tags(f"{host}/oras/{auth}")) == ["1", "2"]

    # what belongs to an artifact is found by it
    digest = pushed.headers["Docker-Content-Digest"]
    size = registry.do_request(f"{registry.prefix}://{host}/v2/oras/{auth}/manifests/{digest}", "HEAD").headers["Content-Length"]
    subject = oras.oci.Subject(manifest["mediaType"], digest, int(size))
    with open("signature", "w") as file:
        file.write("signed")
    attached = registry.push(target=f"{host}/oras/{auth}:signature", files=["signature"], subject=subject, quiet=True)
    assert attached.status_code == 201, (attached.status_code, attached.text)
    found = registry.do_request(f"{registry.prefix}://{host}/v2/oras/{auth}/referrers/{digest}", "GET").json()
    assert [one["digest"] for one in found["manifests"]] == [attached.headers["Docker-Content-Digest"]], json.dumps(found)

    assert registry.delete_tags(f"{host}/oras/{auth}", ["2"]) == ["2"]
    assert sorted(registry.get_tags(f"{host}/oras/{auth}")) == ["1", "signature"]
    print(f"oras, {auth}: its whole life")

wrong = oras.client.OrasClient(hostname=host, insecure=authority is None, tls_verify=authority or False, auth_backend="basic")
wrong.auth.set_basic_auth(name, "a wrong password indeed")
try:
    wrong.push(target=f"{host}/oras/wrong:1", files=["signature"], quiet=True)
    sys.exit("a wrong password opens the registry")
except ValueError as error:
    assert "UNAUTHORIZED" in str(error), error
print("oras: a wrong password opens nothing")
