//! SIGKILL while everything is being written: what was acknowledged is there, the rest is whole or not there at all.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{
    Api, Fault, Server,
    ledger::{self, Deeds, Faces, Stop},
    until,
};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill() -> Result<()> {
    let mut fault = Fault::new("SIGKILL of the server while it is written to", 4, 200);
    let mut server = Server::start().await?;
    let faces = Faces::of(&server).await?.with_bucket().await?;
    let (mut kept, mut points) = (Deeds::new(), 0);
    let mut in_doubt = 0;
    let mut round = 0;
    // a machine that is busy has little done before a kill, and is given more of them
    while round < fault.count || ((kept.is_empty() || points == 0) && round < fault.count + 20) {
        let stop = Stop::default();
        let writers = start_writers(&mut fault, &faces, round, &stop);
        let logged = tokio::spawn(ledger::points(faces.clone(), format!("m{round}"), stop.clone()));
        tokio::time::sleep(Duration::from_millis(50 + fault.dice.below(1500))).await;
        server.kill9().await?;
        stop.store(true, Ordering::SeqCst);
        let mut fresh = Deeds::new();
        for writer in writers {
            fresh.extend(writer.await?);
        }
        let acknowledged = logged.await?;
        server.launch().await?;

        for deed in &fresh {
            in_doubt += usize::from(!deed.acknowledged && deed.check(&faces).await?);
        }
        fresh.retain(|deed| deed.acknowledged);
        there(&faces, &fresh).await?;
        let found = ledger::points_there(&faces, &format!("m{round}")).await?;
        // The one whose answer the kill cut off may be there or not.
        ensure!((acknowledged..=acknowledged + 1).contains(&found), "{acknowledged} acknowledged, {found} there");
        kept.extend(fresh);
        points += acknowledged;
        round += 1;
    }
    there(&faces, &kept).await?;
    ensure!(!kept.is_empty() && points > 0, "too little happened: {} and {points}", kept.len());
    let incoming = server.data_dir().join("blobs/incoming");
    until("what the kills left half written is cleared away", Duration::from_secs(60), || async {
        Ok((std::fs::read_dir(&incoming)?.count() == 0).then_some(()))
    })
    .await?;
    let doctor = server.run(&["doctor"], None).await?;
    ensure!(!doctor.contains("BAD"), "{doctor}");
    server.stop().await?;
    let files = kept.len();
    fault.held(format!(
        "{files} contents and {points} points acknowledged, 0 lost; {in_doubt} unanswered ones were whole"
    ));
    Ok(())
}

fn start_writers(fault: &mut Fault, faces: &Faces, round: usize, stop: &Stop) -> Vec<tokio::task::JoinHandle<Deeds>> {
    let label = |kind: &str| format!("{kind}{round}");
    let mut dice = || fault.dice.fork();
    vec![
        tokio::spawn(ledger::artifacts(faces.clone(), label("a"), dice(), Arc::clone(stop))),
        tokio::spawn(ledger::objects(faces.clone(), label("o"), dice(), Arc::clone(stop))),
        tokio::spawn(ledger::parts(faces.clone(), label("p"), dice(), Arc::clone(stop))),
        tokio::spawn(ledger::images(faces.clone(), label("i"), dice(), Arc::clone(stop))),
        tokio::spawn(ledger::versions(faces.clone(), label("d"), dice(), Arc::clone(stop))),
    ]
}

async fn there(faces: &Faces, deeds: &Deeds) -> Result<()> {
    for deed in deeds {
        deed.check(faces).await?;
    }
    Ok(())
}

/// More files than are laid out while a job waits.
const FILES: usize = 2_500;

