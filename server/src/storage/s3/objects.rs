//! S3's operations on single objects, and on many at once.

use futures_util::TryStreamExt;
use s3s::{
    S3Error, S3Request, S3Response, S3Result,
    dto::{
        Checksum, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput, DeleteObjectOutput,
        DeleteObjectTaggingInput, DeleteObjectTaggingOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
        GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, GetObjectInput, GetObjectOutput,
        GetObjectTaggingInput, GetObjectTaggingOutput, HeadObjectInput, HeadObjectOutput, MetadataDirective, ObjectPart,
        PutObjectInput, PutObjectOutput, PutObjectTaggingInput, PutObjectTaggingOutput, Range, StreamingBlob,
        TaggingDirective, Timestamp, TimestampFormat,
    },
};

use super::{
    Buckets,
    answers::{self, refusal},
    body::Outgoing,
};
use crate::{
    error::{Error, Result},
    storage::{
        about::{self, About},
        access::Caller,
        copy::{self, Copy},
        objects::{self, Found, Looked, Put},
        refusals::{self, S3Word},
        rules::{ByteRange, Conditions, Verdict, VersionId},
        store::objects::ObjectRow,
    },
};

/// What an object is when nobody said.
const UNKNOWN_TYPE: &str = "binary/octet-stream";
const MOST_DELETED_AT_ONCE: usize = 1000;

/// Headers that come back as they were sent.
pub struct Headers {
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub metadata: Option<std::collections::HashMap<String, String>>,
}

impl Headers {
    /// With `expires` as it was sent, and without the encoding that only wrapped the upload.
    pub fn into_about(self, headers: &hyper::HeaderMap) -> Result<About> {
        let metadata: std::collections::BTreeMap<String, String> = self.metadata.unwrap_or_default().into_iter().collect();
        let length: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if length > 2048 {
            let text = "Your metadata headers exceed the maximum allowed metadata size, 2 KiB.";
            return Err(Error::invalid(text).with_source(S3Word("MetadataTooLarge")));
        }
        let encodings = self.content_encoding.unwrap_or_default();
        let kept: Vec<&str> = encodings
            .split(',')
            .map(str::trim)
            .filter(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("aws-chunked"))
            .collect();
        Ok(About {
            cache_control: self.cache_control,
            content_disposition: self.content_disposition,
            content_encoding: if kept.is_empty() { None } else { Some(kept.join(",")) },
            content_language: self.content_language,
            expires: headers.get("expires").and_then(|value| value.to_str().ok()).map(str::to_owned),
            metadata,
            ..About::default()
        })
    }
}

/// What would have to be kept otherwise than it is.
pub fn refuse_unsupported(headers: &hyper::HeaderMap) -> Result<()> {
    const UNSUPPORTED: [&str; 7] = [
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-object-lock-mode",
        "x-amz-object-lock-legal-hold",
        "x-amz-object-lock-retain-until-date",
        "x-amz-website-redirect-location",
        "x-amz-write-offset-bytes",
    ];
    match UNSUPPORTED.into_iter().find(|name| headers.contains_key(*name)) {
        Some(name) => {
            let text = format!("Drydock does not support {name}; send the request without it.");
            Err(Error::new(drydock_wire::ErrorCode::NotImplemented, text))
        }
        None => Ok(()),
    }
}

