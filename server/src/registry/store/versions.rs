//! Rows of model versions and their tags.

use diesel::prelude::*;

use crate::{
    db::{
        Conn,
        schema::registry::{
            model_aliases as aliases, model_version_tags as tags, model_versions as versions,
            registered_models as models,
        },
    },
    error::{Error, Result},
    registry::{MadeFrom, Version, rules::STAGES, source::Origin},
};

#[derive(Queryable)]
struct VersionRow {
    id: i64,
    model: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
    user_name: String,
    description: String,
    source: String,
    storage_location: String,
    run_id: Option<String>,
    run_link: String,
    model_id: Option<String>,
    stage: String,
    status: String,
    name: String,
}

#[diesel::dsl::auto_type(no_type_alias)]
fn rows() -> _ {
    versions::table.inner_join(models::table).select((
        versions::id,
        versions::model,
        versions::version,
        versions::created_at,
        versions::updated_at,
        versions::user_name,
        versions::description,
        versions::source,
        versions::storage_location,
        versions::run_id,
        versions::run_link,
        versions::model_id,
        versions::stage,
        versions::status,
        models::name,
    ))
}

fn complete(conn: &mut Conn, row: VersionRow) -> Result<Version> {
    let tags = tags::table
        .filter(tags::version.eq(row.id))
        .select((tags::key, tags::value))
        .load(conn)
        .map_err(Error::internal)?;
    let aliases = aliases::table
        .filter(aliases::model.eq(row.model))
        .filter(aliases::version.eq(row.version))
        .order(aliases::alias)
        .select(aliases::alias)
        .load(conn)
        .map_err(Error::internal)?;
    Ok(Version {
        row: row.id,
        model: row.name,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
        user: row.user_name,
        description: row.description,
        source: row.source,
        storage_location: row.storage_location,
        run_id: row.run_id,
        run_link: row.run_link,
        model_id: row.model_id,
        stage: row.stage,
        status: row.status,
        tags,
        aliases,
    })
}

/// Inserts the next version of the model; its surrogate key.
pub fn insert(conn: &mut Conn, model: i64, origin: &Origin, texts: (&str, &str), user: &str, at: i64) -> Result<i64> {
    let (description, run_link) = texts;
    let version: i64 = diesel::update(models::table.find(model))
        .set((models::last_version.eq(models::last_version + 1), models::updated_at.eq(at)))
        .returning(models::last_version)
        .get_result(conn)
        .map_err(Error::internal)?;
    diesel::insert_into(versions::table)
        .values((
            versions::model.eq(model),
            versions::version.eq(version),
            versions::created_at.eq(at),
            versions::updated_at.eq(at),
            versions::user_name.eq(user),
            versions::description.eq(description),
            versions::source.eq(&origin.source),
            versions::storage_location.eq(&origin.storage_location),
            versions::run_id.eq(&origin.run_id),
            versions::run_link.eq(run_link),
            versions::model_id.eq(&origin.model_id),
        ))
        .returning(versions::id)
        .get_result(conn)
        .map_err(Error::internal)
}

/// Inserts a version that was registered elsewhere, under its own number.
pub fn insert_as(conn: &mut Conn, model: i64, version: &drydock_wire::import::ForeignVersion) -> Result<i64> {
    diesel::insert_into(versions::table)
        .values((
            versions::model.eq(model),
            versions::version.eq(version.version),
            versions::created_at.eq(version.created_at),
            versions::updated_at.eq(version.updated_at),
            versions::user_name.eq(&version.user),
            versions::description.eq(&version.description),
            versions::source.eq(&version.source),
            versions::storage_location.eq(&version.storage_location),
            versions::run_id.eq(&version.run_id),
            versions::run_link.eq(&version.run_link),
            versions::model_id.eq(&version.model_id),
            (versions::stage.eq(&version.stage), versions::status.eq(&version.status)),
        ))
        .returning(versions::id)
        .get_result(conn)
        .map_err(Error::internal)
}

