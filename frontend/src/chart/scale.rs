//! From data to pixels and back, ticks, smoothing. Pure, so that the host tests it.

use super::{Axis, Series};

/// A series on the chosen axis: `x` never falls; `smooth` is as long as `raw`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    pub x: Vec<f64>,
    pub raw: Vec<f64>,
    /// Absent where nothing is smoothed.
    pub smooth: Option<Vec<f64>>,
    pub colour: usize,
}

impl Curve {
    pub fn of(series: &Series, axis: Axis, smoothing: f64) -> Self {
        let first = series.at.first().copied().unwrap_or(0.0);
        let x: Vec<f64> = match axis {
            Axis::Step => series.steps.clone(),
            Axis::Elapsed => series.at.iter().map(|at| (at - first) / 1000.0).collect(),
            Axis::Clock => series.at.iter().map(|at| at / 1000.0).collect(),
        };
        let (x, raw) = in_order(x, series.values.clone());
        let smooth = (smoothing > 0.0).then(|| smooth(&raw, smoothing));
        Self { x, raw, smooth, colour: series.colour }
    }

    /// What the strong line shows.
    pub fn shown(&self) -> &[f64] {
        self.smooth.as_deref().unwrap_or(&self.raw)
    }

    /// Indices of the points in `from..=to`, with one more at each side so that lines run to the edge.
    pub fn within(&self, (from, to): (f64, f64)) -> std::ops::Range<usize> {
        let start = self.x.partition_point(|x| *x < from).saturating_sub(1);
        let end = (self.x.partition_point(|x| *x <= to) + 1).min(self.x.len());
        start.min(end)..end
    }

    /// Index of the finite point nearest to `x`.
    pub fn nearest(&self, x: f64) -> Option<usize> {
        let i = self.x.partition_point(|v| *v < x);
        let (mut left, mut right) = (i.checked_sub(1), Some(i).filter(|i| *i < self.x.len()));
        while let Some(l) = left.filter(|l| !self.raw[*l].is_finite()) {
            left = l.checked_sub(1);
        }
        while let Some(r) = right.filter(|r| !self.raw[*r].is_finite()) {
            right = Some(r + 1).filter(|r| *r < self.x.len());
        }
        match (left, right) {
            (Some(l), Some(r)) => Some(if x - self.x[l] <= self.x[r] - x { l } else { r }),
            (one, other) => one.or(other),
        }
    }
}

/// Points logged out of order are drawn in order.
fn in_order(x: Vec<f64>, y: Vec<f64>) -> (Vec<f64>, Vec<f64>) {
    if x.is_sorted() {
        return (x, y);
    }
    let mut both: Vec<(f64, f64)> = x.into_iter().zip(y).collect();
    both.sort_by(|a, b| a.0.total_cmp(&b.0));
    both.into_iter().unzip()
}

/// Exponential moving average without the bias towards the first value; gaps stay gaps.
pub fn smooth(values: &[f64], weight: f64) -> Vec<f64> {
    let (mut sum, mut norm) = (0.0, 0.0);
    let next = |v: &f64| {
        if !v.is_finite() {
            return f64::NAN;
        }
        sum = sum * weight + v * (1.0 - weight);
        norm = norm * weight + (1.0 - weight);
        sum / norm
    };
    values.iter().map(next).collect()
}

/// The place of the plot on the canvas, and what it covers.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Plot {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    pub x: (f64, f64),
    /// Of the logarithms (base 10) where `log` is set.
    pub y: (f64, f64),
    pub log: bool,
}

impl Plot {
    pub fn px(&self, x: f64) -> f64 {
        self.left + (x - self.x.0) / (self.x.1 - self.x.0) * (self.right - self.left)
    }

    /// Not finite where `y` is not, or is not above zero on a logarithmic scale.
    pub fn py(&self, y: f64) -> f64 {
        let y = if self.log { if y > 0.0 { y.log10() } else { f64::NAN } } else { y };
        self.bottom - (y - self.y.0) / (self.y.1 - self.y.0) * (self.bottom - self.top)
    }

    pub fn x_at(&self, px: f64) -> f64 {
        self.x.0 + (px - self.left) / (self.right - self.left) * (self.x.1 - self.x.0)
    }
}

/// The span of the points' x; widened where they are all the same.
pub fn span<'a>(curves: impl Iterator<Item = &'a Curve>) -> Option<(f64, f64)> {
    let ends = curves.filter_map(|c| Some((*c.x.first()?, *c.x.last()?)));
    let (lo, hi) = ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    Some(if lo < hi { (lo, hi) } else { (lo - 0.5, hi + 0.5) })
}

/// The span of the values between `x.0` and `x.1`, with a little air; logarithms where `log` is set.
pub fn reach<'a>(curves: impl Iterator<Item = &'a Curve>, x: (f64, f64), log: bool) -> Option<(f64, f64)> {
    let (mut lo, mut hi) = (f64::INFINITY, f64::NEG_INFINITY);
    for curve in curves {
        for value in &curve.raw[curve.within(x)] {
            if value.is_finite() && (!log || *value > 0.0) {
                lo = lo.min(*value);
                hi = hi.max(*value);
            }
        }
    }
    if lo > hi {
        return None;
    }
    if log {
        (lo, hi) = (lo.log10(), hi.log10());
    }
    let air = if hi > lo {
        (hi - lo) * 0.06
    } else if lo == 0.0 || log {
        0.5
    } else {
        lo.abs() * 0.1
    };
    Some((lo - air, hi + air))
}

