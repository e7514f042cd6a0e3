//! Before each request: is it for this host, and may a page of this origin change things? After it: the headers that
//! keep a browser from doing what nobody asked for.

use std::{collections::BTreeSet, net::IpAddr};

use actix_web::{
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{HeaderName, HeaderValue},
    },
    web,
};
use drydock_wire::ErrorCode;

use crate::error::Error;

const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data: blob:; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Host names that requests may be for. Addresses are always good: a rebinding attack needs a name.
#[derive(Debug, Clone)]
pub struct AllowedHosts(BTreeSet<String>);

impl AllowedHosts {
    /// `localhost`, the machine's name, and what the settings add.
    pub fn new(hostname: Option<String>, configured: &[String]) -> Self {
        let mut names: BTreeSet<String> = configured.iter().map(|name| name.to_lowercase()).collect();
        names.insert("localhost".into());
        if let Some(name) = hostname.map(|name| name.to_lowercase()) {
            names.insert(format!("{name}.local"));
            names.insert(name);
        }
        Self(names)
    }

    fn allows(&self, host: &str) -> bool {
        let name = without_port(host);
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok() || self.0.contains(&name.to_lowercase())
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether the request is for this host, and from a page that may change things.
///
/// # Errors
/// `wrong_host`, or `forbidden` for a page of another site.
pub fn check(request: &ServiceRequest) -> Result<(), Error> {
    // HTTP/2 carries the host in the URI.
    let header = request.headers().get("host").and_then(|value| value.to_str().ok());
    let host = header.or_else(|| request.uri().authority().map(|authority| authority.as_str())).unwrap_or("");
    let allowed = request.app_data::<web::Data<AllowedHosts>>().is_some_and(|hosts| hosts.allows(host));
    if !allowed {
        let text = format!("This box does not answer to the name '{host}'; add it to 'hosts' in drydock.toml.");
        return Err(Error::new(ErrorCode::WrongHost, text));
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !reads && is_foreign(request, host) {
        return Err(Error::forbidden("A page of another site may not change anything here."));
    }
    Ok(())
}

/// Browsers say where a request comes from; programs say nothing, and carry their own credentials.
fn is_foreign(request: &ServiceRequest, host: &str) -> bool {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return true;
    }
    text("origin").is_some_and(|origin| origin.split_once("://").map(|(_, rest)| rest) != Some(host))
}

/// Sets the headers, except where the handler was stricter.
pub fn harden(response: &mut ServiceResponse<impl MessageBody>, secure: bool) {
    let headers = response.headers_mut();
    let fixed = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // A handler may be stricter: what a model answers is shown without scripts.
    let policy = HeaderName::from_static("content-security-policy");
    if !headers.contains_key(&policy) {
        headers.insert(policy, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    }
    if secure {
        headers
            .insert(HeaderName::from_static("strict-transport-security"), HeaderValue::from_static("max-age=31536000"));
    }
    // Answers about people's data never stay in a cache unless the handler says so.
    if !headers.contains_key("cache-control") {
        headers.insert(HeaderName::from_static("cache-control"), HeaderValue::from_static("no-store"));
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn names_of_others_are_not_ours_and_addresses_are() {
        let hosts = AllowedHosts::new(Some("Ward7".into()), &["ml.hospital".into()]);
        for good in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
            "10.1.2.3",
            "ward7",
            "ward7.local:1",
            "ML.hospital",
        ] {
            assert!(hosts.allows(good), "{good}");
        }
        for bad in ["", "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example"] {
            assert!(!hosts.allows(bad), "{bad}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_foreign_and_a_program_is_not() {
        let with = |name: &'static str, value: &'static str| {
            is_foreign(&TestRequest::post().insert_header((name, value)).to_srv_request(), "box:8080")
        };
        assert!(with("origin", "http://evil.example"));
        assert!(with("origin", "null"));
        assert!(with("sec-fetch-site", "cross-site"));
        assert!(with("sec-fetch-site", "same-site"));
        assert!(!with("origin", "http://box:8080"));
        assert!(!with("sec-fetch-site", "same-origin"));
        assert!(!is_foreign(&TestRequest::post().to_srv_request(), "box:8080"));
    }
}
