//! A captured request as rows: what it was asked and what it answered, side by side.

use std::collections::BTreeMap;

use drydock_wire::serving::CapturedRow;
use serde_json::Value;

use super::flatten::Table;
use super::tap::Seen;

/// Before the names of columns.
pub const INPUT: &str = "input.";
pub const PREDICTION: &str = "prediction.";

/// One request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Captured {
    pub request_id: String,
    pub at: i64,
    pub caller: Option<String>,
    pub revision: i64,
    pub model: String,
    pub version: i64,
    pub status: Option<u16>,
    pub latency_ms: f64,
    pub error: Option<String>,
    /// At least one.
    pub rows: usize,
    /// With their prefixes; each has `rows` cells.
    pub columns: Vec<(String, Vec<Value>)>,
    /// Roughly, in memory.
    pub bytes: usize,
}

impl Captured {
    /// The rows of both sides. Where they do not have equally many, an answer's beyond the request's are left out.
    pub fn new(seen: &Seen, inputs: Table, predictions: Table, error: Option<String>) -> Self {
        let rows = if inputs.columns.is_empty() { predictions.rows } else { inputs.rows }.max(1);
        let fitted = |prefix: &str, table: Table| {
            let fit = move |(name, mut cells): (String, Vec<Value>)| {
                cells.resize(rows, Value::Null);
                (format!("{prefix}{name}"), cells)
            };
            table.columns.into_iter().map(fit).collect::<Vec<_>>()
        };
        let mut columns = fitted(INPUT, inputs);
        columns.extend(fitted(PREDICTION, predictions));
        let bytes =
            256 + columns.iter().map(|(name, cells)| name.len() + cells.iter().map(size).sum::<usize>()).sum::<usize>();
        Self {
            request_id: seen.request_id.clone(),
            at: seen.at,
            caller: seen.caller.clone(),
            revision: seen.revision,
            model: seen.model.clone(),
            version: seen.version,
            status: seen.status,
            latency_ms: seen.latency_ms,
            error,
            rows,
            columns,
            bytes,
        }
    }

    /// As people see it, row by row.
    pub fn view(&self) -> impl Iterator<Item = CapturedRow> + '_ {
        (0..self.rows).map(|row| CapturedRow {
            request_id: self.request_id.clone(),
            row: u32::try_from(row).unwrap_or(u32::MAX),
            at: self.at,
            caller: self.caller.clone(),
            revision: self.revision,
            model: self.model.clone(),
            version: self.version,
            status: self.status,
            latency_ms: self.latency_ms,
            error: self.error.clone(),
            inputs: self.cells(INPUT, row),
            predictions: self.cells(PREDICTION, row),
        })
    }

    /// What was predicted for that row, by name.
    pub fn predicted(&self, row: usize) -> BTreeMap<String, Value> {
        self.cells(PREDICTION, row)
    }

    fn cells(&self, prefix: &str, row: usize) -> BTreeMap<String, Value> {
        let of_side =
            self.columns.iter().filter_map(|(name, cells)| Some((name.strip_prefix(prefix)?, cells.get(row)?)));
        of_side.filter(|(_, cell)| !cell.is_null()).map(|(name, cell)| (name.to_owned(), cell.clone())).collect()
    }
}

fn size(cell: &Value) -> usize {
    32 + cell.as_str().map_or(0, str::len)
}
