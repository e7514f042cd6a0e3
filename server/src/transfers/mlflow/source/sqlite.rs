//! MLflow's SQLite file, of any release from 2.x on: columns and tables that a release lacks are left out of the questions.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types::*};
use drydock_wire::{
    KeyValue,
    import::{
        ForeignAlias, ForeignDataset, ForeignExperiment, ForeignLoggedModel, ForeignModel, ForeignModelMetric,
        ForeignModelUse, ForeignRun, ForeignSeries, ForeignVersion,
    },
};

use super::{Batch, File, Unread, Whole, infinite_again, places::Places};
use crate::error::{Error, Result};

/// The file, opened anew for each question: it may belong to a server that runs.
#[derive(Debug, Clone)]
pub struct Sqlite {
    file: PathBuf,
    places: Places,
    tables: HashSet<String>,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Pair {
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}

#[derive(QueryableByName)]
struct ExperimentRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    stage: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    created_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    updated_at: Option<i64>,
}

#[derive(QueryableByName)]
struct RunRow {
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    user: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    status: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    started_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    ended_at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    stage: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    artifact_uri: Option<String>,
}

#[derive(QueryableByName)]
struct PointRow {
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = Double)]
    value: f64,
    #[diesel(sql_type = BigInt)]
    at: i64,
    #[diesel(sql_type = BigInt)]
    step: i64,
    #[diesel(sql_type = Bool)]
    is_nan: bool,
}

#[derive(QueryableByName)]
struct DatasetRow {
    #[diesel(sql_type = Text)]
    input: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    digest: String,
    #[diesel(sql_type = Nullable<Text>)]
    source_type: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    source: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    schema: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    profile: Option<String>,
}

#[derive(QueryableByName)]
struct UseRow {
    #[diesel(sql_type = Text)]
    model_id: String,
    #[diesel(sql_type = BigInt)]
    step: i64,
}

#[derive(QueryableByName)]
struct ModelRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    location: Option<String>,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = BigInt)]
    updated_at: i64,
    #[diesel(sql_type = BigInt)]
    status: i64,
    #[diesel(sql_type = Nullable<Text>)]
    stage: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    model_type: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    run_id: Option<String>,
}

#[derive(QueryableByName)]
struct ModelMetricRow {
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = BigInt)]
    at: i64,
    #[diesel(sql_type = BigInt)]
    step: i64,
    #[diesel(sql_type = Nullable<Double>)]
    value: Option<f64>,
    #[diesel(sql_type = Text)]
    run_id: String,
    #[diesel(sql_type = Nullable<Text>)]
    dataset_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    dataset_digest: Option<String>,
}

#[derive(QueryableByName)]
struct RegisteredRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    created_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    updated_at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    description: Option<String>,
}

#[derive(QueryableByName)]
struct VersionRow {
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    created_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    updated_at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    description: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    user: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    stage: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    source: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    location: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    run_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    run_link: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    status: Option<String>,
}

#[derive(QueryableByName)]
struct AliasRow {
    #[diesel(sql_type = Text)]
    alias: String,
    #[diesel(sql_type = BigInt)]
    version: i64,
}

fn broken(error: diesel::result::Error) -> Error {
    Error::invalid(format!("MLflow's database answers: {error}."))
}

fn key_values(rows: Vec<Pair>) -> Vec<KeyValue> {
    rows.into_iter().map(|row| KeyValue { key: row.key, value: row.value.unwrap_or_default() }).collect()
}

fn is_deleted(stage: Option<&String>) -> bool {
    stage.is_some_and(|stage| stage == "deleted")
}

impl Sqlite {
    pub fn open(file: &Path, artifacts: &[PathBuf]) -> Result<Self> {
        let beside = file.parent().unwrap_or(Path::new("/"));
        let places = Places::new(beside, artifacts).map_err(|error| Error::invalid(error.to_string()))?;
        let mut it = Self { file: file.to_owned(), places, tables: HashSet::new() };
        let names: Vec<Name> =
            sql_query("SELECT name FROM sqlite_master WHERE type = 'table'").load(&mut it.conn()?).map_err(broken)?;
        it.tables = names.into_iter().map(|row| row.name).collect();
        if !it.has("experiments") || !it.has("runs") {
            return Err(Error::invalid(format!("{} is no database of MLflow.", file.display())));
        }
        Ok(it)
    }

    fn has(&self, table: &str) -> bool {
        self.tables.contains(table)
    }

    /// Read-only: the file is somebody's, and stays as it is.
    fn conn(&self) -> Result<SqliteConnection> {
        let path = self.file.to_string_lossy();
        let name = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        SqliteConnection::establish(&format!("file:{name}?mode=ro"))
            .map_err(|error| Error::invalid(format!("{}: {error}.", self.file.display())))
    }

