//! Blobs on disk: bytes named by their SHA-256.
//!
//! What always holds:
//! - A blob is visible only whole: it is written to a temporary file in the same file system, hashed while written, fsynced,
//!   renamed, and its directory fsynced. Only then does [`BlobWriter::finish`] answer: acknowledged means durable.
//! - A failed fsync is never retried into a success. It is [`BlobError::Fatal`], and from then on this store takes no more.
//! - A digest is checked before it becomes part of a path. Blobs are mode 0444 and never change.
//! - What a crash leaves in `incoming/` is removed when the store is next opened by the process that owns it.
//!
//! Which blobs are referred to, and when one may go, is decided above: [`DiskBlobs::delete`] simply deletes.

mod checks;
mod digest;
mod engine;
mod error;
mod growing;
mod reader;
mod s3;
mod writer;

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::UNIX_EPOCH,
};

use futures_util::{Stream, StreamExt, stream};
use tokio::task::spawn_blocking;

pub use checks::{BLOCK_BYTES, BlockChecks};
pub use digest::is_digest;
pub use engine::Blobs;
pub use error::BlobError;
pub use reader::BlobReader;
pub use s3::{ClusterSettings, ClusterState, Owner, Problem, ProblemKind, S3Blobs, Tenure};
pub use writer::{BlobWriter, Sum, WrittenBlob};

type Result<T> = std::result::Result<T, BlobError>;

/// Where half-written files are; no blob's folder has such a name.
const INCOMING: &str = "incoming";
/// Where files are that turned out to be damaged: for a person to look at, never read again from here.
const QUARANTINE: &str = "quarantine";

/// All blobs below one folder, as `ab/cdef…`. Cheap to clone.
#[derive(Clone)]
pub struct DiskBlobs {
    store: Arc<Store>,
}

struct Store {
    root: PathBuf,
    /// Held for as long as the store is open; `None` when another process holds it.
    _owner: Option<fs::File>,
    /// Set by a failed fsync and never cleared.
    broken: AtomicBool,
    /// A failing one stands in for it in tests.
    fsync: fn(&fs::File) -> io::Result<()>,
}

/// A blob as [`DiskBlobs::iter`] finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobEntry {
    pub digest: String,
    pub size_bytes: u64,
    /// When it was last written (the same bytes may come again), in milliseconds since 1970.
    pub written_at: i64,
}

impl DiskBlobs {
    /// Opens the store at `root`, makes it if it is not there, and clears what an earlier crash left half-written.
    ///
    /// Blocks for some milliseconds. Several processes may open one store; only the first clears.
    pub fn open(root: impl Into<PathBuf>) -> Result<DiskBlobs> {
        DiskBlobs::open_with(root.into(), fs::File::sync_all)
    }

    fn open_with(root: PathBuf, fsync: fn(&fs::File) -> io::Result<()>) -> Result<DiskBlobs> {
        fs::create_dir_all(root.join(INCOMING)).map_err(BlobError::from_io)?;
        fs::create_dir_all(root.join(QUARANTINE)).map_err(BlobError::from_io)?;
        let owner = own(&root).map_err(BlobError::from_io)?;
        if owner.is_some() {
            clear(&root.join(INCOMING)).map_err(BlobError::from_io)?;
        }
        // all folders at once, so that no later write depends on a folder whose own name is not yet on disk
        let mut made = false;
        for first in 0..=u8::MAX {
            made |= make_dir(&root.join(format!("{first:02x}"))).map_err(BlobError::from_io)?;
        }
        let store = Store { root, _owner: owner, broken: AtomicBool::new(false), fsync };
        if made {
            store.sync_dir(&store.root)?;
        }
        Ok(DiskBlobs { store: Arc::new(store) })
    }

    /// Where the blobs are.
    pub fn root(&self) -> &Path {
        &self.store.root
    }

    /// A writer for one new blob; dropped without `finish`, it leaves nothing.
    pub fn writer(&self) -> BlobWriter {
        self.summing_writer(())
    }

    /// As `writer`; `sum` sees the bytes, too.
    pub fn summing_writer<S: Sum>(&self, sum: S) -> BlobWriter<S> {
        BlobWriter::new(Arc::clone(&self.store), sum)
    }

    /// Writes a blob at once: its digest.
    pub async fn put(&self, bytes: &[u8]) -> Result<String> {
        let mut writer = self.writer();
        writer.write(bytes).await?;
        Ok(writer.finish().await?.0)
    }

    /// Opens a blob, or the half-open `range` of it in bytes.
    pub async fn open_read(&self, digest: &str, range: Option<std::ops::Range<u64>>) -> Result<BlobReader> {
        BlobReader::open(self.store.path(digest)?, digest, range).await
    }

