//! Docker goes away and comes back while a deployment is rolled, canaried, scaled up and woken: what runs is served meanwhile, what waits says
//! for what, and everything ends where it should. Every other time its containers outlive it (`live-restore`), the other times it ends them
//! itself at its start.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{Fault, GpuBox, Load, dockerd::BUSYBOX, until};
use reqwest::Method;
use serde_json::{Value, json};

const DEPLOYMENT: &str = "/api/v1/deployments/page";
const RELEASE: &str = "/api/v1/deployments/page/release";
const PATH: &str = "/serve/page/cgi-bin/predict";
const LIMIT: Duration = Duration::from_secs(120);
/// How long Docker is away, at least.
const AWAY: Duration = Duration::from_secs(1);
const WAITS: &str = "waiting for Docker";
/// busybox's web server, which answers any POST to a program.
const SERVER: &str = "mkdir -p /scratch/www/cgi-bin && cd /scratch/www && \
    printf '#!/bin/sh\\nprintf \"Content-Type: text/plain\\\\r\\\\n\\\\r\\\\n\"; echo $WORD\\n' > cgi-bin/predict && \
    busybox chmod 755 cgi-bin/predict && exec busybox httpd -f -p 9000 -h /scratch/www";

fn wish(word: &str, settings: Value, release: Value) -> Value {
    let mut wish = json!({
        "resources": { "cpus": 0.3, "memory_bytes": 64 << 20 },
        "served_by": {
            "runtime": { "kind": "image", "image": BUSYBOX, "command": ["sh", "-c", SERVER], "port": 9000 },
            "env": { "WORD": word },
        },
        "settings": settings,
    });
    if !release.is_null() {
        wish["release"] = release;
    }
    wish
}

/// One round on its own box.
struct Round {
    gpu_box: GpuBox,
    keeps_running: bool,
    /// When Docker goes after the rolling release began; absent: before.
    goes_after: Option<Duration>,
}

impl Round {
    async fn start(keeps_running: bool, goes_after: Option<Duration>) -> Result<Self> {
        let mut gpu_box = GpuBox::start("gpus=1\n").await?;
        if keeps_running {
            // the daemon that is killed has to be one that keeps containers, too
            gpu_box.dockerd.keeps_running = true;
            gpu_box.dockerd.kill9()?;
            gpu_box.dockerd.launch().await?;
        }
        Ok(Self { gpu_box, keeps_running, goes_after })
    }

    async fn put(&self, wish: Value) -> Result<()> {
        self.gpu_box.admin.put(DEPLOYMENT, wish).await.map(drop)
    }

    async fn detail(&self) -> Result<Value> {
        self.gpu_box.admin.get(DEPLOYMENT).await
    }

    async fn revision(&self, number: i64) -> Result<Value> {
        let detail = self.detail().await?;
        let all = detail["revisions"].as_array().context("no revisions")?;
        Ok(all.iter().find(|one| one["number"] == number).context("no such revision")?.clone())
    }

    async fn revision_is(&self, number: i64, state: &str) -> Result<()> {
        until(&format!("revision {number} is not {state}"), LIMIT, || async {
            let one = self.revision(number).await?;
            if one["state"] == state { Ok(Some(())) } else { anyhow::bail!("{one:#}") }
        })
        .await
    }

    async fn replicas_are(&self, number: i64, count: usize) -> Result<()> {
        until(&format!("revision {number} has not {count} replicas that answer"), LIMIT, || async {
            let one = self.revision(number).await?;
            let replicas = one["replicas"].as_array().context("no replicas")?;
            let is_so = replicas.len() == count && replicas.iter().all(|it| it["state"] == "ready");
            if is_so { Ok(Some(())) } else { anyhow::bail!("{one:#}") }
        })
        .await
    }

