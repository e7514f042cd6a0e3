//! Reads tables row by row in bounded memory, whatever their format (by the file's name): CSV with any usual separator, JSON
//! Lines, Parquet. Says in words what is wrong with one that is malformed.
//!
//! Always holds: no row, line, page or header may grow past a limit, so that a small file that unpacks to a large one, or a
//! quote left open, cannot pull everything into memory. A malformed file is a result about the file, never an error of the server.

mod cell;
mod csv;
mod encoding;
mod lines;
mod pages;
mod parquet;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};

pub use cell::{Cell, excerpt, instant_ms, is_empty, number};

/// Of one row or line.
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

/// Bytes of a table.
#[derive(Debug)]
pub enum Source {
    File(File),
    /// The head of one, or a test's.
    Bytes(bytes::Bytes),
}

impl From<&str> for Source {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<&[u8]> for Source {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes::Bytes::copy_from_slice(bytes))
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Bytes(bytes) => {
                let count = bytes.len().min(buffer.len());
                buffer[..count].copy_from_slice(&bytes.split_to(count));
                Ok(count)
            }
        }
    }
}

/// An open table. Columns may become more while rows are read, where the format names them row by row.
pub trait Rows {
    fn columns(&self) -> &[String];
    /// The next row, or nothing at the end.
    fn next_row(&mut self) -> Result<Option<Row<'_>>, Stop>;
}

/// One row: where it is (a line, the header being line 1, or a row's number) and its cells, as many as there are columns.
pub struct Row<'a> {
    pub line: u64,
    cells: Cells<'a>,
}

enum Cells<'a> {
    /// Text that may be anything.
    Plain(&'a ::csv::StringRecord),
    Typed(&'a [TypedCell]),
}

/// A cell of a format that has types.
#[derive(Debug, Default, Clone)]
pub struct TypedCell {
    text: String,
    is_text: bool,
}

impl Row<'_> {
    pub fn cell(&self, column: usize) -> Cell<'_> {
        match self.cells {
            Cells::Plain(record) => Cell { text: record.get(column).unwrap_or_default(), is_text: false },
            Cells::Typed(cells) => cells
                .get(column)
                .map_or(Cell { text: "", is_text: false }, |cell| Cell { text: &cell.text, is_text: cell.is_text }),
        }
    }

    pub fn len(&self) -> usize {
        match self.cells {
            Cells::Plain(record) => record.len(),
            Cells::Typed(cells) => cells.len(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// With the separator, where the name says it.
    Csv(Option<u8>),
    Lines,
    Parquet,
}

fn format(path: &str) -> Option<Format> {
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    match name.rsplit_once('.')?.1 {
        "csv" => Some(Format::Csv(None)),
        "tsv" => Some(Format::Csv(Some(b'\t'))),
        "jsonl" | "ndjson" => Some(Format::Lines),
        "parquet" | "pq" => Some(Format::Parquet),
        _ => None,
    }
}

/// Whether the file is read as a table, by its name.
pub fn is_tabular(path: &str) -> bool {
    format(path).is_some()
}

/// Opens the table; its first columns are known then.
pub fn open(path: &str, source: Source) -> Result<Box<dyn Rows>, Stop> {
    match format(path) {
        Some(Format::Csv(separator)) => Ok(Box::new(csv::Table::open(source, separator)?)),
        Some(Format::Lines) => Ok(Box::new(lines::Lines::open(source)?)),
        Some(Format::Parquet) => Ok(Box::new(parquet::Parquet::open(source)?)),
        None => {
            Err(Stop::Malformed("Only files named .csv, .tsv, .jsonl, .ndjson and .parquet are read as tables.".into()))
        }
    }
}

/// Refuses names that are there twice, and too many.
fn check_names(names: &[String]) -> Result<(), Stop> {
    if names.len() > COLUMN_LIMIT {
        return Err(Stop::Malformed(format!("The file has {} columns; {COLUMN_LIMIT} are read.", names.len())));
    }
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(double) => Err(Stop::Malformed(format!("Two columns are called `{}`.", excerpt(double)))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
