//! Holds a version's CSV files against the dataset's rules and says in words what breaks them.
//!
//! One pass over each file answers every rule but `unique`, which takes a pass of its own (more for very many rows), so
//! memory stays bounded. An empty cell breaks `not_null` alone; the other rules look at cells that hold a value.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};

use drydock_wire::datasets::{Check, DatasetFile, RowSample, Rule, RuleResult, ValidationReport};

use super::table::{self, Row, Stop, Table};

const SAMPLES: usize = 5;
/// So many hashes of a column's values are in memory at a time.
const UNIQUE_AT_ONCE: usize = 1_000_000;

/// Checks every rule on every file it is about. `open` gives a file's bytes; its errors are the only ones.
pub fn validate<R: Read>(
    rules: &[Rule],
    files: &[DatasetFile],
    checked_at: i64,
    open: impl Fn(&DatasetFile) -> io::Result<R>,
) -> io::Result<ValidationReport> {
    let mut results = vec![];
    for file in files.iter().filter(|file| table::is_tabular(&file.path)) {
        let applicable: Vec<&Rule> =
            rules.iter().filter(|rule| rule.file.as_ref().is_none_or(|wanted| *wanted == file.path)).collect();
        if !applicable.is_empty() {
            results.extend(check_file(&applicable, file, &open)?);
        }
    }
    results.extend(rules.iter().filter_map(|rule| without_file(rule, files)));
    // in the order of the rules, as their author wrote them
    let place: HashMap<String, usize> = rules.iter().enumerate().map(|(n, r)| (format!("{r:?}"), n)).collect();
    results.sort_by_key(|result| place.get(&format!("{:?}", result.rule)).copied());
    Ok(ValidationReport { passed: results.iter().all(|result| result.passed), checked_at, results })
}

/// A rule that no file of the version answers for is broken, not passed.
fn without_file(rule: &Rule, files: &[DatasetFile]) -> Option<RuleResult> {
    let message = match &rule.file {
        Some(wanted) if !files.iter().any(|file| file.path == *wanted) => {
            format!("The version has no file `{wanted}`.")
        }
        Some(wanted) if !table::is_tabular(wanted) => {
            format!("`{wanted}` is not a CSV file; rules are about CSV files.")
        }
        None if !files.iter().any(|file| table::is_tabular(&file.path)) => "The version has no CSV file.".into(),
        Some(_) | None => return None,
    };
    let file = rule.file.clone().unwrap_or_default();
    Some(RuleResult { rule: rule.clone(), file, passed: false, failed_rows: 0, samples: vec![], message })
}

fn check_file<R: Read>(
    rules: &[&Rule],
    file: &DatasetFile,
    open: &impl Fn(&DatasetFile) -> io::Result<R>,
) -> io::Result<Vec<RuleResult>> {
    let outcome = run_checks(rules, || open(file));
    let result = |rule: &Rule, found: Found| RuleResult {
        rule: rule.clone(),
        file: file.path.clone(),
        passed: found.passed,
        failed_rows: found.failed_rows,
        samples: found.samples,
        message: found.message,
    };
    match outcome {
        Ok(found) => Ok(rules.iter().zip(found).map(|(rule, found)| result(rule, found)).collect()),
        Err(Stop::Io(error)) => Err(error),
        Err(Stop::Malformed(words)) => {
            Ok(rules.iter().map(|rule| result(rule, Found::broken(format!("Not checked. {words}")))).collect())
        }
    }
}

fn run_checks<R: Read>(rules: &[&Rule], open: impl Fn() -> io::Result<R>) -> Result<Vec<Found>, Stop> {
    let mut table = Table::open(open().map_err(Stop::Io)?)?;
    let mut running: Vec<Running<'_>> = rules.iter().map(|rule| Running::new(&rule.check, table.columns())).collect();
    let mut row_count = 0;
    while let Some(row) = table.next_row()? {
        row_count += 1;
        for check in &mut running {
            check.look(&row);
        }
    }
    for check in running.iter_mut() {
        if let (Check::Unique { .. }, Some(column)) = (check.check, check.column) {
            (check.failed_rows, check.samples) = repeats(column, &open, UNIQUE_AT_ONCE)?;
        }
    }
    Ok(running.into_iter().map(|check| check.finish(row_count, table.columns())).collect())
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
}

/// A rule while the rows go by.
struct Running<'a> {
    check: &'a Check,
    column: Option<usize>,
    /// Of `OneOf`.
    allowed: HashSet<&'a str>,
    failed_rows: u64,
    samples: Vec<RowSample>,
}

