//! Bodies of requests and answers as rows and columns. Pure.
//!
//! What is known by its form becomes columns: MLflow's scoring forms, CSV, tensors of the Open Inference Protocol, and any other JSON object by its
//! fields. Whatever else a body is, it stays one text. A masked column is gone from every form, also where it is a field within
//! a value; a body that cannot be read is not kept at all where something is masked.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use crate::serving::v2;

/// Of one body; those beyond are not kept.
const ROWS: usize = 10_000;
/// Lists and objects with more places stay one text.
const WIDTH: usize = 512;
/// Of one cell.
pub const CELL_BYTES: usize = 64 << 10;
/// The column of what has no other.
const BODY: &str = "body";

/// Columns of equally many cells, in the order in which they came. Cells are null, booleans, numbers or texts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    pub rows: usize,
    pub columns: Vec<(String, Vec<Value>)>,
}

/// How a body is to be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading<'a> {
    pub content_type: Option<&'a str>,
    /// How much of a V2 body is JSON, where that is said.
    pub header_length: Option<usize>,
}

/// Names that are not kept: as they are, or with `input.` or `prediction.` before them.
#[derive(Debug, Clone, Default)]
pub struct Mask(BTreeSet<String>);

impl Mask {
    pub fn new(names: &[String]) -> Self {
        Self(names.iter().cloned().collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn hides(&self, side: &str, name: &str) -> bool {
        !self.0.is_empty() && (self.0.contains(name) || self.0.contains(&format!("{side}.{name}")))
    }

    /// The value without masked fields, however deep they are.
    fn cleaned(&self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let kept = fields.iter().filter(|(name, _)| !self.0.contains(*name));
                Value::Object(kept.map(|(name, inner)| (name.clone(), self.cleaned(inner))).collect())
            }
            Value::Array(items) => Value::Array(items.iter().map(|item| self.cleaned(item)).collect()),
            other => other.clone(),
        }
    }
}

/// The rows of a request.
pub fn inputs(body: &[u8], how: Reading<'_>, mask: &Mask) -> Table {
    let side = Side { name: "input", mask };
    if how.content_type.is_some_and(|kind| kind.trim_start().starts_with("text/csv")) {
        return side.csv(body).unwrap_or_else(|| side.text(body));
    }
    if let Some(table) = side.tensors(body, how.header_length, "inputs") {
        return table;
    }
    let Ok(Value::Object(read)) = serde_json::from_slice::<Value>(body) else { return side.text(body) };
    if let Some(frame) = read.get("dataframe_split") {
        return side.split(frame).unwrap_or_else(|| side.text(body));
    }
    let given = ["dataframe_records", "instances", "inputs"].iter().find_map(|form| read.get(*form));
    match given {
        Some(data) => side.data(data),
        None => side.fields(&read),
    }
}

/// The rows of an answer.
pub fn predictions(body: &[u8], how: Reading<'_>, mask: &Mask) -> Table {
    let side = Side { name: "prediction", mask };
    if let Some(table) = side.tensors(body, how.header_length, "outputs") {
        return table;
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(read)) => match read.get("predictions") {
            Some(data) => side.data(data),
            None => side.fields(&read),
        },
        Ok(other @ Value::Array(_)) => side.data(&other),
        Ok(single @ (Value::Number(_) | Value::Bool(_))) => side.data(&single),
        _ => side.text(body),
    }
}

/// One of the two sides, for its masked names.
struct Side<'a> {
    name: &'static str,
    mask: &'a Mask,
}

