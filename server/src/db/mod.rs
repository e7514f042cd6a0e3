//! The one SQLite file: `read` with a pool, `write` through one thread that commits many closures at once.
//!
//! Always holds: WAL mode with `synchronous=FULL`, so what `write` acknowledged survives a power cut; one writer in this
//! process; no await inside a transaction, since closures are synchronous. An error of commit's fsync is never retried
//! into a success: the process stops. Never here: a feature's rows or decisions.

mod mark;
mod migrate;
mod reserve;
pub mod schema;
mod sqlite;
mod writer;

use std::{path::Path, sync::Arc, time::Duration};

use diesel::{
    Connection, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection,
    r2d2::{ConnectionManager, CustomizeConnection, Pool},
    sql_types::Text,
};

use crate::error::{Error, Result};
pub use mark::Mark;
pub use migrate::{migrate, revert_all};
pub use writer::WriteStats;

/// The connection that closures get.
pub type Conn = SqliteConnection;

/// Below this, SQLite has the WAL-reset bug.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// Handle on the database; cheap to clone.
#[derive(Clone)]
pub struct Db {
    readers: Pool<ConnectionManager<Conn>>,
    writer: Arc<writer::Writer>,
    marks: Arc<mark::Marks>,
}

impl Db {
    /// Opens (or makes) the file, asserts SQLite's version and brings the schema up to date.
    pub fn open(path: &Path) -> Result<Self> {
        let reserve = reserve::Reserve::make_way(path);
        let mut conn = connect(path, false)?;
        assert_sqlite_version(&mut conn)?;
        migrate(&mut conn)?;
        let readers = Pool::builder()
            .max_size(8)
            .min_idle(Some(1))
            .connection_timeout(Duration::from_secs(10))
            // A file that is open stays open: asking it at each turn would double the cost of a small read.
            .test_on_check_out(false)
            .connection_customizer(Box::new(Reader))
            .build(ConnectionManager::new(path.to_string_lossy()))
            .map_err(Error::internal)?;
        drop(conn);
        let marks = Arc::new(mark::Marks::of(path));
        let path = path.to_owned();
        let writer = writer::Writer::start(move || connect(&path, false), move || reserve.keep())?;
        Ok(Self { readers, writer: Arc::new(writer), marks })
    }