impl<'a> Running<'a> {
    fn new(check: &'a Check, columns: &[String]) -> Self {
        let column = column_of(check).and_then(|name| columns.iter().position(|column| column == name));
        let allowed = match check {
            Check::OneOf { values, .. } => values.iter().map(|value| value.trim()).collect(),
            _ => HashSet::new(),
        };
        Self { check, column, allowed, failed_rows: 0, samples: vec![] }
    }

    fn look(&mut self, row: &Row<'_>) {
        let Some(column) = self.column else { return };
        let cell = row.cell(column);
        let good = match self.check {
            Check::NotNull { .. } => !table::is_empty(cell),
            Check::Range { min, max, .. } => table::is_empty(cell) || in_range(cell, *min, *max),
            Check::OneOf { .. } => table::is_empty(cell) || self.allowed.contains(cell.trim()),
            Check::Columns { .. } | Check::Unique { .. } | Check::RowCount { .. } => true,
        };
        if !good {
            self.failed_rows += 1;
            if self.samples.len() < SAMPLES {
                self.samples.push(RowSample { line: row.line, value: table::excerpt(cell) });
            }
        }
    }

    fn finish(self, row_count: u64, columns: &[String]) -> Found {
        if let (Some(name), None) = (column_of(self.check), self.column) {
            return Found::broken(format!("There is no column `{name}`."));
        }
        match self.check {
            Check::Columns { columns: wanted } => columns_found(wanted, columns),
            Check::RowCount { min, max } => row_count_found(row_count, *min, *max),
            check => Found {
                passed: self.failed_rows == 0,
                message: words(check, self.failed_rows, row_count),
                failed_rows: self.failed_rows,
                samples: self.samples,
            },
        }
    }
}

fn column_of(check: &Check) -> Option<&str> {
    match check {
        Check::NotNull { column }
        | Check::Unique { column }
        | Check::Range { column, .. }
        | Check::OneOf { column, .. } => Some(column),
        Check::Columns { .. } | Check::RowCount { .. } => None,
    }
}

fn in_range(cell: &str, min: Option<f64>, max: Option<f64>) -> bool {
    table::number(cell).is_some_and(|value| min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max))
}

fn columns_found(wanted: &[String], columns: &[String]) -> Found {
    let missing: Vec<String> =
        wanted.iter().filter(|name| !columns.contains(name)).map(|name| format!("`{name}`")).collect();
    let message = match (missing.len(), wanted.len()) {
        (0, 1) => "The column is there.".into(),
        (0, count) => format!("All {count} columns are there."),
        (1, _) => format!("The column {} is missing.", missing[0]),
        (_, _) => format!("{} columns are missing: {}.", missing.len(), missing.join(", ")),
    };
    Found { passed: missing.is_empty(), failed_rows: 0, samples: vec![], message }
}

fn row_count_found(rows: u64, min: Option<u64>, max: Option<u64>) -> Found {
    let message = match (min, max) {
        (Some(min), _) if rows < min => format!("{rows} rows; at least {min} are wanted."),
        (_, Some(max)) if rows > max => format!("{rows} rows; at most {max} are wanted."),
        _ => return Found { passed: true, failed_rows: 0, samples: vec![], message: format!("{rows} rows.") },
    };
    Found::broken(message)
}

/// The outcome of a rule about the cells of one column, in a sentence.
fn words(check: &Check, failed: u64, rows: u64) -> String {
    let of_rows = format!("{failed} of {rows} rows");
    match (check, failed) {
        (Check::NotNull { column }, 0) => format!("No `{column}` is empty."),
        (Check::NotNull { column }, _) => format!("{of_rows}: `{column}` is empty."),
        (Check::Unique { column }, 0) => format!("Each `{column}` appears once."),
        (Check::Unique { column }, _) => format!("{of_rows}: an earlier row has the same `{column}`."),
        (Check::Range { column, min, max }, 0) => format!("Every `{column}` is a number {}.", bounds(*min, *max)),
        (Check::Range { column, min, max }, _) => {
            format!("{of_rows}: `{column}` is not a number {}.", bounds(*min, *max))
        }
        (Check::OneOf { column, values }, 0) => format!("Every `{column}` is one of the {} values.", values.len()),
        (Check::OneOf { column, .. }, _) => format!("{of_rows}: `{column}` is not one of the allowed values."),
        (Check::Columns { .. } | Check::RowCount { .. }, _) => String::new(),
    }
}

fn bounds(min: Option<f64>, max: Option<f64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("of at least {min}"),
        (None, Some(max)) => format!("of at most {max}"),
        (None, None) => "at all".into(),
    }
}

