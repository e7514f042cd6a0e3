//! Answers with one file of a version: always as an attachment that no browser interprets, whole or a range of it.

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, Range};
use actix_web::{HttpRequest, HttpResponse};
use drydock_wire::datasets::DatasetFile;

use crate::app::App;
use crate::error::Result;

/// What a request's headers ask of a file.
#[derive(Debug, PartialEq)]
enum Wanted {
    Whole,
    /// From the first byte up to but not including the second.
    Part(u64, u64),
    Unchanged,
    /// No byte of the range exists.
    Beyond,
}

pub async fn answer(app: &App, request: &HttpRequest, file: &DatasetFile) -> Result<HttpResponse> {
    let etag = format!("\"{}\"", file.digest);
    let wanted = wanted(request.headers(), &etag, file.size_bytes);
    let (status, from, to) = match wanted {
        Wanted::Unchanged => return Ok(HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish()),
        Wanted::Beyond => {
            let size = format!("bytes */{}", file.size_bytes);
            return Ok(HttpResponse::RangeNotSatisfiable().insert_header((header::CONTENT_RANGE, size)).finish());
        }
        Wanted::Whole => (StatusCode::OK, 0, file.size_bytes),
        Wanted::Part(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
    };
    let (_, body) = app.objects.stream(&file.digest, Some((from, to))).await?;
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_TYPE, "application/octet-stream"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_DISPOSITION, disposition(&file.path)))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::ETAG, etag))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{}", to - 1, file.size_bytes);
        response.insert_header((header::CONTENT_RANGE, range));
    }
    Ok(response.body(SizedStream::new(to - from, body)))
}

fn wanted(headers: &HeaderMap, etag: &str, size: u64) -> Wanted {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_NONE_MATCH)
        .is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag || tag.trim() == "*"))
    {
        return Wanted::Unchanged;
    }
    if text(header::IF_RANGE).is_some_and(|tag| tag.trim() != etag) {
        return Wanted::Whole;
    }
    // several ranges at once, or a header that is none, may be answered with everything
    let Some(Ok(Range::Bytes(specs))) = text(header::RANGE).map(str::parse::<Range>) else { return Wanted::Whole };
    let [spec] = specs.as_slice() else { return Wanted::Whole };
    spec.to_satisfiable_range(size).map_or(Wanted::Beyond, |(first, last)| Wanted::Part(first, last + 1))
}

/// The file's own name, without its folders; other letters than plain ones are percent-encoded (RFC 8187).
fn disposition(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._- ".contains(c) { c } else { '_' }).collect();
    let encoded: String = name
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"._-".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn ask(pairs: &[(&'static str, &'static str)]) -> Wanted {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(header::HeaderName::from_static(name), header::HeaderValue::from_static(value));
        }
        wanted(&headers, "\"e\"", 100)
    }

    #[test]
    fn ranges_are_kept_within_the_file() {
        assert_eq!(ask(&[]), Wanted::Whole);
        assert_eq!(ask(&[("range", "bytes=0-9")]), Wanted::Part(0, 10));
        assert_eq!(ask(&[("range", "bytes=90-500")]), Wanted::Part(90, 100));
        assert_eq!(ask(&[("range", "bytes=-10")]), Wanted::Part(90, 100));
        assert_eq!(ask(&[("range", "bytes=100-")]), Wanted::Beyond);
        assert_eq!(ask(&[("range", "bytes=0-1,5-6")]), Wanted::Whole);
        assert_eq!(ask(&[("range", "lines=1-2")]), Wanted::Whole);
    }

    #[test]
    fn conditions_are_honoured() {
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
