//! The store under everything: what fills the disk, what can go, and whether what is kept is sound.

wire! {
    /// `GET /api/v1/store`.
    pub struct StoreState {
        pub engine: StoreEngine,
        pub disk: DiskState,
        pub database_bytes: u64,
        /// Distinct contents and their bytes, each once.
        pub blob_count: u64,
        pub blob_bytes: u64,
        /// Largest first.
        pub uses: Vec<StoreUse>,
        /// Largest first; what a person can let go.
        pub reclaimable: Vec<Reclaimable>,
        pub scrub: ScrubState,
        /// Of all that is damaged now.
        pub damaged_count: u64,
        /// The latest of it, at most 100.
        pub damaged: Vec<DamagedBlob>,
    }

    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum StoreEngine {
        Disk { path: String },
        /// An S3 cluster below.
        S3 { endpoint: String, bucket: String, is_reachable: bool },
    }

    /// The file system of the data directory.
    pub struct DiskState {
        pub total_bytes: u64,
        pub free_bytes: u64,
        pub level: DiskLevel,
        /// Used share from which a warning is shown.
        pub warn_percent: u32,
        /// Below this much free, writes are refused (507); reads, deletes and logins go on.
        pub floor_bytes: u64,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum DiskLevel {
        Fine,
        Warning,
        /// Writes are refused.
        Full,
    }

    /// One consumer of the store.
    pub struct StoreUse {
        pub kind: StoreUser,
        /// A bucket's, dataset's, repository's name; empty where the kind says it all.
        pub name: String,
        pub object_count: u64,
        /// Every distinct content once.
        pub size_bytes: u64,
    }

    #[derive(Copy, Eq, Hash)]
    #[serde(rename_all = "snake_case")]
    pub enum StoreUser {
        Bucket,
        Dataset,
        Repository,
        /// Runs' and models' files.
        Artifacts,
        Logs,
        Code,
        Uploads,
        Other,
    }

    pub struct Reclaimable {
        pub kind: ReclaimKind,
        pub size_bytes: u64,
        pub count: u64,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum ReclaimKind {
        /// Runs and models in the trash.
        Trash,
        /// Content that nothing refers to, before its grace ends.
        Unreferenced,
        /// Uploads in parts that were never ended.
        OpenUploads,
        /// Older versions in buckets.
        OldObjectVersions,
        /// Manifests without a tag.
        UntaggedImages,
        /// Datasets' files laid out for jobs.
        DatasetCache,
    }

    /// The reading of everything that is kept. `POST /api/v1/store/scrub` starts one now.
    pub struct ScrubState {
        pub is_running: bool,
        pub started_at: Option<i64>,
        pub finished_at: Option<i64>,
        pub checked_count: u64,
        pub checked_bytes: u64,
        /// At most so much is read per second.
        pub rate_bytes_per_s: u64,
        /// Found damaged by it.
        pub damaged_count: u64,
    }

    /// Content that is not what its name says. It is kept apart and never served; uploading the same bytes heals it.
    pub struct DamagedBlob {
        pub digest: String,
        pub size_bytes: u64,
        pub found_at: i64,
        /// In words: missing, shorter, other bytes.
        pub problem: String,
        /// What needs it: `dataset wine, version 3, train.csv`.
        pub needed_by: Vec<String>,
    }
}
