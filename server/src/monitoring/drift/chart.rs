//! The two spreads of a column over the same bins or values, small enough to be drawn beside its name.

use std::collections::BTreeMap;

use drydock_wire::drift::{ColumnDrift, DriftSide};

use super::column::{Content, ReferenceColumn};
use super::{distance, numbers};

const BINS: usize = 20;
/// Words that are shown by name.
const WORDS: usize = 9;
const OTHERS: &str = "all others";
/// Numbers up to so many different ones have a bar each.
const FEW: usize = 12;

/// The column without a result.
pub fn draw(reference: &ReferenceColumn, current: &ReferenceColumn) -> ColumnDrift {
    let (mut bin_ends, mut values, mut shares) = (vec![], vec![], (vec![], vec![]));
    match (&reference.content, &current.content) {
        (Content::Numbers(before), Content::Numbers(after)) if !before.is_empty() && !after.is_empty() => {
            if let Some(few) = numbers::counts(before, after, FEW) {
                values = few.iter().map(|(value, ..)| value.to_string()).collect();
                let counted = few.iter().map(|(_, before, after)| (*before, *after));
                shares = as_shares(counted);
            } else {
                let (min, max) = distance::range(before, after);
                bin_ends = numbers::bin_ends(min, max, BINS);
                let counted = numbers::in_bins(before, &bin_ends).into_iter().zip(numbers::in_bins(after, &bin_ends));
                shares = as_shares(counted);
            }
        }
        (Content::Words(before), Content::Words(after)) => {
            let counted;
            (values, counted) = most_frequent(before, after);
            shares = as_shares(counted.into_iter());
        }
        _ => {}
    }
    ColumnDrift {
        name: reference.name.clone(),
        drifted: false,
        result: None,
        reason: None,
        reference: Some(side(reference, shares.0)),
        current: Some(side(current, shares.1)),
        bin_ends,
        values,
    }
}

fn side(column: &ReferenceColumn, shares: Vec<f64>) -> DriftSide {
    let mean = match &column.content {
        Content::Numbers(sorted) if !sorted.is_empty() => Some(numbers::mean(sorted)).filter(|mean| mean.is_finite()),
        _ => None,
    };
    DriftSide { count: column.count(), missing_count: column.missing, mean, shares }
}

fn as_shares(counted: impl Iterator<Item = (u64, u64)>) -> (Vec<f64>, Vec<f64>) {
    let counted: Vec<(u64, u64)> = counted.collect();
    let all = counted.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let share = |count: u64, all: u64| count as f64 / all.max(1) as f64;
    counted.iter().map(|(before, after)| (share(*before, all.0), share(*after, all.1))).unzip()
}

/// By the greater share of both sides; what is left is put together.
fn most_frequent(before: &[(String, u64)], after: &[(String, u64)]) -> (Vec<String>, Vec<(u64, u64)>) {
    let mut both: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    before.iter().for_each(|(word, count)| both.entry(word).or_default().0 = *count);
    after.iter().for_each(|(word, count)| both.entry(word).or_default().1 = *count);
    let all = both.values().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let share = |count: &(u64, u64)| (count.0 as f64 / all.0.max(1) as f64).max(count.1 as f64 / all.1.max(1) as f64);
    let mut ordered: Vec<(&str, (u64, u64))> = both.into_iter().collect();
    ordered.sort_by(|(_, a), (_, b)| share(b).total_cmp(&share(a)));
    let (mut words, mut counts): (Vec<String>, Vec<(u64, u64)>) =
        ordered.iter().take(WORDS).map(|(word, count)| ((*word).to_owned(), *count)).unzip();
    let rest = ordered.iter().skip(WORDS).fold((0, 0), |sum, (_, count)| (sum.0 + count.0, sum.1 + count.1));
    if rest != (0, 0) {
        words.push(OTHERS.into());
        counts.push(rest);
    }
    (words, counts)
}
