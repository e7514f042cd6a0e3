#![allow(clippy::unwrap_used)]
use super::*;

fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.into(), value: value.into() }
}

fn run() -> ForeignRun {
    let mut series = ForeignSeries { key: "loss".into(), ..ForeignSeries::default() };
    series.push(0, 1, 0.5);
    series.push(1, 2, f64::NAN);
    ForeignRun {
        id: "0123456789abcdef0123456789abcdef".into(),
        experiment_id: "0".into(),
        name: "r".into(),
        status: "FINISHED".into(),
        started_at: 1,
        ended_at: Some(5),
        params: vec![pair("p", "1")],
        tags: vec![pair("t", "1")],
        metrics: vec![series],
        datasets: vec![ForeignDataset {
            name: "d".into(),
            digest: "x".into(),
            source_type: "local".into(),
            source: "{}".into(),
            schema: None,
            profile: None,
            tags: vec![pair("mlflow.data.context", "training")],
        }],
        ..ForeignRun::default()
    }
}

#[test]
fn a_run_whose_folder_is_anothers_is_refused() {
    let conn = &mut crate::db::testing::connection();
    experiments::insert(conn, "default", "other", Some("mlflow-artifacts:/0/theirs/deep/"), 1).unwrap();
    for id in ["models", "traces", "theirs"] {
        let there = ForeignRun { id: id.into(), ..run() };
        assert!(import_run(conn, &there, None, 9).is_err(), "{id}");
    }
    for id in ["their", "models2", "deep"] {
        let there = ForeignRun { id: id.into(), ..run() };
        assert_eq!(import_run(conn, &there, None, 9).unwrap().taken, Taken::New, "{id}");
    }
}

#[test]
fn a_run_that_comes_again_grew_only_if_it_did() {
    let conn = &mut crate::db::testing::connection();
    let mut last = import_run(conn, &run(), None, 9).unwrap();
    assert_eq!(last.taken, Taken::New);
    last = import_run(conn, &run(), Some(&last.marks), 9).unwrap();
    assert_eq!(last.taken, Taken::Same);
    let grown: [fn(&mut ForeignRun); 5] = [
        |run| run.tags[0].value = "2".into(),
        |run| run.metrics[0].push(2, 3, 0.25),
        |run| run.params.push(pair("q", "2")),
        |run| run.ended_at = Some(6),
        |run| run.datasets[0].digest = "y".into(),
    ];
    let mut there = run();
    for grow in grown {
        grow(&mut there);
        for expected in [Taken::Grown, Taken::Same] {
            last = import_run(conn, &there, Some(&last.marks), 9).unwrap();
            assert_eq!(last.taken, expected, "{there:?}");
        }
    }
}

#[test]
fn a_tag_that_was_edited_here_stays_when_its_run_comes_again() {
    let conn = &mut crate::db::testing::connection();
    let mut there = run();
    there.tags.push(pair("other", "1"));
    let first = import_run(conn, &there, None, 9).unwrap();
    let row = runs::find(conn, &there.id).unwrap().unwrap().row;
    runs::set_tag(conn, row, "t", "mine").unwrap();
    there.tags[0].value = "2".into();
    there.tags[1].value = "2".into();
    let second = import_run(conn, &there, Some(&first.marks), 9).unwrap();
    assert_eq!((second.taken, second.left_alone), (Taken::Grown, 1));
    let mut value = |key: &str| runs::tag(conn, row, key).unwrap().unwrap();
    assert_eq!((value("t"), value("other")), ("mine".into(), "2".into()));
}

#[test]
fn a_logged_model_that_comes_again_grew_only_if_it_did() {
    let conn = &mut crate::db::testing::connection();
    let mut there = ForeignLoggedModel {
        id: "m-0123456789abcdef0123456789abcdef".into(),
        experiment_id: "0".into(),
        name: "net".into(),
        model_type: String::new(),
        source_run_id: None,
        status: 2,
        created_at: 1,
        updated_at: 1,
        deleted: false,
        params: vec![pair("p", "1")],
        tags: vec![pair("t", "1")],
        metrics: Vec::new(),
    };
    let mut last = import_logged_model(conn, &there, None, 9).unwrap();
    assert_eq!(last.taken, Taken::New);
    last = import_logged_model(conn, &there, Some(&last.marks), 9).unwrap();
    assert_eq!(last.taken, Taken::Same);
    there.tags[0].value = "2".into();
    last = import_logged_model(conn, &there, Some(&last.marks), 9).unwrap();
    assert_eq!((last.taken, last.left_alone), (Taken::Grown, 0));
    let row = logged_models::find(conn, &there.id).unwrap().unwrap().row;
    logged_models::set_tag(conn, row, "t", "mine").unwrap();
    there.tags[0].value = "3".into();
    last = import_logged_model(conn, &there, Some(&last.marks), 9).unwrap();
    assert_eq!((last.taken, last.left_alone), (Taken::Same, 1));
    assert_eq!(logged_models::find(conn, &there.id).unwrap().unwrap().tags, [("t".into(), "mine".into())]);
}
