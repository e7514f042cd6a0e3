//! How much room the disk has, and whether anything more may be written.
//!
//! Always holds: below the floor no content is taken in and no request that adds rows passes, so that what is left serves
//! the work that must go on: deletes, logins, the ends of jobs.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use drydock_appliance::devices;
use drydock_wire::{
    ErrorCode,
    store::{DiskLevel, DiskState},
};

use crate::{
    config::Disk,
    error::{Error, Result},
};

const GIB: u64 = 1 << 30;

/// The file system of the data directory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Room {
    path: Arc<PathBuf>,
    warn_percent: u32,
    floor_bytes: Option<u64>,
    /// Whether it was below the floor when last looked at, so that the log says it once.
    was_full: Arc<AtomicBool>,
}

impl Room {
    pub fn new(path: &Path, config: &Disk) -> Self {
        Self {
            path: Arc::new(path.to_owned()),
            warn_percent: config.warn_percent,
            floor_bytes: config.floor_bytes,
            was_full: Arc::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How it is now; one system call.
    pub fn state(&self) -> DiskState {
        // A file system that does not say is taken for a large one: writes then fail by themselves when it is full.
        let (total_bytes, free_bytes) = devices::disk_space(&self.path).unwrap_or((u64::MAX, u64::MAX));
        judge(total_bytes, free_bytes, self.warn_percent, self.floor_bytes)
    }

    /// What a cache leaves free: uploads pass through the disk, and stop at its floor.
    pub(super) fn reserve_bytes(&self) -> u64 {
        let state = self.state();
        state.floor_bytes.saturating_add(state.total_bytes / 100)
    }

    /// Whether more may be written.
    ///
    /// # Errors
    /// `insufficient_storage` below the floor.
    pub fn check(&self) -> Result<()> {
        let state = self.state();
        let is_full = state.level == DiskLevel::Full;
        if self.was_full.swap(is_full, Ordering::Relaxed) != is_full {
            let free = state.free_bytes;
            match is_full {
                true => tracing::error!(disk.free_bytes = free, "the disk is below its floor: writes are refused"),
                false => tracing::info!(disk.free_bytes = free, "the disk has room again: writes are taken"),
            }
        }
        if is_full { Err(refusal()) } else { Ok(()) }
    }
}

fn judge(total_bytes: u64, free_bytes: u64, warn_percent: u32, floor_bytes: Option<u64>) -> DiskState {
    let floor_bytes = floor_bytes.unwrap_or_else(|| (total_bytes / 50).min(4 * GIB));
    let used_percent = (total_bytes - free_bytes.min(total_bytes)) as f64 / total_bytes.max(1) as f64 * 100.0;
    let level = match () {
        () if free_bytes < floor_bytes => DiskLevel::Full,
        () if used_percent >= f64::from(warn_percent) => DiskLevel::Warning,
        () => DiskLevel::Fine,
    };
    DiskState { total_bytes, free_bytes, level, warn_percent, floor_bytes }
}

fn refusal() -> Error {
    Error::new(
        ErrorCode::InsufficientStorage,
        "The disk of the box is full: nothing more is taken until there is room again. Delete what is not needed; the \
         page \"Store\" says what can go.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_warns_from_the_share_and_refuses_below_the_floor() {
        let level = |free| judge(1000 * GIB, free, 80, None).level;
        assert_eq!(level(201 * GIB), DiskLevel::Fine);
        assert_eq!(level(200 * GIB), DiskLevel::Warning);
        assert_eq!(level(4 * GIB), DiskLevel::Warning);
        assert_eq!(level(4 * GIB - 1), DiskLevel::Full);
        assert_eq!(judge(100 << 20, 3 << 20, 80, None).level, DiskLevel::Warning, "a small disk has a small floor");
        assert_eq!(judge(100 << 20, 1 << 20, 80, None).level, DiskLevel::Full);
        assert_eq!(judge(100, 0, 80, Some(0)).level, DiskLevel::Warning, "no floor refuses nothing");
        assert_eq!(judge(0, 0, 80, None).level, DiskLevel::Fine);
    }
}
