//! The dashboard's runs area in a real Chromium: ten thousand runs in one table, hundreds compared.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use diesel::connection::SimpleConnection;
use drydock::{db::Db, error::Error};
use drydock_tests::{Api, Browser, Server, until};
use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::browser::log_in;

const SOON: Duration = Duration::from_secs(30);
const RUNS: usize = 10_000;

/// A server with ten thousand finished runs of one experiment: five params, three metrics of twenty points.
async fn full() -> Result<(Server, Api)> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    server.stop().await?;
    let plain = |error: Error| anyhow::anyhow!("{error:?}");
    let db = Db::open(&server.data_dir().join("drydock.db")).map_err(plain)?;
    let sql = format!(
        "CREATE TEMP TABLE ids AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {RUNS}) SELECT i AS id FROM n;
         CREATE TEMP TABLE steps AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19) SELECT i AS step FROM n;
         INSERT INTO runs (id, run_id, experiment_id, name, user_name, status, started_at, ended_at)
           SELECT id, printf('%032x', id * 7919), 0, 'run-' || id, 'ann', CASE WHEN id % 10 = 0 THEN 'FAILED' ELSE 'FINISHED' END,
                  1700000000000 + id * 1000, 1700000060000 + id * 1000 FROM ids;
         INSERT INTO run_params (run, key, value)
           SELECT id, k.column1, CASE k.column1 WHEN 'lr' THEN printf('0.%d', id % 5 + 1) WHEN 'model' THEN iif(id % 2, 'forest', 'linear')
                                                ELSE 'fixed' END
           FROM ids, (VALUES ('lr'), ('model'), ('seed')) k;
         INSERT INTO metrics (id, run, key, step, at, value, is_nan, experiment_id)
           SELECT id * 8 + n.column2, id, n.column1, 19, 1700000000019, (id * 7919 % 10007) / 10007.0, 0, 0
           FROM ids, (VALUES ('accuracy', 1), ('loss', 2), ('system/cpu', 3)) n;
         INSERT INTO metric_points (series, step, at, value, is_nan)
           SELECT m.id, s.step, 1700000000000 + s.step * 1000, m.value * (s.step + 1) / 20, 0 FROM metrics m, steps s;"
    );
    db.write(move |conn| conn.batch_execute(&sql).map_err(Error::internal)).await.map_err(plain)?;
    drop(db);
    server.launch().await?;
    Ok((server, admin))
}

pub async fn script<T: serde::de::DeserializeOwned>(browser: &Browser, script: &str) -> Result<T> {
    Ok(browser.driver.execute(script, vec![]).await?.convert()?)
}

pub async fn holds(browser: &Browser, what: &str, condition: &str) -> Result<()> {
    let seen = until(what, SOON, || async { Ok(script::<bool>(browser, condition).await?.then_some(())) }).await;
    browser.failed_at(&what.replace(' ', "-"), seen).await
}

/// Names in the table, as far as rows are drawn.
const NAMES: &str = "return [...document.querySelectorAll('tr[data-row] a.row-link')].map(a => a.textContent)";

async fn first_name(browser: &Browser) -> Result<String> {
    let names: Vec<String> = script(browser, NAMES).await?;
    names.into_iter().next().context("the table shows no run")
}

/// The two looks, two widths.
pub async fn shots(browser: &Browser, name: &str) -> Result<()> {
    for theme in ["light", "dark"] {
        for width in [1280, 390] {
            browser.look(width, theme).await?;
            holds(browser, "the page is settled", "return !document.querySelector('.skeleton, [aria-busy=true]')")
                .await?;
            tokio::time::sleep(Duration::from_millis(500)).await;
            browser.shoot(&format!("{name}-{theme}-{width}")).await?;
            let wide: bool = script(
                browser,
                "return document.documentElement.scrollWidth > document.documentElement.clientWidth + 1",
            )
            .await?;
            ensure!(!wide, "{name} {theme} {width}: the page scrolls sideways");
            let found = browser.barriers().await?;
            ensure!(found.is_empty(), "{name} {theme} {width}:\n{}", found.join("\n"));
        }
    }
    browser.look(1280, "light").await
}

