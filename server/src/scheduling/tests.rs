//! Promises of the rows: from the database to a decision, and back.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use diesel::connection::SimpleConnection;
use drydock_wire::{ErrorCode, queues::QueueSettings};

use super::{rules::Wait, *};
use crate::{accounts::Principal, app::testing::somebody, db::testing::connection};

const NOW: i64 = 1_000_000_000;
const GIB: i64 = 1 << 30;

fn world() -> Conn {
    let mut conn = connection();
    for (id, name) in [("id-ann", "ann"), ("id-bob", "bob")] {
        let sql = format!(
            "INSERT INTO people (id, username, password_hash, role, created_at) VALUES ('{id}', '{name}', '', 'engineer', 0)"
        );
        conn.batch_execute(&sql).unwrap();
    }
    conn
}

/// A job of one core and one GiB that waits since its number.
fn waits(conn: &mut Conn, number: u128, person: &str, more: &str) -> String {
    let id = format!("{number:032x}");
    let sql = format!(
        "INSERT INTO jobs (id, name, state, spec, person_id, submitted_by, submitted_at, queue_id, since, memory_bytes)
         VALUES ('{id}', 'job-{number}', 'queued', '', 'id-{person}', '{person}', {number}, 'default', {NOW} - 1000 + {number}, {GIB});
         {}",
        more.replace("ID", &format!("'{id}'"))
    );
    conn.batch_execute(&sql).unwrap();
    id
}

fn room(cpus: u64) -> BoxRoom {
    let gpu = |memory| Gpu { memory, usable: true, sharable: true };
    let capacity = Capacity { cpus_milli: cpus * 1000, memory: 64 << 30, disk: 1 << 40, gpus: vec![gpu(80 << 30)] };
    BoxRoom { capacity, gpu_uuids: vec!["GPU-0".into()] }
}

fn loaded(conn: &mut Conn, cpus: u64) -> Loaded {
    load(conn, room(cpus), &Known::default(), NOW).unwrap()
}

fn started(loaded: &Loaded) -> Vec<String> {
    decide(loaded).start.iter().map(|start| loaded.waiting[start.job].name.clone()).collect()
}

#[test]
fn jobs_that_wait_are_decided_on_and_those_with_an_attempt_count_as_running() {
    let mut conn = world();
    waits(&mut conn, 1, "ann", "");
    waits(
        &mut conn,
        2,
        "ann",
        "INSERT INTO job_attempts (job_id, number, state, admitted_at, gpu_uuids) VALUES (ID, 1, 'running', 5, '[\"GPU-0\"]');",
    );
    // an attempt that has ended is none
    waits(
        &mut conn,
        3,
        "ann",
        "INSERT INTO job_attempts (job_id, number, state, admitted_at, ended_at) VALUES (ID, 1, 'failed', 5, 6);",
    );
    let loaded = loaded(&mut conn, 2);
    assert_eq!((loaded.waiting.len(), loaded.running.len()), (2, 1));
    assert_eq!(loaded.rows.running[0].gpus, [0]);
    assert_eq!(started(&loaded), ["job-1"]);
    assert_eq!(loaded.waiting.iter().find(|job| job.name == "job-3").unwrap().attempts, 1);
}

#[test]
fn a_job_whose_files_are_laid_out_holds_its_place() {
    let mut conn = world();
    let id = waits(&mut conn, 1, "ann", "");
    waits(&mut conn, 2, "bob", "");
    let held = HashMap::from([(id, Held { gpu_uuids: vec![], since: NOW })]);
    let loaded = load(&mut conn, room(1), &Known { held, ..Known::default() }, NOW).unwrap();
    assert_eq!((loaded.rows.running.len(), started(&loaded).len()), (1, 0));
}

#[test]
fn a_gpu_that_is_not_there_any_more_is_held_and_given_to_nobody() {
    let mut conn = world();
    waits(
        &mut conn,
        1,
        "ann",
        "UPDATE jobs SET gpus = 1 WHERE id = ID;
         INSERT INTO job_attempts (job_id, number, state, admitted_at, gpu_uuids) VALUES (ID, 1, 'running', 5, '[\"GPU-9\"]');",
    );
    waits(&mut conn, 2, "ann", "UPDATE jobs SET gpus = 1 WHERE id = ID;");
    let loaded = loaded(&mut conn, 4);
    assert_eq!(loaded.gpu_uuids, ["GPU-0", "GPU-9"]);
    assert_eq!(decide(&loaded).start[0].gpus, [0]);
}

