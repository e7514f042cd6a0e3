//! A request's variables, and literals with them filled in. What that may take is bounded: one variable of megabytes may be
//! named thousands of times.

use std::collections::BTreeMap;

use graphql_parser::query::{Type as Asked, Value as Literal, VariableDefinition};
use serde_json::{Map, Number, Value};

use super::document::Problems;

/// What the arguments of a request may take in all once variables are filled in.
pub const MAX_ARGUMENT_BYTES: usize = 32 << 20;

/// A value without what it holds, with its place in a list.
const VALUE_BYTES: usize = 64;

/// The declared variables with their values and about how many bytes each is; absent ones are left out.
pub struct Filled(BTreeMap<String, (Value, usize)>);

impl Filled {
    pub fn new(declared: &[VariableDefinition<'_, String>], given: &Map<String, Value>) -> Result<Self, Problems> {
        let mut values = BTreeMap::new();
        for variable in declared {
            let value = match given.get(&variable.name) {
                Some(value) => Some(value.clone()),
                None => {
                    let none = Self(BTreeMap::new());
                    let default = variable.default_value.as_ref();
                    default.map(|value| none.plain(value, &mut { MAX_ARGUMENT_BYTES })).transpose()?
                }
            };
            let needed = matches!(variable.var_type, Asked::NonNullType(_));
            match value {
                None if needed => {
                    return Err(vec![format!(
                        "Variable '${}' of required type '{}' was not provided.",
                        variable.name, variable.var_type
                    )]);
                }
                Some(Value::Null) if needed => {
                    return Err(vec![format!(
                        "Variable '${}' of non-null type '{}' must not be null.",
                        variable.name, variable.var_type
                    )]);
                }
                Some(value) => {
                    let bytes = size(&value);
                    values.insert(variable.name.clone(), (value, bytes));
                }
                None => {}
            }
        }
        Ok(Self(values))
    }

    /// A literal as JSON, variables filled in, at the cost of `left`.
    pub fn plain(&self, literal: &Literal<'_, String>, left: &mut usize) -> Result<Value, Problems> {
        let known = match literal {
            Literal::Variable(name) => self.0.get(name),
            _ => None,
        };
        let bytes = match (known, literal) {
            (Some((_, bytes)), _) => *bytes,
            (None, Literal::String(text) | Literal::Enum(text)) => VALUE_BYTES + text.len(),
            _ => VALUE_BYTES,
        };
        *left = left.checked_sub(bytes).ok_or_else(|| {
            vec![format!("The arguments take more than {MAX_ARGUMENT_BYTES} bytes once the variables are filled in.")]
        })?;
        Ok(match literal {
            Literal::Variable(_) => known.map_or(Value::Null, |(value, _)| value.clone()),
            Literal::Int(number) => number.as_i64().map_or(Value::Null, Value::from),
            Literal::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
            Literal::String(text) | Literal::Enum(text) => Value::String(text.clone()),
            Literal::Boolean(value) => Value::Bool(*value),
            Literal::Null => Value::Null,
            Literal::List(items) => {
                Value::Array(items.iter().map(|item| self.plain(item, left)).collect::<Result<_, _>>()?)
            }
            Literal::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), self.plain(value, left)?)))
                    .collect::<Result<_, Problems>>()?,
            ),
        })
    }

    /// Whether the directive's condition holds. A list or map is none.
    pub fn holds(&self, literal: &Literal<'_, String>) -> bool {
        match literal {
            Literal::Boolean(value) => *value,
            Literal::Variable(name) => self.0.get(name).and_then(|(value, _)| value.as_bool()).unwrap_or(false),
            _ => false,
        }
    }
}

/// About how many bytes a value takes in memory.
fn size(value: &Value) -> usize {
    VALUE_BYTES
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(size).sum(),
            Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + size(value)).sum(),
            _ => 0,
        }
}
