//! The reconciler and the watcher that wakes it.
//!
//! A pass is rounds of: read the rows, list the containers, record what was seen, plan, execute. It ends when a plan has
//! nothing left to do. Recording before executing is what makes every crash harmless; see `rules`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use drydock_appliance::containers::{ContainerSpec, EngineError, Mount, Network, Seen, SeenPhase};
use futures_util::{StreamExt, future::BoxFuture};

use super::{
    RECONCILER, failpoint, logs,
    pulls::{OwnImages, Pulls, Readiness},
    rules::{self, Action},
    spec::{Desired, DesiredWorkload, Kind, Observed, Phase, Workload},
    store,
};
use crate::{
    app::App,
    background::{Task, Waker},
    clock,
    error::{Error, Result},
};

/// A plan that never comes to an end is a fault of ours; the period goes on with it.
const MOST_ROUNDS: usize = 12;
const WAITING: &str = "waiting for Docker";
/// Where S3 clients look for the address: boto3 and aws-cli, s3fs, mlflow.
const S3_ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL", "FSSPEC_S3_ENDPOINT_URL", "MLFLOW_S3_ENDPOINT_URL"];

type Rows = Vec<(DesiredWorkload, Observed)>;

/// Makes Docker follow the desired rows.
pub struct Reconciler {
    app: App,
    listeners: Vec<Waker>,
    /// Containers that are being stopped by a task of their own: SIGTERM to exit may take the whole grace.
    stopping: Arc<Mutex<BTreeSet<String>>>,
    docker_away: AtomicBool,
    pulls: Pulls,
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
    pub fn new(app: App, listeners: Vec<Waker>, own_images: OwnImages) -> Self {
        let pulls = Pulls::new(app.clone(), own_images);
        Self { app, listeners, stopping: Arc::default(), docker_away: AtomicBool::new(false), pulls }
    }

    async fn pass(&self) -> Result<()> {
        for _ in 0..MOST_ROUNDS {
            let rows = self.app.db.read(store::live).await?;
            let seen = match self.app.engine.list(&self.app.instance).await {
                Ok(seen) => seen,
                Err(away) => return self.wait_for_docker(rows, &away).await,
            };
            if self.docker_away.swap(false, Ordering::Relaxed) {
                tracing::info!("Docker is back");
            }
            let rows = self.record_seen(rows, &seen).await?;
            let actions = rules::plan(&rows, &seen, clock::now_ms());
            if !self.execute(actions, &rows, &seen).await? {
                self.wake_when_due(&rows);
                return Ok(());
            }
        }
        tracing::warn!("the plan did not come to rest in {MOST_ROUNDS} rounds");
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
        self.record(changes.collect()).await
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
        self.record(changes).await?;
        Ok(after)
    }

    /// Writes changes and tells the owners. Nothing to write: nothing happens.
    async fn record(&self, changes: BTreeMap<String, Observed>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.app.db.write(move |conn| store::record(conn, &changes)).await?;
        self.listeners.iter().for_each(Waker::wake);
        Ok(())
    }

    /// Whether anything was done, so that another look is due.
    async fn execute(&self, actions: Vec<Action>, rows: &Rows, seen: &[Seen]) -> Result<bool> {
        let mut done = false;
        for action in actions {
            let row = |id: &str| rows.iter().find(|(desired, _)| desired.id == id);
            match action {
                Action::Stop { container, .. } => self.stop(container),
                Action::Remove { workload, container } => {
                    self.keep_log(row(&workload), &container, seen).await?;
                    let removed = self.app.engine.remove(&container).await;
                    done |= self.done("remove", &workload, removed)?;
                }
                Action::Create { workload } => {
                    let Some((desired, observed)) = row(&workload) else { continue };
                    done |= self.create(desired, observed).await?;
                }
                Action::Start { workload, container } => {
                    let Some((desired, observed)) = row(&workload) else { continue };
                    let started = self.app.engine.start(&container).await;
                    self.app.background.waker(logs::FOLLOWER).wake();
                    done |= self.settle("start", desired, observed, started).await?;
                }
            }
        }
        Ok(done)
    }

