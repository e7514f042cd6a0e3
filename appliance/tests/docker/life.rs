//! A container's life: made, adopted, started, stopped, removed; each step safe to repeat.

use std::time::{Duration, Instant};

use drydock_appliance::containers::{EngineError, SeenPhase};
use futures_util::StreamExt;

use crate::world::{World, docker};

#[tokio::test]
async fn each_step_can_be_repeated() {
    let world = World::new().await;
    let spec = world.script("steps", "echo once; sleep 60");
    let engine = &world.engine;
    let id = engine.create(&spec).await.unwrap();
    assert_eq!(engine.create(&spec).await.unwrap(), id, "adopted by its name");
    assert_eq!(world.seen(&id).await.unwrap().phase, SeenPhase::Created);

    engine.start(&id).await.unwrap();
    engine.start(&id).await.unwrap();
    let running = world.until(&id, |seen| seen.phase == SeenPhase::Running).await;
    assert_eq!((running.workload.as_str(), running.generation, running.spec_hash.as_str()), ("steps", 1, "hash-1"));
    assert!(running.started_at.is_some() && running.address.is_some() && running.exit_code.is_none());
    assert_eq!(engine.create(&spec).await.unwrap(), id, "adopted while it runs");

    engine.stop(&id, Duration::from_secs(1)).await.unwrap();
    engine.stop(&id, Duration::from_secs(1)).await.unwrap();
    let exited = world.seen(&id).await.unwrap();
    assert_eq!(exited.phase, SeenPhase::Exited);
    assert!(exited.finished_at >= exited.started_at && exited.exit_code.is_some());

    engine.start(&id).await.unwrap();
    assert_eq!(world.seen(&id).await.unwrap().phase, SeenPhase::Exited, "a container runs once");
    assert_eq!(engine.logs(&id, false).count().await, 1);

    engine.remove(&id).await.unwrap();
    engine.remove(&id).await.unwrap();
    engine.stop(&id, Duration::from_secs(1)).await.unwrap();
    assert_eq!(engine.list(&world.instance).await.unwrap(), []);
    assert!(matches!(engine.start(&id).await, Err(EngineError::NotFound(_))));
    assert!(matches!(engine.logs(&id, true).next().await, Some(Err(EngineError::NotFound(_)))));
}

#[tokio::test]
async fn only_a_container_that_got_further_is_looked_at_closely_again() {
    let world = World::new().await;
    let id = world.start(&world.script("further", "sleep 600")).await;
    let mut known = std::collections::HashMap::new();
    for mut seen in world.engine.list(&world.instance).await.unwrap() {
        // what a closer look would not say
        seen.spec_hash = "remembered".into();
        known.insert(seen.id.clone(), seen);
    }
    let none = std::collections::BTreeSet::new();
    let again = world.engine.list_since(&world.instance, &known, &none).await.unwrap();
    assert_eq!((again.len(), again[0].spec_hash.as_str()), (1, "remembered"));
    let leave = [again[0].workload.clone()].into();
    assert_eq!(world.engine.list_since(&world.instance, &known, &leave).await.unwrap(), []);
    world.engine.stop(&id, Duration::from_secs(1)).await.unwrap();
    let ended = world.engine.list_since(&world.instance, &known, &none).await.unwrap();
    assert_eq!((ended[0].phase, ended[0].spec_hash.as_str()), (SeenPhase::Exited, "hash-1"));
    assert!(ended[0].exit_code.is_some());
    world.engine.remove(&id).await.unwrap();
    assert_eq!(world.engine.list_since(&world.instance, &known, &none).await.unwrap(), []);
}

#[tokio::test]
async fn what_was_made_just_now_is_told_from_what_was_there() {
    let world = World::new().await;
    let spec = world.script("new", "true");
    let (id, is_new) = world.engine.create_or_adopt(&spec).await.unwrap();
    assert!(is_new);
    assert_eq!(world.engine.create_or_adopt(&spec).await.unwrap(), (id, false));
}

#[tokio::test]
async fn exit_codes_are_the_programs_own() {
    let world = World::new().await;
    for code in [0, 3, 255] {
        let (seen, _) = world.run(&world.script(&format!("exit{code}"), &format!("exit {code}"))).await;
        assert_eq!((seen.exit_code, seen.oom_killed), (Some(code), false));
    }
}

