//! Makes a version's manifest out of another one and changes, streaming: chunks that are there already are not written again.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use sha2::{Digest, Sha256};

use super::{ChunkRef, Entry, Manifest, codec, read::missing};
use crate::datasets::store;
use crate::error::{Error, Result};
use crate::objects::{Objects, Received};

/// A chunk ends after a path whose hash says so, which is one in so many …
const CHUNK_FILES: u64 = 1024;
/// … and at the latest here.
const CHUNK_FILES_MOST: usize = 8 * CHUNK_FILES as usize;

/// What happens to one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Put { digest: [u8; 32], size_bytes: u64 },
    Remove,
}

/// What happens to a version's paths; `folders` end in `/` and go with all that is in them, before anything is put.
#[derive(Debug, Default)]
pub struct Changes {
    pub paths: BTreeMap<String, Change>,
    pub folders: Vec<String>,
}

/// A manifest whose chunks are kept; its root is still to be.
pub struct Made {
    pub root: Received,
    pub file_count: u64,
    pub size_bytes: u64,
    /// SHA-256 over the sorted files.
    pub digest: String,
}

/// The manifest of `base` with the changes. Chunks are kept and held for the dataset as they are made; those that `known`
/// has are there.
///
/// # Errors
/// `not_found` when something to remove is not there; `invalid` for a path that is a file and a folder, or when nothing is
/// left; `conflict` when content is not on the box.
pub async fn write_version(
    objects: &Objects,
    dataset_id: &str,
    base: &Manifest,
    known: &Manifest,
    changes: Changes,
) -> Result<Made> {
    let Changes { paths, mut folders } = changes;
    folders.sort();
    let mut used = vec![false; folders.len()];
    let mut writer = Writer::new(objects, dataset_id, known);
    let (mut old, mut changes) = (base.files(), paths.into_iter().peekable());
    let mut next_old = old.next().await?;
    loop {
        let change_first = match (&next_old, changes.peek()) {
            (None, None) => break,
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (Some(entry), Some((path, _))) => *path <= entry.path,
        };
        if change_first {
            let Some((path, change)) = changes.next() else { break };
            let was_there = next_old.as_ref().is_some_and(|entry| entry.path == path);
            if was_there {
                next_old = old.next().await?;
            }
            match change {
                Change::Put { digest, size_bytes } => {
                    writer.push(Entry { path, digest, size_bytes }, true).await?;
                }
                Change::Remove if was_there => {}
                Change::Remove => return Err(missing(&path)),
            }
        } else if let Some(entry) = next_old.take() {
            match folder_over(&folders, &entry.path) {
                Some(at) => used[at] = true,
                None => writer.push(entry, false).await?,
            }
            next_old = old.next().await?;
        }
    }
    if let Some((_, folder)) = used.iter().zip(&folders).find(|(used, _)| !**used) {
        return Err(Error::not_found(format!("The version has no folder {folder:?}.")));
    }
    writer.finish().await
}

/// Which of the sorted folders the path lies in.
fn folder_over(folders: &[String], path: &str) -> Option<usize> {
    if folders.is_empty() {
        return None;
    }
    path.match_indices('/').find_map(|(at, _)| folders.binary_search_by(|f| f.as_str().cmp(&path[..=at])).ok())
}

/// Takes entries in path order and keeps them in chunks.
pub struct Writer<'a> {
    objects: &'a Objects,
    dataset_id: &'a str,
    /// Digests of chunks that the dataset has.
    known: HashSet<[u8; 32]>,
    chunks: Vec<ChunkRef>,
    chunk: Vec<Entry>,
    /// Content in the chunk that the dataset may not have held before.
    fresh: Vec<String>,
    /// Files that a later path might take for a folder.
    parents: Vec<String>,
    last: String,
    file_count: u64,
    size_bytes: u64,
    hash: Sha256,
}

