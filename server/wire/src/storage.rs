//! Buckets of the S3 face as the dashboard and the CLI see them, and the keys that open them.

use crate::KeyValue;

wire! {
    /// Who may use a bucket without a grant of their own.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum BucketAccess {
        /// Viewers of the project read, engineers write.
        Project,
        /// Its owner, admins, and whom a grant names.
        Private,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum Versioning {
        /// Never was on: a new object replaces the old one for good.
        Off,
        On,
        /// Was on: older versions stay, new objects replace the one without a version id.
        Suspended,
    }

    /// `GET /api/v1/buckets` answers a list of these, by name: those that the caller may read.
    pub struct BucketSummary {
        pub name: String,
        pub created_at: i64,
        /// Username.
        pub owner: String,
        pub access: BucketAccess,
        pub versioning: Versioning,
        /// Current objects; older versions and delete markers not counted.
        pub object_count: u64,
        /// Of all versions and of parts of unfinished uploads: what the quota is held against.
        pub size_bytes: u64,
        pub quota_bytes: Option<u64>,
        /// What the caller may.
        pub may_write: bool,
        /// Settings, grants, removal.
        pub may_manage: bool,
    }

    /// `POST /api/v1/buckets`; answers 201 with `BucketSummary`.
    pub struct CreateBucket {
        /// 3 to 63 of a-z, 0-9, dot and hyphen, as S3 has it.
        pub name: String,
        #[serde(default = "BucketAccess::project")]
        pub access: BucketAccess,
        #[serde(default)]
        pub versioned: bool,
    }

    /// `GET /api/v1/buckets/{bucket}`.
    pub struct BucketDetail {
        pub summary: BucketSummary,
        pub lifecycle: Vec<LifecycleRule>,
        pub cors: Vec<CorsRule>,
        pub grants: Vec<Grant>,
        /// Uploads in parts that were begun and neither ended nor aborted.
        pub open_uploads: u64,
        pub endpoint: S3Endpoint,
    }

    /// Where S3 clients reach this box: at the name or address that the dashboard itself is reached by.
    pub struct S3Endpoint {
        pub port: u16,
        pub tls: bool,
    }

    /// `PUT /api/v1/buckets/{bucket}`: the settings as a whole; answers `BucketDetail`. Removal: `DELETE` (409 unless
    /// empty; `?with_objects=true` removes what is in it, too).
    pub struct BucketSettings {
        pub access: BucketAccess,
        pub versioning: Versioning,
        pub quota_bytes: Option<u64>,
        #[serde(default)]
        pub lifecycle: Vec<LifecycleRule>,
        #[serde(default)]
        pub cors: Vec<CorsRule>,
        #[serde(default)]
        pub grants: Vec<Grant>,
    }

    /// One person's right to one bucket.
    pub struct Grant {
        pub username: String,
        /// Reads, and with this writes, too.
        pub may_write: bool,
    }

    pub struct LifecycleRule {
        pub id: String,
        pub enabled: bool,
        /// Empty: the whole bucket.
        pub prefix: String,
        /// Current objects go (or get a delete marker, with versioning) so many days after they were written.
        #[serde(default)]
        pub expire_days: Option<u32>,
        /// Older versions go so many days after they were replaced.
        #[serde(default)]
        pub noncurrent_days: Option<u32>,
        /// So many of the newest older versions stay whatever their age.
        #[serde(default)]
        pub keep_noncurrent: Option<u32>,
        /// Uploads in parts are aborted so many days after they began.
        #[serde(default)]
        pub abort_uploads_days: Option<u32>,
        /// A delete marker with nothing below it goes.
        #[serde(default)]
        pub remove_lone_markers: bool,
    }

    pub struct CorsRule {
        pub allowed_origins: Vec<String>,
        pub allowed_methods: Vec<String>,
        #[serde(default)]
        pub allowed_headers: Vec<String>,
        #[serde(default)]
        pub expose_headers: Vec<String>,
        #[serde(default)]
        pub max_age_s: Option<u32>,
    }

    /// `GET /api/v1/buckets/{bucket}/objects?prefix=&page=&limit=`: one folder's content, folders first, by name.
    /// `search=` instead looks for a text in all keys under the prefix and answers no folders.
    pub struct ObjectList {
        /// Whole prefixes, each ending in `/`.
        pub folders: Vec<String>,
        pub objects: Vec<ObjectSummary>,
        /// The `page` of the following request; absent on the last page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<String>,
    }

    pub struct ObjectSummary {
        pub key: String,
        pub size_bytes: u64,
        pub modified_at: i64,
        pub etag: String,
        pub content_type: String,
    }

    /// `GET /api/v1/buckets/{bucket}/object?key=&version=`; `DELETE` of the same removes it (a marker, or a version for good).
    /// `PUT` of the same (and `content_type=`) writes it in one piece, answers `ObjectSummary`.
    /// Its bytes: `GET …/object/content?key=&version=` (an attachment; ranges are honoured).
    /// Of a key that a delete marker hides, this is its newest version with content.
    pub struct ObjectDetail {
        pub object: ObjectSummary,
        pub version_id: Option<String>,
        /// User metadata, names without `x-amz-meta-`.
        pub metadata: Vec<KeyValue>,
        pub tags: Vec<KeyValue>,
        /// As clients sent them: `sha256`, `crc32c`, … with base64 values.
        pub checksums: Vec<KeyValue>,
        /// Newest first, delete markers included; one entry where versioning was never on.
        pub versions: Vec<ObjectVersion>,
    }

    pub struct ObjectVersion {
        /// `null` for what was written without versioning.
        pub version_id: String,
        pub is_latest: bool,
        pub is_delete_marker: bool,
        pub size_bytes: u64,
        pub modified_at: i64,
        pub etag: String,
    }

    /// `POST /api/v1/buckets/{bucket}/objects/delete`: removes objects and whole folders; answers `DeletedObjects`.
    pub struct DeleteObjects {
        #[serde(default)]
        pub keys: Vec<String>,
        /// Folders, each ending in `/`.
        #[serde(default)]
        pub prefixes: Vec<String>,
        /// Removes nothing and says what would go.
        #[serde(default)]
        pub preview: bool,
    }

    #[derive(Default)]
    pub struct DeletedObjects {
        pub count: u64,
        /// Of a preview: their bytes together.
        #[serde(default)]
        pub size_bytes: u64,
    }

    /// `POST /api/v1/buckets/{bucket}/object/restore`: makes an older version the latest again, as a new version.
    pub struct RestoreVersion {
        pub key: String,
        pub version_id: String,
    }

    /// `POST /api/v1/buckets/{bucket}/uploads`: begins an upload in parts, or goes on with the caller's own unfinished one of
    /// the same key, size and `modified_at`. Answers `ObjectUpload`.
    pub struct BeginUpload {
        pub key: String,
        pub size_bytes: u64,
        #[serde(default)]
        pub content_type: Option<String>,
        /// Of the file on the person's disk, in milliseconds: an edited file begins anew.
        #[serde(default)]
        pub modified_at: Option<i64>,
    }

    /// Then `PUT …/uploads/{id}/parts/{number}` with each part's bytes (answers `UploadedPart`), in any order; then
    /// `POST …/uploads/{id}/complete` (answers `ObjectSummary`). `DELETE …/uploads/{id}` gives up.
    pub struct ObjectUpload {
        pub id: String,
        /// Size of each part but the last; parts count from 1.
        pub part_bytes: u64,
        /// What has arrived already.
        pub parts: Vec<UploadedPart>,
    }

    pub struct UploadedPart {
        pub number: u32,
        pub size_bytes: u64,
    }

    /// `POST /api/v1/buckets/{bucket}/share`: a link that opens one object without a login until it expires.
    pub struct ShareObject {
        pub key: String,
        #[serde(default)]
        pub version_id: Option<String>,
        /// At most a week: 604,800.
        pub expires_in_s: u32,
    }

    pub struct SharedLink {
        /// On the web port: `/share/…`.
        pub path: String,
        pub expires_at: i64,
    }

    /// `GET /api/v1/s3-keys`: the caller's own keys (an admin adds `?all=true`), without their secrets.
    pub struct S3Key {
        pub access_key: String,
        pub name: String,
        pub username: String,
        pub created_at: i64,
        pub expires_at: Option<i64>,
        pub last_used_at: Option<i64>,
        /// Empty: whatever its person may.
        pub scopes: Vec<KeyScope>,
        /// The project that it is good in alone.
        #[serde(default)]
        pub project: Option<String>,
    }

    /// A key with scopes opens these and nothing else, and never more than its person may.
    #[serde(deny_unknown_fields)]
    pub struct KeyScope {
        pub bucket: String,
        /// Empty: the whole bucket.
        #[serde(default)]
        pub prefix: String,
        #[serde(default)]
        pub may_write: bool,
    }

    /// `POST /api/v1/s3-keys`; answers 201 with `CreatedS3Key`. `DELETE /api/v1/s3-keys/{access_key}` ends one.
    pub struct CreateS3Key {
        pub name: String,
        #[serde(default)]
        pub expires_in_days: Option<u32>,
        #[serde(default)]
        pub scopes: Vec<KeyScope>,
        /// The project that it is good in alone; elsewhere it reads what is open. Absent: wherever the person may.
        #[serde(default)]
        pub project: Option<String>,
    }

    /// The only time a secret key is shown.
    pub struct CreatedS3Key {
        pub key: S3Key,
        pub secret_key: String,
    }
}

impl BucketAccess {
    fn project() -> Self {
        Self::Project
    }
}