impl Buckets {
    pub(super) async fn put(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let caller = self.caller(&request.credentials)?;
        let S3Request { input, headers, trailing_headers, .. } = request;
        let body = input.body;
        let prepared = || -> Result<Put> {
            refuse_unsupported(&headers)?;
            let said = answers::said([
                input.checksum_crc32,
                input.checksum_crc32c,
                input.checksum_crc64nvme,
                input.checksum_sha1,
                input.checksum_sha256,
            ])?;
            let algorithm = input.checksum_algorithm.as_ref().map(|algorithm| algorithm.as_str());
            let told = Headers {
                cache_control: input.cache_control,
                content_disposition: input.content_disposition,
                content_encoding: input.content_encoding,
                content_language: input.content_language,
                metadata: input.metadata,
            };
            let tags = answers::header_tags(input.tagging.as_deref())?;
            Ok(Put {
                key: input.key,
                content_type: input.content_type,
                about: About { tags, ..told.into_about(&headers)? },
                expected: answers::expected(input.content_md5.as_deref(), said, algorithm, &headers)?,
                conditions: answers::conditions(input.if_match, input.if_none_match, None, None),
                size_bytes: body_length(&headers, input.content_length),
            })
        };
        let put = prepared().map_err(refusal)?;
        let late = answers::late(&headers, trailing_headers);
        let written = objects::put(&self.app, &caller, &input.bucket, put, incoming(body), late).await.map_err(refusal)?;
        let sums = checksum_of(&written.row)?;
        let mut output = PutObjectOutput {
            e_tag: Some(answers::etag(&written.row.etag)),
            version_id: written.version_id().map(|version| version.to_string()),
            checksum_type: sums.checksum_type.clone(),
            ..Default::default()
        };
        (output.checksum_crc32, output.checksum_crc32c) = (sums.checksum_crc32, sums.checksum_crc32c);
        (output.checksum_crc64nvme, output.checksum_sha1) = (sums.checksum_crc64nvme, sums.checksum_sha1);
        output.checksum_sha256 = sums.checksum_sha256;
        Ok(S3Response::new(output))
    }

    pub(super) async fn get(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let conditions = answers::conditions(
            input.if_match,
            input.if_none_match,
            input.if_modified_since.as_ref(),
            input.if_unmodified_since.as_ref(),
        );
        let wanted = Wanted {
            version: input.version_id,
            conditions,
            range: input.range,
            part: input.part_number,
            checksums: input.checksum_mode.is_some_and(|mode| mode.as_str().eq_ignore_ascii_case("ENABLED")),
        };
        let shown = self.show(&caller, &input.bucket, &input.key, wanted, true).await?;
        let body = shown.found.stream(&self.app, shown.range).await.map_err(refusal)?;
        let length = shown.range.1 - shown.range.0;
        let mut output = GetObjectOutput { body: Some(StreamingBlob::new(Outgoing::new(body, length))), ..shown.described()? };
        output.tag_count = i32::try_from(shown.about.tags.len()).ok().filter(|count| *count > 0);
        Ok(S3Response::new(output))
    }

    pub(super) async fn head(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let conditions = answers::conditions(
            input.if_match,
            input.if_none_match,
            input.if_modified_since.as_ref(),
            input.if_unmodified_since.as_ref(),
        );
        let wanted = Wanted {
            version: input.version_id,
            conditions,
            range: input.range,
            part: input.part_number,
            checksums: input.checksum_mode.is_some_and(|mode| mode.as_str().eq_ignore_ascii_case("ENABLED")),
        };
        let needs_parts = wanted.part.is_some();
        let shown = self.show(&caller, &input.bucket, &input.key, wanted, needs_parts).await?;
        let same = shown.described()?;
        let output = HeadObjectOutput {
            accept_ranges: same.accept_ranges,
            cache_control: same.cache_control,
            checksum_crc32: same.checksum_crc32,
            checksum_crc32c: same.checksum_crc32c,
            checksum_crc64nvme: same.checksum_crc64nvme,
            checksum_sha1: same.checksum_sha1,
            checksum_sha256: same.checksum_sha256,
            checksum_type: same.checksum_type,
            content_disposition: same.content_disposition,
            content_encoding: same.content_encoding,
            content_language: same.content_language,
            content_length: same.content_length,
            content_range: same.content_range,
            content_type: same.content_type,
            e_tag: same.e_tag,
            expires: same.expires,
            last_modified: same.last_modified,
            metadata: same.metadata,
            parts_count: same.parts_count,
            version_id: same.version_id,
            ..Default::default()
        };
        let is_part = output.content_range.is_some();
        let mut answer = S3Response::new(output);
        if is_part {
            answer.status = Some(hyper::StatusCode::PARTIAL_CONTENT);
        }
        Ok(answer)
    }

