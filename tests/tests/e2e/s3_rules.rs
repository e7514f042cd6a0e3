//! What the manual promises of the S3 face and no client's life shows: lifecycle rules are carried out, what there is not says so,
//! equal uploads take the room of one, and the scrub keeps to its rate.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Dice, Server, Setup, clients, clients::S3Key, fault::allowed, s3::S3, until};
use futures_util::future::try_join_all;
use reqwest::Method;
use serde_json::json;

use crate::objects_s3::folder_bytes;

const DAY_MS: i64 = 86_400_000;
const RULES: &str = "<LifecycleConfiguration>\
    <Rule><ID>logs</ID><Status>Enabled</Status><Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>3</Days></Expiration></Rule>\
    <Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix>kept/</Prefix></Filter>\
    <NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays><NewerNoncurrentVersions>1</NewerNoncurrentVersions>\
    </NoncurrentVersionExpiration></Rule>\
    <Rule><ID>gone</ID><Status>Enabled</Status><Filter><Prefix>gone/</Prefix></Filter>\
    <Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>\
    <NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays></NoncurrentVersionExpiration></Rule>\
    <Rule><ID>uploads</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>\
    <AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>\
    <Rule><ID>off</ID><Status>Disabled</Status><Filter><Prefix>off/</Prefix></Filter><Expiration><Days>1</Days></Expiration></Rule>\
    </LifecycleConfiguration>";

async fn put(s3: &S3, key: &str, body: &str) -> Result<()> {
    s3.good(Method::PUT, &format!("/rules/{key}"), &[], body.as_bytes().to_vec()).await.map(drop)
}

/// What is there under each key, newest first; a delete marker is `-`.
async fn versions(s3: &S3) -> Result<Vec<String>> {
    let listed = s3.good(Method::GET, "/rules", &[("versions", "")], vec![]).await?.text().await?;
    let mut found = vec![];
    for piece in listed.split("<Version>").flat_map(|piece| piece.split("<DeleteMarker>")).skip(1) {
        let text = |tag: &str| drydock_tests::s3::between(piece, &format!("<{tag}>"), &format!("</{tag}>"));
        let (key, id) = (text("Key").context("a key")?, text("VersionId").context("an id")?);
        let path = format!("/rules/{key}");
        let body = match text("ETag") {
            None => "-".to_owned(),
            Some(_) => s3.good(Method::GET, &path, &[("versionId", id)], vec![]).await?.text().await?,
        };
        found.push(format!("{key} {body}"));
    }
    found.sort();
    Ok(found)
}

#[tokio::test]
async fn lifecycle_rules_are_carried_out_by_themselves() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    let s3 = server.s3_of("admin").await?;
    admin.post("/api/v1/buckets", json!({ "name": "rules", "versioned": true })).await?;
    for (key, body) in [("logs/old", "1"), ("logs/young", "2"), ("other", "3"), ("off/old", "4"), ("kept/a", "one")] {
        put(&s3, key, body).await?;
    }
    for body in ["two", "three", "four"] {
        put(&s3, "kept/a", body).await?;
    }
    put(&s3, "gone/a", "x").await?;
    s3.good(Method::DELETE, "/rules/gone/a", &[], vec![]).await?;
    let (stale, fresh) = (s3.begin("/rules/stale").await?, s3.begin("/rules/fresh").await?);
    s3.part("/rules/stale", &stale, 1, b"a part".to_vec()).await?;
    s3.good(Method::PUT, "/rules", &[("lifecycle", "")], RULES.into()).await?;
    let before = versions(&s3).await?;
    ensure!(before.len() == 10, "{before:?}");

    // all but the young are ten days old, a version's days counting from the one that replaced it
    let then = drydock::clock::now_ms() - 10 * DAY_MS;
    server.alter(&format!(
        "update bucket_objects set modified_at = {then} where key != 'logs/young'; \
         update bucket_uploads set begun_at = {then} where key = 'stale'"
    ))?;
    server.restart().await?;
    let expected = ["kept/a four", "kept/a three", "logs/old -", "logs/old 1", "logs/young 2", "off/old 4", "other 3"];
    until("the rules are carried out", Duration::from_secs(60), || async {
        Ok((versions(&s3).await? == expected).then_some(()))
    })
    .await
    .with_context(|| format!("from {before:?}"))?;
    ensure!(s3.status(Method::GET, "/rules/logs/old", &[], vec![]).await? == 404, "an expired object is read");
    let upload = |key: &str, id: &str| {
        let (s3, path, id) = (s3.clone(), format!("/rules/{key}"), id.to_owned());
        async move { s3.status(Method::GET, &path, &[("uploadId", &id)], vec![]).await }
    };
    ensure!(upload("stale", &stale).await? == 404 && upload("fresh", &fresh).await? == 200, "uploads");
    let trail = admin.list("/api/v1/audit?limit=50").await?;
    let row = trail.iter().find(|row| row["action"] == "bucket.expire").context("no row in the audit trail")?;
    ensure!(row.to_string().contains("bucket/rules"), "{row}");

    // Rules that were taken back take nothing, however old.
    s3.good(Method::DELETE, "/rules", &[("lifecycle", "")], vec![]).await?;
    server.alter(&format!("update bucket_objects set modified_at = {then}"))?;
    server.restart().await?;
    server.ready().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(versions(&s3).await? == expected, "{:?}", versions(&s3).await?);
    Ok(())
}

