//! Blobs in a bucket of an S3 cluster (MinIO, Ceph, …), through the crate rust-s3, with a cache on this machine.
//!
//! What always holds:
//! - A blob is acknowledged only when it lies in the bucket, whole: it is received and hashed here, sent with check sums on
//!   both sides, and looked at there. Nothing that is only in the cache is ever counted on.
//! - Bytes from the bucket become a file of the cache only when they are what their name says.
//! - The place in the bucket is this box's alone (`owner`); without that certainty nothing is written or deleted.
//! - While the cluster cannot be used (`watch`), what is in the cache can be read; everything else ends at once in
//!   [`BlobError::Cluster`], which says why.

mod cache;
mod client;
mod fetch;
mod owner;
mod problem;
mod upload;
mod watch;

use std::{
    fmt,
    fs::File,
    io,
    ops::Range,
    path::Path,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use tokio_util::io::StreamReader;

use self::{
    cache::{Cache, Limits},
    client::Client,
    fetch::Fetches,
    owner::Place,
    upload::Uploader,
    watch::Watch,
};
use super::{BlobEntry, BlobError, BlobReader, BlobWriter, DiskBlobs, Result, Sum, WrittenBlob, is_digest};

pub use owner::{Owner, Tenure};
pub use problem::{Problem, ProblemKind};
pub use watch::ClusterState;

/// Up to this size a blob is brought here whole, and compared, before anything of it is read.
const AT_ONCE_BYTES: u64 = 16 << 20;
/// Beyond this, a part of a blob that is not here is asked for as such.
const IN_PARTS_BYTES: u64 = 64 << 20;
const PAGE: usize = 1000;
const OPEN_UPLOAD_MS: i64 = 86_400_000;
/// So often the cache looks whether others want its room on the disk.
const LOOK: Duration = Duration::from_secs(5);

/// Where the cluster is and what it is told.
#[derive(Clone)]
pub struct ClusterSettings {
    pub endpoint: String,
    pub region: String,
    pub bucket: String,
    /// Empty, or ending in a slash.
    pub prefix: String,
    pub access_key: String,
    pub secret_key: String,
    /// PEM files' contents: whose certificates are believed, besides the public authorities'.
    pub authorities: Vec<Vec<u8>>,
    /// A request of usual size is answered within this, a long answer never pauses longer.
    pub timeout: Duration,
    pub cache_bytes: u64,
    /// So much of this machine's disk the cache leaves free.
    pub spare_bytes: u64,
}

impl fmt::Debug for ClusterSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{} (keys not shown)", self.endpoint, self.bucket, self.prefix)
    }
}

/// All blobs of a box in a bucket. Cheap to clone.
#[derive(Clone)]
pub struct S3Blobs {
    inner: Arc<Inner>,
}

struct Inner {
    settings: ClusterSettings,
    client: Client,
    uploader: Uploader,
    cache: Arc<Cache>,
    fetches: Fetches,
    watch: Arc<Watch>,
}

impl S3Blobs {
    /// Opens the place in the bucket, with its cache at `cache_dir`. The problem, if there is one: with a lasting one a caller
    /// may rather not go on; with any, the store is open, and the cluster is tried again and again.
    ///
    /// # Errors
    /// When the cache cannot be opened, or the settings cannot be used at all.
    pub async fn open(
        settings: ClusterSettings,
        cache_dir: &Path,
        owner: Owner,
        session: String,
    ) -> Result<(S3Blobs, Option<Problem>)> {
        let client = Client::new(&settings).map_err(BlobError::Cluster)?;
        let (folder, limits) = (cache_dir.to_owned(), Limits::new(settings.cache_bytes, settings.spare_bytes));
        let opening = tokio::task::spawn_blocking(move || {
            Cache::open(DiskBlobs::open(folder)?, limits).map_err(BlobError::from_io)
        });
        let cache = opening.await.map_err(|stopped| BlobError::Failed(io::Error::other(stopped)))??;
        let place = Place::new(client.clone(), &settings.prefix, owner, session);
        let (watch, problem) = Watch::begin(place).await;
        let uploader = Uploader::new(client.clone());
        let (cache, fetches) = (Arc::new(cache), Fetches::default());
        tokio::spawn(give_way(Arc::downgrade(&cache)));
        let inner = Inner { settings, client, uploader, cache, fetches, watch };
        Ok((S3Blobs { inner: Arc::new(inner) }, problem))
    }

