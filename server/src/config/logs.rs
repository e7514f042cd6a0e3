//! `[logs]`: how much of what jobs, deployments, builds and Drydock wrote can be searched, and for how long.

use serde::Deserialize;

use crate::error::{Error, Result};

/// Less is not worth an index.
const LEAST_BYTES: u64 = 64 << 20;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Logs {
    /// The search takes so much of the disk at most; the oldest lines go first. Absent: a twentieth of the file system, at most 16 GiB.
    pub max_bytes: Option<u64>,
    /// Lines older than this go.
    pub max_age_days: u32,
}

impl Default for Logs {
    fn default() -> Self {
        Self { max_bytes: None, max_age_days: 30 }
    }
}

impl Logs {
    pub(super) fn validate(&self) -> Result<()> {
        if self.max_bytes.is_some_and(|bytes| bytes < LEAST_BYTES) {
            return Err(Error::invalid(format!("logs.max_bytes must be at least {LEAST_BYTES}.")));
        }
        if !(1..=3650).contains(&self.max_age_days) {
            return Err(Error::invalid("logs.max_age_days must be from 1 to 3650."));
        }
        Ok(())
    }
}
