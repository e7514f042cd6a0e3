//! Training containers: specs, states, attempts.

use std::collections::BTreeMap;

wire! {
    /// `POST /api/v1/jobs`. Unknown fields are refused (422), so that a wish for privileges is not silently dropped.
    #[derive(Default)]
    #[serde(deny_unknown_fields)]
    pub struct SubmitJob {
        pub name: String,
        /// An image on the box; absent: the runtime image.
        #[serde(default)]
        pub image: Option<String>,
        /// `sha256:…` of an image that no registry has: what `image` was at submission. Drydock fills it in; with it given, exactly
        /// that image runs, or none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub image_id: Option<String>,
        /// Program and arguments; `{name}` stands for the parameter of that name.
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
        /// The queue it waits in; absent: `default`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub queue: Option<String>,
        /// The higher, the sooner among the jobs of its queue; 0 is usual, and a queue names its highest.
        #[serde(default)]
        pub priority: i32,
        #[serde(default)]
        pub retries: Retries,
        /// It can be stopped at any time and goes on from what it left in `/checkpoints`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub resume: Option<Resume>,
        /// Secrets of the project, given as files.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub secrets: Vec<SecretRef>,
        /// A folder as it was on the client, unpacked at `/workspace`; not together with `code`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub snapshot: Option<Snapshot>,
        /// `{name}` in the command, `DRYDOCK_PARAM_NAME` in the environment, parameters of its run.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub params: BTreeMap<String, String>,
        /// `DRYDOCK_SEED` and `PYTHONHASHSEED`; drawn at submission if absent, so that a rerun has the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub seed: Option<u64>,
        /// Whether a run is made for it; absent: yes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub tracked: Option<bool>,
    }

    /// How often a failed job is tried again, as Kubernetes' `backoffLimit`: after 10 s, 20 s, 40 s and so on, 6 minutes at most.
    #[derive(Eq, Copy)]
    #[serde(deny_unknown_fields, default)]
    pub struct Retries {
        /// 0 to 100: attempts after the first.
        pub limit: u32,
        /// The first pause.
        pub backoff_s: u32,
    }

    /// A job that may be stopped: it gets SIGTERM, and what it wrote to `/checkpoints` by then is there at its next attempt.
    #[derive(Eq, Copy)]
    #[serde(deny_unknown_fields, default)]
    pub struct Resume {
        /// From SIGTERM to SIGKILL, 1 to 600.
        pub grace_s: u32,
    }

    /// A secret of the project, read-only at `/run/secrets/{file}`.
    #[derive(Eq)]
    #[serde(deny_unknown_fields)]
    pub struct SecretRef {
        pub name: String,
        /// Absent: the secret's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub file: Option<String>,
    }

    /// A folder of code as one blob.
    #[derive(Eq)]
    #[serde(deny_unknown_fields)]
    pub struct Snapshot {
        /// SHA-256 of a `tar.zst`, an upload of the caller's.
        pub digest: String,
        /// Of the checkout it was made from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub git: Option<GitState>,
    }

    #[derive(Eq)]
    #[serde(deny_unknown_fields)]
    pub struct GitState {
        pub commit: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub branch: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub remote: Option<String>,
        /// There were changes that were not committed; they are in the snapshot.
        #[serde(default)]
        pub dirty: bool,
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
        /// Whole GPUs; with `gpu_memory_bytes`, 1.
        pub gpus: u32,
        /// A share of one GPU: so much of its memory.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub gpu_memory_bytes: Option<u64>,
        /// Of `/scratch`, `/outputs` and `/checkpoints` together, on disk; absent: `/scratch` is memory, the others get 4 GiB.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub disk_bytes: Option<u64>,
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

    /// A job in a list. `GET /api/v1/jobs?state=&search=&queue=&sweep=&page=&limit=` answers `Page<JobSummary>`.
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
        /// Name of its queue.
        #[serde(default)]
        pub queue: String,
        #[serde(default)]
        pub priority: i32,
        /// The sweep it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub sweep_id: Option<String>,
    }

    /// `GET /api/v1/jobs/{id}`. Its log is at `…/log` (text) and `…/log/stream` (server-sent events).
    pub struct JobDetail {
        pub summary: JobSummary,
        pub spec: SubmitJob,
        pub attempts: Vec<Attempt>,
        /// Runs that were made for it or that its containers logged.
        pub run_ids: Vec<String>,
        /// The job that it runs again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub parent_id: Option<String>,
        /// The jobs that run it again, oldest first.
        #[serde(default)]
        pub rerun_ids: Vec<String>,
    }

    pub struct Attempt {
        pub number: i64,
        pub state: JobState,
        pub started_at: Option<i64>,
        pub ended_at: Option<i64>,
        pub exit_code: Option<i64>,
        pub out_of_memory: bool,
        pub reason: Option<String>,
        /// Why it ended, in one word: exit, memory, disk, time, log, image, cancelled, preempted, reboot, gpu, vanished, docker.
        #[serde(default)]
        pub cause: Option<String>,
        /// The run that was made for it.
        #[serde(default)]
        pub run_id: Option<String>,
        /// `sha256:…`, as Docker had the image.
        #[serde(default)]
        pub image_id: Option<String>,
        #[serde(default)]
        pub peak_memory_bytes: Option<u64>,
        /// The GPUs it had.
        #[serde(default)]
        pub gpu_uuids: Vec<String>,
    }

    /// `POST /api/v1/jobs/{id}/rerun`: the same again as a new job.
    #[derive(Eq, Copy, Default)]
    #[serde(deny_unknown_fields, default)]
    pub struct Rerun {
        /// Same code, data, image (by its digest or id), environment and seed; refused when one of them is gone. Else the image's
        /// name is looked up anew and a new seed is drawn.
        pub exactly: bool,
    }

    /// `GET /api/v1/jobs/{id}/outputs?attempt=&folder=&deep=`: what an attempt left in `/outputs`. One file is at
    /// `…/outputs/file?attempt=&path=`, all of them as a tar archive at `…/outputs/archive?attempt=`.
    #[derive(Eq)]
    pub struct JobOutputs {
        pub attempt: i64,
        /// The run whose artifacts under `outputs/` they are; none: the job is not tracked.
        pub run_id: Option<String>,
        /// Of the folder: its files and folders by name; with `deep`, all files below it.
        pub entries: Vec<OutputEntry>,
        /// Of the whole attempt.
        pub file_count: u64,
        pub size_bytes: u64,
    }

    #[derive(Eq)]
    pub struct OutputEntry {
        /// Relative to `/outputs`.
        pub path: String,
        pub is_folder: bool,
        /// Of a folder: of all files below it.
        pub size_bytes: u64,
    }

    /// `POST /api/v1/jobs/{id}/outputs/dataset`: what an attempt left in `/outputs` as a new version of a dataset; no byte is copied.
    /// Answers `CreatedVersion`: 201, or 200 and the latest version when that has the very same content.
    #[derive(Default)]
    #[serde(deny_unknown_fields)]
    pub struct DatasetFromOutputs {
        /// The dataset's name.
        pub dataset: String,
        /// Makes the dataset if there is none of that name.
        #[serde(default)]
        pub create: bool,
        /// A folder of the outputs, or one file; empty: all of them.
        #[serde(default)]
        pub path: String,
        /// Absent: the last one.
        #[serde(default)]
        pub attempt: Option<i64>,
        #[serde(default)]
        pub message: String,
        /// The version to add to: a number, a tag or `latest`; absent: the files are the whole version.
        #[serde(default)]
        pub base_version: Option<String>,
        /// Folder of the version that the files go to; empty: its top.
        #[serde(default)]
        pub into: String,
    }

    /// One line of a log, as `data:` of a server-sent event named `line`. The event's id is `seq`; a client that reconnects
    /// with `Last-Event-ID` gets the lines after it. A final event named `end` says that no more will come.
    pub struct LogLine {
        pub seq: u64,
        pub at: i64,
        /// `stdout`, `stderr`, or `drydock` for what Drydock says between them: that lines are left out here.
        pub stream: String,
        pub text: String,
    }
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpus: 1.0, memory_bytes: 1 << 30, gpus: 0, gpu_memory_bytes: None, disk_bytes: None }
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self { limit: 0, backoff_s: 10 }
    }
}

impl Default for Resume {
    fn default() -> Self {
        Self { grace_s: 60 }
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