#[tokio::test]
async fn ten_thousand_runs_are_one_table() -> Result<()> {
    let (server, admin) = full().await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/runs").await?;
    browser.sees("10,000 runs").await?;
    ensure!(first_name(&browser).await? == "run-10000", "the newest run stands first");

    // Far down, only what is in sight is drawn.
    script::<Value>(&browser, "document.querySelector('.pane.long').scrollTop = 9000 * 38").await?;
    holds(
        &browser,
        "row 9,000 is there",
        // not run-10000, which stands first before the table has moved
        "return [...document.querySelectorAll('tr[data-row] a.row-link')].some(a => a.textContent === 'run-1000')",
    )
    .await?;
    let drawn: u32 = script(&browser, "return document.querySelectorAll('tr[data-row]').length").await?;
    ensure!(drawn < 80, "{drawn} rows are drawn");

    // A run that comes in above moves nothing.
    let place = "return Math.round(document.querySelector('tr[data-row] a.row-link').getBoundingClientRect().top) + ' ' + [...document.querySelectorAll('tr[data-row] a.row-link')].find(a => a.getBoundingClientRect().top > 300).textContent";
    let seen = "return [...document.querySelectorAll('tr[data-row] a.row-link')].find(a => a.getBoundingClientRect().top > 400).textContent";
    let before: String = script(&browser, seen).await?;
    let made = admin
        .post(
            "/api/2.0/mlflow/runs/create",
            json!({ "experiment_id": "0", "run_name": "newcomer", "start_time": 1_800_000_000_000i64 }),
        )
        .await?;
    browser.sees("10,001 runs").await?;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let after: String = script(&browser, seen).await?;
    ensure!(
        before == after,
        "the row in sight was {before} and is {after}: {}",
        script::<String>(&browser, place).await?
    );
    ensure!(made["run"]["info"]["run_name"] == "newcomer");

    // Sorted by the server, over all of them.
    browser.visit("/runs?columns=status,metrics.accuracy,params.lr").await?;
    browser.sees("10,001 runs").await?;
    browser.click("accuracy").await?;
    holds(
        &browser,
        "the greatest accuracy stands first",
        "return document.querySelector('tr[data-row=\"0\"]')?.textContent.includes('0.9999')",
    )
    .await?;

    few_rows_are_drawn(&browser).await?;
    browser.close().await
}

