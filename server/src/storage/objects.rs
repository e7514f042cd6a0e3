//! Objects: writing, changing, removing. Reading is `reading`'s.

use std::time::Duration;

use bytes::Bytes;
use drydock_wire::storage::Versioning;
use futures_util::{Stream, StreamExt};

use super::{
    about::About,
    access::{Caller, Entered, Right, enter},
    reading::{Found, look_in},
    refusals,
    rules::{self, Conditions, VersionId},
    store::{
        self,
        objects::{Content, NewObject, ObjectRow, Removed},
    },
    sums::{Expected, Summed, Summing},
};
use crate::{
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
    objects::{Received, SMALL_BLOB_BYTES},
};

/// A sender that is silent for so long is given up.
const SILENCE: Duration = Duration::from_secs(15);

/// An object that is to be written.
#[derive(Debug, Clone, Default)]
pub struct Put {
    pub key: String,
    pub content_type: Option<String>,
    pub about: About,
    pub expected: Expected,
    pub conditions: Conditions,
    /// Of the body, where it is known beforehand: what does not fit is refused before it is sent.
    pub size_bytes: Option<u64>,
}

/// A version that was written, and how its bucket keeps versions.
#[derive(Debug, Clone)]
pub struct Written {
    pub row: ObjectRow,
    pub versioning: Versioning,
}

impl Written {
    /// What is told of the version: nothing where versioning never was on.
    pub fn version_id(&self) -> Option<VersionId> {
        (self.versioning != Versioning::Off).then(|| self.row.version_id())
    }
}

/// Writes an object. `late` tells the checksum that follows the body, once the body has ended.
///
/// # Errors
/// Nothing is written when the body breaks off, does not match its sums, does not fit, or a condition does not hold.
pub async fn put<B>(
    app: &App,
    caller: &Caller,
    bucket: &str,
    put: Put,
    body: B,
    late: impl FnOnce() -> Result<Option<String>> + Send,
) -> Result<Written>
where
    B: Stream<Item = Result<Bytes>> + Unpin,
{
    put_then(app, caller, bucket, put, body, late, |_| Ok(())).await
}

/// As `put`; `then` runs in the transaction that makes the object visible.
pub async fn put_then<B>(
    app: &App,
    caller: &Caller,
    bucket: &str,
    put: Put,
    body: B,
    late: impl FnOnce() -> Result<Option<String>> + Send,
    then: impl FnOnce(&mut Conn) -> Result<()> + Send + 'static,
) -> Result<Written>
where
    B: Stream<Item = Result<Bytes>> + Unpin,
{
    rules::check_key(&put.key)?;
    app.objects.room().check()?;
    // a small body is here already, and everything is looked at when it is written
    if put.size_bytes.is_none_or(|size| size > SMALL_BLOB_BYTES as u64) {
        look_before(app, caller, bucket, &put).await?;
    }
    let mut expected = put.expected.clone();
    let algorithm = expected.checksum.as_ref().map(|(algorithm, _)| *algorithm);
    let received = receive(app, body, put.size_bytes, algorithm).await?;
    if let Some((_, said @ None)) = &mut expected.checksum {
        *said = late()?;
    }
    let summed = received.sum().summed(received.digest());
    summed.check(&expected)?;
    keep(app, caller, bucket, put, (received, &summed), then).await
}

/// What can be said before the body is read: whether it may come at all.
async fn look_before(app: &App, caller: &Caller, bucket: &str, put: &Put) -> Result<()> {
    if put.size_bytes.is_some_and(|size| size > rules::MAX_PUT_BYTES) {
        return Err(refusals::too_large("A single PUT", "5 GiB; upload in parts"));
    }
    let (caller, name, key) = (caller.clone(), bucket.to_owned(), put.key.clone());
    let (conditions, size) = (put.conditions.clone(), put.size_bytes);
    app.db
        .glance(move |conn| {
            let bucket = enter(conn, &caller, &name, Right::Write, &key)?;
            check_fits(&bucket, size)?;
            check_conditions(conn, &bucket, &key, &conditions)
        })
        .await
}

