//! Writing a blob: receiving, hashing and writing run side by side, in blocks, with no thread kept by a slow sender.

use std::{fs, io, mem, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};

use aligned_vec::{AVec, ConstAlign};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{
    BlobError, Result, Store,
    growing::{ALIGN, Growing},
};

/// Large enough that handing a block over costs nothing, small enough that many uploads fit in memory: one has at most one
/// block on its way to the disk and one filling up.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Memory that a file can be written from without a copy.
type Block = AVec<u8, ConstAlign<ALIGN>>;

/// One blob being written. Dropped before [`BlobWriter::finish`], it leaves nothing behind.
pub struct BlobWriter {
    store: Arc<Store>,
    filling: Block,
    size_bytes: u64,
    progress: Progress,
}

enum Progress {
    /// Less than a block so far: no file yet.
    Nothing,
    /// A block is being hashed on one thread while it is written on another.
    Block { block: Arc<Block>, hashing: JoinHandle<Sha256>, writing: JoinHandle<io::Result<Growing>> },
    /// An earlier call failed or was abandoned half-way: the bytes before are incomplete, so that nothing more is taken.
    Broken,
}

/// Everything before the last, unfinished block.
struct Settled {
    hasher: Sha256,
    file: Option<Growing>,
    /// The block before, to be filled again.
    spare: Option<Block>,
}

impl BlobWriter {
    pub(super) fn new(store: Arc<Store>) -> BlobWriter {
        BlobWriter { store, filling: Block::new(ALIGN), size_bytes: 0, progress: Progress::Nothing }
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
        let Settled { mut hasher, file, .. } = self.settle().await?;
        let (store, rest) = (Arc::clone(&self.store), mem::replace(&mut self.filling, Block::new(ALIGN)));
        let kept = spawn_blocking(move || {
            hasher.update(&*rest);
            let file = write_block(file, store.incoming(), &rest).map_err(BlobError::from_io)?;
            keep(&store, file.into_file(), hex::encode(hasher.finalize()))
        });
        let digest = kept.await.map_err(|stopped| BlobError::Failed(io::Error::other(stopped)))??;
        Ok((digest, self.size_bytes))
    }

    /// Hands the full block over, after the one before it is done: memory stays bounded, and the sender is slowed to the disk's pace.
    async fn send_block(&mut self) -> Result<()> {
        let Settled { mut hasher, file, spare } = self.settle().await?;
        let mut next = spare.unwrap_or_else(|| Block::with_capacity(ALIGN, BLOCK_BYTES));
        next.clear();
        let block = Arc::new(mem::replace(&mut self.filling, next));
        let (to_hash, to_write, incoming) = (Arc::clone(&block), Arc::clone(&block), self.store.incoming());
        let hashing = spawn_blocking(move || {
            hasher.update(&**to_hash);
            hasher
        });
        let writing = spawn_blocking(move || write_block(file, incoming, &to_write));
        self.progress = Progress::Block { block, hashing, writing };
        Ok(())
    }

    /// Waits for the block on its way. Leaves `Broken` behind until the caller says otherwise.
    async fn settle(&mut self) -> Result<Settled> {
        match mem::replace(&mut self.progress, Progress::Broken) {
            Progress::Nothing => Ok(Settled { hasher: Sha256::new(), file: None, spare: None }),
            Progress::Block { block, hashing, writing } => {
                let stopped = |stopped| BlobError::Failed(io::Error::other(stopped));
                let file = writing.await.map_err(stopped)?.map_err(BlobError::from_io)?;
                let hasher = hashing.await.map_err(stopped)?;
                Ok(Settled { hasher, file: Some(file), spare: Arc::try_unwrap(block).ok() })
            }
            Progress::Broken => Err(BlobError::Failed(io::Error::other("an earlier part of this blob was lost"))),
        }
    }
}

fn write_block(file: Option<Growing>, incoming: PathBuf, block: &[u8]) -> io::Result<Growing> {
    let mut file = match file {
        Some(file) => file,
        None => Growing::new_in(&incoming)?,
    };
    file.append(block)?;
    Ok(file)
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
