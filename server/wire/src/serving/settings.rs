//! What a deployment runs, and how the gateway treats its callers.
//!
//! What a container is made of (`ServedBy`) belongs to a revision and never changes; the settings belong to the deployment
//! and take effect at once, without a new container.

use std::collections::BTreeMap;

/// Where a container of an image finds its model's files, read-only.
pub const MODEL_FOLDER: &str = "/model";

wire! {
    /// What answers in the containers of a revision.
    #[derive(Default)]
    #[serde(default, deny_unknown_fields)]
    pub struct ServedBy {
        pub runtime: Runtime,
        /// Variables of the container, on top of Drydock's own.
        pub env: BTreeMap<String, String>,
        pub probes: Probes,
    }

    #[derive(Default)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum Runtime {
        /// MLflow's scoring server on the version's files.
        #[default]
        Mlflow,
        /// Any image that listens on a port; the version's files, if one is named, are at `/model`.
        Image(ImageRuntime),
    }

    #[serde(deny_unknown_fields)]
    pub struct ImageRuntime {
        /// Of Drydock's own registry or of this box's Docker.
        pub image: String,
        /// What that was when the revision was made, of an image that no registry has; noted by Drydock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub image_id: Option<String>,
        /// Instead of the image's own command; empty: that.
        #[serde(default)]
        pub command: Vec<String>,
        pub port: u16,
        #[serde(default)]
        pub protocol: Protocol,
    }

    /// What the server in the container speaks. The gateway translates predictions where the caller speaks another.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum Protocol {
        /// MLflow's scoring protocol: `/invocations`.
        Mlflow,
        /// The Open Inference Protocol: `/v2/…` (MLServer, Triton, KServe's servers).
        OpenInference,
        /// `/v1/…` as OpenAI's API (vLLM, llama.cpp); tokens are counted.
        Openai,
        /// Anything else; passed on as it is.
        #[default]
        Plain,
    }

    /// Absent ones are as the protocol has them; of an image that speaks `plain`, a TCP connection.
    #[derive(Default)]
    #[serde(default, deny_unknown_fields)]
    pub struct Probes {
        /// Until it answers first, the replica gets no requests and the others are not asked.
        pub startup: Option<Probe>,
        /// While it fails, the replica gets no requests.
        pub readiness: Option<Probe>,
        /// When it fails too often in a row, the container is started again.
        pub liveness: Option<Probe>,
    }

    #[derive(Eq)]
    #[serde(default, deny_unknown_fields)]
    pub struct Probe {
        /// Asked with GET; below 400 is well. Absent: a TCP connection is enough.
        pub path: Option<String>,
        pub period_s: u32,
        pub timeout_s: u32,
        /// So many in a row count.
        pub failures: u32,
    }

    /// Of a deployment; take effect at once.
    #[serde(default, deny_unknown_fields)]
    pub struct ServingSettings {
        /// Follows the alias it was made with: when that moves, a new revision comes by itself, by the same kind of release.
        pub follow: bool,
        /// As many containers as each revision has, where `scale` does not say.
        pub replicas: u32,
        pub scale: Option<Scale>,
        pub limits: CallLimits,
        /// Names of the users who may call it; empty: everyone who is signed in. Administrators and its maker always may.
        pub callers: Vec<String>,
        pub capture: Option<Capture>,
    }

    /// How many replicas there are. With several targets, the one that asks for most counts, as in Kubernetes'
    /// HorizontalPodAutoscaler: `ceil(replicas × measured / target)`, within a tolerance of 10 %.
    #[serde(default, deny_unknown_fields)]
    pub struct Scale {
        /// 0: to nothing when nobody calls; requests are held while it wakes.
        pub min: u32,
        pub max: u32,
        /// Requests at once for each replica, those that wait included.
        pub in_flight: Option<f64>,
        /// 95th percentile of the latency of the last minute, in milliseconds.
        pub p95_ms: Option<f64>,
        /// Of the cores that each replica asked for, in percent.
        pub cpu_percent: Option<f64>,
        /// It grows to the least that was asked for in that time.
        pub up_window_s: u32,
        /// It shrinks to the most that was asked for in that time.
        pub down_window_s: u32,
        /// After so long without a request it goes to nothing, where `min` is 0.
        pub idle_s: u32,
    }

    #[serde(default, deny_unknown_fields)]
    pub struct CallLimits {
        /// Largest request body; absent: the server's own limit, which is also the most.
        pub body_bytes: Option<u64>,
        /// Seconds until there must be an answer; absent: the server's own limit, which is also the most.
        pub timeout_s: Option<u64>,
        /// Requests at once for each replica; more wait. Absent: no limit.
        pub concurrency: Option<u32>,
        /// So many may wait; more are refused with 503 and `Retry-After`.
        pub queue: u32,
        /// For each caller; more is refused with 429 and `Retry-After`.
        pub rate: Option<Rate>,
    }

    #[serde(deny_unknown_fields)]
    pub struct Rate {
        pub per_second: f64,
        /// So many at once after a pause.
        pub burst: u32,
    }

    /// Keeps requests and answers as Parquet in the store.
    #[serde(default, deny_unknown_fields)]
    pub struct Capture {
        /// Percent of the requests.
        pub sample_percent: f64,
        /// Columns whose values are not kept.
        pub mask: Vec<String>,
        /// The oldest files go when all together have more.
        pub max_bytes: u64,
        /// Files go when they are older.
        pub max_age_days: u32,
        /// Watches for drift.
        pub drift: Option<DriftWatch>,
    }

    /// Compares what is captured with a reference, again and again.
    #[serde(deny_unknown_fields)]
    pub struct DriftWatch {
        /// The data that it is compared with: a version of a dataset; absent: the window before.
        #[serde(default)]
        pub reference: Option<DriftReference>,
        /// Length of a window, in minutes.
        #[serde(default = "hour")]
        pub window_minutes: u32,
        /// Windows with fewer requests are not judged.
        #[serde(default = "hundred")]
        pub min_rows: u64,
        /// Name of a pipeline that a finding starts.
        #[serde(default)]
        pub pipeline: Option<String>,
    }

    #[serde(deny_unknown_fields)]
    pub struct DriftReference {
        pub dataset: String,
        /// Number of a version; absent: the newest.
        #[serde(default)]
        pub version: Option<i64>,
        /// Path of the file within it; absent: the only table there is.
        #[serde(default)]
        pub path: Option<String>,
    }
}

fn hour() -> u32 {
    60
}

fn hundred() -> u64 {
    100
}

impl Default for Probe {
    fn default() -> Self {
        Self { path: None, period_s: 5, timeout_s: 2, failures: 3 }
    }
}

impl Default for ServingSettings {
    fn default() -> Self {
        Self {
            follow: false,
            replicas: 1,
            scale: None,
            limits: CallLimits::default(),
            callers: Vec::new(),
            capture: None,
        }
    }
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            min: 1,
            max: 1,
            in_flight: None,
            p95_ms: None,
            cpu_percent: None,
            up_window_s: 0,
            down_window_s: 300,
            idle_s: 300,
        }
    }
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { body_bytes: None, timeout_s: None, concurrency: None, queue: 100, rate: None }
    }
}

impl Default for Capture {
    fn default() -> Self {
        Self { sample_percent: 100.0, mask: Vec::new(), max_bytes: 1 << 30, max_age_days: 30, drift: None }
    }
}

impl Runtime {
    /// What its server speaks.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Mlflow => Protocol::Mlflow,
            Self::Image(image) => image.protocol,
        }
    }
}