    pub fn settings(&self) -> &ClusterSettings {
        &self.inner.settings
    }

    pub fn state(&self) -> ClusterState {
        self.inner.watch.state()
    }

    /// # Errors
    /// [`BlobError::Cluster`] while the cluster cannot be used.
    pub fn usable(&self) -> Result<()> {
        self.inner.watch.usable().map_err(BlobError::Cluster)
    }

    /// Asks the cluster whether the place still is this box's: before anything is deleted there.
    pub async fn confirm(&self) -> Result<()> {
        self.inner.watch.confirm().await.map_err(BlobError::Cluster)
    }

    /// Gives the place in the bucket up.
    pub async fn leave(&self) -> Result<()> {
        self.inner.watch.leave().await.map_err(BlobError::Cluster)
    }

    /// Bytes in the cache, and how many it may have.
    pub fn cache(&self) -> (u64, u64) {
        (self.inner.cache.used_bytes(), self.inner.cache.limit_bytes())
    }

    /// As [`DiskBlobs::summing_writer`]: on the disk here, for as long as it grows.
    pub fn summing_writer<S: Sum>(&self, sum: S) -> BlobWriter<S> {
        self.inner.cache.disk.summing_writer(sum)
    }

    /// Puts what was written into the bucket, and then into the cache: its digest, and its size in bytes.
    pub async fn keep<S>(&self, written: WrittenBlob<S>) -> Result<(String, u64)> {
        let (digest, size_bytes) = (written.digest().to_owned(), written.size_bytes());
        let file = written.reopen().map_err(BlobError::from_io)?;
        self.send(&digest, file, size_bytes).await?;
        self.inner.cache.keep(written).await?;
        Ok((digest, size_bytes))
    }

    /// Puts a file, whose bytes were compared with the digest, into the bucket.
    pub async fn send(&self, digest: &str, file: File, size_bytes: u64) -> Result<()> {
        let key = self.key(digest)?;
        self.usable()?;
        let sent = self.inner.uploader.upload(&key, Arc::new(file), size_bytes).await;
        self.inner.watch.seen(sent).map_err(BlobError::from_problem)
    }

    /// Opens a blob that has `size_bytes`, or the half-open `range` of it: from the cache, or while it comes.
    pub async fn open_read(&self, digest: &str, size_bytes: u64, range: Option<Range<u64>>) -> Result<BlobReader> {
        let Range { start, end } = range.unwrap_or(0..size_bytes);
        if start > end || end > size_bytes {
            return Err(BlobError::OutOfRange { size_bytes });
        }
        if let Some(reader) = self.inner.cache.open_read(digest, Some(start..end)).await? {
            return Ok(reader);
        }
        let running = self.inner.fetches.running_of(digest);
        let is_part = size_bytes > IN_PARTS_BYTES && (start, end) != (0, size_bytes);
        let passes_by = match running {
            Some(running) => is_part && start > running.there().saturating_add(AT_ONCE_BYTES),
            None => is_part || size_bytes > self.inner.cache.limit_bytes(),
        };
        if passes_by {
            return self.open_there(digest, size_bytes, start..end).await;
        }
        self.usable()?;
        let fetch = self.fetch(digest, size_bytes)?;
        let there = if size_bytes <= AT_ONCE_BYTES { fetch.whole().await } else { fetch.begun().await };
        if let Err(fetch::Failure::Disk(kind, words)) = &there {
            self.inner.cache.fell_short(&io::Error::new(*kind, words.clone()));
            return self.open_there(digest, size_bytes, start..end).await;
        }
        self.noticed(digest, there)?;
        let body = StreamReader::new(Box::pin(fetch.read(start, end)));
        Ok(BlobReader::of_stream(Box::pin(body), size_bytes, end - start))
    }

