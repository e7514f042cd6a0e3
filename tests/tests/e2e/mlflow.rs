//! The unmodified mlflow client from PyPI against the MLflow face.

use anyhow::Result;
use drydock_tests::{
    Server,
    clients::{self, MlflowServer, Version},
};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn what_the_client_logs_is_what_it_reads() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let engineer = server.person(&admin, "erin", "engineer").await?;
    clients::mlflow(&engineer, "tracking.py", &[]).await?;
    Ok(())
}

#[tokio::test]
async fn models_are_logged_registered_and_loaded() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    clients::mlflow(&admin, "models.py", &[]).await?;
    Ok(())
}

#[tokio::test]
async fn every_call_of_the_client_is_answered_as_mlflow_answers_it() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let said = clients::mlflow(&admin, "mlflow_conformance.py", &[]).await?;
    assert!(said.contains("groups passed with mlflow 3.") && said.contains("not in this client: none"), "{said}");
    Ok(())
}

#[tokio::test]
async fn the_older_client_is_answered_as_well() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let said = clients::mlflow_of(Version::Older, &admin, "mlflow_conformance.py", &[], &[]).await?;
    assert!(said.contains("groups passed with mlflow 2.22"), "{said}");
    assert!(said.contains("not in this client: logged_models, webhooks"), "{said}");
    Ok(())
}

/// Sends that script's requests to a real `mlflow server` and to ours, which may reach receivers on this machine.
async fn answers_as_mlflow(script: &str) -> Result<()> {
    let environment = [("DRYDOCK_WEBHOOKS_ALLOW", "127.0.0.0/8")];
    let (reference, server) = (MlflowServer::start().await?, Server::start_with(&environment).await?);
    let admin = server.admin().await?;
    let variables = [("MLFLOW_REFERENCE_URI", reference.url.as_str())];
    let said = clients::mlflow_of(Version::Newest, &admin, script, &[], &variables).await?;
    assert!(said.contains("answered alike"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_real_mlflow_server_answers_the_same() -> Result<()> {
    answers_as_mlflow("mlflow_differential.py").await
}

#[tokio::test]
async fn a_real_mlflow_server_answers_the_same_about_traces() -> Result<()> {
    answers_as_mlflow("mlflow_differential_traces.py").await
}

#[tokio::test]
async fn a_real_mlflow_server_tells_receivers_the_same() -> Result<()> {
    answers_as_mlflow("mlflow_differential_webhooks.py").await
}

#[tokio::test]
async fn runs_and_models_survive_a_killed_server() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    clients::mlflow(&admin, "tracking.py", &[]).await?;
    let before = admin.get("/api/v1/runs?limit=100").await?;
    assert_eq!(before["items"].as_array().unwrap().len(), 3);
    server.restart().await?;
    assert_eq!(admin.get("/api/v1/runs?limit=100").await?, before);
    Ok(())
}

#[tokio::test]
async fn an_upload_in_parts_is_its_makers_alone() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let (erin, olaf) =
        (server.person(&admin, "erin", "engineer").await?, server.person(&admin, "olaf", "engineer").await?);
    let mpu = |verb: &str| format!("/api/2.0/mlflow-artifacts/mpu/{verb}/0/r/artifacts");
    let made = erin.post(&mpu("create"), json!({"path": "/tmp/big.bin", "num_parts": 2})).await?;
    let upload = made["upload_id"].as_str().unwrap();
    let part = format!("/api/2.0/mlflow-artifacts/mpu/part/{upload}/1");
    let by_name = json!({"path": "big.bin", "upload_id": upload, "parts": [{"part_number": 1, "etag": "x"}]});

    // Somebody else's: there is no such upload, whatever is asked of it, and the attempt is noted.
    assert_eq!(olaf.status(Method::PUT, &part, Some(json!({}))).await?, 404);
    assert_eq!(olaf.status(Method::POST, &mpu("complete"), Some(by_name.clone())).await?, 404);
    assert_eq!(olaf.status(Method::POST, &mpu("abort"), Some(by_name)).await?, 404);
    let trail = admin.list("/api/v1/audit?limit=50").await?;
    let denied = trail.iter().filter(|row| row["action"] == "upload.denied" && row["actor"] == "olaf").count();
    assert_eq!(denied, 3, "{trail:#?}");

    // A part that was acknowledged is there after a crash, and the upload can be ended.
    let mut server = server;
    let sent = erin.request(Method::PUT, &part).body("the whole of it").send().await?;
    let tag = sent.headers()["etag"].to_str()?.to_owned();
    server.restart().await?;
    let end = json!({"path": "big.bin", "upload_id": upload, "parts": [{"part_number": 1, "etag": tag}]});
    erin.post(&mpu("complete"), end).await?;
    let there = erin.request(Method::GET, "/api/2.0/mlflow-artifacts/artifacts/0/r/artifacts/big.bin").send().await?;
    assert_eq!(there.text().await?, "the whole of it");
    Ok(())
}

#[tokio::test]
async fn a_part_that_is_named_twice_makes_no_artifact() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let mpu = |verb: &str| format!("/api/2.0/mlflow-artifacts/mpu/{verb}/0/r/artifacts");
    let made = admin.post(&mpu("create"), json!({"path": "/tmp/big.bin", "num_parts": 2})).await?;
    let upload = made["upload_id"].as_str().unwrap();
    let mut parts = vec![];
    for number in [1, 2] {
        let part = format!("/api/2.0/mlflow-artifacts/mpu/part/{upload}/{number}");
        let sent = admin.request(Method::PUT, &part).body(format!("part {number};")).send().await?;
        parts.push(json!({"part_number": number, "etag": sent.headers()["etag"].to_str()?}));
    }
    let end = |parts: &[&Value]| json!({"path": "big.bin", "upload_id": upload, "parts": parts});
    for twice in [[&parts[0], &parts[1], &parts[0]], [&parts[1], &parts[1], &parts[0]]] {
        let (status, said) = admin.send(Method::POST, &mpu("complete"), Some(end(&twice))).await?;
        assert!(status == 400 && said["message"] == "A part is named twice.", "{status} {said}");
    }
    let artifact = "/api/2.0/mlflow-artifacts/artifacts/0/r/artifacts/big.bin";
    assert_eq!(admin.status(Method::GET, artifact, None).await?, 404);
    // The upload is still open, and ends with each part once.
    admin.post(&mpu("complete"), end(&[&parts[1], &parts[0]])).await?;
    assert_eq!(admin.request(Method::GET, artifact).send().await?.text().await?, "part 1;part 2;");
    Ok(())
}
