//! Several containers of an image behind one deployment, as they come, fail, rest and wake, under load.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Server, docker, echo, until};
use reqwest::Method;
use serde_json::{Value, json};

const DEPLOYMENT: &str = "/api/v1/deployments/echo";
const PREDICT: &str = "/serve/echo/predict";
const PATIENCE: Duration = Duration::from_secs(120);

fn wish(command: &[&str], settings: Value) -> Value {
    echo::wish(command, "hello", settings)
}

fn serve(settings: Value) -> Value {
    echo::serve("hello", settings)
}

/// The states of the replicas of the revision of that number, in order.
async fn replicas(api: &Api, number: i64) -> Result<Vec<String>> {
    let detail = api.get(DEPLOYMENT).await?;
    let all = detail["revisions"].as_array().context("no revisions")?;
    let one = all.iter().find(|one| one["number"] == number).context("no such revision")?;
    ensure!(one["state"] != "failed", "{one:#}");
    let replicas = one["replicas"].as_array().context("no replicas")?;
    Ok(replicas.iter().map(|one| one["state"].as_str().unwrap_or_default().to_owned()).collect())
}

async fn replicas_are(api: &Api, number: i64, states: &[&str]) -> Result<()> {
    until(&format!("replicas of revision {number} are {states:?}"), PATIENCE, || async {
        let found = replicas(api, number).await?;
        if found == states { Ok(Some(())) } else { anyhow::bail!("they are {found:?}") }
    })
    .await
}

/// Callers that ask every 20 ms until they are told to stop; what went wrong.
struct Load {
    stop: Arc<AtomicBool>,
    asking: tokio::task::JoinHandle<(usize, Vec<String>)>,
}

impl Load {
    fn start(api: &Api) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (api, until) = (api.clone(), stop.clone());
        let asking = tokio::spawn(async move {
            let (mut asked, mut failed) = (tokio::task::JoinSet::new(), vec![]);
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            while !until.load(Ordering::Relaxed) {
                tick.tick().await;
                let api = api.clone();
                asked.spawn(async move { ask(&api).await });
            }
            let total = asked.len();
            while let Some(one) = asked.join_next().await {
                match one {
                    Ok(Ok((200, text))) if text.ends_with("hello") => {}
                    other => failed.push(format!("{other:?}")),
                }
            }
            (total, failed)
        });
        Self { stop, asking }
    }

    async fn stop(self) -> Result<(usize, Vec<String>)> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.asking.await?)
    }
}

async fn ask(api: &Api) -> Result<(u16, String)> {
    let answer = api.request(Method::POST, PREDICT).json(&json!({ "inputs": [1.0] })).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// Containers of the instance that run, by workload.
fn running(server: &Server) -> Result<Vec<docker::Container>> {
    let mut all = docker::containers(&server.instance()?)?;
    all.retain(|one| one.state == "running");
    all.sort_by(|left, right| left.workload.cmp(&right.workload));
    Ok(all)
}

#[tokio::test]
async fn replicas_of_an_image_come_fail_and_go_without_a_failed_request() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    for (word, change) in [
        (
            "neither the registry",
            json!({ "served_by": { "runtime": { "kind": "image", "image": "no/such:1", "port": 1 } } }),
        ),
        ("no GPU", json!({ "resources": { "gpus": 1 } })),
        ("nobody here", json!({ "settings": { "callers": ["nobody"] } })),
    ] {
        let mut bad = serve(json!({}));
        bad.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = admin.put(DEPLOYMENT, bad).await.unwrap_err().to_string();
        ensure!(refused.contains(word), "{word}: {refused}");
    }
    admin.put(DEPLOYMENT, serve(json!({ "replicas": 2 }))).await?;
    replicas_are(&admin, 1, &["ready", "ready"]).await?;
    until("revision 1 is live", PATIENCE, || async { Ok(ask(&admin).await.is_ok_and(|it| it.0 == 200).then_some(())) })
        .await?;

    // One is killed under load: the other serves on, and it comes back.
    let load = Load::start(&admin);
    docker::kill(&running(&server)?[0].id)?;
    until("the dead one is noticed", PATIENCE, || async {
        Ok((replicas(&admin, 1).await? != ["ready", "ready"]).then_some(()))
    })
    .await?;
    replicas_are(&admin, 1, &["ready", "ready"]).await?;
    let (total, failed) = load.stop().await?;
    ensure!(failed.len() <= 1, "{} of {total} failed: {:?}", failed.len(), failed.first());

    // One that is not ready gets no requests and is not started again; fewer are wanted, and then more, at once.
    let load = Load::start(&admin);
    let ill = running(&server)?.pop().context("no container")?;
    docker::run(&["exec", &ill.id, "touch", "/tmp/ill"])?;
    replicas_are(&admin, 1, &["ready", "unwell"]).await?;
    docker::run(&["exec", &ill.id, "rm", "/tmp/ill"])?;
    replicas_are(&admin, 1, &["ready", "ready"]).await?;
    ensure!(running(&server)?.iter().any(|one| one.id == ill.id), "it was started again");
    admin.put(DEPLOYMENT, serve(json!({ "replicas": 1 }))).await?;
    replicas_are(&admin, 1, &["ready"]).await?;
    ensure!(running(&server)?.len() == 1);
    admin.put(DEPLOYMENT, serve(json!({ "replicas": 3 }))).await?;
    replicas_are(&admin, 1, &["ready", "ready", "ready"]).await?;

    // A release with a crash loop fails while the old one serves; a good one comes in with as many replicas.
    admin.put(DEPLOYMENT, wish(&["python3", "-c", "raise SystemExit('bad grapes')"], json!({ "replicas": 2 }))).await?;
    let failed = until("revision 2 failed", PATIENCE, || async {
        let detail = admin.get(DEPLOYMENT).await?;
        Ok((detail["revisions"][0]["state"] == "failed").then(|| detail["revisions"][0].clone()))
    });
    let reason = failed.await?["reason"].to_string();
    ensure!(reason.contains("ended 3 times") && reason.contains("bad grapes"), "{reason}");
    let mut better = serve(json!({ "replicas": 2 }));
    better["served_by"]["env"]["OTHER"] = json!("1");
    admin.put(DEPLOYMENT, better).await?;
    replicas_are(&admin, 3, &["ready", "ready"]).await?;
    until("only revision 3 is left", PATIENCE, || async { Ok((running(&server)?.len() == 2).then_some(())) }).await?;
    let (total, failed) = load.stop().await?;
    ensure!(failed.is_empty(), "{} of {total} failed: {:?}", failed.len(), failed.first());
    admin.delete(DEPLOYMENT).await?;
    until("all is gone", PATIENCE, || async { Ok(running(&server)?.is_empty().then_some(())) }).await?;
    Ok(())
}

