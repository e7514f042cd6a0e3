//! Releases as people see them.

use std::time::Duration;

use drydock_wire::serving::{Release, ReleaseEvent, ReleasePage, ReleasePlan, ReleaseShare};

use super::rules::{self, Facts, State};
use super::store::{self, EventRow, ReleaseRow};
use crate::clock;
use crate::db::Conn;
use crate::error::Result;
use crate::serving::gateway::Gateway;
use crate::serving::rules::RevisionState;
use crate::serving::store::RevisionRow;

/// The open release and those that are over, each with who did what.
pub struct Rows {
    open: Option<(ReleaseRow, Vec<EventRow>)>,
    ended: Vec<(ReleaseRow, Vec<EventRow>)>,
}

/// Reads a deployment's releases.
pub fn rows(conn: &mut Conn, deployment_id: &str) -> Result<Rows> {
    let open = match store::open_of(conn, deployment_id)? {
        Some(row) => {
            let events = store::events_of(conn, &row.id)?;
            Some((row, events))
        }
        None => None,
    };
    let mut ended = Vec::new();
    for row in store::ended_of(conn, deployment_id)? {
        let events = store::events_of(conn, &row.id)?;
        ended.push((row, events));
    }
    Ok(Rows { open, ended })
}

/// The whole page.
pub fn page(rows: Rows, revisions: &[RevisionRow], gateway: &Gateway) -> Result<ReleasePage> {
    let share_of_candidate = match &rows.open {
        Some((row, _)) => Some((row.revision, rules::weight(&row.plan()?, row.state()?, row.place()))),
        None => None,
    };
    Ok(ReleasePage {
        current: rows.open.map(|(row, events)| release(row, events)).transpose()?,
        history: rows.ended.into_iter().map(|(row, events)| release(row, events)).collect::<Result<_>>()?,
        shares: shares(revisions, share_of_candidate, gateway)?,
    })
}

fn shares(revisions: &[RevisionRow], on_trial: Option<(i64, u32)>, gateway: &Gateway) -> Result<Vec<ReleaseShare>> {
    let mut shares = Vec::new();
    for revision in revisions {
        let state = revision.state()?;
        if !state.is_routed() {
            continue;
        }
        let weight = match (state, on_trial) {
            (RevisionState::Live, on_trial) => 100 - on_trial.map_or(0, |(_, weight)| weight),
            (RevisionState::Candidate, Some((number, weight))) if number == revision.number => weight,
            _ => 0,
        };
        let counts = gateway.counts(&revision.id);
        shares.push(ReleaseShare {
            revision: revision.number,
            state: state.shown().to_owned(),
            weight,
            requests: counts.requests,
            failed: counts.failed,
            p95_ms: counts.latency.quantile_ms(0.95),
        });
    }
    Ok(shares)
}

pub fn release(row: ReleaseRow, events: Vec<EventRow>) -> Result<Release> {
    let (plan, state, looks) = (row.plan()?, row.state()?, row.looks()?);
    let in_step = Duration::from_millis(u64::try_from(clock::now_ms() - row.step_began_at).unwrap_or_default());
    let facts = Facts {
        plan: &plan,
        state,
        step: row.place(),
        in_step,
        paused: row.paused,
        candidate: RevisionState::Candidate,
        candidate_reason: None,
        illness: None,
        look: looks.last().filter(|look| i64::from(look.step) == row.step && look.at >= row.step_began_at),
        bad_looks: 0,
        counted: 0,
        now: clock::now_ms(),
    };
    let waits_for = rules::waits_for(&facts);
    Ok(Release {
        state: shown(&plan, state, row.place()).to_owned(),
        weight: rules::weight(&plan, state, row.place()),
        waits_for,
        id: row.id,
        revision: row.revision,
        stable: row.stable,
        plan,
        step: u32::try_from(row.step).unwrap_or_default(),
        step_began_at: row.step_began_at,
        paused: row.paused,
        reason: row.reason,
        began_at: row.began_at,
        began_by: row.began_by,
        ended_at: row.ended_at,
        looks,
        events: events.into_iter().map(|(at, by, what)| ReleaseEvent { at, by, what }).collect(),
    })
}

/// The word that people see: a release that only a person moves on waits.
fn shown(plan: &ReleasePlan, state: State, step: usize) -> &'static str {
    let waits = match plan {
        ReleasePlan::BlueGreen(plan) => plan.auto_promote_after_s.is_none(),
        ReleasePlan::Canary(plan) => step >= plan.steps.len(),
        ReleasePlan::Ab(_) | ReleasePlan::Shadow(_) => plan.end().is_none() || step > 0,
        ReleasePlan::Rolling | ReleasePlan::Recreate => false,
    };
    if state == State::Running && waits { "waiting" } else { state.as_str() }
}
