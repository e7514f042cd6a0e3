//! Logs: what jobs, deployments, builds and Drydock itself wrote, in one search.
//!
//! Owns the index under `logs/` and the rows of how far each log was taken in. Reads the logs where they lie (`workloads::logs`, `builds`):
//! nothing below knows of it. Always holds: a line that was found once is found after a kill, and none is found twice; nobody finds
//! lines of a project that they may not view, and Drydock's own are for admins. Must never: make whoever logs wait, fill the disk, or be
//! the one place where a line is kept that matters.

mod answers;
pub mod index;
mod own;
mod routes;
pub mod rules;
mod sources;
mod store;
mod tail;
mod tasks;
#[cfg(test)]
mod tests;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use drydock_wire::logs::LogState;
use tokio::sync::Semaphore;

pub use answers::plain;
pub use own::layer;
pub use routes::configure;

use crate::{
    accounts::{Authorized, Principal, Scope, action, authorize},
    app::App,
    config,
    db::Conn,
    error::{Error, Result},
};
use index::{Index, Sight};

/// Folder in the data directory.
const FOLDER: &str = "logs";
/// Searches at once; the others wait.
const AT_ONCE: usize = 4;
/// Of the file system, unless the settings say otherwise.
const SHARE: u64 = 20;
const MOST_BYTES: u64 = 16 << 30;

/// The handle of this feature; cheap to clone.
#[derive(Clone)]
pub struct Logs {
    index: Index,
    max_bytes: u64,
    max_age_days: u32,
    paused: Arc<Mutex<Option<String>>>,
    turns: Arc<Semaphore>,
    /// What the last commits said when the index was opened.
    said: Arc<Mutex<Vec<String>>>,
}

impl Logs {
    /// Opens the index in the data directory.
    pub fn open(data_dir: &Path, settings: &config::Logs, total_bytes: u64) -> Result<Self> {
        let (index, said) = Index::open(&data_dir.join(FOLDER))?;
        Ok(Self {
            index,
            max_bytes: settings.max_bytes.unwrap_or((total_bytes / SHARE).min(MOST_BYTES)),
            max_age_days: settings.max_age_days,
            paused: Arc::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            said: Arc::new(Mutex::new(said)),
        })
    }

    fn pause(&self, why: &str) {
        let before = self.paused.lock().unwrap_or_else(PoisonError::into_inner).replace(why.to_owned());
        if before.is_none() {
            tracing::warn!("no lines are taken into the search: {why}");
        }
    }

    fn go_on(&self) {
        let before = self.paused.lock().unwrap_or_else(PoisonError::into_inner).take();
        if before.is_some() {
            tracing::warn!("lines are taken into the search again");
        }
    }

    /// Runs a search off the async threads, a few at once.
    async fn look<T: Send + 'static>(&self, find: impl FnOnce(&Index) -> Result<T> + Send + 'static) -> Result<T> {
        let turn = self.turns.clone().acquire_owned().await.map_err(Error::internal)?;
        let index = self.index.clone();
        tasks::blocking(move || {
            let _turn = turn;
            find(&index)
        })
        .await
    }
}

/// Starts taking lines in.
pub async fn start(app: &App, logs: &Logs) -> Result<()> {
    own::start(app).await?;
    recover(app, logs).await?;
    app.background.spawn(tasks::Indexer::new(app.clone(), logs.clone()));
    Ok(())
}

/// Brings the rows to where the commits of this index are.
async fn recover(app: &App, logs: &Logs) -> Result<()> {
    let said = std::mem::take(&mut *logs.said.lock().unwrap_or_else(PoisonError::into_inner));
    let rows: Vec<store::SourceRow> =
        said.iter().filter_map(|said| serde_json::from_str::<Vec<_>>(said).ok()).flatten().collect();
    let id = logs.index.id().to_owned();
    let bring = move |conn: &mut Conn| {
        store::forget(conn, &id, i64::MIN)?;
        store::catch_up(conn, &rows)
    };
    app.db.write(bring).await
}

/// What is kept, and for how long.
pub async fn state(logs: &Logs, _auth: &Authorized<action::View>) -> Result<LogState> {
    let (line_count, size_bytes, oldest_at) = logs.look(|index| Ok(index.extent())).await?;
    Ok(LogState {
        line_count,
        size_bytes,
        max_bytes: logs.max_bytes,
        max_age_days: logs.max_age_days,
        oldest_at,
        paused: logs.paused.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        lost_count: own::lost(),
    })
}

/// Whose lines somebody may see.
///
/// # Errors
/// `forbidden` for who may view nothing.
fn sight(who: &Principal) -> Result<Sight> {
    authorize(who, action::View, &who.project)?;
    let own = authorize(who, action::Administer, &who.project).is_ok();
    let (only, hidden) = match who.reach.scope() {
        Scope::All => (None, vec![]),
        Scope::Only(project) => (Some(project), vec![]),
        Scope::AllBut(hidden) => (None, hidden),
    };
    Ok(Sight { own, only, hidden })
}
