//! Logs while they are written: lines in the files of a folder, one writer, any number of readers.
//!
//! A log is cut into segments of some MiB, each named by the number of its first line, so that a line is found by its number, and
//! the middle of a log that grew too large can go: its beginning and its newest lines stay, and readers are told what is missing.
//! Always holds: a segment ends with a whole line once another follows it; what a reader saw under a number it will see under that
//! number again. Nothing here is forced to the disk: a box that loses its power reads the lines from Docker again.

mod line;
mod reader;
mod writer;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, futures::Notified, watch};

use crate::error::{Error, Result};

pub use line::{Kind, Line, Numbered, Splitter};
pub use reader::Reader;
pub use writer::{Bounds, Last, Spool};

/// File that says where the lines come from.
const SOURCE: &str = "source.json";

/// How far a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Lines that can be read.
    pub lines: u64,
    /// No more will come from the present source.
    pub complete: bool,
}

/// Where the newest lines of a log come from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Source {
    /// Of a container; empty for logs that come from none.
    pub container: String,
    /// Number of its first line.
    pub first: u64,
    /// All of it is here.
    pub complete: bool,
}

/// The logs that are being written, by name. Cheap to clone.
#[derive(Clone)]
pub struct Spools {
    root: Arc<PathBuf>,
    open: Arc<Mutex<HashMap<String, watch::Receiver<Progress>>>>,
    begun: Arc<Notify>,
}

impl Spools {
    /// Logs under this folder, which is made with the first of them.
    pub fn new(root: PathBuf) -> Self {
        Self { root: Arc::new(root), open: Arc::default(), begun: Arc::default() }
    }

    /// Opens a log for writing, where it ended if there is something of it already.
    ///
    /// # Errors
    /// `conflict` while somebody else writes it.
    pub async fn write(&self, name: &str, bounds: Bounds) -> Result<Spool> {
        let (progress, watched) = watch::channel(Progress::default());
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.contains_key(name) {
                return Err(Error::conflict(format!("The log {name} is being written already.")));
            }
            open.insert(name.to_owned(), watched);
        }
        let registered = Registered { name: name.to_owned(), spools: self.clone() };
        let opened = Spool::open(self.folder(name), bounds, progress, registered).await.map_err(Error::internal);
        self.begun.notify_waiters();
        opened
    }

    /// Becomes ready when the next writer of any log has begun; asked for before looking whether one has.
    pub fn begun(&self) -> Notified<'_> {
        self.begun.notified()
    }

    /// How far the log is, while somebody writes it.
    pub fn progress(&self, name: &str) -> Option<watch::Receiver<Progress>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// A reader from line `from` on; none where there is no such log.
    pub async fn read(&self, name: &str, from: u64) -> Option<Reader> {
        let folder = self.folder(name);
        tokio::fs::try_exists(&folder).await.unwrap_or(false).then(|| Reader::new(folder, from))
    }

    /// Where its newest lines come from; none where there is no such log.
    pub async fn source(&self, name: &str) -> Option<Source> {
        let text = tokio::fs::read(self.folder(name).join(SOURCE)).await.ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Number of lines it has.
    pub async fn lines(&self, name: &str) -> Result<u64> {
        match self.progress(name) {
            Some(progress) => Ok(progress.borrow().lines),
            None => writer::count(&self.folder(name)).await.map_err(Error::internal),
        }
    }

    /// Names of the logs that are here, each with how long ago something was written to it, in seconds.
    pub async fn names(&self) -> Result<Vec<(String, u64)>> {
        let root = self.root.clone();
        let list = move || match std::fs::read_dir(&*root) {
            Ok(entries) => entries.map(|entry| aged(&entry?)).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
            Err(error) => Err(error),
        };
        tokio::task::spawn_blocking(list).await.map_err(Error::internal)?.map_err(Error::internal)
    }

    /// Removes a log, unless somebody writes it.
    pub async fn remove(&self, name: &str) -> Result<()> {
        if self.progress(name).is_some() {
            return Ok(());
        }
        match tokio::fs::remove_dir_all(self.folder(name)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::internal(error)),
            _ => Ok(()),
        }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

fn aged(entry: &std::fs::DirEntry) -> std::io::Result<(String, u64)> {
    let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
    Ok((entry.file_name().to_string_lossy().into_owned(), age.as_secs()))
}

/// Ends being the writer of a log when it goes.
struct Registered {
    name: String,
    spools: Spools,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.spools.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

/// Numbers of the first lines of a log's segments, in order, each with its size in bytes.
fn segments(folder: &Path) -> std::io::Result<Vec<(u64, u64)>> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let first = name.to_str().and_then(|name| name.strip_suffix(".log")).and_then(|first| first.parse().ok());
        if let Some(first) = first {
            // one that goes just now is not there
            let Ok(about) = entry.metadata() else { continue };
            found.push((first, about.len()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn segment(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:016}.log"))
}

#[cfg(test)]
mod tests;
