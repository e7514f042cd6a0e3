//! Sweeps: one job over many values of its parameters, and what came out as one comparison.

use std::collections::BTreeMap;

use crate::jobs::{JobState, SubmitJob};

wire! {
    /// `POST /api/v1/sweeps`: a job for each combination of the grid, or for each draw. Exactly one of `grid` and `random`.
    #[derive(Default)]
    #[serde(deny_unknown_fields)]
    pub struct SubmitSweep {
        /// Its jobs are `{name}-1`, `{name}-2`, …
        pub name: String,
        /// What all of them have in common; its `params` are those that do not vary.
        pub job: SubmitJob,
        /// Every combination of these values, the last name varying fastest.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub grid: BTreeMap<String, Vec<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub random: Option<RandomSearch>,
        /// So many of its jobs run at once; 0: as many as the queue lets.
        #[serde(default)]
        pub most_at_once: u32,
        /// The metric to compare by, such as `val_loss`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub metric: Option<String>,
        #[serde(default)]
        pub goal: Goal,
    }

    /// Draws from distributions; the same seed draws the same values.
    #[derive(Default)]
    #[serde(deny_unknown_fields)]
    pub struct RandomSearch {
        pub params: BTreeMap<String, Distribution>,
        /// 1 to 1,000.
        pub count: u32,
        /// Drawn if absent, and kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub seed: Option<u64>,
    }

    /// Where a value comes from: `{"uniform": [0, 1]}`, `{"log_uniform": [1e-4, 1e-1]}`, `{"integer": [1, 8]}`, `{"choice": ["a", "b"]}`.
    #[serde(rename_all = "snake_case")]
    pub enum Distribution {
        Uniform([f64; 2]),
        /// Even on a logarithmic scale; both bounds above 0.
        LogUniform([f64; 2]),
        /// Whole numbers, both bounds included.
        Integer([i64; 2]),
        Choice(Vec<String>),
    }

    /// Which values of the metric are better.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum Goal {
        #[default]
        Maximize,
        Minimize,
    }

    /// A sweep in a list: `GET /api/v1/sweeps?page=&limit=` answers `Page<SweepSummary>`, newest first.
    pub struct SweepSummary {
        pub id: String,
        pub name: String,
        pub submitted_by: String,
        pub created_at: i64,
        pub cancelled_at: Option<i64>,
        pub most_at_once: u32,
        pub metric: Option<String>,
        pub goal: Goal,
        /// Its jobs by state.
        pub jobs: BTreeMap<String, u64>,
    }

    /// `GET /api/v1/sweeps/{id}`.
    pub struct SweepDetail {
        pub summary: SweepSummary,
        pub spec: SubmitSweep,
        /// In the order of their numbers.
        pub trials: Vec<Trial>,
        /// Id of the job with the best value of the metric.
        pub best: Option<String>,
    }

    /// One job of a sweep with what came out.
    pub struct Trial {
        pub job_id: String,
        pub number: u32,
        pub state: JobState,
        pub reason: Option<String>,
        pub params: BTreeMap<String, String>,
        /// The latest run that was made for it; `/compare?ids=…` shows several side by side.
        pub run_id: Option<String>,
        /// Latest values of the run's metrics.
        pub metrics: BTreeMap<String, f64>,
        /// The one to compare by.
        pub value: Option<f64>,
        pub started_at: Option<i64>,
        pub ended_at: Option<i64>,
    }
}
