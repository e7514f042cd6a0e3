//! Reading content so that wrong bytes never leave: each block of a file is held against its check sum before it is given
//! out, small content against its digest. What does not fit ends the stream with an error, so that no client takes a
//! damaged answer for a whole one, and is looked into at once (`damage`).

use bytes::{Bytes, BytesMut};
use drydock_appliance::blobs::{BLOCK_BYTES, BlobReader, BlockChecks};
use futures_util::{Stream, stream};
use sha2::{Digest, Sha256};
use tokio::{io::AsyncReadExt, task::JoinHandle};

use super::Objects;

const BLOCK: u64 = BLOCK_BYTES as u64;

/// The whole blocks that these bytes of a blob lie in.
pub(super) fn blocks_around(from: u64, to: u64, size: u64) -> (u64, u64) {
    if from >= to {
        return (from, from);
    }
    (from / BLOCK * BLOCK, to.div_ceil(BLOCK).saturating_mul(BLOCK).min(size))
}

/// What is read, and what it is held against.
pub(super) struct Reading {
    pub objects: Objects,
    pub digest: String,
    pub file: Blocks,
    pub checks: BlockChecks,
    /// Where in the blob the next block starts.
    pub at: u64,
    /// The bytes that are wanted.
    pub from: u64,
    pub to: u64,
}

/// The wanted bytes, block by block.
pub(super) fn checked(reading: Reading) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    stream::try_unfold(reading, |mut reading| async move {
        if reading.at >= reading.to {
            return Ok(None);
        }
        let bytes = reading.next_block().await?;
        Ok(Some((bytes, reading)))
    })
}

impl Reading {
    async fn next_block(&mut self) -> std::io::Result<Bytes> {
        let block = self.file.next(self.to - self.at).await?;
        let number = usize::try_from(self.at / BLOCK).unwrap_or(usize::MAX);
        if !self.checks.fits(number, &block) {
            self.objects.suspect(&self.digest);
            return Err(damaged(&self.digest));
        }
        let start = usize::try_from(self.from.saturating_sub(self.at)).unwrap_or(0);
        let end = usize::try_from((self.to - self.at).min(block.len() as u64)).unwrap_or(block.len());
        self.at += block.len() as u64;
        Ok(block.slice(start.min(end)..end))
    }
}

/// The blocks of a file. While one is being sent the next is read, so that neither the disk nor the network waits for the other.
pub(super) enum Blocks {
    Idle(BlobReader),
    Ahead(JoinHandle<(BlobReader, std::io::Result<Bytes>)>),
    /// A read failed or was given up: where the file stands is not known.
    Lost,
}

impl Blocks {
    /// The next block, of `wanted` bytes that are still to come from where it starts.
    async fn next(&mut self, wanted: u64) -> std::io::Result<Bytes> {
        let (file, block) = match std::mem::replace(self, Blocks::Lost) {
            Blocks::Idle(mut file) => {
                let block = read_block(&mut file).await;
                (file, block)
            }
            Blocks::Ahead(reading) => reading.await.map_err(std::io::Error::other)?,
            Blocks::Lost => return Err(std::io::Error::other("an earlier block could not be read")),
        };
        let block = block?;
        *self = if wanted > block.len() as u64 { Blocks::ahead(file) } else { Blocks::Idle(file) };
        Ok(block)
    }

    fn ahead(mut file: BlobReader) -> Blocks {
        Blocks::Ahead(tokio::spawn(async move {
            let block = read_block(&mut file).await;
            (file, block)
        }))
    }
}

/// The next block of a file that is read from the start of one; shorter at its end, empty after it.
pub(super) async fn read_block(file: &mut BlobReader) -> std::io::Result<Bytes> {
    let length = usize::try_from(file.left_bytes().min(BLOCK)).unwrap_or(BLOCK_BYTES);
    let mut block = BytesMut::with_capacity(length);
    while block.len() < length {
        if file.read_buf(&mut block).await? == 0 {
            break;
        }
    }
    Ok(block.freeze())
}

struct Hashing {
    objects: Objects,
    digest: String,
    file: BlobReader,
    hasher: Sha256,
    is_over: bool,
}

/// A file from before there were check sums, as a whole: its last piece is held back until the digest is known to fit.
pub(super) fn hashed(
    objects: Objects,
    digest: String,
    file: BlobReader,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    let start = Hashing { objects, digest, file, hasher: Sha256::new(), is_over: false };
    stream::try_unfold(start, |mut at| async move {
        if at.is_over {
            return Ok(None);
        }
        let expected = at.file.left_bytes().min(BLOCK);
        let block = read_block(&mut at.file).await?;
        at.hasher.update(&block);
        at.is_over = at.file.left_bytes() == 0 || (block.len() as u64) < expected;
        if at.is_over && hex::encode(at.hasher.finalize_reset()) != at.digest {
            at.objects.suspect(&at.digest);
            return Err(damaged(&at.digest));
        }
        Ok(Some((block, at)))
    })
}

pub(super) fn damaged(digest: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, format!("the content {digest} is damaged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_widens_to_the_blocks_it_lies_in() {
        let size = 3 * BLOCK + 10;
        assert_eq!(blocks_around(0, size, size), (0, size));
        assert_eq!(blocks_around(5, 6, size), (0, BLOCK));
        assert_eq!(blocks_around(BLOCK, BLOCK + 1, size), (BLOCK, 2 * BLOCK));
        assert_eq!(blocks_around(BLOCK - 1, BLOCK + 1, size), (0, 2 * BLOCK));
        assert_eq!(blocks_around(3 * BLOCK + 9, size, size), (3 * BLOCK, size));
        assert_eq!(blocks_around(7, 7, size), (7, 7));
    }
}
