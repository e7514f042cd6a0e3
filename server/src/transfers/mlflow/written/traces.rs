//! A trace's files: its head, what was said about it, its spans among the artifacts.

use std::{io, path::Path};

use drydock_wire::import::{ForeignAssessment, ForeignTrace};
use serde_json::{Map, Value, json};

use super::{
    super::source::trace_info::{LOCATION_TAG, SPANS_FILE},
    PART, TRACE_HEAD, Unread, is_plain, pairs, quoted, write,
};
use crate::traces::{mlflow::time, names};

/// YAML on one line, which PyYAML takes for these very values.
fn yaml(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => float(&number.to_string()),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(yaml).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{}: {}", quoted(key), yaml(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

/// To PyYAML a number with an exponent has a point and a sign, too: `1e300` is a text.
fn float(number: &str) -> String {
    let Some((mantissa, exponent)) = number.split_once('e') else { return number.to_owned() };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

/// The fields, a line each.
fn file(path: &Path, fields: Map<String, Value>) -> io::Result<()> {
    let lines: String = fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| format!("{key}: {}\n", yaml(value)))
        .collect();
    write(path, lines.as_bytes())
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// What could not be written of it. `artifacts`: where they will be.
pub fn trace(place: &Path, experiment: &str, it: &ForeignTrace, artifacts: &Path) -> io::Result<Vec<Unread>> {
    let head = json!({
        "trace_id": it.id,
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}},
        "request_time": time::instant(it.started_at),
        "execution_duration_ms": it.duration_ms,
        "state": it.state,
        "client_request_id": it.client_request_id,
        "request_preview": it.request_preview,
        "response_preview": it.response_preview,
    });
    file(&place.join(format!("{PART}{TRACE_HEAD}")), object(head))?;
    let of = format!("trace {}", it.id);
    let mut refused = Vec::new();
    pairs(&place.join("request_metadata"), &of, &it.metadata, &mut refused)?;
    // Without the tag that says otherwise a client looks for the spans among the artifacts.
    let mut tags = it.tags.clone();
    tags.retain(|tag| tag.key != names::SPANS_LOCATION_TAG);
    for tag in tags.iter_mut().filter(|tag| tag.key == LOCATION_TAG) {
        tag.value = artifacts.display().to_string();
    }
    pairs(&place.join("tags"), &of, &tags, &mut refused)?;
    for said in &it.assessments {
        if !is_plain(&said.id) || said.id.contains('.') {
            refused.push(Unread::new(format!("{of}, assessment {}", said.id), "its id is no name of a file"));
            continue;
        }
        file(&place.join("assessments").join(format!("{}.yaml", said.id)), assessment(&it.id, said))?;
    }
    let spans = format!("{{\"spans\": [{}]}}", it.spans.join(", "));
    write(&place.join("artifacts").join(SPANS_FILE), spans.as_bytes())?;
    Ok(refused)
}

fn assessment(trace: &str, it: &ForeignAssessment) -> Map<String, Value> {
    let value: Value = serde_json::from_str(&it.value).unwrap_or(Value::Null);
    let metadata: Map<String, Value> = it.metadata.iter().map(|pair| (pair.key.clone(), json!(pair.value))).collect();
    let mut fields = object(json!({
        "assessment_id": it.id,
        "assessment_name": it.name,
        "trace_id": trace,
        "source": {"source_type": it.source_type},
        "create_time": time::instant(it.created_at),
        "last_update_time": time::instant(it.updated_at),
        "rationale": it.rationale,
        "span_id": it.span_id,
        "overrides": it.overrides,
        "valid": it.valid,
    }));
    if let Some(id) = &it.source_id {
        fields["source"]["source_id"] = json!(id);
    }
    if !metadata.is_empty() {
        fields.insert("metadata".into(), Value::Object(metadata));
    }
    let (key, said) = match it.kind.as_str() {
        // MLflow writes the second of these, and its own migration into a database reads the first alone.
        "expectation" if value.is_array() || value.is_object() => {
            let serialized = json!({"serialization_format": "JSON_FORMAT", "value": it.value});
            ("expectation", json!({"value": value, "serialized_value": serialized}))
        }
        "expectation" => ("expectation", json!({"value": value})),
        "issue" => ("issue", json!({"issue_name": value})),
        _ => {
            let mut said = json!({"value": value});
            if let Some(fault) = &it.error {
                let fields = [
                    ("error_code", Some(&fault.code)),
                    ("error_message", fault.message.as_ref()),
                    ("stack_trace", fault.stack.as_ref()),
                ];
                let fields = fields.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(text?))));
                said["error"] = Value::Object(fields.collect());
            }
            ("feedback", said)
        }
    };
    fields.insert(key.into(), said);
    fields
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_come_back_from_yaml_as_they_went() {
        let value = json!({"a b": [1, -2.5, 1e300, 1e-7, true, null, "null", "1e5"], "ü\u{7f}": {"x: y": "#"}, "": []});
        let back: Value = serde_yaml_ng::from_str(&format!("k: {}\n", yaml(&value))).unwrap();
        assert_eq!(back["k"], value);
        assert_eq!(yaml(&json!([1e300, 1.5e-9])), "[1.0e+300, 1.5e-9]");
    }
}
