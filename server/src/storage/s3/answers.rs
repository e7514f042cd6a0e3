//! Our values in S3's words, and S3's in ours: errors, times, ETags, conditions, checksums, tags.

use std::{
    collections::BTreeMap,
    str::FromStr,
    time::{Duration, UNIX_EPOCH},
};

use s3s::{
    S3Error, S3ErrorCode, TrailingHeaders,
    dto::{Checksum, ChecksumType, ETag, ETagCondition, Owner, Tag, Timestamp, TimestampFormat},
};

use crate::{
    error::{Error, Result, request_id},
    percent,
    storage::{
        about::{self, About},
        refusals::{self, S3Word},
        rules::{Conditions, Match, VersionId},
        sums::{self, Algorithm, Expected},
    },
};

/// An error as S3 says it. What is our fault is logged here, once.
pub fn refusal(error: Error) -> S3Error {
    error.log(&request_id::current());
    let word = error.source.as_ref().and_then(|source| source.downcast_ref::<S3Word>()).map(|word| word.0);
    let code = S3ErrorCode::from_str(word.unwrap_or_else(|| error.s3_code())).unwrap_or(S3ErrorCode::InternalError);
    let is_known = code.status_code().is_some();
    let mut answer = S3Error::with_message(code, error.message);
    answer.set_request_id(request_id::current());
    if word == Some("InvalidPartNumber") {
        answer.set_status_code(hyper::StatusCode::RANGE_NOT_SATISFIABLE);
    } else if !is_known {
        answer.set_status_code(
            hyper::StatusCode::from_u16(error.code.http_status()).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR),
        );
    }
    if answer.status_code() == Some(hyper::StatusCode::SERVICE_UNAVAILABLE) {
        let mut headers = hyper::HeaderMap::new();
        headers.insert(hyper::header::RETRY_AFTER, hyper::header::HeaderValue::from_static("2"));
        answer.set_headers(headers);
    }
    answer
}

/// What broke a body off, by meaning: `s3s` checks signatures and sums of a body while it is read.
pub fn body_error(cause: s3s::StdError) -> Error {
    let text = cause.to_string();
    if text.contains("SignatureMismatch") {
        let text = "The signature of the body does not match what was sent.";
        return Error::forbidden(text).with_source(S3Word("SignatureDoesNotMatch"));
    }
    if text.contains("Sha256Mismatch") {
        return refusals::other_payload();
    }
    refusals::incomplete_body()
}

/// Whole seconds, so that a listing and a HEAD say the same.
pub fn timestamp(at_ms: i64) -> Timestamp {
    let seconds = u64::try_from(at_ms.div_euclid(1000)).unwrap_or(0);
    Timestamp::from(UNIX_EPOCH + Duration::from_secs(seconds))
}

pub fn millis(at: &Timestamp) -> i64 {
    let mut text = vec![];
    let seconds = match at.format(TimestampFormat::EpochSeconds, &mut text) {
        Ok(()) => String::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0),
        Err(_) => 0.0,
    };
    (seconds * 1000.0) as i64
}

/// As HTTP's headers have it.
pub fn http_date(at_ms: i64) -> Result<hyper::header::HeaderValue> {
    let mut text = vec![];
    timestamp(at_ms).format(TimestampFormat::HttpDate, &mut text).map_err(Error::internal)?;
    hyper::header::HeaderValue::from_bytes(&text).map_err(Error::internal)
}

pub fn etag(value: &str) -> ETag {
    ETag::Strong(value.to_owned())
}

fn wanted(condition: Option<ETagCondition>) -> Option<Match> {
    condition.map(|condition| match condition {
        ETagCondition::Any => Match::Any,
        ETagCondition::ETag(etag) => Match::ETag(etag.into_value()),
    })
}

pub fn conditions(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
    if_modified_since: Option<&Timestamp>,
    if_unmodified_since: Option<&Timestamp>,
) -> Conditions {
    Conditions {
        if_match: wanted(if_match),
        if_none_match: wanted(if_none_match),
        if_modified_since: if_modified_since.map(millis),
        if_unmodified_since: if_unmodified_since.map(millis),
    }
}

pub fn version(text: Option<&str>) -> Result<Option<VersionId>> {
    text.filter(|text| !text.is_empty()).map(VersionId::parse).transpose()
}

pub fn owner(person_id: &str) -> Owner {
    Owner { display_name: Some(person_id.to_owned()), id: Some(person_id.to_owned()) }
}

/// The one checksum among these, if there is one.
pub fn said(sums: [Option<String>; 5]) -> Result<Option<(Algorithm, String)>> {
    let mut said = Algorithm::ALL.into_iter().zip(sums).filter_map(|(algorithm, sum)| sum.map(|sum| (algorithm, sum)));
    let first = said.next();
    if said.next().is_some() {
        let text = "Expecting a single x-amz-checksum- header. Multiple checksum types are not allowed.";
        return Err(Error::invalid(text).with_source(S3Word("InvalidRequest")));
    }
    if let Some((algorithm, sum)) = &first {
        sums::check_form(*algorithm, sum)?;
    }
    Ok(first)
}

