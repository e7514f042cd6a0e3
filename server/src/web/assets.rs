//! The dashboard's files. Files under `assets/` carry a hash of their content in their name and may be cached for ever;
//! everything else is the page itself, which is asked for each time.
//!
//! They are compiled into the program by `main.rs` and not by this library, so that the two can be compiled side by side, and
//! a change of the dashboard compiles nothing here again.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use rust_embed::EmbeddedFile;

/// Where the files come from: gives the file of a path such as `assets/app-1a2b.js`.
#[derive(Clone, Copy)]
pub struct Dashboard(pub fn(&str) -> Option<EmbeddedFile>);

impl Dashboard {
    fn get(self, path: &str) -> Option<EmbeddedFile> {
        (self.0)(path)
    }
}

const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Serves a file of the dashboard; any path that is no file gets the page, whose router knows it.
pub async fn serve(request: HttpRequest, dashboard: web::Data<Dashboard>) -> HttpResponse {
    let dashboard = **dashboard;
    // A page is asked for, never written to: a program that posts to a path that is none has to hear so.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return HttpResponse::NotFound().finish();
    }
    let path = request.path().trim_start_matches('/');
    if path.starts_with("assets/") {
        return file(dashboard, &request, path, FOR_EVER).unwrap_or_else(|| HttpResponse::NotFound().finish());
    }
    if let Some(found) = (!path.is_empty()).then(|| file(dashboard, &request, path, "no-cache")).flatten() {
        return found;
    }
    // A name may have a dot (`/models/my.model`): what a browser asks for as a page is one, `/favicon.ico` is not.
    let wants_page = request.headers().get(header::ACCEPT).is_none_or(|accept| {
        accept.to_str().is_ok_and(|accept| accept.contains("text/html") || accept.starts_with("*/*"))
    });
    let page = wants_page.then(|| file(dashboard, &request, "index.html", "no-cache")).flatten();
    page.unwrap_or_else(|| missing(dashboard))
}

fn missing(dashboard: Dashboard) -> HttpResponse {
    if dashboard.get("index.html").is_some() {
        return HttpResponse::NotFound().finish();
    }
    HttpResponse::NotFound()
        .content_type("text/plain; charset=utf-8")
        .body("This build of Drydock has no dashboard inside; build it with `make build`.\n")
}

fn file(dashboard: Dashboard, request: &HttpRequest, path: &str, caching: &'static str) -> Option<HttpResponse> {
    let plain = dashboard.get(path)?;
    let etag = format!("\"{}\"", hex::encode(&plain.metadata.sha256_hash()[..16]));
    if request.headers().get(header::IF_NONE_MATCH).is_some_and(|sent| sent.as_bytes() == etag.as_bytes()) {
        return Some(HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish());
    }
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let mut response = HttpResponse::Ok();
    response
        .content_type(kind.as_ref())
        .insert_header((header::CACHE_CONTROL, caching))
        .insert_header((header::ETAG, etag))
        .insert_header((header::VARY, "accept-encoding"));
    match accepts_brotli(request).then(|| dashboard.get(&format!("{path}.br"))).flatten() {
        Some(packed) => {
            response.insert_header((header::CONTENT_ENCODING, "br"));
            Some(response.body(bytes_of(packed)))
        }
        None => Some(response.body(bytes_of(plain))),
    }
}

fn bytes_of(file: EmbeddedFile) -> bytes::Bytes {
    match file.data {
        std::borrow::Cow::Borrowed(data) => bytes::Bytes::from_static(data),
        std::borrow::Cow::Owned(data) => bytes::Bytes::from(data),
    }
}

fn accepts_brotli(request: &HttpRequest) -> bool {
    let sent = request.headers().get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    sent.split(',').any(|one| {
        let (name, rest) = one.split_once(';').unwrap_or((one, ""));
        name.trim() == "br" && rest.trim() != "q=0"
    })
}
