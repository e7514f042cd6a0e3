//! Taking in whole things with the ids and times that they had elsewhere, for `transfers`. Within the caller's transaction.
//!
//! Always holds: what was logged or edited here is never changed by an import (`tags`); a thing that is here and did not come
//! from there is taken for the same only if it says the same. Values are not shortened; what no client could have logged is
//! refused.

mod tags;

pub use tags::{TagMarks, plan as plan_tags};

use drydock_wire::{
    KeyValue,
    import::{ForeignDataset, ForeignExperiment, ForeignLoggedModel, ForeignRun, ForeignSeries},
};

use super::{
    DatasetInput, Experiment, JOB_TAG, LoggedModel, Metric, ModelMetric, Pair, RUN_NAME_TAG, RunInfo, RunStatus, Stage,
    rules,
    store::{experiments, inputs, logged_models, metrics, rows_written, runs},
};
use crate::{
    db::Conn,
    error::{Error, Result},
};

/// The experiment's tag that says where it came from.
pub const IMPORT_TAG: &str = "drydock.importedFrom";
const MAX_VALUE_BYTES: usize = 1 << 20;
/// Ids beyond this are given anew: the next id is one above the highest.
const HIGHEST_ID: i64 = 1 << 62;

/// Whether the thing is new here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    New,
    /// It was here, and got what was missing.
    Grown,
    /// It was here, and nothing was missing.
    Same,
}

/// A thing that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub taken: Taken,
    /// Tags that were edited here and say something else there.
    pub left_alone: u64,
    /// For the next import of it.
    pub marks: TagMarks,
}

impl Outcome {
    /// Of a thing that was here and did not come from there.
    pub fn untouched() -> Self {
        Self { taken: Taken::Same, left_alone: 0, marks: TagMarks::default() }
    }
}

impl Taken {
    /// Of a thing that was here, by how many rows were written since.
    fn since(conn: &mut Conn, before: i64) -> Result<Self> {
        Ok(if rows_written(conn)? > before { Self::Grown } else { Self::Same })
    }
}

fn checked(pairs: &[KeyValue]) -> Result<Vec<Pair>> {
    pairs
        .iter()
        .map(|KeyValue { key, value }| {
            rules::key_name(key, "key")?;
            rules::at_most("key", rules::MAX_KEY_CHARS, key)?;
            if value.len() > MAX_VALUE_BYTES {
                return Err(Error::refused(format!("The value of {key} is larger than 1 MiB.")));
            }
            Ok((key.clone(), value.clone()))
        })
        .collect()
}

/// The experiment of that name, deleted or not.
pub fn experiment_named(conn: &mut Conn, project: &str, name: &str) -> Result<Option<Experiment>> {
    experiments::find_by_name(conn, project, name)
}

/// The experiment of that id, deleted or not.
pub fn experiment_of_id(conn: &mut Conn, id: i64) -> Result<Option<Experiment>> {
    experiments::find(conn, id, Stage::All)
}

/// Makes the experiment under `name`, with its own id if that is free. `at`: when it was imported.
pub fn import_experiment(
    conn: &mut Conn,
    project: &str,
    foreign: &ForeignExperiment,
    name: &str,
    (source, at): (&str, i64),
) -> Result<Experiment> {
    rules::experiment_name(name)?;
    let tags = checked(&foreign.tags)?;
    let wanted = foreign.id.parse::<i64>().ok().filter(|id| (1..HIGHEST_ID).contains(id));
    let free = match wanted {
        Some(id) => experiments::find(conn, id, Stage::All)?.is_none(),
        None => false,
    };
    let times = (foreign.created_at, foreign.updated_at);
    let id =
        experiments::insert_as(conn, project, wanted.filter(|_| free), name, times, foreign.deleted.then_some(at))?;
    for (key, value) in &tags {
        experiments::set_tag(conn, id, key, value)?;
    }
    experiments::set_tag(conn, id, IMPORT_TAG, source)?;
    experiments::find(conn, id, Stage::All)?.ok_or_else(|| Error::not_found("The experiment is gone again."))
}

