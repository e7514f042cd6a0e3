//! Taking in whole things with the ids and times that they had elsewhere, for `transfers`. Within the caller's transaction.
//!
//! Always holds: what was logged here is never changed by an import; a thing that is here and did not come from there is
//! taken for the same only if it says the same. Values are not shortened; what no client could have logged is refused.

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
pub fn experiment_named(conn: &mut Conn, name: &str) -> Result<Option<Experiment>> {
    experiments::find_by_name(conn, name)
}

/// The experiment of that id, deleted or not.
pub fn experiment_of_id(conn: &mut Conn, id: i64) -> Result<Option<Experiment>> {
    experiments::find(conn, id, Stage::All)
}

/// Makes the experiment under `name`, with its own id if that is free. `at`: when it was imported.
pub fn import_experiment(
    conn: &mut Conn,
    foreign: &ForeignExperiment,
    name: &str,
    source: &str,
    at: i64,
) -> Result<Experiment> {
    rules::experiment_name(name)?;
    let tags = checked(&foreign.tags)?;
    let wanted = foreign.id.parse::<i64>().ok().filter(|id| (1..HIGHEST_ID).contains(id));
    let free = match wanted {
        Some(id) => experiments::find(conn, id, Stage::All)?.is_none(),
        None => false,
    };
    let times = (foreign.created_at, foreign.updated_at);
    let id = experiments::insert_as(conn, wanted.filter(|_| free), name, times, foreign.deleted.then_some(at))?;
    for (key, value) in &tags {
        experiments::set_tag(conn, id, key, value)?;
    }
    experiments::set_tag(conn, id, IMPORT_TAG, source)?;
    experiments::find(conn, id, Stage::All)?.ok_or_else(|| Error::not_found("The experiment is gone again."))
}

/// Takes a run in, or adds to one that came before (`ours`).
///
/// # Errors
/// `conflict` when a run of that id is here that did not come from there and says something else.
pub fn import_run(conn: &mut Conn, foreign: &ForeignRun, came_before: bool, at: i64) -> Result<Taken> {
    rules::new_run_id(&foreign.id)?;
    let experiment = rules::experiment_id(&foreign.experiment_id)?;
    let status = RunStatus::parse(&foreign.status)
        .ok_or_else(|| Error::refused(format!("{:?} is no status of a run.", foreign.status)))?;
    let (params, tags) = (checked(&foreign.params)?, checked(&foreign.tags)?);
    let known = runs::find(conn, &foreign.id)?;
    let before = rows_written(conn)?;
    let row = match &known {
        None => insert_run(conn, foreign, experiment, status, at)?,
        Some(known) if came_before => {
            let ended = foreign.ended_at.is_some() && foreign.ended_at != known.ended_at;
            if !known.deleted && (known.status != status || ended) {
                runs::update(conn, known.row, Some(status), foreign.ended_at, None)?;
            }
            known.row
        }
        Some(known) => {
            refuse_another(conn, known, foreign, &params)?;
            return Ok(Taken::Same);
        }
    };
    add_to_run(conn, row, experiment, foreign, (&params, &tags))?;
    if known.is_none() { Ok(Taken::New) } else { Taken::since(conn, before) }
}

