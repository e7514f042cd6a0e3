//! The database file of series, apart from the main one: its tables, and reading and writing chunks. Functions take a connection and
//! so compose in one transaction.
//!
//! `metric_journal` has what was sampled since an hour's chunks were last written, a row a minute; a start reads it back.

use std::path::Path;

use diesel::{SqliteConnection, connection::SimpleConnection, prelude::*, sql_types::BigInt};

use super::point::{Point, Resolution, merged, rolled_up};
use super::{Identity, chunk};
use crate::db::{self, Conn};
use crate::error::{Error, Result};

/// Raised when the tables change; a file of another version is set aside, since nothing but charts depends on it.
const VERSION: i64 = 1;
/// Fast, and a fourth of the size.
const ZSTD_LEVEL: i32 = 3;
/// No journal row is larger when unpacked.
const MOST_JOURNAL_BYTES: usize = 256 << 20;
/// Bytes of one sample in the journal.
const JOURNAL_ENTRY: usize = 24;

diesel::table! {
    metric_series (id) {
        id -> BigInt,
        name -> Text,
        labels -> Text,
        is_counter -> Bool,
    }
}

diesel::table! {
    metric_families (name) {
        name -> Text,
        kind -> Text,
        help -> Text,
    }
}

diesel::table! {
    metric_chunks (resolution, start_at, series) {
        resolution -> BigInt,
        start_at -> BigInt,
        series -> BigInt,
        data -> Binary,
    }
}

diesel::table! {
    metric_journal (id) {
        id -> BigInt,
        hour -> BigInt,
        data -> Binary,
    }
}

diesel::table! {
    metric_state (key) {
        key -> Text,
        value -> BigInt,
    }
}

const TABLES: &str = "
    CREATE TABLE metric_series (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, labels TEXT NOT NULL, is_counter INTEGER NOT NULL,
      UNIQUE (name, labels)) STRICT;
    CREATE TABLE metric_families (name TEXT PRIMARY KEY NOT NULL, kind TEXT NOT NULL, help TEXT NOT NULL) STRICT;
    CREATE TABLE metric_chunks (resolution INTEGER NOT NULL, start_at INTEGER NOT NULL, series INTEGER NOT NULL, data BLOB NOT NULL,
      PRIMARY KEY (resolution, start_at, series)) STRICT;
    CREATE TABLE metric_journal (id INTEGER PRIMARY KEY NOT NULL, hour INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
    CREATE TABLE metric_state (key TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) STRICT;
    PRAGMA user_version = 1;";

/// A sample on its way to a chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    pub series: i64,
    pub at: i64,
    pub value: f64,
}