    /// A blob's size in bytes, if it is there.
    pub async fn size(&self, digest: &str) -> Result<Option<u64>> {
        let path = self.store.path(digest)?;
        match blocking(move || fs::metadata(path)).await {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BlobError::from_io(error)),
        }
    }

    /// Deletes a blob: whether it was there. Readers that have it open, and hard links, keep it.
    pub async fn delete(&self, digest: &str) -> Result<bool> {
        let path = self.store.path(digest)?;
        match blocking(move || fs::remove_file(path)).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(BlobError::from_io(error)),
        }
    }

    /// Takes a damaged blob out of the store, so that it is never given out again: whether it was there.
    pub async fn quarantine(&self, digest: &str) -> Result<bool> {
        let (from, to) = (self.store.path(digest)?, self.store.root.join(QUARANTINE).join(digest));
        match blocking(move || fs::rename(from, to)).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(BlobError::from_io(error)),
        }
    }

    /// Puts a blob at `to`, mode 0444, parents made, what was there replaced: as a hard link, or as a copy where that cannot be
    /// (another file system, too many links). Whoever gets it must not be able to write to it.
    pub async fn hard_link(&self, digest: &str, to: &Path) -> Result<()> {
        let from = self.store.path(digest)?;
        let (digest, to) = (digest.to_owned(), to.to_owned());
        blocking(move || link_or_copy(&from, &to)).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::NotFound(digest),
            _ => BlobError::from_io(error),
        })
    }

    /// All blobs, in the order of their digests, a folder at a time: what comes and goes meanwhile may or may not be among them.
    pub fn iter(&self) -> impl Stream<Item = Result<BlobEntry>> + Send + Unpin + 'static {
        let root = self.store.root.clone();
        stream::iter(0..=u8::MAX)
            .then(move |first| {
                let root = root.clone();
                async move {
                    let found = blocking(move || entries(&root, &format!("{first:02x}"))).await;
                    match found {
                        Ok(found) => stream::iter(found.into_iter().map(Ok).collect::<Vec<_>>()),
                        Err(error) => stream::iter(vec![Err(BlobError::from_io(error))]),
                    }
                }
            })
            .flatten()
            .boxed()
    }
}

impl Store {
    fn path(&self, digest: &str) -> Result<PathBuf> {
        if !is_digest(digest) {
            return Err(BlobError::InvalidDigest(digest.chars().take(100).collect()));
        }
        Ok(self.root.join(&digest[..2]).join(&digest[2..]))
    }

    fn incoming(&self) -> PathBuf {
        self.root.join(INCOMING)
    }

    fn usable(&self) -> Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(BlobError::Fatal(io::Error::other("an earlier fsync failed")));
        }
        Ok(())
    }

    /// The only way to fsync: a failure is remembered.
    fn sync(&self, file: &fs::File) -> Result<()> {
        (self.fsync)(file).map_err(|error| {
            self.broken.store(true, Ordering::SeqCst);
            tracing::error!(error = %error, "fsync failed: what is on the disk is not known any more");
            BlobError::Fatal(error)
        })
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.sync(&fs::File::open(dir).map_err(BlobError::from_io)?)
    }
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
}

/// The lock that makes this process the one that clears; it ends with the process, however that ends.
fn own(root: &Path) -> io::Result<Option<fs::File>> {
    let file = fs::OpenOptions::new().create(true).append(true).open(root.join("owner.lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

fn clear(incoming: &Path) -> io::Result<()> {
    for entry in fs::read_dir(incoming)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}

/// Whether it had to be made.
fn make_dir(path: &Path) -> io::Result<bool> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn entries(root: &Path, first: &str) -> io::Result<Vec<BlobEntry>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(first))? {
        let entry = entry?;
        let digest = format!("{first}{}", entry.file_name().to_string_lossy());
        let metadata = match entry.metadata() {
            Ok(metadata) if is_digest(&digest) && metadata.is_file() => metadata,
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let age = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let written_at = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        found.push(BlobEntry { digest, size_bytes: metadata.len(), written_at });
    }
    found.sort_by(|a, b| a.digest.cmp(&b.digest));
    Ok(found)
}

fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::metadata(from)?;
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    match fs::hard_link(from, to) {
        Err(error) if cannot_link(&error) => {
            fs::copy(from, to)?;
            fs::set_permissions(to, fs::Permissions::from_mode(0o444))
        }
        other => other,
    }
}

fn cannot_link(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(error.kind(), Kind::CrossesDevices | Kind::TooManyLinks | Kind::PermissionDenied | Kind::Unsupported)
}

#[cfg(test)]
mod tests;