/// What a body is to be held against: by its headers, and by the trailer they announce.
pub fn expected(
    md5: Option<&str>,
    said: Option<(Algorithm, String)>,
    algorithm: Option<&str>,
    headers: &hyper::HeaderMap,
) -> Result<Expected> {
    let announced = announced(headers)?;
    let checksum = match (said, announced) {
        (Some((algorithm, sum)), _) => Some((algorithm, Some(sum))),
        (None, Some(algorithm)) => Some((algorithm, None)),
        (None, None) => algorithm.map(Algorithm::parse).transpose()?.map(|algorithm| (algorithm, None)),
    };
    Ok(Expected { md5: md5.map(Expected::parse_md5).transpose()?, checksum, sha256: None })
}

/// The checksum that follows in the trailer.
fn announced(headers: &hyper::HeaderMap) -> Result<Option<Algorithm>> {
    let Some(names) = headers.get("x-amz-trailer").and_then(|value| value.to_str().ok()) else { return Ok(None) };
    let sum = names.split(',').find_map(|name| name.trim().strip_prefix("x-amz-checksum-"));
    sum.map(Algorithm::parse).transpose()
}

/// Looks for the announced checksum once the body has ended.
pub fn late(
    headers: &hyper::HeaderMap,
    trailer: Option<TrailingHeaders>,
) -> impl FnOnce() -> Result<Option<String>> + Send + use<> {
    let announced = announced(headers).ok().flatten();
    move || {
        let Some(algorithm) = announced else { return Ok(None) };
        let name = format!("x-amz-checksum-{}", algorithm.word());
        let sum = trailer.and_then(|trailer| trailer.take()).and_then(|headers| {
            headers.get(&name).and_then(|value| value.to_str().ok()).map(|value| value.trim().to_owned())
        });
        match sum {
            Some(sum) => sums::check_form(algorithm, &sum).map(|()| Some(sum)),
            None => Err(Error::invalid(format!("The trailer {name} was announced and did not come."))
                .with_source(S3Word("MalformedTrailerError"))),
        }
    }
}

/// Checksums in the fields of S3's answers.
pub fn checksum(about: &About) -> Checksum {
    sums_of(&about.checksums)
}

pub fn sums_of(sums: &BTreeMap<String, String>) -> Checksum {
    let get = |algorithm: Algorithm| sums.get(algorithm.word()).cloned();
    let kind = sums.values().next().map(|sum| {
        ChecksumType::from_static(if sum.contains('-') { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT })
    });
    Checksum {
        checksum_crc32: get(Algorithm::Crc32),
        checksum_crc32c: get(Algorithm::Crc32c),
        checksum_crc64nvme: get(Algorithm::Crc64Nvme),
        checksum_sha1: get(Algorithm::Sha1),
        checksum_sha256: get(Algorithm::Sha256),
        checksum_type: kind,
    }
}

/// One part's checksum in the fields of S3's answers.
pub fn part_sum(algorithm: Option<&str>, sum: Option<&String>) -> Checksum {
    match (algorithm, sum) {
        (Some(algorithm), Some(sum)) => sums_of(&BTreeMap::from([(algorithm.to_owned(), sum.clone())])),
        _ => Checksum::default(),
    }
}

pub fn tag_set(tags: impl IntoIterator<Item = (String, String)>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) }).collect()
}

pub fn tags_of(set: Vec<Tag>) -> Vec<(String, String)> {
    set.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect()
}

/// The `x-amz-tagging` header: tags like a query.
pub fn header_tags(header: Option<&str>) -> Result<BTreeMap<String, String>> {
    let Some(text) = header else { return Ok(BTreeMap::new()) };
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| percent::strictly_decoded(&text.replace('+', " "));
        match (decode(key), decode(value)) {
            (Some(key), Some(value)) => Ok((key, value)),
            _ => Err(refusals::invalid_argument("The header x-amz-tagging is no query.")),
        }
    });
    about::check_tags(&pairs.collect::<Result<Vec<_>>>()?, 10)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_go_there_and_back_in_whole_seconds() {
        assert_eq!(millis(&timestamp(1_790_000_123_456)), 1_790_000_123_000);
    }

    #[test]
    fn tags_decode() {
        let tags = header_tags(Some("a=1&b%20c=%C3%BC+x&d")).unwrap();
        assert_eq!(
            tags.into_iter().collect::<Vec<_>>(),
            [("a".to_owned(), "1".to_owned()), ("b c".into(), "ü x".into()), ("d".into(), String::new())]
        );
        assert!(header_tags(Some("a=%zz")).is_err());
        assert!(header_tags(Some("a=1&a=2")).is_err());
    }

    #[test]
    fn every_error_has_a_status_of_its_meaning() {
        let status = |error: Error| refusal(error).status_code().unwrap().as_u16();
        assert_eq!(status(refusals::no_such_bucket("b")), 404);
        assert_eq!(status(refusals::over_quota("b", 1)), 403);
        assert_eq!(status(refusals::condition_failed()), 412);
        assert_eq!(status(refusals::range_not_satisfiable(1)), 416);
        assert_eq!(status(refusals::bad_digest("x")), 400);
        assert_eq!(status(refusals::marker_not_readable()), 405);
        assert_eq!(status(refusals::bucket_not_empty("b")), 409);
        assert_eq!(status(Error::unavailable("x")), 503);
        assert_eq!(status(Error::new(drydock_wire::ErrorCode::InsufficientStorage, "x")), 507);
        let busy = refusal(Error::unavailable("x"));
        assert_eq!(busy.headers().unwrap().get("retry-after").unwrap(), "2");
    }
}
