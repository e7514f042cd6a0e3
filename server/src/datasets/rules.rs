//! Decisions about datasets, without IO: what a manifest may be, its digest, and which rules make sense.

use std::collections::{BTreeMap, HashSet};

use drydock_wire::datasets::{Check, DatasetFile, Rule, ValidationState};
use drydock_wire::validate;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

const FILE_LIMIT: usize = 20_000;
const RULE_LIMIT: usize = 500;
const VALUE_LIMIT: usize = 10_000;
const TEXT_LIMIT: usize = 2_000;

/// A new dataset's name and description.
pub fn check_naming(name: &str, description: &str) -> Result<()> {
    validate::slug(name).map_err(|advice| Error::invalid(format!("Dataset name `{name}`: {advice}")))?;
    check_text("description", description)
}

/// Free text of a bounded length.
pub fn check_text(what: &str, text: &str) -> Result<()> {
    if text.chars().count() > TEXT_LIMIT {
        return Err(Error::invalid(format!("The {what} is longer than {TEXT_LIMIT} characters.")));
    }
    Ok(())
}

/// The files of a version to be, sorted by path. Refuses bad paths and digests, doubles, and a file where a folder is.
pub fn manifest(files: Vec<DatasetFile>) -> Result<Vec<DatasetFile>> {
    if files.is_empty() {
        return Err(Error::invalid("A version needs at least one file."));
    }
    if files.len() > FILE_LIMIT {
        return Err(Error::invalid(format!("A version has at most {FILE_LIMIT} files; these are {}.", files.len())));
    }
    let mut sorted = BTreeMap::new();
    for file in files {
        validate::relative_path(&file.path)
            .map_err(|advice| Error::invalid(format!("Path {:?}: {advice}", file.path)))?;
        validate::digest(&file.digest)
            .map_err(|advice| Error::invalid(format!("Digest of {:?}: {advice}", file.path)))?;
        if let Some(double) = sorted.insert(file.path.clone(), file) {
            return Err(Error::invalid(format!("The path {:?} is there twice.", double.path)));
        }
    }
    for path in sorted.keys() {
        let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        if let Some(clash) = folders.into_iter().find(|folder| sorted.contains_key(*folder)) {
            return Err(Error::invalid(format!("{clash:?} is a file and, for {path:?}, a folder.")));
        }
    }
    Ok(sorted.into_values().collect())
}

/// SHA-256 over the manifest sorted by path, hex. Lengths are part of it, so that no two manifests read the same.
pub fn manifest_digest(sorted: &[DatasetFile]) -> String {
    let mut hash = Sha256::new();
    for file in sorted {
        hash.update((file.path.len() as u64).to_be_bytes());
        hash.update(file.path.as_bytes());
        hash.update(file.digest.as_bytes());
    }
    hex::encode(hash.finalize())
}

/// What the list shows about a version. `report` is whether its last report passed and the rules' revision it was about.
pub fn validation_state(report: Option<(bool, i64)>, rules_revision: i64, has_rules: bool) -> ValidationState {
    match report {
        Some((passed, revision)) if has_rules && revision == rules_revision => match passed {
            true => ValidationState::Passed,
            false => ValidationState::Failed,
        },
        _ => ValidationState::Unchecked,
    }
}

/// Refuses rules that could never be meant, naming the first.
pub fn check_rules(rules: &[Rule]) -> Result<()> {
    if rules.len() > RULE_LIMIT {
        return Err(Error::invalid(format!("A dataset has at most {RULE_LIMIT} rules; these are {}.", rules.len())));
    }
    for (index, rule) in rules.iter().enumerate() {
        check_rule(rule).map_err(|words| Error::invalid(format!("Rule {}: {words}", index + 1)))?;
    }
    Ok(())
}

