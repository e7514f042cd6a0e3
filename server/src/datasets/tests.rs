//! What the feature promises, over a real database and real blobs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, init_service, read_body, read_body_json};
use actix_web::web::Data;
use bytes::Bytes;
use drydock_wire::ErrorCode;
use drydock_wire::accounts::Role;
use drydock_wire::datasets::{Check, ColumnKind, CreateVersion, CreatedVersion, DatasetFile, ValidationState};
use futures_util::stream;

use super::*;
use crate::accounts::{Principal, Via, authorize};
use crate::config::Limits;
use crate::objects;

const CSV: &[u8] = b"id,size,kind\n1,2.5,a\n2,3.5,b\n3,,a\n";

struct Bench {
    app: App,
    _dir: tempfile::TempDir,
}

fn bench(limits: Limits) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let app = crate::app::testing::app_in(dir.path(), limits);
    Bench { app, _dir: dir }
}

fn somebody(name: &str) -> Principal {
    Principal {
        person_id: format!("id-{name}"),
        username: name.into(),
        role: Role::Engineer,
        via: Via::Token,
        job_id: None,
        session_id: None,
        address: String::new(),
    }
}

fn develop(name: &str) -> Authorized<action::Develop> {
    authorize(&somebody(name), action::Develop, "default").unwrap()
}

fn view() -> Authorized<action::View> {
    authorize(&somebody("eve"), action::View, "default").unwrap()
}

impl Bench {
    async fn create(&self, name: &str) {
        let wish = CreateDataset { name: name.into(), description: String::new() };
        super::create(&self.app, &develop("ann"), wish).await.unwrap();
    }

    async fn upload(&self, who: &str, bytes: &'static [u8]) -> Upload {
        let body = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(bytes))]);
        super::upload(&self.app, &develop(who), body).await.unwrap()
    }

    async fn version_of(&self, who: &str, name: &str, files: Vec<DatasetFile>) -> Result<CreatedVersion> {
        versions::create(&self.app, &develop(who), name, wish(files)).await
    }
}

fn wish(files: Vec<DatasetFile>) -> CreateVersion {
    CreateVersion { files, message: "m".into(), ..Default::default() }
}

fn file(path: &str, upload: &Upload) -> DatasetFile {
    DatasetFile { path: path.into(), digest: upload.digest.clone(), size_bytes: upload.size_bytes }
}

