//! Promises of the revision's state machine.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

const RUN: Run =
    Run { address: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), 8080), started_at: 7 };

fn facts(state: RevisionState) -> Facts {
    Facts {
        state,
        is_goal: true,
        deleting: false,
        container: Container::Waiting(None),
        routed: None,
        answers: false,
        waited: Duration::ZERO,
        ready_within: Duration::from_secs(120),
        in_flight: 0,
        drained_for: Duration::ZERO,
        warm_is_over: false,
    }
}

fn ended(times: i64) -> Container {
    Container::Ended { times, how: "exit code 3".into() }
}

#[test]
fn the_whole_life_of_a_revision() {
    use RevisionState::{Draining, Live, Placing, Retired, Retiring, Starting};
    assert_eq!(next_step(&facts(Placing)), Step::Place);
    assert_eq!(next_step(&facts(Starting)), Step::Nothing);
    let running = Facts { container: Container::Running(RUN), ..facts(Starting) };
    assert_eq!(next_step(&running), Step::Nothing);
    assert_eq!(next_step(&Facts { answers: true, ..running }), Step::Promote(RUN));
    let live = Facts { container: Container::Running(RUN), routed: Some(RUN), ..facts(Live) };
    assert_eq!(next_step(&live), Step::Nothing);
    assert_eq!(next_step(&Facts { in_flight: 1, ..facts(Draining) }), Step::Nothing);
    assert_eq!(next_step(&facts(Draining)), Step::Retire);
    assert_eq!(next_step(&facts(Retiring)), Step::Nothing);
    assert_eq!(next_step(&Facts { container: Container::Gone, ..facts(Retiring) }), Step::Finish);
    assert_eq!(next_step(&Facts { container: Container::Gone, ..facts(Retired) }), Step::Nothing);
}

#[test]
fn a_live_revision_keeps_serving_while_the_goal_is_another() {
    let live =
        Facts { is_goal: false, container: Container::Running(RUN), routed: Some(RUN), ..facts(RevisionState::Live) };
    assert_eq!(next_step(&live), Step::Nothing);
}

#[test]
fn a_revision_that_was_overtaken_before_it_served_retires() {
    for state in [RevisionState::Placing, RevisionState::Starting] {
        let overtaken = Facts { is_goal: false, answers: true, container: Container::Running(RUN), ..facts(state) };
        assert_eq!(next_step(&overtaken), Step::Retire);
    }
}

#[test]
fn three_crashes_fail_and_two_do_not() {
    let starting = facts(RevisionState::Starting);
    assert_eq!(next_step(&Facts { container: ended(2), ..starting.clone() }), Step::Nothing);
    let Step::Fail(why) = next_step(&Facts { container: ended(3), ..starting }) else { panic!("it must fail") };
    assert!(why.contains("exit code 3"), "{why}");
}

#[test]
fn silence_fails_in_its_time_and_a_refusal_is_quoted() {
    let late = Facts { waited: Duration::from_secs(120), ..facts(RevisionState::Starting) };
    let silent = Facts { container: Container::Running(RUN), ..late.clone() };
    assert_eq!(next_step(&silent), Step::Fail("It did not answer within 120 seconds.".into()));
    let refused = |times| Facts {
        container: Container::Refused { times, why: "no such image".into() },
        ..facts(RevisionState::Starting)
    };
    assert_eq!(next_step(&refused(2)), Step::Nothing);
    assert_eq!(next_step(&refused(3)), Step::Fail("no such image".into()));
}

#[test]
fn an_answer_in_the_last_moment_counts() {
    let last = Facts {
        container: Container::Running(RUN),
        answers: true,
        waited: Duration::from_secs(500),
        ..facts(RevisionState::Starting)
    };
    assert_eq!(next_step(&last), Step::Promote(RUN));
}

#[test]
fn a_live_container_that_ends_gets_no_requests_until_its_next_run_answers() {
    let live = Facts { routed: Some(RUN), ..facts(RevisionState::Live) };
    assert!(matches!(next_step(&Facts { container: ended(1), ..live.clone() }), Step::Unroute(Some(_))));
    let again = Run { started_at: 8, ..RUN };
    assert_eq!(next_step(&Facts { container: Container::Running(again), ..live.clone() }), Step::Unroute(None));
    let unrouted = Facts { routed: None, container: Container::Running(again), ..live };
    assert_eq!(next_step(&unrouted), Step::Nothing);
    assert_eq!(next_step(&Facts { answers: true, ..unrouted }), Step::Route(again));
}

