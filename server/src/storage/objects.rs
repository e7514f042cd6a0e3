//! Objects: writing, looking up, reading, removing.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use drydock_wire::storage::Versioning;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::{
    about::About,
    access::{Caller, Entered, Right, enter},
    refusals,
    rules::{self, Conditions, VersionId},
    store::{
        self,
        objects::{Content, NewObject, ObjectRow, Removed},
        uploads::PartRow,
    },
    sums::{Expected, Summed, Summing},
};
use crate::{
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
    objects::{Objects, Received, SMALL_BLOB_BYTES},
};

/// A sender that is silent for so long is given up.
const SILENCE: Duration = Duration::from_secs(15);

/// Bytes of an object on their way out.
pub type Body = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

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
    keep(app, caller, bucket, put, received, &summed).await
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
    received: Received<Summing>,
    summed: &Summed,
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
        Ok(Written { row, versioning: bucket.versioning() })
    });
    Ok(kept.await?.1)
}

/// An object as it was found, with its bytes where those are few.
#[derive(Debug, Clone)]
pub struct Found {
    pub bucket: Entered,
    pub row: ObjectRow,
    data: Option<Bytes>,
    parts: Vec<PartRow>,
}

/// What a key, or a version of it, turned out to be.
#[derive(Debug, Clone)]
pub enum Looked {
    Object(Box<Found>),
    /// The version asked for, or the newest, is a delete marker.
    Marker(Box<ObjectRow>),
}

impl Looked {
    /// # Errors
    /// `not_found` for a marker.
    pub fn object(self) -> Result<Found> {
        match self {
            Self::Object(found) => Ok(*found),
            Self::Marker(row) => Err(refusals::no_such_key(&row.key)),
        }
    }
}

/// What is there under the key. With `content`, what is needed to read it comes along.
///
/// # Errors
/// `not_found` (NoSuchKey, NoSuchVersion).
pub async fn look(
    app: &App,
    caller: &Caller,
    bucket: &str,
    key: &str,
    version: Option<VersionId>,
    content: bool,
) -> Result<Looked> {
    rules::check_key(key)?;
    let (caller, name, key) = (caller.clone(), bucket.to_owned(), key.to_owned());
    app.db
        .glance(move |conn| {
            let bucket = enter(conn, &caller, &name, Right::Read, &key)?;
            look_in(conn, bucket, &key, version, content)
        })
        .await
}

/// As `look`, in the caller's transaction.
pub fn look_in(
    conn: &mut Conn,
    bucket: Entered,
    key: &str,
    version: Option<VersionId>,
    content: bool,
) -> Result<Looked> {
    let row = match version {
        Some(wanted) => store::objects::version(conn, bucket.id, key, wanted)?
            .ok_or_else(|| refusals::no_such_version(&wanted.to_string()))?,
        None => match store::objects::current(conn, bucket.id, key)? {
            Some(row) => row,
            None => {
                let marker = match bucket.versioning() {
                    Versioning::Off => None,
                    _ => store::objects::hiding_marker(conn, bucket.id, key)?,
                };
                return marker.map(|row| Looked::Marker(Box::new(row))).ok_or_else(|| refusals::no_such_key(key));
            }
        },
    };
    if row.is_marker {
        return Ok(Looked::Marker(Box::new(row)));
    }
    let mut found = Found { bucket, row, data: None, parts: vec![] };
    if content {
        found.load(conn)?;
    }
    Ok(Looked::Object(Box::new(found)))
}

impl Found {
    /// What is told of the version: nothing where versioning never was on.
    pub fn version_id(&self) -> Option<VersionId> {
        (self.bucket.versioning() != Versioning::Off).then(|| self.row.version_id())
    }

    fn load(&mut self, conn: &mut Conn) -> Result<()> {
        match (&self.row.digest, self.row.upload) {
            (Some(digest), _) if self.row.size() <= SMALL_BLOB_BYTES as u64 => {
                let data = crate::objects::store::blob(conn, digest)?.and_then(|blob| blob.data);
                // bytes that are not what their name says are left to `Objects::stream`, which looks into it
                self.data = data.filter(|data| hex::encode(Sha256::digest(data)) == *digest).map(Bytes::from);
            }
            (None, Some(upload)) => self.parts = store::uploads::all_parts(conn, upload)?,
            _ => {}
        }
        Ok(())
    }

