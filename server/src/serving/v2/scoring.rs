//! From a request of V2 to the body of `/invocations`, with the model's signature as the schema.

use std::collections::{HashMap, HashSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::signature::{Column, Kind, Side, Spec};
use super::tensor::Values;
use super::{Datatype, Request, Result, Signature, Tensor, fault, literals, tensor};

/// The body.
///
/// # Errors
/// For an input that the model does not have, one that is missing, and one of another datatype or shape.
pub fn invocation(request: &Request, signature: &Signature) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(64 + request.inputs.iter().map(|it| it.values.len() * 12).sum::<usize>());
    match &signature.inputs {
        Side::Columns { columns, named } => {
            let columns = matched(&request.inputs, columns)?;
            if signature.from_type_hint {
                list(&mut out, &columns)?;
            } else {
                frame(&mut out, &columns, *named)?;
            }
        }
        Side::Tensors(specs) => tensors(&mut out, &request.inputs, specs)?,
        Side::Unknown => unknown(&mut out, request)?,
    }
    let known = request.parameters.iter().filter(|(name, _)| signature.params.contains(name));
    let params: serde_json::Map<String, Value> = known.map(|(name, value)| (name.clone(), value.clone())).collect();
    if !params.is_empty() {
        out.extend_from_slice(b",\"params\":");
        json(&mut out, &params)?;
    }
    out.push(b'}');
    Ok(out)
}

/// Each column that was sent, with its tensor, in the signature's order.
fn matched<'r>(inputs: &'r [Tensor], columns: &[Column]) -> Result<Vec<(Column, &'r Tensor)>> {
    let known = || columns.iter().map(|column| format!("'{}'", column.name)).collect::<Vec<_>>();
    let names: HashSet<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let sent: HashMap<&str, &Tensor> = inputs.iter().map(|input| (input.name.as_str(), input)).collect();
    if let Some(odd) = inputs.iter().find(|input| !names.contains(input.name.as_str())) {
        return fault(format!("input '{}': the model has no such input; it has {}.", odd.name, few(&known())));
    }
    let mut matched = Vec::with_capacity(columns.len());
    for column in columns {
        match sent.get(column.name.as_str()) {
            Some(input) => matched.push((check_column(column, input)?, *input)),
            None if column.required => {
                let datatype = column.kind.datatype().name();
                return fault(format!("input '{}' is missing; it is a tensor of {datatype}.", column.name));
            }
            None => {}
        }
    }
    let Some(((_, first), others)) = matched.split_first() else {
        return fault("'inputs' has no column of the model.");
    };
    if let Some((_, other)) = others.iter().find(|(_, other)| other.shape[0] != first.shape[0]) {
        return fault(format!(
            "input '{}' has {} rows and input '{}' has {}; columns have equally many.",
            other.name, other.shape[0], first.name, first.shape[0]
        ));
    }
    Ok(matched)
}

/// The column as this tensor carries it: lists also as JSON texts.
fn check_column(column: &Column, input: &Tensor) -> Result<Column> {
    let (name, wanted) = (&column.name, column.kind.datatype());
    let is_vector = matches!(input.shape.as_slice(), [_] | [_, 1]);
    if column.lists > 0 && input.datatype == Datatype::Bytes && is_vector && wanted != Datatype::Bytes {
        return Ok(Column { lists: 0, kind: Kind::Json, ..column.clone() });
    }
    if !wanted.takes(input.datatype) {
        return fault(format!(
            "input '{name}': the column is of {}; {} cannot become it without loss.",
            wanted.name(),
            input.datatype.name()
        ));
    }
    let fits = if column.lists == 0 { is_vector } else { input.shape.len() == 1 + column.lists };
    if !fits {
        let shape = format!("[{}]", vec!["-1"; 1 + column.lists].join(", "));
        return fault(format!("input '{name}': 'shape' {:?} does not fit the column's {shape}.", input.shape));
    }
    Ok(column.clone())
}