#[tokio::test]
async fn it_rests_when_nobody_asks_wakes_for_a_request_and_follows_its_alias() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    echo::small_model(&admin, "wine", 2).await?;
    admin.put("/api/v1/models/wine/aliases/champion", json!({ "version": 1 })).await?;
    let scale = json!({ "min": 0, "max": 2, "in_flight": 4.0, "idle_s": 2 });
    let mut wished = serve(json!({ "follow": true, "scale": scale }));
    wished["model"] = json!("wine");
    wished["version"] = json!("@champion");
    admin.put(DEPLOYMENT, wished).await?;
    replicas_are(&admin, 1, &["ready"]).await?;

    // Nobody asks: nothing runs, and the deployment is ready all the same.
    until("nothing runs", PATIENCE, || async { Ok(running(&server)?.is_empty().then_some(())) }).await?;
    replicas_are(&admin, 1, &[]).await?;
    let detail = admin.get(DEPLOYMENT).await?;
    ensure!(detail["summary"]["state"] == "ready" && detail["revisions"][0]["state"] == "live", "{detail:#}");

    // Ten ask at once: all are answered, by what they woke.
    let mut asked = tokio::task::JoinSet::new();
    let began = std::time::Instant::now();
    for _ in 0..10 {
        let api = admin.clone();
        asked.spawn(async move { ask(&api).await });
    }
    while let Some(one) = asked.join_next().await {
        let (status, text) = one??;
        ensure!(status == 200 && text.ends_with("hello"), "{status}: {text}");
    }
    println!("woke in {:?}", began.elapsed());

    // The alias moves: a revision comes by itself, and says who moved it.
    admin.put("/api/v1/models/wine/aliases/champion", json!({ "version": 2 })).await?;
    let followed = until("revision 2 is live", PATIENCE, || async {
        let detail = admin.get(DEPLOYMENT).await?;
        let newest = detail["revisions"][0].clone();
        Ok((newest["number"] == 2 && newest["state"] == "live").then_some(newest))
    })
    .await?;
    ensure!(followed["version"] == 2 && followed["created_by"] == "admin", "{followed:#}");
    // who goes back means it: the alias does not undo it
    admin.post(&format!("{DEPLOYMENT}/rollback"), json!({ "revision": 1 })).await?;
    let detail = admin.get(DEPLOYMENT).await?;
    ensure!(detail["settings"]["follow"] == false && detail["revisions"][0]["version"] == 1, "{detail:#}");
    Ok(())
}

#[tokio::test]
async fn it_grows_with_the_work_of_its_processors_and_shrinks_without() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let scale = json!({ "min": 1, "max": 2, "cpu_percent": 50.0, "up_window_s": 0, "down_window_s": 2 });
    admin.put(DEPLOYMENT, serve(json!({ "scale": scale }))).await?;
    replicas_are(&admin, 1, &["ready"]).await?;
    // twenty times 20 ms a second are four fifths of the half core that it has
    let load = drydock_tests::Load::start(&admin, "/serve/echo/predict/slow", 20);
    replicas_are(&admin, 1, &["ready", "ready"]).await?;
    let seen = load.stop().await?;
    ensure!(seen.lost() == 0, "{} of {} failed: {:?}", seen.lost(), seen.sent, seen.failed.first());
    replicas_are(&admin, 1, &["ready"]).await?;
    until("the second one ends", PATIENCE, || async { Ok((running(&server)?.len() == 1).then_some(())) }).await
}
