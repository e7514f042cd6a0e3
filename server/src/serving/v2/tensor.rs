//! A tensor, as JSON or the binary extension carries it.

mod binary;
mod json;

pub use binary::{read as read_binary, write as write_binary};
pub use json::{read as read_json, write as write_json, write_text};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Datatype, Result, fault};

/// Dimensions that a tensor has at most.
pub const MAX_DIMENSIONS: usize = 16;

/// A tensor: as many values as its shape says, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub name: String,
    pub datatype: Datatype,
    pub shape: Vec<usize>,
    pub values: Values,
}

/// Values of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    Bool(Vec<bool>),
    Int(Vec<i64>),
    Uint(Vec<u64>),
    Single(Vec<f32>),
    Double(Vec<f64>),
    Bytes(Pieces),
}

/// Byte strings behind one another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pieces {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Tensor {
    /// The same with its elements decoded.
    ///
    /// # Errors
    /// For an element that is no base64, and for another datatype than `BYTES`. `of` names the tensor.
    pub fn from_base64(self, of: &str) -> Result<Self> {
        let Values::Bytes(texts) = &self.values else {
            return fault(format!("{of}: 'content_type' base64 goes with BYTES alone."));
        };
        let mut decoded = Pieces::default();
        for index in 0..texts.len() {
            match STANDARD.decode(texts.get(index)) {
                Ok(bytes) => decoded.push(&bytes),
                Err(error) => return fault(format!("{of}: element {index} is no base64: {error}.")),
            }
        }
        Ok(Self { values: Values::Bytes(decoded), ..self })
    }
}

impl Pieces {
    pub fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        self.ends.push(self.bytes.len());
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn get(&self, index: usize) -> &[u8] {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[begin..self.ends[index]]
    }
}

impl Values {
    /// Room for the values of a datatype.
    pub fn empty(datatype: Datatype) -> Self {
        match datatype {
            Datatype::Bool => Self::Bool(vec![]),
            Datatype::Int8 | Datatype::Int16 | Datatype::Int32 | Datatype::Int64 => Self::Int(vec![]),
            Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 | Datatype::Uint64 => Self::Uint(vec![]),
            Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 => Self::Single(vec![]),
            Datatype::Fp64 => Self::Double(vec![]),
            Datatype::Bytes => Self::Bytes(Pieces::default()),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(all) => all.len(),
            Self::Int(all) => all.len(),
            Self::Uint(all) => all.len(),
            Self::Single(all) => all.len(),
            Self::Double(all) => all.len(),
            Self::Bytes(all) => all.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How many values a shape has.
///
/// # Errors
/// For more dimensions than allowed, a dimension of 0, or more values than can be counted. `of` names the tensor.
pub fn count(of: &str, shape: &[usize]) -> Result<usize> {
    if shape.is_empty() || shape.len() > MAX_DIMENSIONS {
        return fault(format!("{of}: 'shape' has {} dimensions; 1 to {MAX_DIMENSIONS} are allowed.", shape.len()));
    }
    if shape.contains(&0) {
        return fault(format!("{of}: 'shape' {shape:?} has a 0; send at least one value."));
    }
    match shape.iter().try_fold(1_usize, |all, size| all.checked_mul(*size)) {
        Some(count) => Ok(count),
        None => fault(format!("{of}: 'shape' {shape:?} has more values than can be counted.")),
    }
}
