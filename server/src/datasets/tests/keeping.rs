//! What stays and what goes: deletion, tags, folders for jobs, versions of earlier releases.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

#[tokio::test]
async fn a_deleted_dataset_lets_its_bytes_go() {
    let the = bench(Limits::default());
    the.create("d").await;
    let table = the.upload("ann", CSV).await;
    the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    assert_eq!(objects::sweep::sweep(&the.app.objects, 0).await.unwrap().removed, 0);
    uses::delete(&the.app, &develop("ann"), "d", None, false).await.unwrap();
    leftovers::clean(&the.app).await.unwrap();
    // the file, the chunk that names it and the root
    assert_eq!(objects::sweep::sweep(&the.app.objects, 0).await.unwrap().removed, 3);
    assert_eq!(get(&the.app, &view(), "d").await.unwrap_err().code, ErrorCode::NotFound);
    // the upload's row is still there, its bytes are not: said clearly
    the.create("e").await;
    let gone = the.version_of("ann", "e", vec![file("a.csv", &table)]).await.unwrap_err();
    assert_eq!(gone.code, ErrorCode::Conflict);
    assert!(get(&the.app, &view(), "e").await.unwrap().versions.is_empty());
}

#[tokio::test]
async fn a_tag_moves_and_a_version_that_is_tagged_is_not_deleted_by_accident() {
    let the = bench(Limits::default());
    the.create("d").await;
    let (a, b) = (the.upload("ann", b"aa").await, the.upload("ann", b"b").await);
    the.version_of("ann", "d", vec![file("x", &a), file("y", &b)]).await.unwrap();
    the.version_of("ann", "d", vec![file("y", &b)]).await.unwrap();
    uses::set_tag(&the.app, &develop("ann"), "d", "prod", 1).await.unwrap();
    let shown = versions::detail(&the.app, &view(), "d", "prod").await.unwrap();
    assert_eq!(shown.summary.version, 1);
    assert!(uses::set_tag(&the.app, &develop("ann"), "d", "prod", 9).await.is_err());
    let preview = uses::preview(&the.app, &view(), "d", Some("1")).await.unwrap();
    assert_eq!((preview.versions, preview.freed_bytes, preview.tags), (vec![1], 2, vec!["prod".to_owned()]));
    let refused = uses::delete(&the.app, &develop("ann"), "d", Some("1"), false).await.unwrap_err();
    assert!(refused.code == ErrorCode::Conflict && refused.message.contains("tag prod"), "{}", refused.message);
    uses::set_tag(&the.app, &develop("ann"), "d", "prod", 2).await.unwrap();
    uses::delete(&the.app, &develop("ann"), "d", Some("1"), false).await.unwrap();
    assert_eq!(versions::detail(&the.app, &view(), "d", "1").await.unwrap_err().code, ErrorCode::NotFound);
    leftovers::clean(&the.app).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    objects::sweep::sweep(&the.app.objects, 0).await.unwrap();
    assert!(the.app.objects.read(&a.digest).await.is_err(), "what only version 1 had is gone");
    assert!(the.app.objects.read(&b.digest).await.is_ok(), "what version 2 has is there");
    let resolved = the.app.db.read(|conn| resolve(conn, "d@prod", None)).await.unwrap();
    assert_eq!(resolved, ("d".to_owned(), 2));
}

#[tokio::test]
async fn versions_of_earlier_releases_are_turned_with_all_they_have() {
    let the = bench(Limits::default());
    the.create("d").await;
    let (a, b) = (the.upload("ann", CSV).await, the.upload("ann", b"note").await);
    let first = the.version_of("ann", "d", vec![file("a.csv", &a), file("note.txt", &b)]).await.unwrap();
    // as an earlier release had it: rows of files and objects, no manifest, nothing held
    let (digests, expected) = ([a.digest.clone(), b.digest.clone()], first.version.digest.clone());
    let [a_digest, b_digest] = digests;
    the.batch(format!(
        "INSERT INTO dataset_files SELECT id, 1, 'a.csv', '{a_digest}', {} FROM datasets;
         INSERT INTO dataset_files SELECT id, 1, 'note.txt', '{b_digest}', 4 FROM datasets;
         INSERT INTO objects SELECT 'datasets', id || '/1/a.csv', '{a_digest}', 1 FROM datasets;
         INSERT INTO objects SELECT 'datasets', id || '/1/note.txt', '{b_digest}', 1 FROM datasets;
         UPDATE dataset_versions SET manifest = NULL; DELETE FROM dataset_content; DELETE FROM dataset_leftovers;",
        CSV.len()
    ))
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    objects::sweep::sweep(&the.app.objects, 0).await.unwrap();
    turning::turn_old_versions(&the.app).await.unwrap();
    objects::sweep::sweep(&the.app.objects, 0).await.unwrap();
    let detail = versions::detail(&the.app, &view(), "d", "1").await.unwrap();
    assert_eq!(detail.files, [file("a.csv", &a), file("note.txt", &b)]);
    assert_eq!(detail.summary.digest, expected);
    assert_eq!(the.app.objects.read(&a.digest).await.unwrap(), CSV);
    let left: i64 = the
        .app
        .db
        .read(|conn| {
            use crate::db::schema::datasets::dataset_files;
            use diesel::prelude::*;
            dataset_files::table.count().get_result(conn).map_err(Error::internal)
        })
        .await
        .unwrap();
    assert_eq!(left, 0);
    // and the next version builds on it
    let delta =
        CreateVersion { files: vec![file("more.csv", &a)], base_version: Some("1".into()), ..Default::default() };
    let made = versions::create(&the.app, &develop("bob"), "d", delta).await.unwrap();
    assert_eq!((made.version.version, made.version.file_count), (2, 3));
}

