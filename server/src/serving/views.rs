//! Rows and traffic as people see them.

use drydock_wire::serving::{DeploymentDetail, DeploymentSummary, LoadNow, Revision};

use super::gateway::{Gateway, Meter};
use super::rules::{RevisionState, Standing, deployment_state};
use super::store::{DeploymentRow, RevisionRow};
use crate::clock;
use crate::error::{Error, Result};

/// The revision that serves, if any.
pub fn live(revisions: &[RevisionRow]) -> Result<Option<&RevisionRow>> {
    for revision in revisions {
        if revision.state()? == RevisionState::Live {
            return Ok(Some(revision));
        }
    }
    Ok(None)
}

/// A line of the list.
pub fn summary(row: &DeploymentRow, revisions: &[RevisionRow], gateway: &Gateway) -> Result<DeploymentSummary> {
    let goal = revisions
        .iter()
        .find(|revision| revision.number == row.goal)
        .ok_or_else(|| Error::internal(anyhow::anyhow!("deployment {} lacks its revision {}", row.id, row.goal)))?;
    let live = live(revisions)?;
    let (state, reason) = deployment_state(Standing {
        deleting: row.deleting,
        goal: goal.state()?,
        goal_reason: goal.reason.as_deref(),
        goal_is_routed: goal.routed().is_some(),
        other_is_live: live.is_some_and(|live| live.number != goal.number),
    });
    let shown = live.unwrap_or(goal);
    let now = clock::now_ms();
    Ok(DeploymentSummary {
        name: row.name.clone(),
        model: shown.model.clone(),
        version: shown.version,
        state,
        reason,
        endpoint: format!("/serve/{}/invocations", row.name),
        updated_at: row.updated_at,
        traffic: with_meter(row, gateway, |meter| meter.traffic(now)),
    })
}

/// The whole page.
pub fn detail(row: &DeploymentRow, revisions: &[RevisionRow], gateway: &Gateway) -> Result<DeploymentDetail> {
    let now = clock::now_ms();
    let (minutes, totals) = with_meter(row, gateway, |meter| (meter.minutes(now), meter.totals(now)));
    let serving = live(revisions)?.into_iter().chain(revisions.iter().filter(|revision| revision.number == row.goal));
    let example = serving.filter_map(|revision| revision.example.as_deref()).next();
    Ok(DeploymentDetail {
        summary: summary(row, revisions, gateway)?,
        revisions: revisions.iter().map(revision).collect::<Result<_>>()?,
        minutes,
        total_requests: totals.0,
        total_errors: totals.1,
        load: load(row, gateway),
        example: example.and_then(|body| serde_json::from_str(body).ok()),
        settings: row.settings()?,
        alias: row.alias.clone(),
    })
}

fn revision(row: &RevisionRow) -> Result<Revision> {
    Ok(Revision {
        number: row.number,
        model: row.model.clone(),
        version: row.version,
        state: row.state()?.shown().to_owned(),
        reason: row.reason.clone(),
        created_at: row.created_at,
        created_by: row.created_by.clone(),
        ready_at: row.ready_at,
        resources: row.resources()?,
        served_by: row.served_by()?,
        replicas: Vec::new(),
        release: row.release()?,
        warm_until: row.warm_until.filter(|_| row.state().is_ok_and(|state| state == RevisionState::Warm)),
    })
}

fn load(row: &DeploymentRow, gateway: &Gateway) -> LoadNow {
    let now = gateway.load_of(&row.id);
    let wanted_replicas = row.wanted_replicas.and_then(|wanted| u32::try_from(wanted).ok());
    LoadNow { in_flight: now.in_flight, queued: now.queued, wanted_replicas }
}

/// What the gateway counted; nothing where it does not know the deployment (yet).
fn with_meter<T>(row: &DeploymentRow, gateway: &Gateway, read: impl FnOnce(&Meter) -> T) -> T {
    match gateway.endpoint(&row.name).filter(|endpoint| endpoint.deployment_id == row.id) {
        Some(endpoint) => read(&endpoint.meter),
        None => read(&Meter::default()),
    }
}
