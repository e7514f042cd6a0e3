//! What a deployment was asked and answered, how right it was, and whether its traffic drifted.

use std::collections::BTreeMap;

use serde_json::Value;

use super::DriftWatch;
use crate::drift::DatasetDrift;

wire! {
    /// `GET /api/v1/deployments/{name}/captured?status=&revision=&limit=&before=`. `status` is a number, a class (`2xx`) or `error`
    /// (400 and above, or no answer).
    pub struct CapturedPage {
        /// Newest first. A request with several rows of inputs has as many here.
        pub rows: Vec<CapturedRow>,
        /// `before` of the following page; absent on the last. A page may have fewer rows than were asked for, even none, and still go on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<String>,
        pub state: CaptureState,
    }

    pub struct CaptureState {
        /// Whether requests are captured now.
        pub on: bool,
        /// Name of the bucket that the files are in, below the prefix `{deployment}/`.
        pub bucket: String,
        pub files: u64,
        pub rows: u64,
        pub bytes: u64,
        /// Rows that are in no file yet.
        pub waiting_rows: u64,
        /// Requests that were not captured since the server started, since too many came at once.
        pub dropped: u64,
        /// Why the last file could not be written, if so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub problem: Option<String>,
    }

    pub struct CapturedRow {
        pub request_id: String,
        /// Of the request's rows, from 0.
        pub row: u32,
        pub at: i64,
        pub caller: Option<String>,
        pub revision: i64,
        pub model: String,
        pub version: i64,
        /// Absent: there was no answer.
        pub status: Option<u16>,
        pub latency_ms: f64,
        /// How an answer of 400 and above begins.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub error: Option<String>,
        /// By column, without `input.`; those that are masked are absent.
        pub inputs: BTreeMap<String, Value>,
        /// By column, without `prediction.`; `0` where it has no name.
        pub predictions: BTreeMap<String, Value>,
    }

    /// `GET /api/v1/deployments/{name}/captured/files` answers `Page<CapturedFile>`, newest first.
    pub struct CapturedFile {
        pub bucket: String,
        pub key: String,
        /// Path of the file's bytes under the web address.
        pub download: String,
        /// Of its first and last request.
        pub from_at: i64,
        pub until_at: i64,
        pub rows: u64,
        pub size_bytes: u64,
    }

    /// `POST /serve/{deployment}/feedback`: one, or a list of at most 10,000.
    #[serde(deny_unknown_fields)]
    pub struct Feedback {
        /// The `X-Request-Id` of the answer.
        pub request_id: String,
        /// Of the request's rows, from 0; absent: `truth` is a list with a value for each, or a value where there is but one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub row: Option<u32>,
        /// What the prediction should have been. Of a prediction with several columns, an object.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub truth: Option<Value>,
        /// How good the answer was in somebody's eyes, where there is no one truth.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub score: Option<f64>,
    }

    /// Answer of `POST /serve/{deployment}/feedback` (202).
    pub struct FeedbackTaken {
        /// Rows that met their prediction.
        pub joined: u64,
        /// Rows whose request is not known (yet): it may be on its way into a file, or was not sampled.
        pub waiting: u64,
    }

    /// `GET /api/v1/deployments/{name}/quality?hours=`: 24 when absent.
    pub struct QualityReport {
        /// Absent while there is no truth in that time.
        pub task: Option<QualityTask>,
        /// Over the whole time.
        pub all: QualityFigures,
        /// Equally long, oldest first; those without requests are there, too.
        pub windows: Vec<QualityWindow>,
        /// Newest revision first.
        pub revisions: Vec<QualityOfRevision>,
        /// Of a classification: how often each truth was predicted as what, most frequent first, at most 100.
        pub classes: Vec<ClassCount>,
        /// Truths that did not meet a prediction yet.
        pub waiting: u64,
        /// Truths that do not fit their prediction, and the last such.
        pub refused: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub refusal: Option<String>,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum QualityTask {
        Classification,
        Regression,
    }

    #[derive(Copy, Default)]
    pub struct QualityFigures {
        /// Predictions whose truth is known.
        pub count: u64,
        /// Of a classification: the share of right ones.
        pub accuracy: Option<f64>,
        /// Of a regression: mean absolute error, and root of the mean squared error.
        pub mae: Option<f64>,
        pub rmse: Option<f64>,
        /// Of those who gave a score.
        pub mean_score: Option<f64>,
        pub scores: u64,
    }

    pub struct QualityWindow {
        pub from_at: i64,
        pub until_at: i64,
        pub quality: QualityFigures,
        /// What the gateway counted meanwhile; kept for 25 hours.
        pub requests: u64,
        pub errors: u64,
        pub p50_ms: Option<f64>,
        pub p95_ms: Option<f64>,
    }

    pub struct QualityOfRevision {
        pub revision: i64,
        pub model: String,
        pub version: i64,
        pub quality: QualityFigures,
    }

    pub struct ClassCount {
        pub truth: String,
        pub predicted: String,
        pub count: u64,
    }

    /// `GET /api/v1/deployments/{name}/drift?window=`: the window's id; absent: the newest. `POST` compares the time since the last
    /// window at once, however short it is, and answers the same.
    pub struct LiveDrift {
        /// Absent: nobody asked to watch it.
        pub watch: Option<DriftWatch>,
        /// Newest first, at most 200.
        pub windows: Vec<DriftWindow>,
        /// Of the window that was asked for.
        pub report: Option<DriftWindowReport>,
        /// Why the last comparison could not be made, if so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub problem: Option<String>,
    }

    pub struct DriftWindow {
        pub id: i64,
        pub from_at: i64,
        pub until_at: i64,
        pub rows: u64,
        pub outcome: DriftOutcome,
        /// Absent where it was not judged.
        pub drifted_count: Option<u64>,
        pub compared_count: Option<u64>,
        /// Says what it was compared with, or why it was not.
        pub reference: String,
        /// The pipelines that the finding started.
        #[serde(default)]
        pub pipelines: Vec<String>,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum DriftOutcome {
        Steady,
        Drifted,
        /// Too few rows, or nothing to compare with.
        NotJudged,
    }

    pub struct DriftWindowReport {
        pub window: i64,
        /// Columns read `input.…` and `prediction.…`, with both distributions. Absent where it was not judged.
        pub drift: Option<DatasetDrift>,
    }
}
