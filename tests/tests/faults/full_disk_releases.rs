//! The disk is full when a release is to place its model's files: it says so and waits, what is live is served, one can go back, and once
//! there is room it comes in by itself.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Fault, Load, Server, Setup, disk::SmallDisk, echo, until};
use reqwest::Method;
use serde_json::{Value, json};

const DEPLOYMENT: &str = "/api/v1/deployments/echo";
const PREDICT: &str = "/serve/echo/predict";
const LIMIT: Duration = Duration::from_secs(120);

fn wish(version: &str) -> Value {
    let mut wish = echo::serve(version, json!({}));
    (wish["model"], wish["version"]) = (json!("wine"), json!(version));
    wish
}

async fn revision(api: &Api, number: i64) -> Result<Value> {
    let detail = api.get(DEPLOYMENT).await?;
    let all = detail["revisions"].as_array().context("no revisions")?;
    Ok(all.iter().find(|one| one["number"] == number).context("no such revision")?.clone())
}

async fn revision_is(api: &Api, number: i64, state: &str) -> Result<()> {
    until(&format!("revision {number} is not {state}"), LIMIT, || async {
        let one = revision(api, number).await?;
        if one["state"] == state { Ok(Some(())) } else { anyhow::bail!("{one:#}") }
    })
    .await
}

#[tokio::test]
async fn a_release_on_a_full_disk_says_so_and_comes_in_once_there_is_room() -> Result<()> {
    let mut fault = Fault::new("the disk is full when a release places its model's files", 1, 10);
    // without a floor the file system itself refuses
    for _ in 0..fault.count {
        let small = SmallDisk::new(160)?;
        let data = small.at().join("data");
        let settings = "[disk]\nfloor_bytes = 0\n";
        let server = Server::start_as(Setup { data: Some(data.clone()), settings, ..Setup::default() }).await?;
        let admin = server.admin().await?;
        echo::small_model(&admin, "wine", 2).await?;
        admin.put(DEPLOYMENT, wish("1")).await?;
        revision_is(&admin, 1, "live").await?;

        let load = Load::start(&admin, PREDICT, 20);
        small.fill()?;
        let put = admin.send(Method::PUT, DEPLOYMENT, Some(wish("2"))).await?;
        ensure!(put.0 == 201, "a wish fits into what is kept free: {put:?}");
        let waits = until("the release says nothing of the disk", LIMIT, || async {
            let one = revision(&admin, 2).await?;
            Ok(one["reason"].as_str().is_some_and(|why| why.contains("disk of the box is full")).then_some(one))
        })
        .await?;
        ensure!(waits["state"] == "starting", "{waits:#}");
        tokio::time::sleep(Duration::from_millis(500 + fault.dice.below(3000))).await;
        ensure!(revision(&admin, 1).await?["state"] == "live", "what is live was touched");
        small.free()?;
        revision_is(&admin, 2, "live").await?;
        revision_is(&admin, 1, "retired").await?;
        let seen = load.stop().await?;
        ensure!(seen.lost() == 0, "{} failed: {:?} {:?}", seen.lost(), seen.failed.first(), seen.broken.first());
        ensure!(seen.by_revision.keys().eq(["1", "2"]), "{:?}", seen.by_revision);
    }
    let count = fault.count;
    fault.held(format!("{count} times: it said why, the live revision was served without a failed request, and it came in once there was room"));
    Ok(())
}
