//! Promises of the rows: the same cause makes one run, a step out of date does nothing, an end cancels what goes.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use diesel::connection::SimpleConnection;
use drydock_wire::pipelines::{RunCause, TaskState};

use super::{
    rules::admit::Turn,
    store::{PipelineRow, VersionRow, runs},
    tasks::steps,
    *,
};
use crate::db::testing::connection;

fn world(tasks: &str) -> (Conn, PipelineRow) {
    let mut conn = connection();
    let person =
        "INSERT INTO people (id, username, password_hash, role, created_at) VALUES ('p1', 'ann', '', 'engineer', 0)";
    conn.batch_execute(person).unwrap();
    let yaml = format!("name: x\nparameters: {{ a: 1 }}\ntasks:\n{tasks}");
    let (spec, problems) = schema::read(&yaml);
    assert_eq!(problems, []);
    let row = PipelineRow {
        id: "pl".into(),
        name: "x".into(),
        paused: false,
        last_version: 1,
        last_run: 0,
        created_at: 0,
        updated_at: 0,
    };
    store::insert(&mut conn, "default", &row).unwrap();
    let version = VersionRow {
        pipeline_id: "pl".into(),
        version: 1,
        yaml,
        spec: serde_json::to_string(&spec.unwrap()).unwrap(),
        author_id: "p1".into(),
        created_at: 0,
    };
    store::insert_version(&mut conn, &version).unwrap();
    (conn, row)
}

fn start(conn: &mut Conn, row: &PipelineRow, dedupe: Option<&str>) -> Option<runs::RunRow> {
    let new = NewRun {
        version: None,
        given: BTreeMap::new(),
        cause: RunCause::Person,
        dedupe: dedupe.map(str::to_owned),
        person_id: "p1",
    };
    starting::start_on(conn, row, new).unwrap()
}

const TWO: &str = "  a: { approval: {} }\n  b: { needs: [a], approval: {} }\n";

#[test]
fn the_same_cause_makes_one_run_and_numbers_have_no_gaps() {
    let (mut conn, row) = world(TWO);
    assert_eq!(start(&mut conn, &row, Some("s/1")).unwrap().number, 1);
    assert!(start(&mut conn, &row, Some("s/1")).is_none());
    assert_eq!(start(&mut conn, &row, Some("s/2")).unwrap().number, 2);
    assert_eq!(start(&mut conn, &row, None).unwrap().number, 3);
}

#[test]
fn parameters_are_known_and_complete() {
    let (spec, _) = schema::read("name: x\nparameters: { a: 1, b: null }\ntasks:\n  t: { approval: {} }\n");
    let spec = spec.unwrap();
    let with = |name: &str| starting::parameters(&spec, BTreeMap::from([(name.to_owned(), json!(2))]));
    assert_eq!(with("b").unwrap(), BTreeMap::from([("a".to_owned(), json!(1)), ("b".to_owned(), json!(2))]));
    assert!(with("c").unwrap_err().contains("has no parameter c; it has a, b"));
    assert!(with("a").unwrap_err().contains("b has no default"));
}

#[test]
fn a_step_out_of_date_does_nothing() {
    let (mut conn, row) = world(TWO);
    let run = start(&mut conn, &row, None).unwrap();
    steps::turn(&mut conn, Turn::Start { id: run.id.clone() }).unwrap();
    let seen = running::load(&mut conn, &run.id).unwrap();
    let first = seen.tries.iter().find(|row| row.task == "a").unwrap();
    assert!(steps::same(&mut conn, first).unwrap().is_some());
    let mut changed = first.clone();
    steps::ended(&mut changed, TaskState::Skipped, None, 1);
    runs::save_task(&mut conn, &changed).unwrap();
    assert!(steps::same(&mut conn, first).unwrap().is_none(), "its state is another one");
    runs::insert_task(&mut conn, &runs::TaskRow::waiting(&run.id, "a", None, 2)).unwrap();
    assert!(steps::same(&mut conn, &changed).unwrap().is_none(), "there is a later try");
    let second = seen.tries.iter().find(|row| row.task == "b").unwrap();
    steps::end_run(&mut conn, &run.id, RunState::Cancelled, None).unwrap();
    assert!(steps::same(&mut conn, second).unwrap().is_none(), "the run has ended");
}

