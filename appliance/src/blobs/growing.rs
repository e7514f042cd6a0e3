//! The file that a blob grows in.

use std::{
    fs, io,
    io::{Seek, Write},
    num::NonZeroU64,
    path::Path,
};

use rustix::fs::{Advice, OFlags};
use tempfile::NamedTempFile;

/// What blocks that go straight to the disk must be aligned to, in memory and in length: the largest logical block in use.
pub(super) const ALIGN: usize = 4096;

/// As far as this a blob is written through the page cache, since small ones are often read soon. Beyond, the copy into the
/// cache would cost more than the hash, and one large upload would throw everything else out of it.
const CACHED_BYTES: u64 = 8 * 1024 * 1024;

/// Stretches in which a growing file is handed to the disk where it cannot go there straight.
const WRITEBACK_BYTES: u64 = CACHED_BYTES;

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
        if self.way != Way::Direct {
            self.start_writeback();
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
