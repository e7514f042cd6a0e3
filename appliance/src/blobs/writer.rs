//! Writing a blob: receiving, hashing and writing run side by side, in blocks, with no thread kept by a slow sender.

use std::{fs, io, mem, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};

use aligned_vec::{AVec, ConstAlign};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{
    BlobError, Result, Store,
    checks::{BLOCK_BYTES, BlockChecks, block_check},
    growing::{ALIGN, Growing},
};

/// Memory that a file can be written from without a copy.
type Block = AVec<u8, ConstAlign<ALIGN>>;

/// A sum over a blob's bytes that is wanted beside its digest (an MD5, a CRC). It sees all bytes, in order, once.
pub trait Sum: Send + 'static {
    fn update(&mut self, bytes: &[u8]);

    /// Whether it does nothing, so that no thread needs to be woken for it.
    fn is_idle(&self) -> bool {
        false
    }
}

/// No sum.
impl Sum for () {
    fn update(&mut self, _bytes: &[u8]) {}

    fn is_idle(&self) -> bool {
        true
    }
}

/// One blob being written. Dropped before [`BlobWriter::finish`], it leaves nothing behind.
pub struct BlobWriter<S: Sum = ()> {
    store: Arc<Store>,
    filling: Block,
    size_bytes: u64,
    checks: BlockChecks,
    progress: Progress<S>,
}

enum Progress<S> {
    /// Less than a block so far: no file yet.
    Nothing(S),
    /// A block is being hashed on one thread, summed on another, and written on a third.
    Block {
        block: Arc<Block>,
        hashing: JoinHandle<(Sha256, u64)>,
        summing: Summing<S>,
        writing: JoinHandle<io::Result<Growing>>,
    },
    /// An earlier call failed or was abandoned half-way: the bytes before are incomplete, so that nothing more is taken.
    Broken,
}

enum Summing<S> {
    Idle(S),
    Busy(JoinHandle<S>),
}

/// Everything before the last, unfinished block.
struct Settled<S> {
    hasher: Sha256,
    sum: S,
    file: Option<Growing>,
    /// The block before, to be filled again.
    spare: Option<Block>,
}

impl<S: Sum> BlobWriter<S> {
    pub(super) fn new(store: Arc<Store>, sum: S) -> BlobWriter<S> {
        BlobWriter {
            store,
            filling: Block::new(ALIGN),
            size_bytes: 0,
            checks: BlockChecks::default(),
            progress: Progress::Nothing(sum),
        }
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

    /// All bytes are there: its digest and sum are known, but it is not kept yet.
    pub async fn settled(mut self) -> Result<WrittenBlob<S>> {
        self.store.usable()?;
        let Settled { mut hasher, mut sum, file, .. } = self.settle().await?;
        let (store, rest) = (Arc::clone(&self.store), mem::replace(&mut self.filling, Block::new(ALIGN)));
        let (size_bytes, mut checks) = (self.size_bytes, mem::take(&mut self.checks));
        let last = spawn_blocking(move || {
            hasher.update(&*rest);
            sum.update(&rest);
            if !rest.is_empty() {
                checks.push(block_check(&rest));
            }
            let file = write_block(file, store.incoming(), &rest).map_err(BlobError::from_io)?;
            let digest = hex::encode(hasher.finalize());
            Ok(WrittenBlob { store, file: file.into_file(), digest, size_bytes, checks, sum })
        });
        last.await.map_err(|stopped| BlobError::Failed(io::Error::other(stopped)))?
    }

    /// Makes it durable and visible: the digest, and the size in bytes.
    pub async fn finish(self) -> Result<(String, u64)> {
        self.settled().await?.keep().await
    }

    /// Hands the full block over, after the one before it is done: memory stays bounded, and the sender is slowed to the disk's pace.
    async fn send_block(&mut self) -> Result<()> {
        let Settled { mut hasher, mut sum, file, spare } = self.settle().await?;
        let mut next = spare.unwrap_or_else(|| Block::with_capacity(ALIGN, BLOCK_BYTES));
        next.clear();
        let block = Arc::new(mem::replace(&mut self.filling, next));
        let (to_hash, to_write, incoming) = (Arc::clone(&block), Arc::clone(&block), self.store.incoming());
        let hashing = spawn_blocking(move || {
            hasher.update(&**to_hash);
            (hasher, block_check(&to_hash))
        });
        let summing = if sum.is_idle() {
            Summing::Idle(sum)
        } else {
            let to_sum = Arc::clone(&block);
            Summing::Busy(spawn_blocking(move || {
                sum.update(&to_sum);
                sum
            }))
        };
        let writing = spawn_blocking(move || write_block(file, incoming, &to_write));
        self.progress = Progress::Block { block, hashing, summing, writing };
        Ok(())
    }

    /// Waits for the block on its way. Leaves `Broken` behind until the caller says otherwise.
    async fn settle(&mut self) -> Result<Settled<S>> {
        match mem::replace(&mut self.progress, Progress::Broken) {
            Progress::Nothing(sum) => Ok(Settled { hasher: Sha256::new(), sum, file: None, spare: None }),
            Progress::Block { block, hashing, summing, writing } => {
                let stopped = |stopped| BlobError::Failed(io::Error::other(stopped));
                let file = writing.await.map_err(stopped)?.map_err(BlobError::from_io)?;
                let (hasher, check) = hashing.await.map_err(stopped)?;
                self.checks.push(check);
                let sum = match summing {
                    Summing::Idle(sum) => sum,
                    Summing::Busy(summing) => summing.await.map_err(stopped)?,
                };
                Ok(Settled { hasher, sum, file: Some(file), spare: Arc::try_unwrap(block).ok() })
            }
            Progress::Broken => Err(BlobError::Failed(io::Error::other("an earlier part of this blob was lost"))),
        }
    }
}

/// All of a blob's bytes, hashed, in a file without a name. Dropped before [`WrittenBlob::keep`], it leaves nothing behind.
pub struct WrittenBlob<S> {
    store: Arc<Store>,
    file: NamedTempFile,
    digest: String,
    size_bytes: u64,
    checks: BlockChecks,
    sum: S,
}

impl<S> WrittenBlob<S> {
    /// SHA-256, 64 hex digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub fn sum(&self) -> &S {
        &self.sum
    }

    /// The bytes, for reading.
    pub fn reopen(&self) -> io::Result<fs::File> {
        self.file.reopen()
    }

    /// What a reader of any part holds the bytes against.
    pub fn checks(&self) -> &BlockChecks {
        &self.checks
    }

    /// Makes it durable and visible: the digest, and the size in bytes.
    pub async fn keep(self) -> Result<(String, u64)> {
        let WrittenBlob { store, file, digest, size_bytes, .. } = self;
        let kept = spawn_blocking(move || keep(&store, file, digest));
        let digest = kept.await.map_err(|stopped| BlobError::Failed(io::Error::other(stopped)))??;
        Ok((digest, size_bytes))
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
pub(super) fn keep(store: &Store, file: NamedTempFile, digest: String) -> Result<String> {
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
