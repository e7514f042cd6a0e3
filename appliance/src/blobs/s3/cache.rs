//! What of the bucket lies here, too: files below one folder, the least recently used of which go when room is wanted.
//!
//! Always holds: nothing here is the only copy; a file has its name only when its bytes were compared with it. A file that
//! something has linked (a container's folder) stays, since its going would free nothing.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    os::unix::fs::MetadataExt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::super::{BlobError, BlobReader, DiskBlobs, Result, blocking, entries};

pub(super) struct Cache {
    pub disk: DiskBlobs,
    limit_bytes: u64,
    used: Mutex<Used>,
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
    pub fn open(disk: DiskBlobs, limit_bytes: u64) -> io::Result<Cache> {
        let mut found = vec![];
        for first in 0..=u8::MAX {
            found.extend(entries(&disk.store.root, &format!("{first:02x}"))?);
        }
        found.sort_by_key(|file| file.written_at);
        let mut used = Used::default();
        for file in found {
            used.put(&file.digest, file.size_bytes);
        }
        Ok(Cache { disk, limit_bytes, used: Mutex::new(used) })
    }

    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
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
    }

    /// Lets it go: whether it was there.
    pub async fn remove(&self, digest: &str) -> Result<bool> {
        self.used().forget(digest);
        self.disk.delete(digest).await
    }

    /// Lets go what was used least recently until so much more fits, or nothing more can go.
    pub async fn make_room(&self, more_bytes: u64) -> Result<()> {
        let mut after = 0;
        loop {
            let next = {
                let used = self.used();
                if used.bytes.saturating_add(more_bytes) <= self.limit_bytes {
                    return Ok(());
                }
                used.by_use.range(after..).next().map(|(at, digest)| (*at, digest.clone()))
            };
            let Some((at, digest)) = next else { return Ok(()) };
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn cache(limit_bytes: u64) -> (tempfile::TempDir, Cache, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let disk = DiskBlobs::open(dir.path().join("cache")).unwrap();
        let mut digests = vec![];
        let cache = Cache::open(disk, limit_bytes).unwrap();
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
        cache.make_room(150).await.unwrap();
        assert_eq!(cache.used_bytes(), 200);
        for (digest, stays) in digests.iter().zip([true, false, false, true]) {
            assert_eq!(cache.disk.size(digest).await.unwrap().is_some(), stays);
        }
    }

    #[tokio::test]
    async fn what_a_container_has_linked_stays() {
        let (dir, cache, digests) = cache(400).await;
        cache.disk.hard_link(&digests[0], &dir.path().join("run/file")).await.unwrap();
        cache.make_room(400).await.unwrap();
        assert_eq!(cache.used_bytes(), 100);
        assert!(cache.disk.size(&digests[0]).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn it_knows_what_lies_there_when_it_is_opened_again() {
        let (dir, first, digests) = cache(400).await;
        drop(first);
        let again = Cache::open(DiskBlobs::open(dir.path().join("cache")).unwrap(), 400).unwrap();
        assert_eq!(again.used_bytes(), 400);
        again.make_room(400).await.unwrap();
        assert_eq!((again.used_bytes(), again.disk.size(&digests[3]).await.unwrap()), (0, None));
    }
}