/// A dataset of that name, of this content; every tenth file lies on the disk.
async fn lay_down(api: &Api, name: &str, contents: &[(String, usize)]) -> Result<()> {
    api.post("/api/v1/datasets", json!({ "name": name })).await?;
    let line = |n: usize| {
        let (digest, size) = &contents[if n.is_multiple_of(10) { 0 } else { 1 }];
        json!({ "path": format!("{:02}/{n:05}.bin", n % 40), "digest": digest, "size_bytes": size }).to_string()
    };
    let lines: Vec<String> = (0..FILES).map(line).collect();
    let to = format!("/api/v1/datasets/{name}/versions/lines");
    let answer = api.request(Method::POST, &to).body(lines.join("\n")).send().await?;
    ensure!(answer.status() == 201, "{}", answer.text().await?);
    Ok(())
}

#[tokio::test]
async fn a_dataset_is_whole_or_gone_after_a_kill_while_it_is_deleted_or_laid_out() -> Result<()> {
    let mut fault = Fault::new("SIGKILL of the server while a dataset is deleted, or laid out for a job", 3, 30);
    let mut server = Server::start().await?;
    let api = server.admin().await?;
    let mut contents = vec![];
    for bytes in [vec![1u8; 90_000], vec![2u8; 300]] {
        contents.push((api.upload(bytes.clone()).await?, bytes.len()));
    }
    let mut gone = 0;
    for round in 0..fault.count {
        let (name, kept) = (format!("doomed-{round}"), format!("kept-{round}"));
        lay_down(&api, &name, &contents).await?;
        lay_down(&api, &kept, &contents).await?;
        let (asker, path) = (api.clone(), format!("/api/v1/datasets/{name}"));
        let asked =
            tokio::spawn(async move { asker.send(Method::DELETE, &path, None).await.is_ok_and(|a| a.0 == 204) });
        let wish = json!({ "name": name, "command": ["true"], "datasets": [{ "name": kept }],
            "resources": { "cpus": 0.1, "memory_bytes": 1u64 << 27, "gpus": 0 } });
        let job = api.submit_with(wish).await?;
        tokio::time::sleep(Duration::from_millis(fault.dice.below(400))).await;
        server.kill9().await?;
        let acknowledged = asked.await?;
        server.launch().await?;

        let there = api.status(Method::GET, &format!("/api/v1/datasets/{name}"), None).await? == 200;
        ensure!(!(acknowledged && there), "{name} was said to be deleted");
        if there {
            ensure!(files_of(&api, &name).await? == FILES, "{name} lost files");
            api.delete(&format!("/api/v1/datasets/{name}?even_if_used=true")).await?;
        }
        gone += usize::from(!there);
        ensure!(files_of(&api, &kept).await? == FILES, "what was not deleted lost files");
        let end = api.finished(&job, Duration::from_secs(240)).await?;
        ensure!(end["summary"]["state"] == "succeeded", "{end}");
        let laid = laid_out(&server)?;
        ensure!(laid.len() == round + 1 && laid.iter().all(|files| *files == FILES), "laid out: {laid:?}");
    }
    let doctor = server.run(&["doctor"], None).await?;
    ensure!(!doctor.contains("BAD"), "{doctor}");
    server.stop().await?;
    fault.held(format!("{gone} were gone, the others whole; each job had all {FILES} files"));
    Ok(())
}

async fn files_of(api: &Api, name: &str) -> Result<usize> {
    let detail: Value = api.get(&format!("/api/v1/datasets/{name}/versions/1")).await?;
    for one in ["00/00000.bin", "01/00001.bin"] {
        let read =
            api.request(Method::GET, &format!("/api/v1/datasets/{name}/versions/1/file?path={one}")).send().await?;
        ensure!(read.status() == 200 && read.bytes().await?.len() >= 300, "{name} lost {one}");
    }
    Ok(usize::try_from(detail["summary"]["file_count"].as_u64().context("a count")?)?)
}

/// Files of each folder that lies there, half made ones, too.
fn laid_out(server: &Server) -> Result<Vec<usize>> {
    let mut found = vec![];
    for entry in std::fs::read_dir(server.data_dir().join("run/datasets"))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let inside: Result<Vec<usize>> =
                std::fs::read_dir(entry.path())?.map(|folder| Ok(std::fs::read_dir(folder?.path())?.count())).collect();
            found.push(inside?.into_iter().sum());
        }
    }
    Ok(found)
}
