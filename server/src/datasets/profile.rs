//! Statistics of one CSV file: per column its kind, empty and distinct cells, and the spread of its numbers.
//!
//! Two passes over the file in bounded memory: the first counts and finds the range, the second fills histograms.
//! Numbers that are not finite are counted as numbers and left out of every statistic. A malformed file has a profile
//! without columns that says what is wrong.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};

use drydock_wire::datasets::{ColumnKind, ColumnProfile, FileProfile, ValueCount};

use super::table::{self, Stop, Table};

/// Up to so many distinct values of a column are counted exactly.
const DISTINCT_LIMIT: usize = 10_000;
/// For the distinct values of all columns of a file together.
const DISTINCT_BUDGET_BYTES: usize = 64 << 20;
const BINS: usize = 20;
const TOP_VALUES: usize = 10;
/// Longer values are told apart by a hash.
const VALUE_LIMIT_BYTES: usize = 200;

/// Profiles the file that `open` opens, twice. Errors are those of reading the bytes.
pub fn profile<R: Read>(path: &str, open: impl Fn() -> io::Result<R>) -> io::Result<FileProfile> {
    match try_profile(path, open) {
        Ok(profile) => Ok(profile),
        Err(Stop::Io(error)) => Err(error),
        Err(Stop::Malformed(words)) => Ok(FileProfile {
            path: path.to_owned(),
            digest: String::new(),
            row_count: 0,
            columns: vec![],
            problem: Some(words),
        }),
    }
}

fn try_profile<R: Read>(path: &str, open: impl Fn() -> io::Result<R>) -> Result<FileProfile, Stop> {
    let mut table = Table::open(open().map_err(Stop::Io)?)?;
    let mut columns: Vec<Column> = table.columns().iter().map(|_| Column::default()).collect();
    let hasher = RandomState::new();
    let mut budget = DISTINCT_BUDGET_BYTES;
    let mut row_count = 0;
    while let Some(row) = table.next_row()? {
        row_count += 1;
        for (column, cell) in columns.iter_mut().zip(row.cells()) {
            column.add(cell, &hasher, &mut budget);
        }
    }
    let histograms = histograms(&columns, open().map_err(Stop::Io)?)?;
    let names = table.columns().to_vec();
    let columns = names.into_iter().zip(columns).zip(histograms).map(|((name, c), h)| c.finish(name, h)).collect();
    Ok(FileProfile { path: path.to_owned(), digest: String::new(), row_count, columns, problem: None })
}

/// Equal-width bins per column between its least and greatest number; empty for other kinds.
fn histograms<R: Read>(columns: &[Column], source: R) -> Result<Vec<Vec<u64>>, Stop> {
    let numeric: Vec<usize> = (0..columns.len()).filter(|index| columns[*index].has_spread()).collect();
    let mut bins = vec![vec![]; columns.len()];
    if numeric.is_empty() {
        return Ok(bins);
    }
    for index in &numeric {
        bins[*index] = vec![0; columns[*index].bin_count()];
    }
    let mut table = Table::open(source)?;
    while let Some(row) = table.next_row()? {
        for index in &numeric {
            if let Some(value) = table::number(row.cell(*index)) {
                let bin = columns[*index].bin(value);
                bins[*index][bin] += 1;
            }
        }
    }
    Ok(bins)
}

/// What the first pass gathers about a column.
struct Column {
    nulls: u64,
    cells: u64,
    all_integers: bool,
    all_numbers: bool,
    all_booleans: bool,
    spread: Spread,
    counts: HashMap<Box<str>, u64>,
    more_distinct: bool,
}

impl Default for Column {
    fn default() -> Self {
        Self {
            nulls: 0,
            cells: 0,
            all_integers: true,
            all_numbers: true,
            all_booleans: true,
            spread: Spread::default(),
            counts: HashMap::new(),
            more_distinct: false,
        }
    }
}

impl Column {
    fn add(&mut self, cell: &str, hasher: &RandomState, budget: &mut usize) {
        if table::is_empty(cell) {
            self.nulls += 1;
            return;
        }
        let cell = cell.trim();
        self.cells += 1;
        self.all_booleans &= cell.eq_ignore_ascii_case("true") || cell.eq_ignore_ascii_case("false");
        self.all_integers &= is_integer(cell);
        self.all_numbers &= self.all_integers || is_number(cell);
        if self.all_numbers
            && let Some(value) = table::number(cell)
        {
            self.spread.add(value);
        }
        self.count(cell, hasher, budget);
    }

