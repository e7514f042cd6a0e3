//! Listings: in key order, seeking past whole common prefixes instead of reading what is under them.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Bool, Text},
};

use crate::{
    db::{Conn, schema::storage::bucket_objects},
    error::{Error, Result},
    storage::rules::{self, Hidden, VersionId},
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

impl ListedVersion {
    pub fn version_id(&self) -> VersionId {
        if self.is_null { VersionId::Null } else { VersionId::Seq(self.seq) }
    }
}

/// What is to be listed. `delimiter` empty: no folding. `after`: only keys, and common prefixes, that come after this text.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub prefix: String,
    pub delimiter: String,
    pub after: Option<String>,
    pub limit: usize,
    /// Sorted, none a prefix of another: only keys under one of these. Empty: all.
    pub only: Vec<String>,
}

/// Objects and common prefixes, each in order; `last` is the greatest of both when there is more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub objects: Vec<T>,
    pub prefixes: Vec<String>,
    pub next: Option<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { objects: vec![], prefixes: vec![], next: None }
    }
}

/// Where reading goes on.
enum Cursor {
    At(String),
    After(String),
}

/// Current objects of the bucket.
pub fn objects(conn: &mut Conn, bucket: i64, wanted: &Wanted) -> Result<Page<Listed>> {
    let read = |cursor: &Cursor, end: Option<&str>, count: usize| read_objects(conn, bucket, cursor, end, count);
    fold(wanted, read, |row| &row.key)
}

fn read_objects(conn: &mut Conn, bucket: i64, cursor: &Cursor, end: Option<&str>, count: usize) -> Result<Vec<Listed>> {
    let mut query = bucket_objects::table
        .filter(bucket_objects::bucket.eq(bucket))
        .filter(bucket_objects::shelf.eq(0))
        .order(bucket_objects::key)
        .limit(i64::try_from(count).unwrap_or(i64::MAX))
        .select(Listed::as_select())
        .into_boxed();
    query = match cursor {
        Cursor::At(key) => query.filter(bucket_objects::key.ge(key)),
        Cursor::After(key) => query.filter(bucket_objects::key.gt(key)),
    };
    if let Some(end) = end {
        query = query.filter(bucket_objects::key.lt(end));
    }
    query.load(conn).map_err(Error::internal)
}

