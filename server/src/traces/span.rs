//! A span, and the forms it has on MLflow's wires: protobuf's JSON (`traces/get`) and the file `traces.json`.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::value::Value;

/// Attributes that MLflow gives a meaning.
pub mod key {
    pub const REQUEST_ID: &str = "mlflow.traceRequestId";
    pub const TYPE: &str = "mlflow.spanType";
    pub const INPUTS: &str = "mlflow.spanInputs";
    pub const OUTPUTS: &str = "mlflow.spanOutputs";
    pub const USAGE: &str = "mlflow.chat.tokenUsage";
    pub const COST: &str = "mlflow.llm.cost";
    pub const MODEL: &str = "mlflow.llm.model";
    pub const PROVIDER: &str = "mlflow.llm.provider";
    pub const TRACE_TAG_PREFIX: &str = "mlflow.traceTag.";
}

/// The type of a span that was given none.
pub const UNKNOWN_TYPE: &str = "UNKNOWN";

/// Key and value, in the order they came.
pub type Attributes = Vec<(String, Value)>;

/// How a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Status {
    #[default]
    Unset,
    Ok,
    Error,
}

impl Status {
    /// The word of filters and of the database.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unset => "UNSET",
            Self::Ok => "OK",
            Self::Error => "ERROR",
        }
    }

    /// By OpenTelemetry's number.
    pub fn of_code(code: i64) -> Self {
        match code {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }

    /// By OpenTelemetry's name, with or without its prefix.
    pub fn of_name(name: &str) -> Self {
        match name.trim_start_matches("STATUS_CODE_") {
            "OK" => Self::Ok,
            "ERROR" => Self::Error,
            _ => Self::Unset,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub name: String,
    pub at_ns: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// 32 hex digits.
    pub trace: String,
    /// 16 hex digits.
    pub span: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Attributes,
}

/// A span as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub id: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<i64>,
    pub name: String,
    pub start_ns: i64,
    /// Absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ns: Option<i64>,
    pub status: Status,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    pub attributes: Attributes,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
}

/// A span's id as people see it: 16 hex digits.
pub fn span_hex(id: i64) -> String {
    format!("{:016x}", id.cast_unsigned())
}

impl Span {
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Sets the attribute, in its place if it is there.
    pub fn set_attribute(&mut self, key: &str, value: Value) {
        match self.attributes.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.attributes.push((key.to_owned(), value)),
        }
    }

    /// Makes what is nested deeper than clients can read JSON in a text.
    pub fn flatten(&mut self) {
        let of_events = self.events.iter_mut().flat_map(|event| &mut event.attributes);
        let of_links = self.links.iter_mut().flat_map(|link| &mut link.attributes);
        for (_, value) in self.attributes.iter_mut().chain(of_events).chain(of_links) {
            *value = std::mem::replace(value, Value::Null).flat();
        }
    }

    /// MLflow's type of it: `LLM`, `TOOL`, …
    pub fn kind(&self) -> &str {
        self.attribute(key::TYPE).and_then(Value::as_text).filter(|text| !text.is_empty()).unwrap_or(UNKNOWN_TYPE)
    }

    /// As protobuf's JSON has an `opentelemetry.proto.trace.v1.Span`; `trace` is its id of 16 bytes.
    pub fn proto_json(&self, trace: &[u8]) -> Json {
        let mut view = Map::new();
        view.insert("trace_id".into(), json!(STANDARD.encode(trace)));
        view.insert("span_id".into(), json!(span_base64(self.id)));
        if let Some(parent) = self.parent {
            view.insert("parent_span_id".into(), json!(span_base64(parent)));
        }
        view.insert("name".into(), json!(self.name));
        view.insert("start_time_unix_nano".into(), json!(self.start_ns));
        if let Some(end) = self.end_ns {
            view.insert("end_time_unix_nano".into(), json!(end));
        }
        insert_list(&mut view, "attributes", proto_attributes(&self.attributes));
        insert_list(&mut view, "events", self.events.iter().map(proto_event).collect());
        insert_list(&mut view, "links", self.links.iter().filter_map(proto_link).collect());
        let mut status = Map::new();
        if !self.message.is_empty() {
            status.insert("message".into(), json!(self.message));
        }
        if self.status != Status::Unset {
            status.insert("code".into(), json!(format!("STATUS_CODE_{}", self.status.word())));
        }
        view.insert("status".into(), Json::Object(status));
        Json::Object(view)
    }

    /// As `traces.json` has it: attributes are JSON within JSON.
    pub fn file_value(&self, trace: &[u8]) -> Value {
        let text = |text: &str| Value::Text(text.to_owned());
        let pair = |key: &str, value: Value| (key.to_owned(), value);
        let events = self.events.iter().map(|event| {
            Value::Map(vec![
                pair("name", text(&event.name)),
                pair("time_unix_nano", Value::Int(event.at_ns)),
                pair("attributes", Value::Map(event.attributes.clone())),
            ])
        });
        let links = self.links.iter().map(|link| {
            Value::Map(vec![
                pair("trace_id", Value::Text(format!("tr-{}", link.trace))),
                pair("span_id", text(&link.span)),
                pair("attributes", Value::Map(link.attributes.clone())),
            ])
        });
        let attributes = self.attributes.iter().map(|(key, value)| (key.clone(), Value::Text(value.to_json())));
        Value::Map(vec![
            pair("trace_id", Value::Text(STANDARD.encode(trace))),
            pair("span_id", Value::Text(span_base64(self.id))),
            pair("parent_span_id", self.parent.map_or(Value::Null, |id| Value::Text(span_base64(id)))),
            pair("name", text(&self.name)),
            pair("start_time_unix_nano", Value::Int(self.start_ns)),
            pair("end_time_unix_nano", self.end_ns.map_or(Value::Null, Value::Int)),
            pair("events", Value::List(events.collect())),
            pair(
                "status",
                Value::Map(vec![
                    pair("code", Value::Text(format!("STATUS_CODE_{}", self.status.word()))),
                    pair("message", text(&self.message)),
                ]),
            ),
            pair("attributes", Value::Map(attributes.collect())),
            pair("links", Value::List(links.collect())),
        ])
    }

    /// Reads a span of `traces.json`, of this or of an older MLflow (which had hex ids and other names).
    pub fn from_file(file: &Value) -> Option<Self> {
        let get = |key: &str| file.get(key).filter(|value| **value != Value::Null);
        let context = file.get("context");
        let id = get("span_id").or_else(|| context.and_then(|context| context.get("span_id")))?;
        let parent = get("parent_span_id").or_else(|| get("parent_id")).and_then(Value::as_text).and_then(read_span_id);
        let start = get("start_time_unix_nano").or_else(|| get("start_time")).and_then(Value::as_int)?;
        let end = get("end_time_unix_nano").or_else(|| get("end_time")).and_then(Value::as_int);
        let status = get("status");
        let code = status.and_then(|status| status.get("code")).or_else(|| get("status_code"));
        let message = status.and_then(|status| status.get("message")).or_else(|| get("status_message"));
        let status = match code {
            Some(Value::Text(name)) => Status::of_name(name),
            Some(code) => Status::of_code(code.as_int().unwrap_or(0)),
            None => Status::Unset,
        };
        Some(Self {
            id: read_span_id(id.as_text()?)?,
            parent,
            name: get("name")?.as_text()?.to_owned(),
            start_ns: start,
            end_ns: end,
            status,
            message: message.and_then(Value::as_text).unwrap_or_default().to_owned(),
            attributes: match get("attributes") {
                Some(Value::Map(pairs)) => pairs.iter().map(|(key, value)| (key.clone(), undumped(value))).collect(),
                _ => Vec::new(),
            },
            events: get("events").and_then(Value::as_list).unwrap_or_default().iter().filter_map(file_event).collect(),
            links: get("links").and_then(Value::as_list).unwrap_or_default().iter().filter_map(file_link).collect(),
        })
    }
}

