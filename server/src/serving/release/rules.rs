//! Pure decisions of a release: what its next move is, what a look at the candidate says, what people are told.
//!
//! Everything that a move depends on is a row or was measured; a server that starts again in the middle of a step finds
//! the step in its row, and measures anew.

use std::time::Duration;

use drydock_wire::serving::{Analysis, Canary, ExperimentEnd, MetricLimit, MetricSeen, ReleaseLook, ReleasePlan, Then};

use crate::error::{Error, Result};
use crate::serving::gateway::tally::Counts;
use crate::serving::rules::RevisionState;

/// How far a release is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The candidate does not answer yet.
    Starting,
    /// The candidate answers and is tried.
    Running,
    Promoted,
    RolledBack,
    /// Another revision was asked for meanwhile.
    Replaced,
}

impl State {
    const ALL: [Self; 5] = [Self::Starting, Self::Running, Self::Promoted, Self::RolledBack, Self::Replaced];

    /// The word kept in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled_back",
            Self::Replaced => "replaced",
        }
    }

    /// The value of that word; anything else means that the database is not ours.
    pub fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| Error::internal(anyhow::anyhow!("unknown release state '{text}'")))
    }
}

/// Everything a move depends on.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    pub plan: &'a ReleasePlan,
    pub state: State,
    /// As many as there are: all steps are done, and it waits for a person. 1 of an experiment that reached its end.
    pub step: usize,
    pub in_step: Duration,
    pub paused: bool,
    pub candidate: RevisionState,
    pub candidate_reason: Option<&'a str>,
    /// Why the candidate cannot be asked any more, where it was.
    pub illness: Option<String>,
    /// The last look of this step.
    pub look: Option<&'a ReleaseLook>,
    /// Bad looks in a row.
    pub bad_looks: u32,
    /// What counts for an experiment's end: requests, or answers that were compared.
    pub counted: u64,
    pub now: i64,
}

/// What to do about a release now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    Nothing,
    /// The step went well.
    NextStep,
    /// The candidate becomes the live one, for this reason.
    Promote(String),
    /// The candidate gets no more requests and fails, for this reason.
    RollBack(String),
    /// The candidate is not wanted any more, for this reason, which is no failure.
    TakeBack(String),
    /// The candidate took an end of its own.
    Close(State, Option<String>),
}

/// The one decision about a release.
pub fn next_move(facts: &Facts<'_>) -> Move {
    let reason = facts.candidate_reason.map(str::to_owned);
    match facts.candidate {
        RevisionState::Placing | RevisionState::Waiting | RevisionState::Starting => Move::Nothing,
        RevisionState::Withdrawing | RevisionState::Failing | RevisionState::Failed => {
            Move::Close(State::RolledBack, reason)
        }
        RevisionState::Draining | RevisionState::Retiring | RevisionState::Retired => {
            Move::Close(State::Replaced, reason)
        }
        RevisionState::Live | RevisionState::Warm => Move::Close(State::Promoted, None),
        // it was live before it stepped aside
        RevisionState::Yielding | RevisionState::Stopping | RevisionState::Parked | RevisionState::Returning => {
            Move::Close(State::Promoted, None)
        }
        RevisionState::Candidate => match (&facts.illness, facts.plan) {
            (Some(illness), _) => Move::RollBack(illness.clone()),
            (None, ReleasePlan::Rolling | ReleasePlan::Recreate) => Move::Promote("It answers.".to_owned()),
            (None, ReleasePlan::BlueGreen(plan)) => match plan.auto_promote_after_s {
                Some(after) if !facts.paused && facts.in_step >= Duration::from_secs(after) => {
                    Move::Promote(format!("It was tried for {}.", duration(after)))
                }
                _ => Move::Nothing,
            },
            (None, ReleasePlan::Canary(plan)) => after_bad_looks(facts).unwrap_or_else(|| of_canary(facts, plan)),
            (None, ReleasePlan::Ab(_) | ReleasePlan::Shadow(_)) => {
                after_bad_looks(facts).unwrap_or_else(|| of_experiment(facts))
            }
        },
    }
}

