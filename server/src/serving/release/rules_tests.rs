//! Promises of the release's state machine, and of what a look says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use drydock_wire::serving::{Ab, Assign, BlueGreen, CanaryStep, Shadow};

use super::*;

fn canary() -> Canary {
    Canary {
        steps: [(5, 10), (25, 20), (50, 0)].map(|(weight, hold_s)| CanaryStep { weight, hold_s }).to_vec(),
        analysis: Analysis { max_p95_ms: Some(400.0), min_requests: 20, ..Analysis::default() },
        automatic: true,
        keep_old_s: 600,
    }
}

fn blue_green(after: Option<u64>) -> ReleasePlan {
    ReleasePlan::BlueGreen(BlueGreen { auto_promote_after_s: after, keep_old_s: 600 })
}

fn facts(plan: &ReleasePlan) -> Facts<'_> {
    Facts {
        plan,
        state: State::Running,
        step: 0,
        in_step: Duration::from_secs(100),
        paused: false,
        candidate: RevisionState::Candidate,
        candidate_reason: None,
        illness: None,
        look: None,
        bad_looks: 0,
        counted: 0,
        now: 0,
    }
}

fn counts(requests: u64, refused: u64, failed: u64, ms: u64) -> Counts {
    let mut counts = Counts { requests, refused, failed, ..Counts::default() };
    (0..requests).for_each(|_| counts.latency.record(ms * 1000));
    counts
}

fn seen(requests: u64, failed: u64, ms: u64) -> ReleaseLook {
    let candidate = counts(requests, 0, failed, ms);
    look(&canary().analysis, Measured { candidate, ..Measured::default() }, 1, 0)
}

#[test]
fn a_good_canary_goes_through_its_steps_and_is_promoted() {
    let plan = ReleasePlan::Canary(canary());
    let good = seen(30, 0, 10);
    let at = |step| Facts { step, look: Some(&good), ..facts(&plan) };
    assert_eq!(next_move(&at(0)), Move::NextStep);
    assert_eq!(next_move(&at(1)), Move::NextStep);
    assert!(matches!(next_move(&at(2)), Move::Promote(_)));
    let waits = ReleasePlan::Canary(Canary { automatic: false, ..canary() });
    let last = Facts { step: 2, look: Some(&good), ..facts(&waits) };
    assert_eq!(next_move(&last), Move::NextStep);
    assert_eq!(next_move(&Facts { step: 3, ..last }), Move::Nothing);
}

#[test]
fn a_step_holds_its_time_its_requests_and_a_pause() {
    let plan = ReleasePlan::Canary(canary());
    let (good, few) = (seen(20, 0, 10), seen(19, 19, 900));
    let ready = Facts { look: Some(&good), ..facts(&plan) };
    assert_eq!(next_move(&ready), Move::NextStep);
    assert_eq!(next_move(&Facts { in_step: Duration::from_secs(9), ..ready.clone() }), Move::Nothing);
    assert_eq!(next_move(&Facts { paused: true, ..ready.clone() }), Move::Nothing);
    assert_eq!(next_move(&Facts { look: None, ..ready.clone() }), Move::Nothing);
    assert_eq!(next_move(&Facts { look: Some(&few), bad_looks: 9, ..ready }), Move::Nothing, "too few to judge");
}

#[test]
fn bad_looks_in_a_row_roll_back_with_the_figures_in_words() {
    let plan = ReleasePlan::Canary(canary());
    let mut slow = seen(310, 0, 912);
    slow.step = 1;
    let bad = Facts { step: 1, look: Some(&slow), bad_looks: 1, ..facts(&plan) };
    assert_eq!(next_move(&bad), Move::Nothing, "one look is no proof, and no reason to go on");
    let Move::RollBack(why) = next_move(&Facts { bad_looks: 2, ..bad.clone() }) else { panic!("it must go back") };
    assert!(
        why.starts_with("p95 of 9") && why.ends_with(" ms over 400 ms in step 2 (25 %) over 310 requests"),
        "{why}"
    );
    assert!(matches!(next_move(&Facts { bad_looks: 2, paused: true, ..bad.clone() }), Move::RollBack(_)));
    let Move::RollBack(why) = next_move(&Facts { bad_looks: 2, step: 3, ..bad }) else { panic!("it must go back") };
    assert!(why.contains("in step 2"), "{why}");
    let failing = seen(100, 17, 10);
    let Move::RollBack(why) = next_move(&Facts { look: Some(&failing), bad_looks: 2, ..facts(&plan) }) else {
        panic!("it must go back")
    };
    assert_eq!(why, "success rate of 83.0 % under 99 % in step 1 (5 %) over 100 requests");
}

