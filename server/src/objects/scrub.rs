//! The scrub: reads everything that is kept, at a bounded rate, and compares it with its name.
//!
//! Always holds: it goes on where it was after a restart; it never reads faster than it is told, so that work on the box
//! does not feel it; files from before there were check sums get theirs when they were found sound.

use std::time::{Duration, Instant};

use diesel::prelude::*;
use drydock_appliance::blobs::BlockChecks;
use drydock_wire::{ErrorCode, store::ScrubState};
use futures_util::{FutureExt, future::BoxFuture};
use sha2::{Digest, Sha256};

use super::{Objects, damage};
use crate::{
    background::Task,
    clock,
    db::{
        Conn,
        schema::objects::{blobs, scrub},
    },
    error::{Error, Result},
};

/// Everything is read once in this time.
const EVERY_MS: i64 = 7 * 86_400_000;
const BATCH: i64 = 100;
pub const SCRUBBER: &str = "objects.scrubber";

/// Where the scrub is.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = scrub, treat_none_as_null = true)]
pub struct Progress {
    id: i64,
    pub started_at: i64,
    pub finished_at: Option<i64>,
    after: String,
    pub checked_count: i64,
    pub checked_bytes: i64,
    pub damaged_count: i64,
}

impl Progress {
    fn beginning(at: i64) -> Self {
        Self {
            id: 1,
            started_at: at,
            finished_at: None,
            after: String::new(),
            checked_count: 0,
            checked_bytes: 0,
            damaged_count: 0,
        }
    }
}

/// How the last scrub, or the one that runs, is getting on.
pub fn state(conn: &mut Conn, rate_bytes_per_s: u64) -> Result<ScrubState> {
    let found = progress(conn)?;
    let count = |n: Option<i64>| u64::try_from(n.unwrap_or(0)).unwrap_or(0);
    Ok(ScrubState {
        is_running: found.as_ref().is_some_and(|at| at.finished_at.is_none()),
        started_at: found.as_ref().map(|at| at.started_at),
        finished_at: found.as_ref().and_then(|at| at.finished_at),
        checked_count: count(found.as_ref().map(|at| at.checked_count)),
        checked_bytes: count(found.as_ref().map(|at| at.checked_bytes)),
        rate_bytes_per_s,
        damaged_count: count(found.as_ref().map(|at| at.damaged_count)),
    })
}

fn progress(conn: &mut Conn) -> Result<Option<Progress>> {
    scrub::table.first(conn).optional().map_err(Error::internal)
}

fn save(conn: &mut Conn, at: &Progress) -> Result<()> {
    diesel::insert_into(scrub::table)
        .values(at)
        .on_conflict(scrub::id)
        .do_update()
        .set(at)
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Begins anew, from the first, unless one runs; whoever calls wakes the scrubber.
pub fn begin(conn: &mut Conn) -> Result<()> {
    match progress(conn)? {
        Some(Progress { finished_at: None, .. }) => Ok(()),
        _ => save(conn, &Progress::beginning(clock::now_ms())),
    }
}

/// Begins a scrub when one is due, and goes on with one that was begun.
pub struct Scrubber {
    objects: Objects,
    rate_bytes_per_s: u64,
}

impl Scrubber {
    pub fn new(objects: Objects, rate_bytes_per_s: u64) -> Self {
        Self { objects, rate_bytes_per_s }
    }

    async fn pass(&self) -> Result<()> {
        let now = clock::now_ms();
        let at = match self.objects.db.read(progress).await? {
            // Not at once on a new box, nor after an upgrade: there is other work then.
            None => {
                let later = Progress { finished_at: Some(now), ..Progress::beginning(now) };
                return self.objects.db.write(move |conn| save(conn, &later)).await;
            }
            Some(at) if at.finished_at.is_none() => at,
            Some(at) if now.saturating_sub(at.started_at) >= EVERY_MS => Progress::beginning(now),
            Some(_) => return Ok(()),
        };
        scrub_from(&self.objects, at, self.rate_bytes_per_s).await.map(drop)
    }
}

impl Task for Scrubber {
    fn name(&self) -> &'static str {
        SCRUBBER
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        self.pass().boxed()
    }
}

