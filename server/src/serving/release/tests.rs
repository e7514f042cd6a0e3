//! Promises of a release's rows: who gets requests after each transaction.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use drydock_wire::serving::{BlueGreen, KEEP_OLD_S};
use drydock_wire::{jobs::Resources, serving::ServedBy};

use super::*;
use crate::db::testing::connection;
use crate::serving::{put_rows, tasks};

const NOW: i64 = 1_000_000;

fn blue_green() -> ReleasePlan {
    ReleasePlan::BlueGreen(BlueGreen { auto_promote_after_s: None, keep_old_s: KEEP_OLD_S })
}

fn put(conn: &mut Conn, version: i64, plan: Option<ReleasePlan>) -> i64 {
    let wish = Wish {
        model: "wine".into(),
        version,
        resources: Resources::default(),
        served_by: ServedBy::default(),
        release: plan,
    };
    put_rows(conn, ("default", "wine"), &wish, "ann").unwrap().0
}

fn revision(conn: &mut Conn, number: i64) -> RevisionRow {
    let row = revisions::find(conn, "wine").unwrap().unwrap();
    revisions::revisions_of(conn, &row.id).unwrap().into_iter().find(|it| it.number == number).unwrap()
}

fn answers(conn: &mut Conn, number: i64) {
    let row = revision(conn, number);
    revisions::advance(conn, &row.id, RevisionState::Placing, RevisionState::Starting, None).unwrap();
    let run = Run { address: "10.0.0.2:8080".parse().unwrap(), started_at: number };
    tasks::revision::promote(conn, &row, run).unwrap();
}

/// A live revision 1 and a candidate 2.
fn released(conn: &mut Conn, plan: ReleasePlan) -> ReleaseRow {
    put(conn, 1, None);
    answers(conn, 1);
    put(conn, 2, Some(plan));
    answers(conn, 2);
    open(conn).unwrap()
}

fn open(conn: &mut Conn) -> Option<ReleaseRow> {
    let row = revisions::find(conn, "wine").unwrap().unwrap();
    store::open_of(conn, &row.id).unwrap()
}

fn states(conn: &mut Conn) -> Vec<(i64, &'static str)> {
    let row = revisions::find(conn, "wine").unwrap().unwrap();
    let all = revisions::revisions_of(conn, &row.id).unwrap();
    all.iter().map(|it| (it.number, it.state().unwrap().as_str())).collect()
}

fn goal(conn: &mut Conn) -> i64 {
    revisions::find(conn, "wine").unwrap().unwrap().goal
}

fn last_end(conn: &mut Conn) -> (String, String) {
    let row = revisions::find(conn, "wine").unwrap().unwrap();
    let last = store::ended_of(conn, &row.id).unwrap().remove(0);
    (last.state().unwrap().as_str().to_owned(), last.reason.unwrap_or_default())
}

#[test]
fn a_candidate_waits_beside_the_live_one_and_takes_over_when_it_is_promoted() {
    let conn = &mut connection();
    let release = released(conn, blue_green());
    assert_eq!(states(conn), [(2, "candidate"), (1, "live")]);
    assert!(revision(conn, 2).routed().is_some(), "it is reached by its number");
    promote(conn, &release, "by ann", Some("ann"), NOW).unwrap();
    assert_eq!(states(conn), [(2, "live"), (1, "warm")]);
    let warm = revision(conn, 1);
    assert_eq!((warm.routed().is_some(), warm.warm_until), (true, Some(NOW + 600_000)));
    assert_eq!(last_end(conn), ("promoted".into(), "by ann".into()));
    assert!(open(conn).is_none());
}

#[test]
fn the_first_revision_needs_no_release() {
    let conn = &mut connection();
    put(conn, 1, Some(ReleasePlan::usual_canary()));
    answers(conn, 1);
    assert_eq!(states(conn), [(1, "live")]);
    assert!(open(conn).is_none());
}

