//! What V2 says about a server and a model.

use serde_json::{Value, json};

use super::signature::{Column, Side, Spec};
use super::{Datatype, Signature};

/// What an output is called to which the model gives no name.
pub const OUTPUT: &str = "predictions";
/// What the one input is called to which the model gives no name; any name is taken for it.
pub const INPUT: &str = "input";

/// The answer to `/v2`.
pub fn server_metadata() -> Value {
    json!({"name": "drydock", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data"]})
}

/// The answer to `/v2/models/{model}`.
pub fn model_metadata(model: &str, version: i64, signature: &Signature) -> Value {
    let inputs = match &signature.inputs {
        Side::Unknown => vec![],
        Side::Columns { columns, .. } => columns.iter().map(column).collect(),
        Side::Tensors(specs) => specs.iter().map(|spec| tensor(spec, INPUT)).collect(),
    };
    json!({
        "name": model,
        "versions": [version.to_string()],
        "platform": "mlflow_pyfunc",
        "inputs": inputs,
        "outputs": outputs(&signature.outputs),
    })
}

fn outputs(side: &Side) -> Vec<Value> {
    match side {
        Side::Unknown => vec![],
        Side::Columns { columns, named: true } => columns.iter().map(column).collect(),
        // without names they come as one table
        Side::Columns { columns, .. } => {
            let first = columns.first().map_or(Datatype::Bytes, |column| column.kind.datatype());
            let alike = columns.iter().all(|column| column.kind.datatype() == first);
            let shape = match columns.as_slice() {
                [only] => vec![-1; 1 + only.lists],
                several => vec![-1, i64::try_from(several.len()).unwrap_or(-1)],
            };
            vec![entry(OUTPUT, if alike { first } else { Datatype::Bytes }, &shape, true)]
        }
        Side::Tensors(specs) => specs.iter().map(|spec| tensor(spec, OUTPUT)).collect(),
    }
}

fn column(column: &Column) -> Value {
    entry(&column.name, column.kind.datatype(), &vec![-1; 1 + column.lists], column.required)
}

fn tensor(spec: &Spec, unnamed: &str) -> Value {
    let name = spec.name.as_deref().unwrap_or(unnamed);
    entry(name, spec.datatype.unwrap_or(Datatype::Bytes), &spec.shape, true)
}

fn entry(name: &str, datatype: Datatype, shape: &[i64], required: bool) -> Value {
    let mut entry = json!({"name": name, "datatype": datatype.name(), "shape": shape});
    if !required {
        entry["parameters"] = json!({"optional": true});
    }
    entry
}
