//! How sure one can be of what was counted: intervals with 95 % and tests of a difference (pure).
//!
//! Proportions by Wilson and, for their difference, Newcombe's hybrid of two Wilson intervals, which stay within 0 and 1 near
//! the ends where success rates are; means by Student and Welch. Values agree with scipy's in the tests.

use drydock_wire::serving::{Difference, Interval};

use crate::serving::gateway::histogram::Histogram;

/// Standard normal quantile of 97.5 %.
const Z: f64 = 1.959_963_984_540_054;
const CONFIDENCE: f64 = 0.95;
const STEPS: usize = 300;
/// From here on Student's distribution is the normal one to seven digits, and the logarithms of gamma cancel each other.
const AS_NORMAL: f64 = 1e7;

/// Count, sum and sum of squares of reported values.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Moments {
    pub count: u64,
    pub sum: f64,
    pub squares: f64,
}

impl Moments {
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.squares += value * value;
    }

    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// Of the sample; absent with fewer than two values.
    pub fn variance(&self) -> Option<f64> {
        let count = self.count as f64;
        (self.count > 1).then(|| ((self.squares - self.sum * self.sum / count) / (count - 1.0)).max(0.0))
    }

    /// The mean with Student's interval; absent with fewer than two values.
    pub fn interval(&self) -> Option<Interval> {
        let (mean, variance, count) = (self.mean()?, self.variance()?, self.count as f64);
        let half = student_quantile(count - 1.0) * (variance / count).sqrt();
        Some(Interval { value: mean, low: mean - half, high: mean + half })
    }
}

/// Wilson's interval of a proportion; absent where nothing was tried.
pub fn wilson(successes: u64, tries: u64) -> Option<Interval> {
    if tries == 0 {
        return None;
    }
    let (count, value) = (tries as f64, successes as f64 / tries as f64);
    let spread = Z * Z / count;
    let middle = (value + spread / 2.0) / (1.0 + spread);
    let half = Z / (1.0 + spread) * (value * (1.0 - value) / count + spread / (4.0 * count)).sqrt();
    // at the ends the formula is exact but for rounding
    let low = if successes == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if successes == tries { 1.0 } else { (middle + half).min(1.0) };
    Some(Interval { value, low, high })
}

/// How the second proportion differs from the first: Newcombe's interval, and the two-proportion z-test with a pooled rate.
pub fn proportions(first: (u64, u64), second: (u64, u64)) -> Option<Difference> {
    let (one, two) = (wilson(first.0, first.1)?, wilson(second.0, second.1)?);
    let value = two.value - one.value;
    let low = value - (two.value - two.low).hypot(one.high - one.value);
    let high = value + (two.high - two.value).hypot(one.value - one.low);
    let (n, m) = (first.1 as f64, second.1 as f64);
    let pooled = (first.0 + second.0) as f64 / (n + m);
    let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    let p_value = (error > 0.0).then(|| libm::erfc((value / error).abs() / std::f64::consts::SQRT_2));
    Some(Difference { value, low, high, p_value })
}

/// How the second mean differs from the first, by Welch's t-test; absent with fewer than two values of either.
pub fn welch(first: &Moments, second: &Moments) -> Option<Difference> {
    let of_first = first.variance()? / first.count as f64;
    let of_second = second.variance()? / second.count as f64;
    let value = second.mean()? - first.mean()?;
    let squared_error = of_first + of_second;
    if squared_error <= 0.0 {
        return Some(Difference { value, low: value, high: value, p_value: None });
    }
    let part = |of: f64, count: u64| of * of / (count as f64 - 1.0);
    let freedom = squared_error * squared_error / (part(of_first, first.count) + part(of_second, second.count));
    let error = squared_error.sqrt();
    let half = student_quantile(freedom) * error;
    let p_value = Some(student_tails(value / error, freedom));
    Some(Difference { value, low: value - half, high: value + half, p_value })
}