fn frame(out: &mut Vec<u8>, columns: &[(Column, &Tensor)], named: bool) -> Result<()> {
    out.extend_from_slice(b"{\"dataframe_split\":{");
    if named {
        out.extend_from_slice(b"\"columns\":");
        json(out, &columns.iter().map(|(column, _)| column.name.as_str()).collect::<Vec<_>>())?;
        out.push(b',');
    }
    out.extend_from_slice(b"\"data\":[");
    let rows = columns.first().map_or(0, |(_, tensor)| tensor.shape[0]);
    for row in 0..rows {
        out.extend_from_slice(if row == 0 { b"[" } else { b",[" });
        for (index, (column, tensor)) in columns.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            cell(out, column, tensor, row)?;
        }
        out.push(b']');
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

/// What a model with type hints takes: the one column's values.
fn list(out: &mut Vec<u8>, columns: &[(Column, &Tensor)]) -> Result<()> {
    let [(column, tensor)] = columns else { return fault("The model takes one input, a list.") };
    out.extend_from_slice(b"{\"inputs\":[");
    for row in 0..tensor.shape[0] {
        if row > 0 {
            out.push(b',');
        }
        cell(out, column, tensor, row)?;
    }
    out.push(b']');
    Ok(())
}

fn cell(out: &mut Vec<u8>, column: &Column, tensor: &Tensor, row: usize) -> Result<()> {
    let each = tensor.values.len() / tensor.shape[0];
    let inner = if column.lists == 0 { &[][..] } else { &tensor.shape[1..] };
    let mut index = row * each;
    nested(out, tensor, column.kind, inner, &mut index)
}

fn tensors(out: &mut Vec<u8>, inputs: &[Tensor], specs: &[Spec]) -> Result<()> {
    out.extend_from_slice(b"{\"inputs\":");
    if let [spec] = specs
        && spec.name.is_none()
    {
        let [input] = inputs else {
            return fault(format!("The model takes one input; {} were sent.", inputs.len()));
        };
        return checked_tensor(out, input, spec);
    }
    let name = |spec: &Spec| spec.name.clone().unwrap_or_default();
    let known: Vec<String> = specs.iter().map(|spec| format!("'{}'", name(spec))).collect();
    if let Some(odd) = inputs.iter().find(|input| !specs.iter().any(|spec| name(spec) == input.name)) {
        return fault(format!("input '{}': the model has no such input; it has {}.", odd.name, few(&known)));
    }
    for (index, spec) in specs.iter().enumerate() {
        let name = name(spec);
        let Some(input) = inputs.iter().find(|input| input.name == name) else {
            return fault(format!("input '{name}' is missing."));
        };
        out.push(if index == 0 { b'{' } else { b',' });
        json(out, &name)?;
        out.push(b':');
        checked_tensor(out, input, spec)?;
    }
    out.push(b'}');
    Ok(())
}

fn checked_tensor(out: &mut Vec<u8>, input: &Tensor, spec: &Spec) -> Result<()> {
    let name = &input.name;
    let Some(wanted) = spec.datatype else {
        return fault(format!("input '{name}': V2 has no datatype for the model's; use /invocations."));
    };
    if !wanted.takes(input.datatype) {
        let (wanted, sent) = (wanted.name(), input.datatype.name());
        return fault(format!("input '{name}': the tensor is of {wanted}; {sent} cannot become it without loss."));
    }
    let fits = input.shape.len() == spec.shape.len()
        && input.shape.iter().zip(&spec.shape).all(|(sent, size)| *size < 0 || i64::try_from(*sent) == Ok(*size));
    if !fits {
        return fault(format!("input '{name}': 'shape' {:?} does not fit the model's {:?}.", input.shape, spec.shape));
    }
    let kind = if wanted == Datatype::Bytes { Kind::Text } else { Kind::Number(wanted) };
    nested(out, input, kind, &input.shape, &mut 0)
}

/// For a model without signature: equally long vectors are a data frame (as `content_type` "pd" says), one tensor is an array.
fn unknown(out: &mut Vec<u8>, request: &Request) -> Result<()> {
    let inputs = &request.inputs;
    let rows = inputs.first().map_or(0, |input| input.shape[0]);
    let is_column = |input: &Tensor| matches!(input.shape.as_slice(), [_] | [_, 1]) && input.shape[0] == rows;
    let said = request.parameters.get("content_type").and_then(Value::as_str);
    let is_frame = match said {
        Some("pd") => true,
        Some("np") => false,
        _ => inputs.len() > 1 && inputs.iter().all(is_column),
    };
    let kind = |input: &Tensor| match input.datatype {
        Datatype::Bytes => Kind::Text,
        datatype => Kind::Number(datatype),
    };
    if is_frame {
        if let Some(odd) = inputs.iter().find(|input| !is_column(input)) {
            return fault(format!("input '{}': 'shape' {:?} is no column of {rows} rows.", odd.name, odd.shape));
        }
        let column = |input: &Tensor| Column { name: input.name.clone(), kind: kind(input), lists: 0, required: true };
        let columns: Vec<_> = inputs.iter().map(|input| (column(input), input)).collect();
        return frame(out, &columns, true);
    }
    out.extend_from_slice(b"{\"inputs\":");
    if let [only] = inputs.as_slice() {
        return nested(out, only, kind(only), &only.shape, &mut 0);
    }
    for (index, input) in inputs.iter().enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        json(out, &input.name)?;
        out.push(b':');
        nested(out, input, kind(input), &input.shape, &mut 0)?;
    }
    out.push(b'}');
    Ok(())
}

