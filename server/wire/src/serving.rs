//! Deployments: a model version behind the gateway.

mod captured;
mod experiments;
mod fit;
mod releases;
mod settings;
mod tokens;

pub use captured::*;
pub use experiments::*;
pub use fit::*;
pub use releases::*;
pub use settings::*;
pub use tokens::*;

use crate::jobs::Resources;

wire! {
    /// `PUT /api/v1/deployments/{name}`: makes it, or rolls it to another version without a failed request.
    #[derive(Default)]
    #[serde(deny_unknown_fields)]
    pub struct PutDeployment {
        /// Empty where an image brings all that it needs.
        #[serde(default)]
        pub model: String,
        /// A version number or `@alias`; kept as the number it means now.
        #[serde(default)]
        pub version: String,
        /// What answers; absent: as in the revision before, or MLflow's scoring server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub served_by: Option<ServedBy>,
        /// Absent: as they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub settings: Option<ServingSettings>,
        #[serde(default)]
        pub resources: Resources,
        /// How it comes in where another revision is live; absent: rolling.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub release: Option<ReleasePlan>,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum DeploymentState {
        /// First revision is starting; nothing answers yet.
        Starting,
        /// The live revision answers.
        Ready,
        /// A newer revision starts; the live one answers, or its requests are held while the two swap.
        Updating,
        /// The newest revision failed; the one before, if any, still answers.
        Failed,
        /// Going away.
        Deleting,
    }

    /// `GET /api/v1/deployments` answers `Page<DeploymentSummary>`.
    pub struct DeploymentSummary {
        pub name: String,
        pub model: String,
        /// The version that answers now, else the one that is to.
        pub version: i64,
        pub state: DeploymentState,
        pub reason: Option<String>,
        /// Path under the web address: `/serve/{name}/invocations`.
        pub endpoint: String,
        pub updated_at: i64,
        pub traffic: Traffic,
        /// Since it was made: what it grows by is the present rate.
        #[serde(default)]
        pub total_requests: u64,
        /// Of all its revisions.
        #[serde(default)]
        pub replicas: ReplicaCount,
    }

    /// How many containers there are.
    #[derive(Copy, Default, Eq)]
    pub struct ReplicaCount {
        pub ready: u32,
        pub all: u32,
        /// That they hold; a shared one counts for each that shares it.
        pub gpus: u32,
    }

    /// Requests of the last hour.
    pub struct Traffic {
        pub requests: u64,
        /// Answers of 500 and above, and requests that got no answer.
        pub errors: u64,
        pub p50_ms: Option<f64>,
        pub p95_ms: Option<f64>,
        pub p99_ms: Option<f64>,
    }

    /// `GET /api/v1/deployments/{name}`. Logs of the live revision: `…/log`, `…/log/stream`, as for jobs.
    pub struct DeploymentDetail {
        pub summary: DeploymentSummary,
        /// Newest first.
        pub revisions: Vec<Revision>,
        /// The last hour by minute, oldest first; minutes without requests are left out.
        pub minutes: Vec<TrafficMinute>,
        pub total_requests: u64,
        pub total_errors: u64,
        /// What there is to do now.
        #[serde(default)]
        pub load: LoadNow,
        /// A body that the model accepts, from its input example or signature, for the prediction box.
        pub example: Option<serde_json::Value>,
        #[serde(default)]
        pub settings: ServingSettings,
        /// The alias that it follows, where the settings say so.
        #[serde(default)]
        pub alias: Option<String>,
        /// Where it speaks OpenAI's protocol and tokens were counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub tokens: Option<TokenTraffic>,
    }

    pub struct Revision {
        pub number: i64,
        pub model: String,
        pub version: i64,
        /// `starting`, `candidate` (of a release), `live`, `warm` (replaced, still running to be switched back to),
        /// `draining`, `parked` (ended to make room, comes back where the next one fails), `retired` or `failed`.
        pub state: String,
        pub reason: Option<String>,
        pub created_at: i64,
        pub created_by: String,
        pub ready_at: Option<i64>,
        pub resources: Resources,
        #[serde(default)]
        pub served_by: ServedBy,
        /// Its containers.
        #[serde(default)]
        pub replicas: Vec<Replica>,
        /// How it was to come in; absent: rolling.
        #[serde(default)]
        pub release: Option<ReleasePlan>,
        /// A warm one is kept running until then.
        #[serde(default)]
        pub warm_until: Option<i64>,
    }

    /// Requests that are not answered yet.
    #[derive(Copy, Default, Eq)]
    pub struct LoadNow {
        /// At the replicas.
        pub in_flight: u64,
        /// In the line, for room or for a replica.
        pub queued: u64,
        /// So many replicas are wanted now, where they are scaled by load.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub wanted_replicas: Option<u32>,
    }

    /// One container of a revision.
    pub struct Replica {
        /// From 1.
        pub number: u32,
        /// Its workload, as the metrics name it.
        pub id: String,
        /// `starting`, `ready`, `unwell` (it fails its readiness, or the gateway lets it rest) or `ending`.
        pub state: String,
        pub reason: Option<String>,
        /// Requests that it has not answered yet.
        pub in_flight: u64,
        pub gpu: Option<String>,
    }

    pub struct TrafficMinute {
        /// Start of the minute.
        pub at: i64,
        pub requests: u64,
        pub errors: u64,
        pub p50_ms: f64,
        pub p95_ms: f64,
    }
}