/// The listing itself, over anything that reads rows in key order from a cursor on.
fn fold<T>(
    wanted: &Wanted,
    mut read: impl FnMut(&Cursor, Option<&str>, usize) -> Result<Vec<T>>,
    key_of: impl Fn(&T) -> &String,
) -> Result<Page<T>> {
    let Wanted { prefix, delimiter, after, limit, only } = wanted;
    let end = rules::prefix_end(prefix);
    let mut page = Page::default();
    if *limit == 0 {
        return Ok(page);
    }
    let Some(mut cursor) = start(prefix, delimiter, after.as_deref()) else { return Ok(page) };
    // folders come with few rows read, plain objects in large batches
    let mut batch = if delimiter.is_empty() { *limit + 1 } else { (*limit + 1).min(16) };
    let mut last: Option<String> = None;
    'reading: loop {
        let rows = read(&cursor, end.as_deref(), batch)?;
        let is_over = rows.len() < batch;
        let mut skip_to: Option<String> = None;
        let mut last_key: Option<String> = None;
        for row in rows {
            let key = key_of(&row);
            if skip_to.as_ref().is_some_and(|bound| key < bound) {
                continue;
            }
            skip_to = None;
            match rules::hidden_until(key, only) {
                Hidden::No => {}
                Hidden::Until(bound) => {
                    skip_to = Some(bound.to_owned());
                    continue;
                }
                Hidden::ForGood => break 'reading,
            }
            if page.objects.len() + page.prefixes.len() == *limit {
                page.next = last;
                break 'reading;
            }
            match rules::common_prefix(key, prefix, delimiter) {
                Some(common) => {
                    let common = common.to_owned();
                    let Some(bound) = rules::prefix_end(&common) else { break 'reading };
                    last = Some(common.clone());
                    page.prefixes.push(common);
                    skip_to = Some(bound);
                }
                None => {
                    last = Some(key.clone());
                    last_key = Some(key.clone());
                    page.objects.push(row);
                }
            }
        }
        if is_over {
            break;
        }
        // of a folder only its first key is wanted; where there are none, many rows are
        batch = if skip_to.is_some() { (batch / 4).max(1) } else { (batch * 4).min(1001) };
        cursor = match (skip_to, last_key) {
            (Some(bound), _) => Cursor::At(bound),
            (None, Some(key)) => Cursor::After(key),
            (None, None) => break,
        };
    }
    Ok(page)
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
    let end = rules::prefix_end(prefix).unwrap_or_else(|| char::MAX.to_string().repeat(300));
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

/// Where a listing begins; `None` when nothing can come after.
fn start(prefix: &str, delimiter: &str, after: Option<&str>) -> Option<Cursor> {
    match after {
        Some(after) if after >= prefix => match rules::common_prefix(after, prefix, delimiter) {
            // that folder was listed: on with what follows it
            Some(common) => rules::prefix_end(common).map(Cursor::At),
            None => Some(Cursor::After(after.to_owned())),
        },
        _ => Some(Cursor::At(prefix.to_owned())),
    }
}

/// Where a listing of versions goes on: after that version of that key, or after the whole key.
#[derive(Debug, Clone)]
pub struct AfterVersion {
    pub key: String,
    pub seq: Option<i64>,
}

/// All versions and markers of the bucket, in the order of keys and then newest first. `next` of the page is not set; the caller
/// asks for one more than it shows.
pub fn versions(
    conn: &mut Conn,
    bucket: i64,
    wanted: &Wanted,
    after: Option<&AfterVersion>,
) -> Result<Page<ListedVersion>> {
    let Wanted { prefix, delimiter, limit, only, .. } = wanted;
    let end = rules::prefix_end(prefix).unwrap_or_else(|| char::MAX.to_string().repeat(300));
    let mut page = Page::default();
    let mut from = match after {
        None => (prefix.clone(), i64::MAX),
        Some(AfterVersion { key, .. }) if key < prefix => (prefix.clone(), i64::MAX),
        Some(AfterVersion { key, seq }) => match rules::common_prefix(key, prefix, delimiter) {
            Some(common) => match rules::prefix_end(common) {
                Some(bound) => (bound, i64::MAX),
                None => return Ok(page),
            },
            None => (key.clone(), seq.unwrap_or(0)),
        },
    };
    let batch = (*limit).clamp(1, 1001);
    loop {
        let rows = read_versions(conn, bucket, &from, &end, batch)?;
        let is_over = rows.len() < batch;
        let mut skip_to: Option<String> = None;
        for row in rows {
            if skip_to.as_ref().is_some_and(|bound| row.key < *bound) {
                continue;
            }
            skip_to = None;
            match rules::hidden_until(&row.key, only) {
                Hidden::No => {}
                Hidden::Until(bound) => {
                    from = (bound.to_owned(), i64::MAX);
                    skip_to = Some(bound.to_owned());
                    continue;
                }
                Hidden::ForGood => return Ok(page),
            }
            if page.objects.len() + page.prefixes.len() >= *limit {
                return Ok(page);
            }
            match rules::common_prefix(&row.key, prefix, delimiter) {
                Some(common) => {
                    page.prefixes.push(common.to_owned());
                    let Some(bound) = rules::prefix_end(common) else { return Ok(page) };
                    from = (bound.clone(), i64::MAX);
                    skip_to = Some(bound);
                }
                None => {
                    from = (row.key.clone(), row.seq);
                    page.objects.push(row);
                }
            }
        }
        if is_over {
            return Ok(page);
        }
    }
}

/// Versions of `key` older than `seq`, and all keys after it.
fn read_versions(
    conn: &mut Conn,
    bucket: i64,
    (key, seq): &(String, i64),
    end: &str,
    count: usize,
) -> Result<Vec<ListedVersion>> {
    const COLUMNS: &str = "key, seq, shelf, is_null, is_marker, size_bytes, modified_at, etag";
    let shelf = |shelf: u8| {
        format!(
            "SELECT {COLUMNS} FROM bucket_objects
             WHERE bucket = ?1 AND shelf = {shelf} AND key >= ?2 AND key < ?3 AND (key > ?2 OR seq < ?4)"
        )
    };
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
