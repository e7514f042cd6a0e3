//! Rows of deployments, revisions and (`traffic`) minutes of traffic. A state changes only from the state that the decision saw:
//! `advance` says whether it did.

mod images;
mod marks;
mod traffic;
mod unfinished;

pub use images::images_in_use;
pub use marks::{Mark, marks};
pub use traffic::{keep_traffic, kept_traffic, prune_traffic};
pub use unfinished::{swapping, unfinished, unfinished_of};

use std::net::SocketAddr;

use diesel::prelude::*;
use drydock_wire::{
    jobs::Resources,
    serving::{ReleasePlan, Runtime, ServedBy, ServingSettings},
};

use super::rules::{RevisionState, Run};
use crate::accounts::Scope;
use crate::db::Conn;
use crate::db::schema::serving::{deployments, revisions};
use crate::error::{Error, Result};

/// A deployment.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = deployments)]
pub struct DeploymentRow {
    pub id: String,
    pub name: String,
    pub goal: i64,
    pub deleting: bool,
    pub created_at: i64,
    pub created_by: String,
    pub updated_at: i64,
    pub total_requests: i64,
    pub total_errors: i64,
    pub settings: String,
    /// The alias that it follows, as `@champion`, where the settings say so.
    pub alias: Option<String>,
    /// How many replicas scaling wants now; absent: as the settings say.
    pub wanted_replicas: Option<i64>,
}

/// A revision.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = revisions)]
pub struct RevisionRow {
    pub id: String,
    pub deployment_id: String,
    pub number: i64,
    pub model: String,
    pub version: i64,
    resources: String,
    state: String,
    pub reason: Option<String>,
    address: Option<String>,
    address_since: Option<i64>,
    pub example: Option<String>,
    pub created_at: i64,
    pub created_by: String,
    pub ready_at: Option<i64>,
    pub ended_at: Option<i64>,
    release: Option<String>,
    pub warm_until: Option<i64>,
    served_by: String,
}

/// What a new revision is to serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    pub model: String,
    pub version: i64,
    pub resources: Resources,
    pub served_by: ServedBy,
    /// How it is to come in; absent: rolling.
    pub release: Option<ReleasePlan>,
}

impl RevisionRow {
    /// A revision of which nothing has happened yet.
    pub fn new(deployment_id: &str, number: i64, wish: &Wish, by: &str, now: i64) -> Self {
        Self {
            id: uuid::Uuid::now_v7().to_string(),
            deployment_id: deployment_id.to_owned(),
            number,
            model: wish.model.clone(),
            version: wish.version,
            resources: serde_json::json!(wish.resources).to_string(),
            state: RevisionState::Placing.as_str().to_owned(),
            reason: None,
            address: None,
            address_since: None,
            example: None,
            created_at: now,
            created_by: by.to_owned(),
            ready_at: None,
            ended_at: None,
            release: wish.release.as_ref().map(|plan| serde_json::json!(plan).to_string()),
            warm_until: None,
            served_by: serde_json::json!(wish.served_by).to_string(),
        }
    }

    pub fn state(&self) -> Result<RevisionState> {
        RevisionState::parse(&self.state)
    }

    pub fn resources(&self) -> Result<Resources> {
        serde_json::from_str(&self.resources).map_err(Error::internal)
    }

    /// What answers in its containers.
    pub fn served_by(&self) -> Result<ServedBy> {
        serde_json::from_str(&self.served_by).map_err(Error::internal)
    }

    /// How it was to come in; absent: rolling.
    pub fn release(&self) -> Result<Option<ReleasePlan>> {
        self.release.as_deref().map(|plan| serde_json::from_str(plan).map_err(Error::internal)).transpose()
    }

    /// The run that the gateway sends requests to.
    pub fn routed(&self) -> Option<Run> {
        let address: SocketAddr = self.address.as_ref()?.parse().ok()?;
        Some(Run { address, started_at: self.address_since.unwrap_or_default() })
    }

    /// Whether it serves just this. An image that Docker could not be asked for is taken for the one of that name.
    pub fn is(&self, wish: &Wish) -> Result<bool> {
        let is_same = self.model == wish.model && self.version == wish.version;
        let mut served_by = self.served_by()?;
        if let (Runtime::Image(own), Runtime::Image(wished)) = (&mut served_by.runtime, &wish.served_by.runtime)
            && wished.image_id.is_none()
        {
            own.image_id = None;
        }
        Ok(is_same && self.resources()? == wish.resources && served_by == wish.served_by)
    }
}

impl DeploymentRow {
    pub fn settings(&self) -> Result<ServingSettings> {
        serde_json::from_str(&self.settings).map_err(Error::internal)
    }
}

/// The deployment of that name.
pub fn find(conn: &mut Conn, name: &str) -> Result<Option<DeploymentRow>> {
    let query = deployments::table.filter(deployments::name.eq(name)).select(DeploymentRow::as_select());
    query.first(conn).optional().map_err(Error::internal)
}

/// The deployment with that id.
pub fn by_id(conn: &mut Conn, id: &str) -> Result<Option<DeploymentRow>> {
    let query = deployments::table.find(id).select(DeploymentRow::as_select());
    query.first(conn).optional().map_err(Error::internal)
}

