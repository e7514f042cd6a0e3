//! A request's body on its way to the model.
//!
//! What arrives at once is sent in one piece and can be sent again; the rest streams through with the sender's own
//! pace. A streaming body can be sent again as long as nobody has begun to read it. Never more than the limit passes.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::{Stream, StreamExt};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::error::{Error, Result};
use crate::serving::capture::tap::{self, Copying};

/// What is gathered before sending at all: enough for most predictions, and few timers are ever waited for.
const GATHER_BYTES: usize = 1 << 20;
const GATHER_FOR: Duration = Duration::from_millis(5);
const DRAIN_BYTES: usize = 64 << 20;
const DRAIN_FOR: Duration = Duration::from_secs(5);
/// Parts in flight between the caller and the model; more waits in the caller's socket.
const PARTS_AHEAD: usize = 8;

type Part = std::result::Result<Bytes, std::io::Error>;

/// The body, ready to be sent, perhaps more than once.
pub enum Upload {
    Whole(Bytes),
    Streaming(Arc<Rest>),
}

/// A body that is still arriving.
pub struct Rest {
    source: Mutex<Option<Source>>,
    too_large: AtomicBool,
    limit_bytes: u64,
}

struct Source {
    begun: VecDeque<Bytes>,
    parts: mpsc::Receiver<Part>,
}

impl Upload {
    /// Takes what arrives at once; `copy` gets all of it, also what comes later.
    ///
    /// # Errors
    /// `too_large` above `limit_bytes`; `invalid` when the caller breaks off.
    pub async fn receive(mut payload: Payload, limit_bytes: u64, copy: Option<Copying>) -> Result<Self> {
        let mut begun = VecDeque::new();
        let mut bytes = 0;
        let pause = tokio::time::sleep(GATHER_FOR);
        tokio::pin!(pause);
        while bytes < GATHER_BYTES {
            let part = tokio::select! {
                biased;
                part = payload.next() => part,
                () = &mut pause => break,
            };
            let Some(part) = part else { return Ok(Self::Whole(join(begun, bytes))) };
            let part = part.map_err(|cause| Error::invalid(format!("The request broke off: {cause}")))?;
            bytes += part.len();
            if bytes as u64 > limit_bytes {
                return Err(too_large(limit_bytes));
            }
            tap::push(copy.as_ref(), &part);
            begun.push_back(part);
        }
        Ok(Self::Streaming(stream(payload, (begun, bytes as u64), limit_bytes, copy)))
    }

    /// The body for one try, of that length where the caller said it.
    pub fn send(&self, length: Option<u64>) -> Sending {
        match self {
            Self::Whole(bytes) => Sending::Whole(Some(bytes.clone()).filter(|bytes| !bytes.is_empty())),
            Self::Streaming(rest) => Sending::Streaming(Reading { rest: rest.clone(), source: None }, length),
        }
    }

    /// Whether nothing of it is lost yet, so that it can be sent to another replica.
    pub fn can_be_sent_again(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Streaming(rest) => lock(&rest.source).is_some(),
        }
    }

    /// The refusal of a body that turned out to be larger than allowed while it was sent.
    pub fn refusal(&self) -> Option<Error> {
        match self {
            Self::Streaming(rest) if rest.too_large.load(Ordering::Relaxed) => Some(too_large(rest.limit_bytes)),
            _ => None,
        }
    }

    /// Bytes, where they are known: an empty body is sent as none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }
}

/// All of a body that has to be understood before it is sent on.
///
/// # Errors
/// As `Upload::receive`.
pub async fn whole(mut payload: Payload, limit_bytes: u64) -> Result<Bytes> {
    let mut parts = VecDeque::new();
    let mut bytes = 0;
    while let Some(part) = payload.next().await {
        let part = part.map_err(|cause| Error::invalid(format!("The request broke off: {cause}")))?;
        bytes += part.len();
        if bytes as u64 > limit_bytes {
            drain(payload).await;
            return Err(too_large(limit_bytes));
        }
        parts.push_back(part);
    }
    Ok(join(parts, bytes))
}

/// Lets the caller finish a body that is refused anyway, within reason: many send all of it before they read the answer,
/// and would see a broken connection instead.
pub async fn drain(mut payload: Payload) {
    let all = async {
        let mut bytes = 0;
        while let Some(Ok(part)) = payload.next().await {
            bytes += part.len();
            if bytes > DRAIN_BYTES {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_FOR, all).await;
}

/// The refusal of a body above the limit.
pub fn too_large(limit_bytes: u64) -> Error {
    Error::too_large(format!("The body is larger than the {limit_bytes} bytes that this deployment takes."))
}

fn join(mut parts: VecDeque<Bytes>, bytes: usize) -> Bytes {
    if parts.len() == 1 {
        return parts.pop_front().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(bytes);
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    whole.freeze()
}

/// Carries the parts from the worker's own payload, which cannot leave its thread, to whoever sends them.
fn stream(
    mut payload: Payload,
    (begun, mut bytes): (VecDeque<Bytes>, u64),
    limit_bytes: u64,
    copy: Option<Copying>,
) -> Arc<Rest> {
    let (sender, parts) = mpsc::channel(PARTS_AHEAD);
    let source = Mutex::new(Some(Source { begun, parts }));
    let rest = Arc::new(Rest { source, too_large: AtomicBool::default(), limit_bytes });
    let watched = Arc::downgrade(&rest);
    actix_web::rt::spawn(async move {
        while let Some(part) = payload.next().await {
            let part = part.map_err(std::io::Error::other);
            bytes += part.as_ref().map_or(0, |part| part.len() as u64);
            if bytes > limit_bytes {
                if let Some(rest) = watched.upgrade() {
                    rest.too_large.store(true, Ordering::Relaxed);
                }
                let _ = sender.send(Err(std::io::Error::other("body above the limit"))).await;
                return;
            }
            let broken = part.is_err();
            part.iter().for_each(|part| tap::push(copy.as_ref(), part));
            if sender.send(part).await.is_err() || broken {
                return;
            }
        }
    });
    rest
}

/// A body on its way, once.
pub enum Sending {
    Whole(Option<Bytes>),
    Streaming(Reading, Option<u64>),
}

impl Body for Sending {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Self::Error>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Streaming(reading, _) => {
                Pin::new(reading).poll_next(context).map(|part| part.map(|part| part.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Streaming(_, Some(length)) => SizeHint::with_exact(*length),
            Self::Streaming(_, None) => SizeHint::default(),
        }
    }
}

/// The stream of one try. It takes the source at the first read, so a try that never connected leaves it for the next.
pub struct Reading {
    rest: Arc<Rest>,
    source: Option<Source>,
}

impl Stream for Reading {
    type Item = Part;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Part>> {
        if self.source.is_none() {
            let untouched = lock(&self.rest.source).take();
            self.source = untouched;
        }
        let Some(source) = &mut self.source else {
            return Poll::Ready(Some(Err(std::io::Error::other("the body was already sent"))));
        };
        match source.begun.pop_front() {
            Some(part) => Poll::Ready(Some(Ok(part))),
            None => source.parts.poll_recv(context),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
