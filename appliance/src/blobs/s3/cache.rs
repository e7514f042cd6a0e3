//! What of the bucket lies here, too: files below one folder, the least recently used of which go when room is wanted.
//!
//! Always holds: nothing here is the only copy, so that a disk without room fails neither an upload nor a read; a file has its
//! name only when its bytes were compared with it. A file that something has linked (a container's folder) stays, since its
//! going would free nothing.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::super::{BlobError, BlobReader, DiskBlobs, Result, WrittenBlob, blocking, entries};
use crate::devices;

pub(super) struct Cache {
    pub disk: DiskBlobs,
    limits: Limits,
    used: Mutex<Used>,
    /// Whether the last that was to come here could not, so that the log says it once.
    is_short: AtomicBool,
}

/// How much may lie here.
pub(super) struct Limits {
    pub bytes: u64,
    /// So much of the disk is left to others: uploads on their way, the database.
    pub spare_bytes: u64,
    /// Bytes that the file system has free; one that does not say is taken for a large one. Another stands in for it in tests.
    pub free: fn(&Path) -> u64,
}

impl Limits {
    pub fn new(bytes: u64, spare_bytes: u64) -> Limits {
        Limits { bytes, spare_bytes, free: |path| devices::disk_space(path).map_or(u64::MAX, |(_, free)| free) }
    }
}

#[derive(Default)]
struct Used {
    bytes: u64,
    clock: u64,
    /// Size, and when it was last used.
    files: HashMap<String, (u64, u64)>,
    by_use: BTreeMap<u64, String>,
}

impl Used {
    fn put(&mut self, digest: &str, size_bytes: u64) {
        self.forget(digest);
        self.clock += 1;
        self.bytes += size_bytes;
        self.files.insert(digest.to_owned(), (size_bytes, self.clock));
        self.by_use.insert(self.clock, digest.to_owned());
    }

    fn forget(&mut self, digest: &str) {
        if let Some((size_bytes, at)) = self.files.remove(digest) {
            self.bytes -= size_bytes;
            self.by_use.remove(&at);
        }
    }

    fn touch(&mut self, digest: &str) {
        if let Some((size_bytes, _)) = self.files.get(digest) {
            let size_bytes = *size_bytes;
            self.put(digest, size_bytes);
        }
    }
}

impl Cache {
    /// Knows what lies there. Blocks while it looks.
    pub fn open(disk: DiskBlobs, limits: Limits) -> io::Result<Cache> {
        let mut found = vec![];
        for first in 0..=u8::MAX {
            found.extend(entries(&disk.store.root, &format!("{first:02x}"))?);
        }
        found.sort_by_key(|file| file.written_at);
        let mut used = Used::default();
        for file in found {
            used.put(&file.digest, file.size_bytes);
        }
        Ok(Cache { disk, limits, used: Mutex::new(used), is_short: AtomicBool::new(false) })
    }

    pub fn limit_bytes(&self) -> u64 {
        self.limits.bytes
    }

    pub fn used_bytes(&self) -> u64 {
        self.used().bytes
    }

