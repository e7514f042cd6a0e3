//! Which test a column gets, by its type and the size of the reference, and when its answer is drift.

use drydock_wire::drift::{DriftResult, DriftTest};

use super::Settings;
use super::column::{Content, ReferenceColumn};
use super::kolmogorov::{Tested, kolmogorov_smirnov};
use super::{counts, distance, numbers};

/// References up to this size are tested, larger ones measured: with many values every test finds the least difference.
const TESTED_UP_TO: u64 = 1_000;
/// Columns of numbers with so many different ones, on both sides together, are taken as words.
const FEW_NUMBERS: usize = 5;

/// Whether the test answers with a p-value.
pub fn is_p_value(test: DriftTest) -> bool {
    matches!(test, DriftTest::KolmogorovSmirnov | DriftTest::ChiSquared | DriftTest::ProportionsZ)
}

/// Whether it may be asked for in place of the choice, for all columns of numbers.
pub fn is_for_numbers(test: DriftTest) -> bool {
    !matches!(test, DriftTest::ChiSquared | DriftTest::ProportionsZ)
}

/// The same for words.
pub fn is_for_words(test: DriftTest) -> bool {
    matches!(test, DriftTest::ChiSquared | DriftTest::JensenShannon | DriftTest::PopulationStability)
}

/// What the column's test says.
///
/// # Errors
/// In words why it cannot be compared.
pub fn measure(
    reference: &ReferenceColumn,
    current: &ReferenceColumn,
    settings: &Settings,
) -> Result<DriftResult, String> {
    match (&reference.content, &current.content) {
        (Content::Unfit(reason), _) | (_, Content::Unfit(reason)) => Err(reason.clone()),
        _ if reference.count() == 0 => Err("The reference has no value in it.".into()),
        _ if current.count() == 0 => Err("The current side has no value in it.".into()),
        (Content::Numbers(before), Content::Numbers(after)) => Ok(of_numbers(before, after, settings)),
        (Content::Words(before), Content::Words(after)) => {
            Ok(of_words(&side_by_side(before, after), reference.count(), settings))
        }
        (Content::Numbers(_), Content::Words(_)) => Err("It held numbers in the reference and holds words now.".into()),
        (Content::Words(_), Content::Numbers(_)) => Err("It held words in the reference and holds numbers now.".into()),
    }
}

fn of_numbers(before: &[f64], after: &[f64], settings: &Settings) -> DriftResult {
    let test = settings.number_test.unwrap_or_else(|| {
        let size = before.len() as u64;
        match numbers::counts(before, after, FEW_NUMBERS) {
            Some(few) => for_counts(few.len(), size),
            None if size <= TESTED_UP_TO => DriftTest::KolmogorovSmirnov,
            None => DriftTest::Wasserstein,
        }
    });
    match test {
        DriftTest::KolmogorovSmirnov => tested(test, kolmogorov_smirnov(before, after), settings),
        DriftTest::Wasserstein => measured(test, distance::wasserstein(before, after), settings),
        _ => on_counts(test, &distance::common_counts(before, after), settings),
    }
}

fn of_words(counted: &[(u64, u64)], size: u64, settings: &Settings) -> DriftResult {
    let test = settings.word_test.unwrap_or_else(|| for_counts(counted.len(), size));
    on_counts(test, counted, settings)
}

fn for_counts(different: usize, size: u64) -> DriftTest {
    match different {
        _ if size > TESTED_UP_TO => DriftTest::JensenShannon,
        0..=2 => DriftTest::ProportionsZ,
        _ => DriftTest::ChiSquared,
    }
}

fn on_counts(test: DriftTest, counted: &[(u64, u64)], settings: &Settings) -> DriftResult {
    match test {
        DriftTest::ProportionsZ => tested(test, counts::proportions(counted), settings),
        DriftTest::JensenShannon => measured(test, distance::jensen_shannon(counted), settings),
        DriftTest::PopulationStability => measured(test, distance::population_stability(counted), settings),
        _ => tested(DriftTest::ChiSquared, counts::chi_squared(counted), settings),
    }
}

/// Counts of each word of either side; both are in order.
fn side_by_side(before: &[(String, u64)], after: &[(String, u64)]) -> Vec<(u64, u64)> {
    let (mut found, mut left, mut right) = (vec![], before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return found,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((one, _)), Some((other, _))) => one.cmp(other),
        };
        let of_left = if order.is_le() { left.next() } else { None };
        let of_right = if order.is_ge() { right.next() } else { None };
        found.push((of_left.map_or(0, |it| it.1), of_right.map_or(0, |it| it.1)));
    }
}

fn tested(test: DriftTest, found: Tested, settings: &Settings) -> DriftResult {
    DriftResult {
        test,
        statistic: Some(found.statistic).filter(|value| value.is_finite()),
        p_value: Some(found.p_value),
        corrected_p_value: None,
        threshold: settings.p_value,
        strength: 0.0,
    }
}

fn measured(test: DriftTest, distance: f64, settings: &Settings) -> DriftResult {
    DriftResult {
        test,
        statistic: Some(distance).filter(|value| value.is_finite()),
        p_value: None,
        corrected_p_value: None,
        threshold: settings.distance,
        strength: 0.0,
    }
}

pub fn is_drift(result: &DriftResult) -> bool {
    match (result.corrected_p_value, result.test) {
        // Evidently counts the threshold itself in for this one alone
        (Some(p_value), DriftTest::KolmogorovSmirnov) => p_value <= result.threshold,
        (Some(p_value), _) => p_value < result.threshold,
        (None, _) => result.statistic.is_none_or(|distance| distance >= result.threshold),
    }
}

/// Of a distance, in thresholds; of a p-value, the same in orders of magnitude.
pub fn strength(result: &DriftResult) -> f64 {
    const LEAST: f64 = 1e-300;
    const MOST: f64 = 1e6;
    let strength = match result.corrected_p_value {
        Some(p_value) => p_value.max(LEAST).ln() / result.threshold.clamp(LEAST, 1.0 - 1e-9).ln(),
        None => result.statistic.unwrap_or(f64::MAX) / result.threshold.max(LEAST),
    };
    strength.clamp(0.0, MOST)
}