/// Round steps (1, 2, 2.5, 5 × 10ⁿ) that give about `count` ticks in `lo..=hi`.
pub fn ticks(lo: f64, hi: f64, count: f64) -> Vec<f64> {
    let raw = (hi - lo) / count;
    if !(raw > 0.0 && raw.is_finite()) {
        return vec![];
    }
    let magnitude = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0].map(|m| m * magnitude).into_iter().find(|s| *s >= raw).unwrap_or(10.0 * magnitude);
    let first = (lo / step).ceil();
    (0..64).map(|i| (first + f64::from(i)) * step).take_while(|v| *v <= hi + step * 1e-9).collect()
}

/// Ticks at values, for a scale whose ends `lo` and `hi` are logarithms.
pub fn log_ticks(lo: f64, hi: f64, count: f64) -> Vec<f64> {
    if hi - lo < 1.0 {
        let (from, to) = (10f64.powf(lo), 10f64.powf(hi));
        return ticks(from, to, count).into_iter().filter(|v| *v > 0.0).collect();
    }
    let every = ((hi - lo) / count).ceil().max(1.0) as i32;
    let decades = (lo.ceil() as i32..=hi.floor() as i32).filter(|d| d.rem_euclid(every) == 0);
    decades.map(|d| 10f64.powi(d)).collect()
}

/// Ticks of an axis in seconds, at steps people count in.
pub fn time_ticks(lo: f64, hi: f64, count: f64, origin: f64) -> Vec<f64> {
    const STEPS: [f64; 18] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0,
        43_200.0, 86_400.0,
    ];
    let raw = (hi - lo) / count;
    if !(1.0..=86_400.0).contains(&raw) {
        return ticks(lo, hi, count);
    }
    let step = STEPS.into_iter().find(|s| *s >= raw).unwrap_or(86_400.0);
    let first = ((lo - origin) / step).ceil();
    (0..64).map(|i| origin + (first + f64::from(i)) * step).take_while(|v| *v <= hi).collect()
}

/// A tick's value, short: `12k`, `0.05`, `1e-7`.
pub fn short(v: f64) -> String {
    let magnitude = v.abs();
    let text = match magnitude {
        0.0 => "0".to_owned(),
        m if m >= 1e9 => return format!("{v:.0e}"),
        m if m >= 1e6 => format!("{}M", trim(v / 1e6)),
        m if m >= 1e4 => format!("{}k", trim(v / 1e3)),
        m if m < 1e-4 => return format!("{v:.0e}").replace('-', "−"),
        _ => trim(v),
    };
    text.replace('-', "−")
}

fn trim(v: f64) -> String {
    let text = format!("{v:.5}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Seconds since the start: `45s`, `2m 05s`, `1h 30m`.
pub fn elapsed(seconds: f64) -> String {
    let s = seconds.max(0.0);
    let whole = s as u64;
    match whole {
        0..=59 if s.fract() > 0.001 => format!("{}s", trim((s * 100.0).round() / 100.0)),
        0..=59 => format!("{whole}s"),
        60..=3_599 if whole.is_multiple_of(60) => format!("{}m", whole / 60),
        60..=3_599 => format!("{}m {:02}s", whole / 60, whole % 60),
        3_600..=86_399 => format!("{}h {:02}m", whole / 3600, whole / 60 % 60),
        _ => format!("{}d {}h", whole / 86_400, whole / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn curve(x: &[f64], y: &[f64]) -> Curve {
        Curve { x: x.to_vec(), raw: y.to_vec(), smooth: None, colour: 0 }
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 10.0, 5.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(1.0, 1.0, 5.0), Vec::<f64>::new());
        assert_eq!(log_ticks(-3.2, 0.5, 6.0), [1e-3, 1e-2, 1e-1, 1.0]);
        assert_eq!(time_ticks(0.0, 150.0, 5.0, 0.0), [0.0, 30.0, 60.0, 90.0, 120.0, 150.0]);
    }

    #[test]
    fn smoothing_starts_at_the_first_value_and_keeps_gaps() {
        let out = smooth(&[4.0, f64::NAN, 4.0, 8.0], 0.5);
        assert_eq!(out[0], 4.0);
        assert!(out[1].is_nan());
        assert_eq!(out[2], 4.0);
        assert!(out[3] > 4.0 && out[3] < 8.0);
    }

    #[test]
    fn nearest_skips_gaps() {
        let c = curve(&[0.0, 1.0, 2.0, 3.0], &[1.0, f64::NAN, f64::NAN, 4.0]);
        assert_eq!(c.nearest(1.2), Some(0));
        assert_eq!(c.nearest(2.9), Some(3));
        assert_eq!(curve(&[1.0], &[f64::NAN]).nearest(1.0), None);
    }

    #[test]
    fn pixels_and_values_agree() {
        let p = Plot { left: 10.0, right: 110.0, top: 0.0, bottom: 100.0, x: (0.0, 50.0), y: (-2.0, 0.0), log: true };
        assert_eq!(p.x_at(p.px(12.5)), 12.5);
        assert_eq!(p.py(0.1), 50.0);
        assert!(p.py(0.0).is_nan());
    }

    #[test]
    fn a_flat_line_and_a_single_point_still_have_a_scale() {
        let c = [curve(&[3.0], &[7.0])];
        assert_eq!(span(c.iter()), Some((2.5, 3.5)));
        let (lo, hi) = reach(c.iter(), (2.5, 3.5), false).unwrap();
        assert!(lo < 7.0 && hi > 7.0);
        assert_eq!(reach([curve(&[1.0], &[-1.0])].iter(), (0.0, 2.0), true), None);
    }

    #[test]
    fn labels_stay_short() {
        assert_eq!([0.0, 0.05, 12_000.0, 2.5e6, -0.5].map(short), ["0", "0.05", "12k", "2.5M", "−0.5"]);
        assert_eq!([0.0, 45.0, 60.0, 125.0, 5400.0].map(elapsed), ["0s", "45s", "1m", "2m 05s", "1h 30m"]);
    }
}
