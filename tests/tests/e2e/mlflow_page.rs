//! MLflow's own web page, from the wheel, in front of Drydock: what people who know it look at first.

use std::time::Duration;

use anyhow::{Context, Result};
use drydock_tests::{Browser, Server, clients, proxy::MlflowPage, until};

/// The page is several megabytes of scripts.
const SLOW: Duration = Duration::from_secs(60);

/// What the page asks of features that Drydock leaves out.
const LEFT_OUT: [&str; 4] =
    ["/mlflow/assistant/", "/mlflow/datasets/search", "/mlflow/gateway/", "/mlflow/users/current/permissions"];

#[tokio::test]
async fn mlflows_page_shows_experiments_runs_charts_traces_and_models() -> Result<()> {
    let server = Server::start().await?;
    let engineer = server.person(&server.admin().await?, "erin", "engineer").await?;
    let said = clients::mlflow(&engineer, "irises.py", &[]).await?;
    let ids = said.lines().find_map(|line| line.strip_prefix("ids ")).context("the script printed no ids")?;
    let (experiment, run) = ids.split_once(' ').context("two ids")?;
    let page = MlflowPage::start(&engineer)?;
    let browser = Browser::open(&page.url).await?;
    let outcome = walk(&browser, experiment, run).await;
    browser.failed_at("mlflow-page", outcome).await?;
    browser.close().await?;
    let unanswered: Vec<String> =
        page.refused().into_iter().filter(|call| !LEFT_OUT.iter().any(|known| call.contains(known))).collect();
    assert!(unanswered.is_empty(), "the page asked in vain: {unanswered:#?}");
    Ok(())
}

async fn walk(browser: &Browser, experiment: &str, run: &str) -> Result<()> {
    visit(browser, "/experiments", &["irises", "Default"]).await?;
    browser.shoot("mlflow-experiments").await?;

    // The person whom the token is of, from users/current.
    browser.sees("erin").await?;

    visit(browser, &format!("/experiments/{experiment}/runs"), &["run-0", "run-2", "3 matching runs"]).await?;
    browser.shoot("mlflow-runs").await?;

    visit(browser, &format!("/experiments/{experiment}/runs/{run}"), &["run-0", "Finished", "iris", "iris-model"])
        .await?;
    browser.shoot("mlflow-run").await?;

    visit(browser, &format!("/experiments/{experiment}/runs/{run}/model-metrics"), &["Model metrics", "acc", "loss"])
        .await?;
    until("two charts with a line each", SLOW, || async {
        let script = "return document.querySelectorAll('.js-plotly-plot .scatterlayer path.js-line').length";
        let lines: u64 = browser.driver.execute(script, vec![]).await?.convert()?;
        Ok((lines >= 2).then_some(()))
    })
    .await?;
    browser.shoot("mlflow-charts").await?;

    visit(browser, &format!("/experiments/{experiment}/runs/{run}/artifacts"), &["notes"]).await?;

    visit(browser, &format!("/experiments/{experiment}/traces"), &["How many?", "42"]).await?;
    browser.shoot("mlflow-traces").await?;
    // opened, it shows its spans
    browser.press("//*[contains(text(), 'How many?')]", "the trace").await?;
    browser.sees_within("look up", SLOW).await?;
    browser.shoot("mlflow-trace").await?;

    visit(browser, "/models/iris-model", &["iris-model", "Version 1", "champion"]).await?;
    browser.shoot("mlflow-model").await?;
    visit(browser, "/models/iris-model/versions/1", &["Version 1", "champion", "run-0", "Inputs (4)"]).await?;
    browser.shoot("mlflow-version").await
}

/// Goes to a place of the page, and waits for what it must show.
async fn visit(browser: &Browser, place: &str, texts: &[&str]) -> Result<()> {
    browser.visit(&format!("/#{place}")).await?;
    for text in texts {
        browser.sees_within(text, SLOW).await.with_context(|| place.to_owned())?;
    }
    Ok(())
}
