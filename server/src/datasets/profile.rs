//! Statistics of one table: per column its kind, empty and distinct cells, and the spread of its numbers or instants.
//!
//! Two passes over the file in bounded memory: the first counts and finds the range, the second fills histograms. Distinct
//! values are counted exactly up to a limit and estimated (HyperLogLog) above it. Numbers that are not finite are counted as
//! numbers and left out of every statistic. A malformed file has a profile without columns that says what is wrong.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use drydock_wire::datasets::{ColumnKind, ColumnProfile, FileProfile, ValueCount};

use super::sketch::Sketch;
use super::spread::Spread;
use super::table::{self, Cell, Source, Stop};

/// Up to so many distinct values of a column are counted exactly.
const DISTINCT_LIMIT: usize = 10_000;
/// For the distinct values of all columns of a file together.
const DISTINCT_BUDGET_BYTES: usize = 64 << 20;
const BINS: usize = 20;
const TOP_VALUES: usize = 10;
/// Longer values are told apart by a hash.
const VALUE_LIMIT_BYTES: usize = 200;

/// Profiles the file that `open` opens, twice. What keeps it from being read is part of the answer: the other files of its
/// version have nothing to do with it.
pub fn profile(path: &str, digest: &str, open: impl Fn() -> Result<Source, Stop>) -> FileProfile {
    let (path, digest) = (path.to_owned(), digest.to_owned());
    let words = match try_profile(&path, open) {
        Ok((row_count, columns)) => return FileProfile { path, digest, row_count, columns, problem: None },
        Err(Stop::Malformed(words)) => words,
        Err(Stop::Io(error)) => {
            tracing::warn!(dataset.file = path, "{path} is not profiled: {error}");
            "Its bytes could not be read now. Check the version again.".into()
        }
    };
    FileProfile { path, digest, row_count: 0, columns: vec![], problem: Some(words) }
}

fn try_profile(path: &str, open: impl Fn() -> Result<Source, Stop>) -> Result<(u64, Vec<ColumnProfile>), Stop> {
    let mut rows = table::open(path, open()?)?;
    let mut columns: Vec<Column> = rows.columns().iter().map(|_| Column::default()).collect();
    let mut budget = DISTINCT_BUDGET_BYTES;
    let mut row_count = 0;
    while let Some(row) = rows.next_row()? {
        // a key that no line had so far
        columns.resize_with(row.len().max(columns.len()), || Column { nulls: row_count, ..Column::default() });
        row_count += 1;
        for (place, column) in columns.iter_mut().enumerate() {
            column.add(row.cell(place), &mut budget);
        }
    }
    let histograms = histograms(path, &columns, open()?)?;
    let names = rows.columns().to_vec();
    let finished = names.into_iter().zip(columns).zip(histograms).map(|((name, c), h)| c.finish(name, h)).collect();
    Ok((row_count, finished))
}

