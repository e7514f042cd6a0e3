//! Named objects over content-addressed blobs: the one store every feature keeps its bytes in.
//!
//! Always holds: a row of `blobs` has its bytes (small ones in the row, large ones as an fsynced file); an object refers to
//! such a row, by foreign key; equal bytes are kept once. A blob without an object lives for a grace period after its
//! last upload. Never here: what a bucket's keys mean.

pub mod damage;
pub mod engine;
pub mod laid;
pub mod parts;
mod publishing;
mod reading;
mod receiving;
pub mod referrers;
pub mod room;
pub mod scrub;
pub mod store;
pub mod sweep;

use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use diesel::Queryable;
use drydock_appliance::blobs::{BlobError, Blobs, BlockChecks, DiskBlobs, Problem, Sum};
use futures_util::{Stream, StreamExt, stream};
use sha2::{Digest, Sha256};
use tokio_util::{either::Either, io::ReaderStream};

use publishing::Publishing;
use receiving::Content;
pub use receiving::{Received, Receiving};
use room::Room;

use crate::{
    clock,
    config::Disk,
    db::{Conn, Db},
    error::{Error, Result},
};

/// Blobs up to this size live in SQLite and ride its group commit, unless the settings say a smaller one.
pub const SMALL_BLOB_BYTES: usize = 64 * 1024;

/// Reads of files that have no check sums yet come in pieces of this size.
const READ_CHUNK_BYTES: usize = 256 * 1024;

/// Whether the bytes are what their name says.
pub fn is_content_of(data: &[u8], digest: &str) -> bool {
    let mut named = [0; 32];
    hex::decode_to_slice(digest, &mut named).is_ok() && <[u8; 32]>::from(Sha256::digest(data)) == named
}

fn damaged(digest: &str) -> Error {
    Error::new(
        drydock_wire::ErrorCode::Internal,
        format!(
            "The stored content {digest} is damaged and is not given out. Upload the same bytes again, or restore a \
             backup; the page \"Store\" says what needs it."
        ),
    )
    .with_source(Damaged)
}

/// Marks an error as one of the content, not of the store.
#[derive(Debug)]
struct Damaged;

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the content is not what its digest says")
    }
}

impl std::error::Error for Damaged {}

/// Whether this one content is damaged: another attempt ends the same way, and other content can be read.
pub fn is_damage(error: &Error) -> bool {
    error.source.as_ref().is_some_and(|source| source.is::<Damaged>())
}

/// A failed fsync stops the process: what is on the disk is not known any more, and nothing may be acknowledged on it.
pub fn store_error(cause: BlobError) -> Error {
    if cause.is_fatal() {
        tracing::error!(error.chain = %cause, "the disk failed; stopping so that nothing is falsely acknowledged");
        std::process::abort();
    }
    match cause {
        BlobError::Cluster(problem) => unreachable(problem),
        BlobError::Damaged(digest) => damaged(&digest),
        other => Error::internal(other),
    }
}

/// What a person reads while the cluster is away; the log and the page "Store" say why.
fn unreachable(problem: Problem) -> Error {
    Error::unavailable(
        "The S3 cluster that keeps large content cannot be used now. Try again in a while: Drydock goes on by itself.",
    )
    .with_source(problem)
}

/// An error within a stream of content.
pub fn stream_error(digest: &str, cause: std::io::Error) -> Error {
    if cause.kind() == std::io::ErrorKind::InvalidData {
        return damaged(digest);
    }
    match cause.get_ref().and_then(|inner| inner.downcast_ref::<Problem>()) {
        Some(problem) => unreachable(problem.clone()),
        None => Error::internal(cause),
    }
}

/// Handle on the store; cheap to clone.
#[derive(Clone)]
pub struct Objects {
    db: Db,
    blobs: Blobs,
    publishing: Publishing,
    /// Contents that are being looked into: many readers may meet the same damage at once.
    examining: Arc<Mutex<HashSet<String>>>,
    small_bytes: usize,
    room: Room,
}

/// Bytes that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobInfo {
    /// SHA-256, 64 hex digits.
    pub digest: String,
    pub size_bytes: u64,
}

/// A named reference to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Object {
    pub bucket: String,
    pub key: String,
    pub digest: String,
    pub size_bytes: i64,
    pub created_at: i64,
}

impl Objects {
    /// Opens a store whose large blobs are files under `dir`.
    pub fn open(db: Db, dir: &Path) -> Result<Self> {
        let disk = DiskBlobs::open(dir).map_err(Error::internal)?;
        let room = Room::new(dir, &Disk::default());
        let (blobs, publishing) = (Blobs::Disk(disk), Publishing::default());
        Ok(Self { db, blobs, publishing, examining: Arc::default(), small_bytes: SMALL_BLOB_BYTES, room })
    }

