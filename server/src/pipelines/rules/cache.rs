//! Of what a cached result is the result: a key over the task after substitution, with every input by its content.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The text that is the same for equal values, whatever the order of their keys.
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let parts: Vec<String> =
                keys.iter().map(|key| format!("{}:{}", Value::String((*key).clone()), canonical(&map[*key]))).collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(all) => format!("[{}]", all.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// SHA-256 of a value, in hexadecimal digits.
pub fn digest(value: &Value) -> String {
    hex::encode(Sha256::digest(canonical(value).as_bytes()))
}

/// What of a job changes its result: not its name, its place in the queue, or how much of the box it gets.
/// Data and image are there by their content.
const NO_MATTER: [&str; 11] =
    ["name", "resources", "priority", "queue", "retries", "time", "timeout_s", "resume", "data", "datasets", "image"];

/// The key of a task whose inputs are already named by content.
pub fn key(kind: &str, body: &Value, contents: &Value) -> String {
    let mut body = body.clone();
    if let (Value::Object(map), "job") = (&mut body, kind) {
        NO_MATTER.iter().for_each(|field| drop(map.shift_remove(*field)));
    }
    digest(&json!({ "v": 1, "kind": kind, "body": body, "contents": contents }))
}

/// Outputs as their content says: what names a run, a job or a number of the box means nothing elsewhere.
pub fn by_content(outputs: &Value) -> Value {
    let Value::Object(map) = outputs else { return outputs.clone() };
    let Some(content) = map.get("content") else { return outputs.clone() };
    let named = |key: &str| matches!(key, "run" | "job" | "version" | "revision");
    let one = |(key, value): (&String, &Value)| {
        let value = if named(key) {
            json!(format!("content:{key}:{}", content.as_str().unwrap_or_default()))
        } else {
            value.clone()
        };
        (key.clone(), value)
    };
    Value::Object(map.iter().map(one).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_is_nothing_and_values_are_everything() {
        assert_eq!(
            digest(&json!({"a": 1, "b": {"c": [1, 2], "d": null}})),
            digest(&json!({"b": {"d": null, "c": [1, 2]}, "a": 1}))
        );
        assert_ne!(digest(&json!({"a": 1})), digest(&json!({"a": "1"})));
        assert_ne!(digest(&json!([1, 2])), digest(&json!([2, 1])));
    }

    #[test]
    fn how_much_of_the_box_it_gets_changes_no_result() {
        let body = |more: Value| {
            let mut body = json!({"name": "a", "command": ["x"]});
            for (key, value) in more.as_object().into_iter().flatten() {
                body[key] = value.clone();
            }
            key("job", &body, &json!({"dataset": "d1"}))
        };
        assert_eq!(
            body(json!({})),
            body(json!({"name": "b", "resources": {"cpus": 2}, "priority": 3, "timeout_s": 3}))
        );
        assert_ne!(body(json!({})), body(json!({"command": ["y"]})));
        assert_ne!(body(json!({})), body(json!({"seed": 3})));
        assert_ne!(
            key("job", &json!({}), &json!({"dataset": "d1"})),
            key("job", &json!({}), &json!({"dataset": "d2"}))
        );
        assert_ne!(key("job", &json!({}), &json!({})), key("validate", &json!({}), &json!({})));
    }

    #[test]
    fn equal_content_under_another_id_is_equal() {
        let outputs = |run: &str, content: &str| {
            by_content(&json!({"run": run, "job": run, "metrics": {"a": 1}, "content": content}))
        };
        assert_eq!(outputs("r1", "c"), outputs("r2", "c"));
        assert_ne!(outputs("r1", "c"), outputs("r1", "d"));
        assert_eq!(by_content(&json!({"version": 3})), json!({"version": 3}));
    }
}
