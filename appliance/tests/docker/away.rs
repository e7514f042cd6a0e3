//! Docker absent, silent, and back again. A relay before the real socket plays the part that comes and goes.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use drydock_appliance::containers::{Engine, EngineError};
use futures_util::StreamExt;
use tokio::{
    net::{UnixListener, UnixStream},
    task::{JoinHandle, JoinSet},
};

use crate::world::World;

/// Aborting the task closes every connection through it.
fn relay(path: &Path) -> JoinHandle<()> {
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut far = UnixStream::connect("/var/run/docker.sock").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    })
}

#[tokio::test]
async fn it_goes_on_by_itself_when_docker_is_back() {
    let world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("docker.sock");
    let engine = Engine::connect_to(&format!("unix://{}", socket.display()));
    assert!(
        matches!(engine.version().await, Err(EngineError::Unavailable(text)) if text.contains("systemctl start docker"))
    );
    assert_eq!(engine.events("none").next().await, None, "without a Docker the events end at once");

    let first = relay(&socket);
    engine.version().await.expect("there now");
    let id = world.start(&world.script("quiet", "echo up; sleep 60")).await;
    let mut logs = Box::pin(engine.logs(&id, true));
    assert_eq!(logs.next().await.unwrap().unwrap().text, "up");
    let mut events = Box::pin(engine.events(&world.instance));
    let broken = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::join!(
            async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                first.abort();
            },
            async { while events.next().await.is_some() {} },
            async { assert!(matches!(logs.next().await, Some(Err(EngineError::Unavailable(_))))) },
        )
    });
    broken.await.expect("streams end when the connection breaks");
    assert!(matches!(engine.list("none").await, Err(EngineError::Unavailable(_))));

    let second = relay(&socket);
    assert_eq!(engine.list("none").await, Ok(vec![]));
    second.abort();
}

#[tokio::test]
async fn a_silent_docker_costs_two_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("docker.sock");
    let _silent = UnixListener::bind(&socket).unwrap();
    let engine = Engine::connect_to(&format!("unix://{}", socket.display()));
    let start = Instant::now();
    assert!(matches!(engine.version().await, Err(EngineError::Unavailable(_))));
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}
