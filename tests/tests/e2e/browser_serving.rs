//! What happens to a deployment, in a real Chromium: what was captured, how right it was and how it drifted; an A/B test and a shadow with real
//! model servers; a chat and its tokens; and what a person does wrong.

use std::time::Duration;

use anyhow::{Result, ensure};
use drydock_tests::{Api, Browser, Server, clients, images, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    browser::log_in,
    capture::{ask, even, training_data},
    experiments::revisions,
    releases::{INVOCATIONS, PATIENCE, RELEASE, put, revision_is, taste},
};

/// High enough for a whole page.
const TALL: u32 = 2000;
const SOON: Duration = Duration::from_secs(40);

#[tokio::test]
async fn what_happens_to_a_deployment_is_seen_as_it_happens() -> Result<()> {
    let parrot = images::openai()?;
    let server = Server::start().await?;
    let admin = server.admin().await?;
    server.person(&admin, "victor", "viewer").await?;
    taste(&admin, &["one", "almost", "two"]).await?;
    clients::mlflow(&admin, "graded_model.py", &[]).await?;
    deploy_all(&admin, &parrot).await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    let outcome = walk(&browser, &admin).await;
    browser.failed_at("serving", outcome).await?;
    browser.close().await?;
    let viewer = Browser::open(&server.url()).await?;
    log_in(&viewer, "victor").await?;
    let outcome = only_looks(&viewer).await;
    viewer.failed_at("serving-viewer", outcome).await?;
    viewer.close().await
}

/// Three deployments, which start side by side.
async fn deploy_all(admin: &Api, parrot: &str) -> Result<()> {
    training_data(admin).await?;
    let small = json!({ "cpus": 0.5, "memory_bytes": 1u64 << 30 });
    let watch = json!({ "reference": { "dataset": "grades" }, "window_minutes": 60, "min_rows": 100 });
    let settings = json!({ "capture": { "mask": ["secret"], "drift": watch }, "callers": ["victor"] });
    let grading = json!({ "model": "grader", "version": "1", "settings": settings, "resources": small });
    admin.put("/api/v1/deployments/grading", grading).await?;
    let runtime = json!({ "kind": "image", "image": parrot, "port": 8000, "protocol": "openai" });
    admin.put("/api/v1/deployments/parrot", json!({ "served_by": { "runtime": runtime }, "resources": small })).await?;
    put(admin, 1, Value::Null).await?;
    revision_is(admin, 1, "live").await?;
    for name in ["grading", "parrot"] {
        until(&format!("{name} answers"), PATIENCE, || async {
            let detail = admin.get(&format!("/api/v1/deployments/{name}")).await?;
            ensure!(detail["summary"]["state"] != "failed", "{detail:#}");
            Ok((detail["summary"]["state"] == "ready").then_some(()))
        })
        .await?;
    }
    Ok(())
}

async fn walk(browser: &Browser, admin: &Api) -> Result<()> {
    let mut barriers = vec![];
    graded(browser, admin, &mut barriers).await?;
    compared(browser, admin, &mut barriers).await?;
    chatted(browser, &mut barriers).await?;
    done_wrong(browser, admin, &mut barriers).await?;
    ensure!(barriers.is_empty(), "{barriers:#?}");
    Ok(())
}

/// The whole page in both themes and widths, and what is in somebody's way there.
async fn look(browser: &Browser, name: &str, path: &str, text: &str, barriers: &mut Vec<String>) -> Result<()> {
    browser.visit(&format!("/deployments/{path}")).await?;
    for width in [1280, 390] {
        for theme in ["light", "dark"] {
            browser.look(width, theme).await?;
            browser.sees_within(text, SOON).await?;
            picture(browser, name, theme, width, barriers).await?;
        }
    }
    browser.look(1280, "light").await
}

async fn picture(browser: &Browser, name: &str, theme: &str, width: u32, barriers: &mut Vec<String>) -> Result<()> {
    browser.driver.set_window_rect(0, 0, width, TALL).await?;
    // a chart draws itself anew in the next frame
    tokio::time::sleep(Duration::from_millis(300)).await;
    browser.shoot(&format!("serving-{name}-{theme}-{width}")).await?;
    barriers.extend(browser.barriers().await?.into_iter().map(|found| format!("{name} {theme} {width}: {found}")));
    let wide = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
    if browser.driver.execute(wide, vec![]).await?.convert::<bool>()? {
        barriers.push(format!("{name} {theme} {width}: the page scrolls sideways"));
    }
    Ok(())
}

