//! A full box: 100,000 runs with 10,000,000 metric points, searched and written to beside an empty one.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use diesel::connection::SimpleConnection;
use drydock::{db::Db, error::Error};
use drydock_tests::{Api, Server};
use serde_json::{Value, json};

use crate::figure;

const RUNS: usize = 100_000;
/// Runs filled in one transaction.
const STRIDE: usize = 5_000;
const SEARCHES: usize = 300;
const WRITES: usize = 1_000;
const ROUNDS: usize = 3;

/// Searches of the full box, then writes to both in turns.
pub async fn compare() -> Result<()> {
    let mut full = Server::start().await?;
    let busy = full.admin().await?;
    full.stop().await?;
    let began = Instant::now();
    fill(&full.data_dir().join("drydock.db")).await?;
    figure("filled with 100,000 runs and 10,000,000 points", &format!("{:.0} s", began.elapsed().as_secs_f64()));
    full.launch().await?;
    figure("  exec to ready on it", &format!("{:.0} ms", full.ready_after.as_secs_f64() * 1e3));
    searches(&busy).await?;
    comparison(&busy).await?;

    let empty = Server::start().await?;
    let idle = empty.admin().await?;
    let (mut on_empty, mut on_full) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        on_empty.extend(writes(&idle).await?);
        on_full.extend(writes(&busy).await?);
    }
    let (a, b) = (percentile(&mut on_empty, 0.5), percentile(&mut on_full, 0.5));
    figure("log-metric, one at a time, p50: empty, full", &format!("{}, {}", ms(a), ms(b)));
    figure("  cost of a write on the full box", &format!("{:.2}-fold", b.as_secs_f64() / a.as_secs_f64()));
    Ok(())
}

/// Five series a run, twenty points each, five params, three tags: what a small training leaves.
async fn fill(path: &Path) -> Result<()> {
    let db = Db::open(path).map_err(plain)?;
    for first in (0..RUNS).step_by(STRIDE) {
        let sql = stride(first);
        db.write(move |conn| conn.batch_execute(&sql).map_err(Error::internal)).await.map_err(plain)?;
    }
    Ok(())
}

fn plain(error: Error) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}

fn stride(first: usize) -> String {
    let (last, ids) = (first + STRIDE, first + 1);
    format!(
        "CREATE TEMP TABLE IF NOT EXISTS keys (key TEXT, n INTEGER);
         CREATE TEMP TABLE IF NOT EXISTS ids (id INTEGER PRIMARY KEY);
         CREATE TEMP TABLE IF NOT EXISTS steps (step INTEGER PRIMARY KEY);
         DELETE FROM keys; DELETE FROM ids; DELETE FROM steps;
         INSERT INTO keys VALUES ('acc', 1), ('loss', 2), ('f1', 3), ('auc', 4), ('mse', 5);
         WITH RECURSIVE n(i) AS (SELECT {ids} UNION ALL SELECT i + 1 FROM n WHERE i < {last}) INSERT INTO ids SELECT i FROM n;
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19) INSERT INTO steps SELECT i FROM n;
         INSERT INTO runs (id, run_id, experiment_id, name, user_name, status, started_at)
           SELECT id, printf('%032x', id * 7919), 0, 'run-' || id, 'ann', 'FINISHED', 1700000000000 + id * 1000 FROM ids;
         INSERT INTO run_params (run, key, value)
           SELECT id, k.column1, CASE k.column1 WHEN 'lr' THEN printf('0.%d', id % 5 + 1)
                                                ELSE printf('%.6f', abs(random()) / 9.3e18) END
           FROM ids, (VALUES ('lr'), ('p0'), ('p1'), ('p2'), ('p3')) k;
         INSERT INTO run_tags (run, key, value)
           SELECT id, k.column1, 'value of ' || k.column1
           FROM ids, (VALUES ('mlflow.runName'), ('mlflow.user'), ('mlflow.source.name')) k;
         INSERT INTO metrics (id, run, key, step, at, value, is_nan, experiment_id)
           SELECT id * 8 + n, id, key, 19, 1700000000019, abs(random()) / 9.3e18, 0, 0 FROM ids, keys;
         INSERT INTO metric_points (series, step, at, value, is_nan)
           SELECT m.id, s.step, 1700000000000 + s.step, m.value * s.step / 19, 0
           FROM metrics m, steps s WHERE m.id BETWEEN {ids} * 8 AND {last} * 8 + 7;"
    )
}

/// What the goal names, and the ways a person searches besides.
async fn searches(api: &Api) -> Result<()> {
    let cases = [
        ("two conditions, by a metric", "metrics.acc > 0.5 and params.lr = '0.3'", json!(["metrics.acc DESC"])),
        ("no condition, newest first", "", json!([])),
        ("one condition, newest first", "metrics.loss < 0.2", json!([])),
        ("by a metric, no condition", "", json!(["metrics.f1 ASC"])),
        ("a rare value", "metrics.acc > 0.9915", json!(["params.p0"])),
    ];
    for (name, filter, order) in cases {
        let wish = json!({
            "experiment_ids": ["0"], "filter": filter, "order_by": order, "max_results": 100,
        });
        let mut times = vec![];
        for _ in 0..SEARCHES {
            let began = Instant::now();
            let found = api.post("/api/2.0/mlflow/runs/search", wish.clone()).await?;
            times.push(began.elapsed());
            let runs = found["runs"].as_array().map_or(0, Vec::len);
            ensure!(runs > 0, "{name} found nothing");
        }
        let (middle, late) = (percentile(&mut times, 0.5), percentile(&mut times, 0.99));
        figure(&format!("search of 100,000 runs: {name}, p50, p99"), &format!("{}, {}", ms(middle), ms(late)));
    }
    Ok(())
}

/// What the dashboard asks for to compare as many runs as it compares, and the far end of its runs table.
async fn comparison(api: &Api) -> Result<()> {
    let chosen = "search=params.lr%20%3D%20%270.3%27&limit=500";
    let table = "/api/v1/runs?limit=100&offset=99800&count=false&columns=metrics.acc";
    let cases = [
        ("comparing 500 of 100,000 runs: their values", format!("/api/v1/runs?{chosen}")),
        ("comparing 500 of 100,000 runs: curves of a metric", format!("/api/v1/run-series?{chosen}&key=acc")),
        ("runs table of 100,000, the far end, by a metric", format!("{table}&sort=-metrics.acc")),
        ("runs table of 100,000, the far end, by start", format!("{table}&sort=-started_at")),
    ];
    for (name, path) in cases {
        let mut times = vec![];
        for _ in 0..SEARCHES / 10 {
            let began = Instant::now();
            api.get(&path).await?;
            times.push(began.elapsed());
        }
        let (middle, late) = (percentile(&mut times, 0.5), percentile(&mut times, 0.99));
        figure(&format!("{name}, p50, p99"), &format!("{}, {}", ms(middle), ms(late)));
    }
    Ok(())
}

async fn writes(api: &Api) -> Result<Vec<Duration>> {
    let made = api.post("/api/2.0/mlflow/runs/create", json!({ "experiment_id": "0", "start_time": 1 })).await?;
    let run = made["run"]["info"]["run_id"].as_str().context("a run without an id")?.to_owned();
    let mut times = vec![];
    for step in 0..WRITES {
        let point: Value = json!({ "run_id": run, "key": "loss", "value": 0.5, "timestamp": 1, "step": step });
        let began = Instant::now();
        api.post("/api/2.0/mlflow/runs/log-metric", point).await?;
        times.push(began.elapsed());
    }
    Ok(times)
}

fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort();
    times[((times.len() - 1) as f64 * share) as usize]
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
