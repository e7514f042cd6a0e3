//! Goes through a Parquet file's page headers before anything is unpacked: how large a page says it will be is what a reader
//! reserves, and a few bytes can say two gigabytes.

use std::io::{Read, Seek, SeekFrom};

use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::ChunkReader;

use super::Stop;

/// Of the largest pages of all columns together: two of each are in memory at a time.
const PAGES_LIMIT_BYTES: u64 = 512 << 20;
/// A page's header, statistics included.
const HEADER_LIMIT_BYTES: usize = 1 << 20;

/// # Errors
/// `Malformed` when pages would take too much memory, or cannot be told apart.
pub fn check(source: &impl ChunkReader, size_bytes: u64, metadata: &ParquetMetaData) -> Result<(), Stop> {
    let mut largest = vec![0_u64; metadata.file_metadata().schema_descr().num_columns()];
    for group in metadata.row_groups() {
        for (index, column) in group.columns().iter().enumerate() {
            let (start, length) = column.byte_range();
            let end = start.checked_add(length).filter(|end| *end <= size_bytes).ok_or_else(damaged)?;
            let page = largest_page(source, start, end)?;
            if let Some(known) = largest.get_mut(index) {
                *known = page.max(*known);
            }
        }
    }
    let total: u64 = largest.iter().sum();
    if total > PAGES_LIMIT_BYTES {
        return Err(Stop::Malformed(format!(
            "Its pages take {} MiB once unpacked; {} MiB are read. Write it with smaller pages or row groups.",
            total >> 20,
            PAGES_LIMIT_BYTES >> 20
        )));
    }
    Ok(())
}

fn largest_page(source: &impl ChunkReader, start: u64, end: u64) -> Result<u64, Stop> {
    let (mut at, mut largest) = (start, 0);
    while at < end {
        let header = read_header(source, at, end)?;
        largest = header.unpacked_bytes.max(largest);
        at += header.length + header.packed_bytes;
    }
    Ok(largest)
}

struct Header {
    length: u64,
    packed_bytes: u64,
    unpacked_bytes: u64,
}

fn read_header(source: &impl ChunkReader, at: u64, end: u64) -> Result<Header, Stop> {
    let mut window = 256;
    loop {
        let length = window.min(usize::try_from(end - at).unwrap_or(usize::MAX));
        let mut bytes = vec![0; length];
        let mut reader = source.get_read(at).map_err(|error| Stop::Malformed(error.to_string()))?;
        reader.read_exact(&mut bytes).map_err(Stop::Io)?;
        if let Some(header) = parse(&bytes) {
            return header.ok_or_else(damaged);
        }
        if length < window || window >= HEADER_LIMIT_BYTES {
            return Err(damaged());
        }
        window *= 8;
    }
}

fn damaged() -> Stop {
    Stop::Malformed("The file cannot be read as Parquet: its pages contradict its footer.".into())
}

/// Nothing when there are too few bytes; `Some(None)` for what is no header. Thrift's compact form: a struct of fields, the
/// second and third of which are the sizes.
fn parse(bytes: &[u8]) -> Option<Option<Header>> {
    let mut input = Compact(bytes);
    let (mut field, mut sizes) = (0_i64, [None, None]);
    loop {
        let head = input.byte()?;
        if head == 0 {
            break;
        }
        let kind = head & 0x0f;
        field = match head >> 4 {
            0 => input.integer()?,
            step => field + i64::from(step),
        };
        match (field, kind) {
            (2 | 3, 5) => sizes[field as usize - 2] = u64::try_from(input.integer()?).ok(),
            _ => match input.skip(kind, 0) {
                Skipped::Yes => {}
                Skipped::TooFew => return None,
                Skipped::Never => return Some(None),
            },
        }
    }
    let length = (bytes.len() - input.0.len()) as u64;
    let [unpacked, packed] = sizes;
    Some(unpacked.zip(packed).map(|(unpacked_bytes, packed_bytes)| Header { length, packed_bytes, unpacked_bytes }))
}

enum Skipped {
    Yes,
    TooFew,
    Never,
}

struct Compact<'a>(&'a [u8]);

impl Compact<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for place in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << place;
            if byte < 0x80 {
                break;
            }
        }
        Some(value)
    }

    fn integer(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Skipped {
        match kind {
            _ if depth > 8 => Skipped::Never,
            // a field that is true or false has no bytes of its own
            1 | 2 => Skipped::Yes,
            3 => self.byte().map_or(Skipped::TooFew, |_| Skipped::Yes),
            4..=6 => self.varint().map_or(Skipped::TooFew, |_| Skipped::Yes),
            7 => self.advance(8),
            8 => match self.varint() {
                Some(length) => self.advance(usize::try_from(length).unwrap_or(usize::MAX)),
                None => Skipped::TooFew,
            },
            12 => self.skip_struct(depth),
            _ => Skipped::Never,
        }
    }

    fn skip_struct(&mut self, depth: u8) -> Skipped {
        loop {
            let Some(head) = self.byte() else { return Skipped::TooFew };
            if head == 0 {
                return Skipped::Yes;
            }
            if head >> 4 == 0 && self.varint().is_none() {
                return Skipped::TooFew;
            }
            match self.skip(head & 0x0f, depth + 1) {
                Skipped::Yes => {}
                other => return other,
            }
        }
    }

    fn advance(&mut self, count: usize) -> Skipped {
        match self.0.get(count..) {
            Some(rest) => {
                self.0 = rest;
                Skipped::Yes
            }
            None => Skipped::TooFew,
        }
    }
}

/// The footer's length, from the last bytes: it is read whole.
pub fn check_footer(source: &mut (impl Read + Seek), size_bytes: u64) -> Result<(), Stop> {
    const FOOTER_LIMIT_BYTES: u32 = 64 << 20;
    let no_footer = || Stop::Malformed("The file cannot be read as Parquet: its footer is missing.".into());
    if size_bytes < 12 {
        return Err(no_footer());
    }
    let mut tail = [0; 8];
    source.seek(SeekFrom::Start(size_bytes - 8)).map_err(Stop::Io)?;
    source.read_exact(&mut tail).map_err(Stop::Io)?;
    let [a, b, c, d, b'P', b'A', b'R', b'1'] = tail else { return Err(no_footer()) };
    let length = u32::from_le_bytes([a, b, c, d]);
    if length > FOOTER_LIMIT_BYTES || u64::from(length) + 8 > size_bytes {
        return Err(Stop::Malformed(format!("The file cannot be read as Parquet: its footer claims {length} bytes.")));
    }
    Ok(())
}

/// Length of the header, packed and unpacked bytes.
#[cfg(test)]
pub fn parse_for_tests(bytes: &[u8]) -> Option<(u64, u64, u64)> {
    parse(bytes)?.map(|header| (header.length, header.packed_bytes, header.unpacked_bytes))
}
