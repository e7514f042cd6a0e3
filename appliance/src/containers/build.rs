//! Building an image by Docker's own builder, and sending it to a registry.
//!
//! The builder is the classic one: it gives a `RUN` the network that it is told, which is the instance's own and leads nowhere but
//! to the box; BuildKit's would need a session of its own and knows no such network. The containers of a build are Docker's:
//! not sandboxed as a job's, and gone with the step. A build ends with its connection.

use std::collections::{BTreeMap, HashMap};

use bollard::{
    auth::DockerCredentials,
    body_try_stream,
    errors::Error as DockerError,
    query_parameters::{
        BuildImageOptions, BuilderVersion, ListImagesOptionsBuilder, PushImageOptionsBuilder,
        RemoveImageOptionsBuilder, TagImageOptionsBuilder,
    },
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::time::timeout;

use super::{
    EngineError, Result,
    engine::{Engine, PULL_SILENCE, QUICK, USUAL},
    error::timed_out,
};

/// The period that a quota of processor time is for, in microseconds.
const CPU_PERIOD: i32 = 100_000;

/// What is to be built.
#[derive(Clone, Debug, Default)]
pub struct BuildWish {
    /// Path in the context.
    pub dockerfile: String,
    /// `host/repository:tag` that the result is named.
    pub tag: String,
    /// That `RUN` is on.
    pub network: String,
    /// A name with its address, for `RUN`.
    pub host: (String, String),
    pub args: BTreeMap<String, String>,
    /// Of each `RUN`; `None`: as much as there is. The builder knows no limit of 2 GiB or more.
    pub memory_bytes: Option<u64>,
    /// Of each `RUN`, in cores.
    pub cpus: f64,
}

/// What a build says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildStep {
    /// Part of the log, as it comes: not always a whole line.
    Text(String),
    /// The image, `sha256:…`.
    Image(String),
}

/// An image of the engine, as the build cache looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// `sha256:…`
    pub id: String,
    /// The image that it was made from; absent for one that was not built here.
    pub parent: Option<String>,
    /// With all below it.
    pub size_bytes: u64,
}

