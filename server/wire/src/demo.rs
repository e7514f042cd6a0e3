//! The sample lifecycle, step by step.

wire! {
    /// `GET /api/v1/demo`; `POST` starts it (409 while it runs).
    pub struct DemoState {
        pub running: bool,
        pub steps: Vec<DemoStep>,
    }

    pub struct DemoStep {
        /// `upload`, `validate`, `train`, `gate`, `register`, `deploy`, `predict`, `observe`.
        pub id: String,
        /// In words: "Train in a container".
        pub title: String,
        pub state: StepState,
        pub duration_ms: Option<u64>,
        /// The outcome in a line: "version 2, 569 rows", or why it failed and what to do.
        pub outcome: Option<String>,
        /// Where the dashboard shows what the step made: `/jobs/…`.
        pub link: Option<String>,
    }

    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum StepState {
        Waiting,
        Running,
        Done,
        Failed,
    }
}