    /// What is waited for is said of the revision or of one of its replicas.
    async fn says_what_it_waits_for(&self, number: i64) -> Result<()> {
        until(&format!("revision {number} does not say that it waits for Docker"), LIMIT, || async {
            let one = self.revision(number).await?;
            if one.to_string().contains(WAITS) { Ok(Some(())) } else { anyhow::bail!("{one:#}") }
        })
        .await
    }

    async fn answered(&self) -> Result<String> {
        let request = self.gpu_box.admin.request(Method::POST, PATH).body("x");
        let answer = request.send().await?;
        ensure!(answer.status() == 200, "{}: {}", answer.status(), answer.text().await?);
        Ok(answer.text().await?.trim().to_owned())
    }

    /// The live revision answers: at once, or, where Docker has just ended the only container that there was, from a new one.
    async fn answers(&self, word: &str) -> Result<()> {
        if self.keeps_running {
            let answered = self.answered().await?;
            ensure!(answered == word, "{answered}");
            return Ok(());
        }
        until(&format!("nobody answers {word:?}"), LIMIT, || async {
            Ok((self.answered().await? == word).then_some(()))
        })
        .await
    }

    /// Stops the load; where containers outlive Docker nobody noticed anything.
    async fn nobody_noticed(&self, what: &str, load: Load) -> Result<()> {
        let seen = load.stop().await?;
        ensure!(!seen.latencies.is_empty(), "{what}: nothing was answered");
        if self.keeps_running {
            ensure!(
                seen.lost() == 0,
                "{what}: {} of {} failed: {:?} {:?}",
                seen.lost(),
                seen.sent,
                seen.failed.first(),
                seen.broken.first()
            );
        }
        Ok(())
    }

    async fn containers_are(&self, count: usize) -> Result<()> {
        until(&format!("there are not {count} containers"), LIMIT, || async {
            let ids = self.gpu_box.dockerd.docker(&[
                "ps",
                "--all",
                "--quiet",
                "--filter",
                "label=io.drydock.kind=revision",
            ])?;
            if ids.lines().count() == count { Ok(Some(())) } else { anyhow::bail!("{ids}") }
        })
        .await
    }

    /// A rolling release that begins while Docker is away, or a moment before it goes.
    async fn rolling(&mut self) -> Result<()> {
        self.put(wish("one", json!({}), Value::Null)).await?;
        self.revision_is(1, "live").await?;
        let load = Load::start(&self.gpu_box.admin, PATH, 10);
        if let Some(after) = self.goes_after {
            self.put(wish("two", json!({}), Value::Null)).await?;
            tokio::time::sleep(after).await;
            self.gpu_box.dockerd.kill9()?;
            tokio::time::sleep(AWAY).await;
            if let Err(error) = self.answered().await {
                let detail = self.detail().await?;
                let log = self.gpu_box.server.printed();
                return Err(error.context(format!(
                    "one of the two serves meanwhile, {after:?} after it began: {detail:#}\nthe server printed:\n{log}"
                )));
            }
        } else {
            self.gpu_box.dockerd.kill9()?;
            self.put(wish("two", json!({}), Value::Null)).await?;
            self.says_what_it_waits_for(2).await?;
            ensure!(self.detail().await?["summary"]["state"] == "updating", "{:#}", self.detail().await?);
            tokio::time::sleep(AWAY).await;
            ensure!(self.answered().await? == "one", "the old one serves meanwhile");
        }
        self.gpu_box.dockerd.launch().await?;
        self.revision_is(2, "live").await?;
        self.revision_is(1, "retired").await?;
        self.answers("two").await?;
        self.containers_are(1).await?;
        self.nobody_noticed("rolling", load).await
    }

