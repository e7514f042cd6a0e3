//! Lets the next jobs in: who goes, with which GPUs, and what the others wait for.

use std::collections::BTreeSet;

use drydock_wire::jobs::JobState;

use super::{
    Job, Live, container, files, load, publish,
    rules::{self, Need, Turn},
    start::start,
    store,
};
use crate::{
    app::App,
    clock,
    db::Conn,
    error::Result,
    workloads::{self, Kind},
};

/// Admits waiting jobs.
pub(super) struct Scheduler {
    app: App,
}

impl Scheduler {
    pub fn new(app: App) -> Self {
        Self { app }
    }

    pub async fn admit(&self) -> Result<()> {
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
        publish(&self.app, &id);
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
        publish(&self.app, &id);
        Ok(())
    }
}

fn need(job: &Job) -> Need {
    let resources = &job.spec.resources;
    Need { cpus: resources.cpus, memory_bytes: resources.memory_bytes, gpus: resources.gpus }
}
