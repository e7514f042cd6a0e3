//! The files of a version, as content in chunks: sorted entries in runs of about a thousand, and a root that lists the runs.
//!
//! Always holds: entries are in byte order of their paths, each path once, no path both file and folder; where a run ends
//! depends on paths alone, so two versions with equal stretches share their chunks, however each came about. Nothing here
//! keeps more than one chunk in memory. Never here: rows of the database (`store`), who may refer to what (`versions`).

mod codec;
mod list;
mod read;
mod write;

use drydock_wire::datasets::DatasetFile;

pub use list::{list, page};
pub use read::Manifest;
pub use write::{Change, Changes, Made, Writer, write_version};

use crate::error::{Error, Result};

/// One file of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub path: String,
    pub digest: [u8; 32],
    pub size_bytes: u64,
}

impl Entry {
    pub fn digest_hex(&self) -> String {
        hex::encode(self.digest)
    }

    pub fn into_file(self) -> DatasetFile {
        DatasetFile { digest: self.digest_hex(), path: self.path, size_bytes: self.size_bytes }
    }

    /// # Errors
    /// `invalid` for a digest that is none.
    pub fn of(path: String, digest: &str, size_bytes: u64) -> Result<Self> {
        let mut raw = [0; 32];
        hex::decode_to_slice(digest, &mut raw)
            .map_err(|_| Error::invalid(format!("Digest of {path:?}: use the SHA-256 as 64 lower-case hex digits.")))?;
        Ok(Self { path, digest: raw, size_bytes })
    }
}

/// A run of entries, as the root has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRef {
    pub digest: [u8; 32],
    pub file_count: u64,
    pub size_bytes: u64,
    pub first: String,
    pub last: String,
}

/// The least text that is greater than everything below the folder or prefix; nothing for the empty one.
fn end_of(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // the gap of the surrogates is stepped over
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests;