    /// The store with this much care for the disk's room.
    pub fn with_room(self, config: &Disk) -> Self {
        let room = Room::new(self.room.path(), config);
        Self { room, ..self }
    }

    /// How much room the disk has.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Keeps the bytes of a stream; durable when it returns. Memory stays flat whatever the size.
    ///
    /// # Errors
    /// `too_large` above `limit_bytes`; `invalid` when the sender breaks off. Nothing is kept then.
    pub async fn put_stream<S, E>(&self, body: S, limit_bytes: Option<u64>) -> Result<BlobInfo>
    where
        S: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        let received = self.receive(body, limit_bytes, ()).await?;
        Ok(self.keep(received, |_, _| Ok(())).await?.0)
    }

    /// As `put_stream`, also when the disk is below its floor: for what has to be kept so that work can end.
    pub async fn put_reserved<S, E>(&self, mut body: S) -> Result<BlobInfo>
    where
        S: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        let mut receiving = self.receiving(()).reserved();
        while let Some(chunk) = body.next().await {
            receiving.push(&chunk.map_err(|cause| Error::unavailable(format!("It broke off: {cause}")))?).await?;
        }
        Ok(self.keep(receiving.end().await?, |_, _| Ok(())).await?.0)
    }

    /// As `put_stream`, and (bucket, key) refers to the bytes from the same moment on.
    pub async fn put_object<S, E>(&self, bucket: &str, key: &str, body: S, limit_bytes: Option<u64>) -> Result<BlobInfo>
    where
        S: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        let received = self.receive(body, limit_bytes, ()).await?;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let kept = self.keep(received, move |conn, digest| store::link(conn, &bucket, &key, digest, clock::now_ms()));
        Ok(kept.await?.0)
    }

    /// Keeps these bytes; durable when it returns.
    pub async fn put_bytes(&self, bytes: Bytes) -> Result<BlobInfo> {
        self.put_stream(stream::iter([Ok::<_, std::convert::Infallible>(bytes)]), None).await
    }

    /// An upload that grows piece by piece.
    pub fn receiving<S: Sum>(&self, sum: S) -> Receiving<S> {
        Receiving::new(self.clone(), sum)
    }

    /// Takes a whole stream in without keeping it yet; `sum` sees the bytes, too.
    ///
    /// # Errors
    /// As `put_stream`.
    pub async fn receive<B, E, S>(&self, mut body: B, limit_bytes: Option<u64>, sum: S) -> Result<Received<S>>
    where
        B: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
        S: Sum,
    {
        let mut receiving = self.receiving(sum);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|cause| Error::invalid(format!("The upload broke off: {cause}")))?;
            if limit_bytes.is_some_and(|limit| receiving.size_bytes() + chunk.len() as u64 > limit) {
                return Err(Error::too_large(format!("The upload is larger than {} bytes.", limit_bytes.unwrap_or(0))));
            }
            receiving.push(&chunk).await?;
        }
        receiving.end().await
    }

    /// Makes what was received durable. `then` runs in the transaction that notes it, with its digest: its rows and the
    /// content become visible together, or not at all when it fails.
    pub async fn keep<S, T>(
        &self,
        received: Received<S>,
        then: impl FnOnce(&mut Conn, &str) -> Result<T> + Send + 'static,
    ) -> Result<(BlobInfo, T)>
    where
        T: Send + 'static,
    {
        let (digest, size_bytes, data, checks, publishing) = match received.0 {
            Content::Small { data, digest, .. } => (digest, data.len() as u64, Some(data), None, None),
            Content::Large(written) => {
                let publishing = self.publishing.enter(written.digest()).await;
                let checks = written.checks().to_bytes();
                let (digest, size_bytes) = self.blobs.keep(written).await.map_err(store_error)?;
                (digest, size_bytes, None, Some(checks), Some(publishing))
            }
        };
        let info = BlobInfo { digest: digest.clone(), size_bytes };
        let size = i64::try_from(size_bytes).map_err(Error::internal)?;
        let db = self.db.clone();
        let noting = async move {
            db.write(move |conn| {
                store::touch_blob(conn, &digest, size, data.as_deref(), checks.as_deref(), clock::now_ms())?;
                then(conn, &digest)
            })
            .await
        };
        let Some(publishing) = publishing else { return Ok((info, noting.await?)) };
        // On its own: whoever hangs up now ends the asking, not the writing, and until the row is there or is known not to come
        // no sweep may take the file for garbage.
        let held = tokio::spawn(async move {
            let made = noting.await;
            drop(publishing);
            made
        });
        Ok((info, held.await.map_err(Error::internal)??))
    }

    /// All bytes of a blob.
    ///
    /// # Errors
    /// `not_found` when it is not on the box.
    pub async fn read(&self, digest: &str) -> Result<Bytes> {
        let (size, body) = self.stream(digest, None).await?;
        let mut all = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        let mut body = std::pin::pin!(body);
        while let Some(chunk) = body.next().await {
            all.extend_from_slice(&chunk.map_err(|cause| stream_error(digest, cause))?);
        }
        Ok(Bytes::from(all))
    }

    /// The blob's size in bytes, and its bytes from `range.0` up to but not including `range.1` (all when absent).
    pub async fn stream(
        &self,
        digest: &str,
        range: Option<(u64, u64)>,
    ) -> Result<(u64, impl Stream<Item = std::io::Result<Bytes>> + Send + Unpin + use<>)> {
        let row = self.lookup(digest).await?;
        let size = u64::try_from(row.size_bytes).unwrap_or(0);
        let (from, to) = range.map_or((0, size), |(from, to)| (from.min(size), to.min(size)));
        let to = to.max(from);
        if let Some(data) = row.data {
            if !is_content_of(&data, digest) {
                self.suspect(digest);
                return Err(damaged(digest));
            }
            let slice = Bytes::from(data).slice(from as usize..to as usize);
            return Ok((size, Either::Left(stream::iter([Ok(slice)]))));
        }
        let checks = row.block_checks.and_then(|bytes| BlockChecks::from_bytes(&bytes, size));
        let (start, end) = match checks {
            Some(_) => reading::blocks_around(from, to, size),
            None => (from, to),
        };
        let file = match self.blobs.open_read(digest, size, Some(start..end)).await {
            Ok(file) if file.size_bytes() == size => file,
            Ok(_) | Err(BlobError::NotFound(_) | BlobError::OutOfRange { .. } | BlobError::Damaged(_)) => {
                self.suspect(digest);
                return Err(damaged(digest));
            }
            Err(cause) => return Err(store_error(cause)),
        };
        let (objects, digest) = (self.clone(), digest.to_owned());
        let body = match checks {
            Some(checks) => {
                let file = reading::Blocks::Idle(file);
                let reading = reading::Reading { objects, digest, file, checks, at: start, from, to };
                reading::checked(reading).boxed()
            }
            None if (from, to) == (0, size) => reading::hashed(objects, digest, file).boxed(),
            // A part of a file from before there were check sums: the scrub reads it before long.
            None => ReaderStream::with_capacity(file, READ_CHUNK_BYTES).boxed(),
        };
        Ok((size, Either::Right(body)))
    }

    /// Puts the blob's bytes at `to` for a container to read: a hard link where they are a file, else a copy. Mode 0444.
    pub async fn materialize(&self, digest: &str, to: &Path) -> Result<()> {
        let row = self.lookup(digest).await?;
        if let Some(parent) = to.parent() {
            tokio::fs::create_dir_all(parent).await.map_err(Error::internal)?;
        }
        let Some(data) = row.data else {
            // Programs that get the file cannot check it: it is read through once before.
            let (size, mut body) = self.stream(digest, None).await?;
            while let Some(block) = body.next().await {
                block.map_err(|cause| stream_error(digest, cause))?;
            }
            return self.blobs.hard_link(digest, size, to).await.map_err(store_error);
        };
        if !is_content_of(&data, digest) {
            self.suspect(digest);
            return Err(damaged(digest));
        }
        let to = to.to_owned();
        let write = move || -> std::io::Result<()> {
            use std::os::unix::fs::PermissionsExt;
            match std::fs::remove_file(&to) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            std::fs::write(&to, data)?;
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o444))
        };
        tokio::task::spawn_blocking(write).await.map_err(Error::internal)?.map_err(Error::internal)
    }

    /// Makes (bucket, key) refer to a kept blob.
    pub async fn link(&self, bucket: &str, key: &str, digest: &str) -> Result<()> {
        let (bucket, key, digest) = (bucket.to_owned(), key.to_owned(), digest.to_owned());
        self.db.write(move |conn| store::link(conn, &bucket, &key, &digest, clock::now_ms())).await
    }

    /// The object under (bucket, key).
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Option<Object>> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.db.glance(move |conn| store::get(conn, &bucket, &key)).await
    }

    /// Objects under the prefix, in key order.
    pub async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<Object>> {
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        self.db.read(move |conn| store::list_prefix(conn, &bucket, &prefix)).await
    }

    /// Removes the reference; the bytes go with the next sweep if nothing else refers to them.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<bool> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.db.write(move |conn| store::delete(conn, &bucket, &key)).await
    }

    async fn lookup(&self, digest: &str) -> Result<store::StoredBlob> {
        let wanted = digest.to_owned();
        let found = self.db.glance(move |conn| store::blob(conn, &wanted)).await?;
        found.ok_or_else(|| Error::not_found(format!("There is no content {digest} on the box.")))
    }
}
