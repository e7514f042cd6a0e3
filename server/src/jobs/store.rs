//! Rows of jobs and attempts.

mod lists;
mod live;
mod uses;

use diesel::prelude::*;
use drydock_wire::jobs::{Attempt, JobState, JobSummary, SubmitJob};

use crate::{
    accounts::Principal,
    db::{
        Conn,
        schema::jobs::{job_attempts as attempts_table, jobs, queues},
    },
    error::{Error, Result},
};

pub use lists::{Filter, count, page};
pub use live::{Admitted, admitted, next_number, open_among, open_attempt, pause, peak_memory, show_attempt};
pub use uses::{images_in_use, that_mounted};

#[derive(Queryable, Selectable)]
#[diesel(table_name = jobs)]
struct JobRow {
    id: String,
    project_id: String,
    name: String,
    state: String,
    reason: Option<String>,
    spec: String,
    person_id: String,
    submitted_by: String,
    submitted_at: i64,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    exit_code: Option<i64>,
    cancel_requested_at: Option<i64>,
    queue_id: Option<String>,
    sweep_id: Option<String>,
    parent_id: Option<String>,
    priority: i32,
    since: Option<i64>,
    not_before: Option<i64>,
    failures: i32,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = attempts_table)]
struct AttemptRow {
    job_id: String,
    number: i64,
    state: String,
    admitted_at: i64,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    exit_code: Option<i64>,
    out_of_memory: bool,
    timed_out: bool,
    reason: Option<String>,
    gpu_uuids: String,
    cause: Option<String>,
    run_id: Option<String>,
    image_id: Option<String>,
    peak_memory_bytes: Option<i64>,
    boot_id: Option<String>,
}

/// A job as the feature works on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub id: String,
    pub project_id: String,
    pub name: String,
    pub state: JobState,
    pub reason: Option<String>,
    pub spec: SubmitJob,
    pub person_id: String,
    pub submitted_by: String,
    pub submitted_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub exit_code: Option<i64>,
    pub cancel_requested_at: Option<i64>,
    pub queue_id: String,
    pub sweep_id: Option<String>,
    /// The job that it runs again.
    pub parent_id: Option<String>,
    pub priority: i32,
    /// From here on it counts as waiting.
    pub since: Option<i64>,
    /// Of a job that waits: not to be started before.
    pub not_before: Option<i64>,
    /// Attempts that count against its limit of retries.
    pub failures: u32,
}

/// One try: admitted, so it has a workload of its generation.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRecord {
    pub job_id: String,
    pub number: i64,
    pub state: JobState,
    pub admitted_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub exit_code: Option<i64>,
    pub out_of_memory: bool,
    /// Its time was up, and it was told to stop.
    pub timed_out: bool,
    pub reason: Option<String>,
    /// The GPUs it holds until it ended.
    pub gpu_uuids: Vec<String>,
    /// Why it ended, in one word; see migration 0030.
    pub cause: Option<String>,
    /// The tracked run that was made for it.
    pub run_id: Option<String>,
    /// `sha256:…`, as Docker had the image.
    pub image_id: Option<String>,
    pub peak_memory_bytes: Option<i64>,
    /// Of the kernel it ran under.
    pub boot_id: Option<String>,
}

impl JobRow {
    fn into_job(self) -> Result<Job> {
        Ok(Job {
            state: state(&self.state)?,
            spec: serde_json::from_str(&self.spec).map_err(Error::internal)?,
            id: self.id,
            project_id: self.project_id,
            name: self.name,
            reason: self.reason,
            person_id: self.person_id,
            submitted_by: self.submitted_by,
            submitted_at: self.submitted_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
            exit_code: self.exit_code,
            cancel_requested_at: self.cancel_requested_at,
            queue_id: self.queue_id.unwrap_or_else(|| DEFAULT_QUEUE.to_owned()),
            sweep_id: self.sweep_id,
            parent_id: self.parent_id,
            priority: self.priority,
            since: self.since,
            not_before: self.not_before,
            failures: u32::try_from(self.failures).unwrap_or(0),
        })
    }
}