#[derive(QueryableByName)]
struct Figure {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

/// Opens the file or makes it. One that is no database of ours any more is set aside under another name and begun anew: charts must
/// not keep the box from starting.
pub fn open(path: &Path, now: i64) -> Result<Conn> {
    match try_open(path) {
        Ok(conn) => Ok(conn),
        Err(error) => {
            tracing::warn!(error.chain = ?error.source, "the metrics file cannot be used and is set aside: {error}");
            for ending in ["", "-wal", "-shm"] {
                let from = format!("{}{ending}", path.display());
                let _not_there = std::fs::rename(&from, format!("{}.broken-{now}{ending}", path.display()));
            }
            try_open(path)
        }
    }
}

fn try_open(path: &Path) -> Result<Conn> {
    let mut conn = db::connect(path, false)?;
    let version = figure(&mut conn, "SELECT user_version AS value FROM pragma_user_version")?;
    match version {
        0 => conn.batch_execute(TABLES).map_err(Error::internal)?,
        VERSION => {}
        other => return Err(Error::internal(anyhow::anyhow!("its tables have version {other}"))),
    }
    Ok(conn)
}

fn figure(conn: &mut Conn, sql: &str) -> Result<i64> {
    diesel::sql_query(sql).get_result::<Figure>(conn).map(|row| row.value).map_err(Error::internal)
}

/// Runs `f` whole or not at all.
pub fn whole<T>(conn: &mut Conn, f: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
    enum Failed {
        Ours(Error),
        Sqlite(diesel::result::Error),
    }
    impl From<diesel::result::Error> for Failed {
        fn from(error: diesel::result::Error) -> Self {
            Self::Sqlite(error)
        }
    }
    conn.immediate_transaction(|conn| f(conn).map_err(Failed::Ours)).map_err(|failed| match failed {
        Failed::Ours(error) => error,
        Failed::Sqlite(error) => Error::internal(error),
    })
}

/// Everything that has a number: series with it, and families.
pub struct Known {
    pub series: Vec<(i64, Identity)>,
    pub families: Vec<(String, String, String)>,
    pub entries: Vec<Entry>,
    pub believed_at: Option<i64>,
}

pub fn known(conn: &mut Conn) -> Result<Known> {
    let rows: Vec<(i64, String, String, bool)> = metric_series::table.load(conn).map_err(Error::internal)?;
    let identity = |(id, name, labels, is_counter): (i64, String, String, bool)| {
        Some((id, Identity { name, labels: serde_json::from_str(&labels).ok()?, is_counter }))
    };
    let journal: Vec<Vec<u8>> = metric_journal::table
        .order(metric_journal::id)
        .select(metric_journal::data)
        .load(conn)
        .map_err(Error::internal)?;
    let mut entries = vec![];
    for row in journal {
        entries.extend(unpacked(&row)?);
    }
    let believed_at = metric_state::table
        .find("believed_at")
        .select(metric_state::value)
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    Ok(Known {
        series: rows.into_iter().filter_map(identity).collect(),
        families: metric_families::table.load(conn).map_err(Error::internal)?,
        entries,
        believed_at,
    })
}

pub fn add_series(conn: &mut Conn, id: i64, of: &Identity) -> Result<()> {
    let labels = serde_json::to_string(&of.labels).map_err(Error::internal)?;
    diesel::insert_or_ignore_into(metric_series::table)
        .values((
            metric_series::id.eq(id),
            metric_series::name.eq(&of.name),
            metric_series::labels.eq(labels),
            metric_series::is_counter.eq(of.is_counter),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn put_family(conn: &mut Conn, name: &str, kind: &str, help: &str) -> Result<()> {
    diesel::replace_into(metric_families::table)
        .values((metric_families::name.eq(name), metric_families::kind.eq(kind), metric_families::help.eq(help)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn set_state(conn: &mut Conn, key: &str, value: i64) -> Result<()> {
    diesel::replace_into(metric_state::table)
        .values((metric_state::key.eq(key), metric_state::value.eq(value)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Writes samples of one hour into the journal.
pub fn note(conn: &mut Conn, hour: i64, entries: &[Entry]) -> Result<()> {
    diesel::insert_into(metric_journal::table)
        .values((metric_journal::hour.eq(hour), metric_journal::data.eq(packed(entries)?)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn forget_journal(conn: &mut Conn, hour: i64) -> Result<()> {
    diesel::delete(metric_journal::table.filter(metric_journal::hour.eq(hour)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Columns side by side, which zstd packs better than entries one after the other.
fn packed(entries: &[Entry]) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(entries.len() * JOURNAL_ENTRY);
    entries.iter().for_each(|entry| bytes.extend(entry.series.to_le_bytes()));
    entries.iter().for_each(|entry| bytes.extend(entry.at.to_le_bytes()));
    entries.iter().for_each(|entry| bytes.extend(entry.value.to_le_bytes()));
    zstd::bulk::compress(&bytes, ZSTD_LEVEL).map_err(Error::internal)
}

fn unpacked(row: &[u8]) -> Result<Vec<Entry>> {
    let bytes = zstd::bulk::decompress(row, MOST_JOURNAL_BYTES).map_err(Error::internal)?;
    let words: Vec<[u8; 8]> = bytes.as_chunks::<8>().0.to_vec();
    let count = words.len() / 3;
    let entry = |n: usize| Entry {
        series: i64::from_le_bytes(words[n]),
        at: i64::from_le_bytes(words[count + n]),
        value: f64::from_le_bytes(words[2 * count + n]),
    };
    Ok((0..count).map(entry).collect())
}

/// Adds the samples of one hour to the chunks of all three resolutions; what is there at the same instants gives way.
pub fn add_hour(conn: &mut Conn, series: i64, is_counter: bool, samples: Vec<Point>) -> Result<()> {
    let full = put(conn, series, is_counter, Resolution::Full, samples)?;
    let minutes = rolled_up(&full, Resolution::Minute);
    put(conn, series, is_counter, Resolution::Minute, minutes)?;
    put(conn, series, is_counter, Resolution::Hour, rolled_up(&full, Resolution::Hour)).map(drop)
}

/// Merges points of one chunk into it; the answer is the chunk as it is then.
pub fn put(
    conn: &mut Conn,
    series: i64,
    is_counter: bool,
    resolution: Resolution,
    points: Vec<Point>,
) -> Result<Vec<Point>> {
    let Some(first) = points.first() else { return Ok(vec![]) };
    let start = resolution.chunk(first.at);
    let key = (resolution.code(), start, series);
    let there: Option<Vec<u8>> =
        metric_chunks::table.find(key).select(metric_chunks::data).first(conn).optional().map_err(Error::internal)?;
    let known = there.map(|data| chunk::decode(&data, start, resolution)).transpose()?.unwrap_or_default();
    let all = merged(known, points);
    diesel::replace_into(metric_chunks::table)
        .values((
            metric_chunks::resolution.eq(key.0),
            metric_chunks::start_at.eq(key.1),
            metric_chunks::series.eq(key.2),
            metric_chunks::data.eq(chunk::encode(&all, resolution, is_counter)?),
        ))
        .execute(conn)
        .map_err(Error::internal)?;
    Ok(all)
}

/// The chunks of a series that may have points from `from` to `until`, in order of time.
pub fn chunks(conn: &mut Conn, series: i64, resolution: Resolution, from: i64, until: i64) -> Result<Vec<Point>> {
    let rows: Vec<(i64, Vec<u8>)> = metric_chunks::table
        .filter(metric_chunks::resolution.eq(resolution.code()))
        .filter(metric_chunks::start_at.between(resolution.chunk(from), until))
        .filter(metric_chunks::series.eq(series))
        .order(metric_chunks::start_at)
        .select((metric_chunks::start_at, metric_chunks::data))
        .load(conn)
        .map_err(Error::internal)?;
    let mut found = vec![];
    for (start, data) in rows {
        let points = chunk::decode(&data, start, resolution)?;
        found.extend(points.into_iter().filter(|point| point.at >= from && point.at <= until));
    }
    Ok(found)
}

/// Deletes chunks that are too old, and ones from a future that the clock has come back from.
pub fn prune(conn: &mut Conn, now: i64) -> Result<()> {
    for resolution in Resolution::ALL {
        let oldest = now - resolution.kept_ms() - resolution.chunk_ms();
        let wrong = now + Resolution::Minute.chunk_ms();
        let of = metric_chunks::table.filter(metric_chunks::resolution.eq(resolution.code()));
        diesel::delete(of.filter(metric_chunks::start_at.lt(oldest).or(metric_chunks::start_at.gt(wrong))))
            .execute(conn)
            .map_err(Error::internal)?;
    }
    Ok(())
}

/// Deletes the oldest chunks until the content is below `most_bytes`; says whether it had to.
pub fn fit(conn: &mut Conn, most_bytes: u64) -> Result<bool> {
    let mut had_to = false;
    while used_bytes(conn)? > most_bytes {
        let oldest: Option<(i64, i64)> = metric_chunks::table
            .order((metric_chunks::start_at, metric_chunks::resolution))
            .filter(metric_chunks::resolution.ne(Resolution::Hour.code()))
            .select((metric_chunks::resolution, metric_chunks::start_at))
            .first(conn)
            .optional()
            .map_err(Error::internal)?;
        let Some((resolution, start)) = oldest else { break };
        let of = metric_chunks::table.filter(metric_chunks::resolution.eq(resolution));
        diesel::delete(of.filter(metric_chunks::start_at.eq(start))).execute(conn).map_err(Error::internal)?;
        had_to = true;
    }
    Ok(had_to)
}

/// Pages in use; what was deleted is room for what comes.
pub fn used_bytes(conn: &mut Conn) -> Result<u64> {
    let sql = "SELECT (p.page_count - f.freelist_count) * s.page_size AS value
               FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size s";
    figure(conn, sql).map(|bytes| u64::try_from(bytes).unwrap_or(0))
}

/// Ids of series that have no chunk any more. Hours are kept longest, so who has none has nothing.
pub fn without_chunks(conn: &mut Conn) -> Result<Vec<i64>> {
    let sql = "SELECT id AS value FROM metric_series
               WHERE id NOT IN (SELECT series FROM metric_chunks WHERE resolution = 3600)";
    let rows: Vec<Figure> = diesel::sql_query(sql).load(conn).map_err(Error::internal)?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

pub fn forget_series(conn: &mut Conn, ids: &[i64]) -> Result<()> {
    for some in ids.chunks(500) {
        diesel::delete(metric_series::table.filter(metric_series::id.eq_any(some.to_vec())))
            .execute(conn)
            .map_err(Error::internal)?;
    }
    Ok(())
}

/// A connection that only reads.
pub fn reader(path: &Path) -> Result<SqliteConnection> {
    db::connect(path, true)
}
