//! From what `/invocations` answers to tensors. A frame of records is a tensor for each column, an array is one tensor; what is no
//! regular array of numbers or texts becomes `BYTES` with a JSON text for each row.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::metadata::OUTPUT;
use super::signature::{Kind, Side};
use super::tensor::{MAX_DIMENSIONS, Pieces};
use super::{Datatype, Result, Signature, Tensor, Values, fault, literals};

/// The outputs in an answer.
///
/// # Errors
/// When it is no JSON, has no predictions, or an output that no tensor is.
pub fn tensors(answer: &[u8], signature: &Signature) -> Result<Vec<Tensor>> {
    let read = serde_json::from_slice::<Value>(answer).or_else(|error| match literals::marked(answer) {
        Some(marked) => serde_json::from_slice(&marked).map_err(|_| error),
        None => Err(error),
    });
    let mut answer = read.or_else(|error| fault(format!("The model server's answer is no JSON: {error}.")))?;
    let Some(predictions) = answer.get_mut("predictions").map(Value::take) else {
        return fault("The model server's answer has no 'predictions'.");
    };
    match &predictions {
        Value::Array(rows) => {
            let records: Option<Vec<&Map<String, Value>>> = rows.iter().map(Value::as_object).collect();
            match records.filter(|records| !records.is_empty() && !is_structured(signature)) {
                Some(records) => by_column(&records, signature),
                None => Ok(vec![unnamed(rows.iter().collect(), signature)?]),
            }
        }
        Value::Object(named) => named
            .iter()
            .map(|(name, value)| match value {
                Value::Array(items) => tensor(name, items.iter().collect(), hint(signature, name)),
                single => tensor(name, vec![single], hint(signature, name)),
            })
            .collect(),
        single => Ok(vec![unnamed(vec![single], signature)?]),
    }
}

/// Whether the one output is objects by itself.
fn is_structured(signature: &Signature) -> bool {
    matches!(&signature.outputs, Side::Columns { columns, .. } if columns.len() == 1 && columns[0].kind == Kind::Json)
}

fn by_column(records: &[&Map<String, Value>], signature: &Signature) -> Result<Vec<Tensor>> {
    let mut names: Vec<&String> = Vec::new();
    for record in records {
        // rows of one frame have the same keys: the first row's are known at once
        if record.len() != names.len() || !record.keys().zip(&names).all(|(key, name)| key == *name) {
            names.extend(record.keys().filter(|key| !names.contains(key)).collect::<Vec<_>>());
        }
    }
    if names.is_empty() {
        return fault("The model answered with rows without columns.");
    }
    if let (Side::Columns { columns, named: false }, [only]) = (&signature.outputs, names.as_slice())
        && columns.len() == 1
    {
        // a series: the signature does not know its name, so nobody could ask for it
        let values = records.iter().map(|record| record.get(*only).unwrap_or(&Value::Null)).collect();
        return Ok(vec![unnamed(values, signature)?]);
    }
    let column = |name: &&String| {
        let values = records.iter().map(|record| record.get(*name).unwrap_or(&Value::Null)).collect();
        tensor(name, values, hint(signature, name))
    };
    names.iter().map(column).collect()
}

fn unnamed(items: Vec<&Value>, signature: &Signature) -> Result<Tensor> {
    let (name, kind) = match &signature.outputs {
        Side::Columns { columns, named } => match columns.as_slice() {
            [only] => (named.then_some(only.name.as_str()), Some(only.kind)),
            [first, ..] if columns.iter().all(|column| column.kind == first.kind) => (None, Some(first.kind)),
            _ => (None, None),
        },
        Side::Tensors(specs) => match specs.as_slice() {
            [only] => (only.name.as_deref(), only.datatype.map(Kind::Number)),
            _ => (None, None),
        },
        Side::Unknown => (None, None),
    };
    tensor(name.unwrap_or(OUTPUT), items, kind)
}

fn hint(signature: &Signature, name: &str) -> Option<Kind> {
    match &signature.outputs {
        Side::Columns { columns, .. } => columns.iter().find(|column| column.name == name).map(|column| column.kind),
        Side::Tensors(specs) => {
            specs.iter().find(|spec| spec.name.as_deref() == Some(name))?.datatype.map(Kind::Number)
        }
        Side::Unknown => None,
    }
}

