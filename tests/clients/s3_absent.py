"""Every operation that boto3 knows of S3: each is either done here, or answers NotImplemented, changes nothing and is in the manual's list.

Environment: S3_ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY. Argument: the manual.
"""

import os
import re
import sys
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

s3 = boto3.client(
    "s3", endpoint_url=os.environ["S3_ENDPOINT"], region_name="us-east-1",
    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, inject_host_prefix=False),
)
MODEL = s3.meta.service_model

# What is done here; the other scripts show that it is.
DONE = set("""
AbortMultipartUpload CompleteMultipartUpload CopyObject CreateBucket CreateMultipartUpload DeleteBucket DeleteBucketCors
DeleteBucketLifecycle DeleteBucketTagging DeleteObject DeleteObjectTagging DeleteObjects GetBucketAcl GetBucketCors
GetBucketLifecycle GetBucketLifecycleConfiguration GetBucketLocation GetBucketTagging GetBucketVersioning GetObject
GetObjectAcl GetObjectAttributes GetObjectTagging HeadBucket HeadObject ListBuckets ListMultipartUploads ListObjectVersions
ListObjects ListObjectsV2 ListParts PutBucketCors PutBucketLifecycle PutBucketLifecycleConfiguration PutBucketTagging
PutBucketVersioning PutObject PutObjectTagging UploadPart UploadPartCopy
""".split())
# These are told by the host that they are sent to, and this box has one: the first looks like ListBuckets, the other like a bucket
# that cannot be.
ELSEWHERE = {"ListDirectoryBuckets", "WriteGetObjectResponse"}
# What the manual calls them; the first that fits counts.
WORDS = [
    (r"Session", "directory buckets"), (r"Rename", "renaming"),
    (r"Annotation", "annotations"), (r"Metadata", "metadata tables"), (r"Abac", "attributes of who calls (ABAC)"),
    (r"Encryption", "encryption settings"), (r"Acl", "access lists"), (r"BucketPolicy", "bucket policies"),
    (r"PublicAccess", "public access"), (r"Website", "website"), (r"Replication", "replication"), (r"ObjectLock", "object lock"),
    (r"LegalHold", "legal hold"), (r"Retention", "retention"), (r"Notification", "notifications"), (r"Logging", "logging"),
    (r"Inventory", "inventory"), (r"Analytics", "analytics"), (r"Metrics", "metrics"), (r"RequestPayment", "request payment"),
    (r"Accelerate", "acceleration"), (r"IntelligentTiering", "intelligent tiering"), (r"Ownership", "ownership controls"),
    (r"Select", "S3 Select"), (r"Torrent", "torrents"), (r"Restore", "restore"),
]


def filler(shape):
    """The least that the client takes for this shape."""
    if getattr(shape, "is_tagged_union", False):
        member = next(iter(shape.members))
        return {member: filler(shape.members[member])}
    if shape.type_name == "structure":
        payload = [shape.serialization["payload"]] if "payload" in shape.serialization else []
        return {member: filler(shape.members[member]) for member in [*shape.required_members, *payload]}
    if shape.type_name == "list":
        return [filler(shape.member)]
    if shape.type_name == "map":
        return {}
    if shape.type_name == "string":
        return shape.enum[0] if getattr(shape, "enum", None) else "x" * shape.metadata.get("min", 1)
    if shape.type_name == "boolean":
        return True
    if shape.type_name == "timestamp":
        return 2e9
    return b"x" if shape.type_name == "blob" else 1


