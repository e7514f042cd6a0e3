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
        crew: Crew { wanted: 1, ..Crew::default() },
        waited: Duration::ZERO,
        ready_within: Duration::from_secs(120),
        in_flight: 0,
        drained_for: Duration::ZERO,
        warm_is_over: false,
        kin: Kin::default(),
    }
}

fn ready(wanted: usize, ready: usize) -> Crew {
    Crew { wanted, ready, answering: (ready > 0).then_some(RUN), ..Crew::default() }
}

fn gone() -> Crew {
    Crew { gone: true, ..Crew::default() }
}

#[test]
fn the_whole_life_of_a_revision() {
    use RevisionState::{Draining, Live, Placing, Retired, Retiring, Starting};
    assert_eq!(next_step(&facts(Placing)), Step::Place);
    assert_eq!(next_step(&facts(Starting)), Step::Nothing);
    assert_eq!(next_step(&Facts { crew: ready(1, 1), ..facts(Starting) }), Step::Promote(RUN));
    assert_eq!(next_step(&Facts { crew: ready(1, 1), ..facts(Live) }), Step::Nothing);
    assert_eq!(next_step(&Facts { in_flight: 1, ..facts(Draining) }), Step::Nothing);
    assert_eq!(next_step(&facts(Draining)), Step::Retire);
    assert_eq!(next_step(&facts(Retiring)), Step::Nothing);
    assert_eq!(next_step(&Facts { crew: gone(), ..facts(Retiring) }), Step::Finish);
    assert_eq!(next_step(&Facts { crew: gone(), ..facts(Retired) }), Step::Nothing);
}

#[test]
fn a_live_revision_keeps_serving_while_the_goal_is_another() {
    let live = Facts { is_goal: false, crew: ready(1, 1), ..facts(RevisionState::Live) };
    assert_eq!(next_step(&live), Step::Nothing);
}

#[test]
fn a_revision_that_was_overtaken_before_it_served_retires() {
    for state in [RevisionState::Placing, RevisionState::Starting] {
        let overtaken = Facts { is_goal: false, crew: ready(1, 1), ..facts(state) };
        assert_eq!(next_step(&overtaken), Step::Retire);
    }
}

#[test]
fn all_replicas_are_waited_for_and_in_the_end_one_is_enough() {
    let some = Facts { crew: ready(3, 2), ..facts(RevisionState::Starting) };
    assert_eq!(next_step(&some), Step::Nothing);
    let late = Facts { waited: Duration::from_secs(120), ..some.clone() };
    assert_eq!(next_step(&late), Step::Promote(RUN));
    let hopeless = Crew { hopeless: 1, given_up: Some("why".into()), ..ready(3, 2) };
    assert_eq!(next_step(&Facts { crew: hopeless, ..some }), Step::Promote(RUN));
}

#[test]
fn one_that_is_given_up_fails_a_revision_that_does_not_answer() {
    let crew = Crew { hopeless: 1, given_up: Some("why".into()), ..ready(2, 0) };
    let starting = Facts { crew: crew.clone(), ..facts(RevisionState::Starting) };
    assert_eq!(next_step(&starting), Step::Fail("why".into()));
    assert_eq!(next_step(&Facts { crew, ..facts(RevisionState::Live) }), Step::Nothing, "never one that is live");
}

#[test]
fn silence_fails_in_its_time_and_an_answer_in_the_last_moment_counts() {
    let late = Facts { waited: Duration::from_secs(120), ..facts(RevisionState::Starting) };
    assert_eq!(next_step(&late), Step::Fail("It did not answer within 120 seconds.".into()));
    assert_eq!(next_step(&Facts { crew: ready(1, 1), ..late }), Step::Promote(RUN));
}

#[test]
fn a_candidate_is_kept_as_a_live_one_until_another_is_asked_for() {
    let candidate = Facts { crew: ready(1, 0), ..facts(RevisionState::Candidate) };
    assert_eq!(next_step(&candidate), Step::Nothing);
    assert_eq!(next_step(&Facts { is_goal: false, ..candidate }), Step::Drain);
}

