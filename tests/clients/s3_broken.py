"""Uploads that break off: cut in the midst, silent, longer or shorter than announced. None leaves an object."""

import hashlib
import os
import socket
import time
import urllib.parse
import uuid

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

endpoint = os.environ["S3_ENDPOINT"]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
credentials = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
name = f"t-{uuid.uuid4().hex[:20]}"
s3.create_bucket(Bucket=name)
body = os.urandom(4 << 20)


def head(key, length):
    request = AWSRequest("PUT", f"{endpoint}/{name}/{key}", data=body, headers={"X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest()})
    S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
    lines = [f"PUT /{name}/{key} HTTP/1.1", f"Host: {urllib.parse.urlsplit(endpoint).netloc}", f"Content-Length: {length}"]
    lines += [f"{k}: {v}" for k, v in request.headers.items() if k.lower() not in ("host", "content-length")]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connect():
    parts = urllib.parse.urlsplit(endpoint)
    return socket.create_connection((parts.hostname, parts.port), timeout=40)


def absent(key):
    try:
        s3.head_object(Bucket=name, Key=key)
    except ClientError as error:
        return error.response["Error"]["Code"] == "404"
    return False


for number in range(10):
    connection = connect()
    connection.sendall(head(f"cut-{number}", len(body)) + body[: number * len(body) // 10])
    connection.close()

connection = connect()
connection.sendall(head("shorter", len(body) - 5) + body[:-5])
answer = connection.recv(65536)
assert answer.startswith(b"HTTP/1.1 400"), answer

connection = connect()
connection.sendall(head("silent", len(body)) + body[:100_000])
began = time.time()
answer = connection.recv(65536)
assert answer.startswith(b"HTTP/1.1 400") and b"RequestTimeout" in answer, answer
assert 10 < time.time() - began < 25, time.time() - began

time.sleep(1)
assert all(absent(f"cut-{number}") for number in range(10)) and absent("shorter") and absent("silent")
connection = connect()
connection.sendall(head("whole", len(body)) + body)
assert connection.recv(65536).startswith(b"HTTP/1.1 200")
assert s3.get_object(Bucket=name, Key="whole")["Body"].read() == body
print("nothing left of broken uploads")
