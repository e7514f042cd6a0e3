//! Bringing a blob from the bucket into the cache, once for all who read it at the same time, while they read what is there.
//!
//! Always holds: the file gets its name only when all bytes have come and are what the name says. A connection that breaks
//! is taken up again where it broke.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::{sync::watch, task::spawn_blocking};

use super::{
    super::{BlobError, writer},
    cache::{Cache, no_room},
    client::Client,
    problem::{Problem, ProblemKind},
};

const BLOCK_BYTES: usize = 1 << 20;
const PIECE_BYTES: u64 = 256 * 1024;
/// How often a broken connection is taken up again without anything new.
const FRUITLESS: u32 = 3;

/// One download.
pub(super) struct Fetch {
    file: OnceLock<Arc<File>>,
    progress: watch::Receiver<Progress>,
}

#[derive(Clone, Debug)]
enum Progress {
    Coming(u64),
    Whole,
    Failed(Failure),
}

#[derive(Clone, Debug)]
pub(super) enum Failure {
    Cluster(Problem),
    Damaged,
    Missing,
    Disk(io::ErrorKind, String),
}

impl Failure {
    pub fn into_error(self, digest: &str) -> BlobError {
        match self {
            Failure::Cluster(problem) => BlobError::Cluster(problem),
            Failure::Damaged => BlobError::Damaged(digest.to_owned()),
            Failure::Missing => BlobError::NotFound(digest.to_owned()),
            Failure::Disk(kind, words) => BlobError::from_io(io::Error::new(kind, words)),
        }
    }

    fn from_io(error: &io::Error) -> Failure {
        Failure::Disk(error.kind(), error.to_string())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        if problem.kind == ProblemKind::Missing { Failure::Missing } else { Failure::Cluster(problem) }
    }
}

impl Fetch {
    /// When everything is there and compared.
    pub async fn whole(&self) -> std::result::Result<(), Failure> {
        let mut progress = self.progress.clone();
        match progress.wait_for(|at| !matches!(at, Progress::Coming(_))).await.map(|at| at.clone()) {
            Ok(Progress::Failed(failure)) => Err(failure),
            Ok(_) => Ok(()),
            Err(_) => Err(stopped()),
        }
    }

    /// When the first bytes are there, or none will come.
    pub async fn begun(&self) -> std::result::Result<(), Failure> {
        let mut progress = self.progress.clone();
        match progress.wait_for(|at| !matches!(at, Progress::Coming(0))).await.map(|at| at.clone()) {
            Ok(Progress::Failed(failure)) => Err(failure),
            Ok(_) => Ok(()),
            Err(_) => Err(stopped()),
        }
    }

    /// How much is there already.
    pub fn there(&self) -> u64 {
        match *self.progress.borrow() {
            Progress::Coming(bytes) => bytes,
            _ => u64::MAX,
        }
    }

    /// The bytes from `at` up to `end`, as they come.
    pub fn read(self: Arc<Self>, at: u64, end: u64) -> impl Stream<Item = io::Result<Bytes>> + Send {
        stream::try_unfold((self, at), move |(fetch, at)| async move {
            if at >= end {
                return Ok(None);
            }
            let there = fetch.beyond(at).await?.min(end);
            let file = fetch.file.get().cloned().ok_or_else(|| io::Error::other("a download has no file"))?;
            let length = (there - at).min(PIECE_BYTES);
            let read = spawn_blocking(move || {
                let mut piece = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                file.read_exact_at(&mut piece, at)?;
                Ok::<_, io::Error>(Bytes::from(piece))
            });
            let piece = read.await.map_err(io::Error::other)??;
            Ok(Some((piece, (fetch, at + length))))
        })
    }

