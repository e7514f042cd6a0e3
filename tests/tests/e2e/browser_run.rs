//! A run's page in a real Chromium: one run with everything on it, its charts, previews of its files.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use drydock_tests::{Api, Browser, Server};
use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::{
    browser::log_in,
    browser_runs::{holds, script, shots},
};

/// A Parquet file of 40 rows (id, city, score), written by pyarrow.
const PARQUET: &str = "\
    UEFSMRUAFYwFFewCLBVQFQAVBhUGHAAAAMYCGAIAAABQAQANAREJARYBAQADAQUQAAAABAAJAQAFCQcEAAYNCAAHDQgACA0IAAkNCAAKDQgACw\
    0IAAwNCAANDQgADg0IAA8NCAAQDQgAEQ0IABINCAATDQgAFA0IABUNCAAWDQgAFw0IABgNCAAZDQgAGg0IABsNCAAcDQgEHQAJAQAeCQcEAB8N\
    CAAgDQgAIQ0IACINCAAjDQgAJA0IACUNCDwmAAAAAAAAACcAAAAAAAAAFQQVMBUyTBUGFQASAAAYHAQAAABSb21lAQgsTGltYQQAAABPc2xvFQ\
    AVLBUwLBVQFRAVBhUGHAAAABZUBgAAAAt+v9/v9wILJJkkkkSSSSIJABUAFYwFFZADLBVQFQAVBhUGHAAAAMYCGAIAAABQAQANASCSJEmSJEnC\
    P5IFCBDSP9u2bQEDDRAI4j+3BQ8A5g0YBOs/CTcA8A0gCPI/JQE/BJL0DSgE9j8FDwQk+Q0wCPs/bgFOBLb9DTgEAEAJIAQBQAlwBAJABR8IbQ\
    NACUgEBEAJMAQFQAl4BAZACXAACA04AAkNOAAKDTgACw04AAwNOAANDTgADg04ABANIAAQDUAAEQ0oABENSAASDTAAEg1QABMNOAAUDTgAFA04\
    ABUNOCQVQJIkSZIkSRZAFQQZTDUAGAZzY2hlbWEVBgAVBCUCGAJpZAAVDCUCGARjaXR5JQBMHAAAABUKJQIYBXNjb3JlABZQGRwZPCYAHBUEGS\
    UGABkYAmlkFQIWUBa2BRaWAyYISRwVABUAFQIAPCkGGSYAUAAAACYAHBUMGTUABhAZGARjaXR5FQIWUBaeARakASbsAyaeAyksFQQVABUCABUA\
    FRAVAgA8FpACGQYZJgxEAAAAJgAcFQoZJQYAGRgFc2NvcmUVAhZQFrYFFroDJsIESRwVABUAFQIAPCkGGSYAUAAAABaKDBZQJggW9AcAKCBwYX\
    JxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDI1LjAuMRk8HAAAHAAAHAAAABIBAABQQVIx";

