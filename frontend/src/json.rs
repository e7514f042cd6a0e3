//! JSON into wire types.
//!
//! serde's derived code accepts a struct written as an array, too. serde_json keeps that half of the code alive, for every type
//! and every list of it; no server of ours writes it. Reading from a parsed value through a deserializer that knows objects only
//! leaves it out: the derived code shrank by a third when this came (314 to 209 kB of the unsplit module).

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde_json::Value;
use std::fmt;

/// Why a text is not what was expected.
#[derive(Debug)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Unreadable {}

// Short words for what serde would put together at length.
impl Error for Unreadable {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self("a value of another type".into())
    }
    fn invalid_value(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self("a value out of range".into())
    }
    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        Self("a list of another length".into())
    }
    fn unknown_variant(variant: &str, _: &'static [&'static str]) -> Self {
        Self(["unknown: ", variant].concat())
    }
    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self(["unknown: ", field].concat())
    }
    fn missing_field(field: &'static str) -> Self {
        Self(["missing: ", field].concat())
    }
    fn duplicate_field(field: &'static str) -> Self {
        Self(["twice: ", field].concat())
    }
}

/// Reads a value from a text.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Unreadable> {
    T::deserialize(Read(parse(text)?))
}

fn parse(text: &str) -> Result<Value, Unreadable> {
    serde_json::from_str(text).map_err(|e| Unreadable(e.to_string()))
}

struct Read(Value);

impl Read {
    fn refused<T>() -> Result<T, Unreadable> {
        Err(Unreadable("a value of another type".into()))
    }
}

/// Each kind of value goes to the visitor's method for it, whatever the type hoped for: the visitor refuses what does not fit.
macro_rules! as_it_is {
    ($($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
            scalar(self.0, visitor)
        }
    )* };
}

fn scalar<'de, V: Visitor<'de>>(value: Value, visitor: V) -> Result<V::Value, Unreadable> {
    match value {
        Value::Bool(value) => visitor.visit_bool(value),
        Value::String(text) => visitor.visit_string(text),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(value), ..) => visitor.visit_u64(value),
            (_, Some(value), _) => visitor.visit_i64(value),
            (.., Some(value)) => visitor.visit_f64(value),
            _ => Read::refused(),
        },
        _ => Read::refused(),
    }
}

impl<'de> Deserializer<'de> for Read {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Array(list) => visitor.visit_seq(List(list.into_iter())),
            Value::Object(object) => visitor.visit_map(Object { rest: object.into_iter(), value: None }),
            value => scalar(value, visitor),
        }
    }

    as_it_is! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_identifier
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if self.0.is_null() { visitor.visit_unit() } else { Self::refused() }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.0 {
            Value::Array(list) => visitor.visit_seq(List(list.into_iter())),
            _ => Self::refused(),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.0 {
            Value::Object(object) => visitor.visit_map(Object { rest: object.into_iter(), value: None }),
            _ => Self::refused(),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        let (name, value) = match self.0 {
            Value::String(name) => (name, Value::Null),
            Value::Object(object) => match object.into_iter().next() {
                Some(only) => only,
                None => return Self::refused(),
            },
            _ => return Self::refused(),
        };
        visitor.visit_enum(Variant { name, value })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }
}

struct List(std::vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for List {
    type Error = Unreadable;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unreadable> {
        match self.0.next() {
            Some(value) => seed.deserialize(Read(value)).map(Some),
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Object {
    rest: serde_json::map::IntoIter,
    value: Option<Value>,
}

impl<'de> MapAccess<'de> for Object {
    type Error = Unreadable;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unreadable> {
        match self.rest.next() {
            Some((key, value)) => {
                self.value = Some(value);
                seed.deserialize(Read(Value::String(key))).map(Some)
            }
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unreadable> {
        seed.deserialize(Read(self.value.take().unwrap_or_default()))
    }
}

struct Variant {
    name: String,
    value: Value,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Unreadable;
    type Variant = Read;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Read), Unreadable> {
        Ok((seed.deserialize(self.name.into_deserializer())?, Read(self.value)))
    }
}

impl<'de> VariantAccess<'de> for Read {
    type Error = Unreadable;

    fn unit_variant(self) -> Result<(), Unreadable> {
        if self.0.is_null() { Ok(()) } else { Read::refused() }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unreadable> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::from_str;
    use serde::{Deserialize, Serialize};
    use std::{collections::BTreeMap, fmt::Debug};

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(rename_all = "snake_case")]
    enum State {
        Waiting,
        Failed(String),
        Moved { to: i64 },
    }

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(tag = "check", rename_all = "snake_case")]
    enum Rule {
        Range { least: Option<f64> },
        Unique,
    }

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Name(String);

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Outer {
        #[serde(flatten)]
        rule: Rule,
        name: Name,
        states: Vec<State>,
        pairs: Vec<(String, i64)>,
        env: BTreeMap<String, f64>,
        step: i64,
        size: u64,
        note: Option<String>,
        #[serde(default)]
        later: bool,
    }

    fn some() -> Outer {
        Outer {
            rule: Rule::Range { least: Some(-0.5) },
            name: Name("wine".into()),
            states: vec![State::Waiting, State::Failed("full".into()), State::Moved { to: -3 }],
            pairs: vec![("a".into(), i64::MIN)],
            env: BTreeMap::from([("one".into(), 1.0), ("small".into(), 1e-300)]),
            step: i64::MAX,
            size: u64::MAX,
            note: None,
            later: true,
        }
    }

    fn same<T: for<'de> Deserialize<'de> + PartialEq + Debug>(text: &str) {
        assert_eq!(from_str::<T>(text).unwrap(), serde_json::from_str::<T>(text).unwrap());
    }

    #[test]
    fn every_shape_is_read_as_serde_json_reads_it() {
        same::<Outer>(&serde_json::to_string(&some()).unwrap());
        same::<Vec<Option<Rule>>>(r#"[null,{"check":"unique"},{"check":"range","least":null}]"#);
        same::<serde_json::Value>(r#"{"a":[1,-2,3.5,"x",null,true,{}]}"#);
        same::<Option<()>>("null");
        same::<BTreeMap<String, Vec<u8>>>(r#"{"a":[0,255]}"#);
    }

    #[test]
    fn what_is_unknown_is_passed_over() {
        same::<Name>(r#""wine""#);
        let more = serde_json::to_string(&some()).unwrap().replacen('{', r#"{"more":{"a":[1]},"#, 1);
        assert_eq!(from_str::<Outer>(&more).unwrap(), some());
    }

    #[test]
    fn what_does_not_fit_is_refused_with_a_word_on_why() {
        let text = serde_json::to_string(&some()).unwrap();
        let without = |part: &str, instead: &str| from_str::<Outer>(&text.replacen(part, instead, 1)).unwrap_err();
        assert_eq!(without(r#""step""#, r#""stop""#).to_string(), "missing: step");
        assert_eq!(without(r#""waiting""#, r#""lost""#).to_string(), "unknown: lost");
        assert!(from_str::<u8>("256").is_err());
        assert!(from_str::<Vec<u8>>(r#"{"a":1}"#).is_err());
        assert!(from_str::<Outer>("[]").is_err());
        assert!(from_str::<u8>("1 2").unwrap_err().to_string().contains("trailing"));
    }
}
