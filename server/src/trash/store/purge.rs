//! Moving into the trash, out of it, and for good: rows and artifact references. What a registered version was made from is
//! never removed: its files are that version's files.

use diesel::{RunQueryDsl, prelude::*, sql_query, sql_types::*};
use drydock_wire::trash::TrashKind;

use super::{Thing, files, needed_by};
use crate::{
    db::{
        Conn,
        schema::tracking::{experiments, logged_models, runs},
    },
    error::{Error, Result},
    objects,
    registry::Holders,
};

/// Marks the thing as deleted at that time, or (`None`) as alive. Whether it changed anything.
pub fn mark(conn: &mut Conn, thing: &Thing, deleted_at: Option<i64>) -> Result<bool> {
    let changed = match thing.kind {
        TrashKind::Run => {
            diesel::update(runs::table.find(thing.row)).set(runs::deleted_at.eq(deleted_at)).execute(conn)
        }
        TrashKind::LoggedModel => diesel::update(logged_models::table.find(thing.row))
            .set(logged_models::deleted_at.eq(deleted_at))
            .execute(conn),
        TrashKind::Experiment => {
            diesel::update(experiments::table.find(thing.row)).set(experiments::deleted_at.eq(deleted_at)).execute(conn)
        }
    };
    changed.map(|count| count > 0).map_err(Error::internal)
}

/// What one round of a purge did.
#[derive(Debug, Default)]
pub struct Purged {
    pub runs: Vec<String>,
    pub logged_models: Vec<String>,
    pub experiments: Vec<String>,
    /// Digests that lost a reference.
    pub digests: Vec<String>,
}

impl Purged {
    pub fn count(&self) -> usize {
        self.runs.len() + self.logged_models.len() + self.experiments.len()
    }
}

/// Removes those of the things that lie in the trash still, or whose experiment does, and that no registered version
/// needs. Experiments go once they are empty: put them last.
pub fn purge(conn: &mut Conn, things: &[Thing]) -> Result<Purged> {
    let holders = Holders::load(conn)?;
    let mut gone = Purged::default();
    for thing in things {
        if !is_in_trash(conn, thing)? || !needed_by(&holders, thing).is_empty() {
            continue;
        }
        let own = files(conn, thing)?;
        gone.digests.extend(objects::store::release(conn, own)?);
        match thing.kind {
            TrashKind::Run => {
                diesel::delete(runs::table.find(thing.row)).execute(conn).map_err(Error::internal)?;
                gone.runs.push(thing.id.clone());
            }
            TrashKind::LoggedModel => {
                diesel::delete(logged_models::table.find(thing.row)).execute(conn).map_err(Error::internal)?;
                gone.logged_models.push(thing.id.clone());
            }
            TrashKind::Experiment => {
                crate::traces::forget_experiment(conn, thing.row)?;
                if delete_empty(conn, thing.row)? {
                    gone.experiments.push(thing.name.clone());
                }
            }
        }
    }
    Ok(gone)
}

fn is_in_trash(conn: &mut Conn, thing: &Thing) -> Result<bool> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Bool)]
        yes: bool,
    }
    let query = match thing.kind {
        TrashKind::Run => {
            "SELECT r.deleted_at IS NOT NULL OR e.deleted_at IS NOT NULL AS yes FROM runs r
             JOIN experiments e ON e.id = r.experiment_id WHERE r.id = ?"
        }
        TrashKind::LoggedModel => {
            "SELECT m.deleted_at IS NOT NULL OR e.deleted_at IS NOT NULL AS yes FROM logged_models m
             JOIN experiments e ON e.id = m.experiment_id WHERE m.id = ?"
        }
        TrashKind::Experiment => "SELECT e.deleted_at IS NOT NULL AS yes FROM experiments e WHERE e.id = ?",
    };
    let found: Option<Found> =
        sql_query(query).bind::<BigInt, _>(thing.row).get_result(conn).optional().map_err(Error::internal)?;
    Ok(found.is_some_and(|found| found.yes))
}

/// Deletes the experiment if nothing is left in it. Experiment 0 stays, empty: clients that choose none use it.
fn delete_empty(conn: &mut Conn, id: i64) -> Result<bool> {
    let gone = diesel::delete(
        experiments::table
            .find(id)
            .filter(experiments::id.ne(0))
            .filter(diesel::dsl::not(diesel::dsl::exists(runs::table.filter(runs::experiment_id.eq(id)))))
            .filter(diesel::dsl::not(diesel::dsl::exists(
                logged_models::table.filter(logged_models::experiment_id.eq(id)),
            ))),
    )
    .execute(conn)
    .map_err(Error::internal)?;
    Ok(gone > 0)
}
