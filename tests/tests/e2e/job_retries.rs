//! Attempts that follow each other, and why each ended, in words.

use std::time::Duration;

use anyhow::Result;
use drydock_tests::{Api, Server, docker, until};
use reqwest::Method;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(120);

fn job(name: &str, command: &[&str], more: Value) -> Value {
    let mut wish = json!({
        "name": name, "command": command, "tracked": false,
        "resources": { "cpus": 0.2, "memory_bytes": 128 << 20, "gpus": 0 },
    });
    wish.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    wish
}

async fn is_in(api: &Api, job: &str, state: &str) -> Result<()> {
    let path = format!("/api/v1/jobs/{job}");
    until(&format!("job {job} is {state}"), LIMIT, || async {
        Ok((api.get(&path).await?["summary"]["state"] == state).then_some(()))
    })
    .await
}

fn causes(detail: &Value) -> Vec<&str> {
    detail["attempts"].as_array().into_iter().flatten().map(|one| one["cause"].as_str().unwrap_or("none")).collect()
}

#[tokio::test]
async fn a_failed_job_is_tried_again_with_growing_pauses_until_its_limit() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let wish =
        job("stubborn", &["sh", "-c", "echo again; exit 3"], json!({ "retries": { "limit": 2, "backoff_s": 2 } }));
    let id = admin.submit_with(wish).await?;
    let path = format!("/api/v1/jobs/{id}");
    let waiting = until("it waits for its next try", LIMIT, || async {
        let detail = admin.get(&path).await?;
        let reason = detail["summary"]["reason"].as_str().unwrap_or_default();
        let waits = detail["summary"]["state"] == "queued" && reason.contains("tries again in");
        Ok(waits.then(|| reason.to_owned()))
    })
    .await?;
    assert!(waiting.starts_with("exit code 3; tries again in"), "{waiting}");
    let end = admin.finished(&id, LIMIT).await?;
    assert_eq!((&end["summary"]["state"], &end["summary"]["exit_code"]), (&json!("failed"), &json!(3)), "{end:#}");
    assert_eq!(causes(&end), ["exit"; 3], "{end:#}");
    let attempts = end["attempts"].as_array().unwrap();
    let pause =
        |from: usize| attempts[from + 1]["started_at"].as_i64().unwrap() - attempts[from]["ended_at"].as_i64().unwrap();
    assert!(pause(0) >= 2000 && pause(1) >= 4000, "{} and {}", pause(0), pause(1));
    until("every container is removed", LIMIT, || async { Ok(server.containers()?.is_empty().then_some(())) }).await
}

#[tokio::test]
async fn a_retry_that_succeeds_ends_the_job_well() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let command = ["sh", "-c", "echo try $DRYDOCK_ATTEMPT; test $DRYDOCK_ATTEMPT = 2"];
    let id = admin.submit_with(job("lucky", &command, json!({ "retries": { "limit": 5, "backoff_s": 1 } }))).await?;
    let end = admin.finished(&id, LIMIT).await?;
    assert_eq!((&end["summary"]["state"], causes(&end)), (&json!("succeeded"), vec!["exit", "none"]), "{end:#}");
    let (_, log) = admin.send(Method::GET, &format!("/api/v1/jobs/{id}/log"), None).await?;
    assert!(log.as_str().is_some_and(|text| text.contains("try 2") && !text.contains("try 1")), "{log}");
    Ok(())
}

#[tokio::test]
async fn a_job_between_two_tries_can_be_cancelled() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let wish = job("waits", &["false"], json!({ "retries": { "limit": 5, "backoff_s": 300 } }));
    let id = admin.submit_with(wish).await?;
    let path = format!("/api/v1/jobs/{id}");
    until("it waits for its next try", LIMIT, || async {
        let detail = admin.get(&path).await?;
        Ok((detail["summary"]["state"] == "queued" && detail["attempts"][0]["ended_at"].is_i64()).then_some(()))
    })
    .await?;
    admin.post(&format!("{path}/cancel"), Value::Null).await?;
    let end = admin.finished(&id, LIMIT).await?;
    assert_eq!(
        (&end["summary"]["state"], &end["summary"]["reason"]),
        (&json!("cancelled"), &json!("cancelled by admin"))
    );
    assert_eq!(causes(&end), ["exit"]);
    Ok(())
}

#[tokio::test]
async fn what_another_try_would_not_change_is_final_and_says_why() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let again = json!({ "limit": 3, "backoff_s": 1 });
    let late = job("late", &["sleep", "600"], json!({ "retries": again, "timeout_s": 2 }));
    let image = job("image", &["true"], json!({ "retries": again, "image": "no-such-image:1" }));
    let gone = job("gone", &["sleep", "600"], json!({ "retries": again }));
    let (late, gone) = (admin.submit_with(late).await?, admin.submit_with(gone).await?);
    // an image that is not there may be refused at once
    let image = admin.submit_with(image).await;
    is_in(&admin, &gone, "running").await?;
    admin.post(&format!("/api/v1/jobs/{gone}/cancel"), Value::Null).await?;
    let end = admin.finished(&late, LIMIT).await?;
    assert_eq!((causes(&end), &end["summary"]["reason"]), (vec!["time"], &json!("timed out after 2 s")), "{end:#}");
    let end = admin.finished(&gone, LIMIT).await?;
    assert_eq!((causes(&end), &end["summary"]["reason"]), (vec!["cancelled"], &json!("cancelled by admin")), "{end:#}");
    if let Ok(image) = image {
        let end = admin.finished(&image, LIMIT).await?;
        assert_eq!(causes(&end), ["image"], "{end:#}");
        assert!(end["summary"]["reason"].as_str().unwrap().contains("no-such-image"), "{end:#}");
    }
    Ok(())
}

#[tokio::test]
async fn want_of_memory_says_how_much_it_had() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let command = ["python3", "-c", "b = bytearray(1 << 30); b[::4096] = b'x' * len(b[::4096])"];
    let id = admin.submit_with(job("hungry", &command, json!({ "retries": { "limit": 1, "backoff_s": 1 } }))).await?;
    let end = admin.finished(&id, LIMIT).await?;
    assert_eq!(causes(&end), ["memory", "memory"], "{end:#}");
    let reason = end["summary"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("out of memory: it had 128 MiB"), "{reason}");
    Ok(())
}

#[tokio::test]
async fn a_restart_of_the_box_takes_no_try_from_a_resumable_job_and_ends_another() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    let resumes = job("resumes", &["sleep", "600"], json!({ "resume": { "grace_s": 1 } }));
    let (resumes, ends) =
        (admin.submit_with(resumes).await?, admin.submit_with(job("ends", &["sleep", "600"], json!({}))).await?);
    is_in(&admin, &resumes, "running").await?;
    is_in(&admin, &ends, "running").await?;
    // As after a power cut: containers have ended, and the kernel is another one than their attempts were admitted under.
    server.kill9().await?;
    for container in server.containers()? {
        docker::kill(&container.id)?;
    }
    server.alter("UPDATE job_attempts SET boot_id = 'the one before'")?;
    server.launch().await?;
    let end = admin.finished(&ends, LIMIT).await?;
    assert_eq!((&end["summary"]["state"], causes(&end)), (&json!("lost"), vec!["reboot"]), "{end:#}");
    assert_eq!(end["summary"]["reason"], "the box was restarted while it ran");
    until("the other goes on", LIMIT, || async {
        let detail = admin.get(&format!("/api/v1/jobs/{resumes}")).await?;
        let again = detail["summary"]["state"] == "running" && causes(&detail) == ["reboot", "none"];
        Ok(again.then_some(()))
    })
    .await
}
