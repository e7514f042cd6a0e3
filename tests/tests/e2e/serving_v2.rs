//! The Open Inference Protocol in front of a deployment of the sample model, with its real clients.

use anyhow::Result;
use drydock_tests::{Server, clients};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn tritonclient_and_mlflows_client_ask_the_same_deployment() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    server.demo(&admin).await?;
    let before = admin.get("/api/v1/deployments/breast-cancer").await?["total_requests"].as_u64().unwrap_or_default();
    eprintln!("{}", clients::mlflow(&admin, "v2.py", &["breast-cancer", "1"]).await?);
    let after = admin.get("/api/v1/deployments/breast-cancer").await?;
    assert_eq!(after["total_errors"], 0, "{after}");
    assert!(after["total_requests"].as_u64().unwrap_or_default() > before + 40, "{after}");

    // what a caller without a client sees
    let (status, said) =
        admin.send(Method::GET, "/serve/breast-cancer/v2/models/breast-cancer-classifier", None).await?;
    assert_eq!((status.as_u16(), &said["name"]), (200, &json!("breast-cancer-classifier")), "{said}");
    let (status, said) = admin
        .send(Method::POST, "/serve/breast-cancer/v2/models/breast-cancer/infer", Some(json!({"inputs": 1})))
        .await?;
    assert!(status == 400 && said["error"].is_string(), "{status} {said}");
    let (status, said) = admin.send(Method::GET, "/serve/none/v2/health/ready", None).await?;
    assert!(status == 404 && said["error"].is_string(), "{status} {said}");
    Ok(())
}