#[tokio::test]
async fn a_version_is_made_only_when_the_content_changed() {
    let the = bench(Limits::default());
    the.create("d").await;
    let table = the.upload("ann", CSV).await;
    let first = the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    assert!(first.created && first.version.version == 1);
    let again = the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    assert_eq!((again.created, &again.version), (false, &first.version));
    let note = the.upload("ann", b"read me").await;
    let second = the.version_of("ann", "d", vec![file("a.csv", &table), file("note.txt", &note)]).await.unwrap();
    assert!(second.created && second.version.version == 2 && second.version.file_count == 2);
    let detail = get(&the.app, &view(), "d").await.unwrap();
    assert_eq!(detail.versions.iter().map(|version| version.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(detail.summary.latest, Some(second.version));
}

#[tokio::test]
async fn a_small_version_has_its_profile_and_report_with_the_answer() {
    let the = bench(Limits::default());
    the.create("d").await;
    let rules = vec![Rule { file: None, check: Check::NotNull { column: "size".into() } }];
    set_rules(&the.app, &develop("ann"), "d", rules, None).await.unwrap();
    let table = the.upload("ann", CSV).await;
    let made = the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    assert_eq!(made.version.validation, ValidationState::Failed);
    let detail = versions::detail(&the.app, &view(), "d", "1").await.unwrap();
    assert_eq!(detail.report.unwrap().results[0].message, "1 of 3 rows: `size` is empty.");
    let kinds: Vec<ColumnKind> = detail.profiles[0].columns.iter().map(|column| column.kind).collect();
    assert_eq!(kinds, [ColumnKind::Integer, ColumnKind::Float, ColumnKind::Text]);
}

#[tokio::test]
async fn new_rules_are_held_against_the_latest_version_in_the_background() {
    let the = bench(Limits::default());
    the.create("d").await;
    let table = the.upload("ann", CSV).await;
    the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    assert_eq!(check(&the.app, &develop("ann"), "d", "1").await.unwrap_err().code, ErrorCode::Conflict);
    let mut events = the.app.events.subscribe();
    start(&the.app).await;
    let rules = vec![Rule { file: None, check: Check::Unique { column: "id".into() } }];
    set_rules(&the.app, &develop("ann"), "d", rules.clone(), None).await.unwrap();
    // the rules' own event, then the report's
    for _ in 0..2 {
        events.recv().await.unwrap();
    }
    let detail = get(&the.app, &view(), "d").await.unwrap();
    assert_eq!((detail.versions[0].validation, detail.rules), (ValidationState::Passed, rules));
}

#[tokio::test]
async fn a_malformed_table_is_kept_and_explained() {
    let the = bench(Limits::default());
    the.create("d").await;
    let cases: [(&'static [u8], &str); 4] =
        [(b"a,b\n1\n", "Line 2 has 1 cell,"), (b"", "empty"), (b"a\n\xff\n", "UTF-8"), (b"1,2\n3,4\n", "header line")];
    for (bytes, expected) in cases {
        let table = the.upload("ann", bytes).await;
        the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
        let detail = versions::detail(&the.app, &view(), "d", "latest").await.unwrap();
        assert!(detail.profiles[0].problem.as_ref().unwrap().contains(expected), "{expected}");
    }
}

#[tokio::test]
async fn nobody_refers_to_bytes_that_they_did_not_upload() {
    let the = bench(Limits::default());
    the.create("d").await;
    let table = the.upload("ann", CSV).await;
    let stolen = the.version_of("bob", "d", vec![file("a.csv", &table)]).await.unwrap_err();
    assert_eq!(stolen.code, ErrorCode::InvalidRequest);
    the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    // what the version before has may stay, under another name too
    let note = the.upload("bob", b"note").await;
    the.version_of("bob", "d", vec![file("b.csv", &table), file("note.txt", &note)]).await.unwrap();
    let wrong_size = DatasetFile { size_bytes: 1, ..file("b.csv", &table) };
    assert!(the.version_of("bob", "d", vec![wrong_size]).await.is_err());
}

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
async fn an_upload_above_the_limit_is_refused_and_not_kept() {
    let the = bench(Limits { upload_bytes: 10, ..Limits::default() });
    let body = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(CSV))]);
    assert_eq!(super::upload(&the.app, &develop("ann"), body).await.unwrap_err().code, ErrorCode::TooLarge);
    let blobs = the.app.db.read(objects::store::totals).await.unwrap();
    assert_eq!(blobs, (0, 0));
}

#[tokio::test]
async fn every_change_leaves_an_audit_row() {
    let the = bench(Limits::default());
    the.create("d").await;
    let table = the.upload("ann", CSV).await;
    the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    let rules = vec![Rule { file: None, check: Check::RowCount { min: Some(1), max: None } }];
    set_rules(&the.app, &develop("ann"), "d", rules.clone(), None).await.unwrap();
    set_rules(&the.app, &develop("ann"), "d", rules, None).await.unwrap();
    check(&the.app, &develop("ann"), "d", "1").await.unwrap();
    uses::delete(&the.app, &develop("ann"), "d", None, false).await.unwrap();
    use diesel::prelude::*;
    let actions: Vec<String> = the
        .app
        .db
        .read(|conn| {
            use crate::db::schema::accounts::audit;
            audit::table.order(audit::id).select(audit::action).load(conn).map_err(Error::internal)
        })
        .await
        .unwrap();
    let expected = ["dataset.create", "dataset.version", "dataset.rules", "dataset.validate", "dataset.delete"];
    assert_eq!(actions, expected);
}

#[actix_web::test]
async fn a_file_comes_as_an_attachment_whole_or_in_part() {
    let the = bench(Limits::default());
    the.create("d").await;
    let table = the.upload("ann", CSV).await;
    the.version_of("ann", "d", vec![file("dir/a.csv", &table)]).await.unwrap();
    let (app, wanted) = (the.app.clone(), file("dir/a.csv", &table));
    let serve = move |request: actix_web::HttpRequest| {
        let (app, wanted) = (app.clone(), wanted.clone());
        async move { download::answer(&app, &request, &wanted).await }
    };
    let service = init_service(actix_web::App::new().default_service(actix_web::web::to(serve))).await;
    let whole = call_service(&service, TestRequest::get().to_request()).await;
    let header = |name: &str| whole.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(header("content-disposition").starts_with("attachment; filename=\"a.csv\""));
    assert_eq!(read_body(whole).await, CSV);
    let part = TestRequest::get().insert_header(("range", "bytes=3-6")).to_request();
    let part = call_service(&service, part).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    let range = format!("bytes 3-6/{}", CSV.len());
    assert_eq!(part.headers().get("content-range").unwrap().to_str().unwrap(), range);
    assert_eq!(read_body(part).await, &CSV[3..7]);
    let beyond = TestRequest::get().insert_header(("range", "bytes=900-")).to_request();
    assert_eq!(call_service(&service, beyond).await.status(), StatusCode::RANGE_NOT_SATISFIABLE);
}

#[actix_web::test]
async fn nobody_comes_in_without_proof() {
    use utoipa_actix_web::AppExt;
    let the = bench(Limits::default());
    let key = crate::accounts::secrets::BoxKey::load_or_create(&the.app.data_dir.join("box.key")).unwrap();
    let accounts = crate::accounts::Accounts::start(the.app.db.clone(), key).await.unwrap();
    let app = actix_web::App::new().app_data(Data::new(the.app.clone())).app_data(Data::new(accounts));
    let service = init_service(app.into_utoipa_app().configure(configure).into_app()).await;
    let asked = [
        TestRequest::get().uri("/datasets"),
        TestRequest::get().uri("/datasets/d/versions/1/file?path=a"),
        TestRequest::put().uri("/uploads"),
        TestRequest::delete().uri("/datasets/d"),
    ];
    for request in asked {
        let answer = call_service(&service, request.to_request()).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let body: drydock_wire::ErrorBody = read_body_json(answer).await;
        assert_eq!(body.code, ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn a_change_to_a_version_is_all_that_has_to_be_sent() {
    let the = bench(Limits::default());
    the.create("d").await;
    let (a, b) = (the.upload("ann", b"a").await, the.upload("ann", b"b").await);
    let all = vec![file("keep.txt", &a), file("old/x.txt", &a), file("old/y.txt", &b), file("z.txt", &b)];
    the.version_of("ann", "d", all).await.unwrap();
    let delta = CreateVersion {
        files: vec![file("z.txt", &a), file("new.txt", &b)],
        remove: vec!["old/".into()],
        base_version: Some("latest".into()),
        message: String::new(),
    };
    let made = versions::create(&the.app, &develop("ann"), "d", delta.clone()).await.unwrap();
    assert_eq!((made.version.version, made.version.parent, made.version.file_count), (2, Some(1), 3));
    let detail = versions::detail(&the.app, &view(), "d", "2").await.unwrap();
    let shown: Vec<(&str, &str)> = detail.files.iter().map(|file| (file.path.as_str(), file.digest.as_str())).collect();
    assert_eq!(shown, [("keep.txt", &*a.digest), ("new.txt", &*b.digest), ("z.txt", &*a.digest)]);
    let gone = versions::create(&the.app, &develop("ann"), "d", delta).await.unwrap_err();
    assert_eq!((gone.code, gone.message.as_str()), (ErrorCode::NotFound, "The version has no folder \"old/\"."));
    // the same from lines, out of the first version
    let lines = format!("{}\n\n{{\"remove\": \"old/x.txt\"}}", serde_json::to_string(&file("more.txt", &a)).unwrap());
    let body = stream::iter(
        lines.into_bytes().chunks(7).map(|c| Ok::<_, std::io::Error>(Bytes::copy_from_slice(c))).collect::<Vec<_>>(),
    );
    let made =
        versions::create_from_lines(&the.app, &develop("ann"), "d", Some("1".into()), "m".into(), body).await.unwrap();
    assert_eq!((made.version.version, made.version.parent, made.version.file_count), (3, Some(1), 4));
    let body = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{\"path\": 3}\n"))]);
    let bad = versions::create_from_lines(&the.app, &develop("ann"), "d", None, "m".into(), body).await.unwrap_err();
    assert!(bad.message.starts_with("Line 1"), "{}", bad.message);
}

#[tokio::test]
async fn a_file_cannot_be_a_folder_even_far_from_it() {
    let the = bench(Limits::default());
    the.create("d").await;
    let a = the.upload("ann", b"a").await;
    let clash = vec![file("a", &a), file("a-b", &a), file("a.c/d", &a), file("a/b", &a)];
    let refused = the.version_of("ann", "d", clash).await.unwrap_err();
    assert_eq!(refused.message, "\"a\" is a file and, for \"a/b\", a folder.");
    the.version_of("ann", "d", vec![file("a", &a), file("a-b", &a), file("b/a", &a)]).await.unwrap();
    let delta = CreateVersion { files: vec![file("a/b", &a)], base_version: Some("1".into()), ..Default::default() };
    assert!(versions::create(&the.app, &develop("ann"), "d", delta).await.is_err());
}

#[tokio::test]
async fn one_changed_file_of_many_writes_two_small_blobs() {
    let the = bench(Limits::default());
    the.create("d").await;
    let (a, b) = (the.upload("ann", b"a").await, the.upload("ann", b"b").await);
    let many = (0..20_000).map(|n| file(&format!("{:02}/{n:05}.txt", n % 50), &a)).collect();
    the.version_of("ann", "d", many).await.unwrap();
    let before = the.app.db.read(objects::store::totals).await.unwrap();
    let delta = CreateVersion {
        files: vec![file("07/00007.txt", &b)],
        base_version: Some("latest".into()),
        ..Default::default()
    };
    versions::create(&the.app, &develop("ann"), "d", delta).await.unwrap();
    let after = the.app.db.read(objects::store::totals).await.unwrap();
    assert_eq!(after.0 - before.0, 2, "the chunk and the root");
    // whole folders are counted, and paged through
    let wanted = versions::Listing { limit: 30, ..Default::default() };
    let first = versions::files(&the.app, &view(), "d", "2", wanted.clone()).await.unwrap();
    let wanted = versions::Listing { after: first.next.clone(), ..wanted };
    let second = versions::files(&the.app, &view(), "d", "2", wanted).await.unwrap();
    assert_eq!((first.folders.len(), second.folders.len(), second.next), (30, 20, None));
    assert!(first.folders.iter().chain(&second.folders).all(|folder| folder.file_count == 400));
    let wanted = versions::Listing { prefix: "07/".into(), limit: 2, ..Default::default() };
    let inside = versions::files(&the.app, &view(), "d", "2", wanted).await.unwrap();
    assert_eq!(inside.files[0].digest, b.digest);
    assert_eq!(inside.next.as_deref(), Some("07/00057.txt"));
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
    the.app
        .db
        .write(move |conn| {
            use diesel::connection::SimpleConnection;
            let [a, b] = digests;
            conn.batch_execute(&format!(
                "INSERT INTO dataset_files SELECT id, 1, 'a.csv', '{a}', {} FROM datasets;
                 INSERT INTO dataset_files SELECT id, 1, 'note.txt', '{b}', 4 FROM datasets;
                 INSERT INTO objects SELECT 'datasets', id || '/1/a.csv', '{a}', 1 FROM datasets;
                 INSERT INTO objects SELECT 'datasets', id || '/1/note.txt', '{b}', 1 FROM datasets;
                 UPDATE dataset_versions SET manifest = NULL; DELETE FROM dataset_content; DELETE FROM dataset_leftovers;",
                CSV.len()
            ))
            .map_err(Error::internal)
        })
        .await
        .unwrap();
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
async fn the_difference_names_what_came_went_changed_and_moved() {
    let the = bench(Limits::default());
    the.create("d").await;
    let csv = the.upload("ann", CSV).await;
    let changed = the.upload("ann", b"id,size,kind\n1,2.5,a\n2,9.5,b\n4,,a\n3,,a\n").await;
    let (a, b) = (the.upload("ann", b"a").await, the.upload("ann", b"bb").await);
    the.version_of("ann", "d", vec![file("t.csv", &csv), file("old", &a), file("same", &a), file("gone", &b)])
        .await
        .unwrap();
    let c = the.upload("ann", b"ccc").await;
    let files = vec![file("t.csv", &changed), file("new-name", &a), file("same", &a), file("come", &c)];
    the.version_of("ann", "d", files).await.unwrap();
    let diff = difference::diff(&the.app, &view(), "d", None, "latest").await.unwrap();
    assert_eq!((diff.from, diff.to), (1, 2));
    let counts = [diff.added_count, diff.removed_count, diff.changed_count, diff.renamed_count, diff.unchanged_count];
    assert_eq!(counts, [1, 1, 1, 1, 1]);
    let told: Vec<(&str, Option<&str>)> =
        diff.files.iter().map(|change| (change.path.as_str(), change.old_path.as_deref())).collect();
    assert_eq!(told, [("come", None), ("gone", None), ("new-name", Some("old")), ("t.csv", None)]);
    let table = &diff.tables[0];
    assert_eq!((table.rows_before, table.rows_after), (3, 4));
    assert_eq!((table.rows_added, table.rows_removed), (Some(2), Some(1)));
    assert!(table.columns[1].distance.unwrap() > 0.4);
    let first = difference::diff(&the.app, &view(), "d", None, "1").await.unwrap_err();
    assert_eq!(first.code, ErrorCode::NotFound);
}

#[tokio::test]
async fn an_unchanged_table_is_not_read_again() {
    let the = bench(Limits::default());
    the.create("d").await;
    let table = the.upload("ann", CSV).await;
    the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    // marked, so that a second look would show
    the.app
        .db
        .write(|conn| {
            use diesel::connection::SimpleConnection;
            conn.batch_execute(
                "UPDATE dataset_versions SET profiles = replace(profiles, '\"row_count\":3', '\"row_count\":77')",
            )
            .map_err(Error::internal)
        })
        .await
        .unwrap();
    the.version_of("ann", "d", vec![file("b.csv", &table)]).await.unwrap();
    let detail = versions::detail(&the.app, &view(), "d", "2").await.unwrap();
    assert_eq!((detail.profiles[0].path.as_str(), detail.profiles[0].row_count), ("b.csv", 77));
}

#[tokio::test]
async fn images_are_counted_by_class_and_broken_ones_are_named() {
    let the = bench(Limits::default());
    the.create("d").await;
    // the smallest GIF there is, a PNG that ends after its size, and no image at all
    let gif =
        the.upload("ann", b"GIF89a\x02\x00\x03\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x00;").await;
    let png = the.upload("ann", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x10\x00\x00\x00\x20\x08\x02").await;
    let text = the.upload("ann", b"hello").await;
    let files =
        vec![file("cat/1.gif", &gif), file("cat/2.gif", &gif), file("dog/1.png", &png), file("dog/2.jpg", &text)];
    the.version_of("ann", "d", files).await.unwrap();
    let rules = yaml::read("- check: images\n  min: 3\n  min_width: 2\n").unwrap();
    set_rules(&the.app, &develop("ann"), "d", rules, None).await.unwrap();
    let report = check(&the.app, &develop("ann"), "d", "1").await.unwrap();
    assert!(!report.passed && report.results[0].message.contains("dog/1.png"), "{report:?}");
    let images = versions::detail(&the.app, &view(), "d", "1").await.unwrap().images.unwrap();
    assert_eq!((images.count, images.measured, images.broken_count), (4, 4, 2));
    assert_eq!(
        images.classes.iter().map(|one| (one.value.as_str(), one.count)).collect::<Vec<_>>(),
        [("cat", 2), ("dog", 2)]
    );
    assert_eq!((images.width.unwrap().max, images.height.unwrap().max), (2, 3));
    assert_eq!(images.formats[0].value, "GIF");
}

#[tokio::test]
async fn rules_are_kept_as_their_author_wrote_them() {
    let the = bench(Limits::default());
    the.create("d").await;
    let text = "# the id\n- check: not_null\n  column: id\n";
    let rules = yaml::read(text).unwrap();
    set_rules(&the.app, &develop("ann"), "d", rules, Some(text.into())).await.unwrap();
    assert_eq!(rules_yaml(&the.app, &view(), "d").await.unwrap(), text);
    set_rules(&the.app, &develop("ann"), "d", vec![], None).await.unwrap();
    assert!(rules_yaml(&the.app, &view(), "d").await.unwrap().contains("rules: []"));
}
