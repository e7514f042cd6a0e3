//! Holds a version's tables and images against the dataset's rules and says in words what breaks them.
//!
//! One pass over each table answers every rule; hashes of values that must be unique go to files where there are more than
//! memory holds, so that memory stays bounded. An empty cell breaks `not_null` alone; the other rules look at cells that hold
//! a value.

mod running;
mod whole;
mod words;

use std::collections::HashMap;
use std::io;
use std::path::Path;

use drydock_wire::datasets::{
    Check, ColumnKind, DatasetFile, FileProfile, ImageProfile, RowSample, Rule, RuleResult, ValidationReport,
};

use super::table::{self, Source, Stop};
use running::Running;
pub use running::whole_pattern;

const SAMPLES: usize = 5;

/// What is known of the version, and where work may lie.
pub struct Subject<'a> {
    pub tables: &'a [DatasetFile],
    pub profiles: &'a [FileProfile],
    pub images: Option<&'a ImageProfile>,
    /// Profiles of the versions that `drift` rules name.
    pub others: &'a HashMap<String, Vec<FileProfile>>,
    pub scratch: &'a Path,
    pub checked_at: i64,
}

/// Checks every rule on every table it is about. `open` gives a table's bytes; its errors and those of the scratch folder are
/// the only ones.
pub fn validate(
    rules: &[Rule],
    subject: &Subject<'_>,
    open: impl Fn(&DatasetFile) -> Result<Source, Stop>,
) -> io::Result<ValidationReport> {
    let mut results = vec![];
    for file in subject.tables {
        let applicable: Vec<&Rule> = rules.iter().filter(|rule| is_about(rule, file)).collect();
        if !applicable.is_empty() {
            results.extend(check_file(&applicable, file, subject, &open)?);
        }
    }
    for rule in rules {
        match &rule.check {
            Check::Images { .. } => results.push(result(rule, "", whole::images(&rule.check, subject.images))),
            _ => results.extend(without_table(rule, subject.tables)),
        }
    }
    // in the order of the rules, as their author wrote them
    let place: HashMap<String, usize> = rules.iter().enumerate().map(|(n, r)| (format!("{r:?}"), n)).collect();
    results.sort_by_key(|result| place.get(&format!("{:?}", result.rule)).copied());
    let checked_at = subject.checked_at;
    Ok(ValidationReport { passed: results.iter().all(|result| result.passed), checked_at, results })
}

fn is_about(rule: &Rule, file: &DatasetFile) -> bool {
    !matches!(rule.check, Check::Images { .. }) && rule.file.as_ref().is_none_or(|wanted| *wanted == file.path)
}

/// A rule that no table of the version answers for is broken, not passed.
fn without_table(rule: &Rule, tables: &[DatasetFile]) -> Option<RuleResult> {
    let message = match &rule.file {
        Some(wanted) if !tables.iter().any(|file| file.path == *wanted) => {
            format!("The version has no table `{wanted}`.")
        }
        None if tables.is_empty() => "The version has no table.".into(),
        Some(_) | None => return None,
    };
    Some(result(rule, rule.file.as_deref().unwrap_or_default(), Found::broken(message)))
}

fn result(rule: &Rule, file: &str, found: Found) -> RuleResult {
    RuleResult {
        rule: rule.clone(),
        file: file.to_owned(),
        passed: found.passed,
        failed_rows: found.failed_rows,
        samples: found.samples,
        message: found.message,
    }
}

/// What came of one rule on one file.
struct Found {
    passed: bool,
    failed_rows: u64,
    samples: Vec<RowSample>,
    message: String,
}

impl Found {
    fn broken(message: String) -> Self {
        Self { passed: false, failed_rows: 0, samples: vec![], message }
    }

    fn whole(passed: bool, message: String) -> Self {
        Self { passed, failed_rows: 0, samples: vec![], message }
    }
}

fn check_file(
    rules: &[&Rule],
    file: &DatasetFile,
    subject: &Subject<'_>,
    open: &impl Fn(&DatasetFile) -> Result<Source, Stop>,
) -> io::Result<Vec<RuleResult>> {
    match run_checks(rules, file, subject, || open(file)) {
        Ok(found) => Ok(rules.iter().zip(found).map(|(rule, found)| result(rule, &file.path, found)).collect()),
        Err(Stop::Io(error)) => Err(error),
        Err(Stop::Malformed(words)) => {
            let not_checked = |rule: &&Rule| result(rule, &file.path, Found::broken(format!("Not checked. {words}")));
            Ok(rules.iter().map(not_checked).collect())
        }
    }
}

fn run_checks(
    rules: &[&Rule],
    file: &DatasetFile,
    subject: &Subject<'_>,
    open: impl Fn() -> Result<Source, Stop>,
) -> Result<Vec<Found>, Stop> {
    let mut rows = table::open(&file.path, open()?)?;
    let mut running = vec![];
    for rule in rules {
        running.push(Running::new(&rule.check, subject.scratch)?);
    }
    let mut row_count = 0;
    let mut known = usize::MAX;
    loop {
        if rows.columns().len() != known {
            known = rows.columns().len();
            running.iter_mut().for_each(|check| check.find_columns(rows.columns()));
        }
        let Some(row) = rows.next_row()? else { break };
        row_count += 1;
        for check in &mut running {
            check.look(&row).map_err(Stop::Io)?;
        }
    }
    let columns = rows.columns().to_vec();
    let mut kinds = HashMap::new();
    if let Some(profile) = subject.profiles.iter().find(|profile| profile.path == file.path) {
        kinds.extend(profile.columns.iter().map(|column| (column.name.clone(), column.kind)));
    }
    let mut found = vec![];
    for check in running {
        found.push(match check.check {
            Check::Columns { columns: wanted } => whole::columns(wanted, &columns),
            Check::Schema { types, exact } => whole::schema(types, *exact, &columns, &kinds),
            Check::RowCount { min, max } => whole::row_count(row_count, *min, *max),
            Check::Drift { column, against, max } => whole::drift(subject, file, column, against, *max),
            _ => check.finish(row_count, &columns, || table::open(&file.path, open()?))?,
        });
    }
    Ok(found)
}

/// As people read it.
fn kind_word(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Integer => "integer",
        ColumnKind::Float => "float",
        ColumnKind::Boolean => "boolean",
        ColumnKind::Timestamp => "timestamp",
        ColumnKind::Text => "text",
        ColumnKind::Empty => "empty",
    }
}

#[cfg(test)]
mod tests;
