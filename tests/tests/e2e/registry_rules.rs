//! What goes by itself from the registry and what never does: rules keep what a job refers to and give untagged images their days;
//! garbage is collected beside pushes and takes nothing from an image that was acknowledged. And artifacts, through ORAS.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{
    Api, Dice, PASSWORD, Server, Setup, clients,
    dice::fault_seed,
    ledger::{location, push_blob},
    s3::sha256,
    until,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    objects_s3::folder_bytes,
    registry::{World, repository},
};

const DAY_MS: i64 = 86_400_000;
const SOON: Duration = Duration::from_secs(60);
const KIND: &str = "application/vnd.oci.image.manifest.v1+json";

#[tokio::test]
async fn oras_keeps_artifacts_here() -> Result<()> {
    let world = World::start().await?;
    let said = clients::oras(&world.host, "ann", PASSWORD, None).await?;
    ensure!(said.contains("oras, token: its whole life") && said.contains("oras, basic: its whole life"), "{said}");
    Ok(())
}

fn registry_of(server: &Server, api: &Api) -> Result<Api> {
    Ok(Api::anonymous(&server.registry_url())?.with_token(api.token()))
}

/// A manifest of these blobs, the first of which is the configuration: what it was answered, and its digest.
async fn put_manifest(registry: &Api, name: &str, tag: &str, blobs: &[&[u8]]) -> Result<(StatusCode, String)> {
    let of = |blob: &&[u8]| {
        let digest = format!("sha256:{}", sha256(blob));
        json!({"mediaType": "application/octet-stream", "digest": digest, "size": blob.len()})
    };
    let all: Vec<Value> = blobs.iter().map(of).collect();
    let body = json!({"schemaVersion": 2, "mediaType": KIND, "config": all[0], "layers": all[1..]}).to_string();
    let digest = format!("sha256:{}", sha256(body.as_bytes()));
    let path = format!("/v2/{name}/manifests/{tag}");
    let answer = registry.request(Method::PUT, &path).header("content-type", KIND).body(body).send().await?;
    Ok((answer.status(), digest))
}

/// An image of one layer; its digest.
async fn push(registry: &Api, name: &str, tag: &str, layer: &[u8]) -> Result<String> {
    for blob in [b"{}", layer] {
        push_blob(registry, name, blob).await?;
    }
    let (status, digest) = put_manifest(registry, name, tag, &[b"{}", layer]).await?;
    ensure!(status == 201, "{name}:{tag} is answered {status}");
    Ok(digest)
}

async fn is_there(registry: &Api, name: &str, digest: &str) -> Result<bool> {
    let path = format!("/v2/{name}/manifests/{digest}");
    Ok(registry.request(Method::GET, &path).header("accept", KIND).send().await?.status() == 200)
}

#[tokio::test]
async fn rules_keep_what_a_job_refers_to_and_give_untagged_images_their_days() -> Result<()> {
    let mut world = World::start().await?;
    let registry = registry_of(&world.server, &world.ann)?;
    let image = world.make("keep/app:used", &world.host, true).await?;
    world.docker(&["push", &image]).await?;
    world.forget(&[&image]).await;
    let port = world.host.rsplit(':').next().context("port")?;
    let wish = json!({ "name": "hello", "command": ["/hello"], "image": format!("localhost:{port}/keep/app:used") });
    let job = world.ann.submit_with(wish).await?;
    let end = world.ann.finished(&job, Duration::from_secs(120)).await?;
    let pinned = end["spec"]["image"].as_str().context("an image")?.to_owned();
    let used = pinned.split('@').nth(1).context("a digest")?.to_owned();

    // The tag moves on: what the job ran has none any more, like another that nobody refers to.
    push(&registry, "keep/app", "used", b"another").await?;
    let orphan = push(&registry, "keep/app", "latest", b"of yesterday").await?;
    let latest = push(&registry, "keep/app", "latest", b"of today").await?;
    let seen = repository(&world.ann, "keep/app").await?;
    ensure!(seen["untagged"].as_array().map(Vec::len) == Some(2), "{seen}");

    let rules = json!({ "keep_last": 1, "keep_tags": [], "untagged_days": 2 });
    world.ann.put("/api/v1/repository/retention?name=keep/app", rules).await?;
    until("the rules are carried out", SOON, || async {
        let seen = repository(&world.ann, "keep/app").await?;
        Ok((seen["tags"].as_array().map(Vec::len) == Some(1)).then_some(()))
    })
    .await?;
    for (what, digest) in [("used by a job", &used), ("untagged for a moment", &orphan), ("the latest", &latest)] {
        ensure!(is_there(&registry, "keep/app", digest).await?, "what is {what} went");
    }

    // Three days later.
    let then = drydock::clock::now_ms() - 3 * DAY_MS;
    world.server.alter(&format!("update manifests set untagged_at = {then} where untagged_at is not null"))?;
    world.server.restart().await?;
    until("the untagged image goes", SOON, || async {
        Ok((!is_there(&registry, "keep/app", &orphan).await?).then_some(()))
    })
    .await?;
    ensure!(is_there(&registry, "keep/app", &latest).await?, "the latest went");
    let by_digest = format!("{}/keep/app@{used}", world.host);
    world.docker(&["pull", &by_digest]).await.context("what a job refers to can be fetched")?;
    world.forget(&[&by_digest, &pinned]).await;
    let trail = world.admin.list("/api/v1/audit?limit=100").await?;
    ensure!(trail.iter().filter(|row| row["action"] == "repository.retain").count() == 2, "two rows in the trail");
    Ok(())
}

