//! What people do with pipelines in the dashboard, in a real Chromium, with a real runner and containers behind it.

use std::time::Duration;

use anyhow::{Result, ensure};
use drydock_tests::{Api, Browser, Server, until};
use serde_json::{Value, json};

use crate::{
    browser::log_in,
    browser_jobs::{each_look, look_through},
};

const CONTAINER: Duration = Duration::from_secs(150);

/// A job, one that fails, one that it blocks, and a question to a person.
const YAML: &str = "name: hello
description: says hello, then asks
parameters: {whom: world}
tasks:
  greet:
    job:
      command: [python3, -c, 'print(\"hello ${params.whom}\")']
      resources: {cpus: 0.5, memory: 256MiB}
  breaks:
    needs: [greet]
    job:
      command: [python3, -c, 'raise SystemExit(3)']
      resources: {cpus: 0.5, memory: 256MiB}
  after:
    needs: [breaks]
    job:
      command: [python3, -c, 'pass']
  ask:
    needs: [greet]
    approval: {role: engineer, text: Shall it go on?}
schedules:
  - {cron: 0 3 * * 1, zone: Europe/Berlin, catch_up: none}
";

async fn write_yaml(browser: &Browser, text: &str) -> Result<()> {
    let script = "const area = document.getElementById('pipeline-yaml'); area.focus(); area.value = arguments[0]; \
        area.dispatchEvent(new Event('input', { bubbles: true }))";
    browser.driver.execute(script, vec![text.into()]).await?;
    Ok(())
}

async fn ended(api: &Api, run: &str) -> Result<Value> {
    until("the run ends", CONTAINER, || async {
        let found = api.get(&format!("/api/v1/pipeline-runs/{run}")).await?;
        let state = found["run"]["state"].as_str().unwrap_or_default().to_owned();
        Ok((!["waiting", "running"].contains(&state.as_str())).then_some(found))
    })
    .await
}

#[tokio::test]
async fn a_pipeline_is_written_run_answered_and_rerun() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/pipelines").await?;
    browser.sees("No pipelines yet").await?;
    browser.click("New pipeline").await?;
    browser.sees("YAML of the pipeline").await?;
    write_yaml(&browser, &YAML.replace("needs: [breaks]", "needs: [brakes]")).await?;
    browser.sees("Line").await?;
    browser.sees("brakes").await?;
    browser.shoot("pipeline-editor-wrong-light-1280").await?;
    write_yaml(&browser, YAML).await?;
    browser.sees("This can be applied.").await?;
    browser.click("Apply").await?;
    browser.sees("Version 1 is applied").await?;

    browser.click("Start a run").await?;
    browser.fill("whom", "drydock").await?;
    browser.click("Start the run").await?;
    browser.sees("hello run 1").await?;
    browser.sees_within("Shall it go on?", CONTAINER).await?;
    browser.shoot("pipeline-run-asks-light-1280").await?;
    browser.fill("Comment", "looks good").await?;
    browser.click("Approve").await?;
    browser.sees("Approved").await?;
    let run = admin.list("/api/v1/pipelines/hello/runs").await?[0]["id"].as_str().unwrap_or_default().to_owned();
    let end = ended(&admin, &run).await?;
    assert_eq!(end["run"]["state"], "failed", "{end}");

    // its log, one click away; why the last one did not run
    browser.press("//*[name()='a' and starts-with(@aria-label, 'greet')]", "the task greet").await?;
    browser.sees("hello drydock").await?;
    browser.press("//*[name()='a' and starts-with(@aria-label, 'after')]", "the task after").await?;
    browser.sees("Did not run").await?;
    browser.sees("breaks").await?;
    for tab in ["Times", "Tasks", "Parameters"] {
        browser.click(tab).await?;
    }
    browser.click("Rerun what failed").await?;
    browser.sees("What failed runs again").await?;
    ended(&admin, &run).await?;
    browser.visit("/pipelines/hello").await?;
    browser.press("//a[starts-with(@aria-label, 'breaks in run 1')]", "the cell").await?;
    browser.sees("exit code 3").await?;

    // the schedule is paused and goes on
    browser.visit("/pipelines/hello?tab=starts").await?;
    browser.sees("Europe/Berlin").await?;
    browser.click("Edit schedule-1").await?;
    browser.fill("Cron", "30 4 * * *").await?;
    browser.click("Save").await?;
    browser.sees("30 4 * * *").await?;
    browser.close().await
}

/// What the dialog tells of the next times, line by line.
async fn told(browser: &Browser) -> Result<Vec<String>> {
    let script = "return [...document.querySelectorAll('.preview:not(.old) li')].map(li => li.innerText)";
    Ok(browser.driver.execute(script, vec![]).await?.convert()?)
}

async fn tells(browser: &Browser, part: &str, times: usize) -> Result<()> {
    until(&format!("the times do not say {part:?} {times} times"), Duration::from_secs(15), || async {
        let told = told(browser).await?;
        Ok((told.len() == times && told.iter().all(|line| line.contains(part))).then_some(()))
    })
    .await
}

async fn schedules(api: &Api) -> Result<Vec<Value>> {
    let found = api.get("/api/v1/pipelines/hello").await?;
    Ok(found["schedules"].as_array().cloned().unwrap_or_default())
}

