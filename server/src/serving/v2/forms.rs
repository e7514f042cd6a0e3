//! The forms of a body of `/invocations`, as columns: frames, records, lists, CSV.

use serde_json::{Value, json};

use super::{Datatype, Result, Schema, fault, metadata};

/// Columns by name, each with its rows.
pub type Named<'v> = Vec<(String, Vec<&'v Value>)>;

/// `dataframe_split`.
pub fn split(frame: &Value) -> Result<Named<'_>> {
    let Some(rows) = frame["data"].as_array() else { return fault("dataframe_split: 'data' is no list of rows.") };
    let width = rows.first().and_then(Value::as_array).map_or(0, Vec::len);
    let names: Option<Vec<String>> = match frame.get("columns") {
        None | Some(Value::Null) => Some((0..width).map(|index| index.to_string()).collect()),
        Some(columns) => columns.as_array().and_then(|all| all.iter().map(text).collect()),
    };
    let Some(names) = names else { return fault("dataframe_split: 'columns' is no list of names.") };
    by_position("dataframe_split", names, rows)
}

/// The other forms.
pub fn lists<'v>(form: &str, data: &'v Value, schema: &Schema) -> Result<Named<'v>> {
    match data {
        Value::Object(named) if form == "inputs" => Ok(named
            .iter()
            .map(|(name, value)| {
                (name.clone(), value.as_array().map_or_else(|| vec![value], |rows| rows.iter().collect()))
            })
            .collect()),
        Value::Array(rows) if rows.first().is_some_and(Value::is_object) => records(form, rows),
        Value::Array(rows) if form != "dataframe_records" => {
            if schema.is_frame && schema.columns.len() > 1 {
                return by_position(form, schema.columns.clone(), rows);
            }
            let first = schema.inputs.first();
            let name = first.map_or_else(|| metadata::INPUT.to_owned(), |input| input.name.clone());
            Ok(vec![(name, rows.iter().collect())])
        }
        _ => fault(format!("'{form}' is of another form than the model server takes.")),
    }
}

/// A frame in the form of `dataframe_split` for CSV with a head line; values are what the schema says, else what they look like.
pub fn frame_of_csv(body: &[u8], schema: &Schema) -> Result<Value> {
    let mut reader = csv::Reader::from_reader(body);
    let heads = reader.headers().map(|heads| heads.iter().map(str::to_owned).collect::<Vec<_>>());
    let heads = heads.or_else(|error| fault(format!("The CSV's head line cannot be read: {error}.")))?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => rows.push(record.iter().map(str::to_owned).collect()),
            Err(error) => return fault(format!("The CSV cannot be read: {error}.")),
        }
    }
    let mut columns: Vec<std::vec::IntoIter<Value>> = Vec::with_capacity(heads.len());
    for (index, head) in heads.iter().enumerate() {
        let cells: Vec<&str> = rows.iter().map(|row| row[index].as_str()).collect();
        let wanted = schema.find(head).map(|input| input.datatype);
        columns.push(cells_of(head, &cells, wanted)?.into_iter());
    }
    let row = |_: &Vec<String>| Value::Array(columns.iter_mut().filter_map(Iterator::next).collect());
    let data: Vec<Value> = rows.iter().map(row).collect();
    Ok(json!({"columns": heads, "data": data}))
}

fn cells_of(name: &str, cells: &[&str], wanted: Option<Datatype>) -> Result<Vec<Value>> {
    let is_number = |cell: &&str| number(cell).is_some();
    let kind = wanted.unwrap_or_else(|| {
        if cells.iter().all(is_number) {
            Datatype::Fp64
        } else if cells.iter().all(|cell| flag(cell).is_some()) {
            Datatype::Bool
        } else {
            Datatype::Bytes
        }
    });
    let value = |(row, cell): (usize, &&str)| {
        let value = match kind {
            Datatype::Bytes => Some(Value::from(*cell)),
            Datatype::Bool => flag(cell).map(Value::from),
            _ => number(cell),
        };
        value.map_or_else(|| fault(format!("CSV: row {row}, column '{name}': '{cell}' is no {}.", kind.name())), Ok)
    };
    cells.iter().enumerate().map(value).collect()
}

fn number(cell: &str) -> Option<Value> {
    let cell = cell.trim();
    if let Ok(integer) = cell.parse::<i64>() {
        return Some(integer.into());
    }
    cell.parse::<f64>().ok().filter(|float| float.is_finite()).map(Value::from)
}

fn flag(cell: &str) -> Option<bool> {
    match cell.trim() {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

fn by_position<'v>(form: &str, names: Vec<String>, rows: &'v [Value]) -> Result<Named<'v>> {
    let mut columns: Named<'v> = names.into_iter().map(|name| (name, Vec::with_capacity(rows.len()))).collect();
    for (index, row) in rows.iter().enumerate() {
        let Some(cells) = row.as_array().filter(|cells| cells.len() == columns.len()) else {
            return fault(format!("{form}: row {index} is no list of {} values.", columns.len()));
        };
        columns.iter_mut().zip(cells).for_each(|((_, column), cell)| column.push(cell));
    }
    Ok(columns)
}

fn records<'v>(form: &str, rows: &'v [Value]) -> Result<Named<'v>> {
    let Some(Value::Object(first)) = rows.first() else { return fault(format!("{form}: there is no row.")) };
    let mut columns: Named<'v> = first.keys().map(|name| (name.clone(), Vec::with_capacity(rows.len()))).collect();
    for (index, row) in rows.iter().enumerate() {
        for (name, column) in &mut columns {
            match row.get(name.as_str()) {
                Some(value) => column.push(value),
                None => return fault(format!("{form}: row {index} has no '{name}'.")),
            }
        }
    }
    Ok(columns)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
