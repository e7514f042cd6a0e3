//! OTLP's protobuf messages, as far as a trace's spans need them. Unknown fields are skipped, as protobuf has it.

use std::sync::Arc;

use prost::Message;

use super::Batch;
use crate::traces::{
    span::{Event, Link, Span, Status},
    value::Value,
};

#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<ProtoSpan>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "11")]
    events: Vec<ProtoEvent>,
    #[prost(message, repeated, tag = "13")]
    links: Vec<ProtoLink>,
    #[prost(message, optional, tag = "15")]
    status: Option<ProtoStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoEvent {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "3")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoLink {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(message, repeated, tag = "4")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoStatus {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Any", tags = "1, 2, 3, 4, 5, 6, 7")]
    value: Option<Any>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Any {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    List(AnyList),
    #[prost(message, tag = "6")]
    Map(AnyMap),
    #[prost(bytes, tag = "7")]
    Bytes(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
struct AnyList {
    #[prost(message, repeated, tag = "1")]
    values: Vec<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyMap {
    #[prost(message, repeated, tag = "1")]
    values: Vec<KeyValue>,
}

/// The batches of an `ExportTraceServiceRequest`; `None` when the bytes are none.
pub fn read(bytes: &[u8]) -> Option<Vec<Batch>> {
    let export = Export::decode(bytes).ok()?;
    Some(export.resource_spans.into_iter().map(batch).collect())
}

fn batch(of_resource: ResourceSpans) -> Batch {
    let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
    Batch {
        resource: Arc::new(attributes(of_resource.resource.unwrap_or_default().attributes)),
        spans: spans
            .map(|span| (span.trace_id.clone(), span.span_id.clone(), span.parent_span_id.clone(), read_span(span)))
            .collect(),
    }
}

/// The span without its ids, which are checked by the caller.
fn read_span(span: ProtoSpan) -> Span {
    let status = span.status.unwrap_or_default();
    let ns = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    Span {
        id: 0,
        parent: None,
        name: span.name,
        start_ns: ns(span.start_time_unix_nano),
        end_ns: (span.end_time_unix_nano != 0).then(|| ns(span.end_time_unix_nano)),
        status: Status::of_code(status.code.into()),
        message: status.message,
        attributes: attributes(span.attributes),
        events: span
            .events
            .into_iter()
            .map(|event| Event {
                name: event.name,
                at_ns: ns(event.time_unix_nano),
                attributes: attributes(event.attributes),
            })
            .collect(),
        links: span
            .links
            .into_iter()
            .map(|link| Link {
                trace: hex::encode(link.trace_id),
                span: hex::encode(link.span_id),
                attributes: attributes(link.attributes),
            })
            .collect(),
    }
}

fn attributes(all: Vec<KeyValue>) -> Vec<(String, Value)> {
    all.into_iter().map(|pair| (pair.key, value(pair.value.unwrap_or_default()))).collect()
}

fn value(any: AnyValue) -> Value {
    use base64::Engine;
    match any.value {
        None => Value::Null,
        Some(Any::Text(text)) => Value::Text(text),
        Some(Any::Bool(flag)) => Value::Bool(flag),
        Some(Any::Int(number)) => Value::Int(number),
        Some(Any::Double(number)) => Value::Double(number),
        Some(Any::List(list)) => Value::List(list.values.into_iter().map(value).collect()),
        Some(Any::Map(map)) => Value::Map(attributes(map.values)),
        Some(Any::Bytes(bytes)) => Value::Text(base64::engine::general_purpose::STANDARD.encode(bytes)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_encoded_is_read_with_its_types() {
        let any = |value| Some(AnyValue { value: Some(value) });
        let span = ProtoSpan {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            name: "s".into(),
            start_time_unix_nano: 7,
            attributes: vec![
                KeyValue { key: "i".into(), value: any(Any::Int(1)) },
                KeyValue { key: "n".into(), value: None },
                KeyValue {
                    key: "l".into(),
                    value: any(Any::List(AnyList { values: vec![AnyValue { value: Some(Any::Double(1.5)) }] })),
                },
            ],
            status: Some(ProtoStatus { message: String::new(), code: 2 }),
            ..ProtoSpan::default()
        };
        let export = Export {
            resource_spans: vec![ResourceSpans { resource: None, scope_spans: vec![ScopeSpans { spans: vec![span] }] }],
        };
        let batches = read(&export.encode_to_vec()).unwrap();
        let (trace, id, parent, span) = &batches[0].spans[0];
        assert_eq!((trace.len(), id.len(), parent.len(), span.end_ns), (16, 8, 0, None));
        assert_eq!(span.attributes[2].1, Value::List(vec![Value::Double(1.5)]));
        assert_eq!((span.status, &span.attributes[1].1), (Status::Error, &Value::Null));
    }

    #[test]
    fn bytes_that_are_no_message_are_refused_and_nesting_has_an_end() {
        assert!(read(b"\xff\xff\xff").is_none());
        let mut deep = AnyValue { value: Some(Any::Int(1)) };
        for _ in 0..500 {
            deep = AnyValue { value: Some(Any::List(AnyList { values: vec![deep] })) };
        }
        let span =
            ProtoSpan { attributes: vec![KeyValue { key: "d".into(), value: Some(deep) }], ..ProtoSpan::default() };
        let export = Export {
            resource_spans: vec![ResourceSpans { resource: None, scope_spans: vec![ScopeSpans { spans: vec![span] }] }],
        };
        assert!(read(&export.encode_to_vec()).is_none());
    }
}
