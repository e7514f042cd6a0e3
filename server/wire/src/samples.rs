//! What an attempt used while it ran, as series for charts.

wire! {
    /// `GET /api/v1/jobs/{id}/samples?attempt=&since=&points=`: one value each per instant of `at`. With more instants than `points`
    /// (600 if not said, at most 5,000) neighbours are joined: the highest of amounts of memory, the mean of the rest.
    #[derive(Default)]
    pub struct JobSamples {
        pub attempt: i64,
        /// Instants, oldest first; two seconds lie between two while the job runs.
        pub at: Vec<i64>,
        /// Cores in use since the instant before: 1.5 is one and a half.
        pub cpus: Vec<f64>,
        /// Without what can be dropped at any time (clean pages of files).
        pub memory_bytes: Vec<u64>,
        /// Read and written on disks, per second.
        pub disk_read_bytes_s: Vec<u64>,
        pub disk_write_bytes_s: Vec<u64>,
        /// Received and sent over the network, per second.
        pub net_in_bytes_s: Vec<u64>,
        pub net_out_bytes_s: Vec<u64>,
        /// The GPUs it has, each with its own series.
        pub gpus: Vec<GpuSamples>,
        /// The most memory it ever held, as the kernel counted (or, where it does not, as we saw).
        pub peak_memory_bytes: Option<u64>,
        /// What it may use, for the charts' upper lines.
        pub cpus_limit: f64,
        pub memory_limit_bytes: u64,
    }

    /// A GPU of an attempt; absent values were not told by the driver.
    #[derive(Default)]
    pub struct GpuSamples {
        pub uuid: String,
        /// The driver's number of it, or of the GPU that the instance is cut from; absent: the box does not know this GPU any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub number: Option<u32>,
        /// Its model, such as `NVIDIA RTX A6000`, or the instance's profile; empty as above.
        #[serde(default)]
        pub name: String,
        /// A MIG instance.
        #[serde(default)]
        pub is_instance: bool,
        /// Utilisation of the whole GPU, 0 to 100.
        pub percent: Vec<Option<f64>>,
        /// Of the attempt where the driver tells processes apart, else of the whole GPU.
        pub memory_bytes: Vec<Option<u64>>,
    }
}
