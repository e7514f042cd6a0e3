//! The keeper: moves each admitted job along what the reconciler saw of its container, and ends its attempt.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use drydock_wire::jobs::JobState;
use futures_util::future::BoxFuture;

use super::{
    Admitted, AttemptRecord, Job, KEEPER, Observed, boot_id, end, files, publish,
    rules::{self, Facts, Step},
    store,
};
use crate::{
    app::App,
    background::Task,
    clock,
    error::{Error, Result},
    workloads::{self, Desired},
};

/// How often folders that nobody needs are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// Takes every job that has an attempt one step further.
pub struct JobKeeper(Arc<Keeping>);

struct Keeping {
    app: App,
    /// Since when a container is known to run here, and how long it had then: a jump of the wall clock ends no job.
    running: Mutex<BTreeMap<String, (Instant, i64)>>,
    /// Jobs whose attempt is being ended, each by a task of its own: an end waits for Docker and the disk, and holds up no other.
    ending: Mutex<BTreeSet<String>>,
    /// Why an end did not come about since the last pass.
    failed: Mutex<Option<Error>>,
    swept: Mutex<Option<Instant>>,
    boot_id: Option<String>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
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
        Self(Arc::new(Keeping {
            app,
            running: Mutex::default(),
            ending: Mutex::default(),
            failed: Mutex::default(),
            swept: Mutex::default(),
            boot_id: boot_id(),
        }))
    }

    async fn pass(&self) -> Result<()> {
        let keeping = &self.0;
        // Taken before anything is read: a row of a job that is being ended may be out of date as soon as it is.
        let ending = lock(&keeping.ending).clone();
        let failed = lock(&keeping.failed).take();
        let all = keeping.app.db.read(store::admitted).await?;
        let steps = all.into_iter().filter(|one| !ending.contains(&one.job.id)).map(|one| async {
            let id = one.job.id.clone();
            keeping.advance(one).await.inspect_err(|error| tracing::warn!(job.id = id, "job {id}: {error}"))
        });
        let results = futures_util::future::join_all(steps).await;
        keeping.sweep().await?;
        results.into_iter().chain(failed.map(Err)).collect()
    }
}

/// That an attempt is being ended. Over when dropped, so that an end that panics is tried again by a later pass.
struct UnderWay {
    keeping: Arc<Keeping>,
    id: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&self.keeping.ending).remove(&self.id);
    }
}

impl Keeping {
    async fn advance(self: &Arc<Self>, one: Admitted) -> Result<()> {
        let Admitted { job, attempt, observed, stop, longest_s } = one;
        let rebooted = attempt.boot_id.is_some() && self.boot_id.is_some() && attempt.boot_id != self.boot_id;
        let facts = Facts {
            cancel_requested_at: job.cancel_requested_at,
            timed_out: attempt.timed_out,
            timeout_s: job.spec.timeout_s.or(longest_s),
            memory_bytes: job.spec.resources.memory_bytes,
            peak_memory_bytes: attempt.peak_memory_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
            ran_ms: self.ran_ms(&job.id, attempt.number, observed.as_ref()),
            observed: observed.as_ref(),
            stop: stop.as_ref(),
            rebooted,
        };
        match rules::step(&facts) {
            Step::Show { state, reason } => self.show(job, attempt, observed, state, reason).await,
            Step::TimeOut { reason } => self.time_out(job, attempt, reason).await,
            Step::End(how) => {
                self.end(job, attempt, observed, how);
                Ok(())
            }
        }
    }

    /// Ends the attempt in the background; what happens to the job meanwhile is seen by the pass that this wakes.
    fn end(self: &Arc<Self>, job: Job, attempt: AttemptRecord, observed: Option<Observed>, how: rules::End) {
        let id = job.id.clone();
        if !lock(&self.ending).insert(id.clone()) {
            return;
        }
        let under_way = UnderWay { keeping: self.clone(), id };
        tokio::spawn(async move {
            let (keeping, id) = (under_way.keeping.clone(), under_way.id.clone());
            let key = key(&id, attempt.number);
            let ended = end::end(&keeping.app, job, attempt, observed, how).await;
            drop(under_way);
            match ended {
                Ok(()) => {
                    lock(&keeping.running).remove(&key);
                    keeping.app.background.waker(KEEPER).wake();
                }
                Err(error) => {
                    // tried again by the next pass of the period: what it waits for is not there yet
                    tracing::warn!(job.id = id, "job {id}: {error}");
                    *lock(&keeping.failed) = Some(error);
                }
            }
        });
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
                store::show_attempt(conn, &attempt)
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
                store::show_attempt(conn, &attempt)?;
                workloads::set_desired(conn, &job.id, Desired::Stopped)
            })
            .await?;
        workloads::wake(&self.app);
        Ok(())
    }

    async fn sweep(&self) -> Result<()> {
        let due = {
            let mut swept = lock(&self.swept);
            let due = swept.is_none_or(|at| at.elapsed() >= SWEEP);
            if due {
                *swept = Some(Instant::now());
            }
            due
        };
        if !due {
            return Ok(());
        }
        files::sweep(&self.app).await
    }

    fn ran_ms(&self, id: &str, number: i64, observed: Option<&Observed>) -> i64 {
        let Some(started_at) = observed.and_then(|observed| observed.started_at) else { return 0 };
        let mut running = lock(&self.running);
        let (since, before) =
            running.entry(key(id, number)).or_insert_with(|| (Instant::now(), (clock::now_ms() - started_at).max(0)));
        *before + i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

fn key(id: &str, number: i64) -> String {
    format!("{id}-{number}")
}