pub(super) fn check_fits(bucket: &Entered, size: Option<u64>) -> Result<()> {
    match (bucket.quota_bytes, size) {
        // what it replaces is counted when it is written
        (Some(quota), Some(size)) if size > u64::try_from(quota).unwrap_or(0) => {
            Err(refusals::over_quota(&bucket.name, quota))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_conditions(conn: &mut Conn, bucket: &Entered, key: &str, conditions: &Conditions) -> Result<()> {
    if conditions.is_empty() {
        return Ok(());
    }
    let before = store::objects::current(conn, bucket.id, key)?;
    conditions.on_write(key, before.as_ref().map(|row| row.etag.as_str()))
}

/// Takes a body in and sums it up; nothing is kept yet. One that ends before its announced size is no body, however well its
/// beginning is signed.
pub(super) async fn receive<B>(
    app: &App,
    mut body: B,
    announced: Option<u64>,
    algorithm: Option<super::sums::Algorithm>,
) -> Result<Received<Summing>>
where
    B: Stream<Item = Result<Bytes>> + Unpin,
{
    let mut receiving = app.objects.receiving(Summing::new(algorithm));
    loop {
        let next = tokio::time::timeout(SILENCE, body.next()).await.map_err(|_| {
            let text = "Nothing arrived for 15 seconds, so that the upload was given up; send it again.";
            Error::invalid(text).with_source(refusals::S3Word("RequestTimeout"))
        })?;
        let Some(chunk) = next else { break };
        let chunk = chunk?;
        if receiving.size_bytes() + chunk.len() as u64 > rules::MAX_PUT_BYTES {
            return Err(refusals::too_large("A single PUT", "5 GiB; upload in parts"));
        }
        receiving.push(&chunk).await?;
    }
    if announced.is_some_and(|announced| announced != receiving.size_bytes()) {
        return Err(refusals::incomplete_body());
    }
    receiving.end().await
}

async fn keep(
    app: &App,
    caller: &Caller,
    bucket: &str,
    put: Put,
    (received, summed): (Received<Summing>, &Summed),
    then: impl FnOnce(&mut Conn) -> Result<()> + Send + 'static,
) -> Result<Written> {
    let about = About { checksums: summed.checksums(), ..put.about }.column()?;
    let size_bytes = i64::try_from(received.size_bytes()).map_err(Error::internal)?;
    let (caller, name, etag) = (caller.clone(), bucket.to_owned(), summed.etag());
    let kept = app.objects.keep(received, move |conn, digest| {
        let bucket = enter(conn, &caller, &name, Right::Write, &put.key)?;
        check_conditions(conn, &bucket, &put.key, &put.conditions)?;
        let new = NewObject {
            key: put.key,
            size_bytes,
            modified_at: clock::now_ms(),
            etag,
            content: Content::Blob(digest.to_owned()),
            content_type: put.content_type,
            about,
        };
        let row = store::objects::insert(conn, &bucket, new)?;
        then(conn)?;
        Ok(Written { row, versioning: bucket.versioning() })
    });
    Ok(kept.await?.1)
}

/// Removes what the key holds, or one version of it. A key that is not there counts as removed.
///
/// # Errors
/// `not_found` for a version that is not there.
pub async fn remove(
    app: &App,
    caller: &Caller,
    bucket: &str,
    key: &str,
    version: Option<VersionId>,
    conditions: Conditions,
) -> Result<Removed> {
    rules::check_key(key)?;
    let (caller, name, key) = (caller.clone(), bucket.to_owned(), key.to_owned());
    app.db
        .write(move |conn| {
            let bucket = enter(conn, &caller, &name, Right::Write, &key)?;
            check_conditions(conn, &bucket, &key, &conditions)?;
            remove_in(conn, &bucket, &key, version)
        })
        .await
}

fn remove_in(conn: &mut Conn, bucket: &Entered, key: &str, version: Option<VersionId>) -> Result<Removed> {
    match version {
        None => store::objects::remove(conn, bucket, key, clock::now_ms()),
        // as S3 has it: to remove what is not there succeeds
        Some(wanted) => Ok(store::objects::remove_version(conn, bucket, key, wanted)?
            .unwrap_or(Removed { version: Some(wanted), is_marker: false })),
    }
}

/// As `remove`, of many at once, in one transaction; each has its own outcome.
pub async fn remove_many(
    app: &App,
    caller: &Caller,
    bucket: &str,
    wanted: Vec<(String, Option<VersionId>)>,
) -> Result<Vec<Result<Removed>>> {
    let (caller, name) = (caller.clone(), bucket.to_owned());
    app.db.write(move |conn| remove_each(conn, &caller, &name, &wanted)).await
}

/// As `remove_many`, in the caller's transaction.
pub fn remove_each(
    conn: &mut Conn,
    caller: &Caller,
    bucket: &str,
    wanted: &[(String, Option<VersionId>)],
) -> Result<Vec<Result<Removed>>> {
    enter(conn, caller, bucket, Right::Enter, "")?;
    let each = wanted.iter().map(|(key, version)| {
        rules::check_key(key)?;
        let bucket = enter(conn, caller, bucket, Right::Write, key)?;
        remove_in(conn, &bucket, key, *version)
    });
    Ok(each.collect())
}

/// Changes tags, metadata and the like of what is there.
pub async fn change_about(
    app: &App,
    caller: &Caller,
    bucket: &str,
    key: &str,
    version: Option<VersionId>,
    change: impl FnOnce(&mut About) + Send + 'static,
) -> Result<Found> {
    let (caller, name, key) = (caller.clone(), bucket.to_owned(), key.to_owned());
    app.db
        .write(move |conn| {
            let bucket = enter(conn, &caller, &name, Right::Write, &key)?;
            let found = look_in(conn, bucket, &key, version, false)?.object()?;
            let mut about = About::read(found.row.about.as_deref())?;
            change(&mut about);
            store::objects::set_about(conn, &found.row, about.column()?.as_deref())?;
            Ok(found)
        })
        .await
}
