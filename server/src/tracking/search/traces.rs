//! The grammar of searches over traces: beside attributes and tags it has metadata, spans, feedback, expectations, issues, and
//! RLIKE.

use super::{Condition, Entity, Grammar, Op, Operand, check, parse};
use crate::error::{Error, Result};

/// Filters of `traces/search`.
pub const TRACES: Grammar = Grammar {
    entities: &[
        Entity::Attribute,
        Entity::Tag,
        Entity::Metadata,
        Entity::Span,
        Entity::Feedback,
        Entity::Expectation,
        Entity::Issue,
    ],
    text_attributes: &["request_id", "trace_id", "status", "client_request_id", "name", "run_id", "prompt", "text"],
    numeric_attributes: &[
        "timestamp",
        "timestamp_ms",
        "execution_time",
        "execution_time_ms",
        "end_time",
        "end_time_ms",
    ],
    list_attributes: &["request_id", "trace_id", "status", "client_request_id", "name", "run_id"],
    order_attributes: &[
        "experiment_id",
        "timestamp",
        "timestamp_ms",
        "execution_time",
        "execution_time_ms",
        "end_time",
        "end_time_ms",
        "status",
        "request_id",
        "trace_id",
        "name",
        "run_id",
    ],
    nullable: &[Entity::Tag, Entity::Metadata, Entity::Feedback, Entity::Expectation],
    prefixes: &[
        ("attribute", Entity::Attribute),
        ("attributes", Entity::Attribute),
        ("trace", Entity::Attribute),
        ("tag", Entity::Tag),
        ("tags", Entity::Tag),
        ("metadata", Entity::Metadata),
        ("request_metadata", Entity::Metadata),
        ("span", Entity::Span),
        ("feedback", Entity::Feedback),
        ("expectation", Entity::Expectation),
        ("issue", Entity::Issue),
    ],
    regexes: true,
};

/// Parses a filter over traces. `text` is a search in the content of spans.
///
/// # Errors
/// As `parse`.
pub fn parse_traces(filter: &str) -> Result<Vec<Condition>> {
    let mut conditions = parse(filter, &TRACES)?;
    for condition in &mut conditions {
        if condition.entity == Entity::Attribute && condition.key == "text" {
            condition.entity = Entity::Span;
            condition.key = "content".to_owned();
            check_content(condition)?;
        }
    }
    Ok(conditions)
}

/// Texts compare with texts, numbers with numbers.
pub(super) fn check_assessment(condition: Condition) -> Result<Condition> {
    let (word, op) = (condition.entity.word(), condition.op);
    let numeric = matches!(op, Op::Lt | Op::Le | Op::Gt | Op::Ge);
    match &condition.value {
        Operand::Integer(_) | Operand::Float(_) if numeric => Ok(condition),
        Operand::Text(_) if matches!(op, Op::Eq | Op::Ne | Op::Like | Op::Ilike | Op::Rlike) => Ok(condition),
        other if numeric => Err(Error::invalid(format!(
            "Expected a numeric value for {word} when using comparator '{}'. Got value {}",
            op.text(),
            check::shown(other)
        ))),
        Operand::Integer(_) | Operand::Float(_) => Err(Error::invalid(format!(
            "Expected a quoted string value for {word} (e.g. 'my-value'). Got value {}",
            check::shown(&condition.value)
        ))),
        _ => Err(Error::invalid(format!("assessment.{} comparator '{}' is not supported", condition.key, op.text()))),
    }
}

