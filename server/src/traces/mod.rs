//! Traces of LLM applications: what an application did for one request, as a tree of spans, with what people and judges said
//! about it.
//!
//! Always holds: a request that writes is one `write` closure, so a batch of spans is kept whole or not at all; what a search
//! looks at is a column or a row, the rest of a span is compressed with its siblings (`store::chunks`); a span is in one chunk
//! only; a linked run's id is in `trace_links` whichever way the client said it. Deleting removes rows and artifact references
//! at once. The audit trail has deletions of traces and assessments; what a program logs is the trace's own record.
//! Never here: runs and experiments (`tracking`), foreign forms (`mlflow` and `otlp` below speak them).

mod assessments;
mod changing;
mod count;
mod import;
mod ingest;
pub mod mlflow;
pub mod otlp;
mod preview;
mod reading;
mod routes;
pub mod rules;
mod span;
mod store;
mod summary;
mod translate;
mod value;
mod views;

pub use assessments::{Change, NewAssessment, assessment, create_assessment, delete_assessment, update_assessment};
pub use changing::{Doomed, delete_tag, delete_traces, link_prompts, link_run, set_tag};
pub use import::{Arriving, import_trace, is_trace};
pub use ingest::{NewTrace, create_trace, end_trace, log_spans};
pub use reading::{correlation, search_traces, spans_of, trace, traces, whole_traces};
pub use routes::configure;
pub use span::Span as StoredSpan;

use crate::{
    db::Conn,
    error::{Error, Result},
};
use value::Value;

/// A key with its value.
type Pair = (String, String);

/// Tags and metadata that MLflow gives a meaning.
pub mod names {
    pub const NAME_TAG: &str = "mlflow.traceName";
    pub const SPANS_LOCATION_TAG: &str = "mlflow.trace.spansLocation";
    pub const ARTIFACT_LOCATION_TAG: &str = "mlflow.artifactLocation";
    /// The value of the tag above: spans are in the store, not in a file.
    pub const IN_STORE: &str = "TRACKING_STORE";
    pub const RUN: &str = "mlflow.sourceRun";
    pub const USAGE: &str = "mlflow.trace.tokenUsage";
    pub const COST: &str = "mlflow.trace.cost";
    pub const FINALIZED: &str = "mlflow.trace.infoFinalized";
    pub const SESSION: &str = "mlflow.trace.session";
    pub const USER: &str = "mlflow.trace.user";
}

/// How a trace went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Unspecified,
    Ok,
    Error,
    InProgress,
}

impl State {
    /// MLflow's word, which the database keeps.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "STATE_UNSPECIFIED",
            Self::Ok => "OK",
            Self::Error => "ERROR",
            Self::InProgress => "IN_PROGRESS",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "TRACE_STATUS_UNSPECIFIED" => Some(Self::Unspecified),
            text => {
                [Self::Unspecified, Self::Ok, Self::Error, Self::InProgress].into_iter().find(|s| s.as_str() == text)
            }
        }
    }
}

/// A trace without its spans.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Surrogate key.
    pub row: i64,
    /// `tr-` and 32 hex digits, unless the client chose otherwise.
    pub trace_id: String,
    pub experiment_id: i64,
    pub started_at: i64,
    pub duration_ms: Option<i64>,
    pub state: State,
    pub name: Option<String>,
    /// The root span's name.
    pub root_name: Option<String>,
    pub client_request_id: Option<String>,
    pub request_preview: Option<String>,
    pub response_preview: Option<String>,
    pub span_count: i64,
    pub total_tokens: Option<i64>,
    /// With the name and where the artifacts are, as MLflow has them among the tags.
    pub tags: Vec<Pair>,
    pub metadata: Vec<Pair>,
    pub assessments: Vec<Assessment>,
}

impl Trace {
    /// Whether its spans are in the store.
    pub fn has_spans(&self) -> bool {
        self.tags.iter().any(|(key, value)| key == names::SPANS_LOCATION_TAG && value == names::IN_STORE)
    }

    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// OpenTelemetry's id, sixteen bytes.
    pub fn otel_id(&self) -> Vec<u8> {
        rules::otel_id(&self.trace_id)
    }
}

/// What kind of judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Feedback,
    Expectation,
    Issue,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feedback => "feedback",
            Self::Expectation => "expectation",
            Self::Issue => "issue",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Feedback, Self::Expectation, Self::Issue].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What went wrong when a judge was to say something.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Fault {
    pub error_code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_trace: Option<String>,
}

/// What somebody or something said about a trace or a span of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    pub assessment_id: String,
    pub trace_id: String,
    pub name: String,
    pub kind: Kind,
    /// Of an issue its name.
    pub value: Value,
    pub error: Option<Fault>,
    /// `HUMAN`, `LLM_JUDGE` or `CODE`.
    pub source_type: String,
    pub source_id: Option<String>,
    /// 16 hex digits.
    pub span_id: Option<String>,
    pub rationale: Option<String>,
    pub metadata: Vec<Pair>,
    /// The assessment that this one takes the place of.
    pub overrides: Option<String>,
    pub valid: bool,
    pub created_at: i64,
    pub updated_at: i64,
}

/// For `trash`: how many traces the experiments have.
pub fn count_in(conn: &mut Conn, experiments: &[i64]) -> Result<u64> {
    store::traces::count_in(conn, experiments)
}

/// For `trash`: removes the traces of an experiment that goes. Its files are released by the caller.
pub fn forget_experiment(conn: &mut Conn, experiment: i64) -> Result<()> {
    store::traces::delete_of_experiment(conn, experiment)
}

fn absent(trace_id: &str) -> Error {
    Error::not_found(format!("Trace with ID '{trace_id}' not found."))
}
