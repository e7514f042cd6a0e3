//! Traces of LLM applications as the dashboard sees them. MLflow and OpenTelemetry clients have their own faces.

use crate::KeyValue;

wire! {
    /// A trace in a list. `GET /api/v1/traces?experiment=&run=&search=&status=&sort=&page=&limit=` answers
    /// `Page<TraceSummary>`.
    pub struct TraceSummary {
        pub id: String,
        /// What it was called, else the root span's name, else its id.
        pub name: String,
        /// `ok`, `error`, `in_progress` or `unspecified`.
        pub status: String,
        pub started_at: i64,
        /// Absent while it runs.
        pub duration_ms: Option<u64>,
        pub experiment_id: String,
        pub experiment_name: String,
        /// Runs it was logged in or linked to.
        pub runs: Vec<TraceRun>,
        /// The first words of what went in and came out.
        pub request: Option<String>,
        pub response: Option<String>,
        pub span_count: u64,
        /// Of models, in and out.
        pub tokens: Option<u64>,
        /// How many judgements there are.
        pub assessment_count: u64,
    }

    pub struct TraceRun {
        pub id: String,
        /// Absent when the run is not on this box.
        pub name: Option<String>,
    }

    /// `GET /api/v1/traces/{id}`: all but the spans' contents.
    pub struct TraceDetail {
        pub summary: TraceSummary,
        /// Depth first, children in order of their start.
        pub spans: Vec<SpanSummary>,
        pub assessments: Vec<TraceAssessment>,
        pub tags: Vec<KeyValue>,
        pub metadata: Vec<KeyValue>,
        pub client_request_id: Option<String>,
        pub session: Option<String>,
        pub user: Option<String>,
        /// "name/version" of prompts it used.
        pub prompts: Vec<String>,
    }

    /// A span in the tree.
    pub struct SpanSummary {
        /// 16 hex digits.
        pub id: String,
        pub name: String,
        /// `LLM`, `TOOL`, `RETRIEVER`, … or `UNKNOWN`.
        pub kind: String,
        /// `ok`, `error` or `unset`.
        pub status: String,
        /// 0 for a root.
        pub depth: u32,
        /// Spans directly below.
        pub children: u32,
        /// From the start of the first span.
        pub start_us: u64,
        /// Absent while it runs.
        pub duration_us: Option<u64>,
        pub tokens: Option<u64>,
    }

    /// `GET /api/v1/traces/{id}/spans/{span}`. Values are JSON.
    pub struct SpanDetail {
        pub id: String,
        pub name: String,
        pub kind: String,
        pub status: String,
        /// Why it failed.
        pub message: String,
        pub start_us: u64,
        pub duration_us: Option<u64>,
        pub inputs: Option<String>,
        pub outputs: Option<String>,
        pub attributes: Vec<KeyValue>,
        pub events: Vec<SpanEvent>,
        pub links: Vec<SpanLink>,
    }

    pub struct SpanEvent {
        pub name: String,
        /// From the start of the first span.
        pub at_us: i64,
        pub attributes: Vec<KeyValue>,
    }

    /// Another span that this one has to do with.
    pub struct SpanLink {
        pub trace_id: String,
        pub span_id: String,
    }

    /// What somebody or something said about the trace.
    pub struct TraceAssessment {
        pub id: String,
        pub name: String,
        /// `feedback`, `expectation` or `issue`.
        pub kind: String,
        /// JSON.
        pub value: String,
        /// What went wrong instead.
        pub error: Option<String>,
        /// `human`, `llm_judge` or `code`.
        pub source_kind: String,
        pub source: Option<String>,
        pub rationale: Option<String>,
        /// The span it is about; absent for the whole trace.
        pub span_id: Option<String>,
        /// `false`: something newer took its place.
        pub valid: bool,
        pub created_at: i64,
    }
}
