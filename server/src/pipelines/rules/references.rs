//! `${params.x}`, `${tasks.train.run}`, `${item}`, `${run.number}`, `${event.version}` in a pipeline's YAML.
//!
//! Always holds: a text that is one reference and nothing else becomes the value with its type; inside other text it becomes
//! text. `$${` is a plain `${`, for shells.

use serde_json::{Map, Value};

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    Param(String),
    /// A task and the path of its output.
    Output {
        task: String,
        path: Vec<String>,
    },
    /// The item of a task that fans out, by the name that it gives to it.
    Item,
    /// `id`, `number`, `due_at`, `due_date`.
    Run(String),
    /// What started the run.
    Event(Vec<String>),
}

/// Fields of `${run.…}`.
pub const RUN_FIELDS: [&str; 4] = ["id", "number", "due_at", "due_date"];

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Param(name) => write!(f, "params.{name}"),
            Self::Output { task, path } => write!(f, "tasks.{task}.{}", path.join(".")),
            Self::Item => write!(f, "item"),
            Self::Run(field) => write!(f, "run.{field}"),
            Self::Event(path) => write!(f, "event.{}", path.join(".")),
        }
    }
}

/// Reads what stands between the braces. `item`: how the task calls its items, if it has any.
pub fn parse(text: &str, item: Option<&str>) -> Result<Reference, String> {
    let parts: Vec<&str> = text.trim().split('.').collect();
    let plain =
        |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-' || c == '/');
    let owned = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
    let unknown = || {
        format!(
            "${{{text}}} means nothing; there are params.NAME, tasks.NAME.OUTPUT, item, run.number and event.NAME (and $${{…}} for a shell)."
        )
    };
    if !parts.iter().all(plain) {
        return Err(unknown());
    }
    match parts.as_slice() {
        ["params", name] => Ok(Reference::Param((*name).to_owned())),
        ["tasks", task, path @ ..] if !path.is_empty() => {
            Ok(Reference::Output { task: (*task).to_owned(), path: owned(path) })
        }
        ["run", field] if RUN_FIELDS.contains(field) => Ok(Reference::Run((*field).to_owned())),
        ["event", path @ ..] if !path.is_empty() => Ok(Reference::Event(owned(path))),
        [name] if item == Some(*name) => Ok(Reference::Item),
        ["item"] => Err("${item} is only there where for_each is; with `as` it has that name.".into()),
        _ => Err(unknown()),
    }
}

/// A piece of a text.
enum Piece<'a> {
    Text(&'a str),
    Ref(&'a str),
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let (mut found, mut rest) = (vec![], text);
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            found.push(Piece::Text(&rest[..at - 1]));
            found.push(Piece::Text("${"));
            rest = &rest[at + 2..];
            continue;
        }
        if at > 0 {
            found.push(Piece::Text(&rest[..at]));
        }
        let inner = &rest[at + 2..];
        let end = inner.find('}').ok_or_else(|| format!("In {text:?} a ${{ has no }}."))?;
        found.push(Piece::Ref(&inner[..end]));
        rest = &inner[end + 1..];
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    Ok(found)
}

/// Every reference in the value, keys included.
pub fn references(value: &Value, item: Option<&str>) -> Result<Vec<Reference>, String> {
    let mut found = vec![];
    collect(value, item, &mut found)?;
    Ok(found)
}

fn collect(value: &Value, item: Option<&str>, found: &mut Vec<Reference>) -> Result<(), String> {
    match value {
        Value::String(text) => {
            for piece in pieces(text)? {
                if let Piece::Ref(inner) = piece {
                    found.push(parse(inner, item)?);
                }
            }
            Ok(())
        }
        Value::Array(all) => all.iter().try_for_each(|one| collect(one, item, found)),
        Value::Object(all) => all.iter().try_for_each(|(key, one)| {
            collect(&Value::String(key.clone()), item, found)?;
            collect(one, item, found)
        }),
        _ => Ok(()),
    }
}

/// The value with every reference replaced by what `scope` answers.
pub fn substitute(
    value: &Value,
    item: Option<&str>,
    scope: &dyn Fn(&Reference) -> Result<Value, String>,
) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => in_text(text, item, scope)?,
        Value::Array(all) => {
            Value::Array(all.iter().map(|one| substitute(one, item, scope)).collect::<Result<_, _>>()?)
        }
        Value::Object(all) => {
            let mut made = Map::new();
            for (key, one) in all {
                made.insert(as_text(&in_text(key, item, scope)?, key)?, substitute(one, item, scope)?);
            }
            Value::Object(made)
        }
        other => other.clone(),
    })
}

