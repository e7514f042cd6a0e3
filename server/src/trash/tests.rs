#![allow(clippy::unwrap_used)]
use bytes::Bytes;

use super::*;
use crate::{
    accounts::{self, DEFAULT_PROJECT},
    objects::SMALL_BLOB_BYTES,
    tracking::{self, ARTIFACT_BUCKET},
};

struct World {
    app: App,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let app = crate::app::testing::app_in(dir.path(), Default::default());
        Self { app, dir }
    }

    /// A finished run of the default experiment with one artifact.
    async fn run(&self, id: &'static str, content: &[u8]) {
        self.app.db.write(move |conn| Ok(tracking::testing::run(conn, id))).await.unwrap();
        let blob = self.app.objects.put_bytes(Bytes::copy_from_slice(content)).await.unwrap();
        self.app.objects.link(ARTIFACT_BUCKET, &format!("0/{id}/artifacts/model.bin"), &blob.digest).await.unwrap();
    }

    async fn sql(&self, text: &'static str) {
        let work = move |conn: &mut Conn| {
            diesel::connection::SimpleConnection::batch_execute(conn, text).map_err(Error::internal)
        };
        self.app.db.write(work).await.unwrap();
    }

    /// Bytes of the blobs' files on the disk.
    fn on_disk(&self) -> u64 {
        fn size(dir: &std::path::Path) -> u64 {
            let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
            entries.map(|e| if e.path().is_dir() { size(&e.path()) } else { e.metadata().unwrap().len() }).sum()
        }
        size(&self.dir.path().join("blobs"))
    }
}

fn auth<A: accounts::Action>(action: A) -> Authorized<A> {
    accounts::authorize(&Principal::console(), action, DEFAULT_PROJECT).unwrap()
}

fn runs(ids: &[&str]) -> Chosen {
    Chosen { runs: ids.iter().map(|id| (*id).to_owned()).collect(), with_models: true, ..Chosen::default() }
}

#[tokio::test]
async fn a_preview_counts_shared_bytes_as_not_freed_and_changes_nothing() {
    let world = World::new();
    let (same, own) = (vec![1; SMALL_BLOB_BYTES + 1], vec![2; SMALL_BLOB_BYTES + 2]);
    world.run("a", &same).await;
    world.run("b", &same).await;
    world.run("c", &own).await;
    let auth = auth(action::Develop);
    let look = |ids: &[&str]| preview(&world.app, &auth, Wish::These(runs(ids)));
    let first = look(&["a", "c"]).await.unwrap();
    assert_eq!((first.runs, first.files, first.running), (2, 2, 2));
    assert_eq!((first.bytes, first.freed_bytes), ((same.len() + own.len()) as u64, own.len() as u64));
    assert_eq!(first.confirm, "2 runs");
    // both that share the content: now it goes
    assert_eq!(look(&["a", "b"]).await.unwrap().freed_bytes, same.len() as u64);
    assert_eq!(look(&["a"]).await.unwrap().confirm, "a");
}

fn auth_view() -> Authorized<action::View> {
    auth(action::View)
}

#[tokio::test]
async fn a_purge_gives_the_disk_its_bytes_back_and_a_restore_does_not() {
    let world = World::new();
    world.run("a", &vec![1; 300_000]).await;
    world.run("b", &vec![2; 200_000]).await;
    assert_eq!(world.on_disk(), 500_000);
    discard(&world.app, &auth(action::Develop), runs(&["a", "b"]), "2 runs").await.unwrap();
    assert_eq!(world.on_disk(), 500_000, "the trash keeps everything");
    assert_eq!(restore(&world.app, &auth(action::Develop), Wish::These(runs(&["b"]))).await.unwrap().runs, 1);
    let done = purge(&world.app, &auth(action::Administer), Wish::Everything, "empty the trash").await.unwrap();
    assert_eq!((done.runs, done.freed_bytes, world.on_disk()), (1, 300_000, 200_000));
    let left = items(&world.app, &auth_view(), list::Wish::default(), (0, 50)).await.unwrap();
    assert_eq!(left.1, 0);
}

#[tokio::test]
async fn what_a_registered_version_was_made_from_is_never_purged() {
    let world = World::new();
    world.run("a", &vec![1; 100_000]).await;
    world
        .sql(
            "INSERT INTO registered_models (id, name, created_at, updated_at) VALUES (1, 'wine', 0, 0);
             INSERT INTO model_versions (model, version, created_at, updated_at, user_name, source, storage_location, run_id)
             VALUES (1, 3, 0, 0, 'ann', 'runs:/a/model', 'runs:/a/model', 'a')",
        )
        .await;
    let seen = preview(&world.app, &auth(action::Develop), Wish::These(runs(&["a"]))).await.unwrap();
    assert_eq!((seen.versions[0].model.as_str(), seen.versions[0].version), ("wine", 3));
    discard(&world.app, &auth(action::Develop), runs(&["a"]), "a").await.unwrap();
    let done = purge(&world.app, &auth(action::Administer), Wish::These(runs(&["a"])), "a").await.unwrap();
    assert_eq!((done.runs, done.freed_bytes, world.on_disk()), (0, 0, 100_000));
    assert_eq!(done.kept, ["a stays: wine version 3 was made from it. Delete the version first."]);
    world.sql("DELETE FROM model_versions").await;
    let done = purge(&world.app, &auth(action::Administer), Wish::These(runs(&["a"])), "a").await.unwrap();
    assert_eq!((done.runs, world.on_disk()), (1, 0));
}

