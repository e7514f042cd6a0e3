//! Import of another MLflow's history (an `mlruns` folder, its SQLite file, a running server), and export to an `mlruns` folder.
//!
//! Both are clients of the running box's API (`--url`, `--token`), not of the data directory: so they work from the laptop
//! where the history lies, with the rights and the name of the person who moves it, while the box goes on working; the bytes
//! go the way of any artifact, hashed and fsynced. What MLflow's own calls cannot say (ids, times, states) has routes of its
//! own under `/api/v1/import/mlflow`, which take many runs or traces at once: each one's rows are one write closure, and the closures
//! of a request share a commit. Reading three kinds of source gives one kind of thing (`drydock_wire::import`); an export is the
//! server's kind of source with a folder as its sink, so the round trip exercises both.
//!
//! Always holds: an import never changes or merges with what was here, it renames (a suffix) or leaves out, and says so.
//! A thing counts as here only when all of it is, files included (`imported.digest`): an import that was killed goes on where it
//! was, and a second one finds nothing to do. What cannot be read is counted and named, the rest goes on. A reader opens
//! nothing outside the folders that the person named. Never here: passwords as arguments; writing to a source.
//!
//! There is no export to MLflow's SQLite schema: it changes with each of its releases and its server refuses any other.
//! MLflow's own `mlflow migrate-filestore` makes one from the exported folder, for the release that is installed there.

mod api;
mod cli;
mod digest;
mod export;
mod import;
mod receive;
mod report;
mod routes;
mod source;
mod store;
mod written;

pub use cli::{ExportFlags, ImportFlags, export, import};
pub use routes::configure;

/// MLflow keeps a deleted version's row under this stage, so that its number is not given again.
const DELETED_STAGE: &str = "Deleted_Internal";
