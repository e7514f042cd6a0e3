//! What a container wrote is read and removed through Docker, whoever owns it.

use std::os::unix::fs::PermissionsExt;

use drydock_appliance::containers::{EngineError, Mount, SeenPhase};
use futures_util::TryStreamExt;

use super::world::World;

#[tokio::test]
async fn what_a_container_wrote_is_read_after_its_end_and_removed() {
    let mut world = World::new().await;
    let folder = world.mounts.path().join("writable/outputs");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    world.engine = world.engine.clone().allow_writes_under(world.mounts.path().join("writable"));
    let mut spec =
        world.script("writer", "umask 077; mkdir /outputs/d; echo hello > /outputs/d/f; ln -s / /outputs/root");
    spec.writable = vec![Mount { source: folder.clone(), target: "/outputs".into() }];
    let id = world.start(&spec).await;
    assert!(world.engine.image_of(&id).await.unwrap().unwrap().starts_with("sha256:"));
    world.until(&id, |seen| seen.phase == SeenPhase::Exited).await;
    let pieces: Vec<bytes::Bytes> = world.engine.archive(&id, "/outputs").await.unwrap().try_collect().await.unwrap();
    let whole = pieces.concat();
    let text = String::from_utf8_lossy(&whole);
    assert!(text.contains("outputs/d/f") && text.contains("hello\n"), "its file, which only its user may read");
    let gone: Result<Vec<_>, _> = match world.engine.archive("0000", "/outputs").await {
        Ok(stream) => stream.try_collect::<Vec<_>>().await,
        Err(error) => Err(error),
    };
    assert!(matches!(gone, Err(EngineError::NotFound(_))), "{gone:?}");
    world.engine.empty_folder("box", &world.image, &folder).await.unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    let refused = world.engine.empty_folder("box", &world.image, world.mounts.path()).await;
    assert!(matches!(refused, Err(EngineError::Refused(_))), "{refused:?}");
}