#[tokio::test]
async fn nothing_goes_without_the_right_word_or_from_outside_the_trash() {
    let world = World::new();
    world.run("a", b"x").await;
    let refused = discard(&world.app, &auth(action::Develop), runs(&["a"]), "A").await.unwrap_err();
    assert_eq!(refused.code, drydock_wire::ErrorCode::Refused);
    let done = purge(&world.app, &auth(action::Administer), Wish::These(runs(&["a"])), "a").await.unwrap();
    assert_eq!(done.runs, 0, "a run that is alive is not purged");
}

#[tokio::test]
async fn a_models_file_goes_with_its_run_and_comes_back_with_it() {
    let world = World::new();
    world.run("a", b"x").await;
    world
        .sql(
            "INSERT INTO logged_models (model_id, experiment_id, name, model_type, source_run_id, status, created_at, updated_at)
             VALUES ('m-1', 0, 'net', '', 'a', 2, 0, 0)",
        )
        .await;
    let done = discard(&world.app, &auth(action::Develop), runs(&["a"]), "a").await.unwrap();
    assert_eq!((done.runs, done.logged_models), (1, 1));
    let (list, total, _) = items(&world.app, &auth_view(), list::Wish::default(), (0, 50)).await.unwrap();
    assert_eq!((total, list[0].kind, list[0].deleted_by.as_deref()), (1, TrashKind::Run, Some("console")));
    let back = restore(&world.app, &auth(action::Develop), Wish::These(runs(&["a"]))).await.unwrap();
    assert_eq!((back.runs, back.logged_models), (1, 1));
}

