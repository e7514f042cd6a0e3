//! The engine that keeps the blobs: this machine's disk, or an S3 cluster with a cache here. Above, nothing differs.

use std::{ops::Range, path::Path};

use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use super::{BlobEntry, BlobReader, BlobWriter, DiskBlobs, Result, Sum, WrittenBlob};

/// All blobs of a box. Cheap to clone.
#[derive(Clone)]
pub enum Blobs {
    Disk(DiskBlobs),
}

impl Blobs {
    /// A writer for one new blob, on this machine's disk; `sum` sees the bytes, too. Dropped, it leaves nothing.
    pub fn summing_writer<S: Sum>(&self, sum: S) -> BlobWriter<S> {
        match self {
            Blobs::Disk(disk) => disk.summing_writer(sum),
        }
    }

    /// Makes what was written durable and visible: its digest, and its size in bytes.
    pub async fn keep<S>(&self, written: WrittenBlob<S>) -> Result<(String, u64)> {
        match self {
            Blobs::Disk(_) => written.keep().await,
        }
    }

    /// Opens a blob that has `size_bytes`, or the half-open `range` of it in bytes.
    pub async fn open_read(&self, digest: &str, size_bytes: u64, range: Option<Range<u64>>) -> Result<BlobReader> {
        let _ = size_bytes;
        match self {
            Blobs::Disk(disk) => disk.open_read(digest, range).await,
        }
    }

    /// Opens a blob where it is kept for good: what a scrub looks at.
    pub async fn open_kept(&self, digest: &str) -> Result<BlobReader> {
        match self {
            Blobs::Disk(disk) => disk.open_read(digest, None).await,
        }
    }

    /// A blob's size in bytes where it is kept for good, if it is there.
    pub async fn size(&self, digest: &str) -> Result<Option<u64>> {
        match self {
            Blobs::Disk(disk) => disk.size(digest).await,
        }
    }

    /// Deletes a blob: whether it was there. Readers that have it open, and hard links, keep it.
    pub async fn delete(&self, digest: &str) -> Result<bool> {
        match self {
            Blobs::Disk(disk) => disk.delete(digest).await,
        }
    }

    /// Takes a damaged blob out of the way, for a person to look at: whether it was there. It is not given out any more.
    pub async fn quarantine(&self, digest: &str) -> Result<bool> {
        match self {
            Blobs::Disk(disk) => disk.quarantine(digest).await,
        }
    }

    /// Puts a blob at `to`, mode 0444, as [`DiskBlobs::hard_link`] does.
    pub async fn hard_link(&self, digest: &str, size_bytes: u64, to: &Path) -> Result<()> {
        let _ = size_bytes;
        match self {
            Blobs::Disk(disk) => disk.hard_link(digest, to).await,
        }
    }

    /// All blobs where they are kept for good, in the order of their digests: what comes and goes meanwhile may or may not be
    /// among them.
    pub fn iter(&self) -> BoxStream<'static, Result<BlobEntry>> {
        match self {
            Blobs::Disk(disk) => disk.iter().boxed(),
        }
    }
}