/// What becomes of a candidate that breaks its limits; absent where it keeps them.
fn after_bad_looks(facts: &Facts<'_>) -> Option<Move> {
    let (look, analysis) = (facts.look?, facts.plan.analysis()?);
    if !look.judged || look.broken.is_empty() {
        return None;
    }
    // a pause holds the step, not the hand that takes a bad one out
    let is_enough = facts.bad_looks >= analysis.max_failures;
    Some(if is_enough { Move::RollBack(reason_of(look, facts.plan)) } else { Move::Nothing })
}

fn of_experiment(facts: &Facts<'_>) -> Move {
    let end = facts.plan.end().filter(|_| facts.step == 0 && !facts.paused);
    let Some((end, why)) = end.and_then(|end| Some((end, end_reached(end, facts)?))) else { return Move::Nothing };
    match end.then {
        Then::Wait => Move::NextStep,
        Then::TakeBack => Move::TakeBack(why),
        Then::Promote => Move::Promote(why),
    }
}

/// In words, where it is.
fn end_reached(end: &ExperimentEnd, facts: &Facts<'_>) -> Option<String> {
    let by_count = end.after_requests.filter(|after| facts.counted >= *after);
    let of = if matches!(facts.plan, ReleasePlan::Shadow(_)) { "answers compared" } else { "requests" };
    by_count
        .map(|_| format!("The experiment ended after {} {of}.", facts.counted))
        .or_else(|| end.at.filter(|at| facts.now >= *at).map(|_| "The experiment's time was over.".to_owned()))
}

fn of_canary(facts: &Facts<'_>, plan: &Canary) -> Move {
    let look = facts.look.filter(|look| look.judged);
    let Some(step) = plan.steps.get(facts.step).filter(|_| !facts.paused) else { return Move::Nothing };
    let is_known = look.is_some_and(|look| too_few_reports(&plan.analysis, look).is_none());
    if facts.in_step < Duration::from_secs(step.hold_s) || !is_known {
        return Move::Nothing;
    }
    let is_last = facts.step + 1 == plan.steps.len();
    if is_last && plan.automatic { Move::Promote("Every step was good.".to_owned()) } else { Move::NextStep }
}

/// Percent of the requests that a candidate gets.
pub fn weight(plan: &ReleasePlan, state: State, step: usize) -> u32 {
    match plan {
        ReleasePlan::Canary(plan) if state == State::Running => weight_of_step(plan, step),
        ReleasePlan::Ab(plan) if state == State::Running && step == 0 => plan.weight,
        _ => 0,
    }
}

/// After the last step its weight stays until somebody decides.
fn weight_of_step(plan: &Canary, step: usize) -> u32 {
    plan.steps.get(step).or(plan.steps.last()).map_or(0, |step| step.weight)
}

/// For how long the replaced revision is kept.
pub fn keep_old_s(plan: &ReleasePlan) -> u64 {
    match plan {
        ReleasePlan::Rolling => drydock_wire::serving::KEEP_OLD_S,
        // it had to end
        ReleasePlan::Recreate => 0,
        ReleasePlan::BlueGreen(plan) => plan.keep_old_s,
        ReleasePlan::Canary(plan) => plan.keep_old_s,
        ReleasePlan::Ab(plan) => plan.keep_old_s,
        ReleasePlan::Shadow(plan) => plan.keep_old_s,
    }
}

/// What a candidate did, and its live revision meanwhile.
#[derive(Debug, Default)]
pub struct Measured {
    pub candidate: Counts,
    pub stable: Counts,
    /// Of the candidate, those that have limits.
    pub metrics: Vec<MetricSeen>,
}

