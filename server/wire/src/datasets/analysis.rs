//! What is in a version: profiles of tables and images, rules, and how the version stands against them.

wire! {
    /// Statistics of one table: a CSV (also TSV), Parquet or JSON Lines file.
    pub struct FileProfile {
        pub path: String,
        /// SHA-256 of the file that was looked at.
        #[serde(default)]
        pub digest: String,
        pub row_count: u64,
        pub columns: Vec<ColumnProfile>,
        /// What is wrong, in words, with a file that cannot be read; it then has no columns.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub problem: Option<String>,
    }

    pub struct ColumnProfile {
        pub name: String,
        pub kind: ColumnKind,
        pub null_count: u64,
        /// Exact up to 10,000 distinct values; an estimate (about 1 % off) above that, and `distinct_is_estimate` is set.
        pub distinct_count: u64,
        pub distinct_is_estimate: bool,
        /// Of instants: milliseconds since the Unix epoch.
        pub min: Option<f64>,
        pub max: Option<f64>,
        pub mean: Option<f64>,
        /// Of a sample (n − 1).
        pub std_dev: Option<f64>,
        /// Equal-width bins between `min` and `max`, for numbers and instants.
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
        /// A date or an instant.
        Timestamp,
        Text,
        /// Only empty cells.
        Empty,
    }

    pub struct ValueCount {
        pub value: String,
        pub count: u64,
    }

    /// The images of a version.
    pub struct ImageProfile {
        pub count: u64,
        /// How many of them were opened; all, unless there are very many.
        pub measured: u64,
        /// By format, most frequent first.
        pub formats: Vec<ValueCount>,
        /// Images per folder, in order; a class each, as most collections are laid out. At most 200.
        pub classes: Vec<ValueCount>,
        pub class_count: u64,
        /// In pixels, of the measured.
        pub width: Option<ImageSpan>,
        pub height: Option<ImageSpan>,
        /// Files that are no image although their name says so.
        pub broken_count: u64,
        /// At most twenty of them.
        pub broken: Vec<BrokenImage>,
    }

    #[derive(Copy)]
    pub struct ImageSpan {
        pub min: u64,
        pub max: u64,
        pub mean: f64,
    }

    pub struct BrokenImage {
        pub path: String,
        /// What is wrong, in words.
        pub problem: String,
    }

    /// `PUT /api/v1/datasets/{name}/rules`. As YAML: `GET` and `PUT …/rules.yaml` (text). A faulty one is refused with its line.
    pub struct SetRules {
        pub rules: Vec<Rule>,
    }

    /// One declared rule about the tables of a version. `file` absent: every table.
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
        /// The columns exist and are of these types.
        Schema { types: std::collections::BTreeMap<String, ColumnKind>, /** No other columns. */ #[serde(default)] exact: bool },
        /// No empty cell in the column.
        NotNull { column: String },
        /// Each value appears once; empty cells are not looked at.
        Unique { column: String },
        /// Each combination of values appears once; rows where all are empty are not looked at.
        UniqueTogether { columns: Vec<String> },
        /// Numbers within `min..=max`; a cell that is no number fails, an empty one does not.
        Range { column: String, #[serde(default)] min: Option<f64>, #[serde(default)] max: Option<f64> },
        /// Only these values, or an empty cell.
        OneOf { column: String, values: Vec<String> },
        /// Each value matches the whole pattern (a regular expression); empty cells are not looked at.
        Regex { column: String, pattern: String },
        /// The column's values are spread as in the other version (a number, a tag): the greatest distance of the two cumulative
        /// shares (numbers, Kolmogorov-Smirnov) or half the sum of differences of shares (values) is at most `max`.
        Drift { column: String, against: String, max: f64 },
        /// Number of images, and of broken ones, in the version; width and height in pixels. About the version, not about a table.
        Images {
            #[serde(default)] min: Option<u64>, #[serde(default)] max: Option<u64>,
            #[serde(default)] min_width: Option<u64>, #[serde(default)] min_height: Option<u64>,
            #[serde(default)] max_width: Option<u64>, #[serde(default)] max_height: Option<u64>,
        },
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
        /// Up to five: line number in the file (a CSV's header is 1; a Parquet row's number) and the cell.
        pub samples: Vec<RowSample>,
        /// In words, for people.
        pub message: String,
    }

    pub struct RowSample {
        pub line: u64,
        pub value: String,
    }
}
