//! An object's bytes as `s3s` wants a body.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use s3s::{
    StdError,
    stream::{ByteStream, RemainingLength},
};

use crate::storage::reading::Body;

/// `s3s` wants bodies that may be looked at from several threads, which ours need not be able to: nobody ever does, and the lock is
/// never contended.
pub struct Outgoing {
    body: Mutex<Body>,
    left: u64,
}

impl Outgoing {
    pub fn new(body: Body, length: u64) -> Self {
        Self { body: Mutex::new(body), left: length }
    }
}

impl Stream for Outgoing {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let next = body.as_mut().poll_next(context);
        if let Poll::Ready(Some(Ok(chunk))) = &next {
            self.left = self.left.saturating_sub(chunk.len() as u64);
        }
        next.map(|next| next.map(|chunk| chunk.map_err(|cause| Box::new(cause) as StdError)))
    }
}

impl ByteStream for Outgoing {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(usize::try_from(self.left).unwrap_or(usize::MAX))
    }
}
