//! From a body of `/invocations` to V2 and back, for a model server that speaks V2 alone.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::forms::{self, Named};
use super::predictions::tensor as tensor_of;
use super::schema::Expected;
use super::signature::{Kind, Side};
use super::tensor::{count, read_json, write_json};
use super::{Datatype, Result, Schema, Signature, Tensor, Values, fault, literals};

const FORMS: [&str; 4] = ["dataframe_split", "dataframe_records", "instances", "inputs"];

/// The request of V2 for a JSON body of `/invocations`.
///
/// # Errors
/// For a body without exactly one of the forms, and for values that the model's inputs do not take.
pub fn v2_of_invocation(body: &[u8], schema: &Schema) -> Result<Vec<u8>> {
    let read = serde_json::from_slice::<Value>(body).or_else(|error| match literals::marked(body) {
        Some(marked) => serde_json::from_slice(&marked).map_err(|_| error),
        None => Err(error),
    });
    let read = read.or_else(|error| fault(format!("The body is no JSON: {error}.")))?;
    let forms: Vec<(&str, &Value)> = FORMS.iter().filter_map(|form| Some((*form, read.get(form)?))).collect();
    let [(form, data)] = forms.as_slice() else {
        return fault(format!("The body needs exactly one of {}.", FORMS.join(", ")));
    };
    let sent = match *form {
        "dataframe_split" => forms::split(data)?,
        _ => forms::lists(form, data, schema)?,
    };
    let mut request = request(form, sent, schema)?;
    if let Some(params) = read.get("params").and_then(Value::as_object) {
        if params.contains_key("binary_data_output") {
            return fault("params: 'binary_data_output' is a word of V2's own.");
        }
        let parameters = params.iter().map(|(name, value)| (name.clone(), value.clone()));
        match request["parameters"].as_object_mut() {
            Some(own) => own.extend(parameters),
            None => request["parameters"] = Value::Object(parameters.collect()),
        }
    }
    Ok(request.to_string().into_bytes())
}

/// The request of V2 for CSV with a head line.
///
/// # Errors
/// For what is no CSV, and for values that the model's inputs do not take.
pub fn v2_of_csv(body: &[u8], schema: &Schema) -> Result<Vec<u8>> {
    let frame = forms::frame_of_csv(body, schema)?;
    Ok(request("dataframe_split", forms::split(&frame)?, schema)?.to_string().into_bytes())
}

fn request(form: &str, sent: Named<'_>, schema: &Schema) -> Result<Value> {
    if sent.is_empty() {
        return fault(format!("'{form}' has no columns."));
    }
    let mut names = HashSet::new();
    if let Some((twice, _)) = sent.iter().find(|(name, _)| !names.insert(name.as_str())) {
        return fault(format!("{form}: column '{twice}' is there twice."));
    }
    let is_flat = sent.iter().all(|(_, rows)| !rows.iter().any(|value| value.is_array()));
    let tensors = match schema.matrix().filter(|it| is_flat && !names.contains(it.name.as_str())) {
        Some(matrix) => vec![side_by_side(form, sent, matrix, schema)?],
        None => {
            if let Some((odd, _)) = sent.iter().find(|(name, _)| !schema.has(name)) {
                return fault(format!("input '{odd}': the model has no such input."));
            }
            let missing = schema.inputs.iter().find(|input| input.required && !names.contains(input.name.as_str()));
            if let Some(missing) = missing {
                let datatype = missing.datatype.name();
                return fault(format!("input '{}' is missing; it is a tensor of {datatype}.", missing.name));
            }
            in_schemas_order(sent, schema)
                .into_iter()
                .map(|(name, rows)| input(&name, rows, schema))
                .collect::<Result<_>>()?
        }
    };
    let mut request = json!({"inputs": tensors});
    if schema.is_frame || (schema.inputs.is_empty() && form.starts_with("dataframe")) {
        // how MLServer is told to put the columns together again
        request["parameters"] = json!({"content_type": "pd"});
    }
    Ok(request)
}

