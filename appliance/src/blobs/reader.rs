//! Reading a blob or a range of it, as a stream of bytes.

use std::{
    io::{self, SeekFrom},
    num::NonZeroU64,
    ops::Range,
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
};

use rustix::fs::Advice;
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt, AsyncSeekExt, ReadBuf, Take},
};

use super::{BlobError, Result};

/// An open blob. Deleting the blob does not disturb it.
pub struct BlobReader {
    file: Take<Source>,
    size_bytes: u64,
    length_bytes: u64,
}

enum Source {
    File(File),
    /// From a cluster.
    Stream(Pin<Box<dyn AsyncRead + Send>>),
}

impl AsyncRead for Source {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Source::File(file) => Pin::new(file).poll_read(cx, buf),
            Source::Stream(stream) => stream.as_mut().poll_read(cx, buf),
        }
    }
}

impl BlobReader {
    /// Of bytes that come from elsewhere.
    pub(super) fn of_stream(stream: Pin<Box<dyn AsyncRead + Send>>, size_bytes: u64, length_bytes: u64) -> BlobReader {
        BlobReader { file: Source::Stream(stream).take(length_bytes), size_bytes, length_bytes }
    }

    pub(super) async fn open(path: PathBuf, digest: &str, range: Option<Range<u64>>) -> Result<BlobReader> {
        let mut file = File::open(path).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::NotFound(digest.to_owned()),
            _ => BlobError::from_io(error),
        })?;
        let size_bytes = file.metadata().await.map_err(BlobError::from_io)?.len();
        let Range { start, end } = range.unwrap_or(0..size_bytes);
        if start > end || end > size_bytes {
            return Err(BlobError::OutOfRange { size_bytes });
        }
        // The kernel reads twice as far ahead. Only a hint: whether it is taken changes nothing but the time.
        let _ = rustix::fs::fadvise(&file, start, NonZeroU64::new(end - start), Advice::Sequential);
        if start > 0 {
            file.seek(SeekFrom::Start(start)).await.map_err(BlobError::from_io)?;
        }
        Ok(BlobReader { file: Source::File(file).take(end - start), size_bytes, length_bytes: end - start })
    }

    /// Of the whole blob, whatever the range.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// What this reader gives from its beginning to its end.
    pub fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// What it has not given yet.
    pub fn left_bytes(&self) -> u64 {
        self.file.limit()
    }

    /// The rest, at once: for blobs that are known to be small.
    pub async fn read_all(mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.file.limit()).unwrap_or(0));
        self.file.read_to_end(&mut bytes).await.map_err(BlobError::from_io)?;
        Ok(bytes)
    }
}

impl AsyncRead for BlobReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_read(cx, buf)
    }
}
