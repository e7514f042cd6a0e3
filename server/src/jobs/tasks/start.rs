//! The start of an attempt: attempt, token, key and workload in one transaction.

use super::{AttemptRecord, Job, container, store};
use crate::{
    accounts::{self, secrets::BoxKey},
    clock,
    db::Conn,
    error::Result,
    workloads,
};
use drydock_wire::jobs::JobState;

/// The token of a job without a time-out is ended with the job; this is only the bound of a bound.
const TOKEN_MS: i64 = 366 * 24 * 3600 * 1000;

pub fn start(
    conn: &mut Conn,
    box_key: &BoxKey,
    mut job: Job,
    number: i64,
    gpu_uuids: Vec<String>,
    mounts: &[String],
) -> Result<()> {
    if store::require(conn, &job.id)?.state != JobState::Queued || !store::attempts(conn, &job.id)?.is_empty() {
        return Ok(());
    }
    let now = clock::now_ms();
    let lasts_ms = job.spec.timeout_s.and_then(|s| i64::try_from(s).ok()).map_or(TOKEN_MS, |s| s * 1000 + TOKEN_MS);
    let ends_at = now + lasts_ms;
    let credentials = container::Credentials {
        token: accounts::issue_job_token(conn, &job.person_id, &job.id, ends_at)?,
        s3: accounts::issue_job_s3_key(conn, box_key, &job.person_id, &job.id, ends_at, &job.spec.buckets)?,
    };
    workloads::put_desired(conn, container::workload(&job, number, gpu_uuids.clone(), mounts, credentials))?;
    store::save_attempt(conn, &AttemptRecord::admitted(&job.id, number, gpu_uuids, now))?;
    (job.state, job.reason) = (JobState::Starting, None);
    store::save(conn, &job)
}
