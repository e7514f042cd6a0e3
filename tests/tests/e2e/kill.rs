//! kill -9 right after each single action of the reconciler: started again, the same end state, no duplicate, no orphan.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use drydock_tests::{Api, Server, until};
use reqwest::Method;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(120);
/// More actions than one round can need; reaching it means that the rounds do not converge.
const MOST_ACTIONS: u32 = 40;

#[tokio::test]
async fn a_kill_after_any_action_ends_in_the_same_state() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    server.demo(&admin).await?;
    settled(&server, &admin).await?;

    for action in 1..=MOST_ACTIONS {
        server.kill9().await?;
        server.set_environment(&[("DRYDOCK_FAILPOINT", &format!("kill-after-action={action}"))]);
        server.launch().await?;
        // One job from start to end and one roll of the deployment: create, start, stop and remove of both kinds.
        let job = ask(&admin, action).await?;
        let killed = killed_or_settled(&mut server, &admin, &job).await?;
        if killed {
            server.set_environment(&[]);
            server.launch().await?;
        }
        same_end(&server, &admin, &job, action).await?;
        if !killed {
            ensure!(action > 4, "a round took fewer than {action} actions: the failpoint counts something else");
            return Ok(());
        }
    }
    anyhow::bail!("{MOST_ACTIONS} kills and the round is still not through")
}

async fn ask(admin: &Api, action: u32) -> Result<String> {
    let memory = (1u64 << 30) + u64::from(action) * (1 << 20);
    let wish = json!({
        "model": "breast-cancer-classifier", "version": "1",
        "resources": { "cpus": 1.0, "memory_bytes": memory, "gpus": 0 },
    });
    admin.put("/api/v1/deployments/breast-cancer", wish).await?;
    admin.submit(&format!("job-{action}"), &["python3", "-c", "print('done')"]).await
}

/// True when the failpoint killed the server; false when everything was done without reaching it.
async fn killed_or_settled(server: &mut Server, admin: &Api, job: &str) -> Result<bool> {
    let end = tokio::time::Instant::now() + LIMIT;
    while tokio::time::Instant::now() < end {
        if server.has_ended()? {
            return Ok(true);
        }
        let job = admin.get(&format!("/api/v1/jobs/{job}")).await.unwrap_or_default();
        if job["summary"]["state"] == "succeeded" && is_settled(server, admin).await.unwrap_or(false) {
            // The kill follows the last action of all by a moment: what it did is seen before the server is gone.
            return server.ends_within(Duration::from_secs(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("neither killed nor settled after {LIMIT:?}:\n{}", server.printed())
}

/// The deployment is ready on its newest revision, and its container is the only one.
async fn is_settled(server: &Server, admin: &Api) -> Result<bool> {
    let deployment = admin.get("/api/v1/deployments/breast-cancer").await?;
    let live = deployment["revisions"][0]["state"] == "live" && deployment["summary"]["state"] == "ready";
    Ok(live && server.containers()?.len() == 1)
}

async fn settled(server: &Server, admin: &Api) -> Result<()> {
    until("one live revision and nothing else", LIMIT, || async { Ok(is_settled(server, admin).await?.then_some(())) })
        .await
}

async fn same_end(server: &Server, admin: &Api, job: &str, action: u32) -> Result<()> {
    let end = admin.finished(job, LIMIT).await?;
    ensure!(end["summary"]["state"] == "succeeded", "after a kill at action {action}: {end:#}");
    ensure!(end["attempts"].as_array().is_some_and(|all| all.len() == 1), "after a kill at action {action}: {end:#}");
    let (_, log) = admin.send(Method::GET, &format!("/api/v1/jobs/{job}/log"), None).await?;
    ensure!(log.as_str().is_some_and(|text| text.matches("done").count() == 1), "its log at action {action}: {log}");
    settled(server, admin).await?;
    let deployment = admin.get("/api/v1/deployments/breast-cancer").await?;
    let unfinished: Vec<&Value> = deployment["revisions"]
        .as_array()
        .into_iter()
        .flatten()
        .skip(1)
        .filter(|revision| !["retired", "failed"].contains(&revision["state"].as_str().unwrap_or_default()))
        .collect();
    ensure!(unfinished.is_empty(), "after a kill at action {action}: {unfinished:?}");
    let containers = server.containers()?;
    let workloads: BTreeSet<&String> = containers.iter().map(|one| &one.workload).collect();
    ensure!(workloads.len() == containers.len(), "duplicates after a kill at action {action}: {containers:?}");
    Ok(())
}
