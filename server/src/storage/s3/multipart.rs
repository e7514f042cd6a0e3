//! S3's operations on uploads in parts.

use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
        CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, CopyPartResult,
        CreateMultipartUploadInput, CreateMultipartUploadOutput, Initiator, ListPartsInput, ListPartsOutput,
        MultipartUpload, Part, StorageClass, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
        UploadPartOutput,
    },
};

use super::{
    Buckets,
    answers::{self, refusal},
    listing::{Encoding, limit},
    objects::{self, Headers},
    payload,
};
use crate::{
    error::{Error, Result},
    percent,
    storage::{
        about::About,
        completing::{self, Complete, NamedPart},
        parts::{self, CopiedPart, PartName},
        refusals::{self, S3Word},
        store::uploads::UploadRow,
        sums::{Algorithm, Expected},
        uploads::{self, Begin},
    },
};

impl Buckets {
    pub(super) async fn begin(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let caller = self.caller(&request.credentials)?;
        let S3Request { input, headers, .. } = request;
        let prepared = || -> Result<Begin> {
            let checksum = input.checksum_algorithm.as_ref().map(|a| Algorithm::parse(a.as_str())).transpose()?;
            let whole_checksum = is_whole(checksum, input.checksum_type.as_ref())?;
            let told = Headers {
                cache_control: input.cache_control,
                content_disposition: input.content_disposition,
                content_encoding: input.content_encoding,
                content_language: input.content_language,
                metadata: input.metadata,
            };
            let tags = answers::header_tags(input.tagging.as_deref())?;
            let about = About { tags, ..told.into_about(&headers)? };
            Ok(Begin { key: input.key, content_type: input.content_type, about, checksum, whole_checksum, note: None })
        };
        let begin = prepared().map_err(refusal)?;
        let upload = uploads::begin(&self.app, &caller, &input.bucket, begin).await.map_err(refusal)?;
        let (checksum_algorithm, checksum_type) = checksum_words(&upload);
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(upload.key),
            upload_id: Some(upload.upload_id),
            checksum_algorithm,
            checksum_type,
            ..Default::default()
        }))
    }

    pub(super) async fn put_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let caller = self.caller(&request.credentials)?;
        let S3Request { input, headers, extensions, trailing_headers, .. } = request;
        let (body, sha256) = payload::take(&extensions, input.body);
        let prepared = || -> Result<_> {
            let said = answers::said([
                input.checksum_crc32,
                input.checksum_crc32c,
                input.checksum_crc64nvme,
                input.checksum_sha1,
                input.checksum_sha256,
            ])?;
            let algorithm = input.checksum_algorithm.as_ref().map(|algorithm| algorithm.as_str());
            answers::expected(input.content_md5.as_deref(), said, algorithm, &headers)
        };
        let expected = Expected { sha256, ..prepared().map_err(refusal)? };
        let algorithm = expected.checksum.as_ref().map(|(algorithm, _)| algorithm.word());
        let size = objects::body_length(&headers, input.content_length);
        let late = answers::late(&headers, trailing_headers);
        let name = PartName { key: input.key, upload_id: input.upload_id, number: i64::from(input.part_number) };
        let body = objects::incoming(body);
        let kept = parts::put_part(&self.app, &caller, &input.bucket, name, (expected, size), body, late);
        let part = kept.await.map_err(refusal)?;
        let sum = answers::part_sum(algorithm, part.checksum.as_ref());
        Ok(S3Response::new(UploadPartOutput {
            checksum_crc32: sum.checksum_crc32,
            checksum_crc32c: sum.checksum_crc32c,
            checksum_crc64nvme: sum.checksum_crc64nvme,
            checksum_sha1: sum.checksum_sha1,
            checksum_sha256: sum.checksum_sha256,
            e_tag: Some(answers::etag(&part.md5)),
            ..Default::default()
        }))
    }

    pub(super) async fn copy_part(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let prepared = || -> Result<CopiedPart> {
            let (bucket, key, version) = objects::source(&input.copy_source)?;
            Ok(CopiedPart {
                bucket,
                key,
                version,
                range: input.copy_source_range.as_deref().map(copied_range).transpose()?,
                conditions: answers::conditions(
                    input.copy_source_if_match,
                    input.copy_source_if_none_match,
                    input.copy_source_if_modified_since.as_ref(),
                    input.copy_source_if_unmodified_since.as_ref(),
                ),
            })
        };
        let from = prepared().map_err(refusal)?;
        let name = PartName { key: input.key, upload_id: input.upload_id, number: i64::from(input.part_number) };
        let copied = parts::copy_part(&self.app, &caller, from, &input.bucket, name).await;
        let (part, source) = copied.map_err(refusal)?;
        let result = CopyPartResult {
            e_tag: Some(answers::etag(&part.md5)),
            last_modified: Some(answers::timestamp(part.modified_at)),
            ..Default::default()
        };
        Ok(S3Response::new(UploadPartCopyOutput {
            copy_part_result: Some(result),
            copy_source_version_id: source.version_id().map(|version| version.to_string()),
            ..Default::default()
        }))
    }

    pub(super) async fn complete(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let location = format!("/{}/{}", input.bucket, percent::encoded(&input.key, "/"));
        let prepared = || -> Result<Complete> {
            let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
            let whole = [
                input.checksum_crc32,
                input.checksum_crc32c,
                input.checksum_crc64nvme,
                input.checksum_sha1,
                input.checksum_sha256,
            ];
            let whole = Algorithm::ALL.into_iter().zip(whole).find_map(|(algorithm, sum)| Some((algorithm, sum?)));
            Ok(Complete {
                key: input.key.clone(),
                upload_id: input.upload_id,
                parts: Some(named.into_iter().map(named_part).collect::<Result<_>>()?),
                conditions: answers::conditions(input.if_match, input.if_none_match, None, None),
                whole_checksum: whole,
                size_bytes: input.mpu_object_size.and_then(|size| u64::try_from(size).ok()),
            })
        };
        let wanted = prepared().map_err(refusal)?;
        let written = completing::complete(&self.app, &caller, &input.bucket, wanted).await.map_err(refusal)?;
        let sums = objects::checksum_of(&written.row)?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            location: Some(location),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_type: sums.checksum_type,
            e_tag: Some(answers::etag(&written.row.etag)),
            version_id: written.version_id().map(|version| version.to_string()),
            ..Default::default()
        }))
    }

    pub(super) async fn abort(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        uploads::abort(&self.app, &caller, &input.bucket, &input.key, &input.upload_id).await.map_err(refusal)?;
        Ok(S3Response::with_status(AbortMultipartUploadOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    pub(super) async fn parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let most = limit(input.max_parts).map_err(refusal)?;
        let after = input.part_number_marker.unwrap_or(0);
        let page = (i64::from(after), i64::try_from(most + 1).unwrap_or(1001));
        let found = uploads::parts(&self.app, &caller, &input.bucket, &input.key, &input.upload_id, page).await;
        let (upload, mut parts) = found.map_err(refusal)?;
        let is_more = parts.len() > most;
        parts.truncate(most);
        let last = parts.last().and_then(|part| i32::try_from(part.number).ok());
        let shown = parts.into_iter().map(|part| {
            let sum = answers::part_sum(upload.checksum.as_deref(), part.checksum.as_ref());
            Part {
                checksum_crc32: sum.checksum_crc32,
                checksum_crc32c: sum.checksum_crc32c,
                checksum_crc64nvme: sum.checksum_crc64nvme,
                checksum_sha1: sum.checksum_sha1,
                checksum_sha256: sum.checksum_sha256,
                e_tag: Some(answers::etag(&part.md5)),
                last_modified: Some(answers::timestamp(part.modified_at)),
                part_number: i32::try_from(part.number).ok(),
                size: Some(part.size_bytes),
            }
        });
        let (checksum_algorithm, checksum_type) = checksum_words(&upload);
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            initiator: Some(initiator(&upload)),
            owner: Some(answers::owner(&upload.person_id)),
            is_truncated: Some(is_more),
            max_parts: i32::try_from(most).ok(),
            next_part_number_marker: last.filter(|_| is_more),
            part_number_marker: Some(after),
            parts: Some(shown.collect()),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            checksum_algorithm,
            checksum_type,
            ..Default::default()
        }))
    }
}

