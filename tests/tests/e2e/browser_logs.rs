//! The search over all logs in a real Chromium: searched, narrowed, brushed, followed live, reached from a job.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Browser, Server, until};
use thirtyfour::prelude::*;

use crate::browser::{log_in, looked_at};

const LIMIT: Duration = Duration::from_secs(120);
const LINES: &str = r#"
import json
print("starting the marzipan run", flush=True)
print(json.dumps({"level": "warning", "message": "slow marzipan step", "gpu": {"id": 3}}), flush=True)
print("ERROR no marzipan left", flush=True)
"#;

/// A job that prints this; its id once the line is found.
async fn said(api: &Api, program: &str, word: &str) -> Result<String> {
    let job = api.submit("pastry", &["python3", "-c", program]).await?;
    until(&format!("{word} is found"), LIMIT, || async {
        let answer = api.get(&format!("/api/v1/logs?q={word}&owner={job}")).await?;
        Ok(answer["lines"].as_array().filter(|lines| !lines.is_empty()).map(|_| ()))
    })
    .await?;
    Ok(job)
}

#[tokio::test]
async fn logs_are_searched_narrowed_brushed_and_followed() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let erin = server.person(&admin, "erin", "engineer").await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "erin").await?;
    browser.visit("/logs").await?;
    browser.sees("No line matches").await?;
    let mut barriers = browser.barriers().await?;
    let job = said(&erin, LINES, "left").await?;

    barriers.extend(looked_at(&browser, "logs", "/logs", "starting the marzipan run").await?);
    browser.look(1280, "light").await?;
    browser.sees("3 lines, 1 warning, 1 error").await?;
    browser.fill("Search logs", "slow").await?;
    browser.sees("1 line, 1 warning").await?;
    ensure!(!browser.text().await?.contains("no marzipan left"), "only what matches is shown");
    // a line opened: its fields, and what stands around it
    browser.press("//button[contains(@class,'log-line')]", "the line").await?;
    browser.sees("gpu.id").await?;
    browser.click("Lines around it").await?;
    browser.sees("starting the marzipan run").await?;
    browser.shoot("logs-opened-light-1280").await?;
    barriers.extend(browser.barriers().await?);
    browser.driver.set_window_rect(0, 0, 390, 900).await?;
    browser.shoot("logs-opened-light-390").await?;
    browser.driver.set_window_rect(0, 0, 1280, 900).await?;
    browser.click("Only lines with gpu.id:\"3\"").await?;
    until("the field is in the search", LIMIT, || async {
        Ok(browser.driver.current_url().await?.as_str().contains("gpu.id").then_some(()))
    })
    .await?;
    browser.fill("Search logs", "(a").await?;
    browser.sees("character 1: this '(' is not closed").await?;
    browser.shoot("logs-wrong-light-1280").await?;

    // a level, and a part of the time
    browser.visit("/logs?q=marzipan").await?;
    browser.click("Errors").await?;
    browser.sees("1 line, 0 warnings, 1 error").await?;
    browser.click("All levels").await?;
    browser.sees("3 lines, 1 warning, 1 error").await?;
    let bars = browser.driver.find(By::Css(".log-bars")).await?;
    let half = (bars.rect().await?.width / 2.0) as i64;
    let drag = browser.driver.action_chain().move_to_element_center(&bars).click_and_hold();
    drag.move_by_offset(half - 4, 0).release().perform().await?;
    browser.sees("Whole time").await?;
    browser.sees("3 lines, 1 warning, 1 error").await?;
    browser.click("Whole time").await?;

    // live, held back, shown
    browser.visit("/logs").await?;
    browser.sees("starting the marzipan run").await?;
    browser.click("Live").await?;
    said(&erin, "print('a nougat line')", "nougat").await?;
    browser.sees("a nougat line").await?;
    browser.click("Pause").await?;
    said(&erin, "print('a brittle line')", "brittle").await?;
    browser.sees("Go on, 1 new").await?;
    ensure!(!browser.text().await?.contains("a brittle line"), "nothing moves while it is paused");
    browser.click("Go on, 1 new").await?;
    browser.sees("a brittle line").await?;

    // from the job, and back to it
    browser.visit(&format!("/jobs/{job}?tab=log")).await?;
    browser.click("Search all logs").await?;
    browser.sees("One source alone").await?;
    browser.sees("no marzipan left").await?;
    ensure!(!browser.text().await?.contains("nougat"), "the lines of that job alone");
    browser.press("//button[contains(@class,'log-line')]", "a line").await?;
    browser.press("//div[contains(@class,'log-opened')]//a[normalize-space(.)='pastry']", "the job").await?;
    let path = browser.path().await?;
    ensure!(path == format!("/jobs/{job}"), "{path}");
    let link = "//a[@href and starts-with(@download,'logs')]";
    browser.visit("/logs?q=marzipan").await?;
    browser.sees("starting the marzipan run").await?;
    let href = browser.driver.find(By::XPath(link)).await?.attr("href").await?.context("an address")?;
    let file = erin.request(reqwest::Method::GET, &href).send().await?.text().await?;
    ensure!(file.contains(" ERROR job pastry (attempt 1): ERROR no marzipan left"), "{file}");
    ensure!(barriers.is_empty(), "{}", barriers.join("\n"));
    browser.close().await
}
