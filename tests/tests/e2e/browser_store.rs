//! The page "Store" in a real Chromium: a disk that fills up, what fills it, what can go, and a damaged content with what needs it.

use std::{os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Browser, Server, Setup, server::PASSWORD, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::browser::log_in;

const BYTES: usize = 300_000;

/// Every disk is fuller than one hundredth.
const SETTINGS: &str = "[disk]\nwarn_percent = 1\nfloor_bytes = 0\n";

/// The file of that size in the store.
fn file_of(server: &Server) -> Result<PathBuf> {
    let folders = std::fs::read_dir(server.data_dir().join("blobs"))?.flatten();
    let mut files = folders.filter_map(|dir| std::fs::read_dir(dir.path()).ok()).flat_map(|entries| entries.flatten());
    let found = files.find(|file| file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() == BYTES as u64));
    Ok(found.context("no such file")?.path())
}

async fn fill(api: &Api) -> Result<String> {
    let made = api.post("/api/2.0/mlflow/runs/create", json!({"experiment_id": "0"})).await?;
    let run = made["run"]["info"]["run_id"].as_str().context("an id")?.to_owned();
    let path = format!("/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/weights.bin");
    api.request(Method::PUT, &path).body(vec![7; BYTES]).send().await?.error_for_status()?;
    api.post("/api/v1/buckets", json!({"name": "plans"})).await?;
    let object = "/api/v1/buckets/plans/object?key=a/plan.txt";
    api.request(Method::PUT, object).body("to the sea").send().await?.error_for_status()?;
    // nothing refers to it
    api.upload(vec![1; 70_000]).await?;
    Ok(path)
}

#[tokio::test]
async fn the_store_says_what_fills_it_what_can_go_and_what_is_damaged() -> Result<()> {
    let server = Server::start_as(Setup { settings: SETTINGS, ..Setup::default() }).await?;
    let admin = server.admin().await?;
    let path = fill(&admin).await?;
    server.person(&admin, "vera", "viewer").await?;

    let store = admin.get("/api/v1/store").await?;
    let uses: Vec<(&Value, &Value)> =
        store["uses"].as_array().context("uses")?.iter().map(|one| (&one["kind"], &one["size_bytes"])).collect();
    ensure!(uses.contains(&(&json!("artifacts"), &json!(BYTES))), "{store}");
    ensure!(uses.contains(&(&json!("bucket"), &json!(10))), "{store}");
    ensure!(store["disk"]["level"] == "warning" && store["reclaimable"][0]["kind"] == "unreferenced", "{store}");

    // a bit flips; who reads it first finds it
    let file = file_of(&server)?;
    let mut bytes = std::fs::read(&file)?;
    bytes[BYTES / 2] ^= 4;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644))?;
    std::fs::write(&file, bytes)?;
    let answer = admin.request(Method::GET, &path).send().await;
    ensure!(answer.is_err() || answer?.bytes().await.is_err(), "wrong bytes were given out");
    until("the damage is noted with what needs it", Duration::from_secs(30), || async {
        let store = admin.get("/api/v1/store").await?;
        let needs = store["damaged"][0]["needed_by"][0].as_str().unwrap_or_default().to_owned();
        Ok(needs.contains("weights.bin").then_some(()))
    })
    .await?;
    ensure!(server.data_dir().join("blobs/quarantine").read_dir()?.count() == 1, "it is set aside");

    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/store").await?;
    browser.sees("Damaged contents").await?;
    for text in ["Files of runs and models", "Bucket plans", "Not needed any more", "weights.bin", "other bytes"] {
        browser.sees(text).await?;
    }
    for (width, theme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.look(width, theme).await?;
        browser.sees("Damaged contents").await?;
        browser.shoot(&format!("store-{theme}-{width}")).await?;
        let barriers = browser.barriers().await?;
        ensure!(barriers.is_empty(), "{theme}, {width}: {barriers:?}");
    }
    browser.look(1280, "light").await?;
    browser.sees("Read everything now").await?;
    browser.click("Read everything now").await?;
    browser.sees("Reading began").await?;

    // the same bytes heal it
    admin.request(Method::PUT, &path).body(vec![7; BYTES]).send().await?.error_for_status()?;
    ensure!(admin.get("/api/v1/store").await?["damaged"].as_array().is_some_and(Vec::is_empty), "healed");
    let back = admin.request(Method::GET, &path).send().await?.error_for_status()?.bytes().await?;
    ensure!(back == vec![7; BYTES], "the bytes are back");
    browser.close().await?;

    let viewer = Browser::open(&server.url()).await?;
    log_in(&viewer, "vera").await?;
    viewer.visit("/store").await?;
    viewer.sees("What fills it").await?;
    ensure!(!viewer.offers("Read everything now").await?, "a viewer begins no reading");
    let vera = Api::anonymous(&server.url())?.with_password("vera", PASSWORD);
    ensure!(vera.status(Method::POST, "/api/v1/store/scrub", None).await? == 403, "nor by the API");
    viewer.close().await
}
