//! OTLP in JSON: camelCase names, ids in hex, 64-bit integers as texts or numbers. Unknown fields are skipped.

use std::sync::Arc;

use serde::Deserialize;

use super::{Batch, Identified};
use crate::traces::{
    span::{Event, Link, Span, Status},
    value::Value,
};

#[derive(Deserialize)]
struct Export {
    #[serde(default, rename = "resourceSpans", alias = "resource_spans")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Deserialize)]
struct ResourceSpans {
    #[serde(default)]
    resource: Resource,
    #[serde(default, rename = "scopeSpans", alias = "scope_spans")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Deserialize, Default)]
struct Resource {
    #[serde(default)]
    attributes: Vec<Value>,
}

#[derive(Deserialize)]
struct ScopeSpans {
    #[serde(default)]
    spans: Vec<JsonSpan>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct JsonSpan {
    #[serde(alias = "trace_id")]
    trace_id: String,
    #[serde(alias = "span_id")]
    span_id: String,
    #[serde(alias = "parent_span_id")]
    parent_span_id: Option<String>,
    name: String,
    #[serde(alias = "start_time_unix_nano")]
    start_time_unix_nano: Option<Value>,
    #[serde(alias = "end_time_unix_nano")]
    end_time_unix_nano: Option<Value>,
    attributes: Vec<Value>,
    events: Vec<Value>,
    links: Vec<Value>,
    status: Option<Value>,
}

/// The batches of an export; `None` when the bytes are none.
pub fn read(bytes: &[u8]) -> Option<Vec<Batch>> {
    // A list would be read as a struct's fields in order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let export: Export = serde_json::from_slice(bytes).ok()?;
    export.resource_spans.into_iter().map(batch).collect()
}

fn batch(of_resource: ResourceSpans) -> Option<Batch> {
    let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
    Some(Batch {
        resource: Arc::new(attributes(&of_resource.resource.attributes)?),
        spans: spans.map(read_span).collect::<Option<_>>()?,
    })
}

fn read_span(span: JsonSpan) -> Option<Identified> {
    let ids = (
        hex::decode(&span.trace_id).ok()?,
        hex::decode(&span.span_id).ok()?,
        hex::decode(span.parent_span_id.unwrap_or_default()).ok()?,
    );
    let status = span.status.unwrap_or(Value::Null);
    let code = match status.get("code") {
        Some(Value::Text(name)) => Status::of_name(name),
        code => Status::of_code(code.and_then(Value::as_int).unwrap_or(0)),
    };
    let read = Span {
        id: 0,
        parent: None,
        name: span.name,
        start_ns: nanoseconds(span.start_time_unix_nano.as_ref())?,
        end_ns: Some(nanoseconds(span.end_time_unix_nano.as_ref())?).filter(|at| *at != 0),
        status: code,
        message: status.get("message").and_then(Value::as_text).unwrap_or_default().to_owned(),
        attributes: attributes(&span.attributes)?,
        events: span.events.iter().map(event).collect::<Option<_>>()?,
        links: span.links.iter().map(link).collect::<Option<_>>()?,
    };
    Some((ids.0, ids.1, ids.2, read))
}

/// An instant, 0 for none; `None` for what is no unsigned number.
fn nanoseconds(value: Option<&Value>) -> Option<i64> {
    match value {
        None | Some(Value::Null) => Some(0),
        Some(value) => value.as_int().filter(|at| *at >= 0),
    }
}

fn event(event: &Value) -> Option<Event> {
    Some(Event {
        name: event.get("name").and_then(Value::as_text).unwrap_or_default().to_owned(),
        at_ns: nanoseconds(event.get("timeUnixNano"))?,
        attributes: attributes(event.get("attributes").and_then(Value::as_list).unwrap_or_default())?,
    })
}

fn link(link: &Value) -> Option<Link> {
    Some(Link {
        trace: link.get("traceId")?.as_text()?.to_owned(),
        span: link.get("spanId")?.as_text()?.to_owned(),
        attributes: attributes(link.get("attributes").and_then(Value::as_list).unwrap_or_default())?,
    })
}

fn attributes(all: &[Value]) -> Option<Vec<(String, Value)>> {
    all.iter()
        .map(|pair| Some((pair.get("key")?.as_text()?.to_owned(), pair.get("value").map_or(Value::Null, value))))
        .collect()
}

/// A typed value: `{"intValue": "3"}`. What cannot be read counts as absent.
fn value(any: &Value) -> Value {
    let Value::Map(pairs) = any else { return Value::Null };
    let Some((kind, inner)) = pairs.first() else { return Value::Null };
    let list = || inner.get("values").and_then(Value::as_list).unwrap_or_default();
    match kind.as_str() {
        "intValue" => inner.as_int().map_or(Value::Null, Value::Int),
        "doubleValue" => match inner {
            Value::Int(number) => Value::Double(*number as f64),
            Value::Text(text) => text.parse().map_or(Value::Null, Value::Double),
            other => other.clone(),
        },
        "arrayValue" => Value::List(list().iter().map(value).collect()),
        "kvlistValue" => Value::Map(attributes(list()).unwrap_or_default()),
        "stringValue" | "boolValue" | "bytesValue" => inner.clone(),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_export_of_the_specification_is_read() {
        let body = br#"{"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "svc"}}]},
            "scopeSpans": [{"scope": {}, "spans": [{"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174",
            "parentSpanId": "", "name": "I am", "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": 1544712661000000000,
            "kind": 2, "status": {"code": "STATUS_CODE_OK"}, "attributes": [{"key": "n", "value": {"intValue": "3"}},
            {"key": "m", "value": {"kvlistValue": {"values": [{"key": "a", "value": {"doubleValue": 1}}]}}}]}]}]}]}"#;
        let batches = read(body).unwrap();
        let (trace, _, parent, span) = &batches[0].spans[0];
        assert_eq!((trace.len(), parent.is_empty(), span.start_ns), (16, true, 1_544_712_660_000_000_000));
        assert_eq!(span.attributes[0].1, Value::Int(3));
        assert_eq!(span.attributes[1].1.to_json(), r#"{"a": 1.0}"#);
        assert_eq!(span.status, Status::Ok);
        assert_eq!(batches[0].resource[0].0, "service.name");
    }

    #[test]
    fn what_is_no_export_is_refused() {
        assert!(read(b"[]").is_none() && read(b"{").is_none());
        assert!(read(br#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}"#).is_none());
        assert!(read(b"{}").unwrap().is_empty());
        let at = |at: &str| {
            let span = format!(r#"{{"traceId": "01", "spanId": "02", "name": "n", "startTimeUnixNano": {at}}}"#);
            read(format!(r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{span}]}}]}}]}}"#).as_bytes())
        };
        assert!(at("\"x\"").is_none() && at("\"-1\"").is_none() && at("1.5").is_none());
        assert!(at("\"7\"").is_some() && at("null").is_some());
    }
}
