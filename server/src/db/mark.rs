//! Whether anything was committed since, by this process or another: one read of 48 bytes instead of a query.
//!
//! Every commit changes the header of the index of SQLite's write-ahead log, which all connections share through the file
//! `-shm` (<https://sqlite.org/walformat.html#the_wal_index_header>): equal marks mean that nothing was committed between.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The state of the database at one moment; says nothing but whether it is still that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark([u8; 48]);

/// Where marks are read.
pub struct Marks {
    path: PathBuf,
    /// Never closed: closing any handle of a file takes the process's locks on it away, SQLite's among them.
    index: OnceLock<Option<ManuallyDrop<File>>>,
}

impl Marks {
    pub fn of(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-shm");
        Self { path: path.into(), index: OnceLock::new() }
    }

    /// The mark of now; absent where the file cannot be read.
    pub fn now(&self) -> Option<Mark> {
        let index = self.index.get_or_init(|| File::open(&self.path).ok().map(ManuallyDrop::new)).as_ref()?;
        let mut header = [0; 48];
        index.read_exact_at(&mut header, 0).ok()?;
        Some(Mark(header))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use diesel::connection::SimpleConnection;

    use crate::db::{Db, connect};
    use crate::error::Error;

    const CHANGE: &str = "INSERT OR REPLACE INTO settings (key, value) VALUES ('mark', '1')";

    #[tokio::test]
    async fn a_commit_of_this_process_or_another_changes_it_and_reading_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("drydock.db");
        let db = Db::open(&path).unwrap();
        let first = db.mark().expect("a mark");
        db.read(|conn| conn.batch_execute("SELECT * FROM settings").map_err(Error::internal)).await.unwrap();
        assert_eq!(db.mark(), Some(first));
        db.write(|conn| conn.batch_execute(CHANGE).map_err(Error::internal)).await.unwrap();
        let second = db.mark().expect("a mark");
        assert_ne!(second, first);
        // as the command line does beside a server
        connect(&path, false).unwrap().batch_execute(CHANGE).unwrap();
        assert_ne!(db.mark(), Some(second));
    }
}
