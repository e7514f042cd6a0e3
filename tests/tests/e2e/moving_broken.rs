//! Imports and exports that are killed in the middle, wherever they read from: started again, they end with everything, once.

use std::{path::Path, time::Duration};

use anyhow::{Result, ensure};
use drydock_tests::{Api, Server, clients::MlflowServer};
use serde_json::Value;

use crate::moving::{assert_same, command, describe, drydock, script, text};

const RUNS: &str = "300";

async fn runs_of(api: &Api) -> Result<usize> {
    Ok(usize::try_from(api.get("/api/v1/runs?limit=1").await?["total"].as_u64().unwrap_or(0))?)
}

/// Kills the command whenever `done` has got further, at most four times, and then lets it end. At least once there was a rest.
async fn killed_and_started_again<F>(api: &Api, args: &[&str], done: F) -> Result<()>
where
    F: AsyncFn() -> Result<usize>,
{
    let mut killed = 0;
    for attempt in 0..4 {
        let before = done().await?;
        let mut child = command(api, args).spawn()?;
        while child.try_wait()?.is_none() && done().await? <= before {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // each a little later than the one before, so that some portion is over and known, however slow the box is
        tokio::time::sleep(Duration::from_millis(100) * attempt).await;
        // SIGKILL, by its id, unless it has ended meanwhile.
        if child.try_wait()?.is_none() {
            child.kill().await?;
        }
        killed += usize::from(done().await? < RUNS.parse::<usize>()?);
    }
    ensure!(killed > 0, "it was never killed in the middle");
    let (code, said) = drydock(api, args).await?;
    assert_eq!(code, 0, "{said}");
    // It knew what was there, and there was something left.
    let line = said.lines().find(|line| line.starts_with("runs ")).unwrap_or_default();
    let counts: Vec<usize> = line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    assert!(counts[3] > 0 && counts[0] == counts[1] + counts[2] + counts[3], "{said}");
    let (code, said) = drydock(api, args).await?;
    assert!(code == 0 && said.contains("Nothing was left to do"), "{said}");
    Ok(())
}

/// Of a source that the script has made: killed on the way into a fresh box, which then has the same.
async fn imported_in_pieces(args: &[&str], made: Value, server: &Server, admin: &Api) -> Result<()> {
    killed_and_started_again(admin, args, async || runs_of(admin).await).await?;
    assert_same(made, describe(admin, &server.url()).await?);
    Ok(())
}

#[tokio::test]
async fn an_import_from_a_folder_that_is_killed_goes_on_where_it_was() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let folder = dir.path().join("mlruns");
    let made = script(&admin, &[text(&folder), "--runs", RUNS]).await?;
    imported_in_pieces(&["import", "mlflow", text(&folder)], made, &server, &admin).await
}

#[tokio::test]
async fn an_import_from_sqlite_that_is_killed_goes_on_where_it_was() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let (uri, artifacts) = (format!("sqlite:///{}/mlflow.db", text(dir.path())), dir.path().join("artifacts"));
    let made = script(&admin, &[&uri, "--artifacts", text(&artifacts), "--runs", RUNS]).await?;
    imported_in_pieces(&["import", "mlflow", &uri], made, &server, &admin).await
}

#[tokio::test]
async fn an_import_from_a_server_that_is_killed_goes_on_where_it_was() -> Result<()> {
    let (server, mlflow) = (Server::start().await?, MlflowServer::start().await?);
    let admin = server.admin().await?;
    let made = script(&admin, &[&mlflow.url, "--runs", RUNS]).await?;
    imported_in_pieces(&["import", "mlflow", &mlflow.url], made, &server, &admin).await
}

/// Runs that an export has written; half-written ones lie elsewhere.
fn runs_in(folder: &Path) -> usize {
    let inner = |path: &Path| {
        std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>()
    };
    inner(folder).iter().flat_map(|experiment| inner(experiment)).filter(|run| run.join("metrics").is_dir()).count()
}

#[tokio::test]
async fn an_export_that_is_killed_goes_on_where_it_was() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let (folder, copy) = (dir.path().join("mlruns"), dir.path().join("copy"));
    let made = script(&admin, &[text(&folder), "--runs", RUNS]).await?;
    let (code, said) = drydock(&admin, &["import", "mlflow", text(&folder)]).await?;
    assert_eq!(code, 0, "{said}");
    killed_and_started_again(&admin, &["export", "mlflow", text(&copy)], async || Ok(runs_in(&copy))).await?;
    assert_same(made, describe(&admin, text(&copy)).await?);
    Ok(())
}
