//! Promises of deployments' rows: what a PUT means, what a promotion does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use drydock_wire::{jobs::Resources, serving::ServedBy};
use serde_json::json;

use super::gateway::meter::{Meter, Outcome};
use super::rules::{RevisionState, Run};
use super::*;
use crate::db::{Conn, testing::connection};

fn wish(version: i64) -> Wish {
    Wish {
        model: "wine".into(),
        version,
        resources: Resources::default(),
        served_by: ServedBy::default(),
        release: None,
    }
}

fn put_version(conn: &mut Conn, version: i64) -> Option<i64> {
    let (number, is_new) = put_rows(conn, ("default", "wine"), &wish(version), "ann").unwrap();
    is_new.then_some(number)
}

fn revision(conn: &mut Conn, number: i64) -> RevisionRow {
    let row = store::find(conn, "wine").unwrap().unwrap();
    store::revisions_of(conn, &row.id).unwrap().into_iter().find(|it| it.number == number).unwrap()
}

fn make_live(conn: &mut Conn, number: i64) {
    let row = revision(conn, number);
    store::advance(conn, &row.id, RevisionState::Placing, RevisionState::Starting, None).unwrap();
    let run = Run { address: "10.0.0.2:8080".parse().unwrap(), started_at: number };
    tasks::revision::promote(conn, &row, run).unwrap();
}

fn states(conn: &mut Conn) -> Vec<(i64, &'static str)> {
    let row = store::find(conn, "wine").unwrap().unwrap();
    let revisions = store::revisions_of(conn, &row.id).unwrap();
    revisions.iter().map(|it| (it.number, it.state().unwrap().as_str())).collect()
}

#[test]
fn the_same_wish_again_makes_no_revision() {
    let conn = &mut connection();
    assert_eq!(put_version(conn, 1), Some(1));
    assert_eq!(put_version(conn, 1), None);
    make_live(conn, 1);
    assert_eq!(put_version(conn, 1), None);
    let more = Wish { resources: Resources { cpus: 2.0, ..Resources::default() }, ..wish(1) };
    assert_eq!(put_rows(conn, ("default", "wine"), &more, "ann").unwrap(), (2, true));
    assert_eq!(put_rows(conn, ("default", "wine"), &more, "ann").unwrap(), (2, false));
}

#[test]
fn an_image_that_docker_could_not_be_asked_for_makes_no_revision() {
    let conn = &mut connection();
    let of = |image: &str, id: Option<&str>| {
        let runtime = json!({ "kind": "image", "image": image, "image_id": id, "port": 80 });
        Wish { served_by: serde_json::from_value(json!({ "runtime": runtime })).unwrap(), ..wish(1) }
    };
    let mut put = |image, id| put_rows(conn, ("default", "wine"), &of(image, id), "ann").unwrap();
    assert_eq!(put("a:1", Some("sha256:1")), (1, true));
    assert_eq!(put("a:1", None), (1, false), "Docker is away");
    assert_eq!(put("a:1", Some("sha256:2")), (2, true), "another image has the name now");
    assert_eq!(put("b:1", None), (3, true));
}

#[test]
fn a_promotion_brings_one_in_and_the_other_out() {
    let conn = &mut connection();
    put_version(conn, 1);
    make_live(conn, 1);
    put_version(conn, 2);
    assert_eq!(states(conn), [(2, "placing"), (1, "live")]);
    assert_eq!(deployments_of_version(conn, "wine", 1).unwrap(), ["wine"]);
    make_live(conn, 2);
    assert_eq!(states(conn), [(2, "live"), (1, "draining")]);
    assert!(deployments_of_version(conn, "wine", 1).unwrap().is_empty());
    assert_eq!(revision(conn, 1).routed(), None);
    assert_eq!(counts(conn).unwrap(), (1, 1));
}

#[test]
fn wishing_back_what_still_serves_drops_what_was_on_its_way() {
    let conn = &mut connection();
    put_version(conn, 1);
    make_live(conn, 1);
    put_version(conn, 2);
    assert_eq!(put_version(conn, 1), None);
    assert_eq!(store::find(conn, "wine").unwrap().unwrap().goal, 1);
    // the overtaken one may answer now: it must not come in
    make_live(conn, 2);
    assert_eq!(states(conn), [(2, "starting"), (1, "live")]);
}

#[test]
fn a_failed_version_can_be_tried_again() {
    let conn = &mut connection();
    put_version(conn, 1);
    let first = revision(conn, 1);
    store::advance(conn, &first.id, RevisionState::Placing, RevisionState::Failing, Some("why")).unwrap();
    assert_eq!(put_version(conn, 1), Some(2));
}

#[test]
fn nothing_is_put_into_a_deployment_that_goes_away() {
    let conn = &mut connection();
    put_version(conn, 1);
    let row = store::find(conn, "wine").unwrap().unwrap();
    store::set_deleting(conn, &row.id, 1).unwrap();
    assert!(put_rows(conn, ("default", "wine"), &wish(1), "ann").is_err());
    make_live(conn, 1);
    assert_eq!(states(conn), [(1, "starting")]);
}

#[test]
fn a_step_decided_on_an_old_state_does_nothing() {
    let conn = &mut connection();
    put_version(conn, 1);
    make_live(conn, 1);
    let row = revision(conn, 1);
    assert!(!store::advance(conn, &row.id, RevisionState::Starting, RevisionState::Failing, Some("late")).unwrap());
    assert_eq!((states(conn), revision(conn, 1).reason), (vec![(1, "live")], None));
}

#[test]
fn traffic_comes_back_from_the_database_and_goes_with_its_deployment() {
    let conn = &mut connection();
    put_version(conn, 1);
    let row = store::find(conn, "wine").unwrap().unwrap();
    let (meter, now) = (Meter::default(), 1_000_000_000);
    for ms in [10, 20, 500] {
        meter.record(now, Outcome { status: Some(200), took: Some(Duration::from_millis(ms)) });
    }
    let kept = meter.to_flush(now).unwrap();
    store::keep_traffic(conn, &row.id, &kept).unwrap();
    store::keep_traffic(conn, &row.id, &kept).unwrap();
    let row = store::find(conn, "wine").unwrap().unwrap();
    let again = Meter::restored(store::kept_traffic(conn, &row, 0).unwrap());
    assert_eq!((again.traffic(now), again.totals(now)), (meter.traffic(now), (3, 0)));
    store::delete(conn, &row.id).unwrap();
    store::keep_traffic(conn, &row.id, &kept).unwrap();
    assert!(store::all(conn).unwrap().is_empty());
}
