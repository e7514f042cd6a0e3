//! Hands of the reconciler: each step is a task, several at once, one per workload.
//!
//! Always holds: a job's container is started only after its id is on disk. A step that was done, or refused, wakes the next pass.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use drydock_appliance::containers::{EngineError, Network, Seen, SeenPhase};
use tokio::sync::Semaphore;

use super::{
    super::rules::{self, Action},
    Desired, DesiredWorkload, Kind, Observed, OwnImages, Phase, Pulls, Readiness, Workload, away, container, failpoint,
    logs, record, store,
};
use crate::{app::App, background::Waker, clock, error::Result};

/// Steps side by side: more only wait for each other in Docker.
const AT_ONCE: usize = 8;
/// After a step that Docker could not do.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Hands {
    app: App,
    listeners: Arc<[Waker]>,
    pulls: Pulls,
    /// Workloads that a task works on.
    busy: Mutex<BTreeSet<String>>,
    /// Containers that are being stopped: SIGTERM to exit may take the whole grace, and they are looked at meanwhile.
    stopping: Mutex<BTreeSet<String>>,
    turns: Semaphore,
    /// The instance's network, until something fails on it.
    network: Mutex<Option<Network>>,
}

/// A workload with the steps that can be taken now, removals first.
struct Work {
    desired: DesiredWorkload,
    observed: Observed,
    steps: Vec<Step>,
}

