//! Background parts: a `Task` takes no input, is idempotent and runs on a period and on a signal. The period is the
//! retry, so crash and sunny day share one path. Wakers exist before their tasks, which breaks the start-up circle.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use drydock_wire::overview::TaskState;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};

use crate::{clock, error::Result};

/// A background part of a feature.
pub trait Task: Send + Sync + 'static {
    /// Shown on the status page and in metrics.
    fn name(&self) -> &'static str;
    /// How long to wait between passes when nobody wakes it.
    fn period(&self) -> Duration;
    /// One pass: looks at everything, does what is due, leaves the rest.
    fn run(&self) -> BoxFuture<'_, Result<()>>;
}

/// Makes a task's next pass start now.
#[derive(Debug, Clone, Default)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// A wake during a pass leads to another pass after it.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.0.notified().await;
    }
}

#[derive(Default)]
struct Shared {
    wakers: Mutex<BTreeMap<&'static str, Waker>>,
    states: Mutex<BTreeMap<&'static str, TaskState>>,
}

/// The driver of all tasks. Cheap to clone.
#[derive(Clone)]
pub struct Background {
    shared: Arc<Shared>,
    begun: Arc<watch::Sender<bool>>,
    stop: Arc<watch::Sender<bool>>,
}

impl Default for Background {
    fn default() -> Self {
        Self {
            shared: Arc::default(),
            begun: Arc::new(watch::channel(true).0),
            stop: Arc::new(watch::channel(false).0),
        }
    }
}

impl Background {
    /// One whose tasks wait for `begin`: a server first answers, then works on what it was left with. So whoever starts
    /// a box with much to do sees it at once.
    pub fn held() -> Self {
        Self { begun: Arc::new(watch::channel(false).0), ..Self::default() }
    }

    /// Lets the tasks of a held one go.
    pub fn begin(&self) {
        self.begun.send_replace(true);
    }

    /// The waker of the task of that name, which may not have been spawned yet.
    pub fn waker(&self, name: &'static str) -> Waker {
        let mut wakers = self.shared.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.entry(name).or_default().clone()
    }

    /// Runs the task until `stop`. The first pass starts at once, with a held one at `begin`.
    pub fn spawn(&self, task: impl Task) {
        let waker = self.waker(task.name());
        let driver = self.clone();
        let (mut stop, mut begun) = (self.stop.subscribe(), self.begun.subscribe());
        tokio::spawn(async move {
            tokio::select! {
                _ = begun.wait_for(|begun| *begun) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
            while !*stop.borrow() {
                driver.pass(&task).await;
                tokio::select! {
                    () = waker.woken() => {}
                    () = tokio::time::sleep(task.period()) => {}
                    _ = stop.changed() => {}
                }
            }
        });
    }

    /// Ends every task after the pass it is in.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Becomes ready once `stop` was called; for long-running parts that are no tasks.
    pub async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        while !*stop.borrow_and_update() {
            if stop.changed().await.is_err() {
                return;
            }
        }
    }

    /// How each task's last pass went, by name.
    pub fn states(&self) -> Vec<TaskState> {
        self.shared.states.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    async fn pass(&self, task: &impl Task) {
        let began = Instant::now();
        let result = task.run().await;
        let last_error = result.err().map(|error| {
            let chain = error.source.as_ref().map(|source| format!("{source:#}")).unwrap_or_default();
            tracing::warn!(task.name = task.name(), error.chain = chain, "task {}: {error}", task.name());
            error.message
        });
        let state = TaskState {
            name: task.name().to_owned(),
            last_run_at: Some(clock::now_ms()),
            last_duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            last_error,
        };
        self.shared.states.lock().unwrap_or_else(PoisonError::into_inner).insert(task.name(), state);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    struct Counts(Arc<AtomicU32>);

    impl Task for Counts {
        fn name(&self) -> &'static str {
            "counts"
        }

        fn period(&self) -> Duration {
            Duration::from_secs(1)
        }

        fn run(&self) -> BoxFuture<'_, Result<()>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(()) })
        }
    }

    #[tokio::test]
    async fn a_held_one_runs_nothing_until_it_begins() {
        let (held, runs) = (Background::held(), Arc::default());
        held.spawn(Counts(Arc::clone(&runs)));
        // on this one thread the task gets its turn here
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(runs.load(Ordering::SeqCst), 0);
        held.begin();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        let never = Background::held();
        never.spawn(Counts(Arc::clone(&runs)));
        never.stop();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }
}
