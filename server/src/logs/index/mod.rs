//! The index: lines of all logs on disk, in partitions that follow one another (`tantivy`, one index for each).
//!
//! Always holds: lines go into the newest partition alone, and what a commit says of its sources is committed with its lines, so that a
//! kill between two commits loses nothing that cannot be read again, and takes nothing in twice. A partition goes as a whole. Nothing
//! here decides which lines come, or who may see them.

mod fields;
mod histogram;
mod partition;
mod question;
mod searching;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant},
};

use drydock_wire::logs::LogEntry;
use tantivy::{Executor, IndexWriter};
use tokio::sync::watch;

use crate::{
    accounts::secrets,
    clock,
    error::{Error, Result},
};
use partition::Partition;

pub use fields::Stored;
pub use histogram::{Counts, Histogram};
pub use question::{Question, Sight};
pub use searching::Window;

/// Part of the folder's name: another schema is another index, and the lines are taken in anew.
const VERSION: &str = "v1";
/// A partition is followed by the next one at the latest then.
const PARTITION_LINES: u64 = 2_000_000;
const PARTITION_AGE_MS: i64 = 24 * 3600 * 1000;
/// The index is made of so many partitions at least when it is full.
const PARTITIONS: u64 = 16;
/// What only writing needs is given back after so long without a line.
const IDLE: Duration = Duration::from_secs(30);

/// A line that is to be taken in.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Name of its log.
    pub source: Arc<str>,
    /// Its `id` is given here.
    pub entry: LogEntry,
}

/// Cheap to clone. Every function blocks: call them off the async threads.
#[derive(Clone)]
pub struct Index(Arc<Shared>);

struct Shared {
    root: PathBuf,
    id: String,
    executor: Executor,
    /// Oldest first.
    partitions: RwLock<Vec<Arc<Partition>>>,
    writing: Mutex<Writing>,
    /// Number of the first line that cannot be found yet.
    committed: watch::Sender<u64>,
}

struct Writing {
    open: Option<(Arc<Partition>, IndexWriter)>,
    next_number: u64,
    written: Instant,
    /// The newest partition takes no more lines.
    is_over: bool,
}

impl Index {
    /// Opens the index under `folder`, and gives what the last commits said, oldest first.
    pub fn open(folder: &Path) -> Result<(Self, Vec<String>)> {
        let root = folder.join(VERSION);
        std::fs::create_dir_all(&root).map_err(Error::internal)?;
        let id = id_in(&root)?;
        let executor = Executor::multi_thread(threads(), "log-search-").map_err(broken)?;
        let (mut partitions, mut said) = (vec![], vec![]);
        for folder in folders(&root)? {
            match reopen(&folder, &executor) {
                Ok((partition, payload)) => {
                    said.extend(payload);
                    partitions.push(Arc::new(partition));
                }
                Err(error) => put_aside(&root, &folder, &error),
            }
        }
        let next_number = partitions.iter().map(|it| it.extent().numbers.1 + 1).max().unwrap_or(1);
        let index = Self(Arc::new(Shared {
            root,
            id,
            executor,
            partitions: RwLock::new(partitions),
            writing: Mutex::new(Writing { open: None, next_number, written: Instant::now(), is_over: false }),
            committed: watch::Sender::new(next_number),
        }));
        Ok((index, said))
    }