#[test]
fn a_warm_revision_stays_for_its_time_and_while_it_is_well() {
    let warm = Facts { is_goal: false, crew: ready(1, 1), ..facts(RevisionState::Warm) };
    assert_eq!(next_step(&warm), Step::Nothing);
    assert_eq!(next_step(&Facts { warm_is_over: true, ..warm.clone() }), Step::Drain);
    assert_eq!(next_step(&Facts { crew: ready(1, 0), ..warm }), Step::Drain);
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
    let deleting = |state| Facts { deleting: true, crew: gone(), ..facts(state) };
    let steps: Vec<Step> = RevisionState::ALL.map(|state| next_step(&deleting(state))).to_vec();
    use Step::{Drain, Finish, Nothing, Park, Retire, Withdraw};
    assert_eq!(
        steps,
        [
            Retire, Retire, Retire, Drain, Drain, Drain, Park, Retire, Drain, Drain, Retire, Withdraw, Finish, Nothing,
            Finish, Nothing,
        ],
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
        goal_rests: false,
        other_is_live: true,
    };
    assert_eq!(deployment_state(standing), (DeploymentState::Failed, Some("why".into())));
    let starting = Standing { goal: RevisionState::Starting, ..standing };
    assert_eq!(deployment_state(starting).0, DeploymentState::Updating);
    assert_eq!(deployment_state(Standing { other_is_live: false, ..starting }).0, DeploymentState::Starting);
    let live = Standing { goal: RevisionState::Live, goal_is_routed: true, ..standing };
    assert_eq!(deployment_state(live), (DeploymentState::Ready, None));
    let rests = deployment_state(Standing { goal_is_routed: false, goal_rests: true, ..live });
    assert_eq!((rests.0, rests.1.is_some()), (DeploymentState::Ready, true));
    assert_eq!(deployment_state(Standing { deleting: true, ..live }).0, DeploymentState::Deleting);
}

#[test]
fn one_steps_aside_and_is_over_or_comes_back() {
    use RevisionState::{Live, Parked, Returning, Stopping, Waiting, Warm, Yielding};
    let to = |swap| Kin { swap, ..Kin::default() };
    let next = |state, kin: Kin| next_step(&Facts { kin, is_goal: false, ..facts(state) });
    assert_eq!(next(Live, to(Swap::StepAside)), Step::Yield);
    assert_eq!(next(Warm, to(Swap::StepAside)), Step::Drain);
    assert_eq!(next(Yielding, to(Swap::StepAside)), Step::Stop);
    assert_eq!(next(Yielding, to(Swap::ComeBack)), Step::Return);
    assert_eq!(next_step(&Facts { in_flight: 1, kin: to(Swap::StepAside), ..facts(Yielding) }), Step::Nothing);
    assert_eq!(next(Stopping, to(Swap::StepAside)), Step::Nothing);
    assert_eq!(next_step(&Facts { crew: gone(), ..facts(Stopping) }), Step::Park);
    assert_eq!(next(Parked, to(Swap::Nothing)), Step::Nothing);
    assert_eq!(next(Parked, to(Swap::Superseded)), Step::Retire);
    assert_eq!(next(Parked, Kin { may_return: true, ..to(Swap::ComeBack) }), Step::Return);
    assert_eq!(next(Returning, to(Swap::ComeBack)), Step::Nothing);
    assert_eq!(next_step(&Facts { crew: ready(1, 1), ..facts(Returning) }), Step::Resume);
    assert_eq!(next_step(&Facts { waited: Duration::from_secs(120), ..facts(Returning) }), Step::Resume);
    assert_eq!(next_step(&facts(Waiting)), Step::Nothing);
    assert_eq!(next_step(&Facts { kin: Kin { may_start: true, ..Kin::default() }, ..facts(Waiting) }), Step::Start);
    assert_eq!(next(Waiting, to(Swap::ComeBack)), Step::Retire, "another was asked for");
    for (state, step) in [(Yielding, Step::Drain), (Parked, Step::Retire), (Returning, Step::Drain)] {
        assert_eq!(next_step(&Facts { deleting: true, ..facts(state) }), step);
    }
}