fn check_rule(rule: &Rule) -> std::result::Result<(), String> {
    if let Some(file) = &rule.file {
        validate::relative_path(file)?;
        if !super::table::is_tabular(file) {
            return Err(format!("`{file}` is not a CSV file; rules are about CSV files."));
        }
    }
    match &rule.check {
        Check::Columns { columns } => check_list("column", columns)?,
        Check::OneOf { values, .. } => check_list("value", values)?,
        Check::Range { min, max, .. } => check_bounds(*min, *max)?,
        Check::RowCount { min, max } => check_bounds(*min, *max)?,
        Check::NotNull { .. } | Check::Unique { .. } => {}
    }
    match &rule.check {
        Check::NotNull { column }
        | Check::Unique { column }
        | Check::Range { column, .. }
        | Check::OneOf { column, .. } => check_name(column),
        Check::Columns { columns } => columns.iter().try_for_each(|column| check_name(column)),
        Check::RowCount { .. } => Ok(()),
    }
}

fn check_name(column: &str) -> std::result::Result<(), String> {
    let good = !column.trim().is_empty() && column.trim() == column && column.len() <= 1024;
    good.then_some(()).ok_or_else(|| "name a column, without blanks around it.".into())
}

fn check_list(what: &str, list: &[String]) -> std::result::Result<(), String> {
    let distinct: HashSet<&String> = list.iter().collect();
    match list.len() {
        0 => Err(format!("name at least one {what}.")),
        count if count > VALUE_LIMIT => Err(format!("at most {VALUE_LIMIT} {what}s.")),
        count if count != distinct.len() => Err(format!("a {what} is there twice.")),
        _ => Ok(()),
    }
}

fn check_bounds<T: PartialOrd>(min: Option<T>, max: Option<T>) -> std::result::Result<(), String> {
    match (min, max) {
        (None, None) => Err("give a minimum, a maximum or both.".into()),
        (Some(min), Some(max)) if min > max => Err("the minimum is above the maximum.".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn file(path: &str) -> DatasetFile {
        DatasetFile { path: path.into(), digest: "a".repeat(64), size_bytes: 1 }
    }

    #[test]
    fn manifests_that_cannot_be_laid_out_as_files_are_refused() {
        for bad in [vec![], vec!["../a"], vec!["a", "a"], vec!["a", "a/b"], vec!["x/y/z", "x/y"]] {
            assert!(manifest(bad.iter().map(|path| file(path)).collect()).is_err(), "{bad:?}");
        }
        let upper = DatasetFile { digest: "A".repeat(64), ..file("a") };
        assert!(manifest(vec![upper]).is_err());
        assert!(manifest(vec![file("a"), file("ab/c"), file("a.b")]).is_ok());
    }

    #[test]
    fn equal_content_has_an_equal_digest_in_any_order() {
        let digest =
            |paths: &[&str]| manifest_digest(&manifest(paths.iter().map(|path| file(path)).collect()).unwrap());
        assert_eq!(digest(&["b", "a"]), digest(&["a", "b"]));
        assert_ne!(digest(&["a", "b"]), digest(&["a", "c"]));
        assert_ne!(digest(&["a"]), digest(&["a", "b"]));
    }

    #[test]
    fn rules_that_cannot_be_meant_are_refused() {
        let bad = [
            Check::Columns { columns: vec![] },
            Check::Columns { columns: vec!["a".into(), "a".into()] },
            Check::NotNull { column: " ".into() },
            Check::Range { column: "a".into(), min: None, max: None },
            Check::Range { column: "a".into(), min: Some(2.0), max: Some(1.0) },
            Check::RowCount { min: None, max: None },
            Check::OneOf { column: "a".into(), values: vec![] },
        ];
        for check in bad {
            assert!(check_rules(&[Rule { file: None, check: check.clone() }]).is_err(), "{check:?}");
        }
        let text = Rule { file: Some("notes.txt".into()), check: Check::NotNull { column: "a".into() } };
        assert!(check_rules(&[text]).is_err());
    }

    #[test]
    fn a_report_about_older_rules_says_nothing() {
        assert_eq!(validation_state(Some((true, 1)), 1, true), ValidationState::Passed);
        assert_eq!(validation_state(Some((false, 1)), 1, true), ValidationState::Failed);
        assert_eq!(validation_state(Some((true, 1)), 2, true), ValidationState::Unchecked);
        assert_eq!(validation_state(Some((true, 1)), 1, false), ValidationState::Unchecked);
        assert_eq!(validation_state(None, 0, true), ValidationState::Unchecked);
    }
}
