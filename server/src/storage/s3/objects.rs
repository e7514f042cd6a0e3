//! S3's operations that write, copy, tag and remove objects.

use futures_util::{Stream, TryStreamExt};
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        Checksum, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput,
        DeleteObjectOutput, DeleteObjectTaggingInput, DeleteObjectTaggingOutput, DeleteObjectsInput,
        DeleteObjectsOutput, DeletedObject, GetObjectTaggingInput, GetObjectTaggingOutput, MetadataDirective,
        PutObjectInput, PutObjectOutput, PutObjectTaggingInput, PutObjectTaggingOutput, TaggingDirective,
    },
};

use super::{
    Buckets,
    answers::{self, refusal},
    payload,
};
use crate::{
    error::{Error, Result},
    storage::{
        about::{self, About},
        copy::{self, Copy},
        objects::{self, Put},
        reading,
        refusals::S3Word,
        rules::VersionId,
        store::objects::ObjectRow,
        sums::Expected,
    },
};

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
        let metadata: std::collections::BTreeMap<String, String> =
            self.metadata.unwrap_or_default().into_iter().collect();
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

impl Buckets {
    pub(super) async fn put(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let caller = self.caller(&request.credentials)?;
        let S3Request { input, headers, extensions, trailing_headers, .. } = request;
        let (body, sha256) = payload::take(&extensions, input.body);
        let prepared = || -> Result<Put> {
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
                expected: Expected {
                    sha256,
                    ..answers::expected(input.content_md5.as_deref(), said, algorithm, &headers)?
                },
                conditions: answers::conditions(input.if_match, input.if_none_match, None, None),
                size_bytes: body_length(&headers, input.content_length),
            })
        };
        let put = prepared().map_err(refusal)?;
        let late = answers::late(&headers, trailing_headers);
        let written =
            objects::put(&self.app, &caller, &input.bucket, put, incoming(body), late).await.map_err(refusal)?;
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

    pub(super) async fn copy(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let caller = self.caller(&request.credentials)?;
        let S3Request { input, headers, .. } = request;
        let prepared = || -> Result<Copy> {
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
            let header =
                |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
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

    pub(super) async fn delete(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
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
        let looked =
            reading::look(&self.app, &caller, &input.bucket, &input.key, version, false).await.map_err(refusal)?;
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

pub fn checksum_of(row: &ObjectRow) -> S3Result<Checksum> {
    Ok(answers::checksum(&About::read(row.about.as_deref()).map_err(refusal)?))
}

/// Bucket, key and version that a copy names as its source.
pub fn source(header: &CopySource) -> Result<(String, String, Option<VersionId>)> {
    match header {
        CopySource::Bucket { bucket, key, version_id } => {
            Ok((bucket.to_string(), key.to_string(), answers::version(version_id.as_deref())?))
        }
        _ => Err(Error::new(
            drydock_wire::ErrorCode::NotImplemented,
            "Name the source as bucket/key; there are no access points.",
        )),
    }
}

/// A body by the meaning of what can go wrong with it.
pub fn incoming(
    body: Option<impl Stream<Item = std::result::Result<bytes::Bytes, s3s::StdError>> + Unpin + Send>,
) -> impl Stream<Item = Result<bytes::Bytes>> + Unpin + Send {
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
