//! Reading a blob or a range of it, as a stream of bytes.

use std::{
    fs,
    io::{self, Seek, SeekFrom},
    num::NonZeroU64,
    ops::Range,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};

use rustix::fs::Advice;
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt, ReadBuf, Take},
};

use super::{BlobError, Result, blocking};

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
        // all at once: each way to another thread takes longer than what is done there
        let opened = blocking(move || opened(&path, range)).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::NotFound(digest.to_owned()),
            _ => BlobError::from_io(error),
        })?;
        let (file, size_bytes, range) = opened;
        let Range { start, end } = range.ok_or(BlobError::OutOfRange { size_bytes })?;
        let file = Source::File(File::from_std(file));
        Ok(BlobReader { file: file.take(end - start), size_bytes, length_bytes: end - start })
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

/// The file at the beginning of the range, its size, and the range if it lies within.
fn opened(path: &Path, range: Option<Range<u64>>) -> io::Result<(fs::File, u64, Option<Range<u64>>)> {
    let mut file = fs::File::open(path)?;
    let size_bytes = file.metadata()?.len();
    let Range { start, end } = range.unwrap_or(0..size_bytes);
    if start > end || end > size_bytes {
        return Ok((file, size_bytes, None));
    }
    // The kernel reads twice as far ahead. Only a hint: whether it is taken changes nothing but the time.
    let _ = rustix::fs::fadvise(&file, start, NonZeroU64::new(end - start), Advice::Sequential);
    if start > 0 {
        file.seek(SeekFrom::Start(start))?;
    }
    Ok((file, size_bytes, Some(start..end)))
}

impl AsyncRead for BlobReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_read(cx, buf)
    }
}
