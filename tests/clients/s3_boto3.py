"""Every call of S3 that Drydock answers, through unmodified boto3 with its defaults.

Against our server, or with S3_PEER=ceph against a real other one: where that one differs for reasons of its own, a check says so.
Environment: S3_ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY. Arguments: names of checks; none: all.
"""

import base64
import hashlib
import io
import os
import sys
import time
import traceback
import urllib.error
import urllib.request
import uuid
import zlib

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["S3_ENDPOINT"]
PEER = os.environ.get("S3_PEER", "")
MIB = 1 << 20
CHECKS = []


def client(**options):
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, **options)
    return boto3.client("s3", endpoint_url=ENDPOINT, region_name="us-east-1", config=config)


s3 = client()


def check(function):
    CHECKS.append(function)
    return function


def bucket(versioned=False):
    name = f"t-{uuid.uuid4().hex[:20]}"
    s3.create_bucket(Bucket=name)
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["Error"]["Code"]
        codes = code if isinstance(code, tuple) else (code,)
        assert found in codes, f"{found} instead of {code}: {error}"
        return error.response
    raise AssertionError(f"{call.__name__} should have been refused with {code}")


def keys(page):
    return [entry["Key"] for entry in page.get("Contents", [])]


def prefixes(page):
    return [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]


@check
def buckets_live_and_die():
    name = bucket()
    assert name in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    s3.head_bucket(Bucket=name)
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] in (None, "", "default", "us-east-1")
    if not PEER:
        refused("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket=name)
        refused("InvalidBucketName", client().create_bucket, Bucket="Not_A_Bucket")
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=name)
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    refused("404", s3.head_bucket, Bucket=name)
    refused("NoSuchBucket", s3.put_object, Bucket=name, Key="k", Body=b"x")
    refused("NoSuchBucket", s3.list_objects_v2, Bucket=name)


