//! A trace's head and what was said about it, in the JSON of MLflow's calls and in the YAML of its folders, of versions 2 and 3.
//!
//! Always holds: texts are taken as they stand there, whatever a YAML reader would make of them; a judgement's value keeps its
//! types and the order of its keys.

use std::{collections::BTreeMap, fs};

use drydock_wire::{
    KeyValue,
    import::{ForeignAssessment, ForeignFault, ForeignTrace},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{json, value::RawValue};
use serde_yaml_ng::Value;

use super::{File, Place};
use crate::traces::{mlflow::time, rules::MAX_UNPACKED_BYTES};

/// Metadata and tags that MLflow gives a meaning.
pub const LOCATION_TAG: &str = "mlflow.artifactLocation";
/// What MLflow calls the prompts that a trace used, as JSON: `[{"name": …, "version": …}]`.
const PROMPTS_TAG: &str = "mlflow.linkedPrompts";
/// The file of the spans, beside a trace's other files.
pub const SPANS_FILE: &str = "traces.json";
/// How a span names a file that belongs to it.
const ATTACHMENT: &str = "mlflow-attachment://";

type Read<T> = Result<T, String>;

/// An int64, which protobuf's JSON may write as a text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Whole {
    Number(i64),
    Text(String),
}

impl Whole {
    fn read(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Pair {
    key: String,
    #[serde(default)]
    value: String,
}

/// Version 3 has maps, version 2 lists.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Pairs {
    Map(BTreeMap<String, String>),
    List(Vec<Pair>),
}

impl Pairs {
    fn key_values(self) -> Vec<KeyValue> {
        match self {
            Self::Map(map) => map.into_iter().map(|(key, value)| KeyValue { key, value }).collect(),
            Self::List(list) => list.into_iter().map(|Pair { key, value }| KeyValue { key, value }).collect(),
        }
    }
}

/// The head.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TraceInfo {
    trace_id: Option<String>,
    request_id: Option<String>,
    request_time: Option<String>,
    timestamp_ms: Option<Whole>,
    execution_duration: Option<String>,
    execution_duration_ms: Option<Whole>,
    execution_time_ms: Option<Whole>,
    state: Option<String>,
    status: Option<String>,
    client_request_id: Option<String>,
    request_preview: Option<String>,
    response_preview: Option<String>,
    tags: Option<Pairs>,
    trace_metadata: Option<Pairs>,
    request_metadata: Option<Pairs>,
    assessments: Vec<AssessmentInfo>,
}

fn instant(text: Option<&String>) -> Read<Option<i64>> {
    time::read_instant(text.map(|text| json!(text)).as_ref(), "time").map_err(|error| error.message)
}

impl TraceInfo {
    /// Its id in either version.
    pub fn id(&self) -> Option<&str> {
        self.trace_id.as_deref().or(self.request_id.as_deref()).filter(|id| !id.is_empty())
    }

    /// Whether a client before 3.0 wrote it. Such a client finds spans in the file only, so that comes along.
    pub fn is_version_2(&self) -> bool {
        self.trace_id.is_none()
    }

    /// The trace without its spans.
    pub fn trace(self, id: &str) -> Read<ForeignTrace> {
        let started_at = match self.timestamp_ms.as_ref().and_then(Whole::read) {
            Some(at) => at,
            None => match self.request_time.as_deref().and_then(|text| text.parse().ok()) {
                Some(at) => at,
                None => instant(self.request_time.as_ref())?.ok_or("it has no time")?,
            },
        };
        let told = self.execution_duration.map(|text| json!(text));
        let duration_ms = time::read_duration(told.as_ref(), "duration").map_err(|error| error.message)?;
        let in_ms = self.execution_duration_ms.or(self.execution_time_ms);
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let assessments = self.assessments.into_iter().map(|one| one.assessment(None)).collect::<Read<_>>()?;
        let mut trace = ForeignTrace {
            id: id.to_owned(),
            started_at,
            duration_ms: duration_ms.or(in_ms.as_ref().and_then(Whole::read)),
            state: state(self.state.or(self.status).as_deref()),
            client_request_id: filled(self.client_request_id),
            request_preview: self.request_preview,
            response_preview: self.response_preview,
            metadata: self.trace_metadata.or(self.request_metadata).map(Pairs::key_values).unwrap_or_default(),
            assessments,
            ..ForeignTrace::default()
        };
        set_tags(&mut trace, self.tags.map(Pairs::key_values).unwrap_or_default());
        Ok(trace)
    }
}

/// The word of version 3.
pub fn state(word: Option<&str>) -> String {
    match word {
        Some("TRACE_STATUS_UNSPECIFIED") | None => "STATE_UNSPECIFIED".into(),
        Some(word) => word.to_owned(),
    }
}

