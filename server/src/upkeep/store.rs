//! Sums over what the features keep, and the words for who needs a content. The one place besides `overview` that reads
//! tables of others; tests run its statements against the migrated schema.

use diesel::{
    QueryableByName, RunQueryDsl, sql_query,
    sql_types::{BigInt, Text},
};
use drydock_wire::store::{ReclaimKind, Reclaimable, StoreUse, StoreUser};

use crate::{
    db::Conn,
    error::{Error, Result},
    objects::referrers::{self, Referrers},
    tracking::ARTIFACT_BUCKET,
};

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

fn sums(conn: &mut Conn, sql: &str) -> Result<Vec<Sum>> {
    sql_query(sql).load(conn).map_err(Error::internal)
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// Objects of the store itself: artifacts, logs, code, and parts on their way. Every content once per bucket.
const OBJECTS: &str = "SELECT bucket AS name, sum(objects) AS count, sum(size_bytes) AS bytes FROM
    (SELECT bucket, digest, count(*) AS objects FROM objects GROUP BY bucket, digest) JOIN blobs USING (digest)
    GROUP BY bucket";

/// Who keeps how much.
pub fn uses(conn: &mut Conn) -> Result<Vec<StoreUse>> {
    let mut uses: Vec<StoreUse> = sums(conn, OBJECTS)?
        .into_iter()
        .map(|sum| match kind_of(&sum.name) {
            StoreUser::Other => one_use(StoreUser::Other, sum),
            kind => one_use(kind, Sum { name: String::new(), ..sum }),
        })
        .collect();
    for (kind, sql) in NAMED_USES {
        uses.extend(sums(conn, sql)?.into_iter().map(|sum| one_use(kind, sum)));
    }
    Ok(uses)
}

fn one_use(kind: StoreUser, sum: Sum) -> StoreUse {
    StoreUse { kind, name: sum.name, object_count: unsigned(sum.count), size_bytes: unsigned(sum.bytes) }
}

/// What has a name of its own, each content once.
const NAMED_USES: [(StoreUser, &str); 3] = [
    (StoreUser::Bucket, "SELECT name, object_count AS count, size_bytes AS bytes FROM buckets"),
    (
        StoreUser::Dataset,
        "SELECT coalesce(name, '(deleted)') AS name, count(*) AS count, sum(size_bytes) AS bytes
         FROM dataset_content JOIN blobs USING (digest) LEFT JOIN datasets ON datasets.id = dataset_id GROUP BY dataset_id",
    ),
    (
        StoreUser::Repository,
        "SELECT repositories.name AS name, count(*) AS count, sum(size_bytes) AS bytes FROM
         (SELECT repository, digest, size_bytes FROM repository_blobs UNION SELECT repository, digest, size_bytes FROM manifests) held
         JOIN repositories ON repositories.id = held.repository GROUP BY repositories.id",
    ),
];

/// One row each: how much of it there is.
const CAN_GO: [(ReclaimKind, &str); 4] = [
    (
        ReclaimKind::Trash,
        "SELECT '' AS name, count(*) AS count, coalesce(sum(size_bytes), 0) AS bytes FROM
         (SELECT DISTINCT objects.digest, blobs.size_bytes FROM runs
            JOIN objects ON objects.bucket = 'mlflow'
                AND objects.key >= runs.experiment_id || '/' || runs.run_id || '/'
                AND objects.key < runs.experiment_id || '/' || runs.run_id || '0'
            JOIN blobs USING (digest)
          WHERE runs.deleted_at IS NOT NULL)",
    ),
    (
        ReclaimKind::OpenUploads,
        "SELECT '' AS name, sum(count) AS count, sum(bytes) AS bytes FROM
         (SELECT count(*) AS count, coalesce(sum(size_bytes), 0) AS bytes
            FROM objects JOIN blobs USING (digest) WHERE bucket IN ('mlflow-uploads', 'file-uploads')
          UNION ALL
          SELECT count(*), coalesce(sum(size_bytes), 0)
            FROM bucket_uploads JOIN bucket_parts ON bucket_parts.upload = bucket_uploads.id WHERE completed_at IS NULL)",
    ),
    (
        ReclaimKind::OldObjectVersions,
        "SELECT '' AS name, count(*) AS count, coalesce(sum(size_bytes), 0) AS bytes
         FROM bucket_objects WHERE shelf = 1 AND NOT is_marker",
    ),
    (
        // with the layers that no other manifest of the repository has
        ReclaimKind::UntaggedImages,
        "WITH loose AS (SELECT id, repository, size_bytes FROM manifests AS m WHERE subject IS NULL
            AND NOT EXISTS (SELECT 1 FROM image_tags WHERE image_tags.manifest = m.id)
            AND NOT EXISTS (SELECT 1 FROM manifest_refs AS part WHERE part.repository = m.repository AND part.name = m.name))
         SELECT '' AS name, (SELECT count(*) FROM loose) AS count, coalesce(sum(size_bytes), 0) AS bytes FROM
         (SELECT size_bytes FROM loose
          UNION ALL
          SELECT size_bytes FROM (SELECT DISTINCT layer.repository, layer.name, layer.size_bytes
            FROM loose JOIN manifest_refs AS layer ON layer.manifest = loose.id
            WHERE NOT EXISTS (SELECT 1 FROM manifest_refs AS other WHERE other.repository = layer.repository
                AND other.name = layer.name AND other.manifest NOT IN (SELECT id FROM loose))))",
    ),
];