/// Takes a run in, or adds to one that came before, with the marks of `last`.
///
/// # Errors
/// `conflict` when a run of that id is here that did not come from there and says something else.
pub fn import_run(conn: &mut Conn, foreign: &ForeignRun, last: Option<&TagMarks>, at: i64) -> Result<Outcome> {
    rules::new_run_id(&foreign.id)?;
    let experiment = rules::experiment_id(&foreign.experiment_id)?;
    let status = RunStatus::parse(&foreign.status)
        .ok_or_else(|| Error::refused(format!("{:?} is no status of a run.", foreign.status)))?;
    let (params, mut there) = (checked(&foreign.params)?, checked(&foreign.tags)?);
    there.retain(|(key, _)| key != JOB_TAG);
    let known = runs::find(conn, &foreign.id)?;
    let before = rows_written(conn)?;
    let row = match &known {
        None => insert_run(conn, foreign, experiment, status, at)?,
        Some(known) if last.is_some() => {
            let ended = foreign.ended_at.is_some() && foreign.ended_at != known.ended_at;
            if !known.deleted && (known.status != status || ended) {
                runs::update(conn, known.row, Some(status), foreign.ended_at, None)?;
            }
            known.row
        }
        Some(known) => {
            refuse_another(conn, known, foreign, &params)?;
            return Ok(Outcome::untouched());
        }
    };
    // What came earlier and was purged since comes again as if for the first time.
    let last = last.filter(|_| known.is_some()).cloned().unwrap_or_default();
    let here = if known.is_some() { runs::tags(conn, row)? } else { Vec::new() };
    let plan = tags::plan(&here, &there, &last);
    add_to_run(conn, row, experiment, foreign, (&params, &plan.set))?;
    let taken = if known.is_none() { Taken::New } else { Taken::since(conn, before)? };
    Ok(Outcome { taken, left_alone: plan.left_alone, marks: plan.marks })
}

/// Writes what is not there yet, and nothing else: rows written are what tells a run that grew.
fn add_to_run(
    conn: &mut Conn,
    row: i64,
    experiment: i64,
    foreign: &ForeignRun,
    (params, tags): (&[Pair], &[&Pair]),
) -> Result<()> {
    for (key, value) in params {
        if runs::param(conn, row, key)?.is_none() {
            runs::insert_param(conn, row, key, value)?;
        }
    }
    for (key, value) in tags {
        runs::set_tag(conn, row, key, value)?;
    }
    for series in &foreign.metrics {
        add_points(conn, row, series)?;
    }
    for dataset in &foreign.datasets {
        inputs::add_dataset(conn, experiment, row, &dataset_input(dataset))?;
    }
    for model in &foreign.models_in {
        inputs::add_model_input(conn, row, &model.model_id)?;
    }
    for model in &foreign.models_out {
        inputs::add_model_output(conn, row, &model.model_id, model.step)?;
    }
    Ok(())
}

fn insert_run(conn: &mut Conn, foreign: &ForeignRun, experiment: i64, status: RunStatus, at: i64) -> Result<i64> {
    let Some(there) = experiments::find(conn, experiment, Stage::All)? else {
        return Err(Error::not_found(format!("No Experiment with id={experiment} exists")));
    };
    if let Some(folder) = rules::artifact_key(&rules::join_uri(&there.artifact_location, &[&foreign.id]))
        && let Some(other) = experiments::named_inside(conn, &folder, &foreign.id)?
    {
        return Err(Error::conflict(format!(
            "The folder of the run {} has the artifacts of the experiment {other}; it was left out.",
            foreign.id
        )));
    }
    let info = RunInfo {
        row: 0,
        run_id: foreign.id.clone(),
        experiment_id: experiment,
        name: foreign.name.clone(),
        user: foreign.user.clone(),
        status,
        started_at: foreign.started_at,
        ended_at: foreign.ended_at,
        deleted: false,
        job_id: None,
        artifact_uri: String::new(),
    };
    let row = runs::insert(conn, &info)?;
    if foreign.deleted {
        runs::set_deleted(conn, row, Some(at))?;
    }
    if !foreign.tags.iter().any(|tag| tag.key == RUN_NAME_TAG) && !foreign.name.is_empty() {
        runs::set_tag(conn, row, RUN_NAME_TAG, &foreign.name)?;
    }
    Ok(row)
}

