//! What people do with models in the dashboard, in a real Chromium: aliases and their history, cards, lineage, webhooks.

use anyhow::{Context, Result};
use drydock_tests::{Api, Browser, Receiver, Server, server::PASSWORD};
use serde_json::json;

async fn log_in(browser: &Browser, username: &str) -> Result<()> {
    browser.visit("/login").await?;
    browser.fill("Username", username).await?;
    browser.fill("Password", PASSWORD).await?;
    browser.click("Log in").await?;
    browser.sees("Overview").await
}

/// A model of two versions from a run with a commit, whose champion moved.
async fn wine(api: &Api) -> Result<()> {
    let tags = json!([{ "key": "mlflow.source.git.commit", "value": "3f2b91c7d0aa" }]);
    let made = api
        .post("/api/2.0/mlflow/runs/create", json!({ "experiment_id": "0", "run_name": "forest", "tags": tags }))
        .await?;
    let run = made["run"]["info"].clone();
    let (id, root) = (run["run_id"].as_str().context("no run")?, run["artifact_uri"].as_str().context("no place")?);
    for (key, value) in [("val_rmse", 0.52), ("val_r2", 0.61)] {
        let metric = json!({ "run_id": id, "key": key, "value": value, "timestamp": 1, "step": 1 });
        api.post("/api/2.0/mlflow/runs/log-metric", metric).await?;
    }
    api.post("/api/2.0/mlflow/registered-models/create", json!({ "name": "wine" })).await?;
    for _ in 0..2 {
        let wish = json!({ "name": "wine", "source": format!("{root}/model"), "run_id": id });
        api.post("/api/2.0/mlflow/model-versions/create", wish).await?;
    }
    for version in [1, 2] {
        api.put("/api/v1/models/wine/aliases/champion", json!({ "version": version })).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_model_shows_its_history_its_card_and_where_it_comes_from() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    wine(&admin).await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;

    browser.visit("/models/wine?tab=aliases").await?;
    browser.sees("moved from version 1 to version 2").await?;
    browser.visit("/models/wine?tab=aliases&day=2099-01-01").await?;
    browser.sees("champion pointed at version 2").await?;
    browser.visit("/models/wine?tab=aliases&day=2001-01-01").await?;
    browser.sees("champion pointed at nothing").await?;

    browser.visit("/models/wine?tab=card&version=2").await?;
    browser.click("Write the card").await?;
    browser.fill("Purpose", "Ranks wines before the panel tastes them.").await?;
    browser.fill("Bias", "None was looked for.").await?;
    browser.click("Save the card").await?;
    browser.sees("2 of 5 sections").await?;
    browser.sees("Ranks wines before the panel tastes them.").await?;
    assert!(browser.offers("Print").await?);

    browser.visit("/models/wine?tab=lineage&version=2").await?;
    browser.sees("3f2b91c7d0").await?;
    // A node is a link that leads to its thing.
    browser.press("//*[name()='a' and starts-with(@aria-label, 'Run forest')]", "the run's node").await?;
    browser.sees("val_rmse").await?;
    assert!(browser.path().await?.starts_with("/runs/"));
    // the run's own page leads to the same picture
    browser.click("Lineage").await?;
    browser.sees("Lineage of run").await?;
    browser.sees("3f2b91c7d0").await?;

    browser.visit("/models/wine").await?;
    browser.click("Delete version 1").await?;
    browser.sees("A number is never given twice").await?;
    browser.fill("Type wine 1 to confirm", "wine 1").await?;
    browser.press("//dialog[@open]//button[@type='submit']", "Delete").await?;
    browser.sees("Version 1 deleted").await?;

    browser.click("Rename").await?;
    browser.fill("Name", "wine/red").await?;
    browser.click("Rename the model").await?;
    browser.sees("The model was not renamed").await?;
    browser.fill("Name", "red wine").await?;
    browser.click("Rename the model").await?;
    browser.sees("Renamed to red wine").await?;
    assert_eq!(browser.path().await?, "/models/red%20wine");
    browser.visit("/models/red%20wine?tab=aliases").await?;
    browser.sees("champion").await?;
    browser.close().await
}

#[tokio::test]
async fn a_webhook_is_made_tried_and_its_log_read() -> Result<()> {
    let receiver = Receiver::start().await?;
    let server = Server::start_with(&[("DRYDOCK_WEBHOOKS_ALLOW", receiver.address())]).await?;
    let admin = server.admin().await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/settings?tab=webhooks").await?;
    browser.click("New webhook").await?;
    browser.fill("Name", "team-chat").await?;
    browser.fill("Address", &receiver.url()).await?;
    browser.click("Make the webhook").await?;
    browser.click("team-chat").await?;
    browser.click("Test").await?;
    browser.sees("The receiver took the test").await?;
    wine(&admin).await?;
    browser.sees("Version alias created").await?;
    drydock_tests::until("five messages", std::time::Duration::from_secs(30), || async {
        Ok(Some(()).filter(|()| receiver.heard().len() >= 5))
    })
    .await?;
    browser.shoot("webhook-log-light-1280").await?;
    server.person(&admin, "vera", "viewer").await?;
    let other = Browser::open(&server.url()).await?;
    log_in(&other, "vera").await?;
    other.visit("/settings").await?;
    other.sees("API tokens").await?;
    assert!(!other.offers("Webhooks").await?, "a viewer sees no webhooks");
    other.close().await?;
    browser.close().await
}

#[tokio::test]
async fn the_models_pages_are_accessible_and_have_their_pictures() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    wine(&admin).await?;
    let content = json!({ "purpose": "Ranks wines.", "limits": "Never tried on white wines." });
    admin.put("/api/v1/models/wine/versions/2/card", json!({ "base": 0, "content": content })).await?;
    let pages = [
        ("model-versions", "/models/wine", "Version 2"),
        ("model-aliases", "/models/wine?tab=aliases&day=2099-01-01", "pointed at"),
        ("model-card", "/models/wine?tab=card&version=2", "Never tried"),
        ("model-card-form", "/models/wine?tab=card&version=2&edit=1", "Save the card"),
        ("model-lineage", "/models/wine?tab=lineage&version=2", "forest"),
        ("model-compare", "/models/wine?compare=1,2", "Metrics"),
        ("webhooks", "/settings?tab=webhooks", "webhook"),
    ];
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    let mut barriers = vec![];
    for theme in ["light", "dark"] {
        for width in [1280, 390] {
            browser.look(width, theme).await?;
            for (name, path, text) in pages {
                browser.visit(path).await?;
                browser.sees(text).await?;
                browser.shoot(&format!("{name}-{theme}-{width}")).await?;
                barriers.extend(
                    browser.barriers().await?.into_iter().map(|found| format!("{path} {theme} {width}: {found}")),
                );
                let script = "return document.documentElement.scrollWidth > document.documentElement.clientWidth + 1";
                let wide: bool = browser.driver.execute(script, vec![]).await?.convert()?;
                if wide {
                    barriers.push(format!("{path} {theme} {width}: the page scrolls sideways"));
                }
            }
        }
    }
    browser.close().await?;
    assert!(barriers.is_empty(), "{} findings:\n{}", barriers.len(), barriers.join("\n"));
    Ok(())
}
