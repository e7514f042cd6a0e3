//! `[gpus]`: what is done with a container that uses more of a GPU than it asked for.

use drydock_wire::devices::OverShare;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gpus {
    /// `stop` ends the container, `warn` names it.
    pub over_share: OverShare,
}

impl Default for Gpus {
    fn default() -> Self {
        Self { over_share: OverShare::Stop }
    }
}
