//! The two-sample Kolmogorov-Smirnov test, two-sided: exact where both sides have at most 10,000 values, as scipy does it.

use super::smirnov;

const EXACT_UP_TO: usize = 10_000;

/// What a test says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tested {
    pub statistic: f64,
    pub p_value: f64,
}

/// Both sides ascending, neither empty.
pub fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> Tested {
    let statistic = greatest_gap(a, b);
    let exact = if a.len().max(b.len()) <= EXACT_UP_TO { exact(a.len(), b.len(), statistic) } else { None };
    let p_value = exact.unwrap_or_else(|| {
        let (n, m) = (a.len() as f64, b.len() as f64);
        smirnov::upper_tail((n * m / (n + m)).round_ties_even() as u64, statistic)
    });
    Tested { statistic, p_value: p_value.clamp(0.0, 1.0) }
}

/// Between the cumulative shares, looked at behind the last of equal values.
fn greatest_gap(a: &[f64], b: &[f64]) -> f64 {
    let (n, m) = (a.len() as f64, b.len() as f64);
    let (mut i, mut j, mut gap) = (0, 0, 0.0_f64);
    while i < a.len() && j < b.len() {
        let value = a[i].min(b[j]);
        while i < a.len() && a[i] <= value {
            i += 1;
        }
        while j < b.len() && b[j] <= value {
            j += 1;
        }
        gap = gap.max((i as f64 / n - j as f64 / m).abs());
    }
    gap
}

/// The probability of a gap at least as great; nothing where the numbers do not allow it.
fn exact(a: usize, b: usize, statistic: f64) -> Option<f64> {
    let divisor = common_divisor(a, b);
    let multiple = (a / divisor) as f64 * b as f64;
    let steps = (statistic * multiple).round_ties_even() as i64;
    let (a, b, divisor) = (a as i64, b as i64, divisor as i64);
    let p_value = match steps {
        0 => 1.0,
        _ if a == b => outside_square(a, steps),
        _ => outside_band(a.max(b), a.min(b), divisor, steps),
    };
    (0.0..=1.0).contains(&p_value).then_some(p_value)
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// Paths from corner to corner of an n by n square that come `h` from the diagonal, as a share of all.
fn outside_square(n: i64, h: i64) -> f64 {
    let mut share = 0.0;
    for k in (0..=n / h).rev() {
        let mut term = 1.0;
        for j in 0..h {
            term = (n - k * h - j) as f64 * term / (n + k * h + j + 1) as f64;
        }
        share = term * (1.0 - share);
    }
    2.0 * share
}

/// The same in an m by n rectangle, m the longer: column by column, the share of paths to each point that were outside already.
fn outside_band(m: i64, n: i64, divisor: i64, h: i64) -> f64 {
    let (of_m, of_n) = (m / divisor, n / divisor);
    let ceiling = |a: i64, b: i64| -(-a).div_euclid(b);
    let (mut low, mut high) = (0, ceiling(h, of_m).min(n + 1));
    let mut length = high - low;
    let mut shares = vec![1.0; usize::try_from((2 * high + 2).min(n + 1)).unwrap_or(0)];
    shares[..length as usize].fill(0.0);
    for i in 1..=m {
        let (last_low, last_length) = (low, length);
        low = ((of_n * i - h).div_euclid(of_m) + 1).max(0).min(n);
        high = ceiling(of_n * i + h, of_m).min(n + 1);
        if high <= low {
            return 1.0;
        }
        let mut value = if low == 0 { 0.0 } else { 1.0 };
        for at in 0..high - low {
            let j = at + low;
            value = (shares[(j - last_low) as usize] * i as f64 + value * j as f64) / (i + j) as f64;
            shares[at as usize] = value;
        }
        length = high - low;
        if last_length > length {
            shares[length as usize..last_length as usize].fill(1.0);
        }
    }
    shares[(high - low - 1) as usize]
}