    /// Opens a blob as it lies in the bucket, past the cache.
    pub async fn open_kept(&self, digest: &str) -> Result<BlobReader> {
        let size_bytes = self.size(digest).await?.ok_or_else(|| BlobError::NotFound(digest.to_owned()))?;
        self.open_there(digest, size_bytes, 0..size_bytes).await
    }

    async fn open_there(&self, digest: &str, size_bytes: u64, range: Range<u64>) -> Result<BlobReader> {
        self.usable()?;
        let length = range.end - range.start;
        if length == 0 {
            return Ok(BlobReader::of_stream(Box::pin(tokio::io::empty()), size_bytes, 0));
        }
        let asked = self.inner.client.get(&self.key(digest)?, range.start, Some(range.end)).await;
        let answer = self.inner.watch.seen(asked).map_err(|problem| match problem.kind {
            ProblemKind::Missing => BlobError::NotFound(digest.to_owned()),
            _ => BlobError::from_problem(problem),
        })?;
        if answer.content_length().is_some_and(|found| found != length) {
            return Err(BlobError::Damaged(digest.to_owned()));
        }
        let watch = Arc::clone(&self.inner.watch);
        let body = answer.bytes_stream().map_err(move |error| {
            let problem = Problem { kind: ProblemKind::Unreachable, ..Problem::of_transport(&error) };
            let _ = watch.seen::<()>(Err(problem.clone()));
            io::Error::other(problem)
        });
        Ok(BlobReader::of_stream(Box::pin(StreamReader::new(body)), size_bytes, length))
    }

    /// A blob's size in the bucket, if it is there.
    pub async fn size(&self, digest: &str) -> Result<Option<u64>> {
        let key = self.key(digest)?;
        self.usable()?;
        let found = self.inner.watch.seen(self.inner.client.head(&key).await).map_err(BlobError::from_problem)?;
        Ok(found.map(|found| found.size_bytes))
    }

    /// Deletes a blob in the bucket and in the cache. The answer is whether it may have been there.
    pub async fn delete(&self, digest: &str) -> Result<bool> {
        let key = self.key(digest)?;
        self.usable()?;
        self.inner.watch.seen(self.inner.client.delete(&key).await).map_err(BlobError::from_problem)?;
        self.inner.cache.remove(digest).await?;
        Ok(true)
    }

    /// Lets the copy in the cache go: whether there was one.
    pub async fn forget_cached(&self, digest: &str) -> Result<bool> {
        self.inner.cache.remove(digest).await
    }

    /// Moves a damaged blob aside within the bucket: whether it was there.
    pub async fn quarantine(&self, digest: &str) -> Result<bool> {
        self.inner.cache.remove(digest).await?;
        let (key, aside) = (self.key(digest)?, format!("{}quarantine/{digest}", self.inner.settings.prefix));
        self.confirm().await?;
        let moved = match self.inner.client.copy(&key, &aside).await {
            Ok(()) => self.inner.client.delete(&key).await.map(|()| true),
            Err(problem) if problem.kind == ProblemKind::Missing => Ok(false),
            Err(problem) => Err(problem),
        };
        self.inner.watch.seen(moved).map_err(BlobError::from_problem)
    }

    /// As [`DiskBlobs::hard_link`], out of the cache, where the blob is brought first.
    pub async fn hard_link(&self, digest: &str, size_bytes: u64, to: &Path) -> Result<()> {
        for _ in 0..3 {
            match self.inner.cache.disk.hard_link(digest, to).await {
                Err(BlobError::NotFound(_)) => {}
                other => return other,
            }
            self.usable()?;
            let there = self.fetch(digest, size_bytes)?.whole().await;
            self.noticed(digest, there)?;
        }
        Err(BlobError::Failed(io::Error::other(
            "the cache lets files go faster than they can be linked: give it more room",
        )))
    }