fn in_text(
    text: &str,
    item: Option<&str>,
    scope: &dyn Fn(&Reference) -> Result<Value, String>,
) -> Result<Value, String> {
    let pieces = pieces(text)?;
    if let [Piece::Ref(inner)] = pieces.as_slice() {
        return scope(&parse(inner, item)?);
    }
    let mut made = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(plain) => made.push_str(plain),
            Piece::Ref(inner) => made.push_str(&as_text(&scope(&parse(inner, item)?)?, inner)?),
        }
    }
    Ok(Value::String(made))
}

/// A value inside a text.
pub fn as_text(value: &Value, name: &str) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Err(format!("${{{name}}} has no value.")),
        other => Ok(other.to_string()),
    }
}

/// What lies under the path of an output; null where nothing does.
pub fn at<'a>(mut value: &'a Value, path: &[String]) -> &'a Value {
    let mut rest = path;
    while !rest.is_empty() {
        let Value::Object(map) = value else { return &Value::Null };
        // A metric's name may have dots in it: the longest name that is there counts.
        let found = (1..=rest.len()).rev().find_map(|n| map.get(&rest[..n].join(".")).map(|value| (n, value)));
        let Some((n, inner)) = found else { return &Value::Null };
        (value, rest) = (inner, &rest[n..]);
    }
    value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn scope(reference: &Reference) -> Result<Value, String> {
        Ok(match reference {
            Reference::Param(name) if name == "rate" => json!(0.5),
            Reference::Param(name) if name == "list" => json!([1, 2]),
            Reference::Param(_) => json!("wine"),
            Reference::Output { .. } => json!(3),
            Reference::Item => json!({"a": 1}),
            Reference::Run(_) | Reference::Event(_) => Value::Null,
        })
    }

    fn made(value: Value) -> Result<Value, String> {
        substitute(&value, Some("lr"), &scope)
    }

    #[test]
    fn a_whole_value_keeps_its_type_and_inside_text_it_is_text() {
        let made =
            made(json!({"rate": "${params.rate}", "all": "${ params.list }", "name": "${params.x}:${tasks.t.version}",
            "list": ["--lr=${params.rate}", "${params.list}", true, 4], "${params.x}": "${lr}"}));
        let wanted = json!({"rate": 0.5, "all": [1, 2], "name": "wine:3", "list": ["--lr=0.5", [1, 2], true, 4], "wine": {"a": 1}});
        assert_eq!(made.unwrap(), wanted);
    }

    #[test]
    fn shells_keep_their_braces() {
        assert_eq!(made(json!("echo $${HOME} $HOME $$ ${params.x}")).unwrap(), json!("echo ${HOME} $HOME $$ wine"));
    }

    #[test]
    fn what_means_nothing_is_said() {
        for bad in [
            "${HOME}",
            "${params}",
            "${tasks.t}",
            "${params.a.b}",
            "${}",
            "${params.x",
            "${run.x}",
            "${item}",
            "${a b}",
        ] {
            assert!(made(json!(bad)).is_err(), "{bad}");
        }
        assert!(made(json!("x ${run.number}")).unwrap_err().contains("has no value"));
        assert_eq!(made(json!("${run.number}")).unwrap(), Value::Null);
    }

    #[test]
    fn references_are_found_everywhere() {
        let found = references(&json!({"a": ["${params.x} ${lr}"], "${tasks.t.run}": 1}), Some("lr")).unwrap();
        let said: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["params.x", "item", "tasks.t.run"]);
    }

    #[test]
    fn paths_lead_into_outputs_and_names_may_have_dots() {
        let outputs = json!({"run": "r", "metrics": {"val.acc": 0.9, "val": {"acc": 0.1}}});
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(at(&outputs, &path("run")), &json!("r"));
        assert_eq!(at(&outputs, &path("metrics.val.acc")), &json!(0.9));
        assert_eq!(at(&outputs, &path("metrics.none")), &Value::Null);
        assert_eq!(at(&outputs, &path("run.x")), &Value::Null);
    }
}
