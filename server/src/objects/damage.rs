//! Content that is not what its name says: found by a read or by the scrub, confirmed, taken out of the way and noted.
//!
//! Always holds: only what was read whole and found wrong twice is called damaged; a damaged file is moved aside, never
//! deleted, and never given out; uploading the same bytes again heals it (`store::touch_blob`). What needs the content
//! keeps its reference: the gap is told, not papered over.

use std::{
    collections::HashSet,
    sync::{MutexGuard, PoisonError},
};

use diesel::prelude::*;
use drydock_appliance::blobs::{BlobError, Problem};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use super::{Objects, is_content_of, store, store_error, stream_error};
use crate::{
    clock,
    db::{Conn, schema::objects::damaged_blobs},
    error::{Error, Result},
};

/// A blob that was found damaged.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Damaged {
    pub digest: String,
    pub size_bytes: i64,
    pub found_at: i64,
    /// In words.
    pub problem: String,
}

/// What is damaged now, latest first, at most `limit`.
pub fn latest(conn: &mut Conn, limit: i64) -> Result<Vec<Damaged>> {
    let order = (damaged_blobs::found_at.desc(), damaged_blobs::digest);
    damaged_blobs::table.order(order).limit(limit).load(conn).map_err(Error::internal)
}

/// How many are damaged now.
pub fn count(conn: &mut Conn) -> Result<i64> {
    damaged_blobs::table.count().get_result(conn).map_err(Error::internal)
}

impl Objects {
    /// A read met wrong bytes: looks into it, off the reader's way.
    pub(super) fn suspect(&self, digest: &str) {
        let (objects, digest) = (self.clone(), digest.to_owned());
        if !objects.examining().insert(digest.clone()) {
            return;
        }
        tokio::spawn(async move {
            if let Err(error) = objects.examine(&digest).await {
                error.log("objects.damage");
            }
            objects.examining().remove(&digest);
        });
    }

    fn examining(&self) -> MutexGuard<'_, HashSet<String>> {
        self.examining.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the content whole and, if it is not what its name says, takes it out of the way and notes it. What is wrong with
    /// it, in words; `None` when it is sound, or gone meanwhile.
    pub async fn examine(&self, digest: &str) -> Result<Option<String>> {
        // If only the copy here is wrong, it goes, and what counts is looked at.
        self.blobs.forget_cached(digest).await.map_err(store_error)?;
        let Some(first) = self.problem(digest).await? else { return Ok(None) };
        // A file that is being replaced by a sound one, or a read that went wrong once, is no damage.
        let Some(problem) = self.problem(digest).await? else {
            tracing::warn!(
                blob.digest = digest,
                blob.problem = first,
                "a read gave wrong bytes once, then the right ones"
            );
            return Ok(None);
        };
        // Nobody may publish the same bytes between the look and the move.
        let claimed = self.publishing.claim(vec![digest.to_owned()]);
        if claimed.digests().is_empty() || self.problem(digest).await?.is_none() {
            return Ok(None);
        }
        let (row, told) = (digest.to_owned(), problem.clone());
        self.db.write(move |conn| note(conn, &row, &told)).await?;
        // Noted first: what cannot be moved (a failing disk, an object too large for a cluster to copy) is told all the same, and
        // reads refuse it where it lies.
        if let Err(cause) = self.blobs.quarantine(digest).await {
            tracing::warn!(blob.digest = digest, error.chain = %cause, "damaged content could not be set aside");
        }
        tracing::error!(blob.digest = digest, "damaged content: {problem}");
        Ok(Some(problem))
    }

    /// What is wrong with the content as it lies there now.
    async fn problem(&self, digest: &str) -> Result<Option<String>> {
        let wanted = digest.to_owned();
        let Some(row) = self.db.read(move |conn| store::blob(conn, &wanted)).await? else { return Ok(None) };
        if let Some(data) = row.data {
            return Ok((!is_content_of(&data, digest)).then(|| "It has other bytes.".to_owned()));
        }
        let size = u64::try_from(row.size_bytes).unwrap_or(0);
        match self.blobs.size(digest).await.map_err(store_error)? {
            None => return Ok(Some("Its file is missing.".to_owned())),
            Some(found) if found != size => {
                return Ok(Some(format!("Its file has {found} bytes instead of {size}.")));
            }
            Some(_) => {}
        }
        match self.file_digest(digest).await {
            Ok(found) if found == digest => Ok(None),
            Ok(_) => Ok(Some("Its file has other bytes.".to_owned())),
            // A cluster that is away says nothing about the content.
            Err(cause) if cause.get_ref().is_some_and(|inner| inner.is::<Problem>()) => {
                Err(stream_error(digest, cause))
            }
            Err(cause) => Ok(Some(format!("Its file cannot be read: {cause}."))),
        }
    }

    async fn file_digest(&self, digest: &str) -> std::io::Result<String> {
        let mut file = self.blobs.open_kept(digest).await.map_err(|cause| match cause {
            BlobError::Cluster(problem) => std::io::Error::other(problem),
            other => std::io::Error::other(other),
        })?;
        let (mut hasher, mut buffer) = (Sha256::new(), vec![0u8; 1 << 20]);
        loop {
            match file.read(&mut buffer).await? {
                0 => return Ok(hex::encode(hasher.finalize())),
                count => hasher.update(buffer.get(..count).unwrap_or_default()),
            }
        }
    }
}

fn note(conn: &mut Conn, digest: &str, problem: &str) -> Result<()> {
    let Some(blob) = store::blob(conn, digest)? else { return Ok(()) };
    // Small content may have been sent again since the look; files are held until here.
    if blob.data.as_ref().is_some_and(|data| is_content_of(data, digest)) {
        return Ok(());
    }
    let row = (
        damaged_blobs::digest.eq(digest),
        damaged_blobs::size_bytes.eq(blob.size_bytes),
        damaged_blobs::found_at.eq(clock::now_ms()),
        damaged_blobs::problem.eq(problem),
    );
    diesel::insert_or_ignore_into(damaged_blobs::table).values(row).execute(conn).map(drop).map_err(Error::internal)
}

/// Forgets damage of content that is not on the box any more.
pub(super) fn forget_gone(conn: &mut Conn) -> Result<usize> {
    diesel::sql_query("DELETE FROM damaged_blobs WHERE digest NOT IN (SELECT digest FROM blobs)")
        .execute(conn)
        .map_err(Error::internal)
}
