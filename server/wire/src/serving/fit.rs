//! Whether a deployment fits on the box, before anything is started or stopped.

wire! {
    /// `POST /api/v1/deployments/{name}/fit`, with the body of `PUT`; for a name that does not exist yet as well.
    pub struct Fit {
        pub verdict: FitVerdict,
        /// In sentences: what is missing, and who holds it.
        pub words: String,
        /// What can be done about it.
        #[serde(default)]
        pub way_out: Option<String>,
        /// Beside everything that runs now.
        pub beside: FitWhen,
        /// Once the revision that runs now has ended, as `recreate` does it.
        pub after: FitWhen,
        /// Number of that revision; absent where none runs.
        #[serde(default)]
        pub replaces: Option<i64>,
        /// So many containers are to start.
        pub replicas: u32,
        pub gpus: Vec<FitGpu>,
        pub memory: FitMemory,
        pub cpus: FitCpus,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum FitVerdict {
        /// It starts at once.
        Beside,
        /// It starts as soon as others give up what they hold.
        Waits,
        /// Only once the revision that runs now has ended.
        After,
        /// Not on this box.
        Never,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum FitWhen {
        Now,
        /// When jobs, other deployments, or revisions that are ending give up what they hold.
        Later,
        Never,
    }

    /// A GPU or a MIG instance.
    pub struct FitGpu {
        pub uuid: String,
        pub number: u32,
        pub name: String,
        pub total_bytes: u64,
        /// Not promised to anybody.
        pub free_bytes: u64,
        /// False: it failed or was taken out; nothing new is given to it.
        pub usable: bool,
        #[serde(default)]
        pub note: Option<String>,
        pub holders: Vec<FitHolder>,
    }

    pub struct FitHolder {
        /// `job` or `deployment`.
        pub kind: String,
        pub name: String,
        /// Of a deployment: the revision.
        #[serde(default)]
        pub revision: Option<i64>,
        /// Absent: the whole GPU.
        #[serde(default)]
        pub memory_bytes: Option<u64>,
    }

    /// Memory is a limit: a replica may not ask for more than there is, and all of them neither.
    #[derive(Copy, Eq)]
    pub struct FitMemory {
        /// By all replicas together.
        pub asked_bytes: u64,
        /// Promised to what runs now.
        pub held_bytes: u64,
        pub total_bytes: u64,
    }

    /// Cores are shared: a model server is idle most of the time.
    #[derive(Copy)]
    pub struct FitCpus {
        /// By each replica.
        pub asked: f64,
        pub total: u32,
    }
}