    /// Docker goes while the canary has half of the requests. It goes on, or, where its container ended with Docker, back.
    async fn canary(&mut self) -> Result<()> {
        let steps = json!([{ "weight": 50, "hold_s": 3 }]);
        let plan = json!({ "strategy": "canary", "steps": steps, "analysis": { "min_requests": 10 }, "keep_old_s": 1 });
        let load = Load::start(&self.gpu_box.admin, PATH, 10);
        self.put(wish("three", json!({}), plan)).await?;
        self.revision_is(3, "candidate").await?;
        self.gpu_box.dockerd.kill9()?;
        tokio::time::sleep(AWAY).await;
        self.gpu_box.dockerd.launch().await?;
        let end = until("the release does not end", LIMIT, || async {
            let page = self.gpu_box.admin.get(RELEASE).await?;
            Ok(page["current"].is_null().then(|| page["history"][0].clone()))
        })
        .await?;
        let (live, gone, word) = if end["state"] == "promoted" { (3, 2, "three") } else { (2, 3, "two") };
        ensure!(!self.keeps_running || live == 3, "{end:#}");
        ensure!(
            live == 3 || end["reason"].as_str().is_some_and(|why| why.contains("does not run any more")),
            "{end:#}"
        );
        self.revision_is(live, "live").await?;
        self.revision_is(gone, if live == 3 { "retired" } else { "failed" }).await?;
        self.replicas_are(live, 1).await?;
        self.answers(word).await?;
        self.containers_are(1).await?;
        self.nobody_noticed("canary", load).await
    }

    /// A second replica is wanted while Docker is away.
    async fn scaled_up(&mut self) -> Result<()> {
        self.put(wish("four", json!({}), Value::Null)).await?;
        self.revision_is(4, "live").await?;
        self.containers_are(1).await?;
        let load = Load::start(&self.gpu_box.admin, PATH, 10);
        self.gpu_box.dockerd.kill9()?;
        self.put(wish("four", json!({ "replicas": 2 }), Value::Null)).await?;
        self.says_what_it_waits_for(4).await?;
        tokio::time::sleep(AWAY).await;
        ensure!(self.answered().await? == "four", "the first one serves meanwhile");
        self.gpu_box.dockerd.launch().await?;
        self.replicas_are(4, 2).await?;
        self.containers_are(2).await?;
        self.nobody_noticed("scaled up", load).await
    }

    /// Requests come to a deployment that rests while Docker is away; they are held until it wakes.
    async fn woken(&mut self) -> Result<()> {
        let scale = json!({ "min": 0, "max": 1, "in_flight": 8.0, "idle_s": 1 });
        self.put(wish("four", json!({ "scale": scale }), Value::Null)).await?;
        self.containers_are(0).await?;
        self.gpu_box.dockerd.kill9()?;
        let mut asked = tokio::task::JoinSet::new();
        for _ in 0..5 {
            let request = self.gpu_box.admin.request(Method::POST, PATH).body("x");
            asked.spawn(async move { Ok::<_, reqwest::Error>(request.send().await?.status().as_u16()) });
        }
        self.says_what_it_waits_for(4).await?;
        tokio::time::sleep(AWAY).await;
        self.gpu_box.dockerd.launch().await?;
        while let Some(one) = asked.join_next().await {
            let status = one??;
            ensure!(status == 200, "a request that was held was answered with {status}");
        }
        Ok(())
    }
}

#[tokio::test]
async fn releases_scaling_and_waking_outlast_docker() -> Result<()> {
    let mut fault = Fault::new("dockerd killed and away during a release, a scale-up and a wake", 2, 10);
    let count = fault.count;
    for round in 0..count {
        let keeps_running = round % 2 == 0;
        let goes_after = [1, 2].contains(&(round % 4)).then(|| Duration::from_millis(fault.dice.below(1000)));
        let mut round = Round::start(keeps_running, goes_after).await?;
        let all = async {
            round.rolling().await.context("rolling")?;
            round.canary().await.context("canary")?;
            round.scaled_up().await.context("scale-up")?;
            round.woken().await.context("wake")
        };
        all.await.with_context(|| format!("containers outlive the daemon: {keeps_running}"))?;
    }
    fault.held(format!(
        "{count} times each: what waited said so, every release, scale-up and wake ended where it should, and where containers outlived Docker \
         no request failed"
    ));
    Ok(())
}
