//! Promises of a swap's rows: who holds the one GPU after each transaction, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use diesel::connection::SimpleConnection;
use drydock_wire::{jobs::Resources, serving::ServedBy};

use super::*;
use crate::accounts::{Principal, projects};
use crate::db::testing::connection;
use crate::devices;
use crate::serving::rules::Run;
use crate::serving::store::Wish;
use crate::serving::{put_rows, tasks};

/// A database of a box with one GPU, on which revision 1 is live.
fn served() -> Conn {
    let mut conn = connection();
    let gpu = "INSERT INTO gpus (uuid, name, number, memory_bytes, state, state_since) VALUES ('A', 'T4', 0, 80, 'usable', 0)";
    conn.batch_execute(gpu).unwrap();
    put(&mut conn, 1, None);
    launched(&mut conn, 1);
    answers(&mut conn, 1);
    conn
}

fn wish(version: i64, plan: Option<ReleasePlan>) -> Wish {
    let resources = Resources { gpus: 1, ..Resources::default() };
    Wish { model: "wine".into(), version, resources, served_by: ServedBy::default(), release: plan }
}

fn put(conn: &mut Conn, version: i64, plan: Option<ReleasePlan>) -> i64 {
    put_rows(conn, ("default", "wine"), &wish(version, plan), "ann").unwrap().0
}

fn row(conn: &mut Conn) -> DeploymentRow {
    store::find(conn, "wine").unwrap().unwrap()
}

fn revision(conn: &mut Conn, number: i64) -> RevisionRow {
    let id = row(conn).id;
    store::revisions_of(conn, &id).unwrap().into_iter().find(|it| it.number == number).unwrap()
}

/// Its files are there, and its container is wished running.
fn launched(conn: &mut Conn, number: i64) {
    let (of, what) = (row(conn), revision(conn, number));
    store::advance(conn, &what.id, RevisionState::Placing, RevisionState::Starting, None).unwrap();
    replicas::add(conn, &of, &what, &[1]).unwrap();
}

fn placed(conn: &mut Conn, number: i64) {
    let what = revision(conn, number);
    store::advance(conn, &what.id, RevisionState::Placing, RevisionState::Waiting, None).unwrap();
    hand_over(conn, &what.deployment_id).unwrap();
}

fn answers(conn: &mut Conn, number: i64) {
    let what = revision(conn, number);
    let run = Run { address: "10.0.0.2:8080".parse().unwrap(), started_at: number };
    tasks::revision::promote(conn, &what, run).unwrap();
}

/// It failed, and its container is gone.
fn fails(conn: &mut Conn, number: i64) {
    let what = revision(conn, number);
    let from = what.state().unwrap();
    store::advance(conn, &what.id, from, RevisionState::Failing, Some("out of grapes")).unwrap();
    hand_over(conn, &what.deployment_id).unwrap();
    assert_eq!(states(conn), [(2, "failing"), (1, "parked")], "it still has the GPU");
    over(conn, number, RevisionState::Failing, RevisionState::Failed);
}

fn over(conn: &mut Conn, number: i64, from: RevisionState, to: RevisionState) {
    let what = revision(conn, number);
    for row in replicas::store::of_revision(conn, &what.id).unwrap() {
        replicas::forget(conn, &row).unwrap();
    }
    store::advance(conn, &what.id, from, to, what.reason.as_deref()).unwrap();
    hand_over(conn, &what.deployment_id).unwrap();
}

fn steps_aside(conn: &mut Conn) {
    let from = revision(conn, 1);
    step_aside(conn, &from, RevisionState::Live).unwrap();
    let yielding = revision(conn, 1);
    stop(conn, &yielding).unwrap();
}

fn parked(conn: &mut Conn) {
    let stopping = revision(conn, 1);
    park(conn, &stopping).unwrap();
}

