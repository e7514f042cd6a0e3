//! Promises about one replica, and about how many there are.
#![allow(clippy::unwrap_used)]

use super::ReplicaState::{Draining, Ending, Ready, Starting, Unwell};
use super::*;

const RUN: Run = Run {
    address: std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), 8080),
    started_at: 7,
};

fn facts(state: ReplicaState) -> Facts {
    Facts {
        state,
        launched: true,
        container: Container::Running(RUN),
        routed: (state == Ready).then_some(RUN),
        verdict: Verdict::Unknown,
        in_flight: 0,
        drained_for: Duration::ZERO,
    }
}

fn ended(times: i64) -> Container {
    Container::Ended { times, how: "exit code 3".into() }
}

#[test]
fn the_whole_life_of_a_replica() {
    assert_eq!(next_step(&Facts { launched: false, ..facts(Starting) }), Step::Launch);
    assert_eq!(next_step(&facts(Starting)), Step::Nothing);
    assert_eq!(next_step(&Facts { verdict: Verdict::Well, ..facts(Starting) }), Step::Route(RUN));
    assert_eq!(next_step(&facts(Ready)), Step::Nothing);
    assert_eq!(next_step(&Facts { in_flight: 1, ..facts(Draining) }), Step::Nothing);
    assert_eq!(next_step(&facts(Draining)), Step::End);
    assert_eq!(next_step(&facts(Ending)), Step::Nothing);
    assert_eq!(next_step(&Facts { container: Container::Gone, ..facts(Ending) }), Step::Forget);
}

#[test]
fn one_that_ends_gets_no_requests_until_its_next_run_answers() {
    let dead = Facts { container: ended(1), ..facts(Ready) };
    assert_eq!(next_step(&dead), Step::Unroute(Starting, Some("Starting again after exit code 3.".into())));
    let again = Run { started_at: 8, ..RUN };
    assert_eq!(next_step(&Facts { container: Container::Running(again), ..dead }), Step::Unroute(Starting, None));
    let unrouted = Facts { container: Container::Running(again), ..facts(Starting) };
    assert_eq!(next_step(&unrouted), Step::Nothing);
    assert_eq!(next_step(&Facts { verdict: Verdict::Well, ..unrouted }), Step::Route(again));
}

#[test]
fn a_probe_takes_it_out_and_brings_it_back() {
    let unready = Verdict::Unready("why".into());
    let out = Step::Unroute(Unwell, Some("why".into()));
    assert_eq!(next_step(&Facts { verdict: unready.clone(), ..facts(Ready) }), out);
    assert_eq!(next_step(&Facts { verdict: unready, ..facts(Unwell) }), Step::Nothing);
    assert_eq!(next_step(&Facts { verdict: Verdict::Well, ..facts(Unwell) }), Step::Route(RUN));
    for state in [Starting, Ready, Unwell] {
        let dead = Facts { verdict: Verdict::Dead("why".into()), ..facts(state) };
        assert_eq!(next_step(&dead), Step::Restart("why".into()), "{state:?}");
    }
    let ended = Facts { container: ended(1), ..facts(Unwell) };
    assert!(matches!(next_step(&ended), Step::Unroute(Starting, Some(_))));
}

#[test]
fn one_that_was_stopped_for_its_gpu_starts_again() {
    let stopped = Facts { launched: false, container: ended(0), ..facts(Ready) };
    assert_eq!(next_step(&stopped), Step::Unroute(Starting, None));
    assert_eq!(next_step(&Facts { state: Starting, routed: None, ..stopped }), Step::Launch);
}

#[test]
fn three_crashes_are_enough_before_the_first_answer_and_none_after_it() {
    assert_eq!(given_up(&Facts { container: ended(2), ..facts(Starting) }), None);
    let why = given_up(&Facts { container: ended(3), ..facts(Starting) }).unwrap();
    assert!(why.contains("exit code 3"), "{why}");
    let refused = Container::Refused { times: 3, why: "no such image".into() };
    assert_eq!(given_up(&Facts { container: refused, ..facts(Starting) }).as_deref(), Some("no such image"));
    assert_eq!(given_up(&Facts { container: ended(50), ..facts(Ready) }), None);
}

#[test]
fn draining_ends_with_the_last_request_its_time_or_its_container() {
    let busy = Facts { in_flight: 3, ..facts(Draining) };
    assert_eq!(next_step(&Facts { drained_for: Duration::from_secs(29), ..busy.clone() }), Step::Nothing);
    assert_eq!(next_step(&Facts { drained_for: DRAIN_AT_MOST, ..busy.clone() }), Step::End);
    assert_eq!(next_step(&Facts { container: ended(1), ..busy }), Step::End);
}

#[test]
fn as_many_as_are_wanted() {
    assert_eq!(resize(&[], 2), Resize::Add(vec![1, 2]));
    assert_eq!(resize(&[(1, Ready, true), (3, Starting, false)], 3), Resize::Add(vec![2]));
    assert_eq!(resize(&[(1, Ready, true), (2, Unwell, true)], 2), Resize::Nothing);
    assert_eq!(resize(&[(1, Ending, true)], 1), Resize::Add(vec![2]), "its number is taken until it is gone");
}

#[test]
fn those_that_do_not_answer_go_first_and_one_that_still_runs_comes_back() {
    let there = [(1, Ready, true), (2, Starting, true), (3, Ready, true)];
    assert_eq!(resize(&there, 2), Resize::Drain(vec![2]));
    assert_eq!(resize(&there, 1), Resize::Drain(vec![3, 2]));
    assert_eq!(resize(&there, 0), Resize::Drain(vec![1, 3, 2]));
    assert_eq!(resize(&[(1, Ready, true), (2, Draining, true)], 2), Resize::Revive(vec![2]));
    assert_eq!(resize(&[(1, Ready, true), (2, Draining, false)], 2), Resize::Add(vec![3]));
}

#[test]
fn every_state_comes_back_from_its_word() {
    for state in ReplicaState::ALL {
        assert_eq!(ReplicaState::parse(state.as_str()).unwrap(), state);
    }
    assert!(ReplicaState::parse("rady").is_err());
}
