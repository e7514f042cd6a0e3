//! Text as UTF-8: a byte order mark says UTF-16, in which spreadsheets save, and is otherwise no part of the text.

use std::io::{self, Read};

const CHUNK: usize = 64 << 10;

/// Reads UTF-8 whatever of the two the source is.
pub enum Text<R> {
    Utf8(io::Chain<io::Cursor<Vec<u8>>, R>),
    Utf16 { source: R, is_big: bool, raw: Vec<u8>, out: io::Cursor<Vec<u8>>, is_over: bool },
}

impl<R: Read> Text<R> {
    /// Looks at the first bytes.
    pub fn open(mut source: R) -> io::Result<Self> {
        let mut head = vec![0; 3];
        let mut count = 0;
        while count < head.len() {
            match source.read(&mut head[count..])? {
                0 => break,
                more => count += more,
            }
        }
        head.truncate(count);
        Ok(match head.as_slice() {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Self::Utf16 {
                is_big: head[0] == 0xfe,
                raw: head.split_off(2),
                source,
                out: io::Cursor::default(),
                is_over: false,
            },
            [0xef, 0xbb, 0xbf] => Self::Utf8(io::Cursor::new(vec![]).chain(source)),
            _ => Self::Utf8(io::Cursor::new(head).chain(source)),
        })
    }
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (source, is_big, raw, out, is_over) = match self {
            Self::Utf8(source) => return source.read(buffer),
            Self::Utf16 { source, is_big, raw, out, is_over } => (source, *is_big, raw, out, is_over),
        };
        while out.position() == out.get_ref().len() as u64 && !*is_over {
            let held = raw.len();
            raw.resize(held + CHUNK, 0);
            let count = source.read(&mut raw[held..])?;
            raw.truncate(held + count);
            *is_over = count == 0;
            *out = io::Cursor::new(decode(raw, is_big, *is_over));
        }
        out.read(buffer)
    }
}

/// Takes whole characters out of `raw`; what is no character becomes the replacement one.
fn decode(raw: &mut Vec<u8>, is_big: bool, is_last: bool) -> Vec<u8> {
    let unit = |pair: &[u8]| match is_big {
        true => u16::from_be_bytes([pair[0], pair[1]]),
        false => u16::from_le_bytes([pair[0], pair[1]]),
    };
    let mut units: Vec<u16> = raw.chunks_exact(2).map(unit).collect();
    // the first half of a pair waits for the second
    if !is_last && units.last().is_some_and(|last| (0xd800..0xdc00).contains(last)) {
        units.pop();
    }
    raw.drain(..units.len() * 2);
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>().into_bytes()
}
