//! What a request through the gateway leaves behind: copies of its body and of its answer, up to a size, given away when it ended.
//!
//! Always holds: the caller's request waits for nothing here. A copy of a body that is in memory anyway is a reference to it; giving
//! it away is one attempt at a bounded channel, and what does not fit is dropped and counted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use rand::Rng;

use super::collector::Collector;
use super::flatten::Mask;
use crate::clock;
use crate::serving::v2;

/// Of a body or an answer; longer ones are kept without their columns.
pub const COPIED_BYTES: usize = 1 << 20;

/// How a deployment's requests are captured, as its settings have it.
#[derive(Debug)]
pub struct Plan {
    pub deployment_id: Arc<str>,
    /// 0 to 1.
    share: f64,
    pub mask: Mask,
}

impl Plan {
    pub fn new(deployment_id: &str, capture: &drydock_wire::serving::Capture) -> Self {
        let share = (capture.sample_percent / 100.0).clamp(0.0, 1.0);
        Self { deployment_id: deployment_id.into(), share, mask: Mask::new(&capture.mask) }
    }
}

/// One request that ended, as it was seen.
#[derive(Debug)]
pub struct Seen {
    pub plan: Arc<Plan>,
    pub request_id: String,
    pub at: i64,
    pub caller: Option<String>,
    /// Number of the revision that answered, with its model's name and version.
    pub revision: i64,
    pub model: String,
    pub version: i64,
    pub status: Option<u16>,
    pub latency_ms: f64,
    pub body: Copied,
    pub answer: Copied,
}

/// Bytes that passed, with what says how to read them.
#[derive(Debug, Default)]
pub struct Copied {
    parts: Vec<Bytes>,
    bytes: usize,
    /// It was longer than is copied, or not seen as a whole.
    is_partial: bool,
    pub content_type: Option<String>,
    pub header_length: Option<usize>,
    /// As it was sent: `gzip` and the like.
    pub encoding: Option<String>,
}

/// A body that is copied while it passes; who reads it and who copies it may be of different tasks.
pub type Copying = Arc<Mutex<Copied>>;

impl Copied {
    /// What its headers say of it.
    pub fn describe(&mut self, header: impl Fn(&str) -> Option<String>) {
        self.content_type = header("content-type");
        self.encoding = header("content-encoding").filter(|encoding| encoding != "identity");
        self.header_length = header(v2::HEADER_LENGTH).and_then(|length| length.trim().parse().ok());
    }

    /// More of it.
    pub fn push(&mut self, part: &Bytes) {
        if self.is_partial || self.bytes + part.len() > COPIED_BYTES {
            self.forget();
            return;
        }
        self.bytes += part.len();
        self.parts.push(part.clone());
    }

    /// It is not to be had as a whole.
    pub fn forget(&mut self) {
        (self.parts, self.bytes, self.is_partial) = (vec![], 0, true);
    }

    pub fn len(&self) -> usize {
        self.bytes
    }

    /// All of it, if it is.
    pub fn whole(&self) -> Option<Bytes> {
        match (self.is_partial, self.parts.as_slice()) {
            (true, _) => None,
            (false, [only]) => Some(only.clone()),
            (false, parts) => Some(parts.concat().into()),
        }
    }
}

/// Copies a part, where something is copied.
pub fn push(to: Option<&Copying>, part: &Bytes) {
    if let Some(copy) = to {
        copy.lock().unwrap_or_else(PoisonError::into_inner).push(part);
    }
}

/// Listens to one request; gives what it heard away when dropped.
pub struct Tap {
    collector: Collector,
    began: Instant,
    body: Copying,
    /// Taken when it is given away.
    seen: Option<Seen>,
}

impl Tap {
    /// A tap on this request, if it is one of the sample.
    pub fn on(collector: &Collector, plan: &Arc<Plan>, request_id: String, caller: Option<String>) -> Option<Self> {
        if plan.share <= 0.0 || (plan.share < 1.0 && rand::rng().random::<f64>() >= plan.share) {
            return None;
        }
        let seen = Seen {
            plan: plan.clone(),
            request_id,
            at: clock::now_ms(),
            caller,
            revision: 0,
            model: String::new(),
            version: 0,
            status: None,
            latency_ms: 0.0,
            body: Copied::default(),
            answer: Copied::default(),
        };
        Some(Self { collector: collector.clone(), began: Instant::now(), body: Copying::default(), seen: Some(seen) })
    }

    /// Where the request's body is to be copied to, with what its headers say.
    pub fn body(&self, headers: &HeaderMap) -> Copying {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        self.body.lock().unwrap_or_else(PoisonError::into_inner).describe(header);
        self.body.clone()
    }

    /// The body, where the gateway made it itself.
    pub fn translated(&mut self, body: &Bytes, answer: &[u8]) {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        if let Some(seen) = &mut self.seen {
            seen.answer.push(&Bytes::copy_from_slice(&answer[..answer.len().min(COPIED_BYTES + 1)]));
        }
    }

    /// Where its answer is copied to.
    pub fn answer(&mut self) -> Option<&mut Copied> {
        self.seen.as_mut().map(|seen| &mut seen.answer)
    }

    /// Who was asked, and how it ended; without a status the answer broke off.
    pub fn ended(&mut self, (revision, model, version): (i64, &str, i64), status: Option<u16>) {
        if let Some(seen) = &mut self.seen {
            (seen.revision, seen.version, seen.status) = (revision, version, status);
            model.clone_into(&mut seen.model);
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // a request that no model server got says nothing about a model
        if let Some(mut seen) = self.seen.take().filter(|seen| seen.revision != 0) {
            seen.latency_ms = self.began.elapsed().as_secs_f64() * 1000.0;
            seen.body = std::mem::take(&mut *self.body.lock().unwrap_or_else(PoisonError::into_inner));
            self.collector.give(seen);
        }
    }
}
