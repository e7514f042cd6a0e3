//! What the state of a job's container means for the job.

use drydock_wire::jobs::JobState;

use super::{Cause, causes};
use crate::workloads::{Observed, Phase, Stop};

/// All that a step depends on.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    pub cancel_requested_at: Option<i64>,
    pub timed_out: bool,
    /// Its own limit, else its queue's.
    pub timeout_s: Option<u64>,
    pub memory_bytes: u64,
    /// The most that was measured.
    pub peak_memory_bytes: Option<u64>,
    /// How long the container has run, on a clock that does not jump.
    pub ran_ms: i64,
    /// Absent: the workload's rows are not there.
    pub observed: Option<&'a Observed>,
    /// Why somebody had it stopped.
    pub stop: Option<&'a Stop>,
    /// It was admitted before the box was started last.
    pub rebooted: bool,
}

/// How an attempt ended, and its job if nothing follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub state: JobState,
    pub reason: Option<String>,
    /// None: it succeeded.
    pub cause: Option<Cause>,
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
        return end(facts, JobState::Lost, Cause::Vanished, "Nothing is known about its container.".into());
    };
    match observed.phase {
        Phase::Pending if facts.cancel_requested_at.is_some() => {
            end(facts, JobState::Cancelled, Cause::Cancelled, String::new())
        }
        Phase::Pending if facts.stop.is_some() => stopped(facts, observed),
        Phase::Pending if observed.message.is_some() => show(facts, JobState::Queued, observed.message.clone()),
        Phase::Pending | Phase::Creating | Phase::Starting => show(facts, JobState::Starting, None),
        Phase::Running if is_late(facts) => Step::TimeOut { reason: timeout_text(facts) },
        Phase::Running | Phase::Stopping => show(facts, JobState::Running, facts.stop.map(|stop| stop.words.clone())),
        Phase::Exited => exited(facts, observed),
        Phase::Refused => {
            let cause = facts.stop.and_then(|stop| Cause::parse(&stop.cause)).unwrap_or(Cause::Docker);
            end(facts, JobState::Failed, cause, observed.message.clone().unwrap_or_default())
        }
        // stopped before it was started: its container was removed without having run
        Phase::Vanished | Phase::Gone if facts.stop.is_some() && observed.started_at.is_none() => {
            stopped(facts, observed)
        }
        Phase::Vanished | Phase::Gone if facts.rebooted => {
            end(facts, JobState::Lost, Cause::Reboot, causes::REBOOT.into())
        }
        Phase::Vanished | Phase::Gone => end(facts, JobState::Lost, Cause::Vanished, causes::VANISHED.into()),
    }
}

fn exited(facts: &Facts<'_>, observed: &Observed) -> Step {
    let ended_before = |asked: i64| observed.finished_at.is_some_and(|ended| ended <= asked);
    let by_itself = !facts.timed_out
        && facts.cancel_requested_at.is_none_or(ended_before)
        && facts.stop.is_none_or(|stop| ended_before(stop.at));
    let well = observed.exit_code == Some(0);
    if by_itself && well {
        return Step::End(End { state: JobState::Succeeded, reason: None, cause: None, out_of_memory: false });
    }
    if !by_itself && facts.stop.is_some() {
        return stopped(facts, observed);
    }
    if observed.oom_killed && !well {
        let words = causes::out_of_memory(facts.memory_bytes, facts.peak_memory_bytes);
        return end(facts, JobState::Failed, Cause::Memory, words);
    }
    if facts.rebooted {
        return end(facts, JobState::Lost, Cause::Reboot, causes::REBOOT.into());
    }
    end(facts, JobState::Failed, Cause::Exit, causes::of_exit(observed))
}

/// It was stopped, or kept from starting, by somebody who gave a reason.
fn stopped(facts: &Facts<'_>, observed: &Observed) -> Step {
    let Some(stop) = facts.stop else { return end(facts, JobState::Failed, Cause::Exit, causes::of_exit(observed)) };
    let cause = Cause::parse(&stop.cause).unwrap_or(Cause::Exit);
    // rows know no word of their own for it: a version before this one must be able to read them
    let state = if cause == Cause::Preempted { JobState::Cancelled } else { JobState::Failed };
    end(facts, state, cause, stop.words.clone())
}

