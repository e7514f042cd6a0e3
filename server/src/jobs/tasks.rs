//! The keeper: moves each job along what the reconciler saw of its container, ends it, and lets the next ones in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use drydock_wire::{events::Topic, jobs::JobState};
use futures_util::future::BoxFuture;

use super::{
    KEEPER, container, files,
    rules::{self, End, Facts, Need, Step, Turn},
    store::{self, AttemptRecord, Job},
};
use crate::{
    accounts::{self, secrets::BoxKey},
    app::App,
    background::Task,
    clock, datasets,
    db::Conn,
    error::Result,
    workloads::{self, Desired, Kind, Observed, logs},
};

/// The token of a job without a time-out is ended with the job; this is only the bound of a bound.
const TOKEN_MS: i64 = 366 * 24 * 3600 * 1000;

/// Takes every job that has not ended one step further.
pub struct JobKeeper {
    app: App,
    /// Since when a container is known to run here, and how long it had then: a jump of the wall clock ends no job.
    running: Mutex<BTreeMap<String, (Instant, i64)>>,
}

/// A job that has not ended, with all that is known of it.
struct Live {
    job: Job,
    attempt: Option<AttemptRecord>,
    observed: Option<Observed>,
}

impl Task for JobKeeper {
    fn name(&self) -> &'static str {
        KEEPER
    }

    fn period(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.pass())
    }
}

impl JobKeeper {
    pub fn new(app: App) -> Self {
        Self { app, running: Mutex::default() }
    }

    async fn pass(&self) -> Result<()> {
        let mut failed = None;
        for live in self.app.db.read(load).await? {
            let Live { job, attempt: Some(attempt), observed } = live else { continue };
            let id = job.id.clone();
            if let Err(error) = self.advance(job, attempt, observed).await {
                // One job's trouble must not hold up the others.
                tracing::warn!(job.id = id, "job {id}: {error}");
                failed = Some(error);
            }
        }
        self.admit().await?;
        self.sweep().await?;
        failed.map_or(Ok(()), Err)
    }

    async fn advance(&self, job: Job, attempt: AttemptRecord, observed: Option<Observed>) -> Result<()> {
        let facts = Facts {
            cancel_requested_at: job.cancel_requested_at,
            timed_out: attempt.timed_out,
            timeout_s: job.spec.timeout_s,
            memory_bytes: job.spec.resources.memory_bytes,
            ran_ms: self.ran_ms(&job.id, observed.as_ref()),
            observed: observed.as_ref(),
        };
        match rules::step(&facts) {
            Step::Show { state, reason } => self.show(job, attempt, observed, state, reason).await,
            Step::TimeOut { reason } => self.time_out(job, attempt, reason).await,
            Step::End(end) => self.end(job, attempt, observed, end).await,
        }
    }

    async fn show(
        &self,
        mut job: Job,
        mut attempt: AttemptRecord,
        observed: Option<Observed>,
        state: JobState,
        reason: Option<String>,
    ) -> Result<()> {
        let started_at = observed.and_then(|observed| observed.started_at);
        // The reason of a cancelled job says who cancelled it.
        let reason = if state == JobState::Cancelling { job.reason.clone() } else { reason };
        if job.state == state && job.reason == reason && job.started_at == started_at {
            return Ok(());
        }
        (job.state, job.reason, job.started_at) = (state, reason.clone(), started_at);
        (attempt.state, attempt.reason, attempt.started_at) = (state, reason, started_at);
        let id = job.id.clone();
        self.app
            .db
            .write(move |conn| {
                // It may have been cancelled since it was read: that is seen by the next pass.
                let now = store::require(conn, &job.id)?;
                if now.state.is_final() || now.cancel_requested_at != job.cancel_requested_at {
                    return Ok(());
                }
                store::save(conn, &job)?;
                store::save_attempt(conn, &attempt)
            })
            .await?;
        self.publish(&id);
        Ok(())
    }

    async fn time_out(&self, job: Job, mut attempt: AttemptRecord, reason: String) -> Result<()> {
        tracing::info!(job.id = job.id, "job {}: {reason}", job.id);
        attempt.timed_out = true;
        attempt.reason = Some(reason);
        self.app
            .db
            .write(move |conn| {
                store::save_attempt(conn, &attempt)?;
                workloads::set_desired(conn, &job.id, Desired::Stopped)
            })
            .await?;
        workloads::wake(&self.app);
        Ok(())
    }