/// Captured requests, live accuracy, and a window that drifted behind one that did not.
async fn graded(browser: &Browser, admin: &Api, barriers: &mut Vec<String>) -> Result<()> {
    let mut ids = vec![];
    for n in 0..10 {
        ids.push(ask(admin, 1_000 + n * 30, 0.0).await?);
    }
    admin.post("/api/v1/deployments/grading/drift", json!({})).await?;
    // the truth, one in nine not as predicted
    for (n, id) in ids.iter().enumerate() {
        let truth = |row: usize| if (even(1_000 + n * 30 + row) > 0.5) != (row % 9 == 4) { "high" } else { "low" };
        let all: Vec<&str> = (0..30).map(truth).collect();
        let taken = admin.post("/serve/grading/feedback", json!({ "request_id": id, "truth": all })).await?;
        ensure!(taken["joined"] == 30, "{taken}");
    }
    for n in 0..10 {
        ask(admin, 2_000 + n * 30, 40.0).await?;
    }
    let wrong = json!({ "inputs": { "y": [1] } });
    ensure!(admin.status(Method::POST, "/serve/grading/invocations", Some(wrong)).await? == 400);
    let drifted = admin.post("/api/v1/deployments/grading/drift", json!({})).await?;
    ensure!(drifted["windows"][0]["outcome"] == "drifted", "{drifted:#}");

    look(browser, "captured", "grading?tab=captured", "Prediction", barriers).await?;
    browser.visit("/deployments/grading?tab=captured").await?;
    browser.click("Show the whole request").await?;
    browser.sees("A captured request").await?;
    picture(browser, "captured-one", "light", 1280, barriers).await?;
    picture(browser, "captured-one", "light", 390, barriers).await?;
    look(browser, "quality", "grading?tab=quality", "Accuracy", barriers).await?;
    look(browser, "drift", "grading?tab=drift", "The traffic drifted", barriers).await?;
    look(browser, "traffic", "grading", "p95, last hour", barriers).await?;
    look(browser, "settings", "grading?tab=settings", "Who may call", barriers).await
}

/// An A/B test with a metric of its own, then a shadow that answers otherwise.
async fn compared(browser: &Browser, admin: &Api, barriers: &mut Vec<String>) -> Result<()> {
    let assign = json!({ "by": "header", "name": "X-Customer" });
    put(admin, 2, json!({ "strategy": "ab", "weight": 40, "assign": assign })).await?;
    revision_is(admin, 2, "candidate").await?;
    for (customer, number) in revisions(admin).await? {
        let converted = if number == 2 { customer % 10 != 0 } else { customer % 3 == 0 };
        let report =
            json!({ "metric": "conversion", "value": f64::from(u8::from(converted)), "key": customer.to_string() });
        admin.post("/serve/tasting/metric", report).await?;
    }
    look(browser, "ab", "tasting?tab=release", "What callers reported", barriers).await?;
    admin.post(&format!("{RELEASE}/abort"), json!({})).await?;

    put(admin, 3, json!({ "strategy": "shadow" })).await?;
    revision_is(admin, 3, "candidate").await?;
    until("answers are compared", PATIENCE, || async {
        let asked = admin.request(Method::POST, INVOCATIONS).json(&json!({ "inputs": [1.0] })).send().await?;
        ensure!(asked.status() == 200, "{}", asked.text().await?);
        let page = admin.get("/api/v1/deployments/tasting/experiment").await?;
        Ok((page["experiment"]["agreement"]["different"].as_u64() >= Some(8)).then_some(()))
    })
    .await?;
    look(browser, "shadow", "tasting?tab=release", "How the answers agree", barriers).await?;
    admin.post(&format!("{RELEASE}/abort"), json!({})).await.map(drop)
}