    async fn show(&self, caller: &Caller, bucket: &str, key: &str, wanted: Wanted, content: bool) -> S3Result<Shown> {
        let version = answers::version(wanted.version.as_deref()).map_err(refusal)?;
        let looked = objects::look(&self.app, caller, bucket, key, version, content).await.map_err(refusal)?;
        let found = match looked {
            Looked::Object(found) => *found,
            Looked::Marker(row) => return Err(behind_marker(&row, version)),
        };
        match wanted.conditions.on_read(&found.row.etag, found.row.modified_at) {
            Verdict::GoOn => {}
            Verdict::NotModified => return Err(not_modified(&found)),
            Verdict::Failed => return Err(refusal(refusals::condition_failed())),
        }
        Shown::new(found, &wanted).map_err(refusal)
    }

    pub(super) async fn attributes(
        &self,
        request: S3Request<GetObjectAttributesInput>,
    ) -> S3Result<S3Response<GetObjectAttributesOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let version = answers::version(input.version_id.as_deref()).map_err(refusal)?;
        let looked = objects::look(&self.app, &caller, &input.bucket, &input.key, version, true).await.map_err(refusal)?;
        let found = match looked {
            Looked::Object(found) => *found,
            Looked::Marker(row) => return Err(behind_marker(&row, version)),
        };
        // clients name them in one header or in several
        let named = input.object_attributes.iter().flat_map(|attributes| attributes.as_str().split(','));
        let named: Vec<&str> = named.map(str::trim).collect();
        let wants = |name: &str| named.contains(&name);
        let about = About::read(found.row.about.as_deref()).map_err(refusal)?;
        let sums = answers::checksum(&about);
        let output = GetObjectAttributesOutput {
            e_tag: wants("ETag").then(|| answers::etag(&found.row.etag)),
            checksum: (wants("Checksum") && sums.checksum_type.is_some()).then_some(sums),
            object_parts: if wants("ObjectParts") && !found.parts().is_empty() {
                Some(parts_attribute(&found, &about, input.part_number_marker, input.max_parts))
            } else {
                None
            },
            object_size: wants("ObjectSize").then_some(found.row.size_bytes),
            storage_class: wants("StorageClass").then(|| s3s::dto::StorageClass::from_static(s3s::dto::StorageClass::STANDARD)),
            last_modified: Some(answers::timestamp(found.row.modified_at)),
            version_id: found.version_id().map(|version| version.to_string()),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    pub(super) async fn copy(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let caller = self.caller(&request.credentials)?;
        let S3Request { input, headers, .. } = request;
        let prepared = || -> Result<Copy> {
            refuse_unsupported(&headers)?;
            let (from_bucket, from_key, from_version) = source(&input.copy_source)?;
            let replaces = input.metadata_directive.is_some_and(|d| d.as_str() == MetadataDirective::REPLACE);
            let retags = input.tagging_directive.is_some_and(|d| d.as_str() == TaggingDirective::REPLACE);
            let told = Headers {
                cache_control: input.cache_control,
                content_disposition: input.content_disposition,
                content_encoding: input.content_encoding,
                content_language: input.content_language,
                metadata: input.metadata,
            };
            let tags = answers::header_tags(input.tagging.as_deref())?;
            let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
            Ok(Copy {
                from_bucket,
                from_key,
                from_version,
                source_conditions: answers::conditions(
                    input.copy_source_if_match,
                    input.copy_source_if_none_match,
                    input.copy_source_if_modified_since.as_ref(),
                    input.copy_source_if_unmodified_since.as_ref(),
                ),
                bucket: input.bucket,
                key: input.key,
                conditions: answers::conditions(header("if-match"), header("if-none-match"), None, None),
                headers: if replaces { Some((input.content_type, told.into_about(&headers)?)) } else { None },
                tags: retags.then_some(tags),
            })
        };
        let (source, made) = copy::copy(&self.app, &caller, prepared().map_err(refusal)?).await.map_err(refusal)?;
        let sums = checksum_of(&made.row)?;
        let result = CopyObjectResult {
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_type: sums.checksum_type,
            e_tag: Some(answers::etag(&made.row.etag)),
            last_modified: Some(answers::timestamp(made.row.modified_at)),
        };
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: source.version_id().map(|version| version.to_string()),
            version_id: made.version_id().map(|version| version.to_string()),
            ..Default::default()
        }))
    }

    pub(super) async fn delete(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let version = answers::version(input.version_id.as_deref()).map_err(refusal)?;
        let conditions = answers::conditions(input.if_match, None, None, None);
        let removed = objects::remove(&self.app, &caller, &input.bucket, &input.key, version, conditions);
        let removed = removed.await.map_err(refusal)?;
        let output = DeleteObjectOutput {
            delete_marker: removed.is_marker.then_some(true),
            version_id: removed.version.map(|version| version.to_string()),
            ..Default::default()
        };
        Ok(S3Response::with_status(output, hyper::StatusCode::NO_CONTENT))
    }

    pub(super) async fn delete_many(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let is_quiet = input.delete.quiet == Some(true);
        let wanted = input.delete.objects;
        if wanted.is_empty() || wanted.len() > MOST_DELETED_AT_ONCE {
            let text = format!("Name 1 to {MOST_DELETED_AT_ONCE} objects.");
            return Err(refusal(Error::invalid(text).with_source(S3Word("MalformedXML"))));
        }
        let mut keys = Vec::with_capacity(wanted.len());
        for object in wanted {
            let version = answers::version(object.version_id.as_deref()).map_err(refusal)?;
            keys.push((object.key, version));
        }
        let outcomes = objects::remove_many(&self.app, &caller, &input.bucket, keys.clone()).await.map_err(refusal)?;
        let (mut deleted, mut errors) = (vec![], vec![]);
        for ((key, version), outcome) in keys.into_iter().zip(outcomes) {
            match outcome {
                Ok(removed) => {
                    let id = removed.version.map(|version| version.to_string());
                    deleted.push(DeletedObject {
                        key: Some(key),
                        version_id: version.map(|version| version.to_string()),
                        delete_marker: removed.is_marker.then_some(true),
                        delete_marker_version_id: if removed.is_marker { id } else { None },
                    });
                }
                Err(error) => {
                    let error = refusal(error);
                    errors.push(s3s::dto::Error {
                        code: Some(error.code().as_str().to_owned()),
                        key: Some(key),
                        message: error.message().map(str::to_owned),
                        version_id: version.map(|version| version.to_string()),
                    });
                }
            }
        }
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: (!is_quiet).then_some(deleted),
            errors: (!errors.is_empty()).then_some(errors),
            ..Default::default()
        }))
    }

    pub(super) async fn tagging(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let version = answers::version(input.version_id.as_deref()).map_err(refusal)?;
        let looked = objects::look(&self.app, &caller, &input.bucket, &input.key, version, false).await.map_err(refusal)?;
        let found = looked.object().map_err(refusal)?;
        let about = About::read(found.row.about.as_deref()).map_err(refusal)?;
        let version_id = found.version_id().map(|version| version.to_string());
        Ok(S3Response::new(GetObjectTaggingOutput { tag_set: answers::tag_set(about.tags), version_id }))
    }

    pub(super) async fn set_tagging(
        &self,
        request: S3Request<PutObjectTaggingInput>,
    ) -> S3Result<S3Response<PutObjectTaggingOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let tags = about::check_tags(&answers::tags_of(input.tagging.tag_set), 10).map_err(refusal)?;
        let version = answers::version(input.version_id.as_deref()).map_err(refusal)?;
        let change = move |about: &mut About| about.tags = tags;
        let changed = objects::change_about(&self.app, &caller, &input.bucket, &input.key, version, change);
        let version_id = changed.await.map_err(refusal)?.version_id().map(|version| version.to_string());
        Ok(S3Response::new(PutObjectTaggingOutput { version_id }))
    }

    pub(super) async fn remove_tagging(
        &self,
        request: S3Request<DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let version = answers::version(input.version_id.as_deref()).map_err(refusal)?;
        let change = |about: &mut About| about.tags.clear();
        let changed = objects::change_about(&self.app, &caller, &input.bucket, &input.key, version, change);
        let version_id = changed.await.map_err(refusal)?.version_id().map(|version| version.to_string());
        let output = DeleteObjectTaggingOutput { version_id };
        Ok(S3Response::with_status(output, hyper::StatusCode::NO_CONTENT))
    }
}

