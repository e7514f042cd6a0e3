//! Rows of pipelines and their versions (here), of runs and tasks (`runs`), of schedules and triggers (`starts`). Each function composes in
//! the caller's transaction; none decides anything.

pub mod runs;
pub mod starts;

use std::sync::Arc;

use diesel::prelude::*;

use super::schema::Spec;
use crate::{
    accounts::Scope,
    db::{
        Conn,
        schema::pipelines::{pipeline_cache as cache, pipeline_versions as versions, pipelines},
    },
    error::{Error, Result},
};

#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = pipelines)]
pub struct PipelineRow {
    pub id: String,
    pub name: String,
    pub paused: bool,
    pub last_version: i64,
    pub last_run: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = versions)]
pub struct VersionRow {
    pub pipeline_id: String,
    pub version: i64,
    pub yaml: String,
    pub spec: String,
    pub author_id: String,
    pub created_at: i64,
}

impl VersionRow {
    pub fn spec(&self) -> Result<Arc<Spec>> {
        serde_json::from_str(&self.spec).map(Arc::new).map_err(Error::internal)
    }
}

pub fn insert(conn: &mut Conn, project: &str, row: &PipelineRow) -> Result<()> {
    let values = (row, pipelines::project_id.eq(project));
    diesel::insert_into(pipelines::table).values(values).execute(conn).map(drop).map_err(Error::internal)
}

pub fn update(conn: &mut Conn, row: &PipelineRow) -> Result<()> {
    diesel::update(pipelines::table.find(&row.id)).set(row).execute(conn).map(drop).map_err(Error::internal)
}

/// Removes the pipeline with its versions, runs, schedules and triggers.
pub fn delete(conn: &mut Conn, id: &str) -> Result<()> {
    diesel::delete(pipelines::table.find(id)).execute(conn).map(drop).map_err(Error::internal)
}

pub fn find(conn: &mut Conn, name: &str) -> Result<Option<PipelineRow>> {
    let named = pipelines::table.filter(pipelines::name.eq(name)).select(PipelineRow::as_select());
    named.first(conn).optional().map_err(Error::internal)
}

/// # Errors
/// `not_found`.
pub fn require(conn: &mut Conn, name: &str) -> Result<PipelineRow> {
    find(conn, name)?.ok_or_else(|| Error::not_found(format!("There is no pipeline '{name}'.")))
}

pub fn by_id(conn: &mut Conn, id: &str) -> Result<PipelineRow> {
    pipelines::table.find(id).select(PipelineRow::as_select()).first(conn).map_err(Error::internal)
}

/// All that are shown, by name.
pub fn all(conn: &mut Conn, scope: &Scope) -> Result<Vec<PipelineRow>> {
    let shown = diesel::dsl::sql::<diesel::sql_types::Bool>(&scope.sql("project_id"));
    pipelines::table
        .filter(shown)
        .order(pipelines::name)
        .select(PipelineRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

pub fn insert_version(conn: &mut Conn, row: &VersionRow) -> Result<()> {
    diesel::insert_into(versions::table).values(row).execute(conn).map(drop).map_err(Error::internal)
}

/// # Errors
/// `not_found`.
pub fn version(conn: &mut Conn, pipeline: &PipelineRow, number: i64) -> Result<VersionRow> {
    let found = versions::table.find((&pipeline.id, number)).select(VersionRow::as_select()).first(conn).optional();
    let missing = || Error::not_found(format!("The pipeline '{}' has no version {number}.", pipeline.name));
    found.map_err(Error::internal)?.ok_or_else(missing)
}

/// Version, author's id and instant, newest first; at most 200.
pub fn history(conn: &mut Conn, id: &str) -> Result<Vec<(i64, String, i64)>> {
    versions::table
        .filter(versions::pipeline_id.eq(id))
        .order(versions::version.desc())
        .limit(200)
        .select((versions::version, versions::author_id, versions::created_at))
        .load(conn)
        .map_err(Error::internal)
}

/// Keeps the outputs of these inputs, instead of what was kept before.
pub fn keep_outputs(conn: &mut Conn, pipeline: &str, key: &str, run: &str, outputs: &str, at: i64) -> Result<()> {
    diesel::replace_into(cache::table)
        .values((
            cache::pipeline_id.eq(pipeline),
            cache::key.eq(key),
            cache::run_id.eq(run),
            cache::outputs.eq(outputs),
            cache::made_at.eq(at),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// The run that made them, and the outputs.
pub fn kept_outputs(conn: &mut Conn, pipeline: &str, key: &str) -> Result<Option<(String, String)>> {
    let row = cache::table.find((pipeline, key)).select((cache::run_id, cache::outputs));
    row.first(conn).optional().map_err(Error::internal)
}

pub fn forget_outputs(conn: &mut Conn, pipeline: &str, key: &str) -> Result<()> {
    diesel::delete(cache::table.find((pipeline, key))).execute(conn).map(drop).map_err(Error::internal)
}