    fn count(&mut self, cell: &str, hasher: &RandomState, budget: &mut usize) {
        let long;
        let key = if cell.len() <= VALUE_LIMIT_BYTES {
            cell
        } else {
            long = format!("{} #{:016x}", table::excerpt(cell), hasher.hash_one(cell));
            &long
        };
        if let Some(count) = self.counts.get_mut(key) {
            *count += 1;
            return;
        }
        // key, count, and what the map itself takes
        let cost = key.len() + 48;
        if self.counts.len() >= DISTINCT_LIMIT || *budget < cost {
            self.more_distinct = true;
            return;
        }
        *budget -= cost;
        self.counts.insert(key.into(), 1);
    }

    fn kind(&self) -> ColumnKind {
        match self {
            _ if self.cells == 0 => ColumnKind::Empty,
            _ if self.all_booleans => ColumnKind::Boolean,
            _ if self.all_integers => ColumnKind::Integer,
            _ if self.all_numbers => ColumnKind::Float,
            _ => ColumnKind::Text,
        }
    }

    fn has_spread(&self) -> bool {
        matches!(self.kind(), ColumnKind::Integer | ColumnKind::Float) && self.spread.count > 0
    }

    fn bin_count(&self) -> usize {
        if self.spread.max > self.spread.min { BINS } else { 1 }
    }

    fn bin(&self, value: f64) -> usize {
        let bins = self.bin_count();
        // halves first, so that a range wider than the greatest f64 does not overflow
        let width = self.spread.max / 2.0 - self.spread.min / 2.0;
        if width <= 0.0 {
            return 0;
        }
        let place = (value / 2.0 - self.spread.min / 2.0) / width;
        ((place * bins as f64) as usize).min(bins - 1)
    }

    fn finish(self, name: String, histogram: Vec<u64>) -> ColumnProfile {
        let kind = self.kind();
        let spread = self.has_spread().then_some(&self.spread);
        let finite = |value: f64| value.is_finite().then_some(value);
        ColumnProfile {
            name,
            kind,
            null_count: self.nulls,
            distinct_count: self.counts.len() as u64,
            distinct_is_estimate: self.more_distinct,
            min: spread.map(|s| s.min),
            max: spread.map(|s| s.max),
            mean: spread.and_then(|s| finite(s.mean)),
            std_dev: spread.and_then(Spread::std_dev).and_then(finite),
            histogram,
            top_values: match kind {
                ColumnKind::Text | ColumnKind::Boolean => top_values(self.counts),
                ColumnKind::Integer | ColumnKind::Float | ColumnKind::Empty => vec![],
            },
        }
    }
}

/// Most frequent first; equal counts in order of the value, so that equal files have equal profiles.
fn top_values(counts: HashMap<Box<str>, u64>) -> Vec<ValueCount> {
    let mut counts: Vec<(Box<str>, u64)> = counts.into_iter().collect();
    counts.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
    counts.truncate(TOP_VALUES);
    counts.into_iter().map(|(value, count)| ValueCount { value: value.into(), count }).collect()
}

/// An integer as people write one; a leading zero marks a code (a postal code, say), which is text.
fn is_integer(cell: &str) -> bool {
    !has_leading_zero(cell) && cell.parse::<i64>().is_ok()
}

/// Includes `nan` and `inf`, which numeric programs write; they are numbers without a place in the statistics.
fn is_number(cell: &str) -> bool {
    !has_leading_zero(cell) && cell.parse::<f64>().is_ok()
}

fn has_leading_zero(cell: &str) -> bool {
    let digits = cell.trim_start_matches(['-', '+']).as_bytes();
    matches!(digits, [b'0', next, ..] if next.is_ascii_digit())
}

/// Welford's running mean and variance, which stay exact where a sum of squares would not.
#[derive(Default)]
struct Spread {
    count: u64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn add(&mut self, value: f64) {
        if self.count == 0 {
            (self.min, self.max) = (value, value);
        }
        self.count += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (value - self.mean);
    }

