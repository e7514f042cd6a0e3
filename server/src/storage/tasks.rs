//! Carries out lifecycle rules: every hour, each bucket that has some, in small transactions.

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::json;

use super::{
    access::Entered,
    lifecycle::{self, Age, Due},
    store::{
        self,
        buckets::BucketRow,
        list::{AfterVersion, Listed, Wanted},
    },
};
use crate::{
    accounts::{self, Principal},
    app::App,
    background::Task,
    clock,
    db::{Conn, Db},
    error::Result,
};

/// Keys and versions that are looked at, and rows that go, in one go.
const BATCH: usize = 500;

/// What a pass took away.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    pub objects: u64,
    pub versions: u64,
    pub uploads: u64,
}

/// Expires what rules say.
pub struct Expirer {
    app: App,
}

impl Expirer {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

impl Task for Expirer {
    fn name(&self) -> &'static str {
        "storage.expirer"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        async { pass(&self.app.db, clock::now_ms()).await.map(drop) }.boxed()
    }
}

/// One pass over all buckets, as if it were `now`.
pub async fn pass(db: &Db, now: i64) -> Result<Report> {
    let buckets = db.read(store::buckets::all).await?;
    let mut report = Report::default();
    for (bucket, _) in buckets {
        let before = report;
        for due in lifecycle::due(&bucket.lifecycle(), now) {
            expire(db, &bucket, &due, &mut report).await?;
        }
        if report != before {
            note(db, &bucket, before, report).await?;
        }
    }
    Ok(report)
}

async fn note(db: &Db, bucket: &BucketRow, before: Report, after: Report) -> Result<()> {
    let name = bucket.name.clone();
    let detail = json!({
        "objects": after.objects - before.objects,
        "versions": after.versions - before.versions,
        "uploads": after.uploads - before.uploads,
    });
    tracing::info!(bucket.name = name, "lifecycle rules took away {detail}");
    let who = Principal { username: "lifecycle".into(), ..Principal::console() };
    db.write(move |conn| accounts::audit(conn, &who, "bucket.expire", &format!("bucket/{name}"), detail)).await
}

async fn expire(db: &Db, bucket: &BucketRow, due: &Due, report: &mut Report) -> Result<()> {
    if let Some(before) = due.uploads_before {
        report.uploads += abort_uploads(db, bucket, due, before).await?;
    }
    if let Some(before) = due.current_before {
        report.objects += expire_current(db, bucket, due, before).await?;
    }
    if due.noncurrent_before.is_some() || due.lone_markers {
        report.versions += erase_versions(db, bucket, due).await?;
    }
    Ok(())
}

async fn abort_uploads(db: &Db, bucket: &BucketRow, due: &Due, before: i64) -> Result<u64> {
    let mut aborted = 0;
    loop {
        let (bucket, prefix) = (bucket.clone(), due.prefix.clone());
        let count = db
            .write(move |conn| {
                let bucket = Entered::by_the_box(bucket);
                let old = store::uploads::begun_before(conn, bucket.id, &prefix, before, BATCH as i64)?;
                for upload in &old {
                    store::uploads::abort(conn, &bucket, upload.id)?;
                }
                Ok(old.len())
            })
            .await?;
        aborted += count as u64;
        if count < BATCH {
            return Ok(aborted);
        }
    }
}

async fn expire_current(db: &Db, bucket: &BucketRow, due: &Due, before: i64) -> Result<u64> {
    let mut expired = 0;
    let mut after = None;
    loop {
        let wanted = Wanted { prefix: due.prefix.clone(), after: after.take(), limit: BATCH, ..Wanted::default() };
        let id = bucket.id;
        let page = db.read(move |conn| store::list::objects(conn, id, &wanted)).await?;
        let old: Vec<Listed> = page.objects.into_iter().filter(|row| row.modified_at < before).collect();
        if !old.is_empty() {
            let bucket = bucket.clone();
            expired += db.write(move |conn| remove_old(conn, bucket, &old, before)).await?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(expired),
        }
    }
}

/// Looks again at each: what was replaced since the look is young, and stays.
fn remove_old(conn: &mut Conn, bucket: BucketRow, old: &[Listed], before: i64) -> Result<u64> {
    let bucket = Entered::by_the_box(bucket);
    let mut removed = 0;
    for row in old {
        let now = store::objects::current(conn, bucket.id, &row.key)?;
        if now.is_some_and(|now| now.modified_at < before) {
            store::objects::remove(conn, &bucket, &row.key, clock::now_ms())?;
            removed += 1;
        }
    }
    Ok(removed)
}

async fn erase_versions(db: &Db, bucket: &BucketRow, due: &Due) -> Result<u64> {
    let mut erased = 0;
    let mut after: Option<AfterVersion> = None;
    loop {
        let (id, wanted) = (bucket.id, Wanted { prefix: due.prefix.clone(), limit: BATCH, ..Wanted::default() });
        let from = after.take();
        let rows = db.read(move |conn| store::list::versions(conn, id, &wanted, from.as_ref())).await?.objects;
        let Some(last) = rows.last() else { return Ok(erased) };
        after = Some(AfterVersion { key: last.key.clone(), seq: None });
        // only keys with an older version or a marker have anything to lose
        let mut keys: Vec<String> = rows.iter().filter(|row| row.shelf == 1).map(|row| row.key.clone()).collect();
        keys.dedup();
        if !keys.is_empty() {
            let (bucket, due) = (bucket.clone(), due.clone());
            erased += db.write(move |conn| erase_of_keys(conn, bucket, &keys, &due)).await?;
        }
    }
}

fn erase_of_keys(conn: &mut Conn, bucket: BucketRow, keys: &[String], due: &Due) -> Result<u64> {
    let bucket = Entered::by_the_box(bucket);
    let mut erased = 0;
    for key in keys {
        let versions = store::objects::versions(conn, bucket.id, key)?;
        let ages: Vec<Age> = versions
            .iter()
            .map(|row| Age { seq: row.seq, modified_at: row.modified_at, is_marker: row.is_marker })
            .collect();
        let gone = lifecycle::versions_to_erase(&ages, due);
        for row in versions.iter().filter(|row| gone.contains(&row.seq)) {
            store::objects::erase(conn, &bucket, row)?;
            erased += 1;
        }
    }
    Ok(erased)
}
