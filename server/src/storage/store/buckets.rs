//! Rows of buckets and grants.

use diesel::prelude::*;
use drydock_wire::storage::{BucketAccess, CorsRule, LifecycleRule, Versioning};

use crate::{
    db::{
        Conn,
        schema::{
            accounts::people,
            storage::{bucket_grants, bucket_objects, bucket_uploads, buckets},
        },
    },
    error::{Error, Result},
    storage::refusals,
};

#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = buckets)]
pub struct BucketRow {
    pub id: i64,
    pub project_id: String,
    pub name: String,
    /// A person's id.
    pub owner: String,
    access: String,
    pub created_at: i64,
    versioning: String,
    pub quota_bytes: Option<i64>,
    lifecycle: Option<String>,
    cors: Option<String>,
    tags: Option<String>,
    pub size_bytes: i64,
    pub object_count: i64,
}

impl BucketRow {
    pub fn access(&self) -> BucketAccess {
        if self.access == "private" { BucketAccess::Private } else { BucketAccess::Project }
    }

    pub fn versioning(&self) -> Versioning {
        match self.versioning.as_str() {
            "on" => Versioning::On,
            "suspended" => Versioning::Suspended,
            _ => Versioning::Off,
        }
    }

    pub fn lifecycle(&self) -> Vec<LifecycleRule> {
        parsed(self.lifecycle.as_deref())
    }

    pub fn cors(&self) -> Vec<CorsRule> {
        parsed(self.cors.as_deref())
    }

    pub fn tags(&self) -> Vec<(String, String)> {
        parsed(self.tags.as_deref())
    }
}

/// What we wrote reads back; a rule that an older or newer version wrote otherwise counts as none.
fn parsed<T: serde::de::DeserializeOwned>(text: Option<&str>) -> Vec<T> {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn written<T: serde::Serialize>(list: &[T]) -> Result<Option<String>> {
    if list.is_empty() { Ok(None) } else { serde_json::to_string(list).map(Some).map_err(Error::internal) }
}

fn access_word(access: BucketAccess) -> &'static str {
    match access {
        BucketAccess::Project => "project",
        BucketAccess::Private => "private",
    }
}

fn versioning_word(versioning: Versioning) -> &'static str {
    match versioning {
        Versioning::Off => "off",
        Versioning::On => "on",
        Versioning::Suspended => "suspended",
    }
}

pub struct NewBucket<'a> {
    pub project_id: &'a str,
    pub name: &'a str,
    pub owner: &'a str,
    pub access: BucketAccess,
    pub versioned: bool,
    pub created_at: i64,
}

/// # Errors
/// `already_exists` when the name is taken.
pub fn insert(conn: &mut Conn, new: &NewBucket<'_>) -> Result<BucketRow> {
    if let Some(taken) = by_name(conn, new.name)? {
        return Err(refusals::bucket_exists(new.name, taken.owner == new.owner));
    }
    let versioning = if new.versioned { Versioning::On } else { Versioning::Off };
    diesel::insert_into(buckets::table)
        .values((
            buckets::project_id.eq(new.project_id),
            buckets::name.eq(new.name),
            buckets::owner.eq(new.owner),
            buckets::access.eq(access_word(new.access)),
            buckets::created_at.eq(new.created_at),
            buckets::versioning.eq(versioning_word(versioning)),
        ))
        .returning(BucketRow::as_returning())
        .get_result(conn)
        .map_err(Error::internal)
}

