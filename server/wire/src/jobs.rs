//! Training containers: specs, states, attempts.

use std::collections::BTreeMap;

wire! {
    /// `POST /api/v1/jobs`. Unknown fields are refused (422), so that a wish for privileges is not silently dropped.
    #[serde(deny_unknown_fields)]
    pub struct SubmitJob {
        pub name: String,
        /// An image on the box; absent: the runtime image.
        #[serde(default)]
        pub image: Option<String>,
        /// Program and arguments.
        pub command: Vec<String>,
        #[serde(default)]
        pub env: BTreeMap<String, String>,
        /// Files placed read-only under `/workspace`; each digest is an upload of the caller's.
        #[serde(default)]
        pub code: Vec<CodeFile>,
        /// Datasets mounted read-only at `/data/{name}`.
        #[serde(default)]
        pub datasets: Vec<DatasetRef>,
        #[serde(default)]
        pub resources: Resources,
        /// The attempt is stopped and failed after this long.
        #[serde(default)]
        pub timeout_s: Option<u64>,
        /// Experiment that runs of this job go to (`MLFLOW_EXPERIMENT_NAME`).
        #[serde(default)]
        pub experiment: Option<String>,
        /// What the S3 key of its container opens; empty: whatever its person may.
        #[serde(default)]
        pub buckets: Vec<crate::storage::KeyScope>,
    }

    #[serde(deny_unknown_fields)]
    pub struct CodeFile {
        pub path: String,
        pub digest: String,
    }

    #[serde(deny_unknown_fields)]
    pub struct DatasetRef {
        /// `wine`, or with a version `wine@3`, with a tag `wine@prod`; the job then keeps name and number.
        pub name: String,
        /// Absent: the latest at submission; the job then keeps that number.
        #[serde(default)]
        pub version: Option<i64>,
    }

    /// What a container may use.
    #[serde(deny_unknown_fields, default)]
    pub struct Resources {
        /// In cores, 0.1 to the box's count.
        pub cpus: f64,
        pub memory_bytes: u64,
        /// Whole GPUs.
        pub gpus: u32,
    }

    /// State of a job, as people read it.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum JobState {
        /// Waits for Docker or its turn.
        Queued,
        /// Container is being made.
        Starting,
        Running,
        /// Someone asked to cancel; the container is being stopped.
        Cancelling,
        Succeeded,
        Failed,
        Cancelled,
        /// The container vanished and nothing is known about its end.
        Lost,
    }

    /// A job in a list. `GET /api/v1/jobs?state=&search=&page=&limit=` answers `Page<JobSummary>`.
    pub struct JobSummary {
        pub id: String,
        pub name: String,
        pub state: JobState,
        /// Why, in words: "waiting for Docker", "out of memory: limit 512 MiB", "exit code 3".
        pub reason: Option<String>,
        pub submitted_by: String,
        pub submitted_at: i64,
        pub started_at: Option<i64>,
        pub ended_at: Option<i64>,
        pub exit_code: Option<i64>,
        pub resources: Resources,
    }

    /// `GET /api/v1/jobs/{id}`. Its log is at `…/log` (text) and `…/log/stream` (server-sent events).
    pub struct JobDetail {
        pub summary: JobSummary,
        pub spec: SubmitJob,
        pub attempts: Vec<Attempt>,
        /// Runs that the job's containers logged.
        pub run_ids: Vec<String>,
    }

    pub struct Attempt {
        pub number: i64,
        pub state: JobState,
        pub started_at: Option<i64>,
        pub ended_at: Option<i64>,
        pub exit_code: Option<i64>,
        pub out_of_memory: bool,
        pub reason: Option<String>,
    }

    /// One line of a log, as `data:` of a server-sent event named `line`. The event's id is `seq`; a client that reconnects
    /// with `Last-Event-ID` gets the lines after it. A final event named `end` says that no more will come.
    pub struct LogLine {
        pub seq: u64,
        pub at: i64,
        /// `stdout` or `stderr`.
        pub stream: String,
        pub text: String,
    }
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpus: 1.0, memory_bytes: 1 << 30, gpus: 0 }
    }
}

impl JobState {
    /// Whether nothing will change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Lost)
    }

    /// The word kept in the database and in URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }

    /// The state of that word.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Queued,
            Self::Starting,
            Self::Running,
            Self::Cancelling,
            Self::Succeeded,
            Self::Failed,
            Self::Cancelled,
            Self::Lost,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}
