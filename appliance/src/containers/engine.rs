//! [`Engine`]: the calls to Docker, each with its time-out, each safe to repeat.

use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bollard::{
    Docker,
    auth::DockerCredentials,
    errors::Error as DockerError,
    models::ContainerSummary,
    query_parameters::{
        CreateContainerOptionsBuilder, CreateImageOptionsBuilder, ListContainersOptionsBuilder,
        RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
    },
};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};

use super::{
    ContainerSpec, EngineError, Result, Seen, SeenPhase,
    connection::Address,
    error::{classify, timed_out},
    sandbox::{self, LABEL_INSTANCE, LABEL_SPEC_HASH, LABEL_WORKLOAD},
    seen, spec,
};

/// A look at one thing.
pub(super) const QUICK: Duration = Duration::from_secs(10);
/// A change that a busy disk can slow down.
pub(super) const USUAL: Duration = Duration::from_secs(60);
/// A pull says something at least this often: a layer that is large takes long to unpack.
pub(super) const PULL_SILENCE: Duration = Duration::from_secs(600);
/// The answer to "are you there?".
const PING: Duration = Duration::from_secs(2);
/// Looks at containers that run side by side while listing.
const LOOKS_AT_ONCE: usize = 8;

/// Docker on this box. Cheap to clone; connects when it is used and again whenever that is needed.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    mount_roots: Arc<Vec<PathBuf>>,
    write_roots: Arc<Vec<PathBuf>>,
}

struct Shared {
    address: Address,
    /// A client that speaks a version of the API that this Docker knows; empty until asked, and again after a failure.
    agreed: Mutex<Option<Docker>>,
    network: Mutex<()>,
}

/// An image that is on the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageInfo {
    /// `sha256:…`
    pub id: String,
    pub size_bytes: u64,
}

impl Engine {
    /// Takes note of where Docker is (`DOCKER_HOST`, else the usual socket). Never fails and never waits.
    pub fn connect() -> Engine {
        Engine::at(Address::from_environment())
    }

    /// As [`Engine::connect`], at an address of the caller's: `unix:///path` or `tcp://host:port`.
    pub fn connect_to(host: &str) -> Engine {
        Engine::at(Address::new(Some(host.to_owned())))
    }

    fn at(address: Address) -> Engine {
        let shared = Shared { address, agreed: Mutex::new(None), network: Mutex::new(()) };
        Engine { shared: Arc::new(shared), mount_roots: Arc::default(), write_roots: Arc::default() }
    }

    /// Lets containers see what lies below `root`, read-only. Until this is called, a spec with mounts is refused.
    pub fn allow_mounts_under(mut self, root: impl Into<PathBuf>) -> Engine {
        Arc::make_mut(&mut self.mount_roots).push(root.into());
        self
    }

    /// Lets containers write to folders below `root`, which no other container sees but read-only.
    pub fn allow_writes_under(mut self, root: impl Into<PathBuf>) -> Engine {
        Arc::make_mut(&mut self.write_roots).push(root.into());
        self
    }

    pub(super) fn write_roots(&self) -> &[PathBuf] {
        &self.write_roots
    }

    /// Docker's version, such as `20.10.24`. Answers within two seconds, one way or the other.
    pub async fn version(&self) -> Result<String> {
        let version = self.call(PING, "Docker", |docker| async move { docker.version().await }).await?;
        Ok(version.version.unwrap_or_else(|| "unknown".to_owned()))
    }

    /// All containers of this instance, running or not. One that vanishes while it is looked at is left out.
    pub async fn list(&self, instance: &str) -> Result<Vec<Seen>> {
        self.list_since(instance, &HashMap::new(), &BTreeSet::new()).await
    }

