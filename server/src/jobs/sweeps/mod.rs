//! Sweeps: one job over many values of its parameters.
//!
//! Always holds: all jobs of a sweep are queued in one transaction, with the same code, versions of data and image; how many of them
//! run at once is the scheduler's to hold. A sweep's results are those of its jobs and their runs: nothing is kept twice.

mod routes;
mod rules;
mod store;

use std::collections::BTreeMap;

use drydock_wire::{
    Page,
    events::Topic,
    jobs::SubmitJob,
    sweeps::{SubmitSweep, SweepDetail, SweepSummary, Trial},
    validate,
};
use serde_json::json;

use super::{
    store as job_store,
    submit::{self, Origin},
};
use crate::{
    accounts::{self, Authorized, Principal, action},
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
    tracking, workloads,
};

pub use routes::configure;

/// Queues a job for each combination or draw.
///
/// # Errors
/// As `submit`, for any of its jobs: then none is queued.
pub async fn submit(app: &App, auth: &Authorized<action::Launch>, mut sweep: SubmitSweep) -> Result<SweepDetail> {
    let seed = u64::from_le_bytes(accounts::secrets::random_bytes::<8>()?) >> 11;
    let trials = rules::trials(&sweep, seed)?;
    if let Some(random) = &mut sweep.random {
        random.seed.get_or_insert(seed);
    }
    if let Some(metric) = &sweep.metric {
        validate::label(metric).map_err(|text| Error::invalid(format!("metric: {text}")))?;
    }
    let first = SubmitJob {
        name: format!("{}-1", sweep.name),
        params: trials.first().cloned().unwrap_or_default(),
        ..sweep.job.clone()
    };
    // what all have in common is looked at once
    let checked = submit::check(app, auth.principal(), first).await?;
    let (who, id) = (auth.principal().clone(), submit::new_id());
    let made = id.clone();
    let insert = move |conn: &mut Conn| {
        store::insert(conn, &id, &who, &sweep, clock::now_ms())?;
        let origin = Origin { sweep_id: Some(id.clone()), parent_id: None };
        for (index, params) in trials.into_iter().enumerate() {
            let one = checked.clone().varied(format!("{}-{}", sweep.name, index + 1), params);
            submit::insert(conn, &who, &submit::new_id(), one, &origin)?;
        }
        accounts::audit(conn, &who, "sweep.submit", &format!("sweep/{id}"), json!({ "name": sweep.name }))?;
        detail(conn, &id)
    };
    let detail = app.db.write(insert).await?;
    submit::announce(app, &made);
    Ok(detail)
}

/// One page, newest first.
pub async fn list(app: &App, auth: &Authorized<action::View>, offset: i64, limit: i64) -> Result<Page<SweepSummary>> {
    let scope = auth.scope();
    app.db.read(move |conn| store::page(conn, &scope, offset, limit)).await
}

/// A sweep with what came out of its jobs.
pub async fn get(app: &App, _auth: &Authorized<action::View>, id: &str) -> Result<SweepDetail> {
    let id = id.to_owned();
    app.db.read(move |conn| detail(conn, &id)).await
}

/// Cancels whatever of it has not ended; cancelling twice is the same as once.
pub async fn cancel(app: &App, auth: &Authorized<action::Launch>, id: &str) -> Result<SweepDetail> {
    let (who, wanted) = (auth.principal().clone(), id.to_owned());
    let detail = app.db.write(move |conn| cancel_on(conn, &who, &wanted)).await?;
    workloads::wake(app);
    submit::announce(app, id);
    app.events.publish(Topic::Jobs, None);
    Ok(detail)
}

fn cancel_on(conn: &mut Conn, who: &Principal, id: &str) -> Result<SweepDetail> {
    let sweep = store::require(conn, id)?;
    for job in store::jobs_of(conn, id)? {
        if !job.state.is_final() {
            super::cancel_on(conn, who, &job.id)?;
        }
    }
    if sweep.cancelled_at.is_none() {
        store::cancelled(conn, id, clock::now_ms())?;
        accounts::audit(conn, who, "sweep.cancel", &format!("sweep/{id}"), json!({ "name": sweep.name }))?;
    }
    detail(conn, id)
}

fn detail(conn: &mut Conn, id: &str) -> Result<SweepDetail> {
    let sweep = store::require(conn, id)?;
    let jobs = store::jobs_of(conn, id)?;
    let mut runs = store::runs_of(conn, id)?;
    let run_ids: Vec<String> = runs.values().cloned().collect();
    let mut metrics = tracking::latest_metrics(conn, &run_ids)?;
    let mut trial = |(index, job): (usize, job_store::Job)| {
        let run_id = runs.remove(&job.id);
        let metrics: BTreeMap<String, f64> = run_id.as_ref().and_then(|id| metrics.remove(id)).unwrap_or_default();
        Trial {
            number: u32::try_from(index + 1).unwrap_or(u32::MAX),
            state: job.state,
            reason: job.reason,
            value: sweep.spec.metric.as_ref().and_then(|metric| metrics.get(metric).copied()),
            params: job.spec.params,
            run_id,
            metrics,
            started_at: job.started_at,
            ended_at: job.ended_at,
            job_id: job.id,
        }
    };
    let trials: Vec<Trial> = jobs.into_iter().enumerate().map(&mut trial).collect();
    let values = trials.iter().map(|trial| (trial.job_id.as_str(), trial.value));
    let best = rules::best(values, sweep.spec.goal).map(str::to_owned);
    let summary = store::summary(conn, &sweep)?;
    Ok(SweepDetail { summary, spec: sweep.spec, trials, best })
}
