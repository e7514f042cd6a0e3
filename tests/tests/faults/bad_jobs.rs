//! Programs that take what they can get: processes, memory, disk, lines of log. The box answers all the while, each such job fails with
//! its cause, and a well-behaved job beside it ends well.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Fault, Server, fault::allowed, until};
use reqwest::Method;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(120);
/// What `/readyz` may take meanwhile.
const QUICK: Duration = Duration::from_secs(1);

/// Forks until nothing more is given, and stays so.
const FORKS: &str = r"
import os, sys, time
made = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(600)
        made += 1
except OSError as error:
    print('no more after', made, error.strerror, flush=True)
    sys.exit(7)
";
const MEMORY: &str = "held = []\nwhile True: held.append(bytearray(b'x' * (16 << 20)))";
const DISK: &str = "f = open('/outputs/x', 'wb')\nwhile True: f.write(b'x' * (4 << 20)); f.flush()";
/// A hundred megabytes of lines, as quickly as they go.
const LINES: &str = r"
import sys
line = ('x' * 199 + '\n') * 1000
for _ in range(500): sys.stdout.write(line)
sys.exit(9)
";

fn wish(name: &str, program: &str) -> Value {
    json!({
        "name": name, "command": ["python3", "-c", program], "tracked": false,
        "resources": { "cpus": 0.5, "memory_bytes": 128 << 20, "gpus": 0, "disk_bytes": 256 << 20 },
    })
}

/// Watches the server's answers until told to stop; the slowest.
async fn watched<T>(server: &Server, work: impl Future<Output = Result<T>>) -> Result<(T, Duration)> {
    let api = server.anonymous()?;
    let mut slowest = Duration::ZERO;
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok((done?, slowest)),
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                let asked = Instant::now();
                let status = api.status(Method::GET, "/readyz", None).await?;
                ensure!(status == 200, "/readyz answered {status}");
                slowest = slowest.max(asked.elapsed());
            }
        }
    }
}

/// One of each kind; its reason, and how slowly the server answered at worst.
async fn makes(server: &Server, admin: &Api, name: &str, program: &str, cause: &str) -> Result<Duration> {
    let (bad, good) =
        (admin.submit_with(wish(name, program)).await?, admin.submit_with(wish("good", "print('well')")).await?);
    let both = async {
        let bad = admin.finished(&bad, LIMIT).await?;
        let good = admin.finished(&good, LIMIT).await?;
        ensure!(good["summary"]["state"] == "succeeded", "the one beside it: {good}");
        Ok(bad)
    };
    let (end, slowest) = watched(server, both).await?;
    let reason = end["summary"]["reason"].as_str().context("no reason")?;
    ensure!(end["summary"]["state"] == "failed" && reason.contains(cause), "{name}: {end}");
    ensure!(slowest < allowed(QUICK), "{name}: the server took {slowest:?}");
    until("its container and folders are gone", LIMIT, || async {
        let folders = std::fs::read_dir(server.data_dir().join("run/jobs"))?.count();
        Ok((server.containers()?.is_empty() && folders == 0).then_some(()))
    })
    .await?;
    Ok(slowest)
}

async fn fault(name: &'static str, program: &str, cause: &str) -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let fault = Fault::new(name, 1, 20);
    let mut slowest = Duration::ZERO;
    for _ in 0..fault.count {
        slowest = slowest.max(makes(&server, &admin, "bad", program, cause).await?);
    }
    let count = fault.count;
    fault.held(format!("{count} failed with the cause, slowest answer meanwhile {} ms", slowest.as_millis()));
    Ok(())
}

#[tokio::test]
async fn a_fork_bomb_meets_its_limit_of_processes() -> Result<()> {
    fault("job: fork bomb", FORKS, "exit code 7").await
}

#[tokio::test]
async fn a_memory_hog_is_ended_alone() -> Result<()> {
    fault("job: memory hog", MEMORY, "out of memory").await
}

#[tokio::test]
async fn a_log_flood_slows_nobody_down() -> Result<()> {
    fault("job: log flood", LINES, "exit code 9").await
}

#[tokio::test]
async fn a_disk_filler_is_stopped_at_what_it_asked_for() -> Result<()> {
    fault("job: disk fill", DISK, "256 MiB of disk were full").await
}
