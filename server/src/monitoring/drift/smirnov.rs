//! The distribution of Kolmogorov's statistic for n values: the ways and the places where they change that scipy takes from
//! Simard and L'Ecuyer (2011), "Computing the Two-Sided Kolmogorov-Smirnov Distribution".

use std::f64::consts::PI;

/// Powers of two that intermediate results are scaled by.
const SCALE_BITS: i32 = 128;

/// The probability of a statistic of at least `d`.
pub fn upper_tail(n: u64, d: f64) -> f64 {
    let size = n as f64;
    let nd = size * d;
    if n == 0 || d <= 0.0 || nd <= 0.5 {
        return 1.0;
    }
    if d >= 1.0 {
        return 0.0;
    }
    let tail = if nd <= 1.0 {
        1.0 - smallest(size, nd)
    } else if nd >= size - 1.0 {
        2.0 * (1.0 - d).powf(size)
    } else if d >= 0.5 {
        2.0 * one_sided(n, d)
    } else {
        middle(n, d, nd * d)
    };
    tail.clamp(0.0, 1.0)
}

/// Where no closed form holds.
fn middle(n: u64, d: f64, nd_squared: f64) -> f64 {
    let size = n as f64;
    if n <= 140 {
        return match nd_squared {
            it if it <= 0.754_693 => 1.0 - durbin(n, d),
            it if it <= 4.0 => 1.0 - pomeranz(n, d),
            _ => 2.0 * one_sided(n, d),
        };
    }
    match nd_squared {
        it if it >= 370.0 => 0.0,
        it if it >= 2.2 => 2.0 * one_sided(n, d),
        _ if n <= 100_000 && size * d.powf(1.5) <= 1.4 => 1.0 - durbin(n, d),
        _ => 1.0 - pelz_good(size, d),
    }
}

/// Ruben and Gambino's, for the least possible statistics.
fn smallest(n: f64, nd: f64) -> f64 {
    (libm::lgamma(n + 1.0) - n * n.ln() + n * (2.0 * nd - 1.0).ln()).exp()
}

/// Smirnov's one-sided tail: a sum of positive terms.
fn one_sided(n: u64, d: f64) -> f64 {
    let size = n as f64;
    let (mut sum, mut ln_choose) = (0.0, 0.0);
    for j in 0..n {
        let (from, to) = (d + j as f64 / size, 1.0 - d - j as f64 / size);
        if to <= 0.0 {
            break;
        }
        sum += (ln_choose + (j as f64 - 1.0) * from.ln() + (size - j as f64) * to.ln()).exp();
        ln_choose += ((size - j as f64) / (j as f64 + 1.0)).ln();
    }
    d * sum
}

/// A square matrix and the power of two that it is to be multiplied by.
struct Scaled {
    cells: Vec<f64>,
    width: usize,
    bits: i32,
}

impl Scaled {
    fn times(&self, other: &Self) -> Self {
        let width = self.width;
        let mut cells = vec![0.0; width * width];
        for (row, out) in cells.chunks_exact_mut(width).enumerate() {
            for (k, factor) in self.cells[row * width..][..width].iter().enumerate() {
                let of_other = &other.cells[k * width..][..width];
                out.iter_mut().zip(of_other).for_each(|(cell, one)| *cell += factor * one);
            }
        }
        Self { cells, width, bits: self.bits + other.bits }
    }

    fn scaled_by_middle(mut self) -> Self {
        let middle = self.width / 2;
        if self.cells[middle * self.width + middle].abs() > 2_f64.powi(SCALE_BITS) {
            self.cells.iter_mut().for_each(|cell| *cell *= 2_f64.powi(-SCALE_BITS));
            self.bits += SCALE_BITS;
        }
        self
    }
}

