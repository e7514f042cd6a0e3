"""An OCI layout of an index with two platforms, each with a layer of its own and one that they share. Argument: the folder to make."""

import hashlib, json, os, sys
root = sys.argv[1]
os.makedirs(f"{root}/blobs/sha256")
def blob(data, kind, **more):
    name = hashlib.sha256(data).hexdigest()
    open(f"{root}/blobs/sha256/{name}", "wb").write(data)
    return {"mediaType": kind, "digest": f"sha256:{name}", "size": len(data), **more}
oci = "application/vnd.oci.image."
def tar(name, data):
    import io, tarfile
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(name); info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()
shared = tar("shared", os.urandom(200_000))
children = []
for architecture in ("amd64", "arm64"):
    own = tar(architecture, os.urandom(1000))
    ids = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in (shared, own)]
    config = {"os": "linux", "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": ids}, "config": {}}
    manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
        "config": blob(json.dumps(config).encode(), oci + "config.v1+json"),
        "layers": [blob(layer, oci + "layer.v1.tar") for layer in (shared, own)]}
    platform = {"os": "linux", "architecture": architecture}
    children.append(blob(json.dumps(manifest).encode(), oci + "manifest.v1+json", platform=platform))
index = {"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": children}
top = blob(json.dumps(index).encode(), oci + "index.v1+json", annotations={"org.opencontainers.image.ref.name": "multi"})
json.dump({"schemaVersion": 2, "manifests": [top]}, open(f"{root}/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open(f"{root}/oci-layout", "w"))
