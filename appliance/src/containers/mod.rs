//! Containers on this box, through Docker.
//!
//! What always holds:
//! - A container is made from a [`ContainerSpec`] by one builder (`sandbox`), which always applies the whole sandbox. There is
//!   no way to hand an option of Docker's through: what the spec has no field for cannot be asked for.
//! - Each container carries its instance, workload, generation and spec hash as labels. Containers without our instance's
//!   label are never listed, so nothing above can touch them.
//! - Names are deterministic, so that creating twice gives one container.
//! - Every call has a time-out. [`Engine::connect`] never fails: while Docker is away each call answers
//!   [`EngineError::Unavailable`], and the next one after it came back works.
//! - A container runs at most once: `start` never runs an exited one again.

mod archive;
mod build;
mod cgroups;
mod connection;
mod engine;
mod error;
mod events;
mod instant;
mod logs;
mod network;
mod sandbox;
mod seen;
mod spec;
mod stats;

pub use build::{BuildStep, BuildWish, Layer};
pub use engine::{Engine, ImageInfo};
pub use error::EngineError;
pub use logs::{LogChunk, LogStream};
pub use network::{Network, network_name};
pub use seen::{Seen, SeenPhase};
pub use spec::{ContainerSpec, Mount};
pub use stats::Usage;

pub(crate) type Result<T> = std::result::Result<T, EngineError>;
