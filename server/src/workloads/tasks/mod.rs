//! The reconciler, its hands (`acting`) and the watcher that wakes it.
//!
//! A pass: read the rows, look at the containers, record what was seen, plan, and hand each step to a task of its own, so that a
//! container that takes long to start holds up no other. While a task works on a workload, passes leave that workload alone: what is
//! known of it is written by one at a time. Recording before acting is what makes every crash harmless; see `rules`.

mod acting;
mod container;
mod looking;
mod watcher;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use drydock_appliance::containers::{EngineError, Seen};
use futures_util::future::BoxFuture;

use super::{
    RECONCILER, failpoint, logs,
    pulls::{OwnImages, Pulls, Readiness},
    rules,
    spec::{Desired, DesiredWorkload, Kind, Observed, Phase, SpecMount, Workload},
    store,
};
use crate::{
    app::App,
    background::{Task, Waker},
    clock,
    error::{Error, Result},
};
use acting::Hands;
use looking::Looks;

pub use looking::Touched;
pub use watcher::DockerWatcher;

const WAITING: &str = "waiting for Docker";

type Rows = Vec<(DesiredWorkload, Observed)>;

/// Makes Docker follow the desired rows.
pub struct Reconciler {
    app: App,
    listeners: Arc<[Waker]>,
    hands: Arc<Hands>,
    looks: Looks,
    docker_away: AtomicBool,
}

impl Task for Reconciler {
    fn name(&self) -> &'static str {
        RECONCILER
    }

    fn period(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.pass())
    }
}

impl Reconciler {
    pub fn new(app: App, listeners: Vec<Waker>, own_images: OwnImages, touched: Touched) -> Self {
        let listeners: Arc<[Waker]> = listeners.into();
        let hands = Arc::new(Hands::new(app.clone(), listeners.clone(), own_images));
        Self { looks: Looks::new(app.clone(), touched), app, listeners, hands, docker_away: AtomicBool::new(false) }
    }

    async fn pass(&self) -> Result<()> {
        // Taken before anything is read: who is at work now may change its row and its container while this looks.
        let busy = self.hands.busy();
        let mut rows = self.app.db.read(store::live).await?;
        rows.retain(|(desired, _)| !busy.contains(&desired.id));
        let seen = match self.looks.look(&busy).await {
            Ok(seen) => seen,
            Err(away) => return self.wait_for_docker(rows, &away).await,
        };
        if self.docker_away.swap(false, Ordering::Relaxed) {
            tracing::info!("Docker is back");
        }
        let rows = self.record_seen(rows, &seen).await?;
        let actions = rules::plan(&rows, &seen, clock::now_ms());
        self.hands.take(actions, &rows, &seen);
        self.wake_when_due(&rows);
        Ok(())
    }

    /// Says on every waiting row what it waits for. Docker's return wakes the next pass.
    async fn wait_for_docker(&self, rows: Rows, away: &EngineError) -> Result<()> {
        if !self.docker_away.swap(true, Ordering::Relaxed) {
            tracing::warn!(docker.error = %away, "Docker does not answer; containers wait");
        }
        let waits = |desired: &DesiredWorkload, observed: &Observed| {
            desired.desired == Desired::Running && matches!(observed.phase, Phase::Pending | Phase::Creating)
        };
        let changes = rows
            .into_iter()
            .filter(|(desired, observed)| waits(desired, observed) && observed.message.as_deref() != Some(WAITING))
            .map(|(desired, observed)| {
                (desired.id, Observed { phase: Phase::Pending, message: Some(WAITING.into()), ..observed })
            });
        record(&self.app, &self.listeners, changes.collect()).await
    }

    async fn record_seen(&self, rows: Rows, seen: &[Seen]) -> Result<Rows> {
        let now = clock::now_ms();
        let mut changes = BTreeMap::new();
        let mut after = Vec::with_capacity(rows.len());
        for (desired, before) in rows {
            let observed = rules::observe(&desired, &before, seen, now);
            if observed != before {
                tracing::info!(
                    workload.id = desired.id,
                    workload.phase = observed.phase.as_str(),
                    "workload {} is {}",
                    desired.id,
                    observed.phase.as_str()
                );
                changes.insert(desired.id.clone(), observed.clone());
            }
            after.push((desired, observed));
        }
        record(&self.app, &self.listeners, changes).await?;
        Ok(after)
    }

    /// Wakes itself when the first pause is over, if that is before the period.
    fn wake_when_due(&self, rows: &Rows) {
        let now = clock::now_ms();
        let waits = rows.iter().filter_map(|(_, observed)| observed.not_before).filter(|at| *at > now);
        let Some(pause) = waits.min().and_then(|at| u64::try_from(at - now).ok()) else { return };
        if pause < 10_000 {
            let waker = self.app.background.waker(RECONCILER);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(pause + 10)).await;
                waker.wake();
            });
        }
    }
}

/// Writes changes and tells the owners. Nothing to write: nothing happens.
async fn record(app: &App, listeners: &[Waker], changes: BTreeMap<String, Observed>) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    app.db.write(move |conn| store::record(conn, &changes)).await?;
    listeners.iter().for_each(Waker::wake);
    Ok(())
}

fn away(error: EngineError) -> Error {
    Error::unavailable("Docker does not answer.").with_source(error)
}
