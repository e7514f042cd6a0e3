//! Datasets: named lines of immutable versions; what is in them (`analysis`) and how two of them differ (`diff`).
//!
//! Wherever a path has `{version}`, a number, a tag or `latest` is good. In words a version is `wine@3`, `wine@prod`, `wine@latest`.

mod analysis;
mod diff;

pub use analysis::*;
pub use diff::*;

wire! {
    /// `GET /api/v1/datasets` answers a list of these, by name.
    pub struct DatasetSummary {
        pub name: String,
        pub description: String,
        pub created_at: i64,
        pub latest: Option<VersionSummary>,
        pub version_count: u64,
    }

    /// `POST /api/v1/datasets`.
    pub struct CreateDataset {
        pub name: String,
        #[serde(default)]
        pub description: String,
    }

    pub struct VersionSummary {
        /// 1, 2, 3, …
        pub version: i64,
        pub created_at: i64,
        pub author: String,
        pub message: String,
        pub file_count: u64,
        pub size_bytes: u64,
        /// SHA-256 over the sorted manifest, hex: equal content has an equal digest.
        pub digest: String,
        pub validation: ValidationState,
        /// The version it was made from, which may be deleted by now.
        #[serde(default)]
        pub parent: Option<i64>,
        #[serde(default)]
        pub source: VersionSource,
    }

    /// Where a version's new files came from.
    #[derive(Default)]
    #[serde(tag = "from", rename_all = "snake_case")]
    pub enum VersionSource {
        #[default]
        Upload,
        /// Objects under a prefix of a bucket, as they were then.
        Bucket { bucket: String, prefix: String },
        /// Artifacts of a job's runs; with `attempt`, what that attempt left in `/outputs`, and `path` is below that.
        Job {
            job_id: String,
            run_ids: Vec<String>,
            path: String,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            attempt: Option<i64>,
        },
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum ValidationState {
        /// No rules, or not run yet.
        Unchecked,
        Passed,
        Failed,
    }

    /// `GET /api/v1/datasets/{name}`.
    pub struct DatasetDetail {
        pub summary: DatasetSummary,
        pub rules: Vec<Rule>,
        /// Newest first.
        pub versions: Vec<VersionSummary>,
        /// By name.
        #[serde(default)]
        pub tags: Vec<VersionTag>,
    }

    /// A name that points to a version until it is moved.
    /// `PUT /api/v1/datasets/{name}/tags/{tag}` with `SetVersionTag` sets or moves it, `DELETE` removes it.
    pub struct VersionTag {
        pub tag: String,
        pub version: i64,
    }

    pub struct SetVersionTag {
        pub version: i64,
    }

    /// `PUT /api/v1/uploads` with the file as body answers this; a version then refers to the digest.
    /// An upload that no version refers to is collected after a day.
    pub struct Upload {
        /// SHA-256, 64 hex digits.
        pub digest: String,
        pub size_bytes: u64,
    }

    /// A file of a version, or of a version to be. Its bytes: `GET …/versions/{version}/file?path=`.
    pub struct DatasetFile {
        /// Relative, `/` between parts, no `..`.
        pub path: String,
        /// SHA-256, 64 hex digits.
        pub digest: String,
        pub size_bytes: u64,
    }

    /// `POST /api/v1/datasets/{name}/versions`. Each digest is an upload of the caller's or content of this dataset.
    ///
    /// Without `base_version`, `files` is the whole version. With it, the version is that one with `files` added or replaced and
    /// `remove` taken out. For very many files, `POST …/versions/lines?base_version=&message=` takes the same as lines of JSON,
    /// each a `VersionLine`.
    #[derive(Default)]
    pub struct CreateVersion {
        #[serde(default)]
        pub files: Vec<DatasetFile>,
        #[serde(default)]
        pub message: String,
        /// A number, a tag or `latest`.
        #[serde(default)]
        pub base_version: Option<String>,
        /// Paths to leave out; one that ends in `/` is a folder.
        #[serde(default)]
        pub remove: Vec<String>,
    }

    /// A line of `POST …/versions/lines`: `{"path": …, "digest": …, "size_bytes": …}` or `{"remove": "path or folder/"}`.
    #[serde(untagged)]
    pub enum VersionLine {
        Put(DatasetFile),
        Remove { remove: String },
    }

    /// `POST /api/v1/datasets/{name}/versions/from-bucket`: the newest object of each key under the prefix becomes a file.
    pub struct VersionFromBucket {
        pub bucket: String,
        /// What the keys start with; it is cut off up to its last `/`. Empty: the whole bucket.
        #[serde(default)]
        pub prefix: String,
        #[serde(default)]
        pub message: String,
        /// The version to add to; absent: the files are the whole version.
        #[serde(default)]
        pub base_version: Option<String>,
        /// Folder of the version that the files go to; empty: its top.
        #[serde(default)]
        pub into: String,
    }

    /// `POST /api/v1/datasets/{name}/versions/from-job`: what the job's runs logged as artifacts.
    pub struct VersionFromJob {
        pub job_id: String,
        /// Folder of the artifacts; empty: all of them.
        #[serde(default)]
        pub path: String,
        #[serde(default)]
        pub message: String,
        #[serde(default)]
        pub base_version: Option<String>,
        #[serde(default)]
        pub into: String,
    }

    /// Answer to `CreateVersion`: 201 and `created: true`, or 200 and the latest version when nothing changed.
    pub struct CreatedVersion {
        pub version: VersionSummary,
        pub created: bool,
    }

    /// `GET /api/v1/datasets/{name}/versions/{version}`.
    pub struct VersionDetail {
        pub summary: VersionSummary,
        /// The first thousand in path order; the rest with `…/files`.
        pub files: Vec<DatasetFile>,
        /// One per table.
        pub profiles: Vec<FileProfile>,
        #[serde(default)]
        pub images: Option<ImageProfile>,
        pub report: Option<ValidationReport>,
        /// Whether profiles are still to come.
        #[serde(default)]
        pub profiling: bool,
    }

    /// `GET …/versions/{version}/files?prefix=&after=&limit=` answers a `FilePage`: one level of folders under the prefix (a
    /// folder ends in `/`), in order; `after` is `next` of the page before. With `flat=true` all files below, without folders.
    pub struct FilePage {
        pub folders: Vec<Folder>,
        pub files: Vec<DatasetFile>,
        pub next: Option<String>,
    }

    pub struct Folder {
        /// The whole path, ending in `/`.
        pub path: String,
        pub file_count: u64,
        pub size_bytes: u64,
    }

    /// `GET /api/v1/datasets/{name}/deletion` (the whole dataset) or `…/versions/{version}/deletion`: what a `DELETE` there would take.
    /// While `used_by` names something, the `DELETE` is refused unless it says `?even_if_used=true`.
    pub struct DatasetDeletion {
        pub versions: Vec<i64>,
        pub tags: Vec<String>,
        pub file_count: u64,
        /// Of content that no other version of the dataset has; what something else on the box refers to stays, too.
        pub freed_bytes: u64,
        pub used_by: Vec<DatasetUse>,
    }

    /// Something that refers to a version.
    pub struct DatasetUse {
        pub version: i64,
        /// `job`, `run`, `model` or `deployment`.
        pub kind: String,
        /// What a person calls it.
        pub title: String,
        pub href: Option<String>,
    }
}
