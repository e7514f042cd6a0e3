//! Rows of repositories and their blobs. Each function composes in the caller's transaction.

pub mod collect;
pub mod manifests;
pub mod sizes;
pub mod tags;

use diesel::prelude::*;
use drydock_wire::images::Retention;

use super::reference::Digest;
use crate::{
    accounts::{self, Principal, Scope},
    db::{
        Conn,
        schema::{
            images::{repositories, repository_blobs},
            objects::damaged_blobs,
        },
    },
    error::{Error, Result},
};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = repositories)]
pub struct Repository {
    pub id: i64,
    pub name: String,
    keep_last: Option<i64>,
    keep_tags: String,
    untagged_days: Option<i64>,
}

impl Repository {
    pub fn retention(&self) -> Result<Retention> {
        let whole = |value: Option<i64>| value.and_then(|it| u32::try_from(it).ok());
        Ok(Retention {
            keep_last: whole(self.keep_last),
            keep_tags: serde_json::from_str(&self.keep_tags).map_err(Error::internal)?,
            untagged_days: whole(self.untagged_days),
        })
    }

    /// Whether anything goes by itself.
    pub fn has_rules(&self) -> bool {
        self.keep_last.is_some() || self.untagged_days.is_some()
    }
}

pub fn find(conn: &mut Conn, name: &str) -> Result<Option<Repository>> {
    repositories::table
        .filter(repositories::name.eq(name))
        .select(Repository::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// # Errors
/// `not_found`, in words.
pub fn require(conn: &mut Conn, name: &str) -> Result<Repository> {
    find(conn, name)?.ok_or_else(|| Error::not_found(format!("There is no repository {name}.")))
}

pub fn all(conn: &mut Conn) -> Result<Vec<Repository>> {
    repositories::table.order(repositories::name).select(Repository::as_select()).load(conn).map_err(Error::internal)
}

/// Names that are shown after `last`, in order.
pub fn names_after(conn: &mut Conn, scope: &Scope, last: &str, count: i64) -> Result<Vec<String>> {
    repositories::table
        .filter(diesel::dsl::sql::<diesel::sql_types::Bool>(&scope.sql("project_id")))
        .filter(repositories::name.gt(last))
        .order(repositories::name)
        .limit(count)
        .select(repositories::name)
        .load(conn)
        .map_err(Error::internal)
}

/// The repository, made by the first push.
pub fn ensure(conn: &mut Conn, who: &Principal, name: &str, at: i64) -> Result<Repository> {
    if let Some(found) = find(conn, name)? {
        return Ok(found);
    }
    diesel::insert_into(repositories::table)
        .values((
            repositories::project_id.eq(&who.project),
            repositories::name.eq(name),
            repositories::created_at.eq(at),
            repositories::created_by.eq(&who.username),
        ))
        .execute(conn)
        .map_err(Error::internal)?;
    accounts::audit(conn, who, "repository.create", &subject(name), serde_json::json!({}))?;
    require(conn, name)
}

pub fn subject(name: &str) -> String {
    format!("repository/{name}")
}

pub fn set_retention(conn: &mut Conn, repository: i64, rules: &Retention) -> Result<()> {
    let patterns = serde_json::to_string(&rules.keep_tags).map_err(Error::internal)?;
    diesel::update(repositories::table.find(repository))
        .set((
            repositories::keep_last.eq(rules.keep_last.map(i64::from)),
            repositories::keep_tags.eq(patterns),
            repositories::untagged_days.eq(rules.untagged_days.map(i64::from)),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// With everything in it, by foreign keys.
pub fn delete(conn: &mut Conn, repository: i64) -> Result<()> {
    diesel::delete(repositories::table.find(repository)).execute(conn).map(drop).map_err(Error::internal)
}

/// A blob of a repository.
#[derive(Debug, Clone)]
pub struct Blob {
    pub digest: String,
    pub size_bytes: i64,
    pub touched_at: i64,
}

fn of_repository(repository: &str, name: &Digest) -> repository_blobs::BoxedQuery<'static, diesel::sqlite::Sqlite> {
    let id = repositories::table.filter(repositories::name.eq(repository.to_owned())).select(repositories::id);
    repository_blobs::table
        .filter(repository_blobs::repository.eq_any(id))
        .filter(repository_blobs::name.eq(name.as_str().to_owned()))
        .into_boxed()
}

pub fn blob(conn: &mut Conn, repository: &str, name: &Digest) -> Result<Option<Blob>> {
    let columns = (repository_blobs::digest, repository_blobs::size_bytes, repository_blobs::touched_at);
    let row: Option<(String, i64, i64)> =
        of_repository(repository, name).select(columns).first(conn).optional().map_err(Error::internal)?;
    Ok(row.map(|(digest, size_bytes, touched_at)| Blob { digest, size_bytes, touched_at }))
}

/// As `blob`, unless its content was found damaged: who is told that it is not here sends it again, and heals it.
pub fn sound_blob(conn: &mut Conn, repository: &str, name: &Digest) -> Result<Option<Blob>> {
    let Some(found) = blob(conn, repository, name)? else { return Ok(None) };
    let damaged: Option<String> = damaged_blobs::table
        .find(&found.digest)
        .select(damaged_blobs::digest)
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    Ok(damaged.is_none().then_some(found))
}

/// What a repository is to have under a name.
#[derive(Debug, Clone)]
pub struct NewBlob {
    pub name: Digest,
    /// SHA-256 of the content.
    pub digest: String,
    pub size_bytes: i64,
}

/// # Errors
/// `conflict` when the content was collected meanwhile: it has to be pushed again.
pub fn put_blob(conn: &mut Conn, who: &Principal, repository: &str, blob: &NewBlob, at: i64) -> Result<()> {
    let repository = ensure(conn, who, repository, at)?;
    let put = diesel::insert_into(repository_blobs::table)
        .values((
            repository_blobs::repository.eq(repository.id),
            repository_blobs::name.eq(blob.name.as_str()),
            repository_blobs::digest.eq(&blob.digest),
            repository_blobs::size_bytes.eq(blob.size_bytes),
            repository_blobs::pushed_at.eq(at),
            repository_blobs::pushed_by.eq(&who.username),
            repository_blobs::touched_at.eq(at),
        ))
        .on_conflict((repository_blobs::repository, repository_blobs::name))
        .do_update()
        .set(repository_blobs::touched_at.eq(at))
        .execute(conn);
    use diesel::result::{DatabaseErrorKind::ForeignKeyViolation, Error as DieselError};
    match put {
        Ok(_) => Ok(()),
        Err(DieselError::DatabaseError(ForeignKeyViolation, _)) => {
            Err(Error::conflict(format!("The content {} is not on the box any more; push it again.", blob.digest)))
        }
        Err(source) => Err(Error::internal(source)),
    }
}

/// Somebody who may push was told that it is here: its grace begins anew. Whether it still was.
pub fn touch_blob(conn: &mut Conn, repository: &str, name: &Digest, at: i64) -> Result<bool> {
    let id = repositories::table.filter(repositories::name.eq(repository)).select(repositories::id);
    let row = repository_blobs::table
        .filter(repository_blobs::repository.eq_any(id))
        .filter(repository_blobs::name.eq(name.as_str()));
    diesel::update(row)
        .set(repository_blobs::touched_at.eq(at))
        .execute(conn)
        .map(|count| count > 0)
        .map_err(Error::internal)
}

pub fn delete_blob(conn: &mut Conn, repository: i64, name: &Digest) -> Result<bool> {
    diesel::delete(repository_blobs::table.find((repository, name.as_str())))
        .execute(conn)
        .map(|count| count > 0)
        .map_err(Error::internal)
}