#[tokio::test]
async fn an_experiment_is_one_entry_and_its_runs_come_back_with_it() {
    let world = World::new();
    world.run("a", b"x").await;
    world.sql("INSERT INTO experiments (id, name, artifact_location, created_at, updated_at) VALUES (7, 'seven', 'mlflow-artifacts:/7', 0, 0);
               UPDATE runs SET experiment_id = 7").await;
    let seven = || Chosen { experiments: vec![7], with_models: true, ..Chosen::default() };
    discard(&world.app, &auth(action::Develop), seven(), "seven").await.unwrap();
    let (list, total, _) = items(&world.app, &auth_view(), list::Wish::default(), (0, 50)).await.unwrap();
    assert_eq!((total, list[0].runs, list[0].name.as_str()), (1, 1, "seven"));
    let inside = restore(&world.app, &auth(action::Develop), Wish::These(runs(&["a"]))).await.unwrap_err();
    assert_eq!(inside.code, drydock_wire::ErrorCode::Conflict);
    let back = restore(&world.app, &auth(action::Develop), Wish::These(seven())).await.unwrap();
    assert_eq!((back.experiments, back.runs), (1, 1));
}

/// Rows of traces and of what belongs to them, and the bytes that objects refer to.
#[derive(Debug, PartialEq, Eq, diesel::QueryableByName)]
struct TraceRows {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    traces: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    beside: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    spans: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    chunks: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    assessments: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    objects: i64,
}

impl World {
    /// A trace with two spans, a judgement, a tag and an attachment of that content.
    async fn trace(&self, experiment: i64, id: &'static str, attachment: &[u8]) {
        use drydock_wire::{
            KeyValue,
            import::{ForeignAssessment, ForeignTrace},
        };
        let span = |number: u64, parent: &str| {
            format!(
                r#"{{"span_id": "{number:016x}", "parent_span_id": {parent}, "name": "s", "start_time_unix_nano": 1,
                "end_time_unix_nano": 2, "attributes": {{}}, "status": {{"code": "STATUS_CODE_OK"}}}}"#
            )
        };
        let foreign = ForeignTrace {
            id: id.into(),
            experiment_id: experiment.to_string(),
            state: "OK".into(),
            tags: vec![KeyValue { key: "k".into(), value: "v".into() }],
            metadata: vec![KeyValue { key: "mlflow.sourceRun".into(), value: "a".into() }],
            spans: vec![span(1, "null"), span(2, r#""0000000000000001""#)],
            assessments: vec![ForeignAssessment {
                id: format!("a-{id}"),
                name: "good".into(),
                kind: "feedback".into(),
                value: "true".into(),
                error: None,
                source_type: "HUMAN".into(),
                source_id: None,
                span_id: None,
                rationale: None,
                metadata: vec![],
                overrides: None,
                valid: true,
                created_at: 1,
                updated_at: 1,
            }],
            ..ForeignTrace::default()
        };
        let ready = crate::traces::Arriving::read(foreign).unwrap();
        self.app.db.write(move |conn| crate::traces::import_trace(conn, &ready, None)).await.unwrap();
        let blob = self.app.objects.put_bytes(Bytes::copy_from_slice(attachment)).await.unwrap();
        let key = format!("{experiment}/traces/{id}/artifacts/attachments/x");
        self.app.objects.link(ARTIFACT_BUCKET, &key, &blob.digest).await.unwrap();
    }

    async fn trace_rows(&self) -> TraceRows {
        use diesel::RunQueryDsl;
        let count = "SELECT (SELECT count(*) FROM traces) AS traces,
            (SELECT count(*) FROM trace_tags) + (SELECT count(*) FROM trace_metadata) + (SELECT count(*) FROM trace_links)
              AS beside, (SELECT count(*) FROM spans) AS spans, (SELECT count(*) FROM span_chunks) AS chunks,
            (SELECT count(*) FROM assessments) AS assessments, (SELECT count(*) FROM objects) AS objects";
        let read = move |conn: &mut Conn| diesel::sql_query(count).get_result(conn).map_err(Error::internal);
        self.app.db.read(read).await.unwrap()
    }
}

#[tokio::test]
async fn an_experiments_traces_come_back_with_it_and_go_for_good_with_it() {
    let world = World::new();
    world
        .sql("INSERT INTO experiments (id, name, artifact_location, created_at, updated_at) VALUES (7, 'seven', 'mlflow-artifacts:/7', 0, 0)")
        .await;
    world.trace(7, "tr-1", &vec![1; 300_000]).await;
    world.trace(7, "tr-2", &vec![2; 200_000]).await;
    world.trace(0, "tr-3", &vec![3; 100_000]).await;
    let (before, on_disk) = (world.trace_rows().await, world.on_disk());
    assert_eq!((before.traces, before.spans, before.assessments, before.objects), (3, 6, 3, 3));
    let seven = || Chosen { experiments: vec![7], with_models: true, ..Chosen::default() };
    let seen = preview(&world.app, &auth(action::Develop), Wish::These(seven())).await.unwrap();
    assert_eq!((seen.traces, seen.files, seen.freed_bytes), (2, 2, 500_000));
    discard(&world.app, &auth(action::Develop), seven(), "seven").await.unwrap();
    assert_eq!((world.trace_rows().await, world.on_disk()), (before, on_disk), "the trash keeps everything");
    restore(&world.app, &auth(action::Develop), Wish::These(seven())).await.unwrap();
    assert_eq!(world.trace_rows().await.traces, 3);
    discard(&world.app, &auth(action::Develop), seven(), "seven").await.unwrap();
    let done = purge(&world.app, &auth(action::Administer), Wish::Everything, "empty the trash").await.unwrap();
    assert_eq!((done.experiments, done.freed_bytes, world.on_disk()), (1, 500_000, 100_000));
    // Of the other experiment's trace nothing went.
    // (`beside`: two tags, one of metadata, the link to its run.)
    let left = TraceRows { traces: 1, beside: 4, spans: 2, chunks: 1, assessments: 1, objects: 1 };
    assert_eq!(world.trace_rows().await, left);
}

#[tokio::test]
async fn experiments_that_share_a_place_lose_nothing_with_each_other() {
    let world = World::new();
    world
        .sql(
            "INSERT INTO experiments (id, name, artifact_location, created_at, updated_at)
              VALUES (7, 'seven', 'mlflow-artifacts:/0', 0, 0)",
        )
        .await;
    world.trace(7, "tr-1", &vec![1; 300_000]).await;
    world.trace(0, "tr-11", &vec![2; 200_000]).await;
    // Where both keep them, and one that no trace has.
    world
        .sql("UPDATE objects SET key = '0' || substr(key, 2) WHERE key LIKE '7/%';
              INSERT INTO objects SELECT bucket, '0/traces/tr-none/x', digest, created_at FROM objects WHERE key LIKE '0/traces/tr-11/%'")
        .await;
    let seven = || Chosen { experiments: vec![7], with_models: true, ..Chosen::default() };
    let seen = preview(&world.app, &auth(action::Develop), Wish::These(seven())).await.unwrap();
    assert_eq!((seen.traces, seen.files, seen.freed_bytes), (1, 1, 300_000));
    discard(&world.app, &auth(action::Develop), seven(), "seven").await.unwrap();
    let done = purge(&world.app, &auth(action::Administer), Wish::These(seven()), "seven").await.unwrap();
    assert_eq!((done.experiments, done.freed_bytes, world.on_disk()), (1, 300_000, 200_000));
    let left = world.trace_rows().await;
    assert_eq!((left.traces, left.objects), (1, 2));
}