    /// Of this index alone: one that was made anew has another.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Changes with every commit.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.0.committed.subscribe()
    }

    /// Takes lines in. They can be found after the next commit; after an error, none since the last one.
    pub fn append(&self, lines: Vec<Incoming>) -> Result<()> {
        let mut writing = self.writing();
        let done = self.add(&mut writing, lines);
        if done.is_err() {
            writing.open = None;
        }
        done
    }

    fn add(&self, writing: &mut Writing, lines: Vec<Incoming>) -> Result<()> {
        if writing.open.is_none() {
            let partition = self.newest_or_next(writing)?;
            let writer = partition.writer().map_err(broken)?;
            writing.open = Some((partition, writer));
        }
        let Writing { open: Some((partition, writer)), next_number, written, .. } = writing else { return Ok(()) };
        for line in lines {
            let document = partition.fields.document(line, *next_number).map_err(Error::internal)?;
            *next_number += 1;
            writer.add_document(document).map_err(broken)?;
        }
        *written = Instant::now();
        Ok(())
    }

    /// Makes durable what was taken in, together with `said`; begins the next partition where it is time.
    pub fn commit(&self, said: &str, max_bytes: u64) -> Result<()> {
        let mut writing = self.writing();
        let Some((partition, writer)) = &mut writing.open else { return Ok(()) };
        let done = writer.prepare_commit().and_then(|mut prepared| {
            prepared.set_payload(said);
            prepared.commit()
        });
        let done = done.and_then(|_| partition.reload());
        if let Err(error) = done {
            writing.open = None;
            return Err(broken(error));
        }
        self.0.committed.send_replace(writing.next_number);
        let full = writing.open.as_ref().is_some_and(|(partition, _)| is_full(partition, max_bytes));
        if full {
            writing.is_over = true;
            close(&mut writing)?;
        }
        Ok(())
    }

    /// Gives back what only writing needs, if nothing was written for a while.
    pub fn rest(&self) -> Result<()> {
        let mut writing = self.writing();
        if writing.open.is_some() && writing.written.elapsed() > IDLE { close(&mut writing) } else { Ok(()) }
    }

    /// Removes partitions whose lines are all older than `before`, and the oldest while all take more than `max_bytes`; how many.
    pub fn retain(&self, before: i64, max_bytes: u64) -> Result<usize> {
        let writing = self.writing();
        let mut partitions = self.0.partitions.write().unwrap_or_else(PoisonError::into_inner);
        let is_open = |it: &Arc<Partition>| writing.open.as_ref().is_some_and(|(open, _)| Arc::ptr_eq(open, it));
        let mut bytes: u64 = partitions.iter().map(|it| it.bytes()).sum();
        let mut gone = vec![];
        partitions.retain(|it| {
            let is_old = fields::at_of(it.extent().keys.1) < before;
            let goes = !is_open(it) && (is_old || bytes > max_bytes);
            if goes {
                bytes = bytes.saturating_sub(it.bytes());
                gone.push(it.folder.clone());
            }
            !goes
        });
        for folder in &gone {
            std::fs::remove_dir_all(folder).map_err(Error::internal)?;
        }
        Ok(gone.len())
    }

    /// Lines, bytes, and the instant of the oldest line.
    pub fn extent(&self) -> (u64, u64, Option<i64>) {
        let partitions = self.partitions();
        let filled = partitions.iter().map(|it| it.extent()).filter(|extent| extent.lines > 0);
        let oldest = filled.map(|extent| fields::at_of(extent.keys.0)).min();
        let lines = partitions.iter().map(|it| it.extent().lines).sum();
        (lines, partitions.iter().map(|it| it.bytes()).sum(), oldest)
    }

    fn partitions(&self) -> Vec<Arc<Partition>> {
        self.0.partitions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.0.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn newest_or_next(&self, writing: &mut Writing) -> Result<Arc<Partition>> {
        let newest = self.partitions().last().cloned().filter(|_| !writing.is_over);
        if let Some(newest) = newest.filter(|newest| !is_full(newest, u64::MAX)) {
            return Ok(newest);
        }
        let begun_at = clock::now_ms();
        let folder = self.0.root.join(format!("{:016}-{begun_at}", writing.next_number));
        let partition = Arc::new(Partition::open(folder, begun_at, self.0.executor.clone()).map_err(broken)?);
        self.0.partitions.write().unwrap_or_else(PoisonError::into_inner).push(partition.clone());
        writing.is_over = false;
        Ok(partition)
    }
}

fn is_full(partition: &Partition, max_bytes: u64) -> bool {
    partition.extent().lines >= PARTITION_LINES
        || clock::now_ms() - partition.begun_at >= PARTITION_AGE_MS
        || partition.bytes() > max_bytes / PARTITIONS
}

/// Ends writing, after the merges that are going on.
fn close(writing: &mut Writing) -> Result<()> {
    match writing.open.take() {
        Some((partition, writer)) => writer.wait_merging_threads().and_then(|()| partition.reload()).map_err(broken),
        None => Ok(()),
    }
}

fn reopen(folder: &Path, executor: &Executor) -> tantivy::Result<(Partition, Option<String>)> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let begun_at = name.rsplit('-').next().and_then(|at| at.parse().ok()).unwrap_or(0);
    let partition = Partition::open(folder.to_owned(), begun_at, executor.clone())?;
    let payload = partition.payload()?;
    Ok((partition, payload))
}

/// A partition that cannot be opened is kept for whoever wants to look; the one that was put aside before it goes.
fn put_aside(root: &Path, folder: &Path, error: &tantivy::TantivyError) {
    tracing::error!(error.chain = %error, "a part of the search over logs cannot be read and is put aside: {}", folder.display());
    let aside = root.join("broken");
    let _ = std::fs::remove_dir_all(&aside);
    let _ = std::fs::rename(folder, &aside);
}

/// Folders of the partitions, oldest first.
fn folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![];
    for entry in std::fs::read_dir(root).map_err(Error::internal)? {
        let path = entry.map_err(Error::internal)?.path();
        let begins_with_number =
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(|c: char| c.is_ascii_digit()));
        if begins_with_number && path.is_dir() {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn id_in(root: &Path) -> Result<String> {
    let path = root.join("id");
    if let Ok(id) = std::fs::read_to_string(&path)
        && !id.is_empty()
    {
        return Ok(id);
    }
    let id = hex::encode(secrets::random_bytes::<8>()?);
    std::fs::write(&path, &id).map_err(Error::internal)?;
    Ok(id)
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(4)
}

fn broken(error: tantivy::TantivyError) -> Error {
    Error::internal(error)
}