    /// Runs `f` on a read-only connection, off the async threads. It sees one snapshot per statement.
    pub async fn read<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    {
        let pool = self.readers.clone();
        let work = move || {
            let mut conn = pool.get().map_err(|source| {
                Error::unavailable("The database is busy; try again in a moment.").with_source(source)
            })?;
            f(&mut conn)
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }

    /// As `read`, on the caller's own thread: for a look-up of one thing by its key, which takes microseconds where the way to
    /// another thread and back takes longer. Not for anything that may touch many rows.
    pub async fn glance<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    {
        match self.readers.try_get() {
            Some(mut conn) => f(&mut conn),
            // All connections are with long readers: wait for one where waiting holds nobody up.
            None => self.read(f).await,
        }
    }

    /// Runs `f` as a savepoint of the writer's next transaction. `Ok` means committed and on disk; an error of `f` undoes
    /// `f` alone. Closures run one after the other: keep them short, do no other IO in them.
    pub async fn write<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    {
        self.writer.run(f).await
    }

    /// Equal to an earlier one if nothing was committed between, by whatever process; absent where that cannot be told.
    pub fn mark(&self) -> Option<Mark> {
        self.marks.now()
    }

    /// Counters of the writer since the start.
    pub fn stats(&self) -> WriteStats {
        self.writer.stats()
    }
}

/// A connection of its own with the settings every connection has.
///
/// # Errors
/// When the file cannot be opened or is no database.
pub fn connect(path: &Path, read_only: bool) -> Result<Conn> {
    sqlite::set_up();
    let mut conn = Conn::establish(&path.to_string_lossy()).map_err(|source| {
        Error::unavailable(format!("The database {} cannot be opened.", path.display())).with_source(source)
    })?;
    configure(&mut conn, read_only).map_err(Error::internal)?;
    Ok(conn)
}

fn configure(conn: &mut Conn, read_only: bool) -> diesel::QueryResult<()> {
    conn.batch_execute(
        "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000; PRAGMA journal_size_limit = 67108864;",
    )?;
    if read_only { conn.batch_execute("PRAGMA query_only = ON;") } else { Ok(()) }
}

#[derive(Debug)]
struct Reader;

impl CustomizeConnection<Conn, diesel::r2d2::Error> for Reader {
    fn on_acquire(&self, conn: &mut Conn) -> std::result::Result<(), diesel::r2d2::Error> {
        configure(conn, true).map_err(diesel::r2d2::Error::QueryError)
    }
}

fn assert_sqlite_version(conn: &mut Conn) -> Result<()> {
    #[derive(diesel::QueryableByName)]
    struct Version {
        #[diesel(sql_type = Text)]
        version: String,
    }
    let row: Version =
        diesel::sql_query("SELECT sqlite_version() AS version").get_result(conn).map_err(Error::internal)?;
    let mut parts = row.version.split('.').map(|part| part.parse().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < OLDEST_SQLITE {
        return Err(Error::internal(anyhow::anyhow!("SQLite {} is too old: 3.51.3 or newer is needed", row.version)));
    }
    Ok(())
}

#[cfg(test)]
pub mod testing {
    //! A database in a temporary folder that lives as long as the value.
    #![allow(clippy::unwrap_used)]

    /// Keep the folder alive beside the handle.
    pub fn temporary() -> (tempfile::TempDir, super::Db) {
        let dir = tempfile::tempdir().unwrap();
        let db = super::Db::open(&dir.path().join("drydock.db")).unwrap();
        (dir, db)
    }

    /// A connection on a fresh, migrated in-memory database, for store functions.
    pub fn connection() -> super::Conn {
        let mut conn = super::connect(std::path::Path::new(":memory:"), false).unwrap();
        super::migrate(&mut conn).unwrap();
        conn
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use diesel::{connection::SimpleConnection, sql_types::BigInt};

    use super::*;

    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }

    fn count(conn: &mut Conn) -> i64 {
        diesel::sql_query("SELECT count(*) AS n FROM settings").get_result::<Count>(conn).unwrap().n
    }

    fn insert(conn: &mut Conn, key: &str) -> Result<()> {
        diesel::sql_query("INSERT INTO settings (key, value) VALUES (?, '')")
            .bind::<Text, _>(key)
            .execute(conn)
            .map(drop)
            .map_err(Error::internal)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_failed_closure_undoes_itself_alone() {
        let (_dir, db) = testing::temporary();
        let mut waiting = Vec::new();
        for i in 0..50 {
            let db = db.clone();
            waiting.push(tokio::spawn(async move {
                db.write(move |conn| {
                    insert(conn, &format!("k{i}"))?;
                    if i % 2 == 0 { Err(Error::conflict("no")) } else { Ok(()) }
                })
                .await
                .is_ok()
            }));
        }
        let mut kept = 0;
        for task in waiting {
            kept += i64::from(task.await.unwrap());
        }
        assert_eq!(kept, 25);
        assert_eq!(db.read(|conn| Ok(count(conn))).await.unwrap(), 25);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn writes_that_wait_share_one_commit() {
        let (_dir, db) = testing::temporary();
        let before = db.stats().commits;
        let slow = {
            let db = db.clone();
            tokio::spawn(async move {
                let pause = || std::thread::sleep(Duration::from_millis(300));
                db.write(move |conn| insert(conn, "slow").map(|()| pause())).await
            })
        };
        tokio::time::sleep(Duration::from_millis(50)).await;
        let waiting = (0..50).map(|i| {
            let db = db.clone();
            tokio::spawn(async move { db.write(move |conn| insert(conn, &format!("k{i}"))).await })
        });
        for task in waiting.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
        slow.await.unwrap().unwrap();
        let commits = db.stats().commits - before;
        assert!(commits <= 3, "51 writes took {commits} commits");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_in_a_closure_leaves_the_writer_alive() {
        let (_dir, db) = testing::temporary();
        let broken: Result<()> = db
            .write(|conn| {
                insert(conn, "lost")?;
                panic!("on purpose")
            })
            .await;
        assert_eq!(broken.unwrap_err().code, drydock_wire::ErrorCode::Internal);
        db.write(|conn| insert(conn, "kept")).await.unwrap();
        assert_eq!(db.read(|conn| Ok(count(conn))).await.unwrap(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_database_says_so_and_works_again_once_there_is_room() {
        let (_dir, db) = testing::temporary();
        let pages =
            |conn: &mut Conn, count: u32| conn.batch_execute(&format!("PRAGMA max_page_count = {count}")).unwrap();
        db.write(move |conn| {
            pages(conn, 1); // SQLite raises this to what the file has now
            Ok(())
        })
        .await
        .unwrap();
        let full = db.write(|conn| insert(conn, &"x".repeat(5_000_000))).await.unwrap_err();
        assert_eq!(full.code, drydock_wire::ErrorCode::InsufficientStorage);
        let _ = db
            .write(move |conn| {
                pages(conn, 1_000_000);
                Ok(())
            })
            .await;
        db.write(|conn| insert(conn, "kept")).await.unwrap();
        assert_eq!(db.read(|conn| Ok(count(conn))).await.unwrap(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn readers_cannot_write() {
        let (_dir, db) = testing::temporary();
        assert!(db.read(|conn| insert(conn, "x")).await.is_err());
    }

    #[test]
    fn migrations_go_up_and_down_and_up() {
        let mut conn = connect(Path::new(":memory:"), false).unwrap();
        migrate(&mut conn).unwrap();
        let after_up = schema_of(&mut conn);
        revert_all(&mut conn).unwrap();
        assert_eq!(schema_of(&mut conn), Vec::<String>::new());
        migrate(&mut conn).unwrap();
        assert_eq!(schema_of(&mut conn), after_up);
    }

    #[test]
    fn every_foreign_key_has_an_index() {
        #[derive(diesel::QueryableByName)]
        struct Missing {
            #[diesel(sql_type = Text)]
            at: String,
        }
        let mut conn = testing::connection();
        // The first column of some index (or of the primary key) must be the referring column.
        let missing: Vec<Missing> = diesel::sql_query(
            "SELECT m.name || '.' || f.\"from\" AS at FROM sqlite_master m, pragma_foreign_key_list(m.name) f
             WHERE m.type = 'table' AND f.seq = 0 AND NOT EXISTS (
               SELECT 1 FROM pragma_index_list(m.name) l, pragma_index_info(l.name) i WHERE i.seqno = 0 AND i.name = f.\"from\")
             AND NOT EXISTS (SELECT 1 FROM pragma_table_info(m.name) t WHERE t.pk = 1 AND t.name = f.\"from\")",
        )
        .load(&mut conn)
        .unwrap();
        assert_eq!(missing.into_iter().map(|m| m.at).collect::<Vec<_>>(), Vec::<String>::new());
    }

    fn schema_of(conn: &mut Conn) -> Vec<String> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            sql: String,
        }
        conn.batch_execute("SELECT 1").unwrap();
        diesel::sql_query(
            "SELECT coalesce(sql, '') AS sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'
             AND name NOT LIKE '__diesel%' AND tbl_name NOT LIKE '__diesel%' ORDER BY name",
        )
        .load::<Row>(conn)
        .unwrap()
        .into_iter()
        .map(|row| row.sql)
        .collect()
    }
}
