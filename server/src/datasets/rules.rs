//! Decisions about datasets, without IO: what a manifest may be, its digest, and which rules make sense.

use std::collections::HashSet;

use drydock_wire::datasets::{Check, DatasetFile, Rule, ValidationState};
use drydock_wire::validate;

use super::manifest::{Change, Changes, Entry};
use crate::error::{Error, Result};

/// Paths that one request changes.
const CHANGE_LIMIT: usize = 1_000_000;
const FOLDER_LIMIT: usize = 1_000;
const RULE_LIMIT: usize = 500;
/// Each holds open files and memory of its own while a large table is read.
const UNIQUENESS_LIMIT: usize = 8;
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

/// What a request wants to do to a version's paths, checked one by one.
pub struct Collected {
    changes: Changes,
    /// Whether there is a version to change, so that something can be taken out.
    has_base: bool,
}

impl Collected {
    pub fn new(has_base: bool) -> Self {
        Self { changes: Changes::default(), has_base }
    }

    pub fn put(&mut self, file: DatasetFile) -> Result<()> {
        check_path(&file.path)?;
        validate::digest(&file.digest)
            .map_err(|advice| Error::invalid(format!("Digest of {:?}: {advice}", file.path)))?;
        let entry = Entry::of(file.path, &file.digest, file.size_bytes)?;
        let change = Change::Put { digest: entry.digest, size_bytes: entry.size_bytes };
        self.change(entry.path, change)
    }

    /// A path, or a folder ending in `/`.
    pub fn remove(&mut self, path: String) -> Result<()> {
        if !self.has_base {
            return Err(Error::invalid(
                "To take files out, say with base_version which version they are taken out of.",
            ));
        }
        match path.strip_suffix('/') {
            Some(folder) => {
                check_path(folder)?;
                self.changes.folders.push(path);
                if self.changes.folders.len() > FOLDER_LIMIT {
                    return Err(Error::invalid(format!("At most {FOLDER_LIMIT} folders are taken out at a time.")));
                }
                Ok(())
            }
            None => {
                check_path(&path)?;
                self.change(path, Change::Remove)
            }
        }
    }

    fn change(&mut self, path: String, change: Change) -> Result<()> {
        if self.changes.paths.len() >= CHANGE_LIMIT {
            return Err(Error::invalid(format!(
                "A version is made with at most {CHANGE_LIMIT} changes at a time; add the rest to it with base_version."
            )));
        }
        match self.changes.paths.entry(path) {
            std::collections::btree_map::Entry::Occupied(double) => {
                Err(Error::invalid(format!("The path {:?} is there twice.", double.key())))
            }
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(change);
                Ok(())
            }
        }
    }

    pub fn finish(mut self) -> Result<Changes> {
        if self.changes.paths.is_empty() && self.changes.folders.is_empty() {
            let nothing =
                if self.has_base { "Nothing is to be changed." } else { "A version needs at least one file." };
            return Err(Error::invalid(nothing));
        }
        self.changes.folders.sort();
        self.changes.folders.dedup();
        Ok(self.changes)
    }
}

/// What the lists of a request mean.
pub fn changes(files: Vec<DatasetFile>, remove: Vec<String>, has_base: bool) -> Result<Changes> {
    let mut collected = Collected::new(has_base);
    files.into_iter().try_for_each(|file| collected.put(file))?;
    remove.into_iter().try_for_each(|path| collected.remove(path))?;
    collected.finish()
}

fn check_path(path: &str) -> Result<()> {
    validate::relative_path(path).map_err(|advice| Error::invalid(format!("Path {path:?}: {advice}")))
}

