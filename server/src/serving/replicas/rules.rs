//! Pure decisions about one container of a revision: whether it gets requests, and when it is started again or ends.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::serving::rules::{CRASHES_AT_MOST, Container, DRAIN_AT_MOST, Run};

/// How far a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplicaState {
    /// Its container is wished running, or waits for a GPU; it has not answered yet.
    Starting,
    /// The gateway sends it requests.
    Ready,
    /// It runs but fails its readiness; it gets no requests.
    Unwell,
    /// Not wanted any more; finishes the requests it has.
    Draining,
    /// Its container is wished absent.
    Ending,
}

impl ReplicaState {
    const ALL: [Self; 5] = [Self::Starting, Self::Ready, Self::Unwell, Self::Draining, Self::Ending];

    /// The word kept in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Unwell => "unwell",
            Self::Draining => "draining",
            Self::Ending => "ending",
        }
    }

    /// The word people see.
    pub fn shown(self) -> &'static str {
        if self == Self::Draining { "ending" } else { self.as_str() }
    }

    /// The value of that word; anything else means that the database is not ours.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::internal(anyhow::anyhow!("unknown replica state '{text}'")))
    }

    /// Whether it is one of those that the revision wants.
    pub fn is_wanted(self) -> bool {
        matches!(self, Self::Starting | Self::Ready | Self::Unwell)
    }
}

/// What a replica's probes say of its present run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not asked yet, or not answered yet.
    Unknown,
    Well,
    /// It gets no requests; why.
    Unready(String),
    /// It is to be started again; why.
    Dead(String),
}

/// Everything a step depends on.
#[derive(Debug, Clone)]
pub struct Facts {
    pub state: ReplicaState,
    /// Its container is wished running; false while it waits for a GPU, or when it was stopped because of one.
    pub launched: bool,
    pub container: Container,
    /// The run that the gateway sends requests to.
    pub routed: Option<Run>,
    /// Of the run that `container` names.
    pub verdict: Verdict,
    pub in_flight: u64,
    /// Since this server first saw it draining.
    pub drained_for: Duration,
}

/// What to do about a replica now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Nothing,
    /// Wish its container running.
    Launch,
    /// It answers at this run: it gets requests.
    Route(Run),
    /// It gets no requests until it answers again; why.
    Unroute(ReplicaState, Option<String>),
    /// Start its container again; why.
    Restart(String),
    /// Wish its container absent.
    End,
    /// Its container is gone.
    Forget,
}

/// The one decision about a replica of a revision that serves or may come to.
pub fn next_step(facts: &Facts) -> Step {
    match facts.state {
        ReplicaState::Ending if facts.container == Container::Gone => Step::Forget,
        ReplicaState::Ending => Step::Nothing,
        ReplicaState::Draining if is_drained(facts) => Step::End,
        ReplicaState::Draining => Step::Nothing,
        ReplicaState::Ready if facts.launched => keep(facts),
        ReplicaState::Ready | ReplicaState::Unwell if !facts.launched => Step::Unroute(ReplicaState::Starting, None),
        _ if !facts.launched => Step::Launch,
        ReplicaState::Starting | ReplicaState::Ready | ReplicaState::Unwell => wait(facts),
    }
}

/// Why it is not to be waited for any more, in a revision that has never answered.
pub fn given_up(facts: &Facts) -> Option<String> {
    match (&facts.container, &facts.verdict) {
        _ if facts.state != ReplicaState::Starting => None,
        (Container::Ended { times, how }, _) if *times >= CRASHES_AT_MOST => {
            Some(format!("It ended {times} times before it answered, the last time with {how}."))
        }
        (Container::Refused { times, why }, _) if *times >= CRASHES_AT_MOST => Some(why.clone()),
        (Container::Running(_), Verdict::Dead(why)) => Some(why.clone()),
        _ => None,
    }
}

/// What a replica that does not answer waits for.
pub fn waits_for(container: &Container) -> Option<String> {
    match container {
        Container::Waiting(why) => why.clone(),
        Container::Refused { why, .. } => Some(why.clone()),
        Container::Ended { how, .. } => Some(format!("Starting again after {how}.")),
        Container::Running(_) | Container::Gone => None,
    }
}

fn is_drained(facts: &Facts) -> bool {
    let runs = matches!(facts.container, Container::Running(_));
    !runs || facts.in_flight == 0 || facts.drained_for >= DRAIN_AT_MOST
}

fn keep(facts: &Facts) -> Step {
    match (&facts.container, &facts.verdict) {
        (Container::Running(run), Verdict::Dead(why)) if facts.routed == Some(*run) => Step::Restart(why.clone()),
        (Container::Running(run), Verdict::Unready(why)) if facts.routed == Some(*run) => {
            Step::Unroute(ReplicaState::Unwell, Some(why.clone()))
        }
        (Container::Running(run), _) if facts.routed == Some(*run) => Step::Nothing,
        (other, _) => Step::Unroute(ReplicaState::Starting, waits_for(other)),
    }
}

fn wait(facts: &Facts) -> Step {
    match (&facts.container, &facts.verdict) {
        (Container::Running(run), Verdict::Well) => Step::Route(*run),
        (Container::Running(_), Verdict::Dead(why)) => Step::Restart(why.clone()),
        (Container::Running(_), _) => Step::Nothing,
        (other, _) if facts.state == ReplicaState::Unwell => Step::Unroute(ReplicaState::Starting, waits_for(other)),
        _ => Step::Nothing,
    }
}

/// What a revision wants more or fewer of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resize {
    Nothing,
    /// New ones with these numbers.
    Add(Vec<i64>),
    /// Those with these numbers drain.
    Drain(Vec<i64>),
    /// Those with these numbers drained, and are wanted again.
    Revive(Vec<i64>),
}

/// Makes as many as are wanted of those that are there. The youngest that do not answer go first, then the youngest.
pub fn resize(there: &[(i64, ReplicaState, bool)], wanted: usize) -> Resize {
    let mut of_use: Vec<_> = there.iter().filter(|(_, state, _)| state.is_wanted()).collect();
    if of_use.len() > wanted {
        of_use.sort_by_key(|(number, state, _)| (*state != ReplicaState::Ready, *number));
        return Resize::Drain(of_use[wanted..].iter().map(|(number, ..)| *number).collect());
    }
    let missing = wanted - of_use.len();
    if missing == 0 {
        return Resize::Nothing;
    }
    // one that still runs is quicker than a new one
    let drains = |one: &&(i64, ReplicaState, bool)| one.1 == ReplicaState::Draining && one.2;
    let revived: Vec<i64> = there.iter().filter(drains).map(|(number, ..)| *number).take(missing).collect();
    if !revived.is_empty() {
        return Resize::Revive(revived);
    }
    let is_free = |number: &i64| there.iter().all(|(taken, ..)| taken != number);
    Resize::Add((1..).filter(is_free).take(missing).collect())
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
