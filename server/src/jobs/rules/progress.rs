//! What the state of a job's container means for the job.

use drydock_wire::jobs::JobState;

use crate::workloads::{Observed, Phase, ending};

/// All that a step depends on.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    pub cancel_requested_at: Option<i64>,
    pub timed_out: bool,
    pub timeout_s: Option<u64>,
    pub memory_bytes: u64,
    /// How long the container has run, on a clock that does not jump.
    pub ran_ms: i64,
    /// Absent: the workload's rows are not there.
    pub observed: Option<&'a Observed>,
}

/// How an attempt, and with it its job, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub state: JobState,
    pub reason: Option<String>,
    pub out_of_memory: bool,
}

/// What to do about a job now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing but to show this.
    Show {
        state: JobState,
        reason: Option<String>,
    },
    /// Its time is up: stop the container.
    TimeOut {
        reason: String,
    },
    End(End),
}

/// The next step of an admitted job that has not ended.
pub fn step(facts: &Facts<'_>) -> Step {
    let Some(observed) = facts.observed else {
        return end(facts, JobState::Lost, Some("Nothing is known about its container.".into()), false);
    };
    match observed.phase {
        Phase::Pending if facts.cancel_requested_at.is_some() => end(facts, JobState::Cancelled, None, false),
        Phase::Pending if observed.message.is_some() => show(facts, JobState::Queued, observed.message.clone()),
        Phase::Pending | Phase::Creating | Phase::Starting => show(facts, JobState::Starting, None),
        Phase::Running if is_late(facts) => Step::TimeOut { reason: timeout_text(facts) },
        Phase::Running | Phase::Stopping => show(facts, JobState::Running, None),
        Phase::Exited => exited(facts, observed),
        Phase::Refused => end(facts, JobState::Failed, observed.message.clone(), false),
        Phase::Vanished | Phase::Gone => {
            end(facts, JobState::Lost, Some("The container vanished; nothing is known about its end.".into()), false)
        }
    }
}

fn exited(facts: &Facts<'_>, observed: &Observed) -> Step {
    let ended_before = facts.cancel_requested_at.zip(observed.finished_at).is_some_and(|(asked, ended)| ended <= asked);
    let by_itself = !facts.timed_out && (facts.cancel_requested_at.is_none() || ended_before);
    let well = observed.exit_code == Some(0);
    if by_itself && well {
        return Step::End(End { state: JobState::Succeeded, reason: None, out_of_memory: false });
    }
    let reason = ending(observed, facts.memory_bytes).or_else(|| Some("ended without an exit code".into()));
    end(facts, JobState::Failed, reason, observed.oom_killed && !well)
}

/// Whatever its container did in the end, a job that was cancelled is cancelled, and one whose time was up failed of that.
fn end(facts: &Facts<'_>, state: JobState, reason: Option<String>, out_of_memory: bool) -> Step {
    Step::End(if facts.cancel_requested_at.is_some() {
        End { state: JobState::Cancelled, reason: None, out_of_memory: false }
    } else if facts.timed_out {
        End { state: JobState::Failed, reason: Some(timeout_text(facts)), out_of_memory: false }
    } else {
        End { state, reason, out_of_memory }
    })
}

fn show(facts: &Facts<'_>, state: JobState, reason: Option<String>) -> Step {
    if facts.cancel_requested_at.is_some() {
        return Step::Show { state: JobState::Cancelling, reason: None };
    }
    let reason = if facts.timed_out { Some(timeout_text(facts)) } else { reason };
    Step::Show { state, reason }
}

fn is_late(facts: &Facts<'_>) -> bool {
    let limit_ms = facts.timeout_s.and_then(|seconds| i64::try_from(seconds.saturating_mul(1000)).ok());
    !facts.timed_out && facts.cancel_requested_at.is_none() && limit_ms.is_some_and(|limit| facts.ran_ms >= limit)
}

