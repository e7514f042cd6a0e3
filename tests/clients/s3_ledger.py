"""Writes objects, large ones in parts, and notes what was acknowledged in a ledger, until the server goes away; `check` holds the
server against the ledger. Arguments: write|check LEDGER.
"""

import hashlib
import json
import os
import sys
import threading
import time
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

s3 = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT"], region_name="us-east-1",
                  config=Config(retries={"max_attempts": 1}, max_pool_connections=16))
BUCKET = "ledger"
lock = threading.Lock()


def note(ledger, key, digest):
    with lock:
        ledger.write(json.dumps([key, digest]) + "\n")
        ledger.flush()


def small(ledger, stop):
    while not stop.is_set():
        body = os.urandom(10_000)
        key = f"small/{uuid.uuid4().hex}"
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        note(ledger, key, hashlib.sha256(body).hexdigest())


def middle(ledger, stop):
    while not stop.is_set():
        body = os.urandom(300_000)
        key = f"middle/{uuid.uuid4().hex}"
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        note(ledger, key, hashlib.sha256(body).hexdigest())


def parts(ledger, stop):
    while not stop.is_set():
        body = os.urandom((5 << 20) + 1000)
        key = f"parts/{uuid.uuid4().hex}"
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
        named = []
        for number, piece in enumerate((body[: 5 << 20], body[5 << 20:]), 1):
            named.append({"PartNumber": number, "ETag": s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=piece)["ETag"]})
        s3.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": named})
        note(ledger, key, hashlib.sha256(body).hexdigest())


def until_gone(work, ledger, stop):
    try:
        work(ledger, stop)
    except (BotoCoreError, ClientError, OSError):
        stop.set()


def write(path):
    try:
        s3.create_bucket(Bucket=BUCKET)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "BucketAlreadyOwnedByYou", error
    stop = threading.Event()
    with open(path, "a") as ledger:
        threads = [threading.Thread(target=until_gone, args=(work, ledger, stop)) for work in (small, small, small, middle, parts)]
        for thread in threads:
            thread.start()
        stop.wait(timeout=60)
        for thread in threads:
            thread.join()
    print("the server went away" if stop.is_set() else "nobody ended it")


def check(path):
    wanted = dict(json.loads(line) for line in open(path))
    for _ in range(50):
        try:
            s3.head_bucket(Bucket=BUCKET)
            break
        except (BotoCoreError, ClientError):
            time.sleep(0.2)
    assert len(wanted) > 10, f"only {len(wanted)} were acknowledged"
    for key, digest in wanted.items():
        assert hashlib.sha256(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()).hexdigest() == digest, key
    listed, bytes_listed = set(), 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for entry in page["Contents"]:
            listed.add(entry["Key"])
            if entry["Key"] not in wanted:  # written, but the answer did not arrive: whole all the same
                got = s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
                assert len(got) == entry["Size"] == {"small": 10_000, "middle": 300_000, "parts": (5 << 20) + 1000}[entry["Key"].split("/")[0]]
    assert wanted.keys() <= listed
    print(f"{len(wanted)} acknowledged, all there; {len(listed)} in all")


{"write": write, "check": check}[sys.argv[1]](sys.argv[2])
