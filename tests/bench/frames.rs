//! What a person feels of the dashboard, in Chromium: the first page, a long table that scrolls, a chart with many points.

use std::time::Duration;

use anyhow::{Context, Result};
use diesel::connection::SimpleConnection;
use drydock::{db::Db, error::Error};
use drydock_tests::{Browser, Server, server::PASSWORD};
use serde_json::Value;

use crate::figure;

/// 10,000 finished runs with five params and three metrics, and one with four metrics of 10,000 points.
const FILL: &str = "
    CREATE TEMP TABLE ids AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT i AS id FROM n;
    INSERT INTO runs (id, run_id, experiment_id, name, user_name, status, started_at, ended_at)
      SELECT id, printf('%032x', id), 0, 'run-' || id, 'ann', 'FINISHED', 1700000000000 + id * 1000, 1700000060000 + id * 1000 FROM ids;
    INSERT INTO run_params (run, key, value)
      SELECT id, k.column1, printf('0.%d', id % 7) FROM ids, (VALUES ('lr'), ('depth'), ('seed'), ('model'), ('batch')) k;
    INSERT INTO metrics (id, run, key, step, at, value, is_nan, experiment_id)
      SELECT id * 8 + n.column2, id, n.column1, 19, 1700000000019, (id * 7919 % 10007) / 10007.0, 0, 0
      FROM ids, (VALUES ('accuracy', 1), ('loss', 2), ('f1', 3)) n WHERE id > 1;
    INSERT INTO metrics (id, run, key, step, at, value, is_nan, experiment_id)
      SELECT n.column2, 1, n.column1, 9999, 1700000009999, 0.5, 0, 0
      FROM (VALUES ('train/loss', 1), ('train/accuracy', 2), ('train/f1', 3), ('train/auc', 4)) n;
    INSERT INTO metric_points (series, step, at, value, is_nan)
      SELECT m.id, i.id - 1, 1700000000000 + i.id, abs(random() % 1000) / 1000.0 + m.id, 0 FROM metrics m, ids i WHERE m.run = 1;";

/// Starts to count frames; `count` says how long each took.
const WATCH: &str = "window.frames_ = []; let last = performance.now();
    const tick = now => { window.frames_.push(now - last); last = now; if (window.frames_) requestAnimationFrame(tick) };
    requestAnimationFrame(now => { last = now; requestAnimationFrame(tick) });";

pub async fn measure() -> Result<()> {
    let mut server = Server::start().await?;
    server.admin().await?;
    server.stop().await?;
    let plain = |error: Error| anyhow::anyhow!("{error:?}");
    let db = Db::open(&server.data_dir().join("drydock.db")).map_err(plain)?;
    db.write(|conn| conn.batch_execute(FILL).map_err(Error::internal)).await.map_err(plain)?;
    drop(db);
    server.launch().await?;

    first_pages(&server).await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser).await?;
    scroll(&browser).await?;
    chart(&browser).await?;
    let memory = "const app = [...document.querySelectorAll('link[rel=modulepreload]')].map(l => l.href).find(h => h.includes('app'));
        return import(app).then(m => m.default()).then(wasm => wasm.memory.buffer.byteLength)";
    let bytes: f64 = run(&browser, memory).await?;
    figure("wasm memory after these pages", &format!("{:.1} MB", bytes / 1e6));
    browser.close().await
}

async fn log_in(browser: &Browser) -> Result<()> {
    browser.visit("/login").await?;
    browser.fill("Username", "admin").await?;
    browser.fill("Password", PASSWORD).await?;
    browser.click("Log in").await?;
    browser.sees("Overview").await
}

async fn run<T: serde::de::DeserializeOwned>(browser: &Browser, script: &str) -> Result<T> {
    Ok(browser.driver.execute(script, vec![]).await?.convert()?)
}

/// From the start of the navigation to the first text of a page, in a browser that has nothing kept.
async fn first_pages(server: &Server) -> Result<()> {
    let mut times = vec![];
    for _ in 0..5 {
        let browser = Browser::open(&server.url()).await?;
        browser.visit("/login").await?;
        browser.sees("Username").await?;
        let lcp = "return new Promise(done => new PerformanceObserver(list => done(list.getEntries().at(-1).startTime))
            .observe({ type: 'largest-contentful-paint', buffered: true }))";
        times.push(run::<f64>(&browser, lcp).await?);
        browser.close().await?;
    }
    times.sort_by(f64::total_cmp);
    figure("login page, largest paint after the navigation, median", &format!("{:.0} ms", times[times.len() / 2]));
    Ok(())
}

async fn scroll(browser: &Browser) -> Result<()> {
    browser.visit("/runs").await?;
    browser.sees("10,000 runs").await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let _: Value = run(
        browser,
        &format!(
            "{WATCH} const pane = document.querySelector('.pane.long');
             const step = () => {{ pane.scrollTop += 40; if (window.frames_) requestAnimationFrame(step) }}; step(); return null"
        ),
    )
    .await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    report(browser, "10,000 runs scrolled, frame p50 / p95").await
}

async fn chart(browser: &Browser) -> Result<()> {
    browser.visit(&format!("/runs/{:032x}?tab=charts", 1)).await?;
    browser.sees("auc").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let hover = format!(
        "{WATCH} const canvas = document.querySelector('canvas'); const box = canvas.getBoundingClientRect(); let n = 0;
         const step = () => {{ n += 3; canvas.dispatchEvent(new PointerEvent('pointermove', {{ bubbles: true,
            clientX: box.left + n % box.width, clientY: box.top + box.height / 2 }})); if (window.frames_) requestAnimationFrame(step) }};
         step(); return null"
    );
    let _: Value = run(browser, &hover).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    report(browser, "chart of 10,000 points hovered, frame p50 / p95").await
}

async fn report(browser: &Browser, name: &str) -> Result<()> {
    let mut times: Vec<f64> = run(browser, "const f = window.frames_; window.frames_ = null; return f").await?;
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().context("no frame was drawn");
    figure(name, &format!("{:.1} / {:.1} ms over {} frames", at(0.5)?, at(0.95)?, times.len()));
    Ok(())
}
