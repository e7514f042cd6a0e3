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

/// The folder with what `installer/setup.sh test` brought.
pub fn cache() -> Result<PathBuf> {
    let environment = environment()?;
    Ok(environment.parent().context("clients in no folder")?.to_owned())
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

/// An environment beside the newest client's, by the end of its name.
fn beside(set: &str) -> Result<PathBuf> {
    let newest = environment()?;
    let name = newest.file_name().context("a folder without a name")?.to_string_lossy().into_owned();
    let folder = newest.with_file_name(format!("{name}-{set}"));
    ensure!(folder.join("bin/python").exists(), "{} is missing: run 'installer/setup.sh test'", folder.display());
    Ok(folder)
}

/// A key of the S3 face, for its clients.
#[derive(Debug, Clone)]
pub struct S3Key {
    pub endpoint: String,
    pub access_key: String,
    pub secret_key: String,
    /// Where the face speaks TLS: the authority to believe.
    pub authority: Option<PathBuf>,
}

impl S3Key {
    /// A new key of that person.
    pub async fn of(server: &crate::Server, username: &str) -> Result<Self> {
        let made = server.run(&["s3-key", "create", "--user", username], None).await?;
        let made: serde_json::Value = serde_json::from_str(&made)?;
        let text = |name: &str| made[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"));
        let (access_key, secret_key) = (text("access_key")?, text("secret_key")?);
        Ok(Self { endpoint: server.s3_url(), access_key, secret_key, authority: server.authority() })
    }
}

/// Runs `tests/clients/{script}` with a client of S3: `set` is `s3` (boto3, aws-cli, minio, rclone) or `dvc` (dvc, s3fs, pandas).
///
/// # Errors
/// When the script ends with another code than 0: its output.
pub async fn s3(key: &S3Key, set: &str, script: &str, args: &[&str]) -> Result<String> {
    let bin = beside(set)?.join("bin");
    let scratch = tempfile::tempdir()?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(script);
    let interpreter = if script.ends_with(".py") { bin.join("python") } else { PathBuf::from("/bin/sh") };
    let search = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(interpreter);
    if let Some(authority) = &key.authority {
        for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"] {
            command.env(name, authority);
        }
    }
    let output = command
        .arg(path)
        .args(args)
        .current_dir(scratch.path())
        .env("PATH", format!("{}:{search}", bin.display()))
        .env("S3_ENDPOINT", &key.endpoint)
        .env("AWS_ACCESS_KEY_ID", &key.access_key)
        .env("AWS_SECRET_ACCESS_KEY", &key.secret_key)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS", bin.join("aws"))
        .env("DVC", bin.join("dvc"))
        .env("PYTHON", bin.join("python"))
        .kill_on_drop(true)
        .output()
        .await?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{script} failed:\n{text}");
    Ok(text)
}

/// Runs the ORAS project's client against the registry at `host`, over TLS where there is an authority.
///
/// # Errors
/// When the script ends with another code than 0: its output.
pub async fn oras(host: &str, name: &str, password: &str, authority: Option<&Path>) -> Result<String> {
    let mut command = Command::new(beside("oci")?.join("bin/python"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/registry_oras.py");
    let command = command.arg(script).args([host, name, password]).args(authority);
    let output = command.kill_on_drop(true).output().await?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "registry_oras.py failed:\n{text}");
    Ok(text)
}

/// Runs `tests/clients/{script}` with OpenAI's client, told the server's address and then `args`; the token is in `DRYDOCK_TOKEN`.
///
/// # Errors
/// When the script ends with another code than 0: its output.
pub async fn openai(api: &Api, script: &str, args: &[&str]) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(script);
    let mut command = Command::new(beside("openai")?.join("bin/python"));
    let command = command.arg(path).arg(api.url()).args(args).env("DRYDOCK_TOKEN", api.token());
    let output = command.kill_on_drop(true).output().await?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{script} failed:\n{text}");
    Ok(text)
}

/// A program of the environment with installers and uploaders of Python packages: `pip`, `uv`, `twine`.
pub fn of_index(name: &str) -> Result<PathBuf> {
    Ok(beside("index")?.join("bin").join(name))
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

/// How a real `mlflow server` is started.
#[derive(Debug, Clone, Copy)]
pub struct How<'a> {
    pub version: Version,
    /// Its store; absent: SQLite in the folder.
    pub store: Option<&'a str>,
    /// The password of `admin`; absent: it asks for none.
    pub password: Option<&'a str>,
    /// A folder with `leaf.pem` and `leaf.key`: it speaks TLS.
    pub tls: Option<&'a Path>,
}

impl Default for How<'_> {
    fn default() -> Self {
        Self { version: Version::Newest, store: None, password: None, tls: None }
    }
}

/// A real `mlflow server` over a folder; it ends when this is dropped.
pub struct MlflowServer {
    pub url: String,
    child: Child,
    _folder: Option<TempDir>,
}

impl MlflowServer {
    /// Starts it on a free port and waits until it answers.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut server = Self::start_at(folder.path(), How::default()).await?;
        server._folder = Some(folder);
        Ok(server)
    }

    /// The same over what lies in that folder.
    pub async fn start_at(folder: &Path, how: How<'_>) -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let at = folder.display();
        let store = how.store.map_or_else(|| format!("sqlite:///{at}/mlflow.db"), str::to_owned);
        let mut command = Command::new(python(how.version)?);
        command.args(["-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--backend-store-uri", &store, "--artifacts-destination", &format!("{at}/artifacts")]);
        if how.password.is_some() {
            command.args(["--app-name", "basic-auth"]);
        }
        if let Some(tls) = how.tls {
            let tls = tls.display();
            command.args(["--uvicorn-opts", &format!("--ssl-keyfile {tls}/leaf.key --ssl-certfile {tls}/leaf.pem")]);
        }
        // Its workers are a group of their own, which ends as one.
        let child = command
            .current_dir(folder)
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .env("DO_NOT_TRACK", "true")
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
            .env("MLFLOW_ALLOW_FILE_STORE", "true")
            .env("MLFLOW_AUTH_ADMIN_PASSWORD", how.password.unwrap_or_default())
            .env("MLFLOW_FLASK_SERVER_SECRET_KEY", "of a test")
            // Receivers of webhooks are on this machine, and it must not remember for a minute that there were none.
            .env("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
            .env("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "https,http")
            .env("MLFLOW_WEBHOOK_CACHE_TTL", "0")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let scheme = if how.tls.is_some() { "https" } else { "http" };
        let server = Self { url: format!("{scheme}://127.0.0.1:{port}"), child, _folder: None };
        let any = reqwest::Client::builder().danger_accept_invalid_certs(true).build()?;
        until("the real mlflow server does not answer", Duration::from_secs(120), || async {
            let answer = any.get(format!("{}/health", server.url)).send().await;
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
