//! `[disk]`: how full the data directory's file system may become, and how fast the scrub reads it.

use serde::Deserialize;

use crate::error::{Error, Result};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// Used share from which a warning is shown.
    pub warn_percent: u32,
    /// Below this much free, writes are refused while reads, deletes and logins go on. Absent: a fiftieth of the file
    /// system, at most 4 GiB.
    pub floor_bytes: Option<u64>,
    /// The scrub reads at most so much per second.
    pub scrub_bytes_per_s: u64,
}

impl Default for Disk {
    fn default() -> Self {
        Self { warn_percent: 80, floor_bytes: None, scrub_bytes_per_s: 50_000_000 }
    }
}

impl Disk {
    pub(super) fn validate(&self) -> Result<()> {
        if !(1..=99).contains(&self.warn_percent) {
            return Err(Error::invalid("disk.warn_percent must be from 1 to 99."));
        }
        if self.scrub_bytes_per_s == 0 {
            return Err(Error::invalid("disk.scrub_bytes_per_s must be above 0."));
        }
        Ok(())
    }
}
