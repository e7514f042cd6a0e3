//! Fewer points for a chart of the same shape: each bucket of neighbours keeps its lowest and its highest. Pure.

use super::Point;

/// At most about `most` of the points, in their order; all when there are no more. First and last always stay, and so
/// does a point that is no number, once per bucket, since a gap is something to see.
pub fn decimate(points: &[Point], most: usize) -> Vec<Point> {
    if points.len() <= most.max(4) {
        return points.to_vec();
    }
    let buckets = (most.max(4) - 2) / 2;
    let inner = &points[1..points.len() - 1];
    let mut kept = Vec::with_capacity(most + 2);
    kept.push(points[0]);
    for bucket in 0..buckets {
        let (from, to) = (bucket * inner.len() / buckets, (bucket + 1) * inner.len() / buckets);
        keep_extremes(&inner[from..to], &mut kept);
    }
    kept.push(points[points.len() - 1]);
    kept
}

fn keep_extremes(bucket: &[Point], kept: &mut Vec<Point>) {
    let mut lowest: Option<usize> = None;
    let mut highest: Option<usize> = None;
    let mut gap: Option<usize> = None;
    for (index, point) in bucket.iter().enumerate() {
        if !point.value.is_finite() {
            gap.get_or_insert(index);
            continue;
        }
        if lowest.is_none_or(|at| point.value < bucket[at].value) {
            lowest = Some(index);
        }
        if highest.is_none_or(|at| point.value > bucket[at].value) {
            highest = Some(index);
        }
    }
    let mut chosen: Vec<usize> = [lowest, highest, gap].into_iter().flatten().collect();
    chosen.sort_unstable();
    chosen.dedup();
    kept.extend(chosen.into_iter().map(|index| bucket[index]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(count: usize) -> Vec<Point> {
        (0..count).map(|i| Point { step: i as i64, at: i as i64, value: (i as f64 / 50.0).sin() }).collect()
    }

    #[test]
    fn few_points_stay_as_they_are() {
        assert_eq!(decimate(&wave(10), 2000).len(), 10);
    }

    #[test]
    fn a_spike_survives_and_the_order_stays() {
        let mut points = wave(100_000);
        points[54_321].value = 99.0;
        points[12_345].value = -99.0;
        let kept = decimate(&points, 2000);
        assert!(kept.len() <= 2002, "{}", kept.len());
        assert!(kept.iter().any(|p| p.step == 54_321) && kept.iter().any(|p| p.step == 12_345));
        assert!(kept.windows(2).all(|pair| pair[0].step < pair[1].step));
        assert_eq!((kept[0].step, kept[kept.len() - 1].step), (0, 99_999));
    }

    #[test]
    fn a_gap_stays_a_gap() {
        let mut points = wave(10_000);
        points[5_000].value = f64::NAN;
        assert!(decimate(&points, 100).iter().any(|p| p.value.is_nan()));
    }
}
