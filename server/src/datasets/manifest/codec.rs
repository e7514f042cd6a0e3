//! Bytes of chunks and roots. A path is told by what it shares with the one before it; numbers are LEB128.

use super::{ChunkRef, Entry};
use crate::error::{Error, Result};

const CHUNK: &[u8] = b"drydock manifest chunk 1\n";
const ROOT: &[u8] = b"drydock manifest root 1\n";

pub fn chunk(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(CHUNK.len() + entries.len() * 56);
    out.extend_from_slice(CHUNK);
    number(&mut out, entries.len() as u64);
    let mut before = "";
    for entry in entries {
        let shared = before.bytes().zip(entry.path.bytes()).take_while(|(a, b)| a == b).count();
        number(&mut out, shared as u64);
        text(&mut out, &entry.path.as_bytes()[shared..]);
        number(&mut out, entry.size_bytes);
        out.extend_from_slice(&entry.digest);
        before = &entry.path;
    }
    out
}

pub fn read_chunk(bytes: &[u8]) -> Result<Vec<Entry>> {
    let mut input = Input::new(bytes, CHUNK)?;
    let count = input.number()?;
    // each entry takes 35 bytes at least, so a count that lies reserves no memory
    let mut entries: Vec<Entry> = Vec::with_capacity(usize::try_from(count).unwrap_or(0).min(bytes.len() / 35));
    let mut path = Vec::new();
    for _ in 0..count {
        let shared = usize::try_from(input.number()?).map_err(Error::internal)?;
        if shared > path.len() {
            return Err(damaged());
        }
        path.truncate(shared);
        path.extend_from_slice(input.text()?);
        let size_bytes = input.number()?;
        let digest = input.digest()?;
        let path = String::from_utf8(path.clone()).map_err(Error::internal)?;
        entries.push(Entry { path, digest, size_bytes });
    }
    Ok(entries)
}

pub fn root(chunks: &[ChunkRef]) -> Vec<u8> {
    let mut out = ROOT.to_vec();
    number(&mut out, chunks.len() as u64);
    for chunk in chunks {
        out.extend_from_slice(&chunk.digest);
        number(&mut out, chunk.file_count);
        number(&mut out, chunk.size_bytes);
        text(&mut out, chunk.first.as_bytes());
        text(&mut out, chunk.last.as_bytes());
    }
    out
}

pub fn read_root(bytes: &[u8]) -> Result<Vec<ChunkRef>> {
    let mut input = Input::new(bytes, ROOT)?;
    let count = input.number()?;
    let mut chunks = Vec::with_capacity(usize::try_from(count).unwrap_or(0).min(bytes.len() / 36));
    for _ in 0..count {
        chunks.push(ChunkRef {
            digest: input.digest()?,
            file_count: input.number()?,
            size_bytes: input.number()?,
            first: input.string()?,
            last: input.string()?,
        });
    }
    Ok(chunks)
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn damaged() -> Error {
    Error::internal(anyhow::anyhow!("a manifest of a dataset is damaged"))
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn new(bytes: &'a [u8], magic: &[u8]) -> Result<Self> {
        bytes.strip_prefix(magic).map(Self).ok_or_else(damaged)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64> {
        let mut value = 0;
        for place in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << place;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(damaged())
    }

    fn text(&mut self) -> Result<&'a [u8]> {
        let count = usize::try_from(self.number()?).map_err(Error::internal)?;
        self.take(count)
    }

    fn string(&mut self) -> Result<String> {
        String::from_utf8(self.text()?.to_vec()).map_err(Error::internal)
    }

    fn digest(&mut self) -> Result<[u8; 32]> {
        self.take(32)?.try_into().map_err(Error::internal)
    }
}
