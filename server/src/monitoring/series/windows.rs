//! From points to one value for each step: functions over a window of time, groups of series, quantiles of histograms. Pure.

use super::point::Point;
use super::query::Function;

/// A sample this long before a window still counts as what a counter was when the window began.
const COUNTER_LOOK_BACK_MS: i64 = 5 * 60_000;

/// The instants that are asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steps {
    pub first: i64,
    pub step_ms: i64,
    pub count: usize,
    pub window_ms: i64,
}

impl Steps {
    pub fn at(&self) -> impl Iterator<Item = i64> {
        let (first, step) = (self.first, self.step_ms);
        (0..self.count).map(move |n| first + step * i64::try_from(n).unwrap_or(0))
    }

    /// The earliest instant that matters.
    pub fn since(&self) -> i64 {
        self.first - self.window_ms - COUNTER_LOOK_BACK_MS.max(self.window_ms)
    }
}

/// The function of what lies in the window before each step: later than its start, not later than the step. `width_ms` is that
/// of one point, which counts where it ends.
pub fn over(points: &[Point], steps: &Steps, function: Function, width_ms: i64) -> Vec<Option<f64>> {
    // the last sample of a point lies one grid of five seconds before its end
    let end = |point: &Point| point.at + width_ms - super::point::Resolution::Full.width_ms();
    let (mut low, mut high) = (0, 0);
    steps
        .at()
        .map(|at| {
            while high < points.len() && end(&points[high]) <= at {
                high += 1;
            }
            while low < high && end(&points[low]) <= at - steps.window_ms {
                low += 1;
            }
            let before = low.checked_sub(1).map(|place| points[place]);
            let look_back = COUNTER_LOOK_BACK_MS.max(width_ms * 2);
            let before = before.filter(|point| end(point) >= at - steps.window_ms - look_back);
            of_window(&points[low..high], before, function, steps.window_ms)
        })
        .collect()
}

fn of_window(points: &[Point], before: Option<Point>, function: Function, window_ms: i64) -> Option<f64> {
    let last = points.last()?;
    let count = || points.iter().map(|point| f64::from(point.count)).sum::<f64>();
    let sum = || points.iter().map(|point| point.mean * f64::from(point.count)).sum::<f64>();
    match function {
        Function::Avg => Some(sum() / count()),
        Function::Min => points.iter().map(|point| point.min).reduce(f64::min),
        Function::Max => points.iter().map(|point| point.max).reduce(f64::max),
        Function::Sum => Some(sum()),
        Function::Count => Some(count()),
        Function::Last => Some(last.last),
        Function::Increase => increase(points, before),
        Function::Rate | Function::Quantile => Some(increase(points, before)? / (window_ms as f64 / 1000.0)),
    }
}

/// How much a counter grew. One that is smaller than before began anew from nothing.
fn increase(points: &[Point], before: Option<Point>) -> Option<f64> {
    let first = before.or_else(|| points.first().copied())?;
    if before.is_none() && points.len() < 2 {
        return None;
    }
    let mut known = first.last;
    let mut grown = 0.0;
    for point in points {
        grown += if point.last >= known { point.last - known } else { point.last };
        known = point.last;
    }
    Some(grown)
}

/// How the values of a group become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    Sum,
    Avg,
    Min,
    Max,
}

pub fn joined(all: &[Vec<Option<f64>>], join: Join) -> Vec<Option<f64>> {
    let count = all.first().map_or(0, Vec::len);
    let at = |step: usize| {
        let values: Vec<f64> = all.iter().filter_map(|series| series.get(step).copied().flatten()).collect();
        let sum = || values.iter().sum::<f64>();
        if values.is_empty() {
            return None;
        }
        match join {
            Join::Sum => Some(sum()),
            Join::Avg => Some(sum() / values.len() as f64),
            Join::Min => values.iter().copied().reduce(f64::min),
            Join::Max => values.iter().copied().reduce(f64::max),
        }
    };
    (0..count).map(at).collect()
}

