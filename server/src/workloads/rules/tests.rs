//! Every case of `observe` and `plan`, as one line of text each: what is recorded -> what is done.
#![allow(clippy::unwrap_used)]

use insta::assert_snapshot;

use super::*;

const NOW: i64 = 1_000_000;

fn wish(kind: Kind, desired: Desired) -> DesiredWorkload {
    DesiredWorkload { id: "w".into(), kind, generation: 2, spec_hash: "h2".into(), desired }
}

fn was(phase: Phase) -> Observed {
    let has_container = matches!(phase, Phase::Starting | Phase::Running | Phase::Stopping | Phase::Exited);
    Observed { phase, container_id: has_container.then(|| "c".into()), ..Observed::pending(2) }
}

fn seen(id: &str, phase: SeenPhase) -> Seen {
    let exited = phase == SeenPhase::Exited;
    Seen {
        id: id.into(),
        workload: "w".into(),
        generation: 2,
        spec_hash: "h2".into(),
        kind: "job".into(),
        phase,
        exit_code: exited.then_some(3),
        oom_killed: false,
        started_at: (phase != SeenPhase::Created).then_some(900_000),
        finished_at: exited.then_some(950_000),
        address: (phase == SeenPhase::Running).then(|| "172.18.0.2".parse().unwrap()),
    }
}

fn old(id: &str, phase: SeenPhase) -> Seen {
    Seen { generation: 1, spec_hash: "h1".into(), ..seen(id, phase) }
}

/// One round, as the reconciler does it.
fn turn(desired: &DesiredWorkload, before: &Observed, containers: &[Seen]) -> String {
    let after = observe(desired, before, containers, NOW);
    let mut text = describe(&after);
    for action in plan(&[(desired.clone(), after)], containers, NOW) {
        text += match &action {
            Action::Remove { .. } => " | remove ",
            Action::Stop { .. } => " | stop ",
            Action::Create { .. } => " | create",
            Action::Start { .. } => " | start ",
        };
        if let Action::Remove { container, .. } | Action::Stop { container, .. } | Action::Start { container, .. } =
            &action
        {
            text += container;
        }
    }
    text
}

fn describe(observed: &Observed) -> String {
    let mut text = observed.phase.as_str().to_owned();
    for (name, value) in [
        ("container", observed.container_id.clone()),
        ("exit", observed.exit_code.map(|code| code.to_string())),
        ("at", observed.address.map(|address| address.to_string())),
        ("restarts", (observed.restarts > 0).then(|| observed.restarts.to_string())),
        ("wait", observed.not_before.map(|at| (at - NOW).to_string())),
    ] {
        if let Some(value) = value {
            text += &format!(" {name}={value}");
        }
    }
    text
}

#[test]
fn a_new_job_is_created_then_started_and_then_left_alone() {
    let job = wish(Kind::Job, Desired::Running);
    assert_snapshot!(turn(&job, &was(Phase::Pending), &[]), @"pending | create");
    assert_snapshot!(turn(&job, &was(Phase::Creating), &[seen("c", SeenPhase::Created)]), @"starting container=c | start c");
    assert_snapshot!(turn(&job, &was(Phase::Starting), &[seen("c", SeenPhase::Running)]), @"running container=c at=172.18.0.2");
    assert_snapshot!(turn(&job, &was(Phase::Running), &[seen("c", SeenPhase::Running)]), @"running container=c at=172.18.0.2");
}

#[test]
fn a_crash_after_create_before_it_was_recorded_adopts_the_container() {
    let job = wish(Kind::Job, Desired::Running);
    assert_snapshot!(turn(&job, &was(Phase::Pending), &[seen("c", SeenPhase::Created)]), @"starting container=c | start c");
    assert_snapshot!(turn(&job, &was(Phase::Pending), &[seen("c", SeenPhase::Running)]), @"running container=c at=172.18.0.2");
}

#[test]
fn a_create_that_never_happened_is_tried_again() {
    assert_snapshot!(turn(&wish(Kind::Job, Desired::Running), &was(Phase::Creating), &[]), @"pending | create");
}

