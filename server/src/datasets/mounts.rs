//! Versions laid out for containers to read, once each, for all jobs that want them: `run/datasets/{dataset}-{version}`.
//!
//! Always holds: a folder of that name is whole, because it is made under another name and renamed last; its files are hard
//! links to content, or copies of small ones, mode 0444, and containers get it read-only. What no job uses goes, least
//! recently used first, when the whole is above `limits.dataset_cache_bytes`, and at once when its version is gone. After a
//! power cut nothing is trusted: the folders of an earlier boot of the machine are made anew. Nothing here is precious.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use super::{store, versions};
use crate::app::App;
use crate::background::Waker;
use crate::error::Result;
use crate::objects::laid::{self, LaidOut};

const FOLDER: &str = "run/datasets";
/// Versions of so many files are laid out while the job waits, larger ones beside the other jobs.
const AT_ONCE_FILES: i64 = 2_000;

fn shelf(app: &App) -> LaidOut {
    LaidOut::new(app.data_dir.join(FOLDER))
}

/// Folders that are being made, by name.
static MAKING: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// A version on its way to a container.
#[derive(Debug, PartialEq, Eq)]
pub enum Mount {
    /// The folder, relative to the data directory.
    Ready(String),
    /// In words for the one who waits. `done` is woken when it is there.
    Making(String),
}

/// Lays the version out unless it is there.
///
/// # Errors
/// `not_found` when there is no such version.
pub async fn mount(app: &App, name: &str, version: i64, done: Waker) -> Result<Mount> {
    let (dataset, row, manifest) = versions::open(app, name, &version.to_string()).await?;
    let folder = format!("{}-{version}", dataset.id);
    let ready = format!("{FOLDER}/{folder}");
    if shelf(app).is_there(&folder).await? {
        return Ok(Mount::Ready(ready));
    }
    let words = format!("laying out {name} version {version} ({} files)", row.file_count);
    if !making().insert(folder.clone()) {
        return Ok(Mount::Making(words));
    }
    let (app, is_small) = (app.clone(), row.file_count <= AT_ONCE_FILES);
    let lay_out = async move {
        let end = Ending(folder);
        lay_out(&app, &manifest, &end.0).await
    };
    if is_small {
        lay_out.await?;
        return Ok(Mount::Ready(ready));
    }
    let named = words.clone();
    tokio::spawn(async move {
        match lay_out.await {
            Ok(()) => done.wake(),
            // not at once again: the keeper comes by in its own time
            Err(error) => tracing::warn!("{named}: {error}"),
        }
    });
    Ok(Mount::Making(words))
}

fn making() -> std::sync::MutexGuard<'static, BTreeSet<String>> {
    MAKING.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Ending(String);

impl Drop for Ending {
    fn drop(&mut self) {
        making().remove(&self.0);
    }
}

async fn lay_out(app: &App, manifest: &super::manifest::Manifest, name: &str) -> Result<()> {
    let shelf = shelf(app);
    let unfinished = shelf.begin().await?;
    match fill(app, manifest, &unfinished).await {
        Ok(cost) => shelf.place(unfinished, name, cost).await,
        Err(error) => {
            laid::discard(unfinished);
            Err(error)
        }
    }
}

/// What it costs, in bytes.
async fn fill(app: &App, manifest: &super::manifest::Manifest, folder: &std::path::Path) -> Result<u64> {
    let (mut files, mut cost) = (manifest.files(), 0);
    let mut links = 0_u64;
    while let Some(file) = files.next().await? {
        app.objects.materialize(&file.digest_hex(), &folder.join(&file.path)).await?;
        cost += laid::cost_of(file.size_bytes);
        links += 1;
        if links.is_multiple_of(512) {
            tokio::task::yield_now().await;
        }
    }
    Ok(cost)
}

/// Removes what an interrupted start has left, and everything when the machine was started anew since.
pub fn clear_unfinished(app: &App) {
    shelf(app).clear_unfinished();
}

/// Removes folders whose version is gone and, above the limit, those unused for longest. `in_use` has folders as `mount` gave
/// them; they stay.
pub async fn evict(app: &App, in_use: &BTreeSet<String>) -> Result<()> {
    let shelf = shelf(app);
    let unused = laid::unused(shelf.whole().await?, FOLDER, in_use);
    if unused.is_empty() {
        return Ok(());
    }
    let there: HashSet<String> = app.db.read(store::folder_names).await?;
    let (kept, gone): (Vec<_>, Vec<_>) = unused.into_iter().partition(|one| there.contains(&one.name));
    shelf.remove(gone.iter().map(|one| one.name.as_str()));
    shelf.shrink(kept, app.config.limits.dataset_cache_bytes);
    Ok(())
}

/// Folders that are laid out now, and the bytes that they cost beside the content itself.
pub async fn laid_out(app: &App) -> Result<(u64, u64)> {
    let laid = shelf(app).whole().await?;
    Ok((laid.len() as u64, laid.iter().map(|one| one.cost).sum()))
}