/// The project of the deployment with that id.
pub fn project_of(conn: &mut Conn, id: &str) -> Result<Option<String>> {
    deployments::table.find(id).select(deployments::project_id).first(conn).optional().map_err(Error::internal)
}

/// All deployments by name.
pub fn all(conn: &mut Conn) -> Result<Vec<DeploymentRow>> {
    deployments::table.order(deployments::name).select(DeploymentRow::as_select()).load(conn).map_err(Error::internal)
}

/// All that are shown, by name.
pub fn shown(conn: &mut Conn, scope: &Scope) -> Result<Vec<DeploymentRow>> {
    let shown = diesel::dsl::sql::<diesel::sql_types::Bool>(&scope.sql("project_id"));
    let query = deployments::table.filter(shown).order(deployments::name).select(DeploymentRow::as_select());
    query.load(conn).map_err(Error::internal)
}

/// Adds a deployment.
pub fn insert(conn: &mut Conn, project: &str, row: &DeploymentRow) -> Result<()> {
    let row = (row, deployments::project_id.eq(project));
    diesel::insert_into(deployments::table).values(row).execute(conn).map(drop).map_err(Error::internal)
}

/// Adds a revision.
pub fn insert_revision(conn: &mut Conn, row: &RevisionRow) -> Result<()> {
    diesel::insert_into(revisions::table).values(row).execute(conn).map(drop).map_err(Error::internal)
}