    /// As `list`; a container that is as far as it was in `known` is taken from there, rather than looked at closely again. Those of
    /// the workloads to `leave` are left out: Docker answers for a container that is being started only when it has been.
    pub async fn list_since(
        &self,
        instance: &str,
        known: &HashMap<String, Seen>,
        leave: &BTreeSet<String>,
    ) -> Result<Vec<Seen>> {
        let filters = [("label".to_owned(), vec![format!("{LABEL_INSTANCE}={instance}")])].into();
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = self
            .call(QUICK, "the containers", |docker| async move { docker.list_containers(Some(options)).await })
            .await?;
        let is_left = |summary: &ContainerSummary| {
            let labels = summary.labels.as_ref();
            labels.and_then(|labels| labels.get(LABEL_WORKLOAD)).is_some_and(|id| leave.contains(id))
        };
        let looks = found.into_iter().filter(|summary| !is_left(summary)).filter_map(|summary| {
            let (id, state) = (summary.id?, summary.state);
            // one that runs has an address a moment later
            let whole = |seen: &&Seen| seen.phase != SeenPhase::Running || seen.address.is_some();
            let same = |seen: &&Seen| state.is_some_and(|state| seen::phase_of(state) == Some(seen.phase));
            let before = known.get(&id).filter(same).filter(whole).cloned();
            Some(async move {
                match before {
                    Some(before) => Ok(Some(before)),
                    None => self.look(id, instance).await,
                }
            })
        });
        let seen: Vec<Option<Seen>> = stream::iter(looks).buffered(LOOKS_AT_ONCE).try_collect().await?;
        Ok(seen.into_iter().flatten().collect())
    }