impl Side<'_> {
    fn finish(&self, rows: usize, columns: Vec<(String, Vec<Value>)>) -> Table {
        let kept = columns.into_iter().filter(|(name, _)| !self.mask.hides(self.name, name)).collect();
        Table { rows, columns: kept }
    }

    /// All of it as one cell.
    fn text(&self, body: &[u8]) -> Table {
        if body.is_empty() || !self.mask.is_empty() {
            return Table { rows: 1, columns: vec![] };
        }
        let cell = Value::String(beginning(&String::from_utf8_lossy(body)).to_owned());
        self.finish(1, vec![(BODY.to_owned(), vec![cell])])
    }

    fn csv(&self, body: &[u8]) -> Option<Table> {
        let mut reader = csv::Reader::from_reader(body);
        let names: Vec<String> = reader.headers().ok()?.iter().map(str::to_owned).collect();
        if names.is_empty() || names.len() > WIDTH {
            return None;
        }
        let mut columns: Vec<Vec<Value>> = names.iter().map(|_| vec![]).collect();
        let mut rows = 0;
        for record in reader.records().take(ROWS) {
            let record = record.ok()?;
            columns
                .iter_mut()
                .enumerate()
                .for_each(|(place, column)| column.push(typed(record.get(place).unwrap_or(""))));
            rows += 1;
        }
        Some(self.finish(rows, names.into_iter().zip(columns).collect()))
    }

    /// A request or an answer of V2.
    fn tensors(&self, body: &[u8], header_length: Option<usize>, key: &str) -> Option<Table> {
        let length = header_length.unwrap_or(body.len());
        let (head, binary) = body.split_at_checked(length)?;
        let mut read: Value = serde_json::from_slice(head).ok()?;
        let sent = read.get_mut(key)?.take();
        let is_tensor = |one: &Value| one["datatype"].is_string() && one["shape"].is_array();
        if !sent.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(is_tensor)) {
            return None;
        }
        // an answer's outputs have the form of a request's inputs
        let mut whole = serde_json::to_vec(&serde_json::json!({ "inputs": sent })).ok()?;
        let length = whole.len();
        whole.extend_from_slice(binary);
        let read = v2::read_request(&whole, header_length.map(|_| length)).ok()?;
        let rows = read.inputs.iter().map(|tensor| tensor.shape.first().copied().unwrap_or(1)).max()?;
        let mut columns = vec![];
        for tensor in &read.inputs {
            of_tensor(tensor, rows, &mut columns);
        }
        Some(self.finish(rows.min(ROWS), columns))
    }

    fn split(&self, frame: &Value) -> Option<Table> {
        let data = frame["data"].as_array()?;
        let width = data.first().and_then(Value::as_array).map_or(0, Vec::len);
        let names: Vec<String> = match frame.get("columns").and_then(Value::as_array) {
            Some(names) => names.iter().map(name_of).collect(),
            None => (0..width).map(|place| place.to_string()).collect(),
        };
        if names.len() > WIDTH {
            return None;
        }
        let rows = data.len().min(ROWS);
        let cell = |row: usize, place: usize| self.cell(data[row].get(place).unwrap_or(&Value::Null));
        let columns = names.into_iter().enumerate();
        let columns = columns.map(|(place, name)| (name, (0..rows).map(|row| cell(row, place)).collect())).collect();
        Some(self.finish(rows, columns))
    }

    /// Records, rows of lists, columns by name, or plain values.
    fn data(&self, data: &Value) -> Table {
        match data {
            Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => {
                let records: Vec<&Map<String, Value>> = items.iter().filter_map(Value::as_object).take(ROWS).collect();
                self.records(&records)
            }
            Value::Array(items) => self.lists(items),
            Value::Object(named) if named.len() <= WIDTH => {
                let rows = named.values().map(|one| one.as_array().map_or(1, Vec::len)).max().unwrap_or(1).min(ROWS);
                let column = |one: &Value| match one {
                    Value::Array(cells) => {
                        (0..rows).map(|row| self.cell(cells.get(row).unwrap_or(&Value::Null))).collect()
                    }
                    single => repeated(self.cell(single), rows),
                };
                self.finish(rows, named.iter().map(|(name, one)| (name.clone(), column(one))).collect())
            }
            single => self.finish(1, vec![("0".to_owned(), vec![self.cell(single)])]),
        }
    }

    fn records(&self, records: &[&Map<String, Value>]) -> Table {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut columns: Vec<(String, Vec<Value>)> = vec![];
        for (row, record) in records.iter().enumerate() {
            for (name, value) in *record {
                let place = *places.entry(name).or_insert(columns.len());
                if place == columns.len() {
                    if place == WIDTH {
                        let texts = records.iter().map(|one| self.cell(&Value::Object((*one).clone()))).collect();
                        return self.finish(records.len(), vec![(BODY.to_owned(), texts)]);
                    }
                    columns.push((name.clone(), vec![Value::Null; records.len()]));
                }
                columns[place].1[row] = self.cell(value);
            }
        }
        self.finish(records.len(), columns)
    }

    fn lists(&self, items: &[Value]) -> Table {
        let rows = items.len().min(ROWS);
        let width = items.first().and_then(Value::as_array).map(Vec::len);
        let is_flat = |item: &Value| {
            item.as_array().is_some_and(|cells| {
                Some(cells.len()) == width && !cells.iter().any(|cell| cell.is_array() || cell.is_object())
            })
        };
        match width {
            Some(width) if width <= WIDTH && items.iter().all(is_flat) => {
                let column = |place: usize| (0..rows).map(|row| self.cell(&items[row][place])).collect();
                self.finish(rows, (0..width).map(|place| (place.to_string(), column(place))).collect())
            }
            _ => {
                self.finish(rows, vec![("0".to_owned(), items.iter().take(rows).map(|item| self.cell(item)).collect())])
            }
        }
    }

    /// Any other object is one row.
    fn fields(&self, fields: &Map<String, Value>) -> Table {
        if fields.len() > WIDTH {
            return self.finish(1, vec![(BODY.to_owned(), vec![self.cell(&Value::Object(fields.clone()))])]);
        }
        self.finish(1, fields.iter().map(|(name, value)| (name.clone(), vec![self.cell(value)])).collect())
    }

    fn cell(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(beginning(text).to_owned()),
            Value::Array(_) | Value::Object(_) => {
                let text = if self.mask.is_empty() { value.to_string() } else { self.mask.cleaned(value).to_string() };
                Value::String(beginning(&text).to_owned())
            }
            plain => plain.clone(),
        }
    }
}

