//! Copies of requests for a shadow: sent after the live answer went out, compared with it, and thrown away.
//!
//! Always holds: the caller's request waits for nothing here and fails for nothing here. Its body is a reference to what is in
//! memory anyway; a copy that finds no room is dropped and counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use drydock_wire::serving::{DifferentPlace, Disagreement, Shadow};
use futures_util::StreamExt;
use hyper::header::HeaderValue;
use tokio::sync::oneshot;

use super::body::Upload;
use super::endpoint::{Aim, Endpoint, Lease};
use super::meter::Outcome;
use super::proxy::Outgoing;
use super::upstream;
use crate::clock;
use crate::error::{Result, request_id};
use crate::serving::release::assign::Side;
use crate::serving::release::book::Book;
use crate::serving::release::compare::{Said, Verdict, compare};

/// Larger bodies and answers are not compared.
const COPIED_BYTES: usize = 1 << 20;
/// From this size on answers are compared away from the thread that serves requests.
const LARGE: usize = 32 << 10;
/// Tells a model server that nobody reads its answer.
const SHADOW_HEADER: &str = "x-drydock-shadow";

/// Listens to the live answer of a request that is copied.
#[derive(Debug)]
pub struct Listening {
    heard: Heard,
    asked_at: Instant,
    tell: Option<oneshot::Sender<Heard>>,
}

/// The live answer.
#[derive(Debug)]
struct Heard {
    status: u16,
    parts: Vec<Bytes>,
    bytes: usize,
    took: Duration,
}

/// A copy that waits for the live answer.
struct Copied {
    book: Arc<Book>,
    endpoint: Arc<Endpoint>,
    plan: Shadow,
    outgoing: Outgoing,
    request_id: String,
    patience: Duration,
}

/// Begins to listen where this request is to be copied: the live one answers it, and its turn has come.
pub fn listen(
    endpoint: &Arc<Endpoint>,
    outgoing: &Outgoing,
    lease: &Lease,
    status: u16,
    asked_at: Instant,
    patience: Duration,
) -> Option<Listening> {
    let book = endpoint.book()?;
    let plan = book.shadow().filter(|_| lease.aim == Aim::Live && outgoing.method == hyper::Method::POST)?.clone();
    if !book.is_turn(plan.percent) {
        return None;
    }
    let Upload::Whole(body) = &outgoing.upload else {
        book.note_skipped();
        return None;
    };
    let request_id = request_id::current();
    let mut headers = outgoing.headers.clone();
    headers.insert(SHADOW_HEADER, HeaderValue::from_static("1"));
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert("x-request-id", id);
    }
    let outgoing = Outgoing {
        method: outgoing.method.clone(),
        path: outgoing.path.clone(),
        headers,
        upload: Upload::Whole(body.clone()),
        length: outgoing.length,
    };
    let (tell, told) = oneshot::channel();
    let copied = Copied { book, endpoint: endpoint.clone(), plan, outgoing, request_id, patience };
    let protocol = lease.pool.protocol;
    actix_web::rt::spawn(async move {
        match told.await {
            Ok(live) => copied.compare_with(live, protocol).await,
            // it was too long, broke off, or the caller left
            Err(_) => copied.book.note_skipped(),
        }
    });
    let heard = Heard { status, parts: Vec::new(), bytes: 0, took: Duration::ZERO };
    Some(Listening { heard, asked_at, tell: Some(tell) })
}

impl Listening {
    /// More of the answer passed.
    pub fn heard(&mut self, part: &Bytes) {
        self.heard.bytes += part.len();
        if self.heard.bytes > COPIED_BYTES {
            self.tell = None;
            self.heard.parts.clear();
        } else if self.tell.is_some() {
            self.heard.parts.push(part.clone());
        }
    }

    /// All of the answer passed.
    pub fn ended(&mut self) {
        if let Some(tell) = self.tell.take() {
            let took = self.asked_at.elapsed();
            let parts = std::mem::take(&mut self.heard.parts);
            let heard = Heard { status: self.heard.status, parts, bytes: self.heard.bytes, took };
            let _ = tell.send(heard);
        }
    }
}

