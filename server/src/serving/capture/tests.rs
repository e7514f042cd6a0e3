#![allow(clippy::unwrap_used, reason = "a test")]
//! Capture over a real database and real objects: nothing listens, and the writer is called by hand.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use diesel::connection::SimpleConnection;
use drydock_wire::serving::{Capture, Feedback};
use serde_json::{Value, json};

use super::tap::{Plan, Tap};
use super::views::{Place, Status, Wanted};
use super::*;
use crate::accounts::projects::{Kind, Subject, subjects};
use crate::app::testing::app_in;
use crate::serving::store::DeploymentRow;

struct World {
    app: App,
    row: DeploymentRow,
    _dir: tempfile::TempDir,
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let app = app_in(dir.path(), crate::config::Limits::default());
    let row = app
        .db
        .write(|conn| {
            crate::accounts::console_create_admin(conn, "ada", "a long enough password")?;
            let row = DeploymentRow {
                id: "id-wine".into(),
                name: "wine".into(),
                goal: 1,
                deleting: false,
                created_at: 1,
                created_by: "ada".into(),
                updated_at: 1,
                total_requests: 0,
                total_errors: 0,
                settings: "{}".into(),
                alias: None,
                wanted_replicas: None,
            };
            crate::serving::store::insert(conn, "default", &row)?;
            Ok(row)
        })
        .await
        .unwrap();
    World { app, row, _dir: dir }
}

impl World {
    fn plan(&self, capture: &Capture) -> Arc<Plan> {
        Arc::new(Plan::new(&self.row.id, capture))
    }

    /// A request with its answer, as the gateway would see it pass.
    fn ask(&self, plan: &Arc<Plan>, id: &str, status: u16, body: Value, answer: Value) {
        let mut tap = Tap::on(&collector(&self.app), plan, id.to_owned(), Some("ann".to_owned())).unwrap();
        tap.translated(&Bytes::from(body.to_string()), answer.to_string().as_bytes());
        tap.ended((1, "wine", 3), Some(status));
    }

    async fn page(
        &self,
        status: Option<&str>,
        limit: usize,
        before: Option<String>,
    ) -> drydock_wire::serving::CapturedPage {
        let wanted = Wanted {
            status: status.map(|text| Status::parse(text).unwrap()),
            revision: None,
            limit,
            before: before.map(|text| Place::parse(&text).unwrap()),
        };
        views::rows(&self.app, &collector(&self.app), &self.row, wanted).await.unwrap()
    }

    async fn feedback(&self, sent: Value) -> Result<drydock_wire::serving::FeedbackTaken> {
        let sent: Vec<Feedback> = serde_json::from_value(sent).unwrap();
        feedback::take(&self.app, &collector(&self.app), &self.row.id, sent, "ann").await
    }
}

#[tokio::test]
async fn pages_go_on_where_they_ended_while_rows_become_files() {
    let world = world().await;
    let plan = world.plan(&Capture::default());
    for n in 0..10 {
        let status = if n == 4 { 500 } else { 200 };
        world.ask(&plan, &format!("r{n}"), status, json!({ "instances": [n, n] }), json!({ "predictions": [n, n] }));
        if n == 5 {
            flush(&world.app).await.unwrap();
        }
    }
    let first = world.page(None, 3, None).await;
    let ids: Vec<_> = first.rows.iter().map(|row| (row.request_id.as_str(), row.row)).collect();
    assert_eq!(ids, [("r9", 1), ("r9", 0), ("r8", 1)]);
    assert_eq!((first.state.files, first.state.rows, first.state.waiting_rows), (1, 12, 8));
    // what was in no file is in one now
    flush(&world.app).await.unwrap();
    let (mut seen, mut next) = (3, first.next);
    let mut last = vec![];
    while let Some(before) = next {
        let page = world.page(None, 3, Some(before)).await;
        seen += page.rows.len();
        last.extend(page.rows.iter().map(|row| format!("{}/{}", row.request_id, row.row)));
        next = page.next;
    }
    assert_eq!(
        (seen, last.first().map(String::as_str), last.last().map(String::as_str)),
        (20, Some("r8/0"), Some("r0/0"))
    );
    let failed = world.page(Some("error"), 50, None).await;
    assert_eq!((failed.rows.len(), failed.rows[0].predictions.len(), failed.rows[0].inputs.len()), (2, 0, 1));
    assert!(failed.rows[0].error.as_deref().unwrap().contains("predictions"));
    let files = views::files(&world.app, &world.row).await.unwrap();
    assert!(files.items[0].key.starts_with("wine/") && files.total == 2, "{files:?}");
}

#[tokio::test]
async fn feedback_meets_its_prediction_before_or_after_it_is_in_a_file() {
    let world = world().await;
    let plan = world.plan(&Capture::default());
    world.ask(&plan, "in-file", 200, json!({ "instances": [1] }), json!({ "predictions": ["cat"] }));
    flush(&world.app).await.unwrap();
    world.ask(&plan, "in-memory", 200, json!({ "instances": [1, 2] }), json!({ "predictions": ["cat", "dog"] }));
    let taken = world
        .feedback(json!([
            { "request_id": "in-file", "truth": "cat" },
            { "request_id": "in-memory", "truth": ["cat", "cat"] },
            { "request_id": "later", "truth": "dog" },
            { "request_id": "odd", "truth": [1, 2, 3] },
        ]))
        .await
        .unwrap();
    assert_eq!((taken.joined, taken.waiting), (3, 2));
    let wrong = world
        .feedback(json!([{ "request_id": "late", "truth": 1 }, { "request_id": "in-memory", "truth": "cat" }]))
        .await;
    assert!(wrong.unwrap_err().message.contains("Item 1"));
    world.ask(&plan, "later", 200, json!({ "instances": [1] }), json!({ "predictions": ["dog"] }));
    world.ask(&plan, "odd", 200, json!({ "instances": [1] }), json!({ "predictions": ["dog"] }));
    flush(&world.app).await.unwrap();
    let report = views::quality(&world.app, &world.row, 1).await.unwrap();
    assert_eq!((report.all.count, report.all.accuracy, report.waiting, report.refused), (4, Some(0.75), 0, 1));
    assert!(report.refusal.unwrap().contains("3 values"));
    assert_eq!((report.revisions.len(), report.revisions[0].version), (1, 3));
    // said again: the newer word counts
    world.feedback(json!([{ "request_id": "in-memory", "row": 1, "truth": "dog" }])).await.unwrap();
    assert_eq!(views::quality(&world.app, &world.row, 1).await.unwrap().all.accuracy, Some(1.0));
}

