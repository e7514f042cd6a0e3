//! States as people read them: a word, a colour for its meaning, a soft pulse while something goes on.

use drydock_wire::{
    builds::BuildState, datasets::ValidationState, demo::StepState, jobs::JobState, serving::DeploymentState,
};
use leptos::prelude::*;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    Neutral,
    Info,
    Good,
    Warn,
    Bad,
}

impl Tone {
    pub fn class(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Info => "info",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// What a pill shows.
#[derive(Clone, PartialEq, Debug)]
pub struct Status {
    pub tone: Tone,
    pub label: String,
    /// Something goes on: the dot pulses.
    pub live: bool,
}

impl Status {
    pub fn new(tone: Tone, label: &str) -> Self {
        Self { tone, label: label.to_owned(), live: false }
    }

    pub fn live(tone: Tone, label: &str) -> Self {
        Self { tone, label: label.to_owned(), live: true }
    }

    /// A run's status, as the tracking API words it.
    pub fn run(status: &str) -> Self {
        match status {
            "running" => Self::live(Tone::Info, "Running"),
            "finished" => Self::new(Tone::Good, "Finished"),
            "failed" => Self::new(Tone::Bad, "Failed"),
            "killed" => Self::new(Tone::Neutral, "Stopped"),
            "scheduled" => Self::new(Tone::Warn, "Scheduled"),
            other => Self::new(Tone::Neutral, other),
        }
    }

    /// A trace's or a span's status, as the API words it.
    pub fn trace(status: &str) -> Self {
        match status {
            "ok" => Self::new(Tone::Good, "OK"),
            "error" => Self::new(Tone::Bad, "Error"),
            "in_progress" => Self::live(Tone::Info, "In progress"),
            _ => Self::new(Tone::Neutral, "No status"),
        }
    }

    /// A revision's state, as the serving API words it.
    pub fn revision(state: &str) -> Self {
        match state {
            "starting" => Self::live(Tone::Info, "Starting"),
            "candidate" => Self::live(Tone::Info, "On trial"),
            "live" => Self::new(Tone::Good, "Live"),
            "warm" => Self::new(Tone::Neutral, "Kept warm"),
            "parked" => Self::live(Tone::Warn, "Made room"),
            "draining" => Self::live(Tone::Warn, "Draining"),
            "retired" => Self::new(Tone::Neutral, "Retired"),
            "failed" => Self::new(Tone::Bad, "Failed"),
            other => Self::new(Tone::Neutral, other),
        }
    }

    /// A release's state, as the serving API words it.
    pub fn release(state: &str) -> Self {
        match state {
            "starting" => Self::live(Tone::Info, "Starting"),
            "running" => Self::live(Tone::Info, "Running"),
            "waiting" => Self::new(Tone::Warn, "Waits for you"),
            "paused" => Self::new(Tone::Warn, "Paused"),
            "promoted" => Self::new(Tone::Good, "Promoted"),
            "rolled_back" => Self::new(Tone::Bad, "Rolled back"),
            "replaced" => Self::new(Tone::Neutral, "Replaced"),
            other => Self::new(Tone::Neutral, other),
        }
    }

    /// A model version's status, as the registry words it.
    pub fn model_version(status: &str) -> Self {
        match status {
            "ready" => Self::new(Tone::Good, "Ready"),
            "pending_registration" => Self::live(Tone::Info, "Registering"),
            "failed_registration" => Self::new(Tone::Bad, "Registration failed"),
            other => Self::new(Tone::Neutral, other),
        }
    }
}

impl From<JobState> for Status {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Queued => Self::new(Tone::Warn, "Queued"),
            JobState::Starting => Self::live(Tone::Info, "Starting"),
            JobState::Running => Self::live(Tone::Info, "Running"),
            JobState::Cancelling => Self::live(Tone::Warn, "Cancelling"),
            JobState::Succeeded => Self::new(Tone::Good, "Succeeded"),
            JobState::Failed => Self::new(Tone::Bad, "Failed"),
            JobState::Cancelled => Self::new(Tone::Neutral, "Cancelled"),
            JobState::Lost => Self::new(Tone::Bad, "Lost"),
        }
    }
}

impl From<BuildState> for Status {
    fn from(state: BuildState) -> Self {
        match state {
            BuildState::Queued => Self::new(Tone::Warn, "Queued"),
            BuildState::Running => Self::live(Tone::Info, "Building"),
            BuildState::Pushing => Self::live(Tone::Info, "Pushing"),
            BuildState::Succeeded => Self::new(Tone::Good, "Succeeded"),
            BuildState::Failed => Self::new(Tone::Bad, "Failed"),
            BuildState::Cancelled => Self::new(Tone::Neutral, "Cancelled"),
        }
    }
}

impl From<DeploymentState> for Status {
    fn from(state: DeploymentState) -> Self {
        match state {
            DeploymentState::Starting => Self::live(Tone::Info, "Starting"),
            DeploymentState::Ready => Self::new(Tone::Good, "Ready"),
            DeploymentState::Updating => Self::live(Tone::Info, "Updating"),
            DeploymentState::Failed => Self::new(Tone::Bad, "Failed"),
            DeploymentState::Deleting => Self::live(Tone::Neutral, "Deleting"),
        }
    }
}

impl From<ValidationState> for Status {
    fn from(state: ValidationState) -> Self {
        match state {
            ValidationState::Unchecked => Self::new(Tone::Neutral, "Not checked"),
            ValidationState::Passed => Self::new(Tone::Good, "Passed"),
            ValidationState::Failed => Self::new(Tone::Bad, "Failed"),
        }
    }
}

impl From<StepState> for Status {
    fn from(state: StepState) -> Self {
        match state {
            StepState::Waiting => Self::new(Tone::Neutral, "Waiting"),
            StepState::Running => Self::live(Tone::Info, "Running"),
            StepState::Done => Self::new(Tone::Good, "Done"),
            StepState::Failed => Self::new(Tone::Bad, "Failed"),
        }
    }
}

/// `<Pill status=job.state/>`, `<Pill status=Status::run(&run.status)/>`.
#[component]
pub fn Pill(#[prop(into)] status: Status) -> impl IntoView {
    view! {
        <span class=format!("pill {}", status.tone.class()) class:live=status.live><i aria-hidden="true"></i>{status.label}</span>
    }
}