/// An open upload in a listing.
pub fn described(upload: UploadRow, encoding: &Encoding) -> MultipartUpload {
    let (checksum_algorithm, checksum_type) = checksum_words(&upload);
    MultipartUpload {
        initiated: Some(answers::timestamp(upload.begun_at)),
        initiator: Some(initiator(&upload)),
        owner: Some(answers::owner(&upload.person_id)),
        key: Some(encoding.key(upload.key)),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        upload_id: Some(upload.upload_id),
        checksum_algorithm,
        checksum_type,
    }
}

/// Whether the object's checksum is to be one over all bytes: CRC64NVME always, the SHAs never.
fn is_whole(algorithm: Option<Algorithm>, kind: Option<&ChecksumType>) -> Result<bool> {
    let refused = |text: String| Err(Error::invalid(text).with_source(S3Word("InvalidRequest")));
    match (algorithm, kind.map(ChecksumType::as_str)) {
        (None, None) => Ok(false),
        (None, Some(_)) => {
            refused("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.".into())
        }
        (Some(Algorithm::Crc64Nvme), None | Some(ChecksumType::FULL_OBJECT)) => Ok(true),
        (Some(_), None | Some(ChecksumType::COMPOSITE)) if algorithm != Some(Algorithm::Crc64Nvme) => Ok(false),
        (Some(algorithm), Some(ChecksumType::FULL_OBJECT)) if algorithm.combines() => Ok(true),
        (Some(algorithm), Some(kind)) => refused(format!(
            "The {kind} checksum type cannot be used with the {} checksum algorithm.",
            algorithm.word()
        )),
        (Some(_), None) => Ok(false),
    }
}

