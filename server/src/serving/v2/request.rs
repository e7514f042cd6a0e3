//! A request of `…/infer`: JSON, after which come the tensors that it says are binary.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Datatype, Result, Tensor, fault, literals, tensor};

/// A request that is complete in itself; whether it fits the model is `scoring`'s question.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub id: Option<String>,
    pub parameters: Map<String, Value>,
    pub inputs: Vec<Tensor>,
    /// Absent where all outputs are wanted.
    pub outputs: Option<Vec<Wanted>>,
    /// Whether outputs go out in binary that do not say it.
    pub binary: bool,
}

/// An output that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub binary: bool,
}

#[derive(Deserialize)]
struct Body<'a> {
    id: Option<Value>,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(borrow)]
    inputs: Option<Vec<Input<'a>>>,
    outputs: Option<Vec<Output>>,
}

/// Parts are read one by one, so that a fault names its field.
#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    shape: Option<&'a RawValue>,
    #[serde(borrow)]
    datatype: Option<Cow<'a, str>>,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Output {
    name: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// Reads a request; `header_length` is how many bytes of it are JSON, all where it is absent.
///
/// # Errors
/// For what is no request of V2, with the field.
pub fn read(body: &[u8], header_length: Option<usize>) -> Result<Request> {
    let length = header_length.unwrap_or(body.len());
    let Some((head, binary)) = body.split_at_checked(length) else {
        return fault(format!("Inference-Header-Content-Length is {length}, and the body has {} bytes.", body.len()));
    };
    match serde_json::from_slice::<Body<'_>>(head) {
        Ok(read) => request(read, binary, header_length.is_some()),
        Err(error) => {
            // a NaN is found again with its field
            if let Some(marked) = literals::marked(head)
                && let Ok(read) = serde_json::from_slice::<Body<'_>>(&marked)
            {
                request(read, binary, header_length.is_some())?;
            }
            fault(format!("The body is no request of the Open Inference Protocol: {error}."))
        }
    }
}

fn request(body: Body<'_>, mut binary: &[u8], has_header: bool) -> Result<Request> {
    let Some(asked) = body.inputs.filter(|inputs| !inputs.is_empty()) else {
        return fault("'inputs' is missing or empty; send at least one tensor.");
    };
    let mut inputs = Vec::with_capacity(asked.len());
    let mut names = HashSet::new();
    for (index, input) in asked.into_iter().enumerate() {
        let tensor = read_input(index, input, &mut binary, has_header)?;
        if !names.insert(tensor.name.clone()) {
            return fault(format!("input '{}' is there twice.", tensor.name));
        }
        inputs.push(tensor);
    }
    if !binary.is_empty() {
        return fault(format!(
            "{} bytes follow the inputs; their 'binary_data_size' does not count them.",
            binary.len()
        ));
    }
    let all_binary = flag("'parameters'", &body.parameters, "binary_data_output")?.unwrap_or(false);
    let id = match body.id {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => Some(id),
        Some(_) => return fault("'id' is no text."),
    };
    let outputs = body.outputs.filter(|outputs| !outputs.is_empty());
    let outputs = outputs.map(|outputs| outputs.into_iter().map(|it| wanted(it, all_binary)).collect()).transpose()?;
    Ok(Request { id, parameters: body.parameters, inputs, outputs, binary: all_binary })
}

fn read_input(index: usize, input: Input<'_>, binary: &mut &[u8], has_header: bool) -> Result<Tensor> {
    let Some(name) = input.name else { return fault(format!("inputs[{index}]: 'name' is missing.")) };
    let of = format!("input '{name}'");
    no_shared_memory(&of, &input.parameters)?;
    let shape = shape_of(&of, input.shape)?;
    let datatype = match input.datatype.as_deref().map(|name| (name, Datatype::parse(name))) {
        Some((_, Some(datatype))) => datatype,
        Some((name, None)) => return fault(format!("{of}: '{name}' is no datatype; one of {}.", Datatype::names())),
        None => return fault(format!("{of}: 'datatype' is missing.")),
    };
    let count = tensor::count(&of, &shape)?;
    let values = match (input.parameters.get("binary_data_size"), input.data) {
        (Some(_), Some(_)) => return fault(format!("{of}: 'data' and 'binary_data_size' exclude each other.")),
        (None, None) => return fault(format!("{of}: 'data' is missing.")),
        (None, Some(data)) => tensor::read_json(&of, datatype, &shape, data)?,
        (Some(_), None) if !has_header => {
            return fault(format!("{of}: binary data need the header Inference-Header-Content-Length."));
        }
        (Some(size), None) => {
            let size = size.as_u64().and_then(|size| usize::try_from(size).ok());
            let Some((mine, rest)) = size.and_then(|size| binary.split_at_checked(size)) else {
                return fault(format!(
                    "{of}: 'binary_data_size' is no number of bytes that follow ({} do).",
                    binary.len()
                ));
            };
            *binary = rest;
            tensor::read_binary(&of, datatype, count, mine)?
        }
    };
    let tensor = Tensor { name: name.into_owned(), datatype, shape, values };
    match input.parameters.get("content_type").and_then(Value::as_str) {
        Some("base64") => tensor.from_base64(&of),
        _ => Ok(tensor),
    }
}

fn shape_of(of: &str, shape: Option<&RawValue>) -> Result<Vec<usize>> {
    let Some(shape) = shape else { return fault(format!("{of}: 'shape' is missing.")) };
    serde_json::from_str(shape.get())
        .or_else(|_| fault(format!("{of}: 'shape' is no list of whole numbers from 1 on.")))
}

fn wanted(output: Output, binary: bool) -> Result<Wanted> {
    let Some(name) = output.name else { return fault("outputs: 'name' is missing.") };
    let of = format!("output '{name}'");
    no_shared_memory(&of, &output.parameters)?;
    if output.parameters.contains_key("classification") {
        return fault(format!("{of}: 'classification' is not supported; ask for the scores."));
    }
    let binary = flag(&of, &output.parameters, "binary_data")?.unwrap_or(binary);
    Ok(Wanted { name, binary })
}

fn no_shared_memory(of: &str, parameters: &Map<String, Value>) -> Result<()> {
    if parameters.contains_key("shared_memory_region") {
        return fault(format!("{of}: shared memory is not supported; send the data."));
    }
    Ok(())
}

fn flag(of: &str, parameters: &Map<String, Value>, name: &str) -> Result<Option<bool>> {
    match parameters.get(name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => fault(format!("{of}: '{name}' is neither true nor false.")),
    }
}
