//! One gibibyte through the API, beside `sha256sum` and `cp` with fsync of the same bytes on the same disk.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Server};
use reqwest::{Body, Method};
use tokio_util::io::ReaderStream;

use crate::{
    figure,
    footprint::{forget_peak, megabytes, memory},
};

const SIZE: u64 = 1 << 30;
const ROUNDS: usize = 3;

/// In turns, so that what else happens on the machine meets both.
pub async fn compare(folder: &Path) -> Result<()> {
    let server = Server::start().await?;
    let api = server.admin().await?;
    let (mut tools, mut uploads) = (vec![], vec![]);
    let before = memory(&server, "VmRSS:")?;
    let mut peak = 0;
    for round in 0..ROUNDS {
        let source = folder.join("source");
        // Other bytes each time: content that is there already would not be written again.
        fill(&source, round as u64 + 1)?;
        tools.push(by_tools(&source, &folder.join("copy"))?);
        forget_peak(&server)?;
        uploads.push(by_upload(&api, &source).await?);
        peak = peak.max(memory(&server, "VmHWM:")?);
    }
    let (tools, upload) = (median(&mut tools), median(&mut uploads));
    let speed =
        |time: Duration| format!("{:.0} MB/s ({:.2} s)", SIZE as f64 / 1e6 / time.as_secs_f64(), time.as_secs_f64());
    figure("1 GiB: sha256sum, then cp and fsync", &speed(tools));
    figure("1 GiB: upload, hashed and durable", &speed(upload));
    figure("  upload's speed relative to the tools'", &format!("{:.2}", tools.as_secs_f64() / upload.as_secs_f64()));
    figure(
        "  server's memory before, and its peak during uploads",
        &format!("{}, {}", megabytes(before), megabytes(peak)),
    );
    Ok(())
}

/// Bytes that neither compress nor repeat.
fn fill(path: &Path, seed: u64) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..SIZE / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes())?;
    }
    Ok(file.into_inner()?.sync_all()?)
}

fn by_tools(source: &Path, copy: &Path) -> Result<Duration> {
    let began = Instant::now();
    ensure!(Command::new("sha256sum").arg(source).stdout(std::process::Stdio::null()).status()?.success(), "sha256sum");
    ensure!(Command::new("cp").arg(source).arg(copy).status()?.success(), "cp");
    File::open(copy)?.sync_all()?;
    let took = began.elapsed();
    std::fs::remove_file(copy)?;
    Ok(took)
}

async fn by_upload(api: &Api, source: &Path) -> Result<Duration> {
    let began = Instant::now();
    let file = tokio::fs::File::open(source).await?;
    let body = Body::wrap_stream(ReaderStream::with_capacity(file, 1 << 20));
    let answer =
        api.request(Method::PUT, "/api/v1/uploads").timeout(Duration::from_secs(600)).body(body).send().await?;
    let status = answer.status();
    ensure!(status.is_success(), "the upload answered {status}: {}", answer.text().await.context("no body")?);
    Ok(began.elapsed())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
