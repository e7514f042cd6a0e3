//! Promises of the rows: what submit, cancel, admission and end do in their transactions.
#![allow(clippy::unwrap_used)]

use diesel::{connection::SimpleConnection, prelude::*};

use super::{
    outputs::Kept,
    store::{AttemptRecord, Job},
    submit::testing::granted,
    *,
};
use crate::{
    accounts::{Scope, secrets::BoxKey},
    db::{
        schema::accounts::{s3_keys, tokens},
        testing::connection,
    },
    objects,
    workloads::{Desired, Phase},
};
use drydock_wire::accounts::Role;

fn ann() -> Principal {
    Principal { person_id: "p1".into(), address: "::1".into(), ..Principal::of_role("ann", Role::Engineer) }
}

fn world() -> Conn {
    let mut conn = connection();
    let person =
        "INSERT INTO people (id, username, password_hash, role, created_at) VALUES ('p1', 'ann', '', 'engineer', 0)";
    conn.batch_execute(person).unwrap();
    let gpu = "INSERT INTO gpus (uuid, name, number, memory_bytes, state, state_since) VALUES ('GPU-1', 'A', 0, 80, 'usable', 0)";
    conn.batch_execute(gpu).unwrap();
    conn
}

fn submit_one(conn: &mut Conn, id: &str, name: &str) -> JobDetail {
    let wish = serde_json::json!({ "name": name, "command": ["python", "/workspace/a.py"], "experiment": "Wine" });
    submit_on(conn, &ann(), id, granted(serde_json::from_value(wish).unwrap())).unwrap()
}

fn laid() -> files::Laid {
    files::Laid { code: "run/jobs/j1-1/code".into(), ..files::Laid::default() }
}

fn admit(conn: &mut Conn, id: &str) -> Job {
    let job = store::require(conn, id).unwrap();
    let number = store::next_number(conn, id).unwrap();
    tasks::start(conn, &BoxKey::testing(), job, number, vec!["GPU-1".into()], &laid()).unwrap();
    store::require(conn, id).unwrap()
}

fn ended(conn: &mut Conn, id: &str) -> (Job, AttemptRecord) {
    let mut job = store::require(conn, id).unwrap();
    let mut attempt = store::attempts(conn, id).unwrap().pop().unwrap();
    (job.state, job.ended_at) = (JobState::Failed, Some(9));
    (attempt.state, attempt.ended_at) = (JobState::Failed, Some(9));
    (job, attempt)
}

/// Tokens and S3 keys.
fn token_count(conn: &mut Conn) -> (i64, i64) {
    let tokens = tokens::table.count().get_result(conn).unwrap();
    (tokens, s3_keys::table.count().get_result(conn).unwrap())
}

#[test]
fn a_submitted_job_waits_with_the_runtime_image() {
    let mut conn = world();
    let detail = submit_one(&mut conn, "j1", "train");
    assert_eq!((detail.summary.state, detail.summary.submitted_by.as_str()), (JobState::Queued, "ann"));
    assert_eq!(detail.spec.image.as_deref(), Some(drydock_appliance::RUNTIME_IMAGE));
    assert_eq!(count(&mut conn).unwrap(), (0, 1));
}

#[test]
fn admission_makes_attempt_token_and_workload_once() {
    let mut conn = world();
    submit_one(&mut conn, "j1", "train");
    let job = admit(&mut conn, "j1");
    admit(&mut conn, "j1");
    assert_eq!((job.state, token_count(&mut conn)), (JobState::Starting, (1, 1)));
    let workload = workloads::find(&mut conn, "j1").unwrap().unwrap();
    assert!(workload.secrets["MLFLOW_TRACKING_TOKEN"].starts_with("dd_"));
    assert!(workload.secrets["AWS_ACCESS_KEY_ID"].starts_with("DD"));
    assert!(!workload.secrets["AWS_SECRET_ACCESS_KEY"].is_empty());
    assert!(!workload.spec.env.contains_key("MLFLOW_TRACKING_TOKEN"));
    assert!(!workload.spec.env.contains_key("AWS_SECRET_ACCESS_KEY"));
    assert_eq!(workload.spec.env["MLFLOW_EXPERIMENT_NAME"], "Wine");
    assert_eq!(workload.spec.mounts[0].source, "run/jobs/j1-1/code");
}