    /// Opens it if it lies here.
    pub async fn open_read(&self, digest: &str, range: Option<std::ops::Range<u64>>) -> Result<Option<BlobReader>> {
        match self.disk.open_read(digest, range).await {
            Ok(reader) => {
                self.used().touch(digest);
                Ok(Some(reader))
            }
            Err(BlobError::NotFound(_)) => {
                self.used().forget(digest);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A file got its name here.
    pub fn added(&self, digest: &str, size_bytes: u64) {
        self.used().put(digest, size_bytes);
        self.is_short.store(false, Ordering::Relaxed);
    }

    /// Gives what was written here a name, if there is room for it. That there is none is no failure: it lies in the bucket.
    ///
    /// # Errors
    /// [`BlobError::Fatal`] alone.
    pub async fn keep<S>(&self, written: WrittenBlob<S>) -> Result<()> {
        let size_bytes = written.size_bytes();
        if size_bytes > self.limits.bytes {
            return Ok(());
        }
        // it takes its room on the disk already
        let kept = match self.make_room(size_bytes, 0).await {
            Ok(true) => written.keep().await,
            Ok(false) => Err(no_room()),
            Err(error) => Err(error),
        };
        match kept {
            Ok((digest, size_bytes)) => self.added(&digest, size_bytes),
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => self.fell_short(&error),
        }
        Ok(())
    }

    /// Notes that something could not come here.
    pub fn fell_short(&self, cause: &dyn std::error::Error) {
        if !self.is_short.swap(true, Ordering::Relaxed) {
            let source = cause.source().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(error.chain = %format!("{cause} {source}"), "the cache takes nothing now; content is read from the cluster");
        }
    }

    /// Lets it go: whether it was there.
    pub async fn remove(&self, digest: &str) -> Result<bool> {
        self.used().forget(digest);
        self.disk.delete(digest).await
    }

    /// Lets go what was used least recently until so much more fits (of which `to_write` is not on the disk yet), or nothing more
    /// can go. Whether the disk has room for it.
    pub async fn make_room(&self, more_bytes: u64, to_write: u64) -> Result<bool> {
        let mut after = 0;
        loop {
            let has_disk =
                (self.limits.free)(&self.disk.store.root) >= self.limits.spare_bytes.saturating_add(to_write);
            let next = {
                let used = self.used();
                if has_disk && used.bytes.saturating_add(more_bytes) <= self.limits.bytes {
                    return Ok(true);
                }
                used.by_use.range(after..).next().map(|(at, digest)| (*at, digest.clone()))
            };
            let Some((at, digest)) = next else { return Ok(has_disk) };
            after = at + 1;
            let path = self.disk.store.path(&digest)?;
            let links = blocking(move || Ok(fs::metadata(path).map_or(1, |file| file.nlink()))).await;
            if links.map_err(BlobError::from_io)? <= 1 {
                self.remove(&digest).await?;
            }
        }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The disk has no room that is the cache's.
pub(super) fn no_room() -> BlobError {
    BlobError::from_io(io::Error::new(io::ErrorKind::StorageFull, "the disk's last room is not the cache's"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn limits(bytes: u64) -> Limits {
        Limits { bytes, spare_bytes: 0, free: |_| u64::MAX }
    }

    async fn cache(limit_bytes: u64) -> (tempfile::TempDir, Cache, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let disk = DiskBlobs::open(dir.path().join("cache")).unwrap();
        let mut digests = vec![];
        let cache = Cache::open(disk, limits(limit_bytes)).unwrap();
        for fill in 0..4u8 {
            digests.push(cache.disk.put(&[fill; 100]).await.unwrap());
            cache.added(&digests[usize::from(fill)], 100);
        }
        (dir, cache, digests)
    }

    #[tokio::test]
    async fn what_was_used_least_recently_goes_first() {
        let (_dir, cache, digests) = cache(400).await;
        assert!(cache.open_read(&digests[0], None).await.unwrap().is_some());
        cache.make_room(150, 150).await.unwrap();
        assert_eq!(cache.used_bytes(), 200);
        for (digest, stays) in digests.iter().zip([true, false, false, true]) {
            assert_eq!(cache.disk.size(digest).await.unwrap().is_some(), stays);
        }
    }

    #[tokio::test]
    async fn what_a_container_has_linked_stays() {
        let (dir, cache, digests) = cache(400).await;
        cache.disk.hard_link(&digests[0], &dir.path().join("run/file")).await.unwrap();
        cache.make_room(400, 400).await.unwrap();
        assert_eq!(cache.used_bytes(), 100);
        assert!(cache.disk.size(&digests[0]).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn it_knows_what_lies_there_when_it_is_opened_again() {
        let (dir, first, digests) = cache(400).await;
        drop(first);
        let again = Cache::open(DiskBlobs::open(dir.path().join("cache")).unwrap(), limits(400)).unwrap();
        assert_eq!(again.used_bytes(), 400);
        again.make_room(400, 400).await.unwrap();
        assert_eq!((again.used_bytes(), again.disk.size(&digests[3]).await.unwrap()), (0, None));
    }

    async fn written(cache: &Cache, fill: u8) -> WrittenBlob<()> {
        let mut writer = cache.disk.writer();
        writer.write(&[fill; 100]).await.unwrap();
        writer.settled().await.unwrap()
    }

    #[tokio::test]
    async fn a_disk_without_room_empties_the_cache_and_fails_nothing() {
        let (_dir, mut cache, digests) = cache(1000).await;
        cache.limits = Limits { spare_bytes: 1000, free: |_| 999, ..limits(1000) };
        assert!(!cache.make_room(0, 0).await.unwrap());
        assert_eq!((cache.used_bytes(), cache.disk.size(&digests[3]).await.unwrap()), (0, None));
        let late = written(&cache, 9).await;
        let digest = late.digest().to_owned();
        cache.keep(late).await.unwrap();
        assert_eq!((cache.used_bytes(), cache.disk.size(&digest).await.unwrap()), (0, None));
        cache.limits.spare_bytes = 999;
        cache.keep(written(&cache, 9).await).await.unwrap();
        assert_eq!((cache.used_bytes(), cache.disk.size(&digest).await.unwrap()), (100, Some(100)));
    }

    #[tokio::test]
    async fn what_cannot_be_named_here_is_no_failure_of_its_upload() {
        let (dir, cache, _) = cache(1000).await;
        let late = written(&cache, 9).await;
        fs::remove_dir(dir.path().join("cache").join(&late.digest()[..2])).unwrap();
        cache.keep(late).await.unwrap();
        assert_eq!(cache.used_bytes(), 400);
    }
}
