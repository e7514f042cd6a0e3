//! Versions as earlier releases kept them: a row and an object per file. They are turned into manifests at the start.

use diesel::prelude::*;

use super::unsigned;
use crate::datasets::manifest::Entry;
use crate::db::Conn;
use crate::db::schema::datasets::{dataset_files, dataset_versions};
use crate::error::{Error, Result};
use crate::objects;

/// Where earlier releases linked files, `{dataset}/{version}/{path}`.
const OLD_BUCKET: &str = "datasets";

/// Versions without a manifest, oldest first: dataset and number.
pub fn old_versions(conn: &mut Conn) -> Result<Vec<(String, i64)>> {
    dataset_versions::table
        .filter(dataset_versions::manifest.is_null())
        .order((dataset_versions::dataset_id, dataset_versions::version))
        .select((dataset_versions::dataset_id, dataset_versions::version))
        .load(conn)
        .map_err(Error::internal)
}

/// Files of an old version in path order.
pub fn old_files(conn: &mut Conn, dataset_id: &str, version: i64) -> Result<Vec<Entry>> {
    let rows: Vec<(String, String, i64)> = dataset_files::table
        .filter(dataset_files::dataset_id.eq(dataset_id))
        .filter(dataset_files::version.eq(version))
        .order(dataset_files::path)
        .select((dataset_files::path, dataset_files::digest, dataset_files::size_bytes))
        .load(conn)
        .map_err(Error::internal)?;
    rows.into_iter().map(|(path, digest, size)| Entry::of(path, &digest, unsigned(size))).collect()
}

/// The version has this manifest from now on, and its old rows go.
pub fn turn(conn: &mut Conn, dataset_id: &str, version: i64, root: &str) -> Result<()> {
    diesel::update(dataset_versions::table.find((dataset_id, version)))
        .set(dataset_versions::manifest.eq(root))
        .execute(conn)
        .map_err(Error::internal)?;
    let rows = dataset_files::table.filter(dataset_files::dataset_id.eq(dataset_id));
    diesel::delete(rows.filter(dataset_files::version.eq(version))).execute(conn).map_err(Error::internal)?;
    objects::store::delete_prefix(conn, OLD_BUCKET, &format!("{dataset_id}/{version}/")).map(drop)
}
