//! Content that comes in parts: how large each is, that the parts become one content, and that only one asker at a time ends it.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use super::{Objects, stream_error};
use crate::error::{Error, Result};

/// A cut connection costs no more than this of what was sent.
const LEAST_PART_BYTES: u64 = 8 << 20;
/// Fewer than S3's 10,000, so that rounding up never reaches them.
const MOST_PARTS: u64 = 9000;
const MIB: u64 = 1 << 20;

/// A file of this many bytes in parts. Their size follows from the file's, so that whoever picks the same file again goes on
/// with what has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut(pub u64);

impl Cut {
    pub fn part_bytes(self) -> u64 {
        self.0.div_ceil(MOST_PARTS).max(LEAST_PART_BYTES).next_multiple_of(MIB)
    }

    pub fn part_count(self) -> u32 {
        u32::try_from(self.0.div_ceil(self.part_bytes()).max(1)).unwrap_or(u32::MAX)
    }

    /// Bytes of that part; absent when there is none of that number. They count from 1.
    pub fn size_of(self, number: u32) -> Option<u64> {
        let before = number.checked_sub(1)?;
        let from = u64::from(before) * self.part_bytes();
        (before < self.part_count()).then(|| self.part_bytes().min(self.0 - from))
    }

    /// As `size_of`.
    ///
    /// # Errors
    /// `invalid` when there is no part of that number.
    pub fn size_or_refusal(self, number: u32) -> Result<u64> {
        self.size_of(number).ok_or_else(|| {
            let count = self.part_count();
            Error::invalid(format!("This upload has the parts 1 to {count}; there is no part {number}."))
        })
    }

    /// The first part that is not among these.
    pub fn missing(self, there: impl Fn(u32) -> bool) -> Option<u32> {
        (1..=self.part_count()).find(|number| !there(*number))
    }
}

/// One content of all these, in this order; its digest.
pub async fn join(objects: &Objects, digests: Vec<String>, limit_bytes: u64) -> Result<String> {
    match <[String; 1]>::try_from(digests) {
        Ok([only]) => Ok(only),
        Err(many) => Ok(objects.put_stream(joined(objects.clone(), many), Some(limit_bytes)).await?.digest),
    }
}

fn joined(objects: Objects, digests: Vec<String>) -> impl Stream<Item = Result<Bytes>> + Unpin {
    let parts = stream::iter(digests).then(move |digest| {
        let objects = objects.clone();
        async move {
            let (_, body) = objects.stream(&digest, None).await?;
            Ok(body.map_err(move |cause| stream_error(&digest, cause)))
        }
    });
    Box::pin(parts.try_flatten())
}

static BUSY: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// One at a time ends an upload; a second asker waits for the first.
pub struct Busy(String);

impl Busy {
    /// Nothing when it takes longer than clients wait for an answer.
    pub async fn with(upload: &str) -> Option<Self> {
        for _ in 0..1500 {
            let free =
                BUSY.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().insert(upload.to_owned());
            if free {
                return Some(Self(upload.to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().remove(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_make_up_the_file() {
        for size in [0, 1, LEAST_PART_BYTES, LEAST_PART_BYTES + 1, 100 << 30, 5 << 40] {
            let cut = Cut(size);
            let count = cut.part_count();
            assert!((1..=10_000).contains(&count), "{size}: {count}");
            let sizes = (1..=count).map(|number| cut.size_of(number).unwrap_or(0));
            assert_eq!(sizes.sum::<u64>(), size);
            assert_eq!((cut.size_of(count + 1), cut.size_of(0)), (None, None));
            assert!(cut.size_or_refusal(count + 1).is_err_and(|refused| refused.message.contains("there is no part")));
            assert_eq!((cut.missing(|_| true), cut.missing(|number| number != count)), (None, Some(count)));
        }
    }
}