/// What a GET or HEAD asks for.
struct Wanted {
    version: Option<String>,
    conditions: Conditions,
    range: Option<Range>,
    part: Option<i32>,
    checksums: bool,
}

/// What it gets.
struct Shown {
    found: Found,
    about: About,
    /// First byte, and the one after the last.
    range: (u64, u64),
    is_partial: bool,
    is_part: bool,
    checksums: bool,
}

impl Shown {
    fn new(found: Found, wanted: &Wanted) -> Result<Self> {
        let size = found.row.size();
        let range = match (wanted.range, wanted.part) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid("Cannot specify both Range header and partNumber query parameter."));
            }
            (Some(Range::Int { first, last: None }), _) => Some(ByteRange::From(first).within(size)?),
            (Some(Range::Int { first, last: Some(last) }), _) => Some(ByteRange::Between(first, last).within(size)?),
            (Some(Range::Suffix { length }), _) => Some(ByteRange::Last(length).within(size)?),
            (None, Some(number)) => Some(found.part_range(i64::from(number))?),
            (None, None) => None,
        };
        let about = About::read(found.row.about.as_deref())?;
        let is_part = wanted.part.is_some();
        let is_partial = range.is_some() && (size > 0 || !is_part);
        Ok(Self { found, about, range: range.unwrap_or((0, size)), is_partial, is_part, checksums: wanted.checksums })
    }

    fn described(&self) -> S3Result<GetObjectOutput> {
        let (row, about) = (&self.found.row, &self.about);
        let (from, to) = self.range;
        let content_range = self.is_partial.then(|| format!("bytes {from}-{}/{}", to.saturating_sub(1), row.size()));
        let is_whole = (from, to) == (0, row.size());
        let sums = if self.checksums && is_whole { answers::checksum(about) } else { Checksum::default() };
        let parts = self.found.parts().len();
        Ok(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: about.cache_control.clone(),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_type: sums.checksum_type,
            content_disposition: about.content_disposition.clone(),
            content_encoding: about.content_encoding.clone(),
            content_language: about.content_language.clone(),
            content_length: Some(i64::try_from(to - from).unwrap_or(i64::MAX)),
            content_range,
            content_type: Some(row.content_type.clone().unwrap_or_else(|| UNKNOWN_TYPE.to_owned())),
            e_tag: Some(answers::etag(&row.etag)),
            expires: about.expires.as_deref().and_then(|text| Timestamp::parse(TimestampFormat::HttpDate, text).ok()),
            last_modified: Some(answers::timestamp(row.modified_at)),
            metadata: (!about.metadata.is_empty()).then(|| about.metadata.clone().into_iter().collect()),
            parts_count: (self.is_part && parts > 0).then(|| i32::try_from(parts).unwrap_or(i32::MAX)),
            version_id: self.found.version_id().map(|version| version.to_string()),
            ..Default::default()
        })
    }
}

