//! Rules as YAML, read with the line of what is wrong.

use drydock_wire::datasets::Rule;
use serde_json::Value;

use super::rules;
use crate::error::{Error, Result};

const LIMIT_BYTES: usize = 256 << 10;

/// The rules in the text: a list, or a mapping with the key `rules`.
///
/// # Errors
/// `invalid`, with the line, for what is no YAML, no rule, or could never be meant.
pub fn read(text: &str) -> Result<Vec<Rule>> {
    if text.len() > LIMIT_BYTES {
        return Err(Error::invalid(format!("Rules are at most {} KiB of YAML.", LIMIT_BYTES >> 10)));
    }
    if text.trim().is_empty() {
        return Ok(vec![]);
    }
    let document: Value = serde_yaml_ng::from_str(text).map_err(|error| match error.location() {
        Some(place) => Error::invalid(format!("Line {}: {error}", place.line())),
        None => Error::invalid(format!("This is no YAML: {error}")),
    })?;
    let list = match document {
        Value::Null => return Ok(vec![]),
        Value::Array(list) => list,
        Value::Object(mut map) => match (map.remove("rules"), map.keys().next()) {
            (Some(Value::Array(list)), None) => list,
            (Some(Value::Null), None) => return Ok(vec![]),
            (_, Some(other)) => {
                return Err(Error::invalid(format!("Line 1: {other:?} is not known here; `rules:` holds the list.")));
            }
            _ => return Err(Error::invalid("Line 1: `rules:` is to hold a list of rules.")),
        },
        _ => return Err(Error::invalid("Line 1: a list of rules is expected, each beginning with `- check:`.")),
    };
    let lines = item_lines(text);
    let mut found = Vec::with_capacity(list.len());
    for (index, item) in list.into_iter().enumerate() {
        let rule = one(item).and_then(|rule| {
            rules::check_rules(std::slice::from_ref(&rule))
                .map(|()| rule)
                .map_err(|error| error.message.strip_prefix("Rule 1: ").unwrap_or(&error.message).to_owned())
        });
        let place = || lines.get(index).map_or_else(|| format!("Rule {}", index + 1), |line| format!("Line {line}"));
        found.push(rule.map_err(|words| Error::invalid(format!("{}: {words}", place())))?);
    }
    Ok(found)
}

fn one(item: Value) -> std::result::Result<Rule, String> {
    let Value::Object(given) = &item else { return Err("a rule is a mapping with the key `check`.".into()) };
    let given: Vec<String> = given.keys().cloned().collect();
    let rule: Rule = serde_json::from_value(item).map_err(|error| error.to_string())?;
    // what serde passes over is a slip of the pen
    let known = serde_json::to_value(&rule).map_err(|error| error.to_string())?;
    let is_known = |key: &&String| known.get(key.as_str()).is_some() || key.as_str() == "file";
    match given.iter().find(|key| !is_known(key)) {
        Some(key) => Err(format!("`{key}` is not known for this check.")),
        None => Ok(rule),
    }
}

/// Lines at which the items of the outermost list begin, in the block style that people write.
fn item_lines(text: &str) -> Vec<usize> {
    let items = text.lines().enumerate().filter_map(|(n, line)| {
        let rest = line.trim_start();
        (rest == "-" || rest.starts_with("- ")).then_some((n + 1, line.len() - rest.len()))
    });
    let items: Vec<(usize, usize)> = items.collect();
    let outermost = items.first().map(|(_, indent)| *indent);
    items.into_iter().filter(|(_, indent)| Some(*indent) == outermost).map(|(line, _)| line).collect()
}

/// The rules as YAML.
pub fn write(rules: &[Rule]) -> Result<String> {
    if rules.is_empty() {
        return Ok(EXAMPLE.to_owned());
    }
    #[derive(serde::Serialize)]
    struct Document<'a> {
        rules: &'a [Rule],
    }
    serde_yaml_ng::to_string(&Document { rules }).map_err(Error::internal)
}

/// What a dataset without rules shows.
const EXAMPLE: &str = "\
# What must be true of the data. Each new version is checked.
rules: []
# - check: not_null
#   column: id
# - check: unique
#   column: id
# - check: range
#   column: age
#   min: 0
#   max: 120
# - check: one_of
#   column: kind
#   values: [red, white]
# - check: regex
#   column: code
#   pattern: '[A-Z]{2}-[0-9]+'
# - check: schema
#   types: { id: integer, age: float }
# - check: row_count
#   min: 1
# - check: drift
#   column: age
#   against: prod
#   max: 0.1
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use drydock_wire::datasets::{Check, ColumnKind};

    use super::*;

    #[test]
    fn rules_come_back_as_they_were_written() {
        let text = "rules:\n  - check: not_null\n    column: id\n    file: a.csv\n  - check: range\n    column: age\n    min: 0\n  - check: schema\n    types: {id: integer, at: timestamp}\n";
        let read_once = read(text).unwrap();
        let expected = Rule { file: Some("a.csv".into()), check: Check::NotNull { column: "id".into() } };
        assert_eq!(read_once[0], expected);
        assert!(
            matches!(&read_once[2].check, Check::Schema { types, exact: false } if types["at"] == ColumnKind::Timestamp)
        );
        assert_eq!(read(&write(&read_once).unwrap()).unwrap(), read_once);
        assert_eq!(read(EXAMPLE).unwrap(), []);
    }

    #[test]
    fn each_error_names_its_line() {
        let words = |text: &str| read(text).unwrap_err().message;
        assert!(words("rules:\n- check: [\n").starts_with("Line "));
        let text = "- check: unique\n  column: id\n- check: unique\n  colum: id\n";
        assert!(words(text).starts_with("Line 3: missing field `column`"), "{}", words(text));
        let text = "# x\n- check: unique\n  column: id\n  colour: red\n";
        assert_eq!(words(text), "Line 2: `colour` is not known for this check.");
        let text = "- check: range\n  column: id\n\n- check: range\n  column: id\n  min: 2\n  max: 1\n";
        assert_eq!(words("- check: sorted\n  column: a\n")[..8], *"Line 1: ");
        assert!(words(text).starts_with("Line 1: give a minimum"));
        assert!(words("- check: regex\n  column: a\n  pattern: '('\n").starts_with("Line 1: "));
        assert!(words("hello: 1\n").starts_with("Line 1: "));
    }

    #[test]
    fn a_bomb_of_references_is_refused() {
        let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, before) in
            [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d"), ("f", "e"), ("g", "f"), ("h", "g"), ("i", "h")]
        {
            let many = vec![format!("*{before}"); 10].join(", ");
            text.push_str(&format!("{name}: &{name} [{many}]\n"));
        }
        assert!(read(&text).is_err());
    }
}
