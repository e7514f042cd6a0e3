//! How far apart two spreads are.

use super::numbers;

/// More different numbers than this are put into bins before their shares are compared.
const VALUES: usize = 20;
/// The least deviation that a distance is divided by.
const LEAST_DEVIATION: f64 = 0.001;

/// The area between the two cumulative shares, in standard deviations of the reference.
pub fn wasserstein(reference: &[f64], current: &[f64]) -> f64 {
    area_between(reference, current) / numbers::deviation(reference).max(LEAST_DEVIATION)
}

/// One step per value without a branch on which side it comes from, which no processor could foretell.
fn area_between(a: &[f64], b: &[f64]) -> f64 {
    let (of_a, of_b) = (1.0 / a.len() as f64, 1.0 / b.len() as f64);
    let (mut i, mut j, mut area) = (0, 0, 0.0);
    let mut previous = a[0].min(b[0]);
    while i < a.len() && j < b.len() {
        let is_a = a[i] <= b[j];
        let next = if is_a { a[i] } else { b[j] };
        area += (i as f64 * of_a - j as f64 * of_b).abs() * (next - previous);
        previous = next;
        i += usize::from(is_a);
        j += usize::from(!is_a);
    }
    for (n, next) in a[i..].iter().enumerate() {
        area += (1.0 - (i + n) as f64 * of_a) * (next - previous);
        previous = *next;
    }
    for (n, next) in b[j..].iter().enumerate() {
        area += (1.0 - (j + n) as f64 * of_b) * (next - previous);
        previous = *next;
    }
    area
}

/// Counts of both sides over common places: values where the reference has few, else bins as numpy's `sturges` makes them.
pub fn common_counts(reference: &[f64], current: &[f64]) -> Vec<(u64, u64)> {
    if !numbers::has_more_than(reference, VALUES) {
        let counted = numbers::counts(reference, current, usize::MAX).unwrap_or_default();
        return counted.into_iter().map(|(_, before, after)| (before, after)).collect();
    }
    let (min, max) = range(reference, current);
    let width = (max - min) / (((reference.len() + current.len()) as f64).log2() + 1.0);
    let ends = numbers::bin_ends(min, max, ((max - min) / width).ceil() as usize);
    numbers::in_bins(reference, &ends).into_iter().zip(numbers::in_bins(current, &ends)).collect()
}

/// From the least to the greatest of both; neither is empty.
pub fn range(a: &[f64], b: &[f64]) -> (f64, f64) {
    (a[0].min(b[0]), a[a.len() - 1].max(b[b.len() - 1]))
}

/// The square root of the divergence, with the natural logarithm.
pub fn jensen_shannon(counts: &[(u64, u64)]) -> f64 {
    let (before, after) = shares(counts);
    let part = |share: f64, middle: f64| if share > 0.0 { share * (share / middle).ln() } else { 0.0 };
    let sum: f64 = before
        .iter()
        .zip(&after)
        .map(|(p, q)| {
            let middle = (p + q) / 2.0;
            part(*p, middle) + part(*q, middle)
        })
        .sum();
    (sum.max(0.0) / 2.0).sqrt()
}

/// The population stability index; a share of nothing counts as a very small one.
pub fn population_stability(counts: &[(u64, u64)]) -> f64 {
    let (mut before, mut after) = shares(counts);
    fill(&mut before);
    fill(&mut after);
    before.iter().zip(&after).map(|(p, q)| (p - q) * (p / q).ln()).sum()
}

fn fill(shares: &mut [f64]) {
    let least = shares.iter().copied().filter(|share| *share > 0.0).fold(f64::INFINITY, f64::min);
    let small = if least <= 1e-4 { least / 1e6 } else { 1e-4 };
    shares.iter_mut().filter(|share| **share == 0.0).for_each(|share| *share = small);
}

fn shares(counts: &[(u64, u64)]) -> (Vec<f64>, Vec<f64>) {
    let all = counts.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let share = |count: u64, all: u64| count as f64 / all.max(1) as f64;
    counts.iter().map(|(before, after)| (share(*before, all.0), share(*after, all.1))).unzip()
}
