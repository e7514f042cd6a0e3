//! The front page: the box, what runs on it, what happened last.

wire! {
    /// `GET /api/v1/overview`.
    pub struct Overview {
        pub version: String,
        pub started_at: i64,
        pub box_info: BoxInfo,
        pub docker: DockerState,
        pub counts: Counts,
        /// Background parts and how their last pass went.
        pub tasks: Vec<TaskState>,
    }

    /// The machine as sysinfo and NVML see it.
    pub struct BoxInfo {
        pub hostname: String,
        pub cpu_count: u32,
        /// 0 to 100 over all cores.
        pub cpu_percent: f32,
        pub memory_total_bytes: u64,
        pub memory_used_bytes: u64,
        /// Of the file system that holds the data directory.
        pub disk_total_bytes: u64,
        pub disk_free_bytes: u64,
        /// Whether the disk is filling up.
        pub disk_level: crate::store::DiskLevel,
        /// Resident memory of the server itself.
        pub server_memory_bytes: u64,
        pub gpus: Vec<Gpu>,
        /// Why no GPU is shown, where that is worth saying ("NVIDIA driver not found").
        pub gpu_note: Option<String>,
    }

    /// One GPU.
    pub struct Gpu {
        pub index: u32,
        pub uuid: String,
        pub name: String,
        pub memory_total_bytes: u64,
        pub memory_used_bytes: u64,
        /// 0 to 100.
        pub utilization_percent: u32,
        pub temperature_celsius: u32,
    }

    /// Whether containers can be run now.
    pub struct DockerState {
        pub available: bool,
        /// The engine's version, when it answers.
        pub version: Option<String>,
        /// What to do, when it does not.
        pub message: Option<String>,
        /// Whether the runtime image is on the box.
        pub runtime_image: bool,
    }

    pub struct Counts {
        pub experiments: u64,
        pub runs: u64,
        pub traces: u64,
        pub models: u64,
        pub datasets: u64,
        pub jobs_running: u64,
        pub jobs_queued: u64,
        pub deployments: u64,
        pub deployments_ready: u64,
        /// Distinct blobs and their bytes, each counted once.
        pub blobs: u64,
        pub blob_bytes: u64,
    }

    pub struct TaskState {
        pub name: String,
        pub last_run_at: Option<i64>,
        pub last_duration_ms: u64,
        /// The message of the last pass, when it failed.
        pub last_error: Option<String>,
    }
}