/// The quantile of a histogram by upper bounds, each with how many were at or below it: as Prometheus does, evenly spread within a bucket.
pub fn quantile(of: f64, buckets: &[(f64, f64)]) -> Option<f64> {
    let mut sorted: Vec<(f64, f64)> = buckets.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (bound, total) = *sorted.last()?;
    if total.is_nan() || total <= 0.0 || !bound.is_infinite() {
        return None;
    }
    let rank = of * total;
    let place = sorted.iter().position(|(_, count)| *count >= rank)?;
    let (upper, count) = sorted[place];
    let (lower, below) = place.checked_sub(1).map_or((0.0, 0.0), |before| sorted[before]);
    if upper.is_infinite() {
        return (place > 0).then_some(lower);
    }
    if place == 0 && upper <= 0.0 {
        return Some(upper);
    }
    let inside = count - below;
    Some(if inside > 0.0 { lower + (upper - lower) * (rank - below) / inside } else { upper })
}

#[cfg(test)]
mod tests {
    use super::super::point::{Resolution, rolled_up};
    use super::*;

    fn steps(first: i64, count: usize) -> Steps {
        Steps { first, step_ms: 60_000, count, window_ms: 60_000 }
    }

    fn samples(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
        values.into_iter().enumerate().map(|(n, value)| Point::sample((n as i64 + 1) * 5_000, value)).collect()
    }

    #[test]
    fn a_window_has_what_came_after_its_start_up_to_its_end() {
        let points = samples((1..=24).map(f64::from));
        let of = |function| over(&points, &steps(60_000, 3), function, 5_000);
        assert_eq!(of(Function::Count), [Some(12.0), Some(12.0), None]);
        assert_eq!(of(Function::Max), [Some(12.0), Some(24.0), None]);
        assert_eq!(of(Function::Avg), [Some(6.5), Some(18.5), None]);
        assert_eq!(of(Function::Last), [Some(12.0), Some(24.0), None]);
    }

    #[test]
    fn a_counter_s_growth_is_whole_over_neighbouring_windows_and_over_a_new_start() {
        let points = samples((0..24).map(|n| if n < 18 { f64::from(n) * 10.0 } else { f64::from(n - 18) * 10.0 }));
        let grown = over(&points, &steps(60_000, 2), Function::Increase, 5_000);
        // 0 to 110; then to 170, and from nothing to 50
        assert_eq!(grown, [Some(110.0), Some(110.0)]);
        let rate = over(&points, &steps(60_000, 1), Function::Rate, 5_000);
        assert_eq!(rate, [Some(110.0 / 60.0)]);
        assert_eq!(over(&points[..1], &steps(60_000, 1), Function::Rate, 5_000), [None]);
    }

    #[test]
    fn minutes_answer_as_samples_do() {
        // samples from 0 s on: a minute is what lies in [0 s, 60 s)
        let points: Vec<Point> = (0..240).map(|n| Point::sample(n * 5_000, (n * n % 31) as f64)).collect();
        let minutes = rolled_up(&points, Resolution::Minute);
        let asked = Steps { first: 115_000, step_ms: 60_000, count: 18, window_ms: 60_000 };
        for function in [Function::Avg, Function::Min, Function::Max, Function::Last, Function::Count] {
            assert_eq!(
                over(&points, &asked, function, 5_000),
                over(&minutes, &asked, function, 60_000),
                "{function:?}"
            );
        }
    }

    #[test]
    fn a_quantile_lies_evenly_in_its_bucket() {
        let buckets = [(0.1, 10.0), (0.5, 60.0), (1.0, 90.0), (f64::INFINITY, 100.0)];
        assert_eq!(quantile(0.5, &buckets), Some(0.1 + 0.4 * 40.0 / 50.0));
        assert_eq!(quantile(0.05, &buckets), Some(0.05));
        assert_eq!(quantile(0.99, &buckets), Some(1.0));
        assert_eq!(quantile(0.5, &[(0.1, 0.0), (f64::INFINITY, 0.0)]), None);
        assert_eq!(quantile(0.5, &buckets[..3]), None);
    }

    #[test]
    fn groups_leave_out_who_has_no_value() {
        let all = [vec![Some(1.0), None], vec![Some(3.0), None]];
        assert_eq!(joined(&all, Join::Sum), [Some(4.0), None]);
        assert_eq!(joined(&all, Join::Avg), [Some(2.0), None]);
    }
}
