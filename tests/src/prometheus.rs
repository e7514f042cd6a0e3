//! Debian's Prometheus, and `promtool`, as `installer/setup.sh test` unpacks them.

use std::{net::TcpListener, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
};

use crate::{clients, until};

/// A server with data of its own. Dropped, it ends.
pub struct Prometheus {
    _child: Child,
    url: String,
    folder: TempDir,
}

/// One of the programs.
fn program(name: &str) -> Result<PathBuf> {
    let path = clients::cache()?.join("prometheus/usr/bin").join(name);
    ensure!(path.exists(), "{} is not there: run 'installer/setup.sh test'", path.display());
    Ok(path)
}

impl Prometheus {
    /// One with these settings, and these further arguments.
    pub async fn start(settings: &str, args: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, settings)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let log = std::fs::File::create(folder.path().join("log"))?;
        let child = Command::new(program("prometheus")?)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let prometheus = Self { _child: child, url: format!("http://{address}"), folder };
        let ready = || async {
            let answer = reqwest::get(format!("{}/-/ready", prometheus.url)).await?;
            Ok(answer.status().is_success().then_some(()))
        };
        until("Prometheus is ready", Duration::from_secs(60), ready).await.with_context(|| prometheus.log())?;
        Ok(prometheus)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The result of a query at this moment.
    pub async fn query(&self, query: &str) -> Result<Vec<Value>> {
        let http = reqwest::Client::new();
        let answer = http.get(format!("{}/api/v1/query", self.url)).query(&[("query", query)]).send().await?;
        let answer: Value = answer.json().await?;
        ensure!(answer["status"] == "success", "{query}: {answer}");
        Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
    }
}

/// What `promtool check metrics` finds wrong with a text; nothing where all is well.
pub async fn check_metrics(text: &str) -> Result<String> {
    let mut child = Command::new(program("promtool")?)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("no stdin")?;
    let text = text.to_owned();
    let writing = tokio::spawn(async move { input.write_all(text.as_bytes()).await });
    let output = child.wait_with_output().await?;
    writing.await??;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok(if output.status.success() { String::new() } else { said })
}
