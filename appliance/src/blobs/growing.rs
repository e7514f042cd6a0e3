//! The file that a blob grows in.

use std::{
    fs, io,
    io::{Seek, Write},
    num::NonZeroU64,
    path::Path,
    sync::OnceLock,
};

use rustix::fs::{Advice, OFlags};
use tempfile::NamedTempFile;

use super::BLOCK_BYTES;

/// What blocks that go straight to the disk must be aligned to, in memory and in length: the largest logical block in use.
pub(super) const ALIGN: usize = 4096;

/// As far as this a blob is written through the page cache. Beyond, it goes straight to the disk: the copy into the cache would take
/// as long as the hash. Measured with a GiB in parts of 8 MiB: a quarter faster than with whole parts in the cache.
const CACHED_BYTES: u64 = BLOCK_BYTES as u64;

/// Up to this share of the memory, what went straight to the disk is read back into the page cache while the rest arrives, which
/// costs the processor nothing: what was just pushed is often pulled, deployed or trained on next. A larger blob would throw
/// everything else out.
const READ_BACK_SHARE: u64 = 16;

/// Stretches in which a growing file is handed to the disk where it cannot go there straight.
const WRITEBACK_BYTES: u64 = 8 * 1024 * 1024;

fn read_back_bytes() -> u64 {
    static BYTES: OnceLock<u64> = OnceLock::new();
    *BYTES.get_or_init(|| {
        let about = rustix::system::sysinfo();
        // the machine's words are at most as wide as that
        (about.totalram as u64).saturating_mul(u64::from(about.mem_unit)) / READ_BACK_SHARE
    })
}

pub(super) struct Growing {
    file: NamedTempFile,
    size_bytes: u64,
    way: Way,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Cached,
    /// O_DIRECT is set.
    Direct,
    /// The file system knows no O_DIRECT: cached to the end.
    OnlyCached,
}

impl Growing {
    pub fn new_in(folder: &Path) -> io::Result<Growing> {
        Ok(Growing { file: NamedTempFile::new_in(folder)?, size_bytes: 0, way: Way::Cached })
    }

    /// Appends a block that is aligned, and as long as all before it but the last.
    pub fn append(&mut self, block: &[u8]) -> io::Result<()> {
        if self.way == Way::Cached && self.size_bytes >= CACHED_BYTES {
            self.way = match self.set_direct(true) {
                Ok(()) => Way::Direct,
                Err(_) => Way::OnlyCached,
            };
        }
        if self.way == Way::Direct && !block.len().is_multiple_of(ALIGN) {
            self.back_to_cached()?;
        }
        match self.file.write_all(block) {
            Err(refused) if self.way == Way::Direct && refused.kind() == io::ErrorKind::InvalidInput => {
                self.back_to_cached()?;
                // what of the block was taken is where the file now ends
                let taken =
                    usize::try_from(self.file.stream_position()? - self.size_bytes).map_err(io::Error::other)?;
                self.file.write_all(block.get(taken..).unwrap_or_default())?;
            }
            other => other?,
        }
        self.size_bytes += block.len() as u64;
        match self.way {
            Way::Direct => self.read_back(block.len() as u64),
            Way::Cached | Way::OnlyCached => self.start_writeback(),
        }
        Ok(())
    }

    pub fn into_file(self) -> NamedTempFile {
        self.file
    }

    fn back_to_cached(&mut self) -> io::Result<()> {
        self.way = Way::OnlyCached;
        self.set_direct(false)
    }

    fn set_direct(&self, on: bool) -> io::Result<()> {
        let file = self.file.as_file();
        let mut flags = rustix::fs::fcntl_getfl(file)?;
        flags.set(OFlags::DIRECT, on);
        Ok(rustix::fs::fcntl_setfl(file, flags)?)
    }

    /// Has the kernel read the last bytes into its cache, without waiting for it. A hint as well.
    fn read_back(&self, bytes: u64) {
        if self.size_bytes <= read_back_bytes() {
            let from = self.size_bytes - bytes;
            let _ = rustix::fs::fadvise(self.file.as_file(), from, NonZeroU64::new(bytes), Advice::WillNeed);
        }
    }

    /// Has the kernel begin to write what is in the file so far, a stretch at a time, so that the disk works while the rest
    /// arrives and the fsync at the end finds little left. Only a hint: whether it is taken changes nothing but the time.
    fn start_writeback(&self) {
        let begin = self.size_bytes.checked_sub(WRITEBACK_BYTES);
        if let Some(begin) = begin.filter(|_| self.size_bytes.is_multiple_of(WRITEBACK_BYTES)) {
            let file: &fs::File = self.file.as_file();
            // "Not needed" starts the writing of dirty pages and drops clean ones, of which this stretch has none.
            let _ = rustix::fs::fadvise(file, begin, NonZeroU64::new(WRITEBACK_BYTES), Advice::DontNeed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aligned_vec::{AVec, ConstAlign};

    #[test]
    fn what_goes_straight_to_the_disk_follows_what_went_through_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Growing::new_in(folder.path()).unwrap();
        let mut written = vec![];
        // the last is not a multiple of what the disk takes straight
        let lengths = [BLOCK_BYTES, BLOCK_BYTES, 3 * ALIGN, 100];
        for (number, length) in lengths.into_iter().enumerate() {
            let bytes = (0..length).map(|at| (at * 7 + number) as u8);
            let block: AVec<u8, ConstAlign<ALIGN>> = AVec::from_iter(ALIGN, bytes);
            file.append(&block).unwrap();
            written.extend_from_slice(&block);
            assert_eq!(file.way == Way::Cached, number == 0, "block {number}");
        }
        let kept = file.into_file();
        assert!(fs::read(kept.path()).unwrap() == written);
    }

    #[test]
    fn how_much_is_read_back_follows_the_memory() {
        let bytes = read_back_bytes();
        assert!(bytes > 1 << 22 && bytes < 1 << 44, "{bytes}");
    }
}
