//! Promises of plans that cannot be.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use drydock_wire::serving::{AssignCookie, AssignHeader, BlueGreen, CanaryStep, Then};

use super::*;

fn canary() -> Canary {
    let ReleasePlan::Canary(plan) = ReleasePlan::usual_canary() else { unreachable!() };
    plan
}

fn blue_green(after: Option<u64>) -> ReleasePlan {
    ReleasePlan::BlueGreen(BlueGreen { auto_promote_after_s: after, keep_old_s: 600 })
}

fn ab() -> Ab {
    Ab { weight: 20, assign: Assign::Caller, end: None, analysis: None, keep_old_s: 600 }
}

fn end(after_requests: Option<u64>, at: Option<i64>) -> Option<ExperimentEnd> {
    Some(ExperimentEnd { after_requests, at, then: Then::Wait })
}

#[test]
fn a_plan_that_cannot_be_names_its_field() {
    let step = |weight, hold_s| CanaryStep { weight, hold_s };
    let with_steps = |steps: &[CanaryStep]| ReleasePlan::Canary(Canary { steps: steps.to_vec(), ..canary() });
    let with_analysis = |analysis| ReleasePlan::Canary(Canary { analysis, ..canary() });
    let usual = Analysis::default();
    for (wrong, field) in [
        (with_steps(&[]), "release.steps "),
        (with_steps(&[step(0, 1)]), "release.steps[0].weight "),
        (with_steps(&[step(5, 1), step(100, 1)]), "release.steps[1].weight "),
        (with_steps(&[step(5, 1), step(5, 1)]), "release.steps[1].weight "),
        (with_steps(&[step(5, u64::MAX)]), "release.steps[0].hold_s "),
        (
            with_analysis(Analysis { min_success_rate: Some(0.99), ..usual.clone() }),
            "release.analysis.min_success_rate ",
        ),
        (with_analysis(Analysis { max_p50_ms: Some(-1.0), ..usual.clone() }), "release.analysis.max_p50_ms "),
        (with_analysis(Analysis { max_p99_ms: Some(f64::NAN), ..usual.clone() }), "release.analysis.max_p99_ms "),
        (with_analysis(Analysis { min_requests: 0, ..usual.clone() }), "release.analysis.min_requests "),
        (with_analysis(Analysis { max_failures: 0, ..usual }), "release.analysis.max_failures "),
        (blue_green(Some(0)), "release.auto_promote_after_s "),
        (ReleasePlan::BlueGreen(BlueGreen { auto_promote_after_s: None, keep_old_s: u64::MAX }), "release.keep_old_s "),
    ] {
        let error = plan(&wrong).unwrap_err().to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
    assert!(plan(&ReleasePlan::usual_canary()).is_ok());
    assert!(plan(&blue_green(None)).is_ok() && plan(&ReleasePlan::Rolling).is_ok());
}

#[test]
fn an_experiment_that_cannot_be_names_its_field() {
    let shadow = Shadow::default;
    let header = |name: &str| Assign::Header(AssignHeader { name: name.to_owned() });
    let limit = |metric: &str, min, max| {
        let metrics = vec![MetricLimit { metric: metric.to_owned(), min, max, min_reports: 30 }];
        ReleasePlan::Canary(Canary { analysis: Analysis { metrics, ..Analysis::default() }, ..canary() })
    };
    for (wrong, field) in [
        (ReleasePlan::Ab(Ab { weight: 100, ..ab() }), "release.weight "),
        (ReleasePlan::Ab(Ab { assign: header("X Customer"), ..ab() }), "release.assign.name "),
        (ReleasePlan::Ab(Ab { assign: header("Authorization"), ..ab() }), "release.assign.name "),
        (
            ReleasePlan::Ab(Ab { assign: Assign::Cookie(AssignCookie { name: "a=b".into() }), ..ab() }),
            "release.assign.name ",
        ),
        (ReleasePlan::Ab(Ab { end: end(None, None), ..ab() }), "release.end "),
        (ReleasePlan::Ab(Ab { end: end(Some(0), None), ..ab() }), "release.end.after_requests "),
        (ReleasePlan::Ab(Ab { end: end(None, Some(1_798_761_600)), ..ab() }), "release.end.at "),
        (ReleasePlan::Shadow(Shadow { percent: 0, ..shadow() }), "release.percent "),
        (ReleasePlan::Shadow(Shadow { relative_tolerance: f64::NAN, ..shadow() }), "release.relative_tolerance "),
        (ReleasePlan::Shadow(Shadow { at_once: 0, ..shadow() }), "release.at_once "),
        (limit("", Some(1.0), None), "release.analysis.metrics[0].metric "),
        (limit("conversion", None, None), "release.analysis.metrics[0].min "),
        (limit("conversion", Some(2.0), Some(1.0)), "release.analysis.metrics[0].min "),
    ] {
        let error = plan(&wrong).unwrap_err().to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
    assert!(plan(&ReleasePlan::Ab(ab())).is_ok() && plan(&ReleasePlan::Shadow(shadow())).is_ok());
    assert!(plan(&limit("conversion", Some(0.1), None)).is_ok());
}
