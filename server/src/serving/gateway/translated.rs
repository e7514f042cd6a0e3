//! The Open Inference Protocol in front of MLflow's scorer: a call of `/v2/…` is answered here, or from what `/ping` and
//! `/invocations` answer. Limits, counts and deadlines are those of any other request.

use std::borrow::Cow;
use std::io::Read;

use actix_web::http::header::{CONTENT_TYPE, ContentType, HeaderName, HeaderValue};
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use drydock_wire::ErrorCode;
use futures_util::StreamExt;
use hyper::HeaderMap;
use serde_json::Value;

use super::body::{Upload, too_large, whole};
use super::deadline::Deadline;
use super::endpoint::Lease;
use super::proxy::{Admitted, Outgoing, allowed, lease, reach};
use super::relay::{Passage, broke};
use super::upstream::Answer;
use super::{Model, headers};
use crate::error::{Error, Result};
use crate::percent;
use crate::serving::v2::{self, Ask, Call};

/// An answer is understood as a whole, so it is bounded.
const LARGEST_ANSWER: u64 = 256 << 20;
/// From this size on a body is translated away from the thread that serves requests.
const LARGE_BODY: usize = 64 << 10;
/// How much of a model server's own words a refusal repeats.
const QUOTED_BYTES: usize = 4 << 10;

/// The decoded segments after `/v2`; absent for any other path.
pub fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.split('?').next().unwrap_or_default();
    let rest = path.strip_prefix("/v2").filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    Some(rest.split('/').filter(|segment| !segment.is_empty()).map(percent::decoded).collect())
}

/// Answers one call; an error is answered in V2's form by the caller of this.
pub async fn answer(
    segments: &[String],
    request: &HttpRequest,
    payload: Payload,
    admitted: Admitted,
    passage: &mut Passage,
) -> Result<HttpResponse> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let Some(call) = v2::call(&segments) else {
        return Err(Error::not_found(format!("The Open Inference Protocol has no path '/v2/{}'.", segments.join("/"))));
    };
    if call.is_post() != (request.method() == "POST") {
        let method = if call.is_post() { "POST" } else { "GET" };
        return Err(Error::not_found(format!("This path of the protocol is asked for with {method}.")));
    }
    match call.ask {
        Ask::Server => return Ok(json(&v2::server_metadata())),
        Ask::Live => return Ok(HttpResponse::Ok().finish()),
        _ => {}
    }
    let deadline = Deadline::of(request, admitted.limits.patience)?;
    let payload = allowed(request, payload, admitted.limits.body_bytes).await?;
    let lease = lease(request, admitted.aim, passage, deadline).await?;
    let pool = lease.pool.clone();
    is_it(&pool.model, request, &call)?;
    match call.ask {
        Ask::Model => {
            let signature = pool.signature().await?;
            let name = call.model.as_deref().unwrap_or(&pool.model.name);
            Ok(json(&v2::model_metadata(name, pool.model.version, &signature)))
        }
        Ask::Infer => infer(admitted.limits.body_bytes, &call, request, payload, lease, passage, deadline).await,
        _ => ready(lease, passage, deadline).await,
    }
}

/// A deployment serves one model, under its own name and under the model's.
fn is_it(model: &Model, request: &HttpRequest, call: &Call) -> Result<()> {
    let deployment = request.match_info().get("deployment").unwrap_or_default();
    let (name, version) = (&model.name, model.version);
    if let Some(asked) = call.model.as_ref().filter(|asked| *asked != name && *asked != deployment) {
        return Err(Error::not_found(format!("There is no model '{asked}' here; this deployment serves '{name}'.")));
    }
    if let Some(asked) = call.version.as_ref().filter(|asked| **asked != version.to_string()) {
        return Err(Error::not_found(format!(
            "Version '{asked}' is not served here; version {version} of '{name}' is."
        )));
    }
    Ok(())
}

async fn ready(lease: Lease, passage: &mut Passage, deadline: Deadline) -> Result<HttpResponse> {
    let ping = Outgoing {
        method: hyper::Method::GET,
        path: "/ping".to_owned(),
        headers: HeaderMap::new(),
        upload: Upload::Whole(Bytes::new()),
        length: None,
    };
    let (answer, _lease) = reach(&ping, lease, passage, deadline).await?;
    if answer.status.is_success() {
        return Ok(HttpResponse::Ok().finish());
    }
    Err(Error::unavailable(format!("The model server answers its health check with {}.", answer.status)))
}