enum Step {
    Remove {
        container: String,
        /// It ran under the present generation: its log is kept first.
        ran: bool,
    },
    Create,
    Start {
        container: String,
    },
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hands {
    pub fn new(app: App, listeners: Arc<[Waker]>, own_images: OwnImages) -> Self {
        Self {
            pulls: Pulls::new(app.clone(), own_images),
            app,
            listeners,
            busy: Mutex::default(),
            stopping: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
            network: Mutex::default(),
        }
    }

    pub fn busy(&self) -> BTreeSet<String> {
        lock(&self.busy).clone()
    }

    /// Begins with a plan's steps; their ends wake the next pass.
    pub fn take(self: &Arc<Self>, actions: Vec<Action>, rows: &[(DesiredWorkload, Observed)], seen: &[Seen]) {
        let mut work: BTreeMap<String, Work> = BTreeMap::new();
        for action in actions {
            match action {
                Action::Stop { workload, container } => self.stop(workload, container),
                Action::Remove { workload, container } => match work_on(&mut work, rows, &workload) {
                    Some(one) => {
                        let ran = ran(one, &container, seen);
                        one.steps.push(Step::Remove { container, ran });
                    }
                    None => self.remove_orphan(workload, container),
                },
                Action::Create { workload } => {
                    if let Some(one) = work_on(&mut work, rows, &workload) {
                        one.steps.push(Step::Create);
                    }
                }
                Action::Start { workload, container } => {
                    if let Some(one) = work_on(&mut work, rows, &workload) {
                        one.steps.push(Step::Start { container });
                    }
                }
            }
        }
        for (id, one) in work {
            lock(&self.busy).insert(id.clone());
            let hands = self.clone();
            tokio::spawn(async move {
                hands.work(one).await;
                lock(&hands.busy).remove(&id);
                super::super::wake(&hands.app);
            });
        }
    }

    async fn work(&self, work: Work) {
        let Ok(_turn) = self.turns.acquire().await else { return };
        let Work { desired, observed, steps } = work;
        for step in steps {
            let done = match step {
                Step::Remove { container, ran } => {
                    // the log of a duplicate is nobody's
                    let is_known = observed.container_id.as_ref() == Some(&container);
                    self.remove(&desired, &container, ran && is_known).await
                }
                Step::Create => self.create(&desired, &observed).await,
                Step::Start { container } => self.start(&desired, &observed, &container).await,
            };
            if let Err(error) = done {
                let id = &desired.id;
                tracing::warn!(workload.id = id, "workload {id}: {error}");
                tokio::time::sleep(PAUSE).await;
                return;
            }
        }
    }

    async fn remove(&self, desired: &DesiredWorkload, container: &str, ran: bool) -> Result<()> {
        if ran {
            self.keep_log(desired, container).await?;
        }
        self.done("remove", &desired.id, self.app.engine.remove(container).await)
    }

    /// A container of a workload that is not known any more.
    fn remove_orphan(self: &Arc<Self>, workload: String, container: String) {
        if !lock(&self.busy).insert(workload.clone()) {
            return;
        }
        let hands = self.clone();
        tokio::spawn(async move {
            let removed = hands.app.engine.remove(&container).await;
            if hands.done("remove", &workload, removed).is_err() {
                tokio::time::sleep(PAUSE).await;
            }
            lock(&hands.busy).remove(&workload);
            super::super::wake(&hands.app);
        });
    }

    fn done(&self, verb: &str, workload: &str, result: std::result::Result<(), EngineError>) -> Result<()> {
        match result {
            Ok(()) => {
                tracing::info!(workload.id = workload, "{verb} container of workload {workload}");
                failpoint::after_action();
                Ok(())
            }
            Err(error) => {
                tracing::warn!(workload.id = workload, docker.error = %error, "cannot {verb} container of workload {workload}");
                Err(away(error))
            }
        }
    }

    /// Records a refusal, which ends a job and makes a revision wait before its next try.
    async fn refused(
        &self,
        desired: &DesiredWorkload,
        observed: &Observed,
        error: &EngineError,
        cause: &'static str,
    ) -> Result<()> {
        let message = error.to_string();
        let id = &desired.id;
        tracing::warn!(workload.id = id, docker.error = %error, "Docker refuses the container of workload {id}");
        let refused = Observed { phase: Phase::Refused, message: Some(message.clone()), ..observed.clone() };
        let refused = match desired.kind {
            Kind::Job => {
                let id = id.clone();
                self.app.db.write(move |conn| store::stop_because(conn, &id, cause, &message)).await?;
                refused
            }
            Kind::Revision => rules::with_pause(refused, clock::now_ms()),
        };
        self.record(desired, refused).await
    }

    async fn settle(
        &self,
        verb: &str,
        desired: &DesiredWorkload,
        observed: &Observed,
        result: std::result::Result<(), EngineError>,
    ) -> Result<()> {
        match result {
            Err(error @ EngineError::NoSuchImage(_)) => self.refused(desired, observed, &error, "image").await,
            Err(error @ EngineError::Refused(_)) => self.refused(desired, observed, &error, "docker").await,
            other => self.done(verb, &desired.id, other),
        }
    }

    async fn record(&self, desired: &DesiredWorkload, observed: Observed) -> Result<()> {
        record(&self.app, &self.listeners, BTreeMap::from([(desired.id.clone(), observed)])).await
    }

    /// Makes the container, records its id, starts it.
    async fn create(&self, desired: &DesiredWorkload, observed: &Observed) -> Result<()> {
        let id = desired.id.clone();
        let found = self.app.db.read(move |conn| store::find(conn, &id)).await?;
        let wanted = |it: &Workload| it.generation == desired.generation && it.desired == Desired::Running;
        let Some(mut workload) = found.filter(wanted) else { return Ok(()) };
        match self.pulls.ready(&workload.spec.image).await {
            Ok(Readiness::There(image)) => workload.spec.image = image,
            Ok(Readiness::Coming(message)) => {
                let waits = Observed { phase: Phase::Pending, message: Some(message), ..observed.clone() };
                // nothing to do until it is there, which wakes the next pass
                return if waits == *observed { Ok(()) } else { self.record(desired, waits).await };
            }
            Err(error @ (EngineError::Refused(_) | EngineError::NoSuchImage(_))) => {
                return self.refused(desired, observed, &error, "image").await;
            }
            Err(error) => return Err(away(error)),
        }
        let creating = Observed { phase: Phase::Creating, message: None, ..observed.clone() };
        self.record(desired, creating.clone()).await?;
        let created = match self.network().await {
            Ok(network) => self.app.engine.create_or_adopt(&container::of(&self.app, workload, &network)).await,
            Err(error) => Err(error),
        };
        let (container, is_new) = match created {
            Ok(made) => made,
            Err(error) => {
                // the network may be what is missing
                lock(&self.network).take();
                return self.settle("create", desired, &creating, Err(error)).await;
            }
        };
        self.done("create", &desired.id, Ok(()))?;
        // One that was there before may have run: the next pass sees how far it is.
        if !is_new {
            return Ok(());
        }
        let starting = Observed { phase: Phase::Starting, container_id: Some(container.clone()), ..creating };
        self.record(desired, starting.clone()).await?;
        if !self.is_still_wanted(desired).await? {
            return Ok(());
        }
        let started = self.app.engine.start_new(&container).await;
        self.settle("start", desired, &starting, started).await
    }

    /// It may have been cancelled since it was planned.
    async fn is_still_wanted(&self, desired: &DesiredWorkload) -> Result<bool> {
        let id = desired.id.clone();
        let now = self.app.db.read(move |conn| store::desired(conn, &id)).await?;
        Ok(now == Some((desired.generation, Desired::Running)))
    }

    async fn start(&self, desired: &DesiredWorkload, observed: &Observed, container: &str) -> Result<()> {
        let started = self.app.engine.start(container).await;
        self.settle("start", desired, observed, started).await
    }

    async fn network(&self) -> std::result::Result<Network, EngineError> {
        if let Some(network) = lock(&self.network).clone() {
            return Ok(network);
        }
        let network = self.app.engine.ensure_network(&self.app.instance).await?;
        *lock(&self.network) = Some(network.clone());
        Ok(network)
    }

    /// Stops in the background; the container's exit is an event that wakes the next pass.
    fn stop(self: &Arc<Self>, workload: String, container: String) {
        if !lock(&self.stopping).insert(container.clone()) {
            return;
        }
        let hands = self.clone();
        tokio::spawn(async move {
            let grace = hands.grace(workload).await;
            match hands.app.engine.stop(&container, grace).await {
                Ok(()) => failpoint::after_action(),
                Err(error) => {
                    tracing::warn!(container.id = container, docker.error = %error, "cannot stop container {container}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
            lock(&hands.stopping).remove(&container);
            super::super::wake(&hands.app);
        });
    }

    /// How long it has between SIGTERM and SIGKILL.
    async fn grace(&self, workload: String) -> Duration {
        let found = self.app.db.read(move |conn| store::find(conn, &workload)).await.ok().flatten();
        let own = found.and_then(|workload| workload.spec.grace_s);
        own.map_or(rules::STOP_GRACE, |seconds| Duration::from_secs(u64::from(seconds)))
    }

    /// Before a container of the present generation goes, its log is read to the end, and kept if nothing will be added to it; an
    /// owner may have done so already.
    async fn keep_log(&self, desired: &DesiredWorkload, container: &str) -> Result<()> {
        let (id, generation) = (desired.id.clone(), desired.generation);
        if desired.desired == Desired::Running {
            return logs::complete(&self.app, &id, generation, container).await;
        }
        if desired.kind == Kind::Job {
            let wanted = id.clone();
            if self.app.db.read(move |conn| logs::kept(conn, &wanted, generation)).await?.is_some() {
                return Ok(());
            }
        }
        if let Some(digest) = logs::keep(&self.app, &id, generation, Some(container)).await? {
            self.app.db.write(move |conn| logs::link_kept(conn, &id, generation, &digest)).await?;
        }
        Ok(())
    }
}

fn work_on<'a>(
    work: &'a mut BTreeMap<String, Work>,
    rows: &[(DesiredWorkload, Observed)],
    id: &str,
) -> Option<&'a mut Work> {
    if !work.contains_key(id) {
        let (desired, observed) = rows.iter().find(|(desired, _)| desired.id == id)?;
        let one = Work { desired: desired.clone(), observed: observed.clone(), steps: vec![] };
        work.insert(id.to_owned(), one);
    }
    work.get_mut(id)
}

fn ran(work: &Work, container: &str, seen: &[Seen]) -> bool {
    let is_it =
        |it: &Seen| it.id == container && it.phase != SeenPhase::Created && it.generation == work.desired.generation;
    seen.iter().any(is_it)
}
