//! Room on the disk that the database's log has before it needs it, so that deletes and logins go on when something else has
//! taken all the rest. Blocks beyond a file's end change nothing about what is in it.
//!
//! Never here: opening the database file itself. Closing it again would drop the locks that SQLite holds on it.

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
};

use rustix::fs::FallocateFlags;

/// Some thousand small transactions beyond what the log may hold anyway.
const RESERVE_BYTES: u64 = 16 << 20;

/// The log of the database at `path`.
pub fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Reserves room for the log. Where the file system cannot do it, or has none, there is none.
pub fn keep(log: &Path) {
    let kept = OpenOptions::new().write(true).open(log).and_then(|file| extend(&file));
    if let Err(cause) = kept {
        tracing::debug!(error.chain = %cause, "no room is kept for {}", log.display());
    }
}

fn extend(file: &File) -> std::io::Result<()> {
    Ok(rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, RESERVE_BYTES)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_room_is_taken_and_the_file_is_as_long_as_before() {
        let dir = tempfile::tempdir().unwrap();
        let log = log_of(&dir.path().join("x.db"));
        std::fs::write(&log, "abc").unwrap();
        keep(&log);
        let kept = std::fs::metadata(&log).unwrap();
        assert_eq!(kept.len(), 3);
        assert!(kept.blocks() * 512 >= RESERVE_BYTES, "{} blocks", kept.blocks());
        keep(&dir.path().join("absent"));
    }
}
