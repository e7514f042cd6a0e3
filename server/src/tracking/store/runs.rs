//! Rows of runs, params and tags, and runs put together for an answer in a fixed number of queries.

use std::collections::HashMap;

use diesel::{prelude::*, sql_types::*};

use super::{inputs, json_ids};
use crate::{
    db::{
        Conn,
        schema::tracking::{experiments, run_params as params, run_tags as tags, runs},
    },
    error::{Error, Result},
    tracking::{Metric, Pair, Run, RunInfo, RunStatus, rules, search::sql::Fragment},
};

#[derive(Queryable)]
struct RunRow {
    id: i64,
    run_id: String,
    experiment_id: i64,
    name: String,
    user_name: String,
    status: String,
    started_at: i64,
    ended_at: Option<i64>,
    deleted_at: Option<i64>,
    job_id: Option<String>,
    location: String,
}

impl RunRow {
    fn info(self) -> RunInfo {
        RunInfo {
            artifact_uri: rules::join_uri(&self.location, &[&self.run_id, "artifacts"]),
            row: self.id,
            run_id: self.run_id,
            experiment_id: self.experiment_id,
            name: self.name,
            user: self.user_name,
            status: RunStatus::parse(&self.status).unwrap_or(RunStatus::Running),
            started_at: self.started_at,
            ended_at: self.ended_at,
            deleted: self.deleted_at.is_some(),
            job_id: self.job_id,
        }
    }
}

#[diesel::dsl::auto_type(no_type_alias)]
fn rows() -> _ {
    runs::table.inner_join(experiments::table).select((
        runs::id,
        runs::run_id,
        runs::experiment_id,
        runs::name,
        runs::user_name,
        runs::status,
        runs::started_at,
        runs::ended_at,
        runs::deleted_at,
        runs::job_id,
        experiments::artifact_location,
    ))
}

/// Names of runs by id.
pub fn names(conn: &mut Conn, ids: &[String]) -> Result<HashMap<String, String>> {
    let found: Vec<(String, String)> = runs::table
        .filter(runs::run_id.eq_any(ids))
        .select((runs::run_id, runs::name))
        .load(conn)
        .map_err(Error::internal)?;
    Ok(found.into_iter().collect())
}

/// Inserts a run; its surrogate id.
pub fn insert(conn: &mut Conn, info: &RunInfo) -> Result<i64> {
    diesel::insert_into(runs::table)
        .values((
            runs::run_id.eq(&info.run_id),
            runs::experiment_id.eq(info.experiment_id),
            runs::name.eq(&info.name),
            runs::user_name.eq(&info.user),
            runs::status.eq(info.status.as_str()),
            runs::started_at.eq(info.started_at),
            runs::ended_at.eq(info.ended_at),
            runs::job_id.eq(&info.job_id),
        ))
        .returning(runs::id)
        .get_result(conn)
        .map_err(Error::internal)
}

pub fn find(conn: &mut Conn, run_id: &str) -> Result<Option<RunInfo>> {
    let row: Option<RunRow> = rows().filter(runs::run_id.eq(run_id)).first(conn).optional().map_err(Error::internal)?;
    Ok(row.map(RunRow::info))
}

/// Surrogate id and whether deleted: all that a logging call has to know.
pub fn key_of(conn: &mut Conn, run_id: &str) -> Result<Option<(i64, i64, bool)>> {
    let row: Option<(i64, i64, Option<i64>)> = runs::table
        .filter(runs::run_id.eq(run_id))
        .select((runs::id, runs::experiment_id, runs::deleted_at))
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    Ok(row.map(|(row, experiment, deleted)| (row, experiment, deleted.is_some())))
}

/// Changes what is `Some`.
pub fn update(
    conn: &mut Conn,
    row: i64,
    status: Option<RunStatus>,
    ended_at: Option<i64>,
    name: Option<&str>,
) -> Result<()> {
    let run = runs::table.find(row);
    if let Some(status) = status {
        diesel::update(run).set(runs::status.eq(status.as_str())).execute(conn).map_err(Error::internal)?;
    }
    if let Some(ended_at) = ended_at {
        diesel::update(run).set(runs::ended_at.eq(ended_at)).execute(conn).map_err(Error::internal)?;
    }
    if let Some(name) = name {
        diesel::update(run).set(runs::name.eq(name)).execute(conn).map_err(Error::internal)?;
        set_tag(conn, row, crate::tracking::RUN_NAME_TAG, name)?;
    }
    Ok(())
}