    /// Keeps the log, then ends attempt and job in one transaction. A crash in between repeats both.
    async fn end(&self, mut job: Job, mut attempt: AttemptRecord, observed: Option<Observed>, end: End) -> Result<()> {
        let container = observed.as_ref().and_then(|observed| observed.container_id.clone());
        let log = match container {
            Some(container) => logs::keep(&self.app, &container).await?,
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
        self.app.db.write(move |conn| finish(conn, &job, &attempt, log.as_deref())).await?;
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        workloads::wake(&self.app);
        self.publish(&id);
        Ok(())
    }

    async fn admit(&self) -> Result<()> {
        let jobs = self.app.db.read(load).await?;
        let (waiting, admitted): (Vec<Live>, Vec<Live>) = jobs.into_iter().partition(|live| live.attempt.is_none());
        if waiting.is_empty() {
            return Ok(());
        }
        let capacity = container::capacity(&self.app).await;
        let demand = self.app.db.read(workloads::demand).await?;
        let served = demand.iter().filter(|(kind, _, _)| *kind == Kind::Revision).map(|(_, _, memory)| memory).sum();
        let used = admitted.iter().map(|live| need(&live.job)).fold(
            Need { memory_bytes: served, ..Need::default() },
            |sum, need| Need {
                cpus: sum.cpus + need.cpus,
                memory_bytes: sum.memory_bytes.saturating_add(need.memory_bytes),
                gpus: sum.gpus + need.gpus,
            },
        );
        let leased: BTreeSet<String> =
            admitted.into_iter().filter_map(|live| live.attempt).flat_map(|attempt| attempt.gpu_uuids).collect();
        let mut free = capacity.gpu_uuids.iter().filter(|uuid| !leased.contains(*uuid)).cloned();
        let needs: Vec<Need> = waiting.iter().map(|live| need(&live.job)).collect();
        for (live, turn) in waiting.into_iter().zip(rules::admit(&needs, used, &capacity)) {
            match turn {
                Turn::Go => {
                    let gpus = free.by_ref().take(live.job.spec.resources.gpus as usize).collect();
                    self.let_in(live.job, gpus).await?;
                }
                Turn::Wait(reason) => self.hold(live.job, reason).await?,
            }
        }
        Ok(())
    }

    /// Lays out the files, then makes attempt, token and workload in one transaction.
    async fn let_in(&self, job: Job, gpu_uuids: Vec<String>) -> Result<()> {
        const FIRST: i64 = 1;
        let mounts = match files::lay_out(&self.app, &job, FIRST).await {
            Ok(Ok(mounts)) => mounts,
            Ok(Err(waits_for)) => return self.hold(job, waits_for).await,
            // Its data lies in a cluster that is away: jobs behind it whose data is here go on.
            Err(error) if error.code == drydock_wire::ErrorCode::Unavailable => {
                return self.hold(job, error.message).await;
            }
            // A dataset that was deleted while the job waited: it can never run.
            Err(error) if error.code == drydock_wire::ErrorCode::NotFound => {
                return self.give_up(job, error.message).await;
            }
            // A damaged file, a full disk: told where the job is looked at, and no reason for others to wait.
            Err(error) => {
                tracing::warn!(job.id = job.id, "the data of job {} cannot be laid out: {error}", job.id);
                return self.hold(job, error.message).await;
            }
        };
        let (id, box_key) = (job.id.clone(), self.app.box_key.clone());
        self.app.db.write(move |conn| start(conn, &box_key, job, FIRST, gpu_uuids, &mounts)).await?;
        workloads::wake(&self.app);
        self.publish(&id);
        Ok(())
    }

    async fn hold(&self, mut job: Job, reason: String) -> Result<()> {
        if job.reason.as_ref() == Some(&reason) {
            return Ok(());
        }
        job.reason = Some(reason);
        self.save_waiting(job).await
    }

    async fn give_up(&self, mut job: Job, reason: String) -> Result<()> {
        (job.state, job.reason, job.ended_at) = (JobState::Failed, Some(reason), Some(clock::now_ms()));
        self.save_waiting(job).await
    }

    async fn save_waiting(&self, job: Job) -> Result<()> {
        let id = job.id.clone();
        let save = move |conn: &mut Conn| match store::require(conn, &job.id)?.state {
            JobState::Queued => store::save(conn, &job),
            _ => Ok(()),
        };
        self.app.db.write(save).await?;
        self.publish(&id);
        Ok(())
    }

    async fn sweep(&self) -> Result<()> {
        let names = |live: Live| Some(format!("{}-{}", live.job.id, live.attempt?.number));
        let keep = self.app.db.read(load).await?.into_iter().filter_map(names).collect();
        files::sweep(&self.app, &keep).await?;
        let mounted = self.app.db.read(workloads::mounted).await?;
        datasets::evict(&self.app, &mounted).await
    }

    fn ran_ms(&self, id: &str, observed: Option<&Observed>) -> i64 {
        let Some(started_at) = observed.and_then(|observed| observed.started_at) else { return 0 };
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, before) =
            running.entry(id.to_owned()).or_insert_with(|| (Instant::now(), (clock::now_ms() - started_at).max(0)));
        *before + i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn publish(&self, id: &str) {
        self.app.events.publish(Topic::Jobs, Some(id));
        self.app.events.publish(Topic::Overview, None);
    }
}

fn need(job: &Job) -> Need {
    let resources = &job.spec.resources;
    Need { cpus: resources.cpus, memory_bytes: resources.memory_bytes, gpus: resources.gpus }
}

fn load(conn: &mut Conn) -> Result<Vec<Live>> {
    let jobs = store::unfinished(conn)?;
    jobs.into_iter()
        .map(|(job, attempt)| {
            let observed = workloads::observed(conn, &job.id)?;
            let of_attempt = |it: &Observed| attempt.as_ref().is_some_and(|attempt| attempt.number == it.generation);
            Ok(Live { observed: observed.filter(of_attempt), job, attempt })
        })
        .collect()
}

pub(super) fn start(
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

/// The end of an attempt and its job: log, rows, token, key and container together.
pub(super) fn finish(conn: &mut Conn, job: &Job, attempt: &AttemptRecord, log: Option<&str>) -> Result<()> {
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
