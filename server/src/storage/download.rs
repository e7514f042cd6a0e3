//! Answers with an object's bytes for a browser: always as an attachment that it does not interpret, whole or a range of it.

use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::{
        StatusCode,
        header::{self, HeaderMap, Range},
    },
};

use super::objects::Found;
use crate::{app::App, error::Result};

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

pub async fn answer(app: &App, request: &HttpRequest, found: &Found) -> Result<HttpResponse> {
    let (size, etag) = (found.row.size(), format!("\"{}\"", found.row.etag));
    let (status, from, to) = match wanted(request.headers(), &etag, size) {
        Wanted::Unchanged => return Ok(HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish()),
        Wanted::Beyond => {
            let all = format!("bytes */{size}");
            return Ok(HttpResponse::RangeNotSatisfiable().insert_header((header::CONTENT_RANGE, all)).finish());
        }
        Wanted::Whole => (StatusCode::OK, 0, size),
        Wanted::Part(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
    };
    let body = found.stream(&app.objects, (from, to)).await?;
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_TYPE, served_type(&found.row.key)))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header((header::CONTENT_DISPOSITION, disposition(&found.row.key)))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::ETAG, etag))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{size}", to - 1);
        response.insert_header((header::CONTENT_RANGE, range));
    }
    Ok(response.body(SizedStream::new(to - from, body)))
}

/// Pictures by their name's ending, for previews; anything else is bytes, whatever its sender called it.
fn served_type(key: &str) -> String {
    let guessed = mime_guess::from_path(key).first().filter(|mime| mime.type_() == mime_guess::mime::IMAGE);
    guessed.map_or_else(|| "application/octet-stream".to_owned(), |mime| mime.to_string())
}

fn wanted(headers: &HeaderMap, etag: &str, size: u64) -> Wanted {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_same = |tags: &str| tags.split(',').any(|tag| tag.trim() == etag || tag.trim() == "*");
    if text(header::IF_NONE_MATCH).is_some_and(is_same) {
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

/// The object's own name, without its folders; other letters than plain ones are percent-encoded (RFC 8187).
fn disposition(key: &str) -> String {
    let name = key.trim_end_matches('/').rsplit('/').next().unwrap_or(key);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let plain: String = name.chars().map(|c| if is_plain(c) || c == ' ' { c } else { '_' }).collect();
    let encoded: String = name
        .bytes()
        .map(|b| if is_plain(char::from(b)) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ask(pairs: &[(&'static str, &'static str)]) -> Wanted {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(header::HeaderName::from_static(name), header::HeaderValue::from_static(value));
        }
        wanted(&headers, "\"e\"", 100)
    }

    #[test]
    fn ranges_are_kept_within_the_object() {
        assert_eq!(ask(&[("range", "bytes=0-9")]), Wanted::Part(0, 10));
        assert_eq!(ask(&[("range", "bytes=90-500")]), Wanted::Part(90, 100));
        assert_eq!(ask(&[("range", "bytes=100-")]), Wanted::Beyond);
        assert_eq!(ask(&[("range", "bytes=0-1,5-6")]), Wanted::Whole);
        assert_eq!(ask(&[("range", "bytes=0-9"), ("if-range", "\"old\"")]), Wanted::Whole);
        assert_eq!(ask(&[("if-none-match", "\"x\", \"e\"")]), Wanted::Unchanged);
    }

    #[test]
    fn nothing_but_a_picture_keeps_its_type() {
        assert_eq!(served_type("a/b.PNG"), "image/png");
        assert_eq!(served_type("a/b.html"), "application/octet-stream");
        assert_eq!(served_type("png"), "application/octet-stream");
    }

    #[test]
    fn names_cannot_break_out_of_the_header() {
        assert_eq!(disposition("a/b.csv"), "attachment; filename=\"b.csv\"; filename*=UTF-8''b.csv");
        assert_eq!(disposition("é\".csv"), "attachment; filename=\"__.csv\"; filename*=UTF-8''%C3%A9%22.csv");
    }
}
