//! The disk falls below its floor while jobs run: the one that writes is stopped with the cause in words, one that only has much goes on
//! and ends well.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use drydock_tests::{
    Api, Server, Setup,
    disk::{MIB, SmallDisk},
    until,
};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(120);
const FLOOR: usize = 128 * MIB;
/// What the watcher calls recent, and a little.
const NOT_RECENT: Duration = Duration::from_secs(12);

/// Writes at once, and then waits for a file.
const STILL: &str = r"
import os, time
open('/scratch/large', 'wb').write(b'x' * (100 << 20))
print('written', flush=True)
while not os.path.exists('/outputs/go'): time.sleep(0.1)
open('/outputs/result.txt', 'w').write('the result')
";
/// Writes on and on; once it is told to end, it takes its time.
const GROWS: &str = r"
import signal, sys, time
def end(*_):
    print('told to end', flush=True)
    time.sleep(4)
    sys.exit(1)
signal.signal(signal.SIGTERM, end)
file = open('/scratch/grows', 'wb')
for n in range(200):
    file.write(b'x' * (1 << 20)); file.flush()
    if n == 20: print('written', flush=True)
    time.sleep(0.2)
time.sleep(600)
";

fn wish(name: &str, program: &str, disk: usize) -> Value {
    json!({
        "name": name, "command": ["python3", "-c", program], "tracked": false,
        "resources": { "cpus": 0.5, "memory_bytes": 256 << 20, "gpus": 0, "disk_bytes": disk },
    })
}

async fn has_written(api: &Api, job: &str) -> Result<()> {
    until(&format!("job {job} has not written"), LIMIT, || async {
        let detail = api.get(&format!("/api/v1/jobs/{job}")).await?;
        ensure!(detail["summary"]["state"] != "failed", "{detail:#}");
        let log = api.get(&format!("/api/v1/jobs/{job}/log/lines?limit=10")).await?;
        Ok(log.to_string().contains("written").then_some(()))
    })
    .await
}

async fn disk(api: &Api) -> Result<Value> {
    Ok(api.get("/api/v1/store").await?["disk"].clone())
}

async fn folder_is_gone(data: &Path, job: &str) -> Result<()> {
    until("its folder is gone", LIMIT, || async {
        let names =
            std::fs::read_dir(data.join("run/jobs"))?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok((!names.into_iter().any(|name| name.starts_with(job) || name.starts_with(".gone-"))).then_some(()))
    })
    .await
}

#[tokio::test]
async fn below_the_floor_the_job_that_writes_is_stopped_and_no_other() -> Result<()> {
    let small = SmallDisk::new(768)?;
    let (data, settings) = (small.at().join("data"), format!("[disk]\nfloor_bytes = {FLOOR}\n"));
    let setup = Setup { data: Some(data.clone()), settings: &settings, ..Setup::default() };
    let mut server = Server::start_as(setup).await?;
    let admin = server.admin().await?;
    let still = admin.submit_with(wish("still", STILL, 150 * MIB)).await?;
    has_written(&admin, &still).await?;
    tokio::time::sleep(NOT_RECENT).await;
    let grows = admin.submit_with(wish("grows", GROWS, 250 * MIB)).await?;
    has_written(&admin, &grows).await?;

    // somebody else takes the room that both were promised
    let free = usize::try_from(disk(&admin).await?["free_bytes"].as_u64().context("free_bytes")?)?;
    small.take((free - FLOOR * 7 / 8) / MIB)?;
    let end = admin.finished(&grows, LIMIT).await?;
    let (state, reason) = (&end["summary"]["state"], end["summary"]["reason"].as_str().unwrap_or_default());
    ensure!(state == "failed" && end["attempts"][0]["cause"] == "disk", "{end:#}");
    ensure!(reason.contains("the disk of the box is full") && reason.contains("wrote most"), "{reason}");
    let log = admin.get(&format!("/api/v1/jobs/{grows}/log/lines?limit=10")).await?;
    ensure!(log.to_string().contains("told to end"), "it was not asked to end first: {log}");
    folder_is_gone(&data, &grows).await?;
    until("its room does not help", LIMIT, || async { Ok((disk(&admin).await?["level"] != "full").then_some(())) })
        .await?;

    let detail = admin.get(&format!("/api/v1/jobs/{still}")).await?;
    ensure!(detail["summary"]["state"] == "running", "who wrote nothing was stopped, too: {detail:#}");
    std::fs::write(data.join(format!("run/jobs/{still}-1/outputs/go")), "")?;
    let end = admin.finished(&still, LIMIT).await?;
    ensure!(end["summary"]["state"] == "succeeded", "{end:#}");
    let kept = admin.get(&format!("/api/v1/jobs/{still}/outputs")).await?;
    ensure!(kept.to_string().contains("result.txt"), "{kept}");
    server.stop().await
}