pub fn set_deleted(conn: &mut Conn, row: i64, deleted_at: Option<i64>) -> Result<()> {
    diesel::update(runs::table.find(row))
        .set(runs::deleted_at.eq(deleted_at))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// The param's value, if it was logged.
pub fn param(conn: &mut Conn, row: i64, key: &str) -> Result<Option<String>> {
    params::table.find((row, key)).select(params::value).first(conn).optional().map_err(Error::internal)
}

pub fn insert_param(conn: &mut Conn, row: i64, key: &str, value: &str) -> Result<()> {
    diesel::insert_into(params::table)
        .values((params::run.eq(row), params::key.eq(key), params::value.eq(value)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn set_tag(conn: &mut Conn, row: i64, key: &str, value: &str) -> Result<()> {
    diesel::insert_into(tags::table)
        .values((tags::run.eq(row), tags::key.eq(key), tags::value.eq(value)))
        .on_conflict((tags::run, tags::key))
        .do_update()
        .set(tags::value.eq(value))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn tag(conn: &mut Conn, row: i64, key: &str) -> Result<Option<String>> {
    tags::table.find((row, key)).select(tags::value).first(conn).optional().map_err(Error::internal)
}

/// All tags of one run.
pub fn tags(conn: &mut Conn, row: i64) -> Result<Vec<Pair>> {
    tags::table.filter(tags::run.eq(row)).select((tags::key, tags::value)).load(conn).map_err(Error::internal)
}

/// Whether there was such a tag.
pub fn delete_tag(conn: &mut Conn, row: i64, key: &str) -> Result<bool> {
    diesel::delete(tags::table.find((row, key))).execute(conn).map(|count| count > 0).map_err(Error::internal)
}

/// Run ids of a workload, oldest first.
pub fn of_job(conn: &mut Conn, job_id: &str) -> Result<Vec<String>> {
    runs::table
        .filter(runs::job_id.eq(job_id))
        .filter(runs::deleted_at.is_null())
        .order((runs::started_at, runs::id))
        .select(runs::run_id)
        .load(conn)
        .map_err(Error::internal)
}

/// Names and numbers of the registered versions made from the run.
pub fn model_versions(conn: &mut Conn, run_id: &str) -> Result<Vec<(String, i64)>> {
    use crate::db::schema::registry::{model_versions as versions, registered_models as models};
    versions::table
        .inner_join(models::table)
        .filter(versions::run_id.eq(run_id))
        .order((models::name, versions::version))
        .select((models::name, versions::version))
        .load(conn)
        .map_err(Error::internal)
}

/// One run with everything it logged.
pub fn load_one(conn: &mut Conn, run_id: &str) -> Result<Option<Run>> {
    use crate::db::schema::tracking::metrics;
    let Some(info) = find(conn, run_id)? else { return Ok(None) };
    let row = info.row;
    let latest: Vec<(String, i64, i64, f64, bool)> = metrics::table
        .filter(metrics::run.eq(row))
        .order(metrics::id)
        .select((metrics::key, metrics::step, metrics::at, metrics::value, metrics::is_nan))
        .load(conn)
        .map_err(Error::internal)?;
    let metrics = latest
        .into_iter()
        .map(|(key, step, at, value, is_nan)| Metric { key, step, at, value: if is_nan { f64::NAN } else { value } })
        .collect();
    let params = params::table
        .filter(params::run.eq(row))
        .select((params::key, params::value))
        .load(conn)
        .map_err(Error::internal)?;
    let tags =
        tags::table.filter(tags::run.eq(row)).select((tags::key, tags::value)).load(conn).map_err(Error::internal)?;
    let datasets = inputs::datasets_of_run(conn, row)?;
    let (models_in, models_out) = inputs::models_of_run(conn, row)?;
    Ok(Some(Run { info, metrics, params, tags, datasets, models_in, models_out }))
}

#[derive(QueryableByName)]
struct InfoRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    run_id: String,
    #[diesel(sql_type = BigInt)]
    experiment_id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    user_name: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = BigInt)]
    started_at: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    ended_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    deleted_at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    job_id: Option<String>,
    #[diesel(sql_type = Text)]
    location: String,
}

#[derive(QueryableByName)]
struct PairRow {
    #[diesel(sql_type = BigInt)]
    run: i64,
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = Text)]
    value: String,
}

#[derive(QueryableByName)]
struct MetricRow {
    #[diesel(sql_type = BigInt)]
    run: i64,
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = BigInt)]
    step: i64,
    #[diesel(sql_type = BigInt)]
    at: i64,
    #[diesel(sql_type = Double)]
    value: f64,
    #[diesel(sql_type = Bool)]
    is_nan: bool,
}

/// Which of the things that runs logged a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    pub metrics: Vec<String>,
    pub params: Vec<String>,
    pub tags: Vec<String>,
}