@check
def an_object_comes_back_as_it_was_sent():
    name = bucket()
    sent = s3.put_object(
        Bucket=name, Key="a/b c+é&'.txt", Body=b"hello", ContentType="text/plain", CacheControl="max-age=5",
        ContentDisposition="attachment", ContentEncoding="gzip", ContentLanguage="de", Metadata={"one": "1", "two": "zwei  words"},
    )
    assert sent["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    got = s3.get_object(Bucket=name, Key="a/b c+é&'.txt")
    assert got["Body"].read() == b"hello"
    for field, value in {"ContentType": "text/plain", "CacheControl": "max-age=5", "ContentDisposition": "attachment",
                         "ContentEncoding": "gzip", "ContentLanguage": "de", "ContentLength": 5, "ETag": sent["ETag"]}.items():
        assert got[field] == value, (field, got[field])
    assert got["Metadata"]["one"] == "1" and "two" in got["Metadata"]
    head = s3.head_object(Bucket=name, Key="a/b c+é&'.txt")
    assert head["ContentLength"] == 5 and head["Metadata"]["one"] == "1" and head["ETag"] == sent["ETag"]
    assert keys(s3.list_objects_v2(Bucket=name)) == ["a/b c+é&'.txt"]
    assert keys(s3.list_objects(Bucket=name)) == ["a/b c+é&'.txt"]
    empty = s3.put_object(Bucket=name, Key="empty", Body=b"")
    assert s3.get_object(Bucket=name, Key="empty")["Body"].read() == b"" and empty["ETag"]
    refused("NoSuchKey", s3.get_object, Bucket=name, Key="no")
    refused("404", s3.head_object, Bucket=name, Key="no")
    refused("404", s3.head_object, Bucket=name, Key="a/")


@check
def the_body_is_not_kept_in_its_wrapping():
    name = bucket()
    s3.put_object(Bucket=name, Key="k", Body=b"x" * 100, ChecksumAlgorithm="CRC32")
    assert "ContentEncoding" not in s3.head_object(Bucket=name, Key="k")
    unsigned = client(request_checksum_calculation="when_required", signature_version="s3v4")
    unsigned.put_object(Bucket=name, Key="k2", Body=io.BytesIO(b"y" * 100))
    assert s3.get_object(Bucket=name, Key="k2")["Body"].read() == b"y" * 100


@check
def ranges():
    name = bucket()
    body = bytes(range(256)) * 1000
    s3.put_object(Bucket=name, Key="k", Body=body)
    for text, piece in [("bytes=0-0", body[:1]), ("bytes=100-199", body[100:200]), ("bytes=255990-", body[255990:]),
                        ("bytes=-5", body[-5:]), ("bytes=255999-999999", body[255999:])]:
        got = s3.get_object(Bucket=name, Key="k", Range=text)
        assert got["Body"].read() == piece and got["ContentLength"] == len(piece), text
        assert got["ContentRange"].endswith("/256000") and got["ResponseMetadata"]["HTTPStatusCode"] == 206
    refused("InvalidRange", s3.get_object, Bucket=name, Key="k", Range="bytes=256000-")
    got = s3.get_object(Bucket=name, Key="k", ResponseContentType="text/x", ResponseCacheControl="no-store")
    assert got["ContentType"] == "text/x" and got["CacheControl"] == "no-store"


@check
def conditional_reads():
    name = bucket()
    etag = s3.put_object(Bucket=name, Key="k", Body=b"x")["ETag"]
    at = s3.head_object(Bucket=name, Key="k")["LastModified"]
    assert s3.get_object(Bucket=name, Key="k", IfMatch=etag)["ETag"] == etag
    refused(("PreconditionFailed", "412"), s3.get_object, Bucket=name, Key="k", IfMatch='"other"')
    refused("304", s3.get_object, Bucket=name, Key="k", IfNoneMatch=etag)
    refused("304", s3.head_object, Bucket=name, Key="k", IfModifiedSince=at)
    refused("412", s3.head_object, Bucket=name, Key="k", IfUnmodifiedSince=at.replace(year=2020))
    s3.get_object(Bucket=name, Key="k", IfNoneMatch='"other"')


@check
def conditional_writes():
    name = bucket()
    etag = s3.put_object(Bucket=name, Key="k", Body=b"one", IfNoneMatch="*")["ETag"]
    refused("PreconditionFailed", s3.put_object, Bucket=name, Key="k", Body=b"two", IfNoneMatch="*")
    refused("PreconditionFailed", s3.put_object, Bucket=name, Key="k", Body=b"two", IfMatch='"0000"')
    etag = s3.put_object(Bucket=name, Key="k", Body=b"two", IfMatch=etag)["ETag"]
    refused(("NoSuchKey", "404"), s3.put_object, Bucket=name, Key="absent", Body=b"two", IfMatch=etag)
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"two"
    if not PEER:
        refused("PreconditionFailed", s3.delete_object, Bucket=name, Key="k", IfMatch='"0000"')
        s3.delete_object(Bucket=name, Key="k", IfMatch=etag)
        refused("NoSuchKey", s3.get_object, Bucket=name, Key="k")


@check
def checksums_are_verified_and_echoed():
    name = bucket()
    body = b"checksummed" * 99
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    sums = {"CRC32": crc, "SHA1": base64.b64encode(hashlib.sha1(body).digest()).decode(),
            "SHA256": base64.b64encode(hashlib.sha256(body).digest()).decode()}
    for algorithm, value in sums.items():
        field = f"Checksum{algorithm}"
        answer = s3.put_object(Bucket=name, Key=algorithm, Body=body, **{field: value})
        assert answer[field] == value, answer
        head = s3.head_object(Bucket=name, Key=algorithm, ChecksumMode="ENABLED")
        assert head[field] == value and head["ChecksumType"] == "FULL_OBJECT", head
        assert field not in s3.head_object(Bucket=name, Key=algorithm)
        wrong = base64.b64encode(bytes(len(base64.b64decode(value)))).decode()
        refused(("BadDigest", "XAmzContentChecksumMismatch"), s3.put_object, Bucket=name, Key="wrong", Body=body, **{field: wrong})
    refused(("InvalidRequest", "InvalidArgument"), s3.put_object, Bucket=name, Key="wrong", Body=body, ChecksumCRC32="zz")
    refused("BadDigest", s3.put_object, Bucket=name, Key="wrong", Body=body, ContentMD5=base64.b64encode(bytes(16)).decode())
    refused("InvalidDigest", s3.put_object, Bucket=name, Key="wrong", Body=body, ContentMD5="zz")
    refused("404", s3.head_object, Bucket=name, Key="wrong")
    for algorithm in ("CRC32C", "CRC64NVME"):
        try:
            s3.put_object(Bucket=name, Key=algorithm, Body=body, ChecksumAlgorithm=algorithm)
        except Exception as error:  # botocore needs awscrt for these
            assert "CRT" in str(error) or "crt" in str(error), error
    # known values of "123456789"
    for field, value in {"ChecksumCRC32C": "4waSgw==", "ChecksumCRC64NVME": "rosUhgp5mIg="}.items():
        assert s3.put_object(Bucket=name, Key=field, Body=b"123456789", **{field: value})[field] == value
    attributes = s3.get_object_attributes(Bucket=name, Key="SHA256", ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass"])
    assert attributes["Checksum"]["ChecksumSHA256"] == sums["SHA256"] and attributes["ObjectSize"] == len(body)


@check
def listing_folds_and_pages():
    name = bucket()
    all_keys = sorted([f"a/{i}" for i in range(12)] + [f"b/c/{i}" for i in range(5)] + ["a", "b", "z", "a-0", "ü"],
                      key=lambda k: k.encode())
    for key in all_keys:
        s3.put_object(Bucket=name, Key=key, Body=b"x")
    page = s3.list_objects_v2(Bucket=name)
    assert keys(page) == all_keys and page["KeyCount"] == len(all_keys) and not page["IsTruncated"]
    assert "Owner" not in page["Contents"][0]
    assert "Owner" in s3.list_objects_v2(Bucket=name, FetchOwner=True)["Contents"][0]
    page = s3.list_objects_v2(Bucket=name, Delimiter="/")
    assert keys(page) == ["a", "a-0", "b", "z", "ü"] and prefixes(page) == ["a/", "b/"], page
    page = s3.list_objects_v2(Bucket=name, Delimiter="/", Prefix="b/")
    assert prefixes(page) == ["b/c/"] and keys(page) == []
    for size in (1, 3, 7):
        for operation in ("list_objects_v2", "list_objects"):
            for delimiter in ("", "/"):
                seen = []
                options = {"Delimiter": delimiter} if delimiter else {}
                pages = s3.get_paginator(operation).paginate(Bucket=name, PaginationConfig={"PageSize": size}, **options)
                for page in pages:
                    assert len(keys(page)) + len(prefixes(page)) <= size
                    seen += keys(page) + prefixes(page)
                expected = ["a", "a-0", "a/", "b", "b/", "z", "ü"] if delimiter else all_keys
                assert sorted(seen, key=lambda k: k.encode()) == expected, (operation, size, delimiter, seen)
    assert keys(s3.list_objects_v2(Bucket=name, StartAfter="b")) == [k for k in all_keys if k.encode() > b"b"]
    assert keys(s3.list_objects(Bucket=name, Marker="b", MaxKeys=2)) == ["b/c/0", "b/c/1"]
    assert s3.list_objects_v2(Bucket=name, MaxKeys=0)["KeyCount"] == 0
    assert keys(s3.list_objects_v2(Bucket=name, Delimiter="", MaxKeys=1)) == ["a"]
    encoded = s3.list_objects_v2(Bucket=name, EncodingType="url", Prefix="ü")
    assert keys(encoded)[0] in ("ü", "%C3%BC")


@check
def deletes_one_and_many():
    name = bucket()
    for i in range(30):
        s3.put_object(Bucket=name, Key=f"k{i}", Body=b"x")
    s3.delete_object(Bucket=name, Key="k0")
    s3.delete_object(Bucket=name, Key="k0")
    answer = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": f"k{i}"} for i in range(20)] + [{"Key": "never"}]})
    assert len(answer["Deleted"]) == 21 and "Errors" not in answer
    answer = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": f"k{i}"} for i in range(20, 30)], "Quiet": True})
    assert "Deleted" not in answer
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0
    if not PEER:
        refused("MalformedXML", s3.delete_objects, Bucket=name, Delete={"Objects": [{"Key": f"k{i}"} for i in range(1001)]})


@check
def copies():
    name, other = bucket(), bucket()
    etag = s3.put_object(Bucket=name, Key="a b", Body=b"copied", Metadata={"m": "1"}, ContentType="text/x", Tagging="t=1")["ETag"]
    answer = s3.copy_object(Bucket=other, Key="b", CopySource={"Bucket": name, "Key": "a b"})
    assert answer["CopyObjectResult"]["ETag"] == etag
    got = s3.get_object(Bucket=other, Key="b")
    assert got["Body"].read() == b"copied" and got["Metadata"] == {"m": "1"} and got["ContentType"] == "text/x"
    assert s3.get_object_tagging(Bucket=other, Key="b")["TagSet"] == [{"Key": "t", "Value": "1"}]
    s3.copy_object(Bucket=other, Key="b", CopySource={"Bucket": other, "Key": "b"}, MetadataDirective="REPLACE", Metadata={"n": "2"})
    assert s3.head_object(Bucket=other, Key="b")["Metadata"] == {"n": "2"}
    refused("InvalidRequest", s3.copy_object, Bucket=other, Key="b", CopySource={"Bucket": other, "Key": "b"})
    refused("NoSuchKey", s3.copy_object, Bucket=other, Key="c", CopySource={"Bucket": name, "Key": "no"})
    refused("PreconditionFailed", s3.copy_object, Bucket=other, Key="c", CopySource={"Bucket": name, "Key": "a b"}, CopySourceIfMatch='"x"')
    s3.copy_object(Bucket=other, Key="c", CopySource={"Bucket": name, "Key": "a b"}, CopySourceIfMatch=etag)
    refused("PreconditionFailed", s3.copy_object, Bucket=other, Key="c", CopySource={"Bucket": name, "Key": "a b"}, CopySourceIfNoneMatch=etag)
    s3.copy({"Bucket": name, "Key": "a b"}, other, "managed")
    assert s3.get_object(Bucket=other, Key="managed")["Body"].read() == b"copied"


@check
def uploads_in_parts():
    name = bucket()
    parts = [os.urandom(5 * MIB), os.urandom(5 * MIB), b"the end"]
    begun = s3.create_multipart_upload(Bucket=name, Key="big", ContentType="x/y", Metadata={"m": "1"})
    upload = begun["UploadId"]
    etags = []
    for number, part in enumerate(parts, 1):
        etags.append(s3.upload_part(Bucket=name, Key="big", UploadId=upload, PartNumber=number, Body=part)["ETag"])
    listed = s3.list_parts(Bucket=name, Key="big", UploadId=upload)
    assert [p["Size"] for p in listed["Parts"]] == [len(p) for p in parts] and [p["ETag"] for p in listed["Parts"]] == etags
    first = s3.list_parts(Bucket=name, Key="big", UploadId=upload, MaxParts=2)
    assert first["IsTruncated"] and first["NextPartNumberMarker"] == 2
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=name)["Uploads"]] == [upload]
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0
    named = [{"PartNumber": n, "ETag": e} for n, e in enumerate(etags, 1)]
    refused("InvalidPartOrder", s3.complete_multipart_upload, Bucket=name, Key="big", UploadId=upload, MultipartUpload={"Parts": named[::-1]})
    refused("InvalidPart", s3.complete_multipart_upload, Bucket=name, Key="big", UploadId=upload,
            MultipartUpload={"Parts": named[:2] + [{"PartNumber": 3, "ETag": '"00000000000000000000000000000000"'}]})
    done = s3.complete_multipart_upload(Bucket=name, Key="big", UploadId=upload, MultipartUpload={"Parts": named})
    whole = b"".join(parts)
    md5s = b"".join(hashlib.md5(p).digest() for p in parts)
    assert done["ETag"] == f'"{hashlib.md5(md5s).hexdigest()}-3"', done
    again = s3.complete_multipart_upload(Bucket=name, Key="big", UploadId=upload, MultipartUpload={"Parts": named})
    assert again["ETag"] == done["ETag"]
    got = s3.get_object(Bucket=name, Key="big")
    assert got["Body"].read() == whole and got["ContentType"] == "x/y" and got["Metadata"] == {"m": "1"}
    edge = 5 * MIB
    assert s3.get_object(Bucket=name, Key="big", Range=f"bytes={edge - 3}-{edge + 2}")["Body"].read() == whole[edge - 3:edge + 3]
    part = s3.get_object(Bucket=name, Key="big", PartNumber=2)
    assert part["Body"].read() == parts[1] and part["PartsCount"] == 3
    assert s3.head_object(Bucket=name, Key="big", PartNumber=3)["ContentLength"] == 7
    attributes = s3.get_object_attributes(Bucket=name, Key="big", ObjectAttributes=["ObjectParts", "ObjectSize"])
    assert attributes["ObjectParts"]["TotalPartsCount"] == 3
    s3.copy_object(Bucket=name, Key="copy", CopySource={"Bucket": name, "Key": "big"})
    s3.delete_object(Bucket=name, Key="big")
    assert s3.get_object(Bucket=name, Key="copy")["Body"].read() == whole
    refused("NoSuchUpload", s3.upload_part, Bucket=name, Key="big", UploadId=upload, PartNumber=1, Body=b"x")


