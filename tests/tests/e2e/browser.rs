//! What people do in the dashboard, in a real Chromium.

use std::time::Duration;

use anyhow::Result;
use drydock_tests::{Api, Browser, Server, server::PASSWORD};
use serde_json::json;
use thirtyfour::prelude::*;

/// Long enough for a container to train and another to get ready.
const SAMPLE: Duration = Duration::from_secs(240);

pub async fn log_in(browser: &Browser, username: &str) -> Result<()> {
    browser.visit("/login").await?;
    browser.fill("Username", username).await?;
    browser.fill("Password", PASSWORD).await?;
    browser.click("Log in").await?;
    browser.sees("Overview").await
}

/// Shows the page in both widths and both themes, saves each as `NAME-THEME-WIDTH`, and tells what is in somebody's way.
pub async fn looked_at(browser: &Browser, name: &str, path: &str, text: &str) -> Result<Vec<String>> {
    let mut barriers = vec![];
    browser.visit(path).await?;
    for width in [1280, 390] {
        for theme in ["light", "dark"] {
            browser.look(width, theme).await?;
            browser.sees(text).await?;
            browser.shoot(&format!("{name}-{theme}-{width}")).await?;
            let found = browser.barriers().await?;
            barriers.extend(found.into_iter().map(|found| format!("{path} {theme} {width}: {found}")));
            let wide = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
            if browser.driver.execute(wide, vec![]).await?.convert::<bool>()? {
                barriers.push(format!("{path} {theme} {width}: the page scrolls sideways"));
            }
        }
    }
    Ok(barriers)
}

#[tokio::test]
async fn from_the_first_admin_to_a_prediction() -> Result<()> {
    let server = Server::start().await?;
    let secret = server.setup_secret().await?;
    let browser = Browser::open(&server.url()).await?;

    // First-admin setup with the secret of the console.
    browser.visit("/").await?;
    browser.sees("Set up this box").await?;
    browser.shoot("setup-light-1280").await?;
    browser.fill("One-time secret", &secret).await?;
    browser.fill("Username", "ann").await?;
    browser.fill("Password", PASSWORD).await?;
    browser.fill("Password again", PASSWORD).await?;
    browser.click("Create the admin").await?;
    browser.sees("Overview").await?;

    // Log out and in again.
    log_out(&browser, "ann").await?;
    log_in(&browser, "ann").await?;

    // The sample, from its button.
    browser.visit("/").await?;
    browser.click("Run the sample").await?;
    browser.sees_within("Train in a container", SAMPLE).await?;

    // The job's log streams while it runs, without a reload.
    browser.visit("/jobs").await?;
    browser.sees_within("breast-cancer-train", SAMPLE).await?;
    browser.press("//*[self::a or self::tr][contains(., 'breast-cancer-train')]", "the training job").await?;
    browser.sees_within("epoch", SAMPLE).await?;
    let early = browser.text().await?.matches("epoch").count();
    drydock_tests::until("the log grows", SAMPLE, || async {
        Ok((browser.text().await?.matches("epoch").count() > early).then_some(()))
    })
    .await?;
    browser.shoot("job-running-light-1280").await?;

    // The run and its chart.
    browser.sees_within("Succeeded", SAMPLE).await?;
    browser.visit("/runs").await?;
    browser.press("//main//a[contains(@href, '/runs/')]", "the run").await?;
    browser.press("//*[@role='tab'][starts-with(normalize-space(.), 'Charts')]", "the charts").await?;
    drydock_tests::until("a chart with something on it", Duration::from_secs(30), || async {
        Ok(has_paint(&browser).await?.then_some(()))
    })
    .await?;
    browser.shoot("run-chart-light-1280").await?;

    // Beside the charts, what the run wrote.
    browser.press("//*[@role='tab'][starts-with(normalize-space(.), 'Log')]", "the log").await?;
    browser.sees("epoch").await?;
    browser.shoot("run-log-light-1280").await?;

    // A prediction, once the sample is through.
    browser.visit("/").await?;
    drydock_tests::until("the deployment is ready", SAMPLE, || async {
        browser.visit("/deployments/breast-cancer").await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(browser.text().await?.contains("Ready").then_some(()))
    })
    .await?;
    browser.click("Try it").await?;
    browser.click("Predict").await?;
    drydock_tests::until("a prediction", Duration::from_secs(30), || async {
        let text = browser.text().await?;
        Ok((text.contains("benign") || text.contains("malignant")).then_some(()))
    })
    .await?;
    browser.shoot("prediction-light-1280").await?;

    log_out(&browser, "ann").await?;
    browser.visit("/runs").await?;
    browser.sees("Log in").await?;
    browser.close().await
}

async fn log_out(browser: &Browser, username: &str) -> Result<()> {
    browser.press(&format!("//summary[@aria-label='Account of {username}']"), "the account").await?;
    browser.click("Log out").await?;
    browser.sees("Use the account that an admin").await
}

/// Whether any canvas of the page has more than one colour on it.
async fn has_paint(browser: &Browser) -> Result<bool> {
    let script = "return [...document.querySelectorAll('canvas')].some(c => { \
        if (!c.width || !c.height) return false; \
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; \
        const seen = new Set(); for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 200) seen.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); \
        return seen.size > 2; })";
    Ok(browser.driver.execute(script, vec![]).await?.convert()?)
}

/// A server with something on every page: the sample ran once.
async fn furnished() -> Result<(Server, Api)> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    server.demo(&admin).await?;
    Ok((server, admin))
}

