//! Deleting: the preview, the trash, and that the disk really gets its bytes back.

use std::time::Duration;

use anyhow::{Context, Result};
use drydock_tests::{Api, Browser, Server, server::PASSWORD, until};
use reqwest::Method;
use serde_json::{Value, json};

const MIB: usize = 1 << 20;

/// A finished run with an artifact of these bytes; its id.
pub async fn run(api: &Api, name: &str, bytes: Vec<u8>) -> Result<String> {
    let made = api.post("/api/2.0/mlflow/runs/create", json!({"experiment_id": "0", "run_name": name})).await?;
    let id = made["run"]["info"]["run_id"].as_str().context("an id")?.to_owned();
    let path = format!("/api/2.0/mlflow-artifacts/artifacts/0/{id}/artifacts/weights.bin");
    api.request(Method::PUT, &path).body(bytes).send().await?.error_for_status()?;
    api.post("/api/2.0/mlflow/runs/update", json!({"run_id": id, "status": "FINISHED", "end_time": 1})).await?;
    Ok(id)
}

/// What `du` says of the blobs' folder, in bytes.
pub fn blobs(server: &Server) -> Result<u64> {
    let output = std::process::Command::new("du").arg("-sk").arg(server.data_dir().join("blobs")).output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_whitespace().next().context("du says nothing")?.parse::<u64>()? * 1024)
}

#[tokio::test]
async fn du_falls_after_free_now_and_not_before() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let engineer = server.person(&admin, "erin", "engineer").await?;
    let empty = blobs(&server)?;
    let shared = vec![7; 8 * MIB];
    let (one, two) = (run(&engineer, "one", shared.clone()).await?, run(&engineer, "two", shared).await?);
    let own = run(&engineer, "own", (0..20 * MIB).map(|at| (at % 251) as u8).collect()).await?;
    let full = blobs(&server)?;
    assert!(full - empty >= 28 * MIB as u64, "{full} after {empty}");

    // What is shared with a run that stays is not promised.
    let what = json!({"runs": [one, own], "with_models": true});
    let seen = engineer.post("/api/v1/trash/preview", what.clone()).await?;
    assert_eq!((seen["bytes"].as_u64(), seen["freed_bytes"].as_u64()), (Some(28 << 20), Some(20 << 20)), "{seen}");
    let (status, _) =
        engineer.send(Method::POST, "/api/v1/trash", Some(json!({"what": what, "confirm": "yes"}))).await?;
    assert_eq!(status, 422);
    engineer.post("/api/v1/trash", json!({"what": what, "confirm": seen["confirm"]})).await?;
    let listed = engineer.get("/api/v1/trash").await?;
    assert_eq!((listed["total"].as_u64(), &listed["items"][0]["deleted_by"]), (Some(2), &json!("erin")), "{listed}");
    assert_eq!(blobs(&server)?, full, "the trash keeps the bytes");

    // MLflow's own call restores until it is purged.
    engineer.post("/api/2.0/mlflow/runs/restore", json!({"run_id": one})).await?;
    engineer.post("/api/2.0/mlflow/runs/delete", json!({"run_id": one})).await?;
    engineer.post("/api/v1/trash/restore", json!({"runs": [one]})).await?;

    let purge = json!({"what": {"everything": true}, "confirm": "empty the trash"});
    let (status, _) = engineer.send(Method::POST, "/api/v1/trash/purge", Some(purge.clone())).await?;
    assert_eq!(status, 403, "freeing the disk is for admins");
    let done = admin.post("/api/v1/trash/purge", purge).await?;
    assert_eq!((done["runs"].as_u64(), done["freed_bytes"].as_u64()), (Some(1), Some(20 << 20)), "{done}");
    let after = blobs(&server)?;
    assert!(after <= full - (20 << 20), "du: {after} after {full}");

    // The others' bytes are there still.
    for id in [&one, &two] {
        let path = format!("/api/v1/runs/{id}/artifacts/file?path=weights.bin");
        assert_eq!(admin.request(Method::GET, &path).send().await?.bytes().await?.len(), 8 * MIB);
    }
    assert_eq!(admin.status(Method::GET, &format!("/api/v1/runs/{own}"), None).await?, 404);
    Ok(())
}

#[tokio::test]
async fn a_versions_files_outlive_its_run() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let id = run(&admin, "trained", vec![1; 3 * MIB]).await?;
    admin.post("/api/2.0/mlflow/registered-models/create", json!({"name": "wine"})).await?;
    let source = format!("runs:/{id}/weights.bin");
    admin
        .post("/api/2.0/mlflow/model-versions/create", json!({"name": "wine", "source": source, "run_id": id}))
        .await?;
    let what = json!({"runs": [id]});
    let seen = admin.post("/api/v1/trash/preview", what.clone()).await?;
    assert_eq!(seen["versions"][0]["model"], "wine", "{seen}");
    let change = json!({"what": what, "confirm": "trained"});
    admin.post("/api/v1/trash", change.clone()).await?;
    let done = admin.post("/api/v1/trash/purge", change).await?;
    assert!(done["runs"] == 0 && done["kept"][0].as_str().unwrap().contains("wine version 1"), "{done}");
    let path = format!("/api/v1/runs/{id}/artifacts/file?path=weights.bin");
    assert_eq!(admin.request(Method::GET, &path).send().await?.bytes().await?.len(), 3 * MIB);
    Ok(())
}