/// The runs of these surrogate ids, in this order, each with everything it logged, in six queries whatever their number.
pub fn load(conn: &mut Conn, ids: &[i64]) -> Result<Vec<Run>> {
    let bound = json_ids(ids);
    let metrics = metrics_of(conn, &bound, None)?;
    let params = pairs_of(conn, "run_params", &bound, None)?;
    let tags = pairs_of(conn, "run_tags", &bound, None)?;
    let mut datasets = inputs::datasets_of(conn, ids)?;
    let mut models = inputs::models_of(conn, ids)?;
    let mut all = put_together(conn, ids, metrics, params, tags)?;
    for run in &mut all {
        run.datasets = datasets.remove(&run.info.row).unwrap_or_default();
        (run.models_in, run.models_out) = models.remove(&run.info.row).unwrap_or_default();
    }
    Ok(all)
}

/// As `load`, with what is shown of them alone: a window of a long list.
pub fn load_shown(conn: &mut Conn, ids: &[i64], shown: &Shown) -> Result<Vec<Run>> {
    let bound = json_ids(ids);
    let metrics = match shown.metrics.is_empty() {
        true => HashMap::new(),
        false => metrics_of(conn, &bound, Some(&shown.metrics))?,
    };
    let mut pairs = |table: &str, keys: &[String]| match keys.is_empty() {
        true => Ok(HashMap::new()),
        false => pairs_of(conn, table, &bound, Some(keys)),
    };
    let params = pairs("run_params", &shown.params)?;
    let tags = pairs("run_tags", &shown.tags)?;
    put_together(conn, ids, metrics, params, tags)
}

type ByRun<T> = HashMap<i64, Vec<T>>;

fn put_together(
    conn: &mut Conn,
    ids: &[i64],
    mut metrics: ByRun<Metric>,
    mut params: ByRun<Pair>,
    mut tags: ByRun<Pair>,
) -> Result<Vec<Run>> {
    let bound = json_ids(ids);
    let infos: Vec<InfoRow> = diesel::sql_query(
        "SELECT r.id, r.run_id, r.experiment_id, r.name, r.user_name, r.status, r.started_at, r.ended_at, r.deleted_at,
                r.job_id, e.artifact_location AS location
         FROM runs r JOIN experiments e ON e.id = r.experiment_id WHERE r.id IN (SELECT value FROM json_each(?))",
    )
    .bind::<Text, _>(&bound)
    .load(conn)
    .map_err(Error::internal)?;
    let mut by_id: HashMap<i64, Run> = infos
        .into_iter()
        .map(|row| {
            let run = Run {
                metrics: metrics.remove(&row.id).unwrap_or_default(),
                params: params.remove(&row.id).unwrap_or_default(),
                tags: tags.remove(&row.id).unwrap_or_default(),
                datasets: Vec::new(),
                models_in: Vec::new(),
                models_out: Vec::new(),
                info: info_of(row),
            };
            (run.info.row, run)
        })
        .collect();
    Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
}

fn info_of(row: InfoRow) -> RunInfo {
    let InfoRow {
        id,
        run_id,
        experiment_id,
        name,
        user_name,
        status,
        started_at,
        ended_at,
        deleted_at,
        job_id,
        location,
    } = row;
    RunRow { id, run_id, experiment_id, name, user_name, status, started_at, ended_at, deleted_at, job_id, location }
        .info()
}

fn of_runs(select: &str, bound: &str, keys: Option<&[String]>) -> Fragment {
    let mut query = Fragment::new(format!("{select} WHERE run IN (SELECT value FROM json_each(?))"));
    query.text(bound);
    if let Some(keys) = keys {
        query
            .push(" AND key IN (SELECT value FROM json_each(?))")
            .text(serde_json::Value::from(keys.to_vec()).to_string());
    }
    query
}

fn pairs_of(conn: &mut Conn, table: &str, bound: &str, keys: Option<&[String]>) -> Result<ByRun<Pair>> {
    let query = of_runs(&format!("SELECT run, key, value FROM {table}"), bound, keys);
    let rows: Vec<PairRow> = query.query().load(conn).map_err(Error::internal)?;
    let mut grouped: HashMap<i64, Vec<Pair>> = HashMap::new();
    for row in rows {
        grouped.entry(row.run).or_default().push((row.key, row.value));
    }
    Ok(grouped)
}

fn metrics_of(conn: &mut Conn, bound: &str, keys: Option<&[String]>) -> Result<ByRun<Metric>> {
    let query = of_runs("SELECT run, key, step, at, value, is_nan FROM metrics", bound, keys);
    let rows: Vec<MetricRow> = query.query().load(conn).map_err(Error::internal)?;
    let mut grouped: HashMap<i64, Vec<Metric>> = HashMap::new();
    for row in rows {
        let value = if row.is_nan { f64::NAN } else { row.value };
        grouped.entry(row.run).or_default().push(Metric { key: row.key, step: row.step, at: row.at, value });
    }
    Ok(grouped)
}