/// One tensor for a server that takes no columns: in the signature's order where there is one, else as they were sent.
fn side_by_side(form: &str, sent: Named<'_>, wanted: &Expected, schema: &Schema) -> Result<Value> {
    let columns = if schema.columns.is_empty() { sent } else { in_order(sent, &schema.columns)? };
    let width = columns.len();
    if wanted.shape[1] >= 0 && usize::try_from(wanted.shape[1]) != Ok(width) {
        let (name, takes) = (&wanted.name, wanted.shape[1]);
        return fault(format!("{form}: {width} columns were sent; the model's input '{name}' takes {takes}."));
    }
    let rows = columns[0].1.len();
    if let Some((name, other)) = columns.iter().find(|(_, other)| other.len() != rows) {
        return fault(format!("{form}: column '{name}' has {} rows, the first one has {rows}.", other.len()));
    }
    let row = |row: usize| Value::Array(columns.iter().map(|(_, cells)| cells[row].clone()).collect());
    let all: Vec<Value> = (0..rows).map(row).collect();
    input(&wanted.name, all.iter().collect(), schema)
}

fn in_order<'v>(sent: Named<'v>, names: &[String]) -> Result<Named<'v>> {
    if let Some((odd, _)) = sent.iter().find(|(name, _)| !names.contains(name)) {
        return fault(format!("input '{odd}': the model has no such input."));
    }
    let mut sent: HashMap<String, Vec<&Value>> = sent.into_iter().collect();
    let column = |name: &String| match sent.remove(name) {
        Some(rows) => Ok((name.clone(), rows)),
        None => fault(format!("input '{name}' is missing.")),
    };
    names.iter().map(column).collect()
}

/// The columns of a frame as the model was trained with them, however they were sent.
fn in_schemas_order<'v>(mut sent: Named<'v>, schema: &Schema) -> Named<'v> {
    if schema.is_frame {
        let places: HashMap<&str, usize> = schema.columns.iter().map(String::as_str).zip(0..).collect();
        sent.sort_by_key(|(name, _)| places.get(name.as_str()).copied());
    }
    sent
}

fn input(name: &str, rows: Vec<&Value>, schema: &Schema) -> Result<Value> {
    let of = format!("input '{name}'");
    let wanted = schema.find(name);
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

/// The answer of `/invocations` for V2's: one output is a list, equally long ones are records, others a map. Servers answer with a
/// column where the signature has a vector.
///
/// # Errors
/// When it is no answer of V2 in JSON.
pub fn predictions_of_v2(answer: &[u8], signature: &Signature) -> Result<Vec<u8>> {
    let read: Value = serde_json::from_slice(answer)
        .or_else(|error| fault(format!("The model server's answer is no JSON: {error}.")))?;
    let Some(entries) = read["outputs"].as_array() else { return fault("The model server's answer has no 'outputs'.") };
    let outputs: Vec<(String, Value)> = entries.iter().map(output).collect::<Result<_>>()?;
    let rows = |value: &Value| value.as_array().map_or(0, Vec::len);
    let predictions = match outputs.as_slice() {
        [] => return fault("The model server's answer has no output."),
        [(_, only)] if is_vector(&signature.outputs) => Value::Array(flat(only)),
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

fn is_vector(outputs: &Side) -> bool {
    match outputs {
        Side::Columns { columns, .. } => matches!(columns.as_slice(), [only] if only.lists == 0),
        Side::Tensors(specs) => matches!(specs.as_slice(), [only] if only.shape.len() == 1),
        Side::Unknown => false,
    }
}

/// The rows, those of one value as that value.
fn flat(rows: &Value) -> Vec<Value> {
    let row = |row: &Value| match row.as_array().map(Vec::as_slice) {
        Some([only]) => only.clone(),
        _ => row.clone(),
    };
    rows.as_array().map_or_else(|| vec![rows.clone()], |rows| rows.iter().map(row).collect())
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
