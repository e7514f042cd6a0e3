//! Series: what was measured, over time, in a database file of its own (`metrics.db`).
//!
//! Owns that file and the samples that are not in it yet. Always holds: a series is one name with one set of labels, whatever the clock
//! does; of two samples in the same five seconds the later one stays. Full rate is kept for two days, minutes and hours for two
//! years, all of it below `metrics.max_bytes`. Samples are written every minute, so a server that is killed loses at most that.
//! What is written in the file is never in the way of the main database's writer. Never here: what is measured, or what follows from it.

mod belief;
mod chunk;
mod file;
mod keeping;
mod live;
mod point;
mod query;
mod routes;
mod selector;
#[cfg(test)]
mod tests;
mod windows;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

pub use point::{Point, Resolution, rolled_up};
pub use query::{Answer, Asked, Function, Grouping, range};
pub use routes::configure;
pub use selector::Selector;
pub use windows::Join;

use super::exposition::{Exposition, Family, Kind};
use crate::clock;
use crate::db::Conn;
use crate::error::{Error, Result};
use live::Live;

/// Name of the file in the data directory.
const FILE: &str = "metrics.db";
/// Connections that wait for readers.
const IDLE_READERS: usize = 2;

pub type Labels = BTreeMap<String, String>;

/// The points of one series, by their resolution.
pub type Parts = Vec<(Resolution, Vec<Point>)>;

/// What makes a series that series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub name: String,
    pub labels: Labels,
    pub is_counter: bool,
}

/// The newest sample of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Latest {
    pub labels: Labels,
    pub at: i64,
    pub value: f64,
}

/// One per server: `app.memory.of::<Metrics>()`. Answers with nothing until `open` was called.
#[derive(Default)]
pub struct Metrics(OnceLock<Store>);

struct Store {
    path: PathBuf,
    most_bytes: u64,
    live: Mutex<Live>,
    writer: Mutex<Conn>,
    readers: Mutex<Vec<Conn>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// Opens the file in that folder and reads back what was sampled before.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn open(&self, data_dir: &Path, most_bytes: u64) -> Result<()> {
        let path = data_dir.join(FILE);
        let mut writer = file::open(&path, clock::now_ms())?;
        let live = Live::of(file::known(&mut writer)?);
        let store =
            Store { path, most_bytes, live: Mutex::new(live), writer: Mutex::new(writer), readers: Mutex::default() };
        // A second call is a second start in one process (tests); the first goes on.
        let _ = self.0.set(store);
        Ok(())
    }

    /// Takes samples in, all of one instant. What does not fit any more is counted and left out.
    pub fn take(&self, at_ms: i64, families: &[Family]) {
        if let Ok(store) = self.store() {
            lock(&store.live).take(at_ms, families);
        }
    }

    /// Writes what is due: the last minute into the journal, hours that are over into chunks. Blocks on the file.
    ///
    /// # Errors
    /// When the file cannot be written; what was to be written is kept for the next time.
    pub fn keep(&self, now: i64) -> Result<()> {
        keeping::keep(self.store()?, now)
    }

    /// The newest samples of the series that match, if none is older than `oldest_at`.
    pub fn latest(&self, of: &Selector, oldest_at: i64) -> Vec<Latest> {
        self.store().map(|store| lock(&store.live).latest(of, oldest_at)).unwrap_or_default()
    }

    /// Puts points into the file as if they had been sampled, all or none: for measurements of the store itself.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn import(&self, all: Vec<(Identity, Parts)>) -> Result<()> {
        let store = self.store()?;
        file::whole(&mut lock(&store.writer), |conn| {
            for (identity, parts) in all {
                let id = lock(&store.live).number_of(&identity);
                file::add_series(conn, id, &identity)?;
                for (resolution, points) in parts {
                    file::put(conn, id, identity.is_counter, resolution, points)?;
                }
            }
            Ok(())
        })
    }

    /// What is kept takes so much of the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn used_bytes(&self) -> Result<u64> {
        file::used_bytes(&mut lock(&self.store()?.writer))
    }

    /// What the store says of itself.
    pub fn expose(&self, text: &mut Exposition) {
        let Ok(store) = self.store() else { return };
        let (series, dropped, file_bytes) = {
            let live = lock(&store.live);
            (live.count(), live.dropped, live.file_bytes)
        };
        text.single("drydock_metrics_series", Kind::Gauge, "Series that the store of metrics knows.", series);
        let help = "Samples that were left out, since there are too many series.";
        text.single("drydock_metrics_dropped_samples_total", Kind::Counter, help, dropped);
        text.single(
            "drydock_metrics_stored_bytes",
            Kind::Gauge,
            "Size of what the store keeps in its file.",
            file_bytes,
        );
    }

    fn store(&self) -> Result<&Store> {
        self.0.get().ok_or_else(|| Error::unavailable("Metrics are not there yet; try again in a moment."))
    }
}

impl Store {
    /// A connection for reading, which goes back to the others afterwards.
    fn read<T>(&self, f: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        let waiting = lock(&self.readers).pop();
        let mut conn = waiting.map_or_else(|| file::reader(&self.path), Ok)?;
        let found = f(&mut conn)?;
        let mut readers = lock(&self.readers);
        if readers.len() < IDLE_READERS {
            readers.push(conn);
        }
        Ok(found)
    }
}

/// The store of this server.
pub fn of(app: &crate::app::App) -> Arc<Metrics> {
    app.memory.of()
}