/// A run with everything on it.
async fn furnished(admin: &Api) -> Result<String> {
    let made = admin
        .post(
            "/api/2.0/mlflow/runs/create",
            json!({ "experiment_id": "0", "run_name": "rich", "tags": [
        { "key": "mlflow.source.name", "value": "train.py" },
        { "key": "mlflow.source.git.commit", "value": "0123456789abcdef0123456789abcdef01234567" },
        { "key": "mlflow.loggedImages", "value": "True" },
        { "key": "mlflow.loggedArtifacts", "value": "[{\"path\": \"answers.json\", \"type\": \"table\"}]" },
        { "key": "team", "value": "vision" },
    ] }),
        )
        .await?;
    let id = made["run"]["info"]["run_id"].as_str().context("a run without an id")?.to_owned();
    let mut metrics = vec![];
    for step in 0..60 {
        for (key, value) in [
            ("train/loss", 1.0 / (step + 1) as f64),
            ("val/loss", 1.2 / (step + 1) as f64),
            ("accuracy", 1.0 - 1.0 / (step + 2) as f64),
            ("layers/first", step as f64),
            ("layers/second", (step * 2) as f64),
            ("system/cpu_utilization", 40.0 + (step % 7) as f64),
        ] {
            metrics.push(
                json!({ "key": key, "value": value, "timestamp": 1_700_000_000_000i64 + step * 1000, "step": step }),
            );
        }
    }
    let params = json!([{ "key": "lr", "value": "0.1" }, { "key": "depth", "value": "8" }]);
    admin.post("/api/2.0/mlflow/runs/log-batch", json!({ "run_id": id, "metrics": metrics, "params": params })).await?;
    let put = async |path: &str, bytes: Vec<u8>| -> Result<()> {
        let address = format!("/api/2.0/mlflow-artifacts/artifacts/0/{id}/artifacts/{path}");
        let answer = admin.request("PUT".parse()?, &address).body(bytes).send().await?;
        ensure!(answer.status().is_success(), "{path}: {}", answer.status());
        Ok(())
    };
    let mut large = String::from("id,name\n");
    for i in 0..60_000 {
        large.push_str(&format!("{i},name number {i}\n"));
    }
    put("notes/readme.txt", b"<img src=x onerror=alert(1)> is only text\n".to_vec()).await?;
    put("config.json", br#"{"zeta":1.50,"alpha":[1,2]}"#.to_vec()).await?;
    put("large.csv", large.into_bytes()).await?;
    put("head.parquet", base64::engine::general_purpose::STANDARD.decode(PARQUET)?).await?;
    put("broken.parquet", b"PAR1 not really PAR1".to_vec()).await?;
    put("weights.bin", vec![0, 1, 2, 0, 255]).await?;
    put("answers.json", br#"{"columns":["question","answer"],"data":[["why","because"],["how","slowly"]]}"#.to_vec())
        .await?;
    for (step, colour) in [(0, "red"), (5, "green"), (9, "blue")] {
        let svg = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='120' height='80'><rect width='120' height='80' fill='{colour}'/></svg>"
        );
        // as mlflow.log_image names them; the per cent signs are encoded once
        put(
            &format!("images/sample%25step%25{step}%25timestamp%25170000000000{step}%25id{step}.svg"),
            svg.into_bytes(),
        )
        .await?;
    }
    Ok(id)
}

#[tokio::test]
async fn a_run_shows_all_it_has() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let id = furnished(&admin).await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;

    // Overview, with edits.
    browser.visit(&format!("/runs/{id}")).await?;
    browser.sees("train.py").await?;
    browser.click("Add a description").await?;
    browser.fill("Description", "The one that worked.").await?;
    browser.click("Keep the description").await?;
    browser.sees("The one that worked.").await?;
    browser.fill("Name of the tag", "stage").await?;
    browser.fill("Value of the tag", "candidate").await?;
    browser.click("Tag").await?;
    browser.sees("candidate").await?;
    browser.click("Rename").await?;
    browser.fill("Name", "richer").await?;
    browser.click("Rename the run").await?;
    browser.sees("richer").await?;
    let detail = admin.get(&format!("/api/v1/runs/{id}")).await?;
    ensure!(detail["summary"]["name"] == "richer");
    ensure!(detail["tags"].to_string().contains("The one that worked."));
    shots(&browser, "run-overview").await?;

    charts(&browser, &id).await?;
    previews(&browser, &id).await?;

    // Images by step, tables.
    browser.visit(&format!("/runs/{id}?tab=media&step=5")).await?;
    browser.sees("sample").await?;
    browser.sees("step 5").await?;
    browser.sees("because").await?;
    holds(
        &browser,
        "the picture is drawn",
        "const i = document.querySelector('.shot img'); return !!i && i.complete && i.naturalWidth > 0",
    )
    .await?;
    shots(&browser, "run-media").await?;
    for (tab, words) in [("models", "No models"), ("code", "0123456789abcdef")] {
        browser.visit(&format!("/runs/{id}?tab={tab}")).await?;
        browser.sees(words).await?;
    }
    browser.close().await
}

async fn charts(browser: &Browser, id: &str) -> Result<()> {
    browser.visit(&format!("/runs/{id}?tab=charts")).await?;
    browser.sees("The machine (system)").await?;
    browser.sees("layers").await?;
    ensure!(
        !script::<bool>(browser, "return document.body.innerText.includes('cpu_utilization')").await?,
        "the machine's charts are shut at first"
    );
    browser.press("//button[contains(., 'The machine')]", "the machine's section").await?;
    browser.sees("cpu_utilization").await?;
    browser.press("//label[contains(., 'Log scale')]/input", "Log scale").await?;
    browser.click("Elapsed").await?;
    script::<Value>(browser, "const r = document.querySelector('.smooth input'); r.value = '0.6'; r.dispatchEvent(new Event('input', { bubbles: true }))").await?;
    holds(
        browser,
        "the controls are in the address",
        "return ['scale=log', 'axis=elapsed', 'smooth=0.6'].every(t => location.search.includes(t))",
    )
    .await?;
    // zoom by dragging, hover, and back
    let canvas = browser.driver.query(By::Css(".plot canvas")).first().await?;
    browser
        .driver
        .action_chain()
        .move_to_element_center(&canvas)
        .click_and_hold()
        .move_by_offset(80, 0)
        .release()
        .perform()
        .await?;
    holds(browser, "hovering says the values", "return !!document.querySelector('.tip')").await?;
    browser.click("Reset zoom").await?;
    browser.press("(//div[contains(@class, 'legend')]//button)[1]", "a line's name").await?;
    holds(browser, "a line is hidden", "return !!document.querySelector('.legend [aria-pressed=false]')").await?;
    shots(browser, "run-charts").await
}

async fn previews(browser: &Browser, id: &str) -> Result<()> {
    let cases = [
        ("notes/readme.txt", "<img src=x onerror=alert(1)> is only text"),
        ("config.json", "\"zeta\": 1.50"),
        ("large.csv", "name number 7"),
        ("head.parquet", "Oslo"),
        ("broken.parquet", "could not be read as Parquet"),
        ("weights.bin", "No preview of this kind"),
        ("answers.json", "because"),
    ];
    for (path, words) in cases {
        browser.visit(&format!("/runs/{id}?tab=artifacts&file={path}")).await?;
        let seen = browser.sees(words).await;
        browser.failed_at(&format!("preview-{}", path.replace('/', "-")), seen).await?;
    }
    browser.sees("notes").await?;
    browser.visit(&format!("/runs/{id}?tab=artifacts&file=head.parquet")).await?;
    browser.sees("40 rows").await?;
    shots(browser, "run-artifacts").await
}