impl<'a> Writer<'a> {
    pub fn new(objects: &'a Objects, dataset_id: &'a str, known: &Manifest) -> Self {
        Self {
            objects,
            dataset_id,
            known: known.chunks().iter().map(|chunk| chunk.digest).collect(),
            chunks: vec![],
            chunk: vec![],
            fresh: vec![],
            parents: vec![],
            last: String::new(),
            file_count: 0,
            size_bytes: 0,
            hash: Sha256::new(),
        }
    }

    /// `is_new`: the dataset may not hold the content yet.
    pub async fn push(&mut self, entry: Entry, is_new: bool) -> Result<()> {
        if self.file_count > 0 && entry.path <= self.last {
            return Err(Error::invalid(format!("The path {:?} is there twice.", entry.path)));
        }
        self.check_parents(&entry.path)?;
        self.hash.update((entry.path.len() as u64).to_be_bytes());
        self.hash.update(entry.path.as_bytes());
        self.hash.update(entry.digest_hex().as_bytes());
        self.file_count += 1;
        self.size_bytes = self.size_bytes.saturating_add(entry.size_bytes);
        self.last.clone_from(&entry.path);
        if is_new {
            self.fresh.push(entry.digest_hex());
        }
        let is_last = ends_chunk(&entry.path) || self.chunk.len() + 1 >= CHUNK_FILES_MOST;
        self.chunk.push(entry);
        if is_last { self.end_chunk().await } else { Ok(()) }
    }

    /// Files whose `path/` could still come are kept, the nearest last: only that one can be the folder of the next path.
    fn check_parents(&mut self, path: &str) -> Result<()> {
        while let Some(parent) = self.parents.last() {
            let rest = path.strip_prefix(parent.as_str());
            if rest.is_some_and(|rest| rest.starts_with('/')) {
                return Err(Error::invalid(format!("{parent:?} is a file and, for {path:?}, a folder.")));
            }
            // '/' comes after some characters, so `a-b` may lie between `a` and `a/b`
            if rest.is_some_and(|rest| rest.as_bytes().first().is_some_and(|byte| *byte < b'/')) {
                break;
            }
            self.parents.pop();
        }
        self.parents.push(path.to_owned());
        Ok(())
    }

    async fn end_chunk(&mut self) -> Result<()> {
        let entries = std::mem::take(&mut self.chunk);
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        let bytes = codec::chunk(&entries);
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let fresh = std::mem::take(&mut self.fresh);
        self.chunks.push(ChunkRef {
            digest,
            file_count: entries.len() as u64,
            size_bytes: entries.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.size_bytes)),
            first: first.path.clone(),
            last: last.path.clone(),
        });
        if !self.known.insert(digest) {
            return Ok(());
        }
        let (received, dataset) = (receive(self.objects, bytes).await?, self.dataset_id.to_owned());
        let hold = move |conn: &mut crate::db::Conn, chunk: &str| {
            store::hold(conn, &dataset, chunk)?;
            fresh.iter().try_for_each(|digest| store::hold(conn, &dataset, digest))
        };
        self.objects.keep(received, hold).await.map(drop)
    }

    /// # Errors
    /// `invalid` without a file.
    pub async fn finish(mut self) -> Result<Made> {
        self.end_chunk().await?;
        if self.file_count == 0 {
            return Err(Error::invalid("A version needs at least one file."));
        }
        let root = receive(self.objects, codec::root(&self.chunks)).await?;
        let digest = hex::encode(self.hash.finalize());
        Ok(Made { root, file_count: self.file_count, size_bytes: self.size_bytes, digest })
    }
}

async fn receive(objects: &Objects, bytes: Vec<u8>) -> Result<Received> {
    objects.receive(stream::iter([Ok::<_, Infallible>(Bytes::from(bytes))]), None, ()).await
}

/// FNV-1a with a finish that mixes its bits: good enough to cut by, and the same for ever.
fn ends_chunk(path: &str) -> bool {
    let hash = path
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 32).is_multiple_of(CHUNK_FILES)
}
