//! Runs, with what they logged, read and made.

use diesel::{QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types::*};
use drydock_wire::import::{ForeignDataset, ForeignModelUse, ForeignRun, ForeignSeries};

use super::{
    super::{Batch, Unread, Whole, infinite_again},
    Name, Sqlite, broken, is_deleted,
};
use crate::error::Result;

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

impl Sqlite {
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
}