impl Job {
    pub fn into_summary(self) -> JobSummary {
        JobSummary {
            id: self.id,
            name: self.name,
            state: self.state,
            reason: self.reason,
            submitted_by: self.submitted_by,
            submitted_at: self.submitted_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
            exit_code: self.exit_code,
            queue: self.queue_id,
            priority: self.priority,
            sweep_id: self.sweep_id,
            resources: self.spec.resources,
        }
    }
}

impl AttemptRow {
    fn into_record(self) -> Result<AttemptRecord> {
        Ok(AttemptRecord {
            state: state(&self.state)?,
            gpu_uuids: serde_json::from_str(&self.gpu_uuids).map_err(Error::internal)?,
            job_id: self.job_id,
            number: self.number,
            admitted_at: self.admitted_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
            exit_code: self.exit_code,
            out_of_memory: self.out_of_memory,
            timed_out: self.timed_out,
            reason: self.reason,
            cause: self.cause,
            run_id: self.run_id,
            image_id: self.image_id,
            peak_memory_bytes: self.peak_memory_bytes,
            boot_id: self.boot_id,
        })
    }
}

impl AttemptRecord {
    /// A try that was just admitted.
    pub fn admitted(job_id: &str, number: i64, gpu_uuids: Vec<String>, at: i64) -> Self {
        Self {
            job_id: job_id.to_owned(),
            number,
            state: JobState::Starting,
            admitted_at: at,
            started_at: None,
            ended_at: None,
            exit_code: None,
            out_of_memory: false,
            timed_out: false,
            reason: None,
            gpu_uuids,
            cause: None,
            run_id: None,
            image_id: None,
            peak_memory_bytes: None,
            boot_id: None,
        }
    }

    pub fn into_wire(self) -> Attempt {
        Attempt {
            number: self.number,
            state: self.state,
            started_at: self.started_at,
            ended_at: self.ended_at,
            exit_code: self.exit_code,
            out_of_memory: self.out_of_memory,
            reason: self.reason,
            cause: self.cause,
            run_id: self.run_id,
            image_id: self.image_id,
            peak_memory_bytes: self.peak_memory_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
            gpu_uuids: self.gpu_uuids,
        }
    }
}

fn state(word: &str) -> Result<JobState> {
    JobState::parse(word).ok_or_else(|| Error::internal(anyhow::anyhow!("unknown job state '{word}'")))
}

const UNFINISHED: [&str; 4] = ["queued", "starting", "running", "cancelling"];

/// The queue that every box has.
pub const DEFAULT_QUEUE: &str = "default";

type Amounts = (
    diesel::dsl::Eq<jobs::cpus_milli, i64>,
    diesel::dsl::Eq<jobs::memory_bytes, i64>,
    diesel::dsl::Eq<jobs::disk_bytes, i64>,
    diesel::dsl::Eq<jobs::gpus, i32>,
    diesel::dsl::Eq<jobs::gpu_memory_bytes, Option<i64>>,
);

/// What the scheduler adds up, as columns.
fn amounts(spec: &SubmitJob) -> Amounts {
    let asked = &spec.resources;
    let bytes = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    (
        jobs::cpus_milli.eq((asked.cpus * 1000.0).round() as i64),
        jobs::memory_bytes.eq(bytes(asked.memory_bytes)),
        jobs::disk_bytes.eq(asked.disk_bytes.map_or(0, bytes)),
        jobs::gpus.eq(i32::try_from(asked.gpus).unwrap_or(i32::MAX)),
        jobs::gpu_memory_bytes.eq(asked.gpu_memory_bytes.map(bytes)),
    )
}

