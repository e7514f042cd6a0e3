//! A rule about cells while the rows go by.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use drydock_wire::datasets::{Check, RowSample};

use super::{Found, SAMPLES, words};
use crate::datasets::spill::{Hashing, Mark, Spill};
use crate::datasets::table::{self, Row, Rows, Stop};

pub struct Running<'a> {
    pub check: &'a Check,
    /// Places of its columns; nothing while one of them has not been seen.
    places: Option<Vec<usize>>,
    /// Of `OneOf`.
    allowed: HashSet<&'a str>,
    /// Of `Regex`.
    pattern: Option<regex::Regex>,
    /// Of `Unique` and `UniqueTogether`.
    unique: Option<(Hashing, Spill)>,
    failed_rows: u64,
    samples: Vec<RowSample>,
}

impl<'a> Running<'a> {
    pub fn new(check: &'a Check, scratch: &Path) -> Result<Self, Stop> {
        let allowed = match check {
            Check::OneOf { values, .. } => values.iter().map(|value| value.trim()).collect(),
            _ => HashSet::new(),
        };
        let pattern = match check {
            // checked when the rule was declared, so this cannot fail
            Check::Regex { pattern, .. } => {
                Some(whole_pattern(pattern).map_err(|error| Stop::Malformed(error.to_string()))?)
            }
            _ => None,
        };
        let unique = matches!(check, Check::Unique { .. } | Check::UniqueTogether { .. })
            .then(|| (Hashing::new(), Spill::new(scratch.to_owned())));
        Ok(Self { check, places: None, allowed, pattern, unique, failed_rows: 0, samples: vec![] })
    }

    pub fn find_columns(&mut self, columns: &[String]) {
        let place = |name: &&str| columns.iter().position(|column| column == name);
        let wanted = columns_of(self.check);
        self.places = wanted.iter().map(place).collect::<Option<Vec<_>>>().filter(|places| !places.is_empty());
    }

    pub fn look(&mut self, row: &Row<'_>) -> io::Result<()> {
        let Some(places) = &self.places else { return Ok(()) };
        if let Some((hashing, spill)) = &mut self.unique {
            let cells = places.iter().map(|place| row.cell(*place).text.trim());
            if cells.clone().any(|cell| !cell.is_empty()) {
                spill.add(Mark { hash: hashing.of(cells), number: row.line })?;
            }
            return Ok(());
        }
        let cell = row.cell(places[0]).text;
        let good = match self.check {
            Check::NotNull { .. } => !table::is_empty(cell),
            _ if table::is_empty(cell) => true,
            Check::Range { min, max, .. } => in_range(cell, *min, *max),
            Check::OneOf { .. } => self.allowed.contains(cell.trim()),
            Check::Regex { .. } => self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(cell.trim())),
            _ => true,
        };
        if !good {
            self.failed_rows += 1;
            if self.samples.len() < SAMPLES {
                self.samples.push(RowSample { line: row.line, value: table::excerpt(cell) });
            }
        }
        Ok(())
    }

    pub fn finish(
        mut self,
        row_count: u64,
        columns: &[String],
        again: impl Fn() -> Result<Box<dyn Rows>, Stop>,
    ) -> Result<Found, Stop> {
        let Some(places) = &self.places else {
            // a column that only later rows of a table could name counts as missing, too
            let missing = columns_of(self.check).into_iter().find(|name| !columns.iter().any(|column| column == name));
            return Ok(Found::broken(format!("There is no column `{}`.", missing.unwrap_or_default())));
        };
        if let Some((_, spill)) = self.unique.take() {
            let (count, lines) = spill.repeats(SAMPLES).map_err(Stop::Io)?;
            self.failed_rows = count;
            self.samples = values_at(&lines, places, again)?;
        }
        Ok(Found {
            passed: self.failed_rows == 0,
            message: words::of_cells(self.check, self.failed_rows, row_count),
            failed_rows: self.failed_rows,
            samples: self.samples,
        })
    }
}

/// The cells of these lines, which are in order: only their numbers were kept.
fn values_at(
    lines: &[u64],
    places: &[usize],
    again: impl Fn() -> Result<Box<dyn Rows>, Stop>,
) -> Result<Vec<RowSample>, Stop> {
    let mut samples = vec![];
    if lines.is_empty() {
        return Ok(samples);
    }
    let mut rows = again()?;
    while let Some(row) = rows.next_row()? {
        if lines.contains(&row.line) {
            let cells: Vec<&str> = places.iter().map(|place| row.cell(*place).text.trim()).collect();
            samples.push(RowSample { line: row.line, value: table::excerpt(&cells.join(", ")) });
        }
        if samples.len() == lines.len() {
            break;
        }
    }
    Ok(samples)
}

/// The pattern has to match the whole value.
pub fn whole_pattern(pattern: &str) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build()
}

fn columns_of(check: &Check) -> Vec<&str> {
    match check {
        Check::NotNull { column }
        | Check::Unique { column }
        | Check::Range { column, .. }
        | Check::OneOf { column, .. }
        | Check::Regex { column, .. } => vec![column],
        Check::UniqueTogether { columns } => columns.iter().map(String::as_str).collect(),
        Check::Columns { .. }
        | Check::Schema { .. }
        | Check::Drift { .. }
        | Check::Images { .. }
        | Check::RowCount { .. } => vec![],
    }
}

fn in_range(cell: &str, min: Option<f64>, max: Option<f64>) -> bool {
    table::number(cell).is_some_and(|value| min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max))
}