/// Pushers beside each other.
const PUSHERS: usize = 3;
const GRACE_S: u64 = 1;

/// Blobs of images, by repository and digest.
type Images = BTreeMap<(String, String), Vec<Vec<u8>>>;

/// What pushers share: which images were acknowledged and are to stay.
#[derive(Default)]
struct Kept {
    images: Mutex<Images>,
    acknowledged: AtomicUsize,
    /// Manifests that came after the grace of their blobs, and were told so.
    too_late: AtomicUsize,
    deleted: AtomicUsize,
    stop: AtomicBool,
}

impl Kept {
    fn all(&self) -> Images {
        self.images.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// As docker does it: asks whether a blob is there, tries to have it mounted, and sends it where neither is so.
async fn have(registry: &Api, name: &str, from: &str, blob: &[u8]) -> Result<()> {
    let digest = format!("sha256:{}", sha256(blob));
    let head = registry.request(Method::HEAD, &format!("/v2/{name}/blobs/{digest}")).send().await?;
    if head.status() == 200 {
        return Ok(());
    }
    let mount = format!("/v2/{name}/blobs/uploads/?mount={}&from={from}", digest.replace(':', "%3A"));
    let begun = registry.request(Method::POST, &mount).send().await?;
    if begun.status() == 201 {
        return Ok(());
    }
    ensure!(begun.status() == 202, "mount: {}", begun.status());
    registry.request(Method::DELETE, &location(registry, &begun)?).send().await?;
    push_blob(registry, name, blob).await.map(drop)
}

/// One image: the layer that all have, one of its own, and a pause that is sometimes longer than the grace.
async fn push_one(registry: &Api, kept: &Kept, which: usize, number: usize, dice: &mut Dice) -> Result<()> {
    let (name, from) = (format!("gc/{which}"), format!("gc/{}", (which + 1) % PUSHERS));
    let shared = Dice::new(99).bytes(200_000);
    let blobs = vec![b"{}".to_vec(), shared, dice.bytes(80_000)];
    for blob in &blobs {
        have(registry, &name, &from, blob).await?;
    }
    tokio::time::sleep(Duration::from_millis(dice.below(GRACE_S * 1400))).await;
    let parts: Vec<&[u8]> = blobs.iter().map(Vec::as_slice).collect();
    let (status, digest) = put_manifest(registry, &name, &format!("t{number}"), &parts).await?;
    if status != 201 {
        ensure!(status == 404 || status == 400, "a manifest is answered {status}");
        kept.too_late.fetch_add(1, Ordering::SeqCst);
        return Ok(());
    }
    kept.acknowledged.fetch_add(1, Ordering::SeqCst);
    if dice.below(2) == 0 {
        registry.request(Method::DELETE, &format!("/v2/{name}/manifests/{digest}")).send().await?;
        kept.deleted.fetch_add(1, Ordering::SeqCst);
    } else {
        kept.images.lock().unwrap_or_else(PoisonError::into_inner).insert((name, digest), blobs);
    }
    Ok(())
}

async fn whole(registry: &Api, images: &Images) -> Result<()> {
    for ((name, digest), blobs) in images {
        ensure!(is_there(registry, name, digest).await?, "{name}@{digest} was acknowledged and is gone");
        for blob in blobs {
            let path = format!("/v2/{name}/blobs/sha256:{}", sha256(blob));
            let answer = registry.request(Method::GET, &path).send().await?;
            ensure!(answer.status() == 200, "{path} of {digest} is {}", answer.status());
            ensure!(answer.bytes().await? == *blob, "{path} of {digest} is another");
        }
    }
    Ok(())
}

#[tokio::test]
async fn collection_runs_beside_pushes_and_takes_nothing_that_was_acknowledged() -> Result<()> {
    let settings = format!("[limits]\nblob_grace_s = {GRACE_S}\n");
    let mut server = Server::start_as(Setup { settings: &settings, ..Setup::default() }).await?;
    let admin = server.admin().await?;
    let registry = registry_of(&server, &admin)?;
    let (kept, mut dice) = (Arc::new(Kept::default()), Dice::new(fault_seed()));
    let pushers: Vec<_> = (0..PUSHERS)
        .map(|which| {
            let (registry, kept, mut dice) = (registry.clone(), Arc::clone(&kept), dice.fork());
            tokio::spawn(async move {
                for number in 0.. {
                    if kept.stop.load(Ordering::SeqCst) {
                        break;
                    }
                    // while the server restarts nobody answers: an image that was begun is begun anew
                    if push_one(&registry, &kept, which, number, &mut dice).await.is_err() {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            })
        })
        .collect();
    // A start sweeps the store, too, while pushes come in again.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(4)).await;
        server.restart().await?;
    }
    let count = |of: &AtomicUsize| of.load(Ordering::SeqCst);
    until("too little happens", SOON, || async {
        Ok((count(&kept.acknowledged) > 12 && count(&kept.deleted) > 2).then_some(()))
    })
    .await?;
    whole(&registry, &kept.all()).await?;
    kept.stop.store(true, Ordering::SeqCst);
    for pusher in pushers {
        pusher.await?;
    }
    whole(&registry, &kept.all()).await?;
    let (acknowledged, too_late, deleted) = (count(&kept.acknowledged), count(&kept.too_late), count(&kept.deleted));
    println!("{acknowledged} images acknowledged, {deleted} of them deleted, {too_late} came too late");
    only_what_is_needed_stays(&mut server, &admin, &registry, &kept.all()).await
}

/// After the grace the disk has the blobs of what was kept, each once, and nothing else.
async fn only_what_is_needed_stays(server: &mut Server, admin: &Api, registry: &Api, images: &Images) -> Result<()> {
    for name in (0..PUSHERS).map(|which| format!("gc/{which}")) {
        // a restart swallows answers: what came of these requests is nobody's
        let seen = repository(admin, &name).await?;
        let tagged = seen["tags"].as_array().into_iter().flatten().map(|tag| &tag["manifest"]["digest"]);
        let untagged = seen["untagged"].as_array().into_iter().flatten().map(|one| &one["digest"]);
        for digest in tagged.chain(untagged).filter_map(Value::as_str) {
            if !images.contains_key(&(name.clone(), digest.to_owned())) {
                registry.request(Method::DELETE, &format!("/v2/{name}/manifests/{digest}")).send().await?;
            }
        }
    }
    let large: BTreeSet<&Vec<u8>> = images.values().flatten().filter(|blob| blob.len() > 65_536).collect();
    let needed: u64 = large.iter().map(|blob| blob.len() as u64).sum();
    // one start lets go of the blobs, the next of their bytes; on a busy machine a start may be over before its sweep is
    let blobs = server.data_dir().join("blobs");
    let (mut starts, mut left) = (0, 0);
    while starts < 2 || left != needed {
        ensure!(starts < 20, "{left} bytes are left after {starts} starts, {needed} are needed");
        tokio::time::sleep(Duration::from_millis(GRACE_S * 1000 + 200)).await;
        server.restart().await?;
        starts += 1;
        tokio::time::sleep(Duration::from_millis(500 * starts)).await;
        // a file may go while it is looked at
        left = folder_bytes(&blobs).unwrap_or(u64::MAX);
    }
    whole(registry, images).await
}
