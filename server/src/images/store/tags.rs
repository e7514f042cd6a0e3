//! Rows of tags, and of where they pointed before.

use diesel::prelude::*;

use super::manifests::Manifest;
use crate::{
    accounts::Principal,
    db::{
        Conn,
        schema::images::{image_tag_moves, image_tags, manifests, repositories},
    },
    error::{Error, Result},
};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = image_tags)]
pub struct Tag {
    pub tag: String,
    pub manifest: i64,
    pub pushed_at: i64,
    pub pushed_by: String,
}

/// Latest push first.
pub fn of_repository(conn: &mut Conn, repository: i64) -> Result<Vec<Tag>> {
    image_tags::table
        .filter(image_tags::repository.eq(repository))
        .order((image_tags::pushed_at.desc(), image_tags::tag))
        .select(Tag::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// Tags after `last` in lexical order.
pub fn names_after(conn: &mut Conn, repository: &str, last: &str, count: i64) -> Result<Vec<String>> {
    let id = repositories::table.filter(repositories::name.eq(repository)).select(repositories::id);
    image_tags::table
        .filter(image_tags::repository.eq_any(id))
        .filter(image_tags::tag.gt(last))
        .order(image_tags::tag)
        .limit(count)
        .select(image_tags::tag)
        .load(conn)
        .map_err(Error::internal)
}

/// The tags of a manifest, by name.
pub fn of_manifest(conn: &mut Conn, manifest: i64) -> Result<Vec<String>> {
    image_tags::table
        .filter(image_tags::manifest.eq(manifest))
        .order(image_tags::tag)
        .select(image_tags::tag)
        .load(conn)
        .map_err(Error::internal)
}

/// Makes the tag point at the manifest from now on.
pub fn put(conn: &mut Conn, who: &Principal, repository: i64, tag: &str, manifest: &Manifest, at: i64) -> Result<()> {
    let before: Option<i64> = image_tags::table
        .find((repository, tag))
        .select(image_tags::manifest)
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    let row = (
        image_tags::repository.eq(repository),
        image_tags::tag.eq(tag),
        image_tags::manifest.eq(manifest.id),
        image_tags::pushed_at.eq(at),
        image_tags::pushed_by.eq(&who.username),
    );
    diesel::replace_into(image_tags::table).values(row).execute(conn).map_err(Error::internal)?;
    if manifest.untagged_at.is_some() {
        diesel::update(manifests::table.find(manifest.id))
            .set(manifests::untagged_at.eq(None::<i64>))
            .execute(conn)
            .map_err(Error::internal)?;
    }
    if before == Some(manifest.id) {
        return Ok(());
    }
    note_move(conn, who, repository, tag, Some(&manifest.name), at)?;
    before.map_or(Ok(()), |older| note_untagged(conn, older, at))
}

/// Removes the tag; whether it was there.
pub fn delete(conn: &mut Conn, who: &Principal, repository: i64, tag: &str, at: i64) -> Result<bool> {
    let before: Option<i64> = diesel::delete(image_tags::table.find((repository, tag)))
        .returning(image_tags::manifest)
        .get_result(conn)
        .optional()
        .map_err(Error::internal)?;
    let Some(manifest) = before else { return Ok(false) };
    note_move(conn, who, repository, tag, None, at)?;
    note_untagged(conn, manifest, at)?;
    Ok(true)
}

fn note_move(conn: &mut Conn, who: &Principal, repository: i64, tag: &str, name: Option<&str>, at: i64) -> Result<()> {
    diesel::insert_into(image_tag_moves::table)
        .values((
            image_tag_moves::repository.eq(repository),
            image_tag_moves::tag.eq(tag),
            image_tag_moves::name.eq(name),
            image_tag_moves::at.eq(at),
            image_tag_moves::moved_by.eq(&who.username),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// The time that untagged manifests are given counts from when their last tag went.
fn note_untagged(conn: &mut Conn, manifest: i64, at: i64) -> Result<()> {
    let tags: i64 = image_tags::table
        .filter(image_tags::manifest.eq(manifest))
        .count()
        .get_result(conn)
        .map_err(Error::internal)?;
    if tags > 0 {
        return Ok(());
    }
    diesel::update(manifests::table.find(manifest))
        .set(manifests::untagged_at.eq(at))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}
