//! Archives that go to a box: a tar packed with zstd, in which the same content has the same bytes.

use std::{fs::File, io::Write};

use tar::{Builder, Header};
use zstd::Encoder;

use crate::error::{Error, Result};

const ZSTD_LEVEL: i32 = 6;
/// 1980: what packs zip files of this code refuses earlier years.
const MTIME_S: u64 = 315_532_800;

/// What entries are added to.
pub type Packing<'a> = Builder<Encoder<'a, &'a File>>;

pub fn begin(to: &File) -> Result<Packing<'_>> {
    Ok(Builder::new(Encoder::new(to, ZSTD_LEVEL).map_err(Error::internal)?))
}

/// The head of an entry, whose time tells nothing.
pub fn header() -> Header {
    let mut header = Header::new_gnu();
    header.set_mtime(MTIME_S);
    header
}

/// The end of the archive and of what packs it, written through.
pub fn end(packing: Packing<'_>) -> Result<()> {
    let packed = packing.into_inner().map_err(Error::internal)?;
    packed.finish().and_then(|mut to| to.flush()).map_err(Error::internal)
}