/// Whatever its container did in the end, a job that was cancelled is cancelled, and one whose time was up failed of that.
fn end(facts: &Facts<'_>, state: JobState, cause: Cause, reason: String) -> Step {
    Step::End(if facts.cancel_requested_at.is_some() {
        End { state: JobState::Cancelled, reason: None, cause: Some(Cause::Cancelled), out_of_memory: false }
    } else if facts.timed_out {
        let reason = Some(timeout_text(facts));
        End { state: JobState::Failed, reason, cause: Some(Cause::Time), out_of_memory: false }
    } else {
        End { state, reason: Some(reason), cause: Some(cause), out_of_memory: cause == Cause::Memory }
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
            peak_memory_bytes: None,
            ran_ms: 1000,
            observed: Some(observed),
            stop: None,
            rebooted: false,
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
        assert_snapshot!(told(&facts(&oom)), @"end (oom) failed out of memory: it had 512 MiB");
        let refused = Observed { message: Some("The image a:1 is not on this box.".into()), ..seen(Phase::Refused) };
        assert_snapshot!(told(&facts(&refused)), @"end failed The image a:1 is not on this box.");
    }

    fn stop(cause: &str) -> Stop {
        Stop { cause: cause.into(), words: format!("stopped: {cause}"), at: 50 }
    }

    #[test]
    fn who_was_stopped_says_by_whom_even_if_the_program_then_ended_well() {
        let (preempted, disk) = (stop("preempted"), stop("disk"));
        let exited = seen(Phase::Exited);
        assert_snapshot!(told(&Facts { stop: Some(&preempted), ..facts(&exited) }), @"end cancelled stopped: preempted");
        let killed = Observed { exit_code: Some(137), ..seen(Phase::Exited) };
        assert_snapshot!(told(&Facts { stop: Some(&disk), ..facts(&killed) }), @"end failed stopped: disk");
        let before = Observed { finished_at: Some(50), ..seen(Phase::Exited) };
        assert_snapshot!(told(&Facts { stop: Some(&preempted), ..facts(&before) }), @"end succeeded");
        let pending = seen(Phase::Pending);
        assert_snapshot!(told(&Facts { stop: Some(&preempted), ..facts(&pending) }), @"end cancelled stopped: preempted");
        let removed = seen(Phase::Vanished);
        assert_snapshot!(told(&Facts { stop: Some(&preempted), ..facts(&removed) }), @"end cancelled stopped: preempted");
    }

    #[test]
    fn a_container_that_ended_with_the_box_was_not_its_jobs_fault() {
        let killed = Observed { exit_code: Some(255), ..seen(Phase::Exited) };
        assert_snapshot!(told(&Facts { rebooted: true, ..facts(&killed) }), @"end lost the box was restarted while it ran");
        let gone = seen(Phase::Vanished);
        assert_snapshot!(told(&Facts { rebooted: true, ..facts(&gone) }), @"end lost the box was restarted while it ran");
        let done = seen(Phase::Exited);
        assert_snapshot!(told(&Facts { rebooted: true, ..facts(&done) }), @"end succeeded");
    }

    #[test]
    fn what_docker_refused_has_its_cause() {
        let refused = Observed { message: Some("The image a:1 is not on this box.".into()), ..seen(Phase::Refused) };
        let image = stop("image");
        let cause = |facts: &Facts<'_>| if let Step::End(end) = step(facts) { end.cause } else { None };
        assert_eq!(cause(&Facts { stop: Some(&image), ..facts(&refused) }), Some(Cause::Image));
        assert_eq!(cause(&facts(&refused)), Some(Cause::Docker));
    }

    #[test]
    fn a_vanished_container_makes_the_job_lost() {
        assert_snapshot!(told(&facts(&seen(Phase::Vanished))), @"end lost its container is gone: somebody removed it behind Drydock's back (docker rm, or a prune), and nothing is known about its end");
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
