//! Two profiles of a column side by side: histograms over common bins, and how far apart they are.

use drydock_wire::datasets::{ColumnChange, ColumnKind, ColumnProfile, ColumnSide};

const BINS: usize = 20;

/// The column before and after.
pub fn compare(before: &ColumnProfile, after: &ColumnProfile) -> ColumnChange {
    let bin_ends = bin_ends(before, after);
    let (a, b) = (shared_out(before, &bin_ends), shared_out(after, &bin_ends));
    let distance = if !bin_ends.is_empty() {
        greatest_gap(&a, &b)
    } else if before.kind == after.kind && matches!(after.kind, ColumnKind::Text | ColumnKind::Boolean) {
        of_values(before, after)
    } else {
        None
    };
    ColumnChange {
        name: after.name.clone(),
        before: Some(side(before, a)),
        after: Some(side(after, b)),
        distance,
        bin_ends,
    }
}

/// A column that only one of the two has.
pub fn alone(before: Option<&ColumnProfile>, after: Option<&ColumnProfile>) -> ColumnChange {
    let own = |column: &ColumnProfile| side(column, column.histogram.iter().map(|count| *count as f64).collect());
    ColumnChange {
        name: before.or(after).map(|column| column.name.clone()).unwrap_or_default(),
        before: before.map(own),
        after: after.map(own),
        distance: None,
        bin_ends: vec![],
    }
}

fn side(column: &ColumnProfile, histogram: Vec<f64>) -> ColumnSide {
    ColumnSide {
        kind: column.kind,
        null_count: column.null_count,
        distinct_count: column.distinct_count,
        mean: column.mean,
        histogram,
        top_values: column.top_values.clone(),
    }
}

/// Numbers compare with numbers, instants with instants.
fn bin_ends(a: &ColumnProfile, b: &ColumnProfile) -> Vec<f64> {
    let is_instant = |column: &ColumnProfile| column.kind == ColumnKind::Timestamp;
    let has_bins = |column: &ColumnProfile| !column.histogram.is_empty();
    if !has_bins(a) || !has_bins(b) || is_instant(a) != is_instant(b) {
        return vec![];
    }
    let (Some(a_min), Some(a_max), Some(b_min), Some(b_max)) = (a.min, a.max, b.min, b.max) else { return vec![] };
    let (min, max) = (a_min.min(b_min), a_max.max(b_max));
    if max <= min {
        return vec![min, max];
    }
    let end = |n: usize| {
        let share = n as f64 / BINS as f64;
        min * (1.0 - share) + max * share
    };
    (0..=BINS).map(end).collect()
}

/// The profile's own bins, each shared out evenly over the common ones that it meets.
fn shared_out(column: &ColumnProfile, ends: &[f64]) -> Vec<f64> {
    let bins = ends.len().saturating_sub(1);
    let mut out = vec![0.0; bins];
    let (Some(min), Some(max)) = (column.min, column.max) else { return out };
    if bins == 0 {
        return out;
    }
    let own = column.histogram.len() as f64;
    for (n, count) in column.histogram.iter().enumerate() {
        let (from, to) = (min + (max - min) * (n as f64 / own), min + (max - min) * ((n + 1) as f64 / own));
        if to <= from {
            let place = ends[1..].partition_point(|end| *end < from).min(bins - 1);
            out[place] += *count as f64;
            continue;
        }
        for (place, bin) in out.iter_mut().enumerate() {
            let overlap = (to.min(ends[place + 1]) - from.max(ends[place])).max(0.0);
            *bin += *count as f64 * overlap / (to - from);
        }
    }
    out
}

/// Kolmogorov and Smirnov's, at the ends of bins.
fn greatest_gap(a: &[f64], b: &[f64]) -> Option<f64> {
    let (all_a, all_b): (f64, f64) = (a.iter().sum(), b.iter().sum());
    if all_a <= 0.0 || all_b <= 0.0 {
        return None;
    }
    let (mut sum_a, mut sum_b, mut gap) = (0.0, 0.0, 0.0_f64);
    for (one, other) in a.iter().zip(b) {
        sum_a += one / all_a;
        sum_b += other / all_b;
        gap = gap.max((sum_a - sum_b).abs());
    }
    Some(gap.min(1.0))
}

/// Half the sum of differences of shares of the most frequent values, the others counted as one.
fn of_values(a: &ColumnProfile, b: &ColumnProfile) -> Option<f64> {
    if a.top_values.is_empty() || b.top_values.is_empty() || a.distinct_is_estimate || b.distinct_is_estimate {
        return None;
    }
    // beyond the top values only numbers of distinct ones are known: with more of them the shares cannot be told
    if a.distinct_count > a.top_values.len() as u64 || b.distinct_count > b.top_values.len() as u64 {
        return None;
    }
    let total = |column: &ColumnProfile| column.top_values.iter().map(|top| top.count).sum::<u64>().max(1) as f64;
    let share = |column: &ColumnProfile, value: &str| {
        let count = column.top_values.iter().find(|top| top.value == value).map_or(0, |top| top.count);
        count as f64 / total(column)
    };
    let of_a = a.top_values.iter().map(|top| (share(a, &top.value) - share(b, &top.value)).abs());
    let only_b = b.top_values.iter().filter(|top| !a.top_values.iter().any(|one| one.value == top.value));
    Some(((of_a.sum::<f64>() + only_b.map(|top| share(b, &top.value)).sum::<f64>()) / 2.0).min(1.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::datasets::profile::profile;
    use crate::datasets::table::Source;

    fn column(values: impl Iterator<Item = String>) -> ColumnProfile {
        let text = format!("x\n{}", values.map(|value| value + "\n").collect::<String>());
        profile("t.csv", "d", || Ok(Source::from(text.as_str()))).columns.remove(0)
    }

    fn numbers(range: std::ops::Range<i32>) -> ColumnProfile {
        column(range.map(|n| format!("{}.5", n)))
    }

    #[test]
    fn equal_spreads_are_no_distance_apart_and_separate_ones_the_whole() {
        let same = compare(&numbers(0..1000), &numbers(0..1000));
        assert!(same.distance.unwrap() < 1e-9);
        let apart = compare(&numbers(0..1000), &numbers(5000..6000));
        assert!((apart.distance.unwrap() - 1.0).abs() < 1e-9);
        let half = compare(&numbers(0..1000), &numbers(500..1500)).distance.unwrap();
        assert!((half - 0.5).abs() < 0.05, "{half}");
        let after = apart.after.unwrap();
        assert!((after.histogram.iter().sum::<f64>() - 1000.0).abs() < 1e-6, "nobody is lost in new bins");
        assert_eq!(apart.bin_ends.len(), after.histogram.len() + 1);
    }

    #[test]
    fn shares_of_values_are_compared_and_types_are_not_mixed() {
        let words = |red: usize, blue: usize| {
            column(std::iter::repeat_n("red".to_owned(), red).chain(std::iter::repeat_n("blue".to_owned(), blue)))
        };
        let moved = compare(&words(50, 50), &words(75, 25)).distance.unwrap();
        assert!((moved - 0.25).abs() < 1e-9);
        assert_eq!(compare(&words(1, 1), &numbers(0..10)).distance, None);
    }

    #[test]
    fn a_single_value_lies_in_a_bin() {
        let one = compare(&column(["4".to_owned(), "4".to_owned()].into_iter()), &numbers(0..10));
        assert_eq!(one.before.unwrap().histogram.iter().sum::<f64>(), 2.0);
    }
}
