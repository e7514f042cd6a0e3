//! Rows of uploads in parts, and of the parts.
//!
//! Always holds: parts of an open upload are counted in their bucket; a completed upload belongs to exactly one version of an
//! object, has only the parts that make it up, and goes with it.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Text},
};

use super::{
    buckets,
    fold::{AfterRow, Cursor, Page, Row, Wanted, fold},
    objects::{Content, ObjectRow},
};
use crate::{
    db::{
        Conn,
        schema::storage::{bucket_objects, bucket_parts, bucket_uploads},
    },
    error::{Error, Result},
    storage::{access::Entered, refusals},
};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = bucket_uploads)]
pub struct UploadRow {
    pub id: i64,
    pub upload_id: String,
    pub bucket: i64,
    pub key: String,
    pub person_id: String,
    pub begun_at: i64,
    pub completed_at: Option<i64>,
    pub content_type: Option<String>,
    /// See `about::About`.
    pub about: Option<String>,
    /// Algorithm of the parts' checksums: `crc32`, `sha256`, …
    pub checksum: Option<String>,
    /// The object gets one checksum over all bytes, not one over the parts' checksums.
    pub whole_checksum: bool,
    pub note: Option<String>,
}

impl UploadRow {
    /// # Errors
    /// `not_found` (NoSuchUpload) once it was completed.
    pub fn still_open(&self) -> Result<&Self> {
        if self.completed_at.is_some() { Err(refusals::no_such_upload()) } else { Ok(self) }
    }
}

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = bucket_uploads)]
pub struct NewUpload {
    pub upload_id: String,
    pub bucket: i64,
    pub key: String,
    pub person_id: String,
    pub begun_at: i64,
    pub content_type: Option<String>,
    pub about: Option<String>,
    pub checksum: Option<String>,
    pub whole_checksum: bool,
    pub note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = bucket_parts)]
pub struct PartRow {
    pub upload: i64,
    pub number: i64,
    pub digest: String,
    pub size_bytes: i64,
    /// 32 hex digits: the part's ETag.
    pub md5: String,
    /// Base64, of the upload's algorithm.
    pub checksum: Option<String>,
    pub modified_at: i64,
}

pub fn insert(conn: &mut Conn, new: &NewUpload) -> Result<UploadRow> {
    diesel::insert_into(bucket_uploads::table)
        .values(new)
        .returning(UploadRow::as_returning())
        .get_result(conn)
        .map_err(Error::internal)
}

/// The upload of that key, open or completed.
///
/// # Errors
/// `not_found` (NoSuchUpload), also when it is another bucket's or key's.
pub fn find(conn: &mut Conn, bucket: i64, key: &str, upload_id: &str) -> Result<UploadRow> {
    by_id(conn, upload_id)?.filter(|row| row.bucket == bucket && row.key == key).ok_or_else(refusals::no_such_upload)
}

/// As `find`, of one that is open.
pub fn open(conn: &mut Conn, bucket: i64, key: &str, upload_id: &str) -> Result<UploadRow> {
    let row = find(conn, bucket, key, upload_id)?;
    row.still_open()?;
    Ok(row)
}

