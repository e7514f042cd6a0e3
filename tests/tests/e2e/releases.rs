//! Releases with real model servers under load: good ones end promoted without a failed request, bad ones go back by themselves.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Server, clients, until};
use reqwest::Method;
use serde_json::{Value, json};

pub const DEPLOYMENT: &str = "/api/v1/deployments/tasting";
pub const RELEASE: &str = "/api/v1/deployments/tasting/release";
pub const INVOCATIONS: &str = "/serve/tasting/invocations";
/// A model server takes its time to start on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(240);
/// About fifty requests a second.
const PAUSE: Duration = Duration::from_millis(20);

/// Makes versions of the model, one for each behaviour, from 1 on.
pub async fn taste(api: &Api, behaviours: &[&str]) -> Result<()> {
    let printed = clients::mlflow(api, "release_models.py", behaviours).await?;
    let expected: Vec<String> = (1..=behaviours.len()).map(|version| version.to_string()).collect();
    ensure!(printed.contains(&format!("versions {}", expected.join(" "))), "{printed}");
    Ok(())
}

pub async fn put(api: &Api, version: u32, release: Value) -> Result<Value> {
    let mut wish = json!({ "model": "taster", "version": version.to_string(), "resources": { "cpus": 1.0, "memory_bytes": 1u64 << 30 } });
    if !release.is_null() {
        wish["release"] = release;
    }
    api.put(DEPLOYMENT, wish).await
}

/// A canary for a test: short steps, few requests.
fn canary(limits: Value) -> Value {
    let mut analysis = json!({ "min_requests": 10, "max_failures": 2 });
    analysis.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    let steps = [(10, 3), (50, 3)].map(|(weight, hold_s)| json!({ "weight": weight, "hold_s": hold_s }));
    json!({ "strategy": "canary", "steps": steps, "analysis": analysis })
}

/// What a caller saw: how often each status and text came.
#[derive(Default, Debug)]
pub struct Seen {
    by_status: BTreeMap<u16, u64>,
    pub by_revision: BTreeMap<String, u64>,
    pub failed: Vec<String>,
}

/// Callers that ask all the time until they are told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    asking: tokio::task::JoinHandle<Seen>,
}

impl Load {
    pub fn start(api: &Api) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asking = tokio::spawn(ask_until(api.clone(), stop.clone()));
        Self { stop, asking }
    }

    pub async fn stop(self) -> Result<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.asking.await?)
    }
}

/// A new request every 20 ms, whether the one before is answered or not.
async fn ask_until(api: Api, stop: Arc<AtomicBool>) -> Seen {
    let mut asked = tokio::task::JoinSet::new();
    let mut tick = tokio::time::interval(PAUSE);
    while !stop.load(Ordering::Relaxed) {
        tick.tick().await;
        let api = api.clone();
        asked.spawn(async move { ask(&api, None).await });
    }
    let mut seen = Seen::default();
    while let Some(one) = asked.join_next().await {
        match one {
            Ok(Ok((status, revision, text))) => {
                *seen.by_status.entry(status).or_default() += 1;
                *seen.by_revision.entry(revision).or_default() += 1;
                if status >= 400 {
                    seen.failed.push(format!("{status}: {text}"));
                }
            }
            other => seen.failed.push(format!("{other:?}")),
        }
    }
    seen
}

/// Status, revision that answered and text.
async fn ask(api: &Api, revision: Option<i64>) -> Result<(u16, String, String)> {
    let mut request = api.request(Method::POST, INVOCATIONS).json(&json!({ "inputs": [1.0] }));
    if let Some(number) = revision {
        request = request.header("X-Drydock-Revision", number);
    }
    let answer = request.send().await?;
    let number = answer.headers().get("x-drydock-revision").and_then(|value| value.to_str().ok()).unwrap_or("none");
    let (status, number) = (answer.status().as_u16(), number.to_owned());
    Ok((status, number, answer.text().await?))
}