fn file_link(link: &Value) -> Option<Link> {
    let text = |key: &str| link.get(key).and_then(Value::as_text);
    let digits = |text: &str, length: usize| {
        (text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_owned())
    };
    Some(Link {
        trace: digits(text("trace_id")?.trim_start_matches("tr-"), 32)?,
        span: digits(text("span_id")?, 16)?,
        attributes: match link.get("attributes") {
            Some(Value::Map(pairs)) => pairs.clone(),
            _ => Vec::new(),
        },
    })
}

fn file_event(event: &Value) -> Option<Event> {
    Some(Event {
        name: event.get("name")?.as_text()?.to_owned(),
        at_ns: event.get("time_unix_nano").or_else(|| event.get("timestamp")).and_then(Value::as_int)?,
        attributes: match event.get("attributes") {
            Some(Value::Map(pairs)) => pairs.clone(),
            _ => Vec::new(),
        },
    })
}

/// An attribute of a file is JSON within a text.
fn undumped(value: &Value) -> Value {
    value.as_text().and_then(Value::parse).unwrap_or_else(|| value.clone())
}

/// An id in base64 or hex.
fn read_span_id(text: &str) -> Option<i64> {
    let hex = text.strip_prefix("0x").unwrap_or(text);
    if hex.len() == 16
        && let Ok(id) = u64::from_str_radix(hex, 16)
    {
        return Some(id.cast_signed());
    }
    let bytes = STANDARD.decode(text).ok()?;
    Some(i64::from_be_bytes(bytes.try_into().ok()?))
}

fn span_base64(id: i64) -> String {
    STANDARD.encode(id.to_be_bytes())
}

