//! Bytes on their way into the store: small ones wait in memory, the rest in a file that has no name yet.

use bytes::Bytes;
use drydock_appliance::blobs::{BlobWriter, Sum, WrittenBlob};
use sha2::{Digest, Sha256};

use super::{Objects, store_error};
use crate::error::Result;

/// An upload that grows piece by piece; dropped, it leaves nothing. `sum` sees all bytes, in order, once.
pub struct Receiving<S: Sum = ()> {
    objects: Objects,
    head: Vec<u8>,
    size_bytes: u64,
    /// Where the sum is while everything still is in `head`.
    sum: Option<S>,
    file: Option<BlobWriter<S>>,
    /// Taken though the disk is below its floor.
    is_reserved: bool,
}

/// The disk's room is looked at again after so many bytes.
const LOOK_BYTES: u64 = 64 << 20;

impl<S: Sum> Receiving<S> {
    pub(super) fn new(objects: Objects, sum: S) -> Self {
        Self { objects, head: vec![], size_bytes: 0, sum: Some(sum), file: None, is_reserved: false }
    }

    /// Takes from what is kept free, too: for what has to be kept so that work can end.
    pub(super) fn reserved(self) -> Self {
        Self { is_reserved: true, ..self }
    }

    /// Bytes that have arrived.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Takes more. After an error, or when the future was dropped before it ended, nothing more is taken.
    pub async fn push(&mut self, chunk: &[u8]) -> Result<()> {
        let before = self.size_bytes;
        self.size_bytes += chunk.len() as u64;
        if !self.is_reserved && (before == 0 || before / LOOK_BYTES != self.size_bytes / LOOK_BYTES) {
            self.objects.room().check()?;
        }
        if self.file.is_none() && self.head.len() + chunk.len() <= self.objects.small_bytes {
            self.head.extend_from_slice(chunk);
            return Ok(());
        }
        if let Some(sum) = self.sum.take() {
            // While a cluster is away nothing is taken that could not be kept: said now, not after a long upload.
            self.objects.blobs.usable().map_err(store_error)?;
            let mut started = self.objects.blobs.summing_writer(sum);
            started.write(&std::mem::take(&mut self.head)).await.map_err(store_error)?;
            self.file = Some(started);
        }
        match &mut self.file {
            Some(writer) => writer.write(chunk).await.map_err(store_error),
            None => Ok(()),
        }
    }

    /// No more comes: what is known of the bytes, which are still not kept.
    pub async fn end(self) -> Result<Received<S>> {
        match (self.file, self.sum) {
            (Some(writer), _) => Ok(Received(Content::Large(writer.settled().await.map_err(store_error)?))),
            (None, Some(mut sum)) => {
                sum.update(&self.head);
                let digest = hex::encode(Sha256::digest(&self.head));
                Ok(Received(Content::Small { data: Bytes::from(self.head), digest, sum }))
            }
            (None, None) => Err(crate::error::Error::internal(anyhow::anyhow!("an earlier piece was lost"))),
        }
    }
}

/// All bytes of an upload, hashed, not kept yet: `Objects::keep` does that. Dropped, it leaves nothing.
pub struct Received<S = ()>(pub(super) Content<S>);

pub(super) enum Content<S> {
    Small { data: Bytes, digest: String, sum: S },
    Large(WrittenBlob<S>),
}

impl<S> Received<S> {
    /// SHA-256, 64 hex digits.
    pub fn digest(&self) -> &str {
        match &self.0 {
            Content::Small { digest, .. } => digest,
            Content::Large(written) => written.digest(),
        }
    }

    pub fn size_bytes(&self) -> u64 {
        match &self.0 {
            Content::Small { data, .. } => data.len() as u64,
            Content::Large(written) => written.size_bytes(),
        }
    }

    pub fn sum(&self) -> &S {
        match &self.0 {
            Content::Small { sum, .. } => sum,
            Content::Large(written) => written.sum(),
        }
    }
}
