//! Docker killed and started again while jobs run, end, and are submitted: when it is back, what Drydock says is true within half a minute.
//! Every other time its containers outlive it (`live-restore`), the other times it ends them itself at its start.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{
    Dice, Fault, GpuBox, bridge,
    docker::machines_bridge,
    fault::{allowed, is_full},
    until,
};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(90);
/// From Docker's return until everything that Drydock says is true.
const TRUTH: Duration = Duration::from_secs(30);
const WORK: &str = "trap 'exit 143' TERM; while true; do sleep 0.2; done";

#[tokio::test]
async fn what_is_said_is_true_soon_after_docker_is_back() -> Result<()> {
    let mut fault = Fault::new("a private dockerd killed, away, and started again", 4, 50);
    let had_bridge = has_machines_bridge();
    let mut gpu_box = GpuBox::start("gpus=1\n").await?;
    let (mut slowest, mut survived) = (Duration::ZERO, 0);
    for round in 0..fault.count {
        let keeps_running = round % 2 == 1;
        gpu_box.dockerd.keeps_running = keeps_running;
        // the daemon that is killed has to be one that keeps containers, too
        restart(&mut gpu_box, Duration::ZERO).await?;
        let through = gpu_box.submit("through", WORK, 1).await?;
        let ends = gpu_box.submit("ends", "sleep 2; echo it ended", 0).await?;
        gpu_box.running(&through).await?;
        gpu_box.running(&ends).await?;
        let before = gpu_box.dockerd.containers_of(&through)?;

        gpu_box.dockerd.kill9()?;
        let late = gpu_box.submit("late", "echo it ran", 0).await?;
        tokio::time::sleep(away_for(round, &mut fault.dice)).await;
        gpu_box.dockerd.launch().await?;
        let back = Instant::now();
        until("what is said is not true", allowed(TRUTH), || async {
            Ok(is_true(&gpu_box, &[&through, &ends, &late]).await?.then_some(()))
        })
        .await
        .with_context(|| format!("round {round}, containers outlive the daemon: {keeps_running}"))?;
        slowest = slowest.max(back.elapsed());

        let end = gpu_box.admin.finished(&late, LIMIT).await?;
        ensure!(end["summary"]["state"] == "succeeded", "submitted while Docker was away: {end:#}");
        let state = state_of(&gpu_box, &through).await?;
        if keeps_running {
            ensure!(state == "running", "its container outlived Docker, and yet the job is {state}");
            ensure!(gpu_box.dockerd.containers_of(&through)? == before, "a container that ran was replaced");
            survived += 1;
        }
        end_all(&gpu_box, &[&through, &ends]).await?;
        gpu_box.leases(0, 0).await?;
    }
    drop(gpu_box);
    ensure!(has_machines_bridge() == had_bridge, "the private Docker took the bridge of the machine's own");
    let count = fault.count;
    fault.held(format!(
        "{count} times, all true within {slowest:.1?} of its return; {survived} containers that outlived it were neither lost nor doubled; the \
         machine's bridge was there before: {had_bridge}, and so after"
    ));
    Ok(())
}

/// Whether the bridge of the machine's own Docker is there, which the private one has to leave alone. An older suite may have taken it; Docker
/// makes it anew when it is started again.
fn has_machines_bridge() -> bool {
    machines_bridge().is_some_and(|name| bridge::is_there(&name))
}

/// Between moments and, where the full counts are asked for, every fifth time two minutes.
fn away_for(round: usize, dice: &mut Dice) -> Duration {
    match is_full() {
        true if round.is_multiple_of(5) => Duration::from_secs(120),
        true => Duration::from_millis(500 + dice.below(20_000)),
        false => Duration::from_millis(500 + dice.below(4000)),
    }
}

async fn restart(gpu_box: &mut GpuBox, away: Duration) -> Result<()> {
    gpu_box.dockerd.kill9()?;
    tokio::time::sleep(away).await;
    gpu_box.dockerd.launch().await
}

async fn state_of(gpu_box: &GpuBox, job: &str) -> Result<String> {
    Ok(gpu_box.job(job).await?["summary"]["state"].as_str().unwrap_or_default().to_owned())
}

/// A job runs exactly while its container does; nobody has two; a lease is there exactly while its job holds the GPU.
async fn is_true(gpu_box: &GpuBox, jobs: &[&String]) -> Result<bool> {
    let mut holders = BTreeSet::new();
    for job in jobs {
        let told = gpu_box.job(job).await?;
        let state = told["summary"]["state"].as_str().unwrap_or_default();
        let containers = gpu_box.dockerd.containers_of(job)?;
        ensure!(containers.len() <= 1, "two containers of one job: {containers:?}");
        let runs = match containers.first() {
            Some(id) => gpu_box.dockerd.inspect(id)?["State"]["Running"] == Value::Bool(true),
            None => false,
        };
        if (state == "running") != runs || ["queued", "starting", "cancelling"].contains(&state) {
            return Ok(false);
        }
        if state == "running" && told["summary"]["name"] == "through" {
            holders.insert((*job).clone());
        }
    }
    let leases = gpu_box.gpu(0).await?["leases"].as_array().cloned().unwrap_or_default();
    let leased: BTreeSet<String> = leases.iter().filter_map(|it| it["holder"].as_str().map(str::to_owned)).collect();
    Ok(leased == holders)
}

async fn end_all(gpu_box: &GpuBox, jobs: &[&String]) -> Result<()> {
    for job in jobs {
        let _ended_already = gpu_box.admin.post(&format!("/api/v1/jobs/{job}/cancel"), serde_json::json!({})).await;
        gpu_box.admin.finished(job, LIMIT).await?;
    }
    until("containers are left", LIMIT, || async {
        let mut left = 0;
        for job in jobs {
            left += gpu_box.dockerd.containers_of(job)?.len();
        }
        Ok((left == 0).then_some(()))
    })
    .await
}
