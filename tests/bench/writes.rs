//! Small acknowledged writes: straight into the database, and as metrics through the MLflow face.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use diesel::{RunQueryDsl, sql_types::Text};
use drydock::{db::Db, error::Error};
use drydock_tests::Server;
use serde_json::json;

use crate::figure;

const LASTS: Duration = Duration::from_secs(5);
const MANY: usize = 64;

/// Rows through `Db::write`, one per call.
pub async fn direct(folder: &Path) -> Result<()> {
    let db = Db::open(&folder.join("writes.db")).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let mut rates = vec![];
    for writers in [1, MANY] {
        let rate = rate(writers, |writer, number| {
            let db = db.clone();
            async move {
                let (key, value) = (format!("bench-{writer}-{number}"), "x".repeat(100));
                let written = db.write(move |conn| {
                    diesel::sql_query("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)")
                        .bind::<Text, _>(key)
                        .bind::<Text, _>(value)
                        .execute(conn)
                        .map_err(Error::internal)
                });
                written.await.map(drop).map_err(|error| anyhow::anyhow!("{error:?}"))
            }
        })
        .await?;
        figure(&format!("durable writes/s into the database, {writers} at once"), &format!("{rate:.0}"));
        rates.push(rate);
    }
    figure("  group commit gains", &format!("{:.1}-fold", rates[1] / rates[0]));
    Ok(())
}

/// `runs/log-metric`, one point per request, token checked each time.
pub async fn over_http() -> Result<()> {
    let server = Server::start().await?;
    let api = server.admin().await?;
    let made = api.post("/api/2.0/mlflow/runs/create", json!({ "experiment_id": "0", "start_time": 1 })).await?;
    let run = made["run"]["info"]["run_id"].as_str().context("a run without an id")?.to_owned();
    let mut rates = vec![];
    for writers in [1, MANY] {
        let rate = rate(writers, |writer, number| {
            let (api, run) = (api.clone(), run.clone());
            async move {
                let point =
                    json!({ "run_id": run, "key": format!("m{writer}"), "value": 0.5, "timestamp": 1, "step": number });
                api.post("/api/2.0/mlflow/runs/log-metric", point).await.map(drop)
            }
        })
        .await?;
        figure(&format!("log-metric/s over HTTP, durable, {writers} at once"), &format!("{rate:.0}"));
        rates.push(rate);
    }
    figure("  group commit gains", &format!("{:.1}-fold", rates[1] / rates[0]));
    Ok(())
}

/// Writes per second, with each of the writers waiting for its answer before it asks again.
async fn rate<F, Fut>(writers: usize, write: F) -> Result<f64>
where
    F: Fn(usize, u64) -> Fut,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    // Connections, caches and the first commit are not what is measured.
    write(0, u64::MAX >> 12).await?;
    let count = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let one = |writer: usize| {
        let (count, write) = (count.clone(), &write);
        async move {
            let mut number = 0;
            while began.elapsed() < LASTS {
                write(writer, number).await?;
                number += 1;
                count.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        }
    };
    futures_util::future::try_join_all((0..writers).map(one)).await?;
    let written = count.load(Ordering::Relaxed);
    ensure!(written > 0, "nothing was written");
    Ok(written as f64 / began.elapsed().as_secs_f64())
}
