//! Collection of blobs that nothing refers to: mark and sweep, at any time, beside uploads and links.
//!
//! Always holds: a blob goes only if nothing refers to it (`referrers`) and its last upload is older than the grace, and both are
//! decided where its row is deleted, inside the single writer. So a link either comes first and keeps the blob, or finds no
//! row and fails with `conflict`; a new upload renews the grace. A row is gone, durably, before its file is: a crash
//! leaves at worst a file without a row, which the next sweep removes. While a content is removed no upload can give it its
//! name (`publishing`), so a file whose row is about to come is never taken for garbage.

use std::collections::HashSet;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use drydock_appliance::blobs::BlobError;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use super::{Objects, referrers::Referrers, store_error};
use crate::background::Task;
use crate::clock;
use crate::db::Conn;
use crate::db::schema::objects::blobs;
use crate::error::{Error, Result};

/// Blobs that are decided on in one go: uploads and writes wait no longer than that takes.
const BATCH: usize = 200;
/// A cluster takes its time over each.
const AT_ONCE: usize = 8;

/// What a sweep took away.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct SweepReport {
    pub removed: u64,
    pub freed_bytes: u64,
}

/// Sweeps every hour.
pub struct Sweeper {
    objects: Objects,
    grace_ms: i64,
}

impl Sweeper {
    pub fn new(objects: Objects, grace_s: u64) -> Self {
        let grace_ms = i64::try_from(grace_s.saturating_mul(1000)).unwrap_or(i64::MAX);
        Self { objects, grace_ms }
    }
}

impl Task for Sweeper {
    fn name(&self) -> &'static str {
        "objects.sweeper"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        async {
            let report = sweep(&self.objects, self.grace_ms).await?;
            if report.removed > 0 {
                let SweepReport { removed, freed_bytes } = report;
                tracing::info!(sweep.removed = removed, sweep.freed_bytes = freed_bytes, "removed unused content");
            }
            Ok(())
        }
        .boxed()
    }
}

/// Removes every blob without an object whose last upload is older than `grace_ms`, and files that have no row.
pub async fn sweep(objects: &Objects, grace_ms: i64) -> Result<SweepReport> {
    objects.blobs.confirm().await.map_err(store_error)?;
    let before = clock::now_ms().saturating_sub(grace_ms);
    let mut report = SweepReport::default();
    let mut after = String::new();
    loop {
        let candidates = objects.db.read(move |conn| unreferenced(conn, before, &after)).await?;
        let Some(last) = candidates.last().cloned() else { break };
        report.add(&remove(objects, candidates, before).await?);
        after = last;
    }
    remove_files_without_row(objects, &mut report).await?;
    objects.blobs.end_old_uploads(clock::now_ms()).await.map_err(store_error)?;
    Ok(report)
}

/// Removes those of these blobs that nothing refers to and whose grace is over, now rather than at the next sweep.
pub async fn collect(objects: &Objects, digests: &[String], grace_ms: i64) -> Result<SweepReport> {
    if digests.is_empty() {
        return Ok(SweepReport::default());
    }
    match objects.blobs.confirm().await {
        // What needed them is gone already; they go with a sweep when the cluster is back.
        Err(BlobError::Cluster(_)) => return Ok(SweepReport::default()),
        other => other.map_err(store_error)?,
    }
    let before = clock::now_ms().saturating_sub(grace_ms);
    let mut report = SweepReport::default();
    for batch in digests.chunks(BATCH) {
        report.add(&remove(objects, batch.to_vec(), before).await?);
    }
    Ok(report)
}

impl SweepReport {
    fn add(&mut self, gone: &[Gone]) {
        self.removed += gone.len() as u64;
        self.freed_bytes += gone.iter().map(|blob| u64::try_from(blob.size_bytes).unwrap_or(0)).sum::<u64>();
    }
}

/// A blob whose row was just deleted.
#[derive(Debug, QueryableByName)]
struct Gone {
    #[diesel(sql_type = Text)]
    digest: String,
    #[diesel(sql_type = BigInt)]
    size_bytes: i64,
    #[diesel(sql_type = Bool)]
    is_file: bool,
}

