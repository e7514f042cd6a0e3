//! A file's way into the bucket: in one request, or in parts; each checked by its MD5 on both sides, and the whole looked at
//! before anybody is told. Memory stays flat: parts of all uploads share one allowance.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use md5::{Digest, Md5};
use s3::serde_types::Part;
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{
    client::{Client, Found, PART_BYTES, Sent, is_md5},
    problem::{Problem, ProblemKind},
};

type Result<T> = std::result::Result<T, Problem>;

/// Bytes of parts that may be in memory at once, in MiB.
const ALLOWANCE_MIB: u32 = 64;
const AT_ONCE: usize = 4;
/// The protocol allows 10,000.
const MOST_PARTS: u64 = 9_000;
const MIB: u64 = 1 << 20;

/// Uploads of one store. Cheap to clone.
#[derive(Clone)]
pub(super) struct Uploader {
    client: Client,
    allowance: Arc<Semaphore>,
}

impl Uploader {
    pub fn new(client: Client) -> Uploader {
        Uploader { client, allowance: Arc::new(Semaphore::new(ALLOWANCE_MIB as usize)) }
    }

    /// Puts the file's bytes under `key`, unless they are there already. They are in the bucket, whole, when it returns.
    pub async fn upload(&self, key: &str, file: Arc<File>, size_bytes: u64) -> Result<()> {
        if size_bytes > MIB
            && let Some(found) = self.client.head(key).await?
            && found.size_bytes == size_bytes
            && is_the_same(&found, &expected_etag(Arc::clone(&file), size_bytes).await?)
        {
            return Ok(());
        }
        if size_bytes <= PART_BYTES as u64 {
            let _room = self.room(size_bytes).await?;
            let content = read_part(file, 0, size_bytes).await?;
            return self.client.put(key, &content, None).await.map(drop);
        }
        self.upload_in_parts(key, file, size_bytes).await
    }

    async fn upload_in_parts(&self, key: &str, file: Arc<File>, size_bytes: u64) -> Result<()> {
        let part_bytes = part_bytes(size_bytes);
        let begun =
            Begun { client: self.client.clone(), key: key.to_owned(), id: self.client.begin_upload(key).await? };
        let parts = stream::iter(0..size_bytes.div_ceil(part_bytes)).map(|index| {
            let (file, id, at) = (Arc::clone(&file), begun.id.as_str(), index * part_bytes);
            async move {
                let length = part_bytes.min(size_bytes - at);
                let _room = self.room(length).await?;
                let content = read_part(file, at, length).await?;
                let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
                Ok::<_, Problem>((number, self.client.put(key, &content, Some((number, id))).await?))
            }
        });
        let mut sent: Vec<(u32, Sent)> = parts.buffer_unordered(AT_ONCE).try_collect().await?;
        sent.sort_by_key(|(number, _)| *number);
        let expected = whole_etag(sent.iter().map(|(_, sent)| sent.md5));
        let named = sent.into_iter().map(|(part_number, sent)| Part { part_number, etag: sent.etag }).collect();
        let completed = self.client.complete_upload(key, &begun.id, named).await;
        // An answer that was lost on the way says nothing: what lies there decides.
        match self.client.head(key).await? {
            Some(found) if found.size_bytes == size_bytes && is_the_same(&found, &expected) => {
                begun.ended();
                Ok(())
            }
            _ => Err(completed.err().unwrap_or_else(|| {
                Problem::new(ProblemKind::Damaged, "What the S3 cluster put together is not what was sent to it.")
            })),
        }
    }

    async fn room(&self, bytes: u64) -> Result<tokio::sync::SemaphorePermit<'_>> {
        let mib = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX).clamp(1, ALLOWANCE_MIB);
        self.allowance.acquire_many(mib).await.map_err(|closed| Problem::new(ProblemKind::Other, closed.to_string()))
    }
}

