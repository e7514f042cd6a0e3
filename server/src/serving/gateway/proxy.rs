//! One request through the gateway: find the replica, send, answer.
//!
//! Every worker thread has a client of its own, so a request and its pooled connection stay on one core.

use std::cell::OnceCell;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use drydock_wire::ErrorCode;
use reqwest::{Client, header};
use tokio::time::Instant;

use super::body::{Upload, drain, too_large};
use super::meter::Outcome;
use super::relay::{Held, Passage, broke, relay};
use super::{Gateway, Lease, headers};
use crate::error::{Error, Result, request_id};

const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// Shorter than the scorer keeps an idle connection (75 s), so that it is never the one to close first.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

/// Asks for a revision by its number; in an answer, the number of the revision that gave it.
pub const REVISION_HEADER: &str = "x-drydock-revision";

/// Answers a request of `/serve/{deployment}/…`; whatever goes wrong is an answer too, and counted.
pub async fn forward(gateway: &Gateway, deployment: &str, request: &HttpRequest, payload: Payload) -> HttpResponse {
    let Some(endpoint) = gateway.endpoint(deployment) else {
        return Error::not_found(format!("There is no deployment '{deployment}'.")).error_response();
    };
    let lease = match wanted_revision(request) {
        Ok(None) => endpoint.lease(),
        Ok(Some(number)) => match endpoint.lease_of(number) {
            Some(lease) => Some(lease),
            None => return no_such_revision(deployment, number).error_response(),
        },
        Err(error) => return error.error_response(),
    };
    let mut passage = Passage::begin(endpoint);
    match exchange(gateway, request, payload, lease, &mut passage).await {
        Ok((answer, lease, upload)) => {
            let patience = gateway.limits().patience;
            let number = lease.replica.number;
            let held = Held { lease, passage, upload, patience };
            match relay(answer, held, *request.method() == Method::HEAD).await {
                Ok(response) => with_revision(response, number),
                Err(error) => error.error_response(),
            }
        }
        Err(error) => {
            passage.status = Some(error.code.http_status());
            error.error_response()
        }
    }
}

async fn exchange(
    gateway: &Gateway,
    request: &HttpRequest,
    payload: Payload,
    lease: Option<Lease>,
    passage: &mut Passage,
) -> Result<(reqwest::Response, Lease, Upload)> {
    let limits = gateway.limits();
    let deadline = Instant::now() + limits.patience;
    let length = content_length(request);
    if length.is_some_and(|length| length > limits.body_bytes) {
        drain(payload).await;
        return Err(too_large(limits.body_bytes));
    }
    let mut lease = lease.ok_or_else(|| none_ready(request))?;
    let upload = Upload::receive(payload, limits.body_bytes).await?;
    let mut may_retry = true;
    loop {
        passage.reached_replica = true;
        passage.replica = Some(lease.replica.clone());
        let attempt = send(request, &lease, &upload, length);
        let refused = match tokio::time::timeout_at(deadline, attempt).await {
            Err(_) => return Err(too_slow(limits.patience)),
            Ok(Ok(answer)) => return Ok((answer, lease, upload)),
            Ok(Err(cause)) => cause,
        };
        if let Some(refusal) = upload.refusal() {
            return Err(refusal);
        }
        // nobody listened: the replica has just ended, and its successor may have taken over. One on trial that broke off
        // is stood in for by the live one: a prediction changes nothing, so asking twice is safe.
        let may_ask_again = refused.is_connect() || lease.is_on_trial();
        if !(may_retry && may_ask_again && upload.can_be_sent_again()) {
            return Err(broke(refused));
        }
        may_retry = false;
        if lease.is_on_trial() {
            lease.replica.tally.record(Outcome { status: None, took: None }, true);
        }
        lease = passage.endpoint().lease_instead(&lease).ok_or_else(|| none_ready(request))?;
    }
}

async fn send(
    request: &HttpRequest,
    lease: &Lease,
    upload: &Upload,
    length: Option<u64>,
) -> std::result::Result<reqwest::Response, reqwest::Error> {
    let url = format!("http://{}{}", lease.address(), path_after_deployment(request));
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes()).unwrap_or(reqwest::Method::GET);
    let mut passed = headers::towards_model(request.headers());
    let id = header::HeaderValue::from_str(&request_id::current()).ok().filter(|id| !id.is_empty());
    if let Some(id) = id {
        passed.insert("x-request-id", id);
    }
    if let (Upload::Streaming(_), Some(length)) = (upload, length) {
        passed.insert(header::CONTENT_LENGTH, header::HeaderValue::from(length));
    }
    let mut outgoing = client()?.request(method, url).headers(passed);
    if !upload.is_empty() || length.is_some() {
        outgoing = outgoing.body(upload.send());
    }
    outgoing.send().await
}

/// The revision that the caller asks for by its number, if it does.
fn wanted_revision(request: &HttpRequest) -> Result<Option<i64>> {
    let Some(value) = request.headers().get(REVISION_HEADER) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let number = number.ok_or_else(|| {
        Error::invalid("X-Drydock-Revision is the number of a revision that runs, as 4; leave it out for the live one.")
    })?;
    Ok(Some(number))
}

fn no_such_revision(deployment: &str, number: i64) -> Error {
    Error::not_found(format!(
        "Revision {number} of '{deployment}' does not run now. The deployment's page lists those that do."
    ))
}

fn with_revision(mut response: HttpResponse, number: i64) -> HttpResponse {
    let name = actix_web::http::header::HeaderName::from_static(REVISION_HEADER);
    response.headers_mut().insert(name, actix_web::http::header::HeaderValue::from(number));
    response
}

/// A client per thread; cloning it is counting a reference.
fn client() -> std::result::Result<Client, reqwest::Error> {
    thread_local!(static CLIENT: OnceCell<Client> = const { OnceCell::new() });
    CLIENT.with(|cell| {
        if let Some(client) = cell.get() {
            return Ok(client.clone());
        }
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_PATIENCE)
            .pool_idle_timeout(IDLE_CONNECTION)
            .build()?;
        Ok(cell.get_or_init(|| client).clone())
    })
}

/// What follows `/serve/{deployment}`, as the caller wrote it, query included.
fn path_after_deployment(request: &HttpRequest) -> &str {
    let whole = request.uri().path_and_query().map_or("/", |it| it.as_str());
    let rest = whole.trim_start_matches('/').split_once('/').map_or("", |(_serve, rest)| rest);
    rest.find('/').map_or("/", |slash| &rest[slash..])
}

fn content_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(actix_web::http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn none_ready(request: &HttpRequest) -> Error {
    let name = request.match_info().get("deployment").unwrap_or_default();
    Error::unavailable(format!("No replica of '{name}' is ready; its page says why. Try again in a moment."))
}

fn too_slow(patience: Duration) -> Error {
    let text = format!("The model server did not answer within {} seconds.", patience.as_secs());
    Error::new(ErrorCode::GatewayTimeout, text)
}
