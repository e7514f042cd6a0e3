//! How many distinct values there are, estimated in 16 KiB (HyperLogLog, about 1 % off).

const BITS: u32 = 14;
const REGISTERS: usize = 1 << BITS;

pub struct Sketch(Box<[u8; REGISTERS]>);

impl Default for Sketch {
    fn default() -> Self {
        Self(Box::new([0; REGISTERS]))
    }
}

impl Sketch {
    pub fn add(&mut self, hash: u64) {
        // mixed once more, since a hasher owes nobody evenly spread high bits
        let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = mixed ^ (mixed >> 29);
        let register = (mixed >> (64 - BITS)) as usize;
        let rank = ((mixed << BITS) | (1 << (BITS - 1))).leading_zeros() as u8 + 1;
        self.0[register] = self.0[register].max(rank);
    }

    pub fn estimate(&self) -> u64 {
        let m = REGISTERS as f64;
        let sum: f64 = self.0.iter().map(|rank| 2_f64.powi(-i32::from(*rank))).sum();
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let zeros = self.0.iter().filter(|rank| **rank == 0).count();
        // few values: the share of empty registers says it better
        let few = raw <= 2.5 * m && zeros > 0;
        (if few { m * (m / zeros as f64).ln() } else { raw }).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use super::*;

    #[test]
    fn the_estimate_is_close_at_every_size() {
        let mut sketch = Sketch::default();
        let mut added = 0_u64;
        for size in [100, 10_000, 100_000, 1_000_000] {
            while added < size {
                let mut hasher = DefaultHasher::new();
                added.hash(&mut hasher);
                sketch.add(hasher.finish());
                sketch.add(hasher.finish());
                added += 1;
            }
            let off = sketch.estimate().abs_diff(size) as f64 / size as f64;
            assert!(off < 0.03, "{size}: {}", sketch.estimate());
        }
    }
}