impl Copied {
    async fn compare_with(self, live: Heard, protocol: drydock_wire::serving::Protocol) {
        if live.status >= 500 || !self.book.is_running() {
            self.book.note_skipped();
            return;
        }
        let Some(_place) = self.book.copying(self.plan.at_once) else { return };
        let Some(lease) = self.endpoint.lease_now(Aim::Number(self.book.title.candidate)) else {
            self.book.note_dropped();
            return;
        };
        if lease.pool.protocol != protocol {
            self.book.note_skipped();
            return;
        }
        let asked_at = Instant::now();
        let answered = tokio::time::timeout(self.patience, self.ask(&lease)).await;
        let took = Some(asked_at.elapsed());
        let answered = answered.unwrap_or_else(|_| Err("it did not answer in time".to_owned()));
        let status = answered.as_ref().ok().map(|(status, _)| *status);
        let outcome = Outcome { status, took };
        lease.pool.tally.record(outcome, true);
        self.book.record(Side::Live, Outcome { status: Some(live.status), took: Some(live.took) }, false);
        self.book.record(Side::Candidate, outcome, true);
        drop(lease);
        self.judge(live, answered).await;
    }

    async fn ask(&self, lease: &Lease) -> std::result::Result<(u16, Vec<u8>), String> {
        let sent = upstream::send(&lease.replica, self.outgoing.request(lease)).await;
        let mut answer = sent.map_err(|failed| match failed {
            upstream::Failed::Connect(cause) => format!("it cannot be reached: {cause}"),
            upstream::Failed::Broken { cause, .. } => format!("it broke off: {cause}"),
        })?;
        let mut body = Vec::new();
        while let Some(part) = answer.parts.next().await {
            body.extend_from_slice(&part.map_err(|cause| format!("it broke off: {cause}"))?);
            if body.len() > 2 * COPIED_BYTES {
                return Err("its answer is too large to compare".to_owned());
            }
        }
        Ok((answer.status.as_u16(), body))
    }

    async fn judge(&self, live: Heard, answered: std::result::Result<(u16, Vec<u8>), String>) {
        let (status, body) = match answered {
            Ok((status, body)) if status < 500 => (status, body),
            Ok((status, body)) => {
                let words: String = String::from_utf8_lossy(&body).chars().take(200).collect();
                let example = self.example("failed", live.status, Some(status), vec![broke(live.status, words)]);
                return self.book.note_failed(example);
            }
            Err(why) => {
                let example = self.example("failed", live.status, None, vec![broke(live.status, why)]);
                return self.book.note_failed(example);
            }
        };
        let rules = self.endpoint.rules();
        let mask = rules.settings.capture.as_ref().map(|capture| capture.mask.clone()).unwrap_or_default();
        let (plan, live_status, bytes) = (self.plan.clone(), live.status, live.bytes + body.len());
        let look = move || {
            let of_live = live.parts.concat();
            let (one, other) = (Said { status: live_status, body: &of_live }, Said { status, body: &body });
            compare(one, other, &plan, &mask)
        };
        let verdict = if bytes < LARGE { Ok(look()) } else { off_thread(look).await };
        let Ok(verdict) = verdict else { return self.book.note_skipped() };
        let places = match &verdict {
            Verdict::Different(places, _) => places.clone(),
            Verdict::Equal | Verdict::Near(_) => Vec::new(),
        };
        self.book.note_verdict(&verdict, self.example("different", live_status, Some(status), places));
    }

    fn example(&self, how: &str, live: u16, candidate: Option<u16>, places: Vec<DifferentPlace>) -> Disagreement {
        Disagreement {
            at: clock::now_ms(),
            request_id: self.request_id.clone(),
            path: self.outgoing.path.split('?').next().unwrap_or_default().to_owned(),
            how: how.to_owned(),
            live_status: live,
            candidate_status: candidate,
            places,
        }
    }
}

fn broke(live_status: u16, why: String) -> DifferentPlace {
    DifferentPlace { at: String::new(), live: format!("status {live_status}"), candidate: why }
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(crate::error::Error::internal)
}
