//! Jobs that have not ended: what the keeper moves along, what the scheduler starts.

use diesel::prelude::*;
use drydock_wire::jobs::{JobState, JobSummary, Resources};

use super::{AttemptRecord, AttemptRow, Job, JobRow, UNFINISHED, state};
use crate::{
    db::{
        Conn,
        schema::jobs::{job_attempts as attempts_table, jobs, queues},
    },
    error::{Error, Result},
    workloads::{self, Observed, Stop},
};

/// A job with an attempt that has not ended, and all that is known of that.
pub struct Admitted {
    pub job: Job,
    pub attempt: AttemptRecord,
    pub observed: Option<Observed>,
    pub stop: Option<Stop>,
    /// The time limit of its queue, which counts if it has none of its own.
    pub longest_s: Option<u64>,
}

/// Jobs with an attempt that has not ended, first come first.
pub fn admitted(conn: &mut Conn) -> Result<Vec<Admitted>> {
    type Row = (JobRow, AttemptRow, Option<i64>);
    let rows: Vec<Row> = jobs::table
        .inner_join(attempts_table::table)
        .left_join(queues::table.on(jobs::queue_id.eq(queues::id.nullable())))
        .filter(attempts_table::ended_at.is_null().and(jobs::state.eq_any(UNFINISHED)))
        .order((jobs::submitted_at, jobs::id))
        .select((JobRow::as_select(), AttemptRow::as_select(), queues::longest_s.nullable()))
        .load(conn)
        .map_err(Error::internal)?;
    rows.into_iter().map(|row| admitted_of(conn, row)).collect()
}

fn admitted_of(conn: &mut Conn, (job, attempt, longest_s): (JobRow, AttemptRow, Option<i64>)) -> Result<Admitted> {
    let (job, attempt) = (job.into_job()?, attempt.into_record()?);
    let observed = workloads::observed(conn, &job.id)?.filter(|seen| seen.generation == attempt.number);
    let stop = workloads::why_stopped(conn, &job.id)?;
    let longest_s = longest_s.and_then(|seconds| u64::try_from(seconds).ok());
    Ok(Admitted { job, attempt, observed, stop, longest_s })
}

/// The attempt of a job that has not ended.
pub fn open_attempt(conn: &mut Conn, id: &str) -> Result<Option<i64>> {
    attempts_table::table
        .filter(attempts_table::job_id.eq(id).and(attempts_table::ended_at.is_null()))
        .select(attempts_table::number)
        .order(attempts_table::number.desc())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// Which of these jobs have an attempt that has not ended.
pub fn open_among(conn: &mut Conn, ids: &[String]) -> Result<std::collections::HashSet<String>> {
    let open: Vec<String> = attempts_table::table
        .filter(attempts_table::job_id.eq_any(ids).and(attempts_table::ended_at.is_null()))
        .select(attempts_table::job_id)
        .load(conn)
        .map_err(Error::internal)?;
    Ok(open.into_iter().collect())
}

/// Number of the attempt that comes next, from 1 on.
pub fn next_number(conn: &mut Conn, id: &str) -> Result<i64> {
    let last: Option<i64> = attempts_table::table
        .filter(attempts_table::job_id.eq(id))
        .select(diesel::dsl::max(attempts_table::number))
        .first(conn)
        .map_err(Error::internal)?;
    Ok(last.unwrap_or(0) + 1)
}

/// Writes how far an attempt is, and nothing else of it: others write their parts meanwhile.
pub fn show_attempt(conn: &mut Conn, attempt: &AttemptRecord) -> Result<()> {
    diesel::update(attempts_table::table.find((&attempt.job_id, attempt.number)))
        .set((
            attempts_table::state.eq(attempt.state.as_str()),
            attempts_table::reason.eq(&attempt.reason),
            attempts_table::started_at.eq(attempt.started_at),
            attempts_table::timed_out.eq(attempt.timed_out),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// What was measured of an attempt while it ran.
pub fn peak_memory(conn: &mut Conn, id: &str, number: i64) -> Result<Option<i64>> {
    let found: Option<Option<i64>> = attempts_table::table
        .find((id, number))
        .select(attempts_table::peak_memory_bytes)
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    Ok(found.flatten())
}

/// Says on a job that waits why it does, and until when it is not looked at.
pub fn pause(conn: &mut Conn, id: &str, reason: &str, not_before: Option<i64>) -> Result<()> {
    diesel::update(jobs::table.find(id).filter(jobs::state.eq(JobState::Queued.as_str())))
        .set((jobs::reason.eq(reason), jobs::not_before.eq(not_before)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Folders that jobs which have not ended have or may get next, as `{job}-{number}`.
pub fn folders(conn: &mut Conn) -> Result<std::collections::BTreeSet<String>> {
    use diesel::sql_types::Text;
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let rows: Vec<Found> = diesel::sql_query(
        "SELECT j.id || '-' || (1 + (SELECT COUNT(*) FROM job_attempts a WHERE a.job_id = j.id AND a.ended_at IS NOT NULL)) AS name
         FROM jobs j WHERE j.state IN ('queued', 'starting', 'running', 'cancelling')",
    )
    .load(conn)
    .map_err(Error::internal)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

/// What a list shows of a job: columns alone, so that a page over thousands parses no spec.
#[derive(Queryable, Selectable)]
#[diesel(table_name = jobs)]
pub(super) struct SummaryRow {
    id: String,
    name: String,
    state: String,
    reason: Option<String>,
    submitted_by: String,
    submitted_at: i64,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    exit_code: Option<i64>,
    queue_id: Option<String>,
    sweep_id: Option<String>,
    priority: i32,
    cpus_milli: i64,
    memory_bytes: i64,
    disk_bytes: i64,
    gpus: i32,
    gpu_memory_bytes: Option<i64>,
}

impl SummaryRow {
    pub fn into_summary(self) -> Result<JobSummary> {
        let amount = |value: i64| u64::try_from(value).unwrap_or(0);
        Ok(JobSummary {
            state: state(&self.state)?,
            id: self.id,
            name: self.name,
            reason: self.reason,
            submitted_by: self.submitted_by,
            submitted_at: self.submitted_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
            exit_code: self.exit_code,
            // a queue's id is the name that it was made with, and names do not change
            queue: self.queue_id.unwrap_or_else(|| super::DEFAULT_QUEUE.to_owned()),
            priority: self.priority,
            sweep_id: self.sweep_id,
            resources: Resources {
                cpus: self.cpus_milli as f64 / 1000.0,
                memory_bytes: amount(self.memory_bytes),
                gpus: self.gpus.unsigned_abs(),
                gpu_memory_bytes: self.gpu_memory_bytes.map(amount),
                disk_bytes: (self.disk_bytes > 0).then(|| amount(self.disk_bytes)),
            },
        })
    }
}
