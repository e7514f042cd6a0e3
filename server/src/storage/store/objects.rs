//! Rows of objects: the versions of a key, and what a write or a removal makes of them.
//!
//! Always holds: shelf 0 has at most one row per key, its newest, and never a delete marker; a bucket's counters change in the
//! transaction that changes its rows.

use diesel::prelude::*;
use drydock_wire::storage::Versioning;

use super::buckets;
use crate::{
    db::{
        Conn,
        schema::storage::{bucket_objects, bucket_uploads},
    },
    error::{Error, Result},
    storage::{access::Entered, rules::VersionId},
};

/// One version of an object, or a delete marker.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = bucket_objects)]
pub struct ObjectRow {
    pub bucket: i64,
    pub shelf: i64,
    pub key: String,
    pub seq: i64,
    pub is_null: bool,
    pub is_marker: bool,
    pub size_bytes: i64,
    pub modified_at: i64,
    /// Without quotes.
    pub etag: String,
    pub digest: Option<String>,
    pub upload: Option<i64>,
    pub content_type: Option<String>,
    /// See `about::About`.
    pub about: Option<String>,
}

impl ObjectRow {
    pub fn version_id(&self) -> VersionId {
        if self.is_null { VersionId::Null } else { VersionId::Seq(self.seq) }
    }

    pub fn size(&self) -> u64 {
        u64::try_from(self.size_bytes).unwrap_or(0)
    }
}

/// Where an object's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Blob(String),
    /// The parts of a completed upload.
    Parts(i64),
}

#[derive(Debug, Clone)]
pub struct NewObject {
    pub key: String,
    pub size_bytes: i64,
    pub modified_at: i64,
    pub etag: String,
    pub content: Content,
    pub content_type: Option<String>,
    pub about: Option<String>,
}