/// An upload in parts. Dropped before `ended`, it is taken back as well as the cluster lets us.
struct Begun {
    client: Client,
    key: String,
    id: String,
}

impl Begun {
    fn ended(mut self) {
        self.id.clear();
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.id.is_empty() {
            return;
        }
        let (client, key, id) = (self.client.clone(), std::mem::take(&mut self.key), std::mem::take(&mut self.id));
        if let Ok(threads) = tokio::runtime::Handle::try_current() {
            threads.spawn(async move {
                // What stays is taken away by the sweep a day later.
                let _ = client.abort_upload(&key, &id).await;
            });
        }
    }
}

/// Larger for what would have too many parts otherwise.
fn part_bytes(size_bytes: u64) -> u64 {
    size_bytes.div_ceil(MOST_PARTS).div_ceil(MIB).saturating_mul(MIB).max(PART_BYTES as u64)
}

async fn read_part(file: Arc<File>, at: u64, length: u64) -> Result<Bytes> {
    let read = spawn_blocking(move || {
        let mut content = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
        file.read_exact_at(&mut content, at)?;
        Ok::<_, std::io::Error>(Bytes::from(content))
    });
    Ok(read.await.map_err(|stopped| Problem::new(ProblemKind::Other, stopped.to_string()))??)
}

/// The ETag that this file has when it is uploaded as it is here.
pub(super) async fn expected_etag(file: Arc<File>, size_bytes: u64) -> Result<String> {
    let in_parts = size_bytes > PART_BYTES as u64;
    let part_bytes = if in_parts { part_bytes(size_bytes) } else { size_bytes.max(1) };
    let mut sums = vec![];
    for index in 0..size_bytes.div_ceil(part_bytes).max(1) {
        let at = index * part_bytes;
        let content = read_part(Arc::clone(&file), at, part_bytes.min(size_bytes - at)).await?;
        let summing = spawn_blocking(move || <[u8; 16]>::from(Md5::digest(&content)));
        sums.push(summing.await.map_err(|stopped| Problem::new(ProblemKind::Other, stopped.to_string()))?);
    }
    Ok(if in_parts { whole_etag(sums.into_iter()) } else { hex::encode(sums.first().unwrap_or(&[0; 16])) })
}

fn whole_etag(parts: impl Iterator<Item = [u8; 16]>) -> String {
    let (mut all, mut count) = (Md5::new(), 0);
    for part in parts {
        all.update(part);
        count += 1;
    }
    format!("{}-{count}", hex::encode(<[u8; 16]>::from(all.finalize())))
}

/// Clusters that encrypt, and some others, give ETags that are no MD5: then the sums of the parts, which were checked, have
/// to do.
fn is_the_same(found: &Found, expected: &str) -> bool {
    let comparable = !found.is_encrypted && is_md5(found.etag.split('-').next().unwrap_or_default());
    !comparable || found.etag == expected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_with_what_has_too_many_of_them() {
        assert_eq!(part_bytes(9 << 20), 8 << 20);
        assert_eq!(part_bytes(MOST_PARTS * (8 << 20)), 8 << 20);
        for size in [MOST_PARTS * (8 << 20) + 1, 1 << 40, 5 << 40] {
            assert!(size.div_ceil(part_bytes(size)) <= MOST_PARTS, "{size}");
        }
    }

    #[test]
    fn another_etag_is_other_content_unless_it_is_no_sum() {
        let with = |etag: &str, is_encrypted| Found { size_bytes: 1, etag: etag.into(), is_encrypted };
        let (one, two) = ("0".repeat(32), "1".repeat(32));
        assert!(is_the_same(&with(&one, false), &one) && !is_the_same(&with(&two, false), &one));
        assert!(!is_the_same(&with(&format!("{two}-2"), false), &format!("{one}-2")));
        assert!(is_the_same(&with(&two, true), &one) && is_the_same(&with("opaque", false), &one));
    }
}
