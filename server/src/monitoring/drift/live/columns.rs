//! Columns of captured requests, gathered request by request.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::super::{ReferenceColumn, Values};
use crate::serving::capture::rows::Captured;

/// Of a window.
const ROWS: u64 = 200_000;
const CELLS: u64 = 10_000_000;
/// As for tables of datasets: columns with more different words are keys or texts.
const WORDS: usize = 10_000;
const WORD_BYTES: usize = 200;

/// What was gathered so far.
#[derive(Debug, Default)]
pub struct Gathered {
    pub rows: u64,
    columns: BTreeMap<String, Column>,
}

#[derive(Debug, Default)]
struct Column {
    numbers: Vec<f64>,
    words: HashMap<String, u64>,
    cells: u64,
    is_free: bool,
}

impl Gathered {
    /// Takes the rows of a request that was answered well; false once there is enough.
    pub fn take(&mut self, request: &Captured) -> bool {
        if request.status.is_none_or(|status| status >= 400) {
            return true;
        }
        self.rows += request.rows as u64;
        for (name, cells) in &request.columns {
            if !self.columns.contains_key(name) {
                self.columns.insert(name.clone(), Column::default());
            }
            if let Some(column) = self.columns.get_mut(name) {
                cells.iter().for_each(|cell| column.add(cell));
            }
        }
        self.rows < ROWS && self.rows.saturating_mul(self.columns.len() as u64) < CELLS
    }

    /// The names of inputs, without their prefix.
    pub fn names(&self, prefix: &str) -> Vec<&str> {
        self.columns.keys().filter_map(|name| name.strip_prefix(prefix)).collect()
    }

    /// Ready to be compared.
    pub fn finish(self) -> Vec<ReferenceColumn> {
        let rows = self.rows;
        self.columns.into_iter().map(|(name, column)| ReferenceColumn::build(&name, &column.finish(rows))).collect()
    }
}

impl Column {
    fn add(&mut self, cell: &Value) {
        let word = match cell {
            Value::Null => return,
            Value::Number(number) => {
                self.cells += 1;
                return self.numbers.push(number.as_f64().unwrap_or(f64::NAN));
            }
            Value::Bool(word) => word.to_string(),
            Value::String(text) if text.len() <= WORD_BYTES => text.clone(),
            Value::String(text) => {
                let end = (0..=WORD_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
                format!("{} ({} bytes)", &text[..end], text.len())
            }
            other => other.to_string(),
        };
        self.cells += 1;
        if !self.is_free {
            *self.words.entry(word).or_default() += 1;
        }
        self.is_free |= self.words.len() > WORDS;
    }

    /// Of a column of numbers and words, all are words.
    fn finish(mut self, rows: u64) -> Values {
        let missing = rows.saturating_sub(self.cells);
        if self.words.is_empty() && !self.numbers.is_empty() {
            self.numbers.extend((0..missing).map(|_| f64::NAN));
            return Values::Numbers(self.numbers);
        }
        for number in self.numbers {
            *self.words.entry(number.to_string()).or_default() += 1;
        }
        if self.is_free || self.words.len() as u64 * 2 > self.cells.max(1) && self.words.len() > 2 {
            return Values::Unfit("Free text or a key: it has too many different words to be compared.".into());
        }
        Values::Words { counts: self.words.into_iter().collect(), missing }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(status: u16, columns: &[(&str, Vec<Value>)]) -> Captured {
        let columns: Vec<(String, Vec<Value>)> =
            columns.iter().map(|(name, cells)| ((*name).to_owned(), cells.clone())).collect();
        Captured { status: Some(status), rows: columns[0].1.len(), columns, ..Captured::default() }
    }

    #[test]
    fn numbers_words_and_texts_are_told_apart() {
        let mut all = Gathered::default();
        for n in 0..20 {
            let cells =
                [("input.n", json!(n)), ("input.w", json!(["a", "b"][n % 2])), ("input.t", json!(format!("text {n}")))];
            let cells: Vec<(&str, Vec<Value>)> = cells.into_iter().map(|(name, cell)| (name, vec![cell])).collect();
            assert!(all.take(&request(200, &cells)));
        }
        assert!(all.take(&request(200, &[("input.w", vec![json!("a")])])));
        assert!(all.take(&request(500, &[("input.n", vec![json!(1e9)])])));
        assert_eq!((all.rows, all.names("input.")), (21, vec!["n", "t", "w"]));
        let columns = all.finish();
        let count = |name: &str| columns.iter().find(|column| column.name() == name).map(ReferenceColumn::count);
        assert_eq!((count("input.n"), count("input.w"), count("input.t")), (Some(20), Some(21), Some(0)));
    }
}
