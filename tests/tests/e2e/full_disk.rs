//! A disk that fills up: each write says so, nothing that was acknowledged is lost, and work goes on once there is room.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Server, until};
use reqwest::{Body, Method};
use serde_json::{Value, json};

const MIB: usize = 1 << 20;

/// A file system of its own in a file. It takes root or sudo, as all of `make test` does.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    fn new(mebibytes: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let image = folder.path().join("image");
        std::fs::File::create(&image)?.set_len((mebibytes * MIB) as u64)?;
        let disk = Self { folder };
        std::fs::create_dir(disk.at())?;
        as_root("mkfs.ext4", &["-q".as_ref(), "-E".as_ref(), owner()?.as_ref(), image.as_ref()])?;
        as_root("mount", &["-o".as_ref(), "loop".as_ref(), image.as_ref(), disk.at().as_ref()])?;
        Ok(disk)
    }

    fn at(&self) -> PathBuf {
        self.folder.path().join("mount")
    }

    fn ballast(&self) -> PathBuf {
        self.at().join("ballast")
    }

    /// Takes all the room that is left.
    fn fill(&self) -> Result<()> {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.ballast())?;
        for size in [MIB, 4096, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
        Ok(())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = as_root("umount", &["--lazy".as_ref(), self.at().as_ref()]);
    }
}

fn my(what: &str) -> Result<String> {
    Ok(String::from_utf8(Command::new("id").arg(what).output()?.stdout)?.trim().to_owned())
}

fn owner() -> Result<String> {
    Ok(format!("root_owner={}:{}", my("-u")?, my("-g")?))
}

fn as_root(program: &str, args: &[&std::ffi::OsStr]) -> Result<()> {
    let mut command = if my("-u")? == "0" { Command::new(program) } else { Command::new("sudo") };
    if my("-u")? != "0" {
        command.args(["--non-interactive", program]);
    }
    let output = command.args(args).output().with_context(|| format!("{program} is needed"))?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 7_u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(bytes)
    .collect()
}

/// Status and body of an upload whose size nobody told the server.
async fn upload(api: &Api, path: &str, bytes: Vec<u8>) -> Result<(u16, Value)> {
    let pieces: Vec<std::io::Result<Vec<u8>>> = bytes.chunks(MIB).map(|piece| Ok(piece.to_vec())).collect();
    let body = Body::wrap_stream(futures_util::stream::iter(pieces));
    let answer = api.request(Method::PUT, path).body(body).send().await?;
    let status = answer.status().as_u16();
    // A success has no body.
    Ok((status, serde_json::from_slice(&answer.bytes().await?).unwrap_or(Value::Null)))
}

fn says_full((status, body): &(u16, Value)) {
    assert_eq!(*status, 507, "{body}");
    let text = body["message"].as_str().unwrap();
    assert!(text.contains("disk of the box is full"), "{text}");
}

fn incoming(data: &Path) -> usize {
    std::fs::read_dir(data.join("blobs/incoming")).unwrap().count()
}

