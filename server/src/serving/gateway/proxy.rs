//! One request through the gateway: who may, which replica, send, answer.

use actix_web::http::Method;
use actix_web::http::header::SET_COOKIE;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use drydock_wire::ErrorCode;
use drydock_wire::serving::Protocol;
use hyper::{HeaderMap, header};

use super::admission::{self, Standing};
use super::asked::{content_length, path_after_deployment, path_of_model};
use super::assignment::{self, Assigned};
use super::body::{Upload, drain, too_large};
use super::deadline::Deadline;
use super::endpoint::{Aim, Lease, Refused};
use super::meter::Outcome;
use super::relay::{Held, Passage, broke, relay};
use super::upstream::{self, Answer, Failed};
use super::{Gateway, Limits, headers, openai, scored, shadow, translated};
use crate::accounts::Principal;
use crate::error::{Error, Result, request_id};
use crate::serving::v2;

/// So many replicas are tried while nobody listens.
const MOST_TRIES: u32 = 3;

/// What changes nothing when it is asked twice.
const PREDICTIONS: [&str; 6] =
    ["/invocations", "/predict", "/predictions", "/v1/embeddings", "/v1/completions", "/v1/chat/completions"];

/// Asks for a revision by its number; in an answer, the number of the revision that gave it.
pub const REVISION_HEADER: &str = "x-drydock-revision";

/// A request to a model server.
pub(super) struct Outgoing {
    pub method: hyper::Method,
    /// With the query.
    pub path: String,
    pub headers: HeaderMap,
    pub upload: Upload,
    /// Of the body, where the caller said it.
    pub length: Option<u64>,
}

/// A request that may pass.
pub(super) struct Admitted {
    pub aim: Aim,
    /// The side of a release that it counts for.
    assigned: Option<Assigned>,
    pub limits: Limits,
    standing: Option<Standing>,
}

/// Answers a request of `/serve/{deployment}/…`; whatever goes wrong is an answer too, and counted.
pub async fn forward(
    gateway: &Gateway,
    deployment: &str,
    who: &Principal,
    request: &HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let Some(endpoint) = gateway.endpoint(deployment) else {
        return refused(request, &Error::not_found(format!("There is no deployment '{deployment}'.")));
    };
    endpoint.note_request();
    let mut passage = Passage::begin(endpoint);
    let (response, standing) = match admit(gateway, deployment, who, request, &passage) {
        Ok(mut admitted) => {
            passage.tap = gateway.tap(passage.endpoint(), who, request);
            passage.assigned = admitted.assigned.take();
            let standing = admitted.standing;
            let cookie = passage.assigned.as_mut().and_then(|assigned| assigned.cookie.take());
            let mut response = answer(who, request, payload, admitted, passage).await;
            cookie.into_iter().for_each(|cookie| response.headers_mut().append(SET_COOKIE, cookie));
            (response, standing)
        }
        Err((error, standing)) => {
            passage.status = Some(error.code.http_status());
            (refused(request, &error), standing)
        }
    };
    let mut response = response;
    if let Some(standing) = standing {
        standing.tell(&mut response);
    }
    response
}

/// Whether the caller may ask now, and for what.
fn admit(
    gateway: &Gateway,
    deployment: &str,
    who: &Principal,
    request: &HttpRequest,
    passage: &Passage,
) -> std::result::Result<Admitted, (Error, Option<Standing>)> {
    let endpoint = passage.endpoint();
    let rules = endpoint.rules();
    if let Err(error) = admission::check_caller(&rules, deployment, who) {
        endpoint.note_refused(Refused::Caller);
        return Err((error, None));
    }
    let rate = rules.settings.limits.rate.as_ref();
    let standing = rate.map(|rate| endpoint.buckets.take(&who.username, rate, std::time::Instant::now()));
    if let (Some(rate), Some(Standing { wait: Some(_), .. })) = (rate, standing) {
        endpoint.note_refused(Refused::Rate);
        return Err((admission::too_many(deployment, rate), standing));
    }
    let (aim, assigned) = match wanted_revision(request) {
        Ok(None) => assignment::assign(endpoint, deployment, who, request),
        Ok(Some(number)) if endpoint.has(number) => (Aim::Number(number), None),
        Ok(Some(number)) => return Err((no_such_revision(deployment, number), standing)),
        Err(error) => return Err((error, standing)),
    };
    Ok(Admitted { aim, assigned, limits: rules.limits(gateway.limits()), standing })
}