#[test]
fn the_end_takes_token_secrets_and_container_and_happens_once() {
    let mut conn = world();
    submit_one(&mut conn, "j1", "train");
    admit(&mut conn, "j1");
    let (job, attempt) = ended(&mut conn, "j1");
    tasks::finish(&mut conn, &job, &attempt, None, &Kept::default()).unwrap();
    let workload = workloads::find(&mut conn, "j1").unwrap().unwrap();
    assert_eq!((workload.desired, workload.secrets.len(), token_count(&mut conn)), (Desired::Absent, 0, (0, 0)));
    let late = Job { state: JobState::Succeeded, ..job };
    tasks::finish(&mut conn, &late, &attempt, None, &Kept::default()).unwrap();
    assert_eq!(store::require(&mut conn, "j1").unwrap().state, JobState::Failed);
}

fn failed(cause: rules::Cause) -> rules::End {
    rules::End { state: JobState::Failed, reason: Some("exit code 3".into()), cause: Some(cause), out_of_memory: false }
}

#[test]
fn a_failed_attempt_is_followed_by_another_until_the_limit() {
    let mut conn = world();
    let wish = serde_json::json!({ "name": "a", "command": ["a"], "retries": { "limit": 1, "backoff_s": 10 } });
    let granted = submit::testing::granted(serde_json::from_value(wish).unwrap());
    submit::insert(&mut conn, &ann(), "j1", granted, &Default::default()).unwrap();
    let fail = |conn: &mut Conn, number: i64| {
        assert_eq!(admit(conn, "j1").state, JobState::Starting);
        let (job, attempt) = ended(conn, "j1");
        assert_eq!(attempt.number, number);
        let job = Job { state: JobState::Starting, ended_at: None, ..job };
        tasks::end_on(conn, job, attempt, None, failed(rules::Cause::Exit), None, &Kept::default()).unwrap();
        store::require(conn, "j1").unwrap()
    };
    let job = fail(&mut conn, 1);
    assert_eq!((job.state, job.failures, job.ended_at), (JobState::Queued, 1, None));
    assert!(job.not_before.unwrap() >= crate::clock::now_ms() + 9_000);
    assert_eq!(token_count(&mut conn), (0, 0));
    let job = fail(&mut conn, 2);
    assert_eq!((job.state, job.failures), (JobState::Failed, 1));
    let attempts = store::attempts(&mut conn, "j1").unwrap();
    assert!(attempts.iter().all(|one| one.cause.as_deref() == Some("exit") && one.state == JobState::Failed));
    let leases: i64 = crate::db::schema::devices::gpu_leases::table.count().get_result(&mut conn).unwrap();
    assert_eq!((leases, crate::devices::leases(&mut conn).unwrap().len()), (2, 0));
}

#[test]
fn who_was_stopped_for_another_keeps_its_place_and_who_was_cancelled_meanwhile_has_ended() {
    let mut conn = world();
    submit_one(&mut conn, "j1", "train");
    conn.batch_execute("UPDATE jobs SET since = 5").unwrap();
    admit(&mut conn, "j1");
    let preempted = rules::End { state: JobState::Cancelled, ..failed(rules::Cause::Preempted) };
    let (job, attempt) = ended(&mut conn, "j1");
    let job = Job { state: JobState::Running, ended_at: None, ..job };
    // cancelled after it was read
    conn.batch_execute("UPDATE jobs SET cancel_requested_at = 7, state = 'cancelling'").unwrap();
    tasks::end_on(&mut conn, job.clone(), attempt.clone(), None, preempted.clone(), None, &Kept::default()).unwrap();
    assert_eq!(store::require(&mut conn, "j1").unwrap().state, JobState::Cancelling);
    conn.batch_execute("UPDATE jobs SET cancel_requested_at = NULL, state = 'running'").unwrap();
    tasks::end_on(&mut conn, job, attempt, None, preempted, None, &Kept::default()).unwrap();
    let job = store::require(&mut conn, "j1").unwrap();
    assert_eq!((job.state, job.failures, job.since), (JobState::Queued, 0, Some(5)));
    // between two attempts nothing has to be stopped
    assert_eq!(cancel_on(&mut conn, &ann(), "j1").unwrap().summary.state, JobState::Cancelled);
}

#[test]
fn a_job_that_waits_is_cancelled_at_once_and_one_that_runs_is_stopped() {
    let mut conn = world();
    submit_one(&mut conn, "j1", "waits");
    assert_eq!(cancel_on(&mut conn, &ann(), "j1").unwrap().summary.state, JobState::Cancelled);
    assert_eq!(cancel_on(&mut conn, &ann(), "j1").unwrap_err().code, ErrorCode::Conflict);
    submit_one(&mut conn, "j2", "runs");
    admit(&mut conn, "j2");
    let summary = cancel_on(&mut conn, &ann(), "j2").unwrap().summary;
    assert_eq!((summary.state, summary.reason.as_deref()), (JobState::Cancelling, Some("cancelled by ann")));
    assert_eq!(workloads::find(&mut conn, "j2").unwrap().unwrap().desired, Desired::Stopped);
    assert_eq!(workloads::observed(&mut conn, "j2").unwrap().unwrap().phase, Phase::Pending);
    assert!(cancel_on(&mut conn, &ann(), "j2").is_ok());
}

