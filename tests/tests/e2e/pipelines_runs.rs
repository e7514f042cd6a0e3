//! What becomes of runs: retries, time limits, cancel, clear, rerun, the cache, and how many go at once.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Result;
use drydock_tests::{
    Api, Server,
    pipelines::{apply, ended, reaches, run, start, states, succeeded, task, tries},
    until,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::pipelines::{version, wine};

const LIMIT: Duration = Duration::from_secs(120);

async fn job_ids(api: &Api) -> Result<BTreeSet<String>> {
    let jobs = api.list("/api/v1/jobs?limit=200").await?;
    Ok(jobs.iter().filter_map(|job| job["id"].as_str()).map(str::to_owned).collect())
}

#[tokio::test]
async fn a_failure_is_tried_again_then_told_and_rerun_where_it_failed() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let yaml = r#"
name: shaky
parameters: { code: 3 }
tasks:
  first: { job: { command: ["true"], tracked: false } }
  second: { needs: [first], job: { command: [sh, -c, "exit ${params.code}"], tracked: false }, retries: { limit: 1, delay: 1s } }
  each: { needs: [first], for_each: [0, 4, 0], job: { command: [sh, -c, "exit ${item}"], tracked: false } }
  third: { needs: [second], job: { command: ["true"], tracked: false } }
  sorry: { needs: [third], start_when: any_failed, job: { command: [echo, sorry], tracked: false } }
"#;
    apply(&admin, yaml).await?;
    let id = start(&admin, "shaky", json!({})).await?;
    let end = ended(&admin, &id, LIMIT).await?;
    let names = ["first", "second", "each", "third", "sorry"];
    assert_eq!(states(&end, &names), ["succeeded", "failed", "failed", "blocked", "succeeded"], "{end:#}");
    assert_eq!(end["run"]["state"], "failed");
    assert_eq!(tries(&end, "second").len(), 2, "{end:#}");
    let reason = task(&end, "second")["reason"].as_str().unwrap();
    assert!(reason.contains('3') && end["run"]["reason"].as_str().unwrap().contains(reason), "{end:#}");
    assert!(
        task(&end, "each")["reason"].as_str().unwrap().starts_with("1 of 3 items did not succeed; item 2:"),
        "{end:#}"
    );
    assert_eq!(task(&end, "third")["reason"], "second failed");

    // Only what failed: `first` and two items keep their jobs.
    let before = job_ids(&admin).await?;
    admin.post(&format!("/api/v1/pipeline-runs/{id}/rerun"), json!({})).await?;
    let again = ended(&admin, &id, LIMIT).await?;
    assert_eq!(task(&again, "first")["job_id"], task(&end, "first")["job_id"]);
    let fresh: Vec<String> = job_ids(&admin).await?.difference(&before).cloned().collect();
    // second twice, item 2, sorry
    assert_eq!(fresh.len(), 4, "{again:#}");
    assert_eq!(again["run"]["number"], 1);
    // Everything, as a new run with the same parameters.
    let new = admin.post(&format!("/api/v1/pipeline-runs/{id}/rerun"), json!({ "all": true })).await?;
    assert_eq!((&new["run"]["number"], &new["parameters"]["code"]), (&json!(2), &json!(3)));
    // What a parameter mends.
    let good = start(&admin, "shaky", json!({ "code": 0 })).await?;
    let good = ended(&admin, &good, LIMIT).await?;
    assert_eq!(states(&good, &names), ["succeeded", "succeeded", "failed", "succeeded", "skipped"], "{good:#}");
    assert_eq!(
        admin.status(Method::POST, "/api/v1/pipelines/shaky/runs", Some(json!({ "parameters": { "x": 1 } }))).await?,
        400
    );
    Ok(())
}