async fn log_in(browser: &Browser) -> Result<()> {
    browser.visit("/login").await?;
    browser.fill("Username", "admin").await?;
    browser.fill("Password", PASSWORD).await?;
    browser.click("Log in").await?;
    browser.sees("Overview").await
}

/// A picture in both themes and both widths, and no barrier in any.
async fn pictures(browser: &Browser, name: &str, path: &str) -> Result<()> {
    let mut barriers = vec![];
    for theme in ["light", "dark"] {
        for width in [1280, 390] {
            browser.look(width, theme).await?;
            browser.visit(path).await?;
            until("the page shows its content", Duration::from_secs(30), || async {
                let script = "return !!document.querySelector('main h1') && !document.querySelector('.skeleton, [aria-busy=true]')";
                let there: bool = browser.driver.execute(script, vec![]).await?.convert()?;
                Ok(there.then_some(()))
            })
            .await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            browser.shoot(&format!("{name}-{theme}-{width}")).await?;
            barriers.extend(browser.barriers().await?.into_iter().map(|text| format!("{theme} {width}: {text}")));
            let script = "return document.documentElement.scrollWidth > document.documentElement.clientWidth + 1";
            let wide: bool = browser.driver.execute(script, vec![]).await?.convert()?;
            if wide {
                barriers.push(format!("{theme} {width}: the page scrolls sideways"));
            }
        }
    }
    browser.look(1280, "light").await?;
    assert!(barriers.is_empty(), "{name}: {} findings:\n{}", barriers.len(), barriers.join("\n"));
    Ok(())
}

#[tokio::test]
async fn a_person_deletes_restores_and_frees_in_the_dashboard() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let first = run(&admin, "first-try", vec![1; 5 * MIB]).await?;
    let second = run(&admin, "second-try", vec![2; 3 * MIB]).await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser).await?;

    // Deleting shows what goes, and wants the name.
    browser.visit(&format!("/runs/{first}")).await?;
    browser.click("Delete").await?;
    browser.sees("5 MiB of artifacts").await?;
    browser.shoot("discard-light-1280").await?;
    browser.fill("to confirm", "first-try").await?;
    browser.click("Move to the trash").await?;
    until("the run is in the trash", Duration::from_secs(30), || async {
        Ok((admin.get("/api/v1/trash").await?["total"] == 1).then_some(()))
    })
    .await?;
    admin.post("/api/v1/trash", json!({"what": {"runs": [second]}, "confirm": "second-try"})).await?;
    pictures(&browser, "trash", "/trash").await?;

    // Restoring one, freeing the other.
    browser.visit("/trash").await?;
    browser.sees("second-try").await?;
    let row = "//tr[contains(., 'second-try')]";
    browser.press(&format!("{row}//button[contains(., 'Restore')]"), "restore the second").await?;
    until("the run is back", Duration::from_secs(30), || async {
        let runs = admin.get("/api/v1/runs").await?;
        Ok((runs["total"] == 1).then_some(()))
    })
    .await?;
    let full = blobs(&server)?;
    browser.press("//tr[contains(., 'first-try')]//button[contains(., 'Free now')]", "free the first").await?;
    browser.sees("cannot be restored").await?;
    browser.fill("to confirm", "first-try").await?;
    browser.press("//dialog[@open]//button[contains(., 'Free now')]", "free now").await?;
    browser.sees("The trash is empty").await?;
    // The list may empty a moment before the files are gone.
    until("the disk has its bytes back", Duration::from_secs(30), || async {
        Ok((blobs(&server)? + 5 * MIB as u64 <= full).then_some(()))
    })
    .await?;
    pictures(&browser, "trash-empty", "/trash").await?;
    browser.close().await
}

#[tokio::test]
async fn the_import_page_shows_the_command_and_what_came() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let there: Value = json!({
        "source": "/home/ann/project/mlruns", "suffix": " (imported)",
        "experiment": {"id": "4", "name": "wine", "created_at": 1_700_000_000_000_i64, "updated_at": 1_700_000_000_000_i64, "deleted": false, "tags": []},
    });
    admin.post("/api/v1/import/mlflow/experiment", there).await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser).await?;
    browser.visit("/settings?tab=moving").await?;
    browser.sees("/home/ann/project/mlruns").await?;
    browser.sees(&format!("drydock import mlflow ./mlruns --url {}", server.url())).await?;
    pictures(&browser, "moving", "/settings?tab=moving").await?;
    browser.close().await
}