    fn done(&self, verb: &str, workload: &str, result: std::result::Result<(), EngineError>) -> Result<bool> {
        match result {
            Ok(()) => {
                tracing::info!(workload.id = workload, "{verb} container of workload {workload}");
                failpoint::after_action();
                Ok(true)
            }
            Err(error) if error.retryable() => Err(away(error)),
            Err(error) => {
                tracing::warn!(workload.id = workload, docker.error = %error, "cannot {verb} container of workload {workload}");
                Ok(false)
            }
        }
    }

    /// Records a refusal, which ends a job and makes a revision wait before its next try.
    async fn settle(
        &self,
        verb: &str,
        desired: &DesiredWorkload,
        observed: &Observed,
        result: std::result::Result<(), EngineError>,
    ) -> Result<bool> {
        let refusal = match &result {
            Err(error @ (EngineError::Refused(_) | EngineError::NoSuchImage(_))) => Some(error.to_string()),
            _ => None,
        };
        let done = self.done(verb, &desired.id, result)?;
        if let Some(message) = refusal {
            let refused = Observed { phase: Phase::Refused, message: Some(message), ..observed.clone() };
            let refused = match desired.kind {
                Kind::Job => refused,
                Kind::Revision => rules::with_pause(refused, clock::now_ms()),
            };
            self.record(BTreeMap::from([(desired.id.clone(), refused)])).await?;
            // not done, but changed: the next round sees it
            return Ok(true);
        }
        Ok(done)
    }

    async fn create(&self, desired: &DesiredWorkload, observed: &Observed) -> Result<bool> {
        let id = desired.id.clone();
        let found = self.app.db.read(move |conn| store::find(conn, &id)).await?;
        let wanted = |it: &Workload| it.generation == desired.generation && it.desired == Desired::Running;
        let Some(mut workload) = found.filter(wanted) else { return Ok(true) };
        match self.pulls.ready(&workload.spec.image).await {
            Ok(Readiness::There(image)) => workload.spec.image = image,
            Ok(Readiness::Coming(message)) => {
                let waits = Observed { phase: Phase::Pending, message: Some(message), ..observed.clone() };
                if waits != *observed {
                    self.record(BTreeMap::from([(desired.id.clone(), waits)])).await?;
                }
                // nothing to do until it is there, which wakes the next pass
                return Ok(false);
            }
            Err(error) => return self.settle("create", desired, observed, Err(error)).await,
        }
        let creating = Observed { phase: Phase::Creating, message: None, ..observed.clone() };
        self.record(BTreeMap::from([(desired.id.clone(), creating.clone())])).await?;
        let created = match self.app.engine.ensure_network(&self.app.instance).await {
            Ok(network) => self.app.engine.create(&self.container(workload, &network)).await.map(drop),
            Err(error) => Err(error),
        };
        self.settle("create", desired, &creating, created).await
    }

