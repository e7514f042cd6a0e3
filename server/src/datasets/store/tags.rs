//! Rows of tags: names that point to a version until they are moved.

use diesel::prelude::*;

use crate::db::{Conn, schema::datasets::dataset_tags};
use crate::error::{Error, Result};

/// Tags of a dataset with their versions, by name.
pub fn tags(conn: &mut Conn, dataset_id: &str) -> Result<Vec<(String, i64)>> {
    dataset_tags::table
        .filter(dataset_tags::dataset_id.eq(dataset_id))
        .order(dataset_tags::tag)
        .select((dataset_tags::tag, dataset_tags::version))
        .load(conn)
        .map_err(Error::internal)
}

/// The version that the tag points to.
pub fn tag(conn: &mut Conn, dataset_id: &str, tag: &str) -> Result<Option<i64>> {
    dataset_tags::table
        .find((dataset_id, tag))
        .select(dataset_tags::version)
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// Sets or moves the tag; the version must be there.
pub fn set_tag(conn: &mut Conn, dataset_id: &str, tag: &str, version: i64) -> Result<()> {
    diesel::insert_into(dataset_tags::table)
        .values((dataset_tags::dataset_id.eq(dataset_id), dataset_tags::tag.eq(tag), dataset_tags::version.eq(version)))
        .on_conflict((dataset_tags::dataset_id, dataset_tags::tag))
        .do_update()
        .set(dataset_tags::version.eq(version))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn remove_tag(conn: &mut Conn, dataset_id: &str, tag: &str) -> Result<()> {
    diesel::delete(dataset_tags::table.find((dataset_id, tag))).execute(conn).map(drop).map_err(Error::internal)
}
