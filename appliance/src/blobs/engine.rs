//! The engine that keeps the blobs: this machine's disk, or an S3 cluster with a cache here. Above, nothing differs.

use std::{ops::Range, path::Path};

use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use super::{BlobEntry, BlobReader, BlobWriter, DiskBlobs, Result, S3Blobs, Sum, WrittenBlob};

/// All blobs of a box. Cheap to clone.
#[derive(Clone)]
pub enum Blobs {
    Disk(DiskBlobs),
    S3(S3Blobs),
}

impl Blobs {
    /// A writer for one new blob, on this machine's disk; `sum` sees the bytes, too. Dropped, it leaves nothing.
    pub fn summing_writer<S: Sum>(&self, sum: S) -> BlobWriter<S> {
        match self {
            Blobs::Disk(disk) => disk.summing_writer(sum),
            Blobs::S3(s3) => s3.summing_writer(sum),
        }
    }

    /// Makes what was written durable and visible: its digest, and its size in bytes.
    pub async fn keep<S>(&self, written: WrittenBlob<S>) -> Result<(String, u64)> {
        match self {
            Blobs::Disk(_) => written.keep().await,
            Blobs::S3(s3) => s3.keep(written).await,
        }
    }

    /// Opens a blob that has `size_bytes`, or the half-open `range` of it in bytes.
    pub async fn open_read(&self, digest: &str, size_bytes: u64, range: Option<Range<u64>>) -> Result<BlobReader> {
        match self {
            Blobs::Disk(disk) => disk.open_read(digest, range).await,
            Blobs::S3(s3) => s3.open_read(digest, size_bytes, range).await,
        }
    }

    /// Opens a blob where it is kept for good: what a scrub looks at.
    pub async fn open_kept(&self, digest: &str) -> Result<BlobReader> {
        match self {
            Blobs::Disk(disk) => disk.open_read(digest, None).await,
            Blobs::S3(s3) => s3.open_kept(digest).await,
        }
    }

    /// A blob's size in bytes where it is kept for good, if it is there.
    pub async fn size(&self, digest: &str) -> Result<Option<u64>> {
        match self {
            Blobs::Disk(disk) => disk.size(digest).await,
            Blobs::S3(s3) => s3.size(digest).await,
        }
    }

    /// Deletes a blob: whether it was there. Readers that have it open, and hard links, keep it.
    pub async fn delete(&self, digest: &str) -> Result<bool> {
        match self {
            Blobs::Disk(disk) => disk.delete(digest).await,
            Blobs::S3(s3) => s3.delete(digest).await,
        }
    }

    /// Lets a copy go that is not the one that counts: whether there was one.
    pub async fn forget_cached(&self, digest: &str) -> Result<bool> {
        match self {
            Blobs::Disk(_) => Ok(false),
            Blobs::S3(s3) => s3.forget_cached(digest).await,
        }
    }

    /// Whether large blobs can be taken now.
    pub fn usable(&self) -> Result<()> {
        match self {
            Blobs::Disk(_) => Ok(()),
            Blobs::S3(s3) => s3.usable(),
        }
    }

    /// Asks, before anything is deleted, whether the blobs still are this process's to delete.
    pub async fn confirm(&self) -> Result<()> {
        match self {
            Blobs::Disk(_) => Ok(()),
            Blobs::S3(s3) => s3.confirm().await,
        }
    }

    /// Takes away uploads into a cluster that were begun a day ago and never ended: how many.
    pub async fn end_old_uploads(&self, now_ms: i64) -> Result<u64> {
        match self {
            Blobs::Disk(_) => Ok(0),
            Blobs::S3(s3) => s3.end_old_uploads(now_ms).await,
        }
    }

    /// Takes a damaged blob out of the way, for a person to look at: whether it was there. It is not given out any more.
    pub async fn quarantine(&self, digest: &str) -> Result<bool> {
        match self {
            Blobs::Disk(disk) => disk.quarantine(digest).await,
            Blobs::S3(s3) => s3.quarantine(digest).await,
        }
    }

    /// Puts a blob at `to`, mode 0444, as [`DiskBlobs::hard_link`] does.
    pub async fn hard_link(&self, digest: &str, size_bytes: u64, to: &Path) -> Result<()> {
        match self {
            Blobs::Disk(disk) => disk.hard_link(digest, to).await,
            Blobs::S3(s3) => s3.hard_link(digest, size_bytes, to).await,
        }
    }

    /// All blobs where they are kept for good, in the order of their digests: what comes and goes meanwhile may or may not be
    /// among them.
    pub fn iter(&self) -> BoxStream<'static, Result<BlobEntry>> {
        match self {
            Blobs::Disk(disk) => disk.iter().boxed(),
            Blobs::S3(s3) => s3.iter().boxed(),
        }
    }
}