/// The upload of that id, open or completed, in whatever bucket.
pub fn by_id(conn: &mut Conn, upload_id: &str) -> Result<Option<UploadRow>> {
    bucket_uploads::table
        .filter(bucket_uploads::upload_id.eq(upload_id))
        .select(UploadRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// The person's open upload that was begun with this note.
pub fn open_by_note(conn: &mut Conn, bucket: i64, key: &str, person_id: &str, note: &str) -> Result<Option<UploadRow>> {
    open_of(bucket)
        .filter(bucket_uploads::key.eq(key))
        .filter(bucket_uploads::person_id.eq(person_id))
        .filter(bucket_uploads::note.eq(note))
        .select(UploadRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn open_of(bucket: i64) -> _ {
    bucket_uploads::table.filter(bucket_uploads::bucket.eq(bucket)).filter(bucket_uploads::completed_at.is_null())
}

/// How many open uploads there are, and the bytes of their parts.
pub fn open_count(conn: &mut Conn, bucket: i64) -> Result<u64> {
    let count: i64 = open_of(bucket).count().get_result(conn).map_err(Error::internal)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Open uploads in the order of keys, then of their beginning, which is that of their ids.
pub fn list_open(conn: &mut Conn, bucket: i64, wanted: &Wanted, after: Option<AfterUpload>) -> Result<Page<UploadRow>> {
    fold(wanted, after, |cursor, end, count| read_open(conn, bucket, cursor, end, count))
}

/// Where a listing of uploads goes on; the place is an upload's id.
pub type AfterUpload = AfterRow<String>;

impl Row for UploadRow {
    type Place = String;

    fn key(&self) -> &String {
        &self.key
    }

    fn cursor(&self) -> Cursor<String> {
        Cursor::Within(self.key.clone(), self.upload_id.clone())
    }
}

fn read_open(
    conn: &mut Conn,
    bucket: i64,
    cursor: &Cursor<String>,
    end: Option<&str>,
    count: usize,
) -> Result<Vec<UploadRow>> {
    let mut query = open_of(bucket)
        .order((bucket_uploads::key, bucket_uploads::upload_id))
        .limit(i64::try_from(count).unwrap_or(i64::MAX))
        .select(UploadRow::as_select())
        .into_boxed();
    query = match cursor {
        Cursor::At(key) => query.filter(bucket_uploads::key.ge(key)),
        Cursor::After(key) => query.filter(bucket_uploads::key.gt(key)),
        // the first condition alone leads into the index
        Cursor::Within(key, id) => query
            .filter(bucket_uploads::key.ge(key))
            .filter(bucket_uploads::key.gt(key).or(bucket_uploads::upload_id.gt(id))),
    };
    if let Some(end) = end {
        query = query.filter(bucket_uploads::key.lt(end));
    }
    query.load(conn).map_err(Error::internal)
}

/// Uploads that were begun before `before`, under the prefix.
pub fn begun_before(conn: &mut Conn, bucket: i64, prefix: &str, before: i64, limit: i64) -> Result<Vec<UploadRow>> {
    let mut query = open_of(bucket)
        .filter(bucket_uploads::key.ge(prefix))
        .filter(bucket_uploads::begun_at.lt(before))
        .limit(limit)
        .select(UploadRow::as_select())
        .into_boxed();
    if let Some(end) = crate::storage::rules::prefix_end(prefix) {
        query = query.filter(bucket_uploads::key.lt(end));
    }
    query.load(conn).map_err(Error::internal)
}

/// Keeps a part, in place of an earlier one of that number.
pub fn put_part(conn: &mut Conn, bucket: &Entered, part: &PartRow) -> Result<()> {
    let before: Option<i64> = bucket_parts::table
        .find((part.upload, part.number))
        .select(bucket_parts::size_bytes)
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    diesel::replace_into(bucket_parts::table).values(part).execute(conn).map_err(Error::internal)?;
    buckets::count(conn, bucket, part.size_bytes - before.unwrap_or(0), 0)
}

/// Parts in order, after number `after`.
pub fn parts(conn: &mut Conn, upload: i64, after: i64, limit: i64) -> Result<Vec<PartRow>> {
    bucket_parts::table
        .filter(bucket_parts::upload.eq(upload))
        .filter(bucket_parts::number.gt(after))
        .order(bucket_parts::number)
        .limit(limit)
        .select(PartRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// A stretch of one part's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub digest: String,
    /// First byte, and the one after the last, within the part.
    pub from: u64,
    pub to: u64,
}

/// A part with the place that it has in the whole.
#[derive(QueryableByName)]
struct Placed {
    #[diesel(sql_type = Text)]
    digest: String,
    #[diesel(sql_type = BigInt)]
    begin: i64,
    #[diesel(sql_type = BigInt)]
    end: i64,
}

impl Placed {
    fn range(&self) -> (u64, u64) {
        (u64::try_from(self.begin).unwrap_or(0), u64::try_from(self.end).unwrap_or(0))
    }
}

const PLACED: &str = "SELECT digest, \"end\" - size_bytes AS begin, \"end\" FROM
    (SELECT number, digest, size_bytes, sum(size_bytes) OVER (ORDER BY number) AS \"end\" FROM bucket_parts WHERE upload = ?1)";

/// The parts that the bytes of the whole from `from` up to but not including `to` lie in, and where in them.
pub fn pieces(conn: &mut Conn, upload: i64, (from, to): (u64, u64)) -> Result<Vec<Piece>> {
    if from >= to {
        return Ok(vec![]);
    }
    let found: Vec<Placed> =
        diesel::sql_query(format!("{PLACED} WHERE \"end\" > ?2 AND \"end\" - size_bytes < ?3 ORDER BY number"))
            .bind::<BigInt, _>(upload)
            .bind::<BigInt, _>(i64::try_from(from).map_err(Error::internal)?)
            .bind::<BigInt, _>(i64::try_from(to).map_err(Error::internal)?)
            .load(conn)
            .map_err(Error::internal)?;
    let cut = |part: Placed| {
        let (begin, end) = part.range();
        Piece { from: from.max(begin) - begin, to: to.min(end) - begin, digest: part.digest }
    };
    Ok(found.into_iter().map(cut).collect())
}

/// First byte of that part in the whole, and the one after its last.
pub fn part_range(conn: &mut Conn, upload: i64, number: i64) -> Result<Option<(u64, u64)>> {
    let found: Option<Placed> = diesel::sql_query(format!("{PLACED} WHERE number = ?2"))
        .bind::<BigInt, _>(upload)
        .bind::<BigInt, _>(number)
        .get_result(conn)
        .optional()
        .map_err(Error::internal)?;
    Ok(found.as_ref().map(Placed::range))
}

pub fn all_parts(conn: &mut Conn, upload: i64) -> Result<Vec<PartRow>> {
    parts(conn, upload, -1, i64::MAX)
}

/// Ends the upload without these of its parts, which have so many bytes together.
pub fn complete(
    conn: &mut Conn,
    bucket: &Entered,
    upload: i64,
    (without, bytes): (&[i64], i64),
    at: i64,
) -> Result<()> {
    for number in without {
        diesel::delete(bucket_parts::table.find((upload, number))).execute(conn).map_err(Error::internal)?;
    }
    buckets::count(conn, bucket, -bytes, 0)?;
    diesel::update(bucket_uploads::table.find(upload))
        .set(bucket_uploads::completed_at.eq(at))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Takes an open upload away with its parts.
pub fn abort(conn: &mut Conn, bucket: &Entered, upload: i64) -> Result<()> {
    let bytes = part_bytes(conn, upload)?;
    diesel::delete(bucket_uploads::table.find(upload)).execute(conn).map_err(Error::internal)?;
    buckets::count(conn, bucket, -bytes, 0)
}

fn part_bytes(conn: &mut Conn, upload: i64) -> Result<i64> {
    use diesel::dsl::sql;
    bucket_parts::table
        .filter(bucket_parts::upload.eq(upload))
        .select(sql::<BigInt>("coalesce(sum(size_bytes), 0)"))
        .first(conn)
        .map_err(Error::internal)
}

/// The version that a completed upload became, if it still is there.
pub fn outcome(conn: &mut Conn, upload: i64) -> Result<Option<ObjectRow>> {
    bucket_objects::table
        .filter(bucket_objects::upload.eq(upload))
        .select(ObjectRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// The same parts once more, for a copy of the object, counted in the bucket of the copy.
pub fn copy(conn: &mut Conn, bucket: &Entered, from: i64, new: &NewUpload, at: i64) -> Result<Content> {
    let copied = insert(conn, new)?;
    diesel::sql_query(
        "INSERT INTO bucket_parts (upload, number, digest, size_bytes, md5, checksum, modified_at)
         SELECT ?1, number, digest, size_bytes, md5, checksum, ?2 FROM bucket_parts WHERE upload = ?3",
    )
    .bind::<BigInt, _>(copied.id)
    .bind::<BigInt, _>(at)
    .bind::<BigInt, _>(from)
    .execute(conn)
    .map_err(Error::internal)?;
    let bytes = part_bytes(conn, copied.id)?;
    buckets::count(conn, bucket, bytes, 0)?;
    diesel::update(bucket_uploads::table.find(copied.id))
        .set(bucket_uploads::completed_at.eq(at))
        .execute(conn)
        .map_err(Error::internal)?;
    Ok(Content::Parts(copied.id))
}
