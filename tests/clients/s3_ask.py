"""Sends signed S3 requests with nothing but Python's own library: it also runs inside a job's container, where boto3 is not.

Key and address come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL. The argument is a JSON list of
[method, path, body]; with "self" before it, the key is told, too. Prints one line: TOLD and a JSON list of [status, body].
"""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import sys
import urllib.parse


def ask(method, target, body):
    body = body.encode()
    endpoint = urllib.parse.urlparse(os.environ["AWS_ENDPOINT_URL"])
    path, _, query = target.partition("?")
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": endpoint.netloc, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    names = ";".join(sorted(headers))
    canonical = "\n".join(
        [method, path, query] + [f"{name}:{headers[name]}" for name in sorted(headers)] + ["", names, digest]
    )
    scope = f"{day}/us-east-1/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in (day, "us-east-1", "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    connection = http.client.HTTPConnection(endpoint.hostname, endpoint.port, timeout=20)
    connection.request(method, path + ("?" + query if query else ""), body, headers)
    answer = connection.getresponse()
    return [answer.status, answer.read().decode(errors="replace")]


told = [ask(*request) for request in json.loads(sys.argv[-1])]
if sys.argv[1] == "self":
    told.append([os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]])
print("TOLD " + json.dumps(told), flush=True)