/// No version of the model gets a number up to this one any more.
pub fn raise_last(conn: &mut Conn, model: i64, last: i64) -> Result<()> {
    diesel::update(models::table.find(model).filter(models::last_version.lt(last)))
        .set(models::last_version.eq(last))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn find(conn: &mut Conn, model: i64, version: i64) -> Result<Option<Version>> {
    let row: Option<VersionRow> = rows()
        .filter(versions::model.eq(model))
        .filter(versions::version.eq(version))
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    row.map(|row| complete(conn, row)).transpose()
}

/// The versions of these surrogate keys, in this order.
pub fn load(conn: &mut Conn, ids: &[i64]) -> Result<Vec<Version>> {
    ids.iter()
        .map(|id| {
            let row: VersionRow = rows().filter(versions::id.eq(*id)).first(conn).map_err(Error::internal)?;
            complete(conn, row)
        })
        .collect()
}

/// All versions of the model, newest first.
pub fn of_model(conn: &mut Conn, model: i64) -> Result<Vec<Version>> {
    let found: Vec<VersionRow> =
        rows().filter(versions::model.eq(model)).order(versions::version.desc()).load(conn).map_err(Error::internal)?;
    found.into_iter().map(|row| complete(conn, row)).collect()
}

/// The versions made from that, oldest first.
pub fn made_from(conn: &mut Conn, from: MadeFrom<'_>) -> Result<Vec<Version>> {
    let query = rows().order(versions::id).into_boxed();
    let found: Vec<VersionRow> = match from {
        MadeFrom::Run(id) => query.filter(versions::run_id.eq(id.to_owned())),
        MadeFrom::LoggedModel(id) => query.filter(versions::model_id.eq(id.to_owned())),
        MadeFrom::Source(source) => query.filter(versions::source.eq(source.to_owned())),
    }
    .load(conn)
    .map_err(Error::internal)?;
    found.into_iter().map(|row| complete(conn, row)).collect()
}

/// The newest version of each stage, oldest first.
pub fn latest_by_stage(conn: &mut Conn, model: i64) -> Result<Vec<Version>> {
    let mut latest = Vec::new();
    for stage in STAGES {
        let row: Option<VersionRow> = rows()
            .filter(versions::model.eq(model))
            .filter(versions::stage.eq(stage))
            .order(versions::version.desc())
            .first(conn)
            .optional()
            .map_err(Error::internal)?;
        if let Some(row) = row {
            latest.push(complete(conn, row)?);
        }
    }
    latest.sort_by_key(|version| version.version);
    Ok(latest)
}

/// Number of versions, and the newest one's.
pub fn extent(conn: &mut Conn, model: i64) -> Result<(i64, Option<i64>)> {
    use diesel::dsl::{count_star, max};
    versions::table
        .filter(versions::model.eq(model))
        .select((count_star(), max(versions::version)))
        .first(conn)
        .map_err(Error::internal)
}

/// The version that the alias points at.
pub fn alias_target(conn: &mut Conn, model: i64, alias: &str) -> Result<Option<i64>> {
    aliases::table.find((model, alias)).select(aliases::version).first(conn).optional().map_err(Error::internal)
}

/// What the alias means, and who set it.
pub fn alias_set_by(conn: &mut Conn, model: i64, alias: &str) -> Result<Option<(i64, String)>> {
    let found = aliases::table.find((model, alias)).select((aliases::version, aliases::set_by));
    found.first(conn).optional().map_err(Error::internal)
}

pub fn describe(conn: &mut Conn, row: i64, description: &str, at: i64) -> Result<()> {
    diesel::update(versions::table.find(row))
        .set((versions::description.eq(description), versions::updated_at.eq(at)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn set_stage(conn: &mut Conn, row: i64, stage: &str, at: i64) -> Result<()> {
    diesel::update(versions::table.find(row))
        .set((versions::stage.eq(stage), versions::updated_at.eq(at)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Archives the model's other versions of that stage.
pub fn archive_others(conn: &mut Conn, model: i64, row: i64, stage: &str, at: i64) -> Result<usize> {
    diesel::update(
        versions::table
            .filter(versions::model.eq(model))
            .filter(versions::stage.eq(stage))
            .filter(versions::id.ne(row)),
    )
    .set((versions::stage.eq("Archived"), versions::updated_at.eq(at)))
    .execute(conn)
    .map_err(Error::internal)
}

/// Moves the update time of all versions, as a rename does.
pub fn touch_all(conn: &mut Conn, model: i64, at: i64) -> Result<()> {
    diesel::update(versions::table.filter(versions::model.eq(model)))
        .set(versions::updated_at.eq(at))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Removes the version and the aliases that point at it.
pub fn delete(conn: &mut Conn, model: i64, row: i64, version: i64) -> Result<()> {
    diesel::delete(aliases::table.filter(aliases::model.eq(model)).filter(aliases::version.eq(version)))
        .execute(conn)
        .map_err(Error::internal)?;
    diesel::delete(versions::table.find(row)).execute(conn).map(drop).map_err(Error::internal)
}

pub fn set_tag(conn: &mut Conn, row: i64, key: &str, value: &str) -> Result<()> {
    diesel::insert_into(tags::table)
        .values((tags::version.eq(row), tags::key.eq(key), tags::value.eq(value)))
        .on_conflict((tags::version, tags::key))
        .do_update()
        .set(tags::value.eq(value))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn delete_tag(conn: &mut Conn, row: i64, key: &str) -> Result<()> {
    diesel::delete(tags::table.find((row, key))).execute(conn).map(drop).map_err(Error::internal)
}