pub fn by_name(conn: &mut Conn, name: &str) -> Result<Option<BucketRow>> {
    buckets::table
        .filter(buckets::name.eq(name))
        .select(BucketRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

pub fn by_id(conn: &mut Conn, id: i64) -> Result<Option<BucketRow>> {
    buckets::table.find(id).select(BucketRow::as_select()).first(conn).optional().map_err(Error::internal)
}

/// Every bucket with its owner's username, by name.
pub fn all(conn: &mut Conn) -> Result<Vec<(BucketRow, String)>> {
    buckets::table
        .inner_join(people::table.on(people::id.eq(buckets::owner)))
        .select((BucketRow::as_select(), people::username))
        .order(buckets::name)
        .load(conn)
        .map_err(Error::internal)
}

/// What a change of settings sets; `None` leaves a thing as it is.
#[derive(Debug, Default, Clone)]
pub struct Change {
    pub access: Option<BucketAccess>,
    pub versioning: Option<Versioning>,
    pub quota_bytes: Option<Option<i64>>,
    pub lifecycle: Option<Vec<LifecycleRule>>,
    pub cors: Option<Vec<CorsRule>>,
    pub tags: Option<Vec<(String, String)>>,
}

pub fn update(conn: &mut Conn, id: i64, change: &Change) -> Result<()> {
    #[derive(AsChangeset, Default)]
    #[diesel(table_name = buckets)]
    struct Set {
        access: Option<&'static str>,
        versioning: Option<&'static str>,
        quota_bytes: Option<Option<i64>>,
        lifecycle: Option<Option<String>>,
        cors: Option<Option<String>>,
        tags: Option<Option<String>>,
    }
    let set = Set {
        access: change.access.map(access_word),
        versioning: change.versioning.map(versioning_word),
        quota_bytes: change.quota_bytes,
        lifecycle: change.lifecycle.as_deref().map(written).transpose()?,
        cors: change.cors.as_deref().map(written).transpose()?,
        tags: change.tags.as_deref().map(written).transpose()?,
    };
    match diesel::update(buckets::table.find(id)).set(set).execute(conn) {
        Ok(_) | Err(diesel::result::Error::QueryBuilderError(_)) => Ok(()),
        Err(source) => Err(Error::internal(source)),
    }
}

/// Counts what was added or taken away. Adding is held against the quota.
///
/// # Errors
/// `forbidden` (QuotaExceeded) when it would be more than the bucket may hold.
pub fn count(conn: &mut Conn, bucket: &BucketRow, bytes: i64, objects: i64) -> Result<()> {
    if bytes == 0 && objects == 0 {
        return Ok(());
    }
    let (size, quota): (i64, Option<i64>) = diesel::update(buckets::table.find(bucket.id))
        .set((
            buckets::size_bytes.eq(buckets::size_bytes + bytes),
            buckets::object_count.eq(buckets::object_count + objects),
        ))
        .returning((buckets::size_bytes, buckets::quota_bytes))
        .get_result(conn)
        .map_err(Error::internal)?;
    match quota {
        Some(quota) if bytes > 0 && size > quota => Err(refusals::over_quota(&bucket.name, quota)),
        _ => Ok(()),
    }
}

/// Whether nothing is in it: no version, no marker, no open upload.
pub fn is_empty(conn: &mut Conn, id: i64) -> Result<bool> {
    use diesel::dsl::exists;
    let objects = bucket_objects::table.filter(bucket_objects::bucket.eq(id));
    let uploads = bucket_uploads::table.filter(bucket_uploads::bucket.eq(id));
    let any: (bool, bool) =
        diesel::select((exists(objects), exists(uploads))).get_result(conn).map_err(Error::internal)?;
    Ok(!any.0 && !any.1)
}

/// Removes an empty bucket with its grants.
pub fn delete(conn: &mut Conn, id: i64) -> Result<()> {
    diesel::delete(buckets::table.find(id)).execute(conn).map(drop).map_err(Error::internal)
}

/// Usernames and whether they may write, by name.
pub fn grants(conn: &mut Conn, id: i64) -> Result<Vec<(String, bool)>> {
    bucket_grants::table
        .inner_join(people::table.on(people::id.eq(bucket_grants::person_id)))
        .filter(bucket_grants::bucket.eq(id))
        .select((people::username, bucket_grants::may_write))
        .order(people::username)
        .load(conn)
        .map_err(Error::internal)
}

/// Replaces all grants: person ids, and whether they may write.
pub fn set_grants(conn: &mut Conn, id: i64, grants: &[(String, bool)]) -> Result<()> {
    diesel::delete(bucket_grants::table.filter(bucket_grants::bucket.eq(id))).execute(conn).map_err(Error::internal)?;
    for (person_id, may_write) in grants {
        diesel::insert_into(bucket_grants::table)
            .values((
                bucket_grants::bucket.eq(id),
                bucket_grants::person_id.eq(person_id),
                bucket_grants::may_write.eq(may_write),
            ))
            .execute(conn)
            .map_err(Error::internal)?;
    }
    Ok(())
}