#[tokio::test]
async fn the_end_signal_arrives_and_the_grace_is_kept() {
    let world = World::new().await;
    let polite =
        world.start(&world.script("polite", "trap 'exit 7' TERM; echo up; while true; do sleep 0.1; done")).await;
    let deaf = world.start(&world.script("deaf", "trap '' TERM; echo up; while true; do sleep 0.1; done")).await;
    for id in [&polite, &deaf] {
        world.engine.logs(id, true).next().await.unwrap().unwrap();
    }
    world.engine.stop(&polite, Duration::from_secs(20)).await.unwrap();
    assert_eq!(world.seen(&polite).await.unwrap().exit_code, Some(7));
    let start = Instant::now();
    world.engine.stop(&deaf, Duration::from_secs(2)).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(2));
    assert_eq!(world.seen(&deaf).await.unwrap().exit_code, Some(137));
}

#[tokio::test]
async fn another_spec_of_the_same_name_is_not_adopted() {
    let world = World::new().await;
    let mut spec = world.script("same", "true");
    world.engine.create(&spec).await.unwrap();
    spec.spec_hash = "hash-2".into();
    assert!(matches!(world.engine.create(&spec).await, Err(EngineError::Refused(_))));
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let world = World::new().await;
    let mut spec = world.script("absent-program", "");
    spec.command = vec!["/bin/no-such-program".into()];
    let id = world.engine.create(&spec).await.unwrap();
    // with an init the program is looked for inside: it is the init that fails
    match world.engine.start(&id).await {
        Ok(()) => assert_eq!(world.until(&id, |seen| seen.phase == SeenPhase::Exited).await.exit_code, Some(127)),
        Err(error) => {
            assert!(matches!(&error, EngineError::Refused(text) if text.contains("no-such-program")), "{error:?}")
        }
    }
    spec.workload = "absent-image".into();
    spec.image = "drydock-test/absent:1".into();
    assert_eq!(world.engine.create(&spec).await, Err(EngineError::NoSuchImage("drydock-test/absent:1".into())));
    let mut greedy = world.script("greedy", "true");
    greedy.cpus = 4000.0;
    assert!(matches!(world.engine.create(&greedy).await, Err(EngineError::Refused(_))));
}

#[tokio::test]
async fn images_are_found_or_not() {
    let world = World::new().await;
    let image = world.engine.image(&world.image).await.unwrap().unwrap();
    assert!(image.id.starts_with("sha256:") && image.size_bytes > 100_000, "{image:?}");
    assert_eq!(world.engine.image("drydock-test/absent:1").await, Ok(None));
}

#[tokio::test]
async fn the_network_is_made_once_and_has_walls() {
    let world = World::new().await;
    let (a, b) =
        tokio::join!(world.engine.ensure_network(&world.instance), world.engine.ensure_network(&world.instance));
    assert_eq!((a.as_ref().unwrap(), b.as_ref().unwrap()), (&world.network, &world.network));
    let format = "{{.Internal}} {{index .Options \"com.docker.network.bridge.enable_icc\"}}";
    let shown = docker(&["network", "inspect", "-f", format, &world.network.name]);
    assert_eq!(String::from_utf8_lossy(&shown.stdout).trim(), "true false");
    let count = docker(&["network", "ls", "-q", "--filter", &format!("name=^{}$", world.network.name)]);
    assert_eq!(String::from_utf8_lossy(&count.stdout).lines().count(), 1);
}

#[tokio::test]
async fn only_the_own_instances_containers_are_listed() {
    let world = World::new().await;
    let id = world.engine.create(&world.script("mine", "true")).await.unwrap();
    let ids: Vec<_> = world.engine.list(&world.instance).await.unwrap().into_iter().map(|seen| seen.id).collect();
    assert_eq!(ids, [id]);
    assert_eq!(world.engine.list(&format!("{}x", world.instance)).await, Ok(vec![]));
}

#[tokio::test]
async fn a_change_is_told_as_an_event() {
    let world = World::new().await;
    let mut events = Box::pin(world.engine.events(&world.instance));
    let spec = world.script("eventful", "true");
    let (event, id) = tokio::join!(tokio::time::timeout(Duration::from_secs(30), events.next()), async {
        // the subscription has to stand first
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.start(&spec).await
    });
    assert_eq!(event.expect("an event within 30 s"), Some(id));
}
