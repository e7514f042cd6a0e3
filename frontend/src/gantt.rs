//! Where bars go on an axis of time. Pure, so that the host tests it.

/// A stretch of time that is drawn, in milliseconds since the epoch; never empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub from: i64,
    pub to: i64,
}

/// Steps of an axis, in seconds.
const STEPS: [i64; 18] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400, 604_800];

impl Span {
    /// What covers all of them; what has not ended goes to `now`.
    pub fn around(times: impl Iterator<Item = (i64, Option<i64>)>, now: i64) -> Option<Self> {
        let all = times.map(|(from, to)| (from, to.unwrap_or(now).max(from)));
        let (from, to) = all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        Some(Self { from, to: to.max(from + 1_000) })
    }

    /// Left edge and width of a bar, in percent.
    pub fn bar(&self, from: i64, to: i64) -> (f64, f64) {
        let whole = (self.to - self.from) as f64;
        let left = ((from - self.from) as f64 / whole * 100.0).clamp(0.0, 100.0);
        let right = ((to - self.from) as f64 / whole * 100.0).clamp(left, 100.0);
        (left, right - left)
    }

    /// Marks of the axis: seconds since its start, at most `most` and at least the start.
    pub fn marks(&self, most: i64) -> Vec<i64> {
        let seconds = (self.to - self.from) / 1_000;
        let step = STEPS.into_iter().find(|step| seconds / step < most).unwrap_or(seconds / most.max(1) + 1);
        (0..=seconds / step).map(|n| n * step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_still_goes_to_now() {
        let span = Span::around([(1_000, Some(5_000)), (4_000, None)].into_iter(), 21_000);
        assert_eq!(span, Some(Span { from: 1_000, to: 21_000 }));
        assert_eq!(Span::around([].into_iter(), 5), None);
    }

    #[test]
    fn bars_stay_on_the_axis() {
        let span = Span { from: 0, to: 10_000 };
        assert_eq!(span.bar(2_500, 5_000), (25.0, 25.0));
        assert_eq!(span.bar(-5_000, 20_000), (0.0, 100.0));
        assert_eq!(span.bar(9_000, 8_000), (90.0, 0.0));
    }

    #[test]
    fn marks_are_round_and_few() {
        assert_eq!(Span { from: 7, to: 10_007 }.marks(6), [0, 2, 4, 6, 8, 10]);
        for seconds in [1, 59, 61, 3_599, 90_000, 40_000_000] {
            let marks = Span { from: 0, to: seconds * 1_000 }.marks(6);
            assert!(!marks.is_empty() && marks.len() <= 7, "{seconds}: {marks:?}");
        }
    }

    #[test]
    fn a_moment_is_a_second_wide() {
        let span = Span::around([(1_000, Some(1_000))].into_iter(), 9_000);
        assert_eq!(span, Some(Span { from: 1_000, to: 2_000 }));
    }
}
