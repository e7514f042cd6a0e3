//! Rows of logged models: what `log_model` of MLflow 3 makes beside the run.

use diesel::prelude::*;

use crate::{
    db::{
        Conn,
        schema::tracking::{
            experiments, logged_model_metrics as metrics, logged_model_params as params, logged_model_tags as tags,
            logged_models as models,
        },
    },
    error::{Error, Result},
    tracking::{LoggedModel, ModelMetric, Pair, rules},
};

#[derive(Queryable)]
struct ModelRow {
    id: i64,
    model_id: String,
    experiment_id: i64,
    name: String,
    model_type: String,
    source_run_id: Option<String>,
    status: i64,
    created_at: i64,
    updated_at: i64,
    deleted_at: Option<i64>,
    location: String,
}

#[diesel::dsl::auto_type(no_type_alias)]
fn rows() -> _ {
    models::table.inner_join(experiments::table).select((
        models::id,
        models::model_id,
        models::experiment_id,
        models::name,
        models::model_type,
        models::source_run_id,
        models::status,
        models::created_at,
        models::updated_at,
        models::deleted_at,
        experiments::artifact_location,
    ))
}

/// Inserts the model; its surrogate id.
pub fn insert(conn: &mut Conn, model: &LoggedModel) -> Result<i64> {
    diesel::insert_into(models::table)
        .values((
            models::model_id.eq(&model.model_id),
            models::experiment_id.eq(model.experiment_id),
            models::name.eq(&model.name),
            models::model_type.eq(&model.model_type),
            models::source_run_id.eq(&model.source_run_id),
            models::status.eq(model.status),
            models::created_at.eq(model.created_at),
            models::updated_at.eq(model.updated_at),
        ))
        .returning(models::id)
        .get_result(conn)
        .map_err(Error::internal)
}

/// The model with params, tags and metrics.
pub fn find(conn: &mut Conn, model_id: &str) -> Result<Option<LoggedModel>> {
    let row: Option<ModelRow> =
        rows().filter(models::model_id.eq(model_id)).first(conn).optional().map_err(Error::internal)?;
    row.map(|row| complete(conn, row)).transpose()
}

/// The models of these surrogate ids, in this order.
pub fn load(conn: &mut Conn, ids: &[i64]) -> Result<Vec<LoggedModel>> {
    let mut all = Vec::with_capacity(ids.len());
    for id in ids {
        let row: ModelRow = rows().filter(models::id.eq(*id)).first(conn).map_err(Error::internal)?;
        all.push(complete(conn, row)?);
    }
    Ok(all)
}

fn complete(conn: &mut Conn, row: ModelRow) -> Result<LoggedModel> {
    let params: Vec<Pair> = params::table
        .filter(params::model.eq(row.id))
        .select((params::key, params::value))
        .load(conn)
        .map_err(Error::internal)?;
    let tags: Vec<Pair> = tags::table
        .filter(tags::model.eq(row.id))
        .select((tags::key, tags::value))
        .load(conn)
        .map_err(Error::internal)?;
    type Row = (String, i64, i64, String, f64, bool, Option<String>, Option<String>);
    let rows: Vec<Row> = metrics::table
        .filter(metrics::model.eq(row.id))
        .select((
            metrics::key,
            metrics::at,
            metrics::step,
            metrics::run_id,
            metrics::value,
            metrics::is_nan,
            metrics::dataset_name,
            metrics::dataset_digest,
        ))
        .load(conn)
        .map_err(Error::internal)?;
    let metrics = rows
        .into_iter()
        .map(|(key, at, step, run_id, value, is_nan, dataset_name, dataset_digest)| ModelMetric {
            model_id: row.model_id.clone(),
            run_id,
            key,
            at,
            step,
            value: if is_nan { f64::NAN } else { value },
            dataset_name,
            dataset_digest,
        })
        .collect();
    Ok(LoggedModel {
        artifact_uri: rules::join_uri(&row.location, &["models", &row.model_id, "artifacts"]),
        row: row.id,
        model_id: row.model_id,
        experiment_id: row.experiment_id,
        name: row.name,
        model_type: row.model_type,
        source_run_id: row.source_run_id,
        status: row.status,
        created_at: row.created_at,
        updated_at: row.updated_at,
        deleted: row.deleted_at.is_some(),
        params,
        tags,
        metrics,
    })
}

pub fn set_status(conn: &mut Conn, row: i64, status: i64, at: i64) -> Result<()> {
    diesel::update(models::table.find(row))
        .set((models::status.eq(status), models::updated_at.eq(at)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn set_deleted(conn: &mut Conn, row: i64, at: i64) -> Result<()> {
    diesel::update(models::table.find(row))
        .set((models::deleted_at.eq(at), models::updated_at.eq(at)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn set_param(conn: &mut Conn, row: i64, key: &str, value: &str) -> Result<()> {
    diesel::insert_into(params::table)
        .values((params::model.eq(row), params::key.eq(key), params::value.eq(value)))
        .on_conflict((params::model, params::key))
        .do_update()
        .set(params::value.eq(value))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn set_tag(conn: &mut Conn, row: i64, key: &str, value: &str) -> Result<()> {
    diesel::insert_into(tags::table)
        .values((tags::model.eq(row), tags::key.eq(key), tags::value.eq(value)))
        .on_conflict((tags::model, tags::key))
        .do_update()
        .set(tags::value.eq(value))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Whether there was such a tag.
pub fn delete_tag(conn: &mut Conn, row: i64, key: &str) -> Result<bool> {
    diesel::delete(tags::table.find((row, key))).execute(conn).map(|count| count > 0).map_err(Error::internal)
}

/// Notes a metric of the model.
///
/// # Errors
/// `not_found` when there is no such model.
pub fn add_metric(conn: &mut Conn, metric: &ModelMetric) -> Result<()> {
    let model: Option<i64> = models::table
        .filter(models::model_id.eq(&metric.model_id))
        .select(models::id)
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    let model =
        model.ok_or_else(|| Error::not_found(format!("Logged model with ID '{}' not found.", metric.model_id)))?;
    let (value, is_nan) = if metric.value.is_nan() { (0.0, true) } else { (metric.value, false) };
    diesel::insert_or_ignore_into(metrics::table)
        .values((
            metrics::model.eq(model),
            metrics::key.eq(&metric.key),
            metrics::at.eq(metric.at),
            metrics::step.eq(metric.step),
            metrics::run_id.eq(&metric.run_id),
            metrics::value.eq(value),
            metrics::is_nan.eq(is_nan),
            metrics::dataset_name.eq(&metric.dataset_name),
            metrics::dataset_digest.eq(&metric.dataset_digest),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// The newest logged model of that name made by the run, if any: what `runs:/…/name` means to MLflow 3.
pub fn of_run(conn: &mut Conn, run_id: &str, name: &str) -> Result<Option<LoggedModel>> {
    let row: Option<ModelRow> = rows()
        .filter(models::source_run_id.eq(run_id))
        .filter(models::name.eq(name))
        .filter(models::deleted_at.is_null())
        .order(models::created_at.desc())
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    row.map(|row| complete(conn, row)).transpose()
}
