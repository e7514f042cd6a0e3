//! How numbers are spread: least, greatest, mean and deviation, one number at a time.

/// Welford's running mean and variance, which stay exact where a sum of squares would not.
#[derive(Default)]
pub struct Spread {
    pub count: u64,
    pub mean: f64,
    squares: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    pub fn add(&mut self, value: f64) {
        if self.count == 0 {
            (self.min, self.max) = (value, value);
        }
        self.count += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (value - self.mean);
    }

    /// Of a sample (n − 1), as pandas has it; nothing for a single value.
    pub fn std_dev(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt())
    }
}