/// How often chance alone shares out as unevenly, by the chi-squared test; `expected` is the second one's share from 0 to 1.
pub fn split_p_value(first: u64, second: u64, expected: f64) -> Option<f64> {
    let total = (first + second) as f64;
    if total == 0.0 || !(expected > 0.0 && expected < 1.0) {
        return None;
    }
    let wanted = [total * (1.0 - expected), total * expected];
    let seen = [first as f64, second as f64];
    let chi_squared: f64 = seen.iter().zip(wanted).map(|(seen, wanted)| (seen - wanted).powi(2) / wanted).sum();
    // with one degree of freedom the tail is that of a squared normal
    Some(libm::erfc((chi_squared / 2.0).sqrt()))
}

/// A quantile with the interval between the order statistics that hold it with 95 %.
pub fn quantile_ms(latency: &Histogram, q: f64) -> Option<Interval> {
    let value = latency.quantile_ms(q)?;
    let count = latency.total() as f64;
    let half = Z * (q * (1.0 - q) / count).sqrt();
    let low = latency.quantile_ms((q - half).max(0.0))?;
    let high = latency.quantile_ms((q + half + 1.0 / count).min(1.0))?;
    Some(Interval { value, low: low.min(value), high: high.max(value) })
}

/// Probability that Student's t is at least so far from 0.
fn student_tails(t: f64, freedom: f64) -> f64 {
    if freedom > AS_NORMAL {
        return libm::erfc(t.abs() / std::f64::consts::SQRT_2);
    }
    incomplete_beta(freedom / (freedom + t * t), freedom / 2.0, 0.5)
}

