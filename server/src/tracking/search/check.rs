//! What a grammar allows: which names there are, and which operators and values suit what is compared. The texts of refusals
//! are MLflow's.

use super::{Condition, Entity, Grammar, Op, Operand, lexer::Name};
use crate::error::{Error, Result};

/// Which entity and key a name means under the grammar.
pub(super) fn identify(name: &Name, grammar: &Grammar, attributes: &[&str]) -> Result<(Entity, String)> {
    let entity = match name.prefix.as_deref() {
        None => Entity::Attribute,
        Some(prefix) => grammar.entity_of(prefix).ok_or_else(|| {
            let valid: Vec<String> = grammar.entities.iter().map(|entity| format!("'{}'", entity.word())).collect();
            Error::invalid(format!("Invalid entity type '{prefix}'. Valid values are [{}]", valid.join(", ")))
        })?,
    };
    let known = match entity {
        Entity::Attribute => attributes,
        Entity::Dataset => &["name", "digest", "context"],
        _ => return Ok((entity, name.key.clone())),
    };
    if known.contains(&name.key.as_str()) {
        return Ok((entity, name.key.clone()));
    }
    let valid: Vec<String> = known.iter().map(|key| format!("'{key}'")).collect();
    let word = entity.word();
    Err(Error::invalid(format!(
        "Invalid {word} key '{}' specified. Valid keys are '{{{}}}'",
        name.key,
        valid.join(", ")
    )))
}

fn entity_of(prefix: &str) -> Option<Entity> {
    Some(match prefix {
        "metric" | "metrics" => Entity::Metric,
        "parameter" | "parameters" | "param" | "params" => Entity::Param,
        "tag" | "tags" => Entity::Tag,
        "attribute" | "attributes" | "attr" | "run" => Entity::Attribute,
        "dataset" | "datasets" => Entity::Dataset,
        _ => return None,
    })
}

impl Grammar {
    fn entity_of(&self, prefix: &str) -> Option<Entity> {
        if self.prefixes.is_empty() {
            return entity_of(prefix).filter(|entity| self.entities.contains(entity));
        }
        self.prefixes.iter().find(|(name, _)| *name == prefix).map(|(_, entity)| *entity)
    }

    pub(super) fn all_attributes(&self) -> Vec<&'static str> {
        self.text_attributes.iter().chain(self.numeric_attributes).copied().collect()
    }

    fn is_numeric(&self, condition: &Condition) -> bool {
        condition.entity == Entity::Metric
            || (condition.entity == Entity::Attribute && self.numeric_attributes.contains(&condition.key.as_str()))
    }
}

/// Whether operator and value suit what is compared.
pub(super) fn check(condition: Condition, grammar: &Grammar) -> Result<Condition> {
    let Condition { entity, op, .. } = condition;
    if op.is_null_test() {
        if grammar.nullable.contains(&entity) {
            return Ok(condition);
        }
        return Err(Error::invalid(format!(
            "IS NULL / IS NOT NULL is only supported for tags and params, not for '{}' '{}'",
            entity.word(),
            condition.key
        )));
    }
    if grammar.is_numeric(&condition) {
        return check_numeric(condition);
    }
    match entity {
        Entity::Feedback | Entity::Expectation => super::traces::check_assessment(condition),
        Entity::Span | Entity::Issue => super::traces::check_span_or_issue(condition),
        _ => check_text(condition, grammar),
    }
}

fn check_numeric(condition: Condition) -> Result<Condition> {
    if !condition.op.is_numeric() {
        return Err(wrong_op(&condition, &[Op::Gt, Op::Ge, Op::Ne, Op::Eq, Op::Lt, Op::Le]));
    }
    match &condition.value {
        Operand::Integer(_) | Operand::Float(_) => Ok(condition),
        Operand::Text(text) if condition.entity == Entity::Attribute && text.parse::<i64>().is_ok() => {
            let value = Operand::Integer(text.parse().unwrap_or_default());
            Ok(Condition { value, ..condition })
        }
        other => {
            let found = shown(other);
            Err(Error::invalid(match condition.entity {
                Entity::Metric => format!("Expected numeric value type for metric. Found {found}"),
                _ => format!("Expected numeric value type for numeric attribute: {}. Found {found}", condition.key),
            }))
        }
    }
}

fn check_text(condition: Condition, grammar: &Grammar) -> Result<Condition> {
    let lists = match condition.entity {
        Entity::Attribute => grammar.list_attributes.contains(&condition.key.as_str()),
        Entity::Dataset => true,
        _ => false,
    };
    let key = &condition.key;
    match &condition.value {
        Operand::Text(_) if condition.op.is_text() || (condition.op == Op::Rlike && grammar.regexes) => Ok(condition),
        Operand::List(_) if condition.op.is_list() && lists => Ok(condition),
        Operand::List(_) if condition.op.is_list() && condition.entity == Entity::Attribute => {
            Err(Error::invalid(format!(
                "Only {:?} attributes support comparison with a list of quoted string values.",
                grammar.list_attributes
            )))
        }
        Operand::Text(_) | Operand::List(_) => {
            let valid = [Op::Ne, Op::Eq, Op::Like, Op::Ilike, Op::Rlike];
            Err(wrong_op(&condition, if grammar.regexes { &valid } else { &valid[..4] }))
        }
        other => {
            let found = shown(other);
            Err(Error::invalid(match condition.entity {
                Entity::Attribute => format!("Expected a quoted string value for attributes. Got value {found}"),
                Entity::Dataset => format!("Expected a quoted string value for dataset attributes. Got value {found}"),
                entity => {
                    format!("Expected a quoted string value for {} (e.g. 'my-value'). Got value {found}", entity.word())
                }
            })
            .with_source(anyhow::anyhow!("key {key}")))
        }
    }
}

pub(super) fn wrong_op(condition: &Condition, valid: &[Op]) -> Error {
    let valid: Vec<String> = valid.iter().map(|op| format!("'{}'", op.text())).collect();
    Error::invalid(format!(
        "Invalid comparator '{}' not one of '{{{}}}' at character {}",
        condition.op.text(),
        valid.join(", "),
        condition.at
    ))
}

/// A value as it was written, for messages.
pub(super) fn shown(value: &Operand) -> String {
    match value {
        Operand::Text(text) => format!("'{text}'"),
        Operand::Integer(value) => value.to_string(),
        Operand::Float(value) => value.to_string(),
        Operand::List(items) => {
            format!("({})", items.iter().map(|item| format!("'{item}'")).collect::<Vec<_>>().join(", "))
        }
        Operand::Nothing => "NULL".into(),
    }
}
