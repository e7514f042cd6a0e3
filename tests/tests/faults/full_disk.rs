//! A disk that fills up: each write says so, nothing that was acknowledged is lost, and work goes on once there is room.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use drydock_tests::{
    Api, Dice, Fault, Server, Setup,
    disk::{MIB, SmallDisk},
    fault::allowed,
    ledger::{At, Deed, Deeds, Faces},
    server::PASSWORD,
    until,
};
use reqwest::{Body, Method};
use serde_json::{Value, json};

/// Status and body of an upload whose size nobody told the server.
async fn upload(api: &Api, path: &str, bytes: Vec<u8>) -> Result<(u16, Value)> {
    let pieces: Vec<std::io::Result<Vec<u8>>> = bytes.chunks(MIB).map(|piece| Ok(piece.to_vec())).collect();
    let body = Body::wrap_stream(futures_util::stream::iter(pieces));
    let answer = api.request(Method::PUT, path).body(body).send().await?;
    let status = answer.status().as_u16();
    // A success has no body.
    Ok((status, serde_json::from_slice(&answer.bytes().await?).unwrap_or(Value::Null)))
}

fn says_full(what: &str, (status, body): &(u16, Value)) -> Result<()> {
    let text = body["message"].as_str().unwrap_or_default();
    ensure!(*status == 507 && text.contains("full"), "{what}: {status} {body}");
    Ok(())
}

fn incoming(data: &Path) -> usize {
    std::fs::read_dir(data.join("blobs/incoming")).unwrap().count()
}

/// Logs batches of points until one is refused; how many steps were acknowledged. A step is logged once.
async fn log_until_full(faces: &Faces, round: usize) -> Result<usize> {
    for batch in 0..4000 {
        let points: Vec<Value> = (0..500)
            .map(
                |n| json!({"key": format!("r{round}m{n}"), "value": 0.5 + f64::from(n), "timestamp": 1, "step": batch}),
            )
            .collect();
        let body = json!({"run_id": faces.run, "metrics": points});
        let (status, answer) = faces.web.send(Method::POST, "/api/2.0/mlflow/runs/log-batch", Some(body)).await?;
        if status != 200 {
            says_full("log-batch", &(status.as_u16(), answer))?;
            return Ok(batch);
        }
    }
    anyhow::bail!("two million points went onto a full disk")
}

/// How long it took from the moment in which there was room.
async fn works_again(faces: &Faces, round: usize) -> Result<Duration> {
    let began = Instant::now();
    let body = json!({"run_id": faces.run, "key": "after", "value": 1.0, "timestamp": 1, "step": round});
    until("work goes on when there is room again", allowed(Duration::from_secs(10)), || async {
        let (status, _) = faces.web.send(Method::POST, "/api/2.0/mlflow/runs/log-metric", Some(body.clone())).await?;
        Ok((status == 200).then_some(()))
    })
    .await?;
    Ok(began.elapsed())
}

/// Reading, deleting and logging in, on the disk as it is.
async fn others_go_on(faces: &Faces, kept: &mut Deeds, round: usize, has_floor: bool) -> Result<()> {
    for deed in kept.iter() {
        ensure!(deed.check(faces).await?, "round {round}: {:?}", deed.at);
    }
    if !has_floor {
        return Ok(());
    }
    let login = json!({"username": "admin", "password": PASSWORD});
    let status = faces.web.status(Method::POST, "/api/v1/login", Some(login)).await?;
    ensure!(status < 300, "round {round}: a login on a full disk answers {status}");
    if kept.len() > 1 {
        let At::Web(path) = &kept.remove(0).at else { return Ok(()) };
        let (status, answer) = faces.web.send(Method::DELETE, path, None).await?;
        ensure!(status.is_success(), "round {round}: a delete on a full disk answers {status}: {answer}");
    }
    Ok(())
}

/// One upload that fits and one that does not; what fitted.
async fn fill_with_files(faces: &Faces, data: &Path, round: usize, dice: &mut Dice) -> Result<Deed> {
    let path = faces.artifact(&format!("kept-{round}.bin"));
    let size = [20_000, 300_000, 12 * MIB][round % 3];
    let bytes = dice.bytes(size);
    let mut deed = Deed::new(At::Web(path.clone()), &bytes);
    let answer = upload(&faces.web, &path, bytes).await?;
    ensure!(answer.0 == 200, "{answer:?}");
    deed.acknowledged = true;
    let large = faces.artifact("large.bin");
    says_full("a large artifact", &upload(&faces.web, &large, dice.bytes(130 * MIB)).await?)?;
    ensure!(faces.web.status(Method::GET, &large, None).await? == 404, "half an artifact is visible");
    until("what came of the large file is cleared away", Duration::from_secs(60), || async {
        Ok((incoming(data) == 0).then_some(()))
    })
    .await?;
    Ok(deed)
}

