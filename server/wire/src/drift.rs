//! Whether a set of columns is spread as it was.

wire! {
    /// `GET /api/v1/datasets/{name}/drift?reference=&current=`: numbers, tags or `latest`; `reference` absent: the parent of
    /// `current`. `file=` asks for one table; `correction`, `p_value`, `distance`, `share`, `number_test` and `word_test` set what is asked.
    pub struct DriftReport {
        pub reference: i64,
        pub current: i64,
        /// Some table drifted.
        pub drifted: bool,
        /// Those that changed first.
        pub tables: Vec<TableDrift>,
        /// Tables of both versions beyond the first ten: ask for them by `file`.
        pub left_out: Vec<String>,
    }

    /// One table of both versions.
    pub struct TableDrift {
        /// In the current version.
        pub path: String,
        pub reference_path: String,
        pub reference_rows: u64,
        pub current_rows: u64,
        /// Of them, those that were compared: of large tables as many as fit, drawn by chance.
        pub reference_drawn: u64,
        pub current_drawn: u64,
        /// Absent: one of the two cannot be read, for `problem`.
        pub drift: Option<DatasetDrift>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub problem: Option<String>,
    }

    /// What is asked about a column. The first three answer with a p-value, the others with a distance.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum DriftTest {
        /// Two-sample Kolmogorov-Smirnov, for numbers.
        KolmogorovSmirnov,
        /// Pearson's, on the counts of values.
        ChiSquared,
        /// The Z test of two proportions, for two values.
        ProportionsZ,
        /// In standard deviations of the reference, for numbers.
        Wasserstein,
        /// With the natural logarithm, so from 0 to 0.833.
        JensenShannon,
        /// The population stability index.
        PopulationStability,
    }

    /// How p-values are corrected for the number of columns that are tested.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum DriftCorrection {
        /// Of the columns told as drifted, few are so by chance.
        #[default]
        BenjaminiHochberg,
        /// That any column is told as drifted by chance is unlikely; weak drift is missed more often.
        Holm,
        /// As Evidently does.
        None,
    }

    /// One set of columns held against another.
    pub struct DatasetDrift {
        /// At least `drift_share` of the compared columns drifted.
        pub drifted: bool,
        pub drifted_count: u64,
        pub compared_count: u64,
        pub drift_share: f64,
        pub correction: DriftCorrection,
        /// Strongest first; those that could not be compared at the end.
        pub columns: Vec<ColumnDrift>,
    }

    pub struct ColumnDrift {
        pub name: String,
        pub drifted: bool,
        /// Absent: the column was not compared, for `reason`.
        pub result: Option<DriftResult>,
        /// In words, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub reason: Option<String>,
        pub reference: Option<DriftSide>,
        pub current: Option<DriftSide>,
        /// Of numbers: ends of the bins that both sides share, one more than there are bins.
        pub bin_ends: Vec<f64>,
        /// Of words: those that are most frequent on either side, the others together as the last where there are more.
        pub values: Vec<String>,
    }

    #[derive(Copy)]
    pub struct DriftResult {
        pub test: DriftTest,
        /// Of a distance, the distance itself. Absent: infinite, since the current side has a value that the reference never had.
        pub statistic: Option<f64>,
        /// As the test has it; absent for distances.
        pub p_value: Option<f64>,
        /// For the number of tested columns; this is what is held against the threshold.
        pub corrected_p_value: Option<f64>,
        /// Drifted: a p-value below it, a distance from it on.
        pub threshold: f64,
        /// How far past the threshold, for the order of columns of unlike tests: 1 is at it, more is stronger.
        pub strength: f64,
    }

    pub struct DriftSide {
        /// Values that were compared; missing and infinite ones are not among them.
        pub count: u64,
        pub missing_count: u64,
        pub mean: Option<f64>,
        /// Of the bins or the values, in their order.
        pub shares: Vec<f64>,
    }
}