@check
def uploads_are_listed_in_pages():
    name = bucket()
    keys = ["a/1", "a/2", "b", "b", "c/1", "d"]
    begun = [(key, s3.create_multipart_upload(Bucket=name, Key=key)["UploadId"]) for key in keys]
    for size in (1, 2, 3, 1000):
        uploads, prefixes, marker = [], [], {}
        while True:
            page = s3.list_multipart_uploads(Bucket=name, Delimiter="/", MaxUploads=size, **marker)
            uploads += [(u["Key"], u["UploadId"]) for u in page.get("Uploads", [])]
            prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
            if not page["IsTruncated"]:
                break
            marker = {"KeyMarker": page["NextKeyMarker"]}
            if page.get("NextUploadIdMarker"):
                marker["UploadIdMarker"] = page["NextUploadIdMarker"]
        assert uploads == sorted(one for one in begun if "/" not in one[0]), (size, uploads)
        assert prefixes == ["a/", "c/"], (size, prefixes)
    # whoever clears page by page misses none
    while page := s3.list_multipart_uploads(Bucket=name, MaxUploads=2).get("Uploads"):
        for upload in page:
            s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])


@check
def uploads_that_cannot_end_well():
    name = bucket()
    upload = s3.create_multipart_upload(Bucket=name, Key="k")["UploadId"]
    small = [s3.upload_part(Bucket=name, Key="k", UploadId=upload, PartNumber=n, Body=b"small")["ETag"] for n in (1, 2)]
    refused("EntityTooSmall", s3.complete_multipart_upload, Bucket=name, Key="k", UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": n, "ETag": e} for n, e in enumerate(small, 1)]})
    refused("MalformedXML", s3.complete_multipart_upload, Bucket=name, Key="k", UploadId=upload, MultipartUpload={"Parts": []})
    refused("InvalidArgument", s3.upload_part, Bucket=name, Key="k", UploadId=upload, PartNumber=10001, Body=b"x")
    refused("NoSuchUpload", s3.upload_part, Bucket=name, Key="k", UploadId="nonsense", PartNumber=1, Body=b"x")
    refused("NoSuchUpload", s3.upload_part, Bucket=name, Key="other", UploadId=upload, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(Bucket=name, Key="k", UploadId=upload)
    refused("NoSuchUpload", s3.abort_multipart_upload, Bucket=name, Key="k", UploadId=upload)
    refused("NoSuchUpload", s3.list_parts, Bucket=name, Key="k", UploadId=upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=name)
    s3.delete_bucket(Bucket=name)


@check
def parts_are_copied_from_objects():
    name = bucket()
    body = os.urandom(6 * MIB)
    s3.put_object(Bucket=name, Key="source", Body=body)
    upload = s3.create_multipart_upload(Bucket=name, Key="k")["UploadId"]
    source = {"Bucket": name, "Key": "source"}
    one = s3.upload_part_copy(Bucket=name, Key="k", UploadId=upload, PartNumber=1, CopySource=source)["CopyPartResult"]["ETag"]
    two = s3.upload_part_copy(Bucket=name, Key="k", UploadId=upload, PartNumber=2, CopySource=source,
                              CopySourceRange="bytes=10-19")["CopyPartResult"]["ETag"]
    refused(("InvalidRange", "InvalidArgument"), s3.upload_part_copy, Bucket=name, Key="k", UploadId=upload, PartNumber=3,
            CopySource=source, CopySourceRange=f"bytes=0-{len(body)}")
    s3.complete_multipart_upload(Bucket=name, Key="k", UploadId=upload,
                                 MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": one}, {"PartNumber": 2, "ETag": two}]})
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == body + body[10:20]


@check
def checksums_of_parts_combine():
    name = bucket()
    parts = [os.urandom(5 * MIB), b"tail"]

    def through(kind, algorithm, field, value_of):
        begun = s3.create_multipart_upload(Bucket=name, Key=kind + algorithm, ChecksumAlgorithm=algorithm, ChecksumType=kind)
        named = []
        for number, part in enumerate(parts, 1):
            answer = s3.upload_part(Bucket=name, Key=kind + algorithm, UploadId=begun["UploadId"], PartNumber=number, Body=part,
                                    ChecksumAlgorithm=algorithm)
            named.append({"PartNumber": number, "ETag": answer["ETag"], field: answer[field]})
            assert answer[field] == value_of(part)
        done = s3.complete_multipart_upload(Bucket=name, Key=kind + algorithm, UploadId=begun["UploadId"], MultipartUpload={"Parts": named})
        head = s3.head_object(Bucket=name, Key=kind + algorithm, ChecksumMode="ENABLED")
        assert head[field] == done[field] and head["ChecksumType"] == kind, head
        return done[field]

    crc = lambda data: base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    sha = lambda data: base64.b64encode(hashlib.sha256(data).digest()).decode()
    assert through("FULL_OBJECT", "CRC32", "ChecksumCRC32", crc) == crc(b"".join(parts))
    of_crcs = b"".join(zlib.crc32(p).to_bytes(4, "big") for p in parts)
    assert through("COMPOSITE", "CRC32", "ChecksumCRC32", crc) == crc(of_crcs) + "-2"
    of_shas = b"".join(hashlib.sha256(p).digest() for p in parts)
    assert through("COMPOSITE", "SHA256", "ChecksumSHA256", sha) == sha(of_shas) + "-2"
    refused(("InvalidRequest", "InvalidArgument"), s3.create_multipart_upload, Bucket=name, Key="k", ChecksumAlgorithm="SHA256", ChecksumType="FULL_OBJECT")


@check
def managed_transfers_go_there_and_back():
    name = bucket()
    body = os.urandom(40 * MIB + 11)
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=4)
    s3.upload_fileobj(io.BytesIO(body), name, "k", Config=config, ExtraArgs={"Metadata": {"a": "b"}})
    back = io.BytesIO()
    s3.download_fileobj(name, "k", back, Config=config)
    assert back.getvalue() == body
    s3.copy({"Bucket": name, "Key": "k"}, name, "k2", Config=config)
    assert s3.head_object(Bucket=name, Key="k2")["ContentLength"] == len(body)


@check
def versions_and_markers():
    name = bucket(versioned=True)
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    one = s3.put_object(Bucket=name, Key="k", Body=b"one")["VersionId"]
    two = s3.put_object(Bucket=name, Key="k", Body=b"two")["VersionId"]
    assert s3.get_object(Bucket=name, Key="k", VersionId=one)["Body"].read() == b"one"
    assert s3.get_object(Bucket=name, Key="k")["VersionId"] == two
    gone = s3.delete_object(Bucket=name, Key="k")
    assert gone["DeleteMarker"] and gone["VersionId"]
    answer = refused("NoSuchKey", s3.get_object, Bucket=name, Key="k")
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    refused(("MethodNotAllowed", "405"), s3.get_object, Bucket=name, Key="k", VersionId=gone["VersionId"])
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0
    listed = s3.list_object_versions(Bucket=name)
    assert [(v["VersionId"], v["IsLatest"]) for v in listed["Versions"]] == [(two, False), (one, False)]
    assert [(m["VersionId"], m["IsLatest"]) for m in listed["DeleteMarkers"]] == [(gone["VersionId"], True)]
    s3.delete_object(Bucket=name, Key="k", VersionId=gone["VersionId"])
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"two"
    s3.delete_object(Bucket=name, Key="k", VersionId=two)
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"one"
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
    assert s3.put_object(Bucket=name, Key="k", Body=b"null")["ResponseMetadata"]["HTTPHeaders"].get("x-amz-version-id", "null") == "null"
    assert s3.get_object(Bucket=name, Key="k", VersionId="null")["Body"].read() == b"null"
    assert sorted(v["VersionId"] for v in s3.list_object_versions(Bucket=name)["Versions"]) == sorted([one, "null"])
    s3.copy_object(Bucket=name, Key="k", CopySource={"Bucket": name, "Key": "k", "VersionId": one})
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"one"
    refused(("NoSuchVersion", "404", "NoSuchKey"), s3.get_object, Bucket=name, Key="k", VersionId="0" * 15 + "1" if not PEER else "x")
    for entry in [*s3.list_object_versions(Bucket=name).get("Versions", []), *s3.list_object_versions(Bucket=name).get("DeleteMarkers", [])]:
        s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": entry["Key"], "VersionId": entry["VersionId"]}]})
    s3.delete_bucket(Bucket=name)


@check
def versions_page():
    name = bucket(versioned=True)
    for key in ("a", "b/1", "b/2", "c"):
        for _ in range(3):
            s3.put_object(Bucket=name, Key=key, Body=b"x")
        s3.delete_object(Bucket=name, Key=key)
    whole = s3.list_object_versions(Bucket=name)
    assert len(whole["Versions"]) == 12 and len(whole["DeleteMarkers"]) == 4
    for size in (1, 2, 5):
        seen = []
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name, PaginationConfig={"PageSize": size}):
            seen += [(e["Key"], e["VersionId"], e["IsLatest"]) for e in page.get("Versions", []) + page.get("DeleteMarkers", [])]
        assert sorted(seen) == sorted((e["Key"], e["VersionId"], e["IsLatest"]) for e in whole["Versions"] + whole["DeleteMarkers"]), size
    page = s3.list_object_versions(Bucket=name, Delimiter="/")
    assert prefixes(page) == ["b/"] and len(page["Versions"]) == 6


@check
def tags():
    name = bucket()
    s3.put_object(Bucket=name, Key="k", Body=b"x", Tagging="a=1&b=two%20words")
    assert {t["Key"]: t["Value"] for t in s3.get_object_tagging(Bucket=name, Key="k")["TagSet"]} == {"a": "1", "b": "two words"}
    assert s3.get_object(Bucket=name, Key="k")["TagCount"] == 2
    s3.put_object_tagging(Bucket=name, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": "3"}]})
    assert s3.get_object_tagging(Bucket=name, Key="k")["TagSet"] == [{"Key": "c", "Value": "3"}]
    s3.delete_object_tagging(Bucket=name, Key="k")
    assert s3.get_object_tagging(Bucket=name, Key="k")["TagSet"] == []
    refused(("InvalidTag", "BadRequest"), s3.put_object_tagging, Bucket=name, Key="k", Tagging={"TagSet": [{"Key": f"k{i}", "Value": ""} for i in range(11)]})
    refused(("NoSuchTagSet", "NoSuchTagSetError"), s3.get_bucket_tagging, Bucket=name)
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "team", "Value": "ml"}]})
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == [{"Key": "team", "Value": "ml"}]
    s3.delete_bucket_tagging(Bucket=name)


