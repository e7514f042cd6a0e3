//! What is found out about a version: profiles, reports, differences.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

#[tokio::test]
async fn a_small_version_has_its_profile_and_report_with_the_answer() {
    let the = bench(Limits::default());
    the.create("d").await;
    let rules = vec![Rule { file: None, check: Check::NotNull { column: "size".into() } }];
    set_rules(&the.app, &develop("ann"), "d", rules, None).await.unwrap();
    let table = the.upload("ann", CSV).await;
    let made = the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    assert_eq!(made.version.validation, ValidationState::Failed);
    let detail = versions::detail(&the.app, &view(), "d", "1").await.unwrap();
    assert_eq!(detail.report.unwrap().results[0].message, "1 of 3 rows: `size` is empty.");
    let kinds: Vec<ColumnKind> = detail.profiles[0].columns.iter().map(|column| column.kind).collect();
    assert_eq!(kinds, [ColumnKind::Integer, ColumnKind::Float, ColumnKind::Text]);
}

#[tokio::test]
async fn new_rules_are_held_against_the_latest_version_in_the_background() {
    let the = bench(Limits::default());
    the.create("d").await;
    let table = the.upload("ann", CSV).await;
    the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    assert_eq!(check(&the.app, &develop("ann"), "d", "1").await.unwrap_err().code, ErrorCode::Conflict);
    let mut events = the.app.events.subscribe();
    start(&the.app).await;
    let rules = vec![Rule { file: None, check: Check::Unique { column: "id".into() } }];
    set_rules(&the.app, &develop("ann"), "d", rules.clone(), None).await.unwrap();
    // the rules' own event, then the report's
    for _ in 0..2 {
        events.recv().await.unwrap();
    }
    let detail = get(&the.app, &view(), "d").await.unwrap();
    assert_eq!((detail.versions[0].validation, detail.rules), (ValidationState::Passed, rules));
}

