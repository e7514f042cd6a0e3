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
        fold::Wanted,
        list::{AfterVersion, Listed},
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
/// Uploads that are aborted in one go: each may have ten thousand parts.
const UPLOADS_AT_ONCE: usize = 10;
/// Keys whose versions are looked at in one go: each may have many.
const KEYS_AT_ONCE: usize = 50;

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
            expire(db, Rule { bucket: bucket.id, due, now }, &mut report).await?;
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

/// A rule of a bucket, as it was when the pass came to it.
#[derive(Debug, Clone)]
struct Rule {
    bucket: i64,
    due: Due,
    now: i64,
}

impl Rule {
    /// The bucket as it is now, if it is there and still has the rule: its owner may have taken the rule back, or turned versions on,
    /// while the pass was under way.
    fn still(&self, conn: &mut Conn) -> Result<Option<Entered>> {
        let bucket = store::buckets::by_id(conn, self.bucket)?;
        let bucket = bucket.filter(|row| lifecycle::due(&row.lifecycle(), self.now).contains(&self.due));
        Ok(bucket.map(Entered::by_the_box))
    }
}

async fn expire(db: &Db, rule: Rule, report: &mut Report) -> Result<()> {
    if let Some(before) = rule.due.uploads_before {
        report.uploads += abort_uploads(db, &rule, before).await?;
    }
    if let Some(before) = rule.due.current_before {
        report.objects += expire_current(db, &rule, before).await?;
    }
    if rule.due.noncurrent_before.is_some() || rule.due.lone_markers {
        report.versions += erase_versions(db, &rule).await?;
    }
    Ok(())
}

async fn abort_uploads(db: &Db, rule: &Rule, before: i64) -> Result<u64> {
    let mut aborted = 0;
    loop {
        let rule = rule.clone();
        let count = db
            .write(move |conn| {
                let Some(bucket) = rule.still(conn)? else { return Ok(0) };
                let most = UPLOADS_AT_ONCE as i64;
                let old = store::uploads::begun_before(conn, bucket.id, &rule.due.prefix, before, most)?;
                for upload in &old {
                    store::uploads::abort(conn, &bucket, upload.id)?;
                }
                Ok(old.len())
            })
            .await?;
        aborted += count as u64;
        if count < UPLOADS_AT_ONCE {
            return Ok(aborted);
        }
    }
}

async fn expire_current(db: &Db, rule: &Rule, before: i64) -> Result<u64> {
    let mut expired = 0;
    let mut after = None;
    loop {
        let wanted = Wanted { prefix: rule.due.prefix.clone(), after: after.take(), limit: BATCH, ..Wanted::default() };
        let id = rule.bucket;
        let page = db.read(move |conn| store::list::objects(conn, id, &wanted)).await?;
        let old: Vec<Listed> = page.objects.into_iter().filter(|row| row.modified_at < before).collect();
        if !old.is_empty() {
            let rule = rule.clone();
            expired += db.write(move |conn| remove_old(conn, &rule, &old, before)).await?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(expired),
        }
    }
}

/// Looks again at each: what was replaced since the look is young, and stays.
fn remove_old(conn: &mut Conn, rule: &Rule, old: &[Listed], before: i64) -> Result<u64> {
    let Some(bucket) = rule.still(conn)? else { return Ok(0) };
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

async fn erase_versions(db: &Db, rule: &Rule) -> Result<u64> {
    let mut erased = 0;
    let mut after: Option<AfterVersion> = None;
    loop {
        let (id, wanted) = (rule.bucket, Wanted { prefix: rule.due.prefix.clone(), limit: BATCH, ..Wanted::default() });
        let from = after.take();
        let rows = db.read(move |conn| store::list::versions(conn, id, &wanted, from)).await?.objects;
        let Some(last) = rows.last() else { return Ok(erased) };
        after = Some(AfterVersion { key: last.key.clone(), place: None });
        // only keys with an older version or a marker have anything to lose
        let mut keys: Vec<String> = rows.iter().filter(|row| row.shelf == 1).map(|row| row.key.clone()).collect();
        keys.dedup();
        for some in keys.chunks(KEYS_AT_ONCE) {
            let (rule, some) = (rule.clone(), some.to_vec());
            erased += db.write(move |conn| erase_of_keys(conn, &rule, &some)).await?;
        }
    }
}

fn erase_of_keys(conn: &mut Conn, rule: &Rule, keys: &[String]) -> Result<u64> {
    let Some(bucket) = rule.still(conn)? else { return Ok(0) };
    let mut erased = 0;
    for key in keys {
        let versions = store::objects::versions(conn, bucket.id, key, i64::MAX)?;
        let ages: Vec<Age> = versions
            .iter()
            .map(|row| Age { seq: row.seq, modified_at: row.modified_at, is_marker: row.is_marker })
            .collect();
        let gone = lifecycle::versions_to_erase(&ages, &rule.due);
        for row in versions.iter().filter(|row| gone.contains(&row.seq)) {
            store::objects::erase(conn, &bucket, row)?;
            erased += 1;
        }
    }
    Ok(erased)
}
