//! The pages of datasets, in a real Chromium: columns and images, folders, what changed, tags, rules as YAML, deletion; and the way of a
//! folder and of a large file into a version.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Browser, Server, server::PASSWORD, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    browser::log_in,
    browser_buckets::{choose, script, uploads_at},
};

const SOON: Duration = Duration::from_secs(60);

const GIF: &[u8] = b"GIF89a\x02\x00\x03\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x00;";

async fn file(api: &Api, path: &str, bytes: Vec<u8>) -> Result<Value> {
    let size = bytes.len();
    Ok(json!({ "path": path, "digest": api.upload(bytes).await?, "size_bytes": size }))
}

fn table(rows: usize, step: f64, gone: bool) -> Vec<u8> {
    let mut text = String::from(if gone { "id,at,acid,kind\n" } else { "id,at,acid,kind,note\n" });
    for row in 0..rows {
        let (acid, kind) = (2.0 + (row % 40) as f64 * step, ["red", "white", "rosé"][row % 3]);
        let note = if gone { String::new() } else { format!(",{}", if row % 5 == 0 { "" } else { "ok" }) };
        text.push_str(&format!("{row},2026-01-{:02},{acid:.2},{kind}{note}\n", row % 28 + 1));
    }
    text.into_bytes()
}

async fn fill(api: &Api) -> Result<()> {
    api.post("/api/v1/datasets", json!({ "name": "wine", "description": "Deliveries of the harvest" })).await?;
    let mut files = vec![
        file(api, "red.csv", table(400, 0.05, false)).await?,
        file(api, "notes/read-me.txt", b"as delivered".to_vec()).await?,
    ];
    for n in 0..30 {
        files.push(file(api, &format!("labels/{}/{n:03}.gif", ["front", "back"][n % 2]), GIF.to_vec()).await?);
    }
    files.push(file(api, "labels/back/broken.png", b"no image".to_vec()).await?);
    api.post("/api/v1/datasets/wine/versions", json!({ "files": files, "message": "As delivered" })).await?;
    let red = file(api, "red.csv", table(500, 0.09, true)).await?;
    let change = json!({ "base_version": "1", "files": [red], "remove": ["notes/"], "message": "The second harvest, without notes" });
    api.post("/api/v1/datasets/wine/versions", change).await?;
    Ok(())
}

/// At 1280 and 390 pixels, light and dark, and nothing that stands in the way of anybody.
async fn looked_at(browser: &Browser, name: &str, text: &str) -> Result<()> {
    for (width, theme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.look(width, theme).await?;
        browser.sees(text).await?;
        browser.shoot(&format!("datasets-{name}-{theme}-{width}")).await?;
        let barriers = browser.barriers().await?;
        ensure!(barriers.is_empty(), "{name}, {theme}, {width}: {barriers:?}");
    }
    browser.look(1280, "light").await?;
    browser.sees(text).await
}

#[tokio::test]
async fn a_dataset_is_looked_through_compared_tagged_and_loses_a_version() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    server.person(&admin, "erin", "engineer").await?;
    let erin = Api::anonymous(&server.url())?.with_password("erin", PASSWORD);
    fill(&erin).await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "erin").await?;

    browser.visit("/datasets/wine").await?;
    browser.sees("date or time").await?;
    browser.sees("broken.png").await?;
    looked_at(&browser, "columns", "broken.png").await?;

    browser.visit("/datasets/wine?tab=files").await?;
    browser.click("labels/").await?;
    browser.click("back/").await?;
    browser.sees("001.gif").await?;
    looked_at(&browser, "files", "001.gif").await?;
    browser.visit("/datasets/wine?tab=files&file=red.csv").await?;
    browser.sees("acid").await?;
    looked_at(&browser, "file", "acid").await?;

    browser.visit("/datasets/wine?tab=versions").await?;
    browser.sees("The second harvest, without notes").await?;
    browser.press("//ol[@aria-label='Versions']/li[1]//button[normalize-space(.)='Tag']", "Tag").await?;
    browser.fill("Tag", "prod").await?;
    browser.click("Set the tag").await?;
    browser.sees("wine@prod is version 2").await?;
    looked_at(&browser, "versions", "The second harvest, without notes").await?;
    browser.press("//ol[@aria-label='Versions']/li[1]//a[normalize-space(.)='What changed']", "What changed").await?;
    browser.sees("read-me.txt").await?;
    browser.sees("gone").await?;
    looked_at(&browser, "changes", "read-me.txt").await?;
    browser.press("//*[@role='tab' and normalize-space(.)='Drift']", "Drift").await?;
    browser.sees("Kolmogorov-Smirnov").await?;
    browser.sees("Dates and times go on by themselves").await?;
    looked_at(&browser, "drift", "Drifted").await?;
    browser.visit("/datasets/wine?tab=drift&from=1&to=1").await?;
    browser.sees("No drift").await?;

    browser.visit("/datasets/wine?tab=rules&as=yaml").await?;
    browser.sees("Rules as YAML").await?;
    browser.fill("Rules", "- check: not_null\n  colum: id\n").await?;
    browser.click("Save rules").await?;
    browser.sees("Line 1").await?;
    browser.shoot("datasets-rules-wrong-light-1280").await?;
    looked_at(&browser, "rules-yaml", "Rules as YAML").await?;
    browser.fill("Rules", "- check: range\n  column: acid\n  max: 4\n").await?;
    browser.click("Save rules").await?;
    browser.sees("Rules saved").await?;
    browser.visit("/datasets/wine?tab=checks").await?;
    browser.sees("is not a number of at most 4").await?;
    looked_at(&browser, "checks", "is not a number of at most 4").await?;
    browser.visit("/datasets/wine?tab=use").await?;
    browser.sees("wine@2").await?;
    browser.visit("/datasets/wine?tab=upload").await?;
    browser.sees("From a bucket").await?;
    looked_at(&browser, "upload", "From a bucket").await?;

    browser.visit("/datasets/wine?tab=versions").await?;
    browser.press("//ol[@aria-label='Versions']/li[2]//button[normalize-space(.)='Delete']", "Delete").await?;
    browser.sees("become free").await?;
    browser.fill("to confirm", "wine@1").await?;
    browser.shoot("datasets-delete-light-1280").await?;
    browser.click("Delete the version").await?;
    browser.sees("Version deleted").await?;
    browser.close().await
}

