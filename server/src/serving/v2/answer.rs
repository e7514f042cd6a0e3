//! The answer to `…/infer`: the outputs that were asked for, each in JSON or behind it.

use serde_json::{Value, json};

use super::{Request, Result, Tensor, fault, tensor};

/// A body, and how many bytes of it are JSON where it is not all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub body: Vec<u8>,
    pub header_length: Option<usize>,
}

/// Writes the answer.
///
/// # Errors
/// For an output that the model does not have, and for values that JSON cannot carry.
pub fn answer(request: &Request, model: &str, version: i64, outputs: &[Tensor]) -> Result<Answer> {
    let chosen = chosen(request, outputs)?;
    let mut head = json!({"model_name": model, "model_version": version.to_string()});
    if let Some(id) = &request.id {
        head["id"] = Value::from(id.as_str());
    }
    let mut body = head.to_string().into_bytes();
    // reopened: the outputs' values are written straight to the end
    body.pop();
    body.extend_from_slice(b",\"outputs\":[");
    let mut binary = Vec::new();
    for (index, (output, is_binary)) in chosen.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        write_output(output, *is_binary, &mut body, &mut binary)?;
    }
    body.extend_from_slice(b"]}");
    let header_length = chosen.iter().any(|(_, is_binary)| *is_binary).then_some(body.len());
    body.append(&mut binary);
    Ok(Answer { body, header_length })
}

fn chosen<'t>(request: &Request, outputs: &'t [Tensor]) -> Result<Vec<(&'t Tensor, bool)>> {
    let Some(wanted) = &request.outputs else {
        return Ok(outputs.iter().map(|output| (output, request.binary)).collect());
    };
    let find = |name: &str| outputs.iter().find(|output| output.name == name);
    wanted
        .iter()
        .map(|wanted| match find(&wanted.name) {
            Some(output) => Ok((output, wanted.binary)),
            None => {
                let known: Vec<String> = outputs.iter().map(|output| format!("'{}'", output.name)).collect();
                fault(format!("output '{}': the model has no such output; it has {}.", wanted.name, known.join(", ")))
            }
        })
        .collect()
}

fn write_output(output: &Tensor, is_binary: bool, body: &mut Vec<u8>, binary: &mut Vec<u8>) -> Result<()> {
    let mut entry = json!({"name": output.name, "datatype": output.datatype.name(), "shape": output.shape});
    if is_binary {
        let before = binary.len();
        tensor::write_binary(output, binary);
        entry["parameters"] = json!({"binary_data_size": binary.len() - before});
        body.extend_from_slice(entry.to_string().as_bytes());
        return Ok(());
    }
    body.extend_from_slice(entry.to_string().as_bytes());
    body.pop();
    body.extend_from_slice(b",\"data\":");
    tensor::write_json(&format!("output '{}'", output.name), output, body)?;
    body.push(b'}');
    Ok(())
}