#[test]
fn a_canary_gets_its_weight_from_the_instant_it_answers_and_none_when_it_is_rolled_back() {
    let conn = &mut connection();
    put(conn, 1, None);
    answers(conn, 1);
    put(conn, 2, Some(ReleasePlan::usual_canary()));
    let id = revision(conn, 1).deployment_id;
    assert_eq!(weights(conn).unwrap()[&id], (2, 0));
    answers(conn, 2);
    assert_eq!(weights(conn).unwrap()[&id], (2, 5));
    let release = open(conn).unwrap();
    assert!(store::set_step(conn, &release.id, 0, 1, NOW).unwrap());
    assert!(!store::set_step(conn, &release.id, 0, 1, NOW).unwrap(), "decided upon an old step");
    assert_eq!(weights(conn).unwrap()[&id], (2, 25));
    roll_back(conn, &release, "p95 too high", NOW).unwrap();
    assert!(weights(conn).unwrap().is_empty());
    assert_eq!(states(conn), [(2, "withdrawing"), (1, "live")]);
    assert_eq!((revision(conn, 2).routed(), revision(conn, 2).reason), (None, Some("p95 too high".into())));
    assert_eq!(goal(conn), 2, "what was asked for failed, and that is said");
    // the same again is another try
    assert_eq!(put(conn, 2, Some(ReleasePlan::usual_canary())), 3);
}

#[test]
fn a_put_during_a_release_replaces_the_candidate() {
    let conn = &mut connection();
    released(conn, blue_green());
    assert_eq!(put(conn, 3, Some(ReleasePlan::usual_canary())), 3);
    assert_eq!(states(conn), [(3, "placing"), (2, "draining"), (1, "live")]);
    assert_eq!(last_end(conn), ("replaced".into(), "ann asked for revision 3 meanwhile.".into()));
    assert_eq!(open(conn).unwrap().revision, 3);
    // what is live is asked for again: nothing is under way any more
    put(conn, 1, None);
    assert!(open(conn).is_none());
    assert_eq!(goal(conn), 1);
}

#[test]
fn a_person_who_takes_it_back_leaves_no_failure() {
    let conn = &mut connection();
    let release = released(conn, blue_green());
    abort(conn, &release, "by ann", Some("ann"), NOW).unwrap();
    assert_eq!((states(conn), goal(conn)), (vec![(2, "draining"), (1, "live")], 1));
    assert_eq!(last_end(conn).0, "rolled_back");
    promote(conn, &release, "late", None, NOW).unwrap_err();
}

#[test]
fn a_candidate_that_is_not_well_is_not_promoted() {
    let conn = &mut connection();
    let release = released(conn, blue_green());
    let candidate = revision(conn, 2);
    revisions::set_routed(conn, &candidate.id, None).unwrap();
    let error = promote(conn, &release, "by ann", Some("ann"), NOW).unwrap_err();
    assert!(error.to_string().contains("does not answer now"), "{error}");
    assert_eq!(states(conn), [(2, "candidate"), (1, "live")]);
}

#[test]
fn switching_back_and_forth_is_at_once_while_the_other_is_warm() {
    let conn = &mut connection();
    let release = released(conn, blue_green());
    promote(conn, &release, "by ann", Some("ann"), NOW).unwrap();
    let who = crate::app::testing::somebody("ann");
    assert_eq!(roll_back_on(conn, &who, "wine", None).unwrap(), (1, false));
    assert_eq!((states(conn), goal(conn)), (vec![(2, "warm"), (1, "live")], 1));
    assert!(revision(conn, 1).routed().is_some());
    assert_eq!(roll_back_on(conn, &who, "wine", Some(2)).unwrap(), (2, false));
    assert_eq!(states(conn), [(2, "live"), (1, "warm")]);
    assert!(roll_back_on(conn, &who, "wine", Some(2)).is_err() && roll_back_on(conn, &who, "wine", Some(9)).is_err());
}
