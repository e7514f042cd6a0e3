//! A sender that stops in the middle of a body is given up after a while: it would hold its request, and what has arrived of it, for
//! as long as its machine keeps the connection.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    HttpMessage,
    dev::{Payload, ServiceRequest},
    error::PayloadError,
    http::{Method, Version, header},
    web::Bytes,
};
use futures_util::Stream;
use tokio::time::{Sleep, sleep};

/// As long as a head may take.
const SILENCE: Duration = Duration::from_secs(15);

/// Watches over the request's body, if it may have one.
pub fn watch(request: &mut ServiceRequest) {
    if may_have_a_body(request) {
        let payload = Patient { payload: request.take_payload(), silence: None };
        request.set_payload(Payload::Stream { payload: Box::pin(payload) });
    }
}

fn may_have_a_body(request: &ServiceRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(header::CONTENT_LENGTH)
        || headers.contains_key(header::TRANSFER_ENCODING)
        || (request.version() >= Version::HTTP_2 && ![Method::GET, Method::HEAD].contains(request.method()))
}

/// A body that ends with an error when nothing of it comes for a while. Time in which nobody asks for it does not count.
struct Patient {
    payload: Payload,
    silence: Option<Pin<Box<Sleep>>>,
}

impl Stream for Patient {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(next) = Pin::new(&mut self.payload).poll_next(context) {
            self.silence = None;
            return Poll::Ready(next);
        }
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(SILENCE)));
        silence.as_mut().poll(context).map(|()| {
            let text = format!("nothing came for {} seconds", SILENCE.as_secs());
            Some(Err(PayloadError::Io(io::Error::new(io::ErrorKind::TimedOut, text))))
        })
    }
}
