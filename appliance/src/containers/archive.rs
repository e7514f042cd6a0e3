//! What containers leave behind on disk: read through Docker, whoever owns the files, and removed where the server may not.
//!
//! Files that a container writes belong to its user, often readable by nobody else, while the server runs as anybody. Docker reads
//! them as root: it tars a path of a container that need not run, symbolic links as entries of their own, so that nothing outside is
//! named. Removal is a container of ours: no network, one folder, and of root's rights those over files alone.

use std::path::Path;

use bollard::{
    models::{ContainerCreateBody, HostConfig, Mount as DockerMount, MountType},
    query_parameters::{
        CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, RemoveContainerOptionsBuilder,
        WaitContainerOptions,
    },
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::{
    EngineError, Result,
    engine::{Engine, QUICK, USUAL},
    error::{classify, timed_out},
    spec::resolve_source,
};

/// Not the label of an instance: the reconciler takes a container with that one for its own.
const LABEL_HOUSEKEEPING: &str = "io.drydock.housekeeping";
const MEMORY_BYTES: i64 = 128 << 20;
/// A minute for every ten thousand files or so.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(1800);

impl Engine {
    /// A path of a container, running or not, as a tar archive whose names start with the path's last part.
    ///
    /// # Errors
    /// `NotFound` when there is no such container or path; the stream ends after an error.
    pub async fn archive(
        &self,
        id: &str,
        path: &str,
    ) -> Result<impl Stream<Item = Result<Bytes>> + Send + Unpin + 'static + use<>> {
        let docker = self.docker().await?;
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let (address, subject) = (self.address().to_owned(), id.to_owned());
        let body = docker.download_from_container(id, Some(options));
        Ok(body.map_err(move |error| not_an_image(classify(&error, &subject, &address))).boxed())
    }

    /// `sha256:…` of the image that the container was made from; none when the container is gone.
    pub async fn image_of(&self, id: &str) -> Result<Option<String>> {
        match self.call(QUICK, id, |docker| async move { docker.inspect_container(id, None).await }).await {
            Ok(found) => Ok(found.image),
            Err(EngineError::NotFound(_) | EngineError::NoSuchImage(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// A container that never starts and has one folder, read-only, at `target`: through it is read what a container that is gone left
    /// there. Its id. The name is for it alone; one that an earlier try left under it goes first.
    ///
    /// # Errors
    /// `Refused` for a folder outside `allow_writes_under`, `NoSuchImage`.
    pub async fn stand_in(
        &self,
        instance: &str,
        name: &str,
        image: &str,
        folder: &Path,
        target: &str,
    ) -> Result<String> {
        let source = resolve_source(folder, self.write_roots())?;
        self.remove(name).await?;
        let body = standing_in(instance, image, &source.to_string_lossy(), target);
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let made = self.call(USUAL, image, |docker| async move { docker.create_container(Some(options), body).await });
        Ok(made.await?.id)
    }

    /// Empties a folder whose files belong to containers. `image` needs `find`, as the runtime image has.
    ///
    /// # Errors
    /// `Refused` for a folder outside `allow_writes_under`, or when files are left.
    pub async fn empty_folder(&self, instance: &str, image: &str, folder: &Path) -> Result<()> {
        let source = resolve_source(folder, self.write_roots())?;
        let body = emptying(instance, image, &source.to_string_lossy());
        let options = CreateContainerOptionsBuilder::default().build();
        let made =
            self.call(USUAL, image, |docker| async move { docker.create_container(Some(options), body).await }).await?;
        let ended = self.run_to_end(&made.id).await;
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        let id = made.id.as_str();
        let removed = self.call(USUAL, id, |docker| async move { docker.remove_container(id, Some(options)).await });
        removed.await?;
        match ended? {
            0 => Ok(()),
            code => Err(EngineError::Refused(format!("{} cannot be emptied (exit code {code}).", folder.display()))),
        }
    }

    async fn run_to_end(&self, id: &str) -> Result<i64> {
        self.call(USUAL, id, |docker| async move { docker.start_container(id, None).await }).await?;
        let docker = self.docker().await?;
        let mut waiting = Box::pin(docker.wait_container(id, None::<WaitContainerOptions>));
        match tokio::time::timeout(LONGEST, waiting.next()).await {
            Ok(Some(Ok(ended))) => Ok(ended.status_code),
            Ok(Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. }))) => Ok(code),
            Ok(Some(Err(error))) => Err(classify(&error, id, self.address())),
            Ok(None) => Ok(-1),
            Err(_) => Err(timed_out(self.address())),
        }
    }
}

/// Whatever it finds in the folder goes, nothing else is in reach.
fn emptying(instance: &str, image: &str, source: &str) -> ContainerCreateBody {
    // as GNU and busybox both know it
    let words = ["find", "/emptied", "-mindepth", "1", "-maxdepth", "1", "-exec", "rm", "-rf", "--", "{}", "+"];
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(words.map(str::to_owned).to_vec()),
        cmd: Some(vec![]),
        user: Some("0:0".to_owned()),
        labels: Some([(LABEL_HOUSEKEEPING.to_owned(), instance.to_owned())].into()),
        host_config: Some(HostConfig {
            cap_drop: Some(vec!["ALL".to_owned()]),
            // the files of others, and what a sticky folder holds
            cap_add: Some(vec!["DAC_OVERRIDE".to_owned(), "FOWNER".to_owned()]),
            security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
            readonly_rootfs: Some(true),
            network_mode: Some("none".to_owned()),
            mounts: Some(vec![bind(source, "/emptied")]),
            memory: Some(MEMORY_BYTES),
            pids_limit: Some(16),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Nothing of it ever runs.
fn standing_in(instance: &str, image: &str, source: &str, target: &str) -> ContainerCreateBody {
    let folder = DockerMount { read_only: Some(true), ..bind(source, target) };
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec!["false".to_owned()]),
        cmd: Some(vec![]),
        labels: Some([(LABEL_HOUSEKEEPING.to_owned(), instance.to_owned())].into()),
        host_config: Some(HostConfig {
            cap_drop: Some(vec!["ALL".to_owned()]),
            network_mode: Some("none".to_owned()),
            mounts: Some(vec![folder]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn bind(source: &str, target: &str) -> DockerMount {
    DockerMount {
        typ: Some(MountType::BIND),
        source: Some(source.to_owned()),
        target: Some(target.to_owned()),
        ..Default::default()
    }
}

/// Reading a container never needs an image.
fn not_an_image(error: EngineError) -> EngineError {
    match error {
        EngineError::NoSuchImage(id) => EngineError::NotFound(format!("There is no container or path {id}.")),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn housekeeping_sees_one_folder_and_no_network() {
        insta::with_settings!({ sort_maps => true }, {
            insta::assert_json_snapshot!("emptying", emptying("box1", "drydock/runtime:1", "/data/run/jobs/j-1"));
        });
    }

    #[test]
    fn a_stand_in_has_one_folder_which_it_cannot_change_and_is_not_of_the_instances_containers() {
        let body = standing_in("box1", "drydock/runtime:1", "/data/run/jobs/j-1/outputs", "/outputs");
        let host = body.host_config.unwrap_or_default();
        let mounts = host.mounts.unwrap_or_default();
        let of = |it: &DockerMount| (it.source.clone(), it.target.clone(), it.read_only);
        let only = (Some("/data/run/jobs/j-1/outputs".to_owned()), Some("/outputs".to_owned()), Some(true));
        assert_eq!(mounts.iter().map(of).collect::<Vec<_>>(), [only]);
        assert_eq!(host.network_mode.as_deref(), Some("none"));
        assert_eq!(body.labels, Some([(LABEL_HOUSEKEEPING.to_owned(), "box1".to_owned())].into()));
    }
}