#[test]
fn rows_of_an_older_version_are_in_the_queue_that_every_box_has() {
    let mut conn = world();
    waits(&mut conn, 1, "ann", "UPDATE jobs SET queue_id = NULL, since = NULL WHERE id = ID;");
    let loaded = loaded(&mut conn, 1);
    assert_eq!((loaded.waiting[0].queue_id.as_str(), loaded.waiting[0].since), ("default", 1));
}

#[test]
fn what_a_line_used_and_its_last_turn_are_kept_and_fade() {
    let mut conn = world();
    waits(&mut conn, 1, "ann", "");
    let line = LineOf { queue_id: "default", person_id: "id-ann" };
    charge(&mut conn, line, 4.0, NOW - 24 * 3_600_000).unwrap();
    took_turn(&mut conn, line, NOW - 5).unwrap();
    let rows = loaded(&mut conn, 1).rows;
    assert_eq!((rows.queues[0].past, rows.started[&(0, 0)]), (2.0, NOW - 5));
    charge(&mut conn, line, 1.0, NOW).unwrap();
    assert_eq!(loaded(&mut conn, 1).rows.queues[0].persons_past[&0], 3.0);
    // a queue that is gone takes no charge
    charge(&mut conn, LineOf { queue_id: "gone", ..line }, 1.0, NOW).unwrap();
}

#[test]
fn the_head_is_kept_until_another_is() {
    let mut conn = world();
    let ids = [waits(&mut conn, 1, "ann", ""), waits(&mut conn, 2, "bob", "")];
    promise(&mut conn, Some((&ids[1], NOW + 5))).unwrap();
    assert_eq!(loaded(&mut conn, 0).rows.head, Some(2));
    promise(&mut conn, Some((&ids[0], NOW + 5))).unwrap();
    assert_eq!(loaded(&mut conn, 0).rows.head, Some(1));
    promise(&mut conn, None).unwrap();
    assert_eq!(loaded(&mut conn, 0).rows.head, None);
}

#[test]
fn the_board_tells_the_order_and_the_reason_of_each() {
    let mut conn = world();
    let ids: Vec<String> = (1..=3).map(|number| waits(&mut conn, number, "ann", "")).collect();
    let not_before = format!("UPDATE jobs SET not_before = {NOW} + 40000, reason = 'exit code 3' WHERE id = ID;");
    let retries = waits(&mut conn, 4, "ann", &not_before);
    let loaded = loaded(&mut conn, 1);
    let made = decide(&loaded);
    let board = Board::default();
    assert_eq!(board.words_of(&ids[1], true), None);
    board.put(loaded, made);
    assert_eq!(board.words_of(&ids[0], true), None);
    assert!(
        board.words_of(&ids[1], true).unwrap().starts_with("waiting for 1 CPU: 0 CPUs of 1 CPU free; next in line")
    );
    assert_eq!(board.words_of(&retries, true).as_deref(), Some("exit code 3; tries again in 40 s"));
    let order = board.order(None, 0, 2);
    let names: Vec<_> = order.jobs.items.iter().map(|job| job.name.as_str()).collect();
    assert_eq!((names, order.jobs.total, order.jobs.next.as_deref()), (vec!["job-2", "job-3"], 3, Some("2")));
    assert!(order.jobs.items[0].starts_by.is_some());
    assert_eq!(board.order(Some("other"), 0, 9).jobs.total, 0);
}

#[test]
fn the_job_that_is_waited_for_is_named_to_those_who_see_every_project() {
    let mut conn = world();
    let ids: Vec<String> = (1..=2).map(|number| waits(&mut conn, number, "ann", "")).collect();
    let loaded = loaded(&mut conn, 1);
    let mut made = decide(&loaded);
    let at = loaded.waiting.iter().position(|job| job.id == ids[1]).unwrap();
    made.waits[at] = Wait::Reserved { head: 1, by: NOW };
    let board = Board::default();
    board.put(loaded, made);
    assert!(board.words_of(&ids[1], true).unwrap().contains("would delay job-1"));
    assert!(board.words_of(&ids[1], false).unwrap().contains("would delay another job"));
}

