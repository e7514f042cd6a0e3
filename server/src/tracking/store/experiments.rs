//! Rows of experiments and their tags.

use diesel::{
    dsl::sql,
    prelude::*,
    result::DatabaseErrorKind,
    sql_types::{Bool, Text},
};

use crate::{
    accounts::Scope,
    db::{
        Conn,
        schema::tracking::{experiment_tags as tags, experiments, runs},
    },
    error::{Error, Result},
    tracking::{Experiment, IMPORT_TAG, Pair, Stage, rules},
};

#[derive(Queryable)]
struct ExperimentRow {
    id: i64,
    _project_id: String,
    name: String,
    artifact_location: String,
    created_at: i64,
    updated_at: i64,
    deleted_at: Option<i64>,
}

impl ExperimentRow {
    fn with_tags(self, tags: Vec<Pair>) -> Experiment {
        Experiment {
            id: self.id,
            name: self.name,
            artifact_location: self.artifact_location,
            created_at: self.created_at,
            updated_at: self.updated_at,
            deleted: self.deleted_at.is_some(),
            tags,
        }
    }
}

/// Makes an experiment; an absent location is derived from the id.
///
/// # Errors
/// `exists` when the name is taken, by a deleted experiment too.
pub fn insert(conn: &mut Conn, project: &str, name: &str, location: Option<&str>, at: i64) -> Result<i64> {
    let row = (
        experiments::project_id.eq(project),
        experiments::name.eq(name),
        experiments::artifact_location.eq(location.unwrap_or("")),
        experiments::created_at.eq(at),
        experiments::updated_at.eq(at),
    );
    let id = diesel::insert_into(experiments::table)
        .values(row)
        .returning(experiments::id)
        .get_result::<i64>(conn)
        .map_err(|source| taken(source, name))?;
    if location.is_none() {
        diesel::update(experiments::table.find(id))
            .set(experiments::artifact_location.eq(format!("mlflow-artifacts:/{id}")))
            .execute(conn)
            .map_err(Error::internal)?;
    }
    Ok(id)
}

/// Inserts an experiment that was made elsewhere, under that id if one is given. `times`: made, changed.
pub fn insert_as(
    conn: &mut Conn,
    project: &str,
    id: Option<i64>,
    name: &str,
    times: (i64, i64),
    deleted_at: Option<i64>,
) -> Result<i64> {
    let row = (
        id.map(|id| experiments::id.eq(id)),
        experiments::project_id.eq(project),
        experiments::name.eq(name),
        experiments::artifact_location.eq(""),
        experiments::created_at.eq(times.0),
        experiments::updated_at.eq(times.1),
        experiments::deleted_at.eq(deleted_at),
    );
    let id = diesel::insert_into(experiments::table)
        .values(row)
        .returning(experiments::id)
        .get_result::<i64>(conn)
        .map_err(|source| taken(source, name))?;
    diesel::update(experiments::table.find(id))
        .set(experiments::artifact_location.eq(format!("mlflow-artifacts:/{id}")))
        .execute(conn)
        .map_err(Error::internal)?;
    Ok(id)
}

/// Id, name and artifact location of every experiment.
pub fn places(conn: &mut Conn) -> Result<Vec<(i64, String, String)>> {
    experiments::table
        .select((experiments::id, experiments::name, experiments::artifact_location))
        .load(conn)
        .map_err(Error::internal)
}

/// The name of an experiment whose artifacts are at the key or below it; `part` is the key's last part.
pub fn named_inside(conn: &mut Conn, key: &str, part: &str) -> Result<Option<String>> {
    let some: Vec<(String, String)> = experiments::table
        .filter(diesel::dsl::sql::<Bool>("instr(artifact_location, ").bind::<Text, _>(part).sql(") > 0"))
        .select((experiments::name, experiments::artifact_location))
        .load(conn)
        .map_err(Error::internal)?;
    let inside = |location: &str| {
        rules::artifact_key(location)
            .is_some_and(|at| at.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    };
    Ok(some.into_iter().find(|(_, location)| inside(location)).map(|(name, _)| name))
}

fn taken(source: diesel::result::Error, name: &str) -> Error {
    match source {
        diesel::result::Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
            Error::exists(format!("Experiment(name={name}) already exists."))
        }
        source => Error::internal(source),
    }
}

/// The experiment, if it is in one of the stages.
pub fn find(conn: &mut Conn, id: i64, stage: Stage) -> Result<Option<Experiment>> {
    let row = experiments::table.find(id).first::<ExperimentRow>(conn).optional().map_err(Error::internal)?;
    complete(conn, row.filter(|row| stage.admits(row.deleted_at.is_some())))
}

/// The experiment of that name in the project.
pub fn find_by_name(conn: &mut Conn, project: &str, name: &str) -> Result<Option<Experiment>> {
    let row = experiments::table
        .filter(experiments::project_id.eq(project))
        .filter(experiments::name.eq(name))
        .first::<ExperimentRow>(conn)
        .optional()
        .map_err(Error::internal)?;
    complete(conn, row)
}

fn complete(conn: &mut Conn, row: Option<ExperimentRow>) -> Result<Option<Experiment>> {
    let Some(row) = row else { return Ok(None) };
    let tags = tags::table
        .filter(tags::experiment_id.eq(row.id))
        .select((tags::key, tags::value))
        .load(conn)
        .map_err(Error::internal)?;
    Ok(Some(row.with_tags(tags)))
}

/// The experiments of these ids, in this order.
pub fn load(conn: &mut Conn, ids: &[i64]) -> Result<Vec<Experiment>> {
    let mut all = Vec::with_capacity(ids.len());
    for id in ids {
        all.extend(find(conn, *id, Stage::All)?);
    }
    Ok(all)
}

