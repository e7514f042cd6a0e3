//! Whether the cluster can be used now. The first request that finds it cannot ends the asking; a probe goes on, soon and then
//! every few seconds, and opens it again when the cluster answers and the place still is this box's.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::Notify;

use super::{
    owner::Place,
    problem::{Problem, ProblemKind},
};

const WELL: Duration = Duration::from_secs(15);
const SOON: Duration = Duration::from_millis(500);
const LATER: Duration = Duration::from_secs(4);

/// How the cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterState {
    /// Why it cannot be used; `None` when it can.
    pub problem: Option<Problem>,
    /// Since when it is so, in milliseconds since 1970.
    pub since: i64,
}

pub(super) struct Watch {
    place: Place,
    now: Mutex<Now>,
    wake: Notify,
}

struct Now {
    state: ClusterState,
    /// Whether the place was taken; before, nothing is written there.
    is_taken: bool,
    /// Another server took over: no probe brings that back.
    is_over: bool,
}

impl Watch {
    /// Takes the place, or stays closed with the reason; goes on probing for as long as the watch lives.
    pub async fn begin(place: Place) -> (Arc<Watch>, Option<Problem>) {
        let first = place.take().await.err();
        let state = ClusterState { problem: first.clone(), since: now_ms() };
        let now = Now { state, is_taken: first.is_none(), is_over: false };
        let watch = Arc::new(Watch { place, now: Mutex::new(now), wake: Notify::new() });
        tokio::spawn(probe_on(Arc::downgrade(&watch)));
        (watch, first)
    }

    pub fn state(&self) -> ClusterState {
        self.now().state.clone()
    }

    /// # Errors
    /// Why the cluster cannot be used now.
    pub fn usable(&self) -> Result<(), Problem> {
        self.now().state.problem.clone().map_or(Ok(()), Err)
    }

    /// Passes an outcome on, and remembers an outage.
    pub fn seen<T>(&self, outcome: Result<T, Problem>) -> Result<T, Problem> {
        if let Err(problem) = &outcome
            && problem.is_outage()
        {
            self.set(Some(problem.clone()));
            self.wake.notify_one();
        }
        outcome
    }

    /// Whether the place is this process's now, asked of the cluster.
    pub async fn confirm(&self) -> Result<(), Problem> {
        self.usable()?;
        self.seen(self.place.confirm().await)
    }

    pub async fn leave(&self) -> Result<(), Problem> {
        self.place.leave().await
    }

    async fn probe(&self) {
        let is_taken = self.now().is_taken;
        let outcome = if is_taken { self.place.confirm().await } else { self.place.take().await };
        if outcome.is_ok() {
            self.now().is_taken = true;
        }
        self.set(outcome.err());
    }

    fn set(&self, problem: Option<Problem>) {
        let mut now = self.now();
        if now.is_over {
            return;
        }
        let is_taken = now.is_taken;
        now.is_over = is_taken && problem.as_ref().is_some_and(|problem| problem.kind == ProblemKind::Foreign);
        if now.state.problem.is_some() == problem.is_some() {
            now.state.problem = problem;
            return;
        }
        match &problem {
            Some(problem) => tracing::warn!(cluster.problem = %problem, "the S3 cluster cannot be used: {problem}"),
            None => tracing::info!("the S3 cluster can be used again"),
        }
        now.state = ClusterState { problem, since: now_ms() };
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn probe_on(watch: Weak<Watch>) {
    let mut pause = WELL;
    loop {
        {
            let Some(watch) = watch.upgrade() else { return };
            let is_well = watch.usable().is_ok();
            pause = if is_well { WELL } else { pause.min(LATER) };
        }
        wait(&watch, pause).await;
        let Some(watch) = watch.upgrade() else { return };
        let was_well = watch.usable().is_ok();
        watch.probe().await;
        pause = match watch.usable() {
            Ok(()) => WELL,
            Err(_) if was_well => SOON,
            Err(_) => (pause * 2).clamp(SOON, LATER),
        };
    }
}

/// Until the pause is over, or a request found an outage.
async fn wait(watch: &Weak<Watch>, pause: Duration) {
    let end = tokio::time::Instant::now() + pause;
    loop {
        let step = (end - tokio::time::Instant::now()).min(SOON);
        let Some(held) = watch.upgrade() else { return };
        let woken = tokio::time::timeout(step, held.wake.notified()).await.is_ok();
        drop(held);
        if woken {
            tokio::time::sleep(SOON).await;
            return;
        }
        if tokio::time::Instant::now() >= end {
            return;
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the box's floor has no clock of the server's; this is only shown")]
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
