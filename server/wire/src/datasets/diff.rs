//! How two versions of a dataset differ.

use super::{ColumnKind, DatasetFile, ValueCount};

wire! {
    /// `GET /api/v1/datasets/{name}/diff?from=&to=`: numbers, tags or `latest`; `from` absent: the parent of `to`.
    pub struct VersionDiff {
        pub from: i64,
        pub to: i64,
        pub added_count: u64,
        pub removed_count: u64,
        pub changed_count: u64,
        pub renamed_count: u64,
        pub unchanged_count: u64,
        pub added_bytes: u64,
        pub removed_bytes: u64,
        /// The first thousand, in path order.
        pub files: Vec<FileChange>,
        /// Tables that changed and are profiled in both.
        pub tables: Vec<TableChange>,
        /// One of the two is still being profiled: tables may follow.
        #[serde(default)]
        pub profiling: bool,
    }

    pub struct FileChange {
        pub kind: FileChangeKind,
        /// The path in `to`; of a removed file, in `from`.
        pub path: String,
        /// Of a renamed file.
        pub old_path: Option<String>,
        pub before: Option<DatasetFile>,
        pub after: Option<DatasetFile>,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum FileChangeKind {
        Added,
        Removed,
        Changed,
        /// Equal content under another path.
        Renamed,
    }

    pub struct TableChange {
        pub path: String,
        pub rows_before: u64,
        pub rows_after: u64,
        /// Rows of one that the other has not, by their whole content; absent where the tables are too large or have other columns.
        pub rows_added: Option<u64>,
        pub rows_removed: Option<u64>,
        pub columns: Vec<ColumnChange>,
    }

    pub struct ColumnChange {
        pub name: String,
        /// Absent: the column is new.
        pub before: Option<ColumnSide>,
        /// Absent: the column is gone.
        pub after: Option<ColumnSide>,
        /// From 0 (spread alike) to 1; absent where it cannot be said.
        pub distance: Option<f64>,
        /// Ends of the bins that both histograms share: one more than there are bins.
        pub bin_ends: Vec<f64>,
    }

    pub struct ColumnSide {
        pub kind: ColumnKind,
        pub null_count: u64,
        pub distinct_count: u64,
        pub mean: Option<f64>,
        /// Over the common bins; whole bins of the profile are shared out evenly.
        pub histogram: Vec<f64>,
        pub top_values: Vec<ValueCount>,
    }
}
