//! The machine: processor, memory, disks, networks, GPUs, names and addresses.
//!
//! What always holds:
//! - [`Monitor::reading`] answers at once, from what was read last. Reading happens on threads of its own, since a driver or a
//!   file system can hang for minutes: then the last known values stay, and for GPUs a note says so.
//! - Faults that a driver tells by itself are waited for on a thread apart from the one that reads: a hang of one stops not the other.
//! - No GPU, no driver, or a driver that fails is a note for people, never an error. What a GPU does not tell is absent.

mod events;
mod faults;
mod gpus;
mod machine;
mod monitor;
mod process;
mod reading;

pub use faults::{FaultKind, GpuFault};
pub use machine::{disk_space, hostname, memory_bytes, own_addresses};
pub use monitor::{Monitor, Settings, monitor, read};
pub use process::{container_in, container_of, name_of};
pub use reading::{BoxReading, DiskReading, GpuProcess, GpuReading, NetworkReading};
