//! From a body of `/invocations` to V2 and back, for a model server that speaks V2 alone.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::predictions::tensor as tensor_of;
use super::signature::Kind;
use super::tensor::{count, read_json, write_json};
use super::{Datatype, Result, Tensor, Values, fault, literals};

const FORMS: [&str; 4] = ["dataframe_split", "dataframe_records", "instances", "inputs"];

/// An input that the model server's own metadata names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub name: String,
    pub datatype: Datatype,
    /// -1 where any size is right.
    pub shape: Vec<i64>,
}

impl Expected {
    /// The inputs in an answer to `/v2/models/{model}`.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(metadata: &[u8]) -> Result<Vec<Self>> {
        let read: Value = serde_json::from_slice(metadata)
            .or_else(|error| fault(format!("The model's metadata is no JSON: {error}.")))?;
        let input = |entry: &Value| {
            Some(Self {
                name: entry["name"].as_str()?.to_owned(),
                datatype: Datatype::parse(entry["datatype"].as_str()?)?,
                shape: entry["shape"].as_array()?.iter().map(Value::as_i64).collect::<Option<_>>()?,
            })
        };
        let inputs: Option<Vec<Self>> =
            read["inputs"].as_array().map_or(Some(vec![]), |entries| entries.iter().map(input).collect());
        inputs.map_or_else(|| fault("The model's metadata has an input without name, datatype or shape."), Ok)
    }
}

/// The request of V2 for a JSON body of `/invocations`.
///
/// # Errors
/// For a body without exactly one of the forms, and for values that the model's inputs do not take.
pub fn v2_of_invocation(body: &[u8], expected: &[Expected]) -> Result<Vec<u8>> {
    let read = serde_json::from_slice::<Value>(body).or_else(|error| match literals::marked(body) {
        Some(marked) => serde_json::from_slice(&marked).map_err(|_| error),
        None => Err(error),
    });
    let read = read.or_else(|error| fault(format!("The body is no JSON: {error}.")))?;
    let forms: Vec<(&str, &Value)> = FORMS.iter().filter_map(|form| Some((*form, read.get(form)?))).collect();
    let [(form, data)] = forms.as_slice() else {
        return fault(format!("The body needs exactly one of {}.", FORMS.join(", ")));
    };
    let inputs = match *form {
        "dataframe_split" => split(data)?,
        _ => lists(form, data, expected)?,
    };
    if inputs.is_empty() {
        return fault(format!("'{form}' has no columns."));
    }
    let mut names = HashSet::new();
    if let Some((twice, _)) = inputs.iter().find(|(name, _)| !names.insert(name.clone())) {
        return fault(format!("{form}: column '{twice}' is there twice."));
    }
    let tensors: Vec<Value> =
        inputs.into_iter().map(|(name, rows)| input(&name, rows, expected)).collect::<Result<_>>()?;
    let mut request = json!({"inputs": tensors});
    if let Some(params) = read.get("params").filter(|params| params.is_object()) {
        if params.get("binary_data_output").is_some() {
            return fault("params: 'binary_data_output' is a word of V2's own.");
        }
        request["parameters"] = params.clone();
    }
    Ok(request.to_string().into_bytes())
}

type Named<'v> = Vec<(String, Vec<&'v Value>)>;

fn split(frame: &Value) -> Result<Named<'_>> {
    let Some(rows) = frame["data"].as_array() else { return fault("dataframe_split: 'data' is no list of rows.") };
    let width = rows.first().and_then(Value::as_array).map_or(0, Vec::len);
    let names: Option<Vec<String>> = match frame.get("columns") {
        None | Some(Value::Null) => Some((0..width).map(|index| index.to_string()).collect()),
        Some(columns) => columns.as_array().and_then(|all| all.iter().map(text).collect()),
    };
    let Some(names) = names else { return fault("dataframe_split: 'columns' is no list of names.") };
    let mut columns: Named<'_> = names.into_iter().map(|name| (name, Vec::with_capacity(rows.len()))).collect();
    for (index, row) in rows.iter().enumerate() {
        let Some(cells) = row.as_array().filter(|cells| cells.len() == columns.len()) else {
            return fault(format!("dataframe_split: row {index} is no list of {} values.", columns.len()));
        };
        columns.iter_mut().zip(cells).for_each(|((_, column), cell)| column.push(cell));
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

fn lists<'v>(form: &str, data: &'v Value, expected: &[Expected]) -> Result<Named<'v>> {
    match data {
        Value::Object(named) if form == "inputs" => Ok(named
            .iter()
            .map(|(name, value)| {
                (name.clone(), value.as_array().map_or_else(|| vec![value], |rows| rows.iter().collect()))
            })
            .collect()),
        Value::Array(rows) if rows.first().is_some_and(Value::is_object) => records(form, rows),
        Value::Array(rows) if form != "dataframe_records" => {
            let name = expected.first().map_or_else(|| super::metadata::INPUT.to_owned(), |input| input.name.clone());
            Ok(vec![(name, rows.iter().collect())])
        }
        _ => fault(format!("'{form}' is of another form than the model server takes.")),
    }
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

