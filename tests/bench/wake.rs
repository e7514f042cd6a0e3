//! A wake from zero beside `docker run` of the same image: ten ask at once, and what counts is when the first is answered.
//!
//! The bare container is asked from the moment in which `docker run --detach` comes back; its address is known before.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Server, docker, until};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    figure, gateway,
    jobs::{docker as run, median, ms},
};

const DEPLOYMENT: &str = "/api/v1/deployments/sleeper";
const PATH: &str = "/serve/sleeper/invocations";
const ROUNDS: usize = 9;
const AT_ONCE: usize = 10;
const LIMIT: Duration = Duration::from_secs(120);
/// Of a bare container, which needs a moment.
const PATIENCE: Duration = Duration::from_secs(15);
/// What Docker is told for a replica, as far as it costs time.
const LIKE_A_REPLICA: [&str; 13] = [
    "--user",
    "10001:10001",
    "--read-only",
    "--cap-drop",
    "ALL",
    "--init",
    "--memory",
    "256m",
    "--cpus",
    "1",
    "--pids-limit",
    "4096",
    "--tmpfs=/tmp:size=64m,mode=1777",
];

/// A network with addresses that can be chosen; it goes with this.
struct Network {
    name: String,
    address: String,
}

impl Network {
    fn new() -> Result<Self> {
        let number = std::process::id() % 250;
        let name = format!("drydock-bench-{}", std::process::id());
        docker::run(&["network", "create", "--subnet", &format!("10.199.{number}.0/28"), &name])?;
        Ok(Self { name, address: format!("10.199.{number}.5") })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = docker::run(&["network", "rm", &self.name]);
    }
}

/// Prints the medians.
pub async fn measure() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    gateway::make_image(scratch.path())?;
    let network = Network::new()?;
    let server = Server::start().await?;
    let api = server.admin().await?;
    let scale = json!({ "min": 0, "max": 1, "in_flight": 64.0, "idle_s": 1 });
    let wish = json!({
        "resources": { "cpus": 1.0, "memory_bytes": 256 << 20 },
        "served_by": { "runtime": gateway::runtime()? },
        "settings": { "scale": scale },
    });
    api.put(DEPLOYMENT, wish).await?;
    until("the deployment does not come up", LIMIT, || async { Ok((!server.containers()?.is_empty()).then_some(())) })
        .await?;
    let (mut bare, mut alike, mut first, mut last, mut lost) = (vec![], vec![], vec![], vec![], 0);
    for round in 0..=ROUNDS {
        let plain = started(&network, &[]).await?;
        let like_a_replica = started(&network, &LIKE_A_REPLICA).await?;
        until("it does not rest", LIMIT, || async { Ok(server.containers()?.is_empty().then_some(())) }).await?;
        let (answers, failed) = wake(&api).await?;
        lost += failed;
        // the first round warms up
        if round > 0 {
            bare.push(plain);
            alike.push(like_a_replica);
            first.push(*answers.first().context("nobody was answered")?);
            last.push(*answers.last().context("nobody was answered")?);
        }
    }
    let (bare, alike, first) = (median(bare), median(alike), median(first));
    figure("docker run until its port answers, median", &format!("{:.0} ms", ms(bare)));
    figure("  as confined as a replica", &format!("{:.0} ms", ms(alike)));
    figure("wake from zero until the first answer, median", &format!("{:.0} ms", ms(first)));
    figure("  beyond docker run (goal 100 ms)", &format!("{:.0} ms", ms(first) - ms(bare)));
    figure("  beyond one as confined", &format!("{:.0} ms", ms(first) - ms(alike)));
    figure(&format!("  until the last of {AT_ONCE} answers"), &format!("{:.0} ms", ms(median(last))));
    figure("wake from zero, requests that were lost", &format!("{lost} of {} (goal 0)", (ROUNDS + 1) * AT_ONCE));
    Ok(())
}

/// From the command until the port answers.
async fn started(network: &Network, options: &[&str]) -> Result<Duration> {
    let name = format!("{}-bare", network.name);
    let place = ["--detach", "--rm", "--name", &name, "--network", &network.name, "--ip", &network.address];
    let command = gateway::command()?;
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_millis(200)).build()?;
    let url = format!("http://{}:8080/invocations", network.address);
    let began = Instant::now();
    run(&[&["run"][..], &place, options, &[gateway::IMAGE], &command].concat()).await?;
    while !client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
        ensure!(began.elapsed() < PATIENCE, "the bare container does not answer");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = began.elapsed();
    docker::remove(&name)?;
    Ok(took)
}

/// When each of those who asked at once was answered, in order; and how many were not.
async fn wake(api: &Api) -> Result<(Vec<Duration>, usize)> {
    let began = Instant::now();
    let mut asked = JoinSet::new();
    for _ in 0..AT_ONCE {
        let api = api.clone();
        asked.spawn(async move { api.request(Method::POST, PATH).json(&json!({ "inputs": [1.0] })).send().await });
    }
    let (mut answers, mut lost) = (vec![], 0);
    while let Some(one) = asked.join_next().await {
        match one? {
            Ok(answer) if answer.status().is_success() => answers.push(began.elapsed()),
            _ => lost += 1,
        }
    }
    Ok((answers, lost))
}
