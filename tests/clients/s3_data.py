"""pandas through s3fs, and s3fs itself. Environment as of s3_boto3.py."""

import os
import uuid

import pandas as pd
import s3fs

options = {"key": os.environ["AWS_ACCESS_KEY_ID"], "secret": os.environ["AWS_SECRET_ACCESS_KEY"],
           "client_kwargs": {"endpoint_url": os.environ["S3_ENDPOINT"], "region_name": "us-east-1"}}
name = f"t-{uuid.uuid4().hex[:20]}"
fs = s3fs.S3FileSystem(**options)
fs.mkdir(name)

frame = pd.DataFrame({"a": range(100_000), "b": [f"row {i}" for i in range(100_000)]})
frame.to_csv(f"s3://{name}/tables/frame.csv", index=False, storage_options=options)
assert pd.read_csv(f"s3://{name}/tables/frame.csv", storage_options=options).equals(frame)
frame.to_json(f"s3://{name}/tables/frame.jsonl.gz", orient="records", lines=True, storage_options=options)
assert len(pd.read_json(f"s3://{name}/tables/frame.jsonl.gz", lines=True, storage_options=options)) == len(frame)

fs = s3fs.S3FileSystem(**options, use_listings_cache=False)
assert sorted(fs.ls(f"{name}/tables")) == [f"{name}/tables/frame.csv", f"{name}/tables/frame.jsonl.gz"]
body = os.urandom(23 * (1 << 20))
with fs.open(f"{name}/large", "wb", block_size=5 << 20) as file:
    file.write(body)
with fs.open(f"{name}/large", "rb") as file:
    file.seek(7_000_000)
    assert file.read(1000) == body[7_000_000:7_001_000]
assert fs.cat(f"{name}/large") == body
fs.pipe({f"{name}/many/{i}": f"{i}".encode() for i in range(50)})
assert len(fs.find(f"{name}/many")) == 50 and fs.cat(f"{name}/many/7") == b"7"
assert fs.glob(f"{name}/many/1?") and fs.exists(f"{name}/many") and not fs.exists(f"{name}/absent")
assert fs.info(f"{name}/many")["type"] == "directory"
fs.cp(f"{name}/large", f"{name}/copy")
fs.mv(f"{name}/copy", f"{name}/moved")
assert fs.info(f"{name}/moved")["size"] == len(body)
fs.touch(f"{name}/touched")
fs.rm(f"{name}/many", recursive=True)
assert not fs.exists(f"{name}/many")
fs.rm(name, recursive=True)
assert name not in [bucket.strip("/") for bucket in fs.ls("", refresh=True)]
print("pandas and s3fs: their whole life")
