//! Reads a CSV file row by row, in bounded memory, and says in words what is wrong with one that is malformed.
//!
//! The first line is the header. A record may not grow past `RECORD_LIMIT_BYTES`, so that a quote left open in a large
//! file cannot pull all of it into memory. A malformed file is a result about the file, never an error of the server.

use std::cell::Cell;
use std::collections::HashSet;
use std::io::{self, Read};
use std::rc::Rc;

const RECORD_LIMIT_BYTES: u64 = 4 << 20;
const COLUMN_LIMIT: usize = 2_000;

/// Why reading ended early.
#[derive(Debug)]
pub enum Stop {
    /// The file's fault, in words for its owner.
    Malformed(String),
    /// Ours: the bytes could not be read.
    Io(io::Error),
}

/// An open CSV file behind its header.
pub struct Table<R: Read> {
    reader: csv::Reader<Metered<R>>,
    since_record: Rc<Cell<u64>>,
    record: csv::StringRecord,
    columns: Vec<String>,
}

/// One row: the line it starts at (the header is line 1) and its cells, as many as there are columns.
pub struct Row<'a> {
    pub line: u64,
    cells: &'a csv::StringRecord,
}

impl Row<'_> {
    pub fn cell(&self, column: usize) -> &str {
        self.cells.get(column).unwrap_or_default()
    }

    pub fn cells(&self) -> impl Iterator<Item = &str> {
        self.cells.iter()
    }
}

/// Whether the cell holds no value.
pub fn is_empty(cell: &str) -> bool {
    cell.trim().is_empty()
}

/// The finite number in the cell.
pub fn number(cell: &str) -> Option<f64> {
    cell.trim().parse::<f64>().ok().filter(|value| value.is_finite())
}

/// Whether the file is read as a table, by its name.
pub fn is_tabular(path: &str) -> bool {
    path.rsplit('.').next().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) && path.contains('.')
}

impl<R: Read> Table<R> {
    /// Reads the header.
    pub fn open(source: R) -> Result<Self, Stop> {
        let since_record = Rc::new(Cell::new(0));
        let metered = Metered { source, since_record: since_record.clone() };
        let mut reader = csv::ReaderBuilder::new().buffer_capacity(64 << 10).has_headers(true).from_reader(metered);
        let header = reader.headers().map_err(explain)?.clone();
        let columns = column_names(&header)?;
        Ok(Self { reader, since_record, record: csv::StringRecord::new(), columns })
    }

    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next row, or nothing at the end.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, Stop> {
        self.since_record.set(0);
        if !self.reader.read_record(&mut self.record).map_err(explain)? {
            return Ok(None);
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        Ok(Some(Row { line, cells: &self.record }))
    }
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
    let mut seen = HashSet::new();
    let mut columns = Vec::with_capacity(header.len());
    for (index, cell) in header.iter().enumerate() {
        let name = if is_empty(cell) { format!("column {}", index + 1) } else { cell.trim().to_owned() };
        if !seen.insert(name.clone()) {
            return Err(Stop::Malformed(format!("Two columns are called `{}`.", excerpt(&name))));
        }
        columns.push(name);
    }
    Ok(columns)
}

/// The beginning of a text, short enough for a message.
pub fn excerpt(text: &str) -> String {
    const LIMIT: usize = 120;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn problem(bytes: &[u8]) -> String {
        let read = || -> Result<u64, Stop> {
            let mut table = Table::open(bytes)?;
            let mut rows = 0;
            while table.next_row()?.is_some() {
                rows += 1;
            }
            Ok(rows)
        };
        match read() {
            Err(Stop::Malformed(words)) => words,
            Err(Stop::Io(error)) => panic!("{error}"),
            Ok(rows) => format!("fine, {rows} rows"),
        }
    }

    #[test]
    fn each_malformed_file_is_explained() {
        assert_eq!(problem(b"a,b\n1,2\n3\n"), "Line 3 has 1 cell, the header has 2.");
        assert_eq!(problem(b"a,b\n1,2\n\xff\xfe,2\n"), "Line 3 is not UTF-8 text; save the file as UTF-8.");
        assert!(problem(b"").contains("empty"));
        assert!(problem(b"\n\n").contains("empty"));
        assert!(problem(b"1,2,3\n4,5,6\n").contains("header line"));
        assert_eq!(problem(b"a,a\n1,2\n"), "Two columns are called `a`.");
        assert_eq!(problem(b"a,b\n"), "fine, 0 rows");
    }

    #[test]
    fn an_open_quote_does_not_pull_the_whole_file_into_memory() {
        let mut bytes = b"a,b\n1,\"".to_vec();
        bytes.resize(12 << 20, b'x');
        assert!(problem(&bytes).contains("longer than 4 MiB"));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_name() {
        assert_eq!(Table::open(&b"\xef\xbb\xbfa,b\n"[..]).ok().unwrap().columns(), ["a", "b"]);
    }

    #[test]
    fn quoted_line_breaks_keep_the_line_numbers_right() {
        let mut table = Table::open(&b"a,b\n\"x\ny\",1\nz,2\n"[..]).ok().unwrap();
        let mut lines = vec![];
        while let Some(row) = table.next_row().ok().unwrap() {
            lines.push(row.line);
        }
        assert_eq!(lines, [2, 4]);
    }

    #[test]
    fn only_csv_files_are_tables() {
        assert!(is_tabular("a.csv") && is_tabular("dir/B.CSV"));
        assert!(!is_tabular("csv") && !is_tabular("a.csv.gz") && !is_tabular("a.txt"));
    }
}
