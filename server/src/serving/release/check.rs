//! What a plan may be: every refusal names the field and says what to write.

use drydock_wire::serving::{Ab, Analysis, Assign, Canary, ExperimentEnd, MetricLimit, ReleasePlan, Shadow};

use super::rules::keep_old_s;
use crate::error::{Error, Result};

/// Nothing is held or kept for longer than a week.
const LONGEST_S: u64 = 7 * 24 * 3600;
const MOST_STEPS: usize = 20;
const MOST_LIMITS: usize = 20;
const MOST_IGNORED: usize = 100;
const LONGEST_NAME: usize = 64;
/// September 2001 in milliseconds: what is before was meant in seconds.
const FIRST_MS: i64 = 1_000_000_000_000;
/// Headers that are secrets of the caller.
const NOT_TO_ASSIGN_BY: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// Whether a release can go like that.
///
/// # Errors
/// `invalid`, naming the field and what to write.
pub fn plan(plan: &ReleasePlan) -> Result<()> {
    if keep_old_s(plan) > LONGEST_S {
        return Err(wrong("keep_old_s", "is at most a week, 604800"));
    }
    match plan {
        ReleasePlan::Rolling | ReleasePlan::Recreate => Ok(()),
        ReleasePlan::BlueGreen(plan) => match plan.auto_promote_after_s {
            Some(after) if !(1..=LONGEST_S).contains(&after) => {
                Err(wrong("auto_promote_after_s", "is 1 to 604800 seconds; leave it out to promote by hand"))
            }
            _ => Ok(()),
        },
        ReleasePlan::Canary(plan) => check_steps(plan).and_then(|()| check_analysis(&plan.analysis)),
        ReleasePlan::Ab(plan) => check_ab(plan),
        ReleasePlan::Shadow(plan) => check_shadow(plan),
    }
}

/// Whether a metric can be called so.
pub fn is_metric_name(name: &str) -> bool {
    let is_fine = |it: char| it.is_ascii_alphanumeric() || "_.-/ ".contains(it);
    (1..=LONGEST_NAME).contains(&name.len()) && name.trim() == name && name.chars().all(is_fine)
}

fn check_ab(plan: &Ab) -> Result<()> {
    if !(1..=99).contains(&plan.weight) {
        return Err(wrong("weight", "is a percentage from 1 to 99"));
    }
    match &plan.assign {
        Assign::Header(header) if !is_token(&header.name) => {
            return Err(wrong("assign.name", "is the name of a header, as X-Customer"));
        }
        Assign::Header(header) if NOT_TO_ASSIGN_BY.contains(&header.name.to_ascii_lowercase().as_str()) => {
            return Err(wrong("assign.name", "names a header that is a secret; take caller or another header"));
        }
        Assign::Cookie(cookie) if !is_token(&cookie.name) => {
            return Err(wrong("assign.name", "is the name of a cookie, as drydock-variant"));
        }
        Assign::Header(_) | Assign::Cookie(_) | Assign::Caller | Assign::Request => {}
    }
    plan.analysis.iter().try_for_each(check_analysis)?;
    plan.end.iter().try_for_each(check_end)
}

fn is_token(name: &str) -> bool {
    let is_fine = |it: char| it.is_ascii_alphanumeric() || "_.-".contains(it);
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_fine)
}

fn check_shadow(plan: &Shadow) -> Result<()> {
    if !(1..=100).contains(&plan.percent) {
        return Err(wrong("percent", "is a percentage from 1 to 100"));
    }
    let tolerances = [("relative_tolerance", plan.relative_tolerance), ("absolute_tolerance", plan.absolute_tolerance)];
    for (name, tolerance) in tolerances {
        if !tolerance.is_finite() || tolerance < 0.0 {
            return Err(wrong(name, "is a number of at least 0, as 0.000001"));
        }
    }
    if !(1..=256).contains(&plan.at_once) {
        return Err(wrong("at_once", "is 1 to 256 copies"));
    }
    if plan.ignore.len() > MOST_IGNORED {
        return Err(wrong("ignore", "has at most 100 names of fields"));
    }
    plan.end.iter().try_for_each(check_end)
}