fn kind_of(bucket: &str) -> StoreUser {
    match bucket {
        ARTIFACT_BUCKET => StoreUser::Artifacts,
        "logs" => StoreUser::Logs,
        "code" => StoreUser::Code,
        "mlflow-uploads" | "file-uploads" => StoreUser::Uploads,
        _ => StoreUser::Other,
    }
}

/// What a person can let go.
pub fn reclaimable(conn: &mut Conn) -> Result<Vec<Reclaimable>> {
    let (count, bytes) = referrers::unreferenced(conn)?;
    let mut all = vec![item(ReclaimKind::Unreferenced, count, bytes)];
    for (kind, sql) in CAN_GO {
        all.extend(sums(conn, sql)?.first().map(|sum| item(kind, sum.count, sum.bytes)));
    }
    Ok(all)
}

fn item(kind: ReclaimKind, count: i64, bytes: i64) -> Reclaimable {
    Reclaimable { kind, count: unsigned(count), size_bytes: unsigned(bytes) }
}

/// So many are named; a content that a thousand things need is as bad as one that twenty do.
const NAMED: usize = 20;

#[derive(QueryableByName)]
struct Words {
    #[diesel(sql_type = Text)]
    words: String,
}

/// In words, what needs the content: tables that are known say which of theirs, of others the name has to do.
pub fn needed_by(conn: &mut Conn, referrers: &Referrers, digest: &str) -> Result<Vec<String>> {
    let mut all = vec![];
    for (table, column) in referrers.tables() {
        let words = match table {
            "objects" => "SELECT CASE bucket
                    WHEN 'mlflow' THEN 'artifact ' || key
                    WHEN 'logs' THEN 'log of ' || key
                    WHEN 'code' THEN 'code of job ' || key
                    WHEN 'mlflow-uploads' THEN 'upload ' || key
                    WHEN 'file-uploads' THEN 'upload ' || key
                    ELSE bucket || ' ' || key END AS words
                 FROM objects WHERE digest = ?"
                .to_owned(),
            "bucket_objects" => {
                "SELECT 'bucket ' || name || ', ' || key || CASE shelf WHEN 0 THEN '' ELSE ' (an older version)' END
                    AS words
                 FROM bucket_objects JOIN buckets ON buckets.id = bucket_objects.bucket WHERE digest = ?"
                    .to_owned()
            }
            "dataset_content" => "SELECT 'dataset ' || coalesce(name, dataset_id) AS words
                 FROM dataset_content LEFT JOIN datasets ON datasets.id = dataset_id WHERE digest = ?"
                .to_owned(),
            "dataset_versions" => "SELECT 'dataset ' || name || ', version ' || version || ' as a whole' AS words
                 FROM dataset_versions JOIN datasets ON datasets.id = dataset_id WHERE manifest = ?"
                .to_owned(),
            "bucket_parts" => "SELECT 'bucket ' || name || ', ' || key || ', part ' || number AS words
                 FROM bucket_parts JOIN bucket_uploads ON bucket_uploads.id = bucket_parts.upload
                 JOIN buckets ON buckets.id = bucket_uploads.bucket WHERE digest = ?"
                .to_owned(),
            "repository_blobs" => "SELECT 'a layer of images in ' || repositories.name AS words FROM repository_blobs
                 JOIN repositories ON repositories.id = repository WHERE digest = ?"
                .to_owned(),
            "manifests" => {
                "SELECT 'image ' || repositories.name || '@' || substr(manifests.name, 1, 19) AS words FROM manifests
                 JOIN repositories ON repositories.id = repository WHERE digest = ?"
                    .to_owned()
            }
            other => format!("SELECT '{}' AS words FROM \"{other}\" WHERE \"{column}\" = ?", other.replace('_', " ")),
        };
        let found: Vec<Words> =
            sql_query(format!("{words} LIMIT {NAMED}")).bind::<Text, _>(digest).load(conn).map_err(Error::internal)?;
        all.extend(found.into_iter().map(|row| row.words));
    }
    all.dedup();
    all.truncate(NAMED);
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{db::testing::connection, objects::store};

    #[test]
    fn each_content_counts_once_and_its_needs_have_names() {
        let mut conn = connection();
        for digest in ["d1", "d2", "d3"] {
            store::touch_blob(&mut conn, digest, 100, Some(b"x"), None, 1).unwrap();
        }
        for (bucket, key, digest) in
            [("mlflow", "0/r/a", "d1"), ("mlflow", "0/r/b", "d1"), ("mlflow", "0/r/c", "d2"), ("logs", "w/1", "d1")]
        {
            store::link(&mut conn, bucket, key, digest, 1).unwrap();
        }
        let found = uses(&mut conn).unwrap();
        let of = |kind| found.iter().find(|one| one.kind == kind).map(|one| (one.object_count, one.size_bytes));
        assert_eq!((of(StoreUser::Artifacts), of(StoreUser::Logs)), (Some((3, 200)), Some((1, 100))));
        let free = reclaimable(&mut conn).unwrap();
        assert_eq!((free[0].count, free[0].size_bytes), (1, 100));
        assert!(free[1..].iter().all(|one| one.count == 0), "{free:?}");
        let referrers = Referrers::load(&mut conn).unwrap();
        assert_eq!(needed_by(&mut conn, &referrers, "d1").unwrap(), ["log of w/1", "artifact 0/r/a", "artifact 0/r/b"]);
    }
}
