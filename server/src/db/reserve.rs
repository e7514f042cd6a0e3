//! Room on the disk that the database has before it needs it, so that it can be started, and deletes and logins go on, when
//! something else has taken all the rest: blocks behind the end of its log, and a file that makes way at each start.
//!
//! Never here: opening the database file itself. Closing it again would drop the locks that SQLite holds on it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use rustix::fs::FallocateFlags;

/// Some thousand small transactions beyond what the log may hold anyway.
const LOG_BYTES: u64 = 16 << 20;
/// What opening takes: the index of the log, made anew.
const START_BYTES: u64 = 1 << 20;

/// What is reserved for one database.
pub struct Reserve {
    log: PathBuf,
    for_start: PathBuf,
}

impl Reserve {
    /// Of the database at `path`; makes room for it to be opened.
    pub fn make_way(path: &Path) -> Self {
        let beside = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let reserve = Self { log: beside("-wal"), for_start: beside("-reserve") };
        // A file's blocks are free only once it is known to the disk that the file is gone.
        let gone = fs::remove_file(&reserve.for_start);
        if let (Ok(()), Some(folder)) = (gone, path.parent()) {
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        reserve
    }

    /// Takes the room. Where the file system cannot do it, or has none, there is none.
    pub fn keep(&self) {
        let log = OpenOptions::new().write(true).open(&self.log).and_then(|log| allocate(&log, LOG_BYTES));
        let start = File::create(&self.for_start).and_then(|file| allocate(&file, START_BYTES));
        if let Err(cause) = log.and(start) {
            tracing::debug!(error.chain = %cause, "no room is kept for {}", self.log.display());
        }
    }
}

/// Blocks that are the file's, whatever its length.
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_room_is_taken_and_the_log_is_as_long_as_before() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("x.db-wal");
        fs::write(&log, "abc").unwrap();
        let reserve = Reserve::make_way(&dir.path().join("x.db"));
        reserve.keep();
        let kept = fs::metadata(&log).unwrap();
        assert_eq!(kept.len(), 3);
        assert!(kept.blocks() * 512 >= LOG_BYTES, "{} blocks", kept.blocks());
        let start = dir.path().join("x.db-reserve");
        assert!(fs::metadata(&start).unwrap().blocks() * 512 >= START_BYTES);
        Reserve::make_way(&dir.path().join("x.db"));
        assert!(!start.exists());
    }
}