/// However far one scrolls, the page holds the rows in sight and a few more.
async fn few_rows_are_drawn(browser: &Browser) -> Result<()> {
    for top in [0, 40_000, 200_000] {
        script::<bool>(browser, &format!("document.querySelector('.pane.long').scrollTop = {top}; return true"))
            .await?;
        until(&format!("the rows at {top} px are drawn, and few others"), SOON, || async {
            let drawn: u64 = script(browser, "return document.querySelectorAll('tr[data-row]').length").await?;
            ensure!((5..200).contains(&drawn), "{drawn} rows are drawn");
            Ok(Some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_filter_completes_and_says_where_it_is_wrong() -> Result<()> {
    let (server, _admin) = full().await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/runs").await?;
    browser.sees("10,000 runs").await?;
    let field = browser.driver.query(By::Css("input[data-search]")).first().await?;
    field.click().await?;
    // a key that the runs have, its operators, its values: all by keyboard
    field.send_keys("mod").await?;
    holds(
        &browser,
        "the key is offered",
        "return !!document.querySelector('#filter-offers li code')?.textContent.includes('params.model')",
    )
    .await?;
    field.send_keys(Key::Down + "").await?;
    field.send_keys(Key::Enter + "").await?;
    holds(
        &browser,
        "operators are offered",
        "return [...document.querySelectorAll('#filter-offers code')].some(c => c.textContent === 'LIKE')",
    )
    .await?;
    field.send_keys("= ").await?;
    holds(
        &browser,
        "values are offered",
        "return [...document.querySelectorAll('#filter-offers code')].some(c => c.textContent === \"'forest'\")",
    )
    .await?;
    field.send_keys(Key::Down + "").await?;
    field.send_keys(Key::Enter + "").await?;
    field.send_keys("and metrics.accuracy > 0.9").await?;
    field.send_keys(Key::Enter + "").await?;
    browser.sees("runs").await?;
    holds(
        &browser,
        "the filter is in the address",
        "return decodeURIComponent(location.search).includes(\"params.model = 'forest'\")",
    )
    .await?;
    let narrowed = until("fewer runs", SOON, || async {
        let text: String =
            script(&browser, "return document.querySelector('[data-testid=place]')?.textContent || ''").await?;
        Ok((!text.is_empty() && !text.contains("10,000")).then_some(text))
    })
    .await?;
    ensure!(narrowed.contains("of 4") || narrowed.contains("of 5"), "{narrowed}");

    // What is wrong is shown at its place, and the rows stay.
    field.send_keys(Key::Control + "a").await?;
    field.send_keys("metrics.accuracy ~ 3").await?;
    field.send_keys(Key::Enter + "").await?;
    holds(&browser, "the mistake is marked", "return document.querySelector('.where mark')?.textContent === '~'")
        .await?;
    ensure!(!script::<Vec<String>>(&browser, NAMES).await?.is_empty(), "the rows are gone");
    browser.shoot("runs-filter-wrong").await?;
    browser.close().await
}

#[tokio::test]
async fn columns_views_and_choices_are_kept_and_can_be_sent() -> Result<()> {
    let (server, admin) = full().await?;
    let colleague = server.person(&admin, "vera", "viewer").await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/runs").await?;
    browser.sees("10,000 runs").await?;

    browser.click("Columns").await?;
    browser.fill("Search columns", "seed").await?;
    browser.press("//dialog//label[contains(., 'seed')]/input", "seed").await?;
    browser.click("Move seed up").await?;
    browser.click("Done").await?;
    holds(
        &browser,
        "the column is shown",
        "return [...document.querySelectorAll('th')].some(t => t.textContent === 'seed')",
    )
    .await?;
    let order: Vec<String> =
        script(&browser, "return [...document.querySelectorAll('th')].map(t => t.textContent)").await?;
    ensure!(order[order.len() - 2] == "seed", "{order:?}");

    // The view by its name, its link for somebody else.
    browser.press("//summary[contains(., 'Views')]", "Views").await?;
    browser.click("Save this view…").await?;
    browser.fill("Name", "With seed").await?;
    browser.click("Save the view").await?;
    browser.sees("View saved").await?;
    let views = admin.get("/api/v1/views?kind=runs").await?;
    let id = views[0]["id"].as_str().context("no view was saved")?.to_owned();
    ensure!(views[0]["name"] == "With seed" && views[0]["mine"] == true);
    ensure!(
        colleague.get("/api/v1/views?kind=runs").await?.as_array().is_some_and(Vec::is_empty),
        "views are one's own"
    );
    ensure!(colleague.get(&format!("/api/v1/views/{id}")).await?["mine"] == false);
    ensure!(colleague.status("DELETE".parse()?, &format!("/api/v1/views/{id}"), None).await? == 403);
    script::<Value>(&browser, "localStorage.clear()").await?;
    browser.visit(&format!("/runs?view={id}")).await?;
    holds(
        &browser,
        "the link shows the same",
        "return [...document.querySelectorAll('th')].some(t => t.textContent === 'seed')",
    )
    .await?;
    let audit = admin.get("/api/v1/audit?limit=50").await?.to_string();
    ensure!(audit.contains("view.save"), "saving has no audit row");

    // A choice by keyboard and range, then all that match.
    browser.visit("/runs").await?;
    browser.sees("10,000 runs").await?;
    browser.press("(//tr[@data-row='0']//input)[1]", "the first box").await?;
    let tenth = browser.driver.query(By::Css("tr[data-row='9'] td.choose input")).first().await?;
    browser.driver.action_chain().key_down(Key::Shift).click_element(&tenth).key_up(Key::Shift).perform().await?;
    browser.sees("10 chosen").await?;
    browser.driver.find(By::Css("tr[data-row='11'] a.row-link")).await?.focus().await?;
    browser.driver.active_element().await?.send_keys("x").await?;
    browser.sees("11 chosen").await?;
    browser.click("Choose all 10,000 that match").await?;
    browser.sees("10,000 chosen").await?;
    browser.click("Clear choice").await?;
    shots(&browser, "runs-table").await?;
    browser.close().await
}

#[tokio::test]
async fn hundreds_of_runs_are_compared() -> Result<()> {
    let (server, _admin) = full().await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    // all that match a filter: the link carries the filter
    browser.visit("/runs?search=metrics.accuracy%20%3E%200.97").await?;
    browser.sees("run").await?;
    holds(&browser, "some hundred match", "return /of [23]\\d\\d runs/.test(document.body.innerText)").await?;
    browser.press("//input[@aria-label='Choose all that match']", "all that match").await?;
    browser.press("//button[starts-with(normalize-space(.), 'Compare')]", "Compare").await?;
    holds(
        &browser,
        "the filter is in the comparison's address",
        "return location.pathname === '/compare' && decodeURIComponent(location.search).includes('accuracy > 0.97')",
    )
    .await?;
    holds(&browser, "curves are drawn", PAINTED).await?;
    shots(&browser, "compare-curves").await?;

    let here: String = script(&browser, "return location.search").await?;
    browser.visit(&format!("/compare{here}&tab=scatter&x=params.lr&y=metrics.accuracy&colour=metrics.loss")).await?;
    holds(&browser, "points are drawn", PAINTED).await?;
    shots(&browser, "compare-scatter").await?;

    browser.visit(&format!("/compare{here}&tab=parallel&axes=params.lr%7Cparams.model%7Cmetrics.accuracy")).await?;
    holds(&browser, "parallel axes are drawn", PAINTED).await?;
    let canvas = browser.driver.query(By::Css(".plot canvas")).first().await?;
    canvas.focus().await?;
    canvas.send_keys(Key::Up + "").await?;
    holds(&browser, "a brush is in the address", "return location.search.includes('brush=')").await?;
    let kept: String = script(&browser, "return [...document.querySelectorAll('[role=status]')].map(s => s.textContent).find(t => / of /.test(t)) || ''").await?;
    let (left, all) = kept.split_once(" of ").context("it is not said how many are kept")?;
    ensure!(left.trim() != all.trim_end_matches(" runs"), "the brush keeps all: {kept}");
    shots(&browser, "compare-parallel").await?;
    // the same link shows the same
    let link: String = script(&browser, "return location.pathname + location.search").await?;
    browser.visit(&link).await?;
    browser.sees(&kept).await?;

    browser.visit(&format!("/compare{here}&tab=params&differing=1")).await?;
    browser.sees("forest").await?;
    ensure!(!browser.text().await?.contains("seed"), "what is the same is left out");
    browser.visit(&format!("/compare{here}&tab=metrics")).await?;
    browser.sees("↑").await?;

    // many chosen by hand: a short link
    browser.visit("/runs").await?;
    browser.sees("10,000 runs").await?;
    browser.press("(//tr[@data-row='0']//input)[1]", "the first box").await?;
    script::<Value>(&browser, "document.querySelector('.pane.long').scrollTop = 600").await?;
    let far = browser.driver.query(By::Css("tr[data-row='29'] td.choose input")).first().await?;
    browser.driver.action_chain().key_down(Key::Shift).click_element(&far).key_up(Key::Shift).perform().await?;
    browser.sees("30 chosen").await?;
    browser.click("Compare 30").await?;
    browser.sees("Compare 30 runs").await?;
    holds(&browser, "the link is short", "return location.search.includes('set=') && location.href.length < 200")
        .await?;
    browser.close().await
}

const PAINTED: &str = "return [...document.querySelectorAll('canvas')].some(c => { if (!c.width) return false; \
    const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; const seen = new Set(); \
    for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 200) seen.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return seen.size > 2; })";
