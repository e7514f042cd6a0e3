//! Parts of a run's page in a real Chromium: what it read, the models it logged with their files, charts that grow.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Browser, Server};
use serde_json::{Value, json};

use crate::browser::log_in;

async fn a_run(admin: &Api) -> Result<String> {
    let made = admin.post("/api/2.0/mlflow/runs/create", json!({ "experiment_id": "0", "run_name": "reader" })).await?;
    Ok(made["run"]["info"]["run_id"].as_str().context("a run without an id")?.to_owned())
}

/// An input as `mlflow.log_input` of a pandas frame says it.
async fn reads(admin: &Api, run: &str) -> Result<()> {
    let schema = json!({ "mlflow_colspec": [
        { "type": "double", "name": "alcohol", "required": true },
        { "type": "long", "name": "quality", "required": true },
    ] });
    let input = json!({
        "tags": [{ "key": "mlflow.data.context", "value": "training" }],
        "dataset": {
            "name": "red wine", "digest": "8f2a91c4", "source_type": "local", "source": json!({ "uri": "/data/wine.csv" }).to_string(),
            "schema": schema.to_string(), "profile": json!({ "num_rows": 1599, "num_elements": 19188 }).to_string(),
        },
    });
    admin.post("/api/2.0/mlflow/runs/log-inputs", json!({ "run_id": run, "datasets": [input] })).await?;
    Ok(())
}

/// A model as MLflow 3 logs it: its files lie beside the run's.
async fn logs_a_model(admin: &Api, run: &str) -> Result<String> {
    let wish = json!({ "experiment_id": "0", "name": "forest", "source_run_id": run });
    let made: Value = admin.post("/api/2.0/mlflow/logged-models", wish).await?;
    let id = made["model"]["info"]["model_id"].as_str().context("a model without an id")?.to_owned();
    let out = json!({ "run_id": run, "models": [{ "model_id": id, "step": 0 }] });
    admin.post("/api/2.0/mlflow/runs/outputs", out).await?;
    let address = format!("/api/2.0/mlflow-artifacts/artifacts/0/models/{id}/artifacts/MLmodel");
    let answer = admin.request("PUT".parse()?, &address).body("flavors: {sklearn: {}}\n").send().await?;
    ensure!(answer.status().is_success(), "MLmodel: {}", answer.status());
    Ok(id)
}

async fn address(browser: &Browser) -> Result<String> {
    Ok(browser.driver.execute("return location.search", vec![]).await?.convert()?)
}

#[tokio::test]
async fn a_run_shows_what_it_read_and_the_files_of_its_models() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let run = a_run(&admin).await?;
    reads(&admin, &run).await?;
    let model = logs_a_model(&admin, &run).await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;

    browser.visit(&format!("/runs/{run}")).await?;
    browser.click("red wine").await?;
    for words in ["red wine (training)", "/data/wine.csv", "alcohol", "double", "1599"] {
        browser.sees(words).await?;
    }
    ensure!(address(&browser).await?.contains("tab=data"));
    for (theme, width) in [("light", 1280), ("dark", 390)] {
        browser.look(width, theme).await?;
        browser.sees("alcohol").await?;
        browser.shoot(&format!("run-data-{theme}-{width}")).await?;
        let found = browser.barriers().await?;
        ensure!(found.is_empty(), "{}", found.join("\n"));
    }
    browser.look(1280, "light").await?;
    browser.sees("alcohol").await?;
    browser.click("Lineage").await?;
    browser.sees("Lineage of").await?;

    browser.visit(&format!("/runs/{run}?tab=models")).await?;
    browser.click("forest").await?;
    browser.press("//button[starts-with(normalize-space(.), 'MLmodel')]", "the file").await?;
    browser.sees("flavors: {sklearn: {}}").await?;
    ensure!(address(&browser).await?.contains(&format!("model={model}")), "the address says whose file it is");
    browser.shoot("run-model-files-light-1280").await?;
    let found = browser.barriers().await?;
    ensure!(found.is_empty(), "{}", found.join("\n"));

    let none = admin.get(&format!("/api/v1/runs/{run}/artifacts?model=m-nothing")).await;
    ensure!(none.is_err_and(|error| error.to_string().contains("m-nothing")), "a model that is none is named");

    browser.visit(&format!("/runs/{run}?tab=models")).await?;
    browser.sees("forest").await?;
    browser.look(390, "dark").await?;
    browser.sees("forest").await?;
    browser.shoot("run-models-dark-390").await?;
    let found = browser.barriers().await?;
    ensure!(found.is_empty(), "{}", found.join("\n"));
    browser.look(1280, "light").await?;
    browser.press("//td//button[normalize-space(.) = 'Delete']", "the model's Delete").await?;
    browser.sees("1 logged model").await?;
    browser.fill("Type forest to confirm", "forest").await?;
    browser.click("Move to the trash").await?;
    browser.sees("No models").await?;
    let trash = admin.get("/api/v1/trash?kind=logged_model").await?;
    ensure!(trash["items"][0]["id"] == model.as_str(), "{trash}");
    browser.close().await
}

#[tokio::test]
async fn charts_grow_while_they_are_looked_at_in_a_browser() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let run = a_run(&admin).await?;
    let log = async |key: &str, step: i64| {
        let point =
            json!({ "run_id": run, "key": key, "value": 0.5, "timestamp": 1_700_000_000_000i64 + step, "step": step });
        admin.post("/api/2.0/mlflow/runs/log-metric", point).await
    };
    log("loss", 0).await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit(&format!("/runs/{run}?tab=charts")).await?;
    browser.sees("loss").await?;
    browser.driver.execute("window.same_page = true", vec![]).await?;

    log("accuracy", 1).await?;
    browser.sees_within("accuracy", Duration::from_secs(8)).await?;
    let same: bool = browser.driver.execute("return window.same_page === true", vec![]).await?.convert()?;
    ensure!(same, "the page was not loaded again");
    browser.close().await
}