/// Rows whose value an earlier row has, and the first of them. Values are told apart by 128-bit hashes, `at_once` of them
/// in memory: where there are more, each of several passes looks at one share of all hashes.
fn repeats<R: Read>(column: usize, open: &impl Fn() -> io::Result<R>, at_once: usize) -> Result<Repeats, Stop> {
    let hashers = (RandomState::new(), RandomState::new());
    let mut shares: u64 = 1;
    loop {
        match repeats_in_all(column, open, &hashers, shares, at_once)? {
            Some(found) => return Ok(found),
            None => shares *= 2,
        }
    }
}

/// Rows that repeat a value, and the first of them.
type Repeats = (u64, Vec<RowSample>);

/// Nothing when one of the shares has more than `at_once` values.
fn repeats_in_all<R: Read>(
    column: usize,
    open: &impl Fn() -> io::Result<R>,
    hashers: &(RandomState, RandomState),
    shares: u64,
    at_once: usize,
) -> Result<Option<Repeats>, Stop> {
    let (mut count, mut samples) = (0, vec![]);
    for share in 0..shares {
        let Some(found) = repeats_in_share(column, open, hashers, (share, shares), at_once)? else { return Ok(None) };
        count += found.0;
        samples.extend(found.1);
    }
    samples.sort_by_key(|sample| sample.line);
    samples.truncate(SAMPLES);
    Ok(Some((count, samples)))
}

/// Nothing when the share has more than `at_once` values.
fn repeats_in_share<R: Read>(
    column: usize,
    open: &impl Fn() -> io::Result<R>,
    hashers: &(RandomState, RandomState),
    (share, shares): (u64, u64),
    at_once: usize,
) -> Result<Option<Repeats>, Stop> {
    let mut table = Table::open(open().map_err(Stop::Io)?)?;
    let mut seen = HashSet::new();
    let (mut count, mut samples) = (0, vec![]);
    while let Some(row) = table.next_row()? {
        let cell = row.cell(column).trim();
        let hash = hashers.0.hash_one(cell);
        if cell.is_empty() || hash % shares != share {
            continue;
        }
        if !seen.insert((hash, hashers.1.hash_one(cell))) {
            count += 1;
            if samples.len() < SAMPLES {
                samples.push(RowSample { line: row.line, value: table::excerpt(cell) });
            }
        } else if seen.len() > at_once {
            return Ok(None);
        }
    }
    Ok(Some((count, samples)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    fn file(path: &str) -> DatasetFile {
        DatasetFile { path: path.into(), digest: "0".repeat(64), size_bytes: 1 }
    }

    fn check(text: &str, check: Check) -> RuleResult {
        let rules = [Rule { file: None, check }];
        let report = validate(&rules, &[file("t.csv")], 1, |_| Ok(text.as_bytes())).unwrap();
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
    fn repeats_are_found_alike_with_any_share_of_memory() {
        for seed in 0..20 {
            let mut random = StdRng::seed_from_u64(seed);
            let values: Vec<u32> = (0..random.random_range(1..300)).map(|_| random.random_range(0..200)).collect();
            let text = format!("x\n{}", values.iter().map(|v| format!("{v}\n")).collect::<String>());
            let mut seen = HashSet::new();
            let expected: Vec<u64> =
                values.iter().enumerate().filter(|(_, v)| !seen.insert(**v)).map(|(n, _)| n as u64 + 2).collect();
            for at_once in [10, 64, 1_000] {
                let (count, samples) = repeats(0, &|| Ok(text.as_bytes()), at_once).ok().unwrap();
                assert_eq!(count as usize, expected.len(), "seed {seed}, {at_once} at once");
                let lines: Vec<u64> = samples.iter().map(|sample| sample.line).collect();
                assert_eq!(lines, expected[..expected.len().min(SAMPLES)], "seed {seed}, {at_once} at once");
            }
        }
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
        let report = validate(&rules, &[file("notes.txt")], 1, |_| Ok(&b""[..])).unwrap();
        let messages: Vec<&str> = report.results.iter().map(|result| result.message.as_str()).collect();
        assert_eq!(messages, ["The version has no file `b.csv`.", "The version has no CSV file."]);
    }

    #[test]
    fn results_keep_the_order_of_the_rules() {
        let rules: Vec<Rule> =
            [1, 2, 3].map(|min| Rule { file: None, check: Check::RowCount { min: Some(min), max: None } }).to_vec();
        let report = validate(&rules, &[file("a.csv"), file("b.csv")], 1, |_| Ok(&b"x\n1\n"[..])).unwrap();
        let order: Vec<&Rule> = report.results.iter().map(|result| &result.rule).collect();
        assert_eq!(order, [&rules[0], &rules[0], &rules[1], &rules[1], &rules[2], &rules[2]]);
    }
}
