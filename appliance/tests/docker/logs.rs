//! Output as it arrives: whole lines, in time, whatever bytes a program writes.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use drydock_appliance::containers::{LogStream, SeenPhase};
use futures_util::StreamExt;

use crate::world::World;

/// The server's clock is a floor above.
#[allow(clippy::disallowed_methods)]
fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[tokio::test]
async fn long_broken_and_unended_lines_come_whole() {
    let world = World::new().await;
    let before = now_ms();
    // more than two of Docker's pieces of 16 KiB
    let script = "head -c 45000 /dev/zero | tr '\\000' x; echo; echo 'größer als €'
                  printf 'caf\\351 \\000 end\\n'; echo; printf 'no end'";
    let (_, chunks) = world.run(&world.script("lines", script)).await;
    let texts: Vec<_> = chunks.iter().map(|chunk| chunk.text.as_str()).collect();
    assert_eq!(texts, ["x".repeat(45_000).as_str(), "größer als €", "caf\u{fffd} \0 end", "", "no end"]);
    assert!(
        chunks.iter().all(|chunk| (before - 1000..=now_ms() + 1000).contains(&(chunk.at_ns / 1_000_000))),
        "{:?}",
        chunks[0].at_ns
    );
}

#[tokio::test]
async fn the_two_streams_are_told_apart() {
    let world = World::new().await;
    let (_, chunks) =
        world.run(&world.script("streams", "echo out; sleep 0.2; echo err >&2; sleep 0.2; echo out again")).await;
    let seen: Vec<_> = chunks.iter().map(|chunk| (chunk.stream, chunk.text.as_str())).collect();
    assert_eq!(seen, [(LogStream::Stdout, "out"), (LogStream::Stderr, "err"), (LogStream::Stdout, "out again")]);
}

#[tokio::test]
async fn following_gives_lines_while_it_runs_and_ends_with_it() {
    let world = World::new().await;
    let start = Instant::now();
    let id = world.start(&world.script("live", "echo first; sleep 3; echo second")).await;
    let mut logs = Box::pin(world.engine.logs(&id, true));
    assert_eq!(logs.next().await.unwrap().unwrap().text, "first");
    assert_eq!(world.seen(&id).await.unwrap().phase, SeenPhase::Running, "{:?}", start.elapsed());
    assert_eq!(logs.next().await.unwrap().unwrap().text, "second");
    let end =
        tokio::time::timeout(Duration::from_secs(20), logs.next()).await.expect("the log ends with the container");
    assert!(end.is_none());
}

#[tokio::test]
async fn a_flood_comes_whole_and_in_order() {
    let world = World::new().await;
    let (_, chunks) =
        world.run(&world.script("flood", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")).await;
    assert_eq!(chunks.len(), 20_000);
    assert!(chunks.iter().enumerate().all(|(number, chunk)| chunk.text == format!("line {number}")));
}