#[test]
fn a_live_revision_is_never_given_up_however_often_it_ends() {
    assert_eq!(next_step(&Facts { container: ended(50), ..facts(RevisionState::Live) }), Step::Nothing);
}

#[test]
fn a_candidate_is_kept_as_a_live_one_until_another_is_asked_for() {
    let candidate = Facts { container: Container::Running(RUN), routed: Some(RUN), ..facts(RevisionState::Candidate) };
    assert_eq!(next_step(&candidate), Step::Nothing);
    assert!(matches!(next_step(&Facts { container: ended(1), ..candidate.clone() }), Step::Unroute(Some(_))));
    assert_eq!(next_step(&Facts { is_goal: false, ..candidate }), Step::Drain);
}

#[test]
fn a_warm_revision_stays_for_its_time_and_while_it_is_well() {
    let warm =
        Facts { is_goal: false, container: Container::Running(RUN), routed: Some(RUN), ..facts(RevisionState::Warm) };
    assert_eq!(next_step(&warm), Step::Nothing);
    assert_eq!(next_step(&Facts { warm_is_over: true, ..warm.clone() }), Step::Drain);
    assert_eq!(next_step(&Facts { container: ended(1), ..warm }), Step::Drain);
}

#[test]
fn a_candidate_that_was_rolled_back_fails_after_its_last_request() {
    let busy = Facts { in_flight: 2, ..facts(RevisionState::Withdrawing) };
    assert_eq!(next_step(&busy), Step::Nothing);
    assert_eq!(next_step(&Facts { in_flight: 0, ..busy }), Step::Withdraw);
}

#[test]
fn draining_ends_with_the_last_request_or_its_time() {
    let busy = Facts { in_flight: 3, ..facts(RevisionState::Draining) };
    assert_eq!(next_step(&Facts { drained_for: Duration::from_secs(29), ..busy.clone() }), Step::Nothing);
    assert_eq!(next_step(&Facts { drained_for: DRAIN_AT_MOST, ..busy }), Step::Retire);
}

#[test]
fn deleting_ends_every_state() {
    let deleting = |state| Facts { deleting: true, container: Container::Gone, ..facts(state) };
    let steps: Vec<Step> = RevisionState::ALL.map(|state| next_step(&deleting(state))).to_vec();
    use Step::{Drain, Finish, Nothing, Retire, Withdraw};
    assert_eq!(
        steps,
        [Retire, Retire, Drain, Drain, Drain, Retire, Withdraw, Finish, Nothing, Finish, Nothing],
        "in the order of the states"
    );
}

#[test]
fn every_state_comes_back_from_its_word() {
    for state in RevisionState::ALL {
        assert_eq!(RevisionState::parse(state.as_str()).unwrap(), state);
    }
    assert!(RevisionState::parse("retired?").is_err());
}

#[test]
fn a_failed_update_is_said_while_the_old_one_serves() {
    let standing = Standing {
        deleting: false,
        goal: RevisionState::Failed,
        goal_reason: Some("why"),
        goal_is_routed: false,
        other_is_live: true,
    };
    assert_eq!(deployment_state(standing), (DeploymentState::Failed, Some("why".into())));
    let starting = Standing { goal: RevisionState::Starting, ..standing };
    assert_eq!(deployment_state(starting).0, DeploymentState::Updating);
    assert_eq!(deployment_state(Standing { other_is_live: false, ..starting }).0, DeploymentState::Starting);
    let live = Standing { goal: RevisionState::Live, goal_is_routed: true, ..standing };
    assert_eq!(deployment_state(live), (DeploymentState::Ready, None));
    assert_eq!(deployment_state(Standing { deleting: true, ..live }).0, DeploymentState::Deleting);
}

#[test]
fn what_cannot_be_served_is_refused_before_it_is_a_row() {
    let good = Resources::default();
    assert!(check("wine", &good, 2).is_ok());
    assert!(check("Wine", &good, 2).is_err());
    assert!(check("wine", &Resources { cpus: 3.0, ..good.clone() }, 2).is_err());
    assert!(check("wine", &Resources { cpus: f64::NAN, ..good.clone() }, 2).is_err());
    assert!(check("wine", &Resources { memory_bytes: 1, ..good.clone() }, 2).is_err());
    assert!(check("wine", &Resources { gpus: 1, ..good }, 2).is_err());
}