/// Waits until that revision is in that state; fails at once where it failed instead.
pub async fn revision_is(api: &Api, number: i64, state: &str) -> Result<Value> {
    let found = until(&format!("revision {number} is {state}"), PATIENCE, || async {
        let detail = api.get(DEPLOYMENT).await?;
        let all = detail["revisions"].as_array().context("no revisions")?;
        let one = all.iter().find(|one| one["number"] == number).cloned().context("no such revision")?;
        Ok((one["state"] == state || one["state"] == "failed").then_some(one))
    })
    .await?;
    ensure!(found["state"] == state, "{found:#}");
    Ok(found)
}

/// Waits until no release goes on, and answers the last one.
pub async fn release_ends(api: &Api) -> Result<Value> {
    until("the release ends", PATIENCE, || async {
        let page = api.get(RELEASE).await?;
        Ok(page["current"].is_null().then(|| page["history"][0].clone()))
    })
    .await
}

/// A server with these versions, the first of them live.
pub async fn first_is_live(behaviours: &[&str]) -> Result<(Server, Api)> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    taste(&admin, behaviours).await?;
    put(&admin, 1, Value::Null).await?;
    revision_is(&admin, 1, "live").await?;
    Ok((server, admin))
}

#[tokio::test]
async fn a_good_canary_is_promoted_over_a_kill_and_back_is_one_call() -> Result<()> {
    let (mut server, admin) = first_is_live(&["good", "better"]).await?;
    let load = Load::start(&admin);
    put(&admin, 2, canary(json!({ "max_p95_ms": 20000 }))).await?;
    revision_is(&admin, 2, "candidate").await?;
    let end = release_ends(&admin).await?;
    let seen = load.stop().await?;
    ensure!(end["state"] == "promoted", "{end:#}");
    ensure!(seen.failed.is_empty(), "{} failed, the first: {:?}", seen.failed.len(), seen.failed.first());
    ensure!(seen.by_revision["1"] > seen.by_revision["2"] && seen.by_revision["2"] > 20, "{:?}", seen.by_revision);
    ensure!(end["looks"].as_array().is_some_and(|looks| looks.iter().any(|look| look["step"] == 1)), "{end:#}");
    revision_is(&admin, 1, "warm").await?;

    // The replaced one is warm: back at once.
    let load = Load::start(&admin);
    admin.post(&format!("{DEPLOYMENT}/rollback"), json!({})).await?;
    ensure!(ask(&admin, None).await?.1 == "1");
    let seen = load.stop().await?;
    ensure!(seen.failed.is_empty(), "{:?}", seen.failed);

    // Killed in the middle of a step, the release goes on in it.
    let steps = json!([{ "weight": 50, "hold_s": 8 }]);
    let plan = json!({ "strategy": "canary", "steps": steps, "analysis": { "min_requests": 10 } });
    put(&admin, 2, plan).await?;
    revision_is(&admin, 3, "candidate").await?;
    server.restart().await?;
    let again = admin.get(RELEASE).await?;
    ensure!(again["current"]["state"] == "running" && again["current"]["weight"] == 50, "{again:#}");
    ensure!(ask(&admin, Some(3)).await?.0 == 200);
    let load = Load::start(&admin);
    let end = release_ends(&admin).await?;
    let seen = load.stop().await?;
    ensure!(end["state"] == "promoted" && end["revision"] == 3, "{end:#}");
    ensure!(seen.failed.is_empty(), "{:?}", seen.failed.first());
    Ok(())
}

