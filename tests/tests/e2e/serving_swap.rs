//! Two revisions and one GPU: whether they fit is answered before anything is stopped, and `recreate` swaps them under load, goes back
//! by itself, and survives a kill.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Browser, GpuBox, Nvml, dockerd::BUSYBOX, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{browser::log_in, cli::Laptop};

const DEPLOYMENT: &str = "/api/v1/deployments/swap";
const FIT: &str = "/api/v1/deployments/swap/fit";
const RELEASE: &str = "/api/v1/deployments/swap/release";
const PATIENCE: Duration = Duration::from_secs(120);

/// A server of one file with a word in it, on the GPU; `first` comes before.
fn wish(word: &str, first: &str, release: Value) -> Value {
    let serve = format!(
        "{first}; trap 'exit 0' TERM; echo {word} > /scratch/word.txt; busybox httpd -f -p 9000 -h /scratch & wait"
    );
    let mut wish = json!({
        "resources": { "cpus": 0.5, "memory_bytes": 64u64 << 20, "gpus": 1 },
        "served_by": {
            "runtime": { "kind": "image", "image": BUSYBOX, "command": ["sh", "-c", serve], "port": 9000 },
            "probes": { "readiness": { "path": "/word.txt", "period_s": 1 } },
        },
        "settings": { "limits": { "queue": 2000 } },
    });
    if !release.is_null() {
        wish["release"] = release;
    }
    wish
}

fn recreate() -> Value {
    json!({ "strategy": "recreate" })
}

async fn revision(api: &Api, number: i64) -> Result<Value> {
    let detail = api.get(DEPLOYMENT).await?;
    let all = detail["revisions"].as_array().context("no revisions")?;
    all.iter().find(|one| one["number"] == number).cloned().context("no such revision")
}

async fn revision_is(api: &Api, number: i64, states: &[&str]) -> Result<Value> {
    until(&format!("revision {number} is {states:?}"), PATIENCE, || async {
        let one = revision(api, number).await?;
        let state = one["state"].as_str().unwrap_or_default();
        ensure!(state != "failed" || states.contains(&"failed"), "{one:#}");
        Ok(states.contains(&state).then_some(one))
    })
    .await
}

/// Status, whether the answer says when to come again, and text.
async fn ask(api: &Api) -> Result<(u16, bool, String)> {
    let answer = api.request(Method::GET, "/serve/swap/word.txt").send().await?;
    let (status, again) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
    Ok((status, again, answer.text().await?.trim().to_owned()))
}

/// Callers that ask ten times a second until they are told to stop; how often each text came, and what else.
struct Load {
    stop: Arc<AtomicBool>,
    asking: tokio::task::JoinHandle<(BTreeMap<String, usize>, Vec<String>)>,
}

impl Load {
    fn start(api: &Api) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (api, until) = (api.clone(), stop.clone());
        let asking = tokio::spawn(async move {
            let mut asked = tokio::task::JoinSet::new();
            let mut tick = tokio::time::interval(Duration::from_millis(100));
            while !until.load(Ordering::Relaxed) {
                tick.tick().await;
                let api = api.clone();
                asked.spawn(async move { ask(&api).await });
            }
            let (mut seen, mut failed) = (BTreeMap::new(), vec![]);
            while let Some(one) = asked.join_next().await {
                match one {
                    Ok(Ok((200, _, text))) => *seen.entry(text).or_default() += 1,
                    Ok(Ok((503, true, _))) => *seen.entry("later".to_owned()).or_default() += 1,
                    other => failed.push(format!("{other:?}")),
                }
            }
            (seen, failed)
        });
        Self { stop, asking }
    }

    async fn stop(self) -> Result<(BTreeMap<String, usize>, Vec<String>)> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.asking.await?)
    }
}

async fn refused(api: &Api, wish: Value) -> Result<String> {
    let (status, answer) = api.send(Method::PUT, DEPLOYMENT, Some(wish)).await?;
    Ok(format!("{} {answer}", status.as_u16()))
}

