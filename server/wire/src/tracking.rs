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

    /// A run in a list. `GET /api/v1/runs?experiment=&search=&status=&sort=&page=&limit=` answers `Page<RunSummary>`.
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
    }

    pub struct RunModelVersion {
        pub model: String,
        pub version: i64,
    }

    pub struct RunDataset {
        pub name: String,
        pub digest: String,
        pub context: Option<String>,
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
}
