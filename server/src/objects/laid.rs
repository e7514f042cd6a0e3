//! Folders laid out for containers to read, each made once for all who want it.
//!
//! Always holds: a folder of a name is whole, because it is made under another name and renamed last. Above a limit the least
//! recently used go. After a power cut nothing is trusted: the folders of an earlier boot of the machine are made anew. Nothing here
//! is precious. Never here: what the folders mean.

use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::{
    clock,
    error::{Error, Result},
};

const BOOT_FILE: &str = ".boot";
/// What a hard link takes of a folder, roughly.
const LINK_BYTES: u64 = 256;
/// The least that a file of its own takes.
const BLOCK_BYTES: u64 = 4096;

/// What a small blob, which is copied, or a large one, which is linked, takes of the disk.
pub fn cost_of(size_bytes: u64) -> u64 {
    match size_bytes {
        small if small <= super::SMALL_BLOB_BYTES as u64 => small.max(BLOCK_BYTES),
        _ => LINK_BYTES,
    }
}

/// The same of a file that is written out, whatever its size.
pub fn cost_of_copy(size_bytes: u64) -> u64 {
    size_bytes.next_multiple_of(BLOCK_BYTES).max(BLOCK_BYTES)
}

/// A folder of such folders.
#[derive(Debug, Clone)]
pub struct LaidOut {
    root: PathBuf,
}

/// A whole one.
#[derive(Debug)]
pub struct Folder {
    pub name: String,
    /// In bytes, beside content that is kept anyway.
    pub cost: u64,
    used_at: SystemTime,
}

impl LaidOut {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Whether the folder is there; notes that it is wanted.
    pub async fn is_there(&self, name: &str) -> Result<bool> {
        let target = self.root.join(name);
        if !tokio::fs::try_exists(&target).await.map_err(Error::internal)? {
            return Ok(false);
        }
        touch(&target).await?;
        Ok(true)
    }

    /// An empty folder to fill, which `place` or `discard` ends.
    pub async fn begin(&self) -> Result<PathBuf> {
        let unfinished = self.root.join(format!(".making-{}", uuid::Uuid::now_v7().simple()));
        tokio::fs::create_dir_all(&unfinished).await.map_err(Error::internal)?;
        Ok(unfinished)
    }

    /// Gives a filled folder its name. Another one of that name that came first stays, with the same content.
    pub async fn place(&self, unfinished: PathBuf, name: &str, cost: u64) -> Result<()> {
        let target = self.root.join(name);
        // The container's user is another one than the server's, whose umask may hide folders. The cost is there before the folder is.
        let made = unfinished.clone();
        let work = move || -> std::io::Result<()> {
            open_to_container(&made)?;
            std::fs::write(cost_file(&target), cost.to_string())?;
            match std::fs::rename(&made, &target) {
                Err(_) if target.is_dir() => std::fs::remove_dir_all(&made),
                other => other,
            }
        };
        let placed = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?.map_err(Error::internal);
        if placed.is_err() {
            discard(unfinished);
        }
        placed
    }

    /// Removes what an interrupted start has left, and everything when the machine was started anew since.
    pub fn clear_unfinished(&self) {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let is_same_boot = std::fs::read_to_string(self.root.join(BOOT_FILE)).is_ok_and(|known| known == boot);
        if !is_same_boot {
            let _ = std::fs::remove_dir_all(&self.root);
        }
        for entry in std::fs::read_dir(&self.root).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(['.']) && entry.path().is_dir() {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let marked = std::fs::create_dir_all(&self.root)
            .and_then(|()| std::fs::set_permissions(&self.root, std::fs::Permissions::from_mode(0o755)))
            .and_then(|()| std::fs::write(self.root.join(BOOT_FILE), boot));
        if let Err(error) = marked {
            tracing::warn!("{} cannot be used: {error}", self.root.display());
        }
    }

    /// All that are there.
    pub async fn whole(&self) -> Result<Vec<Folder>> {
        let root = self.root.clone();
        tokio::task::spawn_blocking(move || whole(&root)).await.map_err(Error::internal)
    }

    /// Removes some by name.
    pub fn remove<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        names.into_iter().for_each(|name| discard(self.root.join(name)));
    }

    /// Of these, removes those unused for longest until the rest costs no more than `most_bytes`.
    pub fn shrink(&self, mut kept: Vec<Folder>, most_bytes: u64) {
        kept.sort_by_key(|one| one.used_at);
        let mut total: u64 = kept.iter().map(|one| one.cost).sum();
        for one in kept {
            if total <= most_bytes {
                break;
            }
            total -= one.cost;
            discard(self.root.join(&one.name));
        }
    }
}

/// Those that nobody uses; `in_use` has them as they are mounted, below `prefix`.
pub fn unused(mut all: Vec<Folder>, prefix: &str, in_use: &BTreeSet<String>) -> Vec<Folder> {
    all.retain(|one| !in_use.contains(&format!("{prefix}/{}", one.name)));
    all
}

/// Makes folders passable for the container's user.
pub fn open_to_container(folder: &Path) -> std::io::Result<()> {
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
pub fn discard(folder: PathBuf) {
    let aside = folder.with_file_name(format!(".gone-{}", uuid::Uuid::now_v7().simple()));
    let _ = std::fs::remove_file(cost_file(&folder));
    match std::fs::rename(&folder, &aside) {
        Ok(()) => drop(tokio::task::spawn_blocking(move || std::fs::remove_dir_all(aside))),
        Err(error) => tracing::warn!("{} is not removed: {error}", folder.display()),
    }
}

fn whole(root: &Path) -> Vec<Folder> {
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
            Some(Folder { name, cost, used_at })
        })
        .collect()
}
