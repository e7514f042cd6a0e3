//! JSON Lines: an object per line. A column is a key that some line has; what is nested is its own JSON as text.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

use serde_json::{Map, Value};

use super::encoding::Text;
use super::{COLUMN_LIMIT, Cells, RECORD_LIMIT_BYTES, Row, Rows, Source, Stop, TypedCell};

pub struct Lines {
    source: BufReader<Text<Source>>,
    line: u64,
    buffer: Vec<u8>,
    columns: Vec<String>,
    places: HashMap<String, usize>,
    cells: Vec<TypedCell>,
    /// The first row, which was read to know its columns.
    is_ahead: bool,
}

impl Lines {
    pub fn open(source: Source) -> Result<Self, Stop> {
        let source = BufReader::with_capacity(64 << 10, Text::open(source).map_err(Stop::Io)?);
        let mut lines = Self {
            source,
            line: 0,
            buffer: vec![],
            columns: vec![],
            places: HashMap::new(),
            cells: vec![],
            is_ahead: false,
        };
        if !lines.advance()? {
            return Err(Stop::Malformed("The file is empty: a JSON object per line is expected.".into()));
        }
        lines.is_ahead = true;
        Ok(lines)
    }

    /// Reads the next line that is not blank into the cells.
    fn advance(&mut self) -> Result<bool, Stop> {
        loop {
            self.buffer.clear();
            let mut limited = (&mut self.source).take(RECORD_LIMIT_BYTES + 1);
            let count = limited.read_until(b'\n', &mut self.buffer).map_err(Stop::Io)?;
            if count == 0 {
                return Ok(false);
            }
            self.line += 1;
            if count as u64 > RECORD_LIMIT_BYTES {
                return Err(Stop::Malformed(format!(
                    "Line {} is longer than {} MiB.",
                    self.line,
                    RECORD_LIMIT_BYTES >> 20
                )));
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        let object: Map<String, Value> = serde_json::from_slice(&self.buffer)
            .map_err(|error| Stop::Malformed(format!("Line {} is no JSON object: {error}.", self.line)))?;
        self.fill(object)?;
        Ok(true)
    }

    fn fill(&mut self, object: Map<String, Value>) -> Result<(), Stop> {
        // anew, not cleared: a long value's memory would stay with each column that ever had one
        self.cells.fill_with(TypedCell::default);
        for (key, value) in object {
            let place = match self.places.get(&key) {
                Some(place) => *place,
                None if self.columns.len() >= COLUMN_LIMIT => {
                    return Err(Stop::Malformed(format!("The lines have more than {COLUMN_LIMIT} different keys.")));
                }
                None => {
                    self.columns.push(key.clone());
                    self.cells.push(TypedCell::default());
                    self.places.insert(key, self.columns.len() - 1);
                    self.columns.len() - 1
                }
            };
            let cell = &mut self.cells[place];
            (cell.text, cell.is_text) = match value {
                Value::Null => (String::new(), false),
                Value::String(text) => (text, true),
                Value::Bool(_) | Value::Number(_) => (value.to_string(), false),
                nested => (nested.to_string(), true),
            };
        }
        Ok(())
    }
}

impl Rows for Lines {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next_row(&mut self) -> Result<Option<Row<'_>>, Stop> {
        if !std::mem::take(&mut self.is_ahead) && !self.advance()? {
            return Ok(None);
        }
        Ok(Some(Row { line: self.line, cells: Cells::Typed(&self.cells) }))
    }
}
