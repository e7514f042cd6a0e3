//! Revisions that can still change.

use diesel::prelude::*;

use super::{DeploymentRow, RevisionRow};
use crate::db::Conn;
use crate::db::schema::serving::{deployments, revisions};
use crate::error::{Error, Result};
use crate::serving::rules::RevisionState;

const FINISHED: [RevisionState; 2] = [RevisionState::Retired, RevisionState::Failed];

/// All of them, with the deployment of each; oldest first.
pub fn unfinished(conn: &mut Conn) -> Result<Vec<(DeploymentRow, RevisionRow)>> {
    let rows: Vec<(RevisionRow, DeploymentRow)> = revisions::table
        .inner_join(deployments::table)
        .filter(revisions::state.ne_all(FINISHED.map(RevisionState::as_str)))
        .order((deployments::name, revisions::number))
        .select((RevisionRow::as_select(), DeploymentRow::as_select()))
        .load(conn)
        .map_err(Error::internal)?;
    Ok(rows.into_iter().map(|(revision, deployment)| (deployment, revision)).collect())
}

/// A deployment's revisions that can still change, oldest first.
pub fn unfinished_of(conn: &mut Conn, deployment_id: &str) -> Result<Vec<RevisionRow>> {
    let query = revisions::table.filter(revisions::deployment_id.eq(deployment_id));
    let query = query.filter(revisions::state.ne_all(FINISHED.map(RevisionState::as_str))).order(revisions::number);
    query.select(RevisionRow::as_select()).load(conn).map_err(Error::internal)
}

/// Deployments whose revisions are being swapped: none may answer now, but one is coming.
pub fn swapping(conn: &mut Conn) -> Result<Vec<String>> {
    let states = RevisionState::ALL.into_iter().filter(|state| state.is_aside()).map(RevisionState::as_str);
    let query = revisions::table.filter(revisions::state.eq_any(states.collect::<Vec<_>>()));
    query.select(revisions::deployment_id).distinct().load(conn).map_err(Error::internal)
}