fn repeated(cell: Value, rows: usize) -> Vec<Value> {
    (0..rows).map(|_| cell.clone()).collect()
}

fn name_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// One column for a tensor of values, as many as it is wide for one of rows, texts for anything deeper.
fn of_tensor(tensor: &v2::Tensor, rows: usize, columns: &mut Vec<(String, Vec<Value>)>) {
    let own = tensor.shape.first().copied().unwrap_or(1).max(1);
    let inner = tensor.values.len() / own;
    let at =
        |row: usize, place: usize| if row < own { value_of(&tensor.values, row * inner + place) } else { Value::Null };
    let rows = rows.min(ROWS);
    match (tensor.shape.len(), inner) {
        (_, 1) => columns.push((tensor.name.clone(), (0..rows).map(|row| at(row, 0)).collect())),
        (2, 2..=WIDTH) => {
            let wide = (0..inner)
                .map(|place| (format!("{}.{place}", tensor.name), (0..rows).map(|row| at(row, place)).collect()));
            columns.extend(wide);
        }
        _ => {
            let text = |row: usize| {
                let cells = Value::Array((0..inner).map(|place| at(row, place)).collect()).to_string();
                Value::String(beginning(&cells).to_owned())
            };
            columns.push((tensor.name.clone(), (0..rows).map(text).collect()));
        }
    }
}

fn value_of(values: &v2::Values, index: usize) -> Value {
    match values {
        v2::Values::Bool(all) => all[index].into(),
        v2::Values::Int(all) => all[index].into(),
        v2::Values::Uint(all) => all[index].into(),
        v2::Values::Single(all) => f64::from(all[index]).into(),
        v2::Values::Double(all) => all[index].into(),
        v2::Values::Bytes(all) => beginning(&String::from_utf8_lossy(all.get(index))).into(),
    }
}

/// A cell of CSV: what reads as a number is one.
fn typed(cell: &str) -> Value {
    let cell = cell.trim();
    match cell {
        "" => Value::Null,
        "True" | "true" => Value::Bool(true),
        "False" | "false" => Value::Bool(false),
        _ => match (cell.parse::<i64>(), cell.parse::<f64>()) {
            (Ok(whole), _) => whole.into(),
            (_, Ok(number)) if number.is_finite() => number.into(),
            _ => Value::String(beginning(cell).to_owned()),
        },
    }
}

/// As much of a text as a cell has room for.
pub fn beginning(text: &str) -> &str {
    if text.len() <= CELL_BYTES {
        return text;
    }
    let end = (0..=CELL_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
#[path = "flatten_tests.rs"]
mod tests;