#[test]
fn code_must_be_an_upload_of_the_callers() {
    let mut conn = world();
    let wish =
        serde_json::json!({ "name": "a", "command": ["a"], "code": [{ "path": "a.py", "digest": "a".repeat(64) }] });
    let refused = submit_on(&mut conn, &ann(), "j1", granted(serde_json::from_value(wish).unwrap()));
    assert_eq!(refused.unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn code_of_a_job_that_is_here_can_be_run_by_another() {
    let mut conn = world();
    let digest = "a".repeat(64);
    objects::store::touch_blob(&mut conn, &digest, 1, Some(b"x"), None, 1).unwrap();
    objects::store::link(&mut conn, CODE_BUCKET, "j0/a.py", &digest, 1).unwrap();
    let wish = serde_json::json!({ "name": "a", "command": ["a"], "snapshot": { "digest": digest } });
    let made = submit_on(&mut conn, &ann(), "j1", granted(serde_json::from_value(wish).unwrap())).unwrap();
    assert!(made.spec.seed.is_some_and(|seed| u32::try_from(seed).is_ok()), "a seed is drawn");
    let kept = objects::store::list_prefix(&mut conn, CODE_BUCKET, "j1/").unwrap();
    assert_eq!(kept.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), ["j1/snapshot.tar.zst"]);
}

#[test]
fn outputs_are_seen_with_the_end_under_the_run_or_by_themselves() {
    let mut conn = world();
    objects::store::touch_blob(&mut conn, "d", 1, Some(b"x"), None, 1).unwrap();
    let kept = Kept { files: vec![("a/b.txt".into(), "d".into())], ..Kept::default() };
    for (id, tracked) in [("j1", true), ("j2", false)] {
        let wish = serde_json::json!({ "name": id, "command": ["a"], "tracked": tracked });
        submit_on(&mut conn, &ann(), id, granted(serde_json::from_value(wish).unwrap())).unwrap();
        admit(&mut conn, id);
        let (job, attempt) = ended(&mut conn, id);
        assert_eq!(attempt.run_id.is_some(), tracked);
        tasks::finish(&mut conn, &job, &attempt, None, &kept).unwrap();
        let found = match &attempt.run_id {
            Some(run) => {
                let run = tracking::run_on_conn(&mut conn, run).unwrap().unwrap();
                assert_eq!((run.info.status, run.info.ended_at), (tracking::RunStatus::Failed, Some(9)));
                objects::store::list_prefix(&mut conn, tracking::ARTIFACT_BUCKET, "").unwrap()
            }
            None => objects::store::list_prefix(&mut conn, outputs::OUTPUTS_BUCKET, "j2/1/").unwrap(),
        };
        let path = if tracked { "/artifacts/outputs/a/b.txt" } else { "j2/1/a/b.txt" };
        assert!(found.len() == 1 && found[0].key.ends_with(path), "{found:?}");
    }
}

#[test]
fn pages_are_newest_first_filtered_and_counted() {
    let mut conn = world();
    for number in 1..=5 {
        submit_one(&mut conn, &format!("j{number}"), &format!("train-{number}"));
    }
    admit(&mut conn, "j1");
    // the third is of a release that knew no queues
    conn.batch_execute(
        "INSERT INTO queues (id, name, created_at, updated_at) VALUES ('night', 'night', 0, 0);
         UPDATE jobs SET queue_id = 'night' WHERE id = 'j2'; UPDATE jobs SET queue_id = NULL WHERE id = 'j3';",
    )
    .unwrap();
    let mut page = |filter: Filter| {
        let page = store::page(&mut conn, &Scope::All, &filter).unwrap();
        (page.items.into_iter().map(|job| job.id).collect::<Vec<_>>().join(" "), page.total, page.next)
    };
    let all = Filter { limit: 2, ..Filter::default() };
    assert_eq!(page(all.clone()), ("j5 j4".into(), 5, Some("2".into())));
    assert_eq!(page(Filter { offset: 4, ..all.clone() }), ("j1".into(), 5, None));
    assert_eq!(page(Filter { states: vec![JobState::Starting], ..all.clone() }), ("j1".into(), 1, None));
    assert_eq!(page(Filter { search: Some("-3".into()), ..all.clone() }), ("j3".into(), 1, None));
    assert_eq!(page(Filter { search: Some("%".into()), ..all.clone() }), (String::new(), 0, None));
    assert_eq!(page(Filter { queue: Some("night".into()), ..all.clone() }), ("j2".into(), 1, None));
    assert_eq!(page(Filter { queue: Some("default".into()), offset: 2, ..all.clone() }), ("j3 j1".into(), 4, None));
    assert_eq!(page(Filter { sweep: Some("none".into()), ..all }), (String::new(), 0, None));
}

#[test]
fn a_page_over_ten_thousand_jobs_parses_no_spec() {
    let mut conn = world();
    conn.batch_execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
         INSERT INTO jobs (id, name, state, spec, person_id, submitted_by, submitted_at, queue_id, cpus_milli, memory_bytes)
         SELECT printf('%032x', i), 'job-' || i, iif(i % 3, 'queued', 'failed'), 'no JSON', 'p1', 'ann', i, 'default', 500, 7 FROM n",
    )
    .unwrap();
    let began = std::time::Instant::now();
    let page = store::page(&mut conn, &Scope::All, &Filter { limit: 200, ..Filter::default() }).unwrap();
    let failed = Filter { states: vec![JobState::Failed], limit: 200, offset: 3000, ..Filter::default() };
    let last = store::page(&mut conn, &Scope::All, &failed).unwrap();
    let took = began.elapsed();
    assert_eq!((page.items.len(), page.total, page.items[0].name.as_str()), (200, 10_000, "job-10000"));
    assert_eq!((page.items[0].resources.cpus, page.items[0].queue.as_str()), (0.5, "default"));
    assert_eq!((last.items.len(), last.total), (200, 3333));
    assert!(took.as_millis() < 200, "{took:?}");
}