fn input(name: &str, rows: Vec<&Value>, expected: &[Expected]) -> Result<Value> {
    let of = format!("input '{name}'");
    let wanted = expected.iter().find(|input| input.name == name);
    if wanted.is_none() && !expected.is_empty() {
        return fault(format!("{of}: the model has no such input."));
    }
    if rows.is_empty() {
        return fault(format!("{of}: there is no row."));
    }
    let mut sent = tensor_of(name, rows, wanted.map(|input| Kind::Number(input.datatype)))?;
    if let Some(input) = wanted {
        if !input.datatype.takes(sent.datatype) && !is_whole_for_float(input.datatype, &sent) {
            return fault(format!("{of}: the values are no {}.", input.datatype.name()));
        }
        sent.datatype = input.datatype;
        // a column of a frame for an input of one value a row
        if sent.shape.len() + 1 == input.shape.len() && matches!(input.shape.last(), Some(1 | -1)) {
            sent.shape.push(1);
        }
    }
    let mut data = Vec::new();
    write_json(&of, &sent, &mut data)?;
    let data: Value = serde_json::from_slice(&data).or_else(|error| fault(format!("{of}: {error}")))?;
    if data.as_array().is_some_and(|values| values.iter().any(Value::is_null)) {
        return fault(format!("{of}: a value is missing or NaN, which V2's JSON cannot carry."));
    }
    Ok(json!({"name": name, "datatype": sent.datatype.name(), "shape": sent.shape, "data": data}))
}

/// 1 is how JSON writes 1.0; exact up to 2^53.
fn is_whole_for_float(wanted: Datatype, sent: &Tensor) -> bool {
    let is_float = matches!(wanted, Datatype::Fp16 | Datatype::Fp32 | Datatype::Fp64);
    let exact = match &sent.values {
        Values::Int(all) => all.iter().all(|value| value.unsigned_abs() <= 1 << 53),
        Values::Double(_) => true,
        _ => false,
    };
    is_float && exact
}

/// The answer of `/invocations` for V2's: one output is a list, equally long ones are records, others a map.
///
/// # Errors
/// When it is no answer of V2 in JSON.
pub fn predictions_of_v2(answer: &[u8]) -> Result<Vec<u8>> {
    let read: Value = serde_json::from_slice(answer)
        .or_else(|error| fault(format!("The model server's answer is no JSON: {error}.")))?;
    let Some(entries) = read["outputs"].as_array() else { return fault("The model server's answer has no 'outputs'.") };
    let outputs: Vec<(String, Value)> = entries.iter().map(output).collect::<Result<_>>()?;
    let rows = |value: &Value| value.as_array().map_or(0, Vec::len);
    let predictions = match outputs.as_slice() {
        [] => return fault("The model server's answer has no output."),
        [(_, only)] => only.clone(),
        [(_, first), others @ ..] if others.iter().all(|(_, other)| rows(other) == rows(first)) => {
            let record = |row: usize| {
                let cells = outputs.iter().map(|(name, values)| (name.clone(), values[row].clone()));
                Value::Object(cells.collect::<Map<_, _>>())
            };
            Value::Array((0..rows(first)).map(record).collect())
        }
        _ => Value::Object(outputs.into_iter().collect()),
    };
    Ok(json!({"predictions": predictions}).to_string().into_bytes())
}

fn output(entry: &Value) -> Result<(String, Value)> {
    let Some(name) = entry["name"].as_str() else { return fault("An output has no 'name'.") };
    let of = format!("output '{name}'");
    let datatype = entry["datatype"].as_str().and_then(Datatype::parse);
    let shape: Option<Vec<usize>> = entry["shape"]
        .as_array()
        .and_then(|sizes| sizes.iter().map(|size| size.as_u64().and_then(|size| usize::try_from(size).ok())).collect());
    let (Some(datatype), Some(shape)) = (datatype, shape) else {
        return fault(format!("{of}: 'datatype' or 'shape' is missing or wrong."));
    };
    let raw = serde_json::value::to_raw_value(&entry["data"]).or_else(|error| fault(format!("{of}: {error}")))?;
    let wanted = count(&of, &shape)?;
    let values = read_json(&of, datatype, &shape, &raw)?;
    let mut flat = Vec::with_capacity(wanted * 8);
    write_json(&of, &Tensor { name: name.to_owned(), datatype, shape: shape.clone(), values }, &mut flat)?;
    let flat: Vec<Value> = serde_json::from_slice(&flat).or_else(|error| fault(format!("{of}: {error}")))?;
    Ok((name.to_owned(), nested(&mut flat.into_iter(), &shape)))
}

fn nested(values: &mut impl Iterator<Item = Value>, shape: &[usize]) -> Value {
    match shape.split_first() {
        None => values.next().unwrap_or(Value::Null),
        Some((size, inner)) => Value::Array((0..*size).map(|_| nested(values, inner)).collect()),
    }
}
