//! Experiments and runs as the dashboard sees them. MLflow clients have their own face.

use crate::KeyValue;

wire! {
    /// `GET /api/v1/experiments`.
    pub struct Experiment {
        pub id: String,
        pub name: String,
        pub created_at: i64,
        pub run_count: u64,
        /// Folder, file or address of the MLflow that it was imported from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub imported_from: Option<String>,
    }

    /// A run in a list. `GET /api/v1/runs?experiment=&search=&status=&sort=&page=&limit=` answers `Page<RunSummary>`;
    /// `columns=metrics.acc,params.lr,tags.team` leaves out what the list does not show.
    pub struct RunSummary {
        pub id: String,
        pub name: String,
        pub experiment_id: String,
        pub experiment_name: String,
        /// `running`, `finished`, `failed`, `killed` or `scheduled`.
        pub status: String,
        pub user: String,
        pub started_at: i64,
        pub ended_at: Option<i64>,
        /// Last value of each metric.
        pub metrics: Vec<MetricValue>,
        pub params: Vec<KeyValue>,
        /// Only the tags that `columns` names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub tags: Vec<KeyValue>,
    }

    pub struct MetricValue {
        pub key: String,
        /// Absent where the value is not a finite number; `text` then has `NaN`, `Infinity` or `-Infinity`.
        pub value: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub text: Option<String>,
        pub step: i64,
        pub at: i64,
    }

    /// `GET /api/v1/runs/{id}`.
    pub struct RunDetail {
        pub summary: RunSummary,
        pub tags: Vec<KeyValue>,
        /// The job whose container logged this run.
        pub job_id: Option<String>,
        /// Registered versions made from this run.
        pub model_versions: Vec<RunModelVersion>,
        /// Datasets that the run declared as inputs.
        pub datasets: Vec<RunDataset>,
        /// Models that the run logged or read, as `log_model` of MLflow 3 keeps them.
        #[serde(default)]
        pub logged_models: Vec<RunLoggedModel>,
        #[serde(default)]
        pub artifact_uri: String,
    }

    pub struct RunLoggedModel {
        pub id: String,
        pub name: String,
        pub model_type: String,
        pub created_at: i64,
        /// Made by the run; else read by it.
        pub made: bool,
    }

    /// `PATCH /api/v1/runs/{id}`: what is there changes.
    pub struct EditRun {
        #[serde(default)]
        pub name: Option<String>,
        /// Tags to set.
        #[serde(default)]
        pub tags: Vec<KeyValue>,
        /// Keys of tags to take away.
        #[serde(default)]
        pub remove_tags: Vec<String>,
    }

    pub struct RunModelVersion {
        pub model: String,
        pub version: i64,
    }

    pub struct RunDataset {
        pub name: String,
        pub digest: String,
        /// `training` say.
        pub context: Option<String>,
        /// As the client said them; schema and profile are JSON mostly.
        #[serde(default)]
        pub source_type: String,
        #[serde(default)]
        pub source: String,
        #[serde(default)]
        pub schema: Option<String>,
        #[serde(default)]
        pub profile: Option<String>,
    }

    /// Points of one metric, in step order: `steps[i]`, `values[i]`, `at[i]`. Non-finite values are `null`.
    /// `GET /api/v1/runs/{id}/metrics?key=&max_points=` answers a list, one per key (all keys when none is named);
    /// above `max_points` (default 2,000) each bucket keeps its minimum and maximum.
    pub struct MetricSeries {
        pub key: String,
        pub steps: Vec<i64>,
        pub values: Vec<Option<f64>>,
        pub at: Vec<i64>,
        /// Points before decimation.
        pub total: u64,
    }

    /// `GET /api/v1/runs/{id}/artifacts?path=`: the entries of one folder. The bytes are at `…/artifacts/file?path=`.
    pub struct ArtifactEntry {
        /// From the run's artifact root.
        pub path: String,
        pub is_dir: bool,
        pub size_bytes: Option<u64>,
    }

    /// `GET /api/v1/run-keys?experiment=1,2`: what the newest runs of these experiments (all when none is named) logged,
    /// most frequent first. Columns and completion offer these.
    pub struct RunKeys {
        pub metrics: Vec<KeyCount>,
        pub params: Vec<KeyCount>,
        pub tags: Vec<KeyCount>,
        /// How many of the newest runs were looked at.
        pub runs: u64,
    }

    /// A key or a value, and how many of the runs looked at have it.
    /// `GET /api/v1/run-values?of=params.lr&experiment=` answers a list of values.
    pub struct KeyCount {
        pub key: String,
        pub runs: u64,
    }

    /// One metric of one run among many. `GET /api/v1/run-series?key=loss&…` with the parameters that choose runs, and
    /// `max_points` for each, answers a list; at most 500 runs.
    pub struct RunSeries {
        pub run_id: String,
        pub series: MetricSeries,
    }

    /// A name for a filter, sort and choice of columns, or the runs of a comparison. `GET /api/v1/views?kind=` lists one's own;
    /// `GET /api/v1/views/{id}` gives anybody's, since its address is a link to send.
    pub struct SavedView {
        pub id: String,
        /// `runs`, `compare` or `monitoring`.
        pub kind: String,
        pub name: String,
        /// The dashboard's address after its question mark.
        pub query: String,
        pub owner: String,
        pub mine: bool,
        pub updated_at: i64,
    }

    /// `POST /api/v1/views`; one's view of the same kind and name is replaced.
    pub struct SaveView {
        pub kind: String,
        #[serde(default)]
        pub name: String,
        pub query: String,
    }

    /// How a file is shown.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum PreviewKind {
        Text,
        Json,
        Table,
        Image,
        /// Nothing a person could read.
        Binary,
    }

    /// `GET /api/v1/runs/{id}/preview?path=`: the head of a file, read in bounded memory.
    pub struct Preview {
        pub kind: PreviewKind,
        pub size_bytes: u64,
        /// There is more than is shown.
        pub truncated: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub text: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub columns: Vec<PreviewColumn>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub rows: Vec<Vec<Option<String>>>,
        /// Where the file says so (Parquet) or all was read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub total_rows: Option<u64>,
        /// Why there is less to see than one would expect.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub note: Option<String>,
    }

    pub struct PreviewColumn {
        pub name: String,
        /// As the file has it: `INT64`, `string`. Empty where it has none.
        pub kind: String,
    }
}
