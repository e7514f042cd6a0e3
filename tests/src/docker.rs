//! Docker as Docker sees it: what carries an instance's label, and a socket that can be taken away.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use tokio::{
    io::copy_bidirectional,
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

const LABEL: &str = "io.drydock.instance";
const WORKLOAD: &str = "io.drydock.workload";
const KIND: &str = "io.drydock.kind";

/// A container of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    pub workload: String,
    /// `job` or `revision`.
    pub kind: String,
    /// Docker's word: `created`, `running`, `exited`, …
    pub state: String,
}

fn docker(args: &[&str]) -> Result<String> {
    let output = Command::new("docker").args(args).output().context("docker")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "docker {}: {error}", args.join(" "));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Any command of Docker's, for what a test prepares; what it printed.
pub fn run(args: &[&str]) -> Result<String> {
    docker(args)
}

/// All containers of an instance, running or not.
pub fn containers(instance: &str) -> Result<Vec<Container>> {
    let filter = format!("label={LABEL}={instance}");
    let format = format!("{{{{.ID}}}}\t{{{{.Label \"{WORKLOAD}\"}}}}\t{{{{.Label \"{KIND}\"}}}}\t{{{{.State}}}}");
    let text = docker(&["ps", "--all", "--filter", &filter, "--format", &format])?;
    text.lines()
        .map(|line| {
            let mut parts = line.split('\t').map(str::to_owned);
            let mut next = || parts.next().with_context(|| format!("docker ps printed {line:?}"));
            Ok(Container { id: next()?, workload: next()?, kind: next()?, state: next()? })
        })
        .collect()
}

/// The interface of the machine's own bridge, `docker0` as a rule, which no test may take away; none where its Docker goes without.
pub fn machines_bridge() -> Option<String> {
    let name = "{{index .Options \"com.docker.network.bridge.name\"}}";
    docker(&["network", "inspect", "bridge", "--format", name]).ok().filter(|name| !name.is_empty())
}

/// What Docker knows about a container.
pub fn inspect(id: &str) -> Result<serde_json::Value> {
    let all: serde_json::Value = serde_json::from_str(&docker(&["inspect", id])?)?;
    Ok(all[0].clone())
}

/// Ends a container behind Drydock's back, and leaves it there.
pub fn kill(id: &str) -> Result<()> {
    docker(&["kill", id]).map(drop)
}

/// Ends a container behind Drydock's back and removes it.
pub fn remove(id: &str) -> Result<()> {
    docker(&["rm", "--force", "--volumes", id]).map(drop)
}

/// Removes the instance's containers and its network, as far as they exist.
pub fn sweep(instance: &str) {
    for container in containers(instance).unwrap_or_default() {
        let _ = remove(&container.id);
    }
    let _ = docker(&["network", "rm", &format!("drydock-{instance}")]);
}

/// A socket that leads to Docker while this value lives.
pub struct Gate {
    task: JoinHandle<()>,
    path: std::path::PathBuf,
}

impl Gate {
    /// Opens the way at `path`; nothing may be there yet.
    pub fn open(path: &Path) -> Result<Self> {
        let listener = UnixListener::bind(path).with_context(|| path.display().to_string())?;
        let task = tokio::spawn(async move {
            let mut ways = tokio::task::JoinSet::new();
            while let Ok((mut from, _)) = listener.accept().await {
                ways.spawn(async move {
                    if let Ok(mut to) = UnixStream::connect("/var/run/docker.sock").await {
                        let _ = copy_bidirectional(&mut from, &mut to).await;
                    }
                });
            }
        });
        Ok(Self { task, path: path.to_owned() })
    }
}

impl Drop for Gate {
    /// Cuts every connection: to the other side, Docker was killed.
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}
