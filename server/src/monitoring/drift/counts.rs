//! Tests on how often there is each value.

use super::kolmogorov::Tested;

/// Pearson's test of the current counts against the reference's shares. A value that the reference never had is infinitely
/// unlikely.
pub fn chi_squared(counts: &[(u64, u64)]) -> Tested {
    let (all_before, all_after) = totals(counts);
    let scale = all_after / all_before;
    let statistic: f64 = counts
        .iter()
        .map(|(before, after)| {
            let expected = *before as f64 * scale;
            (*after as f64 - expected).powi(2) / expected
        })
        .sum();
    let freedom = counts.len().saturating_sub(1) as f64;
    let p_value = match statistic {
        value if value <= 0.0 => 1.0,
        value if value.is_finite() => chi_tail(freedom, value),
        _ => 0.0,
    };
    Tested { statistic, p_value }
}

/// The two-sided Z test of the share of the first value, with a pooled variance.
pub fn proportions(counts: &[(u64, u64)]) -> Tested {
    if counts.len() < 2 {
        return Tested { statistic: 0.0, p_value: 1.0 };
    }
    let (all_before, all_after) = totals(counts);
    let (before, after) = (all_before - counts[0].0 as f64, all_after - counts[0].1 as f64);
    let pooled = (before + after) / (all_before + all_after);
    let deviation = (pooled * (1.0 - pooled) * (1.0 / all_before + 1.0 / all_after)).sqrt();
    let statistic = (before / all_before - after / all_after) / deviation;
    Tested { statistic, p_value: libm::erfc(statistic.abs() / std::f64::consts::SQRT_2) }
}

fn totals(counts: &[(u64, u64)]) -> (f64, f64) {
    let sum = counts.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    (sum.0 as f64, sum.1 as f64)
}

/// The probability of a statistic of at least `value`, which is above 0.
pub fn chi_tail(freedom: f64, value: f64) -> f64 {
    upper_gamma(freedom / 2.0, value / 2.0)
}

/// The regularized upper incomplete gamma function: a series where x is small, else Lentz's way through the continued fraction.
fn upper_gamma(a: f64, x: f64) -> f64 {
    let factor = (a * x.ln() - x - libm::lgamma(a)).exp();
    if x < a + 1.0 { 1.0 - factor * lower_series(a, x) } else { factor * upper_fraction(a, x) }.clamp(0.0, 1.0)
}

/// Both are over long before.
const STEPS: usize = 100_000;

fn lower_series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut at) = (1.0 / a, 1.0 / a, a);
    for _ in 0..STEPS {
        at += 1.0;
        term *= x / at;
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    sum
}

fn upper_fraction(a: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / f64::MIN_POSITIVE, 1.0 / b);
    let mut value = d;
    for n in 1..STEPS {
        let numerator = -(n as f64) * (n as f64 - a);
        b += 2.0;
        let not_zero = |value: f64| if value.abs() < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { value };
        d = 1.0 / not_zero(numerator * d + b);
        c = not_zero(b + numerator / c);
        let step = d * c;
        value *= step;
        if (step - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    value
}