/// The values from `index` on as lists of this shape.
fn nested(out: &mut Vec<u8>, tensor: &Tensor, kind: Kind, shape: &[usize], index: &mut usize) -> Result<()> {
    let Some((size, inner)) = shape.split_first() else {
        value(out, tensor, kind, *index)?;
        *index += 1;
        return Ok(());
    };
    out.push(b'[');
    for n in 0..*size {
        if n > 0 {
            out.push(b',');
        }
        nested(out, tensor, kind, inner, index)?;
    }
    out.push(b']');
    Ok(())
}

fn value(out: &mut Vec<u8>, tensor: &Tensor, kind: Kind, index: usize) -> Result<()> {
    match &tensor.values {
        Values::Bool(all) => json(out, &all[index]),
        Values::Int(all) => json(out, &all[index]),
        Values::Uint(all) => json(out, &all[index]),
        Values::Single(all) if !all[index].is_finite() => {
            literals::write(out, all[index].into());
            Ok(())
        }
        Values::Double(all) if !all[index].is_finite() => {
            literals::write(out, all[index]);
            Ok(())
        }
        // as many digits as the wider type tells apart
        Values::Single(all) if kind == Kind::Number(Datatype::Fp64) => json(out, &f64::from(all[index])),
        Values::Single(all) => json(out, &all[index]),
        Values::Double(all) => json(out, &all[index]),
        Values::Bytes(all) => {
            let of = || format!("input '{}'", tensor.name);
            match kind {
                Kind::Binary => json(out, &STANDARD.encode(all.get(index))),
                Kind::Json => structured(out, &of(), all.get(index), index),
                _ => tensor::write_text(&of(), all, index, out),
            }
        }
    }
}

fn structured(out: &mut Vec<u8>, of: &str, text: &[u8], index: usize) -> Result<()> {
    match serde_json::from_slice::<&serde_json::value::RawValue>(text) {
        Ok(raw) => {
            out.extend_from_slice(raw.get().as_bytes());
            Ok(())
        }
        Err(error) => fault(format!("{of}: element {index} is no JSON text: {error}.")),
    }
}

fn json(out: &mut Vec<u8>, value: &impl serde::Serialize) -> Result<()> {
    serde_json::to_writer(out, value).or_else(|error| fault(error.to_string()))
}

/// The first of them, for a refusal that stays short.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