/// Rounds on one disk, before what was logged takes too much of it.
const ROUNDS_PER_DISK: usize = 1;
/// Without a floor the file system itself refuses, and what is kept free for logins and deletes is gone, too.
const SETTINGS: [&str; 2] = ["", "[disk]\nfloor_bytes = 0\n"];

#[tokio::test]
async fn what_was_acknowledged_outlives_a_full_disk_and_work_goes_on_after_it() -> Result<()> {
    let mut fault = Fault::new("the disk is full to the last byte, for database and blobs", 2, 50);
    let (mut files, mut batches, mut slowest) = (0, 0, Duration::ZERO);
    let rounds: Vec<usize> = (0..fault.count).collect();
    for (number, rounds) in rounds.chunks(ROUNDS_PER_DISK).enumerate() {
        let (disk, has_floor) = (SmallDisk::new(128)?, number % 2 == 0);
        let (data, settings) = (disk.at().join("data"), SETTINGS[number % 2]);
        let mut server = Server::start_as(Setup { data: Some(data.clone()), settings, ..Setup::default() }).await?;
        let faces = Faces::of(&server).await?;
        let mut kept = Deeds::new();
        for round in rounds {
            kept.push(fill_with_files(&faces, &data, *round, &mut fault.dice).await?);
            disk.fill()?;
            let logged = log_until_full(&faces, *round).await?;
            others_go_on(&faces, &mut kept, *round, has_floor).await?;
            // A start on the full disk, too.
            server.restart().await?;
            others_go_on(&faces, &mut kept, *round, has_floor).await?;
            disk.free()?;
            slowest = slowest.max(works_again(&faces, *round).await?);
            batches_there(&faces, *round, logged).await?;
            (files, batches) = (files + 1, batches + logged);
        }
        server.stop().await?;
    }
    fault.held(format!("{files} files and {batches} batches acknowledged, 0 lost; reads, logins and deletes went on; work within {slowest:.1?} of room"));
    Ok(())
}

/// A batch is kept whole or not at all.
async fn batches_there(faces: &Faces, round: usize, logged: usize) -> Result<()> {
    for point in [0, 499] {
        let path = format!("/api/2.0/mlflow/metrics/get-history?run_id={}&metric_key=r{round}m{point}", faces.run);
        let found = if logged == 0 { 0 } else { faces.web.get(&path).await?["metrics"].as_array().map_or(0, Vec::len) };
        ensure!(found == logged, "round {round}: {logged} batches acknowledged, {found} there");
    }
    Ok(())
}

#[tokio::test]
async fn below_the_floor_nothing_is_added_and_everything_else_goes_on() -> Result<()> {
    let disk = SmallDisk::new(160)?;
    let (data, settings) = (disk.at().join("data"), format!("[disk]\nfloor_bytes = {}\n", 40 * MIB));
    let setup = Setup { data: Some(data), settings: &settings, ..Setup::default() };
    let mut server = Server::start_as(setup).await?;
    let faces = Faces::of(&server).await?;
    let (api, mut dice) = (&faces.web, Dice::new(7));
    let kept = faces.artifact("kept.bin");
    ensure!(upload(api, &kept, dice.bytes(10 * MIB)).await?.0 == 200);
    // One that is let in and grows past the floor, which is looked at on the way.
    says_full("a large one", &upload(api, &faces.artifact("large.bin"), dice.bytes(130 * MIB)).await?)?;

    disk.take(90)?;
    says_full("a small one", &upload(api, &faces.artifact("small.bin"), dice.bytes(10)).await?)?;
    let point = json!({"run_id": faces.run, "key": "m", "value": 1.0, "timestamp": 1, "step": 0});
    let (status, body) = api.send(Method::POST, "/api/2.0/mlflow/runs/log-metric", Some(point.clone())).await?;
    says_full("a point", &(status.as_u16(), body))?;
    let store = api.get("/api/v1/store").await?;
    ensure!(store["disk"]["level"] == "full", "{store}");

    let login = json!({"username": "admin", "password": PASSWORD});
    ensure!(server.anonymous()?.status(Method::POST, "/api/v1/login", Some(login)).await? == 200);
    let found = api.post("/api/2.0/mlflow/runs/search", json!({"experiment_ids": ["0"]})).await?;
    ensure!(found["runs"].as_array().map(Vec::len) == Some(1));
    let back = api.request(Method::GET, &kept).send().await?.error_for_status()?;
    ensure!(back.bytes().await?.len() == 10 * MIB);
    ensure!(api.status(Method::DELETE, &kept, None).await? == 200);

    disk.free()?;
    ensure!(api.status(Method::POST, "/api/2.0/mlflow/runs/log-metric", Some(point)).await? == 200);
    server.stop().await
}
