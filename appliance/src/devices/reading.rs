//! What a reading consists of.

/// The machine at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BoxReading {
    pub hostname: String,
    pub cpu_count: u32,
    /// 0 to 100, over all cores.
    pub cpu_percent: f32,
    /// The same of each core.
    pub cpu_percents: Vec<f32>,
    /// Processes that run or wait, over one, five and fifteen minutes.
    pub load_average: [f64; 3],
    pub memory_total_bytes: u64,
    /// What could not be given to a new program.
    pub memory_used_bytes: u64,
    pub swap_total_bytes: u64,
    pub swap_used_bytes: u64,
    /// Of the file system that holds the path given to [`super::Monitor::start`].
    pub disk_total_bytes: u64,
    pub disk_free_bytes: u64,
    /// Each device once, the one of that path first.
    pub disks: Vec<DiskReading>,
    /// Network cards, and what else is up; without loopback and the ends of containers.
    pub networks: Vec<NetworkReading>,
    /// Resident memory of this process.
    pub server_memory_bytes: u64,
    pub gpus: Vec<GpuReading>,
    /// Why there are no GPUs, or what is wrong with one.
    pub gpu_note: Option<String>,
    /// Counts the readings of GPUs; 0 before the first.
    pub gpu_pass: u64,
}

/// A mounted file system on a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskReading {
    pub name: String,
    pub mounted_at: String,
    pub file_system: String,
    pub total_bytes: u64,
    pub free_bytes: u64,
    /// Between the last two readings.
    pub read_bytes_per_s: u64,
    pub written_bytes_per_s: u64,
    /// It holds the path given to [`super::Monitor::start`].
    pub holds_path: bool,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkReading {
    pub name: String,
    pub addresses: Vec<String>,
    pub is_up: bool,
    /// Between the last two readings.
    pub received_bytes_per_s: u64,
    pub sent_bytes_per_s: u64,
    /// Since the interface exists.
    pub received_bytes: u64,
    pub sent_bytes: u64,
}

/// One NVIDIA GPU, or a MIG instance of one, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GpuReading {
    /// NVML's, which can change when the machine starts anew: leases go by `uuid`. Of a MIG instance its GPU's.
    pub index: u32,
    pub uuid: String,
    /// Of a MIG instance: the GPU that it is cut from.
    pub parent_uuid: Option<String>,
    /// Cut into MIG instances: containers get these in its place.
    pub is_divided: bool,
    pub name: String,
    pub memory_total_bytes: u64,
    pub memory_used_bytes: u64,
    /// 0 to 100.
    pub utilization_percent: Option<u32>,
    pub temperature_celsius: Option<u32>,
    pub power_mw: Option<u32>,
    pub power_limit_mw: Option<u32>,
    pub clock_sm_mhz: Option<u32>,
    pub clock_memory_mhz: Option<u32>,
    /// Errors of memory since the driver was loaded: mended ones, and ones that were not.
    pub ecc_corrected: Option<u64>,
    pub ecc_uncorrected: Option<u64>,
    /// Programs that compute on it.
    pub processes: Vec<GpuProcess>,
}

/// A program on a GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GpuProcess {
    /// As the box sees it, not a container.
    pub pid: u32,
    /// 0 where the driver does not tell.
    pub memory_bytes: u64,
}
