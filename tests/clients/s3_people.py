"""What an owner, another engineer and a viewer may in a bucket. Arguments: OTTO=access:secret VERA=access:secret; the environment is erin's."""

import os
import sys
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def client(access, secret):
    return boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT"], region_name="us-east-1", aws_access_key_id=access,
                        aws_secret_access_key=secret, config=Config(retries={"max_attempts": 1}))


def refused(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403, error
        return
    raise AssertionError(f"{call.__name__} {arguments} was let through")


keys = dict(argument.split("=", 1) for argument in sys.argv[1:])
erin = client(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
otto, vera = (client(*keys[name].split(":")) for name in ("OTTO", "VERA"))

name = f"t-{uuid.uuid4().hex[:20]}"
refused(vera.create_bucket, Bucket=name)
erin.create_bucket(Bucket=name)
erin.put_object(Bucket=name, Key="k", Body=b"erin's")
# a bucket of the project: engineers write, viewers read
otto.put_object(Bucket=name, Key="o", Body=b"otto's")
assert vera.get_object(Bucket=name, Key="k")["Body"].read() == b"erin's"
assert vera.list_objects_v2(Bucket=name)["KeyCount"] == 2
upload = erin.create_multipart_upload(Bucket=name, Key="m")["UploadId"]
refused(vera.put_object, Bucket=name, Key="k", Body=b"x")
refused(vera.delete_object, Bucket=name, Key="k")
refused(vera.copy_object, Bucket=name, Key="copy", CopySource=f"{name}/k")
refused(vera.put_object_tagging, Bucket=name, Key="k", Tagging={"TagSet": []})
refused(vera.create_multipart_upload, Bucket=name, Key="v")
refused(vera.upload_part, Bucket=name, Key="m", UploadId=upload, PartNumber=1, Body=b"x")
refused(vera.abort_multipart_upload, Bucket=name, Key="m", UploadId=upload)
refused(vera.complete_multipart_upload, Bucket=name, Key="m", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": "x"}]})
answer = vera.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "k"}]})
assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"] and not answer.get("Deleted")
# settings and removal are the owner's
for person in (otto, vera):
    refused(person.put_bucket_versioning, Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    refused(person.put_bucket_cors, Bucket=name, CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]})
    refused(person.delete_bucket_lifecycle, Bucket=name)
    refused(person.put_bucket_tagging, Bucket=name, Tagging={"TagSet": []})
    refused(person.delete_bucket, Bucket=name)
erin.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
assert erin.get_object(Bucket=name, Key="k")["Body"].read() == b"erin's"
print("each what they may")
