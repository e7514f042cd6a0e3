//! Which runs and logged models belong to what: the steps of `lineage` through the tables of tracking. Each answers the
//! oldest first, and not more than a person looks at.

use diesel::{
    QueryableByName, RunQueryDsl, sql_query,
    sql_types::{Nullable, Text},
};

use crate::{
    db::Conn,
    error::{Error, Result},
    tracking::ArtifactRoot,
};

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    id: String,
}

fn ids(rows: diesel::QueryResult<Vec<Found>>) -> Result<Vec<String>> {
    Ok(rows.map_err(Error::internal)?.into_iter().map(|row| row.id).collect())
}

/// Runs that declared the dataset as input.
pub fn runs_with_input(conn: &mut Conn, name: &str, digest: &str) -> Result<Vec<String>> {
    let query = sql_query(
        "SELECT r.run_id AS id FROM run_datasets d JOIN run_inputs i ON i.dataset = d.id JOIN runs r ON r.id = i.run
         WHERE d.name = ? AND d.digest = ? AND r.deleted_at IS NULL ORDER BY r.id LIMIT 200",
    );
    ids(query.bind::<Text, _>(name).bind::<Text, _>(digest).load(conn))
}

/// Runs with that tag.
pub fn runs_with_tag(conn: &mut Conn, key: &str, value: &str) -> Result<Vec<String>> {
    let query = sql_query(
        "SELECT r.run_id AS id FROM run_tags t JOIN runs r ON r.id = t.run
         WHERE t.key = ? AND t.value = ? AND r.deleted_at IS NULL ORDER BY r.id LIMIT 200",
    );
    ids(query.bind::<Text, _>(key).bind::<Text, _>(value).load(conn))
}

/// Runs that read the logged model.
pub fn runs_that_read(conn: &mut Conn, model_id: &str) -> Result<Vec<String>> {
    let query = sql_query(
        "SELECT DISTINCT r.run_id AS id FROM run_models m JOIN runs r ON r.id = m.run
         WHERE m.model_id = ? AND m.direction = 0 AND r.deleted_at IS NULL ORDER BY r.id LIMIT 200",
    );
    ids(query.bind::<Text, _>(model_id).load(conn))
}

/// Logged models that the run made.
pub fn models_made_by(conn: &mut Conn, run_id: &str) -> Result<Vec<String>> {
    let query = sql_query(
        "SELECT l.model_id AS id FROM logged_models l WHERE l.deleted_at IS NULL AND (l.source_run_id = ?1 OR l.model_id IN
           (SELECT m.model_id FROM run_models m JOIN runs r ON r.id = m.run WHERE r.run_id = ?1 AND m.direction = 1))
         ORDER BY l.id LIMIT 200",
    );
    ids(query.bind::<Text, _>(run_id).load(conn))
}

#[derive(QueryableByName)]
struct RootRow {
    #[diesel(sql_type = Text)]
    run_id: String,
    #[diesel(sql_type = Nullable<Text>)]
    model: Option<String>,
    #[diesel(sql_type = Text)]
    uri: String,
}

/// Where the runs of these ids, and the models that they logged, have their artifacts, deleted ones included.
pub fn artifact_roots(conn: &mut Conn, run_ids: &[String]) -> Result<Vec<ArtifactRoot>> {
    let rows: Vec<RootRow> = sql_query(
        "SELECT r.run_id, NULL AS model, rtrim(e.artifact_location, '/') || '/' || r.run_id || '/artifacts' AS uri
         FROM runs r JOIN experiments e ON e.id = r.experiment_id WHERE r.run_id IN (SELECT value FROM json_each(?1))
         UNION ALL
         SELECT m.source_run_id, m.name, rtrim(e.artifact_location, '/') || '/models/' || m.model_id || '/artifacts'
         FROM logged_models m JOIN experiments e ON e.id = m.experiment_id
         WHERE m.source_run_id IN (SELECT value FROM json_each(?1))",
    )
    .bind::<Text, _>(serde_json::Value::from(run_ids.to_vec()).to_string())
    .load(conn)
    .map_err(Error::internal)?;
    Ok(rows.into_iter().map(|RootRow { run_id, model, uri }| ArtifactRoot { run_id, model, uri }).collect())
}
