//! Releases under a constant load: how many requests fail while a deployment is rolled, switched and switched back, and canaried.
//!
//! The load is open: a request is sent when it is due, whether those before are answered or not, and its latency counts from then. It comes
//! from this program and so has its share of the machine, too. `DRYDOCK_BENCH_RATE` is another number of requests a second.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Load, Server, load::Seen, until};
use serde_json::{Value, json};

use crate::{figure, gateway};

const DEPLOYMENT: &str = "/api/v1/deployments/release";
const RELEASE: &str = "/api/v1/deployments/release/release";
const PATH: &str = "/serve/release/invocations";
const RATE: u32 = 300;
/// Before, between and after what a release does.
const CALM: Duration = Duration::from_secs(3);
const LIMIT: Duration = Duration::from_secs(300);

/// Prints failed requests, rate and latencies of each strategy, and of a time without a release.
pub async fn measure() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    gateway::make_image(scratch.path())?;
    let rate = std::env::var("DRYDOCK_BENCH_RATE").ok().map_or(Ok(RATE), |text| text.parse())?;
    let server = Server::start().await?;
    let api = server.admin().await?;
    put(&api, 1, &Value::Null).await?;
    reaches(&api, 1, "live").await?;
    let calm = Load::start(&api, PATH, rate);
    tokio::time::sleep(2 * CALM).await;
    tell("no release", &calm.stop().await?)?;

    let rolling = Load::start(&api, PATH, rate);
    for number in 2..=4 {
        tokio::time::sleep(CALM).await;
        put(&api, number, &Value::Null).await?;
        reaches(&api, number, "live").await?;
        reaches(&api, number - 1, "retired").await?;
    }
    tokio::time::sleep(CALM).await;
    tell("three rolling", &rolling.stop().await?)?;

    let switched = Load::start(&api, PATH, rate);
    tokio::time::sleep(CALM).await;
    put(&api, 5, &json!({ "strategy": "blue_green" })).await?;
    reaches(&api, 5, "candidate").await?;
    api.post(&format!("{RELEASE}/promote"), json!({})).await?;
    for number in [4, 5] {
        tokio::time::sleep(CALM).await;
        api.post(&format!("{DEPLOYMENT}/rollback"), json!({ "revision": number })).await?;
    }
    tokio::time::sleep(CALM).await;
    tell("blue-green, switched, back and again", &switched.stop().await?)?;

    let canary = Load::start(&api, PATH, rate);
    tokio::time::sleep(CALM).await;
    let steps = [5, 25, 50].map(|weight| json!({ "weight": weight, "hold_s": 3 }));
    let plan = json!({ "strategy": "canary", "steps": steps, "analysis": { "min_requests": 10 }, "keep_old_s": 1 });
    put(&api, 6, &plan).await?;
    reaches(&api, 6, "live").await?;
    reaches(&api, 5, "retired").await?;
    tokio::time::sleep(CALM).await;
    tell("canary of three steps, promoted", &canary.stop().await?)
}

/// Asks for the revision of that number; they differ in their environment.
async fn put(api: &Api, number: i64, release: &Value) -> Result<()> {
    let mut wish = json!({
        "resources": { "cpus": 1.0, "memory_bytes": 256 << 20 },
        "served_by": { "runtime": gateway::runtime()?, "env": { "NUMBER": number.to_string() } },
    });
    if !release.is_null() {
        wish["release"] = release.clone();
    }
    api.put(DEPLOYMENT, wish).await.map(drop)
}

async fn reaches(api: &Api, number: i64, state: &str) -> Result<()> {
    until(&format!("revision {number} is not {state}"), LIMIT, || async {
        let detail = api.get(DEPLOYMENT).await?;
        let all = detail["revisions"].as_array().context("no revisions")?;
        let one = all.iter().find(|one| one["number"] == number).context("no such revision")?;
        ensure!(one["state"] != "failed" || state == "failed", "{one:#}");
        Ok((one["state"] == state).then_some(()))
    })
    .await
}

fn tell(what: &str, seen: &Seen) -> Result<()> {
    figure(&format!("{what}: failed requests"), &format!("{} of {} (goal 0)", seen.lost(), seen.sent));
    let ms = |share| seen.quantile(share).as_secs_f64() * 1e3;
    let value = format!("{:.0}/s  p50 {:.1} ms  p99 {:.1} ms", seen.rate(), ms(0.50), ms(0.99));
    figure("  answered, from when each was due", &value);
    for one in seen.failed.iter().chain(&seen.broken).take(3) {
        figure("  one that failed", one);
    }
    ensure!(!seen.latencies.is_empty(), "nothing was answered");
    Ok(())
}