    /// `column`, or what stands for it where the release has none.
    fn column(conn: &mut SqliteConnection, table: &str, column: &str, instead: &str) -> Result<String> {
        let found: Vec<Name> = sql_query("SELECT name FROM pragma_table_info(?) WHERE name = ?")
            .bind::<Text, _>(table)
            .bind::<Text, _>(column)
            .load(conn)
            .map_err(broken)?;
        Ok(if found.is_empty() { instead.to_owned() } else { column.to_owned() })
    }

    fn pairs(&self, conn: &mut SqliteConnection, query: &str, id: &str) -> Result<Vec<KeyValue>> {
        Ok(key_values(sql_query(query).bind::<Text, _>(id).load(conn).map_err(broken)?))
    }

    pub fn experiments(&self) -> Result<(Vec<ForeignExperiment>, Vec<Unread>)> {
        let conn = &mut self.conn()?;
        let made = Self::column(conn, "experiments", "creation_time", "0")?;
        let changed = Self::column(conn, "experiments", "last_update_time", "0")?;
        let rows: Vec<ExperimentRow> = sql_query(format!(
            "SELECT experiment_id AS id, name, lifecycle_stage AS stage, {made} AS created_at, {changed} AS updated_at
             FROM experiments ORDER BY experiment_id"
        ))
        .load(conn)
        .map_err(broken)?;
        let mut found = Vec::new();
        for row in rows {
            let tags = "SELECT key, value FROM experiment_tags WHERE experiment_id = CAST(? AS INTEGER) ORDER BY key";
            let id = row.id.to_string();
            found.push(ForeignExperiment {
                tags: self.pairs(conn, tags, &id)?,
                id,
                name: row.name,
                created_at: row.created_at.unwrap_or(0),
                updated_at: row.updated_at.or(row.created_at).unwrap_or(0),
                deleted: is_deleted(row.stage.as_ref()),
            });
        }
        Ok((found, Vec::new()))
    }

    pub fn run_ids(&self, experiment: &str) -> Result<Vec<String>> {
        let rows: Vec<Name> = sql_query(
            "SELECT run_uuid AS name FROM runs WHERE experiment_id = CAST(? AS INTEGER) ORDER BY start_time, run_uuid",
        )
        .bind::<Text, _>(experiment)
        .load(&mut self.conn()?)
        .map_err(broken)?;
        Ok(rows.into_iter().map(|row| row.name).collect())
    }

    pub fn runs(&self, _experiment: &str, ids: &[String]) -> Result<Batch<ForeignRun>> {
        let conn = &mut self.conn()?;
        let mut batch = Batch::default();
        for id in ids {
            match self.run(conn, id) {
                Ok(run) => batch.things.push(run),
                Err(error) => batch.unread.push(Unread::new(format!("run {id}"), error)),
            }
        }
        Ok(batch)
    }

    fn run(&self, conn: &mut SqliteConnection, id: &str) -> Result<Whole<ForeignRun>> {
        let row: RunRow = sql_query(
            "SELECT name, user_id AS user, status, start_time AS started_at, end_time AS ended_at,
             lifecycle_stage AS stage, artifact_uri FROM runs WHERE run_uuid = ?",
        )
        .bind::<Text, _>(id)
        .get_result(conn)
        .map_err(broken)?;
        let tags = self.pairs(conn, "SELECT key, value FROM tags WHERE run_uuid = ? ORDER BY key", id)?;
        let tagged = tags.iter().find(|tag| tag.key == "mlflow.runName").map(|tag| tag.value.clone());
        let run = ForeignRun {
            id: id.to_owned(),
            experiment_id: String::new(),
            name: row.name.filter(|name| !name.is_empty()).or(tagged).unwrap_or_default(),
            user: row.user.unwrap_or_default(),
            status: row.status.unwrap_or_else(|| "RUNNING".into()),
            started_at: row.started_at.unwrap_or(0),
            ended_at: row.ended_at,
            deleted: is_deleted(row.stage.as_ref()),
            params: self.pairs(conn, "SELECT key, value FROM params WHERE run_uuid = ? ORDER BY key", id)?,
            tags,
            metrics: self.metrics(conn, id)?,
            datasets: self.datasets(conn, id)?,
            models_in: self.uses(conn, id, "RUN_INPUT", "MODEL_INPUT")?,
            models_out: self.uses(conn, id, "RUN_OUTPUT", "MODEL_OUTPUT")?,
        };
        let (files, unread) = self.files(row.artifact_uri.as_deref().unwrap_or(""), id, &format!("run {id}"));
        Ok(Whole { thing: run, files, unread })
    }

