//! Points of a series at three resolutions, and the coarser ones made of the finer. Pure.

/// How finely time is told apart. Each has chunks of its own length and is kept for a time of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    Full,
    Minute,
    Hour,
}

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

impl Resolution {
    pub const ALL: [Self; 3] = [Self::Full, Self::Minute, Self::Hour];

    /// The width of one point, in milliseconds.
    pub fn width_ms(self) -> i64 {
        match self {
            Self::Full => 5_000,
            Self::Minute => 60_000,
            Self::Hour => HOUR_MS,
        }
    }

    /// The time that a chunk covers: 720 points each, a day's minutes being 1,440.
    pub fn chunk_ms(self) -> i64 {
        match self {
            Self::Full => HOUR_MS,
            Self::Minute => DAY_MS,
            Self::Hour => 30 * DAY_MS,
        }
    }

    /// How long chunks are kept.
    pub fn kept_ms(self) -> i64 {
        match self {
            Self::Full => 2 * DAY_MS,
            Self::Minute | Self::Hour => 2 * 366 * DAY_MS,
        }
    }

    /// The number in the database: the width in seconds.
    pub fn code(self) -> i64 {
        self.width_ms() / 1000
    }

    /// Start of the point that an instant falls into.
    pub fn slot(self, at_ms: i64) -> i64 {
        at_ms.div_euclid(self.width_ms()) * self.width_ms()
    }

    /// Start of the chunk that an instant falls into.
    pub fn chunk(self, at_ms: i64) -> i64 {
        at_ms.div_euclid(self.chunk_ms()) * self.chunk_ms()
    }
}

/// What is known of one stretch of time. At full rate all four values are the sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Start of the stretch, in milliseconds since 1970.
    pub at: i64,
    pub count: u32,
    pub min: f64,
    pub max: f64,
    pub mean: f64,
    pub last: f64,
}

impl Point {
    pub fn sample(at: i64, value: f64) -> Self {
        Self { at, count: 1, min: value, max: value, mean: value, last: value }
    }
}

/// Points by time: of two at one instant the newer knowledge wins. Both may be in any order.
pub fn merged(mut known: Vec<Point>, newer: impl IntoIterator<Item = Point>) -> Vec<Point> {
    known.extend(newer);
    // stable: what came later stays behind what came before
    known.sort_by_key(|point| point.at);
    known.dedup_by(|later, kept| {
        let same = later.at == kept.at;
        if same {
            *kept = *later;
        }
        same
    });
    known
}

/// Points in order of time as points of a coarser resolution.
pub fn rolled_up(points: &[Point], to: Resolution) -> Vec<Point> {
    points
        .chunk_by(|a, b| to.slot(a.at) == to.slot(b.at))
        .filter_map(|group| {
            let (first, last) = (group.first()?, group.last()?);
            let count: u32 = group.iter().map(|point| point.count).sum();
            let sum: f64 = group.iter().map(|point| point.mean * f64::from(point.count)).sum();
            Some(Point {
                at: to.slot(first.at),
                count,
                min: group.iter().map(|point| point.min).fold(f64::INFINITY, f64::min),
                max: group.iter().map(|point| point.max).fold(f64::NEG_INFINITY, f64::max),
                mean: sum / f64::from(count.max(1)),
                last: last.last,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_knows_its_lowest_highest_mean_and_last() {
        let points: Vec<Point> = (0..24).map(|n| Point::sample(n * 5_000, n as f64)).collect();
        let minutes = rolled_up(&points, Resolution::Minute);
        let first = Point { at: 0, count: 12, min: 0.0, max: 11.0, mean: 5.5, last: 11.0 };
        assert_eq!((minutes.len(), minutes[0]), (2, first));
        // hours out of minutes are hours out of samples
        assert_eq!(rolled_up(&minutes, Resolution::Hour), rolled_up(&points, Resolution::Hour));
    }

    #[test]
    fn of_two_points_at_one_instant_the_newer_knowledge_is_kept() {
        let at = |at: i64, value: f64| Point::sample(at, value);
        let found = merged(vec![at(10, 1.0), at(5, 1.0)], [at(5, 2.0), at(0, 2.0), at(5, 3.0)]);
        assert_eq!(found, [at(0, 2.0), at(5, 3.0), at(10, 1.0)]);
    }

    #[test]
    fn instants_before_1970_have_slots_too() {
        assert_eq!(Resolution::Full.slot(-1), -5_000);
        assert_eq!(Resolution::Minute.chunk(-1), -86_400_000);
    }
}
