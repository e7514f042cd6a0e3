//! Each rule, kept and broken.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;

fn file(path: &str) -> DatasetFile {
    DatasetFile { path: path.into(), digest: "0".repeat(64), size_bytes: 1 }
}

fn run(rules: &[Rule], tables: &[DatasetFile], text: &str) -> ValidationReport {
    let dir = tempfile::tempdir().unwrap();
    let profiles: Vec<FileProfile> =
        tables.iter().map(|file| super::super::profile::profile(&file.path, "d", || Ok(Source::from(text)))).collect();
    let before = "id,age,kind\n1,30,a\n2,30,b\n";
    let other = super::super::profile::profile("t.csv", "e", || Ok(Source::from(before)));
    let others = [("prod".to_owned(), vec![other])].into();
    let subject =
        Subject { tables, profiles: &profiles, images: None, others: &others, scratch: dir.path(), checked_at: 1 };
    validate(rules, &subject, |_| Ok(Source::from(text))).unwrap()
}

fn check(text: &str, check: Check) -> RuleResult {
    let rules = [Rule { file: None, check }];
    let report = run(&rules, &[file("t.csv")], text);
    assert_eq!(report.passed, report.results.iter().all(|result| result.passed));
    report.results.into_iter().next().unwrap()
}

fn lines(result: &RuleResult) -> Vec<u64> {
    result.samples.iter().map(|sample| sample.line).collect()
}

const TABLE: &str = "id,age,kind\n1,30,a\n2,,b\n2,200,c\n3,old,a\n";

#[test]
fn empty_cells_break_not_null_alone() {
    let got = check(TABLE, Check::NotNull { column: "age".into() });
    assert_eq!((got.passed, got.failed_rows, lines(&got)), (false, 1, vec![3]));
    assert_eq!(got.message, "1 of 4 rows: `age` is empty.");
    assert!(check(TABLE, Check::NotNull { column: "id".into() }).passed);
}

#[test]
fn numbers_outside_and_words_break_a_range() {
    let got = check(TABLE, Check::Range { column: "age".into(), min: Some(0.0), max: Some(120.0) });
    assert_eq!((got.failed_rows, lines(&got)), (2, vec![4, 5]));
    assert_eq!(got.samples[1].value, "old");
    assert_eq!(got.message, "2 of 4 rows: `age` is not a number from 0 to 120.");
    assert!(check(TABLE, Check::Range { column: "id".into(), min: Some(1.0), max: None }).passed);
}

#[test]
fn only_declared_values_pass_one_of() {
    let got = check(TABLE, Check::OneOf { column: "kind".into(), values: vec!["a".into(), "b".into()] });
    assert_eq!((got.failed_rows, got.samples[0].value.as_str()), (1, "c"));
}

#[test]
fn missing_columns_are_named() {
    let got = check(TABLE, Check::Columns { columns: vec!["id".into(), "size".into(), "hue".into()] });
    assert_eq!(got.message, "2 columns are missing: `size`, `hue`.");
    let got = check(TABLE, Check::Unique { column: "size".into() });
    assert_eq!((got.passed, got.message.as_str()), (false, "There is no column `size`."));
}

#[test]
fn row_counts_have_bounds() {
    assert!(check(TABLE, Check::RowCount { min: Some(4), max: Some(4) }).passed);
    assert!(!check(TABLE, Check::RowCount { min: Some(5), max: None }).passed);
    assert!(!check(TABLE, Check::RowCount { min: None, max: Some(3) }).passed);
}

#[test]
fn a_malformed_file_fails_its_rules_with_the_cause() {
    let got = check("a,b\n1\n", Check::RowCount { min: Some(1), max: None });
    assert_eq!(got.message, "Not checked. Line 2 has 1 cell, the header has 2.");
    assert!(!got.passed);
}

#[test]
fn a_rule_without_a_file_to_hold_it_against_fails() {
    let rules = [
        Rule { file: Some("b.csv".into()), check: Check::RowCount { min: Some(1), max: None } },
        Rule { file: None, check: Check::RowCount { min: Some(1), max: None } },
    ];
    let report = run(&rules, &[], "");
    let messages: Vec<&str> = report.results.iter().map(|result| result.message.as_str()).collect();
    assert_eq!(messages, ["The version has no table `b.csv`.", "The version has no table."]);
}

#[test]
fn results_keep_the_order_of_the_rules() {
    let rules: Vec<Rule> =
        [1, 2, 3].map(|min| Rule { file: None, check: Check::RowCount { min: Some(min), max: None } }).to_vec();
    let report = run(&rules, &[file("a.csv"), file("b.csv")], "x\n1\n");
    let order: Vec<&Rule> = report.results.iter().map(|result| &result.rule).collect();
    assert_eq!(order, [&rules[0], &rules[0], &rules[1], &rules[1], &rules[2], &rules[2]]);
}

#[test]
fn a_row_may_share_one_value_but_not_all_of_them() {
    let text = "a,b\n1,x\n1,y\n2,x\n1,x\n,\n,\n1,\n";
    let got = check(text, Check::UniqueTogether { columns: vec!["a".into(), "b".into()] });
    assert_eq!((got.failed_rows, lines(&got)), (1, vec![5]));
    assert_eq!(got.samples[0].value, "1, x");
    assert_eq!(got.message, "1 of 7 rows: an earlier row has the same `a` and `b`.");
    let got = check(TABLE, Check::Unique { column: "id".into() });
    assert_eq!((got.failed_rows, lines(&got), got.samples[0].value.as_str()), (1, vec![4], "2"));
}

#[test]
fn a_pattern_matches_the_whole_value() {
    let got = check(
        "code,n\nAB-1,1\nxAB-1,2\n,3\nAB-12,4\n",
        Check::Regex { column: "code".into(), pattern: "AB-\\d".into() },
    );
    assert_eq!((got.failed_rows, lines(&got)), (2, vec![3, 5]));
}

#[test]
fn types_are_held_against_the_schema() {
    let types = |pairs: &[(&str, ColumnKind)]| pairs.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    let good = types(&[("id", ColumnKind::Float), ("age", ColumnKind::Text), ("kind", ColumnKind::Text)]);
    assert!(check(TABLE, Check::Schema { types: good, exact: true }).passed);
    let bad = types(&[("id", ColumnKind::Boolean), ("size", ColumnKind::Text)]);
    let got = check(TABLE, Check::Schema { types: bad, exact: true });
    assert_eq!(
        got.message,
        "`id` is integer, not boolean; `size` is missing; `age` is not declared; `kind` is not declared."
    );
}

#[test]
fn drift_is_measured_against_the_named_version() {
    let drift = |column: &str, max| Check::Drift { column: column.into(), against: "prod".into(), max };
    let moved = "id,age,kind\n1,30,c\n2,30,c\n";
    assert!(!check(moved, drift("kind", 0.5)).passed);
    assert!(check(moved, drift("age", 0.1)).passed);
    let gone = Check::Drift { column: "age".into(), against: "v9".into(), max: 1.0 };
    assert!(check(moved, gone).message.contains("no version or tag"));
}
