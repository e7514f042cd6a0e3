//! Reading a blob or a range of it, as a stream of blocks.

use std::{fs::File, io, num::NonZeroU64, ops::Range, os::unix::fs::FileExt, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use rustix::fs::Advice;

use super::{BlobError, Result, blocking};

const BLOCK_BYTES: u64 = 256 << 10;
/// Blocks that are read while the one before is on its way to the reader.
const BLOCKS_AHEAD: usize = 3;
/// The kernel is told this early what will be read next: by itself it reads ahead an eighth of a megabyte, with which a disk
/// of gigabytes per second idles. A large blob was written past the page cache, so its first reader waits for the disk.
const STRETCH_BYTES: u64 = 4 << 20;

/// An open blob. Deleting the blob does not disturb it.
pub struct BlobReader {
    file: Arc<File>,
    range: Range<u64>,
    size_bytes: u64,
}

impl BlobReader {
    pub(super) async fn open(path: PathBuf, digest: &str, range: Option<Range<u64>>) -> Result<BlobReader> {
        let opened = blocking(move || {
            let file = File::open(path)?;
            let size_bytes = file.metadata()?.len();
            Ok((Arc::new(file), size_bytes))
        });
        let (file, size_bytes) = opened.await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::NotFound(digest.to_owned()),
            _ => BlobError::from_io(error),
        })?;
        let range = range.unwrap_or(0..size_bytes);
        if range.start > range.end || range.end > size_bytes {
            return Err(BlobError::OutOfRange { size_bytes });
        }
        Ok(BlobReader { file, range, size_bytes })
    }

    /// Of the whole blob, whatever the range.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// What this reader gives from its beginning to its end.
    pub fn length_bytes(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// The bytes in their order; a block is read while the one before is taken.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static {
        let Self { file, range, .. } = self;
        let starts = range.clone().step_by(BLOCK_BYTES as usize);
        stream::iter(starts)
            .map(move |start| {
                let (file, range) = (Arc::clone(&file), range.clone());
                blocking(move || read_block(&file, start, &range))
            })
            .buffered(BLOCKS_AHEAD)
    }

    /// The rest, at once: for blobs that are known to be small.
    pub async fn read_all(self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.length_bytes()).unwrap_or(0));
        let mut blocks = self.into_stream();
        while let Some(block) = blocks.next().await {
            bytes.extend_from_slice(&block.map_err(BlobError::from_io)?);
        }
        Ok(bytes)
    }
}

fn read_block(file: &File, start: u64, all: &Range<u64>) -> io::Result<Bytes> {
    if (start - all.start).is_multiple_of(STRETCH_BYTES) {
        announce(file, start, all);
    }
    let length = BLOCK_BYTES.min(all.end - start);
    let mut block = vec![0; length as usize];
    file.read_exact_at(&mut block, start)?;
    Ok(Bytes::from(block))
}

/// Has the kernel read the next stretch. Only a hint: whether it is taken changes nothing but the time.
fn announce(file: &File, start: u64, all: &Range<u64>) {
    // The first stretch has not been announced before.
    let from = if start == all.start { start } else { start.saturating_add(STRETCH_BYTES) };
    let to = start.saturating_add(2 * STRETCH_BYTES).min(all.end);
    if let Some(length) = to.checked_sub(from).and_then(NonZeroU64::new) {
        let _ = rustix::fs::fadvise(file, from, Some(length), Advice::WillNeed);
    }
}