async fn answer(
    who: &Principal,
    request: &HttpRequest,
    payload: Payload,
    admitted: Admitted,
    mut passage: Passage,
) -> HttpResponse {
    let path = path_after_deployment(request);
    let protocol = match spoken(request, &admitted, &passage).await {
        Ok(protocol) => protocol,
        Err(error) => return failed(request, &error, &mut passage),
    };
    if let Err(error) = openai::check(path, request.match_info().get("deployment").unwrap_or_default(), protocol) {
        return failed(request, &error, &mut passage);
    }
    if let Some(segments) = translated::segments(path)
        && protocol.is_none_or(|protocol| protocol == Protocol::Mlflow)
    {
        // boxed, as they are large and every request would carry room for them
        let answer = Box::pin(translated::answer(&segments, request, payload, admitted, &mut passage)).await;
        return understood(answer, request, passage);
    }
    if let Some(ask) = scored::ask(path)
        && protocol == Some(Protocol::OpenInference)
    {
        let answer = Box::pin(scored::answer(ask, request, payload, admitted, &mut passage)).await;
        return understood(answer, request, passage);
    }
    let patience = admitted.limits.patience;
    match exchange(request, payload, admitted, &mut passage).await {
        Ok((answer, lease, upload)) => {
            let number = lease.pool.number;
            let watch = openai::watch(&answer, &lease, &passage, who);
            let held = Held { lease, passage, upload, patience, watch };
            match relay(answer, held, *request.method() == Method::HEAD).await {
                Ok(response) => with_revision(response, number),
                Err(error) => refused(request, &error),
            }
        }
        Err(error) => failed(request, &error, &mut passage),
    }
}

/// What the model server speaks. Where none answers, one is waited for if the answer depends on it.
async fn spoken(request: &HttpRequest, admitted: &Admitted, passage: &Passage) -> Result<Option<Protocol>> {
    let known = passage.endpoint().protocol(admitted.aim);
    if known.is_some() || scored::ask(path_after_deployment(request)).is_none() {
        return Ok(known);
    }
    let deadline = Deadline::of(request, admitted.limits.patience)?;
    Ok(Some(lease(request, admitted.aim, passage, deadline).await?.pool.protocol))
}

/// An answer that was put together here.
fn understood(answer: Result<HttpResponse>, request: &HttpRequest, mut passage: Passage) -> HttpResponse {
    let response = answer.unwrap_or_else(|error| failed(request, &error, &mut passage));
    passage.status = Some(response.status().as_u16());
    match passage.pool.as_ref().map(|pool| pool.number) {
        Some(number) => with_revision(response, number),
        None => response,
    }
}

fn failed(request: &HttpRequest, error: &Error, passage: &mut Passage) -> HttpResponse {
    if error.code == ErrorCode::TooLarge {
        passage.endpoint().note_refused(Refused::Body);
    }
    passage.status = Some(error.code.http_status());
    refused(request, error)
}

/// A refusal in the words of the protocol that is asked.
pub fn refused(request: &HttpRequest, error: &Error) -> HttpResponse {
    let (answer, path) = (error.error_response(), path_after_deployment(request));
    match translated::segments(path) {
        Some(_) => answer.set_body(v2::error_body(&error.message)).map_into_boxed_body(),
        None if openai::is_asked(path) => openai::refused(answer, error),
        None => answer,
    }
}

async fn exchange(
    request: &HttpRequest,
    payload: Payload,
    admitted: Admitted,
    passage: &mut Passage,
) -> Result<(Answer, Lease, Upload)> {
    let limits = admitted.limits;
    let deadline = Deadline::of(request, limits.patience)?;
    let payload = allowed(request, payload, limits.body_bytes).await?;
    let lease = lease(request, admitted.aim, passage, deadline).await?;
    let copy = passage.tap.as_ref().map(|tap| tap.body(request.headers()));
    let mut outgoing = Outgoing {
        method: hyper::Method::from_bytes(request.method().as_str().as_bytes()).unwrap_or(hyper::Method::GET),
        path: path_of_model(request, lease.pool.protocol),
        headers: headers::towards_model(request.headers()),
        upload: Upload::receive(payload, limits.body_bytes, copy).await?,
        length: content_length(request),
    };
    if lease.pool.protocol == Protocol::Openai {
        // so that tokens can be read; what such servers answer is short
        outgoing.headers.remove(header::ACCEPT_ENCODING);
    }
    let (answer, lease) = reach(&outgoing, lease, passage, deadline).await?;
    Ok((answer, lease, outgoing.upload))
}

/// The body, unless its length is above the limit already.
pub(super) async fn allowed(request: &HttpRequest, payload: Payload, limit_bytes: u64) -> Result<Payload> {
    if content_length(request).is_some_and(|length| length > limit_bytes) {
        Box::pin(drain(payload)).await;
        return Err(too_large(limit_bytes));
    }
    Ok(payload)
}

/// A hold on a replica, waited for until the deadline where there is none with room.
pub(super) async fn lease(request: &HttpRequest, aim: Aim, passage: &Passage, deadline: Deadline) -> Result<Lease> {
    let endpoint = passage.endpoint();
    let leased = deadline.keep(endpoint.lease(aim)).await.unwrap_or(Err(Refused::Waited));
    leased.map_err(|why| {
        endpoint.note_refused(why);
        let name = request.match_info().get("deployment").unwrap_or_default();
        Error::unavailable(match why {
            Refused::QueueFull => {
                format!("All replicas of '{name}' are busy and as many requests wait as may; try again in a moment.")
            }
            Refused::Waited => format!(
                "No replica of '{name}' had room within {} seconds; try again in a moment.",
                deadline.patience.as_secs_f64()
            ),
            _ => format!("No replica of '{name}' is ready; its page says why. Try again in a moment."),
        })
    })
}