/// How callers are treated from now on, and the alias that is followed.
pub fn set_settings(
    conn: &mut Conn,
    id: &str,
    settings: &ServingSettings,
    alias: Option<&str>,
    now: i64,
) -> Result<()> {
    diesel::update(deployments::table.find(id))
        .set((
            deployments::settings.eq(serde_json::json!(settings).to_string()),
            deployments::alias.eq(alias),
            deployments::updated_at.eq(now),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// How many replicas scaling wants.
pub fn set_wanted(conn: &mut Conn, id: &str, wanted: Option<i64>) -> Result<()> {
    diesel::update(deployments::table.find(id))
        .set(deployments::wanted_replicas.eq(wanted))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Which revision is meant from now on.
pub fn set_goal(conn: &mut Conn, id: &str, goal: i64, now: i64) -> Result<()> {
    diesel::update(deployments::table.find(id))
        .set((deployments::goal.eq(goal), deployments::updated_at.eq(now)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Whether the revision still is the one that was asked for last.
pub fn is_goal(conn: &mut Conn, revision: &RevisionRow) -> Result<bool> {
    let wanted = deployments::table
        .find(&revision.deployment_id)
        .filter(deployments::goal.eq(revision.number))
        .filter(deployments::deleting.eq(false));
    diesel::select(diesel::dsl::exists(wanted)).get_result(conn).map_err(Error::internal)
}

/// The deployment is to go away.
pub fn set_deleting(conn: &mut Conn, id: &str, now: i64) -> Result<()> {
    diesel::update(deployments::table.find(id))
        .set((deployments::deleting.eq(true), deployments::updated_at.eq(now)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Removes a deployment with its revisions and traffic.
pub fn delete(conn: &mut Conn, id: &str) -> Result<()> {
    diesel::delete(deployments::table.find(id)).execute(conn).map(drop).map_err(Error::internal)
}

/// A deployment's revisions, newest first.
pub fn revisions_of(conn: &mut Conn, deployment_id: &str) -> Result<Vec<RevisionRow>> {
    let query = revisions::table.filter(revisions::deployment_id.eq(deployment_id)).order(revisions::number.desc());
    query.select(RevisionRow::as_select()).load(conn).map_err(Error::internal)
}

/// Moves a revision on, if it still is in the state that was decided upon; whether it was.
pub fn advance(
    conn: &mut Conn,
    id: &str,
    from: RevisionState,
    to: RevisionState,
    reason: Option<&str>,
) -> Result<bool> {
    let row = revisions::table.find(id).filter(revisions::state.eq(from.as_str()));
    let routed = to.is_routed();
    let moved = diesel::update(row).set(revisions::state.eq(to.as_str())).execute(conn).map_err(Error::internal)?;
    if moved == 0 {
        return Ok(false);
    }
    if !routed {
        let nowhere = (revisions::address.eq(None::<String>), revisions::address_since.eq(None::<i64>));
        diesel::update(revisions::table.find(id)).set(nowhere).execute(conn).map_err(Error::internal)?;
    }
    set_reason(conn, id, reason)?;
    Ok(true)
}

/// Why it is as it is, for people.
pub fn set_reason(conn: &mut Conn, id: &str, reason: Option<&str>) -> Result<()> {
    diesel::update(revisions::table.find(id))
        .set(revisions::reason.eq(reason))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Where the gateway finds it; nowhere while it is not well.
pub fn set_routed(conn: &mut Conn, id: &str, run: Option<Run>) -> Result<()> {
    diesel::update(revisions::table.find(id))
        .set((
            revisions::address.eq(run.map(|run| run.address.to_string())),
            revisions::address_since.eq(run.map(|run| run.started_at)),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// When it first answered.
pub fn set_ready(conn: &mut Conn, id: &str, now: i64) -> Result<()> {
    diesel::update(revisions::table.find(id))
        .set(revisions::ready_at.eq(now))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// When it was over.
pub fn set_ended(conn: &mut Conn, id: &str, now: i64) -> Result<()> {
    diesel::update(revisions::table.find(id))
        .set(revisions::ended_at.eq(now))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// A body that its model accepts.
pub fn set_example(conn: &mut Conn, id: &str, example: Option<&str>) -> Result<()> {
    diesel::update(revisions::table.find(id))
        .set(revisions::example.eq(example))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Live revisions of a deployment other than this one.
pub fn other_live(conn: &mut Conn, deployment_id: &str, but: &str) -> Result<Vec<String>> {
    revisions::table
        .filter(revisions::deployment_id.eq(deployment_id))
        .filter(revisions::state.eq(RevisionState::Live.as_str()))
        .filter(revisions::id.ne(but))
        .select(revisions::id)
        .load(conn)
        .map_err(Error::internal)
}

/// Until when a warm revision is kept.
pub fn set_warm_until(conn: &mut Conn, id: &str, until: Option<i64>) -> Result<()> {
    diesel::update(revisions::table.find(id))
        .set(revisions::warm_until.eq(until))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Revisions of all deployments that the gateway may know: live, warm and candidates.
pub fn routed(conn: &mut Conn) -> Result<Vec<RevisionRow>> {
    let states = [RevisionState::Live, RevisionState::Warm, RevisionState::Candidate].map(RevisionState::as_str);
    let query = revisions::table.filter(revisions::state.eq_any(states));
    query.order(revisions::number).select(RevisionRow::as_select()).load(conn).map_err(Error::internal)
}

/// Names of deployments whose live revision, or candidate, or one that may come back, serves that version.
pub fn of_version(conn: &mut Conn, model: &str, version: i64) -> Result<Vec<String>> {
    let serves =
        |state: &RevisionState| matches!(state, RevisionState::Live | RevisionState::Candidate) || state.is_aside();
    let serving: Vec<&str> = RevisionState::ALL.into_iter().filter(serves).map(RevisionState::as_str).collect();
    revisions::table
        .inner_join(deployments::table)
        .filter(revisions::model.eq(model))
        .filter(revisions::version.eq(version))
        .filter(revisions::state.eq_any(serving))
        .order(deployments::name)
        .select(deployments::name)
        .distinct()
        .load(conn)
        .map_err(Error::internal)
}

/// A revision as `lineage` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub deployment: String,
    pub model: String,
    pub version: i64,
    /// It is what the gateway sends requests to.
    pub live: bool,
    /// It is that, or what was asked for last.
    pub current: bool,
}

/// Deployment, model, version, state, number, and the number that was asked for last.
type ServedRow = (String, String, i64, String, i64, i64);

fn served(rows: Vec<ServedRow>) -> Vec<Served> {
    let mut all: Vec<Served> = Vec::new();
    for (deployment, model, version, state, number, goal) in rows {
        let live = state == RevisionState::Live.as_str();
        let current = live || number == goal;
        match all.iter_mut().find(|one| (&one.deployment, &one.model, one.version) == (&deployment, &model, version)) {
            Some(known) => {
                known.live |= live;
                known.current |= current;
            }
            None => all.push(Served { deployment, model, version, live, current }),
        }
    }
    all
}

/// The versions that the deployment serves and served, newest first.
pub fn served_by(conn: &mut Conn, deployment: &str) -> Result<Vec<Served>> {
    let rows = revisions::table
        .inner_join(deployments::table)
        .filter(deployments::name.eq(deployment))
        .order(revisions::number.desc())
        .select((
            deployments::name,
            revisions::model,
            revisions::version,
            revisions::state,
            revisions::number,
            deployments::goal,
        ))
        .load(conn)
        .map_err(Error::internal)?;
    Ok(served(rows))
}

/// The deployments that serve the version or once did, by name.
pub fn that_served(conn: &mut Conn, model: &str, version: i64) -> Result<Vec<Served>> {
    let rows = revisions::table
        .inner_join(deployments::table)
        .filter(revisions::model.eq(model))
        .filter(revisions::version.eq(version))
        .order(deployments::name)
        .select((
            deployments::name,
            revisions::model,
            revisions::version,
            revisions::state,
            revisions::number,
            deployments::goal,
        ))
        .load(conn)
        .map_err(Error::internal)?;
    Ok(served(rows))
}

/// Deployments in all, and those that answer.
pub fn counts(conn: &mut Conn) -> Result<(u64, u64)> {
    let all: i64 = deployments::table.count().get_result(conn).map_err(Error::internal)?;
    let answering = revisions::table
        .filter(revisions::state.eq(RevisionState::Live.as_str()))
        .filter(revisions::address.is_not_null())
        .count();
    let ready: i64 = answering.get_result(conn).map_err(Error::internal)?;
    Ok((u64::try_from(all).unwrap_or_default(), u64::try_from(ready).unwrap_or_default()))
}
