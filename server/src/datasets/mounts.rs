//! Versions laid out for containers to read, once each, for all jobs that want them: `run/datasets/{dataset}-{version}`.
//!
//! Always holds: a folder of that name is whole, because it is made under another name and renamed last; its files are hard
//! links to content, or copies of small ones, mode 0444, and containers get it read-only. What no job uses goes, least
//! recently used first, when the whole is above `limits.dataset_cache_bytes`, and at once when its version is gone. After a
//! power cut nothing is trusted: the folders of an earlier boot of the machine are made anew. Nothing here is precious.

use std::collections::{BTreeSet, HashSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::{store, versions};
use crate::app::App;
use crate::background::Waker;
use crate::clock;
use crate::error::{Error, Result};

const FOLDER: &str = "run/datasets";
const BOOT_FILE: &str = ".boot";
/// Versions of so many files are laid out while the job waits, larger ones beside the other jobs.
const AT_ONCE_FILES: i64 = 2_000;
/// What a hard link takes of a folder, roughly.
const LINK_BYTES: u64 = 256;
/// The least that a copy takes.
const BLOCK_BYTES: u64 = 4096;

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
    let target = app.data_dir.join(&ready);
    if tokio::fs::try_exists(&target).await.map_err(Error::internal)? {
        touch(&target).await?;
        return Ok(Mount::Ready(ready));
    }
    let words = format!("laying out {name} version {version} ({} files)", row.file_count);
    if !making().insert(folder.clone()) {
        return Ok(Mount::Making(words));
    }
    let (app, is_small) = (app.clone(), row.file_count <= AT_ONCE_FILES);
    let lay_out = async move {
        let _end = Ending(folder);
        lay_out(&app, &manifest, &target).await
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

async fn lay_out(app: &App, manifest: &super::manifest::Manifest, target: &Path) -> Result<()> {
    let root = app.data_dir.join(FOLDER);
    let unfinished = root.join(format!(".making-{}", uuid::Uuid::now_v7().simple()));
    tokio::fs::create_dir_all(&unfinished).await.map_err(Error::internal)?;
    let made = fill(app, manifest, &unfinished).await;
    let placed = match made {
        Ok(cost) => place(unfinished.clone(), target.to_owned(), cost).await,
        Err(error) => Err(error),
    };
    if placed.is_err() {
        discard(unfinished);
    }
    placed
}

/// What it costs, in bytes.
async fn fill(app: &App, manifest: &super::manifest::Manifest, folder: &Path) -> Result<u64> {
    let (mut files, mut cost) = (manifest.files(), 0);
    let mut links = 0_u64;
    while let Some(file) = files.next().await? {
        app.objects.materialize(&file.digest_hex(), &folder.join(&file.path)).await?;
        cost += match file.size_bytes {
            small if small <= crate::objects::SMALL_BLOB_BYTES as u64 => small.max(BLOCK_BYTES),
            _ => LINK_BYTES,
        };
        links += 1;
        if links.is_multiple_of(512) {
            tokio::task::yield_now().await;
        }
    }
    Ok(cost)
}

/// The container's user is another one than the server's, whose umask may hide folders. The cost is there before the folder is.
async fn place(unfinished: PathBuf, target: PathBuf, cost: u64) -> Result<()> {
    let work = move || -> std::io::Result<()> {
        open_to_container(&unfinished)?;
        std::fs::write(cost_file(&target), cost.to_string())?;
        std::fs::rename(&unfinished, &target)
    };
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?.map_err(Error::internal)
}

fn open_to_container(folder: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_to_container(&entry.path())?;
        }
    }
    Ok(())
}

/// Beside the folder; its time is when the folder was last wanted.
fn cost_file(target: &Path) -> PathBuf {
    target.with_extension("cost")
}

async fn touch(target: &Path) -> Result<()> {
    let file = cost_file(target);
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(clock::now_ms()).unwrap_or(0));
    let work = move || std::fs::File::options().append(true).open(file)?.set_modified(now);
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?.map_err(Error::internal)
}

/// Out of sight at once, off the disk soon.
fn discard(folder: PathBuf) {
    let aside = folder.with_file_name(format!(".gone-{}", uuid::Uuid::now_v7().simple()));
    let _ = std::fs::remove_file(cost_file(&folder));
    match std::fs::rename(&folder, &aside) {
        Ok(()) => drop(tokio::task::spawn_blocking(move || std::fs::remove_dir_all(aside))),
        Err(error) => tracing::warn!("{} is not removed: {error}", folder.display()),
    }
}

/// Removes what an interrupted start has left, and everything when the machine was started anew since.
pub fn clear_unfinished(app: &App) {
    let root = app.data_dir.join(FOLDER);
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let is_same_boot = std::fs::read_to_string(root.join(BOOT_FILE)).is_ok_and(|known| known == boot);
    if !is_same_boot {
        let _ = std::fs::remove_dir_all(&root);
    }
    for entry in std::fs::read_dir(&root).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(['.']) && entry.path().is_dir() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let marked = std::fs::create_dir_all(&root)
        .and_then(|()| std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)))
        .and_then(|()| std::fs::write(root.join(BOOT_FILE), boot));
    if let Err(error) = marked {
        tracing::warn!("{} cannot be used: {error}", root.display());
    }
}

/// A whole folder.
struct Laid {
    name: String,
    cost: u64,
    used_at: SystemTime,
}

/// Removes folders whose version is gone and, above the limit, those unused for longest. `in_use` has folders as `mount` gave
/// them; they stay.
pub async fn evict(app: &App, in_use: &BTreeSet<String>) -> Result<()> {
    let root = app.data_dir.join(FOLDER);
    let folder = root.clone();
    let mut laid = tokio::task::spawn_blocking(move || whole(&folder)).await.map_err(Error::internal)?;
    laid.retain(|one| !in_use.contains(&format!("{FOLDER}/{}", one.name)));
    if laid.is_empty() {
        return Ok(());
    }
    let there: HashSet<String> = app.db.read(store::folder_names).await?;
    let (gone, mut kept): (Vec<Laid>, Vec<Laid>) = laid.into_iter().partition(|one| !there.contains(&one.name));
    gone.iter().for_each(|one| discard(root.join(&one.name)));
    kept.sort_by_key(|one| one.used_at);
    let mut total: u64 = kept.iter().map(|one| one.cost).sum();
    for one in kept {
        if total <= app.config.limits.dataset_cache_bytes {
            break;
        }
        total -= one.cost;
        discard(root.join(&one.name));
    }
    Ok(())
}

/// Folders that are laid out now, and the bytes that they cost beside the content itself.
pub async fn laid_out(app: &App) -> Result<(u64, u64)> {
    let root = app.data_dir.join(FOLDER);
    let laid = tokio::task::spawn_blocking(move || whole(&root)).await.map_err(Error::internal)?;
    Ok((laid.len() as u64, laid.iter().map(|one| one.cost).sum()))
}

fn whole(root: &Path) -> Vec<Laid> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            if name.starts_with('.') || !entry.file_type().ok()?.is_dir() {
                return None;
            }
            let file = cost_file(&entry.path());
            let used_at = std::fs::metadata(&file).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            let cost = std::fs::read_to_string(file).ok()?.parse().ok()?;
            Some(Laid { name, cost, used_at })
        })
        .collect()
}