    /// How much is there, once that is more than `at`.
    async fn beyond(&self, at: u64) -> io::Result<u64> {
        let mut progress = self.progress.clone();
        let there = progress.wait_for(|now| !matches!(now, Progress::Coming(bytes) if *bytes <= at)).await;
        match there.map(|there| there.clone()) {
            Ok(Progress::Coming(bytes)) => Ok(bytes),
            Ok(Progress::Whole) => Ok(u64::MAX),
            Ok(Progress::Failed(Failure::Damaged)) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "the S3 cluster has other bytes than the name says"))
            }
            Ok(Progress::Failed(Failure::Cluster(problem))) => Err(io::Error::other(problem)),
            Ok(Progress::Failed(failure)) => Err(io::Error::other(format!("{failure:?}"))),
            Err(_) => Err(io::Error::other("a download was stopped")),
        }
    }
}

fn stopped() -> Failure {
    Failure::Disk(io::ErrorKind::Other, "a download was stopped".into())
}

/// The downloads that run.
#[derive(Clone, Default)]
pub(super) struct Fetches(Arc<Mutex<HashMap<String, Arc<Fetch>>>>);

impl Fetches {
    /// The download of this blob, begun now unless it runs already.
    pub fn of(&self, client: &Client, cache: &Arc<Cache>, key: String, digest: &str, size_bytes: u64) -> Arc<Fetch> {
        let mut running = self.running();
        if let Some(fetch) = running.get(digest) {
            return Arc::clone(fetch);
        }
        let (told, progress) = watch::channel(Progress::Coming(0));
        let fetch = Arc::new(Fetch { file: OnceLock::new(), progress });
        running.insert(digest.to_owned(), Arc::clone(&fetch));
        let download = Download {
            client: client.clone(),
            cache: Arc::clone(cache),
            key,
            digest: digest.to_owned(),
            size_bytes,
            fetch: Arc::clone(&fetch),
            told,
        };
        let fetches = self.clone();
        tokio::spawn(async move {
            let outcome = download.run().await;
            // First out of the list: who comes from now on finds the file in the cache, or tries anew.
            fetches.running().remove(&download.digest);
            let _ = download.told.send(match outcome {
                Ok(()) => Progress::Whole,
                Err(failure) => Progress::Failed(failure),
            });
        });
        fetch
    }