impl Engine {
    /// Builds; `context` is a tar. The stream ends after an error: `Refused` with what the build said, `Unavailable` when Docker
    /// went away. Dropping it ends the build.
    pub fn build(
        &self,
        wish: BuildWish,
        context: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> impl Stream<Item = Result<BuildStep>> + Send + Unpin + 'static {
        let engine = self.clone();
        let steps = async move {
            let docker = match engine.docker().await {
                Ok(docker) => docker,
                Err(error) => return stream::once(async { Err(error) }).boxed(),
            };
            let (sender, receiver) = tokio::sync::mpsc::channel(64);
            // a task of its own, since the client's stream borrows the client; it ends with its receiver
            tokio::spawn(async move {
                let mut infos = docker.build_image(options(wish), None, Some(body_try_stream(context)));
                while let Some(info) = tokio::select! {
                    info = infos.next() => info,
                    () = sender.closed() => None,
                } {
                    let step = match info {
                        Ok(info) => step(info),
                        Err(DockerError::DockerStreamError { error }) => Some(Err(EngineError::Refused(error))),
                        Err(error) => Some(Err(engine.failed(&error, "the build").await)),
                    };
                    let Some(step) = step else { continue };
                    let is_end = step.is_err();
                    if sender.send(step).await.is_err() || is_end {
                        return;
                    }
                }
            });
            stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) }).boxed()
        };
        stream::once(steps).flatten().boxed()
    }

    /// Gives an image another name.
    pub async fn tag(&self, image: &str, repository: &str, tag: &str) -> Result<()> {
        let options = TagImageOptionsBuilder::default().repo(repository).tag(tag).build();
        self.call(USUAL, image, |docker| async move { docker.tag_image(image, Some(options)).await }).await
    }

    /// Sends `repository:tag` to the registry that its name says; its digest there. Takes as long as bytes go; `told` gets what
    /// Docker says meanwhile.
    ///
    /// # Errors
    /// `Refused` with what the registry said; `Unavailable` when Docker is away or nothing moves for minutes.
    pub async fn push(
        &self,
        repository: &str,
        tag: &str,
        username: &str,
        password: &str,
        mut told: impl FnMut(&str) + Send,
    ) -> Result<String> {
        let credentials = DockerCredentials {
            username: Some(username.to_owned()),
            password: Some(password.to_owned()),
            serveraddress: repository.split('/').next().map(str::to_owned),
            ..DockerCredentials::default()
        };
        let options = PushImageOptionsBuilder::default().tag(tag).build();
        let docker = self.docker().await?;
        let mut progress = std::pin::pin!(docker.push_image(repository, Some(options), Some(credentials)));
        let mut digest = None;
        loop {
            match timeout(PULL_SILENCE, progress.next()).await {
                Ok(Some(Ok(info))) => {
                    if let Some(error) = info.error_detail.and_then(|detail| detail.message) {
                        return Err(EngineError::Refused(error));
                    }
                    // a bar's steps carry their progress; what is left are words
                    if let Some(status) =
                        info.status.filter(|_| info.progress_detail.is_none_or(|it| it.total.is_none()))
                    {
                        digest = digest_in(&status).or(digest);
                        told(&status);
                    }
                }
                Ok(Some(Err(DockerError::DockerStreamError { error }))) => return Err(EngineError::Refused(error)),
                Ok(Some(Err(error))) => return Err(self.failed(&error, repository).await),
                Ok(None) => break,
                Err(_) => return Err(timed_out(self.address())),
            }
        }
        digest
            .ok_or_else(|| EngineError::Refused(format!("Docker pushed {repository}:{tag} without saying its digest.")))
    }

    /// All images with what they were built from, intermediate ones, too.
    pub async fn layers(&self) -> Result<Vec<Layer>> {
        let options = ListImagesOptionsBuilder::default().all(true).build();
        let found =
            self.call(USUAL, "the images", |docker| async move { docker.list_images(Some(options)).await }).await?;
        let layer = |image: bollard::models::ImageSummary| Layer {
            id: image.id,
            parent: Some(image.parent_id).filter(|id| !id.is_empty()),
            size_bytes: u64::try_from(image.size).unwrap_or(0),
        };
        Ok(found.into_iter().map(layer).collect())
    }

    /// Instructions that the image has run in what is built from it.
    pub async fn triggers(&self, image: &str) -> Result<Vec<String>> {
        let found = self.call(QUICK, image, |docker| async move { docker.inspect_image(image).await }).await?;
        Ok(found.config.and_then(|config| config.on_build).unwrap_or_default())
    }

    /// Takes a name away, or an image by its id; what it was built from stays. Whether that was possible: not while a container or
    /// another image needs it. Gone is fine.
    pub async fn remove_image(&self, image: &str) -> Result<bool> {
        let options = RemoveImageOptionsBuilder::default().noprune(true).build();
        let removed = self
            .call(USUAL, image, |docker| async move { docker.remove_image(image, Some(options), None).await })
            .await;
        match removed {
            Ok(_) | Err(EngineError::NotFound(_) | EngineError::NoSuchImage(_)) => Ok(true),
            Err(EngineError::Refused(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }
}

fn options(wish: BuildWish) -> BuildImageOptions {
    let memory = wish.memory_bytes.and_then(|bytes| i32::try_from(bytes).ok());
    BuildImageOptions {
        dockerfile: wish.dockerfile,
        t: Some(wish.tag),
        networkmode: Some(wish.network),
        extrahosts: Some(format!("{}:{}", wish.host.0, wish.host.1)),
        buildargs: Some(wish.args.into_iter().collect::<HashMap<_, _>>()),
        memory,
        memswap: memory,
        cpuperiod: Some(CPU_PERIOD),
        #[allow(clippy::cast_possible_truncation, reason = "a float's cast to an integer saturates")]
        cpuquota: Some((wish.cpus * f64::from(CPU_PERIOD)).round() as i32),
        rm: true,
        forcerm: true,
        version: BuilderVersion::BuilderV1,
        ..BuildImageOptions::default()
    }
}

fn step(info: bollard::models::BuildInfo) -> Option<Result<BuildStep>> {
    if let Some(message) = info.error_detail.and_then(|detail| detail.message) {
        return Some(Err(EngineError::Refused(message)));
    }
    if let Some(id) = info.aux.and_then(|aux| aux.id) {
        return Some(Ok(BuildStep::Image(id)));
    }
    info.stream.or(info.status.map(|status| status + "\n")).map(|text| Ok(BuildStep::Text(text)))
}

/// `1: digest: sha256:… size: 528`
fn digest_in(status: &str) -> Option<String> {
    let digest = status.split("digest: ").nth(1)?.split_whitespace().next()?;
    digest.starts_with("sha256:").then(|| digest.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_build_is_asked_for_with_all_its_walls() {
        let wish = BuildWish {
            dockerfile: "Dockerfile".into(),
            tag: "127.0.0.1:5000/a:1".into(),
            network: "drydock-x".into(),
            host: ("drydock".to_owned(), "172.20.0.1".to_owned()),
            memory_bytes: Some(1 << 30),
            cpus: 1.5,
            ..BuildWish::default()
        };
        let asked = options(wish.clone());
        assert_eq!(asked.networkmode.as_deref(), Some("drydock-x"));
        assert_eq!(asked.extrahosts.as_deref(), Some("drydock:172.20.0.1"));
        assert_eq!((asked.memory, asked.memswap, asked.cpuquota), (Some(1 << 30), Some(1 << 30), Some(150_000)));
        assert_eq!((asked.rm, asked.forcerm, asked.version), (true, true, BuilderVersion::BuilderV1));
        assert_eq!(options(BuildWish { memory_bytes: Some(4 << 30), ..wish }).memory, None);
    }

    #[test]
    fn the_digest_is_in_what_docker_says_last() {
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(digest_in(&format!("1: digest: {digest} size: 528")), Some(digest));
        assert_eq!(digest_in("Pushed"), None);
    }
}
