//! Traces and assessments in MLflow's JSON.

use serde_json::{Map, Value as Json, json};

use super::time::{duration, instant};
use crate::traces::{Assessment, Kind, Pair, State, Trace, span::Span, value::Value};

/// What MLflow cuts metadata and tags to where it answers with them.
const METADATA_CHARS: usize = 250;
const TAG_CHARS: usize = 4096;

/// Version 3 of a trace's head.
pub fn info(trace: &Trace) -> Json {
    let mut view = json!({
        "trace_id": trace.trace_id,
        "trace_location": location(trace.experiment_id),
        "request_time": instant(trace.started_at),
        "state": trace.state.as_str(),
        "tags": map(&trace.tags, TAG_CHARS),
    });
    let texts = [
        ("client_request_id", &trace.client_request_id),
        ("request_preview", &trace.request_preview),
        ("response_preview", &trace.response_preview),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            view[key] = json!(text);
        }
    }
    if let Some(ms) = trace.duration_ms {
        view["execution_duration"] = json!(duration(ms));
    }
    if !trace.metadata.is_empty() {
        view["trace_metadata"] = map(&trace.metadata, METADATA_CHARS);
    }
    if !trace.assessments.is_empty() {
        view["assessments"] = trace.assessments.iter().map(assessment).collect();
    }
    view
}

fn location(experiment: i64) -> Json {
    json!({"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment.to_string()}})
}

fn map(pairs: &[Pair], most: usize) -> Json {
    Json::Object(pairs.iter().map(|(key, value)| (cut(key, 250), Json::String(cut(value, most)))).collect())
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}

/// `{"trace_info", "spans"}`.
pub fn whole(trace: &Trace, spans: &[Span]) -> Json {
    let mut view = json!({"trace_info": info(trace)});
    if !spans.is_empty() {
        let id = trace.otel_id();
        view["spans"] = spans.iter().map(|span| span.proto_json(&id)).collect();
    }
    view
}

/// Version 2 of a trace's head.
pub fn info_v2(trace: &Trace) -> Json {
    let status = match trace.state {
        State::Unspecified => "TRACE_STATUS_UNSPECIFIED",
        state => state.as_str(),
    };
    let mut view = json!({
        "request_id": trace.trace_id,
        "experiment_id": trace.experiment_id.to_string(),
        "timestamp_ms": trace.started_at,
        "execution_time_ms": trace.duration_ms.unwrap_or(0),
        "status": status,
    });
    for (key, pairs, most) in [("request_metadata", &trace.metadata, METADATA_CHARS), ("tags", &trace.tags, TAG_CHARS)]
    {
        if !pairs.is_empty() {
            view[key] = pairs.iter().map(|(k, v)| json!({"key": cut(k, 250), "value": cut(v, most)})).collect();
        }
    }
    view
}

pub fn assessment(of: &Assessment) -> Json {
    let mut view = json!({
        "assessment_id": of.assessment_id,
        "assessment_name": of.name,
        "trace_id": of.trace_id,
        "source": {"source_type": of.source_type},
        "create_time": instant(of.created_at),
        "last_update_time": instant(of.updated_at),
        "valid": of.valid,
    });
    if let Some(id) = &of.source_id {
        view["source"]["source_id"] = json!(id);
    }
    match of.kind {
        Kind::Feedback => {
            view["feedback"] = json!({"value": of.value});
            if let Some(error) = &of.error {
                view["feedback"]["error"] = json!(error);
            }
        }
        Kind::Expectation => view["expectation"] = expectation(&of.value),
        Kind::Issue => view["issue"] = json!({"issue_name": of.value}),
    }
    for (key, text) in [("span_id", &of.span_id), ("rationale", &of.rationale), ("overrides", &of.overrides)] {
        if let Some(text) = text {
            view[key] = json!(text);
        }
    }
    if !of.metadata.is_empty() {
        view["metadata"] =
            Json::Object(of.metadata.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<Map<_, _>>());
    }
    view
}

/// Lists and maps travel as JSON in a text.
fn expectation(value: &Value) -> Json {
    match value {
        Value::List(_) | Value::Map(_) => {
            json!({"serialized_value": {"serialization_format": "JSON_FORMAT", "value": value.to_json()}})
        }
        plain => json!({"value": plain}),
    }
}

/// `{list_key: items, "next_page_token": …}`; an empty list is left out.
pub fn page(list_key: &str, items: Vec<Json>, next: Option<i64>) -> Json {
    let mut view = json!({});
    if !items.is_empty() {
        view[list_key] = Json::Array(items);
    }
    if let Some(offset) = next {
        view["next_page_token"] = json!(crate::tracking::search::page_token(offset));
    }
    view
}
