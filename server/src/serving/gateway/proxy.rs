//! One request through the gateway: find the replica, send, answer.
//!
//! Every worker thread has a client of its own, so a request and its pooled connection stay on one core.

use std::cell::OnceCell;
use std::future::Future;
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
use super::{Gateway, Lease, headers, translated};
use crate::error::{Error, Result, request_id};
use crate::serving::v2;

/// How long the caller waits, in seconds; it can ask for less than the limit, not for more.
const TIMEOUT: &str = "x-request-timeout";
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// Shorter than the scorer keeps an idle connection (75 s), so that it is never the one to close first.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

/// Asks for a revision by its number; in an answer, the number of the revision that gave it.
pub const REVISION_HEADER: &str = "x-drydock-revision";

/// A request to a model server.
pub(super) struct Outgoing {
    pub method: reqwest::Method,
    /// With the query.
    pub path: String,
    pub headers: header::HeaderMap,
    pub upload: Upload,
    /// Of the body, where the caller said it.
    pub length: Option<u64>,
}

/// Until when there must be an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    patience: Duration,
    /// The caller set it.
    is_callers: bool,
}

/// Answers a request of `/serve/{deployment}/…`; whatever goes wrong is an answer too, and counted.
pub async fn forward(gateway: &Gateway, deployment: &str, request: &HttpRequest, payload: Payload) -> HttpResponse {
    let Some(endpoint) = gateway.endpoint(deployment) else {
        return refused(request, &Error::not_found(format!("There is no deployment '{deployment}'.")));
    };
    let lease = match wanted_revision(request) {
        Ok(None) => endpoint.lease(),
        Ok(Some(number)) => match endpoint.lease_of(number) {
            Some(lease) => Some(lease),
            None => return refused(request, &no_such_revision(deployment, number)),
        },
        Err(error) => return refused(request, &error),
    };
    let mut passage = Passage::begin(endpoint);
    if let Some(segments) = translated::segments(path_after_deployment(request)) {
        let answer = translated::answer(gateway, &segments, request, payload, lease, &mut passage).await;
        let response = answer.unwrap_or_else(|error| refused(request, &error));
        passage.status = Some(response.status().as_u16());
        return match passage.replica.as_ref().map(|replica| replica.number) {
            Some(number) => with_revision(response, number),
            None => response,
        };
    }
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

/// A refusal in the words of the protocol that is asked.
pub fn refused(request: &HttpRequest, error: &Error) -> HttpResponse {
    let answer = error.error_response();
    match translated::segments(path_after_deployment(request)) {
        Some(_) => answer.set_body(v2::error_body(&error.message)).map_into_boxed_body(),
        None => answer,
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
    let deadline = Deadline::of(request, limits.patience)?;
    let payload = allowed(request, payload, limits.body_bytes).await?;
    let lease = lease.ok_or_else(|| none_ready(request))?;
    let outgoing = Outgoing {
        method: reqwest::Method::from_bytes(request.method().as_str().as_bytes()).unwrap_or(reqwest::Method::GET),
        path: path_of_model(request),
        headers: headers::towards_model(request.headers()),
        upload: Upload::receive(payload, limits.body_bytes).await?,
        length: content_length(request),
    };
    let (answer, lease) = reach(request, &outgoing, lease, passage, deadline).await?;
    Ok((answer, lease, outgoing.upload))
}

/// The body, unless its length is above the limit already.
pub(super) async fn allowed(request: &HttpRequest, payload: Payload, limit_bytes: u64) -> Result<Payload> {
    if content_length(request).is_some_and(|length| length > limit_bytes) {
        drain(payload).await;
        return Err(too_large(limit_bytes));
    }
    Ok(payload)
}

/// Sends it to the replica, and once more to its successor where nobody listened.
pub(super) async fn reach(
    request: &HttpRequest,
    outgoing: &Outgoing,
    mut lease: Lease,
    passage: &mut Passage,
    deadline: Deadline,
) -> Result<(reqwest::Response, Lease)> {
    let mut may_retry = true;
    loop {
        passage.reached_replica = true;
        passage.replica = Some(lease.replica.clone());
        let attempt = deadline.keep(send(outgoing, &lease)).await;
        if attempt.is_err() && deadline.is_callers {
            // the caller's haste says nothing about the revision
            passage.replica = None;
        }
        let refused = match attempt? {
            Ok(answer) => return Ok((answer, lease)),
            Err(cause) => cause,
        };
        if let Some(refusal) = outgoing.upload.refusal() {
            return Err(refusal);
        }
        // nobody listened: the replica has just ended, and its successor may have taken over. One on trial that broke off
        // is stood in for by the live one: a prediction changes nothing, so asking twice is safe.
        let may_ask_again = refused.is_connect() || lease.is_on_trial();
        if !(may_retry && may_ask_again && outgoing.upload.can_be_sent_again()) {
            return Err(broke(refused));
        }
        may_retry = false;
        if lease.is_on_trial() {
            lease.replica.tally.record(Outcome { status: None, took: None }, true);
        }
        lease = passage.endpoint().lease_instead(&lease).ok_or_else(|| none_ready(request))?;
    }
}

async fn send(outgoing: &Outgoing, lease: &Lease) -> std::result::Result<reqwest::Response, reqwest::Error> {
    let url = format!("http://{}{}", lease.address(), outgoing.path);
    let mut passed = outgoing.headers.clone();
    let id = header::HeaderValue::from_str(&request_id::current()).ok().filter(|id| !id.is_empty());
    if let Some(id) = id {
        passed.insert("x-request-id", id);
    }
    headers::take_on_trace(&mut passed);
    if let (Upload::Streaming(_), Some(length)) = (&outgoing.upload, outgoing.length) {
        passed.insert(header::CONTENT_LENGTH, header::HeaderValue::from(length));
    }
    let mut sent = client()?.request(outgoing.method.clone(), url).headers(passed);
    if !outgoing.upload.is_empty() || outgoing.length.is_some() {
        sent = sent.body(outgoing.upload.send());
    }
    sent.send().await
}

impl Deadline {
    /// As long as the deployment has patience, or the caller if that is shorter.
    pub fn of(request: &HttpRequest, most: Duration) -> Result<Self> {
        let patience = match request.headers().get(TIMEOUT) {
            None => most,
            Some(said) => {
                let seconds = said.to_str().ok().and_then(|text| text.trim().parse::<f64>().ok());
                let asked = seconds.filter(|seconds| *seconds > 0.0).map(Duration::try_from_secs_f64);
                // longer than there are instants is longer than the limit
                let wrong = || Error::invalid("X-Request-Timeout is no number of seconds above 0, like 2.5.");
                asked.ok_or_else(wrong)?.unwrap_or(most).min(most)
            }
        };
        Ok(Self { at: Instant::now() + patience, patience, is_callers: patience < most })
    }

    /// What the work answers in time; past that it is dropped, and with it a request under way.
    pub async fn keep<F: Future>(&self, work: F) -> Result<F::Output> {
        tokio::time::timeout_at(self.at, work).await.map_err(|_| too_slow(self.patience))
    }
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

/// The path that the model server is asked for: its own, but for an alias.
fn path_of_model(request: &HttpRequest) -> String {
    let path = path_after_deployment(request);
    match path.strip_prefix("/predict") {
        Some(rest) if rest.is_empty() || rest.starts_with('?') => format!("/invocations{rest}"),
        _ => path.to_owned(),
    }
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

pub(super) fn none_ready(request: &HttpRequest) -> Error {
    let name = request.match_info().get("deployment").unwrap_or_default();
    Error::unavailable(format!("No replica of '{name}' is ready; its page says why. Try again in a moment."))
}

fn too_slow(patience: Duration) -> Error {
    let text = format!("The model server did not answer within {} seconds.", patience.as_secs_f64());
    Error::new(ErrorCode::GatewayTimeout, text)
}