fn parts_attribute(found: &Found, about: &About, after: Option<i32>, most: Option<i32>) -> GetObjectAttributesParts {
    let (after, most) = (after.unwrap_or(0), most.unwrap_or(1000).clamp(0, 1000));
    let algorithm = about.checksums.keys().next().map(String::as_str);
    let all = found.parts();
    let shown: Vec<_> = all.iter().filter(|part| part.number > i64::from(after)).take(most as usize).collect();
    let last = shown.last().map_or(i64::from(after), |part| part.number);
    let parts = shown.iter().map(|part| {
        let sum = answers::part_sum(algorithm, part.checksum.as_ref());
        ObjectPart {
            checksum_crc32: sum.checksum_crc32,
            checksum_crc32c: sum.checksum_crc32c,
            checksum_crc64nvme: sum.checksum_crc64nvme,
            checksum_sha1: sum.checksum_sha1,
            checksum_sha256: sum.checksum_sha256,
            part_number: i32::try_from(part.number).ok(),
            size: Some(part.size_bytes),
        }
    });
    GetObjectAttributesParts {
        is_truncated: Some(all.last().is_some_and(|part| part.number > last)),
        max_parts: Some(most),
        next_part_number_marker: i32::try_from(last).ok(),
        part_number_marker: Some(after),
        parts: Some(parts.collect()),
        total_parts_count: i32::try_from(all.len()).ok(),
    }
}