/// A tensor of these rows.
pub fn tensor(name: &str, rows: Vec<&Value>, kind: Option<Kind>) -> Result<Tensor> {
    if rows.is_empty() {
        return fault(format!("output '{name}': the model answered with nothing."));
    }
    let mut shape = vec![rows.len()];
    let mut inner = rows[0];
    while let Value::Array(items) = inner
        && let Some(first) = items.first()
    {
        shape.push(items.len());
        inner = first;
    }
    let mut leaves = Vec::with_capacity(rows.len());
    let regular = kind != Some(Kind::Json)
        && shape.len() <= MAX_DIMENSIONS
        && rows.iter().all(|row| flatten(row, &shape[1..], &mut leaves));
    let values = if regular { values(name, &leaves, kind)? } else { None };
    let (shape, (datatype, values)) = match values {
        Some(values) => (shape, values),
        None => (vec![rows.len()], (Datatype::Bytes, texts(&rows))),
    };
    Ok(Tensor { name: name.to_owned(), datatype, shape, values })
}

fn flatten<'v>(value: &'v Value, shape: &[usize], leaves: &mut Vec<&'v Value>) -> bool {
    match (value, shape.split_first()) {
        (Value::Array(items), Some((size, inner))) => {
            items.len() == *size && items.iter().all(|item| flatten(item, inner, leaves))
        }
        (Value::Array(_) | Value::Object(_), _) | (_, Some(_)) => false,
        (leaf, None) => {
            leaves.push(leaf);
            true
        }
    }
}

/// The values in one datatype: the signature's where they fit it, else the narrowest that holds them. Absent for a mixture.
fn values(name: &str, leaves: &[&Value], kind: Option<Kind>) -> Result<Option<(Datatype, Values)>> {
    if leaves.iter().all(|leaf| leaf.is_boolean()) {
        return Ok(Some((
            Datatype::Bool,
            Values::Bool(leaves.iter().map(|leaf| **leaf == Value::Bool(true)).collect()),
        )));
    }
    let is_text = |leaf: &&Value| match leaf {
        Value::String(text) => literals::value(text).is_none(),
        leaf => leaf.is_null(),
    };
    if leaves.iter().all(is_text) && !leaves.iter().all(|leaf| leaf.is_null()) {
        return pieces(name, leaves, kind).map(|pieces| Some((Datatype::Bytes, Values::Bytes(pieces))));
    }
    let wanted = match kind {
        Some(Kind::Number(datatype)) => Some(datatype),
        _ => None,
    };
    let integers: Option<Vec<i128>> = leaves.iter().map(|leaf| integer(leaf)).collect();
    if let Some(integers) = integers {
        let fits = |datatype: &Datatype| {
            datatype.range().is_some_and(|(low, high)| integers.iter().all(|value| (low..=high).contains(value)))
        };
        let floating = wanted.filter(|datatype| matches!(datatype, Datatype::Fp16 | Datatype::Fp32 | Datatype::Fp64));
        let candidates = [wanted, Some(Datatype::Int64), Some(Datatype::Uint64)];
        if floating.is_none()
            && let Some(datatype) = candidates.into_iter().flatten().find(fits)
        {
            let values = match Values::empty(datatype) {
                Values::Uint(_) => Values::Uint(integers.iter().map(|value| *value as u64).collect()),
                _ => Values::Int(integers.iter().map(|value| *value as i64).collect()),
            };
            return Ok(Some((datatype, values)));
        }
    }
    let floats: Option<Vec<f64>> = leaves.iter().map(|leaf| float(leaf)).collect();
    Ok(floats.map(|floats| match wanted {
        Some(datatype @ (Datatype::Fp16 | Datatype::Fp32)) => {
            (datatype, Values::Single(floats.iter().map(|value| *value as f32).collect()))
        }
        _ => (Datatype::Fp64, Values::Double(floats)),
    }))
}

fn integer(leaf: &Value) -> Option<i128> {
    leaf.as_i64().map(i128::from).or_else(|| leaf.as_u64().map(i128::from))
}

/// A missing number is NaN.
fn float(leaf: &Value) -> Option<f64> {
    match leaf {
        Value::Number(number) => number.as_f64(),
        Value::Null => Some(f64::NAN),
        Value::String(text) => literals::value(text),
        _ => None,
    }
}

/// A missing text is empty.
fn pieces(name: &str, leaves: &[&Value], kind: Option<Kind>) -> Result<Pieces> {
    let mut pieces = Pieces::default();
    for leaf in leaves {
        let text = leaf.as_str().unwrap_or_default();
        if kind != Some(Kind::Binary) {
            pieces.push(text.as_bytes());
            continue;
        }
        // MLflow breaks its base64 into lines
        let plain: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        match STANDARD.decode(plain) {
            Ok(bytes) => pieces.push(&bytes),
            Err(error) => return fault(format!("output '{name}': the model's base64 is broken: {error}.")),
        }
    }
    Ok(pieces)
}

fn texts(rows: &[&Value]) -> Values {
    let mut pieces = Pieces::default();
    rows.iter().for_each(|row| pieces.push(row.to_string().as_bytes()));
    Values::Bytes(pieces)
}
