//! The start of an attempt: attempt, leases, token, key and workload in one transaction.

use super::{AttemptRecord, Job, boot_id, container, files::Laid, runs, store};
use crate::{
    accounts::{self, secrets::BoxKey},
    clock,
    db::Conn,
    devices::{self, Lease},
    error::Result,
    workloads,
};
use drydock_wire::jobs::JobState;

/// The token of a job without a time-out is ended with the job; this is only the bound of a bound.
const TOKEN_MS: i64 = 366 * 24 * 3600 * 1000;

/// Starts attempt `number`. False: the job does not wait for it any more.
///
/// # Errors
/// `conflict` when a GPU is not to be had any more: the decision was made from a picture that is out of date.
pub fn start(
    conn: &mut Conn,
    box_key: &BoxKey,
    mut job: Job,
    number: i64,
    gpu_uuids: Vec<String>,
    laid: &Laid,
) -> Result<bool> {
    let waits = store::require(conn, &job.id)?.state == JobState::Queued;
    if !waits || store::open_attempt(conn, &job.id)?.is_some() || store::next_number(conn, &job.id)? != number {
        return Ok(false);
    }
    let now = clock::now_ms();
    let lasts_ms = job.spec.timeout_s.and_then(|s| i64::try_from(s).ok()).map_or(TOKEN_MS, |s| s * 1000 + TOKEN_MS);
    let ends_at = now + lasts_ms;
    let credentials = container::Credentials {
        token: accounts::issue_job_token(conn, &job.person_id, &job.project_id, &job.id, ends_at)?,
        s3: accounts::issue_job_s3_key(
            conn,
            box_key,
            (&job.person_id, &job.project_id),
            &job.id,
            ends_at,
            &job.spec.buckets,
        )?,
    };
    let memory_bytes = job.spec.resources.gpu_memory_bytes;
    let leases: Vec<Lease> = gpu_uuids.iter().map(|uuid| Lease { uuid: uuid.clone(), memory_bytes }).collect();
    devices::lease(conn, &job.id, number, &leases)?;
    let run_id = runs::of_attempt(conn, &job, number)?;
    let workload = container::workload(&job, number, gpu_uuids.clone(), laid, run_id.as_deref(), credentials);
    workloads::put_desired(conn, workload)?;
    let admitted = AttemptRecord::admitted(&job.id, number, gpu_uuids, now);
    store::save_attempt(conn, &AttemptRecord { boot_id: boot_id(), run_id, ..admitted })?;
    (job.state, job.reason, job.not_before) = (JobState::Starting, None, None);
    store::save(conn, &job)?;
    Ok(true)
}
