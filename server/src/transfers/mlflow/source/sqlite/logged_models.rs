//! Logged models, which MLflow has since 3.0.

use diesel::{QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types::*};
use drydock_wire::import::{ForeignLoggedModel, ForeignModelMetric};

use super::{
    super::{Batch, Whole, infinite_again},
    Sqlite, broken, is_deleted,
};
use crate::error::Result;

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

impl Sqlite {
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
}
