//! Bodies whose SHA-256 the request's signature names.
//!
//! `s3s` would hash them while they are read, on the async thread, and the store hashes them anyway, since that is what content is
//! named by. So writers of content take such a body as it comes and hold the store's digest against the one that was signed;
//! whatever else reads a body (XML) gets it from `s3s`, checked by it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use hyper::{Method, Request, http::Extensions};
use s3s::{
    Body, StdError,
    dto::StreamingBlob,
    stream::{ByteStream, DynByteStream, RemainingLength},
};

/// The body of a request, for `s3s` or for whoever takes it first.
#[derive(Clone)]
struct Payload {
    body: Arc<Mutex<Option<Body>>>,
    /// Of the header x-amz-content-sha256, which the signature covers.
    sha256: [u8; 32],
}

/// What comes in, and the SHA-256 that it must have for whoever reads it here.
pub type Incoming = (Option<Pin<Box<dyn Stream<Item = Result<Bytes, StdError>> + Send>>>, Option<[u8; 32]>);

/// Keeps the body within reach, where its SHA-256 is known beforehand.
pub fn reach(request: &mut Request<Body>) {
    let signed = request.headers().get("x-amz-content-sha256").and_then(|value| {
        let mut sha256 = [0; 32];
        hex::decode_to_slice(value.as_bytes(), &mut sha256).ok().map(|()| sha256)
    });
    if let Some(sha256) = signed.filter(|_| *request.method() == Method::PUT) {
        let body = Arc::new(Mutex::new(Some(std::mem::take(request.body_mut()))));
        let payload = Payload { body, sha256 };
        *request.body_mut() = Body::from(Box::pin(payload.clone()) as DynByteStream);
        request.extensions_mut().insert(payload);
    }
}

/// The body itself where it can be had so: its reader then has to compare its digest. Else what `s3s` gives.
pub fn take(extensions: &Extensions, given: Option<StreamingBlob>) -> Incoming {
    match extensions.get::<Payload>().and_then(|payload| Some((payload.lock().take()?, payload.sha256))) {
        Some((body, sha256)) => (Some(Box::pin(body)), Some(sha256)),
        None => (given.map(|body| Box::pin(body) as _), None),
    }
}

impl Payload {
    fn lock(&self) -> MutexGuard<'_, Option<Body>> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for Payload {
    type Item = Result<Bytes, StdError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut *self.lock() {
            Some(body) => Pin::new(body).poll_next(context),
            None => Poll::Ready(None),
        }
    }
}

impl ByteStream for Payload {
    fn remaining_length(&self) -> RemainingLength {
        self.lock().as_ref().map_or_else(|| RemainingLength::new_exact(0), ByteStream::remaining_length)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures_util::StreamExt;

    use super::*;

    fn request(method: Method, sha256: &str) -> Request<Body> {
        let body = Body::from(Bytes::from_static(b"hello"));
        let mut request = Request::builder().method(method).header("x-amz-content-sha256", sha256).body(body).unwrap();
        reach(&mut request);
        request
    }

    async fn read(body: impl Stream<Item = Result<Bytes, StdError>> + Unpin) -> Vec<u8> {
        body.map(|chunk| chunk.unwrap().to_vec()).collect::<Vec<_>>().await.concat()
    }

    #[tokio::test]
    async fn a_signed_payload_is_read_once_by_whoever_takes_it() {
        let mut taken = request(Method::PUT, &"0a".repeat(32));
        assert_eq!(taken.body().remaining_length().exact(), Some(5));
        let (body, sha256) = take(taken.extensions(), None);
        assert_eq!((read(body.unwrap()).await, sha256), (b"hello".to_vec(), Some([10; 32])));
        assert_eq!(read(taken.body_mut()).await, b"");
        let mut left = request(Method::PUT, &"0a".repeat(32));
        assert_eq!(read(left.body_mut()).await, b"hello");
    }

    #[tokio::test]
    async fn any_other_body_stays_with_s3s() {
        for (method, sha256) in
            [(Method::PUT, "UNSIGNED-PAYLOAD"), (Method::POST, &"0a".repeat(32)), (Method::PUT, "0a")]
        {
            let mut other = request(method, sha256);
            assert!(matches!(take(other.extensions(), None), (None, None)));
            assert_eq!(read(other.body_mut()).await, b"hello");
        }
    }
}