    fn files(&self, uri: &str, id: &str, of: &str) -> (Vec<File>, Vec<Unread>) {
        let beside = self.file.parent().unwrap_or(Path::new("/"));
        match self.places.root(uri, id, beside) {
            Ok(Some(root)) => self.places.files(&root, of),
            // A run without artifacts has no folder either.
            Ok(None) => Default::default(),
            Err(why) => (Vec::new(), vec![Unread::new(format!("{of}, artifacts"), why)]),
        }
    }

    fn metrics(&self, conn: &mut SqliteConnection, id: &str) -> Result<Vec<ForeignSeries>> {
        let rows: Vec<PointRow> = sql_query(
            "SELECT key, coalesce(value, 0.0) AS value, timestamp AS at, step, is_nan FROM metrics WHERE run_uuid = ?
             ORDER BY key, step, timestamp",
        )
        .bind::<Text, _>(id)
        .load(conn)
        .map_err(broken)?;
        let mut all: Vec<ForeignSeries> = Vec::new();
        for row in rows {
            if all.last().is_none_or(|series| series.key != row.key) {
                all.push(ForeignSeries { key: row.key.clone(), ..ForeignSeries::default() });
            }
            let value = if row.is_nan { f64::NAN } else { infinite_again(row.value) };
            if let Some(series) = all.last_mut() {
                series.push(row.step, row.at, value);
            }
        }
        Ok(all)
    }

    fn datasets(&self, conn: &mut SqliteConnection, id: &str) -> Result<Vec<ForeignDataset>> {
        if !self.has("inputs") {
            return Ok(Vec::new());
        }
        let rows: Vec<DatasetRow> = sql_query(
            "SELECT i.input_uuid AS input, d.name, d.digest, d.dataset_source_type AS source_type, d.dataset_source AS source,
             d.dataset_schema AS schema, d.dataset_profile AS profile FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id
             WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id = ? ORDER BY d.name",
        )
        .bind::<Text, _>(id)
        .load(conn)
        .map_err(broken)?;
        let tags = "SELECT name AS key, value FROM input_tags WHERE input_uuid = ? ORDER BY name";
        rows.into_iter()
            .map(|row| {
                Ok(ForeignDataset {
                    tags: self.pairs(conn, tags, &row.input)?,
                    name: row.name,
                    digest: row.digest,
                    source_type: row.source_type.unwrap_or_default(),
                    source: row.source.unwrap_or_default(),
                    schema: row.schema,
                    profile: row.profile,
                })
            })
            .collect()
    }

    fn uses(&self, conn: &mut SqliteConnection, id: &str, from: &str, to: &str) -> Result<Vec<ForeignModelUse>> {
        if !self.has("inputs") {
            return Ok(Vec::new());
        }
        let step = Self::column(conn, "inputs", "step", "0")?;
        let rows: Vec<UseRow> = sql_query(format!(
            "SELECT destination_id AS model_id, coalesce({step}, 0) AS step FROM inputs
             WHERE source_type = ? AND destination_type = ? AND source_id = ? ORDER BY destination_id"
        ))
        .bind::<Text, _>(from)
        .bind::<Text, _>(to)
        .bind::<Text, _>(id)
        .load(conn)
        .map_err(broken)?;
        Ok(rows.into_iter().map(|row| ForeignModelUse { model_id: row.model_id, step: row.step }).collect())
    }

    pub fn logged_models(&self, experiment: &str) -> Result<Batch<ForeignLoggedModel>> {
        let mut batch = Batch::default();
        if !self.has("logged_models") {
            return Ok(batch);
        }
        let conn = &mut self.conn()?;
        let rows: Vec<ModelRow> = sql_query(
            "SELECT model_id AS id, name, artifact_location AS location, creation_timestamp_ms AS created_at,
             last_updated_timestamp_ms AS updated_at, status, lifecycle_stage AS stage, model_type, source_run_id AS run_id
             FROM logged_models WHERE experiment_id = CAST(? AS INTEGER) ORDER BY creation_timestamp_ms, model_id",
        )
        .bind::<Text, _>(experiment)
        .load(conn)
        .map_err(broken)?;
        for row in rows {
            let params =
                "SELECT param_key AS key, param_value AS value FROM logged_model_params WHERE model_id = ? ORDER BY 1";
            let tags = "SELECT tag_key AS key, tag_value AS value FROM logged_model_tags WHERE model_id = ? ORDER BY 1";
            let (files, unread) =
                self.files(row.location.as_deref().unwrap_or(""), &row.id, &format!("logged model {}", row.id));
            let model = ForeignLoggedModel {
                params: self.pairs(conn, params, &row.id)?,
                tags: self.pairs(conn, tags, &row.id)?,
                metrics: Self::model_metrics(conn, &row.id)?,
                id: row.id,
                experiment_id: String::new(),
                name: row.name,
                model_type: row.model_type.unwrap_or_default(),
                source_run_id: row.run_id,
                status: row.status,
                created_at: row.created_at,
                updated_at: row.updated_at,
                deleted: is_deleted(row.stage.as_ref()),
            };
            batch.things.push(Whole { thing: model, files, unread });
        }
        Ok(batch)
    }