/// Images m1 to m5 of one repository, of which m1 to m4 have no tag any more and m5 never had one; days count from 1970.
fn images(conn: &mut Conn) {
    const DAY: i64 = 86_400_000;
    let mut sql = "INSERT INTO repositories (id, name, created_at, created_by) VALUES (1, 'team/app', 0, 'ann');
        INSERT INTO blobs (digest, size_bytes, data, touched_at) VALUES ('d', 1, x'00', 0);"
        .to_owned();
    for (id, untagged) in [(1, "10"), (2, "10"), (3, "10"), (4, "18"), (5, "NULL")] {
        let name = format!("sha256:{}", id.to_string().repeat(64));
        sql += &format!(
            "INSERT INTO manifests (id, repository, name, digest, size_bytes, media_type, platforms, total_bytes, pushed_at, pushed_by,
                untagged_at) VALUES ({id}, 1, '{name}', 'd', 1, 'x', '', 1, {}, 'ann', {untagged} * {DAY});",
            9 * DAY
        );
    }
    conn.batch_execute(&sql).unwrap();
}

fn runs(conn: &mut Conn, id: &str, image: &str) {
    submit_one(conn, id, id);
    let sql = format!("UPDATE jobs SET spec = json_set(spec, '$.image', '{image}') WHERE id = '{id}'");
    conn.batch_execute(&sql).unwrap();
}

#[test]
fn retention_keeps_what_a_job_refers_to_and_what_lost_its_tag_for_its_days() {
    use crate::images;
    use drydock_wire::images::Retention;
    let mut conn = world();
    images::ask_who_uses(images_in_use);
    images(&mut conn);
    let pinned = format!("localhost:5000/team/app:1@sha256:{}", "1".repeat(64));
    runs(&mut conn, "waits", &pinned);
    runs(&mut conn, "ended", &pinned.replace(&"1".repeat(64), &"2".repeat(64)));
    conn.batch_execute("UPDATE jobs SET state = 'failed', ended_at = 9 WHERE id = 'ended'").unwrap();
    runs(&mut conn, "elsewhere", &pinned.replace("team/app", "other/app").replace(&"1".repeat(64), &"3".repeat(64)));
    let rules = |days| Retention { keep_last: Some(1), keep_tags: vec![], untagged_days: days };
    let mut gone = |days, at: i64| -> Vec<char> {
        let due = images::due(&mut conn, "team/app", &rules(days), at * 86_400_000).unwrap();
        due.manifests.iter().filter_map(|name| name.chars().last()).collect()
    };
    assert_eq!(gone(Some(5), 15), ['5'], "pushed on day 9; the others lost their tag on day 10");
    assert_eq!(gone(Some(5), 20), ['3', '5'], "what a job refers to stays, even one that has ended");
    assert_eq!(gone(Some(5), 24), ['3', '4', '5']);
    assert_eq!(gone(Some(50), 24), Vec::<char>::new());
    assert_eq!(gone(None, 1000), Vec::<char>::new(), "without days nothing goes for want of a tag");
}