fn states(conn: &mut Conn) -> Vec<(i64, &'static str)> {
    let id = row(conn).id;
    let all = store::revisions_of(conn, &id).unwrap();
    all.iter().map(|it| (it.number, it.state().unwrap().as_str())).collect()
}

/// The revision whose replica has the GPU.
fn holder(conn: &mut Conn) -> Option<i64> {
    let leases = devices::leases(conn).unwrap();
    leases.iter().find_map(|lease| replicas::store::revision_number(conn, &lease.workload).unwrap())
}

#[test]
fn the_gpu_goes_over_in_the_transaction_that_parks_the_old_one() {
    let conn = &mut served();
    assert_eq!(put(conn, 2, Some(ReleasePlan::Recreate)), 2);
    assert_eq!((states(conn), holder(conn)), (vec![(2, "placing"), (1, "live")], Some(1)));
    let live = revision(conn, 1);
    step_aside(conn, &live, RevisionState::Live).unwrap();
    assert_eq!(states(conn), [(2, "placing"), (1, "live")], "not before the next one is placed");
    placed(conn, 2);
    steps_aside(conn);
    assert_eq!((states(conn), holder(conn)), (vec![(2, "waiting"), (1, "stopping")], Some(1)));
    assert!(store::swapping(conn).unwrap().contains(&live.deployment_id), "requests are held");
    parked(conn);
    assert_eq!((states(conn), holder(conn)), (vec![(2, "starting"), (1, "parked")], Some(2)));
    parked(conn);
    assert_eq!(states(conn), [(2, "starting"), (1, "parked")], "doing it again changes nothing");
    answers(conn, 2);
    assert_eq!(states(conn), [(2, "live"), (1, "parked")]);
    let siblings = store::unfinished_of(conn, &live.deployment_id).unwrap();
    let of = row(conn);
    let kin = family(conn, &of, &siblings.iter().collect::<Vec<_>>()).unwrap().kin(1);
    assert_eq!(kin.swap, Swap::Superseded);
}

#[test]
fn a_new_one_that_fails_gives_the_gpu_back() {
    let conn = &mut served();
    put(conn, 2, Some(ReleasePlan::Recreate));
    placed(conn, 2);
    steps_aside(conn);
    parked(conn);
    fails(conn, 2);
    assert_eq!((states(conn), holder(conn)), (vec![(2, "failed"), (1, "returning")], Some(1)));
    let back = revision(conn, 1);
    resume(conn, &back).unwrap();
    assert_eq!(states(conn), [(2, "failed"), (1, "live")]);
    assert_eq!(revision(conn, 2).reason.as_deref(), Some("out of grapes"));
    // another try begins all over
    assert_eq!(put(conn, 3, Some(ReleasePlan::Recreate)), 3);
    placed(conn, 3);
    steps_aside(conn);
    parked(conn);
    assert_eq!((states(conn)[0], holder(conn)), ((3, "starting"), Some(3)));
}

#[test]
fn who_is_wanted_again_comes_back_from_wherever_it_is() {
    let conn = &mut served();
    put(conn, 2, Some(ReleasePlan::Recreate));
    placed(conn, 2);
    let live = revision(conn, 1);
    step_aside(conn, &live, RevisionState::Live).unwrap();
    // asked for again while it drains: it serves on
    assert_eq!(put(conn, 1, None), 1);
    let yielding = revision(conn, 1);
    stop(conn, &yielding).unwrap();
    assert_eq!(states(conn)[1], (1, "yielding"), "decided upon an old picture");
    take_back(conn, &yielding).unwrap();
    assert_eq!(states(conn)[1], (1, "live"));
    over(conn, 2, RevisionState::Waiting, RevisionState::Retired);
    // and once more when it is gone already: it starts when the other has given the GPU back
    put(conn, 3, Some(ReleasePlan::Recreate));
    placed(conn, 3);
    steps_aside(conn);
    parked(conn);
    assert_eq!(put(conn, 1, None), 1);
    hand_over(conn, &live.deployment_id).unwrap();
    assert_eq!((states(conn)[0], holder(conn)), ((3, "starting"), Some(3)));
    over(conn, 3, RevisionState::Starting, RevisionState::Retired);
    assert_eq!((states(conn)[2], holder(conn)), ((1, "returning"), Some(1)));
}

