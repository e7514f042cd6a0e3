//! A span attribute's value: OpenTelemetry's AnyValue with its types and the order of its keys, both of which plain JSON in
//! this house would lose. JSON of it reads as Python writes it, since clients compare and search such texts.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
    ser::SerializeMap,
};

/// How deep an attribute may be nested. MLflow's clients read protobuf's JSON of a hundred messages within each other, and a
/// map within a map takes three.
const MAX_DEPTH: usize = 30;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

impl Value {
    /// The value that a JSON text stands for.
    pub fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, also one written as a text.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Double(number) if number.fract() == 0.0 && number.abs() < 9e18 => Some(*number as i64),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A finite number.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Double(number) if number.is_finite() => Some(*number),
            _ => None,
        }
    }

    /// The member of a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) => pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// JSON, with a space after each comma and colon, as Python writes it.
    pub fn to_json(&self) -> String {
        python_json(self)
    }

    /// The value, as JSON in a text where it is nested deeper than it may be.
    pub fn flat(self) -> Self {
        if self.is_deeper_than(MAX_DEPTH) { Self::Text(self.to_json()) } else { self }
    }

    /// Bytes of all texts within.
    pub fn text_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::List(items) => items.iter().map(Self::text_bytes).sum(),
            Self::Map(pairs) => pairs.iter().map(|(key, value)| key.len() + value.text_bytes()).sum(),
            _ => 8,
        }
    }

    fn is_deeper_than(&self, most: usize) -> bool {
        match self {
            Self::List(items) => most == 0 || items.iter().any(|item| item.is_deeper_than(most - 1)),
            Self::Map(pairs) => most == 0 || pairs.iter().any(|(_, value)| value.is_deeper_than(most - 1)),
            _ => false,
        }
    }

    /// A text as it is, anything else as JSON: what a person compares with.
    pub fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            other => other.to_json(),
        }
    }
}

/// JSON of anything, spaced as Python's.
pub fn python_json<T: Serialize + ?Sized>(value: &T) -> String {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Spaced);
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8(out).unwrap_or_default(),
        // Only maps with keys that are no texts fail, and nothing here has them.
        Err(_) => String::new(),
    }
}

struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Double(value) if value.is_nan() => serializer.serialize_str("NaN"),
            Self::Double(value) if value.is_infinite() => {
                serializer.serialize_str(if *value > 0.0 { "Infinity" } else { "-Infinity" })
            }
            Self::Double(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Double(value as f64), Value::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Double(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Value::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn types_and_key_order_survive() {
        let text = r#"{"z": [1, 2.0, null, true], "a": {"é": "x\"y"}}"#;
        let value = Value::parse(text).unwrap();
        assert_eq!(value.to_json(), text);
        assert_eq!(value.get("z").unwrap().as_list().unwrap()[1], Value::Double(2.0));
    }

    #[test]
    fn what_json_cannot_say_is_a_text() {
        assert_eq!(
            Value::List(vec![Value::Double(f64::NAN), Value::Double(f64::NEG_INFINITY)]).to_json(),
            r#"["NaN", "-Infinity"]"#
        );
        assert_eq!(Value::parse("18446744073709551615").unwrap(), Value::Double(18_446_744_073_709_551_615.0));
    }
}