pub fn checksum_of(row: &ObjectRow) -> S3Result<Checksum> {
    Ok(answers::checksum(&About::read(row.about.as_deref()).map_err(refusal)?))
}

/// Bucket, key and version that a copy names as its source.
pub fn source(header: &CopySource) -> Result<(String, String, Option<VersionId>)> {
    match header {
        CopySource::Bucket { bucket, key, version_id } => {
            Ok((bucket.to_string(), key.to_string(), answers::version(version_id.as_deref())?))
        }
        _ => Err(Error::new(drydock_wire::ErrorCode::NotImplemented, "Name the source as bucket/key; there are no access points.")),
    }
}

pub fn incoming(body: Option<StreamingBlob>) -> impl futures_util::Stream<Item = Result<bytes::Bytes>> + Unpin + Send {
    match body {
        Some(body) => futures_util::future::Either::Left(body.map_err(answers::body_error)),
        None => futures_util::future::Either::Right(futures_util::stream::empty()),
    }
}

/// Of the content itself, not of its wrapping in chunks.
pub fn body_length(headers: &hyper::HeaderMap, content_length: Option<i64>) -> Option<u64> {
    let decoded = headers.get("x-amz-decoded-content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    decoded.or_else(|| content_length.and_then(|length| u64::try_from(length).ok()))
}

/// The key's newest version is a marker (404), or the version asked for is one (405); the answer says which.
fn behind_marker(row: &ObjectRow, asked: Option<VersionId>) -> S3Error {
    let error = if asked.is_some() { refusals::marker_not_readable() } else { refusals::no_such_key(&row.key) };
    let mut answer = refusal(error);
    let mut headers = hyper::HeaderMap::new();
    headers.insert("x-amz-delete-marker", hyper::header::HeaderValue::from_static("true"));
    if let Ok(version) = hyper::header::HeaderValue::from_str(&row.version_id().to_string()) {
        headers.insert("x-amz-version-id", version);
    }
    if asked.is_some() {
        if let Ok(text) = answers::http_date(row.modified_at) {
            headers.insert(hyper::header::LAST_MODIFIED, text);
        }
    }
    answer.set_headers(headers);
    answer
}

fn not_modified(found: &Found) -> S3Error {
    let mut answer = S3Error::new(s3s::S3ErrorCode::NotModified);
    answer.set_status_code(hyper::StatusCode::NOT_MODIFIED);
    let mut headers = hyper::HeaderMap::new();
    if let Ok(etag) = hyper::header::HeaderValue::from_str(&format!("\"{}\"", found.row.etag)) {
        headers.insert(hyper::header::ETAG, etag);
    }
    if let Ok(text) = answers::http_date(found.row.modified_at) {
        headers.insert(hyper::header::LAST_MODIFIED, text);
    }
    answer.set_headers(headers);
    answer
}
