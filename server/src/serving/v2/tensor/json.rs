//! Values in JSON: flat, or nested as the shape says.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::{Datatype, Result, fault, literals};
use super::{Pieces, Tensor, Values, count};

/// Reads the values of a tensor of that shape.
///
/// # Errors
/// For a value that the datatype does not have, or another number of values than the shape says. `of` names the tensor.
pub fn read(of: &str, datatype: Datatype, shape: &[usize], data: &RawValue) -> Result<Values> {
    let mut sink = Sink { datatype, values: Values::empty(datatype), sizes: vec![], leaves_at: None, why: None };
    let mut reader = serde_json::Deserializer::from_str(data.get());
    if let Err(error) = (Level { sink: &mut sink, depth: 0 }).deserialize(&mut reader) {
        let index = sink.values.len();
        let why = sink.why.unwrap_or_else(|| error.to_string());
        return fault(format!("{of}: element {index} of 'data': {why}"));
    }
    let wanted = count(of, shape)?;
    if sink.values.len() != wanted {
        let found = sink.values.len();
        return fault(format!("{of}: 'data' has {found} values; the shape {shape:?} has {wanted}."));
    }
    let nested: Vec<usize> = sink.sizes.iter().map(|size| size.unwrap_or_default()).collect();
    if sink.leaves_at != Some(1) && nested != shape {
        return fault(format!("{of}: 'data' is nested as {nested:?}; 'shape' says {shape:?}."));
    }
    Ok(sink.values)
}

struct Sink {
    datatype: Datatype,
    values: Values,
    /// Length of the lists at each depth.
    sizes: Vec<Option<usize>>,
    /// Depth of the values.
    leaves_at: Option<usize>,
    why: Option<String>,
}

