//! Datasets: named lines of immutable versions, their profiles and rules.

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

    /// `POST /api/v1/datasets/{name}/versions`. Each digest is an upload of the caller's or a file of the version before.
    pub struct CreateVersion {
        pub files: Vec<DatasetFile>,
        #[serde(default)]
        pub message: String,
    }

    /// Answer to `CreateVersion`: 201 and `created: true`, or 200 and the latest version when nothing changed.
    pub struct CreatedVersion {
        pub version: VersionSummary,
        pub created: bool,
    }

    /// `GET /api/v1/datasets/{name}/versions/{version}`.
    pub struct VersionDetail {
        pub summary: VersionSummary,
        pub files: Vec<DatasetFile>,
        /// One per tabular file.
        pub profiles: Vec<FileProfile>,
        pub report: Option<ValidationReport>,
    }

    /// Statistics of one CSV file.
    pub struct FileProfile {
        pub path: String,
        pub row_count: u64,
        pub columns: Vec<ColumnProfile>,
        /// What is wrong, in words, with a file that cannot be read as CSV; it then has no columns.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub problem: Option<String>,
    }

    pub struct ColumnProfile {
        pub name: String,
        pub kind: ColumnKind,
        pub null_count: u64,
        /// Exact up to 10,000 distinct values; above that `distinct_is_lower_bound` is set.
        pub distinct_count: u64,
        pub distinct_is_lower_bound: bool,
        pub min: Option<f64>,
        pub max: Option<f64>,
        pub mean: Option<f64>,
        /// Of a sample (n − 1).
        pub std_dev: Option<f64>,
        /// Equal-width bins between `min` and `max`, for numbers.
        pub histogram: Vec<u64>,
        /// Most frequent values, for text and booleans; most frequent first, at most ten.
        pub top_values: Vec<ValueCount>,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "lowercase")]
    pub enum ColumnKind {
        Integer,
        Float,
        Boolean,
        Text,
        /// Only empty cells.
        Empty,
    }

    pub struct ValueCount {
        pub value: String,
        pub count: u64,
    }

    /// `PUT /api/v1/datasets/{name}/rules`.
    pub struct SetRules {
        pub rules: Vec<Rule>,
    }

    /// One declared rule about a CSV file of the dataset. `file` absent: every CSV file.
    pub struct Rule {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub file: Option<String>,
        #[serde(flatten)]
        pub check: Check,
    }

    #[serde(tag = "check", rename_all = "snake_case")]
    pub enum Check {
        /// The columns exist.
        Columns { columns: Vec<String> },
        /// No empty cell in the column.
        NotNull { column: String },
        /// Each value appears once; empty cells are not looked at.
        Unique { column: String },
        /// Numbers within `min..=max`; a cell that is no number fails, an empty one does not.
        Range { column: String, #[serde(default)] min: Option<f64>, #[serde(default)] max: Option<f64> },
        /// Only these values, or an empty cell.
        OneOf { column: String, values: Vec<String> },
        /// Number of rows within `min..=max`.
        RowCount { #[serde(default)] min: Option<u64>, #[serde(default)] max: Option<u64> },
    }

    /// `POST /api/v1/datasets/{name}/versions/{version}/validate`.
    pub struct ValidationReport {
        pub passed: bool,
        pub checked_at: i64,
        pub results: Vec<RuleResult>,
    }

    pub struct RuleResult {
        pub rule: Rule,
        pub file: String,
        pub passed: bool,
        /// Rows that break the rule.
        pub failed_rows: u64,
        /// Up to five: line number in the file (header is 1) and the cell.
        pub samples: Vec<RowSample>,
        /// In words, for people.
        pub message: String,
    }

    pub struct RowSample {
        pub line: u64,
        pub value: String,
    }
}
