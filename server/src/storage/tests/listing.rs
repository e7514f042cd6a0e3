//! Listings against the slow way of making them.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::storage::store::{
    fold::{Page, Wanted},
    list::AfterVersion,
    uploads::{AfterUpload, UploadRow},
};

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
            let page = store::list::versions(&mut conn, bucket.id, &wanted, after).unwrap();
            let last = page.objects.last().map(|row| (row.key.clone(), row.seq));
            paged.extend(page.objects);
            match (page.next, last) {
                (Some(_), Some((key, seq))) => after = Some(AfterVersion { key, place: Some(seq) }),
                _ => break,
            }
        }
        assert_eq!(paged, all, "by {limit}");
    }
    let folded = Wanted { delimiter: "/".into(), limit: 1000, ..Wanted::default() };
    let page = store::list::versions(&mut conn, bucket.id, &folded, None).unwrap();
    assert_eq!((page.objects.len(), page.prefixes), (11, vec!["b/".to_owned()]));
}

/// All pages of a listing of uploads, as a client asks for them: keys with ids, and common prefixes.
fn all_pages(conn: &mut Conn, bucket: &Entered, wanted: &Wanted) -> Vec<String> {
    let (mut listed, mut after) = (vec![], None);
    loop {
        let page = store::uploads::list_open(conn, bucket.id, wanted, after).unwrap();
        assert!(page.objects.len() + page.prefixes.len() <= wanted.limit);
        let Page { objects, prefixes, next } = page;
        let mut here: Vec<String> = objects.iter().map(told).chain(prefixes).collect();
        here.sort();
        listed.extend(here);
        let Some(next) = next else { return listed };
        let place = objects.last().filter(|row| row.key == next).map(|row| row.upload_id.clone());
        after = Some(AfterUpload { key: next, place });
    }
}

fn told(row: &UploadRow) -> String {
    format!("{} {}", row.key, row.upload_id)
}

#[test]
fn pages_of_uploads_are_what_looking_at_each_gives() {
    let mut conn = testing::connection();
    let bucket = bucket(&mut conn, Versioning::Off);
    let mut dice = Dice(7);
    let mut rows = BTreeSet::new();
    for number in 0..400 {
        let key: String = (0..1 + dice.below(3)).map(|_| dice.pick(&["a", "b", "/", "é", "c/"])).collect();
        // unlike the order in which they come
        let id = format!("{:03}-{number}", dice.below(1000));
        upload_of(&mut conn, &bucket, &key, &id, number);
        rows.insert((key, id));
    }
    for round in 0..200 {
        let wanted = Wanted {
            prefix: dice.pick(&["", "", "a", "c/", "b/"]).into(),
            delimiter: dice.pick(&["", "/", "/"]).into(),
            limit: [1, 2, 7, 1000][dice.below(4)],
            only: if round % 5 == 0 { vec!["a".into(), "c/".into()] } else { vec![] },
            ..Wanted::default()
        };
        let mut slowly = BTreeSet::new();
        for (key, id) in &rows {
            let is_shown = wanted.only.is_empty() || wanted.only.iter().any(|prefix| key.starts_with(prefix));
            if is_shown && key.starts_with(&wanted.prefix) {
                let common = rules::common_prefix(key, &wanted.prefix, &wanted.delimiter);
                slowly.insert(common.map_or_else(|| format!("{key} {id}"), str::to_owned));
            }
        }
        let mut paged = all_pages(&mut conn, &bucket, &wanted);
        let count = paged.len();
        paged.sort();
        paged.dedup();
        assert_eq!((paged.len(), paged), (count, slowly.into_iter().collect()), "{wanted:?}");
    }
}

#[test]
fn a_folder_of_twelve_thousand_uploads_is_one_line_of_a_listing() {
    let mut conn = testing::connection();
    let bucket = bucket(&mut conn, Versioning::Off);
    for number in 0..12_000 {
        upload_of(&mut conn, &bucket, "a/k", &format!("{number:05}"), 0);
    }
    for key in ["a/", "b", "c/x"] {
        upload_of(&mut conn, &bucket, key, key, 0);
    }
    let wanted = |limit| Wanted { delimiter: "/".into(), limit, ..Wanted::default() };
    for limit in [1, 2, 1000] {
        assert_eq!(all_pages(&mut conn, &bucket, &wanted(limit)), ["a/", "b b", "c/"], "by {limit}");
    }
}

#[test]
fn who_aborts_page_by_page_misses_none() {
    let mut conn = testing::connection();
    let bucket = bucket(&mut conn, Versioning::Off);
    for number in 0..10 {
        upload(&mut conn, &bucket, &format!("u{number}"), 0);
    }
    let wanted = Wanted { limit: 3, ..Wanted::default() };
    let (mut aborted, mut after) = (0, None);
    loop {
        let page = store::uploads::list_open(&mut conn, bucket.id, &wanted, after).unwrap();
        for row in &page.objects {
            store::uploads::abort(&mut conn, &bucket, row.id).unwrap();
            aborted += 1;
        }
        let Some(last) = page.objects.last().filter(|_| page.next.is_some()) else { break };
        after = Some(AfterUpload { key: last.key.clone(), place: Some(last.upload_id.clone()) });
    }
    assert_eq!(aborted, 10);
}

#[test]
fn ids_of_uploads_are_in_the_order_of_their_beginning() {
    let first = crate::storage::uploads::new_id().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(3));
    let second = crate::storage::uploads::new_id().unwrap();
    assert!(first < second && first.len() == 32, "{first} {second}");
}

#[test]
fn a_search_looks_at_so_many_keys_and_says_where_to_go_on() {
    let mut conn = testing::connection();
    let bucket = bucket(&mut conn, Versioning::Off);
    for number in 0..21_000 {
        put(&mut conn, &bucket, &format!("{number:05}"), "e");
    }
    put(&mut conn, &bucket, "20500-Needle", "e");
    let mut search = |after: Option<String>| {
        let wanted = Wanted { after, limit: 1000, ..Wanted::default() };
        let page = crate::storage::listing::search_in(&mut conn, bucket.id, wanted, "needle", 10).unwrap();
        (page.objects.into_iter().map(|row| row.key).collect::<Vec<_>>(), page.next)
    };
    let (found, next) = search(None);
    assert_eq!((found, next.as_deref()), (vec![], Some("19999")));
    assert_eq!(search(next), (vec!["20500-Needle".to_owned()], None));
}
