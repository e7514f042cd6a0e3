//! S3's ways to read an object: GET, HEAD, attributes.

use s3s::{
    S3Error, S3Request, S3Response, S3Result,
    dto::{
        Checksum, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, GetObjectInput,
        GetObjectOutput, HeadObjectInput, HeadObjectOutput, ObjectPart, Range, StorageClass, StreamingBlob, Timestamp,
        TimestampFormat,
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
        about::About,
        access::Caller,
        reading::{self, Found, Looked},
        refusals,
        rules::{ByteRange, Conditions, Verdict, VersionId},
        store::objects::ObjectRow,
    },
};

/// What an object is when nobody said.
const UNKNOWN_TYPE: &str = "binary/octet-stream";

impl Buckets {
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
        let body = shown.found.stream(&self.app.db, &self.app.objects, shown.range).await.map_err(refusal)?;
        let length = shown.range.1 - shown.range.0;
        let mut output =
            GetObjectOutput { body: Some(StreamingBlob::new(Outgoing::new(body, length))), ..shown.described()? };
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
        let shown = self.show(&caller, &input.bucket, &input.key, wanted, false).await?;
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
        let looked = reading::look(&self.app, caller, bucket, key, version, content).await.map_err(refusal)?;
        let found = match looked {
            Looked::Object(found) => *found,
            Looked::Marker(row) => return Err(behind_marker(&row, version)),
        };
        match wanted.conditions.on_read(&found.row.etag, found.row.modified_at) {
            Verdict::GoOn => {}
            Verdict::NotModified => return Err(not_modified(&found)),
            Verdict::Failed => return Err(refusal(refusals::condition_failed())),
        }
        let part = match wanted.part {
            Some(number) => Some(found.part_range(&self.app.db, i64::from(number)).await.map_err(refusal)?),
            None => None,
        };
        Shown::new(found, &wanted, part).map_err(refusal)
    }

    pub(super) async fn attributes(
        &self,
        request: S3Request<GetObjectAttributesInput>,
    ) -> S3Result<S3Response<GetObjectAttributesOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let version = answers::version(input.version_id.as_deref()).map_err(refusal)?;
        let looked =
            reading::look(&self.app, &caller, &input.bucket, &input.key, version, false).await.map_err(refusal)?;
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
        let object_parts = match found.part_count().filter(|_| wants("ObjectParts")) {
            Some(total) => {
                let page = (input.part_number_marker, input.max_parts);
                Some(self.parts_attribute(&found, &about, total, page).await.map_err(refusal)?)
            }
            None => None,
        };
        let output = GetObjectAttributesOutput {
            e_tag: wants("ETag").then(|| answers::etag(&found.row.etag)),
            checksum: (wants("Checksum") && sums.checksum_type.is_some()).then_some(sums),
            object_parts,
            object_size: wants("ObjectSize").then_some(found.row.size_bytes),
            storage_class: wants("StorageClass").then(|| StorageClass::from_static(StorageClass::STANDARD)),
            last_modified: Some(answers::timestamp(found.row.modified_at)),
            version_id: found.version_id().map(|version| version.to_string()),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    async fn parts_attribute(
        &self,
        found: &Found,
        about: &About,
        total: u32,
        (after, most): (Option<i32>, Option<i32>),
    ) -> Result<GetObjectAttributesParts> {
        let (after, most) = (after.unwrap_or(0), most.unwrap_or(1000).clamp(0, 1000));
        let algorithm = about.checksums.keys().next().map(String::as_str);
        let mut parts = found.parts(&self.app.db, i64::from(after), i64::from(most) + 1).await?;
        let is_truncated = parts.len() > most as usize;
        parts.truncate(most as usize);
        let last = parts.last().map_or(i64::from(after), |part| part.number);
        let parts = parts.iter().map(|part| {
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
        Ok(GetObjectAttributesParts {
            is_truncated: Some(is_truncated),
            max_parts: Some(most),
            next_part_number_marker: i32::try_from(last).ok(),
            part_number_marker: Some(after),
            parts: Some(parts.collect()),
            total_parts_count: i32::try_from(total).ok(),
        })
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
    /// `part`: where the part lies that is asked for.
    fn new(found: Found, wanted: &Wanted, part: Option<(u64, u64)>) -> Result<Self> {
        let size = found.row.size();
        let range = match (wanted.range, part) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid("Cannot specify both Range header and partNumber query parameter."));
            }
            (Some(Range::Int { first, last: None }), _) => Some(ByteRange::From(first).within(size)?),
            (Some(Range::Int { first, last: Some(last) }), _) => Some(ByteRange::Between(first, last).within(size)?),
            (Some(Range::Suffix { length }), _) => Some(ByteRange::Last(length).within(size)?),
            (None, part) => part,
        };
        let about = About::read(found.row.about.as_deref())?;
        let is_part = part.is_some();
        let is_partial = range.is_some() && (size > 0 || !is_part);
        Ok(Self { found, about, range: range.unwrap_or((0, size)), is_partial, is_part, checksums: wanted.checksums })
    }

    fn described(&self) -> S3Result<GetObjectOutput> {
        let (row, about) = (&self.found.row, &self.about);
        let (from, to) = self.range;
        let content_range = self.is_partial.then(|| format!("bytes {from}-{}/{}", to.saturating_sub(1), row.size()));
        let is_whole = (from, to) == (0, row.size());
        let sums = if self.checksums && is_whole { answers::checksum(about) } else { Checksum::default() };
        let parts_count = self.found.part_count().filter(|_| self.is_part);
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
            parts_count: parts_count.and_then(|count| i32::try_from(count).ok()),
            version_id: self.found.version_id().map(|version| version.to_string()),
            ..Default::default()
        })
    }
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
    if asked.is_some()
        && let Ok(text) = answers::http_date(row.modified_at)
    {
        headers.insert(hyper::header::LAST_MODIFIED, text);
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
