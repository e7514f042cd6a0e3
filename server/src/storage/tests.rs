//! The store's promises against a real database: versions, listings, uploads, quotas, lifecycle.

#![allow(clippy::unwrap_used)]

mod listing;
mod uploads;
mod verbs;

use diesel::prelude::*;
use drydock_wire::storage::{BucketAccess, LifecycleRule, Versioning};

use super::{
    access::Entered,
    rules::{self, Match, VersionId},
    store::{
        self,
        buckets::{Change, NewBucket},
        objects::{Content, NewObject, Removed},
        uploads::{NewUpload, PartRow},
    },
    tasks,
};
use crate::db::{Conn, schema::accounts::people, testing};

const DAY_MS: i64 = 86_400_000;

fn bucket(conn: &mut Conn, versioning: Versioning) -> Entered {
    let ann = (
        people::id.eq("ann"),
        people::username.eq("ann"),
        people::password_hash.eq("-"),
        people::role.eq("engineer"),
        people::created_at.eq(0),
    );
    diesel::insert_or_ignore_into(people::table).values(ann).execute(conn).unwrap();
    crate::objects::store::touch_blob(conn, "d", 10, Some(b"0123456789"), None, 0).unwrap();
    let new = NewBucket {
        project_id: "default",
        name: "data",
        owner: "ann",
        access: BucketAccess::Project,
        versioned: false,
        created_at: 0,
    };
    let id = store::buckets::insert(conn, &new).unwrap().id;
    let change = Change { versioning: Some(versioning), ..Change::default() };
    store::buckets::update(conn, id, &change).unwrap();
    again(conn)
}

fn again(conn: &mut Conn) -> Entered {
    Entered::by_the_box(store::buckets::by_name(conn, "data").unwrap().unwrap())
}

fn set(conn: &mut Conn, versioning: Versioning) -> Entered {
    let id = again(conn).id;
    store::buckets::update(conn, id, &Change { versioning: Some(versioning), ..Change::default() }).unwrap();
    again(conn)
}

fn new(key: &str, etag: &str, at: i64) -> NewObject {
    NewObject {
        key: key.into(),
        size_bytes: 10,
        modified_at: at,
        etag: etag.into(),
        content: Content::Blob("d".into()),
        content_type: None,
        about: None,
    }
}

fn put(conn: &mut Conn, bucket: &Entered, key: &str, etag: &str) -> VersionId {
    store::objects::insert(conn, bucket, new(key, etag, 1000)).unwrap().version_id()
}

fn current(conn: &mut Conn, key: &str) -> Option<String> {
    let id = again(conn).id;
    store::objects::current(conn, id, key).unwrap().map(|row| row.etag)
}

/// ETags newest first; markers are `-`.
fn versions(conn: &mut Conn, key: &str) -> Vec<String> {
    let id = again(conn).id;
    let rows = store::objects::versions(conn, id, key, 100).unwrap();
    rows.into_iter().map(|row| if row.is_marker { "-".to_owned() } else { row.etag }).collect()
}

fn counters(conn: &mut Conn) -> (i64, i64) {
    let bucket = again(conn);
    (bucket.object_count, bucket.size_bytes)
}

#[test]
fn without_versioning_a_write_replaces_and_a_removal_is_for_good() {
    let mut conn = testing::connection();
    let bucket = bucket(&mut conn, Versioning::Off);
    assert_eq!(put(&mut conn, &bucket, "k", "one"), VersionId::Null);
    put(&mut conn, &bucket, "k", "two");
    assert_eq!(versions(&mut conn, "k"), ["two"]);
    assert_eq!(counters(&mut conn), (1, 10));
    let removed = store::objects::remove(&mut conn, &bucket, "k", 2000).unwrap();
    assert_eq!(removed, Removed { version: None, is_marker: false });
    store::objects::remove(&mut conn, &bucket, "k", 2000).unwrap();
    assert_eq!(versions(&mut conn, "k"), Vec::<String>::new());
    assert_eq!(counters(&mut conn), (0, 0));
}

#[test]
fn with_versioning_nothing_is_lost_and_what_is_newest_shows() {
    let mut conn = testing::connection();
    let bucket = bucket(&mut conn, Versioning::On);
    let one = put(&mut conn, &bucket, "k", "one");
    let two = put(&mut conn, &bucket, "k", "two");
    assert_ne!(one, two, "the same instant, and still two versions");
    let marker = store::objects::remove(&mut conn, &bucket, "k", 1000).unwrap();
    assert!(marker.is_marker);
    assert_eq!(current(&mut conn, "k"), None);
    assert_eq!(versions(&mut conn, "k"), ["-", "two", "one"]);
    assert_eq!(counters(&mut conn), (0, 20));
    // the marker goes: the one below shows again
    store::objects::remove_version(&mut conn, &bucket, "k", marker.version.unwrap()).unwrap().unwrap();
    assert_eq!(current(&mut conn, "k"), Some("two".into()));
    assert_eq!(counters(&mut conn), (1, 20));
    // the newest goes for good: the older comes forward
    store::objects::remove_version(&mut conn, &bucket, "k", two).unwrap().unwrap();
    assert_eq!(current(&mut conn, "k"), Some("one".into()));
    // an older one goes: the newest stays
    let three = put(&mut conn, &bucket, "k", "three");
    store::objects::remove_version(&mut conn, &bucket, "k", one).unwrap().unwrap();
    assert_eq!(versions(&mut conn, "k"), ["three"]);
    assert_eq!(store::objects::remove_version(&mut conn, &bucket, "k", one).unwrap(), None);
    store::objects::remove_version(&mut conn, &bucket, "k", three).unwrap().unwrap();
    assert_eq!(counters(&mut conn), (0, 0));
}