#[tokio::test]
async fn two_revisions_and_one_gpu_are_swapped_and_swapped_back() -> Result<()> {
    let mut gpu_box = GpuBox::start("gpus=1\nmemory=16\n").await?;
    let admin = gpu_box.admin.clone();

    // What never fits is refused before anything is written.
    let fit = admin.post(FIT, wish("one", "true", Value::Null)).await?;
    ensure!(fit["verdict"] == "beside" && fit["replaces"].is_null(), "{fit:#}");
    let mut two_gpus = wish("one", "true", Value::Null);
    two_gpus["resources"]["gpus"] = json!(2);
    let fit = admin.post(FIT, two_gpus.clone()).await?;
    ensure!(fit["verdict"] == "never" && fit["words"] == "This box has 1 GPU; 2 were asked for.", "{fit:#}");
    ensure!(refused(&admin, two_gpus).await?.starts_with("422"));
    let mut two_replicas = wish("one", "true", recreate());
    two_replicas["settings"]["replicas"] = json!(2);
    let text = refused(&admin, two_replicas).await?;
    ensure!(text.contains("2 were asked for by 2 replicas together"), "{text}");
    ensure!(admin.status(Method::GET, DEPLOYMENT, None).await? == 404);

    // The first has the GPU; the next one fits after it, not beside it.
    admin.put(DEPLOYMENT, wish("one", "true", Value::Null)).await?;
    revision_is(&admin, 1, &["live"]).await?;
    let fit = admin.post(FIT, wish("two", "true", Value::Null)).await?;
    ensure!(fit["verdict"] == "after" && fit["beside"] == "never" && fit["after"] == "now", "{fit:#}");
    let words = fit["words"].as_str().unwrap_or_default();
    ensure!(words.contains(&Nvml::uuid(0)) && words.contains("revision 1 of deployment 'swap'"), "{words}");
    ensure!(fit["gpus"][0]["free_bytes"] == 0 && fit["gpus"][0]["holders"][0]["revision"] == 1, "{fit:#}");
    for release in [Value::Null, json!({ "strategy": "blue_green" })] {
        let text = refused(&admin, wish("two", "true", release)).await?;
        ensure!(text.starts_with("409") && text.contains("`recreate`"), "{text}");
    }
    ensure!(admin.get(DEPLOYMENT).await?["revisions"].as_array().is_some_and(|all| all.len() == 1));

    // Swapped under load: requests are held, none fails.
    let load = Load::start(&admin);
    admin.put(DEPLOYMENT, wish("two", "true", recreate())).await?;
    revision_is(&admin, 2, &["live"]).await?;
    revision_is(&admin, 1, &["retired"]).await?;
    ensure!(ask(&admin).await?.2 == "two");
    let (seen, failed) = load.stop().await?;
    ensure!(failed.is_empty() && !seen.contains_key("later"), "{seen:?} {failed:?}");
    ensure!(seen.keys().eq(["one", "two"]), "{seen:?}");
    ensure!(gpu_box.leases(0, 1).await?[0]["name"] == "swap");

    // One that crashes goes back by itself, and says why.
    let load = Load::start(&admin);
    admin.put(DEPLOYMENT, wish("three", "echo out of grapes; exit 7", recreate())).await?;
    let bad = revision_is(&admin, 3, &["failed"]).await?;
    ensure!(bad["reason"].as_str().is_some_and(|why| why.contains("out of grapes")), "{bad:#}");
    revision_is(&admin, 2, &["live"]).await?;
    let (seen, failed) = load.stop().await?;
    ensure!(failed.is_empty() && seen.contains_key("two"), "{seen:?} {failed:?}");
    ensure!(ask(&admin).await?.2 == "two");
    let page = admin.get(RELEASE).await?;
    ensure!(page["current"].is_null() && page["history"][0]["state"] == "rolled_back", "{page:#}");
    ensure!(page["history"][0]["reason"] == bad["reason"], "{page:#}");

    // Killed in the middle, the swap goes on to its end, and requests are held from the first on.
    admin.put(DEPLOYMENT, wish("four", "sleep 5", recreate())).await?;
    revision_is(&admin, 2, &["draining", "parked"]).await?;
    gpu_box.server.restart().await?;
    let held = tokio::spawn({
        let admin = admin.clone();
        async move { ask(&admin).await }
    });
    revision_is(&admin, 4, &["live"]).await?;
    revision_is(&admin, 2, &["retired"]).await?;
    ensure!(held.await??.0 == 200);
    ensure!(ask(&admin).await?.2 == "four");
    gpu_box.leases(0, 1).await?;

    // Taken back in the middle, the one before serves again, over a kill.
    admin.put(DEPLOYMENT, wish("five", "sleep 600", recreate())).await?;
    revision_is(&admin, 5, &["starting"]).await?;
    revision_is(&admin, 4, &["parked"]).await?;
    admin.post(&format!("{RELEASE}/abort"), json!({})).await?;
    gpu_box.server.restart().await?;
    revision_is(&admin, 5, &["retired"]).await?;
    revision_is(&admin, 4, &["live"]).await?;
    ensure!(ask(&admin).await?.2 == "four");

    // Back is one call, and a swap as well.
    let detail = admin.post(&format!("{DEPLOYMENT}/rollback"), json!({ "revision": 2 })).await?;
    ensure!(detail["revisions"][0]["release"]["strategy"] == "recreate", "{detail:#}");
    revision_is(&admin, 6, &["live"]).await?;
    ensure!(ask(&admin).await?.2 == "two");
    Ok(())
}