async fn pages(admin: &Api) -> Result<Vec<(&'static str, String)>> {
    let first = |list: Vec<serde_json::Value>| list[0]["id"].as_str().unwrap_or_default().to_owned();
    let run = first(admin.list("/api/v1/runs?limit=1").await?);
    let job = first(admin.list("/api/v1/jobs?limit=1").await?);
    Ok(vec![
        ("overview", "/".into()),
        ("runs", "/runs".into()),
        ("run", format!("/runs/{run}")),
        ("models", "/models".into()),
        ("model", "/models/breast-cancer-classifier".into()),
        ("datasets", "/datasets".into()),
        ("dataset", "/datasets/breast-cancer".into()),
        ("jobs", "/jobs".into()),
        ("job-submit", "/jobs/new".into()),
        ("job", format!("/jobs/{job}")),
        ("deployments", "/deployments".into()),
        ("deployment", "/deployments/breast-cancer".into()),
        ("settings", "/settings".into()),
    ])
}

#[tokio::test]
async fn every_page_is_accessible_and_has_its_picture() -> Result<()> {
    let (server, admin) = furnished().await?;
    let browser = Browser::open(&server.url()).await?;
    let mut barriers = vec![];
    browser.visit("/login").await?;
    browser.sees("Log in").await?;
    barriers.extend(browser.barriers().await?.into_iter().map(|text| format!("/login: {text}")));
    log_in(&browser, "admin").await?;
    for theme in ["light", "dark"] {
        for width in [1280, 390] {
            browser.look(width, theme).await?;
            for (name, path) in pages(&admin).await? {
                browser.visit(&path).await?;
                settled(&browser).await?;
                browser.shoot(&format!("{name}-{theme}-{width}")).await?;
                let found = browser.barriers().await?;
                barriers.extend(found.into_iter().map(|text| format!("{path} {theme} {width}: {text}")));
                let wide: bool = browser
                    .driver
                    .execute(
                        "return document.documentElement.scrollWidth > document.documentElement.clientWidth + 1",
                        vec![],
                    )
                    .await?
                    .convert()?;
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

/// The page shows its content: a heading, no skeleton.
async fn settled(browser: &Browser) -> Result<()> {
    let page = format!("{} does not show its content", browser.path().await?);
    let shown = drydock_tests::until(&page, Duration::from_secs(30), || async {
        let script = "return !!document.querySelector('main h1, main h2') && !document.querySelector('.skeleton, [aria-busy=true]')";
        let there: bool = browser.driver.execute(script, vec![]).await?.convert()?;
        Ok(there.then_some(()))
    })
    .await;
    browser.failed_at("page", shown).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(())
}

#[tokio::test]
async fn a_viewer_finds_no_button_that_he_may_not_press() -> Result<()> {
    let (server, admin) = furnished().await?;
    server.person(&admin, "vera", "viewer").await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "vera").await?;
    // Words that stand for a change of something other than one's own account and view.
    let changes = [
        "run the sample",
        "submit",
        "cancel",
        "delete",
        "upload",
        "deploy",
        "register",
        "new ",
        "create",
        "add ",
        "validate",
        "edit",
        "save",
        "set alias",
        "remove",
        "stop",
        "retry",
    ];
    let mut forbidden = vec![];
    for (_, path) in pages(&admin).await?.into_iter().filter(|(name, _)| !["settings", "job-submit"].contains(name)) {
        browser.visit(&path).await?;
        settled(&browser).await?;
        for name in browser.buttons().await? {
            // Whole words: "Cancelled 0" is a filter, "Cancel" would be a deed.
            let low = format!("{} ", name.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" "));
            if changes.iter().any(|word| low.starts_with(&format!("{} ", word.trim()))) {
                forbidden.push(format!("{path}: {name:?}"));
            }
        }
    }
    browser.close().await?;
    assert!(forbidden.is_empty(), "a viewer is offered:\n{}", forbidden.join("\n"));
    Ok(())
}

#[tokio::test]
async fn the_keyboard_goes_anywhere() -> Result<()> {
    let server = Server::start().await?;
    server.admin().await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    for (typed, path) in [("datasets", "/datasets"), ("jobs", "/jobs")] {
        browser.driver.find(By::Tag("body")).await?.send_keys(Key::Control + "k").await?;
        browser.sees("Escape").await.ok();
        let field = browser.driver.query(By::Css("dialog[open] input")).first().await?;
        field.send_keys(typed).await?;
        field.send_keys(Key::Enter + "").await?;
        drydock_tests::until(path, Duration::from_secs(30), || async {
            Ok((browser.path().await? == path).then_some(()))
        })
        .await?;
    }
    browser.close().await
}

#[tokio::test]
async fn lists_change_without_a_reload() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/datasets").await?;
    settled(&browser).await?;
    admin.post("/api/v1/datasets", json!({ "name": "appeared" })).await?;
    browser.sees("appeared").await?;
    browser.close().await
}

#[tokio::test]
async fn a_dashboard_that_stopped_says_so_and_offers_the_way_out() -> Result<()> {
    let (server, _) = furnished().await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    let stop = "dispatchEvent(new ErrorEvent('error', { error: new WebAssembly.RuntimeError('unreachable') }))";
    browser.driver.execute(stop, vec![]).await?;
    browser.sees("The dashboard stopped by a mistake of its own").await?;
    let barriers = browser.barriers().await?;
    assert!(barriers.is_empty(), "{barriers:?}");
    browser.shoot("stopped-light-1280").await?;
    browser.click("Reload").await?;
    browser.sees("Overview").await?;
    assert!(!browser.text().await?.contains("stopped by a mistake"));
    browser.close().await
}
