//! How a file's bytes are handed to whoever asks over HTTP: whole or a range, not at all when they have it, and always as an
//! attachment that no browser interprets.

use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName},
    },
    web::Bytes,
};
use futures_util::Stream;

use crate::{error::Result, percent};

/// What is asked for.
pub struct File<'a> {
    /// With its folders; only its own name is told.
    pub path: &'a str,
    pub content_type: &'a str,
    /// With quotes.
    pub etag: String,
    pub size_bytes: u64,
}

/// What a request's headers ask of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Whole,
    /// From the first byte up to but not including the second.
    Part(u64, u64),
    Unchanged,
    /// No byte of the range exists.
    Beyond,
}

/// The answer; `open` gives the bytes from one place up to another.
pub async fn answer<B>(
    request: &HttpRequest,
    file: File<'_>,
    open: impl AsyncFnOnce(u64, u64) -> Result<B>,
) -> Result<HttpResponse>
where
    B: Stream<Item = std::io::Result<Bytes>> + 'static,
{
    let size = file.size_bytes;
    let (status, from, to) = match wanted(request.headers(), &file.etag, size) {
        Wanted::Unchanged => return Ok(unchanged(file.etag)),
        Wanted::Beyond => return Ok(beyond(size)),
        Wanted::Whole => (StatusCode::OK, 0, size),
        Wanted::Part(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
    };
    let body = open(from, to).await?;
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_TYPE, file.content_type))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header((header::CONTENT_DISPOSITION, disposition(file.path)))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::ETAG, file.etag))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if status == StatusCode::PARTIAL_CONTENT {
        response.insert_header((header::CONTENT_RANGE, content_range(from, to, size)));
    }
    Ok(response.body(SizedStream::new(to - from, body)))
}

pub fn unchanged(etag: String) -> HttpResponse {
    HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish()
}

pub fn beyond(size: u64) -> HttpResponse {
    HttpResponse::RangeNotSatisfiable().insert_header((header::CONTENT_RANGE, format!("bytes */{size}"))).finish()
}

/// Of the bytes from `from` up to but not including `to`.
pub fn content_range(from: u64, to: u64, size: u64) -> String {
    format!("bytes {from}-{}/{size}", to.saturating_sub(1))
}

/// `etag`: with quotes.
pub fn wanted(headers: &HeaderMap, etag: &str, size: u64) -> Wanted {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_same = |tags: &str| tags.split(',').any(|tag| tag.trim() == etag || tag.trim() == "*");
    if text(header::IF_NONE_MATCH).is_some_and(is_same) {
        return Wanted::Unchanged;
    }
    // a part is only what was asked for while the file is the one that the asker has the rest of
    if text(header::IF_RANGE).is_some_and(|tag| tag.trim() != etag) {
        return Wanted::Whole;
    }
    text(header::RANGE).map_or(Wanted::Whole, |range| byte_range(range, size))
}

/// Several ranges at once, and what is no range of bytes, may be answered with the whole (RFC 9110).
fn byte_range(header: &str, size: u64) -> Wanted {
    let one = header.trim().strip_prefix("bytes=").filter(|ranges| !ranges.contains(','));
    let Some((from, to)) = one.and_then(|range| range.split_once('-')) else { return Wanted::Whole };
    let (from, to) = match (from.trim(), to.trim()) {
        ("", last) => match number(last) {
            Some(count) => (size.saturating_sub(count), size),
            None => return Wanted::Whole,
        },
        (from, "") => match number(from) {
            Some(from) => (from, size),
            None => return Wanted::Whole,
        },
        (from, to) => match (number(from), number(to)) {
            (Some(from), Some(to)) if from <= to => (from, to.saturating_add(1).min(size)),
            _ => return Wanted::Whole,
        },
    };
    if from < to { Wanted::Part(from, to) } else { Wanted::Beyond }
}

/// Digits alone; what is larger than any file is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The file's own name, without its folders; other letters than plain ones are percent-encoded (RFC 8187).
pub fn disposition(path: &str) -> String {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._- ".contains(c);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", percent::encoded(name, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(pairs: &[(&'static str, &'static str)]) -> Wanted {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(HeaderName::from_static(name), header::HeaderValue::from_static(value));
        }
        wanted(&headers, "\"e\"", 100)
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let cases = [
            ("bytes=0-0", Wanted::Part(0, 1)),
            ("bytes=1-", Wanted::Part(1, 10)),
            ("bytes=5-99", Wanted::Part(5, 10)),
            ("bytes=5-99999999999999999999999", Wanted::Part(5, 10)),
            ("bytes=-3", Wanted::Part(7, 10)),
            ("bytes=-30", Wanted::Part(0, 10)),
            ("bytes=10-", Wanted::Beyond),
            ("bytes=99999999999999999999999-", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=3-1", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
        ];
        for (header, expected) in cases {
            assert_eq!(byte_range(header, 10), expected, "{header}");
        }
        assert_eq!(byte_range("bytes=0-", 0), Wanted::Beyond);
    }

    #[test]
    fn conditions_are_honoured() {
        assert_eq!(ask(&[]), Wanted::Whole);
        assert_eq!(ask(&[("if-none-match", "\"x\", \"e\"")]), Wanted::Unchanged);
        assert_eq!(ask(&[("range", "bytes=0-9"), ("if-range", "\"old\"")]), Wanted::Whole);
        assert_eq!(ask(&[("range", "bytes=0-9"), ("if-range", "\"e\"")]), Wanted::Part(0, 10));
    }

    #[test]
    fn names_cannot_break_out_of_the_header() {
        assert_eq!(disposition("a/b.csv"), "attachment; filename=\"b.csv\"; filename*=UTF-8''b.csv");
        assert_eq!(disposition("é\".csv"), "attachment; filename=\"__.csv\"; filename*=UTF-8''%C3%A9%22.csv");
    }
}