    /// All blobs in the bucket, in the order of their digests.
    pub fn iter(&self) -> impl Stream<Item = Result<BlobEntry>> + Send + Unpin + 'static {
        let blobs = self.clone();
        let prefix = format!("{}blobs/", self.inner.settings.prefix);
        let pages = stream::try_unfold((blobs, Some(None)), move |(blobs, next)| {
            let prefix = prefix.clone();
            async move {
                let Some(token) = next else { return Ok(None) };
                blobs.usable()?;
                let listed = blobs.inner.client.list(prefix.clone(), token, PAGE).await;
                let page = blobs.inner.watch.seen(listed).map_err(BlobError::from_problem)?;
                let found: Vec<Result<BlobEntry>> =
                    page.contents.into_iter().filter_map(|object| entry(&prefix, &object)).map(Ok).collect();
                let next = page.next_continuation_token.filter(|_| page.is_truncated).map(Some);
                Ok::<_, BlobError>(Some((stream::iter(found), (blobs, next))))
            }
        });
        pages.try_flatten().boxed()
    }

    /// Takes away uploads that were begun more than a day ago and never ended: how many.
    pub async fn end_old_uploads(&self, now_ms: i64) -> Result<u64> {
        let mut ended = 0;
        let prefix = format!("{}blobs/", self.inner.settings.prefix);
        let open = self.inner.client.open_uploads(&prefix).await.map_err(BlobError::from_problem)?;
        for (key, id, begun) in open {
            if instant_ms(&begun).is_some_and(|at| now_ms - at > OPEN_UPLOAD_MS) {
                self.inner.client.abort_upload(&key, &id).await.map_err(BlobError::from_problem)?;
                ended += 1;
            }
        }
        Ok(ended)
    }

    fn fetch(&self, digest: &str, size_bytes: u64) -> Result<Arc<fetch::Fetch>> {
        let Inner { client, cache, fetches, .. } = &*self.inner;
        Ok(fetches.of(client, cache, self.key(digest)?, digest, size_bytes))
    }

    fn noticed(&self, digest: &str, outcome: std::result::Result<(), fetch::Failure>) -> Result<()> {
        outcome.map_err(|failure| {
            if let fetch::Failure::Cluster(problem) = &failure {
                let _ = self.inner.watch.seen::<()>(Err(problem.clone()));
            }
            failure.into_error(digest)
        })
    }

    fn key(&self, digest: &str) -> Result<String> {
        if !is_digest(digest) {
            return Err(BlobError::InvalidDigest(digest.chars().take(100).collect()));
        }
        Ok(format!("{}blobs/{}/{}", self.inner.settings.prefix, &digest[..2], &digest[2..]))
    }
}

/// Lets the cache shrink while others fill the disk, for as long as there is one.
async fn give_way(cache: Weak<Cache>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(cache) = cache.upgrade() else { return };
        if let Err(error) = cache.make_room(0, 0).await {
            tracing::debug!(error.chain = %error, "the cache could not let a file go");
        }
    }
}

fn entry(prefix: &str, object: &s3::serde_types::Object) -> Option<BlobEntry> {
    let digest = object.key.strip_prefix(prefix)?.replacen('/', "", 1);
    let written_at = instant_ms(&object.last_modified).unwrap_or(0);
    is_digest(&digest).then_some(BlobEntry { digest, size_bytes: object.size, written_at })
}

/// `2026-11-26T01:02:03.004Z` in milliseconds since 1970.
fn instant_ms(text: &str) -> Option<i64> {
    let number = |range: Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    // days since 1970 of a date, by counting from March so that the leap day is the last
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_of_listings_are_read() {
        assert_eq!(instant_ms("1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(instant_ms("2026-11-26T01:02:03.004Z"), Some(1_795_654_923_000));
        assert_eq!(instant_ms("2024-02-29T12:00:00Z"), Some(1_709_208_000_000));
        assert_eq!(instant_ms("yesterday"), None);
    }

    #[test]
    fn settings_never_show_their_keys() {
        let settings = ClusterSettings {
            endpoint: "http://minio:9000".into(),
            region: "r".into(),
            bucket: "b".into(),
            prefix: String::new(),
            access_key: "AKIA".into(),
            secret_key: "hush".into(),
            authorities: vec![],
            timeout: Duration::from_secs(1),
            cache_bytes: 1,
            spare_bytes: 0,
        };
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hush") && !shown.contains("AKIA"), "{shown}");
    }
}
