//! Containers that somebody removes behind Drydock's back: the job ends with that cause, and what it wrote until then stays.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Server, docker, until};
use reqwest::Method;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(90);

/// Leaves a file that nobody else may read, and says what is in it.
const LEAVES: &str = r"
import os, time, uuid
os.umask(0o077)
text = uuid.uuid4().hex
os.mkdir('/outputs/deep')
open('/outputs/deep/left.txt', 'w').write(text)
print('left', text, flush=True)
time.sleep(600)
";

async fn text(api: &Api, path: &str) -> Result<String> {
    let answer = api.request(Method::GET, path).send().await?;
    ensure!(answer.status().is_success(), "{path} answered {}", answer.status());
    Ok(answer.text().await?)
}

/// Waits until this attempt has left its file; what is in it.
async fn left(api: &Api, job: &str, attempt: usize) -> Result<String> {
    let path = format!("/api/v1/jobs/{job}/log?attempt={attempt}");
    until(&format!("attempt {attempt} has left nothing"), LIMIT, || async {
        // it may not have begun
        let log = text(api, &path).await.unwrap_or_default();
        Ok(log.trim().strip_prefix("left ").map(str::to_owned))
    })
    .await
}

async fn attempt_ended(api: &Api, job: &str, attempt: usize) -> Result<Value> {
    until(&format!("attempt {attempt} does not end"), LIMIT, || async {
        let detail = api.get(&format!("/api/v1/jobs/{job}")).await?;
        let found =
            detail["attempts"].as_array().and_then(|all| all.iter().find(|it| it["number"] == attempt).cloned());
        Ok(found.filter(|it| !it["ended_at"].is_null()))
    })
    .await
}

fn container(server: &Server, job: &str) -> Result<String> {
    let all = server.containers()?;
    Ok(all.iter().find(|one| one.workload == job).with_context(|| format!("none of {job}: {all:?}"))?.id.clone())
}

#[tokio::test]
async fn a_removed_container_ends_its_attempt_with_that_cause_and_its_outputs_stay() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    let wish = json!({
        "name": "doomed", "command": ["python3", "-c", LEAVES], "retries": { "limit": 1, "backoff_s": 1 },
        "resources": { "cpus": 0.2, "memory_bytes": 128 << 20, "gpus": 0 },
    });
    let job = admin.submit_with(wish).await?;
    let first = left(&admin, &job, 1).await?;
    docker::remove(&container(&server, &job)?)?;
    // the server sees it go: killed first, then gone
    let ended = attempt_ended(&admin, &job, 1).await?;
    let reason = ended["reason"].as_str().unwrap_or_default();
    ensure!(reason.contains("removed") || reason.contains("SIGKILL"), "{ended:#}");
    ensure!(!reason.contains("not kept"), "{ended:#}");

    let second = left(&admin, &job, 2).await?;
    // and here it finds it gone
    server.kill9().await?;
    docker::remove(&container(&server, &job)?)?;
    server.launch().await?;
    let end = admin.finished(&job, LIMIT).await?;
    ensure!(end["summary"]["state"] == "lost" && end["attempts"][1]["cause"] == "vanished", "{end:#}");
    let reason = end["summary"]["reason"].as_str().unwrap_or_default();
    ensure!(reason.contains("somebody removed it") && !reason.contains("not kept"), "{reason}");

    for (attempt, words) in [(1, &first), (2, &second)] {
        let of = |what: &str| format!("/api/v1/jobs/{job}/{what}attempt={attempt}");
        let kept = text(&admin, &of("outputs/file?path=deep/left.txt&")).await?;
        ensure!(kept == *words, "attempt {attempt} left {words:?}, kept is {kept:?}");
        ensure!(text(&admin, &of("log?")).await?.contains(words.as_str()), "the log of attempt {attempt} is gone");
    }
    let instance = server.instance()?;
    let housekeeping = format!("label=io.drydock.housekeeping={instance}");
    until("nothing is left behind", LIMIT, || async {
        let helpers = docker::run(&["ps", "--all", "--quiet", "--filter", &housekeeping])?;
        Ok((helpers.is_empty() && server.containers()?.is_empty()).then_some(()))
    })
    .await
}
