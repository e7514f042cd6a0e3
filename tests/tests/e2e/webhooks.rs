//! Webhooks against a real receiver: MLflow's signature, restarts between attempts, and addresses that must not be reached.

use std::time::Duration;

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use drydock_tests::{Api, Receiver, Server, clients, receiver::Heard, until};
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);
const SECRET: &str = "s3cret";
const LOOPBACK: (&str, &str) = ("DRYDOCK_WEBHOOKS_ALLOW", "127.0.0.0/8");

async fn webhook(api: &Api, url: &str, events: &[&str]) -> Result<String> {
    let wish = json!({ "name": "hook", "url": url, "events": events, "secret": SECRET });
    let made = api.post("/api/v1/webhooks", wish).await?;
    Ok(made["id"].as_str().context("a webhook without an id")?.to_owned())
}

async fn model(api: &Api, name: &str) -> Result<()> {
    api.post("/api/2.0/mlflow/registered-models/create", json!({ "name": name })).await?;
    Ok(())
}

async fn version(api: &Api, name: &str) -> Result<()> {
    let wish = json!({ "name": name, "source": "s3://elsewhere/model", "description": "news" });
    api.post("/api/2.0/mlflow/model-versions/create", wish).await?;
    Ok(())
}

/// Computed here with another implementation than the server's wrapper: `v1,` base64(HMAC-SHA256(secret, id.timestamp.body)).
fn is_signed(heard: &Heard) -> bool {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let (id, at) = (heard.header("x-mlflow-delivery-id"), heard.header("x-mlflow-timestamp"));
    let sent = heard.header("x-mlflow-signature").strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
    sent.is_some_and(|tag| ring::hmac::verify(&key, format!("{id}.{at}.{}", heard.body).as_bytes(), &tag).is_ok())
}

async fn log(api: &Api, id: &str) -> Result<Vec<Value>> {
    api.list(&format!("/api/v1/webhooks/{id}/deliveries")).await
}

#[tokio::test]
async fn what_happens_in_the_registry_reaches_the_receiver_signed() -> Result<()> {
    let server = Server::start_with(&[LOOPBACK]).await?;
    let admin = server.admin().await?;
    let receiver = Receiver::start().await?;
    let id = webhook(&admin, &receiver.url(), &["model_version.created", "model_version_alias.created"]).await?;
    model(&admin, "wine").await?;
    version(&admin, "wine").await?;
    admin.put("/api/v1/models/wine/aliases/champion", json!({ "version": 1 })).await?;
    let heard =
        until("two messages", SOON, || async { Ok(Some(receiver.heard()).filter(|all| all.len() == 2)) }).await?;
    assert!(heard.iter().all(is_signed), "{heard:?}");
    let find = |entity: &str| heard.iter().map(Heard::json).find(|body| body["entity"] == entity);
    let made = find("model_version").context("no version")?;
    let expected = json!({
        "name": "wine", "version": "1", "source": "s3://elsewhere/model", "run_id": null, "tags": {}, "description": "news",
    });
    assert_eq!((&made["action"], &made["data"]), (&json!("created"), &expected));
    let alias = find("model_version_alias").context("no alias")?;
    assert_eq!(alias["data"], json!({ "name": "wine", "alias": "champion", "version": "1" }));
    // the receiver hears of it before its answer is written down
    let log = until("both are written down", SOON, || async {
        Ok(Some(log(&admin, &id).await?).filter(|log| log.iter().all(|one| one["state"] != "due")))
    })
    .await?;
    assert!(log.iter().all(|one| one["state"] == "delivered" && one["attempts"] == 1), "{log:?}");
    // The secret is told nowhere.
    let view = admin.get(&format!("/api/v1/webhooks/{id}")).await?;
    assert!(view["signed"] == true && !view.to_string().contains(SECRET), "{view}");
    assert!(!admin.get("/api/v1/audit").await?.to_string().contains(SECRET));
    Ok(())
}

