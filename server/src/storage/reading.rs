//! Objects: looking up and reading. A look-up brings a small object's bytes along; of an object in parts it reads none, however
//! many there are: a read asks for those that it needs.

use std::pin::Pin;

use bytes::Bytes;
use drydock_wire::storage::Versioning;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use super::{
    access::{Caller, Entered, Right, enter},
    refusals,
    rules::{self, VersionId},
    store::{
        self,
        objects::ObjectRow,
        uploads::{PartRow, Piece},
    },
};
use crate::{
    app::App,
    db::{Conn, Db},
    error::{Error, Result},
    objects::{Objects, SMALL_BLOB_BYTES, is_content_of},
};

/// Bytes of an object on their way out.
pub type Body = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// An object as it was found, with its bytes where those are few.
#[derive(Debug, Clone)]
pub struct Found {
    pub bucket: Entered,
    pub row: ObjectRow,
    data: Option<Bytes>,
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

/// What is there under the key. With `content`, the bytes of a small object come along.
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
    let mut found = Found { bucket, row, data: None };
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
        if let Some(digest) = &self.row.digest
            && self.row.size() <= SMALL_BLOB_BYTES as u64
        {
            let data = crate::objects::store::blob(conn, digest)?.and_then(|blob| blob.data);
            // bytes that are not what their name says are left to `Objects::stream`, which looks into it
            self.data = data.filter(|data| is_content_of(data, digest)).map(Bytes::from);
        }
        Ok(())
    }

    /// How many parts it has; `None` for what is kept as a whole.
    pub fn part_count(&self) -> Option<u32> {
        self.row.upload.and_then(|_| self.row.etag.rsplit_once('-')?.1.parse().ok())
    }

    /// Its parts after number `after`, at most `limit`; none of what is kept as a whole.
    pub async fn parts(&self, db: &Db, after: i64, limit: i64) -> Result<Vec<PartRow>> {
        let Some(upload) = self.row.upload else { return Ok(vec![]) };
        db.read(move |conn| store::uploads::parts(conn, upload, after, limit)).await
    }

    /// First byte of that part and the one after its last.
    pub async fn part_range(&self, db: &Db, number: i64) -> Result<(u64, u64)> {
        let range = match self.row.upload {
            Some(upload) => db.read(move |conn| store::uploads::part_range(conn, upload, number)).await?,
            None => (number == 1).then(|| (0, self.row.size())),
        };
        range.ok_or_else(|| {
            let text = "The requested partnumber is not satisfiable.";
            Error::invalid(text).with_source(refusals::S3Word("InvalidPartNumber"))
        })
    }

    /// The bytes from `from` up to but not including `to`.
    ///
    /// # Errors
    /// `unavailable` when the object was replaced since the look and what is asked for is not there any more.
    pub async fn stream(&self, db: &Db, store: &Objects, (from, to): (u64, u64)) -> Result<Body> {
        if let Some(data) = &self.data {
            let end = (to as usize).min(data.len());
            let slice = data.slice((from as usize).min(end)..end);
            return Ok(stream::iter([Ok(slice)]).boxed());
        }
        match (&self.row.digest, self.row.upload) {
            (Some(digest), _) => Ok(store.stream(digest, Some((from, to))).await?.1.boxed()),
            (None, Some(upload)) => {
                let pieces = db.read(move |conn| store::uploads::pieces(conn, upload, (from, to))).await?;
                let there: u64 = pieces.iter().map(|piece| piece.to - piece.from).sum();
                // the parts of a replaced object go with it
                if there == to - from { Ok(one_by_one(store, pieces)) } else { Err(refusals::replaced_meanwhile()) }
            }
            (None, None) => Ok(stream::empty().boxed()),
        }
    }
}

/// One part after the other, each opened when the one before is read.
fn one_by_one(store: &Objects, pieces: Vec<Piece>) -> Body {
    let objects = store.clone();
    stream::iter(pieces)
        .then(move |Piece { digest, from, to }| {
            let objects = objects.clone();
            async move {
                let opened = objects.stream(&digest, Some((from, to))).await.map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(opened.1)
            }
        })
        .try_flatten()
        .boxed()
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
    join(&app.db, &app.objects, found).await
}

/// As `whole_blob`, of what was found.
pub(super) async fn join(db: &Db, store: &Objects, found: Found) -> Result<(String, u64)> {
    let size = found.row.size();
    if let Some(digest) = found.row.digest {
        return Ok((digest, size));
    }
    let body = found.stream(db, store, (0, size)).await?;
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
