//! Rows of releases and of who did what in them. A release changes only while it is open.

use diesel::prelude::*;
use drydock_wire::serving::{ReleaseLook, ReleasePlan};

use super::rules::State;
use crate::db::Conn;
use crate::db::schema::serving::{release_events, releases};
use crate::error::{Error, Result};

/// Looks of the present step that are kept; of a step that is over, only the last.
const LOOKS_OF_STEP: usize = 40;
/// Releases that the history shows.
const SHOWN: i64 = 20;

/// A release.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = releases)]
pub struct ReleaseRow {
    pub id: String,
    pub deployment_id: String,
    pub revision: i64,
    pub stable: i64,
    plan: String,
    state: String,
    pub step: i64,
    pub step_began_at: i64,
    pub paused: bool,
    pub reason: Option<String>,
    looks: String,
    pub began_at: i64,
    pub began_by: String,
    pub ended_at: Option<i64>,
}

/// A line of a release's history: when, by whom, what.
pub type EventRow = (i64, Option<String>, String);

impl ReleaseRow {
    /// A release whose candidate does not answer yet.
    pub fn new(deployment_id: &str, revision: i64, stable: i64, plan: &ReleasePlan, by: &str, now: i64) -> Self {
        Self {
            id: uuid::Uuid::now_v7().to_string(),
            deployment_id: deployment_id.to_owned(),
            revision,
            stable,
            plan: serde_json::json!(plan).to_string(),
            state: State::Starting.as_str().to_owned(),
            step: 0,
            step_began_at: now,
            paused: false,
            reason: None,
            looks: "[]".to_owned(),
            began_at: now,
            began_by: by.to_owned(),
            ended_at: None,
        }
    }

    pub fn plan(&self) -> Result<ReleasePlan> {
        serde_json::from_str(&self.plan).map_err(Error::internal)
    }

    pub fn state(&self) -> Result<State> {
        State::parse(&self.state)
    }

    /// Its step as a place in the plan's list.
    pub fn place(&self) -> usize {
        usize::try_from(self.step).unwrap_or_default()
    }

    /// What the analysis saw, oldest first.
    pub fn looks(&self) -> Result<Vec<ReleaseLook>> {
        serde_json::from_str(&self.looks).map_err(Error::internal)
    }
}

/// Adds a release.
pub fn insert(conn: &mut Conn, row: &ReleaseRow) -> Result<()> {
    diesel::insert_into(releases::table).values(row).execute(conn).map(drop).map_err(Error::internal)
}

/// The release of a deployment that goes on now.
pub fn open_of(conn: &mut Conn, deployment_id: &str) -> Result<Option<ReleaseRow>> {
    let query = releases::table.filter(releases::deployment_id.eq(deployment_id)).filter(releases::ended_at.is_null());
    query.select(ReleaseRow::as_select()).first(conn).optional().map_err(Error::internal)
}

/// Every release that goes on now.
pub fn open(conn: &mut Conn) -> Result<Vec<ReleaseRow>> {
    let query = releases::table.filter(releases::ended_at.is_null()).order(releases::began_at);
    query.select(ReleaseRow::as_select()).load(conn).map_err(Error::internal)
}

/// Releases of a deployment that are over, newest first.
pub fn ended_of(conn: &mut Conn, deployment_id: &str) -> Result<Vec<ReleaseRow>> {
    let query = releases::table
        .filter(releases::deployment_id.eq(deployment_id))
        .filter(releases::ended_at.is_not_null())
        .order((releases::began_at.desc(), releases::id.desc()))
        .limit(SHOWN);
    query.select(ReleaseRow::as_select()).load(conn).map_err(Error::internal)
}

/// The candidate answers: the first step begins.
pub fn set_running(conn: &mut Conn, id: &str, now: i64) -> Result<()> {
    let values = (releases::state.eq(State::Running.as_str()), releases::step.eq(0), releases::step_began_at.eq(now));
    diesel::update(releases::table.find(id)).set(values).execute(conn).map(drop).map_err(Error::internal)
}

