//! The end of an attempt, and with it of its job.

use super::{AttemptRecord, Job, Observed, publish, rules::End, store};
use crate::{
    accounts,
    app::App,
    clock,
    db::Conn,
    error::Result,
    workloads::{self, Desired, logs},
};
use drydock_wire::jobs::JobState;

/// Keeps the log, then ends attempt and job in one transaction. A crash in between repeats both.
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
    let reason = if end.state == JobState::Cancelled { job.reason.clone() } else { end.reason };
    (job.state, job.reason, job.exit_code) = (end.state, reason.clone(), exit_code);
    (job.started_at, job.ended_at) = (started_at.or(job.started_at), Some(ended_at));
    (attempt.state, attempt.reason, attempt.exit_code) = (end.state, reason, exit_code);
    (attempt.started_at, attempt.ended_at) = (job.started_at, job.ended_at);
    attempt.out_of_memory = end.out_of_memory;
    let id = job.id.clone();
    tracing::info!(job.id = id, job.state = end.state.as_str(), "job {id} ended: {}", end.state.as_str());
    app.db.write(move |conn| finish(conn, &job, &attempt, log.as_deref())).await?;
    workloads::wake(app);
    publish(app, &id);
    Ok(())
}

/// The end of an attempt and its job: log, rows, token, key and container together.
pub fn finish(conn: &mut Conn, job: &Job, attempt: &AttemptRecord, log: Option<&str>) -> Result<()> {
    if store::require(conn, &job.id)?.state.is_final() {
        return Ok(());
    }
    if let Some(digest) = log {
        logs::link_kept(conn, &job.id, attempt.number, digest)?;
    }
    store::save(conn, job)?;
    store::save_attempt(conn, attempt)?;
    accounts::revoke_job_tokens(conn, &job.id)?;
    workloads::set_desired(conn, &job.id, Desired::Absent)
}