/// Equal-width bins per column between its least and greatest value; empty for other kinds.
fn histograms(path: &str, columns: &[Column], source: Source) -> Result<Vec<Vec<u64>>, Stop> {
    let numeric: Vec<usize> = (0..columns.len()).filter(|index| columns[*index].has_spread()).collect();
    let mut bins = vec![vec![]; columns.len()];
    if numeric.is_empty() {
        return Ok(bins);
    }
    for index in &numeric {
        bins[*index] = vec![0; columns[*index].bin_count()];
    }
    let mut rows = table::open(path, source)?;
    while let Some(row) = rows.next_row()? {
        for index in &numeric {
            if let Some(value) = columns[*index].value(row.cell(*index).text) {
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
    all_instants: bool,
    spread: Spread,
    instants: Spread,
    counts: HashMap<Box<str>, u64>,
    /// Once there are more distinct values than are counted.
    sketch: Option<Sketch>,
}

impl Default for Column {
    fn default() -> Self {
        Self {
            nulls: 0,
            cells: 0,
            all_integers: true,
            all_numbers: true,
            all_booleans: true,
            all_instants: true,
            spread: Spread::default(),
            instants: Spread::default(),
            counts: HashMap::new(),
            sketch: None,
        }
    }
}

impl Column {
    fn add(&mut self, cell: Cell<'_>, budget: &mut usize) {
        if table::is_empty(cell.text) {
            self.nulls += 1;
            return;
        }
        let text = cell.text.trim();
        self.cells += 1;
        self.all_booleans &= !cell.is_text && (text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"));
        self.all_integers &= !cell.is_text && is_integer(text);
        self.all_numbers &= !cell.is_text && (self.all_integers || is_number(text));
        if self.all_numbers
            && let Some(value) = table::number(text)
        {
            self.spread.add(value);
        }
        if self.all_instants {
            match table::instant_ms(text) {
                Some(value) => self.instants.add(value),
                None => self.all_instants = false,
            }
        }
        self.count(text, budget);
    }

    fn count(&mut self, cell: &str, budget: &mut usize) {
        if let Some(sketch) = &mut self.sketch {
            sketch.add(hash(cell));
        }
        let long;
        let key = if cell.len() <= VALUE_LIMIT_BYTES {
            cell
        } else {
            long = format!("{} #{:016x}", table::excerpt(cell), hash(cell));
            &long
        };
        if let Some(count) = self.counts.get_mut(key) {
            *count += 1;
            return;
        }
        if self.sketch.is_some() {
            return;
        }
        // key, count, and what the map itself takes
        let cost = key.len() + 48;
        if self.counts.len() >= DISTINCT_LIMIT || *budget < cost {
            let mut sketch = Sketch::default();
            // a long value's key stands for it: the estimate does not mind
            self.counts.keys().for_each(|known| sketch.add(hash(known)));
            sketch.add(hash(cell));
            self.sketch = Some(sketch);
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
            _ if self.all_instants => ColumnKind::Timestamp,
            _ => ColumnKind::Text,
        }
    }

    /// Of its numbers, or of its instants.
    fn spread(&self) -> &Spread {
        if self.kind() == ColumnKind::Timestamp { &self.instants } else { &self.spread }
    }

    fn value(&self, cell: &str) -> Option<f64> {
        if self.kind() == ColumnKind::Timestamp { table::instant_ms(cell) } else { table::number(cell) }
    }

    fn has_spread(&self) -> bool {
        let kind = self.kind();
        matches!(kind, ColumnKind::Integer | ColumnKind::Float | ColumnKind::Timestamp) && self.spread().count > 0
    }

    fn bin_count(&self) -> usize {
        if self.spread().max > self.spread().min { BINS } else { 1 }
    }

    fn bin(&self, value: f64) -> usize {
        let (bins, spread) = (self.bin_count(), self.spread());
        // halves first, so that a range wider than the greatest f64 does not overflow
        let width = spread.max / 2.0 - spread.min / 2.0;
        if width <= 0.0 {
            return 0;
        }
        let place = (value / 2.0 - spread.min / 2.0) / width;
        ((place * bins as f64) as usize).min(bins - 1)
    }

    fn finish(self, name: String, histogram: Vec<u64>) -> ColumnProfile {
        let kind = self.kind();
        let spread = self.has_spread().then(|| self.spread());
        let finite = |value: f64| value.is_finite().then_some(value);
        ColumnProfile {
            name,
            kind,
            null_count: self.nulls,
            distinct_count: match &self.sketch {
                Some(sketch) => sketch.estimate().max(self.counts.len() as u64 + 1).min(self.cells),
                None => self.counts.len() as u64,
            },
            distinct_is_estimate: self.sketch.is_some(),
            min: spread.map(|s| s.min),
            max: spread.map(|s| s.max),
            mean: spread.and_then(|s| finite(s.mean)),
            std_dev: spread.and_then(Spread::std_dev).and_then(finite),
            histogram,
            top_values: match kind {
                ColumnKind::Text | ColumnKind::Boolean => top_values(self.counts),
                ColumnKind::Integer | ColumnKind::Float | ColumnKind::Timestamp | ColumnKind::Empty => vec![],
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

/// The same in every process, so that equal files have equal profiles.
fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    fn of(text: &str) -> FileProfile {
        profile("t.csv", "d", || Ok(Source::from(text)))
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
    fn distinct_values_are_exact_to_the_limit_and_an_estimate_above() {
        let exact: String = (0..DISTINCT_LIMIT).map(|n| format!("{n}\n{n}\n")).collect();
        let got = column(&exact);
        assert_eq!((got.distinct_count, got.distinct_is_estimate), (10_000, false));
        let above: String = (0..200_000).map(|n| format!("{n}\n")).collect();
        let got = column(&above);
        assert!(got.distinct_is_estimate && got.distinct_count.abs_diff(200_000) < 6_000, "{}", got.distinct_count);
    }

    #[test]
    fn dates_and_instants_have_a_range() {
        let got = column("2026-01-01\n2026-01-03T12:00:00+01:00\n\n2026-01-02 00:00:00.5\n");
        assert_eq!(got.kind, ColumnKind::Timestamp);
        assert_eq!((got.min, got.max), (Some(1_767_225_600_000.0), Some(1_767_438_000_000.0)));
        assert_eq!(got.histogram.iter().sum::<u64>(), 3);
        for text in ["2026-02-29", "2026-13-01", "2026-1-1", "2026-01-01T25:00", "x"] {
            assert_eq!(column(&format!("2026-01-01\n{text}\n")).kind, ColumnKind::Text, "{text}");
        }
    }

    #[test]
    fn lines_of_json_have_the_columns_that_any_line_has() {
        let text = "{\"a\": 1, \"b\": \"7\"}\n\n{\"a\": 2.5, \"c\": true, \"d\": [1, 2]}\n{\"a\": null}\n";
        let got = profile("t.jsonl", "d", || Ok(Source::from(text)));
        let seen: Vec<(&str, ColumnKind, u64)> =
            got.columns.iter().map(|column| (column.name.as_str(), column.kind, column.null_count)).collect();
        let (float, text, boolean) = (ColumnKind::Float, ColumnKind::Text, ColumnKind::Boolean);
        assert_eq!(seen, [("a", float, 1), ("b", text, 2), ("c", boolean, 2), ("d", text, 2)]);
        assert_eq!(got.row_count, 3);
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
