//! Real clients from PyPI, in the virtual environment that `installer/setup.sh test` makes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::Api;

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
    let python = environment()?.join("bin/python");
    ensure!(python.exists(), "{} is missing: run 'installer/setup.sh test'", python.display());
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
    let library = environment()?.join("lib");
    let python = std::fs::read_dir(&library).with_context(|| library.display().to_string())?.next();
    let python = python.context("an empty environment")??.path();
    Ok(std::fs::read_to_string(python.join("site-packages/axe_playwright_python/axe.min.js"))?)
}