/// Sets a trace's tags and the prompts that they name.
pub fn set_tags(trace: &mut ForeignTrace, tags: Vec<KeyValue>) {
    #[derive(Deserialize)]
    struct Prompt {
        name: String,
        version: String,
    }
    let linked = tags.iter().find(|tag| tag.key == PROMPTS_TAG);
    let prompts: Vec<Prompt> = linked.and_then(|tag| serde_json::from_str(&tag.value).ok()).unwrap_or_default();
    for Prompt { name, version } in prompts {
        let prompt = format!("{name}/{version}");
        if !trace.prompts.contains(&prompt) {
            trace.prompts.push(prompt);
        }
    }
    trace.tags = tags;
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Origin {
    source_type: Option<String>,
    source_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct FaultInfo {
    #[serde(default)]
    error_code: String,
    error_message: Option<String>,
    stack_trace: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Serialized {
    value: String,
}

#[derive(Debug, Deserialize)]
struct Said {
    value: Option<Value>,
    serialized_value: Option<Serialized>,
    error: Option<FaultInfo>,
    issue_name: Option<String>,
}

/// What somebody or something said.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AssessmentInfo {
    assessment_id: Option<String>,
    assessment_name: Option<String>,
    source: Origin,
    create_time: Option<String>,
    last_update_time: Option<String>,
    feedback: Option<Said>,
    expectation: Option<Said>,
    issue: Option<Said>,
    rationale: Option<String>,
    span_id: Option<String>,
    metadata: Option<BTreeMap<String, String>>,
    overrides: Option<String>,
    valid: Option<bool>,
}

impl AssessmentInfo {
    /// `id`: of the file that it is in.
    pub fn assessment(self, id: Option<&str>) -> Read<ForeignAssessment> {
        let id = id.map(str::to_owned).or(self.assessment_id).ok_or("an assessment has no id")?;
        let (kind, said) = match (self.feedback, self.expectation, self.issue) {
            (Some(said), ..) => ("feedback", said),
            (None, Some(said), _) => ("expectation", said),
            (None, None, Some(said)) => ("issue", said),
            _ => return Err(format!("the assessment {id} says nothing")),
        };
        let value = match (said.issue_name, said.serialized_value, &said.value) {
            (Some(name), ..) => json!(name).to_string(),
            (None, Some(serialized), _) => serialized.value,
            (None, None, Some(value)) => serde_json::to_string(value).map_err(|error| error.to_string())?,
            (None, None, None) => "null".into(),
        };
        let created_at = instant(self.create_time.as_ref())?.unwrap_or(0);
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(ForeignAssessment {
            name: self.assessment_name.unwrap_or_default(),
            kind: kind.into(),
            value,
            error: said.error.map(|fault| ForeignFault {
                code: fault.error_code,
                message: fault.error_message,
                stack: fault.stack_trace,
            }),
            source_type: self.source.source_type.unwrap_or_else(|| "SOURCE_TYPE_UNSPECIFIED".into()),
            source_id: self.source.source_id,
            span_id: filled(self.span_id),
            rationale: filled(self.rationale),
            metadata: self.metadata.map(|map| Pairs::Map(map).key_values()).unwrap_or_default(),
            overrides: filled(self.overrides),
            valid: self.valid.unwrap_or(true),
            created_at,
            updated_at: instant(self.last_update_time.as_ref())?.unwrap_or(created_at),
            id,
        })
    }
}

/// The spans of a `traces.json`, each as it stands there.
pub fn spans_of_file(bytes: &[u8]) -> Read<Vec<String>> {
    #[derive(Deserialize)]
    struct Data<'a> {
        #[serde(borrow)]
        spans: Vec<&'a RawValue>,
        #[serde(default, rename = "request")]
        _request: Option<IgnoredAny>,
    }
    let data: Data<'_> = serde_json::from_slice(bytes).map_err(|error| format!("{SPANS_FILE}: {error}"))?;
    Ok(data.spans.into_iter().map(|span| span.get().to_owned()).collect())
}

/// The spans in a `traces.json` on the disk.
pub fn spans_on_disk(file: &File) -> Read<Vec<String>> {
    if usize::try_from(file.size_bytes).is_ok_and(|size| size > MAX_UNPACKED_BYTES) {
        return Err(format!("{SPANS_FILE} is larger than {} MiB", MAX_UNPACKED_BYTES >> 20));
    }
    let Place::Disk(path) = &file.at else { return Err(format!("{SPANS_FILE} is not on a disk")) };
    spans_of_file(&fs::read(path).map_err(|error| format!("{SPANS_FILE}: {error}"))?)
}

/// Names and sizes of the files that spans refer to.
pub fn attachments(spans: &[String]) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for text in spans {
        for rest in text.split(ATTACHMENT).skip(1) {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(rest.len());
            let query = rest[end..].split(['"', '\\']).next().unwrap_or_default();
            let size = query.split(['?', '&']).find_map(|part| part.strip_prefix("size=")?.parse().ok());
            if end > 0 {
                found.insert(rest[..end].to_owned(), size.unwrap_or(0));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pairs(all: &[KeyValue]) -> Vec<(&str, &str)> {
        all.iter().map(|pair| (pair.key.as_str(), pair.value.as_str())).collect()
    }

    #[test]
    fn version_three_of_a_call_is_read() {
        let info: TraceInfo = serde_json::from_str(
            r#"{"trace_id": "tr-1", "trace_location": {"type": "MLFLOW_EXPERIMENT"}, "request_time": "2026-11-25T15:54:32.274Z",
                "execution_duration": "0.070s", "state": "OK", "tags": {"a": "1", "mlflow.linkedPrompts":
                "[{\"name\": \"p\", \"version\": \"2\"}]"}, "trace_metadata": {"m": "x"}, "assessments": [{
                "assessment_id": "a-1", "assessment_name": "good", "source": {"source_type": "HUMAN", "source_id": "ann"},
                "create_time": "2026-11-25T15:54:33Z", "last_update_time": "2026-11-25T15:54:34Z",
                "feedback": {"value": {"z": 1.0, "a": [true, null]}}, "valid": true}]}"#,
        )
        .unwrap();
        assert_eq!(info.id(), Some("tr-1"));
        let trace = info.trace("tr-1").unwrap();
        assert_eq!((trace.started_at, trace.duration_ms, trace.state.as_str()), (1_795_622_072_274, Some(70), "OK"));
        assert_eq!((pairs(&trace.metadata), trace.prompts.clone()), (vec![("m", "x")], vec!["p/2".to_owned()]));
        let said = &trace.assessments[0];
        assert_eq!((said.value.as_str(), said.kind.as_str()), (r#"{"z":1.0,"a":[true,null]}"#, "feedback"));
        assert_eq!((said.created_at, said.updated_at - said.created_at), (1_795_622_073_000, 1000));
    }

    #[test]
    fn version_two_of_a_call_and_of_a_folder_are_read() {
        let call = r#"{"request_id": "ab", "timestamp_ms": 5, "execution_time_ms": 7, "status": "ERROR",
            "request_metadata": [{"key": "m", "value": "x"}], "tags": [{"key": "empty"}]}"#;
        let trace = serde_json::from_str::<TraceInfo>(call).unwrap().trace("ab").unwrap();
        assert_eq!((trace.started_at, trace.duration_ms, trace.state.as_str()), (5, Some(7), "ERROR"));
        assert_eq!((pairs(&trace.metadata), pairs(&trace.tags)), (vec![("m", "x")], vec![("empty", "")]));
        let file = "request_id: 12e7\nexperiment_id: '1'\ntimestamp_ms: 5\nexecution_time_ms: null\nstatus: OK\n";
        let info: TraceInfo = serde_yaml_ng::from_str(file).unwrap();
        assert!(info.is_version_2() && info.id() == Some("12e7"));
        assert_eq!(info.trace("12e7").unwrap().duration_ms, None);
    }

    #[test]
    fn values_of_judgements_are_read_in_each_form() {
        let value = |body: &str| {
            let text = format!(r#"{{"assessment_id": "a", "assessment_name": "n", "source": {{}}, {body}}}"#);
            let said = serde_json::from_str::<AssessmentInfo>(&text).unwrap().assessment(None);
            said.map(|said| (said.kind, said.value, said.error.map(|fault| fault.code)))
        };
        let serialized =
            r#""expectation": {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "[1, 2]"}}"#;
        assert_eq!(value(serialized).unwrap(), ("expectation".into(), "[1, 2]".into(), None));
        let failed = r#""feedback": {"value": null, "error": {"error_code": "E"}}"#;
        assert_eq!(value(failed).unwrap(), ("feedback".into(), "null".into(), Some("E".into())));
        assert_eq!(value(r#""issue": {"issue_name": "slow"}"#).unwrap().1, "\"slow\"");
        assert!(value(r#""rationale": "x""#).is_err());
    }

    #[test]
    fn spans_keep_their_text_and_name_their_files() {
        let file = br#"{"spans": [{"b": 1.0,  "a": "mlflow-attachment://0a-1?content_type=image%2Fpng&trace_id=t&size=12\""}], "request": null}"#;
        let spans = spans_of_file(file).unwrap();
        assert!(spans[0].starts_with(r#"{"b": 1.0,  "a""#));
        assert_eq!(attachments(&spans), BTreeMap::from([("0a-1".to_owned(), 12)]));
        assert!(spans_of_file(b"[]").is_err());
    }
}
