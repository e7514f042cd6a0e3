//! The end of an attempt: of its job, too, unless another attempt follows.

use super::{
    AttemptRecord, Job, Observed,
    outputs::{self, Kept},
    publish,
    rules::{self, Cause, End, Next, Policy},
    runs, store,
};
use crate::{
    accounts,
    app::App,
    clock,
    db::Conn,
    devices,
    error::{Error, Result},
    scheduling,
    workloads::{self, Desired, logs},
};
use drydock_appliance::containers::EngineError;
use drydock_wire::jobs::JobState;

/// Keeps log and outputs, then ends the attempt in one transaction. A crash in between repeats both.
pub(super) async fn end(
    app: &App,
    job: Job,
    mut attempt: AttemptRecord,
    observed: Option<Observed>,
    mut end: End,
) -> Result<()> {
    let container = observed.as_ref().and_then(|observed| observed.container_id.clone());
    let log = logs::keep(app, &job.id, attempt.number, container.as_deref()).await?;
    let kept = match end.cause {
        // there is more than it may have, or no room for it
        Some(Cause::Disk) => Kept::default(),
        _ => outputs::keep(app, &job, &attempt, container.as_deref()).await?,
    };
    if let Some(container) = &container {
        attempt.image_id = app.engine.image_of(container).await.map_err(away)?;
    }
    judge(&mut end, &kept);
    let id = job.id.clone();
    app.db.write(move |conn| end_on(conn, job, attempt, observed, end, log.as_deref(), &kept)).await?;
    workloads::wake(app);
    scheduling::wake(app);
    publish(app, &id);
    Ok(())
}

/// What could not be kept fails an attempt that ended well, and is said of every other; what was left out is remarked.
fn judge(end: &mut End, kept: &Kept) {
    if end.state == JobState::Succeeded && kept.problem.is_some() {
        (end.state, end.cause) = (JobState::Failed, Some(Cause::Disk));
    }
    let said = match (end.reason.take(), &kept.problem) {
        // where they are is needed by whoever wants them back
        (Some(said), Some(problem)) => Some(format!("{}; {problem}", said.trim_end_matches('.'))),
        (said, problem) => said.or_else(|| problem.clone()),
    };
    end.reason = said.or_else(|| kept.remark());
}

fn away(error: EngineError) -> Error {
    Error::unavailable("Docker does not answer.").with_source(error)
}

/// Decides what follows, and writes the end of the attempt with it.
pub fn end_on(
    conn: &mut Conn,
    mut job: Job,
    mut attempt: AttemptRecord,
    observed: Option<Observed>,
    end: End,
    log: Option<&str>,
    kept: &Kept,
) -> Result<()> {
    let (started_at, finished_at, exit_code) =
        observed.map_or((None, None, None), |it| (it.started_at, it.finished_at, it.exit_code));
    let ended_at = finished_at.unwrap_or_else(clock::now_ms);
    let next = rules::after(&end, &policy(&job));
    let cancelled = end.cause == Some(Cause::Cancelled);
    let reason = if cancelled { job.reason.clone().or(end.reason) } else { end.reason };
    (attempt.state, attempt.reason, attempt.exit_code) = (end.state, reason.clone(), exit_code);
    (attempt.started_at, attempt.ended_at) = (started_at.or(job.started_at), Some(ended_at));
    (attempt.out_of_memory, attempt.cause) = (end.out_of_memory, end.cause.map(|cause| cause.as_str().to_owned()));
    job.reason = reason;
    follow(&mut job, &attempt, next);
    let (number, ended, state) = (attempt.number, attempt.state.as_str(), job.state.as_str());
    tracing::info!(
        job.id = job.id,
        job.state = state,
        "attempt {number} of job {} is {ended}, the job {state}",
        job.id
    );
    finish(conn, &job, &attempt, log, kept)
}

fn policy(job: &Job) -> Policy {
    let retries = job.spec.retries;
    Policy {
        limit: retries.limit,
        backoff_s: retries.backoff_s,
        failures: job.failures,
        resumable: job.spec.resume.is_some(),
    }
}

/// What becomes of the job: it has ended like its attempt, or waits for its next one.
fn follow(job: &mut Job, attempt: &AttemptRecord, next: Next) {
    match next {
        Next::Final => {
            (job.state, job.exit_code) = (attempt.state, attempt.exit_code);
            (job.started_at, job.ended_at) = (attempt.started_at, attempt.ended_at);
        }
        Next::Retry { pause_ms, counts } => {
            let now = clock::now_ms();
            (job.state, job.exit_code, job.started_at, job.ended_at) = (JobState::Queued, None, None, None);
            job.failures += u32::from(counts);
            job.not_before = Some(now + pause_ms);
            if counts {
                // who was stopped for others keeps its place in the line, who failed does not
                job.since = Some(now);
            }
        }
    }
}

/// The end of an attempt and what becomes of its job: log, outputs, run, rows, leases, token, key and container together.
pub fn finish(conn: &mut Conn, job: &Job, attempt: &AttemptRecord, log: Option<&str>, kept: &Kept) -> Result<()> {
    let now = store::require(conn, &job.id)?;
    // Somebody cancelled it since it was read: the next pass ends it as that.
    let overtaken = now.cancel_requested_at != job.cancel_requested_at;
    if now.state.is_final() || overtaken || store::open_attempt(conn, &job.id)? != Some(attempt.number) {
        return Ok(());
    }
    if let Some(digest) = log {
        logs::link_kept(conn, &job.id, attempt.number, digest)?;
    }
    outputs::link(conn, attempt, kept)?;
    runs::end(conn, attempt)?;
    let peak_memory_bytes = store::peak_memory(conn, &job.id, attempt.number)?.or(attempt.peak_memory_bytes);
    store::save(conn, job)?;
    store::save_attempt(conn, &AttemptRecord { peak_memory_bytes, ..attempt.clone() })?;
    accounts::revoke_job_tokens(conn, &job.id)?;
    let why = attempt.reason.as_deref().unwrap_or("it ended");
    devices::end_leases(conn, &job.id, attempt.number, why)?;
    workloads::set_desired(conn, &job.id, Desired::Absent)
}