fn named_part(part: CompletedPart) -> Result<NamedPart> {
    let number = part
        .part_number
        .map(i64::from)
        .ok_or_else(|| Error::invalid("Each part needs its PartNumber.").with_source(S3Word("MalformedXML")))?;
    let sums =
        [part.checksum_crc32, part.checksum_crc32c, part.checksum_crc64nvme, part.checksum_sha1, part.checksum_sha256];
    let checksum = Algorithm::ALL.into_iter().zip(sums).find_map(|(algorithm, sum)| Some((algorithm, sum?)));
    Ok(NamedPart { number, etag: part.e_tag.map(s3s::dto::ETag::into_value), checksum })
}

/// `bytes=first-last`, the only form that copies of parts know.
fn copied_range(text: &str) -> Result<(u64, u64)> {
    let range = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let parsed = range.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    parsed.ok_or_else(|| {
        refusals::invalid_argument("The x-amz-copy-source-range value must be of the form bytes=first-last.")
    })
}

fn checksum_words(upload: &UploadRow) -> (Option<ChecksumAlgorithm>, Option<ChecksumType>) {
    let algorithm = upload.checksum.as_ref().map(|word| ChecksumAlgorithm::from(word.to_uppercase()));
    let kind = if upload.whole_checksum { ChecksumType::FULL_OBJECT } else { ChecksumType::COMPOSITE };
    let kind = algorithm.is_some().then(|| ChecksumType::from_static(kind));
    (algorithm, kind)
}

fn initiator(upload: &UploadRow) -> Initiator {
    Initiator { display_name: Some(upload.person_id.clone()), id: Some(upload.person_id.clone()) }
}
