//! The bucket browser in a real Chromium: files and folders go up, an upload goes on after a reload, previews, versions, links,
//! removal; keys; and what the pages look like.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use drydock_tests::{Api, Browser, Server, until};
use reqwest::Method;
use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::browser::log_in;

const SOON: Duration = Duration::from_secs(30);
/// Two pixels in a row, as a PNG.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAADUlEQVR4nGP4zwAE/wEHAAH/4iOeWQAAAABJRU5ErkJggg==";

/// Three wines and their scores, the last without one, as Parquet.
pub const PARQUET: &str = "\
    UEFSMRUAFT4VPiwVBhUAFQYVBhwAAAACAAAABgEDAAAAUmVkBQAAAFdoaXRlBQAAAFJvc8OpFQAVLBUsLBUGFQAVBhUGHAAAAAIA\
    AAADA1sAAAAAAAAAWAAAAAAAAAAVBBk8NQAYBnNjaGVtYRUEABUMJQIYBG5hbWUlAEwcAAAAFQQlAhgFc2NvcmUAFgYZHBksJgAc\
    FQwZJQYAGRgEbmFtZRUAFgYWZBZkJghJHBUAFQAVAgAAACYAHBUEGSUGABkYBXNjb3JlFQAWBhZSFlImbEkcFQAVABUCAAAAFrYB\
    FgYmCBa2ARQAACggcGFycXVldC1jcHAtYXJyb3cgdmVyc2lvbiAxOS4wLjEZLBwAABwAAAC3AAAAUEFSMQ==";

/// A folder as a person has it: a table, a text with marks, a picture, lines of JSON, something below.
fn furnish(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder.join("deep/er"))?;
    fs::write(folder.join("wine.csv"), "name,score\n\"Red, old\",91\nWhite,88\n")?;
    fs::write(
        folder.join("README.md"),
        "# Wines\n\nScores of **two** wines, see [the panel](https://panel.example).\n",
    )?;
    fs::write(folder.join("picture.png"), STANDARD.decode(PNG)?)?;
    fs::write(folder.join("events.jsonl"), "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"note\":\"done\"}\n")?;
    fs::write(folder.join("deep/er/one.txt"), "one\n")?;
    Ok(())
}

pub async fn choose(browser: &Browser, testid: &str, path: &str) -> Result<()> {
    let input = browser.driver.query(By::Css(format!("[data-testid='{testid}']"))).and_not_displayed().first().await;
    let input = match input {
        Ok(input) => input,
        Err(_) => browser.driver.find(By::Css(format!("[data-testid='{testid}']"))).await?,
    };
    Ok(input.send_keys(path).await?)
}

pub async fn script<T: serde::de::DeserializeOwned>(browser: &Browser, text: &str) -> Result<T> {
    Ok(browser.driver.execute(text, vec![]).await?.convert()?)
}

pub async fn keys(admin: &Api, bucket: &str) -> Result<Vec<String>> {
    let found = admin.get(&format!("/api/v1/buckets/{bucket}/objects?search=.")).await?;
    let objects = found["objects"].as_array().cloned().unwrap_or_default();
    Ok(objects.iter().map(|object| object["key"].as_str().unwrap_or_default().to_owned()).collect())
}

