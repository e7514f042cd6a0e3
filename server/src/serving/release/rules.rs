//! Pure decisions of a release: what its next move is, what a look at the candidate says, what people are told.
//!
//! Everything that a move depends on is a row or was measured; a server that starts again in the middle of a step finds
//! the step in its row, and measures anew.

use std::time::Duration;

use drydock_wire::serving::{Analysis, Canary, ReleaseLook, ReleasePlan};

use crate::error::{Error, Result};
use crate::serving::gateway::tally::Counts;
use crate::serving::rules::RevisionState;

/// Nothing is held or kept for longer than a week.
const LONGEST_S: u64 = 7 * 24 * 3600;
const MOST_STEPS: usize = 20;

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
    /// As many as there are: all steps are done, and it waits for a person.
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
    /// The candidate took an end of its own.
    Close(State, Option<String>),
}

/// The one decision about a release.
pub fn next_move(facts: &Facts<'_>) -> Move {
    let reason = facts.candidate_reason.map(str::to_owned);
    match facts.candidate {
        RevisionState::Placing | RevisionState::Starting => Move::Nothing,
        RevisionState::Withdrawing | RevisionState::Failing | RevisionState::Failed => {
            Move::Close(State::RolledBack, reason)
        }
        RevisionState::Draining | RevisionState::Retiring | RevisionState::Retired => {
            Move::Close(State::Replaced, reason)
        }
        RevisionState::Live | RevisionState::Warm => Move::Close(State::Promoted, None),
        RevisionState::Candidate => match (&facts.illness, facts.plan) {
            (Some(illness), _) => Move::RollBack(illness.clone()),
            (None, ReleasePlan::Rolling) => Move::Promote("It answers.".to_owned()),
            (None, ReleasePlan::BlueGreen(plan)) => match plan.auto_promote_after_s {
                Some(after) if !facts.paused && facts.in_step >= Duration::from_secs(after) => {
                    Move::Promote(format!("It was tried for {}.", duration(after)))
                }
                _ => Move::Nothing,
            },
            (None, ReleasePlan::Canary(plan)) => of_canary(facts, plan),
        },
    }
}

fn of_canary(facts: &Facts<'_>, plan: &Canary) -> Move {
    let look = facts.look.filter(|look| look.judged);
    if let Some(bad) = look.filter(|look| !look.broken.is_empty()) {
        // a pause holds the step, not the hand that takes a bad one out
        let is_enough = facts.bad_looks >= plan.analysis.max_failures;
        return if is_enough { Move::RollBack(reason_of(bad, plan)) } else { Move::Nothing };
    }
    let Some(step) = plan.steps.get(facts.step).filter(|_| !facts.paused) else { return Move::Nothing };
    if facts.in_step < Duration::from_secs(step.hold_s) || look.is_none() {
        return Move::Nothing;
    }
    let is_last = facts.step + 1 == plan.steps.len();
    if is_last && plan.automatic { Move::Promote("Every step was good.".to_owned()) } else { Move::NextStep }
}

/// Percent of the requests that a candidate gets.
pub fn weight(plan: &ReleasePlan, state: State, step: usize) -> u32 {
    match plan {
        ReleasePlan::Canary(plan) if state == State::Running => weight_of_step(plan, step),
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
        ReleasePlan::BlueGreen(plan) => plan.keep_old_s,
        ReleasePlan::Canary(plan) => plan.keep_old_s,
    }
}

/// What these counts say about the candidate.
pub fn look(analysis: &Analysis, candidate: &Counts, stable: &Counts, at: i64, step: usize) -> ReleaseLook {
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
    rate.into_iter().chain(over).collect()
}

fn reason_of(look: &ReleaseLook, plan: &Canary) -> String {
    let what = look.broken.join(" and ");
    let place = place(plan, look.step as usize);
    format!("{what} {place} over {} requests", look.requests)
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
        (State::Starting, _) => Some("Until the new revision answers.".to_owned()),
        (State::Running, _) if facts.paused => Some("It is paused.".to_owned()),
        (State::Running, ReleasePlan::BlueGreen(plan)) => Some(match plan.auto_promote_after_s {
            None => "For somebody to promote it.".to_owned(),
            Some(after) => format!("It takes over by itself in {}.", duration(left(after, facts.in_step))),
        }),
        (State::Running, ReleasePlan::Canary(plan)) => Some(canary_waits_for(facts, plan)),
        _ => None,
    }
}

fn canary_waits_for(facts: &Facts<'_>, plan: &Canary) -> String {
    let Some(step) = plan.steps.get(facts.step) else { return "For somebody to promote it.".to_owned() };
    let requests = facts.look.map_or(0, |look| look.requests);
    let left = left(step.hold_s, facts.in_step);
    match facts.look {
        Some(look) if !look.broken.is_empty() => format!("A better look: {}.", look.broken.join(" and ")),
        Some(look) if look.judged && left > 0 => format!("{} more of this step.", duration(left)),
        Some(look) if look.judged => "The next step is about to begin.".to_owned(),
        _ => format!("{requests} of {} requests to judge.", plan.analysis.min_requests.max(1)),
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

/// Whether a release can go like that.
///
/// # Errors
/// `invalid`, naming the field and what to write.
pub fn check(plan: &ReleasePlan) -> Result<()> {
    if keep_old_s(plan) > LONGEST_S {
        return Err(wrong("keep_old_s", "is at most a week, 604800"));
    }
    match plan {
        ReleasePlan::Rolling => Ok(()),
        ReleasePlan::BlueGreen(plan) => match plan.auto_promote_after_s {
            Some(after) if !(1..=LONGEST_S).contains(&after) => {
                Err(wrong("auto_promote_after_s", "is 1 to 604800 seconds; leave it out to promote by hand"))
            }
            _ => Ok(()),
        },
        ReleasePlan::Canary(plan) => check_steps(plan).and_then(|()| check_analysis(&plan.analysis)),
    }
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
    Ok(())
}

fn wrong(field: &str, what: &str) -> Error {
    Error::invalid(format!("release.{field} {what}."))
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
