//! Where a history is read from. Three kinds, one form: experiments, then the runs, logged models and traces of each, then the
//! registry.
//!
//! Always holds: nothing is written there; no file outside the named folders is opened, through a link neither; a part that
//! cannot be read is an `Unread` beside the others, never the end of the whole.

mod folder;
mod places;
mod server;
mod sqlite;
pub mod trace_info;
mod yaml;

use std::{collections::HashMap, path::PathBuf};

use drydock_wire::import::{ForeignExperiment, ForeignLoggedModel, ForeignModel, ForeignRun, ForeignTrace};

use super::api::Api;
use crate::error::{Error, Result};

pub use folder::Folder;
pub use server::Server;
pub use sqlite::Sqlite;

/// A file of a run, logged model or trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Below the artifact root.
    pub path: String,
    pub size_bytes: u64,
    /// Time of its last change, where there is one: a second import need not read what did not change.
    pub changed_at: i64,
    pub at: Place,
}

/// Where a file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Disk(PathBuf),
    /// Path below the server's address, and the query.
    Server(String, Vec<(String, String)>),
}

/// What could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    pub what: String,
    pub why: String,
}

impl Unread {
    pub fn new(what: impl Into<String>, why: impl ToString) -> Self {
        Self { what: what.into(), why: why.to_string() }
    }
}

/// A thing with its files, and the parts of it that could not be read.
#[derive(Debug, Clone)]
pub struct Whole<T> {
    pub thing: T,
    pub files: Vec<File>,
    pub unread: Vec<Unread>,
}

/// What a batch of ids gave: the things, and those that could not be read at all.
#[derive(Debug)]
pub struct Batch<T> {
    pub things: Vec<Whole<T>>,
    pub unread: Vec<Unread>,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { things: Vec::new(), unread: Vec::new() }
    }
}

/// A history somewhere.
#[derive(Clone)]
pub enum Source {
    Folder(Folder),
    Sqlite(Sqlite),
    Server(Server),
}

impl Source {
    /// Recognises what the person named. `artifacts`: more folders that may be read.
    pub fn open(named: &str, artifacts: &[PathBuf], server: impl FnOnce(&str) -> Result<Api>) -> Result<Self> {
        if named.starts_with("http://") || named.starts_with("https://") {
            return Ok(Self::Server(Server::new(server(named)?)));
        }
        let path = named.strip_prefix("sqlite:///").or_else(|| named.strip_prefix("file://")).unwrap_or(named);
        let path = PathBuf::from(path);
        let real = path.canonicalize().map_err(|error| {
            Error::invalid(format!(
                "{} cannot be read ({error}); name an mlruns folder, MLflow's SQLite file or an address.",
                path.display()
            ))
        })?;
        if real.is_dir() {
            Folder::open(&real, artifacts).map(Self::Folder)
        } else {
            Sqlite::open(&real, artifacts).map(Self::Sqlite)
        }
    }

    /// All experiments, deleted ones too.
    pub async fn experiments(&self) -> Result<(Vec<ForeignExperiment>, Vec<Unread>)> {
        match self {
            Self::Folder(folder) => blocking(folder, Folder::experiments).await,
            Self::Sqlite(file) => blocking(file, Sqlite::experiments).await,
            Self::Server(server) => Ok((server.experiments().await?, Vec::new())),
        }
    }

    /// Ids of the experiment's runs.
    pub async fn run_ids(&self, experiment: &str) -> Result<Vec<String>> {
        let experiment = experiment.to_owned();
        match self {
            Self::Folder(folder) => blocking(folder, move |it| it.run_ids(&experiment)).await,
            Self::Sqlite(file) => blocking(file, move |it| it.run_ids(&experiment)).await,
            Self::Server(server) => server.run_ids(&experiment).await,
        }
    }

    /// These runs with all that they logged.
    pub async fn runs(&self, experiment: &str, ids: Vec<String>) -> Result<Batch<ForeignRun>> {
        let experiment = experiment.to_owned();
        match self {
            Self::Folder(folder) => blocking(folder, move |it| Ok(it.runs(&experiment, &ids))).await,
            Self::Sqlite(file) => blocking(file, move |it| it.runs(&experiment, &ids)).await,
            Self::Server(server) => server.runs(ids).await,
        }
    }

    /// The experiment's logged models.
    pub async fn logged_models(&self, experiment: &str) -> Result<Batch<ForeignLoggedModel>> {
        let experiment = experiment.to_owned();
        match self {
            Self::Folder(folder) => blocking(folder, move |it| Ok(it.logged_models(&experiment))).await,
            Self::Sqlite(file) => blocking(file, move |it| it.logged_models(&experiment)).await,
            Self::Server(server) => server.logged_models(&experiment).await,
        }
    }

    /// Ids of the experiment's traces, the oldest first where the source knows an order.
    pub async fn trace_ids(&self, experiment: &str) -> Result<Vec<String>> {
        let experiment = experiment.to_owned();
        match self {
            Self::Folder(folder) => blocking(folder, move |it| it.trace_ids(&experiment)).await,
            Self::Sqlite(file) => blocking(file, move |it| it.trace_ids(&experiment)).await,
            Self::Server(server) => server.trace_ids(&experiment).await,
        }
    }

    /// Runs that traces of the experiment were linked to, by trace.
    pub async fn trace_runs(&self, experiment: &str) -> Result<HashMap<String, Vec<String>>> {
        let experiment = experiment.to_owned();
        match self {
            // A folder has no place for them.
            Self::Folder(_) => Ok(HashMap::new()),
            Self::Sqlite(file) => blocking(file, move |it| it.trace_runs(&experiment)).await,
            Self::Server(server) => server.trace_runs(&experiment).await,
        }
    }

    /// These traces with their spans.
    pub async fn traces(&self, experiment: &str, ids: Vec<String>) -> Result<Batch<ForeignTrace>> {
        let experiment = experiment.to_owned();
        match self {
            Self::Folder(folder) => blocking(folder, move |it| Ok(it.traces(&experiment, &ids))).await,
            Self::Sqlite(file) => blocking(file, move |it| it.traces(&ids)).await,
            Self::Server(server) => server.traces(ids).await,
        }
    }

    /// The registry.
    pub async fn models(&self) -> Result<(Vec<ForeignModel>, Vec<Unread>)> {
        match self {
            Self::Folder(folder) => blocking(folder, |it| Ok(it.models())).await,
            Self::Sqlite(file) => blocking(file, |it| it.models()).await,
            Self::Server(server) => Ok((server.models().await?, Vec::new())),
        }
    }

    /// The server behind a place, for reading its bytes.
    pub fn api(&self) -> Option<&Api> {
        match self {
            Self::Server(server) => Some(server.api()),
            _ => None,
        }
    }
}

/// MLflow's database has no infinities: it keeps the largest double of that sign for them.
fn infinite_again(value: f64) -> f64 {
    if value.abs() == f64::MAX { f64::INFINITY.copysign(value) } else { value }
}

/// Reads files off the async threads.
async fn blocking<S, T, F>(source: &S, read: F) -> Result<T>
where
    S: Clone + Send + 'static,
    T: Send + 'static,
    F: FnOnce(&S) -> Result<T> + Send + 'static,
{
    let source = source.clone();
    tokio::task::spawn_blocking(move || read(&source)).await.map_err(Error::internal)?
}