#[test]
fn suspended_versioning_replaces_the_null_version_alone() {
    let mut conn = testing::connection();
    let off = bucket(&mut conn, Versioning::Off);
    put(&mut conn, &off, "k", "before");
    let on = set(&mut conn, Versioning::On);
    put(&mut conn, &on, "k", "kept");
    let suspended = set(&mut conn, Versioning::Suspended);
    assert_eq!(put(&mut conn, &suspended, "k", "null-1"), VersionId::Null);
    assert_eq!(versions(&mut conn, "k"), ["null-1", "kept"], "what was written before versioning is the null version");
    put(&mut conn, &suspended, "k", "null-2");
    assert_eq!(versions(&mut conn, "k"), ["null-2", "kept"]);
    let removed = store::objects::remove(&mut conn, &suspended, "k", 3000).unwrap();
    assert_eq!(removed, Removed { version: Some(VersionId::Null), is_marker: true });
    assert_eq!(versions(&mut conn, "k"), ["-", "kept"]);
    store::objects::remove(&mut conn, &suspended, "k", 3000).unwrap();
    assert_eq!(versions(&mut conn, "k"), ["-", "kept"], "one null marker, not two");
    assert_eq!(counters(&mut conn), (0, 10));
    put(&mut conn, &suspended, "k", "null-3");
    assert_eq!(versions(&mut conn, "k"), ["null-3", "kept"]);
    assert_eq!(counters(&mut conn), (1, 20));
}

fn upload(conn: &mut Conn, bucket: &Entered, id: &str, begun_at: i64) -> i64 {
    upload_of(conn, bucket, "k", id, begun_at)
}

fn upload_of(conn: &mut Conn, bucket: &Entered, key: &str, id: &str, begun_at: i64) -> i64 {
    let new = NewUpload { upload_id: id.into(), ..new_upload(bucket, key, begun_at) };
    store::uploads::insert(conn, &new).unwrap().id
}

fn new_upload(bucket: &Entered, key: &str, begun_at: i64) -> NewUpload {
    NewUpload {
        upload_id: String::new(),
        bucket: bucket.id,
        key: key.into(),
        person_id: "ann".into(),
        begun_at,
        content_type: None,
        about: None,
        checksum: None,
        whole_checksum: false,
        note: None,
    }
}

fn part(upload: i64, number: i64, size_bytes: i64) -> PartRow {
    let md5 = "0".repeat(32);
    PartRow { upload, number, digest: "d".into(), size_bytes, md5, checksum: None, modified_at: 0 }
}