#[derive(QueryableByName)]
struct Candidate {
    #[diesel(sql_type = Text)]
    digest: String,
}

/// The mark: what looks like garbage, in order of the digest. Only a hint, `forget` decides.
fn unreferenced(conn: &mut Conn, before: i64, after: &str) -> Result<Vec<String>> {
    let nothing_refers = Referrers::load(conn)?.none();
    let found: Vec<Candidate> = diesel::sql_query(format!(
        "SELECT digest FROM blobs WHERE digest > ? AND touched_at < ? AND {nothing_refers} ORDER BY digest LIMIT {BATCH}"
    ))
    .bind::<Text, _>(after)
    .bind::<BigInt, _>(before)
    .load(conn)
    .map_err(Error::internal)?;
    Ok(found.into_iter().map(|row| row.digest).collect())
}

/// Rows first, durably, then files, with none of them being published in between.
async fn remove(objects: &Objects, candidates: Vec<String>, before: i64) -> Result<Vec<Gone>> {
    let claimed = objects.publishing.claim(candidates);
    let candidates = claimed.digests().to_vec();
    let gone = objects.db.write(move |conn| forget(conn, &candidates, before)).await?;
    let files = gone.iter().filter(|blob| blob.is_file).map(|blob| blob.digest.clone()).collect();
    delete_files(objects, files).await?;
    Ok(gone)
}

/// The decision: deletes the rows of those that still are garbage.
fn forget(conn: &mut Conn, candidates: &[String], before: i64) -> Result<Vec<Gone>> {
    let nothing_refers = Referrers::load(conn)?.none();
    let mut gone = vec![];
    for digest in candidates {
        let row: Option<Gone> = diesel::sql_query(format!(
            "DELETE FROM blobs WHERE digest = ? AND touched_at < ? AND {nothing_refers}
             RETURNING digest, size_bytes, data IS NULL AS is_file"
        ))
        .bind::<Text, _>(digest)
        .bind::<BigInt, _>(before)
        .get_result(conn)
        .optional()
        .map_err(Error::internal)?;
        gone.extend(row);
    }
    Ok(gone)
}

async fn delete_files(objects: &Objects, digests: Vec<String>) -> Result<()> {
    let deleting = stream::iter(digests).map(|digest| async move { objects.blobs.delete(&digest).await });
    deleting.buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await.map_err(store_error)
}

/// What a crash between the two halves of `remove`, or between an upload's file and its row, has left.
async fn remove_files_without_row(objects: &Objects, report: &mut SweepReport) -> Result<()> {
    let mut files = objects.blobs.iter().chunks(BATCH);
    while let Some(chunk) = files.next().await {
        let found = chunk.into_iter().collect::<std::result::Result<Vec<_>, _>>().map_err(store_error)?;
        let orphans = without_row(objects, found.iter().map(|file| file.digest.clone()).collect()).await?;
        // looked at again with none of them being published: only now a missing row means that none is coming
        let claimed = objects.publishing.claim(orphans.into_iter().collect());
        let orphans = without_row(objects, claimed.digests().to_vec()).await?;
        for file in found.iter().filter(|file| orphans.contains(&file.digest)) {
            report.removed += 1;
            report.freed_bytes += file.size_bytes;
        }
        delete_files(objects, orphans.into_iter().collect()).await?;
    }
    Ok(())
}

