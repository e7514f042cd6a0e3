//! `[limits]`: how much one request, job or deployment may ask for, and how long things are kept.

use serde::Deserialize;

use crate::error::{Error, Result};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest single upload or artifact.
    pub upload_bytes: u64,
    /// Largest JSON body of an API call.
    pub json_bytes: u64,
    /// Largest body of a prediction.
    pub inference_bytes: u64,
    /// A prediction has to be answered within this.
    pub inference_timeout_s: u64,
    /// A new revision has to answer its probe within this.
    pub ready_timeout_s: u64,
    /// Writable scratch space of a container.
    pub scratch_bytes: u64,
    /// Processes and threads of a container.
    pub pids: i64,
    /// Content that nothing refers to is kept this long after its upload.
    pub blob_grace_s: u64,
    /// Versions of datasets that are laid out for jobs and in use by none take no more than this.
    pub dataset_cache_bytes: u64,
    /// What an image is built from, unpacked.
    pub build_context_bytes: u64,
    /// A build has to be done within this.
    pub build_timeout_s: u64,
    /// Memory of each `RUN`; Docker's builder knows no limit of 2 GiB or more, so that means as much as there is.
    pub build_memory_bytes: u64,
    /// Layers of earlier builds that Docker keeps take no more than this.
    pub build_cache_bytes: u64,
    /// One log keeps so much: its beginning and its newest lines.
    pub log_bytes: u64,
    /// A container that writes more than this to its log is stopped.
    pub log_flood_bytes: u64,
    /// A job that has run for less is not stopped to make room for another.
    pub preempt_after_s: u64,
    /// On shutdown, open requests get this long.
    pub drain_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            upload_bytes: 1 << 40,
            json_bytes: 16 << 20,
            inference_bytes: 16 << 20,
            inference_timeout_s: 60,
            ready_timeout_s: 120,
            scratch_bytes: 4 << 30,
            pids: 512,
            blob_grace_s: 86_400,
            dataset_cache_bytes: 50 << 30,
            build_context_bytes: 8 << 30,
            build_timeout_s: 3600,
            build_memory_bytes: (2 << 30) - 1,
            build_cache_bytes: 20 << 30,
            log_bytes: 1 << 30,
            log_flood_bytes: 16 << 30,
            preempt_after_s: 300,
            drain_s: 20,
        }
    }
}

impl Limits {
    pub(super) fn validate(&self) -> Result<()> {
        let positive = [
            ("upload_bytes", self.upload_bytes),
            ("json_bytes", self.json_bytes),
            ("inference_bytes", self.inference_bytes),
            ("inference_timeout_s", self.inference_timeout_s),
            ("ready_timeout_s", self.ready_timeout_s),
            ("scratch_bytes", self.scratch_bytes),
            ("build_context_bytes", self.build_context_bytes),
            ("build_timeout_s", self.build_timeout_s),
            ("build_memory_bytes", self.build_memory_bytes),
        ];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(Error::invalid(format!("limits.{name} must be above 0."))),
            None if self.log_bytes < 1 << 20 => {
                Err(Error::invalid("limits.log_bytes must be at least 1048576 (1 MiB)."))
            }
            None if self.pids < 16 => Err(Error::invalid("limits.pids must be at least 16.")),
            None => Ok(()),
        }
    }
}
