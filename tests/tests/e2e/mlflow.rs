//! The unmodified mlflow client from PyPI against the MLflow face.

use anyhow::Result;
use drydock_tests::{
    Server,
    clients::{self, MlflowServer, Version},
};

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
    assert!(said.contains("groups passed with mlflow 3."), "{said}");
    Ok(())
}

#[tokio::test]
async fn the_older_client_is_answered_as_well() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let said = clients::mlflow_of(Version::Older, &admin, "mlflow_conformance.py", &[], &[]).await?;
    assert!(said.contains("groups passed with mlflow 2.22"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_real_mlflow_server_answers_the_same() -> Result<()> {
    let (reference, server) = (MlflowServer::start().await?, Server::start().await?);
    let admin = server.admin().await?;
    let variables = [("MLFLOW_REFERENCE_URI", reference.url.as_str())];
    let said = clients::mlflow_of(Version::Newest, &admin, "mlflow_differential.py", &[], &variables).await?;
    assert!(said.contains("answered alike"), "{said}");
    Ok(())
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
