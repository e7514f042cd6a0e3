//! The store's promises against a real database: versions, listings, uploads, quotas, lifecycle.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use drydock_wire::storage::{BucketAccess, LifecycleRule, Versioning};

use super::{
    access::Entered,
    rules::{self, Match, VersionId},
    store::{
        self,
        buckets::{Change, NewBucket},
        list::{AfterVersion, Wanted},
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
    let rows = store::objects::versions(conn, id, key).unwrap();
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

/// What S3's description of listings says, the slow way: every key is looked at.
fn naive(keys: &BTreeSet<String>, wanted: &Wanted) -> (Vec<String>, Vec<String>, bool) {
    let mut entries: BTreeMap<String, bool> = BTreeMap::new();
    for key in keys.iter().filter(|key| key.starts_with(&wanted.prefix)) {
        if !wanted.only.is_empty() && !wanted.only.iter().any(|prefix| key.starts_with(prefix)) {
            continue;
        }
        match rules::common_prefix(key, &wanted.prefix, &wanted.delimiter) {
            Some(common) => entries.insert(common.to_owned(), true),
            None => entries.insert(key.clone(), false),
        };
    }
    let after = wanted.after.clone().unwrap_or_default();
    let left: Vec<(String, bool)> = entries
        .into_iter()
        .filter(|(entry, is_prefix)| {
            // a folder that `after` lies in was listed
            *entry > after && !(*is_prefix && after.starts_with(entry.as_str()))
        })
        .collect();
    let is_more = left.len() > wanted.limit && wanted.limit > 0;
    let shown = left.into_iter().take(wanted.limit);
    let (mut objects, mut prefixes) = (vec![], vec![]);
    for (entry, is_prefix) in shown {
        if is_prefix { prefixes.push(entry) } else { objects.push(entry) }
    }
    (objects, prefixes, is_more)
}

/// A small generator of numbers: the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

#[test]
fn a_listing_is_what_looking_at_every_key_gives() {
    let mut conn = testing::connection();
    let bucket = bucket(&mut conn, Versioning::Off);
    let mut dice = Dice(4);
    let pieces = ["a", "b", "/", "/", "aa", "é", "-", "0", "\u{10ffff}", "z/"];
    let mut keys = BTreeSet::new();
    for _ in 0..600 {
        let key: String = (0..1 + dice.below(5)).map(|_| dice.pick(&pieces)).collect();
        put(&mut conn, &bucket, &key, "e");
        keys.insert(key);
    }
    assert!(keys.len() > 200, "{} keys", keys.len());
    for round in 0..600 {
        let wanted = Wanted {
            prefix: dice.pick(&["", "", "a", "a/", "b/", "é", "z/", "\u{10ffff}", "nothing"]).into(),
            delimiter: dice.pick(&["", "/", "/", "a", "aa"]).into(),
            after: match dice.below(3) {
                0 => None,
                _ => keys.iter().nth(dice.below(keys.len())).cloned(),
            },
            limit: [1, 2, 7, 50, 1000][dice.below(5)],
            only: if round % 5 == 0 { vec!["a/".into(), "b".into(), "é".into()] } else { vec![] },
        };
        let page = store::list::objects(&mut conn, bucket.id, &wanted).unwrap();
        let found: Vec<String> = page.objects.iter().map(|row| row.key.clone()).collect();
        let last = found.iter().chain(&page.prefixes).max().cloned();
        let (objects, prefixes, is_more) = naive(&keys, &wanted);
        assert_eq!((found, page.prefixes), (objects, prefixes), "{wanted:?}");
        assert_eq!(page.next.is_some(), is_more, "{wanted:?}");
        assert!(page.next.is_none() || page.next == last, "{wanted:?}");
    }
}

#[test]
fn pages_together_are_the_whole_listing_of_versions() {
    let mut conn = testing::connection();
    let bucket = bucket(&mut conn, Versioning::On);
    for key in ["a", "b/1", "b/2", "c", "d"] {
        for etag in ["one", "two", "three"] {
            put(&mut conn, &bucket, key, etag);
        }
        if key != "c" {
            store::objects::remove(&mut conn, &bucket, key, 1000).unwrap();
        }
    }
    let whole = Wanted { limit: 1000, ..Wanted::default() };
    let all = store::list::versions(&mut conn, bucket.id, &whole, None).unwrap().objects;
    assert_eq!(all.len(), 19);
    for limit in [1, 2, 3, 5] {
        let (mut paged, mut after) = (vec![], None);
        loop {
            let wanted = Wanted { limit, ..Wanted::default() };
            let page = store::list::versions(&mut conn, bucket.id, &wanted, after.as_ref()).unwrap().objects;
            let Some(last) = page.last() else { break };
            after = Some(AfterVersion { key: last.key.clone(), seq: Some(last.seq) });
            paged.extend(page);
        }
        assert_eq!(paged, all, "by {limit}");
    }
    let folded = Wanted { delimiter: "/".into(), limit: 1000, ..Wanted::default() };
    let page = store::list::versions(&mut conn, bucket.id, &folded, None).unwrap();
    assert_eq!((page.objects.len(), page.prefixes), (11, vec!["b/".to_owned()]));
}

fn upload(conn: &mut Conn, bucket: &Entered, id: &str, begun_at: i64) -> i64 {
    let new = NewUpload {
        upload_id: id.into(),
        bucket: bucket.id,
        key: "k".into(),
        person_id: "ann".into(),
        begun_at,
        content_type: None,
        about: None,
        checksum: None,
        whole_checksum: false,
        note: None,
    };
    store::uploads::insert(conn, &new).unwrap().id
}

fn part(upload: i64, number: i64, size_bytes: i64) -> PartRow {
    let md5 = "0".repeat(32);
    PartRow { upload, number, digest: "d".into(), size_bytes, md5, checksum: None, modified_at: 0 }
}

#[test]
fn a_bucket_counts_parts_once_and_gives_them_back() {
    let mut conn = testing::connection();
    let bucket = bucket(&mut conn, Versioning::Off);
    let id = upload(&mut conn, &bucket, "u", 0);
    store::uploads::put_part(&mut conn, &bucket, &part(id, 1, 100)).unwrap();
    store::uploads::put_part(&mut conn, &bucket, &part(id, 1, 60)).unwrap();
    store::uploads::put_part(&mut conn, &bucket, &part(id, 2, 5)).unwrap();
    assert_eq!(counters(&mut conn), (0, 65));
    assert_eq!(store::uploads::complete(&mut conn, &bucket, id, &[1], 1).unwrap(), 60);
    let made = NewObject { size_bytes: 60, content: Content::Parts(id), ..new("k", "e-1", 1) };
    store::objects::insert(&mut conn, &bucket, made).unwrap();
    assert_eq!(counters(&mut conn), (1, 60));
    assert!(store::uploads::open(&mut conn, bucket.id, "k", "u").is_err());
    assert_eq!(store::uploads::outcome(&mut conn, id).unwrap().unwrap().etag, "e-1");
    put(&mut conn, &bucket, "k", "replaced");
    assert_eq!(counters(&mut conn), (1, 10));
    assert_eq!(store::uploads::all_parts(&mut conn, id).unwrap(), vec![], "its parts went with it");
    let given_up = upload(&mut conn, &bucket, "v", 0);
    store::uploads::put_part(&mut conn, &bucket, &part(given_up, 1, 7)).unwrap();
    store::uploads::abort(&mut conn, &bucket, given_up).unwrap();
    assert_eq!(counters(&mut conn), (1, 10));
}

#[test]
fn what_would_go_over_the_quota_is_refused() {
    let mut conn = testing::connection();
    let bucket = bucket(&mut conn, Versioning::Off);
    store::buckets::update(&mut conn, bucket.id, &Change { quota_bytes: Some(Some(25)), ..Change::default() }).unwrap();
    put(&mut conn, &bucket, "a", "e");
    put(&mut conn, &bucket, "b", "e");
    put(&mut conn, &bucket, "b", "replacing needs no more room");
    let refused = store::objects::insert(&mut conn, &bucket, new("c", "e", 1)).unwrap_err();
    assert_eq!(refused.code, drydock_wire::ErrorCode::Forbidden);
    let id = upload(&mut conn, &bucket, "u", 0);
    assert!(store::uploads::put_part(&mut conn, &bucket, &part(id, 1, 6)).is_err());
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

#[tokio::test]
async fn an_object_in_parts_becomes_one_blob_once_and_reads_the_same() {
    use bytes::Bytes;
    use futures_util::StreamExt;
    use sha2::{Digest, Sha256};
    let (dir, db) = testing::temporary();
    let objects = crate::objects::Objects::open(db.clone(), &dir.path().join("blobs")).unwrap();
    let pieces = [vec![1u8; 100_000], vec![2; 70_000], vec![3; 10]];
    let mut digests = vec![];
    for piece in &pieces {
        digests.push(objects.put_bytes(Bytes::from(piece.clone())).await.unwrap().digest);
    }
    let whole = pieces.concat();
    let wanted = hex::encode(Sha256::digest(&whole));
    let found = db
        .write(move |conn| {
            let bucket = bucket(conn, Versioning::Off);
            let id = upload(conn, &bucket, "u", 0);
            let mut size_bytes = 0;
            for (number, (digest, piece)) in digests.iter().zip(&pieces).enumerate() {
                let row = PartRow { digest: digest.clone(), ..part(id, number as i64 + 1, piece.len() as i64) };
                store::uploads::put_part(conn, &bucket, &row)?;
                size_bytes += row.size_bytes;
            }
            store::uploads::complete(conn, &bucket, id, &[1, 2, 3], 1)?;
            let made = NewObject { size_bytes, content: Content::Parts(id), ..new("k", "e-3", 1) };
            store::objects::insert(conn, &bucket, made)?;
            let bucket = again(conn);
            super::objects::look_in(conn, bucket, "k", None, true)?.object()
        })
        .await
        .unwrap();
    let body = found.stream(&objects, (99_990, 100_020)).await.unwrap();
    let read: Vec<u8> = body.map(|chunk| chunk.unwrap().to_vec()).collect::<Vec<_>>().await.concat();
    assert_eq!(read, whole[99_990..100_020], "over the seam of two parts");
    let (digest, size) = super::objects::join(&objects, found).await.unwrap();
    assert_eq!((digest.as_str(), size), (wanted.as_str(), 170_010));
    let row = db
        .read(|conn| {
            let id = again(conn).id;
            store::objects::current(conn, id, "k")
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!((row.digest.as_deref(), row.upload, row.etag.as_str()), (Some(wanted.as_str()), None, "e-3"));
    assert_eq!(db.read(|conn| Ok(counters(conn))).await.unwrap(), (1, 170_010));
    assert_eq!(objects.read(&digest).await.unwrap(), whole);
}
