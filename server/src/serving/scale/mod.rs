//! Scaling: measures every deployment that has bounds, and writes how many replicas it is to have.
//!
//! A part of the deployer's pass. Only what may be forgotten is in memory: the proposals of the windows and the last count of processor
//! time. Must never: start or end a replica itself.

mod cpu;
pub mod rules;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use drydock_wire::events::Topic;
use drydock_wire::serving::Scale;

use super::gateway::Gateway;
use super::replicas::store::ReplicaRow;
use super::store::{self, DeploymentRow, RevisionRow};
use super::{replicas, views};
use crate::app::App;
use crate::clock;
use crate::db::Conn;
use crate::error::Result;
use rules::{Measured, Past};

/// Deployments are measured this far apart; one that rests is woken at once.
pub const PERIOD: Duration = Duration::from_secs(2);
const MINUTE_MS: i64 = 60_000;

/// Decides how many replicas there are to be.
pub struct Scaler {
    app: App,
    gateway: Gateway,
    started: Instant,
    known: Mutex<HashMap<String, Known>>,
    cpu: cpu::Cpu,
}

#[derive(Default)]
struct Known {
    past: Past,
    looked_at: Option<Instant>,
}

/// A deployment that scales, with its live revision.
struct Case {
    deployment: DeploymentRow,
    scale: Scale,
    revision: RevisionRow,
    replicas: Vec<ReplicaRow>,
}

impl Scaler {
    pub fn new(app: App, gateway: Gateway) -> Self {
        let cpu = cpu::Cpu::new(app.clone());
        Self { app, gateway, started: Instant::now(), known: Mutex::default(), cpu }
    }

    /// Looks at every deployment that scales; whether there are any.
    pub async fn pass(&self) -> Result<bool> {
        let cases = self.app.db.read(cases).await?;
        let is_known = |id: &String| cases.iter().any(|case| case.deployment.id == *id);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).retain(|id, _| is_known(id));
        self.cpu.look(cases.iter().filter(|case| case.scale.cpu_percent.is_some()).flat_map(|case| &case.replicas));
        for case in &cases {
            let present = replicas::scaled(&case.deployment, &case.scale);
            let Some(wanted) = self.next(case, present)? else { continue };
            if case.deployment.wanted_replicas == Some(i64::from(wanted)) {
                continue;
            }
            tracing::info!(deployment.name = case.deployment.name, "{} scales to {wanted}", case.deployment.name);
            let id = case.deployment.id.clone();
            self.app.db.write(move |conn| store::set_wanted(conn, &id, Some(i64::from(wanted)))).await?;
            self.app.events.publish(Topic::Deployments, Some(&case.deployment.name));
        }
        Ok(!cases.is_empty())
    }

    /// How many it is to have; nothing while it is not yet time to look again.
    fn next(&self, case: &Case, present: u32) -> Result<Option<u32>> {
        let now = Instant::now();
        let measured = self.measured(case)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(case.deployment.id.clone()).or_default();
        let rests = present == 0;
        if !rests && known.looked_at.is_some_and(|at| now.saturating_duration_since(at) < PERIOD) {
            return Ok(None);
        }
        known.looked_at = Some(now);
        Ok(Some(rules::next(&case.scale, present, &measured, &mut known.past, now)))
    }

    fn measured(&self, case: &Case) -> Result<Measured> {
        let load = self.gateway.load_of(&case.deployment.id);
        let now = clock::now_ms();
        let since = |at: i64| Duration::from_millis(u64::try_from(now - at).unwrap_or_default());
        let awake = case.replicas.iter().map(|row| row.created_at).max();
        // a replica that was asked for lately is not taken away before anybody could use it
        let idle = [load.last_request_at.map(since), awake.map(since), Some(self.started.elapsed())];
        Ok(Measured {
            in_flight: load.in_flight + load.queued,
            queued: load.queued,
            p95_ms: self.p95_ms(&case.deployment.name, now),
            cpu_percent: self.cpu.percent(&case.replicas, case.revision.resources()?.cpus),
            idle: idle.into_iter().flatten().min().unwrap_or_default(),
        })
    }

    /// Of the present minute, or in its first seconds of the one before.
    fn p95_ms(&self, name: &str, now: i64) -> Option<f64> {
        let minutes = self.gateway.endpoint(name)?.meter.minutes(now);
        let present = now - now.rem_euclid(MINUTE_MS);
        let newest = minutes.iter().rev().find(|minute| minute.requests > 0)?;
        (newest.at >= present - MINUTE_MS).then_some(newest.p95_ms)
    }
}

fn cases(conn: &mut Conn) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for deployment in store::all(conn)?.into_iter().filter(|row| !row.deleting) {
        let Some(scale) = deployment.settings()?.scale else { continue };
        let revisions = store::revisions_of(conn, &deployment.id)?;
        let Some(revision) = views::live(&revisions)?.cloned() else { continue };
        let replicas = replicas::store::of_revision(conn, &revision.id)?;
        cases.push(Case { deployment, scale, revision, replicas });
    }
    Ok(cases)
}
