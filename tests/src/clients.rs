//! Real clients from PyPI, in the virtual environments that `installer/setup.sh test` makes, and the real MLflow server.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{Api, until};

/// Which mlflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The newest 3.x, with its server and everything else.
    Newest,
    /// 2.22, which many have not left yet.
    Older,
}

fn python(version: Version) -> Result<PathBuf> {
    let newest = environment()?;
    let folder = match version {
        Version::Newest => newest,
        Version::Older => {
            let name = newest.file_name().context("a folder without a name")?.to_string_lossy().into_owned();
            newest.with_file_name(format!("{name}-2.22"))
        }
    };
    let python = folder.join("bin/python");
    ensure!(python.exists(), "{} is missing: run 'installer/setup.sh test'", python.display());
    Ok(python)
}

/// Where a package of the newest client's environment is.
pub fn package(name: &str) -> Result<PathBuf> {
    let library = environment()?.join("lib");
    let inner = std::fs::read_dir(&library).with_context(|| library.display().to_string())?.next();
    Ok(inner.context("an empty environment")??.path().join("site-packages").join(name))
}

fn environment() -> Result<PathBuf> {
    match std::env::var_os("DRYDOCK_TEST_CLIENTS") {
        Some(path) => Ok(path.into()),
        None => {
            let home = std::env::var_os("HOME").context("no HOME")?;
            let cache =
                std::env::var_os("XDG_CACHE_HOME").map_or_else(|| Path::new(&home).join(".cache"), PathBuf::from);
            Ok(cache.join("drydock/clients"))
        }
    }
}

/// Runs `tests/clients/{script}` with the mlflow client pointed at the server, and answers what it printed.
///
/// # Errors
/// When the script ends with another code than 0: its output, which ends in Python's traceback.
pub async fn mlflow(api: &Api, script: &str, args: &[&str]) -> Result<String> {
    mlflow_of(Version::Newest, api, script, args, &[]).await
}

/// The same with that version's client, and more variables.
///
/// # Errors
/// As `mlflow`.
pub async fn mlflow_of(
    version: Version,
    api: &Api,
    script: &str,
    args: &[&str],
    variables: &[(&str, &str)],
) -> Result<String> {
    let python = python(version)?;
    let scratch = tempfile::tempdir()?;
    let output = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(script))
        .args(args)
        .current_dir(scratch.path())
        .env("MLFLOW_TRACKING_URI", api.url())
        .env("MLFLOW_TRACKING_TOKEN", api.token())
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .env("DO_NOT_TRACK", "true")
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        .envs(variables.iter().copied())
        .kill_on_drop(true)
        .output()
        .await?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{script} {} failed:\n{text}", args.join(" "));
    Ok(text)
}

/// A program of that environment.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = environment()?.join("bin").join(name);
    ensure!(path.exists(), "{} is missing: run 'installer/setup.sh test'", path.display());
    Ok(path)
}

/// axe-core's source, to be run in a page.
pub fn axe() -> Result<String> {
    Ok(std::fs::read_to_string(package("axe_playwright_python")?.join("axe.min.js"))?)
}

/// A real `mlflow server` over SQLite and a folder; it ends when this is dropped.
pub struct MlflowServer {
    pub url: String,
    child: Child,
    _folder: TempDir,
}

impl MlflowServer {
    /// Starts it on a free port and waits until it answers.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let at = folder.path().display();
        // Its workers are a group of their own, which ends as one.
        let child = Command::new(python(Version::Newest)?)
            .args(["-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port"])
            .arg(port.to_string())
            .args(["--backend-store-uri", &format!("sqlite:///{at}/mlflow.db")])
            .args(["--artifacts-destination", &format!("{at}/artifacts")])
            .current_dir(folder.path())
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .env("DO_NOT_TRACK", "true")
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
            // Receivers of webhooks are on this machine, and it must not remember for a minute that there were none.
            .env("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
            .env("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "https,http")
            .env("MLFLOW_WEBHOOK_CACHE_TTL", "0")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let url = format!("http://127.0.0.1:{port}");
        let server = Self { url, child, _folder: folder };
        until("the real mlflow server does not answer", Duration::from_secs(120), || async {
            let answer = reqwest::get(format!("{}/health", server.url)).await;
            Ok(answer.is_ok_and(|answer| answer.status().is_success()).then_some(()))
        })
        .await?;
        Ok(server)
    }
}

impl Drop for MlflowServer {
    fn drop(&mut self) {
        if let Some(group) = self.child.id() {
            let _ = std::process::Command::new("kill").args(["-TERM", "--", &format!("-{group}")]).status();
        }
    }
}