/// A span has a name, a type, a status, attributes and content; an issue has an id.
pub(super) fn check_span_or_issue(condition: Condition) -> Result<Condition> {
    let key = condition.key.as_str();
    if condition.entity == Entity::Issue {
        return match (key, condition.op, &condition.value) {
            ("id", Op::Eq, Operand::Text(_)) => Ok(condition),
            ("id", ..) => Err(check::wrong_op(&condition, &[Op::Eq])),
            _ => Err(Error::invalid(format!("Invalid issue attribute '{key}'. Supported attributes: id"))),
        };
    }
    let attribute = key.strip_prefix("attributes.").is_some_and(|name| !name.is_empty());
    if key == "content" {
        check_content(&condition)?;
        return Ok(condition);
    }
    if !attribute && !matches!(key, "name" | "type" | "status") {
        return Err(Error::invalid(format!(
            "Invalid span attribute '{key}'. Supported attributes: name, status, type, attributes.<attribute_name>."
        )));
    }
    let fits = match &condition.value {
        Operand::Text(_) => matches!(condition.op, Op::Eq | Op::Ne | Op::Like | Op::Ilike | Op::Rlike),
        Operand::List(_) => matches!(condition.op, Op::In | Op::NotIn),
        other => {
            return Err(Error::invalid(format!(
                "Expected a quoted string value for span (e.g. 'my-value'). Got value {}",
                check::shown(other)
            )));
        }
    };
    if fits {
        return Ok(condition);
    }
    Err(check::wrong_op(&condition, &[Op::Eq, Op::Ne, Op::In, Op::NotIn, Op::Like, Op::Ilike, Op::Rlike]))
}

fn check_content(condition: &Condition) -> Result<()> {
    match (condition.op, &condition.value) {
        (Op::Like | Op::Ilike, Operand::Text(_)) => Ok(()),
        _ => Err(check::wrong_op(condition, &[Op::Like, Op::Ilike])),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn error(filter: &str) -> String {
        parse_traces(filter).unwrap_err().message
    }

    #[test]
    fn every_part_of_a_trace_can_be_asked_for() {
        for filter in [
            "name = 'x' AND timestamp > 5 AND trace.status IN ('OK', 'ERROR')",
            "tags.a RLIKE '^b' AND tag.`c d` IS NULL AND metadata.mlflow.user = 'root' AND request_metadata.x IS NOT NULL",
            "span.name LIKE '%x' AND span.type NOT IN ('LLM') AND span.attributes.gen_ai.model != 'm'",
            "feedback.good = 'yes' AND feedback.score >= 0.5 AND expectation.x IS NULL AND expectation.`a b` ILIKE 'Y%'",
            "trace.text ILIKE '%x%' AND span.content LIKE '%y%' AND issue.id = 'i' AND prompt = 'p/1' AND run_id != 'r'",
            "attributes.execution_time_ms > 0 AND end_time < 1e13 AND client_request_id = 'x'",
        ] {
            assert!(parse_traces(filter).is_ok(), "{filter}");
        }
        let text = &parse_traces("text LIKE '%a%'").unwrap()[0];
        assert_eq!((text.entity, text.key.as_str()), (Entity::Span, "content"));
    }

    #[test]
    fn what_makes_no_sense_is_answered_in_mlflows_words() {
        assert_eq!(
            error("feedback.x > 'a'"),
            "Expected a numeric value for feedback when using comparator '>'. Got value 'a', at character 1"
        );
        assert!(error("feedback.x = 1").starts_with("Expected a quoted string value for feedback"));
        assert!(error("metadata.x > 1").starts_with("Expected a quoted string value for request_metadata"));
        assert!(error("span.foo = 'a'").starts_with("Invalid span attribute 'foo'."));
        assert!(error("span.name > 'a'").contains("Invalid comparator '>'"));
        assert!(error("text = 'a'").contains("Invalid comparator '='"));
        assert!(error("tag.x IN ('a')").contains("Invalid comparator 'IN'"));
        assert!(error("metrics.a > 1").starts_with("Invalid entity type 'metrics'."));
        assert!(error("run.status = 'a'").starts_with("Invalid entity type 'run'."));
        assert!(error("bogus = 1").starts_with("Invalid attribute key 'bogus'"));
        assert!(error("timestamp_ms LIKE 'a'").contains("Invalid comparator 'LIKE'"));
        assert!(error("name = 'a' OR name = 'b'").contains("'OR name = 'b'' at character 12"));
    }

    #[test]
    fn regular_expressions_are_of_traces_alone() {
        assert!(parse("tags.a RLIKE 'x'", &super::super::RUNS).is_err());
        assert!(parse("metadata.a = 'x'", &super::super::RUNS).is_err());
    }
}