async fn infer(
    limit: u64,
    call: &Call,
    request: &HttpRequest,
    payload: Payload,
    lease: Lease,
    passage: &mut Passage,
    deadline: Deadline,
) -> Result<HttpResponse> {
    let sent = deadline.keep(whole(payload, limit)).await??;
    let header_length = header_length(request)?;
    let sent = decompressed(request, sent, limit)?;
    let signature = lease.pool.signature().await?;
    let of_model = signature.clone();
    let translated = off_thread(sent.len(), move || {
        let request = v2::read_request(&sent, header_length)?;
        let body = v2::invocation(&request, &of_model)?;
        Ok((request, body))
    });
    let (asked, body) = translated.await?.map_err(|fault: v2::Fault| Error::invalid(fault.0))?;
    let body = Bytes::from(body);
    let mut passed = headers::towards_model(request.headers());
    headers::make_json(&mut passed);
    let outgoing = Outgoing {
        method: hyper::Method::POST,
        path: "/invocations".to_owned(),
        headers: passed,
        upload: Upload::Whole(body.clone()),
        length: None,
    };
    let (answer, lease) = reach(&outgoing, lease, passage, deadline).await?;
    let status = answer.status;
    let sent = body;
    let body = Bytes::from(deadline.keep(collected(answer)).await??);
    passage.heard(&body);
    passage.heard_all();
    if let Some(tap) = &mut passage.tap {
        tap.translated(&sent, &body);
    }
    if !status.is_success() {
        return Ok(said_by_model(status.as_u16(), &body));
    }
    let (name, version) = (call.model.clone().unwrap_or_default(), lease.pool.model.version);
    let translated = off_thread(body.len(), move || {
        let outputs = v2::tensors_of_predictions(&body, &signature)
            .map_err(|fault| Error::new(ErrorCode::BadGateway, fault.0))?;
        v2::answer(&asked, &name, version, &outputs).map_err(|fault| Error::invalid(fault.0))
    });
    Ok(inferred(translated.await??))
}

/// A model server's answer as a whole.
pub(super) async fn collected(mut answer: Answer) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(part) = answer.parts.next().await {
        let part = part.map_err(broke)?;
        body.extend_from_slice(&part);
        if body.len() as u64 > LARGEST_ANSWER {
            let text = "The model's answer is too large for the Open Inference Protocol here; use /invocations.";
            return Err(Error::new(ErrorCode::BadGateway, text));
        }
    }
    Ok(body)
}

/// Runs what takes time for a body of that size.
pub(super) async fn off_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    if bytes < LARGE_BODY {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

fn header_length(request: &HttpRequest) -> Result<Option<usize>> {
    let Some(said) = request.headers().get(v2::HEADER_LENGTH) else { return Ok(None) };
    let length = said.to_str().ok().and_then(|text| text.trim().parse().ok());
    length.map(Some).ok_or_else(|| Error::invalid("Inference-Header-Content-Length is no number of bytes."))
}

/// The body as it was before the caller compressed it; never more than the limit.
pub(super) fn decompressed(request: &HttpRequest, body: Bytes, limit_bytes: u64) -> Result<Bytes> {
    let encoding =
        request.headers().get("content-encoding").and_then(|value| value.to_str().ok()).unwrap_or("identity");
    let mut plain = Vec::new();
    let read = match encoding {
        "identity" | "" => return Ok(body),
        "gzip" => flate2::read::MultiGzDecoder::new(&body[..]).take(limit_bytes + 1).read_to_end(&mut plain),
        "deflate" => flate2::read::ZlibDecoder::new(&body[..]).take(limit_bytes + 1).read_to_end(&mut plain),
        other => {
            let text = format!("Content-Encoding '{other}' is not read; send gzip, deflate or a plain body.");
            return Err(Error::new(ErrorCode::UnsupportedMediaType, text));
        }
    };
    read.map_err(|cause| Error::invalid(format!("The body is no {encoding}: {cause}.")))?;
    if plain.len() as u64 > limit_bytes {
        return Err(too_large(limit_bytes));
    }
    Ok(plain.into())
}

fn inferred(answer: v2::Answer) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    match answer.header_length {
        Some(length) => {
            response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")));
            response.insert_header((HeaderName::from_static(v2::HEADER_LENGTH), HeaderValue::from(length)));
        }
        None => {
            response.insert_header(ContentType::json());
        }
    }
    harmless(response.body(answer.body))
}

/// What the scorer says of a request that it refuses, in V2's form.
fn said_by_model(status: u16, body: &[u8]) -> HttpResponse {
    let text = words_of_model(status, body);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    harmless(HttpResponse::build(status).insert_header(ContentType::json()).body(v2::error_body(&text)))
}

/// The model server's own words in its refusal, in whichever form it has.
pub(super) fn words_of_model(status: u16, body: &[u8]) -> String {
    let read: Option<Value> = serde_json::from_slice(body).ok();
    let words =
        |read: &Value| ["message", "detail", "error"].iter().find_map(|name| Some(read[*name].as_str()?.to_owned()));
    let words = read.as_ref().and_then(words).map_or_else(|| String::from_utf8_lossy(body), Cow::Owned);
    let end = (0..=QUOTED_BYTES.min(words.len())).rev().find(|end| words.is_char_boundary(*end)).unwrap_or_default();
    if words.is_empty() { format!("The model server answered with {status}.") } else { words[..end].to_owned() }
}

fn json(value: &Value) -> HttpResponse {
    harmless(HttpResponse::Ok().json(value))
}

pub(super) fn harmless(mut response: HttpResponse) -> HttpResponse {
    headers::make_harmless(response.headers_mut());
    response
}
