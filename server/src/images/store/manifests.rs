//! Rows of manifests and of what they refer to.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Text},
};

use super::Repository;
use crate::{
    accounts::Principal,
    db::{
        Conn,
        schema::images::{image_tags, manifest_refs, manifests, repositories, repository_blobs},
    },
    error::{Error, Result},
    images::{
        manifest::{self, Document, Kind, Reference},
        reference::{Digest, Target},
    },
    objects,
};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = manifests)]
pub struct Manifest {
    pub id: i64,
    pub name: String,
    pub digest: String,
    pub size_bytes: i64,
    pub media_type: String,
    pub artifact_type: Option<String>,
    pub subject: Option<String>,
    pub annotations: Option<String>,
    pub platforms: String,
    pub total_bytes: i64,
    pub pushed_at: i64,
    pub pushed_by: String,
    pub untagged_at: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = manifest_refs)]
pub struct ReferenceRow {
    pub manifest: i64,
    pub kind: String,
    pub name: String,
    pub size_bytes: i64,
    pub media_type: String,
}

/// What an answer to a client needs.
#[derive(Debug, Clone)]
pub struct Found {
    pub name: String,
    pub media_type: String,
    pub digest: String,
    pub size_bytes: i64,
}

/// The manifest of a tag or digest.
pub fn lookup(conn: &mut Conn, repository: &str, target: &Target) -> Result<Option<Found>> {
    let columns = (manifests::name, manifests::media_type, manifests::digest, manifests::size_bytes);
    let row: Option<(String, String, String, i64)> = match target {
        Target::Digest(digest) => manifests::table
            .inner_join(repositories::table)
            .filter(repositories::name.eq(repository))
            .filter(manifests::name.eq(digest.as_str()))
            .select(columns)
            .first(conn),
        Target::Tag(tag) => image_tags::table
            .inner_join(manifests::table)
            .inner_join(repositories::table.on(repositories::id.eq(image_tags::repository)))
            .filter(repositories::name.eq(repository))
            .filter(image_tags::tag.eq(tag))
            .select(columns)
            .first(conn),
    }
    .optional()
    .map_err(Error::internal)?;
    Ok(row.map(|(name, media_type, digest, size_bytes)| Found { name, media_type, digest, size_bytes }))
}

