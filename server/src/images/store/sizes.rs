//! What repositories take on the box: equal content once, and how much of it no other repository has.

use std::collections::HashMap;

use diesel::{
    prelude::*,
    sql_types::{BigInt, Nullable, Text},
};

use crate::{
    db::Conn,
    error::{Error, Result},
};

/// Figures of one repository.
#[derive(Debug, Clone, QueryableByName)]
pub struct Figures {
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = BigInt)]
    pub tag_count: i64,
    #[diesel(sql_type = BigInt)]
    pub manifest_count: i64,
    #[diesel(sql_type = BigInt)]
    pub size_bytes: i64,
    #[diesel(sql_type = BigInt)]
    pub own_bytes: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub pushed_at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub pushed_by: Option<String>,
}

/// Of all repositories, or of the one of this name.
pub fn figures(conn: &mut Conn, only: Option<&str>) -> Result<Vec<Figures>> {
    diesel::sql_query(
        "WITH held AS (
            SELECT repository, digest, size_bytes FROM repository_blobs
            UNION SELECT repository, digest, size_bytes FROM manifests),
         spread AS (SELECT digest, count(*) AS n FROM held GROUP BY digest),
         sums AS (
            SELECT h.repository, sum(h.size_bytes) AS size_bytes, sum(CASE WHEN s.n = 1 THEN h.size_bytes ELSE 0 END) AS own_bytes
            FROM held h JOIN spread s ON s.digest = h.digest GROUP BY h.repository)
         SELECT r.name AS name,
            (SELECT count(*) FROM image_tags t WHERE t.repository = r.id) AS tag_count,
            (SELECT count(*) FROM manifests m WHERE m.repository = r.id) AS manifest_count,
            coalesce(s.size_bytes, 0) AS size_bytes, coalesce(s.own_bytes, 0) AS own_bytes,
            (SELECT max(m.pushed_at) FROM manifests m WHERE m.repository = r.id) AS pushed_at,
            (SELECT m.pushed_by FROM manifests m WHERE m.repository = r.id ORDER BY m.pushed_at DESC LIMIT 1) AS pushed_by
         FROM repositories r LEFT JOIN sums s ON s.repository = r.id
         WHERE ?1 IS NULL OR r.name = ?1 ORDER BY r.name",
    )
    .bind::<Nullable<Text>, _>(only)
    .load(conn)
    .map_err(Error::internal)
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// An index with its children and all that they refer to, each once.
pub fn with_children(conn: &mut Conn, manifest: i64) -> Result<i64> {
    let sum: Sum = diesel::sql_query(
        "WITH RECURSIVE family (id) AS (
            SELECT ? UNION
            SELECT m.id FROM family f JOIN manifest_refs r ON r.manifest = f.id AND r.kind = 'manifest'
                JOIN manifests m ON m.repository = r.repository AND m.name = r.name)
         SELECT coalesce((SELECT sum(size_bytes) FROM manifests WHERE id IN family), 0)
            + coalesce((SELECT sum(size_bytes) FROM (
                SELECT DISTINCT b.digest, b.size_bytes FROM manifest_refs r
                JOIN repository_blobs b ON b.repository = r.repository AND b.name = r.name
                WHERE r.manifest IN family AND r.kind <> 'manifest')), 0) AS bytes",
    )
    .bind::<BigInt, _>(manifest)
    .get_result(conn)
    .map_err(Error::internal)?;
    Ok(sum.bytes)
}

#[derive(QueryableByName)]
struct Held {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    digest: String,
    #[diesel(sql_type = BigInt)]
    size_bytes: i64,
}

/// Content of the repository that no other one has: name as it is referred to, digest and size.
pub fn held_alone(conn: &mut Conn, repository: i64) -> Result<HashMap<String, (String, u64)>> {
    let rows: Vec<Held> = diesel::sql_query(
        "SELECT h.name AS name, h.digest AS digest, h.size_bytes AS size_bytes FROM (
            SELECT repository, name, digest, size_bytes FROM repository_blobs WHERE repository = ?1
            UNION ALL SELECT repository, name, digest, size_bytes FROM manifests WHERE repository = ?1) h
         WHERE NOT EXISTS (SELECT 1 FROM repository_blobs o WHERE o.digest = h.digest AND o.repository <> ?1)
           AND NOT EXISTS (SELECT 1 FROM manifests o WHERE o.digest = h.digest AND o.repository <> ?1)",
    )
    .bind::<BigInt, _>(repository)
    .load(conn)
    .map_err(Error::internal)?;
    Ok(rows.into_iter().map(|row| (row.name, (row.digest, u64::try_from(row.size_bytes).unwrap_or(0)))).collect())
}
