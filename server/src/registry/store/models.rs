//! Rows of registered models, their tags and aliases.

use diesel::{prelude::*, result::DatabaseErrorKind};

use super::versions;
use crate::{
    accounts::Scope,
    db::{
        Conn,
        schema::registry::{
            alias_moves as moves, model_aliases as aliases, registered_model_tags as tags, registered_models as models,
        },
    },
    error::{Error, Result},
    registry::{Model, rules},
};

/// Inserts a model; its surrogate key.
///
/// # Errors
/// `exists` when the name is taken.
pub fn insert(conn: &mut Conn, project: &str, name: &str, description: &str, at: i64) -> Result<i64> {
    use diesel::dsl::max;
    // The moves of a deleted model's aliases stay under its key, so no other model may get it.
    let newest: Option<i64> = models::table.select(max(models::id)).first(conn).map_err(Error::internal)?;
    let moved: Option<i64> = moves::table.select(max(moves::model)).first(conn).map_err(Error::internal)?;
    diesel::insert_into(models::table)
        .values((
            models::id.eq(newest.max(moved).unwrap_or(0) + 1),
            models::project_id.eq(project),
            models::name.eq(name),
            models::description.eq(description),
            models::created_at.eq(at),
            models::updated_at.eq(at),
        ))
        .returning(models::id)
        .get_result(conn)
        .map_err(|source| taken(source, &format!("Registered Model (name={name}) already exists.")))
}

fn taken(source: diesel::result::Error, message: &str) -> Error {
    match source {
        diesel::result::Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Error::exists(message),
        source => Error::internal(source),
    }
}

/// The surrogate key of a name.
pub fn row_of(conn: &mut Conn, name: &str) -> Result<Option<i64>> {
    models::table.filter(models::name.eq(name)).select(models::id).first(conn).optional().map_err(Error::internal)
}

/// The model with tags, aliases and the newest version of each stage.
pub fn load(conn: &mut Conn, row: i64) -> Result<Model> {
    let (name, description, created_at, updated_at) = models::table
        .find(row)
        .select((models::name, models::description, models::created_at, models::updated_at))
        .first(conn)
        .map_err(Error::internal)?;
    let tags =
        tags::table.filter(tags::model.eq(row)).select((tags::key, tags::value)).load(conn).map_err(Error::internal)?;
    let aliases = aliases::table
        .filter(aliases::model.eq(row))
        .order(aliases::alias)
        .select((aliases::alias, aliases::version))
        .load(conn)
        .map_err(Error::internal)?;
    let latest = versions::latest_by_stage(conn, row)?;
    Ok(Model { row, name, description, created_at, updated_at, tags, aliases, latest })
}

/// Number of models that are shown and no prompts.
pub fn count(conn: &mut Conn, scope: &Scope) -> Result<i64> {
    let prompts =
        tags::table.filter(tags::key.eq(rules::PROMPT_TAG)).filter(tags::value.eq("true")).select(tags::model);
    let shown = diesel::dsl::sql::<diesel::sql_types::Bool>(&scope.sql("project_id"));
    models::table.filter(models::id.ne_all(prompts)).filter(shown).count().get_result(conn).map_err(Error::internal)
}

pub fn touch(conn: &mut Conn, row: i64, at: i64) -> Result<()> {
    diesel::update(models::table.find(row))
        .set(models::updated_at.eq(at))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn describe(conn: &mut Conn, row: i64, description: &str, at: i64) -> Result<()> {
    diesel::update(models::table.find(row))
        .set((models::description.eq(description), models::updated_at.eq(at)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn rename(conn: &mut Conn, row: i64, name: &str, at: i64) -> Result<()> {
    diesel::update(models::table.find(row))
        .set((models::name.eq(name), models::updated_at.eq(at)))
        .execute(conn)
        .map(drop)
        .map_err(|source| taken(source, &format!("Registered Model (name={name}) already exists.")))
}

/// Removes the model with all its versions.
pub fn delete(conn: &mut Conn, row: i64) -> Result<()> {
    diesel::delete(models::table.find(row)).execute(conn).map(drop).map_err(Error::internal)
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

pub fn delete_tag(conn: &mut Conn, row: i64, key: &str) -> Result<()> {
    diesel::delete(tags::table.find((row, key))).execute(conn).map(drop).map_err(Error::internal)
}

/// Points the alias at a version.
pub fn set_alias(conn: &mut Conn, row: i64, alias: &str, version: i64, at: i64, by: &str) -> Result<()> {
    let target = (aliases::version.eq(version), aliases::set_at.eq(at), aliases::set_by.eq(by));
    diesel::insert_into(aliases::table)
        .values((aliases::model.eq(row), aliases::alias.eq(alias), target))
        .on_conflict((aliases::model, aliases::alias))
        .do_update()
        .set(target)
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// The version it pointed at, if there was such an alias.
pub fn delete_alias(conn: &mut Conn, row: i64, alias: &str) -> Result<Option<i64>> {
    diesel::delete(aliases::table.find((row, alias)))
        .returning(aliases::version)
        .get_result(conn)
        .optional()
        .map_err(Error::internal)
}