struct Level<'s> {
    sink: &'s mut Sink,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Level<'_> {
    fn leaf<E: Error>(self, push: impl FnOnce(&mut Sink) -> Option<String>) -> std::result::Result<(), E> {
        let place = *self.sink.leaves_at.get_or_insert(self.depth);
        let why = if self.depth == 0 {
            Some("'data' is no list.".to_owned())
        } else if place != self.depth {
            Some("values and lists are mixed.".to_owned())
        } else {
            push(self.sink)
        };
        match why {
            None => Ok(()),
            Some(why) => {
                self.sink.why = Some(why);
                Err(E::custom("refused"))
            }
        }
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a list")
    }

    fn visit_bool<E: Error>(self, value: bool) -> std::result::Result<(), E> {
        self.leaf(|sink| match &mut sink.values {
            Values::Bool(all) => {
                all.push(value);
                None
            }
            _ => Some(format!("{value} is no {}.", sink.datatype.name())),
        })
    }

    fn visit_i64<E: Error>(self, value: i64) -> std::result::Result<(), E> {
        self.leaf(|sink| sink.integer(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> std::result::Result<(), E> {
        self.leaf(|sink| sink.integer(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> std::result::Result<(), E> {
        self.leaf(|sink| sink.float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> std::result::Result<(), E> {
        self.leaf(|sink| match &mut sink.values {
            _ if literals::value(value).is_some() => Some(no_number()),
            Values::Bytes(all) => {
                all.push(value.as_bytes());
                None
            }
            _ => Some(format!("a text is no {}.", sink.datatype.name())),
        })
    }

    fn visit_unit<E: Error>(self) -> std::result::Result<(), E> {
        self.leaf(|sink| {
            Some(format!("null is no {}; send a missing number as NaN in a binary tensor.", sink.datatype.name()))
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, _map: A) -> std::result::Result<(), A::Error> {
        self.leaf(|_| Some("an object is no value; send structured values as BYTES with JSON texts.".to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<(), A::Error> {
        let mut length = 0;
        while list.next_element_seed(Level { sink: &mut *self.sink, depth: self.depth + 1 })?.is_some() {
            length += 1;
        }
        if self.sink.sizes.len() <= self.depth {
            self.sink.sizes.resize(self.depth + 1, None);
        }
        if *self.sink.sizes[self.depth].get_or_insert(length) != length {
            self.sink.why = Some("the lists before it are not of one length.".to_owned());
            return Err(A::Error::custom("refused"));
        }
        Ok(())
    }
}

impl Sink {
    fn integer(&mut self, value: i128) -> Option<String> {
        let name = self.datatype.name();
        let (low, high) = self.datatype.range().unwrap_or((i128::MIN, i128::MAX));
        if value < low || value > high {
            return Some(format!("{value} does not fit {name}."));
        }
        match &mut self.values {
            Values::Int(all) => all.push(value as i64),
            Values::Uint(all) => all.push(value as u64),
            Values::Single(_) | Values::Double(_) => return self.float(value as f64),
            Values::Bool(_) => return Some(format!("{value} is no BOOL; write true or false.")),
            Values::Bytes(_) => return Some(format!("{value} is no text; a BYTES element is one.")),
        }
        None
    }

    fn float(&mut self, value: f64) -> Option<String> {
        let name = self.datatype.name();
        let largest = match self.datatype {
            Datatype::Fp16 => f64::from(half::f16::MAX.to_f32()),
            Datatype::Bf16 => f64::from(half::bf16::MAX.to_f32()),
            _ => f64::from(f32::MAX),
        };
        match &mut self.values {
            Values::Double(all) => all.push(value),
            Values::Single(_) if value.abs() > largest => return Some(format!("{value} does not fit {name}.")),
            Values::Single(all) => all.push(value as f32),
            // 1.0 is how some languages write 1
            Values::Int(_) | Values::Uint(_) if value.fract() == 0.0 && value.abs() < 9e15 => {
                return self.integer(value as i128);
            }
            _ => return Some(format!("{value} is no {name}.")),
        }
        None
    }
}

fn no_number() -> String {
    "NaN and Infinity cannot be written in JSON; send this input as a binary tensor.".to_owned()
}

/// Writes the values as a flat list.
///
/// # Errors
/// For an infinity, and for bytes that are no text. `of` names the tensor.
pub fn write(of: &str, tensor: &Tensor, out: &mut Vec<u8>) -> Result<()> {
    out.push(b'[');
    for index in 0..tensor.values.len() {
        if index > 0 {
            out.push(b',');
        }
        write_one(of, &tensor.values, index, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_one(of: &str, values: &Values, index: usize, out: &mut Vec<u8>) -> Result<()> {
    let infinite = || {
        fault(format!(
            "{of}: element {index} is infinite, which JSON cannot carry; ask for it with 'binary_data': true."
        ))
    };
    let written = match values {
        Values::Bool(all) => serde_json::to_writer(out, &all[index]),
        Values::Int(all) => serde_json::to_writer(out, &all[index]),
        Values::Uint(all) => serde_json::to_writer(out, &all[index]),
        Values::Single(all) if all[index].is_infinite() => return infinite(),
        Values::Double(all) if all[index].is_infinite() => return infinite(),
        // NaN becomes null, which numpy reads as NaN again
        Values::Single(all) => serde_json::to_writer(out, &all[index]),
        Values::Double(all) => serde_json::to_writer(out, &all[index]),
        Values::Bytes(all) => return write_text(of, all, index, out),
    };
    written.or_else(|error| fault(format!("{of}: {error}")))
}

/// Writes one element as a JSON text.
pub fn write_text(of: &str, all: &Pieces, index: usize, out: &mut Vec<u8>) -> Result<()> {
    let Ok(text) = std::str::from_utf8(all.get(index)) else {
        return fault(format!("{of}: element {index} is no UTF-8 text, and JSON carries nothing else."));
    };
    serde_json::to_writer(out, text).or_else(|error| fault(format!("{of}: {error}")))
}
