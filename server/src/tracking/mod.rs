//! Experiments, runs and what they log: params, metrics, tags, inputs, artifacts, logged models; the search over them.
//!
//! Always holds: a logging call is one `write` closure, so it is all kept or not at all; equal metric points are kept once;
//! a param never changes; artifacts are objects of the bucket "mlflow" under the key that their `mlflow-artifacts:` URI
//! names; a job's runs carry the workload whose token made them. Deleting moves to the trash (`trash` empties it). The audit trail has experiments (create, rename, delete, restore, tags), runs (create, status,
//! delete, restore) and deletions; what a run logs is the run's own record and has no audit rows beside it.
//! Never here: containers, registered models (`registry`), foreign forms (`mlflow` below speaks them).

mod artifacts;
mod decimation;
mod experiments;
mod history;
mod import;
mod inputs;
mod job_runs;
mod list_routes;
mod logged_models;
mod logging;
pub mod mlflow;
mod preview;
mod routes;
pub mod rules;
mod runs;
pub mod search;
mod store;
mod tasks;
mod uploads;
mod views;

pub use artifacts::{Artifact, Entry, ask_who_needs, delete_artifacts, find_artifact, list_artifacts, put_artifact};
pub use experiments::{
    create_experiment, delete_experiment, delete_experiment_tag, experiment, experiment_by_name, rename_experiment,
    restore_experiment, search_experiments, set_experiment_tag,
};
pub use history::{history, sampled_history};
pub use import::{
    IMPORT_TAG, Outcome, TagMarks, Taken, experiment_named, experiment_of_id, import_experiment, import_logged_model,
    import_run, plan_tags,
};
pub use inputs::{DatasetSummary, dataset_summaries};
pub use job_runs::{
    DEFAULT_EXPERIMENT_NAME, NewJobRun, artifact_folder, end_job_runs, latest_metrics, make_job_run, reopen_job_run,
};
pub use logged_models::{
    create_logged_model, delete_logged_model, delete_logged_model_tag, finalize_logged_model, logged_model,
    search_logged_models, set_logged_model_params, set_logged_model_tags,
};
pub use logging::{Batch, log_batch, log_inputs, log_model_record, log_outputs};
pub use routes::{configure, metric_value};
pub use runs::{
    NewRun, RunFilter, create_run, delete_run, delete_tag, restore_run, run, search_runs, set_tag, update_run,
};
pub use tasks::start;
pub use uploads::{abort_upload, begin_upload, complete_upload, put_part};

use crate::{accounts::Scope, db::Conn, error::Result};

/// Bucket of all artifacts.
pub const ARTIFACT_BUCKET: &str = "mlflow";
/// The tag that mirrors a run's name.
pub const RUN_NAME_TAG: &str = "mlflow.runName";
/// The tag on runs that a job's container created.
pub const JOB_TAG: &str = "drydock.job_id";

/// A key with its value.
pub type Pair = (String, String);

/// Which of alive and deleted things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    #[default]
    Active,
    Deleted,
    All,
}

impl Stage {
    pub fn admits(self, deleted: bool) -> bool {
        match self {
            Self::Active => !deleted,
            Self::Deleted => deleted,
            Self::All => true,
        }
    }
}

/// "active" or "deleted".
pub fn stage_word(deleted: bool) -> &'static str {
    if deleted { "deleted" } else { "active" }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experiment {
    pub id: i64,
    pub name: String,
    pub artifact_location: String,
    pub created_at: i64,
    pub updated_at: i64,
    pub deleted: bool,
    pub tags: Vec<Pair>,
}

/// How a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    Running,
    Scheduled,
    Finished,
    Failed,
    Killed,
}

impl RunStatus {
    /// MLflow's word, which the database keeps.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Running, Self::Scheduled, Self::Finished, Self::Failed, Self::Killed]
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(text))
    }
}

/// A run without what it logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// Surrogate key.
    pub row: i64,
    pub run_id: String,
    pub experiment_id: i64,
    pub name: String,
    pub user: String,
    pub status: RunStatus,
    pub started_at: i64,
    pub ended_at: Option<i64>,
    pub deleted: bool,
    pub job_id: Option<String>,
    pub artifact_uri: String,
}

/// A metric's point with its key. `value` may be NaN or infinite.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    pub key: String,
    pub step: i64,
    pub at: i64,
    pub value: f64,
}

/// A point of a known series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub step: i64,
    pub at: i64,
    pub value: f64,
}

/// A dataset that a run declared as input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetInput {
    pub tags: Vec<Pair>,
    pub name: String,
    pub digest: String,
    pub source_type: String,
    pub source: String,
    pub schema: Option<String>,
    pub profile: Option<String>,
}

/// A run with everything it logged; of each metric the latest point.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub info: RunInfo,
    pub metrics: Vec<Metric>,
    pub params: Vec<Pair>,
    pub tags: Vec<Pair>,
    pub datasets: Vec<DatasetInput>,
    /// Ids of logged models it read.
    pub models_in: Vec<String>,
    /// Ids of logged models it made, with the step.
    pub models_out: Vec<(String, i64)>,
}

/// A metric of a logged model, on a dataset if the client said so.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelMetric {
    pub model_id: String,
    pub run_id: String,
    pub key: String,
    pub at: i64,
    pub step: i64,
    pub value: f64,
    pub dataset_name: Option<String>,
    pub dataset_digest: Option<String>,
}