/// A new job, queued.
pub fn insert(
    conn: &mut Conn,
    id: &str,
    who: &Principal,
    spec: &SubmitJob,
    origin: &super::submit::Origin,
    at: i64,
) -> Result<()> {
    let queue = queue_for(conn, spec)?;
    diesel::insert_into(jobs::table)
        .values((
            jobs::id.eq(id),
            jobs::project_id.eq(&who.project),
            jobs::name.eq(&spec.name),
            jobs::state.eq(JobState::Queued.as_str()),
            jobs::spec.eq(serde_json::to_string(spec).map_err(Error::internal)?),
            jobs::person_id.eq(&who.person_id),
            jobs::submitted_by.eq(&who.username),
            jobs::submitted_at.eq(at),
            amounts(spec),
            (
                jobs::queue_id.eq(queue),
                jobs::sweep_id.eq(&origin.sweep_id),
                jobs::parent_id.eq(&origin.parent_id),
                jobs::priority.eq(spec.priority),
                jobs::since.eq(at),
                jobs::limit_s.eq(spec.timeout_s.and_then(|seconds| i64::try_from(seconds).ok())),
                jobs::resumable.eq(spec.resume.is_some()),
            ),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Id of the queue that the wish names.
fn queue_for(conn: &mut Conn, spec: &SubmitJob) -> Result<String> {
    let name = spec.queue.as_deref().unwrap_or(DEFAULT_QUEUE);
    let found: Option<(String, i32)> = queues::table
        .filter(queues::name.eq(name))
        .select((queues::id, queues::highest_priority))
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    let (id, highest) = found.ok_or_else(|| Error::invalid(format!("queue: there is no queue {name:?}.")))?;
    if spec.priority > highest {
        return Err(Error::invalid(format!("priority: {highest} is the highest of the queue {name}.")));
    }
    Ok(id)
}

/// Ids of the jobs that run this one again, oldest first.
pub fn reruns(conn: &mut Conn, id: &str) -> Result<Vec<String>> {
    let again = jobs::table.filter(jobs::parent_id.eq(id)).order((jobs::submitted_at, jobs::id));
    again.select(jobs::id).load(conn).map_err(Error::internal)
}

/// Writes what can change of a job.
pub fn save(conn: &mut Conn, job: &Job) -> Result<()> {
    diesel::update(jobs::table.find(&job.id))
        .set((
            jobs::state.eq(job.state.as_str()),
            jobs::reason.eq(&job.reason),
            jobs::started_at.eq(job.started_at),
            jobs::ended_at.eq(job.ended_at),
            jobs::exit_code.eq(job.exit_code),
            jobs::cancel_requested_at.eq(job.cancel_requested_at),
            jobs::since.eq(job.since),
            jobs::not_before.eq(job.not_before),
            jobs::failures.eq(i32::try_from(job.failures).unwrap_or(i32::MAX)),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Writes an attempt, new or known.
pub fn save_attempt(conn: &mut Conn, attempt: &AttemptRecord) -> Result<()> {
    let row = AttemptRow {
        job_id: attempt.job_id.clone(),
        number: attempt.number,
        state: attempt.state.as_str().to_owned(),
        admitted_at: attempt.admitted_at,
        started_at: attempt.started_at,
        ended_at: attempt.ended_at,
        exit_code: attempt.exit_code,
        out_of_memory: attempt.out_of_memory,
        timed_out: attempt.timed_out,
        reason: attempt.reason.clone(),
        gpu_uuids: serde_json::to_string(&attempt.gpu_uuids).map_err(Error::internal)?,
        cause: attempt.cause.clone(),
        run_id: attempt.run_id.clone(),
        image_id: attempt.image_id.clone(),
        peak_memory_bytes: attempt.peak_memory_bytes,
        boot_id: attempt.boot_id.clone(),
    };
    diesel::replace_into(attempts_table::table).values(row).execute(conn).map(drop).map_err(Error::internal)
}

/// The job of that id.
///
/// # Errors
/// `not_found`.
pub fn require(conn: &mut Conn, id: &str) -> Result<Job> {
    let row: Option<JobRow> =
        jobs::table.find(id).select(JobRow::as_select()).first(conn).optional().map_err(Error::internal)?;
    row.ok_or_else(|| Error::not_found(format!("There is no job {id}.")))?.into_job()
}

/// A job's attempts, first to last.
pub fn attempts(conn: &mut Conn, id: &str) -> Result<Vec<AttemptRecord>> {
    let rows: Vec<AttemptRow> = attempts_table::table
        .filter(attempts_table::job_id.eq(id))
        .order(attempts_table::number)
        .select(AttemptRow::as_select())
        .load(conn)
        .map_err(Error::internal)?;
    rows.into_iter().map(AttemptRow::into_record).collect()
}
