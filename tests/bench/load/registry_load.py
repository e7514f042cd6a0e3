#!/usr/bin/env python3
"""Load generator for any server that speaks the OCI distribution API.

    registry_load.py http://127.0.0.1:5000 [--user NAME:PASSWORD | --token T] > result.json

One process per connection; each phase is bounded in time or in count. One JSON object goes to standard output.
"""

import argparse
import hashlib
import json
import os
import random
import sys
import time

from mlflow_load import MIB, Http, bench, for_seconds, report

BINARY = {"Content-Type": "application/octet-stream"}
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def relative(location):
    """The path and query of a Location, which may be absolute."""
    return "/" + location.split("://", 1)[1].partition("/")[2] if "://" in location else location


def with_digest(location, value):
    return f"{location}{'&' if '?' in location else '?'}digest={value}"


class Load:
    def __init__(self, args):
        self.args, self.out = args, {}
        self.http = self.connection()
        self.name = f"load/bench-{int(time.time())}-{os.getpid()}"

    def connection(self):
        return Http(self.args.base, self.args.token, self.args.user)

    def begin(self, http):
        status, headers, data = http.request("POST", f"/v2/{self.name}/blobs/uploads/")
        assert status == 202, f"POST upload: {status} {data[:200]!r}"
        return relative(headers["location"])

    def push(self, http, data):
        """As clients do it: HEAD, POST, PUT."""
        value = digest(data)
        if http.request("HEAD", f"/v2/{self.name}/blobs/{value}")[0] != 200:
            status, _, body = http.request("PUT", with_digest(self.begin(http), value), data, BINARY)
            assert status == 201, f"PUT blob: {status} {body[:200]!r}"
        return value

    def timed(self, key, size, work):
        begin = time.perf_counter()
        work()
        took = time.perf_counter() - begin
        self.out[key] = report(key, {"s": round(took, 3), "mb_per_s": round(size / took / 1e6, 1)})

    def big(self):
        """One blob of 1 GiB: POST, one PATCH, PUT; then GET."""
        size, block = self.args.blob_mib * MIB, random.randbytes(MIB)
        sha = hashlib.sha256()
        for _ in range(self.args.blob_mib):
            sha.update(block)
        value = "sha256:" + sha.hexdigest()

        def push():
            status, headers, data = self.http.upload("PATCH", self.begin(self.http), size, block, BINARY)
            assert status == 202, f"PATCH: {status} {data[:200]!r}"
            status, _, data = self.http.request("PUT", with_digest(relative(headers["location"]), value))
            assert status == 201, f"PUT: {status} {data[:200]!r}"

        def pull():
            got = []
            status, _, _ = self.http.request("GET", f"/v2/{self.name}/blobs/{value}", sink=got.append)
            assert status == 200 and got == [size], f"GET blob: {status} {got}"

        self.timed("big_push", size, push)
        self.timed("big_pull", size, pull)

    def small(self):
        """Blobs of 10 KB: push (HEAD, POST, PUT) and pull."""
        for conc in self.args.concurrency:
            known = [self.push(self.http, random.randbytes(10240)) for _ in range(100)]

            def push(_):
                http, body = self.connection(), bytearray(random.randbytes(10240))

                def step(n):
                    body[:8] = n.to_bytes(8, "little")
                    self.push(http, bytes(body))
                    return 201, b""

                return step

            def pull(_):
                http = self.connection()
                return lambda n: http.request("GET", f"/v2/{self.name}/blobs/{known[n % 100]}")[::2]

            for way, make in (("push", push), ("pull", pull)):
                key = f"small_{way}_c{conc}"
                self.out[key] = report(key, bench(make, conc, for_seconds(self.args.seconds)))

    def manifests(self):
        """An image of one configuration and three layers: manifest PUT, GET by tag and by digest, HEAD of a blob."""
        blobs = [random.randbytes(1024) for _ in range(4)]
        described = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": self.push(self.http, blob),
                      "size": len(blob)} for blob in blobs]
        described[0]["mediaType"] = "application/vnd.oci.image.config.v1+json"

        def manifest(note):
            body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described[0], "layers": described[1:],
                    "annotations": {"load": note}}
            return json.dumps(body).encode()

        body, kind = manifest("latest"), {"Content-Type": MANIFEST}
        status, _, data = self.http.request("PUT", f"/v2/{self.name}/manifests/latest", body, kind)
        assert status == 201, f"PUT manifest: {status} {data[:200]!r}"

        def put(index):
            http = self.connection()
            mark = f"{index}-{random.random()}"
            return lambda n: http.request("PUT", f"/v2/{self.name}/manifests/t{index}-{n}", manifest(f"{mark}-{n}"), kind)[::2]

        def fetch(method, path):
            def make(_):
                http = self.connection()
                raw = http.build(method, path, headers={"Accept": MANIFEST})
                return lambda _: http.send(raw, bodyless=method == "HEAD")[::2]

            return make

        for conc in self.args.concurrency:
            for key, make in (
                ("manifest_put", put),
                ("manifest_get_tag", fetch("GET", f"/v2/{self.name}/manifests/latest")),
                ("manifest_get_digest", fetch("GET", f"/v2/{self.name}/manifests/{digest(body)}")),
                ("blob_head", fetch("HEAD", f"/v2/{self.name}/blobs/{described[1]['digest']}")),
            ):
                key = f"{key}_c{conc}"
                self.out[key] = report(key, bench(make, conc, for_seconds(self.args.seconds)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("base")
    parser.add_argument("--token")
    parser.add_argument("--user")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--blob-mib", type=int, default=1024)
    parser.add_argument("--only", nargs="+", default=["big", "small", "manifests"])
    args = parser.parse_args()
    Http.quickack = True  # a server without TCP_NODELAY would otherwise show 40 ms a request at any speed
    load = Load(args)
    for phase in args.only:
        getattr(load, phase)()
    json.dump(load.out, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