fn insert_list(view: &mut Map<String, Json>, key: &str, items: Vec<Json>) {
    if !items.is_empty() {
        view.insert(key.into(), Json::Array(items));
    }
}

fn proto_attributes(all: &Attributes) -> Vec<Json> {
    all.iter()
        .map(|(key, value)| match value {
            Value::Null => json!({"key": key}),
            value => json!({"key": key, "value": proto_value(value)}),
        })
        .collect()
}

fn proto_value(value: &Value) -> Json {
    match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!({"bool_value": value}),
        Value::Int(value) => json!({"int_value": value}),
        Value::Double(value) if value.is_nan() => json!({"double_value": "NaN"}),
        Value::Double(value) if *value == f64::INFINITY => json!({"double_value": "Infinity"}),
        Value::Double(value) if value.is_infinite() => json!({"double_value": "-Infinity"}),
        Value::Double(value) => json!({"double_value": value}),
        Value::Text(value) => json!({"string_value": value}),
        Value::List(items) if items.is_empty() => json!({"array_value": {}}),
        Value::List(items) => json!({"array_value": {"values": items.iter().map(proto_value).collect::<Vec<_>>()}}),
        Value::Map(pairs) if pairs.is_empty() => json!({"kvlist_value": {}}),
        Value::Map(pairs) => json!({"kvlist_value": {"values": proto_attributes(pairs)}}),
    }
}

fn proto_event(event: &Event) -> Json {
    let mut view = Map::new();
    view.insert("time_unix_nano".into(), json!(event.at_ns));
    view.insert("name".into(), json!(event.name));
    insert_list(&mut view, "attributes", proto_attributes(&event.attributes));
    Json::Object(view)
}

fn proto_link(link: &Link) -> Option<Json> {
    let bytes = |text: &str| hex::decode(text).ok().map(|bytes| STANDARD.encode(bytes));
    let mut view = Map::new();
    view.insert("trace_id".into(), json!(bytes(&link.trace)?));
    view.insert("span_id".into(), json!(bytes(&link.span)?));
    insert_list(&mut view, "attributes", proto_attributes(&link.attributes));
    Some(Json::Object(view))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn span() -> Span {
        Span {
            id: i64::from_be_bytes([0xf0, 0xd1, 0x9b, 0x24, 0x84, 0x9a, 0xbb, 0x38]),
            parent: Some(1),
            name: "n".into(),
            start_ns: 5,
            end_ns: None,
            status: Status::Error,
            message: "no".into(),
            attributes: vec![
                ("n".into(), Value::Null),
                ("es".into(), Value::Text(String::new())),
                ("m".into(), Value::Map(vec![("a".into(), Value::List(vec![Value::Int(1), Value::Null]))])),
            ],
            events: vec![Event { name: "e".into(), at_ns: 6, attributes: vec![("q".into(), Value::Int(1))] }],
            links: vec![],
        }
    }

    fn linked() -> Span {
        let link = Link { trace: "ab".repeat(16), span: "0000000000000007".into(), attributes: vec![] };
        Span { links: vec![link], ..span() }
    }

    #[test]
    fn protobufs_json_leaves_out_what_is_empty() {
        let view = span().proto_json(&[0; 16]);
        assert_eq!(
            view.to_string().len(),
            serde_json::from_str::<Json>(
                r#"{"trace_id":"AAAAAAAAAAAAAAAAAAAAAA==","span_id":"8NGbJISauzg=","parent_span_id":"AAAAAAAAAAE=","name":"n",
                "start_time_unix_nano":5,"attributes":[{"key":"n"},{"key":"es","value":{"string_value":""}},
                {"key":"m","value":{"kvlist_value":{"values":[{"key":"a","value":{"array_value":{"values":[{"int_value":1},{}]}}}]}}}],
                "events":[{"time_unix_nano":6,"name":"e","attributes":[{"key":"q","value":{"int_value":1}}]}],
                "status":{"message":"no","code":"STATUS_CODE_ERROR"}}"#
            )
            .unwrap()
            .to_string()
            .len()
        );
    }

    #[test]
    fn a_span_read_from_its_file_is_the_same_span() {
        let file = linked().file_value(&[0; 16]);
        let again = Value::parse(&file.to_json()).unwrap();
        assert_eq!(Span::from_file(&again).unwrap(), linked());
    }

    #[test]
    fn files_of_older_clients_are_read() {
        let old = r#"{"name": "f", "context": {"trace_id": "0xab", "span_id": "0x00000000000000ff"}, "parent_id": null,
            "start_time": 10, "end_time": 20, "status_code": "OK", "status_message": "", "attributes": {"mlflow.spanType": "\"LLM\""},
            "events": []}"#;
        let span = Span::from_file(&Value::parse(old).unwrap()).unwrap();
        assert_eq!((span.id, span.end_ns, span.status, span.kind()), (255, Some(20), Status::Ok, "LLM"));
    }
}