#[tokio::test]
async fn no_more_is_kept_than_fits_and_the_rest_is_counted() {
    let world = world().await;
    let plan = world.plan(&Capture { mask: vec!["secret".to_owned()], ..Capture::default() });
    let long = "x".repeat(tap::COPIED_BYTES / 2);
    for n in 0..160 {
        world.ask(&plan, &format!("r{n}"), 200, json!({ "text": long, "secret": 1 }), json!({ "predictions": [1] }));
    }
    let collector = collector(&world.app);
    collector.settled().await;
    let (captured, dropped) = collector.totals();
    assert_eq!(captured + dropped, 160);
    assert_eq!(collector.dropped(&world.row.id), dropped);
    let page = world.page(None, 1, None).await;
    assert_eq!(page.rows[0].inputs.keys().collect::<Vec<_>>(), ["text"]);
    // nothing of the sample, nothing kept
    let none =
        Tap::on(&collector, &world.plan(&Capture { sample_percent: 0.0, ..Capture::default() }), "r".into(), None);
    assert!(none.is_none());
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test]
async fn files_beyond_the_limits_leave_bucket_and_list() {
    let world = world().await;
    let plan = world.plan(&Capture::default());
    for n in 0..3 {
        world.ask(&plan, &format!("r{n}"), 200, json!({ "instances": [1] }), json!({ "predictions": [1] }));
        flush(&world.app).await.unwrap();
    }
    let files = views::files(&world.app, &world.row).await.unwrap();
    let limits = |max_bytes| {
        std::collections::HashMap::from([(world.row.id.clone(), Capture { max_bytes, ..Capture::default() })])
    };
    super::files::prune(&world.app, &limits(files.items[0].size_bytes)).await.unwrap();
    let left = views::files(&world.app, &world.row).await.unwrap();
    assert_eq!((left.items.len(), &left.items[0].key), (1, &files.items[0].key));
    assert!(super::files::read_key(&world.app, BUCKET, &files.items[2].key).await.unwrap().is_none());
    assert_eq!(super::files::read_key(&world.app, BUCKET, &left.items[0].key).await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn each_project_has_a_bucket_of_its_own() {
    let world = world().await;
    let private = |conn: &mut Conn| {
        conn.batch_execute(
            "INSERT INTO projects (id, name, created_at, private) VALUES ('vault', 'Vault', 0, 1);
             UPDATE deployments SET project_id = 'vault'",
        )
        .map_err(Error::internal)
    };
    world.app.db.write(private).await.unwrap();
    let plan = world.plan(&Capture::default());
    world.ask(&plan, "r1", 200, json!({ "instances": [1] }), json!({ "predictions": [1] }));
    flush(&world.app).await.unwrap();
    let files = views::files(&world.app, &world.row).await.unwrap();
    assert_eq!(files.items[0].bucket, "drydock-captured-vault");
    assert_eq!(world.page(None, 1, None).await.state.bucket, "drydock-captured-vault");
    let subject = Subject::new(Kind::Bucket, "drydock-captured-vault");
    let project = world.app.db.read(move |conn| subjects::project_of(conn, &subject)).await.unwrap();
    assert_eq!(project.as_deref(), Some("vault"));
    // one of that name that somebody made elsewhere gets nothing
    let moved = |conn: &mut Conn| {
        conn.batch_execute("UPDATE buckets SET project_id = 'default' WHERE name = 'drydock-captured-vault'")
            .map_err(Error::internal)
    };
    world.app.db.write(moved).await.unwrap();
    world.ask(&plan, "r2", 200, json!({ "instances": [1] }), json!({ "predictions": [1] }));
    assert!(flush(&world.app).await.unwrap_err().message.contains("another project's"));
}

#[test]
fn names_of_buckets_fit_and_differ() {
    assert_eq!(bucket_of("default"), "drydock-captured");
    let long = |last: &str| bucket_of(&format!("{}{last}", "x".repeat(60)));
    assert_eq!(long("a").len(), 63);
    assert_ne!(long("a"), long("b"));
    assert!(crate::storage::rules::check_bucket_name(&long("a")).is_ok());
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let wrong = |capture: Capture| check(&capture).unwrap_err().message;
    assert!(check(&Capture::default()).is_ok());
    assert!(wrong(Capture { sample_percent: 0.0, ..Capture::default() }).contains("above 0"));
    assert!(wrong(Capture { sample_percent: f64::NAN, ..Capture::default() }).contains("above 0"));
    assert!(wrong(Capture { max_bytes: 1, ..Capture::default() }).contains("1 MiB"));
    let watch: DriftWatch = serde_json::from_value(json!({ "window_minutes": 0 })).unwrap();
    assert!(wrong(Capture { drift: Some(watch), ..Capture::default() }).contains("window_minutes"));
}