#[test]
fn an_ill_candidate_goes_back_whatever_the_strategy() {
    for plan in [ReleasePlan::Canary(canary()), blue_green(None), blue_green(Some(1))] {
        let ill = Facts { illness: Some("it ended".into()), paused: true, ..facts(&plan) };
        assert_eq!(next_move(&ill), Move::RollBack("it ended".into()));
    }
}

#[test]
fn blue_green_waits_for_a_person_or_its_time() {
    let (by_hand, by_time) = (blue_green(None), blue_green(Some(100)));
    assert_eq!(next_move(&facts(&by_hand)), Move::Nothing);
    assert!(matches!(next_move(&facts(&by_time)), Move::Promote(_)));
    assert_eq!(next_move(&Facts { in_step: Duration::from_secs(99), ..facts(&by_time) }), Move::Nothing);
    assert_eq!(next_move(&Facts { paused: true, ..facts(&by_time) }), Move::Nothing);
}

#[test]
fn whatever_became_of_the_candidate_ends_the_release() {
    let plan = ReleasePlan::Canary(canary());
    for (candidate, expected) in [
        (RevisionState::Placing, Move::Nothing),
        (RevisionState::Starting, Move::Nothing),
        (RevisionState::Live, Move::Close(State::Promoted, None)),
        (RevisionState::Warm, Move::Close(State::Promoted, None)),
        (RevisionState::Draining, Move::Close(State::Replaced, Some("why".into()))),
        (RevisionState::Retiring, Move::Close(State::Replaced, Some("why".into()))),
        (RevisionState::Retired, Move::Close(State::Replaced, Some("why".into()))),
        (RevisionState::Withdrawing, Move::Close(State::RolledBack, Some("why".into()))),
        (RevisionState::Failing, Move::Close(State::RolledBack, Some("why".into()))),
        (RevisionState::Failed, Move::Close(State::RolledBack, Some("why".into()))),
    ] {
        let facts = Facts { candidate, candidate_reason: Some("why"), state: State::Starting, ..facts(&plan) };
        assert_eq!(next_move(&facts), expected, "{candidate:?}");
    }
}

#[test]
fn the_weight_is_that_of_the_step_and_nothing_before_or_after() {
    let plan = ReleasePlan::Canary(canary());
    let weights: Vec<u32> = (0..4).map(|step| weight(&plan, State::Running, step)).collect();
    assert_eq!(weights, [5, 25, 50, 50]);
    for state in [State::Starting, State::Promoted, State::RolledBack, State::Replaced] {
        assert_eq!(weight(&plan, state, 0), 0);
    }
    assert_eq!(weight(&blue_green(None), State::Running, 0), 0);
}

#[test]
fn refusals_count_as_far_as_the_stable_one_gives_fewer() {
    let analysis = Analysis::default();
    let failed = |candidate: Counts, stable: Counts| {
        look(&analysis, Measured { candidate, stable, metrics: vec![] }, 1, 0).failed
    };
    assert_eq!(failed(counts(100, 10, 0, 1), counts(1000, 100, 0, 1)), 0, "callers who send nonsense");
    assert_eq!(failed(counts(100, 100, 0, 1), counts(1000, 0, 0, 1)), 100, "a model that raises");
    assert_eq!(failed(counts(100, 30, 5, 1), counts(1000, 100, 0, 1)), 25);
    assert_eq!(failed(counts(100, 0, 0, 1), counts(1000, 500, 0, 1)), 0);
}

#[test]
fn what_it_waits_for_is_said() {
    let plan = ReleasePlan::Canary(canary());
    let (few, good) = (seen(7, 0, 10), seen(30, 0, 10));
    let said = |facts: Facts<'_>| waits_for(&facts).unwrap();
    assert_eq!(said(Facts { look: Some(&few), ..facts(&plan) }), "7 of 20 requests to judge.");
    let early = Facts { look: Some(&good), in_step: Duration::from_secs(4), ..facts(&plan) };
    assert_eq!(said(early), "6 s more of this step.");
    assert_eq!(said(Facts { step: 3, ..facts(&plan) }), "For somebody to promote it.");
    assert_eq!(said(facts(&blue_green(Some(700)))), "It takes over by itself in 10 min.");
    assert_eq!(waits_for(&Facts { state: State::Promoted, ..facts(&plan) }), None);
}