#[test]
fn a_job_that_ended_is_recorded_and_never_started_again() {
    let job = wish(Kind::Job, Desired::Running);
    let ended = [seen("c", SeenPhase::Exited)];
    assert_snapshot!(turn(&job, &was(Phase::Running), &ended), @"exited container=c exit=3");
    assert_snapshot!(turn(&job, &was(Phase::Exited), &ended), @"exited container=c exit=3");
    // started and ended while the server was away
    assert_snapshot!(turn(&job, &was(Phase::Starting), &ended), @"exited container=c exit=3");
    // the container taken away by hand afterwards
    assert_snapshot!(turn(&job, &was(Phase::Exited), &[]), @"exited");
}

#[test]
fn an_end_is_recorded_in_the_round_before_its_container_is_removed() {
    let absent = wish(Kind::Job, Desired::Absent);
    assert_snapshot!(turn(&absent, &was(Phase::Running), &[seen("c", SeenPhase::Exited)]), @"exited container=c exit=3 | remove c");
    let recorded = Observed { exit_code: Some(3), ..was(Phase::Exited) };
    assert_snapshot!(turn(&absent, &recorded, &[]), @"gone exit=3");
}

#[test]
fn a_job_whose_container_vanished_is_lost_and_not_run_again() {
    let job = wish(Kind::Job, Desired::Running);
    for phase in [Phase::Starting, Phase::Running, Phase::Stopping] {
        assert_eq!(turn(&job, &was(phase), &[]), "vanished");
    }
    assert_snapshot!(turn(&job, &was(Phase::Vanished), &[]), @"vanished");
}

#[test]
fn a_refused_job_waits_for_its_owner() {
    let job = wish(Kind::Job, Desired::Running);
    assert_snapshot!(turn(&job, &was(Phase::Refused), &[]), @"refused");
    assert_snapshot!(turn(&job, &was(Phase::Refused), &[seen("c", SeenPhase::Created)]), @"refused container=c");
    assert_snapshot!(turn(&job, &was(Phase::Refused), &[seen("c", SeenPhase::Exited)]), @"refused container=c");
}

#[test]
fn stopping_ends_the_process_and_keeps_the_container() {
    let stopped = wish(Kind::Job, Desired::Stopped);
    assert_snapshot!(turn(&stopped, &was(Phase::Running), &[seen("c", SeenPhase::Running)]), @"stopping container=c at=172.18.0.2 | stop c");
    assert_snapshot!(turn(&stopped, &was(Phase::Stopping), &[seen("c", SeenPhase::Exited)]), @"exited container=c exit=3");
    assert_snapshot!(turn(&stopped, &was(Phase::Starting), &[seen("c", SeenPhase::Created)]), @"starting container=c | remove c");
    assert_snapshot!(turn(&stopped, &was(Phase::Pending), &[]), @"pending");
}

#[test]
fn absent_stops_then_removes_then_is_gone() {
    let absent = wish(Kind::Revision, Desired::Absent);
    assert_snapshot!(turn(&absent, &was(Phase::Running), &[seen("c", SeenPhase::Running)]), @"stopping container=c at=172.18.0.2 | stop c");
    assert_snapshot!(turn(&absent, &was(Phase::Stopping), &[seen("c", SeenPhase::Exited)]), @"exited container=c exit=3 | remove c");
    assert_snapshot!(turn(&absent, &was(Phase::Exited), &[]), @"gone");
    assert_snapshot!(turn(&absent, &was(Phase::Pending), &[]), @"gone");
}

#[test]
fn an_older_generation_is_stopped_and_removed_before_the_new_one_is_made() {
    let revision = wish(Kind::Revision, Desired::Running);
    assert_snapshot!(turn(&revision, &was(Phase::Pending), &[old("a", SeenPhase::Running)]), @"pending | stop a");
    assert_snapshot!(turn(&revision, &was(Phase::Pending), &[old("a", SeenPhase::Exited)]), @"pending | remove a");
    assert_snapshot!(turn(&revision, &was(Phase::Pending), &[]), @"pending | create");
}

#[test]
fn the_same_generation_with_another_hash_is_replaced() {
    let other = Seen { spec_hash: "other".into(), ..seen("a", SeenPhase::Created) };
    assert_snapshot!(turn(&wish(Kind::Job, Desired::Running), &was(Phase::Pending), &[other]), @"pending | remove a");
}

