//! The machine: processor, memory, disk, GPUs, names and addresses.
//!
//! What always holds:
//! - [`Monitor::reading`] answers at once, from what was read last. Reading happens on threads of its own, since a driver or a
//!   file system can hang for minutes: then the last known values stay, and for GPUs a note says so.
//! - No GPU, no driver, or a driver that fails is a note for people, never an error.

mod gpus;
mod machine;
mod monitor;

pub use machine::{disk_space, hostname, own_addresses};
pub use monitor::{Monitor, Settings, read};

/// The machine at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BoxReading {
    pub hostname: String,
    pub cpu_count: u32,
    /// 0 to 100, over all cores.
    pub cpu_percent: f32,
    pub memory_total_bytes: u64,
    /// What could not be given to a new program.
    pub memory_used_bytes: u64,
    /// Of the file system that holds the path given to [`Monitor::start`].
    pub disk_total_bytes: u64,
    pub disk_free_bytes: u64,
    /// Resident memory of this process.
    pub server_memory_bytes: u64,
    pub gpus: Vec<GpuReading>,
    /// Why there are no GPUs, or what is wrong with one.
    pub gpu_note: Option<String>,
}

/// One NVIDIA GPU at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GpuReading {
    /// NVML's, which can change when the machine starts anew: leases go by `uuid`.
    pub index: u32,
    pub uuid: String,
    pub name: String,
    pub memory_total_bytes: u64,
    pub memory_used_bytes: u64,
    /// 0 to 100; 0 where the GPU does not tell.
    pub utilization_percent: u32,
    /// 0 where the GPU does not tell.
    pub temperature_celsius: u32,
}
