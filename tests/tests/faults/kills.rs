//! SIGKILL while everything is being written: what was acknowledged is there, the rest is whole or not there at all.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Result, ensure};
use drydock_tests::{
    Fault, Server,
    ledger::{self, Deeds, Faces, Stop},
    until,
};

#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill() -> Result<()> {
    let mut fault = Fault::new("SIGKILL of the server while it is written to", 4, 200);
    let mut server = Server::start().await?;
    let faces = Faces::of(&server).await?.with_bucket().await?;
    let (mut kept, mut points) = (Deeds::new(), 0);
    let mut in_doubt = 0;
    for round in 0..fault.count {
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
    }
    there(&faces, &kept).await?;
    ensure!(!kept.is_empty() && points > 0, "too little happened: {} and {points}", kept.len());
    let incoming = server.data_dir().join("blobs/incoming");
    until("what the kills left half written is cleared away", Duration::from_secs(5), || async {
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