    /// The parts it was uploaded in; none for what came as a whole, or when the content was not asked for.
    pub fn parts(&self) -> &[PartRow] {
        &self.parts
    }

    /// First byte of that part and the one after its last.
    pub fn part_range(&self, number: i64) -> Result<(u64, u64)> {
        if self.parts.is_empty() && number == 1 {
            return Ok((0, self.row.size()));
        }
        let mut from = 0;
        for part in &self.parts {
            let size = u64::try_from(part.size_bytes).unwrap_or(0);
            if part.number == number {
                return Ok((from, from + size));
            }
            from += size;
        }
        let text = "The requested partnumber is not satisfiable.";
        Err(Error::invalid(text).with_source(refusals::S3Word("InvalidPartNumber")))
    }

    /// The bytes from `from` up to but not including `to`.
    pub async fn stream(&self, store: &Objects, (from, to): (u64, u64)) -> Result<Body> {
        if let Some(data) = &self.data {
            let end = (to as usize).min(data.len());
            let slice = data.slice((from as usize).min(end)..end);
            return Ok(stream::iter([Ok(slice)]).boxed());
        }
        if let Some(digest) = &self.row.digest {
            return Ok(store.stream(digest, Some((from, to))).await?.1.boxed());
        }
        Ok(over_parts(store, &self.parts, (from, to)))
    }
}

/// One part after the other, each opened when the one before is read.
fn over_parts(store: &Objects, parts: &[PartRow], (from, to): (u64, u64)) -> Body {
    let mut pieces = vec![];
    let mut begin = 0u64;
    for part in parts {
        let end = begin + u64::try_from(part.size_bytes).unwrap_or(0);
        if begin < to && end > from {
            pieces.push((part.digest.clone(), from.max(begin) - begin, to.min(end) - begin));
        }
        begin = end;
    }
    let objects = store.clone();
    stream::iter(pieces)
        .then(move |(digest, from, to)| {
            let objects = objects.clone();
            async move {
                let opened = objects.stream(&digest, Some((from, to))).await.map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(opened.1)
            }
        })
        .try_flatten()
        .boxed()
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
    app.db
        .write(move |conn| {
            enter(conn, &caller, &name, Right::Enter, "")?;
            let each = wanted.iter().map(|(key, version)| {
                rules::check_key(key)?;
                let bucket = enter(conn, &caller, &name, Right::Write, key)?;
                remove_in(conn, &bucket, key, *version)
            });
            Ok(each.collect())
        })
        .await
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

/// One blob with all of the object's bytes: its digest. An object in parts is read and written once as a whole, and refers to that
/// from then on.
///
/// # Errors
/// `not_found`; `conflict` when the object was replaced meanwhile.
pub async fn whole_blob(
    app: &App,
    caller: &Caller,
    bucket: &str,
    key: &str,
    version: Option<VersionId>,
) -> Result<(String, u64)> {
    let found = look(app, caller, bucket, key, version, true).await?.object()?;
    join(&app.objects, found).await
}

/// As `whole_blob`, of what was found.
pub(super) async fn join(store: &Objects, found: Found) -> Result<(String, u64)> {
    let size = found.row.size();
    if let Some(digest) = found.row.digest {
        return Ok((digest, size));
    }
    let body = found.stream(store, (0, size)).await?;
    let received = store.receive(body, None, ()).await?;
    let row = found.row;
    let kept = store.keep(received, move |conn, digest| {
        match store::objects::version(conn, row.bucket, &row.key, row.version_id())? {
            Some(now) if now.upload == row.upload && now.seq == row.seq => {
                store::objects::set_whole(conn, &now, digest)
            }
            // replaced or removed meanwhile: what was read still is what was asked for
            _ => Ok(()),
        }
    });
    Ok((kept.await?.0.digest, size))
}