#[tokio::test]
async fn what_there_is_not_says_so_changes_nothing_and_is_in_the_manual() -> Result<()> {
    let server = Server::start().await?;
    server.admin().await?;
    let key = S3Key::of(&server, "admin").await?;
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/manual.md").display().to_string();
    let said = clients::s3(&key, "s3", "s3_absent.py", &[&manual]).await?;
    ensure!(said.contains("answer NotImplemented"), "{said}");
    Ok(())
}

#[tokio::test]
async fn ten_thousand_equal_uploads_take_the_room_of_one() -> Result<()> {
    const COUNT: usize = 10_000;
    const AT_ONCE: usize = 8;
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let s3 = server.s3_of("admin").await?;
    s3.good(Method::PUT, "/equal", &[], vec![]).await?;
    let blobs = server.data_dir().join("blobs");
    let before = folder_bytes(&blobs)?;
    let bytes = Dice::new(7).bytes(100_000);
    let began = Instant::now();
    let writer = |from: usize| {
        let (s3, bytes) = (s3.clone(), bytes.clone());
        async move {
            for number in (from..COUNT).step_by(AT_ONCE) {
                s3.good(Method::PUT, &format!("/equal/{number}"), &[], bytes.clone()).await?;
            }
            anyhow::Ok(())
        }
    };
    try_join_all((0..AT_ONCE).map(writer)).await?;
    let grown = folder_bytes(&blobs)? - before;
    println!("{COUNT} equal uploads in {:?}: the store grew by {grown} bytes", began.elapsed());
    ensure!(grown == bytes.len() as u64, "the store grew by {grown} bytes, one copy has {}", bytes.len());
    let bucket = admin.get("/api/v1/buckets/equal").await?;
    ensure!(bucket["summary"]["object_count"] == COUNT, "{bucket}");
    for number in [0, COUNT / 2, COUNT - 1] {
        let got = s3.good(Method::GET, &format!("/equal/{number}"), &[], vec![]).await?.bytes().await?;
        ensure!(got == bytes, "{number} is another");
    }
    Ok(())
}

#[tokio::test]
async fn the_scrub_reads_everything_and_no_faster_than_it_may() -> Result<()> {
    const SIZE: usize = 1 << 20;
    const COUNT: usize = 8;
    const RATE: usize = 2 << 20;
    let settings = format!("[disk]\nscrub_bytes_per_s = {RATE}\n");
    let server = Server::start_as(Setup { settings: &settings, ..Setup::default() }).await?;
    let admin = server.admin().await?;
    let mut dice = Dice::new(9);
    for _ in 0..COUNT {
        admin.upload(dice.bytes(SIZE)).await?;
    }
    until("the first look at the store", Duration::from_secs(60), || async {
        Ok((admin.get("/api/v1/store").await?["scrub"]["finished_at"].is_i64()).then_some(()))
    })
    .await?;
    admin.post("/api/v1/store/scrub", json!(null)).await?;
    let mut slowest = Duration::ZERO;
    let state = loop {
        let began = Instant::now();
        let state = admin.get("/api/v1/store").await?["scrub"].clone();
        slowest = slowest.max(began.elapsed());
        if state["is_running"] == false {
            break state;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let at = |name: &str| state[name].as_u64().with_context(|| format!("{name}: {state}"));
    let took = Duration::from_millis(at("finished_at")? - at("started_at")?);
    ensure!(at("checked_bytes")? >= (COUNT * SIZE) as u64 && at("checked_count")? >= COUNT as u64, "{state}");
    ensure!(at("damaged_count")? == 0 && at("rate_bytes_per_s")? == RATE as u64, "{state}");
    let least = Duration::from_secs((COUNT * SIZE / RATE) as u64);
    // the last block's wait is part of it, so that it takes no less than its bytes may
    ensure!(took + Duration::from_millis(100) >= least, "{COUNT} MiB at 2 MiB/s in {took:?}");
    println!("{COUNT} MiB at 2 MiB/s in {took:?}; others waited {slowest:?} at most");
    ensure!(took < allowed(least * 3), "it took {took:?}");
    ensure!(slowest < allowed(Duration::from_secs(1)), "others waited {slowest:?} meanwhile");
    Ok(())
}
