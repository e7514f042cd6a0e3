//! Rows that listings of a bucket read; their order is `fold`'s.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Bool, Text},
};

use super::fold::{AfterRow, Cursor, Page, Row, Wanted, fold};
use crate::{
    db::{Conn, schema::storage::bucket_objects},
    error::{Error, Result},
    storage::rules::{self, VersionId},
};

/// What a listing says of an object.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = bucket_objects)]
pub struct Listed {
    pub key: String,
    pub size_bytes: i64,
    pub modified_at: i64,
    pub etag: String,
    pub content_type: Option<String>,
}

/// One version in a listing of versions.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct ListedVersion {
    #[diesel(sql_type = Text)]
    pub key: String,
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
    #[diesel(sql_type = BigInt)]
    pub shelf: i64,
    #[diesel(sql_type = Bool)]
    pub is_null: bool,
    #[diesel(sql_type = Bool)]
    pub is_marker: bool,
    #[diesel(sql_type = BigInt)]
    pub size_bytes: i64,
    #[diesel(sql_type = BigInt)]
    pub modified_at: i64,
    #[diesel(sql_type = Text)]
    pub etag: String,
}

impl Row for Listed {
    type Place = ();

    fn key(&self) -> &String {
        &self.key
    }

    fn cursor(&self) -> Cursor<()> {
        Cursor::After(self.key.clone())
    }
}

impl Row for ListedVersion {
    type Place = i64;

    fn key(&self) -> &String {
        &self.key
    }

    fn cursor(&self) -> Cursor<i64> {
        Cursor::Within(self.key.clone(), self.seq)
    }
}

/// Where a listing of versions goes on; the place is a version's `seq`.
pub type AfterVersion = AfterRow<i64>;

impl ListedVersion {
    pub fn version_id(&self) -> VersionId {
        if self.is_null { VersionId::Null } else { VersionId::Seq(self.seq) }
    }
}

/// Current objects of the bucket.
pub fn objects(conn: &mut Conn, bucket: i64, wanted: &Wanted) -> Result<Page<Listed>> {
    let after = wanted.after.clone().map(|key| AfterRow { key, place: None });
    fold(wanted, after, |cursor, end, count| read_objects(conn, bucket, cursor, end, count))
}

fn read_objects(
    conn: &mut Conn,
    bucket: i64,
    cursor: &Cursor<()>,
    end: Option<&str>,
    count: usize,
) -> Result<Vec<Listed>> {
    let mut query = bucket_objects::table
        .filter(bucket_objects::bucket.eq(bucket))
        .filter(bucket_objects::shelf.eq(0))
        .order(bucket_objects::key)
        .limit(i64::try_from(count).unwrap_or(i64::MAX))
        .select(Listed::as_select())
        .into_boxed();
    query = match cursor {
        Cursor::At(key) => query.filter(bucket_objects::key.ge(key)),
        Cursor::After(key) | Cursor::Within(key, ()) => query.filter(bucket_objects::key.gt(key)),
    };
    if let Some(end) = end {
        query = query.filter(bucket_objects::key.lt(end));
    }
    query.load(conn).map_err(Error::internal)
}

/// Comes after every key.
fn past_all_keys() -> String {
    char::MAX.to_string().repeat(300)
}

/// How many current objects there are under the prefix, and their bytes.
pub fn totals(conn: &mut Conn, bucket: i64, prefix: &str) -> Result<(i64, i64)> {
    #[derive(QueryableByName)]
    struct Totals {
        #[diesel(sql_type = BigInt)]
        count: i64,
        #[diesel(sql_type = BigInt)]
        bytes: i64,
    }
    let end = rules::prefix_end(prefix).unwrap_or_else(past_all_keys);
    let totals: Totals = diesel::sql_query(
        "SELECT count(*) AS count, coalesce(sum(size_bytes), 0) AS bytes FROM bucket_objects
         WHERE bucket = ? AND shelf = 0 AND key >= ? AND key < ?",
    )
    .bind::<BigInt, _>(bucket)
    .bind::<Text, _>(prefix)
    .bind::<Text, _>(end)
    .get_result(conn)
    .map_err(Error::internal)?;
    Ok((totals.count, totals.bytes))
}

/// All versions and markers of the bucket, in the order of keys and then newest first.
pub fn versions(
    conn: &mut Conn,
    bucket: i64,
    wanted: &Wanted,
    after: Option<AfterVersion>,
) -> Result<Page<ListedVersion>> {
    fold(wanted, after, |cursor, end, count| {
        // a version's seq is never negative, and a key's newest comes first
        let from = match cursor {
            Cursor::At(key) => (key, i64::MAX),
            Cursor::After(key) => (key, -1),
            Cursor::Within(key, seq) => (key, *seq),
        };
        read_versions(conn, bucket, from, end, count)
    })
}

/// Versions of `key` older than `seq`, and all keys after it.
fn read_versions(
    conn: &mut Conn,
    bucket: i64,
    (key, seq): (&String, i64),
    end: Option<&str>,
    count: usize,
) -> Result<Vec<ListedVersion>> {
    const COLUMNS: &str = "key, seq, shelf, is_null, is_marker, size_bytes, modified_at, etag";
    let shelf = |shelf: u8| {
        format!(
            "SELECT {COLUMNS} FROM bucket_objects
             WHERE bucket = ?1 AND shelf = {shelf} AND key >= ?2 AND key < ?3 AND (key > ?2 OR seq < ?4)"
        )
    };
    let end = end.map_or_else(past_all_keys, str::to_owned);
    let sql = format!("{} UNION ALL {} ORDER BY key, seq DESC LIMIT ?5", shelf(0), shelf(1));
    diesel::sql_query(sql)
        .bind::<BigInt, _>(bucket)
        .bind::<Text, _>(key)
        .bind::<Text, _>(end)
        .bind::<BigInt, _>(seq)
        .bind::<BigInt, _>(i64::try_from(count).unwrap_or(i64::MAX))
        .load(conn)
        .map_err(Error::internal)
}
