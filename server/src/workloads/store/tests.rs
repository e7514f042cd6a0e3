//! Promises of the rows.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::{db::testing::connection, workloads::WorkloadSpec};

fn new(generation: i64, image: &str) -> NewWorkload {
    let spec = WorkloadSpec {
        image: image.into(),
        command: vec!["true".into()],
        env: BTreeMap::new(),
        mounts: Vec::new(),
        writable: Vec::new(),
        working_dir: "/scratch".into(),
        image_working_dir: false,
        cpus: 1.0,
        memory_bytes: 64 << 20,
        gpu_uuids: Vec::new(),
        reach_drydock: true,
        grace_s: None,
    };
    let secrets = BTreeMap::from([("TOKEN".to_owned(), "s".to_owned())]);
    NewWorkload { id: "w".into(), kind: Kind::Job, owner: "j".into(), generation, spec, secrets }
}

fn see(conn: &mut Conn, generation: i64, phase: Phase) {
    let seen = Observed { phase, container_id: Some("c".into()), ..Observed::pending(generation) };
    record(conn, &BTreeMap::from([("w".to_owned(), seen)])).unwrap();
}

#[test]
fn a_generation_never_goes_backwards_nor_changes_its_spec() {
    let mut conn = connection();
    put_desired(&mut conn, new(2, "a")).unwrap();
    assert!(put_desired(&mut conn, new(1, "a")).is_err());
    assert!(put_desired(&mut conn, new(2, "b")).is_err());
    put_desired(&mut conn, new(3, "b")).unwrap();
    assert_eq!(find(&mut conn, "w").unwrap().unwrap().generation, 3);
}

#[test]
fn putting_the_same_again_keeps_what_was_seen_and_a_higher_generation_forgets_it() {
    let mut conn = connection();
    put_desired(&mut conn, new(1, "a")).unwrap();
    see(&mut conn, 1, Phase::Running);
    put_desired(&mut conn, new(1, "a")).unwrap();
    assert_eq!(observed(&mut conn, "w").unwrap().unwrap().phase, Phase::Running);
    put_desired(&mut conn, new(2, "a")).unwrap();
    assert_eq!(observed(&mut conn, "w").unwrap().unwrap(), Observed::pending(2));
}

#[test]
fn what_was_seen_of_an_older_generation_is_dropped() {
    let mut conn = connection();
    put_desired(&mut conn, new(2, "a")).unwrap();
    see(&mut conn, 1, Phase::Exited);
    assert_eq!(observed(&mut conn, "w").unwrap().unwrap().phase, Phase::Pending);
}

#[test]
fn absent_drops_the_secrets_and_gone_leaves_the_pass() {
    let mut conn = connection();
    put_desired(&mut conn, new(1, "a")).unwrap();
    forget(&mut conn, "w").unwrap();
    assert_eq!(list(&mut conn, Kind::Job, Some("j")).unwrap().len(), 1);
    set_desired(&mut conn, "w", Desired::Absent).unwrap();
    assert!(find(&mut conn, "w").unwrap().unwrap().secrets.is_empty());
    assert_eq!(live(&mut conn).unwrap().len(), 1);
    see(&mut conn, 1, Phase::Gone);
    assert_eq!(live(&mut conn).unwrap().len(), 0);
    forget(&mut conn, "w").unwrap();
    assert_eq!(list(&mut conn, Kind::Job, None).unwrap().len(), 0);
}

#[test]
fn the_first_reason_to_stop_stays_until_the_next_generation() {
    let mut conn = connection();
    put_desired(&mut conn, new(1, "a")).unwrap();
    assert_eq!(why_stopped(&mut conn, "w").unwrap(), None);
    stop_because(&mut conn, "w", "disk", "its 20 GiB of disk were full").unwrap();
    stop_because(&mut conn, "w", "gpu", "GPU 0 failed").unwrap();
    let stop = why_stopped(&mut conn, "w").unwrap().unwrap();
    assert_eq!((stop.cause.as_str(), stop.words.as_str()), ("disk", "its 20 GiB of disk were full"));
    assert_eq!(find(&mut conn, "w").unwrap().unwrap().desired, Desired::Stopped);
    put_desired(&mut conn, new(2, "a")).unwrap();
    assert_eq!(why_stopped(&mut conn, "w").unwrap(), None);
    assert_eq!(find(&mut conn, "w").unwrap().unwrap().desired, Desired::Running);
}

#[test]
fn only_what_is_wished_running_is_demand() {
    let mut conn = connection();
    put_desired(&mut conn, new(1, "a")).unwrap();
    let one = Demand { kind: Kind::Job, cpus: 1.0, memory_bytes: 64 << 20, gpu_uuids: vec![] };
    assert_eq!(demand(&mut conn).unwrap(), vec![one]);
    set_desired(&mut conn, "w", Desired::Stopped).unwrap();
    assert_eq!(demand(&mut conn).unwrap(), vec![]);
}
