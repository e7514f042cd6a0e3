//! Pure decisions: what a revision's next step is, given what is known of it, and what people are told.
//!
//! Half-done states have names (`placing`, `waiting`, `draining`, `yielding`, `retiring`, `failing`), so a crash in the middle of a step is just a
//! state that the next pass finds. An old revision leaves the gateway only in the transaction that brings in the new one; in a
//! swap (`recreate`) it steps aside first, and `swap` says how.

use std::net::SocketAddr;
use std::time::Duration;

use drydock_wire::serving::DeploymentState;

pub use super::swap::rules::{Kin, Swap};
use crate::error::{Error, Result};

/// How long a replaced revision may still work on the requests it has.
pub const DRAIN_AT_MOST: Duration = Duration::from_secs(30);
/// A revision that ended this often before it ever answered has failed.
pub const CRASHES_AT_MOST: i64 = 3;

/// How far a revision is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevisionState {
    /// Its model's files are being put where the container will see them.
    Placing,
    /// Placed; it starts when the revision before it has stepped aside.
    Waiting,
    /// Its container is wished running; it has not answered yet.
    Starting,
    /// It answers, and its release is under way: it gets what the release gives it.
    Candidate,
    /// The gateway sends it requests while it is well.
    Live,
    /// Steps aside for one that waits: gets no more requests and finishes those it has.
    Yielding,
    /// Steps aside: its container is wished absent.
    Stopping,
    /// Stepped aside: it holds nothing but its files, and comes back where the next one fails.
    Parked,
    /// Came back: its container is wished running again, and has not answered yet.
    Returning,
    /// Replaced, but kept running for a while, so that one can switch back at once.
    Warm,
    /// Replaced; finishes the requests it has.
    Draining,
    /// As `Draining`, of a candidate that its release rolled back.
    Withdrawing,
    /// Its container is wished absent and its files are to be removed.
    Retiring,
    Retired,
    /// As `Retiring`, after it failed.
    Failing,
    Failed,
}

impl RevisionState {
    pub const ALL: [Self; 16] = [
        Self::Placing,
        Self::Waiting,
        Self::Starting,
        Self::Candidate,
        Self::Live,
        Self::Yielding,
        Self::Stopping,
        Self::Parked,
        Self::Returning,
        Self::Warm,
        Self::Draining,
        Self::Withdrawing,
        Self::Retiring,
        Self::Retired,
        Self::Failing,
        Self::Failed,
    ];

    /// The word kept in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Placing => "placing",
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Candidate => "candidate",
            Self::Live => "live",
            Self::Yielding => "yielding",
            Self::Stopping => "stopping",
            Self::Parked => "parked",
            Self::Returning => "returning",
            Self::Warm => "warm",
            Self::Draining => "draining",
            Self::Withdrawing => "withdrawing",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
            Self::Failing => "failing",
            Self::Failed => "failed",
        }
    }

    /// The word people see.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Placing | Self::Waiting | Self::Starting | Self::Returning => "starting",
            Self::Candidate => "candidate",
            Self::Live => "live",
            Self::Stopping | Self::Parked => "parked",
            Self::Warm => "warm",
            Self::Draining | Self::Withdrawing | Self::Yielding => "draining",
            Self::Retiring | Self::Retired => "retired",
            Self::Failing | Self::Failed => "failed",
        }
    }

    /// The value of that word; anything else means that the database is not ours.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::internal(anyhow::anyhow!("unknown revision state '{text}'")))
    }

    /// Whether it will never change again.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Retired | Self::Failed)
    }

    /// Whether it serves or may come to.
    pub fn is_hopeful(self) -> bool {
        matches!(self, Self::Placing | Self::Waiting | Self::Starting | Self::Candidate | Self::Live | Self::Returning)
    }

    /// Whether its replicas are looked after one by one.
    pub fn has_replicas(self) -> bool {
        matches!(self, Self::Starting | Self::Candidate | Self::Live | Self::Returning | Self::Warm)
    }

    /// Whether it may have containers, and GPUs with them.
    pub fn holds(self) -> bool {
        !matches!(self, Self::Placing | Self::Waiting | Self::Parked | Self::Retired | Self::Failed)
    }

    /// Whether it was live, and is on its way out of a swap or back.
    pub fn is_aside(self) -> bool {
        matches!(self, Self::Yielding | Self::Stopping | Self::Parked | Self::Returning)
    }

    /// Whether the gateway may know its address.
    pub fn is_routed(self) -> bool {
        matches!(self, Self::Candidate | Self::Live | Self::Warm)
    }
}