/// From now on the browser sends so many bytes in a second; -1: as many as it can.
pub async fn uploads_at(browser: &Browser, bytes: i64) -> Result<()> {
    let wish = json!({ "offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes });
    let tools = browser.driver.cdp();
    tools.send_raw("Network.enable", json!({})).await?;
    tools.send_raw("Network.emulateNetworkConditions", wish).await?;
    Ok(())
}

#[tokio::test]
async fn a_folder_goes_up_is_looked_at_shared_and_goes() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let here = tempfile::tempdir()?;
    let folder = here.path().join("wines");
    furnish(&folder)?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;

    browser.visit("/buckets").await?;
    browser.sees("No buckets yet").await?;
    browser.click("New bucket").await?;
    browser.fill("Name", "cellar").await?;
    browser.click("Make the bucket").await?;
    browser.sees("This bucket is empty").await?;
    choose(&browser, "pick-folder", folder.to_str().context("a path")?).await?;
    browser.sees_within("5 files uploaded", SOON).await?;
    let mut sent = keys(&admin, "cellar").await?;
    sent.sort();
    let expected = ["deep/er/one.txt", "events.jsonl", "picture.png", "README.md", "wine.csv"];
    let mut expected: Vec<String> = expected.iter().map(|path| format!("wines/{path}")).collect();
    expected.sort();
    assert_eq!(sent, expected);

    // Down into the folder; the address says where one is, and Back comes out again.
    browser.click("Close the uploads").await?;
    browser.click("wines/").await?;
    browser.sees("wine.csv").await?;
    let address = browser.driver.current_url().await?;
    assert!(address.query().unwrap_or_default().contains("prefix=wines"), "{address}");
    browser.click("wine.csv").await?;
    browser.sees("Red, old").await?;
    let cells = "return [...document.querySelectorAll('.preview td')].map(e => e.textContent)";
    assert_eq!(script::<Vec<String>>(&browser, cells).await?, ["Red, old", "91", "White", "88"]);
    browser.sees("s3://cellar/wines/wine.csv").await?;
    browser.driver.back().await?;
    browser.click("README.md").await?;
    browser.sees("Scores of two wines").await?;
    let marks =
        "return ['.markdown h3', '.markdown strong', '.markdown a'].map(s => document.querySelector(s).textContent)";
    assert_eq!(script::<Vec<String>>(&browser, marks).await?, ["Wines", "two", "the panel"]);
    browser.driver.back().await?;
    browser.click("picture.png").await?;
    until("the picture is not drawn", SOON, || async {
        let drawn = script::<u32>(&browser, "return document.querySelector('.picture img')?.naturalWidth || 0").await?;
        Ok((drawn == 2).then_some(()))
    })
    .await?;
    browser.driver.back().await?;
    browser.click("events.jsonl").await?;
    browser.sees("done").await?;

    // A link, which opens without a login.
    browser.click("Share").await?;
    browser.click("Make the link").await?;
    let link = browser.driver.query(By::Css("[data-testid='share-link']")).first().await?.text().await?;
    let path = link.strip_prefix(&server.url()).context(link.clone())?;
    let opened = server.anonymous()?.request(Method::GET, path).send().await?;
    assert_eq!(opened.status(), 200);
    assert!(opened.text().await?.starts_with("{\"step\":1"));
    browser.click("Done").await?;

    // Everything chosen, said what goes, typed, gone.
    browser.visit("/buckets/cellar").await?;
    browser.press("//input[@aria-label='Choose all on this page']", "all").await?;
    browser.click("Delete").await?;
    browser.sees("5 files with").await?;
    browser.fill("to confirm", "wines").await?;
    browser.press("//dialog[@open]//button[normalize-space(.)='Delete']", "Delete").await?;
    browser.sees("This bucket is empty").await?;
    assert_eq!(server.anonymous()?.status(Method::GET, path, None).await?, 410);
    browser.visit("/buckets/cellar?tab=settings").await?;
    browser.click("Delete this bucket").await?;
    browser.fill("to confirm", "cellar").await?;
    browser.click("Delete the bucket").await?;
    browser.sees("No buckets yet").await?;
    browser.close().await
}

#[tokio::test]
async fn an_upload_that_a_reload_broke_off_goes_on_with_the_same_file() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    admin.post("/api/v1/buckets", json!({ "name": "data" })).await?;
    let here = tempfile::tempdir()?;
    let file = here.path().join("large.bin");
    let bytes: Vec<u8> = (0..30usize << 20).map(|i| (i * 7 % 253) as u8).collect();
    fs::write(&file, &bytes)?;
    let changed = fs::metadata(&file)?.modified()?.duration_since(std::time::UNIX_EPOCH)?.as_millis();
    let wish = json!({ "key": "large.bin", "size_bytes": bytes.len(), "modified_at": u64::try_from(changed)? });
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/buckets/data").await?;
    browser.sees("This bucket is empty").await?;

    uploads_at(&browser, 4 << 20).await?;
    choose(&browser, "pick-files", file.to_str().context("a path")?).await?;
    let arrived = || async {
        let detail = admin.get("/api/v1/buckets/data").await?;
        Ok::<_, anyhow::Error>((detail["open_uploads"].clone(), detail["summary"]["size_bytes"].as_u64().unwrap_or(0)))
    };
    until("no part arrives", SOON, || async { Ok((arrived().await?.1 >= 8 << 20).then_some(())) }).await?;

    // Paused it stands still, and goes on.
    browser.click("Pause").await?;
    browser.sees("Paused").await?;
    browser.click("Go on with").await?;
    browser.driver.refresh().await?;
    uploads_at(&browser, -1).await?;
    browser.sees("An upload was broken off").await?;
    let kept = admin.post("/api/v1/buckets/data/uploads", wish).await?;
    assert!(kept["parts"].as_array().is_some_and(|parts| !parts.is_empty()), "{kept}");
    let before = arrived().await?;
    assert_eq!(before.0, 1);
    choose(&browser, "pick-files", file.to_str().context("a path")?).await?;
    browser.sees_within("1 file uploaded", SOON).await?;
    let content = admin.request(Method::GET, "/api/v1/buckets/data/object/content?key=large.bin").send().await?;
    assert!(content.bytes().await? == bytes, "the bytes are others");
    let after = arrived().await?;
    assert_eq!(after, (json!(0), bytes.len() as u64));
    until("the note of what broke off stays", SOON, || async {
        Ok((!browser.text().await?.contains("broken off")).then_some(()))
    })
    .await?;
    browser.close().await
}