/// Marsaglia, Tsang and Wang's power of Durbin's matrix.
fn durbin(n: u64, d: f64) -> f64 {
    let nd = n as f64 * d;
    let k = nd.ceil() as usize;
    let mut base = durbin_matrix(k, k as f64 - nd);
    let width = base.width;
    let mut power = Scaled { cells: vec![0.0; width * width], width, bits: 0 };
    (0..width).for_each(|place| power.cells[place * width + place] = 1.0);
    let mut left = n;
    while left > 0 {
        if left % 2 == 1 {
            power = power.times(&base).scaled_by_middle();
        }
        base = base.times(&base).scaled_by_middle();
        left /= 2;
    }
    let (mut share, mut bits) = (power.cells[(k - 1) * width + k - 1], power.bits);
    for i in 1..=n {
        share = i as f64 * share / n as f64;
        if share.abs() < 2_f64.powi(-SCALE_BITS) {
            share *= 2_f64.powi(SCALE_BITS);
            bits -= SCALE_BITS;
        }
    }
    times_power_of_two(share, bits)
}

fn durbin_matrix(k: usize, h: f64) -> Scaled {
    let width = 2 * k - 1;
    let (mut first, mut inverse, mut factor) = (vec![0.0; width], vec![0.0; width], 1.0);
    for j in 1..=width {
        inverse[j - 1] = factor;
        factor /= j as f64;
        first[j - 1] = (1.0 - h.powi(j as i32)) * factor;
    }
    let corner = (2.0 * h - 1.0).max(0.0).powi(width as i32) - 2.0 * h.powi(width as i32);
    first[width - 1] = (1.0 + corner) * factor;
    let mut cells = vec![0.0; width * width];
    for column in 1..width {
        for row in column - 1..width {
            cells[row * width + column] = inverse[row + 1 - column];
        }
    }
    for place in 0..width {
        cells[place * width] = first[place];
    }
    for place in 0..width {
        cells[(width - 1) * width + place] = first[width - 1 - place];
    }
    Scaled { cells, width, bits: 0 }
}

/// Pomeranz's recursion: each row the one before, spread out by one of three weights.
fn pomeranz(n: u64, d: f64) -> f64 {
    let size = n as f64;
    let nd = size * d;
    let whole = nd.floor() as i64;
    let fraction = nd - whole as f64;
    let least = fraction.min(1.0 - fraction);
    let powers = 2 * (whole as usize + 1);
    let weights = |step: f64| {
        let mut made = vec![1.0; powers];
        (1..powers).for_each(|m| made[m] = made[m - 1] * step / m as f64);
        made
    };
    let (edge, even, odd) = (weights(least / size), weights((1.0 - 2.0 * least) / size), weights(2.0 * least / size));
    let bounds = |i: i64| pomeranz_bounds(i, n as i64, whole, fraction);
    let (mut row, mut start, mut before_start) = (vec![0.0; powers], 0_i64, 0_i64);
    row[0] = 1.0;
    let (mut low, mut bits) = (bounds(0).0, 0);
    for i in 1..2 * n as i64 + 2 {
        let (from, (next_low, next_high)) = (low, bounds(i));
        low = next_low;
        std::mem::swap(&mut start, &mut before_start);
        let (old, old_start) = (std::mem::replace(&mut row, vec![0.0; powers]), before_start);
        let by = if i == 1 || i == 2 * n as i64 + 1 {
            &edge
        } else if i % 2 == 1 {
            &odd
        } else {
            &even
        };
        if next_high - from + 1 > 0 {
            spread(
                &mut row,
                &old[(from - old_start).max(0) as usize..],
                by,
                (low - from, next_high - low + 1, next_high - from + 1),
            );
            if row.iter().copied().fold(0.0, f64::max) < 2_f64.powi(-SCALE_BITS) && row.iter().any(|cell| *cell > 0.0) {
                row.iter_mut().for_each(|cell| *cell *= 2_f64.powi(SCALE_BITS));
                bits -= SCALE_BITS;
            }
            start = old_start + low - from;
        }
    }
    let mut share = row[(n as i64 - start) as usize];
    for m in 1..=n {
        if share.abs() > 2_f64.powi(SCALE_BITS) {
            share *= 2_f64.powi(-SCALE_BITS);
            bits += SCALE_BITS;
        }
        share *= m as f64;
    }
    times_power_of_two(share, bits)
}

