//! Monitoring in a real Chromium: ready-made panels with values, a crosshair on all charts, ranges, panels of one's own that others open.

use std::time::Duration;

use anyhow::{Result, ensure};
use drydock_tests::{Browser, Server, until};
use serde_json::json;
use thirtyfour::prelude::*;

use crate::browser::{log_in, looked_at};

const SOON: Duration = Duration::from_secs(60);

/// The value is in what the chart says of itself.
async fn drawn(browser: &Browser) -> Result<()> {
    until("a chart ends at 4.5", SOON, || async {
        let charts = browser.driver.find_all(By::XPath("//canvas[contains(@aria-label, '4.5')]")).await?;
        Ok((!charts.is_empty()).then_some(()))
    })
    .await
}

#[tokio::test]
async fn the_box_is_watched_in_the_browser_and_panels_are_shared() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    server.person(&admin, "vera", "viewer").await?;
    let gauge = json!({ "metrics": [{ "name": "mood", "kind": "gauge", "help": "How well it goes.", "value": 4.5 }] });
    admin.post("/api/v1/metrics", gauge).await?;
    let sampled = || async {
        let found = admin.get("/api/v1/metrics/range?match=mood&function=count&by=,&step_s=60").await?;
        Ok(found["series"][0]["values"]
            .as_array()
            .is_some_and(|all| all.iter().any(|it| it.as_f64() > Some(1.0)))
            .then_some(()))
    };
    until("two samples", SOON, sampled).await?;

    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/monitoring").await?;
    for text in ["Processor", "Memory", "Free on disks", "Network", "in use", "GiB"] {
        browser.sees_within(text, SOON).await?;
    }
    let mut barriers = looked_at(&browser, "monitoring", "/monitoring", "Processor").await?;
    barriers
        .extend(looked_at(&browser, "monitoring-store", "/monitoring?tab=store&last=900", "Writes a second").await?);
    browser.look(1280, "light").await?;

    // what is pointed at in one chart is pointed at in all
    browser.visit("/monitoring?last=900").await?;
    browser.sees_within("in use", SOON).await?;
    let hairs = || async {
        let canvas = browser.driver.find(By::Css(".plot canvas")).await?;
        browser.driver.action_chain().move_to_element_center(&canvas).move_by_offset(100, 0).perform().await?;
        canvas.send_keys(Key::End + "").await?;
        let count = browser.driver.find_all(By::Css(".plot .hair")).await?.len();
        Ok((count >= 3).then_some(()))
    };
    until("a hair in each chart", SOON, hairs).await?;

    browser.visit("/monitoring?tab=own").await?;
    browser.sees("No panels yet").await?;
    browser.fill("Metric and labels", "mood{pushed_by=\"admin\"}").await?;
    browser.sees_within("How well it goes.", SOON).await?;
    browser.click("Add the panel").await?;
    browser.sees_within("pushed_by=\"admin\"}, avg", SOON).await?;
    drawn(&browser).await?;
    browser.click("Save these panels…").await?;
    browser.fill("Name", "moods").await?;
    browser.click("Save the panels").await?;
    browser.sees_within("Panels saved", SOON).await?;
    browser.shoot("monitoring-own-light-1280").await?;
    barriers.extend(browser.barriers().await?);
    ensure!(barriers.is_empty(), "{}", barriers.join("\n"));

    let other = Browser::open(&server.url()).await?;
    log_in(&other, "vera").await?;
    other.visit("/monitoring?tab=own").await?;
    other.sees_within("moods", SOON).await?;
    other.press("//a[contains(., 'moods')]", "moods").await?;
    drawn(&other).await?;
    other.close().await?;
    browser.close().await
}
