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

/// What is said of a repository `r` besides its sizes.
const COUNTS: &str = "r.name AS name,
    (SELECT count(*) FROM image_tags t WHERE t.repository = r.id) AS tag_count,
    (SELECT count(*) FROM manifests m WHERE m.repository = r.id) AS manifest_count,
    (SELECT max(m.pushed_at) FROM manifests m WHERE m.repository = r.id) AS pushed_at,
    (SELECT m.pushed_by FROM manifests m WHERE m.repository = r.id ORDER BY m.pushed_at DESC LIMIT 1) AS pushed_by";

/// Of all repositories, by name. Looks at all that the registry holds.
pub fn of_all(conn: &mut Conn) -> Result<Vec<Figures>> {
    diesel::sql_query(format!(
        "WITH held AS (
            SELECT repository, digest, size_bytes FROM repository_blobs
            UNION SELECT repository, digest, size_bytes FROM manifests),
         spread AS (SELECT digest, count(*) AS n FROM held GROUP BY digest),
         sums AS (
            SELECT h.repository, sum(h.size_bytes) AS size_bytes, sum(CASE WHEN s.n = 1 THEN h.size_bytes ELSE 0 END) AS own_bytes
            FROM held h JOIN spread s ON s.digest = h.digest GROUP BY h.repository)
         SELECT {COUNTS}, coalesce(s.size_bytes, 0) AS size_bytes, coalesce(s.own_bytes, 0) AS own_bytes
         FROM repositories r LEFT JOIN sums s ON s.repository = r.id ORDER BY r.name"
    ))
    .load(conn)
    .map_err(Error::internal)
}

/// Of one repository. Looks at what it holds, and for each content at who else does.
pub fn of(conn: &mut Conn, repository: i64) -> Result<Figures> {
    diesel::sql_query(format!(
        "WITH held AS (
            SELECT digest, size_bytes FROM repository_blobs WHERE repository = ?1
            UNION SELECT digest, size_bytes FROM manifests WHERE repository = ?1),
         own AS (SELECT size_bytes FROM held h WHERE {ALONE})
         SELECT {COUNTS}, coalesce((SELECT sum(size_bytes) FROM held), 0) AS size_bytes,
            coalesce((SELECT sum(size_bytes) FROM own), 0) AS own_bytes
         FROM repositories r WHERE r.id = ?1"
    ))
    .bind::<BigInt, _>(repository)
    .get_result(conn)
    .map_err(Error::internal)
}

/// True of a content `h` that no repository has but the one bound first.
const ALONE: &str = "NOT EXISTS (SELECT 1 FROM repository_blobs o WHERE o.digest = h.digest AND o.repository <> ?1)
    AND NOT EXISTS (SELECT 1 FROM manifests o WHERE o.digest = h.digest AND o.repository <> ?1)";

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
    let rows: Vec<Held> = diesel::sql_query(format!(
        "SELECT h.name AS name, h.digest AS digest, h.size_bytes AS size_bytes FROM (
            SELECT repository, name, digest, size_bytes FROM repository_blobs WHERE repository = ?1
            UNION ALL SELECT repository, name, digest, size_bytes FROM manifests WHERE repository = ?1) h
         WHERE {ALONE}"
    ))
    .bind::<BigInt, _>(repository)
    .load(conn)
    .map_err(Error::internal)?;
    Ok(rows.into_iter().map(|row| (row.name, (row.digest, u64::try_from(row.size_bytes).unwrap_or(0)))).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use diesel::connection::SimpleConnection;

    use super::*;
    use crate::db::testing::connection;

    #[test]
    fn one_repository_has_the_figures_that_it_has_among_all() {
        let mut conn = connection();
        let mut sql = String::new();
        for digest in 1..=6 {
            sql += &format!(
                "INSERT INTO blobs (digest, size_bytes, data, touched_at) VALUES ('d{digest}', {digest}, x'', 0);"
            );
        }
        for repository in 1..=3 {
            sql += &format!(
                "INSERT INTO repositories (id, name, created_at, created_by) VALUES ({repository}, 'r{repository}', 0, 'ann');"
            );
        }
        // d1 alone under two names, d2 in both, d3 a layer there and a manifest here, d5 both in one repository
        for (repository, name, digest) in [
            (1, "sha256:1", 1),
            (1, "sha512:1", 1),
            (1, "sha256:2", 2),
            (2, "sha256:2", 2),
            (2, "sha256:3", 3),
            (2, "sha256:5", 5),
        ] {
            sql += &format!(
                "INSERT INTO repository_blobs VALUES ({repository}, '{name}', 'd{digest}', {digest}, 0, 'ann', 0);"
            );
        }
        for (repository, digest) in [(1, 3), (1, 4), (2, 5)] {
            sql += &format!(
                "INSERT INTO manifests (repository, name, digest, size_bytes, media_type, platforms, total_bytes, pushed_at, pushed_by)
                 VALUES ({repository}, 'sha256:{digest}', 'd{digest}', {digest}, 'x', '', 1, {digest}, 'ann');"
            );
        }
        conn.batch_execute(&sql).unwrap();
        let all = of_all(&mut conn).unwrap();
        let told = |of: &Figures| (of.name.clone(), of.manifest_count, of.size_bytes, of.own_bytes, of.pushed_at);
        assert_eq!(
            all.iter().map(told).collect::<Vec<_>>(),
            [
                ("r1".to_owned(), 2, 10, 5, Some(4)),
                ("r2".to_owned(), 1, 10, 5, Some(5)),
                ("r3".to_owned(), 0, 0, 0, None),
            ]
        );
        for (id, wanted) in (1..).zip(&all) {
            assert_eq!(told(&of(&mut conn, id).unwrap()), told(wanted));
        }
    }
}