/// A run that was here before may be the very same, after an export say.
fn refuse_another(conn: &mut Conn, known: &RunInfo, foreign: &ForeignRun, params: &[Pair]) -> Result<()> {
    let mut same = known.started_at == foreign.started_at && known.user == foreign.user;
    for (key, value) in params {
        same = same && runs::param(conn, known.row, key)?.as_ref() == Some(value);
    }
    for series in &foreign.metrics {
        same = same && !metrics::series_of(conn, known.row, Some(&series.key))?.is_empty();
    }
    if same {
        return Ok(());
    }
    Err(Error::conflict(format!("The box has another run with the id {}; it was left as it is.", foreign.id)))
}

fn add_points(conn: &mut Conn, row: i64, series: &ForeignSeries) -> Result<()> {
    if series.steps.len() != series.at.len() || series.steps.len() != series.value_bits.len() {
        return Err(Error::refused(format!("The series {} has lists of different lengths.", series.key)));
    }
    let points = series
        .points()
        .map(|(step, at, value)| {
            rules::metric(&series.key, at, value, "")?;
            Ok(Metric { key: series.key.clone(), step, at, value })
        })
        .collect::<Result<Vec<_>>>()?;
    metrics::append(conn, row, &points)
}

fn dataset_input(dataset: &ForeignDataset) -> DatasetInput {
    let ForeignDataset { name, digest, source_type, source, schema, profile, tags } = dataset.clone();
    let tags = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    DatasetInput { tags, name, digest, source_type, source, schema, profile }
}

/// Takes a logged model in, or adds to one that came before.
///
/// # Errors
/// As `import_run`.
pub fn import_logged_model(
    conn: &mut Conn,
    foreign: &ForeignLoggedModel,
    last: Option<&TagMarks>,
    at: i64,
) -> Result<Outcome> {
    rules::run_id(&foreign.id)?;
    let (params, there) = (checked(&foreign.params)?, checked(&foreign.tags)?);
    let experiment_id = rules::experiment_id(&foreign.experiment_id)?;
    let known = logged_models::find(conn, &foreign.id)?;
    let before = rows_written(conn)?;
    let row = match &known {
        Some(known) if last.is_some() => known.row,
        Some(known) if known.created_at == foreign.created_at => return Ok(Outcome::untouched()),
        Some(_) => {
            let text = format!("The box has another logged model with the id {}; it was left as it is.", foreign.id);
            return Err(Error::conflict(text));
        }
        None => {
            let row = logged_models::insert(conn, &new_model(foreign, experiment_id))?;
            if foreign.deleted {
                logged_models::set_deleted(conn, row, at)?;
            }
            row
        }
    };
    let (old_params, old_tags) =
        known.as_ref().map(|known| (known.params.as_slice(), known.tags.as_slice())).unwrap_or_default();
    for (key, value) in params.iter().filter(|(key, _)| !old_params.iter().any(|(old, _)| old == key)) {
        logged_models::set_param(conn, row, key, value)?;
    }
    let last = last.filter(|_| known.is_some()).cloned().unwrap_or_default();
    let plan = tags::plan(old_tags, &there, &last);
    for (key, value) in &plan.set {
        logged_models::set_tag(conn, row, key, value)?;
    }
    for metric in &foreign.metrics {
        let value = f64::from_bits(metric.value_bits);
        rules::metric(&metric.key, metric.at, value, "")?;
        let metric = ModelMetric {
            model_id: foreign.id.clone(),
            run_id: metric.run_id.clone(),
            key: metric.key.clone(),
            at: metric.at,
            step: metric.step,
            value,
            dataset_name: metric.dataset_name.clone(),
            dataset_digest: metric.dataset_digest.clone(),
        };
        logged_models::add_metric(conn, &metric)?;
    }
    let taken = if known.is_none() { Taken::New } else { Taken::since(conn, before)? };
    Ok(Outcome { taken, left_alone: plan.left_alone, marks: plan.marks })
}

fn new_model(foreign: &ForeignLoggedModel, experiment_id: i64) -> LoggedModel {
    LoggedModel {
        row: 0,
        model_id: foreign.id.clone(),
        experiment_id,
        name: foreign.name.clone(),
        model_type: foreign.model_type.clone(),
        source_run_id: foreign.source_run_id.clone(),
        status: foreign.status.clamp(1, 3),
        created_at: foreign.created_at,
        updated_at: foreign.updated_at,
        deleted: false,
        artifact_uri: String::new(),
        params: Vec::new(),
        tags: Vec::new(),
        metrics: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
