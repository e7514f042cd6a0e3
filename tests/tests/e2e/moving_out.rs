//! A history on its way out of the box: a folder that the real client reads, that misses nothing, or says so.

use std::path::PathBuf;

use anyhow::{Context, Result};
use drydock_tests::{Api, Server};
use serde_json::{Value, json};

use crate::moving::{assert_same, describe, drydock, script, text};

#[tokio::test]
async fn what_is_exported_is_what_was_imported() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let (folder, copy) = (dir.path().join("mlruns"), dir.path().join("copy"));
    let made = script(&admin, &[text(&folder)]).await?;
    let (code, said) = drydock(&admin, &["import", "mlflow", text(&folder)]).await?;
    assert_eq!(code, 0, "{said}");
    let (code, said) = drydock(&admin, &["export", "mlflow", text(&copy)]).await?;
    assert_eq!(code, 0, "{said}");
    // The unmodified client reads the folder …
    assert_same(made.clone(), describe(&admin, text(&copy)).await?);
    // … a second export adds nothing, this box takes it for what it has, and another box takes it in.
    let (code, said) = drydock(&admin, &["export", "mlflow", text(&copy)]).await?;
    assert!(code == 0 && said.contains("Nothing was left to do"), "{said}");
    let (code, said) = drydock(&admin, &["import", "mlflow", text(&copy)]).await?;
    assert!(code == 0 && said.contains("Nothing was left to do"), "{said}");
    assert_same(made.clone(), describe(&admin, admin.url()).await?);
    let other = Server::start().await?;
    let there = other.admin().await?;
    let (code, said) = drydock(&there, &["import", "mlflow", text(&copy)]).await?;
    assert_eq!(code, 0, "{said}");
    assert_same(made, describe(&there, there.url()).await?);
    Ok(())
}

/// A finished run of that experiment with these params and an artifact of so many bytes; its id.
async fn run_with(api: &Api, experiment: &str, params: Value, bytes: usize) -> Result<String> {
    let made = api.post("/api/2.0/mlflow/runs/create", json!({"experiment_id": experiment})).await?;
    let id = made["run"]["info"]["run_id"].as_str().context("an id")?.to_owned();
    api.post("/api/2.0/mlflow/runs/log-batch", json!({"run_id": id, "params": params})).await?;
    let path = format!("/api/2.0/mlflow-artifacts/artifacts/{experiment}/{id}/artifacts/model/weights.bin");
    api.request(reqwest::Method::PUT, &path).body(vec![1; bytes]).send().await?.error_for_status()?;
    Ok(id)
}

/// The blob of that size.
fn blob_of(server: &Server, bytes: u64) -> Result<PathBuf> {
    let folders = std::fs::read_dir(server.data_dir().join("blobs"))?.flatten();
    let mut files = folders.filter_map(|dir| std::fs::read_dir(dir.path()).ok()).flat_map(|entries| entries.flatten());
    let found = files.find(|file| file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() == bytes));
    Ok(found.context("no such blob")?.path())
}

#[tokio::test]
async fn an_export_that_misses_a_file_never_looks_whole_and_goes_on() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let made = admin.post("/api/2.0/mlflow/experiments/create", json!({"name": "wine"})).await?;
    let wine = made["experiment_id"].as_str().context("an id")?;
    let good = run_with(&admin, wine, json!([]), 300_000).await?;
    let bad = run_with(&admin, wine, json!([]), 400_000).await?;
    admin.post("/api/2.0/mlflow/registered-models/create", json!({"name": "grapes"})).await?;
    let version = json!({"name": "grapes", "source": format!("runs:/{bad}/model"), "run_id": bad});
    admin.post("/api/2.0/mlflow/model-versions/create", version).await?;
    let (copy, blob) = (dir.path().join("copy"), blob_of(&server, 400_000)?);
    let content = std::fs::read(&blob)?;
    // Cut off, then gone altogether.
    for harm in [Some(&content[..70_000]), None] {
        // What the first export found cut off was set aside by then.
        if blob.exists() {
            std::fs::remove_file(&blob)?;
        }
        if let Some(left) = harm {
            std::fs::write(&blob, left)?;
        }
        let (code, said) = drydock(&admin, &["export", "mlflow", text(&copy)]).await?;
        assert_eq!(code, 3, "{said}");
        for named in [
            format!("run {bad}, artifact model/weights.bin: "),
            format!("run {bad}: not all of it came"),
            "model grapes: the files of its version 1 did not come".into(),
            "Partial: 3 left out".into(),
        ] {
            assert!(said.contains(&named), "{named}: {said}");
        }
        assert!(!copy.join(wine).join(&bad).exists() && !copy.join("models/grapes/meta.yaml").exists(), "{said}");
        let read = describe(&admin, text(&copy)).await?;
        let runs: Vec<&String> = read["runs"].as_object().context("runs")?.keys().collect();
        assert_eq!(runs, [&good], "the real client sees the run that is whole, and no part of another");
        if harm.is_none() {
            break;
        }
    }
    std::fs::write(&blob, content)?;
    let (code, said) = drydock(&admin, &["export", "mlflow", text(&copy)]).await?;
    assert_eq!(code, 0, "{said}");
    let weights = copy.join(wine).join(&bad).join("artifacts/model/weights.bin");
    assert_eq!(std::fs::metadata(weights)?.len(), 400_000);
    assert_same(describe(&admin, admin.url()).await?, describe(&admin, text(&copy)).await?);
    let (code, said) = drydock(&admin, &["export", "mlflow", text(&copy)]).await?;
    assert!(code == 0 && said.contains("Nothing was left to do"), "{said}");
    Ok(())
}

#[tokio::test]
async fn what_a_folder_cannot_have_is_named_by_each_export() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let both = json!([{"key": "net", "value": "1"}, {"key": "net/depth", "value": "2"}]);
    let id = run_with(&admin, "0", both, 10).await?;
    let copy = dir.path().join("copy");
    for _ in 0..2 {
        let (code, said) = drydock(&admin, &["export", "mlflow", text(&copy)]).await?;
        assert_eq!(code, 3, "{said}");
        assert!(
            said.contains(&format!("refused: run {id}, net/depth: ")) && said.contains("Partial: 1 left"),
            "{said}"
        );
        assert!(copy.join("0").join(&id).join("artifacts/model/weights.bin").is_file(), "the rest is there");
    }
    Ok(())
}
