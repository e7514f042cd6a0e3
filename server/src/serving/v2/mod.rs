//! The Open Inference Protocol (KServe's V2) in front of a model server that speaks MLflow's `/invocations`, and the other
//! way round for one that speaks V2 alone.
//!
//! Pure: bytes and the model's signature in, bytes out; `gateway::translated` sends them. Always holds: the signature is the
//! schema, nothing is converted with loss, and a fault names the field. Never here: guessing a protocol from a body.

mod answer;
mod datatype;
mod forms;
mod literals;
mod metadata;
mod path;
mod predictions;
mod request;
mod reverse;
mod schema;
mod scoring;
mod signature;
mod tensor;

use std::fmt;

pub use answer::{Answer, answer};
pub use datatype::Datatype;
pub use metadata::{model_metadata, server_metadata};
pub use path::{Ask, Call, call};
pub use predictions::tensors as tensors_of_predictions;
pub use request::{Request, read as read_request};
pub use reverse::{predictions_of_v2, v2_of_csv, v2_of_invocation};
pub use schema::Schema;
pub use scoring::invocation;
pub use signature::{MAX_FILE_BYTES, Signature};
pub use tensor::{Tensor, Values};

/// Where a body's JSON ends and its tensors begin.
pub const HEADER_LENGTH: &str = "inference-header-content-length";

/// Why something cannot be translated, in words for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

/// What every translation returns.
pub type Result<T> = std::result::Result<T, Fault>;

fn fault<T>(text: impl Into<String>) -> Result<T> {
    Err(Fault(text.into()))
}

/// The body of an error, as clients of V2 read it.
pub fn error_body(text: &str) -> Vec<u8> {
    serde_json::json!({ "error": text }).to_string().into_bytes()
}

#[cfg(test)]
mod tests;