/// Waits until the schedule of that name is so.
async fn schedule_has(api: &Api, name: &str, key: &str, wanted: Value) -> Result<()> {
    until(&format!("{key} of {name} is not {wanted}"), Duration::from_secs(15), || async {
        Ok(schedules(api).await?.iter().any(|one| one["name"] == name && one[key] == wanted).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_schedule_is_written_with_its_times_in_sight_and_kept_on_the_page() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    server.person(&admin, "vera", "viewer").await?;
    admin.post("/api/v1/pipelines", json!({ "yaml": YAML })).await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/pipelines/hello?tab=starts").await?;
    browser.click("Add a schedule").await?;
    browser.sees("They appear here").await?;

    // faults stand at their fields while one types, and nothing is sent with them
    browser.fill("Name", "noon").await?;
    browser.fill("Cron", "0 25 * * *").await?;
    browser.sees("\"25\" is no hour; write 0 to 23").await?;
    browser.fill("Cron", "0 12 31 2 *").await?;
    browser.sees("it would never run").await?;
    browser.fill("Time zone", "Mars/Base").await?;
    browser.sees("There is no time zone \"Mars/Base\"").await?;
    browser.shoot("schedule-wrong-light-1280").await?;
    browser.click("Add the schedule").await?;
    browser.sees("Say what becomes of the times that were missed").await?;
    assert_eq!(schedules(&admin).await?.len(), 1);

    // the next five times, as the clocks of the zone show them
    browser.fill("Cron", "30 12 * * *").await?;
    browser.fill("Time zone", "Asia/Kolkata").await?;
    tells(&browser, "UTC+5:30", 5).await?;
    tells(&browser, "12:30", 5).await?;
    browser.click("Hourly").await?;
    tells(&browser, ":00", 5).await?;
    browser.fill("Cron", "30 12 * * *").await?;
    tells(&browser, "12:30", 5).await?;
    browser.press("//label[contains(., 'All that was missed')]", "all that was missed").await?;
    browser.fill("whom", "noon").await?;
    browser.click("Add the schedule").await?;
    browser.sees("The schedule is added").await?;
    browser.sees("beside the YAML").await?;
    let made = schedules(&admin).await?;
    let noon = made.iter().find(|one| one["name"] == "noon").cloned().unwrap_or_default();
    let wanted = json!(["30 12 * * *", "Asia/Kolkata", "all", { "whom": "noon" }, true, false]);
    let keys = ["cron", "zone", "catch_up", "parameters", "by_hand", "paused"];
    assert_eq!(Value::Array(keys.iter().map(|key| noon[key].clone()).collect()), wanted, "{noon}");

    // edited, paused, resumed, removed
    browser.click("Edit noon").await?;
    tells(&browser, "12:30", 5).await?;
    browser.fill("Cron", "15 13 * * *").await?;
    browser.fill("whom", "world").await?;
    browser.click("Save").await?;
    schedule_has(&admin, "noon", "cron", json!("15 13 * * *")).await?;
    schedule_has(&admin, "noon", "parameters", json!({})).await?;
    browser.click("Pause noon").await?;
    browser.sees("The schedule is paused").await?;
    schedule_has(&admin, "noon", "paused", json!(true)).await?;
    browser.click("Resume noon").await?;
    schedule_has(&admin, "noon", "paused", json!(false)).await?;
    browser.click("Remove noon").await?;
    browser.sees("It starts no more runs").await?;
    browser.fill("to confirm", "noon").await?;
    browser.shoot("schedule-remove-light-1280").await?;
    browser.click("Remove the schedule").await?;
    browser.sees("The schedule is removed").await?;
    assert_eq!(schedules(&admin).await?.len(), 1);

    // who may not change it sees it all the same
    let viewer = Browser::open(&server.url()).await?;
    log_in(&viewer, "vera").await?;
    viewer.visit("/pipelines/hello?tab=starts").await?;
    viewer.sees("Europe/Berlin").await?;
    ensure!(!viewer.offers("Add a schedule").await? && !viewer.offers("Edit schedule-1").await?);
    viewer.close().await?;
    each_look(&browser, "schedule-form", async || {
        browser.visit("/pipelines/hello?tab=starts").await?;
        browser.click("Add a schedule").await?;
        browser.fill("Name", "nightly").await?;
        browser.click("Each night").await?;
        browser.fill("Time zone", "Europe/Berlin").await?;
        tells(&browser, "UTC+", 5).await
    })
    .await?;
    browser.close().await
}

#[tokio::test]
async fn the_pipelines_pages_are_accessible_and_have_their_pictures() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    admin.post("/api/v1/pipelines", json!({ "yaml": YAML })).await?;
    let made = admin.post("/api/v1/pipelines/hello/runs", json!({})).await?;
    let run = made["run"]["id"].as_str().unwrap_or_default().to_owned();
    until("the question", CONTAINER, || async {
        let found = admin.get(&format!("/api/v1/pipeline-runs/{run}")).await?;
        Ok(found.to_string().contains("exit code 3").then_some(()))
    })
    .await?;
    let at = |rest: &str| format!("/pipelines/hello{rest}");
    let pages = [
        ("pipelines", "/pipelines".to_owned(), "hello"),
        ("pipeline-new", "/pipelines/new".to_owned(), "This can be applied"),
        ("pipeline-grid", at(""), "greet"),
        ("pipeline-runs", at("?tab=runs"), "Run 1"),
        ("pipeline-graph", at("?tab=graph&task=greet"), "Retries"),
        ("pipeline-starts", at("?tab=starts"), "Europe/Berlin"),
        ("pipeline-yaml", at("?tab=yaml"), "schedules"),
        ("pipeline-run", at(&format!("/runs/{run}")), "Shall it go on?"),
        ("pipeline-run-task", at(&format!("/runs/{run}?task=breaks")), "exit code 3"),
        ("pipeline-run-times", at(&format!("/runs/{run}?tab=gantt")), "greet"),
        ("pipeline-run-tasks", at(&format!("/runs/{run}?tab=tasks")), "greet"),
    ];
    look_through(&server, &pages).await
}
