//! A kept manifest: its root in memory, its chunks as they are asked for.

use std::sync::Arc;

use super::{ChunkRef, Entry, codec};
use crate::error::{Error, Result};
use crate::objects::Objects;

/// A version's files. Cheap to clone.
#[derive(Clone)]
pub struct Manifest {
    objects: Objects,
    chunks: Arc<Vec<ChunkRef>>,
}

impl Manifest {
    /// The manifest whose root has that digest.
    pub async fn open(objects: &Objects, root: &str) -> Result<Self> {
        let chunks = codec::read_root(&objects.read(root).await?)?;
        Ok(Self { objects: objects.clone(), chunks: Arc::new(chunks) })
    }

    /// One without files.
    pub fn empty(objects: &Objects) -> Self {
        Self { objects: objects.clone(), chunks: Arc::default() }
    }

    pub fn chunks(&self) -> &[ChunkRef] {
        &self.chunks
    }

    pub async fn read_chunk(&self, chunk: &ChunkRef) -> Result<Vec<Entry>> {
        codec::read_chunk(&self.objects.read(&hex::encode(chunk.digest)).await?)
    }

    /// The file at the path.
    pub async fn find(&self, path: &str) -> Result<Option<Entry>> {
        let place = self.chunks.partition_point(|chunk| chunk.last.as_str() < path);
        let Some(chunk) = self.chunks.get(place).filter(|chunk| chunk.first.as_str() <= path) else { return Ok(None) };
        let mut entries = self.read_chunk(chunk).await?;
        let found = entries.binary_search_by(|entry| entry.path.as_str().cmp(path));
        Ok(found.ok().map(|at| entries.swap_remove(at)))
    }

    /// All files in path order.
    pub fn files(&self) -> Files {
        self.files_from("")
    }

    /// Files of chunks other than these.
    pub fn files_without(&self, shared: &std::collections::HashSet<[u8; 32]>) -> Files {
        let own = self.chunks.iter().filter(|chunk| !shared.contains(&chunk.digest)).cloned().collect();
        Self { objects: self.objects.clone(), chunks: Arc::new(own) }.files()
    }

    /// Files whose path is `from` or after it.
    pub fn files_from(&self, from: &str) -> Files {
        let next = self.chunks.partition_point(|chunk| chunk.last.as_str() < from);
        Files { manifest: self.clone(), next, chunk: Vec::new().into_iter(), from: Some(from.to_owned()) }
    }
}

/// Goes through files, a chunk in memory at a time.
pub struct Files {
    manifest: Manifest,
    next: usize,
    chunk: std::vec::IntoIter<Entry>,
    /// Until the first chunk was read.
    from: Option<String>,
}

impl Files {
    pub async fn next(&mut self) -> Result<Option<Entry>> {
        loop {
            if let Some(entry) = self.chunk.next() {
                return Ok(Some(entry));
            }
            let Some(chunk) = self.manifest.chunks.get(self.next) else { return Ok(None) };
            let mut entries = self.manifest.read_chunk(chunk).await?;
            self.next += 1;
            if let Some(from) = self.from.take() {
                let start = entries.partition_point(|entry| entry.path < from);
                entries.drain(..start);
            }
            self.chunk = entries.into_iter();
        }
    }

    /// At most so many of the next files.
    pub async fn take(&mut self, count: usize) -> Result<Vec<Entry>> {
        let mut taken = Vec::with_capacity(count.min(4096));
        while taken.len() < count {
            match self.next().await? {
                Some(entry) => taken.push(entry),
                None => break,
            }
        }
        Ok(taken)
    }
}

impl std::fmt::Debug for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manifest").field("chunks", &self.chunks.len()).finish()
    }
}

/// The missing word for a path that the version has not.
pub fn missing(path: &str) -> Error {
    Error::not_found(format!("The version has no file {path:?}."))
}