    fn container(&self, workload: Workload, network: &Network) -> ContainerSpec {
        let spec = workload.spec;
        let mut env = spec.env;
        env.extend(workload.secrets);
        if spec.reach_drydock {
            let at = &self.app.config.listeners;
            let url = format!("http://{}:{}", network.gateway, at.container_port);
            let s3 = format!("http://{}:{}", network.gateway, at.container_s3_port);
            for name in S3_ENDPOINTS {
                env.insert(name.into(), s3.clone());
            }
            env.insert("DRYDOCK_URL".into(), url.clone());
            for (name, value) in installers(&url, network) {
                env.entry(name.into()).or_insert(value);
            }
            env.insert("MLFLOW_TRACKING_URI".into(), url);
        }
        let mount = |it: super::SpecMount| Mount { source: self.app.data_dir.join(it.source), target: it.target };
        ContainerSpec {
            instance: self.app.instance.to_string(),
            workload: workload.id,
            generation: workload.generation,
            spec_hash: workload.spec_hash,
            kind: workload.kind.as_str().into(),
            image: spec.image,
            command: spec.command,
            env,
            mounts: spec.mounts.into_iter().map(mount).collect(),
            working_dir: spec.working_dir,
            cpus: spec.cpus,
            memory_bytes: spec.memory_bytes,
            pids: self.app.config.limits.pids,
            // its pages count as the container's memory; half, so that a full disk is told apart from full memory
            scratch_bytes: self.app.config.limits.scratch_bytes.min(spec.memory_bytes / 2),
            gpu_uuids: spec.gpu_uuids,
            network: network.name.clone(),
        }
    }

    /// Stops in the background; the container's exit is an event that wakes the next pass.
    fn stop(&self, container: String) {
        if !self.stopping.lock().unwrap_or_else(PoisonError::into_inner).insert(container.clone()) {
            return;
        }
        let (app, stopping) = (self.app.clone(), self.stopping.clone());
        tokio::spawn(async move {
            match app.engine.stop(&container, rules::STOP_GRACE).await {
                Ok(()) => failpoint::after_action(),
                Err(error) => {
                    tracing::warn!(container.id = container, docker.error = %error, "cannot stop container {container}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            stopping.lock().unwrap_or_else(PoisonError::into_inner).remove(&container);
            super::wake(&app);
        });
    }

    /// Before a container of the present generation goes, its log is read to the end, and kept if nothing will be added to it; an
    /// owner may have done so already.
    async fn keep_log(&self, row: Option<&(DesiredWorkload, Observed)>, container: &str, seen: &[Seen]) -> Result<()> {
        let Some((desired, observed)) = row else { return Ok(()) };
        let ran =
            |it: &&Seen| it.id == container && it.phase != SeenPhase::Created && it.generation == desired.generation;
        // the log of a duplicate is nobody's
        if observed.container_id.as_deref() != Some(container) || !seen.iter().any(|it| ran(&it)) {
            return Ok(());
        }
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

/// Makes a plain `pip install` or `uv pip install` take from the box's index; below the home, since the image is read-only. A workload
/// that names another index keeps it.
fn installers(url: &str, network: &Network) -> [(&'static str, String); 6] {
    let index = format!("{url}/pypi/simple/");
    [
        ("PIP_INDEX_URL", index.clone()),
        ("PIP_TRUSTED_HOST", network.gateway.to_string()),
        ("UV_DEFAULT_INDEX", index),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1".into()),
        ("PIP_NO_CACHE_DIR", "1".into()),
        // Debian's Python is marked as the system's own; what goes below the home of a container harms nobody
        ("PIP_BREAK_SYSTEM_PACKAGES", "1".into()),
    ]
}

fn away(error: EngineError) -> Error {
    Error::unavailable("Docker does not answer.").with_source(error)
}

/// Wakes the reconciler whenever Docker says that something happened to a container of ours, and when Docker comes back.
pub struct DockerWatcher {
    app: App,
}

impl DockerWatcher {
    pub fn new(app: App) -> Self {
        Self { app }
    }

    async fn watch(&self) -> Result<()> {
        if self.app.engine.version().await.is_err() {
            return Ok(());
        }
        let mut events = Box::pin(self.app.engine.events(&self.app.instance));
        // What happened before the subscription is found by a look.
        super::wake(&self.app);
        while events.next().await.is_some() {
            super::wake(&self.app);
        }
        super::wake(&self.app);
        Ok(())
    }
}

impl Task for DockerWatcher {
    fn name(&self) -> &'static str {
        "docker-watcher"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            tokio::select! {
                () = self.app.background.stopped() => Ok(()),
                watched = self.watch() => watched,
            }
        })
    }
}
