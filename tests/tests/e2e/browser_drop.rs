//! Files and folders that a person drags from the desktop onto the bucket's page. Chromium is told by its debugging protocol that they
//! are dragged, so that the page gets real entries of a real folder; no script can make those.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Browser, Server};
use reqwest::Method;
use serde_json::json;
use thirtyfour::prelude::*;

use crate::{browser::log_in, browser_buckets::keys};

const SOON: Duration = Duration::from_secs(60);
/// More than a browser tells of a folder at a time.
const MANY: usize = 230;

/// Drags these paths over the middle of the page, and drops them there unless `stays` says that they are only shown.
pub async fn drag(browser: &Browser, paths: &[&str], stays: bool) -> Result<()> {
    let area = browser.driver.find(By::Css(".browse")).await?.rect().await?;
    let (x, y) = (area.x + area.width / 2.0, area.y + area.height / 2.0);
    let tools = browser.driver.cdp();
    let steps: &[&str] = if stays { &["dragEnter", "dragOver"] } else { &["dragEnter", "dragOver", "drop"] };
    for step in steps {
        let data = json!({ "items": [], "files": paths, "dragOperationsMask": 1 });
        tools.send_raw("Input.dispatchDragEvent", json!({ "type": step, "x": x, "y": y, "data": data })).await?;
    }
    Ok(())
}

async fn content(admin: &Api, key: &str) -> Result<String> {
    let path = format!("/api/v1/buckets/data/object/content?key={key}");
    Ok(admin.request(Method::GET, &path).send().await?.error_for_status()?.text().await?)
}

#[tokio::test]
async fn files_and_a_folder_are_dropped_on_a_bucket() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    server.person(&admin, "vera", "viewer").await?;
    admin.post("/api/v1/buckets", json!({ "name": "data" })).await?;
    let here = tempfile::tempdir()?;
    let path = |name: &str| here.path().join(name);
    fs::write(path("one.txt"), "one")?;
    fs::write(path("two words.csv"), "a,b\n")?;
    fs::create_dir_all(path("photos/inner/deep"))?;
    for number in 0..MANY {
        fs::write(path(&format!("photos/{number:03}.txt")), format!("photo {number}"))?;
    }
    fs::write(path("photos/inner/deep/last.txt"), "deep down")?;
    let text = |name: &str| path(name).to_str().map(str::to_owned).context("a path");
    let (one, two, photos) = (text("one.txt")?, text("two words.csv")?, text("photos")?);

    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/buckets/data").await?;
    browser.sees("This bucket is empty").await?;
    drag(&browser, &[&one], true).await?;
    browser.sees("Drop to upload to data").await?;
    drag(&browser, &[&one, &two], false).await?;
    browser.sees_within("2 files uploaded", SOON).await?;
    ensure!(!browser.text().await?.contains("Drop to upload"), "the note stays after the drop");
    let mut sent = keys(&admin, "data").await?;
    sent.sort();
    ensure!(sent == ["one.txt", "two words.csv"], "{sent:?}");
    ensure!(content(&admin, "one.txt").await? == "one" && content(&admin, "two%20words.csv").await? == "a,b\n");

    // A folder, onto the folder that is shown: all of it, however deep, with its paths.
    browser.visit("/buckets/data?prefix=2026%2F").await?;
    browser.sees("Upload files").await?;
    drag(&browser, &[&photos, &one], false).await?;
    browser.sees_within(&format!("{} files uploaded", MANY + 2), SOON).await?;
    ensure!(content(&admin, "2026/photos/inner/deep/last.txt").await? == "deep down");
    ensure!(
        content(&admin, "2026/photos/229.txt").await? == "photo 229" && content(&admin, "2026/one.txt").await? == "one"
    );
    let bucket = admin.get("/api/v1/buckets/data").await?;
    ensure!(bucket["summary"]["object_count"] == MANY + 4, "{bucket}");
    browser.close().await?;

    // Who may not write is offered nothing, and what is dropped does not go up.
    let viewer = Browser::open(&server.url()).await?;
    log_in(&viewer, "vera").await?;
    viewer.visit("/buckets/data").await?;
    viewer.sees("one.txt").await?;
    drag(&viewer, &[&photos], true).await?;
    ensure!(!viewer.text().await?.contains("Drop to upload"), "a viewer is offered to drop");
    drag(&viewer, &[&photos], false).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let bucket = admin.get("/api/v1/buckets/data").await?;
    ensure!(bucket["summary"]["object_count"] == MANY + 4, "{bucket}");
    viewer.close().await
}
