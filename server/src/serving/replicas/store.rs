//! Rows of replicas. The address that a revision shows is its first ready replica's: `mirror` keeps it so, in the same transaction.

use std::collections::HashMap;
use std::net::SocketAddr;

use diesel::prelude::*;

use super::rules::ReplicaState;
use crate::clock;
use crate::db::Conn;
use crate::db::schema::serving::{replicas, revisions};
use crate::error::{Error, Result};
use crate::serving::gateway::Place;
use crate::serving::rules::{RevisionState, Run};
use crate::serving::store as rows;

/// A container of a revision.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = replicas)]
pub struct ReplicaRow {
    pub id: String,
    pub revision_id: String,
    pub number: i64,
    state: String,
    pub reason: Option<String>,
    address: Option<String>,
    address_since: Option<i64>,
    pub gpu: Option<String>,
    pub created_at: i64,
}

impl ReplicaRow {
    /// A replica of which nothing has happened yet. The first has its revision's id.
    pub fn new(revision_id: &str, number: i64) -> Self {
        Self {
            id: if number == 1 { revision_id.to_owned() } else { format!("{revision_id}-{number}") },
            revision_id: revision_id.to_owned(),
            number,
            state: ReplicaState::Starting.as_str().to_owned(),
            reason: None,
            address: None,
            address_since: None,
            gpu: None,
            created_at: clock::now_ms(),
        }
    }

    pub fn state(&self) -> Result<ReplicaState> {
        ReplicaState::parse(&self.state)
    }

    /// The run that the gateway sends requests to, or that still works on some.
    pub fn run(&self) -> Option<Run> {
        let address: SocketAddr = self.address.as_ref()?.parse().ok()?;
        Some(Run { address, started_at: self.address_since.unwrap_or_default() })
    }
}

/// Adds a replica; one of that number stays.
pub fn insert(conn: &mut Conn, row: &ReplicaRow) -> Result<bool> {
    let added = diesel::insert_or_ignore_into(replicas::table).values(row).execute(conn);
    added.map(|rows| rows > 0).map_err(Error::internal)
}

/// A revision's replicas by number.
pub fn of_revision(conn: &mut Conn, revision_id: &str) -> Result<Vec<ReplicaRow>> {
    let query = replicas::table.filter(replicas::revision_id.eq(revision_id)).order(replicas::number);
    query.select(ReplicaRow::as_select()).load(conn).map_err(Error::internal)
}

/// The number of the revision that has this replica.
pub fn revision_number(conn: &mut Conn, id: &str) -> Result<Option<i64>> {
    let query = replicas::table.inner_join(revisions::table).filter(replicas::id.eq(id));
    query.select(revisions::number).first(conn).optional().map_err(Error::internal)
}

/// The replicas of a deployment's revisions, by revision.
pub fn of_deployment(conn: &mut Conn, deployment_id: &str) -> Result<HashMap<String, Vec<ReplicaRow>>> {
    let rows: Vec<ReplicaRow> = replicas::table
        .inner_join(revisions::table)
        .filter(revisions::deployment_id.eq(deployment_id))
        .order(replicas::number)
        .select(ReplicaRow::as_select())
        .load(conn)
        .map_err(Error::internal)?;
    let mut all: HashMap<String, Vec<ReplicaRow>> = HashMap::new();
    rows.into_iter().for_each(|row| all.entry(row.revision_id.clone()).or_default().push(row));
    Ok(all)
}

/// Where the gateway finds each revision's replicas that are well.
pub fn places(conn: &mut Conn) -> Result<HashMap<String, Vec<Place>>> {
    let ready: Vec<ReplicaRow> = replicas::table
        .filter(replicas::state.eq(ReplicaState::Ready.as_str()))
        .order((replicas::revision_id, replicas::number))
        .select(ReplicaRow::as_select())
        .load(conn)
        .map_err(Error::internal)?;
    let mut all: HashMap<String, Vec<Place>> = HashMap::new();
    for row in ready {
        if let Some(run) = row.run() {
            all.entry(row.revision_id).or_default().push(Place { id: row.id, address: run.address });
        }
    }
    Ok(all)
}

/// Moves a replica on, if it still is in the state that was decided upon; whether it was.
pub fn advance(
    conn: &mut Conn,
    row: &ReplicaRow,
    to: ReplicaState,
    run: Option<Run>,
    reason: Option<&str>,
) -> Result<bool> {
    let moved = diesel::update(replicas::table.find(&row.id).filter(replicas::state.eq(&row.state)))
        .set((
            replicas::state.eq(to.as_str()),
            replicas::reason.eq(reason),
            replicas::address.eq(run.map(|run| run.address.to_string())),
            replicas::address_since.eq(run.map(|run| run.started_at)),
        ))
        .execute(conn)
        .map_err(Error::internal)?;
    mirror(conn, &row.revision_id)?;
    Ok(moved > 0)
}

/// What it waits for.
pub fn set_reason(conn: &mut Conn, id: &str, reason: Option<&str>) -> Result<()> {
    let row = diesel::update(replicas::table.find(id));
    row.set(replicas::reason.eq(reason)).execute(conn).map(drop).map_err(Error::internal)
}

/// The GPUs that it has.
pub fn set_gpu(conn: &mut Conn, id: &str, gpu: Option<&str>) -> Result<()> {
    let row = diesel::update(replicas::table.find(id));
    row.set(replicas::gpu.eq(gpu)).execute(conn).map(drop).map_err(Error::internal)
}

/// Its container is gone.
pub fn delete(conn: &mut Conn, id: &str) -> Result<()> {
    diesel::delete(replicas::table.find(id)).execute(conn).map(drop).map_err(Error::internal)
}

/// Shows in the revision's row, while the gateway may know it, where its first ready replica is, and else what the first waits for.
pub fn mirror(conn: &mut Conn, revision_id: &str) -> Result<()> {
    let state: String =
        revisions::table.find(revision_id).select(revisions::state).first(conn).map_err(Error::internal)?;
    if !RevisionState::parse(&state)?.is_routed() {
        return Ok(());
    }
    let all = of_revision(conn, revision_id)?;
    let ready = all.iter().find(|row| row.state == ReplicaState::Ready.as_str());
    let waits = if ready.is_some() { None } else { all.iter().find_map(|row| row.reason.clone()) };
    rows::set_routed(conn, revision_id, ready.and_then(ReplicaRow::run))?;
    rows::set_reason(conn, revision_id, waits.as_deref())
}