#[tokio::test]
async fn a_bad_canary_goes_back_by_itself_and_says_why() -> Result<()> {
    let (_server, admin) = first_is_live(&["good", "raises", "slow", "crashes"]).await?;
    for (version, limits, reason) in [
        (2, json!({}), "success rate of 0.0 % under 99 % in step 1 (10 %)"),
        (3, json!({ "max_p95_ms": 300 }), "ms over 300 ms in step 1 (10 %)"),
        (4, json!({ "min_success_rate": null }), "out of grapes"),
    ] {
        let load = Load::start(&admin);
        put(&admin, version, canary(limits)).await?;
        let end = release_ends(&admin).await?;
        let seen = load.stop().await?;
        let number = i64::from(version);
        ensure!(end["state"] == "rolled_back" && end["revision"] == number, "{end:#}");
        ensure!(end["reason"].as_str().is_some_and(|text| text.contains(reason)), "{reason}: {end:#}");
        let total: u64 = seen.by_status.values().sum();
        match version {
            // only its share of the requests met the one that raises
            2 => ensure!(
                seen.failed.iter().all(|one| one.contains("unexpected error"))
                    && (seen.failed.len() as u64) < total / 10,
                "{} of {total}: {:?}",
                seen.failed.len(),
                seen.failed.first()
            ),
            _ => ensure!(
                seen.failed.is_empty(),
                "{version}: {} of {total}: {:?}",
                seen.failed.len(),
                seen.failed.first()
            ),
        }
        let failed = until("the candidate is over", PATIENCE, || async {
            let detail = admin.get(DEPLOYMENT).await?;
            Ok((detail["revisions"][0]["state"] == "failed").then_some(detail))
        });
        let detail = failed.await?;
        ensure!(detail["revisions"][0]["reason"] == end["reason"], "{detail:#}");
        ensure!(ask(&admin, None).await?.1 == "1", "the stable one goes on");
    }
    Ok(())
}

#[tokio::test]
async fn green_is_tried_privately_and_switching_forth_and_back_fails_no_request() -> Result<()> {
    let (server, admin) = first_is_live(&["good", "better"]).await?;
    let viewer = server.person(&admin, "vera", "viewer").await?;
    let load = Load::start(&admin);
    put(&admin, 2, json!({ "strategy": "blue_green", "keep_old_s": 20 })).await?;
    revision_is(&admin, 2, "candidate").await?;
    for _ in 0..20 {
        let (status, number, text) = ask(&admin, None).await?;
        ensure!((status, number.as_str()) == (200, "1") && text.contains("good"), "{status} {number} {text}");
        let (status, number, text) = ask(&viewer, Some(2)).await?;
        ensure!((status, number.as_str()) == (200, "2") && text.contains("better"), "{status} {number} {text}");
    }
    ensure!(ask(&admin, Some(7)).await?.0 == 404);
    ensure!(viewer.status(Method::POST, &format!("{RELEASE}/promote"), None).await? == 403);
    let page = admin.get(RELEASE).await?;
    ensure!(page["current"]["state"] == "waiting", "{page:#}");
    admin.post(&format!("{RELEASE}/promote"), json!({})).await?;
    ensure!(ask(&admin, None).await?.1 == "2");
    ensure!(ask(&admin, Some(1)).await?.1 == "1", "blue stays warm");
    admin.post(&format!("{DEPLOYMENT}/rollback"), json!({ "revision": 1 })).await?;
    ensure!(ask(&admin, None).await?.1 == "1");
    admin.post(&format!("{DEPLOYMENT}/rollback"), json!({ "revision": 2 })).await?;
    ensure!(ask(&admin, None).await?.1 == "2");
    ensure!(admin.status(Method::POST, &format!("{RELEASE}/promote"), None).await? == 409, "nothing goes on");
    let seen = load.stop().await?;
    ensure!(seen.failed.is_empty(), "{} failed, the first: {:?}", seen.failed.len(), seen.failed.first());
    let history = admin.get(RELEASE).await?["history"].as_array().context("no history")?.len();
    ensure!(history == 3, "{history}");

    // What a plan may not be is said by its field, and a person may take a candidate back.
    let wrong = json!({ "strategy": "canary", "steps": [{ "weight": 100, "hold_s": 1 }] });
    let refused = put(&admin, 1, wrong).await.unwrap_err().to_string();
    ensure!(refused.contains("release.steps[0].weight"), "{refused}");
    Ok(())
}