#[tokio::test]
async fn time_is_up_and_cancelled_is_cancelled_with_the_container() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let yaml = "name: slow\ntasks:\n  a: { job: { command: [sleep, \"600\"], tracked: false }, timeout: 4s }\n  b: { needs: [a], job: { command: [\"true\"] } }\n";
    apply(&admin, yaml).await?;
    let id = start(&admin, "slow", json!({})).await?;
    let end = ended(&admin, &id, LIMIT).await?;
    assert_eq!(
        (end["run"]["state"].as_str(), task(&end, "a")["reason"].as_str()),
        (Some("failed"), Some("took longer than 4 s"))
    );
    let job = admin.finished(task(&end, "a")["job_id"].as_str().unwrap(), LIMIT).await?;
    assert_eq!(job["summary"]["state"], "cancelled");

    apply(&admin, &yaml.replace(", timeout: 4s", "")).await?;
    let id = start(&admin, "slow", json!({})).await?;
    reaches(&admin, &id, "a", "running", LIMIT).await?;
    assert_eq!(admin.status(Method::DELETE, "/api/v1/pipelines/slow", None).await?, 409, "a run goes");
    admin.post(&format!("/api/v1/pipeline-runs/{id}/cancel"), json!({})).await?;
    let end = ended(&admin, &id, LIMIT).await?;
    assert_eq!(end["run"]["state"], "cancelled");
    assert_eq!(states(&end, &["a", "b"]), ["cancelled", "cancelled"], "{end:#}");
    assert_eq!(end["run"]["reason"], "cancelled by admin");
    let job = admin.finished(task(&end, "a")["job_id"].as_str().unwrap(), LIMIT).await?;
    assert_eq!(job["summary"]["state"], "cancelled");
    until("no container is left", LIMIT, || async { Ok(server.containers()?.is_empty().then_some(())) }).await?;
    assert_eq!(admin.status(Method::POST, &format!("/api/v1/pipeline-runs/{id}/cancel"), Some(json!({}))).await?, 409);
    admin.delete("/api/v1/pipelines/slow").await?;
    assert_eq!(admin.status(Method::GET, &format!("/api/v1/pipeline-runs/{id}"), None).await?, 404);
    Ok(())
}

const CACHED: &str = r#"
name: cached
parameters: { note: a, version: latest }
tasks:
  check: { validate: { dataset: wine, version: "${params.version}" }, cache: true }
  prepare:
    needs: [check]
    cache: true
    job:
      command: [python3, -c, "import mlflow; r = mlflow.start_run(); mlflow.log_metric('rows', 1); mlflow.log_text('${params.note}', 'out.txt'); mlflow.end_run()"]
      data: ["wine:${tasks.check.version}"]
  report: { needs: [prepare], cache: true, job: { command: [echo, "${tasks.prepare.run}"], tracked: false } }
"#;

#[tokio::test]
async fn equal_inputs_are_not_worked_on_again_and_what_was_deleted_is_not_served() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    wine(&admin, &["id,acid\n1,3.1\n"]).await?;
    apply(&admin, CACHED).await?;
    let names = ["check", "prepare", "report"];
    let go = |parameters: Value| {
        let admin = admin.clone();
        async move { succeeded(&admin, &start(&admin, "cached", parameters).await?, LIMIT).await }
    };
    let first = go(json!({})).await?;
    assert_eq!(states(&first, &names), ["succeeded"; 3], "{first:#}");
    let second = go(json!({})).await?;
    assert_eq!(states(&second, &names), ["cached"; 3], "{second:#}");
    assert_eq!(task(&second, "prepare")["outputs"], task(&first, "prepare")["outputs"]);
    assert_eq!(task(&second, "prepare")["cached_from"], first["run"]["id"]);
    // Another text, another result, also for what follows.
    let other = go(json!({ "note": "b" })).await?;
    assert_eq!(states(&other, &names), ["cached", "succeeded", "succeeded"], "{other:#}");
    // Other data. What is made of them is the same to the byte, so what follows has equal inputs, under another run's id.
    version(&admin, "id,acid\n1,3.1\n2,3.2\n").await?;
    assert_eq!(states(&go(json!({})).await?, &names), ["succeeded", "succeeded", "cached"]);
    // The first content again under a third number.
    version(&admin, "id,acid\n1,3.1\n").await?;
    let back = go(json!({})).await?;
    assert_eq!(states(&back, &names), ["cached"; 3], "{back:#}");
    assert_eq!(task(&back, "check")["outputs"]["version"], 3, "the number is that of now");
    // Clearing works on it again.
    let id = back["run"]["id"].as_str().unwrap();
    admin.post(&format!("/api/v1/pipeline-runs/{id}/clear"), json!({ "task": "prepare", "downstream": false })).await?;
    let cleared = succeeded(&admin, id, LIMIT).await?;
    assert_eq!(states(&cleared, &names), ["cached", "succeeded", "cached"], "{cleared:#}");
    // A run in the trash is served no more.
    let made = task(&cleared, "prepare")["outputs"]["run"].as_str().unwrap().to_owned();
    admin.post("/api/2.0/mlflow/runs/delete", json!({ "run_id": made })).await?;
    let after = go(json!({})).await?;
    assert_eq!(states(&after, &["check", "prepare"]), ["cached", "succeeded"], "{after:#}");
    assert_ne!(task(&after, "prepare")["outputs"]["run"], json!(made));
    Ok(())
}

