//! Versioned graphs of tasks, their runs, schedules and triggers.
//!
//! Routes: `GET|POST /api/v1/pipelines`, `POST …/pipelines/check`, `GET|PATCH|DELETE …/pipelines/{name}`, `GET …/{name}/yaml`,
//! `GET|POST …/{name}/runs`, `GET …/{name}/grid`, `POST …/{name}/schedules`,
//! `PATCH|DELETE …/{name}/schedules/{id}`, `POST …/pipeline-schedule-preview`, `GET …/pipeline-runs`, `GET …/pipeline-runs/{id}`,
//! `POST …/pipeline-runs/{id}/cancel`, `…/clear`, `…/rerun`, `…/approvals`, `POST …/pipeline-events`, `POST /api/v1/hooks/{id}`.

mod runs;

use std::collections::BTreeMap;

use serde_json::Value;

pub use runs::*;

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
        /// It was added beside the YAML, and so no apply removes it.
        #[serde(default)]
        pub by_hand: bool,
    }

    /// `POST /api/v1/pipelines/{name}/schedules` answers the `PipelineDetail` (201). The YAML stays as it is, and so does the schedule
    /// whatever is applied later, unless that has one of the same name. `DELETE …/schedules/{id}` removes one; one of the YAML comes
    /// again with an apply whose `schedules` differ from those of the version before.
    #[serde(deny_unknown_fields)]
    pub struct CreateSchedule {
        /// Of this pipeline; no other of its schedules has it.
        pub name: String,
        /// Five fields: minute, hour, day, month, weekday.
        pub cron: String,
        /// `Europe/Berlin`.
        pub zone: String,
        pub catch_up: CatchUp,
        /// Instead of the pipeline's defaults; one without a default must be here.
        #[serde(default)]
        pub parameters: BTreeMap<String, Value>,
        #[serde(default)]
        pub paused: bool,
    }

    /// `PATCH /api/v1/pipelines/{name}/schedules/{id}`. What is absent stays. An edit holds until an apply whose `schedules` differ
    /// from those of the version before.
    #[derive(Default)]
    #[serde(deny_unknown_fields, default)]
    pub struct UpdateSchedule {
        pub cron: Option<String>,
        pub zone: Option<String>,
        pub catch_up: Option<CatchUp>,
        /// A pause is not made up for.
        pub paused: Option<bool>,
        /// All of them: those that are not here have the pipeline's defaults.
        pub parameters: Option<BTreeMap<String, Value>>,
    }

    /// `POST /api/v1/pipeline-schedule-preview`: when a schedule would run. 200 whether it can be one or not; nothing is kept.
    #[derive(Eq)]
    #[serde(deny_unknown_fields)]
    pub struct PreviewSchedule {
        /// Five fields: minute, hour, day, month, weekday.
        pub cron: String,
        /// `Europe/Berlin`.
        pub zone: String,
    }

    #[derive(Eq, Default)]
    pub struct SchedulePreview {
        /// The cron in words.
        pub words: Option<String>,
        /// The next five; empty where something is wrong.
        pub next: Vec<PreviewedTime>,
        /// What is wrong with the cron: it cannot be read, or it names no day that there is.
        pub cron_fault: Option<String>,
        pub zone_fault: Option<String>,
    }

    #[derive(Eq)]
    pub struct PreviewedTime {
        pub at: i64,
        /// As the clocks of the zone show it, with what they are ahead of UTC: `2026-11-26T03:00:00+01:00`.
        pub local: String,
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
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { most: 1, when_busy: WhenBusy::Wait }
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
