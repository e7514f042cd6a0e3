//! The machine and its GPUs: readings, who holds what, faults.

wire! {
    /// `GET /api/v1/devices`.
    pub struct Devices {
        pub machine: Machine,
        /// By the driver's number, MIG instances behind the GPU that they are cut from.
        pub gpus: Vec<GpuDevice>,
        /// Why there are no GPUs, or what is wrong with the driver.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub gpu_note: Option<String>,
        /// What is done with a container that uses more of a GPU than it asked for.
        pub over_share: OverShare,
        /// Newest first, at most 100.
        pub events: Vec<GpuEvent>,
    }

    /// What the kernel tells, a few seconds old at most.
    pub struct Machine {
        pub hostname: String,
        /// 0 to 100 of each core.
        pub cpu_percents: Vec<f32>,
        pub memory_total_bytes: u64,
        pub memory_used_bytes: u64,
        pub swap_total_bytes: u64,
        pub swap_used_bytes: u64,
        /// Over one, five and fifteen minutes.
        pub load_average: [f64; 3],
        pub disks: Vec<Disk>,
        pub networks: Vec<Network>,
    }

    /// A mounted file system on a device.
    pub struct Disk {
        /// Its device, such as `/dev/nvme0n1p2`.
        pub name: String,
        pub mounted_at: String,
        /// Such as `ext4`.
        pub file_system: String,
        pub total_bytes: u64,
        pub free_bytes: u64,
        pub read_bytes_per_s: u64,
        pub written_bytes_per_s: u64,
        /// Drydock's data lies there.
        pub holds_data: bool,
    }

    /// A network card or a bridge. Those of single containers are left out.
    pub struct Network {
        pub name: String,
        pub addresses: Vec<String>,
        pub is_up: bool,
        pub received_bytes_per_s: u64,
        pub sent_bytes_per_s: u64,
        /// Since the machine started.
        pub received_bytes: u64,
        pub sent_bytes: u64,
    }

    /// `[gpus] over_share`.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum OverShare {
        /// Its container is stopped.
        Stop,
        /// It is named in the GPU's events.
        Warn,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum GpuState {
        Usable,
        /// Nothing new is given to it.
        Quarantined,
        /// Not in the machine, or switched off.
        Missing,
    }

    /// A GPU or a MIG instance of one.
    pub struct GpuDevice {
        pub uuid: String,
        /// Of a MIG instance: the GPU that it is cut from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub parent_uuid: Option<String>,
        /// The driver's number of the GPU; it can change when the machine starts anew.
        pub number: u32,
        pub name: String,
        pub state: GpuState,
        /// Why it is not usable, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub reason: Option<String>,
        pub state_since: i64,
        /// When a quarantine ends if the GPU stays quiet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub frees_itself_at: Option<i64>,
        /// Cut into MIG instances: these are given in its place.
        pub is_divided: bool,
        /// May be given by shares of its memory.
        pub sharable: bool,
        pub memory_bytes: u64,
        /// Of that what programs outside Drydock hold.
        pub foreign_bytes: u64,
        /// What it said last; absent while it does not answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub live: Option<GpuLive>,
        pub leases: Vec<GpuLease>,
        /// Programs on it that Drydock did not start.
        pub foreign: Vec<GpuProgram>,
    }

    /// One reading. What the GPU does not tell is absent.
    pub struct GpuLive {
        pub memory_used_bytes: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub utilization_percent: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub temperature_celsius: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub power_mw: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub power_limit_mw: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub clock_sm_mhz: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub clock_memory_mhz: Option<u32>,
        /// Errors of memory since the driver was loaded: mended ones, and ones that were not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub ecc_corrected: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub ecc_uncorrected: Option<u64>,
    }

    /// Who holds a GPU, or a share of it.
    pub struct GpuLease {
        /// `job` or `deployment`.
        pub kind: String,
        /// Id of the job, or name of the deployment.
        pub holder: String,
        /// Its name, for people.
        pub name: String,
        pub generation: i64,
        /// What was asked for; absent: all of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub memory_bytes: Option<u64>,
        /// What its programs hold now.
        pub used_bytes: u64,
        pub taken_at: i64,
    }

    /// A program on a GPU that holds no lease on it.
    pub struct GpuProgram {
        pub pid: u32,
        /// As the kernel has it; empty once it ended.
        pub name: String,
        pub memory_bytes: u64,
        /// Docker's id, if it runs in a container.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub container: Option<String>,
    }

    /// Something that happened to a GPU.
    pub struct GpuEvent {
        pub gpu_uuid: String,
        pub at: i64,
        /// `xid`, `ecc`, `gone`, `silent`, `quarantined`, `freed`, `over_share`, `foreign`, `missing`, `back` or `sharing`.
        pub kind: String,
        /// Of an Xid its number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub code: Option<i64>,
        pub words: String,
        /// The workload that it was about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub workload: Option<String>,
    }

    /// `POST /api/v1/devices/{uuid}/quarantine`.
    #[serde(deny_unknown_fields)]
    pub struct QuarantineGpu {
        /// Why, for those who wait for it.
        pub reason: String,
        /// Also ends what runs on it; otherwise that goes on to its end.
        #[serde(default)]
        pub stop: bool,
    }

    /// `PATCH /api/v1/devices/{uuid}`.
    #[serde(deny_unknown_fields)]
    pub struct ChangeGpu {
        /// May be given by shares of its memory.
        pub sharable: bool,
    }
}