#[test]
fn of_two_alike_the_recorded_one_stays() {
    let job = wish(Kind::Job, Desired::Running);
    let twins = [seen("b", SeenPhase::Running), seen("c", SeenPhase::Running)];
    assert_snapshot!(turn(&job, &was(Phase::Running), &twins), @"running container=c at=172.18.0.2 | remove b");
    let unrecorded = [seen("a", SeenPhase::Created), seen("b", SeenPhase::Running)];
    assert_snapshot!(turn(&job, &was(Phase::Pending), &unrecorded), @"running container=b at=172.18.0.2 | remove a");
}

#[test]
fn a_container_without_a_desired_row_is_removed_first() {
    let orphan = Seen { workload: "nobody".into(), ..seen("o", SeenPhase::Running) };
    assert_snapshot!(turn(&wish(Kind::Job, Desired::Running), &was(Phase::Pending), &[orphan]), @"pending | remove o | create");
}

#[test]
fn a_revision_that_ends_is_replaced_after_a_pause_that_doubles() {
    let revision = wish(Kind::Revision, Desired::Running);
    let ended = [seen("c", SeenPhase::Exited)];
    assert_snapshot!(turn(&revision, &was(Phase::Running), &ended), @"exited container=c exit=3 restarts=1 wait=1000");
    let third = Observed { restarts: 2, ..was(Phase::Running) };
    assert_snapshot!(turn(&revision, &third, &ended), @"exited container=c exit=3 restarts=3 wait=4000");
    let due = Observed {
        restarts: 3,
        not_before: Some(NOW),
        finished_at: Some(950_000),
        exit_code: Some(3),
        ..was(Phase::Exited)
    };
    assert_snapshot!(turn(&revision, &due, &ended), @"exited container=c exit=3 restarts=3 wait=0 | remove c");
    assert_snapshot!(turn(&revision, &due, &[]), @"pending exit=3 restarts=3 wait=0 | create");
}

#[test]
fn a_revision_that_ran_for_long_starts_counting_anew() {
    let long = Seen { started_at: Some(100_000), ..seen("c", SeenPhase::Exited) };
    let before = Observed { restarts: 6, ..was(Phase::Running) };
    assert_snapshot!(turn(&wish(Kind::Revision, Desired::Running), &before, &[long]), @"exited container=c exit=3 restarts=1 wait=1000");
}

#[test]
fn a_revision_whose_container_vanished_or_was_refused_is_made_again_when_due() {
    let revision = wish(Kind::Revision, Desired::Running);
    assert_snapshot!(turn(&revision, &was(Phase::Running), &[]), @"vanished restarts=1 wait=1000");
    let due = Observed { not_before: Some(NOW - 1), ..was(Phase::Vanished) };
    assert_snapshot!(turn(&revision, &due, &[]), @"vanished wait=-1 | create");
    let refused = Observed { not_before: Some(NOW - 1), ..was(Phase::Refused) };
    assert_snapshot!(turn(&revision, &refused, &[seen("c", SeenPhase::Created)]), @"refused container=c wait=-1 | remove c");
    assert_snapshot!(turn(&revision, &refused, &[]), @"refused wait=-1 | create");
}

#[test]
fn removals_come_first_over_all_workloads() {
    let first = DesiredWorkload { id: "a".into(), ..wish(Kind::Job, Desired::Running) };
    let second = DesiredWorkload { id: "w".into(), ..wish(Kind::Job, Desired::Absent) };
    let rows = [(first, was(Phase::Pending)), (second, was(Phase::Exited))];
    let actions = plan(&rows, &[seen("c", SeenPhase::Exited)], NOW);
    assert!(matches!(actions.as_slice(), [Action::Remove { .. }, Action::Create { .. }]), "{actions:?}");
}

#[test]
fn pauses_double_up_to_a_minute() {
    let pauses: Vec<i64> = [0, 1, 2, 3, 6, 7, 99].map(pause_ms).into();
    assert_eq!(pauses, [1000, 1000, 2000, 4000, 32_000, 60_000, 60_000]);
}

#[test]
fn an_end_is_named_by_its_cause() {
    let end = |code, oom_killed| Observed { exit_code: Some(code), oom_killed, ..was(Phase::Exited) };
    assert_eq!(ending(&end(137, true), 512 << 20).as_deref(), Some("out of memory: limit 512 MiB"));
    assert_eq!(ending(&end(137, false), 0).as_deref(), Some("killed by signal 9 (exit code 137)"));
    assert_eq!(ending(&end(3, false), 0).as_deref(), Some("exit code 3"));
    assert_eq!(ending(&end(0, true), 0), None);
}