pub fn by_name(conn: &mut Conn, repository: i64, name: &str) -> Result<Option<Manifest>> {
    manifests::table
        .filter(manifests::repository.eq(repository))
        .filter(manifests::name.eq(name))
        .select(Manifest::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

pub fn of_repository(conn: &mut Conn, repository: i64) -> Result<Vec<Manifest>> {
    manifests::table
        .filter(manifests::repository.eq(repository))
        .order(manifests::pushed_at.desc())
        .select(Manifest::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// All references of a repository's manifests, in their order.
pub fn references_of_repository(conn: &mut Conn, repository: i64) -> Result<Vec<ReferenceRow>> {
    manifest_refs::table
        .filter(manifest_refs::repository.eq(repository))
        .order((manifest_refs::manifest, manifest_refs::position))
        .select(ReferenceRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

pub fn references(conn: &mut Conn, manifest: i64) -> Result<Vec<ReferenceRow>> {
    manifest_refs::table
        .filter(manifest_refs::manifest.eq(manifest))
        .order(manifest_refs::position)
        .select(ReferenceRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// Those whose `subject` it is, by name, after `last`.
pub fn referrers(conn: &mut Conn, repository: i64, subject: &str, last: &str, count: i64) -> Result<Vec<Manifest>> {
    manifests::table
        .filter(manifests::repository.eq(repository))
        .filter(manifests::subject.eq(subject))
        .filter(manifests::name.gt(last))
        .order(manifests::name)
        .limit(count)
        .select(Manifest::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// A manifest of the repository that refers to this.
pub fn referring(conn: &mut Conn, repository: i64, name: &str) -> Result<Option<String>> {
    manifest_refs::table
        .inner_join(manifests::table.on(manifests::id.eq(manifest_refs::manifest)))
        .filter(manifest_refs::repository.eq(repository))
        .filter(manifest_refs::name.eq(name))
        .select(manifests::name)
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// A manifest whose bytes are kept in this very transaction.
pub struct NewManifest<'a> {
    pub name: &'a Digest,
    /// SHA-256 of the content.
    pub digest: &'a str,
    pub size_bytes: i64,
    pub document: &'a Document,
}

/// Adds the manifest, or notes that it was pushed again.
///
/// # Errors
/// `not_found` when something that it refers to is not in the repository; `invalid` when its size is another.
pub fn put(
    conn: &mut Conn,
    who: &Principal,
    repository: &Repository,
    new: &NewManifest<'_>,
    at: i64,
) -> Result<Manifest> {
    let mut total_bytes = new.size_bytes;
    for (index, reference) in new.document.references.iter().enumerate() {
        let bytes = check(conn, repository, reference)?;
        let earlier = &new.document.references[..index];
        if !earlier.iter().any(|it| it.digest == reference.digest) {
            total_bytes += bytes;
        }
    }
    if let Some(known) = by_name(conn, repository.id, new.name.as_str())? {
        diesel::update(manifests::table.find(known.id))
            .set((
                manifests::pushed_at.eq(at),
                manifests::pushed_by.eq(&who.username),
                manifests::media_type.eq(&new.document.media_type),
                // an index that it is to be part of may be about to come: its time without a tag begins anew
                manifests::untagged_at.eq(None::<i64>),
            ))
            .execute(conn)
            .map_err(Error::internal)?;
        return Ok(known);
    }
    let document = new.document;
    let platforms = match document.image_config() {
        Some(config) => platform_of(conn, repository, config)?.unwrap_or_default(),
        None => document.platforms.join(" "),
    };
    let id = diesel::insert_into(manifests::table)
        .values((
            manifests::repository.eq(repository.id),
            manifests::name.eq(new.name.as_str()),
            manifests::digest.eq(new.digest),
            manifests::size_bytes.eq(new.size_bytes),
            manifests::media_type.eq(&document.media_type),
            manifests::artifact_type.eq(&document.artifact_type),
            manifests::subject.eq(document.subject.as_ref().map(Digest::as_str)),
            manifests::annotations.eq(&document.annotations),
            manifests::platforms.eq(platforms),
            (
                manifests::total_bytes.eq(total_bytes),
                manifests::pushed_at.eq(at),
                manifests::pushed_by.eq(&who.username),
            ),
        ))
        .returning(manifests::id)
        .get_result(conn)
        .map_err(Error::internal)?;
    for (position, reference) in (0_i64..).zip(&document.references) {
        insert_reference(conn, repository.id, id, position, reference)?;
    }
    if document.references.iter().any(|it| it.kind == Kind::Manifest) {
        // children of an index share layers: each counts once
        let total = super::sizes::with_children(conn, id)?;
        diesel::update(manifests::table.find(id))
            .set(manifests::total_bytes.eq(total))
            .execute(conn)
            .map_err(Error::internal)?;
    }
    by_name(conn, repository.id, new.name.as_str())?
        .ok_or_else(|| Error::internal(anyhow::anyhow!("the manifest is gone")))
}

fn insert_reference(conn: &mut Conn, repository: i64, manifest: i64, position: i64, it: &Reference) -> Result<()> {
    diesel::insert_into(manifest_refs::table)
        .values((
            manifest_refs::manifest.eq(manifest),
            manifest_refs::position.eq(position),
            manifest_refs::repository.eq(repository),
            manifest_refs::kind.eq(it.kind.as_str()),
            manifest_refs::name.eq(it.digest.as_str()),
            manifest_refs::size_bytes.eq(it.size_bytes),
            manifest_refs::media_type.eq(&it.media_type),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// What it takes on the box; nothing for what may lie elsewhere.
fn check(conn: &mut Conn, repository: &Repository, reference: &Reference) -> Result<i64> {
    let name = reference.digest.as_str();
    let size: Option<i64> = match reference.kind {
        Kind::Manifest => manifests::table
            .filter(manifests::repository.eq(repository.id))
            .filter(manifests::name.eq(name))
            .select(manifests::size_bytes)
            .first(conn),
        Kind::Config | Kind::Layer => {
            repository_blobs::table.find((repository.id, name)).select(repository_blobs::size_bytes).first(conn)
        }
    }
    .optional()
    .map_err(Error::internal)?;
    match size {
        Some(size) if size == reference.size_bytes => Ok(size),
        Some(size) => {
            Err(Error::invalid(format!("{name} has {size} bytes; the manifest says {}.", reference.size_bytes)))
        }
        None if reference.is_foreign => Ok(0),
        None => Err(Error::not_found(format!("{name} is not in {}; push it first.", repository.name))),
    }
}

/// Of a configuration that is small enough to be at hand.
fn platform_of(conn: &mut Conn, repository: &Repository, config: &Reference) -> Result<Option<String>> {
    let digest: Option<String> = repository_blobs::table
        .find((repository.id, config.digest.as_str()))
        .select(repository_blobs::digest)
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    let Some(digest) = digest else { return Ok(None) };
    let data = objects::store::blob(conn, &digest)?.and_then(|row| row.data);
    Ok(data.and_then(|bytes| manifest::platform_of_config(&bytes)))
}

/// With its tags and references.
pub fn delete(conn: &mut Conn, id: i64) -> Result<()> {
    diesel::delete(manifests::table.find(id)).execute(conn).map(drop).map_err(Error::internal)
}

#[derive(QueryableByName)]
struct NameRow {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Other repositories that have this content as a blob, by name.
pub fn others_with_blob(conn: &mut Conn, repository: i64, digest: &str) -> Result<Vec<String>> {
    let rows: Vec<NameRow> = diesel::sql_query(
        "SELECT DISTINCT r.name AS name FROM repository_blobs b JOIN repositories r ON r.id = b.repository
         WHERE b.digest = ? AND b.repository <> ? ORDER BY r.name LIMIT 50",
    )
    .bind::<Text, _>(digest)
    .bind::<BigInt, _>(repository)
    .load(conn)
    .map_err(Error::internal)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}