/// What the key holds now.
pub fn current(conn: &mut Conn, bucket: i64, key: &str) -> Result<Option<ObjectRow>> {
    bucket_objects::table
        .filter(bucket_objects::bucket.eq(bucket))
        .filter(bucket_objects::shelf.eq(0))
        .filter(bucket_objects::key.eq(key))
        .select(ObjectRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// The delete marker that hides the key, if that is its newest version.
pub fn hiding_marker(conn: &mut Conn, bucket: i64, key: &str) -> Result<Option<ObjectRow>> {
    Ok(newest(conn, bucket, key)?.filter(|row| row.is_marker))
}

/// That version of the key, which may be a marker.
pub fn version(conn: &mut Conn, bucket: i64, key: &str, wanted: VersionId) -> Result<Option<ObjectRow>> {
    let of_key = bucket_objects::table
        .filter(bucket_objects::bucket.eq(bucket))
        .filter(on_any_shelf())
        .filter(bucket_objects::key.eq(key))
        .select(ObjectRow::as_select());
    let found = match wanted {
        VersionId::Null => of_key.filter(bucket_objects::is_null.eq(true)).first(conn),
        VersionId::Seq(seq) => {
            of_key.filter(bucket_objects::seq.eq(seq)).filter(bucket_objects::is_null.eq(false)).first(conn)
        }
    };
    found.optional().map_err(Error::internal)
}

/// Leads into the primary key; a list (`eq_any`) would have the statement prepared anew each time.
#[diesel::dsl::auto_type(no_type_alias)]
fn on_any_shelf() -> _ {
    bucket_objects::shelf.eq(0_i64).or(bucket_objects::shelf.eq(1_i64))
}

/// Versions of the key, newest first, at most `limit`.
pub fn versions(conn: &mut Conn, bucket: i64, key: &str, limit: i64) -> Result<Vec<ObjectRow>> {
    bucket_objects::table
        .filter(bucket_objects::bucket.eq(bucket))
        .filter(on_any_shelf())
        .filter(bucket_objects::key.eq(key))
        .order(bucket_objects::seq.desc())
        .limit(limit)
        .select(ObjectRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// Writes a new version of its key, as the bucket's versioning has it.
///
/// # Errors
/// `forbidden` (QuotaExceeded) when the bucket may not hold that much.
pub fn insert(conn: &mut Conn, bucket: &Entered, new: NewObject) -> Result<ObjectRow> {
    let versioning = bucket.versioning();
    let before = current(conn, bucket.id, &new.key)?;
    let newest_seq = match (versioning, &before) {
        (Versioning::Off, _) => before.as_ref().map(|row| row.seq),
        (_, Some(row)) => Some(row.seq),
        (_, None) => newest(conn, bucket.id, &new.key)?.map(|row| row.seq),
    };
    let gone = make_room(conn, bucket, versioning, before, &new.key)?;
    let (digest, upload) = match new.content {
        Content::Blob(digest) => (Some(digest), None),
        Content::Parts(upload) => (None, Some(upload)),
    };
    let row = ObjectRow {
        bucket: bucket.id,
        shelf: 0,
        seq: next_seq(new.modified_at, newest_seq),
        key: new.key,
        is_null: versioning != Versioning::On,
        is_marker: false,
        size_bytes: new.size_bytes,
        modified_at: new.modified_at,
        etag: new.etag,
        digest,
        upload,
        content_type: new.content_type,
        about: new.about,
    };
    // the parts of an upload were counted when they came
    let bytes = if upload.is_some() { 0 } else { row.size_bytes };
    buckets::count(conn, bucket, bytes - gone.bytes, 1 - gone.objects)?;
    put(conn, &row)?;
    Ok(row)
}

/// What a removal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The version that is gone, or the marker that was made; none where versioning never was on.
    pub version: Option<VersionId>,
    /// A marker was made, or is what was removed.
    pub is_marker: bool,
}

/// Removes what the key holds: for good, or by a delete marker, as the bucket's versioning has it. Nothing there is no error.
pub fn remove(conn: &mut Conn, bucket: &Entered, key: &str, at: i64) -> Result<Removed> {
    let versioning = bucket.versioning();
    let before = current(conn, bucket.id, key)?;
    if versioning == Versioning::Off {
        if let Some(row) = before {
            erase(conn, bucket, &row)?;
        }
        return Ok(Removed { version: None, is_marker: false });
    }
    let newest_seq = match &before {
        Some(row) => Some(row.seq),
        None => newest(conn, bucket.id, key)?.map(|row| row.seq),
    };
    let gone = make_room(conn, bucket, versioning, before, key)?;
    buckets::count(conn, bucket, -gone.bytes, -gone.objects)?;
    let marker = ObjectRow {
        bucket: bucket.id,
        shelf: 1,
        key: key.to_owned(),
        seq: next_seq(at, newest_seq),
        is_null: versioning == Versioning::Suspended,
        is_marker: true,
        size_bytes: 0,
        modified_at: at,
        etag: String::new(),
        digest: None,
        upload: None,
        content_type: None,
        about: None,
    };
    put(conn, &marker)?;
    Ok(Removed { version: Some(marker.version_id()), is_marker: true })
}

/// Removes one version for good; what is newest then comes forward. `None` when there is no such version.
pub fn remove_version(conn: &mut Conn, bucket: &Entered, key: &str, wanted: VersionId) -> Result<Option<Removed>> {
    let Some(row) = version(conn, bucket.id, key, wanted)? else { return Ok(None) };
    erase(conn, bucket, &row)?;
    bring_forward(conn, bucket, key)?;
    Ok(Some(Removed { version: Some(row.version_id()), is_marker: row.is_marker }))
}

/// Changes what is said about a version; its content stays.
pub fn set_about(conn: &mut Conn, row: &ObjectRow, about: Option<&str>) -> Result<()> {
    diesel::update(bucket_objects::table.find((row.bucket, row.shelf, &row.key, row.seq)))
        .set(bucket_objects::about.eq(about))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Lets a version refer to one blob instead of the parts it was uploaded in.
pub fn set_whole(conn: &mut Conn, row: &ObjectRow, digest: &str) -> Result<()> {
    let Some(upload) = row.upload else { return Ok(()) };
    let swapped = diesel::update(
        bucket_objects::table
            .find((row.bucket, row.shelf, &row.key, row.seq))
            .filter(bucket_objects::upload.eq(upload)),
    )
    .set((bucket_objects::digest.eq(digest), bucket_objects::upload.eq(None::<i64>)))
    .execute(conn)
    .map_err(Error::internal)?;
    if swapped > 0 { drop_upload(conn, upload) } else { Ok(()) }
}

/// Up to `limit` rows of the bucket, whatever their shelf, erased: for the removal of a whole bucket. How many there were.
pub fn erase_some(conn: &mut Conn, bucket: &Entered, limit: i64) -> Result<usize> {
    let rows: Vec<ObjectRow> = bucket_objects::table
        .filter(bucket_objects::bucket.eq(bucket.id))
        .select(ObjectRow::as_select())
        .limit(limit)
        .load(conn)
        .map_err(Error::internal)?;
    for row in &rows {
        erase(conn, bucket, row)?;
    }
    Ok(rows.len())
}

/// What a bucket has less, to be counted once with all that the same write changes.
#[derive(Debug, Default, Clone, Copy)]
struct Gone {
    bytes: i64,
    objects: i64,
}

/// Removes a row and its own parts for good.
pub fn erase(conn: &mut Conn, bucket: &Entered, row: &ObjectRow) -> Result<()> {
    let gone = take_out(conn, row)?;
    buckets::count(conn, bucket, -gone.bytes, -gone.objects)
}

fn take_out(conn: &mut Conn, row: &ObjectRow) -> Result<Gone> {
    diesel::delete(bucket_objects::table.find((row.bucket, row.shelf, &row.key, row.seq)))
        .execute(conn)
        .map_err(Error::internal)?;
    if let Some(upload) = row.upload {
        drop_upload(conn, upload)?;
    }
    Ok(Gone { bytes: row.size_bytes, objects: i64::from(row.shelf == 0) })
}

/// Makes place on shelf 0 for what is newer: the row there goes for good or to the older versions.
fn make_room(
    conn: &mut Conn,
    bucket: &Entered,
    versioning: Versioning,
    before: Option<ObjectRow>,
    key: &str,
) -> Result<Gone> {
    let mut gone = Gone::default();
    let before_is_null = before.as_ref().is_some_and(|row| row.is_null);
    if let Some(row) = before {
        if versioning != Versioning::On && row.is_null {
            gone = take_out(conn, &row)?;
        } else {
            move_to_shelf(conn, &row, 1)?;
            gone.objects = 1;
        }
    }
    if versioning == Versioning::Suspended
        && !before_is_null
        && let Some(older) = version(conn, bucket.id, key, VersionId::Null)?
    {
        gone.bytes += take_out(conn, &older)?.bytes;
    }
    Ok(gone)
}

/// After a version went: the newest of the others is what the key holds, unless it is a marker.
fn bring_forward(conn: &mut Conn, bucket: &Entered, key: &str) -> Result<()> {
    match newest(conn, bucket.id, key)? {
        Some(row) if row.shelf == 1 && !row.is_marker => {
            move_to_shelf(conn, &row, 0)?;
            buckets::count(conn, bucket, 0, 1)
        }
        _ => Ok(()),
    }
}

fn newest(conn: &mut Conn, bucket: i64, key: &str) -> Result<Option<ObjectRow>> {
    if let Some(row) = current(conn, bucket, key)? {
        return Ok(Some(row));
    }
    bucket_objects::table
        .filter(bucket_objects::bucket.eq(bucket))
        .filter(bucket_objects::shelf.eq(1))
        .filter(bucket_objects::key.eq(key))
        .order(bucket_objects::seq.desc())
        .select(ObjectRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

fn move_to_shelf(conn: &mut Conn, row: &ObjectRow, shelf: i64) -> Result<()> {
    diesel::update(bucket_objects::table.find((row.bucket, row.shelf, &row.key, row.seq)))
        .set(bucket_objects::shelf.eq(shelf))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

fn put(conn: &mut Conn, row: &ObjectRow) -> Result<()> {
    diesel::insert_into(bucket_objects::table).values(row).execute(conn).map(drop).map_err(Error::internal)
}

fn drop_upload(conn: &mut Conn, upload: i64) -> Result<()> {
    // Somebody may be reading the object, part by part: what was not reached yet stays for its grace.
    diesel::sql_query(
        "UPDATE blobs SET touched_at = max(touched_at, ?) WHERE digest IN (SELECT digest FROM bucket_parts WHERE upload = ?)",
    )
    .bind::<diesel::sql_types::BigInt, _>(crate::clock::now_ms())
    .bind::<diesel::sql_types::BigInt, _>(upload)
    .execute(conn)
    .map_err(Error::internal)?;
    diesel::delete(bucket_uploads::table.find(upload)).execute(conn).map(drop).map_err(Error::internal)
}

/// Grows with each version of a key, whatever the clock does. Time in its upper bits, so that ids of different keys rarely meet.
fn next_seq(at: i64, newest: Option<i64>) -> i64 {
    (at.clamp(0, i64::MAX >> 21) << 20).max(newest.map_or(0, |seq| seq + 1))
}