/// A model as `log_model` of MLflow 3 makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedModel {
    /// Surrogate key.
    pub row: i64,
    /// `m-` and 32 hex digits.
    pub model_id: String,
    pub experiment_id: i64,
    pub name: String,
    pub model_type: String,
    pub source_run_id: Option<String>,
    /// MLflow's number: 1 pending, 2 ready, 3 upload failed.
    pub status: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub deleted: bool,
    pub artifact_uri: String,
    pub params: Vec<Pair>,
    pub tags: Vec<Pair>,
    pub metrics: Vec<ModelMetric>,
}

/// Ids of the runs that a workload's container created, oldest first.
pub fn runs_of_job(conn: &mut Conn, job_id: &str) -> Result<Vec<String>> {
    store::runs::of_job(conn, job_id)
}

/// For `traces`: ids of experiments that are shown, of the wanted ones where some are named; absent: all there are.
pub fn shown_experiments(conn: &mut Conn, scope: &Scope, wanted: Option<Vec<i64>>) -> Result<Option<Vec<i64>>> {
    store::experiments::shown(conn, scope, wanted)
}

/// Numbers of experiments and runs that are not deleted.
pub fn counts(conn: &mut Conn) -> Result<(u64, u64)> {
    let (experiments, runs) = store::experiments::counts(conn, &Scope::All)?;
    Ok((u64::try_from(experiments).unwrap_or(0), u64::try_from(runs).unwrap_or(0)))
}

/// For `traces`: the experiment, for a change that needs it alive.
pub fn active_experiment(conn: &mut Conn, id: i64) -> Result<Experiment> {
    experiments::active(conn, id)
}

/// For `traces`: names of experiments by id.
pub fn experiment_names(conn: &mut Conn, ids: &[i64]) -> Result<std::collections::HashMap<i64, String>> {
    store::experiments::names(conn, ids)
}

/// For `traces`: names of runs by id.
pub fn run_names(conn: &mut Conn, ids: &[String]) -> Result<std::collections::HashMap<String, String>> {
    store::runs::names(conn, ids)
}

/// For `registry`: the run, if there is one of that id.
pub fn run_on_conn(conn: &mut Conn, run_id: &str) -> Result<Option<Run>> {
    store::runs::load_one(conn, run_id)
}

/// For `transfers`: whether there is such a logged model, deleted or not.
pub fn is_logged_model(conn: &mut Conn, model_id: &str) -> Result<bool> {
    Ok(store::logged_models::find(conn, model_id)?.is_some())
}

/// For `registry`: the logged model, if there is one of that id that is not deleted.
pub fn logged_model_on_conn(conn: &mut Conn, model_id: &str) -> Result<Option<LoggedModel>> {
    Ok(store::logged_models::find(conn, model_id)?.filter(|model| !model.deleted))
}

/// For `registry`: the newest logged model of that name made by the run.
pub fn logged_model_of_run(conn: &mut Conn, run_id: &str, name: &str) -> Result<Option<LoggedModel>> {
    store::logged_models::of_run(conn, run_id, name)
}

/// Where a run, or a model that it logged, has its artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRoot {
    pub run_id: String,
    /// The logged model's name; `None` of the run itself.
    pub model: Option<String>,
    pub uri: String,
}

/// For `registry`: the roots of these runs and of the models that they logged, deleted ones included.
pub fn artifact_roots(conn: &mut Conn, run_ids: &[String]) -> Result<Vec<ArtifactRoot>> {
    store::lineage::artifact_roots(conn, run_ids)
}

/// For `registry`: a tag on a logged model.
pub fn tag_logged_model(conn: &mut Conn, model: &LoggedModel, key: &str, value: &str) -> Result<()> {
    store::logged_models::set_tag(conn, model.row, key, value)
}

/// For `datasets`: the head of a file that the caller may read, as the dashboard shows it.
pub use preview::{Kept, Ranges, gathered, of as preview_of};

/// For `lineage`: what a thing of tracking leads to.
#[derive(Debug, Clone, Copy)]
pub enum RunsOf<'a> {
    /// Name and digest of a dataset that they declared as input.
    Input(&'a str, &'a str),
    /// Key and value of a tag.
    Tag(&'a str, &'a str),
    /// A logged model that they read.
    Model(&'a str),
}

/// For `lineage`: ids of those runs, oldest first.
pub fn runs_of(conn: &mut Conn, of: RunsOf<'_>) -> Result<Vec<String>> {
    match of {
        RunsOf::Input(name, digest) => store::lineage::runs_with_input(conn, name, digest),
        RunsOf::Tag(key, value) => store::lineage::runs_with_tag(conn, key, value),
        RunsOf::Model(model_id) => store::lineage::runs_that_read(conn, model_id),
    }
}

/// For `lineage`: ids of the logged models that the run made, oldest first.
pub fn logged_models_made_by(conn: &mut Conn, run_id: &str) -> Result<Vec<String>> {
    store::lineage::models_made_by(conn, run_id)
}

#[cfg(test)]
pub mod testing {
    //! Runs for the tests of stores.
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A running run of the default experiment; its surrogate id.
    pub fn run(conn: &mut Conn, run_id: &str) -> i64 {
        let info = RunInfo {
            row: 0,
            run_id: run_id.into(),
            experiment_id: 0,
            name: run_id.into(),
            user: "ann".into(),
            status: RunStatus::Running,
            started_at: 1,
            ended_at: None,
            deleted: false,
            job_id: None,
            artifact_uri: String::new(),
        };
        store::runs::insert(conn, &info).unwrap()
    }
}
