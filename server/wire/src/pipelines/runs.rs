//! Runs: their states, tries of tasks, questions to people, the grid, and what people ask of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{TaskShape, TriggerKind};

wire! {
    #[derive(Copy, Eq, Hash)]
    #[serde(rename_all = "snake_case")]
    pub enum RunState {
        /// For its turn.
        Waiting,
        Running,
        Succeeded,
        Failed,
        Cancelled,
        /// It came while another ran, and the pipeline skips such runs.
        Skipped,
    }

    /// What made a run.
    #[derive(Eq)]
    #[serde(tag = "by", rename_all = "snake_case")]
    pub enum RunCause {
        Person,
        Schedule { schedule: String, zone: String, due_at: i64 },
        /// The detail is null in answers where it is long.
        Trigger { kind: TriggerKind, subject: String, detail: Value },
    }

    /// A run in a list. `GET /api/v1/pipelines/{name}/runs?page=&limit=` and `GET /api/v1/pipeline-runs?state=&page=&limit=` answer
    /// `Page<PipelineRun>`, newest first.
    pub struct PipelineRun {
        pub id: String,
        pub pipeline: String,
        pub version: i64,
        /// 1, 2, 3 … of the pipeline.
        pub number: i64,
        pub state: RunState,
        /// In words: "waits for run 3", "good failed: holdout_accuracy is 0.91, at least 0.95 is asked".
        pub reason: Option<String>,
        pub cause: RunCause,
        /// In whose name.
        pub person: String,
        pub created_at: i64,
        pub started_at: Option<i64>,
        pub ended_at: Option<i64>,
        /// A task waits for a person.
        pub waits_for_person: bool,
    }

    /// `GET /api/v1/pipeline-runs/{id}`.
    pub struct PipelineRunDetail {
        pub run: PipelineRun,
        pub parameters: BTreeMap<String, Value>,
        /// The graph of the version that it runs.
        pub shapes: Vec<TaskShape>,
        /// Every try of every task, in the order of the YAML, then items, then tries.
        pub tasks: Vec<TaskRun>,
    }

    #[derive(Copy, Eq, Hash)]
    #[serde(rename_all = "snake_case")]
    pub enum TaskState {
        /// For what it needs, its turn, or a retry.
        Waiting,
        Running,
        WaitsForPerson,
        Succeeded,
        /// Its outputs were there already, of equal inputs.
        Cached,
        /// Its condition is not met, or what it needs was skipped.
        Skipped,
        Failed,
        /// What it needs failed, so that it never started.
        Blocked,
        Cancelled,
    }

    /// One try of a task, or of one item of a task that fans out.
    pub struct TaskRun {
        pub task: String,
        /// Absent: the task as a whole.
        pub item: Option<i64>,
        /// The item's value.
        pub value: Option<Value>,
        /// 1 for the first try.
        pub number: i64,
        /// A later try has taken its place.
        pub is_past: bool,
        pub state: TaskState,
        /// Why it is so: what it waits for, why it did not run, how it failed.
        pub reason: Option<String>,
        pub not_before: Option<i64>,
        pub started_at: Option<i64>,
        pub ended_at: Option<i64>,
        /// What it made or waits for, as a path of the dashboard: `/jobs/…`, `/models/…/3`, `/deployments/…`.
        pub link: Option<String>,
        /// The job, for its log.
        pub job_id: Option<String>,
        pub outputs: BTreeMap<String, Value>,
        /// Id of the run whose outputs these are.
        pub cached_from: Option<String>,
        pub approval: Option<ApprovalState>,
    }

    /// Of a task that waits, or waited, for a person.
    pub struct ApprovalState {
        /// The question.
        pub text: String,
        /// Who may answer: a role, or people by name.
        pub role: crate::accounts::Role,
        pub people: Vec<String>,
        /// The person in whose name the run goes may not answer.
        pub four_eyes: bool,
        /// Whether the asker of this request may.
        pub may_answer: bool,
        pub answer: Option<ApprovalAnswer>,
    }

    pub struct ApprovalAnswer {
        pub approved: bool,
        pub by: String,
        pub comment: String,
        pub at: i64,
    }

    /// `POST /api/v1/pipelines/{name}/runs`.
    #[derive(Default)]
    #[serde(deny_unknown_fields, default)]
    pub struct StartRun {
        pub parameters: BTreeMap<String, Value>,
        /// Of the pipeline; absent: the latest.
        pub version: Option<i64>,
    }

    /// `POST /api/v1/pipeline-runs/{id}/clear`: the task runs again, and with `downstream` everything that follows it.
    #[serde(deny_unknown_fields)]
    pub struct ClearTask {
        pub task: String,
        #[serde(default = "yes")]
        pub downstream: bool,
    }

    /// `POST /api/v1/pipeline-runs/{id}/rerun`: what failed, was cancelled or blocked runs again; what succeeded stays.
    #[derive(Default)]
    #[serde(deny_unknown_fields, default)]
    pub struct Rerun {
        /// Everything, not only what failed: a new run of the same version with the same parameters.
        pub all: bool,
    }

    /// `POST /api/v1/pipeline-runs/{id}/approvals`.
    #[serde(deny_unknown_fields)]
    pub struct AnswerApproval {
        pub task: String,
        /// Of a task that fans out.
        #[serde(default)]
        pub item: Option<i64>,
        pub approve: bool,
        #[serde(default)]
        pub comment: String,
    }

    /// `GET /api/v1/pipelines/{name}/grid?limit=`: runs × tasks, newest run first.
    pub struct PipelineGrid {
        /// Of the latest version; runs of older ones may have other tasks.
        pub tasks: Vec<TaskShape>,
        pub rows: Vec<GridRow>,
    }

    pub struct GridRow {
        pub run: PipelineRun,
        pub cells: Vec<GridCell>,
    }

    pub struct GridCell {
        pub task: String,
        pub state: TaskState,
        pub reason: Option<String>,
        pub started_at: Option<i64>,
        pub ended_at: Option<i64>,
        pub job_id: Option<String>,
    }

    /// `POST /api/v1/pipeline-events`: an alert or a finding of drift from outside; pipelines with such a trigger start.
    #[serde(deny_unknown_fields)]
    pub struct TellEvent {
        /// `alert` or `drift`.
        pub kind: TriggerKind,
        /// The alert's name, or the dataset or deployment that drifted.
        pub subject: String,
        #[serde(default)]
        pub detail: BTreeMap<String, Value>,
    }

    /// Answer of `POST /api/v1/pipeline-events` and `POST /api/v1/hooks/{id}` (202).
    pub struct EventTaken {
        /// Pipelines that have a trigger for it and are not paused.
        pub pipelines: Vec<String>,
    }
}

fn yes() -> bool {
    true
}

impl RunState {
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled, Self::Skipped];

    /// Whether it ended; a run that is cleared goes on all the same.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }

    /// The word in the database, in URLs and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    /// The state of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl TaskState {
    pub const ALL: [Self; 9] = [
        Self::Waiting,
        Self::Running,
        Self::WaitsForPerson,
        Self::Succeeded,
        Self::Cached,
        Self::Skipped,
        Self::Failed,
        Self::Blocked,
        Self::Cancelled,
    ];

    pub fn is_final(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running | Self::WaitsForPerson)
    }

    /// Whether it has outputs.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Succeeded | Self::Cached)
    }

    /// Whether the run fails for it.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Blocked | Self::Cancelled)
    }

    /// The word in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::WaitsForPerson => "waits_for_person",
            Self::Succeeded => "succeeded",
            Self::Cached => "cached",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}
