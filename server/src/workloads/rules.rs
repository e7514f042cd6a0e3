//! Pure decisions: what the containers that were seen mean for a workload (`observe`), what to do next (`plan`).
//!
//! A pass calls `observe` and records its answer before it executes `plan`, so an end is on disk before the container is
//! removed, and a container's id is on disk before it is started. Both are functions of rows and containers alone: after
//! a crash the same pass goes on where the last one ended.

use std::{collections::BTreeSet, time::Duration};

use drydock_appliance::containers::{Seen, SeenPhase};

use super::spec::{Desired, DesiredWorkload, Kind, Observed, Phase};

#[cfg(test)]
mod tests;

/// How long a process has between SIGTERM and SIGKILL.
pub const STOP_GRACE: Duration = Duration::from_secs(10);
/// A revision that ran this long and then ended starts counting its restarts anew.
const STABLE_MS: i64 = 10 * 60 * 1000;
const LONGEST_PAUSE_MS: i64 = 60 * 1000;

/// One step towards what is desired. The order of the variants is the order of execution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    Remove { workload: String, container: String },
    Stop { workload: String, container: String },
    Create { workload: String },
    Start { workload: String, container: String },
}

/// The steps that can be taken now, removals first. What has to wait for one of them follows in a later plan.
pub fn plan(rows: &[(DesiredWorkload, Observed)], seen: &[Seen], now: i64) -> Vec<Action> {
    let known: BTreeSet<&str> = rows.iter().map(|(desired, _)| desired.id.as_str()).collect();
    let orphans = seen.iter().filter(|container| !known.contains(container.workload.as_str()));
    let mut actions: Vec<Action> = orphans.map(remove).collect();
    for (desired, observed) in rows {
        actions.extend(converge(desired, observed, seen, now));
    }
    actions.sort();
    actions
}

/// What is to be recorded of a workload, given the containers that are there now.
pub fn observe(desired: &DesiredWorkload, before: &Observed, seen: &[Seen], now: i64) -> Observed {
    match current(desired, before, seen) {
        Some(container) => present(desired, before, container, now),
        None => missing(desired, before, seen, now),
    }
}

/// How it ended, for people; nothing when it ended well or has not ended.
pub fn ending(observed: &Observed, memory_limit_bytes: u64) -> Option<String> {
    let code = observed.exit_code.filter(|code| *code != 0)?;
    if observed.oom_killed {
        return Some(format!("out of memory: limit {}", mebibytes(memory_limit_bytes)));
    }
    Some(match code {
        126 => "exit code 126: the command is not executable".to_owned(),
        127 => "exit code 127: the command was not found".to_owned(),
        129..=192 => format!("killed by signal {} (exit code {code})", code - 128),
        _ => format!("exit code {code}"),
    })
}

/// The pause before restart number `restarts`: 1 s, 2 s, 4 s, … at most a minute.
pub fn pause_ms(restarts: i64) -> i64 {
    let doublings = u32::try_from(restarts.clamp(1, 7) - 1).unwrap_or(6);
    (1000 << doublings).min(LONGEST_PAUSE_MS)
}

/// An amount for people.
pub fn mebibytes(bytes: u64) -> String {
    let mib = bytes >> 20;
    if mib >= 1024 && mib.is_multiple_of(1024) { format!("{} GiB", mib / 1024) } else { format!("{mib} MiB") }
}

fn remove(container: &Seen) -> Action {
    Action::Remove { workload: container.workload.clone(), container: container.id.clone() }
}

fn stop(container: &Seen) -> Action {
    Action::Stop { workload: container.workload.clone(), container: container.id.clone() }
}

fn start(container: &Seen) -> Action {
    Action::Start { workload: container.workload.clone(), container: container.id.clone() }
}

fn is_current(desired: &DesiredWorkload, container: &Seen) -> bool {
    container.generation == desired.generation && container.spec_hash == desired.spec_hash
}

/// The one container that counts: of the present generation and spec; of several the recorded one, else one that runs.
fn current<'a>(desired: &DesiredWorkload, before: &Observed, seen: &'a [Seen]) -> Option<&'a Seen> {
    let candidates = seen.iter().filter(|it| it.workload == desired.id && is_current(desired, it));
    candidates.min_by_key(|it| {
        let recorded = before.container_id.as_deref() == Some(it.id.as_str());
        (!recorded, it.phase != SeenPhase::Running, it.id.as_str())
    })
}

fn converge(desired: &DesiredWorkload, observed: &Observed, seen: &[Seen], now: i64) -> Vec<Action> {
    let current = current(desired, observed, seen);
    let others =
        seen.iter().filter(|it| it.workload == desired.id && current.is_none_or(|current| current.id != it.id));
    let mut actions: Vec<Action> = others.map(|it| retire(desired, it)).collect();
    let next = match current {
        Some(container) => step(desired, observed, container, now),
        // Stop before start: what stood before must be away first.
        None if actions.is_empty() => create(desired, observed, now),
        None => None,
    };
    actions.extend(next);
    actions
}