#[tokio::test]
async fn lifecycle_rules_take_what_they_name_and_nothing_else() {
    let (_dir, db) = testing::temporary();
    let rules = vec![
        LifecycleRule {
            id: "logs".into(),
            enabled: true,
            prefix: "logs/".into(),
            expire_days: Some(3),
            noncurrent_days: Some(2),
            keep_noncurrent: None,
            abort_uploads_days: None,
            remove_lone_markers: true,
        },
        LifecycleRule {
            id: "uploads".into(),
            enabled: true,
            prefix: String::new(),
            expire_days: None,
            noncurrent_days: None,
            keep_noncurrent: None,
            abort_uploads_days: Some(1),
            remove_lone_markers: false,
        },
    ];
    db.write(move |conn| {
        let bucket = bucket(conn, Versioning::Off);
        let change = Change { lifecycle: Some(rules), ..Change::default() };
        store::buckets::update(conn, bucket.id, &change)?;
        let on = set(conn, Versioning::On);
        for (key, day) in [("logs/old", 1), ("logs/new", 8), ("other", 1)] {
            store::objects::insert(conn, &on, new(key, key, day * DAY_MS))?;
        }
        store::objects::insert(conn, &on, new("logs/replaced", "older", DAY_MS))?;
        store::objects::insert(conn, &on, new("logs/replaced", "newer", 8 * DAY_MS))?;
        upload(conn, &on, "stale", DAY_MS);
        upload(conn, &on, "fresh", 10 * DAY_MS);
        Ok(())
    })
    .await
    .unwrap();
    let now = 10 * DAY_MS + 1;
    let report = tasks::pass(&db, now).await.unwrap();
    assert_eq!(report, tasks::Report { objects: 1, versions: 0, uploads: 1 });
    db.read(|conn| {
        assert_eq!(versions(conn, "logs/old"), ["-", "logs/old"], "a marker hides it, the version still stands");
        assert_eq!(versions(conn, "logs/replaced"), ["newer", "older"]);
        assert_eq!(versions(conn, "other"), ["other"]);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(tasks::pass(&db, now).await.unwrap(), tasks::Report::default(), "a second pass finds nothing");
    // far enough in the future the marker, which was made by the real clock, has aged too
    let report = tasks::pass(&db, crate::clock::now_ms() + 4 * DAY_MS).await.unwrap();
    assert_eq!(report.uploads, 1);
    db.read(|conn| {
        assert_eq!(versions(conn, "logs/old"), Vec::<String>::new(), "the version went, and with it the lone marker");
        assert_eq!(versions(conn, "other"), ["other"]);
        Ok(())
    })
    .await
    .unwrap();
}

#[test]
fn conditions_are_judged_as_http_has_it() {
    use rules::{Conditions, Verdict};
    let etag = |text: &str| Some(Match::ETag(text.into()));
    let table = [
        (Conditions { if_match: etag("a"), ..Default::default() }, Verdict::GoOn),
        (Conditions { if_match: etag("b"), ..Default::default() }, Verdict::Failed),
        (Conditions { if_none_match: etag("a"), ..Default::default() }, Verdict::NotModified),
        (Conditions { if_none_match: Some(Match::Any), ..Default::default() }, Verdict::NotModified),
        (Conditions { if_none_match: etag("b"), ..Default::default() }, Verdict::GoOn),
        (Conditions { if_modified_since: Some(5000), ..Default::default() }, Verdict::NotModified),
        (Conditions { if_modified_since: Some(4000), ..Default::default() }, Verdict::GoOn),
        (Conditions { if_unmodified_since: Some(4000), ..Default::default() }, Verdict::Failed),
        (Conditions { if_unmodified_since: Some(5000), ..Default::default() }, Verdict::GoOn),
        // an ETag decides alone
        (Conditions { if_match: etag("a"), if_unmodified_since: Some(4000), ..Default::default() }, Verdict::GoOn),
        (Conditions { if_none_match: etag("b"), if_modified_since: Some(9000), ..Default::default() }, Verdict::GoOn),
    ];
    for (conditions, expected) in table {
        assert_eq!(conditions.on_read("a", 5_400), expected, "{conditions:?}");
    }
    let write = |conditions: Conditions, etag: Option<&str>| conditions.on_write("k", etag).is_ok();
    let only_new = Conditions { if_none_match: Some(Match::Any), ..Default::default() };
    assert!(write(only_new.clone(), None) && !write(only_new, Some("a")));
    let only_that = Conditions { if_match: etag("a"), ..Default::default() };
    assert!(write(only_that.clone(), Some("a")) && !write(only_that.clone(), Some("b")) && !write(only_that, None));
}

#[test]
fn ranges_lie_within_the_object_or_are_refused() {
    use rules::ByteRange;
    let within = |range: ByteRange, size: u64| range.within(size).ok();
    assert_eq!(within(ByteRange::From(3), 10), Some((3, 10)));
    assert_eq!(within(ByteRange::Between(3, 3), 10), Some((3, 4)));
    assert_eq!(within(ByteRange::Between(3, u64::MAX), 10), Some((3, 10)));
    assert_eq!(within(ByteRange::Last(4), 10), Some((6, 10)));
    assert_eq!(within(ByteRange::Last(40), 10), Some((0, 10)));
    for nothing in [ByteRange::From(10), ByteRange::Between(10, 12), ByteRange::Last(0)] {
        assert_eq!(within(nothing, 10), None, "{nothing:?}");
    }
    assert_eq!(within(ByteRange::From(0), 0), None);
}

#[test]
fn a_key_that_would_lead_a_client_out_of_its_folder_is_refused() {
    for bad in ["", "..", "a/../b", "../a", "a/..", "a/./b", ".", "a\\..\\b", "a\0b", &"x".repeat(1025)] {
        assert!(rules::check_key(bad).is_err(), "{bad:?}");
    }
    for good in ["a", "a/b", "...", "a..b", "/a", "a//b", "a/", " ", "é%2e%2e/", "%2e%2e/x", ".hidden", "file://x"] {
        assert!(rules::check_key(good).is_ok(), "{good:?}");
    }
}

#[test]
fn a_version_id_reads_back() {
    for id in [VersionId::Null, VersionId::Seq(0), VersionId::Seq(1_790_000_000_000 << 20)] {
        assert_eq!(VersionId::parse(&id.to_string()).unwrap(), id);
    }
    for bad in ["", "x", "+000000000000001", "00000000000000001", "ffffffffffffffff", "000000000000000G"] {
        assert!(VersionId::parse(bad).is_err(), "{bad:?}");
    }
}
