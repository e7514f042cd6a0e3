//! States, kinds and causes of pipelines as people read them.

use crate::ui::{Status, Tone};
use drydock_wire::pipelines::{
    CatchUp, PipelineRun, RunCause, RunState, StartWhen, TaskKind, TaskRun, TaskState, TriggerKind,
};

pub fn run_status(run: &PipelineRun) -> Status {
    match run.state {
        RunState::Running if run.waits_for_person => Status::live(Tone::Warn, "Waits for a person"),
        RunState::Waiting => Status::new(Tone::Warn, "Waiting"),
        RunState::Running => Status::live(Tone::Info, "Running"),
        RunState::Succeeded => Status::new(Tone::Good, "Succeeded"),
        RunState::Failed => Status::new(Tone::Bad, "Failed"),
        RunState::Cancelled => Status::new(Tone::Neutral, "Cancelled"),
        RunState::Skipped => Status::new(Tone::Neutral, "Skipped"),
    }
}

pub fn task_status(state: TaskState) -> Status {
    match state {
        TaskState::Waiting => Status::new(Tone::Neutral, "Waiting"),
        TaskState::Running => Status::live(Tone::Info, "Running"),
        TaskState::WaitsForPerson => Status::live(Tone::Warn, "Waits for a person"),
        TaskState::Succeeded => Status::new(Tone::Good, "Succeeded"),
        TaskState::Cached => Status::new(Tone::Good, "From the cache"),
        TaskState::Skipped => Status::new(Tone::Neutral, "Skipped"),
        TaskState::Failed => Status::new(Tone::Bad, "Failed"),
        TaskState::Blocked => Status::new(Tone::Warn, "Did not run"),
        TaskState::Cancelled => Status::new(Tone::Neutral, "Cancelled"),
    }
}

/// One letter for the grid, so that a state is told by more than its colour.
pub fn letter(state: TaskState) -> &'static str {
    match state {
        TaskState::Waiting => "·",
        TaskState::Running => "R",
        TaskState::WaitsForPerson => "?",
        TaskState::Succeeded => "S",
        TaskState::Cached => "C",
        TaskState::Skipped => "–",
        TaskState::Failed => "F",
        TaskState::Blocked => "B",
        TaskState::Cancelled => "X",
    }
}

pub fn kind_icon(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Job => "container",
        TaskKind::Validate => "list-checks",
        TaskKind::Gate => "gauge",
        TaskKind::Register => "box",
        TaskKind::Promote => "tag",
        TaskKind::Deploy => "rocket",
        TaskKind::Approval => "user",
        TaskKind::Notify => "bell",
    }
}

/// What made a run: "started by anna", "schedule nightly", "new version of wine".
pub fn cause(run: &PipelineRun) -> String {
    match &run.cause {
        RunCause::Person => format!("started by {}", run.person),
        RunCause::Schedule { schedule, .. } => format!("schedule {schedule}"),
        RunCause::Trigger { kind, subject, .. } => trigger(*kind, subject),
    }
}

pub fn trigger(kind: TriggerKind, subject: &str) -> String {
    match kind {
        TriggerKind::DatasetVersion => format!("new version of the dataset {subject}"),
        TriggerKind::Alert => format!("alert {subject}"),
        TriggerKind::Drift => format!("drift of {subject}"),
        TriggerKind::Pipeline => format!("end of the pipeline {subject}"),
        TriggerKind::Webhook => "webhook".to_owned(),
    }
}

pub fn catch_up(how: CatchUp) -> &'static str {
    match how {
        CatchUp::None => "what was missed stays missed",
        CatchUp::Last => "the last that was missed is made up for",
        CatchUp::All => "all that was missed is made up for",
    }
}

pub fn start_when(when: StartWhen) -> Option<&'static str> {
    match when {
        StartWhen::AllSucceeded => None,
        StartWhen::NoneFailed => Some("when nothing before it failed"),
        StartWhen::AnyFailed => Some("when something before it failed"),
        StartWhen::AllEnded => Some("when all before it ended, however"),
    }
}

/// The states of a task's items: "3 of 12 succeeded, 1 failed"; nothing where it does not fan out.
pub fn items(tasks: &[TaskRun], task: &str) -> Option<String> {
    let items: Vec<&TaskRun> = tasks.iter().filter(|t| t.task == task && t.item.is_some() && !t.is_past).collect();
    if items.is_empty() {
        return None;
    }
    let good = items.iter().filter(|t| t.state.is_good()).count();
    let bad = items.iter().filter(|t| t.state.is_bad()).count();
    let failed = if bad > 0 { format!(", {bad} failed") } else { String::new() };
    Some(format!("{good} of {}{failed}", items.len()))
}

/// The task as a whole, of its latest try.
pub fn whole<'a>(tasks: &'a [TaskRun], task: &str) -> Option<&'a TaskRun> {
    tasks.iter().find(|t| t.task == task && t.item.is_none() && !t.is_past)
}