    /// Of a sample (n − 1), as pandas has it; nothing for a single value.
    fn std_dev(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    fn of(text: &str) -> FileProfile {
        profile("t.csv", || Ok(text.as_bytes())).unwrap()
    }

    fn column(text: &str) -> ColumnProfile {
        of(&format!("x,other\n{}", text.lines().map(|line| format!("{line},1\n")).collect::<String>()))
            .columns
            .remove(0)
    }

    #[test]
    fn kinds_follow_the_cells() {
        assert_eq!(column("1\n-2\n").kind, ColumnKind::Integer);
        assert_eq!(column("1\n2.5\n").kind, ColumnKind::Float);
        assert_eq!(column("1\n\nnan\n").kind, ColumnKind::Float);
        assert_eq!(column("true\nFalse\n").kind, ColumnKind::Boolean);
        assert_eq!(column("007\n123\n").kind, ColumnKind::Text);
        assert_eq!(column("0\n0.5\n-0.25\n").kind, ColumnKind::Float);
        assert_eq!(column("\n  \n").kind, ColumnKind::Empty);
        assert_eq!(column("1\nx\n").kind, ColumnKind::Text);
    }

    #[test]
    fn the_extremes_of_f64_do_not_break_the_statistics() {
        let got = column("-1.7e308\n1.7e308\n0\ninf\n-inf\nNaN\n");
        assert_eq!((got.min, got.max), (Some(-1.7e308), Some(1.7e308)));
        assert_eq!(got.histogram.iter().sum::<u64>(), 3);
        assert_eq!((got.histogram[0], got.histogram[10], got.histogram[19]), (1, 1, 1));
        assert!(serde_json::to_string(&got).is_ok());
    }

    #[test]
    fn random_columns_agree_with_the_plain_formulas() {
        for seed in 0..50 {
            let mut random = StdRng::seed_from_u64(seed);
            let count = random.random_range(2..400);
            let offset = random.random_range(-1e9..1e9);
            let cells: Vec<Option<f64>> =
                (0..count).map(|_| random.random_bool(0.9).then(|| offset + random.random_range(-1.0..1.0))).collect();
            let text: String = cells.iter().map(|c| c.map_or("\n".into(), |v| format!("{v:?}\n"))).collect();
            let got = column(&text);
            let values: Vec<f64> = cells.iter().flatten().copied().collect();
            if values.len() < 2 {
                continue;
            }
            let mean = values.iter().map(|v| v - offset).sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|v| (v - offset - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
            assert_eq!(got.null_count as usize, cells.len() - values.len(), "seed {seed}");
            assert!((got.mean.unwrap() - offset - mean).abs() < 1e-5, "seed {seed}");
            assert!((got.std_dev.unwrap() - variance.sqrt()).abs() < 1e-5, "seed {seed}");
            assert_eq!(got.min, values.iter().copied().reduce(f64::min), "seed {seed}");
            assert_eq!(got.max, values.iter().copied().reduce(f64::max), "seed {seed}");
            assert_eq!(got.histogram.iter().sum::<u64>() as usize, values.len(), "seed {seed}");
            let mut distinct: Vec<u64> = values.iter().map(|v| v.to_bits()).collect();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(got.distinct_count as usize, distinct.len(), "seed {seed}");
        }
    }

    #[test]
    fn distinct_values_are_exact_to_the_limit_and_a_lower_bound_above() {
        let exact: String = (0..DISTINCT_LIMIT).map(|n| format!("{n}\n{n}\n")).collect();
        let got = column(&exact);
        assert_eq!((got.distinct_count, got.distinct_is_estimate), (10_000, false));
        let above: String = (0..=DISTINCT_LIMIT).map(|n| format!("{n}\n")).collect();
        let got = column(&above);
        assert_eq!((got.distinct_count, got.distinct_is_estimate), (10_000, true));
    }

    #[test]
    fn frequent_values_come_first_and_long_ones_are_told_apart() {
        let (a, b) = ("y".repeat(500) + "a", "y".repeat(500) + "b");
        let got = column(&format!("red\nblue\nred\ngreen\nblue\nred\n{a}\n{b}\n"));
        let counts: Vec<u64> = got.top_values.iter().map(|top| top.count).collect();
        assert_eq!(counts, [3, 2, 1, 1, 1]);
        assert_eq!(got.top_values[0].value, "red");
        assert_eq!(got.distinct_count, 5);
    }

    #[test]
    fn one_value_has_one_bin() {
        let got = column("4\n4\n4\n");
        assert_eq!((got.histogram, got.std_dev), (vec![3], Some(0.0)));
    }

    #[test]
    fn a_malformed_file_has_a_profile_that_says_so() {
        let got = of("a,b\n1\n");
        assert!(got.problem.unwrap().contains("Line 2") && got.columns.is_empty());
    }
}