#[test]
fn every_state_comes_back_from_its_word() {
    for state in State::ALL {
        assert_eq!(State::parse(state.as_str()).unwrap(), state);
    }
    assert!(State::parse("paused?").is_err());
}

fn ab(end: Option<ExperimentEnd>) -> ReleasePlan {
    ReleasePlan::Ab(Ab { weight: 20, assign: Assign::Caller, end, analysis: None, keep_old_s: 600 })
}

fn end(then: Then) -> Option<ExperimentEnd> {
    Some(ExperimentEnd { after_requests: Some(100), at: Some(2_000), then })
}

#[test]
fn an_experiment_goes_on_until_its_end_and_never_promotes_unasked() {
    let open = ab(None);
    assert_eq!(next_move(&Facts { counted: u64::MAX, now: i64::MAX, ..facts(&open) }), Move::Nothing);
    for (then, expected) in [
        (Then::Wait, Move::NextStep),
        (Then::TakeBack, Move::TakeBack("The experiment ended after 100 requests.".into())),
        (Then::Promote, Move::Promote("The experiment ended after 100 requests.".into())),
    ] {
        let plan = ab(end(then));
        assert_eq!(next_move(&Facts { counted: 99, now: 1_999, ..facts(&plan) }), Move::Nothing);
        assert_eq!(next_move(&Facts { counted: 100, ..facts(&plan) }), expected);
        assert_eq!(next_move(&Facts { counted: 100, paused: true, ..facts(&plan) }), Move::Nothing);
        assert_eq!(next_move(&Facts { counted: 100, step: 1, ..facts(&plan) }), Move::Nothing, "it waits already");
    }
    let by_time = ReleasePlan::Shadow(Shadow { end: end(Then::TakeBack), ..Shadow::default() });
    let over = next_move(&Facts { now: 2_000, ..facts(&by_time) });
    assert_eq!(over, Move::TakeBack("The experiment's time was over.".into()));
}

#[test]
fn an_experiment_shares_requests_until_its_end_and_a_shadow_never_does() {
    let plan = ab(end(Then::Wait));
    assert_eq!((weight(&plan, State::Running, 0), weight(&plan, State::Running, 1)), (20, 0));
    assert_eq!(weight(&plan, State::Starting, 0), 0);
    assert_eq!(weight(&ReleasePlan::Shadow(Shadow::default()), State::Running, 0), 0);
}

fn with_limit(reports: u64, mean: f64) -> (ReleasePlan, ReleaseLook) {
    let limit = MetricLimit { metric: "conversion".into(), min: Some(0.1), max: None, min_reports: 30 };
    let analysis = Analysis { metrics: vec![limit], min_requests: 20, ..Analysis::default() };
    let candidate = counts(30, 0, 0, 10);
    let metrics = vec![MetricSeen { metric: "conversion".into(), reports, mean: Some(mean) }];
    let look = look(&analysis, Measured { candidate, metrics, ..Measured::default() }, 1, 0);
    (ReleasePlan::Canary(Canary { analysis, ..canary() }), look)
}

#[test]
fn a_limit_on_a_reported_metric_holds_the_step_and_rolls_back() {
    let (plan, good) = with_limit(30, 0.2);
    assert_eq!(next_move(&Facts { look: Some(&good), ..facts(&plan) }), Move::NextStep);
    let (plan, few) = with_limit(29, 0.0);
    let waiting = Facts { look: Some(&few), bad_looks: 9, ..facts(&plan) };
    assert_eq!(next_move(&waiting), Move::Nothing);
    assert_eq!(waits_for(&waiting).unwrap(), "Reports of 'conversion': 29 so far are too few to judge.");
    let (plan, bad) = with_limit(40, 0.05);
    let Move::RollBack(why) = next_move(&Facts { look: Some(&bad), bad_looks: 2, ..facts(&plan) }) else {
        panic!("it must go back")
    };
    assert!(why.starts_with("mean 'conversion' of 0.0500 under 0.1 in 40 reports in step 1 (5 %)"), "{why}");
}

#[test]
fn an_a_b_test_with_limits_goes_back_when_they_break() {
    let limits = Analysis { min_requests: 20, ..Analysis::default() };
    let plan = Ab { weight: 20, assign: Assign::Caller, end: None, analysis: Some(limits), keep_old_s: 600 };
    let failing = seen(100, 50, 10);
    let why = next_move(&Facts { look: Some(&failing), bad_looks: 2, ..facts(&ReleasePlan::Ab(plan)) });
    assert_eq!(why, Move::RollBack("success rate of 50.0 % under 99 % in the A/B test over 100 requests".into()));
}