#[tokio::test]
async fn a_message_outlives_kills_between_its_attempts_and_keeps_its_id() -> Result<()> {
    let mut server = Server::start_with(&[LOOPBACK]).await?;
    let admin = server.admin().await?;
    let receiver = Receiver::start().await?;
    receiver.answer(&[(503, ""), (500, "")]);
    let id = webhook(&admin, &receiver.url(), &["registered_model.created"]).await?;
    model(&admin, "wine").await?;
    until("the first attempt", SOON, || async { Ok(Some(()).filter(|()| receiver.heard().len() == 1)) }).await?;
    server.restart().await?;
    until("the second attempt", SOON, || async { Ok(Some(()).filter(|()| receiver.heard().len() >= 2)) }).await?;
    server.restart().await?;
    let done = until("the delivery", SOON, || async {
        Ok(log(&admin, &id).await?.into_iter().find(|one| one["state"] == "delivered"))
    })
    .await?;
    let heard = receiver.heard();
    assert!(heard.iter().all(is_signed));
    let ids: std::collections::BTreeSet<&str> = heard.iter().map(|one| one.header("x-mlflow-delivery-id")).collect();
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), [done["id"].as_str().unwrap()]);
    assert!(heard.len() >= 3 && heard.iter().all(|one| one.body == heard[0].body));
    Ok(())
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_with_the_way_to_allow_them() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let hosts = [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00::1]",
        "0.0.0.0",
    ];
    for host in hosts {
        let wish = json!({ "name": "h", "url": format!("https://{host}/x"), "events": ["prompt.created"] });
        let (status, answer) = admin.send(Method::POST, "/api/v1/webhooks", Some(wish)).await?;
        let text = answer["message"].as_str().unwrap_or_default();
        assert_eq!(status.as_u16(), 400, "{host}: {answer}");
        assert!(text.contains("non-public IP address") && text.contains("[webhooks] allow = ["), "{host}: {text}");
    }
    for url in ["http://8.8.8.8/x", "ftp://8.8.8.8/x", "file:///etc/passwd", "gopher://8.8.8.8/"] {
        let wish = json!({ "name": "h", "url": url, "events": ["prompt.created"] });
        let (status, answer) = admin.send(Method::POST, "/api/v1/webhooks", Some(wish)).await?;
        assert!(
            status.as_u16() == 400 && answer.to_string().contains("Allowed schemes are: https."),
            "{url}: {answer}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_longer_allowed_is_not_reached_even_by_a_webhook_that_was_made() -> Result<()> {
    let receiver = Receiver::start().await?;
    let mut server = Server::start_with(&[("DRYDOCK_WEBHOOKS_ALLOW", receiver.address())]).await?;
    let admin = server.admin().await?;
    let id = webhook(&admin, &receiver.url(), &["registered_model.created"]).await?;
    server.set_environment(&[]);
    server.restart().await?;
    model(&admin, "wine").await?;
    let failed = until("the refusal in the log", SOON, || async {
        Ok(log(&admin, &id).await?.into_iter().find(|one| one["state"] == "failed"))
    })
    .await?;
    assert!(failed["error"].as_str().unwrap().contains("non-public IP address"), "{failed}");
    assert!(failed["attempts"] == 1 && receiver.heard().is_empty());
    Ok(())
}

#[tokio::test]
async fn redirects_are_not_followed_and_a_message_can_be_sent_again() -> Result<()> {
    let (receiver, inner) = (Receiver::start().await?, Receiver::start().await?);
    let server = Server::start_with(&[("DRYDOCK_WEBHOOKS_ALLOW", receiver.address())]).await?;
    let admin = server.admin().await?;
    let to: &'static str = Box::leak(format!("location: {}\r\n", inner.url()).into_boxed_str());
    receiver.answer(&[(307, to)]);
    let id = webhook(&admin, &receiver.url(), &["registered_model.created"]).await?;
    model(&admin, "wine").await?;
    let failed = until("the refusal in the log", SOON, || async {
        Ok(log(&admin, &id).await?.into_iter().find(|one| one["state"] == "failed"))
    })
    .await?;
    assert!(failed["error"].as_str().unwrap().contains("follow no redirects"), "{failed}");
    assert!(inner.heard().is_empty());
    let delivery = failed["id"].as_str().unwrap();
    admin.post(&format!("/api/v1/webhooks/{id}/deliveries/{delivery}/send"), json!({})).await?;
    until("the message again", SOON, || async {
        Ok(log(&admin, &id).await?.into_iter().find(|one| one["state"] == "delivered"))
    })
    .await?;
    // A test by hand goes into the log as such.
    let sent = admin.post(&format!("/api/v1/webhooks/{id}/test"), json!({})).await?;
    assert!(sent["delivery"]["is_test"] == true && sent["delivery"]["answer_status"] == 200, "{sent}");
    assert!(sent["answer_body"] == "ok" && sent["body"].as_str().unwrap().contains("example_model"));
    Ok(())
}

#[tokio::test]
async fn a_viewer_and_a_job_make_no_webhook() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let viewer = server.person(&admin, "vera", "viewer").await?;
    let wish = json!({ "name": "h", "url": "https://8.8.8.8/x", "events": ["prompt.created"] });
    for path in ["/api/v1/webhooks", "/api/2.0/mlflow/webhooks"] {
        assert_eq!(viewer.status(Method::POST, path, Some(wish.clone())).await?, 403);
        assert_eq!(viewer.status(Method::GET, path, None).await?, 403);
    }
    Ok(())
}

#[tokio::test]
async fn the_unmodified_client_finds_mlflows_registry() -> Result<()> {
    let receiver = Receiver::start().await?;
    let server = Server::start_with(&[LOOPBACK]).await?;
    let admin = server.admin().await?;
    let said = clients::mlflow(&admin, "registry.py", &[&receiver.url(), "keep"]).await?;
    assert!(said.contains("groups passed with mlflow"), "{said}");
    let heard =
        until("five messages", SOON, || async { Ok(Some(receiver.heard()).filter(|all| all.len() >= 5)) }).await?;
    let names: Vec<String> =
        heard.iter().map(|one| one.json()["entity"].as_str().unwrap_or_default().to_owned()).collect();
    for entity in ["model_version", "model_version_tag", "model_version_alias"] {
        assert!(names.iter().any(|name| name == entity), "{names:?}");
    }
    assert!(heard.iter().all(is_signed));
    Ok(())
}
