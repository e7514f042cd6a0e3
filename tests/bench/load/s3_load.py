#!/usr/bin/env python3
"""Load generator for any S3 endpoint: SigV4 over raw sockets, so that two cores measure the server and not the client.

    s3_load.py http://127.0.0.1:9000 --access-key A --secret-key S [--pids 1,2] > result.json

Every request is signed (Signature Version 4, payload unsigned, as boto3 may do over TLS). One process per connection; each
phase is bounded in time or in count. One JSON object goes to standard output, progress to standard error.
"""

import argparse
import concurrent.futures
import datetime
import hashlib
import hmac
import json
import os
import random
import re
import sys
import time
import urllib.parse

from mlflow_load import MIB, Http, bench, for_count, for_seconds, report

SMALL = 10240
PART = 8 * MIB
UNSIGNED = "UNSIGNED-PAYLOAD"


class S3(Http):
    """One signed keep-alive connection."""

    def __init__(self, base, access_key, secret_key, region="us-east-1"):
        super().__init__(base)
        self.access_key, self.secret_key, self.region = access_key, secret_key, region
        self.host_header = urllib.parse.urlsplit(base).netloc
        self.day, self.signing_key = None, None

    def key(self, day):
        if day != self.day:
            key = ("AWS4" + self.secret_key).encode()
            for part in (day, self.region, "s3", "aws4_request"):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            self.day, self.signing_key = day, key
        return self.signing_key

    def signed(self, method, path, query=(), headers=None):
        """Path with query, and the headers that authorize it."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        path = urllib.parse.quote(path, safe="/-_.~")
        query = "&".join(f"{urllib.parse.quote(k, safe='-_.~')}={urllib.parse.quote(str(v), safe='-_.~')}"
                         for k, v in sorted(query))
        canonical = (f"{method}\n{path}\n{query}\nhost:{self.host_header}\nx-amz-content-sha256:{UNSIGNED}\n"
                     f"x-amz-date:{now}\n\nhost;x-amz-content-sha256;x-amz-date\n{UNSIGNED}")
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new(self.key(now[:8]), text.encode(), hashlib.sha256).hexdigest()
        authorization = (f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, "
                         f"SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}")
        full = {"x-amz-content-sha256": UNSIGNED, "x-amz-date": now, "Authorization": authorization, **(headers or {})}
        return (f"{path}?{query}" if query else path), full

    def call(self, method, path, query=(), body=b"", headers=None, sink=None):
        target, full = self.signed(method, path, query, headers)
        return self.send(self.build(method, target, body, full), sink, method == "HEAD")

    def put(self, path, query, *pieces):
        """PUT of a body in pieces, none of which is copied here."""
        target, full = self.signed("PUT", path, query)
        if self.sock is None:
            self.connect()
        self.sock.sendall(self.build("PUT", target, sum(map(len, pieces)), full))
        for piece in pieces:
            self.sock.sendall(piece)
        status, headers, body = self.receive(None, False)
        if status != 200:
            raise SystemExit(f"PUT {path}: {status} {body[:300]!r}")
        return headers

    def must(self, *args, **more):
        status, headers, body = self.call(*args, **more)
        if not 200 <= status < 300:
            raise SystemExit(f"{args[:3]}: {status} {body[:300]!r}")
        return headers, body


class Load:
    def __init__(self, args):
        self.args = args
        self.s3 = self.client()
        self.prefix = f"load-{int(time.time())}-{os.getpid()}"
        self.bucket = f"/{args.bucket}"
        self.out = {}

    def client(self):
        return S3(self.args.endpoint, self.args.access_key, self.args.secret_key)

    def timed(self, key, size, work):
        begin = time.perf_counter()
        work()
        took = time.perf_counter() - begin
        self.out[key] = report(key, {"s": round(took, 3), "mb_per_s": round(size / took / 1e6, 1)})

    def big(self):
        """1 GiB in parts of 8 MiB, eight at a time, as boto3 sends and fetches it; then as one stream."""
        count, block = self.args.blob_mib * MIB // PART, memoryview(random.randbytes(PART - 8))
        key = f"{self.bucket}/{self.prefix}/big"

        def put():
            _, body = self.s3.must("POST", key, [("uploads", "")])
            upload = re.search(rb"<UploadId>(.*?)</UploadId>", body).group(1).decode()

            def part(number):
                # no two parts are equal: content that is there already would cost less
                client, query = self.client(), [("partNumber", number), ("uploadId", upload)]
                headers = client.put(key, query, number.to_bytes(8, "little"), block)
                client.close()
                return f"<Part><PartNumber>{number}</PartNumber><ETag>{headers['etag']}</ETag></Part>"

            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                parts = "".join(pool.map(part, range(1, count + 1)))
            body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
            self.s3.must("POST", key, [("uploadId", upload)], body)

        def get():
            def part(number):
                client, got = self.client(), []
                span = {"Range": f"bytes={number * PART}-{number * PART + PART - 1}"}
                client.must("GET", key, headers=span, sink=got.append)
                client.close()
                assert got == [PART], got

            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                list(pool.map(part, range(count)))

        def stream():
            got = []
            self.s3.must("GET", key, sink=got.append)
            assert got == [count * PART], got

        self.timed("big_put", count * PART, put)
        self.timed("big_get", count * PART, get)
        self.timed("big_get_one_stream", count * PART, stream)
        self.s3.must("DELETE", key)

    def small(self):
        """Objects of 10 KB: PUT (different bytes each time), GET, HEAD."""
        for conc in self.args.concurrency:
            folder = f"{self.bucket}/{self.prefix}/small-{conc}"

            def put(index):
                s3, body = self.client(), bytearray(random.randbytes(SMALL))

                def step(n):
                    body[:8] = n.to_bytes(8, "little")
                    return s3.call("PUT", f"{folder}/{index}-{n}", body=bytes(body))[::2]

                return step

            for n in range(200):
                self.s3.must("PUT", f"{folder}/get-{n}", body=random.randbytes(SMALL))

            def read(method):
                def make(_):
                    s3 = self.client()
                    return lambda n: s3.call(method, f"{folder}/get-{n % 200}")[::2]

                return make

            for key, make in (("put", put), ("get", read("GET")), ("head", read("HEAD"))):
                key = f"small_{key}_c{conc}"
                self.out[key] = report(key, bench(make, conc, for_seconds(self.args.seconds)))

    def fill(self):
        """--keys objects of one byte under ten folders, 10,000 of them under the folder that `listing` reads."""
        def make(index):
            s3 = self.client()

            def step(n):
                number = index * (self.args.keys // 8) + n
                folder = "list" if number < 10_000 else f"rest/{number % 100}"
                return s3.call("PUT", f"{self.bucket}/{folder}/{number:09}", body=b"x")[::2]

            return step

        self.out["fill"] = report("fill", bench(make, 8, for_count(self.args.keys // 8)))

    def listing(self):
        """LIST of 10,000 keys, 1,000 a page, among what `fill` made; and a page with a delimiter."""
        times = []
        for _ in range(5):
            begin, found, token = time.perf_counter(), 0, None
            while True:
                query = [("list-type", 2), ("prefix", "list/")] + ([("continuation-token", token)] if token else [])
                _, body = self.s3.must("GET", self.bucket, query)
                found += body.count(b"<Contents>")
                more = re.search(rb"<NextContinuationToken>(.*?)</NextContinuationToken>", body)
                if not more:
                    break
                token = more.group(1).decode().replace("&amp;", "&").replace("&#34;", '"').replace("&quot;", '"')
            times.append(time.perf_counter() - begin)
            if found != min(10_000, self.args.keys // 8 * 8):
                raise SystemExit(f"a listing has {found} keys")
        times.sort()
        self.out["list_10000"] = report("list_10000", {"keys": found, "median_ms": round(times[2] * 1e3, 1)})
        times = []
        for _ in range(20):
            begin = time.perf_counter()
            _, body = self.s3.must("GET", self.bucket, [("list-type", 2), ("prefix", "rest/"), ("delimiter", "/")])
            times.append(time.perf_counter() - begin)
        times.sort()
        found = body.count(b"<CommonPrefixes>")
        if self.args.keys >= 20_000 and found != 100:
            raise SystemExit(f"a listing has {found} folders")
        self.out["list_delimiter"] = report("list_delimiter",
                                            {"prefixes": found, "median_ms": round(times[10] * 1e3, 1)})

    def equal(self):
        """10,000 uploads of the same 100 KB under different keys."""
        same = random.randbytes(100_000)

        def make(index):
            s3 = self.client()
            return lambda n: s3.call("PUT", f"{self.bucket}/{self.prefix}/equal/{index}-{n}", body=same)[::2]

        self.out["equal"] = report("equal", bench(make, 8, for_count(10_000 // 8)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("endpoint")
    parser.add_argument("--access-key", required=True)
    parser.add_argument("--secret-key", required=True)
    parser.add_argument("--bucket", default="load")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--keys", type=int, default=20_000)
    parser.add_argument("--blob-mib", type=int, default=1024)
    parser.add_argument("--only", nargs="+", default=["big", "small", "fill", "listing", "equal"])
    args = parser.parse_args()
    Http.quickack = True  # a server without TCP_NODELAY would otherwise show 40 ms a request at any speed
    load = Load(args)
    status, _, body = load.s3.call("PUT", load.bucket)
    if status not in (200, 409):
        raise SystemExit(f"the bucket cannot be made: {status} {body[:300]!r}")
    for phase in args.only:
        getattr(load, phase)()
    json.dump(load.out, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