/// Sends it to the replica; to another one where nobody listened, or where the answer broke off and asking twice is safe.
pub(super) async fn reach(
    outgoing: &Outgoing,
    mut lease: Lease,
    passage: &mut Passage,
    deadline: Deadline,
) -> Result<(Answer, Lease)> {
    let (mut tries, mut may_repeat) = (1, outgoing.is_repeatable());
    loop {
        passage.reached_replica = true;
        passage.pool = Some(lease.pool.clone());
        lease.replica.requests.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let asked_at = std::time::Instant::now();
        let failed = match deadline.keep(upstream::send(&lease.replica, outgoing.request(&lease))).await {
            Ok(Ok(answer)) => {
                note(&lease, answer.status);
                let status = answer.status.as_u16();
                passage.copied =
                    shadow::listen(passage.endpoint(), outgoing, &lease, status, asked_at, deadline.patience);
                return Ok((answer, lease));
            }
            Ok(Err(failed)) => failed,
            Err(too_slow) => {
                // the caller's haste says nothing about the revision
                if deadline.is_callers {
                    passage.pool = None;
                } else {
                    lease.pool.failed(&lease.replica);
                }
                return Err(too_slow);
            }
        };
        if let Some(refusal) = outgoing.refusal(&failed) {
            passage.pool = None;
            return Err(refusal);
        }
        lease.pool.failed(&lease.replica);
        let may_ask_again = match &failed {
            Failed::Connect(_) => tries < MOST_TRIES,
            Failed::Broken { .. } => std::mem::take(&mut may_repeat),
        };
        let next = (may_ask_again && outgoing.upload.can_be_sent_again()).then(|| instead(&lease, &failed, passage));
        lease = match next.flatten() {
            Some(next) => next,
            None => return Err(said(failed)),
        };
        tries += 1;
    }
}

/// Another replica; or the same one, where it may only have closed a connection that it thought was over.
fn instead(lease: &Lease, failed: &Failed, passage: &Passage) -> Option<Lease> {
    let other = passage.endpoint().lease_instead(lease).filter(|it| it.pool.protocol == lease.pool.protocol);
    if let Some(other) = other {
        if other.pool.number != lease.pool.number {
            lease.pool.tally.record(Outcome { status: None, took: None }, true);
        }
        return Some(other);
    }
    matches!(failed, Failed::Broken { was_idle: true, .. }).then(|| lease.again())
}

/// Whether the replica did well, as far as its status says: a model's own 500 may be the request's fault.
fn note(lease: &Lease, status: hyper::StatusCode) {
    match status.as_u16() {
        502..=504 => lease.pool.failed(&lease.replica),
        _ => lease.replica.succeeded(),
    }
}

fn said(failed: Failed) -> Error {
    match failed {
        Failed::Broken { cause, .. } => broke(cause),
        Failed::Connect(cause) => {
            let text = "The model server cannot be reached; its log may say why.";
            Error::new(ErrorCode::BadGateway, text).with_source(cause)
        }
    }
}

impl Outgoing {
    /// For one try.
    pub fn request(&self, lease: &Lease) -> hyper::Request<super::body::Sending> {
        let mut request = hyper::Request::new(self.upload.send(self.length));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = hyper::Uri::try_from(self.path.as_str()).unwrap_or_default();
        let mut passed = self.headers.clone();
        if let Ok(host) = header::HeaderValue::from_str(&lease.replica.address.to_string()) {
            passed.insert(header::HOST, host);
        }
        let id = header::HeaderValue::from_str(&request_id::current()).ok().filter(|id| !id.is_empty());
        if let Some(id) = id {
            passed.insert("x-request-id", id);
        }
        headers::take_on_trace(&mut passed);
        if self.upload.is_empty() && self.length.is_some() {
            passed.insert(header::CONTENT_LENGTH, header::HeaderValue::from(0));
        }
        *request.headers_mut() = passed;
        request
    }

    /// Whether it may be sent again although the model server may have worked on it: it only reads, or it is a prediction
    /// as the known protocols have them. What else a server does on a POST is not known.
    fn is_repeatable(&self) -> bool {
        if [hyper::Method::GET, hyper::Method::HEAD, hyper::Method::OPTIONS].contains(&self.method) {
            return true;
        }
        let path = self.path.split('?').next().unwrap_or_default();
        let is_inference = path.starts_with("/v2/models/") && path.ends_with("/infer");
        self.method == hyper::Method::POST && (is_inference || PREDICTIONS.contains(&path))
    }

    /// What is the caller's own fault: its body was too large, or it broke off.
    fn refusal(&self, failed: &Failed) -> Option<Error> {
        let broke_off = || match failed {
            Failed::Broken { cause, .. } if cause.is_user() => Some(Error::invalid("The request broke off.")),
            _ => None,
        };
        self.upload.refusal().or_else(broke_off)
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
