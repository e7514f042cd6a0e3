//! Numbers in order: sorting them fast, and what is read off sorted ones.

/// Below this std's sort is as fast.
const RADIX_FROM: usize = 2_048;
const DIGIT_BITS: u32 = 11;
const DIGITS: usize = 6;
const BUCKETS: usize = 1 << DIGIT_BITS;

/// The finite ones, ascending.
pub fn sorted(cells: &[f64]) -> Vec<f64> {
    // adding 0 makes one zero of both
    let mut keys: Vec<u64> = cells.iter().filter(|cell| cell.is_finite()).map(|cell| key(cell + 0.0)).collect();
    if keys.len() < RADIX_FROM {
        keys.sort_unstable();
    } else {
        radix_sort(&mut keys);
    }
    keys.into_iter().map(from_key).collect()
}

/// Integers in the order of their numbers.
pub fn key(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

pub fn from_key(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

/// By the lowest digit first. A digit that all keys share costs no pass.
fn radix_sort(keys: &mut Vec<u64>) {
    let mut starts = vec![[0_u32; BUCKETS]; DIGITS];
    for key in keys.iter() {
        for (digit, counts) in starts.iter_mut().enumerate() {
            counts[place(*key, digit)] += 1;
        }
    }
    let mut other = vec![0_u64; keys.len()];
    for (digit, counts) in starts.iter_mut().enumerate() {
        if counts[place(keys[0], digit)] as usize == keys.len() {
            continue;
        }
        let mut sum = 0;
        for count in counts.iter_mut() {
            sum += std::mem::replace(count, sum);
        }
        for key in keys.iter() {
            let next = &mut counts[place(*key, digit)];
            other[*next as usize] = *key;
            *next += 1;
        }
        std::mem::swap(keys, &mut other);
    }
}

fn place(key: u64, digit: usize) -> usize {
    (key >> (digit as u32 * DIGIT_BITS)) as usize & (BUCKETS - 1)
}

pub fn mean(sorted: &[f64]) -> f64 {
    sorted.iter().sum::<f64>() / sorted.len() as f64
}

/// Of the whole population (divided by n).
pub fn deviation(sorted: &[f64]) -> f64 {
    let mean = mean(sorted);
    (sorted.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / sorted.len() as f64).sqrt()
}

/// Different values of both sides with their counts, ascending; nothing when there are more than `limit`.
pub fn counts(a: &[f64], b: &[f64], limit: usize) -> Option<Vec<(f64, u64, u64)>> {
    let (mut found, mut a, mut b) = (vec![], a, b);
    while let Some(value) = least(a.first(), b.first()) {
        if found.len() == limit {
            return None;
        }
        let (in_a, in_b) = (a.partition_point(|one| *one <= value), b.partition_point(|one| *one <= value));
        found.push((value, in_a as u64, in_b as u64));
        (a, b) = (&a[in_a..], &b[in_b..]);
    }
    Some(found)
}

fn least(a: Option<&f64>, b: Option<&f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(*b)),
        (one, other) => one.or(other).copied(),
    }
}

/// Whether there are more than `limit` different values.
pub fn has_more_than(sorted: &[f64], limit: usize) -> bool {
    counts(sorted, &[], limit).is_none()
}

/// How many of the sorted numbers are in each of the bins; the last bin has its upper end, too.
pub fn in_bins(sorted: &[f64], ends: &[f64]) -> Vec<u64> {
    let last = ends.len().saturating_sub(1);
    let below = |(place, end): (usize, &f64)| match place == last {
        true => sorted.partition_point(|value| value <= end),
        false => sorted.partition_point(|value| value < end),
    };
    let below: Vec<usize> = ends.iter().enumerate().map(below).collect();
    below.windows(2).map(|pair| (pair[1] - pair[0]) as u64).collect()
}

/// `count` bins of equal width; the middle of a range that is wider than the greatest number is still one.
pub fn bin_ends(min: f64, max: f64, count: usize) -> Vec<f64> {
    let step = (max - min) / count as f64;
    let end = |n: usize| match n == count {
        true => max,
        false if step.is_finite() => n as f64 * step + min,
        false => min * (1.0 - n as f64 / count as f64) + max * (n as f64 / count as f64),
    };
    (0..=count).map(end).collect()
}