/// Writes what is not there yet, and nothing else: rows written are what tells a run that grew.
fn add_to_run(
    conn: &mut Conn,
    row: i64,
    experiment: i64,
    foreign: &ForeignRun,
    (params, tags): (&[Pair], &[Pair]),
) -> Result<()> {
    for (key, value) in params {
        if runs::param(conn, row, key)?.is_none() {
            runs::insert_param(conn, row, key, value)?;
        }
    }
    for (key, value) in tags.iter().filter(|(key, _)| key != JOB_TAG) {
        if runs::tag(conn, row, key)?.as_ref() != Some(value) {
            runs::set_tag(conn, row, key, value)?;
        }
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
pub fn import_logged_model(conn: &mut Conn, foreign: &ForeignLoggedModel, came_before: bool, at: i64) -> Result<Taken> {
    rules::run_id(&foreign.id)?;
    let (params, tags) = (checked(&foreign.params)?, checked(&foreign.tags)?);
    let experiment_id = rules::experiment_id(&foreign.experiment_id)?;
    let known = logged_models::find(conn, &foreign.id)?;
    let before = rows_written(conn)?;
    let row = match &known {
        Some(known) if came_before => known.row,
        Some(known) if known.created_at == foreign.created_at => return Ok(Taken::Same),
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
    for (key, value) in params.iter().filter(|pair| !old_params.contains(pair)) {
        logged_models::set_param(conn, row, key, value)?;
    }
    for (key, value) in tags.iter().filter(|pair| !old_tags.contains(pair)) {
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
    if known.is_none() { Ok(Taken::New) } else { Taken::since(conn, before) }
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pair(key: &str, value: &str) -> KeyValue {
        KeyValue { key: key.into(), value: value.into() }
    }

    fn run() -> ForeignRun {
        let mut series = ForeignSeries { key: "loss".into(), ..ForeignSeries::default() };
        series.push(0, 1, 0.5);
        series.push(1, 2, f64::NAN);
        ForeignRun {
            id: "0123456789abcdef0123456789abcdef".into(),
            experiment_id: "0".into(),
            name: "r".into(),
            status: "FINISHED".into(),
            started_at: 1,
            ended_at: Some(5),
            params: vec![pair("p", "1")],
            tags: vec![pair("t", "1")],
            metrics: vec![series],
            datasets: vec![ForeignDataset {
                name: "d".into(),
                digest: "x".into(),
                source_type: "local".into(),
                source: "{}".into(),
                schema: None,
                profile: None,
                tags: vec![pair("mlflow.data.context", "training")],
            }],
            ..ForeignRun::default()
        }
    }

    #[test]
    fn a_run_whose_folder_is_anothers_is_refused() {
        let conn = &mut crate::db::testing::connection();
        experiments::insert(conn, "other", Some("mlflow-artifacts:/0/theirs/deep/"), 1).unwrap();
        for id in ["models", "traces", "theirs"] {
            let there = ForeignRun { id: id.into(), ..run() };
            assert!(import_run(conn, &there, false, 9).is_err(), "{id}");
        }
        for id in ["their", "models2", "deep"] {
            let there = ForeignRun { id: id.into(), ..run() };
            assert_eq!(import_run(conn, &there, false, 9).unwrap(), Taken::New, "{id}");
        }
    }

    #[test]
    fn a_run_that_comes_again_grew_only_if_it_did() {
        let conn = &mut crate::db::testing::connection();
        assert_eq!(import_run(conn, &run(), false, 9).unwrap(), Taken::New);
        assert_eq!(import_run(conn, &run(), true, 9).unwrap(), Taken::Same);
        let grown: [fn(&mut ForeignRun); 5] = [
            |run| run.tags[0].value = "2".into(),
            |run| run.metrics[0].push(2, 3, 0.25),
            |run| run.params.push(pair("q", "2")),
            |run| run.ended_at = Some(6),
            |run| run.datasets[0].digest = "y".into(),
        ];
        let mut there = run();
        for grow in grown {
            grow(&mut there);
            assert_eq!(import_run(conn, &there, true, 9).unwrap(), Taken::Grown, "{there:?}");
            assert_eq!(import_run(conn, &there, true, 9).unwrap(), Taken::Same, "{there:?}");
        }
    }

    #[test]
    fn a_logged_model_that_comes_again_grew_only_if_it_did() {
        let conn = &mut crate::db::testing::connection();
        let mut there = ForeignLoggedModel {
            id: "m-0123456789abcdef0123456789abcdef".into(),
            experiment_id: "0".into(),
            name: "net".into(),
            model_type: String::new(),
            source_run_id: None,
            status: 2,
            created_at: 1,
            updated_at: 1,
            deleted: false,
            params: vec![pair("p", "1")],
            tags: vec![pair("t", "1")],
            metrics: Vec::new(),
        };
        assert_eq!(import_logged_model(conn, &there, false, 9).unwrap(), Taken::New);
        assert_eq!(import_logged_model(conn, &there, true, 9).unwrap(), Taken::Same);
        there.tags[0].value = "2".into();
        assert_eq!(import_logged_model(conn, &there, true, 9).unwrap(), Taken::Grown);
    }
}