#[tokio::test]
async fn the_command_line_and_the_dashboard_say_what_does_not_fit_and_swap() -> Result<()> {
    let gpu_box = GpuBox::start("gpus=1\nmemory=16\n").await?;
    let admin = gpu_box.admin.clone();
    admin.put(DEPLOYMENT, wish("one", "true", Value::Null)).await?;
    revision_is(&admin, 1, &["live"]).await?;

    let lena = gpu_box.server.person(&admin, "lena", "engineer").await?;
    let laptop = Laptop::with(&gpu_box.server, lena.token())?;
    laptop.put("two.json", &wish("two", "true", Value::Null).to_string())?;
    let ran = laptop.run(&["deploy", "put", "swap", "--file", "two.json", "--fit"]).await?;
    ensure!(ran.code != 0 && ran.told.contains("recreate"), "{}: {}{}", ran.code, ran.out, ran.told);
    let put = ["deploy", "put", "swap", "--file", "two.json", "--release", "recreate"];
    let said = laptop.ask(&[&put[..], &["--fit"]].concat()).await?;
    ensure!(said.contains(&Nvml::uuid(0)), "{said}");
    ensure!(admin.get(DEPLOYMENT).await?["revisions"].as_array().is_some_and(|all| all.len() == 1));
    ensure!(laptop.ask(&put).await?.starts_with('2'));
    ensure!(ask(&admin).await?.2 == "two");

    let browser = Browser::open(&gpu_box.server.url()).await?;
    log_in(&browser, "admin").await?;
    let outcome = swapped_by_hand(&browser, &admin).await;
    browser.failed_at("serving-swap", outcome).await?;
    browser.close().await
}

/// The form says what the box says, offers the swap, and a press on it is all that it takes.
async fn swapped_by_hand(browser: &Browser, admin: &Api) -> Result<()> {
    browser.visit("/deployments/swap").await?;
    browser.click("Change version").await?;
    browser.click("Add a variable").await?;
    browser.fill("Name of variable 1", "COLOUR").await?;
    browser.fill("Value of variable 1", "red").await?;
    browser.press("//dialog[@open]//button[@type='submit']", "Roll over").await?;
    browser.sees("revision 2 of deployment 'swap'").await?;
    browser.shoot("deployments-fit-light-1280").await?;
    let barriers = browser.barriers().await?;
    ensure!(barriers.is_empty(), "{barriers:#?}");
    browser.click("Stop the old one first (recreate)").await?;
    browser.sees("finishes its requests and ends").await?;
    browser.press("//dialog[@open]//button[@type='submit']", "Roll over").await?;
    let live = revision_is(admin, 3, &["live"]).await?;
    ensure!(live["served_by"]["env"]["COLOUR"] == "red", "{live:#}");
    revision_is(admin, 2, &["retired"]).await?;
    Ok(())
}