/// A chat, whose tokens are counted.
async fn chatted(browser: &Browser, barriers: &mut Vec<String>) -> Result<()> {
    browser.visit("/deployments/parrot?tab=predict").await?;
    browser.fill("Message", "the quick brown fox jumps over the lazy dog").await?;
    browser.click("Send").await?;
    browser.sees_within("first words after", SOON).await?;
    browser.sees("9 tokens").await?;
    picture(browser, "chat", "light", 1280, barriers).await?;
    picture(browser, "chat", "light", 390, barriers).await?;
    look(browser, "tokens", "parrot?tab=tokens", "By caller", barriers).await?;
    browser.sees("Completion tokens").await
}

/// The form says what to do, and a page whose deployment is gone says that.
async fn done_wrong(browser: &Browser, admin: &Api, barriers: &mut Vec<String>) -> Result<()> {
    browser.visit("/deployments").await?;
    browser.click("Deploy a model").await?;
    for part in ["Limits", "Who may call", "Environment and probes"] {
        browser.press(&format!("//dialog[@open]//summary[contains(., '{part}')]"), part).await?;
    }
    browser.fill("Name", "beside").await?;
    browser.fill("CPU cores", "many").await?;
    browser.fill("May wait", "some").await?;
    browser.click("Add a variable").await?;
    paste(browser, "Name of variable 1", "# of the team\nMODEL_NAME=fox\nTHREADS=2\n").await?;
    browser.press("//select[@id='callers']/option[.='victor']", "victor").await?;
    browser.sees("victor").await?;
    browser.press("//dialog[@open]//button[@type='submit']", "Deploy").await?;
    browser.sees("A whole number, such as 1.").await?;
    browser.sees("A number of cores from 0.1").await?;
    picture(browser, "form", "light", 1280, barriers).await?;
    picture(browser, "form", "light", 390, barriers).await?;
    browser.look(1280, "light").await?;

    browser.click("Deploy a model").await?;
    browser.fill("Name", "parrot").await?;
    browser.sees("parrot exists: this brings it another version").await?;

    browser.visit("/deployments/parrot").await?;
    browser.sees("Replicas").await?;
    admin.delete("/api/v1/deployments/parrot").await?;
    browser.sees_within("There is no deployment parrot", Duration::from_secs(90)).await?;
    picture(browser, "gone", "light", 1280, barriers).await
}

/// Pastes a text into a field, as from the clipboard.
async fn paste(browser: &Browser, label: &str, text: &str) -> Result<()> {
    let script = "const field = document.querySelector(`[aria-label='${arguments[0]}']`); \
        const data = new DataTransfer(); data.setData('text', arguments[1]); \
        field.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))";
    browser.driver.execute(script, vec![label.into(), text.into()]).await?;
    let script = "return [...document.querySelectorAll('[aria-label=Variables] input')].map(it => it.value)";
    until("the pasted lines are no rows", SOON, || async {
        let rows: Vec<String> = browser.driver.execute(script, vec![]).await?.convert()?;
        Ok((rows == ["MODEL_NAME", "fox", "THREADS", "2"]).then_some(()))
    })
    .await
}

/// A viewer is offered nothing that he may not do.
async fn only_looks(browser: &Browser) -> Result<()> {
    let pages = [
        ("tasting", "Replicas"),
        ("tasting?tab=release", "No release goes on"),
        ("tasting?tab=revisions", "What answers"),
        ("grading?tab=drift", "The traffic drifted"),
        ("grading?tab=settings", "You see what is set"),
    ];
    for (page, text) in pages {
        browser.visit(&format!("/deployments/{page}")).await?;
        browser.sees_within(text, SOON).await?;
        let all = browser.buttons().await?;
        for forbidden in ["Change version", "Delete", "Roll back", "Compare now", "Save settings", "Add a variable"] {
            ensure!(!all.iter().any(|it| it == forbidden), "{page} offers {forbidden:?} to a viewer");
        }
        ensure!(!all.iter().any(|it| it.starts_with("Back to")), "{page} offers a way back to a viewer: {all:?}");
    }
    let script = "return [...document.querySelectorAll('.settings-form input')].every(it => it.matches(':disabled'))";
    ensure!(browser.driver.execute(script, vec![]).await?.convert::<bool>()?, "a viewer may type in the settings");
    browser.shoot("serving-viewer-settings").await
}
