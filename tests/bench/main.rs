//! `make bench`: the figures that Drydock promises, measured on this machine with the release binary.
//!
//! Durable means durable here: each write counted was acknowledged after its fsync.

#![allow(clippy::print_stdout, reason = "the figures are the program's output")]

mod datasets;
mod drift;
mod footprint;
mod frames;
mod gateway;
mod jobs;
mod logs;
mod releases;
mod scale;
mod series;
mod upload;
mod wake;
mod writes;

use anyhow::Result;

#[tokio::main]
async fn main() -> Result<()> {
    let scratch = match std::env::var_os("DRYDOCK_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    // One part by name, or all.
    match std::env::args().nth(1).as_deref() {
        Some("scale") => return scale::compare().await,
        Some("frames") => return frames::measure().await,
        Some("gateway") => return gateway::measure().await,
        Some("releases") => return releases::measure().await,
        Some("wake") => return wake::measure().await,
        Some("ceph") => return ceph().await,
        Some("datasets") => return datasets::measure().await,
        Some("drift") => return drift::measure(scratch.path()),
        Some("series") => return series::measure(scratch.path()),
        Some("logs") => return logs::measure(scratch.path()),
        Some("jobs") => return jobs::measure().await,
        Some("short-jobs") => return jobs::short_jobs().await,
        _ => {}
    }
    footprint::sizes()?;
    footprint::start_and_rest().await?;
    writes::direct(scratch.path()).await?;
    writes::over_http().await?;
    upload::compare(scratch.path()).await?;
    frames::measure().await?;
    gateway::measure().await?;
    releases::measure().await?;
    wake::measure().await?;
    datasets::measure().await?;
    drift::measure(scratch.path())?;
    logs::measure(scratch.path())?;
    jobs::measure().await?;
    series::measure(scratch.path())?;
    scale::compare().await
}

/// For the load programs beside: a Ceph of its own under the temporary folder, told in one line, until standard input ends.
async fn ceph() -> Result<()> {
    let ceph = drydock_tests::Ceph::start().await?;
    let (access_key, secret_key) = (drydock_tests::ceph::ACCESS_KEY, drydock_tests::ceph::SECRET_KEY);
    let told = serde_json::json!({
        "url": ceph.url(), "access_key": access_key, "secret_key": secret_key, "pids": ceph.processes(),
    });
    println!("{told}");
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    Ok(())
}

/// One line of the table.
fn figure(name: &str, value: &str) {
    println!("{name:<58} {value}");
}