async fn without_row(objects: &Objects, digests: Vec<String>) -> Result<HashSet<String>> {
    let known: Vec<String> = objects
        .db
        .read({
            let digests = digests.clone();
            move |conn| {
                let known = blobs::table.filter(blobs::digest.eq_any(digests)).select(blobs::digest);
                known.load(conn).map_err(Error::internal)
            }
        })
        .await?;
    let known: HashSet<String> = known.into_iter().collect();
    Ok(digests.into_iter().filter(|digest| !known.contains(digest)).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use bytes::Bytes;
    use drydock_wire::ErrorCode;

    use super::*;
    use crate::db::testing::temporary;

    const LARGE: usize = super::super::SMALL_BLOB_BYTES + 1;

    async fn store() -> (tempfile::TempDir, Objects) {
        let (dir, db) = temporary();
        let objects = Objects::open(db, &dir.path().join("blobs")).unwrap();
        (dir, objects)
    }

    async fn age(objects: &Objects, digest: &str, by_ms: i64) {
        let digest = digest.to_owned();
        let aged = move |conn: &mut Conn| {
            let row = diesel::update(blobs::table.find(digest)).set(blobs::touched_at.eq(blobs::touched_at - by_ms));
            row.execute(conn).map_err(Error::internal)
        };
        assert_eq!(objects.db.write(aged).await.unwrap(), 1);
    }

    async fn files(objects: &Objects) -> usize {
        objects.blobs.iter().count().await
    }

    #[tokio::test]
    async fn what_is_referred_to_or_young_stays() {
        let (_dir, objects) = store().await;
        let mut digests = vec![];
        for (fill, size) in [(1, 10), (2, LARGE), (3, 10), (4, LARGE), (5, 10), (6, LARGE)] {
            digests.push(objects.put_bytes(Bytes::from(vec![fill; size])).await.unwrap().digest);
        }
        for digest in &digests[..4] {
            age(&objects, digest, 10_000).await;
        }
        objects.link("t", "a", &digests[0]).await.unwrap();
        objects.link("t", "b", &digests[1]).await.unwrap();
        let report = sweep(&objects, 5_000).await.unwrap();
        assert_eq!(report, SweepReport { removed: 2, freed_bytes: 10 + LARGE as u64 });
        for (index, digest) in digests.iter().enumerate() {
            assert_eq!(objects.read(digest).await.is_ok(), index != 2 && index != 3, "blob {index}");
        }
        assert_eq!(files(&objects).await, 2);
        assert_eq!(objects.link("t", "c", &digests[2]).await.unwrap_err().code, ErrorCode::Conflict);
    }

    #[tokio::test]
    async fn whatever_table_refers_to_it_keeps_it() {
        let (_dir, objects) = store().await;
        let digest = objects.put_bytes(Bytes::from(vec![7; LARGE])).await.unwrap().digest;
        age(&objects, &digest, 10_000).await;
        let named = digest.clone();
        let execute = |sql: String| {
            let write = move |conn: &mut Conn| diesel::sql_query(sql).execute(conn).map(drop).map_err(Error::internal);
            objects.db.write(write)
        };
        execute(
            "CREATE TABLE later_feature (id INTEGER PRIMARY KEY, \"its digest\" TEXT REFERENCES blobs(digest))".into(),
        )
        .await
        .unwrap();
        execute(format!("INSERT INTO later_feature VALUES (1, '{named}')")).await.unwrap();
        assert_eq!(sweep(&objects, 0).await.unwrap().removed, 0);
        execute("DELETE FROM later_feature".into()).await.unwrap();
        assert_eq!(sweep(&objects, 0).await.unwrap().removed, 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_hangs_up_while_it_is_noted_leaves_content_and_row_or_neither() {
        let (_dir, objects) = store().await;
        let bytes = Bytes::from(vec![9; LARGE]);
        let received =
            objects.receive(futures_util::stream::iter([Ok::<_, std::convert::Infallible>(bytes.clone())]), None, ());
        let received = received.await.unwrap();
        let digest = received.digest().to_owned();
        let slow = objects.keep(received, |conn, digest| {
            // the row is about to come, and not yet to be seen
            std::thread::sleep(Duration::from_millis(400));
            crate::objects::store::link(conn, "t", "k", digest, 1)
        });
        assert!(tokio::time::timeout(Duration::from_millis(150), slow).await.is_err(), "the asker has gone");
        for _ in 0..5 {
            sweep(&objects, i64::MAX).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for _ in 0..100 {
            if objects.get("t", "k").await.unwrap().is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(objects.get("t", "k").await.unwrap().map(|found| found.digest), Some(digest.clone()));
        assert_eq!(objects.read(&digest).await.unwrap(), bytes);
    }

    #[tokio::test]
    async fn a_new_upload_of_the_same_bytes_renews_the_grace() {
        let (_dir, objects) = store().await;
        let bytes = Bytes::from(vec![7; LARGE]);
        let digest = objects.put_bytes(bytes.clone()).await.unwrap().digest;
        age(&objects, &digest, 10_000).await;
        objects.put_bytes(bytes).await.unwrap();
        assert_eq!(sweep(&objects, 5_000).await.unwrap(), SweepReport::default());
    }

    #[tokio::test]
    async fn a_file_without_a_row_is_removed() {
        let (_dir, objects) = store().await;
        let digest = objects.put_bytes(Bytes::from(vec![7; LARGE])).await.unwrap().digest;
        objects
            .db
            .write(|conn| diesel::delete(blobs::table).execute(conn).map(drop).map_err(Error::internal))
            .await
            .unwrap();
        assert_eq!(sweep(&objects, i64::MAX).await.unwrap().removed, 1);
        assert_eq!(files(&objects).await, 0);
        assert_eq!(objects.read(&digest).await.unwrap_err().code, ErrorCode::NotFound);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn sweeping_all_the_time_never_loses_what_was_linked() {
        let (_dir, objects) = store().await;
        let over = Arc::new(AtomicBool::new(false));
        let swept = Arc::new(AtomicU64::new(0));
        let sweeping = tokio::spawn({
            let (objects, over, swept) = (objects.clone(), over.clone(), swept.clone());
            async move {
                while !over.load(Ordering::Relaxed) {
                    swept.fetch_add(sweep(&objects, 0).await.unwrap().removed, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            }
        });
        let clients: Vec<_> = (0..8usize).map(|client| tokio::spawn(one_client(objects.clone(), client))).collect();
        let mut refused = 0;
        for client in clients {
            refused += client.await.unwrap();
        }
        over.store(true, Ordering::Relaxed);
        sweeping.await.unwrap();
        assert!(swept.load(Ordering::Relaxed) > 0 || refused > 0, "the sweep never met anything");
        // one kept object per client, and nothing else once all is old
        tokio::time::sleep(Duration::from_millis(3)).await;
        sweep(&objects, 0).await.unwrap();
        for client in 0..8 {
            let kept = objects.get("t", &format!("{client}/kept")).await.unwrap().unwrap();
            assert_eq!(objects.read(&kept.digest).await.unwrap(), content(client, 0));
        }
        let rows: i64 =
            objects.db.read(|conn| blobs::table.count().get_result(conn).map_err(Error::internal)).await.unwrap();
        assert_eq!(rows, 4, "two clients share each content");
        assert_eq!(files(&objects).await, 2);
    }

    /// Half of them large; clients 0 and 4, 1 and 5, … share theirs.
    fn content(client: usize, round: usize) -> Bytes {
        let size = if client.is_multiple_of(2) { LARGE } else { 100 };
        Bytes::from(vec![(client % 4 * 60 + round % 3) as u8; size])
    }

    /// Uploads, links, reads back and unlinks; a refused link means uploading again. How often that was.
    async fn one_client(objects: Objects, client: usize) -> usize {
        let mut refused = 0;
        for round in (0..30).rev() {
            let key = if round == 0 { format!("{client}/kept") } else { format!("{client}/{round}") };
            let bytes = content(client, round);
            loop {
                let digest = objects.put_bytes(bytes.clone()).await.unwrap().digest;
                tokio::time::sleep(Duration::from_millis(round as u64 % 3)).await;
                match objects.link("t", &key, &digest).await {
                    Ok(()) => break,
                    Err(error) => assert_eq!(error.code, ErrorCode::Conflict),
                }
                refused += 1;
            }
            let found = objects.get("t", &key).await.unwrap().unwrap();
            assert_eq!(objects.read(&found.digest).await.unwrap(), bytes, "client {client}, round {round}");
            if round > 0 {
                objects.delete("t", &key).await.unwrap();
            }
        }
        refused
    }
}
