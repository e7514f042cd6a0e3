//! Docker absent, coming, and going away: the server stays up, says so, queues, and goes on by itself.

use std::time::Duration;

use anyhow::Result;
use drydock_tests::{Server, docker::Gate, until};
use reqwest::Method;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn work_waits_for_docker_and_goes_on_when_it_is_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("docker.sock");
    let server = Server::start_with(&[("DOCKER_HOST", &format!("unix://{}", socket.display()))]).await?;
    let admin = server.admin().await?;

    // Absent from the start.
    let (status, text) = admin.send(Method::GET, "/readyz", None).await?;
    assert!(text.to_string().to_lowercase().contains("docker"), "{status} {text}");
    let docker = &admin.get("/api/v1/overview").await?["docker"];
    assert_eq!(docker["available"], false, "{docker}");
    assert!(docker["message"].as_str().is_some_and(|text| !text.is_empty()), "{docker}");
    let job = admin.submit("patient", &["sleep", "15"]).await?;
    let waiting = until("the job does not say that it waits for Docker", LIMIT, || async {
        let job = admin.get(&format!("/api/v1/jobs/{job}")).await?;
        Ok(job["summary"]["reason"].as_str().unwrap_or_default().contains("Docker").then_some(job))
    })
    .await?;
    assert_eq!(waiting["summary"]["state"], "queued", "{waiting}");

    // It comes.
    let gate = Gate::open(&socket)?;
    until("the job runs", LIMIT, || async {
        Ok((admin.get(&format!("/api/v1/jobs/{job}")).await?["summary"]["state"] == "running").then_some(()))
    })
    .await?;
    server.ready().await?;

    // It goes while the job runs: nothing is called lost, and the end is seen when it is back.
    drop(gate);
    until("the container does not end", LIMIT, || async {
        Ok(server.containers()?.iter().all(|one| one.state == "exited").then_some(()))
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let unseen = admin.get(&format!("/api/v1/jobs/{job}")).await?;
    assert_eq!(unseen["summary"]["state"], "running", "{unseen}");
    let _gate = Gate::open(&socket)?;
    let end = admin.finished(&job, LIMIT).await?;
    assert_eq!(
        (end["summary"]["state"].as_str(), end["attempts"].as_array().unwrap().len()),
        (Some("succeeded"), 1),
        "{end}"
    );
    Ok(())
}
