//! What may go: blobs of a repository that no manifest of it refers to.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Text},
};

use crate::{
    db::Conn,
    error::{Error, Result},
};

#[derive(Debug, Clone, Default, QueryableByName)]
pub struct Unreferenced {
    #[diesel(sql_type = BigInt)]
    pub repository: i64,
    #[diesel(sql_type = Text)]
    pub name: String,
}

const NOTHING_REFERS: &str = "NOT EXISTS (SELECT 1 FROM manifest_refs r
    WHERE r.repository = repository_blobs.repository AND r.name = repository_blobs.name)";

/// What looks like it, untouched since `before`, in order, after that one. Only a hint, `forget` decides.
pub fn unreferenced(conn: &mut Conn, before: i64, after: &Unreferenced, count: i64) -> Result<Vec<Unreferenced>> {
    diesel::sql_query(format!(
        "SELECT repository, name FROM repository_blobs WHERE (repository, name) > (?, ?) AND touched_at < ? AND {NOTHING_REFERS}
         ORDER BY repository, name LIMIT ?"
    ))
    .bind::<BigInt, _>(after.repository)
    .bind::<Text, _>(&after.name)
    .bind::<BigInt, _>(before)
    .bind::<BigInt, _>(count)
    .load(conn)
    .map_err(Error::internal)
}

/// Takes those away that still are: in one transaction with the look, so that a manifest that comes meanwhile either is seen here or
/// finds them gone and says so. How many went.
pub fn forget(conn: &mut Conn, candidates: &[Unreferenced], before: i64) -> Result<usize> {
    let mut gone = 0;
    for blob in candidates {
        gone += diesel::sql_query(format!(
            "DELETE FROM repository_blobs WHERE repository = ? AND name = ? AND touched_at < ? AND {NOTHING_REFERS}"
        ))
        .bind::<BigInt, _>(blob.repository)
        .bind::<Text, _>(&blob.name)
        .bind::<BigInt, _>(before)
        .execute(conn)
        .map_err(Error::internal)?;
    }
    Ok(gone)
}
