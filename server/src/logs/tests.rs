#![allow(clippy::unwrap_used)]
use drydock_wire::logs::LogEntry;

use super::{index::Window, tasks::Indexer, *};
use crate::{
    app::testing::app_in,
    background::Task,
    config::{Disk, Limits},
    objects::Objects,
    spool::{Bounds, Kind, Line},
};

fn opened(app: &App) -> Logs {
    Logs::open(&app.data_dir, &app.config.logs, u64::MAX).unwrap()
}

/// Writes lines of Drydock itself down, as `own` does.
async fn written(app: &App, texts: &[&str]) {
    let mut spool = app.spools.write(own::LOG, Bounds::of(1 << 20)).await.unwrap();
    spool.begin("").await.unwrap();
    for text in texts {
        let at_ns = crate::clock::now_ms() * 1_000_000;
        spool.push(&Line { at_ns, kind: Kind::Out, text: (*text).into() });
    }
    spool.flush().await.unwrap();
}

async fn all(logs: &Logs) -> Vec<String> {
    let question = index::Question::everything(Sight::ALL);
    let found = logs.look(move |index| index.oldest(&question, Window::of(&question), 100)).await.unwrap();
    found.0.into_iter().map(|line: LogEntry| line.message).collect()
}

#[tokio::test]
async fn lines_are_taken_in_once_whatever_ends_between_the_commit_and_the_rows() {
    let dir = tempfile::tempdir().unwrap();
    let app = app_in(dir.path(), Limits::default());
    let logs = opened(&app);
    let indexer = Indexer::new(app.clone(), logs.clone());
    written(&app, &["one", "two"]).await;
    indexer.run().await.unwrap();
    written(&app, &["three"]).await;
    // nobody writes it now: it is looked at all the same, a little later
    let again = Indexer::new(app.clone(), logs.clone());
    again.run().await.unwrap();
    again.run().await.unwrap();
    assert_eq!(all(&logs).await, ["one", "two", "three"]);
    // killed before the row was written: the commit has said it
    app.db.write(|conn| store::forget(conn, "another index", 0)).await.unwrap();
    drop((indexer, again, logs));
    let logs = opened(&app);
    recover(&app, &logs).await.unwrap();
    written(&app, &["four"]).await;
    Indexer::new(app.clone(), logs.clone()).run().await.unwrap();
    assert_eq!(all(&logs).await, ["one", "two", "three", "four"]);
}

#[tokio::test]
async fn below_the_floor_nothing_is_taken_in_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let app = app_in(dir.path(), Limits::default());
    let logs = opened(&app);
    written(&app, &["waits"]).await;
    let full = Disk { floor_bytes: Some(u64::MAX), ..Disk::default() };
    let objects = Objects::open_as_set(app.db.clone(), dir.path(), &app.config.objects, &full, "test").await.unwrap();
    let indexer = Indexer::new(App { objects, ..app.clone() }, logs.clone());
    indexer.run().await.unwrap();
    assert!(all(&logs).await.is_empty());
    assert!(logs.paused.lock().unwrap().as_ref().is_some_and(|why| why.contains("floor")));
    Indexer::new(app.clone(), logs.clone()).run().await.unwrap();
    assert_eq!(all(&logs).await, ["waits"]);
    assert!(logs.paused.lock().unwrap().is_none());
}
