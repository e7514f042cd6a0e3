//! What was acknowledged is there after a kill -9, and nothing is half there: a ledger of what clients were told, compared with
//! what the server has when it is started again.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Server, until};
use reqwest::Method;
use serde_json::{Value, json};

const ROUNDS: u64 = 12;
/// Beyond what goes through the page cache, so that kills meet each way to the disk.
const SIZES: [usize; 4] = [10_000, 300_000, 5 << 20, 14 << 20];

/// xorshift64*: the seed is printed, so that a round can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.roll().to_le_bytes()).flatten().take(count).collect()
    }
}

/// Uploads one file after the other until told to stop; those that were acknowledged, by path.
async fn upload(api: Api, run: String, round: u64, stop: Arc<AtomicBool>, seed: u64) -> BTreeMap<String, Vec<u8>> {
    let (mut dice, mut acknowledged) = (Dice(seed), BTreeMap::new());
    for number in 0.. {
        let bytes = dice.bytes(SIZES[number % SIZES.len()]);
        let path = format!("0/{run}/artifacts/{round}-{number}.bin");
        let address = format!("/api/2.0/mlflow-artifacts/artifacts/{path}");
        match api.request(Method::PUT, &address).body(bytes.clone()).send().await {
            Ok(answer) if answer.status().is_success() => drop(acknowledged.insert(path, bytes)),
            _ => break,
        }
        if stop.load(Ordering::SeqCst) {
            break;
        }
    }
    acknowledged
}

/// Logs one step after the other; how many were acknowledged.
async fn log(api: Api, run: String, key: String, stop: Arc<AtomicBool>) -> i64 {
    for step in 0.. {
        let point = json!({"run_id": run, "key": key, "value": 0.5, "timestamp": 1, "step": step});
        let sent = api.send(Method::POST, "/api/2.0/mlflow/runs/log-metric", Some(point)).await;
        if !sent.is_ok_and(|(status, _)| status == 200) || stop.load(Ordering::SeqCst) {
            return step;
        }
    }
    0
}

async fn all_there(api: &Api, ledger: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    for (path, bytes) in ledger {
        let address = format!("/api/2.0/mlflow-artifacts/artifacts/{path}");
        let answer = api.request(Method::GET, &address).send().await?;
        ensure!(answer.status() == 200, "{path} was acknowledged and is gone: {}", answer.status());
        ensure!(answer.bytes().await? == bytes.as_slice(), "{path} came back different");
    }
    Ok(())
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() -> Result<()> {
    let seed = drydock::clock::now_ms().unsigned_abs() | 1;
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let mut server = Server::start().await?;
    let api = server.admin().await?;
    let made = api.post("/api/2.0/mlflow/runs/create", json!({"experiment_id": "0"})).await?;
    let run = made["run"]["info"]["run_id"].as_str().context("an id")?.to_owned();
    let (mut files, mut points) = (BTreeMap::new(), 0);
    for round in 0..ROUNDS {
        let stop = Arc::new(AtomicBool::new(false));
        let uploads: Vec<_> = (0..2)
            .map(|one| tokio::spawn(upload(api.clone(), run.clone(), round * 2 + one, stop.clone(), dice.roll() | 1)))
            .collect();
        let key = format!("m{round}");
        let logged = tokio::spawn(log(api.clone(), run.clone(), key.clone(), stop.clone()));
        tokio::time::sleep(Duration::from_millis(100 + dice.roll() % 700)).await;
        server.kill9().await?;
        stop.store(true, Ordering::SeqCst);
        let mut fresh = BTreeMap::new();
        for one in uploads {
            fresh.extend(one.await?);
        }
        let acknowledged = logged.await?;
        server.launch().await?;

        all_there(&api, &fresh).await?;
        let found = api.get(&format!("/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key={key}")).await;
        let found = found.map_or(0, |found| found["metrics"].as_array().map_or(0, Vec::len) as i64);
        // The one whose answer the kill cut off may be there or not.
        ensure!((acknowledged..=acknowledged + 1).contains(&found), "{acknowledged} acknowledged, {found} there");
        files.extend(fresh);
        points += acknowledged;
    }
    ensure!(
        files.len() > 20 && points > 20,
        "too little happened before the kills: {} files, {points} points",
        files.len()
    );

    all_there(&api, &files).await?;
    let listed: Value = api.get(&format!("/api/2.0/mlflow/artifacts/list?run_id={run}")).await?;
    for file in listed["files"].as_array().context("files")? {
        let size = file["file_size"].as_i64().or_else(|| file["file_size"].as_str()?.parse().ok()).unwrap_or(-1);
        ensure!(SIZES.contains(&(size as usize)), "a file that is half there: {file}");
    }
    let incoming = server.data_dir().join("blobs/incoming");
    until("what the kills left half written is cleared away", Duration::from_secs(5), || async {
        Ok((std::fs::read_dir(&incoming)?.count() == 0).then_some(()))
    })
    .await?;
    println!("{} files and {points} points outlived {ROUNDS} kills", files.len());
    server.stop().await
}