/// Drops a file or folder of this computer on the place, as a hand would.
async fn drop_on(browser: &Browser, place: &str, path: &str) -> Result<()> {
    let middle = format!(
        "const r = document.querySelector('{place}').getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]"
    );
    let at: [f64; 2] = script(browser, &middle).await?;
    for kind in ["dragEnter", "dragOver", "drop"] {
        let data = json!({ "items": [], "files": [path], "dragOperationsMask": 1 });
        let event = json!({ "type": kind, "x": at[0], "y": at[1], "data": data });
        browser.driver.cdp().send_raw("Input.dispatchDragEvent", event).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_dropped_folder_and_a_file_that_a_reload_broke_off_become_a_version() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    admin.post("/api/v1/datasets", json!({ "name": "wine" })).await?;
    let here = tempfile::tempdir()?;
    let folder = here.path().join("harvest");
    fs::create_dir_all(folder.join("deep/er"))?;
    fs::write(folder.join("red.csv"), table(20, 0.1, true))?;
    fs::write(folder.join("deep/er/one.txt"), "one\n")?;
    let large = here.path().join("large.bin");
    let bytes: Vec<u8> = (0..30usize << 20).map(|i| (i * 7 % 253) as u8).collect();
    fs::write(&large, &bytes)?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;

    browser.visit("/datasets/wine?tab=upload").await?;
    browser.sees("Drop files and folders here").await?;
    uploads_at(&browser, 4 << 20).await?;
    choose(&browser, "form-files", large.to_str().context("a path")?).await?;
    let arrived = || async {
        let wish = json!({ "key": "large.bin", "size_bytes": bytes.len(), "modified_at": modified(&large)? });
        let upload = admin.post("/api/v1/uploads", wish).await?;
        Ok::<usize, anyhow::Error>(upload["parts"].as_array().map_or(0, Vec::len))
    };
    until("no part arrives", SOON, || async { Ok((arrived().await? > 0).then_some(())) }).await?;
    browser.click("Pause large.bin").await?;
    browser.sees("Paused").await?;
    ensure!(why_not(&browser).await?.contains("A file is paused"), "the form can be sent off");
    // pressed quickly one after the other, one sender is at work in the end
    browser.click("Go on with large.bin").await?;
    browser.click("Pause large.bin").await?;
    browser.click("Go on with large.bin").await?;
    // another page in between: the tray has it then
    browser.click("Columns").await?;
    browser.sees("Uploading 1 of 1 file").await?;
    browser.driver.refresh().await?;
    uploads_at(&browser, -1).await?;
    browser.visit("/datasets/wine?tab=upload").await?;
    browser.sees("An upload was broken off").await?;
    ensure!(arrived().await? > 0, "what arrived is gone");
    choose(&browser, "form-files", large.to_str().context("a path")?).await?;
    browser.sees_within("1 file uploaded", SOON).await?;

    drop_on(&browser, ".drop", folder.to_str().context("a path")?).await?;
    browser.sees_within("3 files uploaded", SOON).await?;
    browser.sees("harvest/deep/er/one.txt").await?;
    looked_at_as_it_is(&browser, "uploaded").await?;
    browser.click("Make the version").await?;
    browser.sees_within("Version 1 made", SOON).await?;
    let page = admin.get("/api/v1/datasets/wine/versions/1/files?flat=true").await?;
    let paths: Vec<&str> =
        page["files"].as_array().context("files")?.iter().filter_map(|f| f["path"].as_str()).collect();
    assert_eq!(paths, ["harvest/deep/er/one.txt", "harvest/red.csv", "large.bin"]);
    let kept = admin.request(Method::GET, "/api/v1/datasets/wine/versions/1/file?path=large.bin").send().await?;
    ensure!(kept.bytes().await? == bytes, "the bytes are others");
    browser.visit("/datasets/wine?tab=upload").await?;
    browser.sees("Drop files and folders here").await?;
    ensure!(why_not(&browser).await?.contains("Choose files first"), "the form keeps its files");
    ensure!(!browser.text().await?.contains("broken off"), "the note stays");
    browser.close().await
}

/// What keeps the form from being sent off.
async fn why_not(browser: &Browser) -> Result<String> {
    let button = "[...document.querySelectorAll('button')].find(b => b.innerText.includes('Make the version'))";
    script(browser, &format!("return {button}.title")).await
}

fn modified(file: &std::path::Path) -> Result<u64> {
    let since = fs::metadata(file)?.modified()?.duration_since(std::time::UNIX_EPOCH)?;
    Ok(u64::try_from(since.as_millis())?)
}

/// Without a reload, which would take the chosen files along.
async fn looked_at_as_it_is(browser: &Browser, name: &str) -> Result<()> {
    browser.shoot(&format!("datasets-{name}-light-1280")).await?;
    let barriers = browser.barriers().await?;
    ensure!(barriers.is_empty(), "{name}: {barriers:?}");
    Ok(())
}