    fn model_metrics(conn: &mut SqliteConnection, id: &str) -> Result<Vec<ForeignModelMetric>> {
        let rows: Vec<ModelMetricRow> = sql_query(
            "SELECT metric_name AS key, metric_timestamp_ms AS at, metric_step AS step, metric_value AS value, run_id,
             dataset_name, dataset_digest FROM logged_model_metrics WHERE model_id = ? ORDER BY 1, 2, 3",
        )
        .bind::<Text, _>(id)
        .load(conn)
        .map_err(broken)?;
        Ok(rows
            .into_iter()
            .map(|row| ForeignModelMetric {
                key: row.key,
                step: row.step,
                at: row.at,
                value_bits: row.value.map_or(f64::NAN, infinite_again).to_bits(),
                run_id: row.run_id,
                dataset_name: row.dataset_name,
                dataset_digest: row.dataset_digest,
            })
            .collect())
    }

    pub fn models(&self) -> Result<(Vec<ForeignModel>, Vec<Unread>)> {
        if !self.has("registered_models") {
            return Ok(Default::default());
        }
        let conn = &mut self.conn()?;
        let rows: Vec<RegisteredRow> = sql_query(
            "SELECT name, creation_time AS created_at, last_updated_time AS updated_at, description FROM registered_models ORDER BY name",
        )
        .load(conn)
        .map_err(broken)?;
        let mut found = Vec::new();
        for row in rows {
            found.push(self.model(conn, row)?);
        }
        Ok((found, Vec::new()))
    }

    fn model(&self, conn: &mut SqliteConnection, row: RegisteredRow) -> Result<ForeignModel> {
        let mut versions = self.versions(conn, &row.name)?;
        let last_version = versions.iter().map(|version| version.version).max().unwrap_or(0);
        // A deleted version keeps its number.
        versions.retain(|version| version.stage != super::super::DELETED_STAGE);
        let aliases: Vec<AliasRow> = if self.has("registered_model_aliases") {
            sql_query("SELECT alias, version FROM registered_model_aliases WHERE name = ? ORDER BY alias")
                .bind::<Text, _>(&row.name)
                .load(conn)
                .map_err(broken)?
        } else {
            Vec::new()
        };
        let tags = "SELECT key, value FROM registered_model_tags WHERE name = ? ORDER BY key";
        Ok(ForeignModel {
            tags: self.pairs(conn, tags, &row.name)?,
            name: row.name,
            description: row.description.unwrap_or_default(),
            created_at: row.created_at.unwrap_or(0),
            updated_at: row.updated_at.or(row.created_at).unwrap_or(0),
            last_version,
            versions,
            aliases: aliases.into_iter().map(|row| ForeignAlias { alias: row.alias, version: row.version }).collect(),
        })
    }

    fn versions(&self, conn: &mut SqliteConnection, name: &str) -> Result<Vec<ForeignVersion>> {
        let location = Self::column(conn, "model_versions", "storage_location", "NULL")?;
        let rows: Vec<VersionRow> = sql_query(format!(
            "SELECT version, creation_time AS created_at, last_updated_time AS updated_at, description, user_id AS user,
             current_stage AS stage, source, {location} AS location, run_id, run_link, status
             FROM model_versions WHERE name = ? ORDER BY version"
        ))
        .bind::<Text, _>(name)
        .load(conn)
        .map_err(broken)?;
        let tags =
            "SELECT key, value FROM model_version_tags WHERE name = ?1 AND version = CAST(?2 AS INTEGER) ORDER BY key";
        let mut found = Vec::new();
        for row in rows {
            let pairs: Vec<Pair> = sql_query(tags)
                .bind::<Text, _>(name)
                .bind::<Text, _>(row.version.to_string())
                .load(conn)
                .map_err(broken)?;
            let source = row.source.unwrap_or_default();
            found.push(ForeignVersion {
                version: row.version,
                created_at: row.created_at.unwrap_or(0),
                updated_at: row.updated_at.or(row.created_at).unwrap_or(0),
                user: row.user.unwrap_or_default(),
                description: row.description.unwrap_or_default(),
                storage_location: row.location.unwrap_or_else(|| source.clone()),
                model_id: source.strip_prefix("models:/").filter(|id| id.starts_with("m-")).map(str::to_owned),
                source,
                run_id: row.run_id.filter(|id| !id.is_empty()),
                run_link: row.run_link.unwrap_or_default(),
                stage: row.stage.unwrap_or_else(|| "None".into()),
                status: row.status.unwrap_or_else(|| "READY".into()),
                tags: key_values(pairs),
            });
        }
        Ok(found)
    }
}
