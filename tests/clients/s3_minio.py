"""MinIO's client for Python through its whole life. Environment as of s3_boto3.py."""

import io
import os
import tempfile
import urllib.parse
import urllib.request
import uuid
from datetime import timedelta

from minio import Minio
from minio.commonconfig import ENABLED, ComposeSource, CopySource, Filter, Tags
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from minio.versioningconfig import VersioningConfig

endpoint = urllib.parse.urlsplit(os.environ["S3_ENDPOINT"])
client = Minio(endpoint.netloc, access_key=os.environ["AWS_ACCESS_KEY_ID"], secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
               secure=endpoint.scheme == "https")
name = f"t-{uuid.uuid4().hex[:20]}"

client.make_bucket(bucket_name=name)
assert client.bucket_exists(bucket_name=name) and not client.bucket_exists(bucket_name="t-absent-bucket")
assert name in [bucket.name for bucket in client.list_buckets()]

body = os.urandom(17 * (1 << 20))
client.put_object(bucket_name=name, object_name="large", data=io.BytesIO(body), length=len(body), part_size=5 << 20,
                  content_type="x/y", metadata={"Kind": "noise"})
stat = client.stat_object(bucket_name=name, object_name="large")
assert stat.size == len(body) and stat.content_type == "x/y" and stat.metadata["x-amz-meta-kind"] == "noise"
client.put_object(bucket_name=name, object_name="of/unknown/length", data=io.BytesIO(b"streamed" * 1000), length=-1, part_size=5 << 20)
response = client.get_object(bucket_name=name, object_name="large", offset=5 << 20, length=100)
assert response.read() == body[5 << 20:(5 << 20) + 100]
response.close()
with tempfile.TemporaryDirectory() as folder:
    client.fget_object(bucket_name=name, object_name="large", file_path=f"{folder}/large")
    assert open(f"{folder}/large", "rb").read() == body
    client.fput_object(bucket_name=name, object_name="from/file", file_path=f"{folder}/large")

assert [o.object_name for o in client.list_objects(bucket_name=name)] == ["large", "from/", "of/"] or \
    sorted(o.object_name for o in client.list_objects(bucket_name=name)) == ["from/", "large", "of/"]
assert sorted(o.object_name for o in client.list_objects(bucket_name=name, recursive=True)) == ["from/file", "large", "of/unknown/length"]
assert [o.object_name for o in client.list_objects(bucket_name=name, prefix="of/", recursive=True)] == ["of/unknown/length"]

client.copy_object(bucket_name=name, object_name="copy", source=CopySource(bucket_name=name, object_name="large"))
assert client.stat_object(bucket_name=name, object_name="copy").size == len(body)
sources = [ComposeSource(bucket_name=name, object_name="large"), ComposeSource(bucket_name=name, object_name="of/unknown/length")]
client.compose_object(bucket_name=name, object_name="composed", sources=sources)
assert client.stat_object(bucket_name=name, object_name="composed").size == len(body) + 8000

url = client.presigned_get_object(bucket_name=name, object_name="of/unknown/length", expires=timedelta(minutes=1))
assert urllib.request.urlopen(url).read() == b"streamed" * 1000
url = client.presigned_put_object(bucket_name=name, object_name="by/link", expires=timedelta(minutes=1))
urllib.request.urlopen(urllib.request.Request(url, data=b"linked", method="PUT"))

tags = Tags.new_object_tags()
tags["stage"] = "gold"
client.set_object_tags(bucket_name=name, object_name="by/link", tags=tags)
assert client.get_object_tags(bucket_name=name, object_name="by/link")["stage"] == "gold"
client.delete_object_tags(bucket_name=name, object_name="by/link")
bucket_tags = Tags.new_bucket_tags()
bucket_tags["team"] = "ml"
client.set_bucket_tags(bucket_name=name, tags=bucket_tags)
assert client.get_bucket_tags(bucket_name=name)["team"] == "ml"

client.set_bucket_versioning(bucket_name=name, config=VersioningConfig(ENABLED))
assert client.get_bucket_versioning(bucket_name=name).status == "Enabled"
first = client.put_object(bucket_name=name, object_name="v", data=io.BytesIO(b"1"), length=1).version_id
client.put_object(bucket_name=name, object_name="v", data=io.BytesIO(b"2"), length=1)
client.remove_object(bucket_name=name, object_name="v")
seen = [(o.object_name, o.is_delete_marker) for o in client.list_objects(bucket_name=name, prefix="v", include_version=True)]
assert seen.count(("v", True)) == 1 and len(seen) == 3, seen
response = client.get_object(bucket_name=name, object_name="v", version_id=first)
assert response.read() == b"1"
response.close()

config = LifecycleConfig([Rule(status=ENABLED, rule_filter=Filter(prefix="logs/"), rule_id="r", expiration=Expiration(days=3))])
client.set_bucket_lifecycle(bucket_name=name, config=config)
assert client.get_bucket_lifecycle(bucket_name=name).rules[0].expiration.days == 3
client.delete_bucket_lifecycle(bucket_name=name)

try:
    client.get_object(bucket_name=name, object_name="absent")
    raise AssertionError("absent")
except S3Error as error:
    assert error.code == "NoSuchKey"
everything = client.list_objects(bucket_name=name, recursive=True, include_version=True)
errors = list(client.remove_objects(bucket_name=name, delete_object_list=[DeleteObject(o.object_name, o.version_id) for o in everything]))
assert not errors, errors
client.remove_bucket(bucket_name=name)
print("minio: its whole life")
