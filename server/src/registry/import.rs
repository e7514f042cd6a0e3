//! Taking in registered models with the numbers and times that they had elsewhere, for `transfers`. Within the caller's
//! transaction.
//!
//! Always holds: versions and aliases that are here stay as they are; a number that was given there, to a version that was
//! deleted since, too, is not given again here.

use drydock_wire::{
    import::{ForeignModel, ForeignVersion},
    registry::MoveCause,
};

use super::{
    moves::{self, Mover},
    rules,
    store::{models as model_store, versions as store},
};
use crate::{
    accounts::{
        Principal, action,
        projects::{self, Kind, Subject, subjects},
    },
    clock,
    db::Conn,
    error::{Error, Result},
    tracking,
};

/// What an import of a model brought.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct TakenModel {
    pub name: String,
    pub is_new: bool,
    pub versions: u64,
    pub aliases: u64,
}

/// Takes a model in under its name, or with `suffix` where another model has that.
///
/// # Errors
/// `conflict` when that name is taken by another model, too.
pub fn import_model(conn: &mut Conn, who: &Principal, foreign: &ForeignModel, suffix: &str) -> Result<TakenModel> {
    let by = who.username.as_str();
    rules::model_name(&foreign.name)?;
    let (name, known) = name_for(conn, foreign, suffix)?;
    let is_new = known.is_none();
    projects::may(conn, who, action::Launch, Kind::Model, &name)?;
    let row = match known {
        Some(row) => row,
        None => {
            let row = model_store::insert(conn, &who.project, &name, &foreign.description, foreign.created_at)?;
            for tag in &foreign.tags {
                rules::tag(&tag.key, &tag.value)?;
                model_store::set_tag(conn, row, &tag.key, &tag.value)?;
            }
            row
        }
    };
    let mut taken = TakenModel { name, is_new, ..TakenModel::default() };
    for version in &foreign.versions {
        if store::find(conn, row, version.version)?.is_none() {
            insert_version(conn, who, row, version)?;
            taken.versions += 1;
        }
    }
    store::raise_last(conn, row, foreign.last_version)?;
    for alias in &foreign.aliases {
        rules::alias(&alias.alias)?;
        let there = store::find(conn, row, alias.version)?.is_some();
        if there && store::alias_target(conn, row, &alias.alias)?.is_none() {
            let at = clock::now_ms();
            model_store::set_alias(conn, row, &alias.alias, alias.version, at, by)?;
            let mover = Mover { row, model: &taken.name, by, at };
            moves::note(conn, mover, &alias.alias, MoveCause::Set, (None, Some(alias.version)))?;
            taken.aliases += 1;
        }
    }
    if is_new {
        model_store::touch(conn, row, foreign.updated_at)?;
    }
    Ok(taken)
}

/// The name it gets, and its row if it is here already: a model of that name made at that very time is the same one.
fn name_for(conn: &mut Conn, foreign: &ForeignModel, suffix: &str) -> Result<(String, Option<i64>)> {
    for name in [foreign.name.clone(), format!("{}{suffix}", foreign.name)] {
        let Some(row) = model_store::row_of(conn, &name)? else { return Ok((name, None)) };
        if model_store::load(conn, row)?.created_at == foreign.created_at {
            return Ok((name, Some(row)));
        }
    }
    Err(Error::conflict(format!(
        "The box has other models named {0} and {0}{suffix}; choose another suffix.",
        foreign.name
    )))
}

fn insert_version(conn: &mut Conn, who: &Principal, model: i64, foreign: &ForeignVersion) -> Result<()> {
    if foreign.version < 1 {
        return Err(Error::refused(format!("{} is no number of a version.", foreign.version)));
    }
    let mut version = foreign.clone();
    rules::stage(&version.stage)?;
    if let Some(id) = version.source.strip_prefix("models:/").filter(|rest| rest.starts_with("m-"))
        && let Some(logged) = tracking::logged_model_on_conn(conn, id)?
    {
        version.storage_location = logged.artifact_uri;
    }
    see_origin(conn, who, &version)?;
    let row = store::insert_as(conn, model, &version)?;
    for tag in &version.tags {
        rules::tag(&tag.key, &tag.value)?;
        store::set_tag(conn, row, &tag.key, &tag.value)?;
    }
    Ok(())
}

/// A version is a way to the files that it names: they have to be there for whoever brings it.
fn see_origin(conn: &mut Conn, who: &Principal, version: &ForeignVersion) -> Result<()> {
    let mut named = subjects::of_source(&version.source);
    named.extend(subjects::of_source(&version.storage_location));
    named.extend(version.run_id.iter().map(|id| Subject::new(Kind::Run, id)));
    named.extend(version.model_id.iter().map(|id| Subject::new(Kind::LoggedModel, id)));
    named.iter().try_for_each(|subject| projects::see(conn, who, subject.kind, &subject.key))
}
