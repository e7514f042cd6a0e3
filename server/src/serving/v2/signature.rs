//! A model's signature, as the `MLmodel` file beside it says: what it takes, what it answers, which parameters it knows.

use serde_json::Value;

use super::{Datatype, Result, fault};

/// A larger `MLmodel` file is not read.
pub const MAX_FILE_BYTES: u64 = 8 << 20;

/// What is known of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signature {
    pub inputs: Side,
    pub outputs: Side,
    /// Names of parameters.
    pub params: Vec<String>,
    /// It is written in the types of the model's own function, which then gets a plain list.
    pub from_type_hint: bool,
}

/// One side of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Side {
    #[default]
    Unknown,
    /// A data frame.
    Columns {
        columns: Vec<Column>,
        /// Whether they have names; else they are called by their position.
        named: bool,
    },
    Tensors(Vec<Spec>),
}

/// A column of a data frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    /// Lists around each value.
    pub lists: usize,
    pub required: bool,
}

/// What a column's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Number(Datatype),
    Text,
    Binary,
    /// An instant, as ISO 8601 writes it.
    Datetime,
    /// An object, a map, anything: each value is a JSON text.
    Json,
}

/// A tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    pub name: Option<String>,
    /// Absent for what V2 has no datatype for.
    pub datatype: Option<Datatype>,
    /// -1 where any size is right.
    pub shape: Vec<i64>,
}

impl Kind {
    /// The datatype that carries it.
    pub fn datatype(self) -> Datatype {
        match self {
            Self::Number(datatype) => datatype,
            Self::Text | Self::Binary | Self::Datetime | Self::Json => Datatype::Bytes,
        }
    }
}

impl Signature {
    /// The signature in an `MLmodel` file; an empty one where the model has none.
    ///
    /// # Errors
    /// When there is one that cannot be understood.
    pub fn read(mlmodel: &str) -> Result<Self> {
        let file: serde_yaml_ng::Value =
            serde_yaml_ng::from_str(mlmodel).or_else(|error| fault(format!("The MLmodel file is no YAML: {error}")))?;
        let Some(signature) = file.get("signature").filter(|it| it.is_mapping()) else { return Ok(Self::default()) };
        let part = |name: &str| -> Result<Vec<Value>> {
            let Some(text) = signature.get(name).and_then(|it| it.as_str()) else { return Ok(vec![]) };
            serde_json::from_str(text)
                .or_else(|error| fault(format!("The signature's '{name}' is no JSON list: {error}")))
        };
        let name = |param: Value| Some(param.get("name")?.as_str()?.to_owned());
        Ok(Self {
            inputs: Side::read(&part("inputs")?)?,
            outputs: Side::read(&part("outputs")?)?,
            params: part("params")?.into_iter().filter_map(name).collect(),
            from_type_hint: file.get("is_signature_from_type_hint").and_then(|it| it.as_bool()).unwrap_or_default(),
        })
    }
}

impl Side {
    fn read(specs: &[Value]) -> Result<Self> {
        if specs.is_empty() {
            return Ok(Self::Unknown);
        }
        if specs.iter().all(|spec| spec["type"] == "tensor") {
            return specs.iter().map(Spec::read).collect::<Result<_>>().map(Self::Tensors);
        }
        let named = specs.iter().all(|spec| spec["name"].is_string());
        let columns = specs.iter().enumerate().map(|(index, spec)| Column::read(index, named, spec));
        Ok(Self::Columns { columns: columns.collect(), named })
    }
}

impl Column {
    fn read(index: usize, named: bool, spec: &Value) -> Self {
        let name = spec["name"].as_str().filter(|_| named).map_or_else(|| index.to_string(), str::to_owned);
        let (mut lists, mut inner) = (0, spec);
        while inner["type"] == "array" && inner["items"].is_object() {
            lists += 1;
            inner = &inner["items"];
        }
        let mut kind = Kind::Json;
        match inner["type"].as_str().unwrap_or_default() {
            "boolean" => kind = Kind::Number(Datatype::Bool),
            "integer" => kind = Kind::Number(Datatype::Int32),
            "long" => kind = Kind::Number(Datatype::Int64),
            "float" => kind = Kind::Number(Datatype::Fp32),
            "double" => kind = Kind::Number(Datatype::Fp64),
            "string" => kind = Kind::Text,
            "binary" => kind = Kind::Binary,
            "datetime" => kind = Kind::Datetime,
            "sparkml_vector" => {
                lists += 1;
                kind = Kind::Number(Datatype::Fp64);
            }
            _ => {}
        }
        let lists = if kind == Kind::Json { 0 } else { lists };
        Self { name, kind, lists, required: spec["required"].as_bool().unwrap_or(true) }
    }
}

impl Spec {
    fn read(spec: &Value) -> Result<Self> {
        let tensor = &spec["tensor-spec"];
        let shape: Option<Vec<i64>> =
            tensor["shape"].as_array().and_then(|sizes| sizes.iter().map(Value::as_i64).collect());
        let (Some(shape), Some(numpy)) = (shape, tensor["dtype"].as_str()) else {
            return fault("A tensor of the signature has no shape or no type.");
        };
        Ok(Self { name: spec["name"].as_str().map(str::to_owned), datatype: Datatype::of_numpy(numpy), shape })
    }
}
