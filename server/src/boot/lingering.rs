//! A body that was refused before all of it had come is read on for a moment: who sends all before reading an answer would find the
//! connection broken instead of the answer. Who waits to be asked for the body (`Expect: 100-continue`) does not send it after a
//! refusal, and hyper may then take the next request's first bytes for it: that connection ends with the answer. Actix needs neither.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    Request, Response,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    header::{CONNECTION, EXPECT, HeaderValue},
};

/// So long at most, and no longer than this without a byte.
const LONGEST: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(1);

/// A body whose rest, if it is let go before its end, is kept for `Rest`.
pub struct Lingering {
    body: Option<Incoming>,
    rest: Rest,
}

/// What nobody read of a body.
#[derive(Clone)]
pub struct Rest {
    body: Arc<Mutex<Option<Incoming>>>,
    is_waited_with: bool,
}

/// The request with such a body.
pub fn lingering(request: Request<Incoming>) -> (Request<Lingering>, Rest) {
    let rest = Rest { body: Arc::default(), is_waited_with: request.headers().contains_key(EXPECT) };
    (request.map(|body| Lingering { body: Some(body), rest: rest.clone() }), rest)
}

impl Rest {
    /// Reads it beside the answer, and forgets it.
    pub fn drain<B>(self, answer: &mut Response<B>) {
        let rest = self.body.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut rest) = rest else { return };
        if self.is_waited_with {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        tokio::spawn(tokio::time::timeout(LONGEST, async move {
            let mut more = true;
            while more {
                let next = std::future::poll_fn(|context| Pin::new(&mut rest).poll_frame(context));
                more = matches!(tokio::time::timeout(SILENCE, next).await, Ok(Some(Ok(_))));
            }
        }));
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.rest.body.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl Body for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}