    /// The download of this blob, if it runs.
    pub fn running_of(&self, digest: &str) -> Option<Arc<Fetch>> {
        self.running().get(digest).cloned()
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Arc<Fetch>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Download {
    client: Client,
    cache: Arc<Cache>,
    key: String,
    digest: String,
    size_bytes: u64,
    fetch: Arc<Fetch>,
    told: watch::Sender<Progress>,
}

/// The file so far.
struct Part {
    file: NamedTempFile,
    hasher: Sha256,
    bytes: u64,
}

impl Download {
    async fn run(&self) -> std::result::Result<(), Failure> {
        let disk_failed = |error: BlobError| Failure::Disk(io::ErrorKind::Other, error.to_string());
        if !self.cache.make_room(self.size_bytes, self.size_bytes).await.map_err(disk_failed)? {
            return Err(disk_failed(no_room()));
        }
        let (folder, size_bytes) = (self.cache.disk.store.incoming(), self.size_bytes);
        let file = blocking(move || reserved(&folder, size_bytes)).await?;
        let to_read = file.reopen().map_err(|error| Failure::from_io(&error))?;
        let _ = self.fetch.file.set(Arc::new(to_read));
        let mut part = Part { file, hasher: Sha256::new(), bytes: 0 };
        let mut fruitless = 0;
        while part.bytes < self.size_bytes {
            let before = part.bytes;
            let (Some(so_far), ended) = self.stretch(part).await else { return Err(stopped()) };
            part = so_far;
            let Err(failure) = ended else { continue };
            fruitless = if part.bytes > before { 0 } else { fruitless + 1 };
            let may_pass = matches!(&failure, Failure::Cluster(problem) if problem.kind == ProblemKind::Unreachable);
            if !may_pass || fruitless >= FRUITLESS || part.bytes == 0 {
                return Err(failure);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        if hex::encode(part.hasher.finalize()) != self.digest {
            return Err(Failure::Damaged);
        }
        let (store, digest) = (Arc::clone(&self.cache.disk.store), self.digest.clone());
        let kept = spawn_blocking(move || writer::keep(&store, part.file, digest)).await;
        match kept {
            Ok(Ok(_)) => {
                self.cache.added(&self.digest, self.size_bytes);
                // Others came at the same time.
                self.cache.make_room(0, 0).await.map_err(disk_failed)?;
            }
            Ok(Err(error)) => return Err(disk_failed(error)),
            Err(_) => return Err(stopped()),
        }
        Ok(())
    }

    /// Takes what one answer brings, from where the file ends. Without a file when writing it came to a bad end.
    async fn stretch(&self, mut part: Part) -> (Option<Part>, std::result::Result<(), Failure>) {
        let answer = match self.client.get(&self.key, part.bytes, None).await {
            Ok(answer) => answer,
            Err(problem) => return (Some(part), Err(problem.into())),
        };
        let expected = self.size_bytes - part.bytes;
        if answer.content_length().is_some_and(|length| length != expected) {
            return (Some(part), Err(Failure::Damaged));
        }
        let mut body = answer.bytes_stream();
        let mut block = BytesMut::with_capacity(BLOCK_BYTES);
        let mut broken = None;
        loop {
            match body.next().await {
                Some(Ok(piece)) => block.extend_from_slice(&piece),
                Some(Err(error)) => {
                    let problem = Problem::of_transport(&error);
                    broken = Some(Failure::Cluster(Problem { kind: ProblemKind::Unreachable, ..problem }));
                }
                None if part.bytes + (block.len() as u64) < self.size_bytes => {
                    let words = "The S3 cluster broke an answer off.";
                    broken = Some(Failure::Cluster(Problem::new(ProblemKind::Unreachable, words)));
                }
                None => {}
            }
            let is_over = broken.is_some() || part.bytes + block.len() as u64 >= self.size_bytes;
            if block.len() < BLOCK_BYTES && !is_over {
                continue;
            }
            if part.bytes + block.len() as u64 > self.size_bytes {
                return (Some(part), Err(Failure::Damaged));
            }
            part = match written(part, block.split().freeze()).await {
                Ok(part) => part,
                Err((part, failure)) => return (part, Err(failure)),
            };
            let _ = self.told.send(Progress::Coming(part.bytes));
            if is_over {
                return (Some(part), broken.map_or(Ok(()), Err));
            }
        }
    }
}

/// A file with its room on the disk taken: a reader learns at once that there is none, and not in the midst.
fn reserved(folder: &Path, size_bytes: u64) -> io::Result<NamedTempFile> {
    use rustix::{fs::FallocateFlags, io::Errno};
    let file = NamedTempFile::new_in(folder)?;
    match rustix::fs::fallocate(file.as_file(), FallocateFlags::KEEP_SIZE, 0, size_bytes.max(1)) {
        Err(short @ (Errno::NOSPC | Errno::DQUOT)) => Err(short.into()),
        // other file systems cannot say beforehand
        _ => Ok(file),
    }
}

async fn written(mut part: Part, block: Bytes) -> std::result::Result<Part, (Option<Part>, Failure)> {
    let writing = spawn_blocking(move || {
        let outcome = part.file.as_file().write_all_at(&block, part.bytes);
        if outcome.is_ok() {
            part.hasher.update(&block);
            part.bytes += block.len() as u64;
        }
        (part, outcome)
    });
    match writing.await {
        Ok((part, Ok(()))) => Ok(part),
        Ok((part, Err(error))) => Err((Some(part), Failure::from_io(&error))),
        Err(_) => Err((None, stopped())),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> std::result::Result<T, Failure> {
    super::super::blocking(work).await.map_err(|error| Failure::from_io(&error))
}