/// Keeps reads under a rate. Time in which nothing was read is lost, not saved up for a burst.
struct Pace {
    next: Instant,
    rate_bytes_per_s: u64,
}

impl Pace {
    /// So many bytes were read: waits as long as they may take.
    async fn after(&mut self, bytes: usize) {
        let now = Instant::now();
        let takes = Duration::from_secs_f64(bytes as f64 / self.rate_bytes_per_s.max(1) as f64);
        self.next = self.next.max(now) + takes;
        tokio::time::sleep(self.next.saturating_duration_since(now)).await;
    }
}

/// Reads everything from there on; where it ended.
async fn scrub_from(objects: &Objects, mut at: Progress, rate_bytes_per_s: u64) -> Result<Progress> {
    let mut pace = Pace { next: Instant::now(), rate_bytes_per_s };
    loop {
        let after = at.after.clone();
        let batch = objects.db.read(move |conn| next(conn, &after)).await?;
        for (digest, size_bytes) in &batch {
            let found = match check(objects, digest, &mut pace).await {
                // a cluster that is away says nothing about its content: on with this one when it is back
                Err(error) if error.code == ErrorCode::Unavailable => return Err(error),
                Err(error) => {
                    error.log(SCRUBBER);
                    true
                }
                Ok(found) => found,
            };
            at.damaged_count += i64::from(found);
            at.checked_count += 1;
            at.checked_bytes += size_bytes;
        }
        match batch.last() {
            Some((last, _)) => at.after.clone_from(last),
            None => at.finished_at = Some(clock::now_ms()),
        }
        let saved = at.clone();
        objects
            .db
            .write(move |conn| {
                if saved.finished_at.is_some() {
                    damage::forget_gone(conn)?;
                }
                save(conn, &saved)
            })
            .await?;
        if at.finished_at.is_some() {
            let (checked, damaged) = (at.checked_count, at.damaged_count);
            tracing::info!(scrub.checked = checked, scrub.damaged = damaged, "everything that is kept was read");
            return Ok(at);
        }
    }
}

fn next(conn: &mut Conn, after: &str) -> Result<Vec<(String, i64)>> {
    blobs::table
        .filter(blobs::digest.gt(after))
        .order(blobs::digest)
        .limit(BATCH)
        .select((blobs::digest, blobs::size_bytes))
        .load(conn)
        .map_err(Error::internal)
}

/// Reads one content whole. Whether it is damaged.
async fn check(objects: &Objects, digest: &str, pace: &mut Pace) -> Result<bool> {
    let wanted = digest.to_owned();
    let Some(row) = objects.db.read(move |conn| super::store::blob(conn, &wanted)).await? else { return Ok(false) };
    if let Some(data) = &row.data {
        pace.after(data.len()).await;
        if super::is_content_of(data, digest) {
            return Ok(false);
        }
    } else if let Some(checks) = read_file(objects, digest, row.size_bytes, pace).await {
        let known = row.block_checks.as_deref();
        let fits = checks.to_bytes();
        if known != Some(fits.as_slice()) {
            let digest = digest.to_owned();
            objects
                .db
                .write(move |conn| {
                    let row = diesel::update(blobs::table.find(digest)).set(blobs::block_checks.eq(fits));
                    row.execute(conn).map(drop).map_err(Error::internal)
                })
                .await?;
        }
        return Ok(false);
    }
    Ok(objects.examine(digest).await?.is_some())
}

