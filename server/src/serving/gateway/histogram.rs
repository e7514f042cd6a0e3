//! A log-linear histogram of durations in microseconds.
//!
//! Each power of two is cut into 32 equal buckets, so a quantile is off by at most 1/64 of its value, whatever that is;
//! below 32 µs it is exact. Buckets are allocated up to the largest value seen. Histograms of different shards or
//! minutes merge by addition, so nothing is lost by keeping them by minute.

const SUB_BITS: u32 = 5;
const SUB: u64 = 1 << SUB_BITS;
/// About 19 hours; longer is counted as this.
const MAX_US: u64 = (1 << 36) - 1;
/// First byte of the encoding, to be raised when buckets change.
const FORMAT: u8 = 1;

/// Counts per bucket.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum_us: u64,
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, us: u64) {
        self.add(bucket_of(us), 1);
        self.sum_us = self.sum_us.saturating_add(us.min(MAX_US));
    }

    /// Adds all that the other has counted.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    /// How many durations were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Their sum in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// The duration in milliseconds below which the share `q` (0 to 1) lies; absent where nothing was counted.
    pub fn quantile_ms(&self, q: f64) -> Option<f64> {
        let rank = ((q * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        self.counts.iter().enumerate().find_map(|(bucket, count)| {
            seen += count;
            (seen >= rank).then(|| middle_of(bucket) / 1000.0)
        })
    }

    /// How many durations lie in buckets that end at or below this bound.
    pub fn count_up_to(&self, us: u64) -> u64 {
        self.counts.iter().enumerate().take_while(|(bucket, _)| bounds_of(*bucket).1 <= us + 1).map(|(_, n)| n).sum()
    }

    /// Bytes for the database: format, sum, then gap and count of each bucket that is not empty, as LEB128.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        push_varint(&mut bytes, self.sum_us);
        let mut next = 0;
        for (bucket, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            push_varint(&mut bytes, (bucket - next) as u64);
            push_varint(&mut bytes, *count);
            next = bucket + 1;
        }
        bytes
    }

    /// What `encode` wrote; absent where the bytes are of another format or damaged.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (format, mut rest) = bytes.split_first()?;
        if *format != FORMAT {
            return None;
        }
        let mut histogram = Self { sum_us: take_varint(&mut rest)?, ..Self::default() };
        let mut next = 0_usize;
        while !rest.is_empty() {
            let bucket = next.checked_add(usize::try_from(take_varint(&mut rest)?).ok()?)?;
            let count = take_varint(&mut rest)?;
            if bucket > bucket_of(MAX_US) {
                return None;
            }
            histogram.add(bucket, count);
            next = bucket + 1;
        }
        Some(histogram)
    }

    fn add(&mut self, bucket: usize, count: u64) {
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += count;
        self.total += count;
    }
}

fn bucket_of(us: u64) -> usize {
    let us = us.min(MAX_US);
    if us < SUB {
        return us as usize;
    }
    let exponent = us.ilog2();
    let octave = u64::from(exponent - SUB_BITS + 1);
    ((octave << SUB_BITS) + ((us >> (exponent - SUB_BITS)) & (SUB - 1))) as usize
}

/// First value of the bucket, and the first after it.
fn bounds_of(bucket: usize) -> (u64, u64) {
    let bucket = bucket as u64;
    if bucket < SUB {
        return (bucket, bucket + 1);
    }
    let shift = (bucket >> SUB_BITS) - 1;
    let start = (SUB + (bucket & (SUB - 1))) << shift;
    (start, start + (1 << shift))
}

fn middle_of(bucket: usize) -> f64 {
    let (start, end) = bounds_of(bucket);
    (start + end - 1) as f64 / 2.0
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn buckets_touch_and_never_overlap() {
        for bucket in 0..bucket_of(MAX_US) {
            let (start, end) = bounds_of(bucket);
            assert_eq!((bucket_of(start), bucket_of(end - 1), bucket_of(end)), (bucket, bucket, bucket + 1));
        }
    }

    #[test]
    fn a_quantile_is_off_by_at_most_one_sixty_fourth() {
        let mut values: Vec<u64> = (0..20_000_u64).map(|n| 1 + (n * n * 7919) % 9_000_017).collect();
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.record(*value));
        values.sort_unstable();
        for q in [0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0] {
            let exact = values[((q * values.len() as f64).ceil() as usize).max(1) - 1] as f64 / 1000.0;
            let told = histogram.quantile_ms(q).unwrap();
            assert!((told - exact).abs() <= exact / 64.0 + 1e-9, "q {q}: {told} for {exact}");
        }
    }

    #[test]
    fn merging_is_counting_together() {
        let (mut left, mut right, mut both) = (Histogram::default(), Histogram::default(), Histogram::default());
        for n in 0..5000_u64 {
            if n % 3 == 0 {
                left.record(n * 17)
            } else {
                right.record(n * 17)
            }
            both.record(n * 17);
        }
        left.merge(&right);
        assert_eq!(left, both);
    }

    #[test]
    fn the_encoding_comes_back_and_damage_is_noticed() {
        let mut histogram = Histogram::default();
        [0, 31, 32, 1_000, 1_000_000, u64::MAX].iter().for_each(|us| histogram.record(*us));
        let bytes = histogram.encode();
        assert_eq!(Histogram::decode(&bytes), Some(histogram));
        assert_eq!(Histogram::decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Histogram::decode(&[]), None);
        assert_eq!(Histogram::decode(&[9, 0]), None);
        assert_eq!(Histogram::decode(&[1, 0, 0xff, 0xff, 0xff, 0xff, 0x7f, 1]), None);
    }

    #[test]
    fn nothing_counted_has_no_quantile() {
        assert_eq!(Histogram::default().quantile_ms(0.5), None);
    }

    #[test]
    fn counts_up_to_a_bound_leave_out_what_is_above() {
        let mut histogram = Histogram::default();
        [500, 900, 5_000].iter().for_each(|us| histogram.record(*us));
        assert_eq!((histogram.count_up_to(1_023), histogram.count_up_to(1 << 20)), (2, 3));
    }
}
