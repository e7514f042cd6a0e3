//! A blob as a file that one can seek in, for readers of archives; wherever the store keeps its bytes.

use std::io::{Error, Read, Result, Seek, SeekFrom};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::runtime::Handle;

use crate::objects::Objects;

const BLOCK_BYTES: u64 = 256 << 10;
const BLOCKS: usize = 8;
/// A wheel's directory and METADATA are far less; who needs more is led about.
const MOST_BYTES: u64 = 64 << 20;

/// Reads on a blocking thread: it waits for the store.
pub struct BlobReader {
    objects: Objects,
    digest: String,
    size: u64,
    at: u64,
    runtime: Handle,
    /// With the number of each; the latest last.
    blocks: Vec<(u64, Bytes)>,
    fetched: u64,
}

impl BlobReader {
    /// Call it where the runtime is.
    pub fn new(objects: &Objects, digest: &str, size: u64) -> Self {
        let (objects, digest, runtime) = (objects.clone(), digest.to_owned(), Handle::current());
        Self { objects, digest, size, at: 0, runtime, blocks: vec![], fetched: 0 }
    }

    fn block(&mut self, number: u64) -> Result<Bytes> {
        if let Some((_, bytes)) = self.blocks.iter().find(|(known, _)| *known == number) {
            return Ok(bytes.clone());
        }
        let from = number * BLOCK_BYTES;
        let to = (from + BLOCK_BYTES).min(self.size);
        self.fetched += to - from;
        if self.fetched > MOST_BYTES {
            return Err(Error::other("its directory leads to too many places"));
        }
        let bytes = self.runtime.block_on(async {
            let (_, mut body) = self.objects.stream(&self.digest, Some((from, to))).await.map_err(Error::other)?;
            let mut all = BytesMut::new();
            while let Some(chunk) = body.next().await {
                all.extend_from_slice(&chunk?);
            }
            Ok::<_, Error>(all.freeze())
        })?;
        if self.blocks.len() == BLOCKS {
            self.blocks.remove(0);
        }
        self.blocks.push((number, bytes.clone()));
        Ok(bytes)
    }
}

impl Read for BlobReader {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.at >= self.size || into.is_empty() {
            return Ok(0);
        }
        let block = self.block(self.at / BLOCK_BYTES)?;
        let inside = usize::try_from(self.at % BLOCK_BYTES).map_err(Error::other)?;
        let rest = block.get(inside..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| Error::from(std::io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
