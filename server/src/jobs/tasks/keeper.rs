//! The keeper: moves each admitted job along what the reconciler saw of its container, and ends it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use drydock_wire::jobs::JobState;
use futures_util::future::BoxFuture;

use super::{
    AttemptRecord, Job, KEEPER, Live, Observed, end, files, load, publish,
    rules::{self, Facts, Step},
    scheduler::Scheduler,
    store,
};
use crate::{
    app::App,
    background::Task,
    clock, datasets,
    error::Result,
    workloads::{self, Desired},
};

/// Takes every job that has not ended one step further.
pub struct JobKeeper {
    app: App,
    scheduler: Scheduler,
    /// Since when a container is known to run here, and how long it had then: a jump of the wall clock ends no job.
    running: Mutex<BTreeMap<String, (Instant, i64)>>,
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
        Self { scheduler: Scheduler::new(app.clone()), app, running: Mutex::default() }
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
        self.scheduler.admit().await?;
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
            Step::End(how) => self.end(job, attempt, observed, how).await,
        }
    }

    async fn end(&self, job: Job, attempt: AttemptRecord, observed: Option<Observed>, how: rules::End) -> Result<()> {
        let id = job.id.clone();
        end::end(&self.app, job, attempt, observed, how).await?;
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        Ok(())
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
        publish(&self.app, &id);
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
}