fn check_end(end: &ExperimentEnd) -> Result<()> {
    if end.after_requests.is_none() && end.at.is_none() {
        return Err(wrong("end", "has after_requests, at or both; leave it out to decide by hand"));
    }
    if end.after_requests == Some(0) {
        return Err(wrong("end.after_requests", "is at least 1"));
    }
    if end.at.is_some_and(|at| at < FIRST_MS) {
        return Err(wrong("end.at", "is an instant in milliseconds since 1970, as 1798761600000"));
    }
    Ok(())
}

fn check_steps(plan: &Canary) -> Result<()> {
    if plan.steps.is_empty() || plan.steps.len() > MOST_STEPS {
        return Err(wrong("steps", "has 1 to 20 steps, as [{\"weight\": 5, \"hold_s\": 60}]"));
    }
    let mut before = 0;
    for (index, step) in plan.steps.iter().enumerate() {
        let field = |name: &str| format!("steps[{index}].{name}");
        if !(1..=99).contains(&step.weight) {
            return Err(wrong(&field("weight"), "is a percentage from 1 to 99"));
        }
        if step.weight <= before {
            return Err(wrong(&field("weight"), &format!("is to be more than the {before} % of the step before")));
        }
        if step.hold_s > LONGEST_S {
            return Err(wrong(&field("hold_s"), "is at most a week, 604800"));
        }
        before = step.weight;
    }
    Ok(())
}

fn check_analysis(analysis: &Analysis) -> Result<()> {
    if let Some(rate) = analysis.min_success_rate
        && !(rate > 1.0 && rate <= 100.0)
    {
        return Err(wrong("analysis.min_success_rate", "is a percentage up to 100, as 99.5"));
    }
    let limits = [
        ("analysis.max_p50_ms", analysis.max_p50_ms),
        ("analysis.max_p95_ms", analysis.max_p95_ms),
        ("analysis.max_p99_ms", analysis.max_p99_ms),
    ];
    for (name, limit) in limits {
        if limit.is_some_and(|ms| !ms.is_finite() || ms <= 0.0) {
            return Err(wrong(name, "is a number of milliseconds above 0"));
        }
    }
    if !(1..=1_000_000).contains(&analysis.min_requests) {
        return Err(wrong("analysis.min_requests", "is 1 to 1000000"));
    }
    if !(1..=100).contains(&analysis.max_failures) {
        return Err(wrong("analysis.max_failures", "is 1 to 100 bad looks in a row"));
    }
    if analysis.metrics.len() > MOST_LIMITS {
        return Err(wrong("analysis.metrics", "has at most 20 limits"));
    }
    analysis.metrics.iter().enumerate().try_for_each(|(index, limit)| check_limit(index, limit))
}

fn check_limit(index: usize, limit: &MetricLimit) -> Result<()> {
    let field = |name: &str| format!("analysis.metrics[{index}].{name}");
    if !is_metric_name(&limit.metric) {
        return Err(wrong(&field("metric"), "is a name of 1 to 64 letters, digits, spaces and _ . - /"));
    }
    let limits = [limit.min, limit.max];
    if limits.iter().flatten().next().is_none() {
        return Err(wrong(&field("min"), "or max is needed"));
    }
    if limits.iter().flatten().any(|it| !it.is_finite()) || matches!(limits, [Some(min), Some(max)] if min > max) {
        return Err(wrong(&field("min"), "and max are numbers, min the smaller one"));
    }
    if !(1..=1_000_000).contains(&limit.min_reports) {
        return Err(wrong(&field("min_reports"), "is 1 to 1000000"));
    }
    Ok(())
}

fn wrong(field: &str, what: &str) -> Error {
    Error::invalid(format!("release.{field} {what}."))
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