/// What was last seen of a revision's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Container {
    /// None, and none is wished.
    Gone,
    /// On its way; the text says what it waits for.
    Waiting(Option<String>),
    /// Docker would not make or start it, so often and for this reason; it is tried again after a pause.
    Refused {
        times: i64,
        why: String,
    },
    Running(Run),
    /// Ended by itself, so often and for this reason; it is started again after a pause.
    Ended {
        times: i64,
        how: String,
    },
}

/// One run of a container: a restart has the same address perhaps, but not the same start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub address: SocketAddr,
    pub started_at: i64,
}

/// A revision's containers together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Crew {
    /// So many are wanted now.
    pub wanted: usize,
    /// So many answer.
    pub ready: usize,
    /// Where the first of those is.
    pub answering: Option<Run>,
    /// So many are not to be waited for any more.
    pub hopeless: usize,
    /// Why the first of those is not.
    pub given_up: Option<String>,
    /// None is left.
    pub gone: bool,
}

/// Everything a step depends on.
#[derive(Debug, Clone)]
pub struct Facts {
    pub state: RevisionState,
    /// It is the revision that was asked for last.
    pub is_goal: bool,
    /// The deployment is to go away.
    pub deleting: bool,
    pub crew: Crew,
    /// Since this server first saw a container on its way.
    pub waited: Duration,
    pub ready_within: Duration,
    pub in_flight: u64,
    /// Since this server first saw it draining.
    pub drained_for: Duration,
    /// It is kept running for no longer.
    pub warm_is_over: bool,
    pub kin: Kin,
}

/// What to do about a revision now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Nothing,
    /// Put the model's files down, then wish the container running.
    Place,
    /// The revision before it has ended: wish its container running.
    Start,
    /// It gets no more requests, to make room.
    Yield,
    /// Nothing is left to answer: wish its container absent, and keep its files.
    Stop,
    /// Its container is gone: what it held goes to the one that waits, in the same transaction.
    Park,
    /// It is wanted again.
    Return,
    /// It came back and serves again, or is looked after like any other that serves.
    Resume,
    /// It answers: make it live here and the one before it draining, in one transaction; or a candidate, if a release says so.
    Promote(Run),
    /// It is no longer wanted but still has requests.
    Drain,
    /// Wish its container absent.
    Retire,
    /// As `Retire`, and say why.
    Fail(String),
    /// As `Fail`; why is said already.
    Withdraw,
    /// Its container is gone: remove its files.
    Finish,
}

/// The one decision about a revision.
pub fn next_step(facts: &Facts) -> Step {
    let unwanted = facts.deleting || !facts.is_goal;
    match facts.state {
        RevisionState::Placing | RevisionState::Waiting | RevisionState::Starting if unwanted => Step::Retire,
        RevisionState::Placing => Step::Place,
        RevisionState::Waiting if facts.kin.may_start => Step::Start,
        RevisionState::Starting => start(facts),
        RevisionState::Candidate if unwanted => Step::Drain,
        RevisionState::Live | RevisionState::Warm if facts.deleting => Step::Drain,
        RevisionState::Live if facts.kin.swap == Swap::StepAside => Step::Yield,
        RevisionState::Yielding | RevisionState::Stopping | RevisionState::Parked | RevisionState::Returning => {
            aside(facts)
        }
        RevisionState::Warm if facts.kin.swap == Swap::StepAside => Step::Drain,
        RevisionState::Warm if facts.warm_is_over || facts.crew.ready == 0 => Step::Drain,
        RevisionState::Warm => Step::Nothing,
        // its replicas are looked after one by one
        RevisionState::Waiting | RevisionState::Candidate | RevisionState::Live => Step::Nothing,
        RevisionState::Draining if is_drained(facts) => Step::Retire,
        RevisionState::Withdrawing if is_drained(facts) => Step::Withdraw,
        RevisionState::Retiring | RevisionState::Failing if facts.crew.gone => Step::Finish,
        RevisionState::Draining | RevisionState::Withdrawing => Step::Nothing,
        RevisionState::Retiring | RevisionState::Failing => Step::Nothing,
        RevisionState::Retired | RevisionState::Failed => Step::Nothing,
    }
}

