//! Versioned graphs of tasks, their runs, schedules and triggers.
//!
//! Routes: `GET|POST /api/v1/pipelines`, `POST …/pipelines/check`, `GET|PATCH|DELETE …/pipelines/{name}`, `GET …/{name}/yaml`,
//! `GET|POST …/{name}/runs`, `GET …/{name}/grid`, `PATCH …/{name}/schedules/{id}`, `GET …/pipeline-runs`, `GET …/pipeline-runs/{id}`,
//! `POST …/pipeline-runs/{id}/{cancel,clear,rerun}`, `POST …/pipeline-runs/{id}/approvals`, `POST …/pipeline-events`,
//! `POST /api/v1/hooks/{id}`.

use std::collections::BTreeMap;

use serde_json::Value;

wire! {
    /// `POST /api/v1/pipelines` and `POST /api/v1/pipelines/check`. The name stands in the YAML.
    #[serde(deny_unknown_fields)]
    pub struct ApplyPipeline {
        pub yaml: String,
    }

    /// What is wrong with a pipeline's YAML.
    #[derive(Eq)]
    pub struct Problem {
        /// 1 is the first line; absent where no line is to blame.
        pub line: Option<u32>,
        pub message: String,
    }

    /// `POST /api/v1/pipelines/check`: 200 whether it is good or not.
    pub struct PipelineCheck {
        /// Empty: it can be applied.
        pub problems: Vec<Problem>,
        pub name: Option<String>,
        /// For the graph, as far as it could be read.
        pub tasks: Vec<TaskShape>,
    }

    /// Answer of `POST /api/v1/pipelines`: 201 with a new version, 200 when nothing changed.
    pub struct AppliedPipeline {
        pub created: bool,
        pub pipeline: PipelineDetail,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum TaskKind {
        Job,
        Validate,
        Gate,
        Register,
        Promote,
        Deploy,
        Approval,
        Notify,
    }

    /// When a task starts, by how the tasks that it needs ended; Airflow calls it the trigger rule.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum StartWhen {
        /// All succeeded.
        #[default]
        AllSucceeded,
        /// Each succeeded or was skipped.
        NoneFailed,
        /// One at least failed.
        AnyFailed,
        /// All ended, however.
        AllEnded,
    }

    /// A task as the YAML has it, for the graph.
    pub struct TaskShape {
        pub name: String,
        pub kind: TaskKind,
        pub needs: Vec<String>,
        pub start_when: StartWhen,
        /// A condition on parameters and outputs; not met: the task is skipped.
        pub when: Option<String>,
        /// It runs once for each item of a list.
        pub fans_out: bool,
        pub cache: bool,
        pub retries: u32,
        pub timeout_s: Option<u64>,
        /// Line of the YAML.
        pub line: Option<u32>,
        /// What it does, in a few words: `python3 /workspace/train.py`, `breast-cancer@latest`.
        pub what: String,
    }

    /// `GET /api/v1/pipelines?search=` answers `Page<PipelineSummary>`, by name.
    pub struct PipelineSummary {
        pub name: String,
        pub description: String,
        pub version: i64,
        pub task_count: u32,
        /// Neither schedules nor triggers start runs; what falls into a pause is not made up for.
        pub paused: bool,
        pub created_at: i64,
        pub updated_at: i64,
        pub updated_by: String,
        /// Of all its schedules.
        pub next_due_at: Option<i64>,
        /// Newest first, at most ten.
        pub last_runs: Vec<PipelineRun>,
    }

    /// `GET /api/v1/pipelines/{name}?version=`. The YAML as text: `…/yaml`.
    pub struct PipelineDetail {
        pub summary: PipelineSummary,
        /// Of the version that was asked for; absent in the question: the latest.
        pub version: i64,
        pub yaml: String,
        pub tasks: Vec<TaskShape>,
        /// With their defaults; null: must be given.
        pub parameters: BTreeMap<String, Value>,
        pub concurrency: Concurrency,
        pub timeout_s: Option<u64>,
        pub schedules: Vec<Schedule>,
        pub triggers: Vec<Trigger>,
        /// Newest first.
        pub versions: Vec<PipelineVersion>,
    }

    pub struct PipelineVersion {
        pub version: i64,
        pub author: String,
        pub created_at: i64,
    }

    /// How many runs of a pipeline go at once, and what comes of one more.
    #[derive(Copy, Eq)]
    #[serde(deny_unknown_fields, default)]
    pub struct Concurrency {
        pub most: u32,
        pub when_busy: WhenBusy,
    }

    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum WhenBusy {
        #[default]
        Wait,
        Skip,
        CancelOlder,
    }

    /// What becomes of instants that fell into a time when the box was off. There is no default: it must be said.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum CatchUp {
        None,
        /// The newest of them.
        Last,
        /// Each, the oldest first; at most a hundred.
        All,
    }

    pub struct Schedule {
        pub id: String,
        pub name: String,
        /// Five fields: minute, hour, day, month, weekday.
        pub cron: String,
        /// The cron in words.
        pub words: String,
        /// `Europe/Berlin`.
        pub zone: String,
        pub catch_up: CatchUp,
        pub paused: bool,
        /// In whose name its runs go.
        pub by: String,
        /// The next five instants, whether paused or not.
        pub next: Vec<i64>,
        pub parameters: BTreeMap<String, Value>,
    }

    /// `PATCH /api/v1/pipelines/{name}/schedules/{id}`. What is absent stays. An edit holds until an apply whose `schedules` differ
    /// from those of the version before.
    #[derive(Default)]
    #[serde(deny_unknown_fields, default)]
    pub struct UpdateSchedule {
        pub cron: Option<String>,
        pub zone: Option<String>,
        pub catch_up: Option<CatchUp>,
        pub paused: Option<bool>,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum TriggerKind {
        DatasetVersion,
        Alert,
        Drift,
        Pipeline,
        Webhook,
    }

    pub struct Trigger {
        pub id: String,
        pub kind: TriggerKind,
        /// The dataset, the alert's or deployment's name, the other pipeline; empty for a webhook.
        pub subject: String,
        /// How the other pipeline must have ended.
        pub state: Option<RunState>,
        /// Path of a webhook: `/api/v1/hooks/{id}`. Its token is told once, when the trigger is made.
        pub hook: Option<String>,
        /// Only in the answer that made it, and after `POST …/triggers/{id}/token`.
        pub token: Option<String>,
        pub by: String,
    }

    /// `PATCH /api/v1/pipelines/{name}`.
    #[derive(Default)]
    #[serde(deny_unknown_fields, default)]
    pub struct UpdatePipeline {
        pub paused: Option<bool>,
    }

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
        Schedule { schedule: String, due_at: i64 },
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

impl Default for Concurrency {
    fn default() -> Self {
        Self { most: 1, when_busy: WhenBusy::Wait }
    }
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

impl TaskKind {
    /// The word in the YAML.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Validate => "validate",
            Self::Gate => "gate",
            Self::Register => "register",
            Self::Promote => "promote",
            Self::Deploy => "deploy",
            Self::Approval => "approval",
            Self::Notify => "notify",
        }
    }
}
