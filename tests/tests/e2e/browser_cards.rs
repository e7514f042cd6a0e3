//! A model's card read beside an earlier one and as it is printed, a picture among a run's artifacts, and a deployment's lineage, in
//! a real Chromium.

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use drydock_tests::{Api, Browser, Server};
use serde_json::json;
use thirtyfour::{common::print::PrintParameters, components::SelectElement, prelude::*};

use crate::browser::log_in;

/// Two pixels in a row, as a PNG.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAADUlEQVR4nGP4zwAE/wEHAAH/4iOeWQAAAABJRU5ErkJggg==";

async fn version(api: &Api) -> Result<()> {
    api.post("/api/2.0/mlflow/registered-models/create", json!({ "name": "wine" })).await?;
    let wish = json!({ "name": "wine", "source": "s3://elsewhere/model" });
    api.post("/api/2.0/mlflow/model-versions/create", wish).await?;
    Ok(())
}

async fn script<T: serde::de::DeserializeOwned>(browser: &Browser, text: &str) -> Result<T> {
    Ok(browser.driver.execute(text, vec![]).await?.convert()?)
}

#[tokio::test]
async fn a_cards_revisions_are_compared_and_one_is_printed() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    version(&admin).await?;
    let path = "/api/v1/models/wine/versions/1/card";
    for (base, purpose) in [(0, "Ranks white wines before the panel."), (1, "Ranks red wines before the panel.")] {
        admin
            .put(path, json!({ "base": base, "content": { "purpose": purpose, "bias": "None was looked for." } }))
            .await?;
    }
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/models/wine?tab=card&version=1").await?;
    browser.sees("Ranks red wines before the panel.").await?;

    // What changed, by words; the address says so, too.
    let list = browser.driver.query(By::Css("select[aria-label='Compare with']")).first().await?;
    SelectElement::new(&list).await?.select_by_value("1").await?;
    browser.sees("From revision 1 to revision 2").await?;
    let words =
        "return [...document.querySelectorAll('.model-card del, .model-card ins')].map(e => e.textContent.trim())";
    assert_eq!(script::<Vec<String>>(&browser, words).await?, ["white", "red"]);
    let address = browser.driver.current_url().await?;
    assert!(address.query().unwrap_or_default().contains("against=1"), "{address}");
    browser.visit("/models/wine?tab=card&version=1&against=1").await?;
    browser.sees("From revision 1 to revision 2").await?;

    // An earlier one by its number, and Print gives the card alone.
    browser.visit("/models/wine?tab=card&version=1&revision=1").await?;
    browser.sees("Ranks white wines before the panel.").await?;
    browser.driver.execute("window.print = () => { window.printed = (window.printed || 0) + 1 }", vec![]).await?;
    browser.click("Print").await?;
    assert_eq!(script::<u64>(&browser, "return window.printed").await?, 1);
    let paper = browser.driver.print_page(PrintParameters::default()).await?;
    assert!(paper.starts_with(b"%PDF"), "{} bytes", paper.len());
    // What is on the paper: the rules for print, taken for the screen.
    let as_printed = "for (const sheet of document.styleSheets) for (const rule of sheet.cssRules) \
        if (rule instanceof CSSMediaRule && rule.media.mediaText === 'print') rule.media.mediaText = 'all'";
    browser.driver.execute(as_printed, vec![]).await?;
    let shown = "const there = e => !!e && e.getClientRects().length > 0; \
        return [there(document.querySelector('.model-card')), \
            [...document.querySelectorAll('.sidebar, .topbar, .tabs, .print-hide')].some(there)]";
    assert_eq!(script::<(bool, bool)>(&browser, shown).await?, (true, false), "the card alone is printed");
    browser.shoot("model-card-print").await?;
    browser.close().await
}

#[tokio::test]
async fn a_picture_among_the_artifacts_is_shown() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let made = admin.post("/api/2.0/mlflow/runs/create", json!({ "experiment_id": "0", "run_name": "plots" })).await?;
    let run = made["run"]["info"]["run_id"].as_str().context("no run")?.to_owned();
    let address = format!("/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/plots/loss.png");
    admin.request("PUT".parse()?, &address).body(STANDARD.decode(PNG)?).send().await?.error_for_status()?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit(&format!("/runs/{run}?tab=artifacts&file=plots/loss.png")).await?;
    let drawn = "const i = document.querySelector('.picture img'); return i && i.complete ? i.naturalWidth : 0";
    drydock_tests::until("the picture is drawn", std::time::Duration::from_secs(30), || async {
        Ok((script::<u64>(&browser, drawn).await? == 2).then_some(()))
    })
    .await?;
    browser.close().await
}

#[tokio::test]
async fn a_deployment_is_seen_in_the_lineage_of_what_it_serves() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    version(&admin).await?;
    admin.put("/api/v1/deployments/cellar", json!({ "model": "wine", "version": "1" })).await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/models/wine?tab=lineage&version=1").await?;
    browser.press("//*[name()='a' and contains(@aria-label, 'cellar')]", "the deployment's node").await?;
    drydock_tests::until("the deployment's page", std::time::Duration::from_secs(30), || async {
        Ok((browser.path().await? == "/deployments/cellar").then_some(()))
    })
    .await?;
    browser.close().await
}