/// Of one that steps aside for another, or comes back.
fn aside(facts: &Facts) -> Step {
    let swap = facts.kin.swap;
    match facts.state {
        RevisionState::Yielding | RevisionState::Returning if facts.deleting => Step::Drain,
        RevisionState::Yielding if swap == Swap::ComeBack => Step::Return,
        RevisionState::Yielding if is_drained(facts) => Step::Stop,
        RevisionState::Stopping if facts.crew.gone => Step::Park,
        RevisionState::Parked if facts.deleting || swap == Swap::Superseded => Step::Retire,
        RevisionState::Parked if facts.kin.may_return => Step::Return,
        RevisionState::Returning if swap == Swap::StepAside => Step::Yield,
        RevisionState::Returning if is_back(facts) => Step::Resume,
        _ => Step::Nothing,
    }
}

/// One that cannot answer is live too: it is started again and again, and its requests are told at once.
fn is_back(facts: &Facts) -> bool {
    facts.crew.answering.is_some() || facts.crew.given_up.is_some() || facts.waited >= facts.ready_within
}

fn is_drained(facts: &Facts) -> bool {
    facts.in_flight == 0 || facts.drained_for >= DRAIN_AT_MOST
}

/// All that are wanted are waited for; once that is over, one that answers is enough.
fn start(facts: &Facts) -> Step {
    let crew = &facts.crew;
    let in_time = facts.waited < facts.ready_within;
    match (crew.answering, &crew.given_up) {
        (Some(run), _) if crew.ready + crew.hopeless >= crew.wanted || !in_time => Step::Promote(run),
        (None, Some(why)) => Step::Fail(why.clone()),
        _ if in_time => Step::Nothing,
        _ => Step::Fail(format!("It did not answer within {} seconds.", facts.ready_within.as_secs())),
    }
}

/// What a deployment's state is made of.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    pub deleting: bool,
    /// The revision that was asked for last, with its reason.
    pub goal: RevisionState,
    pub goal_reason: Option<&'a str>,
    /// Whether the goal gets requests.
    pub goal_is_routed: bool,
    /// It has no replicas on purpose, until somebody asks.
    pub goal_rests: bool,
    /// Whether another revision is live, or was until it stepped aside.
    pub other_is_live: bool,
}

/// The deployment's state and its reason, as people read them.
pub fn deployment_state(standing: Standing<'_>) -> (DeploymentState, Option<String>) {
    let reason = standing.goal_reason.map(str::to_owned);
    let state = match standing.goal {
        _ if standing.deleting => return (DeploymentState::Deleting, None),
        RevisionState::Live if standing.goal_is_routed => return (DeploymentState::Ready, None),
        RevisionState::Live if standing.goal_rests => {
            let rests = "It rests without a replica until the next request wakes it.";
            return (DeploymentState::Ready, Some(rests.to_owned()));
        }
        RevisionState::Withdrawing | RevisionState::Failing | RevisionState::Failed => DeploymentState::Failed,
        _ if standing.other_is_live => DeploymentState::Updating,
        _ => DeploymentState::Starting,
    };
    (state, reason)
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
