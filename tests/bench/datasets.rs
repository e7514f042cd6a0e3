//! Datasets at scale: a million files with one changed; a table of some gigabytes profiled and checked, with the memory that takes.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Server};
use reqwest::{Body, Method};
use serde_json::{Value, json};

use crate::{
    figure,
    footprint::{forget_peak, megabytes, memory},
};

const FILES: usize = 1_000_000;
/// Different contents among them.
const CONTENTS: usize = 1_000;
const TABLE_BYTES: usize = 2 << 30;
const LIMIT: Duration = Duration::from_secs(3600);

pub async fn measure() -> Result<()> {
    many_files().await?;
    a_large_table().await
}

async fn many_files() -> Result<()> {
    let server = Server::start().await?;
    let api = server.admin().await?;
    api.post("/api/v1/datasets", json!({ "name": "many" })).await?;
    let mut digests = Vec::with_capacity(CONTENTS);
    for n in 0..CONTENTS {
        digests.push(api.upload(format!("content {n:06}")).await?);
    }
    let mut lines = String::with_capacity(FILES * 130);
    for n in 0..FILES {
        let digest = &digests[n % CONTENTS];
        writeln!(lines, r#"{{"path":"{:03}/{n:07}.txt","digest":"{digest}","size_bytes":14}}"#, n % 997)?;
    }
    let rest = memory(&server, "VmRSS:")?;
    forget_peak(&server)?;
    let began = Instant::now();
    let path = "/api/v1/datasets/many/versions/lines";
    let answer = api.request(Method::POST, path).timeout(LIMIT).body(lines).send().await?;
    ensure!(answer.status() == 201, "{}", answer.text().await?);
    let peak = memory(&server, "VmHWM:")?;
    figure("a version of 1,000,000 files from lines", &format!("{:.1} s", began.elapsed().as_secs_f64()));
    figure("  server's memory before, and its peak", &format!("{}, {}", megabytes(rest), megabytes(peak)));

    let before = on_disk(&server)?;
    forget_peak(&server)?;
    let rest = memory(&server, "VmRSS:")?;
    let changed = api.upload("changed").await?;
    let file = json!({ "path": "500/0000500.txt", "digest": changed, "size_bytes": 7 });
    let began = Instant::now();
    api.post("/api/v1/datasets/many/versions", json!({ "base_version": "1", "files": [file] })).await?;
    let took = began.elapsed();
    let peak = memory(&server, "VmHWM:")?;
    figure("the next version with one of them changed", &format!("{:.2} s", took.as_secs_f64()));
    figure("  server's memory before, and its peak", &format!("{}, {}", megabytes(rest), megabytes(peak)));
    figure("  more on the disk", &format!("{} KiB", on_disk(&server)?.saturating_sub(before) >> 10));
    let began = Instant::now();
    api.get("/api/v1/datasets/many/diff").await?;
    figure("  what changed between the two", &format!("{:.0} ms", began.elapsed().as_secs_f64() * 1e3));
    let began = Instant::now();
    api.get("/api/v1/datasets/many/versions/2/files?limit=200").await?;
    figure("  a page of its folders", &format!("{:.0} ms", began.elapsed().as_secs_f64() * 1e3));
    Ok(())
}

/// Bytes of everything in the data directory but the log of the database, which grows and shrinks by itself.
fn on_disk(server: &Server) -> Result<u64> {
    fn under(folder: &std::path::Path) -> Result<u64> {
        let mut sum = 0;
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let data = entry.metadata()?;
            let is_log = entry.file_name().to_string_lossy().ends_with("-wal");
            sum += if data.is_dir() {
                under(&entry.path())?
            } else if is_log {
                0
            } else {
                data.len()
            };
        }
        Ok(sum)
    }
    under(server.data_dir())
}

async fn a_large_table() -> Result<()> {
    let server = Server::start().await?;
    let api = server.admin().await?;
    api.post("/api/v1/datasets", json!({ "name": "large" })).await?;
    let rules = json!([
        { "check": "unique", "column": "id" },
        { "check": "unique_together", "columns": ["kind", "id"] },
        { "check": "not_null", "column": "value" },
        { "check": "range", "column": "value", "min": 0, "max": 1 },
    ]);
    api.put("/api/v1/datasets/large/rules", json!({ "rules": rules })).await?;
    let digest = api.upload(Body::wrap_stream(futures_util::stream::iter(blocks()))).await?;
    let size: usize = blocks().map(|block| block.map_or(0, |text| text.len())).sum();
    let rest = memory(&server, "VmRSS:")?;
    forget_peak(&server)?;
    let began = Instant::now();
    let file = json!({ "path": "large.csv", "digest": digest, "size_bytes": size });
    api.post("/api/v1/datasets/large/versions", json!({ "files": [file] })).await?;
    let detail = analysed(&api).await?;
    let peak = memory(&server, "VmHWM:")?;
    let rows = detail["profiles"][0]["row_count"].as_u64().context("no rows")?;
    let what = format!("{:.1} GiB of CSV, {rows} rows: profile and four rules", size as f64 / (1 << 30) as f64);
    figure(&what, &format!("{:.0} s", began.elapsed().as_secs_f64()));
    figure("  server's memory before, and its peak", &format!("{}, {}", megabytes(rest), megabytes(peak)));
    ensure!(detail["report"]["passed"] == true, "{}", detail["report"]);
    Ok(())
}

async fn analysed(api: &Api) -> Result<Value> {
    let began = Instant::now();
    loop {
        let detail = api.get("/api/v1/datasets/large/versions/1").await?;
        if !detail["report"].is_null() {
            return Ok(detail);
        }
        ensure!(began.elapsed() < LIMIT, "the table was not analysed in an hour");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Rows whose ids never repeat, in blocks.
fn blocks() -> impl Iterator<Item = std::io::Result<String>> {
    const ROWS: usize = 20_000;
    let block = |n: usize| {
        let mut text = String::with_capacity(ROWS * 64);
        if n == 0 {
            text.push_str("id,at,kind,value,note\n");
        }
        for row in n * ROWS..(n + 1) * ROWS {
            let value = (row * 7919 % 1_000_003) as f64 / 1_000_003.0;
            let _ = writeln!(
                text,
                "{row},2026-01-{:02}T00:00:00Z,kind-{},{value:.6},some words {}",
                row % 28 + 1,
                row % 7,
                row % 1000
            );
        }
        text
    };
    let of_one = block(1).len();
    (0..TABLE_BYTES / of_one).map(move |n| Ok(block(n)))
}