#[tokio::test]
async fn a_version_is_laid_out_once_and_goes_when_nobody_uses_it_and_room_is_short() {
    use std::os::unix::fs::PermissionsExt;
    let the = bench(Limits { dataset_cache_bytes: 0, ..Limits::default() });
    the.create("d").await;
    let a = the.upload("ann", CSV).await;
    the.version_of("ann", "d", vec![file("in/a.csv", &a)]).await.unwrap();
    mounts::clear_unfinished(&the.app);
    let half = the.app.data_dir.join("run/datasets/.making-x");
    std::fs::create_dir_all(&half).unwrap();
    mounts::clear_unfinished(&the.app);
    assert!(!half.exists(), "what a crash left half made goes");
    let waker = || the.app.background.waker("test");
    let Mount::Ready(folder) = mount(&the.app, "d", 1, waker()).await.unwrap() else { panic!("small is at once") };
    let laid = the.app.data_dir.join(&folder).join("in/a.csv");
    assert_eq!(std::fs::read(&laid).unwrap(), CSV);
    assert_eq!(std::fs::metadata(&laid).unwrap().permissions().mode() & 0o777, 0o444);
    assert_eq!(mount(&the.app, "d", 1, waker()).await.unwrap(), Mount::Ready(folder.clone()));
    evict(&the.app, &[folder.clone()].into()).await.unwrap();
    assert!(laid.exists(), "a job has it");
    evict(&the.app, &Default::default()).await.unwrap();
    assert!(!laid.exists());
    mount(&the.app, "d", 1, waker()).await.unwrap();
    assert!(laid.exists(), "and is made again when wanted");
}

#[tokio::test]
async fn what_many_deletions_left_is_looked_for_once_per_dataset() {
    let the = bench(Limits::default());
    the.create("d").await;
    the.create("e").await;
    for text in [&b"a"[..], b"b", b"c"] {
        for name in ["d", "e"] {
            let one = the.upload("ann", text).await;
            the.version_of("ann", name, vec![file("x", &one)]).await.unwrap();
        }
    }
    for (name, version) in [("d", "1"), ("e", "1"), ("d", "2")] {
        uses::delete(&the.app, &develop("ann"), name, Some(version), false).await.unwrap();
    }
    let notes = the.app.db.read(store::leftovers).await.unwrap();
    let mut counts: Vec<usize> = notes.iter().map(|(_, notes)| notes.len()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2]);
    leftovers::clean(&the.app).await.unwrap();
    assert!(the.app.db.read(store::leftovers).await.unwrap().is_empty());
    let detail = versions::detail(&the.app, &view(), "d", "3").await.unwrap();
    assert!(the.app.objects.read(&detail.files[0].digest).await.is_ok());
}

#[tokio::test]
async fn what_was_used_longest_ago_goes_first_and_large_files_are_links() {
    use std::os::unix::fs::MetadataExt;
    // room for one of the small ones, and for the link
    let the = bench(Limits { dataset_cache_bytes: 5_000, ..Limits::default() });
    static LARGE: &[u8] = &[7; 100_000];
    the.create("d").await;
    mounts::clear_unfinished(&the.app);
    for (n, bytes) in [&b"one"[..], b"two", LARGE].into_iter().enumerate() {
        let one = the.upload("ann", bytes).await;
        the.version_of("ann", "d", vec![file(&format!("{n}"), &one)]).await.unwrap();
    }
    let folder = async |version: i64| {
        // instants of a file system are coarse
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        match mount(&the.app, "d", version, the.app.background.waker("test")).await.unwrap() {
            Mount::Ready(folder) => the.app.data_dir.join(folder),
            Mount::Making(words) => panic!("{words}"),
        }
    };
    let (first, second, third) = (folder(1).await, folder(2).await, folder(3).await);
    assert_eq!(std::fs::metadata(third.join("2")).unwrap().nlink(), 2);
    assert_eq!(laid_out(&the.app).await.unwrap(), (3, 2 * 4_096 + 256));
    folder(1).await;
    evict(&the.app, &Default::default()).await.unwrap();
    assert_eq!((first.exists(), second.exists(), third.exists()), (true, false, true));
}