#[test]
fn nobody_steps_aside_for_what_would_not_fit_then() {
    let conn = &mut served();
    conn.batch_execute("INSERT INTO gpus (uuid, name, number, memory_bytes, state, state_since) VALUES ('B', 'T4', 1, 80, 'usable', 0)").unwrap();
    let whole = devices::Lease { uuid: "B".into(), memory_bytes: None };
    devices::lease(conn, "train", 1, &[whole]).unwrap();
    let more =
        Wish { resources: Resources { gpus: 2, ..Resources::default() }, ..wish(2, Some(ReleasePlan::Recreate)) };
    put_rows(conn, ("default", "wine"), &more, "ann").unwrap();
    placed(conn, 2);
    steps_aside(conn);
    assert_eq!(states(conn), [(2, "waiting"), (1, "live")]);
    devices::end_leases(conn, "train", 1, "it ended").unwrap();
    steps_aside(conn);
    assert_eq!(states(conn), [(2, "waiting"), (1, "stopping")]);
    // snatched meanwhile: the old one comes back rather than that nobody serves
    let whole = devices::Lease { uuid: "B".into(), memory_bytes: None };
    devices::lease(conn, "train", 2, &[whole]).unwrap();
    parked(conn);
    assert_eq!((states(conn), holder(conn)), (vec![(2, "waiting"), (1, "returning")], Some(1)));
}

#[test]
fn who_holds_a_gpu_is_named_to_those_who_see_it() {
    let conn = &mut served();
    conn.batch_execute(
        "INSERT INTO projects (id, name, created_at, private) VALUES ('vault', 'Vault', 0, 1);
         UPDATE deployments SET project_id = 'vault'",
    )
    .unwrap();
    let stranger = projects::nobody(conn).unwrap();
    let told = |conn: &mut Conn, who: &Principal| {
        fit::admit(conn, who, "wine", &wish(2, None), None, true).unwrap_err().message
    };
    let (hidden, named) = (told(conn, &stranger), told(conn, &Principal::console()));
    assert!(hidden.contains("held by something of another project"), "{hidden}");
    assert!(named.contains("held by revision 1 of deployment"), "{named}");
}

#[test]
fn room_is_asked_for_before_anything_is_written() {
    let conn = &mut served();
    let admitted =
        |conn: &mut Conn, wish: &Wish, comes| fit::admit(conn, &Principal::console(), "wine", wish, None, comes);
    let beside = admitted(conn, &wish(2, None), true).unwrap_err();
    assert_eq!(beside.code, drydock_wire::ErrorCode::Conflict);
    assert!(beside.message.contains("`recreate`") && beside.message.contains("GPU 0 (T4, A)"), "{beside}");
    assert!(admitted(conn, &wish(2, Some(ReleasePlan::usual_canary())), true).is_err());
    admitted(conn, &wish(2, Some(ReleasePlan::Recreate)), true).unwrap();
    admitted(conn, &wish(1, None), false).unwrap();
    let two = Wish { resources: Resources { gpus: 2, ..Resources::default() }, ..wish(2, Some(ReleasePlan::Recreate)) };
    assert_eq!(admitted(conn, &two, true).unwrap_err().code, drydock_wire::ErrorCode::Refused);
    // in the middle of a swap nothing is put beside
    put(conn, 2, Some(ReleasePlan::Recreate));
    placed(conn, 2);
    steps_aside(conn);
    let none = Wish { resources: Resources::default(), ..wish(3, None) };
    assert!(admitted(conn, &none, true).unwrap_err().message.contains("are being swapped"));
    assert_eq!(fit::plan_back(conn, "wine", &wish(1, None)).unwrap(), Some(ReleasePlan::Recreate));
}