fn timeout_text(facts: &Facts<'_>) -> String {
    format!("timed out after {} s", facts.timeout_s.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use insta::assert_snapshot;

    use super::*;

    fn seen(phase: Phase) -> Observed {
        let ended = phase == Phase::Exited;
        Observed { phase, exit_code: ended.then_some(0), finished_at: ended.then_some(100), ..Observed::pending(1) }
    }

    fn facts(observed: &Observed) -> Facts<'_> {
        Facts {
            cancel_requested_at: None,
            timed_out: false,
            timeout_s: Some(60),
            memory_bytes: 512 << 20,
            ran_ms: 1000,
            observed: Some(observed),
        }
    }

    fn told(facts: &Facts<'_>) -> String {
        let (verb, state, reason) = match step(facts) {
            Step::Show { state, reason } => ("show", state, reason),
            Step::TimeOut { reason } => ("stop", JobState::Running, Some(reason)),
            Step::End(end) => (if end.out_of_memory { "end (oom)" } else { "end" }, end.state, end.reason),
        };
        format!("{verb} {} {}", state.as_str(), reason.unwrap_or_default()).trim_end().to_owned()
    }

    #[test]
    fn a_job_shows_how_far_its_container_is() {
        let waiting = Observed { message: Some("waiting for Docker".into()), ..seen(Phase::Pending) };
        assert_snapshot!(told(&facts(&waiting)), @"show queued waiting for Docker");
        assert_snapshot!(told(&facts(&seen(Phase::Creating))), @"show starting");
        assert_snapshot!(told(&facts(&seen(Phase::Starting))), @"show starting");
        assert_snapshot!(told(&facts(&seen(Phase::Running))), @"show running");
    }

    #[test]
    fn an_exit_is_named_by_its_cause() {
        assert_snapshot!(told(&facts(&seen(Phase::Exited))), @"end succeeded");
        let failed = Observed { exit_code: Some(3), ..seen(Phase::Exited) };
        assert_snapshot!(told(&facts(&failed)), @"end failed exit code 3");
        let oom = Observed { exit_code: Some(137), oom_killed: true, ..seen(Phase::Exited) };
        assert_snapshot!(told(&facts(&oom)), @"end (oom) failed out of memory: limit 512 MiB");
        let refused = Observed { message: Some("The image a:1 is not on this box.".into()), ..seen(Phase::Refused) };
        assert_snapshot!(told(&facts(&refused)), @"end failed The image a:1 is not on this box.");
    }

    #[test]
    fn a_vanished_container_makes_the_job_lost() {
        assert_snapshot!(told(&facts(&seen(Phase::Vanished))), @"end lost The container vanished; nothing is known about its end.");
        assert_snapshot!(told(&Facts { observed: None, ..facts(&seen(Phase::Vanished)) }), @"end lost Nothing is known about its container.");
    }

    #[test]
    fn a_cancelled_job_is_cancelled_however_its_container_ended() {
        let cancelled = |phase, code| {
            let observed = Observed { exit_code: code, ..seen(phase) };
            told(&Facts { cancel_requested_at: Some(50), ..facts(&observed) })
        };
        assert_snapshot!(cancelled(Phase::Pending, None), @"end cancelled");
        assert_snapshot!(cancelled(Phase::Creating, None), @"show cancelling");
        assert_snapshot!(cancelled(Phase::Stopping, None), @"show cancelling");
        assert_snapshot!(cancelled(Phase::Exited, Some(143)), @"end cancelled");
        assert_snapshot!(cancelled(Phase::Vanished, None), @"end cancelled");
    }

    #[test]
    fn a_job_that_had_succeeded_before_it_was_cancelled_succeeded() {
        let observed = seen(Phase::Exited);
        assert_snapshot!(told(&Facts { cancel_requested_at: Some(100), ..facts(&observed) }), @"end succeeded");
        assert_snapshot!(told(&Facts { cancel_requested_at: Some(99), ..facts(&observed) }), @"end cancelled");
    }

    #[test]
    fn time_that_is_up_stops_the_job_once_and_fails_it() {
        let running = seen(Phase::Running);
        let late = Facts { ran_ms: 60_000, ..facts(&running) };
        assert_snapshot!(told(&late), @"stop running timed out after 60 s");
        assert_snapshot!(told(&Facts { timed_out: true, ..late }), @"show running timed out after 60 s");
        let exited = seen(Phase::Exited);
        assert_snapshot!(told(&Facts { timed_out: true, ..facts(&exited) }), @"end failed timed out after 60 s");
    }
}