def ask(name, bucket):
    """The code that the operation is answered, with a bucket and an object that are there."""
    operation = MODEL.operation_model(name)
    arguments = filler(operation.input_shape) if operation.input_shape else {}
    given = {"Bucket": bucket, "Key": "k"}
    arguments.update({key: value for key, value in given.items() if key in arguments})
    try:
        s3._make_api_call(name, arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "a success"


def whole(bucket):
    got = s3.get_object(Bucket=bucket, Key="k")
    return got["Body"].read(), got["ETag"], s3.list_objects_v2(Bucket=bucket)["KeyCount"]


def absent_operations(listed):
    bucket, empty = (f"t-{uuid.uuid4().hex[:20]}" for _ in range(2))
    s3.create_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=empty)
    s3.put_object(Bucket=bucket, Key="k", Body=b"stays")
    before, wrong, count = whole(bucket), [], 0
    for name in MODEL.operation_names:
        if name in DONE | ELSEWHERE:
            continue
        count += 1
        for asked in (bucket, empty):
            code = ask(name, asked)
            if code != "NotImplemented":
                wrong.append(f"{name}: {code}")
        try:
            if whole(bucket) != before:
                wrong.append(f"{name} changed the object")
            s3.head_bucket(Bucket=empty)
        except ClientError as error:
            sys.exit(f"{name} took something away: {error}")
        word = next((word for pattern, word in WORDS if re.search(pattern, name)), None)
        if word is None or word not in listed:
            wrong.append(f"{name}: the manual does not name it ({word})")
    assert not wrong, "\n".join(wrong)
    assert not DONE - set(MODEL.operation_names), DONE - set(MODEL.operation_names)
    return bucket, count


def absent_options(bucket, listed):
    """What an operation that there is can be asked for and is not done."""
    key = {"Bucket": bucket, "Key": "k"}
    put = {**key, "Body": b"other"}
    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "0" * 32}
    rules = [
        {"Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]},
        {"NoncurrentVersionTransitions": [{"NoncurrentDays": 1, "StorageClass": "GLACIER"}]},
        {"Expiration": {"Date": "2030-01-01T00:00:00Z"}},
        {"Expiration": {"Days": 1}, "Filter": {"Tag": {"Key": "a", "Value": "b"}}},
        {"Expiration": {"Days": 1}, "Filter": {"ObjectSizeGreaterThan": 5}},
        {"Expiration": {"Days": 1}, "Filter": {"And": {"Prefix": "a", "ObjectSizeLessThan": 5}}},
    ]
    asked = [
        ("access lists", s3.put_object, {**put, "ACL": "public-read"}),
        ("access lists", s3.put_object, {**put, "GrantRead": "id=x"}),
        ("website", s3.put_object, {**put, "WebsiteRedirectLocation": "/x"}),
        ("KMS", s3.put_object, {**put, "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "x"}),
        ("SSE-C", s3.create_multipart_upload, {**key, **customer}),
        ("object lock", s3.put_object, {**put, "ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": 2e9}),
        ("legal hold", s3.put_object, {**put, "ObjectLockLegalHoldStatus": "ON"}),
        ("storage classes other than STANDARD", s3.put_object, {**put, "StorageClass": "GLACIER"}),
        ("storage classes other than STANDARD", s3.create_multipart_upload, {**key, "StorageClass": "STANDARD_IA"}),
        ("storage classes other than STANDARD", s3.copy_object, {**key, "CopySource": key, "StorageClass": "GLACIER"}),
        ("x-amz-expected-bucket-owner", s3.put_object, {**put, "ExpectedBucketOwner": "111122223333"}),
        ("x-amz-expected-bucket-owner", s3.get_object, {**key, "ExpectedBucketOwner": "111122223333"}),
        ("x-amz-write-offset-bytes", s3.put_object, {**put, "WriteOffsetBytes": 5}),
        ("object lock", s3.create_bucket, {"Bucket": f"t-{uuid.uuid4().hex[:20]}", "ObjectLockEnabledForBucket": True}),
    ]
    for rule in rules:
        rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, **rule}
        asked.append(("lifecycle rules", s3.put_bucket_lifecycle_configuration, {"Bucket": bucket, "LifecycleConfiguration": {"Rules": [rule]}}))
    before, wrong = whole(bucket), []
    for word, call, arguments in asked:
        try:
            call(**arguments)
            code = "a success"
        except ClientError as error:
            code = error.response["Error"]["Code"]
        if code != "NotImplemented" or whole(bucket) != before or word not in listed:
            wrong.append(f"{word}: {code}, {arguments}")
    assert not wrong, "\n".join(wrong)
    # the one class that there is may be asked for by name
    s3.put_object(**put, StorageClass="STANDARD", ACL="private")
    return len(asked)


manual = open(sys.argv[1]).read()
listed = " ".join(manual.split("**What there is not** answers 501", 1)[1].split("\n\n", 1)[0].split())
bucket, operations = absent_operations(listed)
print(f"{operations} operations and {absent_options(bucket, listed)} options answer NotImplemented, change nothing and are in the manual")