#[test]
fn a_job_is_moved_by_its_owner_as_far_as_its_queue_goes() {
    let mut conn = world();
    let id = waits(&mut conn, 1, "ann", "");
    let urgent = QueueSettings { highest_priority: 100, ..QueueSettings::default() };
    store::put(&mut conn, "urgent", &urgent, 0).unwrap();
    let mut to = |who: &Principal, to: Place| move_on(&mut conn, who, &id, &to).map_err(|error| error.code);
    assert_eq!(to(&somebody("bob"), Place::Priority(1)), Err(ErrorCode::Forbidden));
    assert_eq!(to(&somebody("ann"), Place::Priority(11)), Err(ErrorCode::InvalidRequest));
    assert_eq!(to(&somebody("ann"), Place::Queue("none".into())), Err(ErrorCode::InvalidRequest));
    to(&somebody("ann"), Place::Queue("urgent".into())).unwrap();
    to(&somebody("ann"), Place::Priority(70)).unwrap();
    to(&somebody("ann"), Place::Queue("default".into())).unwrap();
    assert_eq!(store::place_of(&mut conn, &id).unwrap().unwrap().priority, 10);
    conn.batch_execute("UPDATE jobs SET state = 'running'").unwrap();
    let moved = move_on(&mut conn, &somebody("ann"), &id, &Place::Queue("urgent".into()));
    assert_eq!(moved.unwrap_err().code, ErrorCode::Conflict);
}

#[test]
fn a_paused_queue_starts_nothing_and_caps_come_from_its_settings() {
    let mut conn = world();
    (1..=3).for_each(|number| drop(waits(&mut conn, number, "ann", "")));
    let mut settings = QueueSettings::default();
    settings.caps.jobs = Some(2);
    store::put(&mut conn, "default", &settings, 0).unwrap();
    assert_eq!(started(&loaded(&mut conn, 9)), ["job-1", "job-2"]);
    settings.paused = true;
    store::put(&mut conn, "default", &settings, 0).unwrap();
    let loaded = loaded(&mut conn, 9);
    assert!(decide(&loaded).waits.iter().all(|wait| *wait == Wait::Paused));
}

#[test]
fn a_sweep_has_as_many_at_once_as_it_says() {
    let mut conn = world();
    conn.batch_execute(
        "INSERT INTO sweeps (id, name, spec, most_at_once, person_id, created_at) VALUES ('s', 's', '{}', 2, 'id-ann', 0)",
    )
    .unwrap();
    for number in 1..=4 {
        waits(&mut conn, number, "ann", "UPDATE jobs SET sweep_id = 's' WHERE id = ID;");
    }
    let loaded = loaded(&mut conn, 9);
    assert_eq!(started(&loaded), ["job-1", "job-2"]);
    let board = Board::default();
    let made = decide(&loaded);
    board.put(loaded, made);
    assert_eq!(
        board.words_of(&format!("{:032x}", 3), true).as_deref(),
        Some("waiting: the sweep may use 2 jobs at once, 2 jobs in use")
    );
}

#[test]
fn ten_thousand_rows_are_read_without_parsing_a_spec() {
    let mut conn = world();
    conn.batch_execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
         INSERT INTO jobs (id, name, state, spec, person_id, submitted_by, submitted_at, queue_id, memory_bytes)
         SELECT printf('%032x', i), 'job-' || i, 'queued', 'no JSON', iif(i % 2, 'id-ann', 'id-bob'), 'x', i, 'default', 1 FROM n",
    )
    .unwrap();
    let began = std::time::Instant::now();
    let loaded = loaded(&mut conn, 8);
    let read = began.elapsed();
    assert_eq!((loaded.waiting.len(), decide(&loaded).start.len()), (10_000, 8));
    println!("10,000 rows: read in {read:?}, read and decided in {:?}", began.elapsed());
    assert!(read.as_millis() < if cfg!(debug_assertions) { 3000 } else { 200 }, "{read:?}");
}
