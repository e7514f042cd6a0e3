//! Rows and traffic as people see them.

use std::collections::HashMap;

use drydock_wire::serving::{DeploymentDetail, DeploymentSummary, LoadNow, Replica, ReplicaCount, Revision};

use super::gateway::{Gateway, Meter};
use super::replicas::{self, rules::ReplicaState, store::ReplicaRow};
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

/// The revision that serves, or did until it stepped aside for the next.
pub fn serving(revisions: &[RevisionRow]) -> Result<Option<&RevisionRow>> {
    for revision in revisions {
        let state = revision.state()?;
        if state == RevisionState::Live || state.is_aside() {
            return Ok(Some(revision));
        }
    }
    Ok(None)
}

/// A line of the list.
pub fn summary(
    row: &DeploymentRow,
    revisions: &[RevisionRow],
    containers: &HashMap<String, Vec<ReplicaRow>>,
    gateway: &Gateway,
) -> Result<DeploymentSummary> {
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
        goal_rests: rests(row)?,
        other_is_live: serving(revisions)?.is_some_and(|it| it.number != goal.number),
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
        total_requests: with_meter(row, gateway, |meter| meter.totals(now).0),
        replicas: counted(containers, gateway)?,
    })
}

fn counted(containers: &HashMap<String, Vec<ReplicaRow>>, gateway: &Gateway) -> Result<ReplicaCount> {
    let mut count = ReplicaCount::default();
    for row in containers.values().flatten() {
        let one = replica(row, gateway)?;
        count.all += 1;
        count.ready += u32::from(one.state == ReplicaState::Ready.shown());
        count.gpus += one.gpu.map_or(0, |all| u32::try_from(all.split(',').count()).unwrap_or_default());
    }
    Ok(count)
}

/// Whether it has no replicas on purpose.
fn rests(row: &DeploymentRow) -> Result<bool> {
    Ok(row.settings()?.scale.is_some_and(|scale| replicas::scaled(row, &scale) == 0))
}

/// The whole page.
pub fn detail(
    row: &DeploymentRow,
    revisions: &[RevisionRow],
    containers: &HashMap<String, Vec<ReplicaRow>>,
    gateway: &Gateway,
) -> Result<DeploymentDetail> {
    let now = clock::now_ms();
    let (minutes, totals, tokens) =
        with_meter(row, gateway, |meter| (meter.minutes(now), meter.totals(now), meter.tokens.traffic(now)));
    let serving = live(revisions)?.into_iter().chain(revisions.iter().filter(|revision| revision.number == row.goal));
    let example = serving.filter_map(|revision| revision.example.as_deref()).next();
    Ok(DeploymentDetail {
        summary: summary(row, revisions, containers, gateway)?,
        revisions: revisions
            .iter()
            .map(|row| revision(row, containers.get(&row.id), gateway))
            .collect::<Result<_>>()?,
        minutes,
        total_requests: totals.0,
        total_errors: totals.1,
        load: load(row, gateway),
        example: example.and_then(|body| serde_json::from_str(body).ok()),
        settings: row.settings()?,
        alias: row.alias.clone(),
        tokens,
    })
}

fn revision(row: &RevisionRow, containers: Option<&Vec<ReplicaRow>>, gateway: &Gateway) -> Result<Revision> {
    let replicas = containers.into_iter().flatten().map(|row| replica(row, gateway));
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
        replicas: replicas.collect::<Result<_>>()?,
        release: row.release()?,
        warm_until: row.warm_until.filter(|_| row.state().is_ok_and(|state| state == RevisionState::Warm)),
    })
}

fn replica(row: &ReplicaRow, gateway: &Gateway) -> Result<Replica> {
    let rests = row.state()? == ReplicaState::Ready && gateway.is_resting(&row.id);
    let reason =
        if rests { Some("The gateway lets it rest after it broke requests off.") } else { row.reason.as_deref() };
    Ok(Replica {
        number: u32::try_from(row.number).unwrap_or_default(),
        id: row.id.clone(),
        state: if rests { ReplicaState::Unwell } else { row.state()? }.shown().to_owned(),
        reason: reason.map(str::to_owned),
        in_flight: gateway.in_flight_of(&row.id),
        gpu: row.gpu.clone(),
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