/// What these counts say about the candidate.
pub fn look(analysis: &Analysis, measured: Measured, at: i64, step: usize) -> ReleaseLook {
    let (candidate, stable) = (&measured.candidate, &measured.stable);
    let requests = candidate.requests;
    let failed = (candidate.failed + surplus_refusals(candidate, stable)).min(requests);
    let judged = requests > 0 && requests >= analysis.min_requests;
    let mut look = ReleaseLook {
        at,
        step: step as u32,
        requests,
        failed,
        success_rate: (requests > 0).then(|| 100.0 * (requests - failed) as f64 / requests as f64),
        p50_ms: candidate.latency.quantile_ms(0.50),
        p95_ms: candidate.latency.quantile_ms(0.95),
        p99_ms: candidate.latency.quantile_ms(0.99),
        metrics: measured.metrics,
        judged,
        broken: Vec::new(),
    };
    if judged {
        look.broken = broken(analysis, &look);
    }
    look
}

/// Refusals beyond those that the stable revision would have given: a body that both refuses is the caller's fault.
fn surplus_refusals(candidate: &Counts, stable: &Counts) -> u64 {
    let usual = match stable.requests {
        0 => 0.0,
        requests => candidate.requests as f64 * stable.refused as f64 / requests as f64,
    };
    (candidate.refused as f64 - usual).max(0.0).round() as u64
}

fn broken(analysis: &Analysis, look: &ReleaseLook) -> Vec<String> {
    let slow = [
        ("p50", look.p50_ms, analysis.max_p50_ms),
        ("p95", look.p95_ms, analysis.max_p95_ms),
        ("p99", look.p99_ms, analysis.max_p99_ms),
    ];
    let rate = match (look.success_rate, analysis.min_success_rate) {
        (Some(rate), Some(least)) if rate < least => Some(format!("success rate of {rate:.1} % under {least} %")),
        _ => None,
    };
    let over = slow.into_iter().filter_map(|(name, ms, most)| match (ms, most) {
        (Some(ms), Some(most)) if ms > most => Some(format!("{name} of {ms:.0} ms over {most} ms")),
        _ => None,
    });
    let metrics = analysis.metrics.iter().filter_map(|limit| outside(limit, look));
    rate.into_iter().chain(over).chain(metrics).collect()
}

/// How a metric's mean breaks its limit, in words.
fn outside(limit: &MetricLimit, look: &ReleaseLook) -> Option<String> {
    let seen = look.metrics.iter().find(|seen| seen.metric == limit.metric)?;
    let mean = seen.mean.filter(|_| seen.reports >= limit.min_reports)?;
    let (name, reports) = (&limit.metric, seen.reports);
    let under = limit.min.filter(|least| mean < *least).map(|least| format!("under {least}"));
    let how = under.or_else(|| limit.max.filter(|most| mean > *most).map(|most| format!("over {most}")))?;
    Some(format!("mean '{name}' of {mean:.4} {how} in {reports} reports"))
}

/// The first metric that has a limit and not yet reports enough, with those that it has.
fn too_few_reports<'a>(analysis: &'a Analysis, look: &ReleaseLook) -> Option<(&'a MetricLimit, u64)> {
    analysis.metrics.iter().find_map(|limit| {
        let reports = look.metrics.iter().find(|seen| seen.metric == limit.metric).map_or(0, |seen| seen.reports);
        (reports < limit.min_reports).then_some((limit, reports))
    })
}

fn reason_of(look: &ReleaseLook, plan: &ReleasePlan) -> String {
    let what = look.broken.join(" and ");
    let place = match plan {
        ReleasePlan::Canary(plan) => place(plan, look.step as usize),
        _ => "in the A/B test".to_owned(),
    };
    format!("{what} {place} over {} requests", look.requests)
}

/// What the history says of a new step.
pub fn step_note(plan: &ReleasePlan, step: usize) -> String {
    match plan {
        ReleasePlan::Canary(plan) => format!("The step was good; it goes on {}.", place(plan, step)),
        _ => "The experiment reached its end; all requests go to the live revision.".to_owned(),
    }
}