#[tokio::test]
async fn versions_are_restored_and_a_deleted_file_comes_back() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    admin.post("/api/v1/buckets", json!({ "name": "data", "versioned": true })).await?;
    for text in ["the first", "the second"] {
        admin.request(Method::PUT, "/api/v1/buckets/data/object?key=notes.txt").body(text).send().await?;
    }
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/buckets/data?key=notes.txt").await?;
    browser.sees("the second").await?;
    browser.click("Restore").await?;
    browser.sees("the first").await?;
    browser.click("Delete").await?;
    browser.fill("to confirm", "notes.txt").await?;
    browser.press("//dialog[@open]//button[normalize-space(.)='Delete']", "Delete").await?;
    browser.sees("This bucket is empty").await?;
    browser.visit("/buckets/data?key=notes.txt").await?;
    browser.sees("This file was deleted").await?;
    browser.click("Undo the deletion").await?;
    browser.press("//dialog[@open]//button[normalize-space(.)='Remove it']", "Remove it").await?;
    browser.sees("The file is back").await?;
    let content = admin.request(Method::GET, "/api/v1/buckets/data/object/content?key=notes.txt").send().await?;
    assert_eq!(content.text().await?, "the first");
    browser.close().await
}

/// A server with buckets that have something to show.
async fn furnished() -> Result<(Server, Api)> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    server.person(&admin, "erin", "engineer").await?;
    admin.post("/api/v1/buckets", json!({ "name": "experiments", "versioned": true })).await?;
    admin.post("/api/v1/buckets", json!({ "name": "archive", "access": "private" })).await?;
    for (key, text) in [
        ("README.md", "# Experiments\n\nWhat was **measured**, by day.\n\n- raw tables\n- models\n"),
        ("raw/2026/wine.csv", "name,score,year\nRed,91,2019\nWhite,88,2021\nRosé,84,2022\n"),
        ("raw/2026/wine.csv", "name,score,year\nRed,91,2019\nWhite,89,2021\nRosé,84,2022\n"),
        ("raw/events.jsonl", "{\"step\":1,\"loss\":0.5}\n"),
        ("models/forest.json", "{\"trees\":100,\"depth\":8}"),
    ] {
        admin.request(Method::PUT, &format!("/api/v1/buckets/experiments/object?key={key}")).body(text).send().await?;
    }
    let parquet = STANDARD.decode(PARQUET)?;
    admin.request(Method::PUT, "/api/v1/buckets/experiments/object?key=raw/wine.parquet").body(parquet).send().await?;
    let settings = json!({
        "access": "private", "versioning": "on", "quota_bytes": 50u64 << 30,
        "grants": [{ "username": "erin", "may_write": true }],
        "lifecycle": [{ "id": "old-raw", "enabled": true, "prefix": "raw/", "noncurrent_days": 30, "keep_noncurrent": 3, "abort_uploads_days": 7 }],
        "cors": [{ "allowed_origins": ["https://viewer.example"], "allowed_methods": ["GET"], "allowed_headers": ["*"] }],
    });
    admin.put("/api/v1/buckets/experiments", settings).await?;
    let scopes: Value = json!([{ "bucket": "experiments", "prefix": "raw/", "may_write": true }]);
    admin
        .post("/api/v1/s3-keys", json!({ "name": "dvc on my laptop", "expires_in_days": 90, "scopes": scopes }))
        .await?;
    Ok((server, admin))
}

#[tokio::test]
async fn the_pages_of_buckets_are_accessible_and_have_their_pictures() -> Result<()> {
    let (server, _admin) = furnished().await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    let pages = [
        ("buckets", "/buckets", "experiments"),
        ("bucket-files", "/buckets/experiments", "README.md"),
        ("bucket-object", "/buckets/experiments?prefix=raw%2F2026%2F&key=raw%2F2026%2Fwine.csv", "Rosé"),
        ("bucket-parquet", "/buckets/experiments?prefix=raw%2F&key=raw%2Fwine.parquet", "Rosé"),
        ("bucket-markdown", "/buckets/experiments?key=README.md", "raw tables"),
        ("bucket-connect", "/buckets/experiments?tab=connect", "endpoint_url"),
        ("bucket-settings", "/buckets/experiments?tab=settings", "Delete this bucket"),
        ("s3-keys", "/settings?tab=s3-keys", "dvc on my laptop"),
    ];
    let mut barriers = vec![];
    for theme in ["light", "dark"] {
        for width in [1280, 390] {
            browser.look(width, theme).await?;
            for (name, path, says) in pages {
                browser.visit(path).await?;
                browser.sees(says).await?;
                tokio::time::sleep(Duration::from_millis(300)).await;
                browser.shoot(&format!("{name}-{theme}-{width}")).await?;
                let found = browser.barriers().await?;
                barriers.extend(found.into_iter().map(|text| format!("{path} {theme} {width}: {text}")));
                let wide = "return document.documentElement.scrollWidth > document.documentElement.clientWidth + 1";
                if script::<bool>(&browser, wide).await? {
                    barriers.push(format!("{path} {theme} {width}: the page scrolls sideways"));
                }
            }
        }
    }
    browser.close().await?;
    assert!(barriers.is_empty(), "{} findings:\n{}", barriers.len(), barriers.join("\n"));
    Ok(())
}
