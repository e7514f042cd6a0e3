//! Rows of uploads in parts, and of the parts.
//!
//! Always holds: parts of an open upload are counted in their bucket; a completed upload belongs to exactly one version of an
//! object, has only the parts that make it up, and goes with it.

use diesel::prelude::*;

use super::{
    buckets,
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
    bucket_uploads::table
        .filter(bucket_uploads::upload_id.eq(upload_id))
        .filter(bucket_uploads::bucket.eq(bucket))
        .filter(bucket_uploads::key.eq(key))
        .select(UploadRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)?
        .ok_or_else(refusals::no_such_upload)
}

/// As `find`, of one that is open.
pub fn open(conn: &mut Conn, bucket: i64, key: &str, upload_id: &str) -> Result<UploadRow> {
    let row = find(conn, bucket, key, upload_id)?;
    if row.completed_at.is_some() { Err(refusals::no_such_upload()) } else { Ok(row) }
}

/// The upload of that id, open or completed.
pub fn by_id(conn: &mut Conn, bucket: i64, upload_id: &str) -> Result<Option<UploadRow>> {
    bucket_uploads::table
        .filter(bucket_uploads::upload_id.eq(upload_id))
        .filter(bucket_uploads::bucket.eq(bucket))
        .select(UploadRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// Who began the upload of that id.
pub fn beginner(conn: &mut Conn, upload_id: &str) -> Result<Option<String>> {
    bucket_uploads::table
        .filter(bucket_uploads::upload_id.eq(upload_id))
        .select(bucket_uploads::person_id)
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

/// Open uploads under the prefix in the order of keys, then of their beginning; after that key (and that upload of it).
pub fn list_open(
    conn: &mut Conn,
    bucket: i64,
    prefix: &str,
    after: Option<(&str, Option<i64>)>,
    limit: usize,
) -> Result<Vec<UploadRow>> {
    let mut query = open_of(bucket)
        .filter(bucket_uploads::key.ge(prefix))
        .order((bucket_uploads::key, bucket_uploads::id))
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .select(UploadRow::as_select())
        .into_boxed();
    if let Some(end) = crate::storage::rules::prefix_end(prefix) {
        query = query.filter(bucket_uploads::key.lt(end));
    }
    query = match after {
        None => query,
        Some((key, None)) => query.filter(bucket_uploads::key.gt(key)),
        Some((key, Some(id))) => {
            query.filter(bucket_uploads::key.gt(key).or(bucket_uploads::key.eq(key).and(bucket_uploads::id.gt(id))))
        }
    };
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

pub fn all_parts(conn: &mut Conn, upload: i64) -> Result<Vec<PartRow>> {
    parts(conn, upload, -1, i64::MAX)
}

/// Ends the upload, with only these parts: the others go. The bytes that stay.
pub fn complete(conn: &mut Conn, bucket: &Entered, upload: i64, kept: &[i64], at: i64) -> Result<i64> {
    let all = all_parts(conn, upload)?;
    let (mut stay, mut gone) = (0, 0);
    for part in &all {
        if kept.binary_search(&part.number).is_ok() {
            stay += part.size_bytes;
        } else {
            gone += part.size_bytes;
            diesel::delete(bucket_parts::table.find((upload, part.number))).execute(conn).map_err(Error::internal)?;
        }
    }
    buckets::count(conn, bucket, -gone, 0)?;
    diesel::update(bucket_uploads::table.find(upload))
        .set(bucket_uploads::completed_at.eq(at))
        .execute(conn)
        .map_err(Error::internal)?;
    Ok(stay)
}

/// Takes an open upload away with its parts.
pub fn abort(conn: &mut Conn, bucket: &Entered, upload: i64) -> Result<()> {
    let bytes: i64 = all_parts(conn, upload)?.iter().map(|part| part.size_bytes).sum();
    diesel::delete(bucket_uploads::table.find(upload)).execute(conn).map_err(Error::internal)?;
    buckets::count(conn, bucket, -bytes, 0)
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
    let parts: Vec<PartRow> =
        all_parts(conn, from)?.into_iter().map(|part| PartRow { upload: copied.id, modified_at: at, ..part }).collect();
    for part in &parts {
        diesel::insert_into(bucket_parts::table).values(part).execute(conn).map_err(Error::internal)?;
    }
    buckets::count(conn, bucket, parts.iter().map(|part| part.size_bytes).sum(), 0)?;
    diesel::update(bucket_uploads::table.find(copied.id))
        .set(bucket_uploads::completed_at.eq(at))
        .execute(conn)
        .map_err(Error::internal)?;
    Ok(Content::Parts(copied.id))
}
