//! Which headers pass the gateway. Those of one hop do not, nor what belongs to the caller's session with Drydock, nor
//! what would let a model's answer act as a page of the dashboard.

use actix_web::http::header::{self as actix, HeaderMap as ActixHeaders};
use reqwest::header::{self as upstream, HeaderMap as UpstreamHeaders};

/// Of one connection (RFC 9110, 7.6.1), or rebuilt by whoever sends.
const HOP_BY_HOP: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// The caller's business with Drydock, and claims about the caller that only a proxy may make.
const NOT_FOR_MODELS: [&str; 9] = [
    "authorization",
    "cookie",
    "proxy-authenticate",
    "proxy-authorization",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

/// What a container must not say about the origin that it shares with the dashboard.
const NOT_FROM_MODELS: [&str; 12] = [
    "access-control-allow-credentials",
    "access-control-allow-origin",
    "alt-svc",
    "clear-site-data",
    "content-security-policy",
    "proxy-authenticate",
    "public-key-pins",
    "service-worker-allowed",
    "set-cookie",
    "strict-transport-security",
    "www-authenticate",
    "x-request-id",
];

/// Headers of the request as the model server gets them.
pub fn towards_model(from: &ActixHeaders) -> UpstreamHeaders {
    let named: Vec<String> =
        connection_options(from.get_all(actix::CONNECTION).filter_map(|value| value.to_str().ok()));
    let mut to = UpstreamHeaders::with_capacity(from.len());
    for (name, value) in from {
        let text = name.as_str();
        if is_blocked(text, &NOT_FOR_MODELS, &named) {
            continue;
        }
        let name = upstream::HeaderName::from_bytes(text.as_bytes());
        if let (Ok(name), Ok(value)) = (name, upstream::HeaderValue::from_bytes(value.as_bytes())) {
            to.append(name, value);
        }
    }
    to
}

/// Headers of the answer as the caller gets them.
pub fn towards_caller(from: &UpstreamHeaders) -> ActixHeaders {
    let named: Vec<String> =
        connection_options(from.get_all(upstream::CONNECTION).iter().filter_map(|value| value.to_str().ok()));
    let mut to = ActixHeaders::with_capacity(from.len() + 2);
    for (name, value) in from {
        let text = name.as_str();
        if is_blocked(text, &NOT_FROM_MODELS, &named) {
            continue;
        }
        let name = actix::HeaderName::from_bytes(text.as_bytes());
        if let (Ok(name), Ok(value)) = (name, actix::HeaderValue::from_bytes(value.as_bytes())) {
            to.append(name, value);
        }
    }
    // whatever a model answers, a browser shows it as a document of its own without scripts
    to.insert(actix::CONTENT_SECURITY_POLICY, actix::HeaderValue::from_static("default-src 'none'; sandbox"));
    to.insert(actix::X_CONTENT_TYPE_OPTIONS, actix::HeaderValue::from_static("nosniff"));
    to
}

fn connection_options<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    values.flat_map(|value| value.split(',')).map(|option| option.trim().to_ascii_lowercase()).collect()
}

fn is_blocked(name: &str, side: &[&str], named: &[String]) -> bool {
    HOP_BY_HOP.contains(&name) || side.contains(&name) || named.iter().any(|option| option == name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_model_never_learns_who_asks_with_what() {
        let mut headers = ActixHeaders::new();
        for name in ["authorization", "cookie", "x-secret-hop", "transfer-encoding", "x-forwarded-for", "content-type"]
        {
            headers.insert(name.parse().unwrap(), "v".parse().unwrap());
        }
        headers.insert(actix::CONNECTION, "keep-alive, X-Secret-Hop".parse().unwrap());
        let passed = towards_model(&headers);
        assert_eq!(passed.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["content-type"]);
    }

    #[test]
    fn an_answer_cannot_act_as_the_dashboard() {
        let mut headers = UpstreamHeaders::new();
        for name in ["set-cookie", "content-security-policy", "access-control-allow-origin", "x-model"] {
            headers.insert(upstream::HeaderName::from_bytes(name.as_bytes()).unwrap(), "v".parse().unwrap());
        }
        let passed = towards_caller(&headers);
        assert!(passed.contains_key("x-model") && !passed.contains_key("set-cookie"));
        assert_eq!(passed.get("content-security-policy").unwrap(), "default-src 'none'; sandbox");
        assert!(!passed.contains_key("access-control-allow-origin"));
    }
}
