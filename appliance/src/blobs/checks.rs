//! A check sum per block of a blob, so that any part of it can be held against what was written without reading the whole.
//!
//! CRC-64/NVME: a flipped bit, a torn block and a zeroed page never pass, other damage passes once in 2^64; it costs a
//! twentieth of the SHA-256, which alone says that content is what its name claims (a scrub compares that).

use crc_fast::CrcAlgorithm;

/// Blobs are written, checked and read in blocks of this size. Large enough that handing one over costs nothing, small
/// enough that many uploads fit in memory: one has at most one block on its way to the disk and one filling up.
pub const BLOCK_BYTES: usize = 1024 * 1024;

/// The check sums of a blob's blocks, in order; the last block may be shorter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockChecks(Vec<u64>);

impl BlockChecks {
    pub(super) fn push(&mut self, check: u64) {
        self.0.push(check);
    }

    /// Takes the next block of a blob; all but the last are whole.
    pub fn add_block(&mut self, block: &[u8]) {
        self.0.push(block_check(block));
    }

    /// Over bytes that are all here.
    pub fn of(bytes: &[u8]) -> BlockChecks {
        BlockChecks(bytes.chunks(BLOCK_BYTES).map(block_check).collect())
    }

    /// As kept: eight bytes a block, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|check| check.to_le_bytes()).collect()
    }

    /// Of a blob of this many bytes; `None` when these are not its check sums.
    pub fn from_bytes(bytes: &[u8], size_bytes: u64) -> Option<BlockChecks> {
        let blocks = size_bytes.div_ceil(BLOCK_BYTES as u64);
        if bytes.len() as u64 != blocks * 8 {
            return None;
        }
        Some(BlockChecks(bytes.as_chunks::<8>().0.iter().map(|eight| u64::from_le_bytes(*eight)).collect()))
    }

    /// Whether `block` is what was written as the blob's block of this number, counted from 0.
    pub fn fits(&self, number: usize, block: &[u8]) -> bool {
        self.0.get(number).is_some_and(|check| *check == block_check(block))
    }
}

/// Of one block.
pub(super) fn block_check(block: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Nvme, block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flipped_bit_shows_in_its_block_alone() {
        let mut bytes: Vec<u8> = (0..BLOCK_BYTES + 5000).map(|n| (n * 31 % 251) as u8).collect();
        let checks = BlockChecks::of(&bytes);
        let kept = BlockChecks::from_bytes(&checks.to_bytes(), bytes.len() as u64);
        assert_eq!(kept.as_ref(), Some(&checks));
        for at in [0, 1, 77_777, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 4999] {
            bytes[at] ^= 1 << (at % 8);
            for (number, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
                assert_eq!(checks.fits(number, block), number != at / BLOCK_BYTES, "bit at {at}, block {number}");
            }
            bytes[at] ^= 1 << (at % 8);
        }
        assert!(!checks.fits(2, &[]));
    }

    #[test]
    fn check_sums_of_another_size_are_none() {
        assert_eq!(BlockChecks::from_bytes(&[0; 8], 0), None);
        assert_eq!(BlockChecks::from_bytes(&[0; 8], BLOCK_BYTES as u64 + 1), None);
        assert_eq!(BlockChecks::from_bytes(&[0; 7], 5), None);
        assert_eq!(BlockChecks::from_bytes(&[], 0), Some(BlockChecks::default()));
    }
}
