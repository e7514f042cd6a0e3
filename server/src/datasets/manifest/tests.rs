//! Random manifests against a plain map.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;
use crate::db::testing::temporary;
use crate::objects::Objects;

async fn store() -> (tempfile::TempDir, Objects) {
    let (dir, db) = temporary();
    let objects = Objects::open(db, &dir.path().join("blobs")).unwrap();
    (dir, objects)
}

async fn kept(objects: &Objects, made: Made) -> Manifest {
    let (info, ()) = objects.keep(made.root, |_, _| Ok(())).await.unwrap();
    Manifest::open(objects, &info.digest).await.unwrap()
}

async fn content(objects: &Objects, text: &'static str) -> [u8; 32] {
    let info = objects.put_bytes(bytes::Bytes::from_static(text.as_bytes())).await.unwrap();
    let mut raw = [0; 32];
    hex::decode_to_slice(info.digest, &mut raw).unwrap();
    raw
}

#[tokio::test]
async fn random_changes_agree_with_a_plain_map_and_equal_files_with_equal_chunks() {
    let (_dir, objects) = store().await;
    let digests = [content(&objects, "a").await, content(&objects, "b").await, content(&objects, "c").await];
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut model: BTreeMap<String, [u8; 32]> = BTreeMap::new();
        let mut manifest = Manifest::empty(&objects);
        for round in 0..4 {
            let mut changes = Changes::default();
            for _ in 0..random.random_range(1..4_000) {
                let path = format!("{}/{:05}", random.random_range(0..20), random.random_range(0..3_000));
                let change = match model.contains_key(&path) && random.random_bool(0.4) {
                    true => Change::Remove,
                    false => Change::Put { digest: digests[random.random_range(0..3)], size_bytes: 1 },
                };
                changes.paths.insert(path, change);
            }
            for (path, change) in &changes.paths {
                match change {
                    Change::Put { digest, .. } => drop(model.insert(path.clone(), *digest)),
                    Change::Remove => drop(model.remove(path)),
                }
            }
            let made = write_version(&objects, "d", &manifest, &manifest, changes).await.unwrap();
            assert_eq!(made.file_count as usize, model.len(), "seed {seed}, round {round}");
            manifest = kept(&objects, made).await;
            let mut files = manifest.files();
            let mut found = BTreeMap::new();
            while let Some(entry) = files.next().await.unwrap() {
                found.insert(entry.path, entry.digest);
            }
            assert_eq!(found, model, "seed {seed}, round {round}");
        }
        // made in one go, the same files have the same chunks
        let whole = model.iter().map(|(path, digest)| (path.clone(), Change::Put { digest: *digest, size_bytes: 1 }));
        let whole = Changes { paths: whole.collect(), folders: vec![] };
        let empty = Manifest::empty(&objects);
        let anew = kept(&objects, write_version(&objects, "d", &empty, &empty, whole).await.unwrap()).await;
        assert_eq!(anew.chunks(), manifest.chunks(), "seed {seed}");
        check_lists(&manifest, &model, &mut random).await;
    }
}

async fn check_lists(manifest: &Manifest, model: &BTreeMap<String, [u8; 32]>, random: &mut StdRng) {
    for path in model.keys().take(50) {
        assert!(manifest.find(path).await.unwrap().is_some());
    }
    assert!(manifest.find("nowhere").await.unwrap().is_none());
    let limit = random.random_range(1..7);
    let (mut after, mut folders) = (None, BTreeMap::new());
    loop {
        let page = list(manifest, "", after.as_deref(), limit).await.unwrap();
        assert!(page.folders.len() <= limit && page.files.is_empty());
        for folder in page.folders {
            assert!(folders.insert(folder.path, folder.file_count).is_none(), "a folder on two pages");
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let names: BTreeSet<&str> = model.keys().map(|path| &path[..=path.find('/').unwrap()]).collect();
    for name in names {
        let count = model.keys().filter(|path| path.starts_with(name)).count() as u64;
        assert_eq!(folders.remove(name), Some(count), "{name}");
    }
    assert!(folders.is_empty());
    let flat = page(manifest, "1/", None, 5).await.unwrap();
    let expected: Vec<&String> = model.keys().filter(|path| path.starts_with("1/")).take(5).collect();
    assert_eq!(flat.files.iter().map(|file| &file.path).collect::<Vec<_>>(), expected);
}

#[test]
fn bytes_that_are_no_manifest_are_an_error_and_take_no_memory() {
    let entry = |path: &str| Entry { path: path.into(), digest: [7; 32], size_bytes: 300 };
    let entries = vec![entry("a"), entry("ab"), entry("b/c")];
    let bytes = codec::chunk(&entries);
    assert_eq!(codec::read_chunk(&bytes).unwrap(), entries);
    for cut in 0..bytes.len() {
        assert!(codec::read_chunk(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let mut lying = b"drydock manifest chunk 1\n".to_vec();
    lying.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    assert!(codec::read_chunk(&lying).is_err());
    assert!(codec::read_root(&bytes).is_err());
}

#[test]
fn the_end_of_a_prefix_is_after_all_that_starts_with_it() {
    assert_eq!(end_of("a/").as_deref(), Some("a0"));
    assert_eq!(end_of("a\u{10ffff}").as_deref(), Some("b"));
    assert_eq!(end_of("\u{d7ff}").as_deref(), Some("\u{e000}"));
    assert_eq!(end_of(""), None);
}
