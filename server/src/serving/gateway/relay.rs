//! A model's answer on its way to the caller.
//!
//! What comes at once goes out in one write, with its length; a longer answer streams. The replica's lease and the
//! request's entry in the meter live as long as the body does, so a caller that leaves ends both. A break before the
//! first byte went out is a 502; after that the connection is cut, since the caller must not take a part for the whole.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, http::StatusCode};
use drydock_wire::ErrorCode;
use futures_util::{Stream, StreamExt, future::Either};
use tokio::time::Sleep;

use super::assignment::Assigned;
use super::body::Upload;
use super::endpoint::{Endpoint, Lease};
use super::headers;
use super::meter::Outcome;
use super::openai::Watch;
use super::pool::Pool;
use super::shadow::Listening;
use super::upstream::Answer as OfModel;
use crate::clock;
use crate::error::{Error, Result};
use crate::serving::capture::tap::Tap;

const GATHER_BYTES: usize = 64 << 10;
const GATHER_FOR: Duration = Duration::from_millis(5);

/// Counts one request when it is dropped, however it ended.
pub struct Passage {
    endpoint: Arc<Endpoint>,
    began: Instant,
    pub status: Option<u16>,
    pub reached_replica: bool,
    /// The revision that was asked last.
    pub pool: Option<Arc<Pool>>,
    /// The model server broke its answer off.
    pub is_cut: bool,
    /// Listens, where requests are captured and this one is of the sample.
    pub tap: Option<Tap>,
    /// The side of a release that it counts for.
    pub assigned: Option<Assigned>,
    /// Listens to the answer of a request that a shadow gets, too.
    pub copied: Option<Listening>,
}

impl Passage {
    /// The deployment that is asked.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// When the request arrived.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// A part of the answer passes.
    fn copy(&mut self, part: &Bytes) {
        if let Some(copy) = self.tap.as_mut().and_then(Tap::answer) {
            copy.push(part);
        }
    }

    /// A request of this deployment begins.
    pub fn begin(endpoint: Arc<Endpoint>) -> Self {
        Self {
            endpoint,
            began: Instant::now(),
            status: None,
            reached_replica: false,
            pool: None,
            is_cut: false,
            tap: None,
            assigned: None,
            copied: None,
        }
    }

    /// A part of the answer passed.
    pub fn heard(&mut self, part: &Bytes) {
        self.copied.iter_mut().for_each(|copied| copied.heard(part));
    }

    /// The whole answer passed.
    pub fn heard_all(&mut self) {
        self.copied.take().into_iter().for_each(|mut copied| copied.ended());
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let took = self.reached_replica.then(|| self.began.elapsed());
        let outcome = Outcome { status: self.status, took };
        self.endpoint.meter.record(clock::now_ms(), outcome);
        if let Some(pool) = &self.pool {
            pool.tally.record(outcome, self.is_cut);
            self.assigned.iter().for_each(|assigned| assigned.ended(pool.number, outcome, self.is_cut));
            if let Some(tap) = &mut self.tap {
                tap.ended((pool.number, &pool.model.name, pool.model.version), self.status);
            }
        }
    }
}

/// What must last until the answer's end.
pub struct Held {
    #[expect(dead_code, reason = "dropping it is what it is for")]
    pub lease: Lease,
    pub passage: Passage,
    /// What was sent: a model that breaks off because its request was cut is not to blame.
    pub upload: Upload,
    /// The longest pause between two parts.
    pub patience: Duration,
    /// Counts tokens, where there are any.
    pub watch: Option<Watch>,
}

impl Held {
    fn see(&mut self, part: &[u8]) {
        self.watch.iter_mut().for_each(|watch| watch.see(part));
    }
}