/// Logs batches of points until one is refused; how many steps were acknowledged. A step is logged once.
async fn log_until_full(api: &Api, run: &str) -> Result<i64> {
    for batch in 0..2000_i64 {
        let points: Vec<Value> = (0..500)
            .map(|n| json!({"key": format!("m{n}"), "value": 0.5 + n as f64, "timestamp": 1, "step": batch}))
            .collect();
        let body = json!({"run_id": run, "metrics": points});
        let (status, answer) = api.send(Method::POST, "/api/2.0/mlflow/runs/log-batch", Some(body)).await?;
        if status != 200 {
            says_full(&(status.as_u16(), answer));
            return Ok(batch);
        }
    }
    anyhow::bail!("a million points went onto a full disk")
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_full_disk_and_work_goes_on_after_it() -> Result<()> {
    let disk = SmallDisk::new(160)?;
    let data = disk.at().join("data");
    // Without a floor: here the file system itself is to refuse.
    std::fs::create_dir(&data)?;
    std::fs::write(data.join("drydock.toml"), "[disk]\nfloor_bytes = 0\n")?;
    let mut server = Server::start_with(&[("DRYDOCK_DATA_DIR", data.to_str().context("a path")?)]).await?;
    let api = server.admin().await?;
    let made = api.post("/api/2.0/mlflow/runs/create", json!({"experiment_id": "0"})).await?;
    let run = made["run"]["info"]["run_id"].as_str().context("an id")?.to_owned();
    let files = format!("/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts");

    // Artifacts: one that fits, past the page cache; one that does not.
    let kept = noise(24 * MIB);
    assert_eq!(upload(&api, &format!("{files}/kept.bin"), kept.clone()).await?.0, 200);
    says_full(&upload(&api, &format!("{files}/large.bin"), noise(200 * MIB)).await?);
    until("what came of the large file is cleared away", Duration::from_secs(5), || async {
        Ok((incoming(&data) == 0).then_some(()))
    })
    .await?;

    // Rows: until the database has no room either.
    disk.fill()?;
    let batches = log_until_full(&api, &run).await?;
    let span = json!({"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "s",
        "attributes": [{"key": "mlflow.spanInputs", "value": {"stringValue": "x".repeat(2 * MIB)}}]});
    let export = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]});
    let answer =
        api.request(Method::POST, "/v1/traces").header("x-mlflow-experiment-id", "0").json(&export).send().await?;
    assert!([200, 507].contains(&answer.status().as_u16()), "{}", answer.status());

    // What is read is read as before, and after a start on the full disk, too.
    for round in 0..2 {
        let back = api.request(Method::GET, &format!("{files}/kept.bin")).send().await?.error_for_status()?;
        assert!(back.bytes().await? == kept, "round {round}");
        let listed = api.get(&format!("/api/2.0/mlflow/artifacts/list?run_id={run}")).await?;
        assert_eq!(listed["files"].as_array().map(Vec::len), Some(1), "{listed}");
        if round == 0 {
            server.restart().await?;
        }
    }

    std::fs::remove_file(disk.ballast())?;
    let body = json!({"run_id": run, "key": "after", "value": 1.0, "timestamp": 1, "step": 0});
    until("work goes on when there is room again", Duration::from_secs(10), || async {
        let (status, _) = api.send(Method::POST, "/api/2.0/mlflow/runs/log-metric", Some(body.clone())).await?;
        Ok((status == 200).then_some(()))
    })
    .await?;
    let history = api.get(&format!("/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=m499")).await?;
    assert_eq!(
        history["metrics"].as_array().map_or(0, Vec::len) as i64,
        batches,
        "a batch is kept whole or not at all"
    );
    assert_eq!(upload(&api, &format!("{files}/again.bin"), noise(20 * MIB)).await?.0, 200);
    server.stop().await
}

#[tokio::test]
async fn below_the_floor_nothing_is_added_and_everything_else_goes_on() -> Result<()> {
    let disk = SmallDisk::new(160)?;
    let data = disk.at().join("data");
    std::fs::create_dir(&data)?;
    std::fs::write(data.join("drydock.toml"), format!("[disk]\nfloor_bytes = {}\n", 40 * MIB))?;
    let server = Server::start_with(&[("DRYDOCK_DATA_DIR", data.to_str().context("a path")?)]).await?;
    let api = server.admin().await?;
    let made = api.post("/api/2.0/mlflow/runs/create", json!({"experiment_id": "0"})).await?;
    let run = made["run"]["info"]["run_id"].as_str().context("an id")?.to_owned();
    let files = format!("/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts");
    assert_eq!(upload(&api, &format!("{files}/kept.bin"), noise(10 * MIB)).await?.0, 200);
    // One that is let in and grows past the floor, which is looked at on the way.
    says_full(&upload(&api, &format!("{files}/large.bin"), noise(130 * MIB)).await?);

    std::fs::write(disk.ballast(), vec![7; 100 * MIB])?;
    says_full(&upload(&api, &format!("{files}/small.bin"), noise(10)).await?);
    let point = json!({"run_id": run, "key": "m", "value": 1.0, "timestamp": 1, "step": 0});
    let (status, body) = api.send(Method::POST, "/api/2.0/mlflow/runs/log-metric", Some(point.clone())).await?;
    says_full(&(status.as_u16(), body));
    let store = api.get("/api/v1/store").await?;
    assert_eq!(store["disk"]["level"], "full", "{store}");

    let login = json!({"username": "admin", "password": drydock_tests::server::PASSWORD});
    assert_eq!(server.anonymous()?.send(Method::POST, "/api/v1/login", Some(login)).await?.0, 200);
    let found = api.post("/api/2.0/mlflow/runs/search", json!({"experiment_ids": ["0"]})).await?;
    assert_eq!(found["runs"].as_array().map(Vec::len), Some(1));
    let back = api.request(Method::GET, &format!("{files}/kept.bin")).send().await?.error_for_status()?;
    assert_eq!(back.bytes().await?.len(), 10 * MIB);
    assert_eq!(api.send(Method::DELETE, &format!("{files}/kept.bin"), None).await?.0, 200);

    std::fs::remove_file(disk.ballast())?;
    assert_eq!(api.send(Method::POST, "/api/2.0/mlflow/runs/log-metric", Some(point)).await?.0, 200);
    server.stop().await
}