/// A tag's name: it must not read as a number, or as the word for the newest.
pub fn check_tag(tag: &str) -> Result<()> {
    let number = tag.strip_prefix('v').unwrap_or(tag).parse::<u64>().is_ok();
    if number || tag == "latest" {
        return Err(Error::invalid(format!("{tag:?} already means a version; choose another name for the tag.")));
    }
    validate::slug(tag).map_err(|advice| Error::invalid(format!("Tag {tag:?}: {advice}")))
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
    let unique = rules.iter().filter(|rule| matches!(rule.check, Check::Unique { .. } | Check::UniqueTogether { .. }));
    let unique = unique.count();
    if unique > UNIQUENESS_LIMIT {
        return Err(Error::invalid(format!(
            "At most {UNIQUENESS_LIMIT} rules may ask for unique rows; these are {unique}."
        )));
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
            return Err(format!("`{file}` is not a table; rules are about .csv, .tsv, .jsonl and .parquet files."));
        }
    }
    match &rule.check {
        Check::Columns { columns } => check_names(columns),
        Check::UniqueTogether { columns } if columns.len() < 2 => Err("name at least two columns.".into()),
        Check::UniqueTogether { columns } => check_names(columns),
        Check::Schema { types, .. } => check_names(&types.keys().cloned().collect::<Vec<_>>()),
        Check::OneOf { column, values } => check_list("value", values).and_then(|()| check_name(column)),
        Check::Range { column, min, max } => check_bounds(*min, *max).and_then(|()| check_name(column)),
        Check::RowCount { min, max } => check_bounds(*min, *max),
        Check::NotNull { column } | Check::Unique { column } => check_name(column),
        Check::Regex { column, pattern } => check_pattern(pattern).and_then(|()| check_name(column)),
        Check::Drift { column, against, max } => {
            if against.is_empty() || !(0.0..=1.0).contains(max) {
                return Err("say against which version or tag, and give a `max` from 0 to 1.".into());
            }
            check_name(column)
        }
        Check::Images { min, max, min_width, min_height, max_width, max_height } => {
            if rule.file.is_some() {
                return Err("images are counted in the whole version; leave the file out.".into());
            }
            let in_order = |min: &Option<u64>, max: &Option<u64>| min.zip(*max).is_none_or(|(min, max)| min <= max);
            let good = in_order(min, max) && in_order(min_width, max_width) && in_order(min_height, max_height);
            good.then_some(()).ok_or_else(|| "the minimum is above the maximum.".into())
        }
    }
}

fn check_names(columns: &[String]) -> std::result::Result<(), String> {
    check_list("column", columns)?;
    columns.iter().try_for_each(|column| check_name(column))
}

fn check_pattern(pattern: &str) -> std::result::Result<(), String> {
    match super::validate::whole_pattern(pattern) {
        Ok(_) if pattern.len() <= TEXT_LIMIT => Ok(()),
        Ok(_) => Err(format!("the pattern is longer than {TEXT_LIMIT} bytes.")),
        Err(error) => {
            let words = error.to_string();
            let last = words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
            Err(format!("`{pattern}` is no regular expression: {}", last.trim_start_matches("error: ")))
        }
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
    fn hostile_and_contradictory_lists_are_refused() {
        let put = |paths: &[&str]| changes(paths.iter().map(|path| file(path)).collect(), vec![], false);
        for bad in [&[][..], &["../a"], &["a", "a"], &["/etc/passwd"], &["a//b"], &["a/./b"], &["a\\b"], &["a\0b"]] {
            assert!(put(bad).is_err(), "{bad:?}");
        }
        let upper = DatasetFile { digest: "A".repeat(64), ..file("a") };
        assert!(changes(vec![upper], vec![], false).is_err());
        assert!(put(&["a", "ab/c", "a.b"]).is_ok());
        assert!(changes(vec![file("a")], vec!["b".into()], false).is_err(), "nothing to take out of");
        assert!(changes(vec![file("a")], vec!["a".into()], true).is_err(), "put and taken out");
        for bad in ["../", "/", "a//", ".."] {
            assert!(changes(vec![], vec![bad.into()], true).is_err(), "{bad:?}");
        }
        assert!(changes(vec![], vec!["old/".into(), "b".into()], true).is_ok());
    }

    #[test]
    fn a_tag_never_reads_as_a_number() {
        for bad in ["3", "v3", "latest", "", "Prod", "a/b", "a@b"] {
            assert!(check_tag(bad).is_err(), "{bad:?}");
        }
        assert!(check_tag("prod").is_ok() && check_tag("v3-clean").is_ok());
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
            Check::Regex { column: "a".into(), pattern: "(".into() },
            Check::Regex { column: "a".into(), pattern: "(a{1000}){1000}".into() },
            Check::UniqueTogether { columns: vec!["a".into()] },
            Check::Schema { types: Default::default(), exact: false },
            Check::Drift { column: "a".into(), against: "prod".into(), max: 2.0 },
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
