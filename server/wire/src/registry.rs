//! Registered models as the dashboard sees them. MLflow clients have their own face.

use crate::KeyValue;

wire! {
    /// `GET /api/v1/models`.
    pub struct ModelSummary {
        pub name: String,
        pub description: String,
        pub created_at: i64,
        pub updated_at: i64,
        pub latest_version: Option<i64>,
        pub version_count: u64,
        pub aliases: Vec<Alias>,
    }

    /// A movable name for one version: `champion`.
    pub struct Alias {
        pub alias: String,
        pub version: i64,
    }

    /// `GET /api/v1/models/{name}`.
    pub struct ModelDetail {
        pub summary: ModelSummary,
        pub tags: Vec<KeyValue>,
        /// Newest first.
        pub versions: Vec<ModelVersion>,
    }

    pub struct ModelVersion {
        pub version: i64,
        pub created_at: i64,
        pub user: String,
        pub description: String,
        /// `ready`, `pending_registration` or `failed_registration`.
        pub status: String,
        pub source: String,
        pub run_id: Option<String>,
        pub run_name: Option<String>,
        pub aliases: Vec<String>,
        /// Last value of the run's metrics.
        pub metrics: Vec<crate::tracking::MetricValue>,
        pub tags: Vec<KeyValue>,
        /// Deployments whose live revision serves this version.
        pub deployments: Vec<String>,
    }

    /// `PUT /api/v1/models/{name}/aliases/{alias}`.
    pub struct SetAlias {
        pub version: i64,
    }

    /// `POST /api/v1/models/{name}/versions`: registers a model that a run logged.
    pub struct RegisterVersion {
        pub run_id: String,
        /// Folder of the model under the run's artifacts, usually `model`.
        pub path: String,
        #[serde(default)]
        pub description: String,
    }
}
