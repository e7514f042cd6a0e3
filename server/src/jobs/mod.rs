//! Training jobs: what people submitted, their attempts, their queue, and how each ended.
//!
//! Always holds: a job is a row with numbered attempts, and an attempt is one workload generation that runs at most once.
//! A job that ended never changes again; an attempt's log is kept before it ends, and with its end its token dies, its GPUs are free
//! and its container goes. Who starts next `scheduling` decides; a failed attempt is followed by another as its spec says.
//!
//! A container sees: its code read-only at `/workspace` (on `PYTHONPATH`), datasets read-only at `/data/{name}` (laid out once per
//! version by `datasets` and shared by jobs), and as its
//! working directory and home an empty writable `/scratch` that goes with it. Never here: calls to Docker.

mod container;
mod disk;
mod files;
mod logs;
mod outputs;
mod rerun;
mod routes;
mod rules;
mod runs;
mod samples;
mod secrets;
mod snapshot;
mod store;
mod submit;
mod sweeps;
mod tarball;
mod tasks;

use drydock_wire::{
    ErrorCode, Page,
    jobs::{JobDetail, JobState, JobSummary},
};
use serde_json::json;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    accounts::{self, Authorized, Principal, action},
    app::App,
    background::Waker,
    clock,
    db::Conn,
    error::{Error, Result},
    scheduling, tracking, workloads,
};
use drydock_wire::events::Topic;

pub use outputs::OUTPUTS_BUCKET;
pub use samples::Samples;
pub use secrets::root as secrets_root;
pub use store::{Filter, images_in_use};
pub use submit::{Checked, announce, check, new_id, submit, submit_on};

/// Name of the background part, and of its waker; `workloads` wakes it when a container changed.
pub const KEEPER: &str = "job-keeper";

/// Bucket of code files: `{job}/{path}`.
pub const CODE_BUCKET: &str = "code";
/// Name of a snapshot in it.
const SNAPSHOT_NAME: &str = "snapshot.tar.zst";

/// Starts the background part.
pub async fn start(app: &App, samples: &Samples) -> Result<()> {
    workloads::logs::ask_what_to_mask(secrets::values_of);
    snapshot::clear_unfinished(app);
    app.background.spawn(samples::Sampler::new(app.clone(), samples.clone()));
    app.background.spawn(tasks::JobKeeper::new(app.clone()));
    app.background.spawn(disk::DiskWatcher::new(app.clone()));
    app.background.spawn(tasks::Scheduler::new(app.clone()));
    Ok(())
}

/// Makes what containers of jobs have in memory, before any of them is made.
pub async fn prepare(app: &App) -> Result<()> {
    secrets::restore(app).await
}

/// Routes of the feature.
pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.configure(routes::configure)
        .configure(outputs::configure)
        .configure(secrets::configure)
        .configure(sweeps::configure);
}

fn waker(app: &App) -> Waker {
    app.background.waker(scheduling::SCHEDULER)
}

/// One page of jobs, newest first.
pub async fn list(app: &App, auth: &Authorized<action::View>, filter: Filter) -> Result<Page<JobSummary>> {
    let (scope, names) = (auth.scope(), auth.principal().reach.sees_all());
    let mut page = app.db.read(move |conn| store::page(conn, &scope, &filter)).await?;
    page.items.iter_mut().for_each(|job| say_why_it_waits(app, job, names));
    Ok(page)
}

/// A job with its attempts and runs.
pub async fn get(app: &App, auth: &Authorized<action::View>, id: &str) -> Result<JobDetail> {
    let id = id.to_owned();
    let mut found = app.db.read(move |conn| detail(conn, &id)).await?;
    say_why_it_waits(app, &mut found.summary, auth.principal().reach.sees_all());
    Ok(found)
}

/// What the last decision said of it; with `names`, of which job it waits for, whose project may not be there for the asker.
fn say_why_it_waits(app: &App, job: &mut JobSummary, names: bool) {
    if job.state == JobState::Queued
        && let Some(words) = app.memory.of::<scheduling::Board>().words_of(&job.id, names)
    {
        job.reason = Some(words);
    }
}

/// Moves a job that waits: its priority, or its queue.
///
/// # Errors
/// As `scheduling::move_on`.
pub async fn move_to(
    app: &App,
    auth: &Authorized<action::Launch>,
    id: &str,
    to: scheduling::Place,
) -> Result<JobDetail> {
    let (who, job) = (auth.principal().clone(), id.to_owned());
    let change = move |conn: &mut Conn| {
        scheduling::move_on(conn, &who, &job, &to)?;
        detail(conn, &job)
    };
    let moved = app.db.write(change).await?;
    waker(app).wake();
    app.events.publish(Topic::Jobs, Some(id));
    app.events.publish(Topic::Queue, None);
    Ok(moved)
}

/// Asks a job to end. One that has not started ends at once; cancelling twice is the same as once.
///
/// # Errors
/// `conflict` when it has ended already.
pub async fn cancel(app: &App, auth: &Authorized<action::Launch>, id: &str) -> Result<JobDetail> {
    let (who, job) = (auth.principal().clone(), id.to_owned());
    let detail = app.db.write(move |conn| cancel_on(conn, &who, &job)).await?;
    workloads::wake(app);
    app.background.waker(KEEPER).wake();
    waker(app).wake();
    app.events.publish(Topic::Jobs, Some(id));
    Ok(detail)
}

/// How many jobs run and how many wait.
pub fn count(conn: &mut Conn) -> Result<(u64, u64)> {
    store::count(conn)
}

/// As `cancel`, within the caller's transaction; the caller wakes `workloads` and calls `announce` once it is committed.
pub fn cancel_on(conn: &mut Conn, who: &Principal, id: &str) -> Result<JobDetail> {
    let mut job = store::require(conn, id)?;
    if job.state.is_final() {
        return Err(Error::conflict(format!("The job has already ended: {}.", job.state.as_str())));
    }
    if job.state == JobState::Cancelling {
        return detail(conn, id);
    }
    let now = clock::now_ms();
    let admitted = store::open_attempt(conn, id)?.is_some();
    job.cancel_requested_at = Some(now);
    job.reason = Some(format!("cancelled by {}", who.username));
    job.state = if admitted { JobState::Cancelling } else { JobState::Cancelled };
    job.ended_at = (!admitted).then_some(now);
    store::save(conn, &job)?;
    if admitted {
        workloads::set_desired(conn, id, workloads::Desired::Stopped)?;
    }
    accounts::audit(conn, who, "job.cancel", &format!("job/{id}"), json!({ "name": job.name }))?;
    detail(conn, id)
}

/// For `lineage`: the job, if there is one of that id.
pub fn on_conn(conn: &mut Conn, id: &str) -> Result<Option<JobDetail>> {
    match detail(conn, id) {
        Ok(job) => Ok(Some(job)),
        Err(error) if error.code == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// For `lineage`: ids of the jobs that had the dataset's version mounted, oldest first.
pub fn that_mounted(conn: &mut Conn, dataset: &str, version: i64) -> Result<Vec<String>> {
    store::that_mounted(conn, dataset, version)
}

fn detail(conn: &mut Conn, id: &str) -> Result<JobDetail> {
    let job = store::require(conn, id)?;
    Ok(JobDetail {
        attempts: store::attempts(conn, id)?.into_iter().map(store::AttemptRecord::into_wire).collect(),
        run_ids: tracking::runs_of_job(conn, id)?,
        parent_id: job.parent_id.clone(),
        rerun_ids: store::reruns(conn, id)?,
        spec: job.spec.clone(),
        summary: job.into_summary(),
    })
}

#[cfg(test)]
mod tests;