/// An older generation ends like any other process, a duplicate does not deserve the time.
fn retire(desired: &DesiredWorkload, container: &Seen) -> Action {
    let graceful = container.phase == SeenPhase::Running && !is_current(desired, container);
    if graceful { stop(container) } else { remove(container) }
}

fn step(desired: &DesiredWorkload, observed: &Observed, container: &Seen, now: i64) -> Option<Action> {
    match (desired.desired, container.phase) {
        (Desired::Running, SeenPhase::Running) | (Desired::Stopped, SeenPhase::Exited) => None,
        (Desired::Running, _) => start_or_clear(desired, observed, container, now),
        (Desired::Stopped | Desired::Absent, SeenPhase::Running) => Some(stop(container)),
        (Desired::Stopped, SeenPhase::Created) | (Desired::Absent, _) => Some(remove(container)),
    }
}

/// A container runs once. One whose id is recorded is started; a revision's that ended makes room for the next.
fn start_or_clear(desired: &DesiredWorkload, observed: &Observed, container: &Seen, now: i64) -> Option<Action> {
    let recorded = observed.container_id.as_deref() == Some(container.id.as_str());
    match (observed.phase, container.phase) {
        (Phase::Starting, SeenPhase::Created) => recorded.then(|| start(container)),
        (Phase::Exited | Phase::Refused, _) if desired.kind == Kind::Revision => {
            is_due(observed, now).then(|| remove(container))
        }
        _ => None,
    }
}

fn create(desired: &DesiredWorkload, observed: &Observed, now: i64) -> Option<Action> {
    let fresh = matches!(observed.phase, Phase::Pending | Phase::Creating);
    let wanted = match desired.kind {
        _ if desired.desired != Desired::Running => false,
        Kind::Job => fresh,
        Kind::Revision => is_due(observed, now),
    };
    wanted.then(|| Action::Create { workload: desired.id.clone() })
}

fn is_due(observed: &Observed, now: i64) -> bool {
    observed.not_before.is_none_or(|not_before| not_before <= now)
}

fn present(desired: &DesiredWorkload, before: &Observed, container: &Seen, now: i64) -> Observed {
    let base = Observed { container_id: Some(container.id.clone()), address: None, ..before.clone() };
    match container.phase {
        SeenPhase::Created | SeenPhase::Exited if before.phase == Phase::Refused => base,
        SeenPhase::Created => Observed { phase: Phase::Starting, message: None, ..base },
        SeenPhase::Running => Observed {
            phase: if desired.desired == Desired::Running { Phase::Running } else { Phase::Stopping },
            exit_code: None,
            oom_killed: false,
            started_at: container.started_at,
            finished_at: None,
            address: container.address,
            message: None,
            not_before: None,
            ..base
        },
        SeenPhase::Exited => ended(desired, before, container, base, now),
    }
}

fn ended(desired: &DesiredWorkload, before: &Observed, container: &Seen, base: Observed, now: i64) -> Observed {
    let known = before.phase == Phase::Exited
        && before.container_id == base.container_id
        && before.finished_at == container.finished_at;
    if known {
        return base;
    }
    let end = Observed {
        phase: Phase::Exited,
        exit_code: container.exit_code,
        oom_killed: container.oom_killed,
        started_at: container.started_at,
        finished_at: container.finished_at,
        message: None,
        ..base
    };
    if desired.kind == Kind::Revision && desired.desired == Desired::Running { with_pause(end, now) } else { end }
}

fn missing(desired: &DesiredWorkload, before: &Observed, seen: &[Seen], now: i64) -> Observed {
    let any_left = seen.iter().any(|it| it.workload == desired.id);
    let without = Observed { container_id: None, address: None, ..before.clone() };
    if desired.desired == Desired::Absent {
        let phase = if any_left { before.phase } else { Phase::Gone };
        return Observed { phase, not_before: None, ..without };
    }
    match (before.phase, desired.kind) {
        (Phase::Pending | Phase::Refused | Phase::Vanished | Phase::Gone, _) => without,
        (Phase::Creating, _) | (Phase::Exited, Kind::Revision) => Observed { phase: Phase::Pending, ..without },
        (Phase::Exited, Kind::Job) => without,
        (Phase::Starting | Phase::Running | Phase::Stopping, kind) => {
            let message = Some("The container vanished; nothing is known about its end.".to_owned());
            let lost = Observed { phase: Phase::Vanished, message, ..without };
            if kind == Kind::Revision { with_pause(lost, now) } else { lost }
        }
    }
}

/// One more restart, after its pause.
pub(super) fn with_pause(end: Observed, now: i64) -> Observed {
    let ran_ms = end.finished_at.zip(end.started_at).map_or(0, |(finished, started)| finished - started);
    let restarts = if ran_ms >= STABLE_MS { 1 } else { end.restarts + 1 };
    Observed { restarts, not_before: Some(now + pause_ms(restarts)), ..end }
}