/// The check sums of a file whose bytes are what its name says; `None` when they are not, or cannot be read.
async fn read_file(objects: &Objects, digest: &str, size_bytes: i64, pace: &mut Pace) -> Option<BlockChecks> {
    let file = objects.blobs.open_kept(digest).await.ok()?;
    if file.size_bytes() != u64::try_from(size_bytes).unwrap_or(0) {
        return None;
    }
    let (mut file, mut hasher, mut checks) = (file, Sha256::new(), BlockChecks::default());
    while file.left_bytes() > 0 {
        let block = super::reading::read_block(&mut file).await.ok()?;
        if block.is_empty() {
            return None;
        }
        hasher.update(&block);
        checks.add_block(&block);
        pace.after(block.len()).await;
    }
    (hex::encode(hasher.finalize()) == digest).then_some(checks)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    use bytes::Bytes;
    use drydock_appliance::blobs::BLOCK_BYTES;
    use futures_util::StreamExt;

    use super::*;
    use crate::db::testing::temporary;
    use crate::objects::SMALL_BLOB_BYTES;

    const LARGE: usize = 2 * BLOCK_BYTES + 777;

    fn store() -> (tempfile::TempDir, Objects) {
        let (dir, db) = temporary();
        let objects = Objects::open(db, &dir.path().join("blobs")).unwrap();
        (dir, objects)
    }

    fn content(fill: u8, size: usize) -> Bytes {
        Bytes::from((0..size).map(|n| (n % 251) as u8 ^ fill).collect::<Vec<u8>>())
    }

    fn file_of(dir: &Path, digest: &str) -> PathBuf {
        dir.join("blobs").join(&digest[..2]).join(&digest[2..])
    }

    fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(path).unwrap();
        change(&mut bytes);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    async fn damage_row(objects: &Objects, digest: &str) {
        let digest = digest.to_owned();
        let spoil = move |conn: &mut Conn| {
            let row = diesel::update(blobs::table.find(digest)).set(blobs::data.eq(Some(b"other".to_vec())));
            row.execute(conn).map_err(Error::internal)
        };
        assert_eq!(objects.db.write(spoil).await.unwrap(), 1);
    }

    async fn scrubbed(objects: &Objects) -> Progress {
        scrub_from(objects, Progress::beginning(1), u64::MAX).await.unwrap()
    }

    async fn noted(objects: &Objects) -> Vec<String> {
        let all = objects.db.read(|conn| damage::latest(conn, 100)).await.unwrap();
        all.into_iter().map(|one| format!("{} {}", &one.digest[..4], one.problem)).collect()
    }

    #[tokio::test]
    async fn all_that_is_damaged_is_found_and_set_aside_and_the_rest_is_not() {
        let (dir, objects) = store();
        let mut digests = vec![];
        for (fill, size) in [(1, 10), (2, LARGE), (3, LARGE), (4, SMALL_BLOB_BYTES), (5, LARGE), (6, LARGE), (7, 0)] {
            digests.push(objects.put_bytes(content(fill, size)).await.unwrap().digest);
        }
        assert_eq!(scrubbed(&objects).await.damaged_count, 0);
        rewrite(&file_of(dir.path(), &digests[1]), |bytes| bytes[BLOCK_BYTES + 5] ^= 4);
        rewrite(&file_of(dir.path(), &digests[2]), |bytes| bytes.truncate(LARGE - 1));
        std::fs::remove_file(file_of(dir.path(), &digests[4])).unwrap();
        damage_row(&objects, &digests[3]).await;
        let found = scrubbed(&objects).await;
        assert_eq!((found.checked_count, found.damaged_count), (7, 4), "{:?}", noted(&objects).await);
        assert!(!file_of(dir.path(), &digests[1]).exists());
        assert!(dir.path().join("blobs/quarantine").join(&digests[1]).exists(), "it is kept for a look");
        for (index, digest) in digests.iter().enumerate() {
            assert_eq!(objects.read(digest).await.is_ok(), [0, 5, 6].contains(&index), "content {index}");
        }
        // The same bytes again heal each, whichever way it was damaged.
        for (fill, index) in [(2, 1), (3, 2), (5, 4)] {
            assert_eq!(objects.put_bytes(content(fill, LARGE)).await.unwrap().digest, digests[index]);
        }
        objects.put_bytes(content(4, SMALL_BLOB_BYTES)).await.unwrap();
        assert_eq!(noted(&objects).await, Vec::<String>::new());
        assert_eq!(scrubbed(&objects).await.damaged_count, 0);
    }

    #[tokio::test]
    async fn a_read_of_damaged_content_ends_in_an_error_and_is_noted() {
        let (dir, objects) = store();
        let digest = objects.put_bytes(content(9, LARGE)).await.unwrap().digest;
        rewrite(&file_of(dir.path(), &digest), |bytes| bytes[LARGE - 1] ^= 1);
        let part = |from, to| {
            let (objects, digest) = (objects.clone(), digest.clone());
            async move {
                let (_, body) = objects.stream(&digest, Some((from, to))).await?;
                let parts: Vec<std::io::Result<Bytes>> = body.collect().await;
                parts.into_iter().collect::<std::io::Result<Vec<Bytes>>>().map_err(Error::internal)
            }
        };
        let whole: Vec<Bytes> = part(5, 2 * BLOCK_BYTES as u64).await.unwrap();
        assert_eq!(whole.concat(), content(9, LARGE)[5..2 * BLOCK_BYTES], "the sound part can still be had");
        assert!(part(LARGE as u64 - 2, LARGE as u64 - 1).await.is_err(), "its block is damaged");
        for _ in 0..200 {
            if !noted(&objects).await.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(noted(&objects).await.len(), 1);
        assert!(objects.read(&digest).await.unwrap_err().message.contains("damaged"));
    }

    #[tokio::test]
    async fn files_from_before_get_their_check_sums_and_are_checked_until_then() {
        let (dir, objects) = store();
        let mut digests = vec![];
        for fill in [1, 2] {
            digests.push(objects.put_bytes(content(fill, LARGE)).await.unwrap().digest);
        }
        let forget = |conn: &mut Conn| {
            let rows = diesel::update(blobs::table).set(blobs::block_checks.eq(None::<Vec<u8>>));
            rows.execute(conn).map_err(Error::internal)
        };
        objects.db.write(forget).await.unwrap();
        assert_eq!(objects.read(&digests[0]).await.unwrap(), content(1, LARGE));
        rewrite(&file_of(dir.path(), &digests[1]), |bytes| bytes[3] ^= 1);
        assert!(objects.read(&digests[1]).await.is_err());
        assert_eq!(scrubbed(&objects).await.checked_count, 2);
        let wanted = digests[0].clone();
        let row = objects.db.read(move |conn| crate::objects::store::blob(conn, &wanted)).await.unwrap().unwrap();
        let expected = BlockChecks::of(&content(1, LARGE)).to_bytes();
        assert_eq!(row.block_checks, Some(expected));
    }

    #[tokio::test]
    async fn it_reads_no_faster_than_it_is_told() {
        let (_dir, objects) = store();
        for fill in 0..3 {
            objects.put_bytes(content(fill, BLOCK_BYTES)).await.unwrap();
        }
        let began = Instant::now();
        scrub_from(&objects, Progress::beginning(1), 10 * BLOCK_BYTES as u64).await.unwrap();
        assert!(
            began.elapsed() >= Duration::from_millis(300),
            "{:?} for three blocks at ten a second",
            began.elapsed()
        );
    }

    #[tokio::test]
    async fn it_goes_on_where_it_was() {
        let (_dir, objects) = store();
        for fill in 0..5 {
            objects.put_bytes(content(fill, 100)).await.unwrap();
        }
        let middle = objects.db.read(|conn| next(conn, "")).await.unwrap()[2].0.clone();
        let at = Progress { after: middle, checked_count: 3, ..Progress::beginning(1) };
        objects.db.write(move |conn| save(conn, &at)).await.unwrap();
        Scrubber::new(objects.clone(), u64::MAX).run().await.unwrap();
        let end = objects.db.read(progress).await.unwrap().unwrap();
        assert_eq!(end.checked_count, 5);
        assert!(end.finished_at.is_some());
    }
}
