//! CSV with any usual separator. The first line is the header. A record may not grow past `RECORD_LIMIT_BYTES`, so that a
//! quote left open in a large file cannot pull all of it into memory.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use super::encoding::Text;
use super::{COLUMN_LIMIT, Cells, RECORD_LIMIT_BYTES, Row, Rows, Source, Stop, check_names, is_empty, number};

/// Of the beginning, to find the separator.
const HEAD_BYTES: usize = 64 << 10;

/// What was read to find the separator, then the rest.
type Whole = io::Chain<io::Cursor<Vec<u8>>, Text<Source>>;

/// An open CSV file behind its header.
pub struct Table {
    reader: csv::Reader<Metered<Whole>>,
    since_record: Rc<Cell<u64>>,
    record: csv::StringRecord,
    columns: Vec<String>,
}

impl Table {
    /// Reads the header; the separator is found in it unless the file's name says it.
    pub fn open(source: Source, separator: Option<u8>) -> Result<Self, Stop> {
        let mut text = Text::open(source).map_err(Stop::Io)?;
        let mut head = vec![];
        text.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(Stop::Io)?;
        let separator = separator.unwrap_or_else(|| separator_of(&head));
        let since_record = Rc::new(Cell::new(0));
        let metered = Metered { source: io::Cursor::new(head).chain(text), since_record: since_record.clone() };
        let mut builder = csv::ReaderBuilder::new();
        builder.buffer_capacity(64 << 10).has_headers(true).delimiter(separator);
        let mut reader = builder.from_reader(metered);
        let header = reader.headers().map_err(explain)?.clone();
        let columns = column_names(&header)?;
        Ok(Self { reader, since_record, record: csv::StringRecord::new(), columns })
    }
}

impl Rows for Table {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next_row(&mut self) -> Result<Option<Row<'_>>, Stop> {
        self.since_record.set(0);
        if !self.reader.read_record(&mut self.record).map_err(explain)? {
            return Ok(None);
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        Ok(Some(Row { line, cells: Cells::Plain(&self.record) }))
    }
}

/// The one of the usual separators that the header has most of, outside quotes; a comma when it has none.
fn separator_of(head: &[u8]) -> u8 {
    const USUAL: [u8; 4] = [b',', b';', b'\t', b'|'];
    let (mut counts, mut is_quoted) = ([0_usize; USUAL.len()], false);
    for byte in head {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' if !is_quoted => break,
            byte if !is_quoted => {
                if let Some(at) = USUAL.iter().position(|usual| usual == byte) {
                    counts[at] += 1;
                }
            }
            _ => {}
        }
    }
    // of equals the first
    let best = (0..USUAL.len()).rev().max_by_key(|at| counts[*at]).unwrap_or(0);
    USUAL[best]
}

/// A nameless column (the index that pandas writes, say) is called by its place.
fn column_names(header: &csv::StringRecord) -> Result<Vec<String>, Stop> {
    if header.iter().all(is_empty) {
        return Err(Stop::Malformed(
            "The file is empty: a header line with the names of the columns is missing.".into(),
        ));
    }
    if header.iter().all(|cell| number(cell).is_some()) {
        return Err(Stop::Malformed(
            "The first line holds only numbers: a header line with the names of the columns is missing.".into(),
        ));
    }
    if header.len() > COLUMN_LIMIT {
        return Err(Stop::Malformed(format!("The file has {} columns; {COLUMN_LIMIT} are read.", header.len())));
    }
    let name = |(index, cell): (usize, &str)| {
        if is_empty(cell) { format!("column {}", index + 1) } else { cell.trim().to_owned() }
    };
    let columns: Vec<String> = header.iter().enumerate().map(name).collect();
    check_names(&columns)?;
    Ok(columns)
}

fn explain(error: csv::Error) -> Stop {
    let line_of = |position: &Option<csv::Position>| position.as_ref().map_or(1, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let cells = if *len == 1 { "cell" } else { "cells" };
            Stop::Malformed(format!("Line {} has {len} {cells}, the header has {expected_len}.", line_of(pos)))
        }
        csv::ErrorKind::Utf8 { pos, .. } => {
            Stop::Malformed(format!("Line {} is not UTF-8 text; save the file as UTF-8.", line_of(pos)))
        }
        csv::ErrorKind::Io(cause) if is_overlong(cause) => Stop::Malformed(format!(
            "A row is longer than {} MiB; probably a quote is opened and never closed.",
            RECORD_LIMIT_BYTES >> 20
        )),
        _ => match error.into_kind() {
            csv::ErrorKind::Io(cause) => Stop::Io(cause),
            other => Stop::Malformed(format!("The file cannot be read as CSV: {other:?}.")),
        },
    }
}

#[derive(Debug)]
struct Overlong;

impl std::fmt::Display for Overlong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("record too long")
    }
}

impl std::error::Error for Overlong {}

fn is_overlong(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Overlong>())
}

/// Counts what was read since the last record came out.
struct Metered<R> {
    source: R,
    since_record: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_record.get() > RECORD_LIMIT_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, Overlong));
        }
        let count = self.source.read(buffer)?;
        self.since_record.set(self.since_record.get() + count as u64);
        Ok(count)
    }
}
