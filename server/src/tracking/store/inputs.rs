//! What runs read and made: declared datasets, logged models.

use std::collections::HashMap;

use diesel::{prelude::*, sql_types::*};

use super::json_ids;
use crate::{
    db::{
        Conn,
        schema::tracking::{run_datasets as datasets, run_inputs as inputs, run_models as models},
    },
    error::{Error, Result},
    tracking::{DatasetInput, DatasetSummary, Pair},
};

const CONTEXT_TAG: &str = "mlflow.data.context";
const INPUT: i64 = 0;
const OUTPUT: i64 = 1;

/// Notes the dataset as an input of the run. The same (name, digest) is one dataset within its experiment, and one
/// input of a run: the first one stays.
pub fn add_dataset(conn: &mut Conn, experiment: i64, run: i64, input: &DatasetInput) -> Result<()> {
    let DatasetInput { tags, name, digest, source_type, source, schema, profile } = input;
    let known: Option<i64> = datasets::table
        .filter(datasets::experiment_id.eq(experiment))
        .filter(datasets::name.eq(name))
        .filter(datasets::digest.eq(digest))
        .select(datasets::id)
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    let dataset = match known {
        Some(id) => id,
        None => diesel::insert_into(datasets::table)
            .values((
                datasets::experiment_id.eq(experiment),
                datasets::name.eq(name),
                datasets::digest.eq(digest),
                datasets::source_type.eq(source_type),
                datasets::source.eq(source),
                datasets::dataset_schema.eq(schema),
                datasets::profile.eq(profile),
            ))
            .returning(datasets::id)
            .get_result(conn)
            .map_err(Error::internal)?,
    };
    let context = tags.iter().find(|(key, _)| key == CONTEXT_TAG).map(|(_, value)| value);
    let tags = serde_json::to_string(tags).map_err(Error::internal)?;
    diesel::insert_or_ignore_into(inputs::table)
        .values((inputs::run.eq(run), inputs::dataset.eq(dataset), inputs::context.eq(context), inputs::tags.eq(tags)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn add_model_input(conn: &mut Conn, run: i64, model_id: &str) -> Result<()> {
    add_model(conn, run, INPUT, model_id, 0)
}

pub fn add_model_output(conn: &mut Conn, run: i64, model_id: &str, step: i64) -> Result<()> {
    add_model(conn, run, OUTPUT, model_id, step)
}

fn add_model(conn: &mut Conn, run: i64, direction: i64, model_id: &str, step: i64) -> Result<()> {
    diesel::insert_or_ignore_into(models::table)
        .values((
            models::run.eq(run),
            models::direction.eq(direction),
            models::model_id.eq(model_id),
            models::step.eq(step),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

#[derive(QueryableByName, Queryable)]
struct InputRow {
    #[diesel(sql_type = BigInt)]
    run: i64,
    #[diesel(sql_type = Text)]
    tags: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    digest: String,
    #[diesel(sql_type = Text)]
    source_type: String,
    #[diesel(sql_type = Text)]
    source: String,
    #[diesel(sql_type = Nullable<Text>)]
    dataset_schema: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    profile: Option<String>,
}

/// Declared datasets by run.
pub fn datasets_of(conn: &mut Conn, runs: &[i64]) -> Result<HashMap<i64, Vec<DatasetInput>>> {
    let rows: Vec<InputRow> = diesel::sql_query(
        "SELECT i.run, i.tags, d.name, d.digest, d.source_type, d.source, d.dataset_schema, d.profile
         FROM run_inputs i JOIN run_datasets d ON d.id = i.dataset WHERE i.run IN (SELECT value FROM json_each(?))",
    )
    .bind::<Text, _>(json_ids(runs))
    .load(conn)
    .map_err(Error::internal)?;
    let mut grouped: HashMap<i64, Vec<DatasetInput>> = HashMap::new();
    for row in rows {
        grouped.entry(row.run).or_default().push(input_of(row)?);
    }
    Ok(grouped)
}

/// Declared datasets of one run: the same as above by a statement that stays prepared.
pub fn datasets_of_run(conn: &mut Conn, run: i64) -> Result<Vec<DatasetInput>> {
    let rows: Vec<InputRow> = inputs::table
        .inner_join(datasets::table.on(datasets::id.eq(inputs::dataset)))
        .filter(inputs::run.eq(run))
        .select((
            inputs::run,
            inputs::tags,
            datasets::name,
            datasets::digest,
            datasets::source_type,
            datasets::source,
            datasets::dataset_schema,
            datasets::profile,
        ))
        .load(conn)
        .map_err(Error::internal)?;
    rows.into_iter().map(input_of).collect()
}

fn input_of(row: InputRow) -> Result<DatasetInput> {
    let tags: Vec<Pair> = serde_json::from_str(&row.tags).map_err(Error::internal)?;
    Ok(DatasetInput {
        tags,
        name: row.name,
        digest: row.digest,
        source_type: row.source_type,
        source: row.source,
        schema: row.dataset_schema,
        profile: row.profile,
    })
}

#[derive(QueryableByName, Queryable)]
struct ModelRow {
    #[diesel(sql_type = BigInt)]
    run: i64,
    #[diesel(sql_type = BigInt)]
    direction: i64,
    #[diesel(sql_type = Text)]
    model_id: String,
    #[diesel(sql_type = BigInt)]
    step: i64,
}

#[derive(QueryableByName)]
struct SummaryRow {
    #[diesel(sql_type = BigInt)]
    experiment_id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    digest: String,
    #[diesel(sql_type = Nullable<Text>)]
    context: Option<String>,
}

/// Datasets of these experiments that a run declared, once per context.
pub fn summaries(conn: &mut Conn, experiments: &[i64]) -> Result<Vec<DatasetSummary>> {
    let rows: Vec<SummaryRow> = diesel::sql_query(
        "SELECT DISTINCT d.experiment_id, d.name, d.digest, i.context FROM run_datasets d JOIN run_inputs i ON i.dataset = d.id
         WHERE d.experiment_id IN (SELECT value FROM json_each(?)) LIMIT 1000",
    )
    .bind::<Text, _>(json_ids(experiments))
    .load(conn)
    .map_err(Error::internal)?;
    let summary = |row: SummaryRow| DatasetSummary {
        experiment_id: row.experiment_id,
        name: row.name,
        digest: row.digest,
        context: row.context,
    };
    Ok(rows.into_iter().map(summary).collect())
}

/// Ids of models that went in, and ids with steps of models that came out.
pub type RunModels = (Vec<String>, Vec<(String, i64)>);

/// Logged models by run.
pub fn models_of(conn: &mut Conn, runs: &[i64]) -> Result<HashMap<i64, RunModels>> {
    let rows: Vec<ModelRow> = diesel::sql_query(
        "SELECT run, direction, model_id, step FROM run_models WHERE run IN (SELECT value FROM json_each(?))",
    )
    .bind::<Text, _>(json_ids(runs))
    .load(conn)
    .map_err(Error::internal)?;
    let mut grouped: HashMap<i64, RunModels> = HashMap::new();
    for row in rows {
        add_to(grouped.entry(row.run).or_default(), row);
    }
    Ok(grouped)
}

/// Logged models of one run: the same as above by a statement that stays prepared.
pub fn models_of_run(conn: &mut Conn, run: i64) -> Result<RunModels> {
    let rows: Vec<ModelRow> = models::table
        .filter(models::run.eq(run))
        .select((models::run, models::direction, models::model_id, models::step))
        .load(conn)
        .map_err(Error::internal)?;
    let mut found = RunModels::default();
    rows.into_iter().for_each(|row| add_to(&mut found, row));
    Ok(found)
}

fn add_to(models: &mut RunModels, row: ModelRow) {
    if row.direction == INPUT {
        models.0.push(row.model_id);
    } else {
        models.1.push((row.model_id, row.step));
    }
}
