//! Sizes on disk, time from exec to `ready`, memory at rest.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use drydock_tests::{Server, server};

use crate::figure;

const STARTS: usize = 7;

/// Bytes of the binary and of the dashboard's compressed modules.
pub fn sizes() -> Result<()> {
    let binary = std::fs::metadata(server::binary())?.len();
    figure("binary, dashboard inside", &format!("{:.1} MB", binary as f64 / 1e6));
    let Some(dist) = std::env::var_os("DRYDOCK_BENCH_DASHBOARD") else { return Ok(()) };
    let mut packed = vec![];
    collect(Path::new(&dist), &mut packed)?;
    let total: u64 = packed.iter().map(|(_, bytes)| bytes).sum();
    figure("dashboard's wasm, brotli", &format!("{:.0} kB in {} files", total as f64 / 1e3, packed.len()));
    packed.sort_by_key(|(name, bytes)| (!name.starts_with("app_bg"), std::cmp::Reverse(*bytes)));
    let first = packed.iter().filter(|(name, _)| !name.starts_with("chunk"));
    let listed: Vec<_> = first.map(|(name, bytes)| format!("{} {:.0}", named(name), *bytes as f64 / 1e3)).collect();
    figure("  of it kB in the main module, then by area", &listed.join(", "));
    Ok(())
}

fn named(file: &str) -> &str {
    match file.trim_end_matches(".wasm.br") {
        "app_bg" => "main",
        area => area.trim_start_matches("split_"),
    }
}

fn collect(folder: &Path, found: &mut Vec<(String, u64)>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), found)?;
        } else if name.ends_with(".wasm.br") {
            found.push((name, entry.metadata()?.len()));
        }
    }
    Ok(())
}

/// Starts on one data folder again and again, as a box that boots does; then rests.
pub async fn start_and_rest() -> Result<()> {
    let mut server = Server::start().await?;
    let first = server.ready_after;
    let mut times = vec![];
    for _ in 0..STARTS {
        server.restart().await?;
        times.push(server.ready_after);
    }
    times.sort();
    figure("exec to ready, first start (makes the database)", &format!("{:.0} ms", first.as_secs_f64() * 1e3));
    figure("exec to ready, median of later starts", &format!("{:.0} ms", times[STARTS / 2].as_secs_f64() * 1e3));
    tokio::time::sleep(Duration::from_secs(10)).await;
    figure("resident memory after 10 s at rest", &megabytes(memory(&server, "VmRSS:")?));
    Ok(())
}

/// A line of `/proc/PID/status`, in bytes.
pub fn memory(server: &Server, line: &str) -> Result<u64> {
    let pid = server.pid().context("the server is gone")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let found = status.lines().find_map(|text| text.strip_prefix(line)).context("no such line")?;
    Ok(found.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Forgets the peak of resident memory, so that the next reading of `VmHWM:` is of what follows.
pub fn forget_peak(server: &Server) -> Result<()> {
    let pid = server.pid().context("the server is gone")?;
    Ok(std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
