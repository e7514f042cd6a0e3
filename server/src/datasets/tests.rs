//! What the feature promises, over a real database and real blobs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, init_service, read_body, read_body_json};
use actix_web::web::Data;
use bytes::Bytes;
use drydock_wire::ErrorCode;
use drydock_wire::accounts::Role;
use drydock_wire::datasets::{Check, ColumnKind, ValidationState};
use futures_util::stream;

use super::*;
use crate::accounts::{Principal, Via, authorize};
use crate::config::{Config, Limits, Listeners};

const CSV: &[u8] = b"id,size,kind\n1,2.5,a\n2,3.5,b\n3,,a\n";

struct Bench {
    app: App,
    _dir: tempfile::TempDir,
}

fn bench(limits: Limits) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let local = "127.0.0.1:0".parse().unwrap();
    let listeners =
        Listeners { http: local, s3: local, registry: local, hosts: vec![], insecure_http: false, container_port: 0 };
    let config = Config {
        data_dir: dir.path().into(),
        listeners,
        limits,
        disk: Default::default(),
        webhooks: Default::default(),
        log_json: false,
    };
    let db = crate::db::Db::open(&dir.path().join("drydock.db")).unwrap();
    let app = App {
        objects: crate::objects::Objects::open(db.clone(), &dir.path().join("blobs")).unwrap(),
        config: Arc::new(config),
        db,
        events: Default::default(),
        background: Default::default(),
        engine: drydock_appliance::containers::Engine::connect(),
        box_key: crate::accounts::secrets::BoxKey::load_or_create(&dir.path().join("box.key")).unwrap(),
        data_dir: Arc::new(dir.path().into()),
        instance: "test".into(),
        started_at: 0,
    };
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
        create_version(&self.app, &develop(who), name, CreateVersion { files, message: "m".into() }).await
    }
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
    set_rules(&the.app, &develop("ann"), "d", rules).await.unwrap();
    let table = the.upload("ann", CSV).await;
    let made = the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    assert_eq!(made.version.validation, ValidationState::Failed);
    let detail = version(&the.app, &view(), "d", 1).await.unwrap();
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
    assert_eq!(check(&the.app, &develop("ann"), "d", 1).await.unwrap_err().code, ErrorCode::Conflict);
    let mut events = the.app.events.subscribe();
    start(&the.app);
    let rules = vec![Rule { file: None, check: Check::Unique { column: "id".into() } }];
    set_rules(&the.app, &develop("ann"), "d", rules.clone()).await.unwrap();
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
        let made = the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
        let detail = version(&the.app, &view(), "d", made.version.version).await.unwrap();
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
    delete(&the.app, &develop("ann"), "d").await.unwrap();
    assert_eq!(objects::sweep::sweep(&the.app.objects, 0).await.unwrap().removed, 1);
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
    set_rules(&the.app, &develop("ann"), "d", rules.clone()).await.unwrap();
    set_rules(&the.app, &develop("ann"), "d", rules).await.unwrap();
    check(&the.app, &develop("ann"), "d", 1).await.unwrap();
    delete(&the.app, &develop("ann"), "d").await.unwrap();
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
