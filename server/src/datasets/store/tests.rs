//! Rows of datasets, versions, tags and uploads against a real database.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use drydock_wire::ErrorCode;
use drydock_wire::datasets::{Check, ValidationState};

use super::*;
use crate::db::testing::connection;

fn insert(conn: &mut Conn, name: &str) -> DatasetRow {
    let row = DatasetRow {
        id: format!("id-{name}"),
        name: name.into(),
        description: String::new(),
        created_at: 1,
        rules: "[]".into(),
        rules_revision: 0,
        last_version: 0,
        versions_made: 0,
        rules_yaml: None,
    };
    insert_dataset(conn, "default", &row).unwrap();
    row
}

fn root(conn: &mut Conn) -> String {
    crate::objects::store::touch_blob(conn, "root", 1, Some(b"r"), None, 1).unwrap();
    "root".into()
}

fn add_version(conn: &mut Conn, name: &str, number: i64) {
    let row = VersionRow {
        dataset_id: format!("id-{name}"),
        version: number,
        created_at: number,
        author: "ann".into(),
        message: String::new(),
        file_count: 1,
        size_bytes: 7,
        digest: "d".into(),
        report_passed: None,
        report_revision: None,
        manifest: Some(root(conn)),
        parent: None,
        source: None,
    };
    insert_version(conn, &row).unwrap();
}

#[test]
fn a_name_is_taken_once() {
    let mut conn = connection();
    let row = insert(&mut conn, "a");
    assert_eq!(
        insert_dataset(&mut conn, "default", &DatasetRow { id: "other".into(), ..row }).unwrap_err().code,
        ErrorCode::AlreadyExists
    );
}

#[test]
fn the_list_shows_each_dataset_with_its_latest_version() {
    let mut conn = connection();
    insert(&mut conn, "b");
    insert(&mut conn, "a");
    add_version(&mut conn, "b", 1);
    add_version(&mut conn, "b", 2);
    let listed: Vec<(String, Option<i64>)> = all_datasets(&mut conn, &Scope::All)
        .unwrap()
        .into_iter()
        .map(|(row, v, _)| (row.name, v.map(|v| v.version)))
        .collect();
    assert_eq!(listed, [("a".into(), None), ("b".into(), Some(2))]);
    let missing = dataset(&mut conn, "b").and_then(|row| version(&mut conn, &row, 3)).unwrap_err();
    assert_eq!(missing.message, "The dataset b has no version 3; the latest is 2.");
}

#[test]
fn deleting_a_dataset_takes_versions_and_tags_along_and_leaves_its_content_to_the_background() {
    let mut conn = connection();
    insert(&mut conn, "a");
    add_version(&mut conn, "a", 1);
    set_tag(&mut conn, "id-a", "prod", 1).unwrap();
    delete_dataset(&mut conn, "id-a").unwrap();
    assert!(versions(&mut conn, "id-a").unwrap().is_empty() && tags(&mut conn, "id-a").unwrap().is_empty());
    assert_eq!(leftovers(&mut conn).unwrap().len(), 1);
}

#[test]
fn a_deleted_versions_number_is_not_given_again_and_the_newest_left_is_the_latest() {
    let mut conn = connection();
    insert(&mut conn, "a");
    for number in 1..=3 {
        add_version(&mut conn, "a", number);
    }
    set_tag(&mut conn, "id-a", "prod", 3).unwrap();
    delete_version(&mut conn, "id-a", 3).unwrap();
    let row = dataset(&mut conn, "a").unwrap();
    assert_eq!((row.last_version, row.versions_made), (2, 3));
    assert!(tags(&mut conn, "id-a").unwrap().is_empty());
    assert_eq!(version_count(&mut conn, "id-a").unwrap(), 2);
}

#[test]
fn new_rules_make_older_reports_void_and_the_latest_version_due() {
    let mut conn = connection();
    insert(&mut conn, "a");
    add_version(&mut conn, "a", 1);
    assert!(without_report(&mut conn).unwrap().is_empty());
    let rule = Rule { file: None, check: Check::NotNull { column: "x".into() } };
    set_rules(&mut conn, "id-a", std::slice::from_ref(&rule), None).unwrap();
    assert_eq!(without_report(&mut conn).unwrap().len(), 1);
    let report = ValidationReport { passed: true, checked_at: 5, results: vec![] };
    set_report(&mut conn, "id-a", 1, &report, 1).unwrap();
    assert!(without_report(&mut conn).unwrap().is_empty());
    let row = dataset(&mut conn, "a").unwrap();
    assert_eq!(version(&mut conn, &row, 1).unwrap().view(&row).validation, ValidationState::Passed);
    assert_eq!(analysis(&mut conn, &row, 1).unwrap().report, Some(report));
    set_rules(&mut conn, "id-a", &[], None).unwrap();
    let row = dataset(&mut conn, "a").unwrap();
    assert_eq!(version(&mut conn, &row, 1).unwrap().view(&row).validation, ValidationState::Unchecked);
    assert_eq!(analysis(&mut conn, &row, 1).unwrap(), Analysis::default());
    assert_eq!(row.rules().unwrap(), []);
}

#[test]
fn an_upload_is_its_uploaders_alone_until_it_is_forgotten() {
    let mut conn = connection();
    insert_upload(&mut conn, "ann", "d", 7, 10).unwrap();
    assert_eq!(upload_size(&mut conn, "ann", "d").unwrap(), Some(7));
    assert_eq!(upload_size(&mut conn, "bob", "d").unwrap(), None);
    insert_upload(&mut conn, "ann", "d", 7, 30).unwrap();
    assert_eq!(forget_uploads(&mut conn, 20).unwrap(), 0);
    assert_eq!(forget_uploads(&mut conn, 31).unwrap(), 1);
    assert_eq!(upload_size(&mut conn, "ann", "d").unwrap(), None);
}