@check
def lifecycle_and_cors_are_kept():
    name = bucket()
    refused("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket=name)
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 7}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"] == [rule]
    s3.delete_bucket_lifecycle(Bucket=name)
    refused("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket=name)
    if not PEER:
        moves = {**rule, "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}
        refused("NotImplemented", s3.put_bucket_lifecycle_configuration, Bucket=name, LifecycleConfiguration={"Rules": [moves]})
    refused("NoSuchCORSConfiguration", s3.get_bucket_cors, Bucket=name)
    cors = {"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["http://page.lan"], "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 60}
    s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [cors]})
    assert s3.get_bucket_cors(Bucket=name)["CORSRules"] == [cors]
    asked = urllib.request.Request(f"{ENDPOINT}/{name}/k", method="OPTIONS", headers={
        "Origin": "http://page.lan", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"})
    with urllib.request.urlopen(asked) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "http://page.lan" and "PUT" in answer.headers["Access-Control-Allow-Methods"]
    asked = urllib.request.Request(f"{ENDPOINT}/{name}/k", method="OPTIONS", headers={
        "Origin": "http://other.lan", "Access-Control-Request-Method": "PUT"})
    try:
        urllib.request.urlopen(asked)
        raise AssertionError("another page was let in")
    except urllib.error.HTTPError as error:
        assert error.code == 403
    url = s3.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "k"})
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Origin": "http://page.lan"})) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "http://page.lan"
        assert answer.headers["Access-Control-Expose-Headers"] == "ETag"
    s3.delete_bucket_cors(Bucket=name)


@check
def presigned_urls_open_what_they_name_and_nothing_else():
    name = bucket()
    # the default is the older signature of the query, the other one has to be asked for; both count
    s3.put_object(Bucket=name, Key="older", Body=b"older")
    older = s3.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "older"}, ExpiresIn=60)
    assert urllib.request.urlopen(older).read() == b"older"
    signer = client(signature_version="s3v4")
    put = signer.generate_presigned_url("put_object", Params={"Bucket": name, "Key": "k"}, ExpiresIn=60)
    urllib.request.urlopen(urllib.request.Request(put, data=b"through a link", method="PUT"))
    get = signer.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "k"}, ExpiresIn=60)
    assert urllib.request.urlopen(get).read() == b"through a link"
    for wrong in (get.replace("/k?", "/other?"), get.replace("X-Amz-Expires=60", "X-Amz-Expires=600"), get[:-1] + ("0" if get[-1] != "0" else "1")):
        try:
            urllib.request.urlopen(wrong)
            raise AssertionError(f"{wrong} was let in")
        except urllib.error.HTTPError as error:
            assert error.code == 403, error
    short = signer.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "k"}, ExpiresIn=1)
    time.sleep(2.1)
    try:
        urllib.request.urlopen(short)
        raise AssertionError("an expired link was let in")
    except urllib.error.HTTPError as error:
        assert error.code == 403


