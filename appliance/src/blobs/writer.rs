//! Writing a blob: receiving, hashing and writing run side by side, in blocks, with no thread kept by a slow sender.

use std::{
    fs, io,
    io::{Seek, Write},
    mem,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{BlobError, Result, Store};

/// Large enough that handing a block over costs nothing, small enough that many uploads fit in memory: one has at most one
/// block on its way to the disk and one filling up.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Stretches in which a growing file is handed to the disk.
const WRITEBACK_BYTES: u64 = 8 * BLOCK_BYTES as u64;

/// One blob being written. Dropped before [`BlobWriter::finish`], it leaves nothing behind.
pub struct BlobWriter {
    store: Arc<Store>,
    filling: BytesMut,
    size_bytes: u64,
    progress: Progress,
}

enum Progress {
    /// Less than a block so far: no file yet.
    Nothing,
    /// A block is being hashed on one thread while it is written on another.
    Block { hashing: JoinHandle<Sha256>, writing: JoinHandle<io::Result<NamedTempFile>> },
    /// An earlier call failed or was abandoned half-way: the bytes before are incomplete, so that nothing more is taken.
    Broken,
}

/// Everything before the last, unfinished block.
struct Settled {
    hasher: Sha256,
    file: Option<NamedTempFile>,
}

impl BlobWriter {
    pub(super) fn new(store: Arc<Store>) -> BlobWriter {
        BlobWriter { store, filling: BytesMut::new(), size_bytes: 0, progress: Progress::Nothing }
    }

    /// Bytes taken so far.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Takes more bytes. After an error, or when the future was dropped before it ended, the writer takes nothing more.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.store.usable()?;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.filling.len()));
            self.filling.extend_from_slice(now);
            self.size_bytes += now.len() as u64;
            bytes = later;
            if self.filling.len() == BLOCK_BYTES {
                self.send_block().await?;
            }
        }
        Ok(())
    }

    /// Makes it durable and visible: the digest, and the size in bytes.
    pub async fn finish(mut self) -> Result<(String, u64)> {
        self.store.usable()?;
        let Settled { mut hasher, file } = self.settle().await?;
        let (store, rest) = (Arc::clone(&self.store), self.filling.split().freeze());
        let kept = spawn_blocking(move || {
            hasher.update(&rest);
            let file = write_block(file, store.incoming(), &rest).map_err(BlobError::from_io)?;
            keep(&store, file, hex::encode(hasher.finalize()))
        });
        let digest = kept.await.map_err(|stopped| BlobError::Failed(io::Error::other(stopped)))??;
        Ok((digest, self.size_bytes))
    }

    /// Hands the full block over, after the one before it is done: memory stays bounded, and the sender is slowed to the disk's pace.
    async fn send_block(&mut self) -> Result<()> {
        let Settled { mut hasher, file } = self.settle().await?;
        let block: Bytes = mem::replace(&mut self.filling, BytesMut::with_capacity(BLOCK_BYTES)).freeze();
        let (to_hash, incoming) = (block.clone(), self.store.incoming());
        let hashing = spawn_blocking(move || {
            hasher.update(&to_hash);
            hasher
        });
        let writing = spawn_blocking(move || write_block(file, incoming, &block));
        self.progress = Progress::Block { hashing, writing };
        Ok(())
    }

    /// Waits for the block on its way. Leaves `Broken` behind until the caller says otherwise.
    async fn settle(&mut self) -> Result<Settled> {
        match mem::replace(&mut self.progress, Progress::Broken) {
            Progress::Nothing => Ok(Settled { hasher: Sha256::new(), file: None }),
            Progress::Block { hashing, writing } => {
                let stopped = |stopped| BlobError::Failed(io::Error::other(stopped));
                let file = writing.await.map_err(stopped)?.map_err(BlobError::from_io)?;
                Ok(Settled { hasher: hashing.await.map_err(stopped)?, file: Some(file) })
            }
            Progress::Broken => Err(BlobError::Failed(io::Error::other("an earlier part of this blob was lost"))),
        }
    }
}

fn write_block(file: Option<NamedTempFile>, incoming: PathBuf, block: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = match file {
        Some(file) => file,
        None => NamedTempFile::new_in(incoming)?,
    };
    file.as_file_mut().write_all(block)?;
    start_writeback(file.as_file_mut());
    Ok(file)
}

/// Has the kernel begin to write what is in the file so far, a stretch at a time, so that the disk works while the rest arrives
/// and the fsync at the end finds little left. Only a hint: whether it is taken changes nothing but the time.
fn start_writeback(file: &mut fs::File) {
    let Ok(end) = file.stream_position() else { return };
    if let Some(begin) = end.checked_sub(WRITEBACK_BYTES).filter(|_| end.is_multiple_of(WRITEBACK_BYTES)) {
        // "Not needed" starts the writing of dirty pages and drops clean ones, of which this stretch has none.
        let _ =
            rustix::fs::fadvise(file, begin, std::num::NonZeroU64::new(WRITEBACK_BYTES), rustix::fs::Advice::DontNeed);
    }
}

/// The steps of durability, in their order.
///
/// A blob that is there already is replaced, not kept: the bytes just hashed are known to be good, and the newer date keeps
/// a collection that runs at this moment from taking what is about to be referred to.
fn keep(store: &Store, file: NamedTempFile, digest: String) -> Result<String> {
    store.usable()?;
    let path = store.path(&digest)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o444)).map_err(BlobError::from_io)?;
    store.sync(file.as_file())?;
    file.persist(&path).map_err(|refused| BlobError::from_io(refused.error))?;
    if let Some(folder) = path.parent() {
        store.sync_dir(folder)?;
    }
    Ok(digest)
}