#[test]
fn an_end_leaves_nothing_that_goes_and_comes_once() {
    let (mut conn, row) = world(TWO);
    let run = start(&mut conn, &row, None).unwrap();
    assert!(steps::end_run(&mut conn, &run.id, RunState::Failed, Some("time".into())).unwrap().is_some());
    assert!(steps::end_run(&mut conn, &run.id, RunState::Succeeded, None).unwrap().is_none());
    let loaded = running::load(&mut conn, &run.id).unwrap();
    assert!(loaded.tries.iter().all(|row| row.state == "cancelled" && row.reason.as_deref() == Some("time")));
    assert_eq!((loaded.row.state.as_str(), loaded.row.reason.as_deref()), ("failed", Some("time")));
}

#[test]
fn a_run_that_was_cleared_meanwhile_is_not_ended() {
    let (mut conn, row) = world(TWO);
    let run = start(&mut conn, &row, None).unwrap();
    steps::turn(&mut conn, Turn::Start { id: run.id.clone() }).unwrap();
    let finish = |conn: &mut Conn| {
        for mut task in runs::latest(&runs::tries(conn, &run.id).unwrap()) {
            steps::ended(&mut task, TaskState::Succeeded, None, 1);
            runs::save_task(conn, &task).unwrap();
        }
    };
    finish(&mut conn);
    let seen = running::load(&mut conn, &run.id).unwrap();
    let who = crate::app::testing::somebody("ann");
    let wish = ClearTask { task: "b".into(), downstream: true };
    changing::clear(&mut conn, &who, &run.id, &wish).unwrap();
    assert!(steps::end_as_seen(&mut conn, &seen, RunState::Succeeded, None).unwrap().is_none());
    assert_eq!(runs::require(&mut conn, &run.id).unwrap().state, "running");
    finish(&mut conn);
    let seen = running::load(&mut conn, &run.id).unwrap();
    assert!(steps::end_as_seen(&mut conn, &seen, RunState::Succeeded, None).unwrap().is_some());
}

#[test]
fn nobody_is_told_of_what_nobody_waits_for() {
    let (mut conn, row) = world(TWO);
    tell(&mut conn, TriggerKind::Drift, "wine", json!({})).unwrap();
    assert!(starts::new_events(&mut conn).unwrap().is_empty());
    let trigger = starts::TriggerRow {
        id: "t".into(),
        pipeline_id: row.id,
        kind: "drift".into(),
        subject: "wine".into(),
        state: None,
        parameters: "{}".into(),
        sealed_token: None,
        person_id: "p1".into(),
    };
    starts::insert_trigger(&mut conn, &trigger).unwrap();
    tell(&mut conn, TriggerKind::Drift, "wine", json!({ "share": 0.3 })).unwrap();
    tell(&mut conn, TriggerKind::Drift, "beer", json!({})).unwrap();
    let new = starts::new_events(&mut conn).unwrap();
    assert_eq!(new.len(), 1);
    assert!(starts::take_event(&mut conn, new[0].id, 5).unwrap());
    assert!(!starts::take_event(&mut conn, new[0].id, 6).unwrap(), "once");
    starts::forget_events(&mut conn, 6).unwrap();
}

#[test]
fn a_finding_starts_no_pipeline_that_its_deployment_s_maker_may_not_start() {
    let (mut conn, _) = world(TWO);
    let detail = json!({ "until_at": 1 });
    let started = drifted(&mut conn, "wine", &detail, Some("x"), "ann").unwrap();
    assert_eq!((started.pipelines, started.problem), (vec!["x".to_owned()], None));
    // nor with more than the token was good for that made it
    conn.batch_execute("INSERT INTO limits (kind, id, role) VALUES ('deployment', 'tight', 'viewer')").unwrap();
    let started = drifted(&mut conn, "tight", &detail, Some("x"), "ann").unwrap();
    assert!(started.pipelines.is_empty() && started.problem.is_some());
    conn.batch_execute(
        "INSERT INTO projects (id, name, created_at, private) VALUES ('vault', 'Vault', 0, 1);
         UPDATE pipelines SET project_id = 'vault' WHERE id = 'pl'",
    )
    .unwrap();
    let started = drifted(&mut conn, "other", &detail, Some("x"), "ann").unwrap();
    assert!(started.pipelines.is_empty() && started.problem.is_some());
}