/// The experiment of that name among those that are shown: the project's own before others'.
pub fn find_shown(conn: &mut Conn, scope: &Scope, project: &str, name: &str) -> Result<Option<Experiment>> {
    if let Some(own) = find_by_name(conn, project, name)? {
        return Ok(Some(own));
    }
    let row = experiments::table
        .filter(sql::<Bool>(&scope.sql("project_id")))
        .filter(experiments::name.eq(name))
        .order(experiments::id)
        .first::<ExperimentRow>(conn)
        .optional()
        .map_err(Error::internal)?;
    complete(conn, row)
}

/// Ids of experiments that are shown, of the wanted ones where some are named; absent: all there are.
pub fn shown(conn: &mut Conn, scope: &Scope, wanted: Option<Vec<i64>>) -> Result<Option<Vec<i64>>> {
    if *scope == Scope::All {
        return Ok(wanted);
    }
    let mut query =
        experiments::table.filter(sql::<Bool>(&scope.sql("project_id"))).select(experiments::id).into_boxed();
    if let Some(wanted) = wanted {
        query = query.filter(experiments::id.eq_any(wanted));
    }
    query.load(conn).map(Some).map_err(Error::internal)
}

/// All that are shown and not deleted, newest first, with the number of their runs; of their tags the one that says where from.
pub fn with_counts(conn: &mut Conn, scope: &Scope) -> Result<Vec<(Experiment, i64)>> {
    use diesel::dsl::count;
    let counts: std::collections::HashMap<i64, i64> = runs::table
        .filter(runs::deleted_at.is_null())
        .group_by(runs::experiment_id)
        .select((runs::experiment_id, count(runs::id)))
        .load::<(i64, i64)>(conn)
        .map_err(Error::internal)?
        .into_iter()
        .collect();
    let from: std::collections::HashMap<i64, String> = tags::table
        .filter(tags::key.eq(IMPORT_TAG))
        .select((tags::experiment_id, tags::value))
        .load::<(i64, String)>(conn)
        .map_err(Error::internal)?
        .into_iter()
        .collect();
    let rows: Vec<ExperimentRow> = experiments::table
        .filter(experiments::deleted_at.is_null())
        .filter(sql::<Bool>(&scope.sql("project_id")))
        .order((experiments::created_at.desc(), experiments::id.desc()))
        .load(conn)
        .map_err(Error::internal)?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let count = counts.get(&row.id).copied().unwrap_or(0);
            let from = from.get(&row.id).map(|from| (IMPORT_TAG.to_owned(), from.clone()));
            (row.with_tags(from.into_iter().collect()), count)
        })
        .collect())
}

pub fn rename(conn: &mut Conn, id: i64, name: &str, at: i64) -> Result<()> {
    diesel::update(experiments::table.find(id))
        .set((experiments::name.eq(name), experiments::updated_at.eq(at)))
        .execute(conn)
        .map(drop)
        .map_err(|source| taken(source, name))
}

/// Moves the experiment and its runs into the trash (`Some`) or out of it.
pub fn set_deleted(conn: &mut Conn, id: i64, deleted_at: Option<i64>, at: i64) -> Result<()> {
    diesel::update(experiments::table.find(id))
        .set((experiments::deleted_at.eq(deleted_at), experiments::updated_at.eq(at)))
        .execute(conn)
        .map_err(Error::internal)?;
    diesel::update(runs::table.filter(runs::experiment_id.eq(id)))
        .set(runs::deleted_at.eq(deleted_at))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn set_tag(conn: &mut Conn, id: i64, key: &str, value: &str) -> Result<()> {
    diesel::insert_into(tags::table)
        .values((tags::experiment_id.eq(id), tags::key.eq(key), tags::value.eq(value)))
        .on_conflict((tags::experiment_id, tags::key))
        .do_update()
        .set(tags::value.eq(value))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Whether there was such a tag.
pub fn delete_tag(conn: &mut Conn, id: i64, key: &str) -> Result<bool> {
    diesel::delete(tags::table.find((id, key))).execute(conn).map(|count| count > 0).map_err(Error::internal)
}

/// Numbers of experiments and runs that are not deleted.
pub fn counts(conn: &mut Conn, scope: &Scope) -> Result<(i64, i64)> {
    let experiments = experiments::table
        .filter(experiments::deleted_at.is_null())
        .filter(sql::<Bool>(&scope.sql("project_id")))
        .count()
        .get_result(conn)
        .map_err(Error::internal)?;
    let mut runs = runs::table.filter(runs::deleted_at.is_null()).into_boxed();
    if *scope != Scope::All {
        let condition = format!("experiment_id IN (SELECT id FROM experiments WHERE {})", scope.sql("project_id"));
        runs = runs.filter(sql::<Bool>(&condition));
    }
    let runs = runs.count().get_result(conn).map_err(Error::internal)?;
    Ok((experiments, runs))
}

/// Names of experiments by id.
pub fn names(conn: &mut Conn, ids: &[i64]) -> Result<std::collections::HashMap<i64, String>> {
    #[derive(QueryableByName)]
    struct Named {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        id: i64,
        #[diesel(sql_type = Text)]
        name: String,
    }
    let rows: Vec<Named> =
        diesel::sql_query("SELECT id, name FROM experiments WHERE id IN (SELECT value FROM json_each(?))")
            .bind::<Text, _>(super::json_ids(ids))
            .load(conn)
            .map_err(Error::internal)?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}