/// What the history says when the candidate first answers.
pub fn begin_note(plan: &ReleasePlan) -> String {
    match plan {
        ReleasePlan::Canary(plan) => format!("It answers and gets requests {}.", place(plan, 0)),
        ReleasePlan::Ab(plan) => format!("It answers and gets {} % of the callers.", plan.weight),
        ReleasePlan::Shadow(plan) => format!("It answers and gets copies of {} % of the requests.", plan.percent),
        ReleasePlan::BlueGreen(_) | ReleasePlan::Rolling | ReleasePlan::Recreate => {
            "It answers and can be tried by its number.".to_owned()
        }
    }
}

/// `in step 2 (25 %)`.
pub fn place(plan: &Canary, step: usize) -> String {
    let weight = weight_of_step(plan, step);
    if step < plan.steps.len() {
        format!("in step {} ({weight} %)", step + 1)
    } else {
        format!("after the last step ({weight} %)")
    }
}

/// What a release waits for, as people read it.
pub fn waits_for(facts: &Facts<'_>) -> Option<String> {
    match (facts.state, facts.plan) {
        (State::Starting, ReleasePlan::Recreate) => {
            Some("Until the revision before it has ended and the new one answers; requests are held.".to_owned())
        }
        (State::Starting, _) => Some("Until the new revision answers.".to_owned()),
        (State::Running, _) if facts.paused => Some("It is paused.".to_owned()),
        (State::Running, ReleasePlan::BlueGreen(plan)) => Some(match plan.auto_promote_after_s {
            None => "For somebody to promote it.".to_owned(),
            Some(after) => format!("It takes over by itself in {}.", duration(left(after, facts.in_step))),
        }),
        (State::Running, ReleasePlan::Canary(plan)) => Some(canary_waits_for(facts, plan)),
        (State::Running, ReleasePlan::Ab(_) | ReleasePlan::Shadow(_)) => Some(experiment_waits_for(facts)),
        _ => None,
    }
}

fn canary_waits_for(facts: &Facts<'_>, plan: &Canary) -> String {
    let Some(step) = plan.steps.get(facts.step) else { return "For somebody to promote it.".to_owned() };
    let requests = facts.look.map_or(0, |look| look.requests);
    let left = left(step.hold_s, facts.in_step);
    match facts.look {
        Some(look) if !look.broken.is_empty() => format!("A better look: {}.", look.broken.join(" and ")),
        Some(look) if look.judged && too_few_reports(&plan.analysis, look).is_some() => {
            let (metric, reports) = too_few_reports(&plan.analysis, look).map_or(("", 0), |(it, n)| (&it.metric, n));
            format!("Reports of '{metric}': {reports} so far are too few to judge.")
        }
        Some(look) if look.judged && left > 0 => format!("{} more of this step.", duration(left)),
        Some(look) if look.judged => "The next step is about to begin.".to_owned(),
        _ => format!("{requests} of {} requests to judge.", plan.analysis.min_requests.max(1)),
    }
}

fn experiment_waits_for(facts: &Facts<'_>) -> String {
    let Some(end) = facts.plan.end().filter(|_| facts.step == 0) else {
        return "For somebody to promote it or to take it back.".to_owned();
    };
    let seconds = end.at.map(|at| u64::try_from((at - facts.now) / 1000).unwrap_or_default());
    match (end.after_requests, seconds) {
        (Some(after), None) => format!("Its end after {after} requests."),
        (None, Some(left)) => format!("Its end in {}.", duration(left)),
        (Some(after), Some(left)) => format!("Its end after {after} requests, or in {}.", duration(left)),
        (None, None) => "For somebody to promote it or to take it back.".to_owned(),
    }
}

fn left(whole_s: u64, gone: Duration) -> u64 {
    whole_s.saturating_sub(gone.as_secs())
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