def posted(form, data, spoil=()):
    """The status of a browser's form."""
    border, body = "border" + uuid.uuid4().hex, b""
    for name, value in {**form["fields"], **dict(spoil)}.items():
        body += f'--{border}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    body += f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\nContent-Type: text/plain\r\n\r\n'.encode()
    body += data + f"\r\n--{border}--\r\n".encode()
    request = urllib.request.Request(form["url"], data=body, headers={"Content-Type": f"multipart/form-data; boundary={border}"})
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code


@check
def signed_forms_upload_what_their_policy_says():
    name = bucket()
    signer = client(signature_version="s3v4")
    form = signer.generate_presigned_post(name, "up/k", Conditions=[["content-length-range", 1, 1000]], ExpiresIn=60)
    assert posted(form, b"from a form") == 204
    assert s3.get_object(Bucket=name, Key="up/k")["Body"].read() == b"from a form"
    s3.delete_object(Bucket=name, Key="up/k")
    assert posted(form, b"x" * 2000) == 400
    assert posted(form, b"x", {"x-amz-signature": "0" * 64}) == 403
    assert posted(form, b"x", {"key": "other"}) in (400, 403)
    assert posted({"url": form["url"], "fields": {"key": "unsigned"}}, b"x") == 403
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0


@check
def strangers_are_refused():
    name = bucket()
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    wrong = boto3.client("s3", endpoint_url=ENDPOINT, region_name="us-east-1", aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
                         aws_secret_access_key="wrong", config=Config(s3={"addressing_style": "path"}))
    refused("SignatureDoesNotMatch", wrong.get_object, Bucket=name, Key="k")
    refused("SignatureDoesNotMatch", wrong.put_object, Bucket=name, Key="new", Body=b"y")
    unknown = boto3.client("s3", endpoint_url=ENDPOINT, region_name="us-east-1", aws_access_key_id="DDUNKNOWN",
                           aws_secret_access_key="wrong", config=Config(s3={"addressing_style": "path"}))
    refused("InvalidAccessKeyId", unknown.list_buckets)
    try:
        urllib.request.urlopen(f"{ENDPOINT}/{name}/k")
        raise AssertionError("an unsigned request was let in")
    except urllib.error.HTTPError as error:
        assert error.code == 403 and b"AccessDenied" in error.read()
    refused("404", s3.head_object, Bucket=name, Key="new")


