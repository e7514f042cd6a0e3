//! SIGKILL around create, start, stop and remove of containers: afterwards every job has ended as it should, once, and nothing is left
//! behind: no container that nobody knows, no second one of a job, no lease, no token.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, ensure};
use drydock_tests::{Api, Fault, Server, until};
use reqwest::Method;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(180);
/// Jobs of one round: two that end by themselves, one that fails and is tried again, one that is cancelled.
const JOBS: usize = 4;
/// Create, start and remove of each, the second try, the stop.
const ACTIONS: u64 = 3 * JOBS as u64 + 3 + 1;

fn job(name: &str, program: &str, more: Value) -> Value {
    let mut wish = json!({
        "name": name, "command": ["sh", "-c", program], "tracked": false,
        "resources": { "cpus": 0.1, "memory_bytes": 64 << 20, "gpus": 0 },
    });
    wish.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    wish
}

/// The jobs' ids by the end that each must come to.
struct Round {
    well: Vec<String>,
    again: String,
    cancelled: String,
}

fn wishes(round: usize) -> [Value; JOBS] {
    let name = |what: &str| format!("{what}-{round}");
    let retries = json!({ "retries": { "limit": 1, "backoff_s": 1 } });
    [
        job(&name("short"), "echo done", json!({})),
        job(&name("longer"), "sleep 1; echo done", json!({})),
        job(&name("again"), "echo done; exit 3", retries),
        job(&name("stopped"), "trap 'exit 1' TERM; sleep 600 & wait", json!({})),
    ]
}

/// What of them is there; a server that was killed while it was asked may have taken it or not.
async fn found(admin: &Api, wish: &Value) -> Result<Option<String>> {
    let name = wish["name"].as_str().unwrap_or_default();
    let all = admin.list(&format!("/api/v1/jobs?search={name}")).await?;
    let mut ids = all.iter().filter(|job| job["name"] == name).filter_map(|job| job["id"].as_str().map(str::to_owned));
    let first = ids.next();
    ensure!(ids.next().is_none(), "{name} was submitted once and is there twice");
    Ok(first)
}

async fn all_there(admin: &Api, wishes: &[Value; JOBS]) -> Result<Round> {
    let mut ids = vec![];
    for wish in wishes {
        ids.push(match found(admin, wish).await? {
            Some(id) => id,
            None => admin.submit_with(wish.clone()).await?,
        });
    }
    let [short, longer, again, cancelled] = <[String; JOBS]>::try_from(ids).unwrap();
    Ok(Round { well: vec![short, longer], again, cancelled })
}

/// Cancels as soon as it runs, or the server is gone.
async fn cancel_when_it_runs(admin: &Api, id: &str) {
    for _ in 0..200 {
        let Ok(detail) = admin.get(&format!("/api/v1/jobs/{id}")).await else { return };
        if detail["summary"]["state"] == "running" {
            let _ = admin.post(&format!("/api/v1/jobs/{id}/cancel"), Value::Null).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn ends(admin: &Api, round: &Round) -> Result<()> {
    for id in &round.well {
        let end = admin.finished(id, LIMIT).await?;
        ensure!(end["summary"]["state"] == "succeeded", "{end:#}");
        ensure!(end["attempts"].as_array().is_some_and(|all| all.len() == 1), "tried twice: {end:#}");
        said_once(admin, id, 1).await?;
    }
    let end = admin.finished(&round.again, LIMIT).await?;
    ensure!(end["summary"]["state"] == "failed" && end["summary"]["exit_code"] == 3, "{end:#}");
    ensure!(end["attempts"].as_array().is_some_and(|all| all.len() == 2), "not two tries: {end:#}");
    said_once(admin, &round.again, 2).await?;
    admin.post(&format!("/api/v1/jobs/{}/cancel", round.cancelled), Value::Null).await.ok();
    let end = admin.finished(&round.cancelled, LIMIT).await?;
    ensure!(end["summary"]["state"] == "cancelled", "{end:#}");
    ensure!(end["attempts"].as_array().is_some_and(|all| all.len() <= 1), "{end:#}");
    Ok(())
}

/// A container that was started twice says it twice.
async fn said_once(admin: &Api, id: &str, attempts: u32) -> Result<()> {
    let (_, log) = admin.send(Method::GET, &format!("/api/v1/jobs/{id}/log"), None).await?;
    let count = log.as_str().map_or(0, |text| text.matches("done").count());
    ensure!(count == 1, "attempt {attempts} of {id} said it {count} times: {log}");
    Ok(())
}

async fn nothing_is_left(server: &Server) -> Result<()> {
    until("every container is gone", LIMIT, || async {
        let all = server.containers()?;
        let mut of: BTreeMap<String, usize> = BTreeMap::new();
        all.iter().for_each(|one| *of.entry(one.workload.clone()).or_default() += 1);
        ensure!(of.values().all(|count| *count == 1), "two containers of one job: {all:?}");
        Ok(all.is_empty().then_some(()))
    })
    .await?;
    let left = |query: &str| server.count(query);
    ensure!(left("select count(*) from gpu_leases where ended_at is null")? == 0, "a lease is left");
    ensure!(left("select count(*) from job_attempts where ended_at is null")? == 0, "an attempt is left open");
    ensure!(left("select count(*) from tokens where workload_id is not null")? == 0, "a token is left");
    ensure!(left("select count(*) from workloads where desired <> 'absent'")? == 0, "a workload is left");
    Ok(())
}

#[tokio::test]
async fn a_kill_around_a_container_leaves_no_phantom_no_duplicate_and_no_lease() -> Result<()> {
    let mut fault = Fault::new("SIGKILL around create, start, stop and remove of containers", 5, 200);
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    let mut killed = 0;
    for round in 0..fault.count {
        // Every other time right after an action, before anything of it is written; else anywhere.
        let action = 1 + fault.dice.below(ACTIONS);
        let exactly = round % 2 == 0;
        if exactly {
            server.kill9().await?;
            server.set_environment(&[("DRYDOCK_FAILPOINT", &format!("kill-after-action={action}"))]);
            server.launch().await?;
        }
        let wishes = wishes(round);
        let mut last = None;
        for wish in &wishes {
            // the kill may meet a submission
            last = admin.submit_with(wish.clone()).await.ok();
        }
        let api = admin.clone();
        let cancel = tokio::spawn(async move {
            if let Some(stopped) = last {
                cancel_when_it_runs(&api, &stopped).await;
            }
        });
        if exactly {
            killed += usize::from(server.ends_within(Duration::from_secs(20)).await?);
        } else {
            tokio::time::sleep(Duration::from_millis(fault.dice.below(2500))).await;
            killed += 1;
        }
        cancel.abort();
        if !server.has_ended()? {
            server.kill9().await?;
        }
        server.set_environment(&[]);
        server.launch().await?;
        let jobs = all_there(&admin, &wishes).await?;
        ends(&admin, &jobs).await?;
        nothing_is_left(&server).await?;
    }
    let jobs = fault.count * JOBS;
    fault.held(format!(
        "{killed} kills over {jobs} jobs: 0 phantoms, 0 duplicates, 0 leases left, every job at its end"
    ));
    Ok(())
}