#[tokio::test]
async fn a_malformed_table_is_kept_and_explained() {
    let the = bench(Limits::default());
    the.create("d").await;
    let cases: [(&'static [u8], &str); 4] =
        [(b"a,b\n1\n", "Line 2 has 1 cell,"), (b"", "empty"), (b"a\n\xff\n", "UTF-8"), (b"1,2\n3,4\n", "header line")];
    for (bytes, expected) in cases {
        let table = the.upload("ann", bytes).await;
        the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
        let detail = versions::detail(&the.app, &view(), "d", "latest").await.unwrap();
        assert!(detail.profiles[0].problem.as_ref().unwrap().contains(expected), "{expected}");
    }
}

#[tokio::test]
async fn the_difference_names_what_came_went_changed_and_moved() {
    let the = bench(Limits::default());
    the.create("d").await;
    let csv = the.upload("ann", CSV).await;
    let changed = the.upload("ann", b"id,size,kind\n1,2.5,a\n2,9.5,b\n4,,a\n3,,a\n").await;
    let (a, b) = (the.upload("ann", b"a").await, the.upload("ann", b"bb").await);
    the.version_of("ann", "d", vec![file("t.csv", &csv), file("old", &a), file("same", &a), file("gone", &b)])
        .await
        .unwrap();
    let c = the.upload("ann", b"ccc").await;
    let files = vec![file("t.csv", &changed), file("new-name", &a), file("same", &a), file("come", &c)];
    the.version_of("ann", "d", files).await.unwrap();
    let diff = difference::diff(&the.app, &view(), "d", None, "latest").await.unwrap();
    assert_eq!((diff.from, diff.to), (1, 2));
    let counts = [diff.added_count, diff.removed_count, diff.changed_count, diff.renamed_count, diff.unchanged_count];
    assert_eq!(counts, [1, 1, 1, 1, 1]);
    let told: Vec<(&str, Option<&str>)> =
        diff.files.iter().map(|change| (change.path.as_str(), change.old_path.as_deref())).collect();
    assert_eq!(told, [("come", None), ("gone", None), ("new-name", Some("old")), ("t.csv", None)]);
    let table = &diff.tables[0];
    assert_eq!((table.rows_before, table.rows_after), (3, 4));
    assert_eq!((table.rows_added, table.rows_removed), (Some(2), Some(1)));
    assert!(table.columns[1].distance.unwrap() > 0.4);
    let first = difference::diff(&the.app, &view(), "d", None, "1").await.unwrap_err();
    assert_eq!(first.code, ErrorCode::NotFound);
}

#[tokio::test]
async fn an_unchanged_table_is_not_read_again() {
    let the = bench(Limits::default());
    the.create("d").await;
    let table = the.upload("ann", CSV).await;
    the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    // marked, so that a second look would show
    let marked = "UPDATE dataset_versions SET profiles = replace(profiles, '\"row_count\":3', '\"row_count\":77')";
    the.batch(marked.into()).await;
    the.version_of("ann", "d", vec![file("b.csv", &table)]).await.unwrap();
    let detail = versions::detail(&the.app, &view(), "d", "2").await.unwrap();
    assert_eq!((detail.profiles[0].path.as_str(), detail.profiles[0].row_count), ("b.csv", 77));
}

#[tokio::test]
async fn images_are_counted_by_class_and_broken_ones_are_named() {
    let the = bench(Limits::default());
    the.create("d").await;
    // the smallest GIF there is, a PNG that ends after its size, and no image at all
    let gif =
        the.upload("ann", b"GIF89a\x02\x00\x03\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x00;").await;
    let png = the.upload("ann", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x10\x00\x00\x00\x20\x08\x02").await;
    let text = the.upload("ann", b"hello").await;
    let files =
        vec![file("cat/1.gif", &gif), file("cat/2.gif", &gif), file("dog/1.png", &png), file("dog/2.jpg", &text)];
    the.version_of("ann", "d", files).await.unwrap();
    let rules = yaml::read("- check: images\n  min: 3\n  min_width: 2\n").unwrap();
    set_rules(&the.app, &develop("ann"), "d", rules, None).await.unwrap();
    let report = check(&the.app, &develop("ann"), "d", "1").await.unwrap();
    assert!(!report.passed && report.results[0].message.contains("dog/1.png"), "{report:?}");
    let images = versions::detail(&the.app, &view(), "d", "1").await.unwrap().images.unwrap();
    assert_eq!((images.count, images.measured, images.broken_count), (4, 4, 2));
    assert_eq!(
        images.classes.iter().map(|one| (one.value.as_str(), one.count)).collect::<Vec<_>>(),
        [("cat", 2), ("dog", 2)]
    );
    assert_eq!((images.width.unwrap().max, images.height.unwrap().max), (2, 3));
    assert_eq!(images.formats[0].value, "GIF");
}

#[tokio::test]
async fn rules_are_kept_as_their_author_wrote_them() {
    let the = bench(Limits::default());
    the.create("d").await;
    let text = "# the id\n- check: not_null\n  column: id\n";
    let rules = yaml::read(text).unwrap();
    set_rules(&the.app, &develop("ann"), "d", rules, Some(text.into())).await.unwrap();
    assert_eq!(rules_yaml(&the.app, &view(), "d").await.unwrap(), text);
    set_rules(&the.app, &develop("ann"), "d", vec![], None).await.unwrap();
    assert!(rules_yaml(&the.app, &view(), "d").await.unwrap().contains("rules: []"));
}

#[tokio::test]
async fn a_damaged_file_is_named_and_the_others_are_profiled_all_the_same() {
    let the = bench(Limits::default());
    the.create("d").await;
    let (good, bad) = (the.upload("ann", CSV).await, the.upload("ann", b"id\n1\n2\n").await);
    let gif =
        the.upload("ann", b"GIF89a\x02\x00\x03\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x00;").await;
    the.damage(&bad).await;
    the.damage(&gif).await;
    let rules = vec![Rule { file: None, check: Check::NotNull { column: "id".into() } }];
    set_rules(&the.app, &develop("ann"), "d", rules, None).await.unwrap();
    let files = vec![file("bad.csv", &bad), file("good.csv", &good), file("x/1.gif", &gif)];
    let made = the.version_of("ann", "d", files).await.unwrap();
    assert_eq!(made.version.validation, ValidationState::Failed);
    let detail = versions::detail(&the.app, &view(), "d", "1").await.unwrap();
    let said = detail.profiles[0].problem.as_ref().unwrap();
    assert!(said.contains(&bad.digest) && said.contains("damaged"), "{said}");
    assert_eq!((detail.profiles[1].row_count, &detail.profiles[1].problem), (3, &None));
    let images = detail.images.unwrap();
    assert!(images.broken_count == 1 && images.broken[0].problem.contains("damaged"), "{images:?}");
    let results = detail.report.unwrap().results;
    assert!(!results[0].passed && results[0].message.starts_with("Not checked. "), "{results:?}");
    assert!(results[1].passed, "{results:?}");

    // sent again it is whole, and the next check sees it
    let digest = bad.digest.clone();
    the.batch(format!("UPDATE blobs SET data = x'69640a310a320a' WHERE digest = '{digest}'")).await;
    let report = check(&the.app, &develop("ann"), "d", "1").await.unwrap();
    assert!(report.passed, "{report:?}");
    let detail = versions::detail(&the.app, &view(), "d", "1").await.unwrap();
    assert_eq!((detail.profiles[0].row_count, &detail.profiles[0].problem), (2, &None));
}

#[tokio::test]
async fn a_difference_waits_for_no_profile_and_its_rows_are_counted_once() {
    let the = bench(Limits::default());
    the.create("d").await;
    let (old, new) = (the.upload("ann", b"id\n1\n2\n").await, the.upload("ann", b"id\n1\n3\n4\n").await);
    the.version_of("ann", "d", vec![file("a.csv", &old)]).await.unwrap();
    the.version_of("ann", "d", vec![file("a.csv", &new)]).await.unwrap();
    // somebody else's 50 GB are being read
    let _large = tasks::READING_LARGE.acquire().await.unwrap();
    let _small = tasks::READING_SMALL.acquire_many(2).await.unwrap();
    let auth = view();
    let asked = || difference::diff(&the.app, &auth, "d", None, "latest");
    let wait = std::time::Duration::from_secs(20);
    let first = tokio::time::timeout(wait, asked()).await.unwrap().unwrap();
    assert_eq!((first.tables[0].rows_added, first.tables[0].rows_removed), (Some(2), Some(1)));
    // unreadable now, so that a second look would show
    the.damage(&new).await;
    assert_eq!(asked().await.unwrap(), first);
}
