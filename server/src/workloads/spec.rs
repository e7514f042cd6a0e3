//! The words of this feature: what a workload is, what is wished of it, what was seen of it.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Gives an enum the word that the database keeps for each variant.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// The word kept in the database.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value of that word; anything else means that the database is not ours.
            pub fn parse(text: &str) -> Result<Self> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    other => Err(Error::internal(anyhow::anyhow!("unknown {} '{other}'", stringify!($name)))),
                }
            }
        }
    };
}

words! {
    /// Decides what happens when a container ends.
    Kind {
        /// Run once: an end is an end.
        Job = "job",
        /// Keep running: started again with growing pauses.
        Revision = "revision",
    }
}

words! {
    /// What the owner wants.
    Desired {
        Running = "running",
        /// No process; the container with its log stays.
        Stopped = "stopped",
        Absent = "absent",
    }
}

words! {
    /// How far the present generation is. The half-done states have names, so that a crash in them is just a state.
    Phase {
        /// No container yet: waits for Docker or for what stood before it.
        Pending = "pending",
        /// Docker was asked to make the container; it may or may not exist.
        Creating = "creating",
        /// The container exists and its id is recorded; it may or may not have been started.
        Starting = "starting",
        Running = "running",
        /// Still runs, but is not to.
        Stopping = "stopping",
        /// Ended; exit code and cause are recorded, the container may still be there.
        Exited = "exited",
        /// It may have run and cannot be found any more; nothing is known about its end.
        Vanished = "vanished",
        /// Docker would not make or start it; the message says why.
        Refused = "refused",
        /// Wished absent, and no container is left. What was recorded of its end stays.
        Gone = "gone",
    }
}

/// Everything about a container that its owner decides. Only paths under the data directory can be mounted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadSpec {
    pub image: String,
    pub command: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub mounts: Vec<SpecMount>,
    /// Folders of the data directory that it may write to; the engine lets in those below `run/jobs` alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writable: Vec<SpecMount>,
    pub working_dir: String,
    /// Start in the image's own working directory; `working_dir` is the scratch all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub image_working_dir: bool,
    /// In cores.
    pub cpus: f64,
    pub memory_bytes: u64,
    pub gpu_uuids: Vec<String>,
    /// Adds `DRYDOCK_URL`, `MLFLOW_TRACKING_URI` and `AWS_ENDPOINT_URL`, whose address is known only when the network is.
    pub reach_drydock: bool,
    /// From SIGTERM to SIGKILL; absent: the usual grace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_s: Option<u32>,
}

/// A folder of the data directory as the container sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpecMount {
    /// Relative to the data directory, so that a restored box may have it elsewhere.
    pub source: String,
    pub target: String,
}

impl WorkloadSpec {
    /// SHA-256 of the spec, hex. Equal specs have equal hashes: the maps are ordered.
    pub fn hash(&self) -> Result<String> {
        Ok(hex::encode(Sha256::digest(self.to_json()?)))
    }

    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::internal)
    }
}

/// A desired row to be written, running.
#[derive(Debug, Clone)]
pub struct NewWorkload {
    pub id: String,
    pub kind: Kind,
    /// Id of the job or deployment it belongs to.
    pub owner: String,
    /// 1, 2, 3, …; a changed spec or a new attempt needs a higher one.
    pub generation: i64,
    pub spec: WorkloadSpec,
    /// More variables for the container, kept out of the hash and dropped when the workload is wished absent.
    pub secrets: BTreeMap<String, String>,
}

/// A desired row.
#[derive(Debug, Clone)]
pub struct Workload {
    pub id: String,
    pub kind: Kind,
    pub owner: String,
    pub generation: i64,
    pub desired: Desired,
    pub spec: WorkloadSpec,
    pub secrets: BTreeMap<String, String>,
    pub spec_hash: String,
    pub created_at: i64,
}

/// What a plan needs to know of a desired row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredWorkload {
    pub id: String,
    pub kind: Kind,
    pub generation: i64,
    pub spec_hash: String,
    pub desired: Desired,
}

/// An observed row: the present generation as last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observed {
    pub generation: i64,
    pub phase: Phase,
    pub container_id: Option<String>,
    pub exit_code: Option<i64>,
    pub oom_killed: bool,
    /// By Docker's clock, milliseconds.
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    /// While it runs: its address on the instance's network.
    pub address: Option<IpAddr>,
    /// For people: what it waits for, why it was refused.
    pub message: Option<String>,
    /// Of a revision: how often it ended by itself since it last ran for long.
    pub restarts: i64,
    /// Of a revision: the next try is not made before this instant.
    pub not_before: Option<i64>,
}

impl Observed {
    /// A generation of which nothing was seen.
    pub fn pending(generation: i64) -> Self {
        Self {
            generation,
            phase: Phase::Pending,
            container_id: None,
            exit_code: None,
            oom_killed: false,
            started_at: None,
            finished_at: None,
            address: None,
            message: None,
            restarts: 0,
            not_before: None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A spec as version 0.4 wrote it. Another hash would have every running deployment replaced at an upgrade.
    const BEFORE: &str = r#"{"image":"a","command":["b"],"env":{"C":"d"},"mounts":[{"source":"run/e","target":"/e"}],"working_dir":"/scratch","cpus":1.5,"memory_bytes":7,"gpu_uuids":["GPU-1"],"reach_drydock":true}"#;

    #[test]
    fn a_spec_of_an_older_version_keeps_its_hash() {
        let spec: WorkloadSpec = serde_json::from_str(BEFORE).unwrap();
        assert_eq!(spec.to_json().unwrap(), BEFORE);
    }
}
