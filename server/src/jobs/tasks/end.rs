//! The end of an attempt: of its job, too, unless another attempt follows.

use super::{
    AttemptRecord, Job, Observed, publish,
    rules::{self, End, Next, Policy},
    store,
};
use crate::{
    accounts,
    app::App,
    clock,
    db::Conn,
    error::Result,
    scheduling,
    workloads::{self, Desired, logs},
};
use drydock_wire::jobs::JobState;

/// Keeps the log, then ends the attempt in one transaction. A crash in between repeats both.
pub(super) async fn end(
    app: &App,
    mut job: Job,
    mut attempt: AttemptRecord,
    observed: Option<Observed>,
    end: End,
) -> Result<()> {
    let container = observed.as_ref().and_then(|observed| observed.container_id.clone());
    let log = match container {
        Some(container) => logs::keep(app, &container).await?,
        None => None,
    };
    let (started_at, finished_at, exit_code) =
        observed.map_or((None, None, None), |it| (it.started_at, it.finished_at, it.exit_code));
    let ended_at = finished_at.unwrap_or_else(clock::now_ms);
    let next = rules::after(&end, &policy(&job));
    let reason = if end.state == JobState::Cancelled { job.reason.clone().or(end.reason) } else { end.reason };
    (attempt.state, attempt.reason, attempt.exit_code) = (end.state, reason.clone(), exit_code);
    (attempt.started_at, attempt.ended_at) = (started_at.or(job.started_at), Some(ended_at));
    (attempt.out_of_memory, attempt.cause) = (end.out_of_memory, end.cause.map(|cause| cause.as_str().to_owned()));
    job.reason = reason;
    follow(&mut job, &attempt, next);
    let id = job.id.clone();
    tracing::info!(
        job.id = id,
        job.state = job.state.as_str(),
        job.attempt = attempt.number,
        "attempt {} of job {id} ended: {}; the job is {}",
        attempt.number,
        attempt.state.as_str(),
        job.state.as_str()
    );
    app.db.write(move |conn| finish(conn, &job, &attempt, log.as_deref())).await?;
    workloads::wake(app);
    scheduling::wake(app);
    publish(app, &id);
    Ok(())
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

/// The end of an attempt and what becomes of its job: log, rows, token, key and container together.
pub fn finish(conn: &mut Conn, job: &Job, attempt: &AttemptRecord, log: Option<&str>) -> Result<()> {
    let now = store::require(conn, &job.id)?;
    // Somebody cancelled it since it was read: the next pass ends it as that.
    let overtaken = now.cancel_requested_at != job.cancel_requested_at;
    if now.state.is_final() || overtaken || store::open_attempt(conn, &job.id)? != Some(attempt.number) {
        return Ok(());
    }
    if let Some(digest) = log {
        logs::link_kept(conn, &job.id, attempt.number, digest)?;
    }
    let peak_memory_bytes = store::peak_memory(conn, &job.id, attempt.number)?.or(attempt.peak_memory_bytes);
    store::save(conn, job)?;
    store::save_attempt(conn, &AttemptRecord { peak_memory_bytes, ..attempt.clone() })?;
    accounts::revoke_job_tokens(conn, &job.id)?;
    workloads::set_desired(conn, &job.id, Desired::Absent)
}
