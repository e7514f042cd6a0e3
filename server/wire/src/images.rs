//! Repositories of the OCI registry as the dashboard sees them. Names have slashes, so they travel as `?name=`.

wire! {
    /// `GET /api/v1/repositories` answers a list of these, by name.
    pub struct RepositorySummary {
        pub name: String,
        pub tag_count: u64,
        pub manifest_count: u64,
        /// Every distinct layer, configuration and manifest once.
        pub size_bytes: u64,
        /// The part of it that no other repository has, too: what removing this one frees.
        pub own_bytes: u64,
        pub pushed_at: Option<i64>,
        pub pushed_by: Option<String>,
    }

    /// `GET /api/v1/repository?name=`. `DELETE` of the same removes it with all it holds (409 while something runs it).
    pub struct RepositoryDetail {
        pub summary: RepositorySummary,
        pub retention: Retention,
        /// Latest push first.
        pub tags: Vec<ImageTag>,
        /// Manifests without a tag that are not part of a tagged index or a referrer of something.
        pub untagged: Vec<ManifestSummary>,
    }

    /// `DELETE /api/v1/repository/tag?name=&tag=` removes the tag.
    pub struct ImageTag {
        pub tag: String,
        pub manifest: ManifestSummary,
    }

    pub struct ManifestSummary {
        /// `sha256:…`
        pub digest: String,
        pub media_type: String,
        /// Of an OCI artifact.
        pub artifact_type: Option<String>,
        /// `linux/amd64`, …; of an index, all of them.
        pub platforms: Vec<String>,
        /// With all it refers to.
        pub size_bytes: u64,
        pub pushed_at: i64,
        pub pushed_by: String,
        pub used_by: Vec<ImageUse>,
    }

    /// A job or deployment that needs the image.
    pub struct ImageUse {
        pub kind: ImageUser,
        pub id: String,
        pub name: String,
        pub running: bool,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum ImageUser {
        Job,
        Deployment,
    }

    /// `GET /api/v1/repository/manifest?name=&digest=`. `DELETE` of the same removes it with its tags.
    pub struct ManifestDetail {
        pub summary: ManifestSummary,
        pub tags: Vec<String>,
        /// Of an image, not of an index.
        pub config: Option<ImageConfig>,
        pub layers: Vec<ImageLayer>,
        /// Of an index.
        pub children: Vec<ManifestSummary>,
        /// Signatures, SBOMs and the like whose `subject` this is.
        pub referrers: Vec<ManifestSummary>,
        /// As pushed, for people to read.
        pub manifest: String,
    }

    pub struct ImageConfig {
        pub created_at: Option<i64>,
        pub architecture: String,
        pub os: String,
        pub user: String,
        pub working_dir: String,
        pub entrypoint: Vec<String>,
        pub command: Vec<String>,
        pub environment: Vec<String>,
        pub ports: Vec<String>,
        pub labels: Vec<crate::KeyValue>,
    }

    pub struct ImageLayer {
        pub digest: String,
        pub media_type: String,
        pub size_bytes: u64,
        /// The step of the image's history that made it, where it says so.
        pub created_by: Option<String>,
        /// Other repositories that have it, too.
        pub shared_with: Vec<String>,
    }

    /// `PUT /api/v1/repository/retention?name=`. What a job or deployment refers to stays whatever is said here.
    pub struct Retention {
        /// So many of the latest pushed tags stay; absent: all.
        pub keep_last: Option<u32>,
        /// Tags that match one of these patterns (`v*`, `*-lts`) stay in any case.
        #[serde(default)]
        pub keep_tags: Vec<String>,
        /// Manifests without a tag go after so many days; absent: they stay.
        pub untagged_days: Option<u32>,
    }

    /// `POST /api/v1/repository/retention/preview?name=` with a `Retention`: what it would remove now.
    pub struct RetentionPreview {
        pub tags: Vec<String>,
        pub manifests: Vec<String>,
        pub freed_bytes: u64,
    }

    /// `GET /api/v1/registry`: how a client on the LAN comes to trust the box.
    pub struct RegistryAddress {
        /// `box.lan:5000`, as image names begin.
        pub host: String,
        pub is_tls: bool,
        /// The one command, for a shell on the client.
        pub docker_command: String,
        pub podman_command: String,
    }
}
