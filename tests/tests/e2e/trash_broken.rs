//! Emptying the trash, killed on the way: each run is there whole or gone, what others share stays, and the next time it ends.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Dice, Server, dice::fault_seed, until};
use reqwest::Method;
use serde_json::json;

use crate::{objects_s3::folder_bytes, trash::run};

const RUNS: usize = 150;
const SIZE: usize = 150_000;

fn bytes_of(number: usize) -> Vec<u8> {
    // each third run has the bytes of the one that stays
    Dice::new(if number.is_multiple_of(3) { 1 } else { number as u64 * 2 + 101 }).bytes(SIZE)
}

async fn is_whole(api: &Api, run: &str, bytes: &[u8]) -> Result<()> {
    let path = format!("/api/v1/runs/{run}/artifacts/file?path=weights.bin");
    let answer = api.request(Method::GET, &path).send().await?;
    ensure!(answer.status() == 200, "{run} is there and its file is answered {}", answer.status());
    ensure!(answer.bytes().await? == bytes, "{run} has other bytes");
    Ok(())
}

#[tokio::test]
async fn a_purge_that_is_killed_leaves_whole_runs_or_none_and_the_next_one_ends_it() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    let stays = run(&admin, "stays", bytes_of(0)).await?;
    let (mut dice, mut kills) = (Dice::new(fault_seed()), 0);
    // where the machine is busy a purge may be over before its kill comes
    for _ in 0..5 {
        kills += purged_over_kills(&mut server, &admin, &stays, &mut dice).await?;
        if kills > 0 {
            break;
        }
    }
    ensure!(kills > 0, "no kill met a purge");

    // What a kill left of files without a row goes with the sweep that each start does.
    server.restart().await?;
    let folder = server.data_dir().join("blobs");
    until("the disk gets its bytes back", Duration::from_secs(60), || async {
        let left = folder_bytes(&folder)?;
        ensure!(left == SIZE as u64, "{left} bytes are left of {SIZE}");
        Ok(Some(()))
    })
    .await?;
    is_whole(&admin, &stays, &bytes_of(0)).await?;
    let doctor = server.run(&["doctor"], None).await?;
    ensure!(!doctor.contains("BAD"), "{doctor}");
    Ok(())
}

/// Fills the trash with runs and empties it, killed until an emptying gets through; how many kills there were.
async fn purged_over_kills(server: &mut Server, admin: &Api, stays: &str, dice: &mut Dice) -> Result<u64> {
    let mut runs = vec![];
    for number in 0..RUNS {
        runs.push(run(admin, &format!("r{number}"), bytes_of(number)).await?);
    }
    let what = json!({ "runs": runs });
    let seen = admin.post("/api/v1/trash/preview", what.clone()).await?;
    admin.post("/api/v1/trash", json!({ "what": what, "confirm": seen["confirm"] })).await?;
    let (mut kills, mut midway) = (0, 0);
    loop {
        let purge = json!({ "what": { "everything": true }, "confirm": "empty the trash" });
        let (api, wait) = (admin.clone(), Duration::from_millis(1 + dice.below(12 + kills * 6)));
        let purging = tokio::spawn(async move { api.post("/api/v1/trash/purge", purge).await });
        tokio::time::sleep(wait).await;
        let has_ended = purging.is_finished();
        if has_ended {
            purging.await?.context("the purge that nobody killed")?;
        } else {
            server.restart().await?;
            kills += 1;
        }
        let mut left = 0;
        for (number, run) in runs.iter().enumerate() {
            if admin.status(Method::GET, &format!("/api/v1/runs/{run}"), None).await? == 200 {
                is_whole(admin, run, &bytes_of(number)).await.with_context(|| format!("after {kills} kills"))?;
                left += 1;
            }
        }
        midway += usize::from((1..RUNS).contains(&left));
        is_whole(admin, stays, &bytes_of(0)).await?;
        if has_ended {
            ensure!(left == 0, "{left} runs are left in the trash");
            println!("{kills} kills, {midway} of them in the middle");
            return Ok(kills);
        }
        ensure!(kills < 60, "the purge does not get on");
    }
}
