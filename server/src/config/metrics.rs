//! `[metrics]`: how much room what is measured over time may take.

use serde::Deserialize;

use crate::error::{Error, Result};

/// Below this a day of samples does not fit.
const LEAST_BYTES: u64 = 64 << 20;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// The most that `metrics.db` keeps; then the oldest minutes go.
    pub max_bytes: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { max_bytes: 8 << 30 }
    }
}

impl Metrics {
    pub(super) fn validate(&self) -> Result<()> {
        if self.max_bytes < LEAST_BYTES {
            return Err(Error::invalid(format!("metrics.max_bytes is at least {LEAST_BYTES} (64 MiB).")));
        }
        Ok(())
    }
}