/// Another step begins, if it still is in the one that was decided upon; whether it was.
pub fn set_step(conn: &mut Conn, id: &str, from: i64, to: i64, now: i64) -> Result<bool> {
    let row = releases::table.find(id).filter(releases::step.eq(from)).filter(releases::ended_at.is_null());
    let values = (releases::step.eq(to), releases::step_began_at.eq(now));
    diesel::update(row).set(values).execute(conn).map(|rows| rows > 0).map_err(Error::internal)
}

/// It holds its step, or goes on.
pub fn set_paused(conn: &mut Conn, id: &str, paused: bool) -> Result<()> {
    diesel::update(releases::table.find(id))
        .set(releases::paused.eq(paused))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// It is over, if it was not; whether it was not.
pub fn close(conn: &mut Conn, id: &str, state: State, reason: Option<&str>, now: i64) -> Result<bool> {
    let row = releases::table.find(id).filter(releases::ended_at.is_null());
    let values = (releases::state.eq(state.as_str()), releases::reason.eq(reason), releases::ended_at.eq(now));
    diesel::update(row).set(values).execute(conn).map(|rows| rows > 0).map_err(Error::internal)
}

/// Keeps what the analysis saw.
pub fn add_look(conn: &mut Conn, release: &ReleaseRow, look: ReleaseLook) -> Result<()> {
    let mut looks = release.looks()?;
    looks.push(look);
    let looks = serde_json::json!(shortened(looks)).to_string();
    let row = releases::table.find(&release.id).filter(releases::ended_at.is_null());
    diesel::update(row).set(releases::looks.eq(looks)).execute(conn).map(drop).map_err(Error::internal)
}

fn shortened(looks: Vec<ReleaseLook>) -> Vec<ReleaseLook> {
    let present = looks.last().map(|look| look.step);
    let of_present = looks.iter().filter(|look| Some(look.step) == present).count();
    let mut surplus = of_present.saturating_sub(LOOKS_OF_STEP);
    let mut kept: Vec<ReleaseLook> = Vec::new();
    for look in looks {
        if Some(look.step) == present {
            if surplus > 0 {
                surplus -= 1;
                continue;
            }
        } else if kept.last().is_some_and(|last| last.step == look.step) {
            kept.pop();
        }
        kept.push(look);
    }
    kept
}

/// Writes down who did what; nobody: Drydock itself.
pub fn note(conn: &mut Conn, release_id: &str, by: Option<&str>, what: &str, now: i64) -> Result<()> {
    let values = (
        release_events::release_id.eq(release_id),
        release_events::at.eq(now),
        release_events::by.eq(by),
        release_events::what.eq(what),
    );
    diesel::insert_into(release_events::table).values(values).execute(conn).map(drop).map_err(Error::internal)
}

/// Who did what, oldest first.
pub fn events_of(conn: &mut Conn, release_id: &str) -> Result<Vec<EventRow>> {
    let query = release_events::table.filter(release_events::release_id.eq(release_id)).order(release_events::id);
    query.select((release_events::at, release_events::by, release_events::what)).load(conn).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(step: u32, at: i64) -> ReleaseLook {
        ReleaseLook {
            at,
            step,
            requests: 0,
            failed: 0,
            success_rate: None,
            p50_ms: None,
            p95_ms: None,
            p99_ms: None,
            metrics: vec![],
            judged: false,
            broken: vec![],
        }
    }

    #[test]
    fn of_a_step_that_is_over_the_last_look_is_kept_and_of_the_present_one_the_last_forty() {
        let looks =
            (0..5).map(|at| look(0, at)).chain((5..8).map(|at| look(1, at))).chain((8..60).map(|at| look(2, at)));
        let kept = shortened(looks.collect());
        let places: Vec<(u32, i64)> = kept.iter().map(|look| (look.step, look.at)).collect();
        assert_eq!(places[..3], [(0, 4), (1, 7), (2, 20)]);
        assert_eq!(places.len(), 42);
    }
}
