//! Images built on the box: from a Dockerfile with what it copies, or from a form.

use std::collections::BTreeMap;

wire! {
    /// `POST /api/v1/builds` answers a `BuildDetail` (201). `POST /api/v1/builds/preview` with the same answers the Dockerfile that it
    /// means, without building.
    #[serde(deny_unknown_fields)]
    pub struct SubmitBuild {
        /// Where the result goes in the registry of the box: `team/app`.
        pub repository: String,
        /// `latest` when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub tag: Option<String>,
        /// The Dockerfile's text; absent: the file `dockerfile_path` of the context, or what the form says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub dockerfile: Option<String>,
        /// In the context; `Dockerfile` when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub dockerfile_path: Option<String>,
        /// Digest of an upload (`PUT /api/v1/uploads`): a tar, plain or as gzip or zstd, of what the Dockerfile copies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub context: Option<String>,
        /// Single uploads that are put into the context, over what the tar has.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub files: Vec<BuildFile>,
        /// Instead of a Dockerfile.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub form: Option<BuildForm>,
        /// Values of the Dockerfile's `ARG`s. They stay in the image's history: no secrets.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub args: BTreeMap<String, String>,
    }

    pub struct BuildFile {
        /// In the context.
        pub path: String,
        /// Of an upload of the caller's.
        pub digest: String,
    }

    /// A base image and what is put on it.
    #[derive(Default)]
    #[serde(default)]
    pub struct BuildForm {
        /// Of the box; the runtime image when absent.
        pub base: Option<String>,
        /// Lines of a requirements file, installed from the box's package index.
        pub requirements: Vec<String>,
        /// Debian packages, installed by dpkg all at once.
        pub debs: Vec<BuildFile>,
        /// Put below `/app`, which is the working directory.
        pub code: Vec<BuildFile>,
        /// The folder of the context that goes below `/app`, too; `.` for all of it.
        pub code_folder: Option<String>,
        pub environment: BTreeMap<String, String>,
        /// What runs when a job names no command.
        pub command: Vec<String>,
    }

    /// What `POST /api/v1/builds/preview` answers.
    pub struct BuildPreview {
        pub dockerfile: String,
        /// The images it is built from, as they would be pinned.
        pub bases: Vec<String>,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum BuildState {
        Queued,
        Running,
        /// Built; its layers go to the registry.
        Pushing,
        Succeeded,
        Failed,
        Cancelled,
    }

    /// `GET /api/v1/builds?state=&search=&page=&limit=` answers a `Page` of these, newest first.
    pub struct BuildSummary {
        pub id: String,
        pub repository: String,
        pub tag: String,
        pub state: BuildState,
        /// Why it waits, failed or was cancelled.
        pub reason: Option<String>,
        /// Of the image in the registry: `sha256:…`.
        pub digest: Option<String>,
        /// `host/team/app:1@sha256:…`, as a job is given it.
        pub image: Option<String>,
        /// While it runs: "3 of 7: RUN pip install …".
        pub step: Option<String>,
        /// Wheels that pip did not find.
        pub missing_count: u64,
        pub submitted_by: String,
        pub submitted_at: i64,
        pub started_at: Option<i64>,
        pub ended_at: Option<i64>,
    }

    /// `GET /api/v1/builds/{id}`. `POST …/cancel` ends it; `GET …/log` is its log as text, `GET …/log/stream` the same live, as a
    /// job's; `GET …/missing.txt` the list of missing wheels to take to a connected machine; `POST …/again` builds the same anew.
    pub struct BuildDetail {
        pub summary: BuildSummary,
        /// As it was asked for.
        pub spec: SubmitBuild,
        /// The Dockerfile, also of a form; absent until the context was opened.
        pub dockerfile: Option<String>,
        /// The images it is built from, pinned.
        pub bases: Vec<String>,
        /// Of the built image, unpacked.
        pub size_bytes: Option<u64>,
        /// A restart of the box begins a running build anew.
        pub tries: u32,
        pub missing: Option<crate::packages::MissingPackages>,
    }

    /// `GET /api/v1/build-cache`; `DELETE` of the same empties it (admin).
    pub struct BuildCache {
        pub layer_count: u64,
        pub size_bytes: u64,
        /// `limits.build_cache_bytes`.
        pub limit_bytes: u64,
    }
}

impl BuildState {
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Pushing, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The word on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Pushing => "pushing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}
