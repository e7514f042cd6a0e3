//! The trash: what is deleted stays restorable for 30 days, and only then, or on an admin's word, gives its bytes back.

/// Days between deletion and the end.
pub const TRASH_DAYS: i64 = 30;

wire! {
    #[derive(Copy, Eq, Hash)]
    #[serde(rename_all = "snake_case")]
    pub enum TrashKind {
        Experiment,
        Run,
        LoggedModel,
    }

    /// Which things a request is about, by id.
    #[derive(Default, Eq)]
    pub struct TrashSelection {
        #[serde(default)]
        pub runs: Vec<String>,
        #[serde(default)]
        pub experiments: Vec<String>,
        #[serde(default)]
        pub logged_models: Vec<String>,
        /// The models that the chosen runs logged go along. MLflow's own delete leaves them.
        #[serde(default)]
        pub with_models: bool,
        /// All that lies in the trash; the lists are not looked at.
        #[serde(default)]
        pub everything: bool,
    }

    /// `POST /api/v1/trash/preview`: what would go. Nothing changes.
    pub struct TrashPreview {
        pub experiments: u64,
        pub runs: u64,
        pub logged_models: u64,
        pub traces: u64,
        /// Artifacts, and the sum of their sizes.
        pub files: u64,
        pub bytes: u64,
        /// What the disk gets back in the end: bytes that nothing else on the box refers to.
        pub freed_bytes: u64,
        /// Runs that still go: what they log from then on is refused.
        pub running: u64,
        /// Names of the first of them.
        pub names: Vec<String>,
        /// Registered versions made from them. They and their files stay, as do the things they were made from.
        pub versions: Vec<TrashHolder>,
        /// What has to be typed to go on.
        pub confirm: String,
    }

    /// A registered version that needs something, and the deployments that serve it.
    #[derive(Eq, PartialOrd, Ord)]
    pub struct TrashHolder {
        pub model: String,
        pub version: i64,
        pub deployments: Vec<String>,
    }

    /// `POST /api/v1/trash` and `POST /api/v1/trash/purge`.
    pub struct TrashChange {
        pub what: TrashSelection,
        /// The preview's `confirm`, as typed.
        pub confirm: String,
    }

    /// One thing in the trash. `GET /api/v1/trash?kind=&search=&page=&limit=` answers `Page<TrashItem>`.
    pub struct TrashItem {
        pub kind: TrashKind,
        pub id: String,
        pub name: String,
        /// Of runs and logged models.
        pub experiment: Option<String>,
        /// Of experiments.
        pub runs: u64,
        pub files: u64,
        pub bytes: u64,
        pub freed_bytes: u64,
        pub deleted_at: i64,
        /// Absent where it came deleted, from another MLflow.
        pub deleted_by: Option<String>,
        /// When it goes by itself.
        pub ends_at: i64,
        /// Registered versions that keep it from going.
        pub held_by: Vec<TrashHolder>,
    }

    /// Answer to a change: how many things it moved, restored or removed.
    pub struct TrashDone {
        pub experiments: u64,
        pub runs: u64,
        pub logged_models: u64,
        /// Of a purge: what the disk got back.
        pub freed_bytes: u64,
        /// Of a purge: names of what stays, and why.
        pub kept: Vec<String>,
    }
}