    async fn look(&self, id: String, instance: &str) -> Result<Option<Seen>> {
        match self
            .call(QUICK, &id, |docker| {
                let id = id.clone();
                async move { docker.inspect_container(&id, None).await }
            })
            .await
        {
            Ok(found) => Ok(seen::from_inspect(found, instance)),
            Err(EngineError::NotFound(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Creates the container of this spec, sandbox on, and gives its id. If it exists already with the same spec hash, gives that
    /// one's id. It is not started.
    ///
    /// `NoSuchImage` when the image is not on the box; `Refused` when the spec asks for what may not be had.
    pub async fn create(&self, spec: &ContainerSpec) -> Result<String> {
        Ok(self.create_or_adopt(spec).await?.0)
    }

    /// As `create`, and whether it was made just now.
    pub async fn create_or_adopt(&self, spec: &ContainerSpec) -> Result<(String, bool)> {
        spec.check()?;
        let sources = sandbox::Sources {
            mounts: spec::resolve_sources(&spec.mounts, &self.mount_roots)?,
            writable: spec::resolve_sources(&spec.writable, &self.write_roots)?,
        };
        let volumes = self.image_volumes(&spec.image).await?;
        let body = sandbox::body(spec, &sources, &volumes);
        let options = CreateContainerOptionsBuilder::default().name(&spec.name()).build();
        let docker = self.docker().await?;
        match timeout(USUAL, docker.create_container(Some(options), body)).await {
            Ok(Ok(made)) => Ok((made.id, true)),
            Ok(Err(DockerError::DockerResponseServerError { status_code: 409, .. })) => {
                Ok((self.adopt(spec).await?, false))
            }
            Ok(Err(error)) => Err(self.failed(&error, &spec.image).await),
            Err(_) => Err(timed_out(self.address())),
        }
    }

    /// The container that has this spec's name, if it is this spec's.
    async fn adopt(&self, spec: &ContainerSpec) -> Result<String> {
        let name = spec.name();
        let found = self
            .call(QUICK, &name, |docker| async {
                let docker = docker;
                docker.inspect_container(&spec.name(), None).await
            })
            .await?;
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let same = |label: &str, wanted: &str| labels.get(label).map(String::as_str) == Some(wanted);
        match found.id {
            Some(id) if same(LABEL_INSTANCE, &spec.instance) && same(LABEL_SPEC_HASH, &spec.spec_hash) => Ok(id),
            _ => Err(EngineError::Refused(format!("There is a container {name} already, made from something else."))),
        }
    }

    /// Starts a created container. One that runs, or has run, is left as it is: a container runs once.
    pub async fn start(&self, id: &str) -> Result<()> {
        let found = self.call(QUICK, id, |docker| async move { docker.inspect_container(id, None).await }).await?;
        if seen::phase(&found.state.unwrap_or_default()) != SeenPhase::Created {
            return Ok(());
        }
        self.start_new(id).await
    }

    /// Starts a container that was made just now by `create_or_adopt`, and by nobody else since.
    pub async fn start_new(&self, id: &str) -> Result<()> {
        self.call(USUAL, id, |docker| async move { docker.start_container(id, None).await }).await
    }

    /// Asks it to end, and ends it after `grace`. A container that does not run, or is gone, is fine.
    pub async fn stop(&self, id: &str, grace: Duration) -> Result<()> {
        let seconds = i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        let limit = USUAL.saturating_add(grace);
        gone_is_fine(self.call(limit, id, |docker| async move { docker.stop_container(id, Some(options)).await }).await)
    }

    /// Removes it with whatever anonymous volumes it has, ending it if it runs. Gone, or just going, is fine.
    pub async fn remove(&self, id: &str) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.call(USUAL, id, |docker| async move { docker.remove_container(id, Some(options)).await }).await {
            Err(EngineError::Refused(text)) if text.contains("already in progress") => Ok(()),
            other => gone_is_fine(other),
        }
    }

    /// The image, if it is on the box.
    pub async fn image(&self, reference: &str) -> Result<Option<ImageInfo>> {
        match self.call(QUICK, reference, |docker| async move { docker.inspect_image(reference).await }).await {
            Ok(found) => Ok(Some(ImageInfo {
                id: found.id.unwrap_or_default(),
                size_bytes: found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            })),
            Err(EngineError::NoSuchImage(_) | EngineError::NotFound(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Fetches an image by its digest (`host/name@sha256:…`) from the registry that its name says, with these credentials. Takes as
    /// long as bytes come.
    ///
    /// # Errors
    /// `Refused` with what Docker or the registry said; `Unavailable` when Docker is away or nothing comes for minutes.
    pub async fn pull(&self, image: &str, username: &str, password: &str) -> Result<()> {
        let credentials = DockerCredentials {
            username: Some(username.to_owned()),
            password: Some(password.to_owned()),
            serveraddress: image.split('/').next().map(str::to_owned),
            ..DockerCredentials::default()
        };
        let options = CreateImageOptionsBuilder::default().from_image(image).build();
        let docker = self.docker().await?;
        let mut progress = std::pin::pin!(docker.create_image(Some(options), None, Some(credentials)));
        loop {
            match timeout(PULL_SILENCE, progress.next()).await {
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(DockerError::DockerStreamError { error }))) => return Err(EngineError::Refused(error)),
                Ok(Some(Err(error))) => return Err(self.failed(&error, image).await),
                Ok(None) => return Ok(()),
                Err(_) => return Err(timed_out(self.address())),
            }
        }
    }

    /// Where the image would have anonymous volumes: writable, unbounded, on the box's disk. The sandbox covers them.
    async fn image_volumes(&self, image: &str) -> Result<Vec<String>> {
        let found = self.call(QUICK, image, |docker| async move { docker.inspect_image(image).await }).await?;
        Ok(found.config.and_then(|config| config.volumes).unwrap_or_default())
    }

    /// For messages.
    pub(super) fn address(&self) -> &str {
        self.shared.address.shown()
    }

    pub(super) async fn network_lock(&self) -> MutexGuard<'_, ()> {
        self.shared.network.lock().await
    }

    /// A client that this Docker understands.
    pub(super) async fn docker(&self) -> Result<Docker> {
        let mut agreed = self.shared.agreed.lock().await;
        if let Some(docker) = agreed.as_ref() {
            return Ok(docker.clone());
        }
        let docker = timeout(PING, self.shared.address.negotiate()).await.map_err(|_| timed_out(self.address()))??;
        *agreed = Some(docker.clone());
        Ok(docker)
    }

    /// One request within `limit`; its error sorted.
    pub(super) async fn call<T, F>(
        &self,
        limit: Duration,
        subject: &str,
        request: impl FnOnce(Docker) -> F,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, DockerError>>,
    {
        let answered = timeout(limit, async {
            let docker = self.docker().await?;
            Ok(request(docker).await)
        })
        .await;
        match answered {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(error))) => Err(self.failed(&error, subject).await),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(timed_out(self.address())),
        }
    }

    /// Sorts an error; after a broken connection the version is agreed on anew, since another Docker may come back.
    pub(super) async fn failed(&self, error: &DockerError, subject: &str) -> EngineError {
        let sorted = classify(error, subject, self.address());
        if sorted.retryable() {
            *self.shared.agreed.lock().await = None;
        }
        tracing::debug!(docker.subject = subject, docker.error = %error, "Docker did not do it");
        sorted
    }
}

fn gone_is_fine(result: Result<()>) -> Result<()> {
    match result {
        Err(EngineError::NotFound(_)) => Ok(()),
        other => other,
    }
}
