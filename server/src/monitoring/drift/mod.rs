//! Whether columns are spread as they were: a window of rows against a reference, a test for each column, a verdict on all.
//!
//! The tests, their choice by type and size and their thresholds are Evidently's defaults, and so are their values
//! (`tests/fixtures/drift`). It differs in one place: p-values are corrected for the number of columns, since of a hundred columns that
//! are as they were, five fall below 0.05 by chance. Benjamini and Hochberg's way is the default: people look at the columns that
//! are told, so what is to be kept small is the share of false ones among them. Holm's, which keeps any false one unlikely, loses
//! weak drift in wide tables. All of it is pure but `datasets`, which holds a version's tables against another's, and `routes`.

mod chart;
mod choice;
mod column;
mod correction;
mod counts;
mod datasets;
mod distance;
mod kolmogorov;
pub mod live;
mod numbers;
mod profile;
mod routes;
mod smirnov;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use drydock_wire::drift::{ColumnDrift, DatasetDrift, DriftCorrection, DriftResult, DriftTest};

pub use choice::{is_for_numbers, is_for_words, is_p_value};
pub use column::{ReferenceColumn, Values, WindowColumn};
pub use profile::{Damaged, ReferenceProfile};
pub use routes::configure;

/// Below so many cells on both sides a second thread costs more than it does.
const CELLS_FOR_THREADS: usize = 50_000;

/// What is asked, and from where on a column or a dataset has drifted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    pub correction: DriftCorrection,
    /// A p-value below it is drift.
    pub p_value: f64,
    /// A distance from it on is drift.
    pub distance: f64,
    /// Of the compared columns, from which on the dataset has drifted.
    pub drift_share: f64,
    /// For every column of numbers, instead of the choice by size.
    pub number_test: Option<DriftTest>,
    /// For every column of words.
    pub word_test: Option<DriftTest>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            correction: DriftCorrection::default(),
            p_value: 0.05,
            distance: 0.1,
            drift_share: 0.5,
            number_test: None,
            word_test: None,
        }
    }
}

/// The window against the reference.
pub fn compare(reference: &ReferenceProfile, window: &[WindowColumn], settings: &Settings) -> DatasetDrift {
    let cells = reference.cells() + window.iter().map(|column| column.values.len()).sum::<usize>();
    compare_by(
        reference,
        window,
        settings,
        cells,
        |column| &column.name,
        |old, column| examine(old, &column.to_sorted(), settings),
    )
}

/// As `compare`, where both sides were prepared before.
pub fn compare_profiles(reference: &ReferenceProfile, current: &ReferenceProfile, settings: &Settings) -> DatasetDrift {
    let cells = reference.cells() + current.cells();
    compare_by(
        reference,
        current.columns(),
        settings,
        cells,
        |column| &column.name,
        |old, column| examine(old, column, settings),
    )
}

fn compare_by<C: Sync>(
    reference: &ReferenceProfile,
    window: &[C],
    settings: &Settings,
    cells: usize,
    name: impl Fn(&C) -> &str,
    examine: impl Fn(&ReferenceColumn, &C) -> ColumnDrift + Sync,
) -> DatasetDrift {
    let known: HashMap<&str, &ReferenceColumn> = reference.columns().iter().map(|it| (it.name.as_str(), it)).collect();
    let pairs: Vec<(&ReferenceColumn, &C)> =
        window.iter().filter_map(|column| Some((*known.get(name(column))?, column))).collect();
    let threads =
        if cells < CELLS_FOR_THREADS { 1 } else { std::thread::available_parallelism().map_or(1, Into::into) };
    let mut columns = side_by_side(&pairs, threads, |(old, column)| examine(old, column));
    let there: HashSet<&str> = window.iter().map(&name).collect();
    let gone = reference.columns().iter().filter(|old| !there.contains(old.name.as_str()));
    columns.extend(gone.map(|old| alone(&old.name, "The current side has no such column.")));
    let new = window.iter().filter(|column| !known.contains_key(name(column)));
    columns.extend(new.map(|column| alone(name(column), "The reference has no such column.")));
    verdict(columns, settings)
}

/// The answers in the order of the items.
fn side_by_side<T: Sync, R: Send>(items: &[T], threads: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = threads.min(items.len());
    if threads < 2 {
        return items.iter().map(work).collect();
    }
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(items.len())));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((place, item)) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    items.get(place).map(|item| (place, item))
                } {
                    let answer = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((place, answer));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, answer)| answer).collect()
}

fn alone(name: &str, reason: &str) -> ColumnDrift {
    ColumnDrift {
        name: name.to_owned(),
        drifted: false,
        result: None,
        reason: Some(reason.to_owned()),
        reference: None,
        current: None,
        bin_ends: vec![],
        values: vec![],
    }
}

/// One column, its p-value not yet corrected.
fn examine(reference: &ReferenceColumn, current: &ReferenceColumn, settings: &Settings) -> ColumnDrift {
    let mut found = chart::draw(reference, current);
    match choice::measure(reference, current, settings) {
        Ok(result) => found.result = Some(result),
        Err(reason) => found.reason = Some(reason),
    }
    found
}

fn verdict(mut columns: Vec<ColumnDrift>, settings: &Settings) -> DatasetDrift {
    let raw: Vec<f64> = columns.iter().filter_map(|column| column.result?.p_value).collect();
    let mut corrected = correction::correct(&raw, settings.correction).into_iter();
    for column in &mut columns {
        let Some(result) = &mut column.result else { continue };
        if result.p_value.is_some() {
            result.corrected_p_value = corrected.next();
        }
        column.drifted = choice::is_drift(result);
        result.strength = choice::strength(result);
    }
    columns.sort_by(|a, b| rank(b).partial_cmp(&rank(a)).unwrap_or(std::cmp::Ordering::Equal));
    let compared_count = columns.iter().filter(|column| column.result.is_some()).count() as u64;
    let drifted_count = columns.iter().filter(|column| column.drifted).count() as u64;
    DatasetDrift {
        drifted: compared_count > 0 && drifted_count as f64 / compared_count as f64 >= settings.drift_share,
        drifted_count,
        compared_count,
        drift_share: settings.drift_share,
        correction: settings.correction,
        columns,
    }
}

/// What sorts the columns: compared at all, how strong, and how large the statistic where p-values are too small to be told apart.
fn rank(column: &ColumnDrift) -> (bool, f64, f64) {
    let of = |result: DriftResult| (true, result.strength, result.statistic.unwrap_or(f64::MAX));
    column.result.map_or((false, 0.0, 0.0), of)
}
