//! The pages of deployments, in a real Chromium with real model servers: deployed by the form, tried, set, rolled over by a canary of one's
//! own, paused, promoted and taken back by one click; what was captured, and drift.

use std::time::Duration;

use anyhow::{Result, ensure};
use drydock_tests::{Api, Browser, Server, clients, until};
use reqwest::Method;
use serde_json::json;

use crate::browser::{log_in, looked_at};

const DEPLOYMENT: &str = "/api/v1/deployments/taster";
/// A model server takes its time to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// Waits until the revision of that number is in that state.
async fn revision_is(api: &Api, number: i64, state: &str) -> Result<()> {
    until(&format!("revision {number} is {state}"), PATIENCE, || async {
        let detail = api.get(DEPLOYMENT).await?;
        let all = detail["revisions"].as_array().cloned().unwrap_or_default();
        Ok(all.iter().any(|one| one["number"] == number && one["state"] == state).then_some(()))
    })
    .await
}

/// Chooses in a select field, as the page hears of it.
async fn select(browser: &Browser, id: &str, value: &str) -> Result<()> {
    let script = "const field = document.getElementById(arguments[0]); field.value = arguments[1]; \
        field.dispatchEvent(new Event('change', { bubbles: true })); return field.value === arguments[1]";
    until(&format!("{id} offers {value}"), Duration::from_secs(20), || async {
        let there = format!("return !!document.querySelector('#{id} option[value=\"{value}\"]')");
        if !browser.driver.execute(&there, vec![]).await?.convert::<bool>()? {
            return Ok(None);
        }
        let done: bool = browser.driver.execute(script, vec![id.into(), value.into()]).await?.convert()?;
        Ok(done.then_some(()))
    })
    .await
}

/// Presses a button, and the one of the dialog that asks whether that is meant.
async fn confirm(browser: &Browser, button: &str, action: &str) -> Result<()> {
    browser.click(button).await?;
    browser.click(action).await
}

/// Shows it in both themes and widths.
async fn look(browser: &Browser, name: &str, tab: &str, text: &str, barriers: &mut Vec<String>) -> Result<()> {
    let path = format!("/deployments/taster?tab={tab}");
    barriers.extend(looked_at(browser, &format!("deployments-{name}"), &path, text).await?);
    browser.look(1280, "light").await
}

#[tokio::test]
async fn a_deployment_from_the_form_to_a_release_and_back() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    clients::mlflow(&admin, "release_models.py", &["good", "better"]).await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    let outcome = walk(&browser, &admin).await;
    browser.failed_at("deployments", outcome).await?;
    browser.close().await
}

async fn walk(browser: &Browser, admin: &Api) -> Result<()> {
    let mut barriers = vec![];
    browser.visit("/deployments").await?;
    browser.click("Deploy a model").await?;
    browser.sees("What answers").await?;
    select(browser, "deploy-version", "1").await?;
    browser.shoot("deployments-form-light-1280").await?;
    browser.press("//dialog[@open]//summary[contains(., 'Replicas')]", "Replicas").await?;
    browser.press("//dialog[@open]//summary[contains(., 'What answers')]", "What answers").await?;
    browser.shoot("deployments-form-open-light-1280").await?;
    barriers.extend(browser.barriers().await?);
    browser.press("//dialog[@open]//button[@type='submit']", "Deploy").await?;
    revision_is(admin, 1, "live").await?;

    browser.visit("/deployments/taster?tab=predict").await?;
    browser.fill("Body", r#"{"inputs": [1.0]}"#).await?;
    browser.click("Predict").await?;
    browser.sees("revision 1").await?;
    browser.click("Python").await?;
    browser.sees("requests.post").await?;
    look(browser, "predict", "predict", "As code", &mut barriers).await?;
    look(browser, "traffic", "overview", "Requests now", &mut barriers).await?;
    set(browser, admin).await?;
    look(browser, "settings", "settings", "Save settings", &mut barriers).await?;
    release(browser, admin, &mut barriers).await?;
    for (tab, text) in [("captured", "Revision"), ("quality", "Live accuracy"), ("drift", "Nobody watches for drift")] {
        look(browser, tab, tab, text, &mut barriers).await?;
    }
    ensure!(barriers.is_empty(), "{barriers:#?}");
    Ok(())
}

/// Limits and capture change without a new revision.
async fn set(browser: &Browser, admin: &Api) -> Result<()> {
    browser.visit("/deployments/taster?tab=settings").await?;
    browser.fill("Requests a second", "50").await?;
    browser.press("//label[contains(., 'Keep requests and answers')]", "Keep requests and answers").await?;
    browser.fill("Masked columns", "name").await?;
    browser.click("Save settings").await?;
    browser.sees("Settings saved").await?;
    let detail = admin.get(DEPLOYMENT).await?;
    let settings = &detail["settings"];
    ensure!(settings["limits"]["rate"]["per_second"] == 50.0 && settings["capture"]["mask"][0] == "name", "{settings}");
    ensure!(detail["revisions"].as_array().is_some_and(|all| all.len() == 1), "{detail}");
    Ok(())
}

async fn release(browser: &Browser, admin: &Api, barriers: &mut Vec<String>) -> Result<()> {
    browser.visit("/deployments/taster").await?;
    browser.click("Change version").await?;
    select(browser, "deploy-version", "2").await?;
    select(browser, "deploy-strategy", "canary").await?;
    browser.fill("Share of step 1 in percent", "12").await?;
    browser.fill("Length of step 1 in seconds", "600").await?;
    browser.click("Remove step 3").await?;
    browser.fill("From requests on", "10").await?;
    browser.click("Add a metric").await?;
    browser.fill("Name of metric 1", "rating").await?;
    browser.press("//dialog[@open]//button[@type='submit']", "Roll over").await?;
    browser.sees("Give each metric a least or a greatest mean").await?;
    browser.fill("Least mean of metric 1", "3").await?;
    browser.fill("Reports needed of metric 1", "5").await?;
    browser.shoot("deployments-roll-light-1280").await?;
    browser.press("//dialog[@open]//button[@type='submit']", "Roll over").await?;
    revision_is(admin, 2, "candidate").await?;
    analysed(browser, admin).await?;
    confirm(browser, "Pause", "Pause it").await?;
    browser.sees("Paused").await?;
    look(browser, "release", "release", "Revision 2 beside revision 1", barriers).await?;
    confirm(browser, "Resume", "Go on").await?;
    confirm(browser, "Promote", "Promote now").await?;
    revision_is(admin, 2, "live").await?;
    look(browser, "revisions", "revisions", "Kept warm", barriers).await?;
    browser.click("Back to 1").await?;
    revision_is(admin, 1, "live").await
}

/// Traffic moves, and the step is judged by it, while somebody looks.
async fn analysed(browser: &Browser, admin: &Api) -> Result<()> {
    browser.visit("/deployments/taster?tab=release").await?;
    browser.sees("12 %").await?;
    for _ in 0..6 {
        let report = json!({ "metric": "rating", "value": 4.5, "revision": 2 });
        admin.post("/serve/taster/metric", report).await?;
    }
    // 12 of each 100 go to the new one
    for _ in 0..100 {
        let answer = admin.request(Method::POST, "/serve/taster/invocations").json(&json!({ "inputs": [1.0] }));
        ensure!(answer.send().await?.status() == 200, "a request failed during the release");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    browser.sees("Within limits").await?;
    browser.sees("6 reports").await?;
    browser.sees("Requests per second, while you look").await?;
    browser.shoot("deployments-release-moving-light-1280").await
}