/// Passes the answer on; `is_head` where it has no body by nature.
pub async fn relay(answer: OfModel, mut held: Held, is_head: bool) -> Result<HttpResponse> {
    let status = StatusCode::from_u16(answer.status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let said = answer.headers.get(hyper::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let length = if is_head { said } else { answer.parts.length() };
    if let Some(copy) = held.passage.tap.as_mut().and_then(Tap::answer) {
        copy.describe(|name| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned));
    }
    let mut parts = answer.parts;
    let gathered = if is_head { Ok((VecDeque::new(), true)) } else { gather(&mut parts).await };
    let (begun, ended) = gathered.map_err(|error| {
        let error = held.upload.refusal().unwrap_or(error);
        held.passage.status = Some(error.code.http_status());
        error
    })?;
    held.passage.status = Some(status.as_u16());
    begun.iter().for_each(|part| {
        held.see(part);
        held.passage.heard(part);
    });
    if ended {
        held.passage.heard_all();
    }
    let size = match (ended, length) {
        (true, _) if !is_head => BodySize::Sized(begun.iter().map(|part| part.len() as u64).sum()),
        (_, Some(length)) => BodySize::Sized(length),
        (_, None) => {
            if is_head {
                BodySize::None
            } else {
                BodySize::Stream
            }
        }
    };
    let rest = if ended { Either::Left(futures_util::stream::empty()) } else { Either::Right(parts) };
    let mut response = HttpResponse::with_body(status, Answer { size, begun, rest, pause: None, held });
    headers::towards_caller(&answer.headers, response.headers_mut());
    Ok(response.map_into_boxed_body())
}

/// What is there within a moment, and whether it is all.
async fn gather<S>(parts: &mut S) -> Result<(VecDeque<Bytes>, bool)>
where
    S: Stream<Item = std::result::Result<Bytes, hyper::Error>> + Unpin,
{
    let mut begun = VecDeque::new();
    let mut bytes = 0;
    let pause = tokio::time::sleep(GATHER_FOR);
    tokio::pin!(pause);
    while bytes < GATHER_BYTES {
        let part = tokio::select! {
            biased;
            part = parts.next() => part,
            () = &mut pause => return Ok((begun, false)),
        };
        let Some(part) = part else { return Ok((begun, true)) };
        let part = part.map_err(broke)?;
        bytes += part.len();
        begun.push_back(part);
    }
    Ok((begun, false))
}

/// The model server broke the exchange.
pub fn broke(cause: impl Into<anyhow::Error>) -> Error {
    Error::new(ErrorCode::BadGateway, "The model server broke off; its log may say why.").with_source(cause)
}

/// The body that the caller reads.
struct Answer<S> {
    size: BodySize,
    begun: VecDeque<Bytes>,
    rest: S,
    /// Since the last part; absent while nobody waits for the next.
    pause: Option<Pin<Box<Sleep>>>,
    held: Held,
}

impl<S> Answer<S> {
    /// The caller got a part of the answer and the rest will not come: an error, whatever the status said.
    fn cut(
        &mut self,
        cause: Box<dyn std::error::Error>,
    ) -> Poll<Option<std::result::Result<Bytes, Box<dyn std::error::Error>>>> {
        self.held.passage.status = None;
        self.held.passage.is_cut = true;
        Poll::Ready(Some(Err(cause)))
    }
}

impl<S> MessageBody for Answer<S>
where
    S: Stream<Item = std::result::Result<Bytes, hyper::Error>> + Unpin,
{
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Bytes, Self::Error>>> {
        if let Some(part) = self.begun.pop_front() {
            self.held.passage.copy(&part);
            return Poll::Ready(Some(Ok(part)));
        }
        match self.rest.poll_next_unpin(context) {
            Poll::Ready(Some(Ok(part))) => {
                self.pause = None;
                self.held.see(&part);
                self.held.passage.copy(&part);
                self.held.passage.heard(&part);
                Poll::Ready(Some(Ok(part)))
            }
            Poll::Ready(Some(Err(cause))) => self.cut(cause.into()),
            Poll::Ready(None) => {
                self.held.passage.heard_all();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let patience = self.held.patience;
                let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                match pause.as_mut().poll(context) {
                    Poll::Ready(()) => self.cut("the model server paused for too long".into()),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}