#[tokio::test]
async fn clearing_a_task_runs_it_and_what_follows_again() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let job = "job: { command: [\"true\"], tracked: false }";
    let yaml = format!(
        "name: three\ntasks:\n  a: {{ {job} }}\n  b: {{ needs: [a], for_each: [1, 2], {job} }}\n  c: {{ needs: [b], {job} }}\n  d: {{ needs: [a], {job} }}\n"
    );
    apply(&admin, &yaml).await?;
    let id = start(&admin, "three", json!({})).await?;
    let first = succeeded(&admin, &id, LIMIT).await?;
    let before = job_ids(&admin).await?;
    admin.post(&format!("/api/v1/pipeline-runs/{id}/clear"), json!({ "task": "b" })).await?;
    let end = succeeded(&admin, &id, LIMIT).await?;
    let fresh = job_ids(&admin).await?.difference(&before).count();
    assert_eq!(fresh, 3, "two items and c: {end:#}");
    assert_eq!(task(&end, "a")["job_id"], task(&first, "a")["job_id"]);
    assert_eq!(task(&end, "d")["job_id"], task(&first, "d")["job_id"]);
    assert_ne!(task(&end, "c")["job_id"], task(&first, "c")["job_id"]);
    assert_eq!(task(&end, "c")["number"], 2);
    assert_eq!(
        admin.status(Method::POST, &format!("/api/v1/pipeline-runs/{id}/clear"), Some(json!({ "task": "x" }))).await?,
        404
    );
    Ok(())
}

#[tokio::test]
async fn as_many_runs_go_at_once_as_the_pipeline_says() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let yaml = |rule: &str| {
        format!("name: busy\nconcurrency: {{ most: 1, when_busy: {rule} }}\ntasks:\n  a: {{ approval: {{}} }}\n")
    };
    apply(&admin, &yaml("wait")).await?;
    let (first, second) = (start(&admin, "busy", json!({})).await?, start(&admin, "busy", json!({})).await?);
    reaches(&admin, &first, "a", "waits_for_person", LIMIT).await?;
    until("the second says for what it waits", LIMIT, || async {
        let run = run(&admin, &second).await?;
        let waits = run["run"]["state"] == "waiting" && run["run"]["reason"] == "waits for run 1; at most 1 at once";
        Ok(waits.then_some(()))
    })
    .await?;
    apply(&admin, &yaml("skip")).await?;
    let third = start(&admin, "busy", json!({})).await?;
    let end = ended(&admin, &third, LIMIT).await?;
    assert_eq!(end["run"]["state"], "skipped", "{end:#}");
    apply(&admin, &yaml("cancel_older")).await?;
    let fourth = start(&admin, "busy", json!({})).await?;
    let old = ended(&admin, &first, LIMIT).await?;
    assert_eq!(
        (&old["run"]["state"], &old["run"]["reason"]),
        (&json!("cancelled"), &json!("run 4 is newer")),
        "{old:#}"
    );
    reaches(&admin, &fourth, "a", "waits_for_person", LIMIT).await.map(drop)
}
