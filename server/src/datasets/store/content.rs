//! What datasets keep alive: one row per dataset and content, whichever versions have it.

use diesel::prelude::*;

use super::unsigned;
use crate::db::Conn;
use crate::db::schema::datasets::{dataset_content, dataset_leftovers, dataset_versions};
use crate::db::schema::objects::blobs;
use crate::error::{Error, Result};

/// The dataset holds the content from now on.
///
/// # Errors
/// `conflict` when it is not on the box.
pub fn hold(conn: &mut Conn, dataset_id: &str, digest: &str) -> Result<()> {
    use diesel::result::{DatabaseErrorKind::ForeignKeyViolation, Error as DieselError};
    let row = (dataset_content::dataset_id.eq(dataset_id), dataset_content::digest.eq(digest));
    match diesel::insert_into(dataset_content::table).values(row).on_conflict_do_nothing().execute(conn) {
        Ok(_) => Ok(()),
        Err(DieselError::DatabaseError(ForeignKeyViolation, _)) => {
            Err(Error::conflict(format!("The content {digest} is not on the box; upload it again.")))
        }
        Err(source) => Err(Error::internal(source)),
    }
}

/// Size in bytes of content that the dataset holds.
pub fn held_size(conn: &mut Conn, dataset_id: &str, digest: &str) -> Result<Option<u64>> {
    let size: Option<i64> = dataset_content::table
        .inner_join(blobs::table.on(blobs::digest.eq(dataset_content::digest)))
        .filter(dataset_content::dataset_id.eq(dataset_id))
        .filter(dataset_content::digest.eq(digest))
        .select(blobs::size_bytes)
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    Ok(size.map(unsigned))
}

/// Digests that the dataset holds, after that one, in order.
pub fn holdings(conn: &mut Conn, dataset_id: &str, after: &str, limit: i64) -> Result<Vec<String>> {
    dataset_content::table
        .filter(dataset_content::dataset_id.eq(dataset_id))
        .filter(dataset_content::digest.gt(after))
        .order(dataset_content::digest)
        .limit(limit)
        .select(dataset_content::digest)
        .load(conn)
        .map_err(Error::internal)
}

/// The dataset holds these no more.
pub fn release(conn: &mut Conn, dataset_id: &str, digests: &[String]) -> Result<()> {
    for digest in digests {
        diesel::delete(dataset_content::table.find((dataset_id, digest))).execute(conn).map_err(Error::internal)?;
    }
    Ok(())
}

/// Notes that the dataset may hold more than its versions have.
pub fn note_leftover(conn: &mut Conn, id: &str, dataset_id: &str) -> Result<()> {
    diesel::insert_into(dataset_leftovers::table)
        .values((dataset_leftovers::id.eq(id), dataset_leftovers::dataset_id.eq(dataset_id)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn forget_leftovers(conn: &mut Conn, ids: &[String]) -> Result<()> {
    for id in ids {
        diesel::delete(dataset_leftovers::table.find(id)).execute(conn).map_err(Error::internal)?;
    }
    Ok(())
}

/// A dataset, and all notes about it.
pub type Leftover = (String, Vec<String>);

pub fn leftovers(conn: &mut Conn) -> Result<Vec<Leftover>> {
    let notes: Vec<(String, String)> = dataset_leftovers::table
        .select((dataset_leftovers::dataset_id, dataset_leftovers::id))
        .order((dataset_leftovers::dataset_id, dataset_leftovers::id))
        .load(conn)
        .map_err(Error::internal)?;
    let of_one = notes.chunk_by(|(one, _), (other, _)| one == other);
    let grouped = of_one.filter_map(|notes| {
        let (dataset_id, _) = notes.first()?;
        Some((dataset_id.clone(), notes.iter().map(|(_, id)| id.clone()).collect()))
    });
    Ok(grouped.collect())
}

/// Roots of the manifests of the dataset's versions.
pub fn roots(conn: &mut Conn, dataset_id: &str) -> Result<Vec<String>> {
    let roots: Vec<Option<String>> = dataset_versions::table
        .filter(dataset_versions::dataset_id.eq(dataset_id))
        .select(dataset_versions::manifest)
        .load(conn)
        .map_err(Error::internal)?;
    Ok(roots.into_iter().flatten().collect())
}
