//! kill -9 before and after every step of the sample lifecycle as a pipeline: the same end, one job per task, nothing twice.

use std::time::Duration;

use anyhow::{Result, ensure};
use drydock_tests::{
    Api, Server,
    pipelines::{ended, run, start, states, succeeded, task, tries},
};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(240);
/// More steps than the sample can have; reaching it means that the rounds do not converge.
const MOST_STEPS: usize = 60;
const TASKS: [&str; 6] = ["check", "train", "good", "register", "deploy", "promote"];

#[tokio::test]
async fn a_kill_before_and_after_every_step_ends_in_the_same_state() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    let printed = server.run(&["demo", "--pipeline", "--url", &server.url(), "--token", admin.token()], None).await?;
    ensure!(printed.contains("pipeline breast-cancer, version 1 (applied)"), "{printed}");
    // Undisturbed, for comparison.
    let calm = succeeded(&admin, &start(&admin, "breast-cancer", json!({})).await?, LIMIT).await?;
    same_end(&admin, &calm, 1).await?;

    let id = start(&admin, "breast-cancer", json!({})).await?;
    let mut steps = 0;
    loop {
        // Before the next step, then after it: each step is met from both sides.
        let mut through = false;
        for place in ["kill-before-step=1", "kill-after-step=1"] {
            server.kill9().await?;
            server.set_environment(&[("DRYDOCK_FAILPOINT", place)]);
            server.launch().await?;
            if !dies_or_is_through(&mut server, &admin, &id).await? {
                through = true;
                break;
            }
        }
        if through {
            break;
        }
        steps += 1;
        ensure!(steps < MOST_STEPS, "{MOST_STEPS} steps and still not through: {:#}", run(&admin, &id).await?);
    }
    server.kill9().await?;
    server.set_environment(&[]);
    server.launch().await?;
    println!("killed before and after each of {steps} steps");
    // Six tasks, of which three start, are looked at and end; the run starts and ends.
    ensure!(steps >= 10, "only {steps} steps were met: the failpoint counts something else");
    let end = ended(&admin, &id, LIMIT).await?;
    same_end(&admin, &end, 2).await
}

/// False when the run is through without the server having died.
async fn dies_or_is_through(server: &mut Server, admin: &Api, id: &str) -> Result<bool> {
    let end = tokio::time::Instant::now() + LIMIT;
    while tokio::time::Instant::now() < end {
        if server.has_ended()? {
            return Ok(true);
        }
        let state = run(admin, id).await.map(|run| run["run"]["state"].clone()).unwrap_or_default();
        if ["succeeded", "failed", "cancelled"].iter().any(|word| state == *word) {
            // The kill follows the last step by a moment.
            return server.ends_within(Duration::from_secs(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("neither killed nor through after {LIMIT:?}:\n{}", server.printed())
}

/// Everything succeeded at the first try, and what came of it is there once: the n-th run made the n-th of each.
async fn same_end(admin: &Api, end: &Value, n: usize) -> Result<()> {
    ensure!(end["run"]["state"] == "succeeded", "{end:#}");
    ensure!(states(end, &TASKS) == ["succeeded"; 6], "{end:#}");
    for name in TASKS {
        ensure!(tries(end, name).len() == 1, "{name} was tried more than once: {end:#}");
    }
    let jobs = admin.list("/api/v1/jobs").await?;
    ensure!(jobs.len() == n && jobs.iter().all(|job| job["state"] == "succeeded"), "{n} jobs: {jobs:#?}");
    let job = admin.get(&format!("/api/v1/jobs/{}", task(end, "train")["job_id"].as_str().unwrap_or_default())).await?;
    ensure!(job["attempts"].as_array().is_some_and(|all| all.len() == 1), "{job:#}");
    let model = admin.get("/api/v1/models/breast-cancer-classifier").await?;
    ensure!(model["versions"].as_array().is_some_and(|all| all.len() == n), "{n} versions: {model:#}");
    ensure!(model["summary"]["aliases"] == json!([{ "alias": "champion", "version": n }]), "{model:#}");
    let deployment = admin.get("/api/v1/deployments/breast-cancer").await?;
    ensure!(deployment["summary"]["state"] == "ready" && deployment["summary"]["version"] == n, "{deployment:#}");
    ensure!(deployment["revisions"].as_array().is_some_and(|all| all.len() == n), "{n} revisions: {deployment:#}");
    let runs = admin.list("/api/v1/pipelines/breast-cancer/runs").await?;
    ensure!(runs.len() == n, "{n} runs: {runs:#?}");
    Ok(())
}
