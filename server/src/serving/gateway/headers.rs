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

/// Puts the headers of the answer where the caller gets them.
pub fn towards_caller(from: &UpstreamHeaders, to: &mut ActixHeaders) {
    let named: Vec<String> =
        connection_options(from.get_all(upstream::CONNECTION).iter().filter_map(|value| value.to_str().ok()));
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
    make_harmless(to);
}

/// Whatever a model answers, a browser shows it as a document of its own without scripts.
pub fn make_harmless(answer: &mut ActixHeaders) {
    answer.insert(actix::CONTENT_SECURITY_POLICY, actix::HeaderValue::from_static("default-src 'none'; sandbox"));
    answer.insert(actix::X_CONTENT_TYPE_OPTIONS, actix::HeaderValue::from_static("nosniff"));
}

/// Of a body that is sent in another form than it came.
const OF_THE_BODY: [&str; 5] =
    ["accept-encoding", "content-encoding", "content-type", "content-md5", "inference-header-content-length"];

/// Makes them the headers of a request with a JSON body.
pub fn make_json(request: &mut UpstreamHeaders) {
    OF_THE_BODY.iter().for_each(|name| drop(request.remove(*name)));
    request.insert(upstream::CONTENT_TYPE, upstream::HeaderValue::from_static("application/json"));
}

/// W3C's trace context: the caller's where it has a valid one, else a new one, so that what the model server logs belongs to a request.
pub fn take_on_trace(request: &mut UpstreamHeaders) {
    let mut sent = request.get_all("traceparent").iter();
    let only = sent.next().filter(|_| sent.next().is_none());
    if only.and_then(|value| value.to_str().ok()).is_some_and(is_traceparent) {
        return;
    }
    request.remove("traceparent");
    request.remove("tracestate");
    // an id of zeros would be none
    let (trace, span) = (rand::random::<u128>().max(1), rand::random::<u64>().max(1));
    if let Ok(value) = upstream::HeaderValue::from_str(&format!("00-{trace:032x}-{span:016x}-01")) {
        request.insert("traceparent", value);
    }
}

/// `version-trace-span-flags`; what a later version adds after them is not looked at.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(5, '-').collect();
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_id = |part: &str, length: usize| is_hex(part, length) && part.bytes().any(|byte| byte != b'0');
    match parts.as_slice() {
        [version, trace, span, flags, rest @ ..] => {
            let known_length = *version != "00" || rest.is_empty();
            let version = is_hex(version, 2) && *version != "ff";
            version && known_length && is_id(trace, 32) && is_id(span, 16) && is_hex(flags, 2)
        }
        _ => false,
    }
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
    fn a_valid_trace_goes_on_and_any_other_begins_anew() {
        let taken_on = |sent: &[&str]| {
            let mut headers = UpstreamHeaders::new();
            headers.insert("tracestate", "a=1".parse().unwrap());
            for text in sent {
                headers.append("traceparent", text.parse().unwrap());
            }
            take_on_trace(&mut headers);
            let made = headers.get("traceparent").unwrap().to_str().unwrap().to_owned();
            assert!(is_traceparent(&made), "{made}");
            (made, headers.contains_key("tracestate"))
        };
        let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(taken_on(&[valid]), (valid.to_owned(), true));
        let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more";
        assert_eq!(taken_on(&[later]), (later.to_owned(), true));
        let zero = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        let long = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more";
        for odd in [
            &[][..],
            &["x"],
            &[zero],
            &[long],
            &[valid, valid],
            &[&valid.to_uppercase()],
            &[&valid.replacen("00", "ff", 1)],
        ] {
            let (made, has_state) = taken_on(odd);
            assert!(made != valid && !has_state, "{odd:?} {made}");
        }
    }

    #[test]
    fn an_answer_cannot_act_as_the_dashboard() {
        let mut headers = UpstreamHeaders::new();
        for name in ["set-cookie", "content-security-policy", "access-control-allow-origin", "x-model"] {
            headers.insert(upstream::HeaderName::from_bytes(name.as_bytes()).unwrap(), "v".parse().unwrap());
        }
        let mut passed = ActixHeaders::new();
        towards_caller(&headers, &mut passed);
        assert!(passed.contains_key("x-model") && !passed.contains_key("set-cookie"));
        assert_eq!(passed.get("content-security-policy").unwrap(), "default-src 'none'; sandbox");
        assert!(!passed.contains_key("access-control-allow-origin"));
    }
}