/// Columns of the row that are not zero.
fn pomeranz_bounds(i: i64, n: i64, whole: i64, fraction: f64) -> (i64, i64) {
    let (above, rounded) = (i64::from(fraction > 0.0), i64::from(fraction > 0.5));
    let half = (i + 1) / 2;
    let (low, high) = match i {
        0 => (-whole - above - 1, whole + above - 1),
        i if i % 2 == 0 => (half - 1 - whole - 1, half + whole + rounded - 1),
        _ if half == n + 1 => (n - whole - above - 1, n + whole + above - 1),
        _ => (half - 1 - whole - rounded - 1, half + whole - 1 + above - 1),
    };
    ((low + 2).max(0), high.min(n))
}

/// The part of the convolution of `old` and `weights`, both cut to `length`, that begins at `skip` and is `count` long.
fn spread(row: &mut [f64], old: &[f64], weights: &[f64], (skip, count, length): (i64, i64, i64)) {
    let length = length as usize;
    let (old, weights) = (&old[..length.min(old.len())], &weights[..length.min(weights.len())]);
    for (place, cell) in row.iter_mut().take(count.max(0) as usize).enumerate() {
        let at = place + skip as usize;
        let from = (at + 1).saturating_sub(weights.len());
        *cell = (from..=at.min(old.len().wrapping_sub(1))).map(|k| old[k] * weights[at - k]).sum();
    }
}

/// Pelz and Good's expansion of the limit in powers of the root of n.
fn pelz_good(n: f64, d: f64) -> f64 {
    let z = n.sqrt() * d;
    let (z2, z4, z6) = (z.powi(2), z.powi(4), z.powi(6));
    let (pi2, pi4, pi6, root_two_pi) = (PI.powi(2), PI.powi(4), PI.powi(6), (2.0 * PI).sqrt());
    let exponent = -pi2 / 8.0 / z2;
    if exponent < -708.0 {
        return 0.0;
    }
    let q = exponent.exp();
    let terms = (16.0 * z / PI).ceil() as i32;
    let mut sums = [0.0_f64; 4];
    for k in (1..=terms).rev() {
        let m2 = f64::from(2 * k - 1).powi(2);
        let (m4, m6) = (m2 * m2, m2 * m2 * m2);
        let coefficients = [
            1.0,
            -z2 + pi2 / 4.0 * m2,
            6.0 * z6 + 2.0 * z4 + (2.0 * z4 - 5.0 * z2) * pi2 / 4.0 * m2 + pi4 * (1.0 - 2.0 * z2) / 16.0 * m4,
            -30.0 * z6 - 90.0 * z.powi(8)
                + pi2 * (135.0 * z4 - 96.0 * z6) / 4.0 * m2
                + pi4 * (-60.0 * z2 + 212.0 * z4) / 16.0 * m4
                + pi6 * (5.0 - 30.0 * z2) / 64.0 * m6,
        ];
        let power = q.powi(8 * k);
        sums.iter_mut().zip(coefficients).for_each(|(sum, one)| *sum = *sum * power + one);
    }
    let divisors = [z, 6.0 * z4, 72.0 * z.powi(7), 6480.0 * z.powi(10)];
    sums.iter_mut().zip(divisors).for_each(|(sum, by)| *sum *= q * root_two_pi / by);
    let q = (-pi2 / 2.0 / z2).exp();
    for k in (1..=terms).rev() {
        let (k2, of_pi, of_z) = (f64::from(k * k), PI * f64::from(k), 3_f64.sqrt() * z);
        let weight = q.powf(k2) * k2 * pi2 * root_two_pi;
        sums[2] -= weight / (36.0 * z.powi(3));
        sums[3] += (of_z + of_pi) * (of_z - of_pi) * weight / (216.0 * z6);
    }
    sums.iter().enumerate().map(|(place, sum)| sum / n.powf(place as f64 / 2.0)).sum()
}

/// In steps, since one factor alone may be out of range.
fn times_power_of_two(value: f64, bits: i32) -> f64 {
    let (half, rest) = (bits / 2, bits - bits / 2);
    value * 2_f64.powi(half) * 2_f64.powi(rest)
}