@check
def what_there_is_not_says_so():
    if PEER:
        return
    name = bucket()
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    for call, arguments in [
        (s3.put_bucket_policy, {"Policy": "{}"}), (s3.get_bucket_policy, {}), (s3.get_bucket_website, {}),
        (s3.get_bucket_replication, {}), (s3.get_bucket_encryption, {}), (s3.get_bucket_logging, {}),
        (s3.get_object_lock_configuration, {}), (s3.get_bucket_notification_configuration, {}),
        (s3.put_bucket_acl, {"ACL": "public-read"}), (s3.get_public_access_block, {}),
    ]:
        refused("NotImplemented", call, Bucket=name, **arguments)
    refused("NotImplemented", s3.put_object, Bucket=name, Key="k", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=2e9)
    assert s3.get_bucket_acl(Bucket=name)["Grants"][0]["Permission"] == "FULL_CONTROL"
    assert s3.get_object_acl(Bucket=name, Key="k")["Grants"][0]["Permission"] == "FULL_CONTROL"


@check
def hostile_keys_are_refused():
    if PEER:
        return
    name = bucket()
    for key in ("../up", "a/../b", "a/./b", "..", "a\\..\\b", "nul\0l"):
        refused(("InvalidArgument", "400"), s3.put_object, Bucket=name, Key=key, Body=b"x")
        refused(("InvalidArgument", "400"), s3.head_object, Bucket=name, Key=key)
        refused(("InvalidArgument", "400"), s3.delete_object, Bucket=name, Key=key)
    refused("KeyTooLongError", s3.put_object, Bucket=name, Key="x" * 1025, Body=b"x")
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0
    for key in ("/leading", "a//b", " space ", "%2e%2e/x", "a?b=c", "tab\there", "quote\"<>&", "ends/", "emoji-😀", "+plus", "line\nbreak"):
        s3.put_object(Bucket=name, Key=key, Body=key.encode())
        assert s3.get_object(Bucket=name, Key=key)["Body"].read() == key.encode(), key
        assert key in keys(s3.list_objects_v2(Bucket=name)), key
        s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": key}]})
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0


def main():
    wanted = sys.argv[1:]
    failed = []
    for function in CHECKS:
        if wanted and function.__name__ not in wanted:
            continue
        began = time.time()
        try:
            function()
            print(f"ok {function.__name__} {time.time() - began:.2f}s", flush=True)
        except Exception:
            failed.append(function.__name__)
            print(f"FAILED {function.__name__}\n{traceback.format_exc()}", flush=True)
    if failed:
        sys.exit(f"{len(failed)} failed: {' '.join(failed)}")


main()
