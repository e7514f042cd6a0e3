//! What a model server of V2 takes: as its own metadata say, else as the model's signature does.

use serde_json::Value;

use super::signature::Side;
use super::{Datatype, Result, Signature, fault, metadata};

/// The inputs of a model server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// None where neither says it.
    pub inputs: Vec<Expected>,
    /// They are the columns of one data frame, as the signature has it; the server's metadata say nothing.
    pub is_frame: bool,
    /// The columns of the signature in their order, for a server that takes them side by side in one tensor.
    pub columns: Vec<String>,
}

/// An input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub name: String,
    pub datatype: Datatype,
    /// -1 where any size is right.
    pub shape: Vec<i64>,
    /// The signature says so; a server's metadata do not tell.
    pub required: bool,
}

impl Schema {
    /// From an answer to `/v2/models/{model}`, and the signature where that names no inputs.
    ///
    /// # Errors
    /// When it is no such answer.
    pub fn of_server(answer: &[u8], signature: &Signature) -> Result<Self> {
        let read: Value = serde_json::from_slice(answer)
            .or_else(|error| fault(format!("The model's metadata is no JSON: {error}.")))?;
        let input = |entry: &Value| {
            Some(Expected {
                name: entry["name"].as_str()?.to_owned(),
                datatype: Datatype::parse(entry["datatype"].as_str()?)?,
                shape: entry["shape"].as_array()?.iter().map(Value::as_i64).collect::<Option<_>>()?,
                required: false,
            })
        };
        let entries = read["inputs"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(inputs) = entries.iter().map(input).collect::<Option<Vec<_>>>() else {
            return fault("The model's metadata has an input without name, datatype or shape.");
        };
        let of_signature = Self::of_signature(signature);
        if inputs.is_empty() {
            return Ok(of_signature);
        }
        Ok(Self { inputs, is_frame: false, columns: of_signature.columns })
    }

    fn of_signature(signature: &Signature) -> Self {
        match &signature.inputs {
            Side::Unknown => Self::default(),
            Side::Columns { columns, .. } => Self {
                inputs: columns
                    .iter()
                    .map(|column| Expected {
                        name: column.name.clone(),
                        datatype: column.kind.datatype(),
                        shape: vec![-1; 1 + column.lists],
                        required: column.required,
                    })
                    .collect(),
                is_frame: true,
                columns: columns.iter().map(|column| column.name.clone()).collect(),
            },
            Side::Tensors(specs) => {
                let expected = specs.iter().map(|spec| Expected {
                    name: spec.name.clone().unwrap_or_else(|| metadata::INPUT.to_owned()),
                    datatype: spec.datatype.unwrap_or(Datatype::Bytes),
                    shape: spec.shape.clone(),
                    required: true,
                });
                Self { inputs: expected.collect(), ..Self::default() }
            }
        }
    }

    /// The input of that name.
    pub fn find(&self, name: &str) -> Option<&Expected> {
        self.inputs.iter().find(|input| input.name == name)
    }

    /// Whether there is such an input, as far as that is known.
    pub fn has(&self, name: &str) -> bool {
        self.inputs.is_empty() || self.find(name).is_some()
    }

    /// The one tensor that takes all columns side by side.
    pub fn matrix(&self) -> Option<&Expected> {
        let [only] = self.inputs.as_slice() else { return None };
        (!self.is_frame && only.shape.len() == 2).then_some(only)
    }
}