/// The t beyond which 5 % lie on both sides together.
fn student_quantile(freedom: f64) -> f64 {
    if freedom > AS_NORMAL {
        return Z;
    }
    let (mut low, mut high) = (0.0_f64, 2.0_f64);
    while student_tails(high, freedom) > 1.0 - CONFIDENCE && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if student_tails(middle, freedom) > 1.0 - CONFIDENCE {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The regularized incomplete beta function, by Lentz's continued fraction.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let scale = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * libm::log1p(-x);
    // the fraction converges fast on this side of the middle, and the other is its mirror
    if x < (a + 1.0) / (a + b + 2.0) {
        scale.exp() * beta_fraction(x, a, b) / a
    } else {
        1.0 - scale.exp() * beta_fraction(1.0 - x, b, a) / b
    }
}

fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    let off_zero = |it: f64| if it.abs() < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { it };
    let mut c = 1.0;
    let mut d = 1.0 / off_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for step in 1..=STEPS {
        let m = step as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / off_zero(1.0 + even * d);
        c = off_zero(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / off_zero(1.0 + odd * d);
        c = off_zero(1.0 + odd / c);
        let change = d * c;
        fraction *= change;
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    //! The values are scipy 1.17's: binomtest(…).proportion_ci("wilson"), ttest_ind(equal_var=False), t.interval, chisquare.
    use super::*;

    fn near(left: f64, right: f64) {
        assert!((left - right).abs() <= 1e-9 * right.abs().max(1e-3), "{left} is not {right}");
    }

    fn moments(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|value| moments.add(*value));
        moments
    }

    fn rates(ones: usize, all: usize) -> Moments {
        moments(&(0..all).map(|at| if at < ones { 1.0 } else { 0.0 }).collect::<Vec<_>>())
    }

    #[test]
    fn wilsons_interval_is_scipys() {
        for (successes, tries, low, high) in [
            (0, 10, 0.0, 0.27753279986288926),
            (10, 10, 0.7224672001371109, 1.0),
            (95, 100, 0.8882495307680809, 0.978456320845632),
            (9990, 10000, 0.9981600556125619, 0.9994567140135028),
            (1, 3, 0.06149194472039626, 0.7923403991979523),
        ] {
            let interval = wilson(successes, tries).unwrap();
            near(interval.low, low);
            near(interval.high, high);
        }
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn two_proportions_differ_as_in_scipy() {
        for (first, second, low, high, p) in [
            ((950, 1000), (930, 1000), -0.0411578252835268, 0.0009003566326524597, 0.05968560553242758),
            ((45, 50), (48, 50), -0.05020127372957457, 0.17723579680412932, 0.23967772321846926),
            ((500, 10000), (560, 9900), 0.00032312545813363396, 0.012822424960011587, 0.03918954232612335),
        ] {
            let difference = proportions(first, second).unwrap();
            near(difference.low, low);
            near(difference.high, high);
            near(difference.p_value.unwrap(), p);
        }
        assert_eq!(proportions((10, 10), (10, 10)).unwrap().p_value, None, "nothing varies");
        assert_eq!(proportions((0, 0), (1, 2)), None);
    }

    #[test]
    fn welchs_test_is_scipys() {
        let (few, other) = (moments(&[1.0, 2.0, 2.5, 3.0, 4.5, 5.0, 5.5]), moments(&[2.0, 3.5, 4.0, 6.0, 7.0]));
        for (first, second, low, high, p) in [
            (few, other, -1.4004667147667802, 3.686181000481066, 0.3286233165935963),
            (rates(10, 100), rates(40, 200), 0.018487778640923255, 0.18151222135907674, 0.01639823740016467),
            (moments(&[1.0; 3]), moments(&[1.0, 2.0]), -5.853102368087347, 6.853102368087347, 0.5),
        ] {
            let difference = welch(&first, &second).unwrap();
            near(difference.low, low);
            near(difference.high, high);
            near(difference.p_value.unwrap(), p);
        }
        let interval = few.interval().unwrap();
        near(interval.low, 1.8069502449516548);
        near(interval.high, 4.907335469334059);
        near(few.variance().unwrap().sqrt(), 1.6761634196950517);
        assert_eq!(welch(&few, &moments(&[1.0])), None);
        assert_eq!(welch(&moments(&[1.0; 2]), &moments(&[2.0; 2])).unwrap().p_value, None);
    }

    #[test]
    fn students_distribution_is_scipys() {
        for (freedom, quantile) in [
            (1.0, 12.706204736174694),
            (2.0, 4.302652729749462),
            (4.2, 2.7250727225923743),
            (30.0, 2.0422724563012378),
            (1000.5, 1.962337892459348),
        ] {
            near(student_quantile(freedom), quantile);
        }
        assert!((student_quantile(1e12) - Z).abs() < 1e-12);
        for (t, freedom, tails) in [
            (0.1, 3.0, 0.9266523488008059),
            (2.5, 5.5, 0.050120085869221634),
            (8.0, 1.0, 0.07916684832113109),
            (3.0, 200.0, 0.003043047113905905),
        ] {
            near(student_tails(t, freedom), tails);
        }
        let far = student_tails(40.0, 12.0);
        assert!((far / 3.851229580772032e-14 - 1.0).abs() < 1e-9, "{far}");
    }

    #[test]
    fn an_uneven_split_is_as_improbable_as_in_scipy() {
        for (first, second, expected, p) in [
            (500, 500, 0.5, 1.0),
            (905, 95, 0.1, 0.5981614526835279),
            (880, 120, 0.1, 0.03501498101966245),
            (5000, 5300, 0.5, 0.003116693839866867),
            (10, 0, 0.05, 0.468159909854428),
        ] {
            near(split_p_value(first, second, expected).unwrap(), p);
        }
        assert_eq!(split_p_value(0, 0, 0.5), None);
    }

    #[test]
    fn a_quantile_lies_within_its_interval() {
        let mut latency = Histogram::default();
        (1..=1000).for_each(|ms| latency.record(ms * 1000));
        let median = quantile_ms(&latency, 0.5).unwrap();
        // ranks 469 and 532 of 1000, to a sixty-fourth
        assert!((median.low - 469.0).abs() < 8.0 && (median.high - 532.0).abs() < 9.0, "{median:?}");
        let few = quantile_ms(
            &{
                let mut one = Histogram::default();
                one.record(5);
                one
            },
            0.99,
        )
        .unwrap();
        assert!(few.low <= few.value && few.value <= few.high);
        assert_eq!(quantile_ms(&Histogram::default(), 0.5), None);
    }
}
