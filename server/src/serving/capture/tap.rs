//! What a request through the gateway leaves behind: copies of its body and of its answer, up to a size, given away when it ended.
//!
//! Always holds: the caller's request waits for nothing here. A copy of a body that is in memory anyway is a reference to it; giving
//! it away is one attempt at a bounded channel, and what does not fit is dropped and counted.

use std::sync::Arc;
use std::time::Instant;

use actix_web::web::Bytes;
use rand::Rng;

use super::collector::Collector;
use super::flatten::Mask;
use crate::clock;

/// Of a body or an answer; longer ones are kept without their columns.
pub const COPIED_BYTES: usize = 1 << 20;

/// How a deployment's requests are captured, as its settings have it.
#[derive(Debug, Clone)]
pub struct Plan {
    pub deployment_id: Arc<str>,
    /// 0 to 1.
    share: f64,
    pub mask: Arc<Mask>,
}

impl Plan {
    pub fn new(deployment_id: &str, capture: &drydock_wire::serving::Capture) -> Self {
        let share = (capture.sample_percent / 100.0).clamp(0.0, 1.0);
        Self { deployment_id: deployment_id.into(), share, mask: Arc::new(Mask::new(&capture.mask)) }
    }
}

/// One request that ended, as it was seen.
#[derive(Debug)]
pub struct Seen {
    pub plan: Plan,
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
}

impl Copied {
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

/// Listens to one request; gives what it heard away when dropped.
pub struct Tap {
    collector: Collector,
    began: Instant,
    /// Taken when it is given away.
    seen: Option<Seen>,
}

impl Tap {
    /// A tap on this request, if it is one of the sample.
    pub fn on(collector: &Collector, plan: &Plan, request_id: String, caller: Option<String>) -> Option<Self> {
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
        Some(Self { collector: collector.clone(), began: Instant::now(), seen: Some(seen) })
    }

    /// What is known of it so far.
    pub fn seen(&mut self) -> Option<&mut Seen> {
        self.seen.as_mut()
    }

    /// Who was asked.
    pub fn asked(&mut self, revision: i64, model: &str, version: i64) {
        if let Some(seen) = &mut self.seen {
            (seen.revision, seen.version) = (revision, version);
            model.clone_into(&mut seen.model);
        }
    }

    /// How it ended; absent: the answer broke off.
    pub fn ended(&mut self, status: Option<u16>) {
        if let Some(seen) = &mut self.seen {
            seen.status = status;
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // a request that no model server got says nothing about a model
        if let Some(mut seen) = self.seen.take().filter(|seen| seen.revision != 0) {
            seen.latency_ms = self.began.elapsed().as_secs_f64() * 1000.0;
            self.collector.give(seen);
        }
    }
}
