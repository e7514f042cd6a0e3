//! Rows of alias moves. They are only ever added.

use diesel::prelude::*;
use drydock_wire::registry::{AliasMove, MoveCause};

use crate::{
    db::{
        Conn,
        schema::registry::{alias_moves as moves, registered_models as models},
    },
    error::{Error, Result},
    registry::moves::Mover,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = moves)]
struct MoveRow {
    model_name: String,
    alias: String,
    at: i64,
    moved_by: String,
    cause: String,
    from_version: Option<i64>,
    to_version: Option<i64>,
}

const CAUSES: [(MoveCause, &str); 5] = [
    (MoveCause::Set, "set"),
    (MoveCause::Removed, "removed"),
    (MoveCause::VersionDeleted, "version_deleted"),
    (MoveCause::ModelDeleted, "model_deleted"),
    (MoveCause::Renamed, "renamed"),
];

impl MoveRow {
    fn view(self) -> AliasMove {
        let cause = CAUSES.iter().find(|(_, word)| *word == self.cause).map_or(MoveCause::Set, |(cause, _)| *cause);
        AliasMove {
            at: self.at,
            by: self.moved_by,
            alias: self.alias,
            model: self.model_name,
            cause,
            from_version: self.from_version,
            to_version: self.to_version,
        }
    }
}

pub fn insert(
    conn: &mut Conn,
    mover: Mover<'_>,
    alias: &str,
    cause: MoveCause,
    (from, to): (Option<i64>, Option<i64>),
) -> Result<()> {
    let word = CAUSES.iter().find(|(one, _)| *one == cause).map_or("set", |(_, word)| *word);
    diesel::insert_into(moves::table)
        .values((
            moves::model.eq(mover.row),
            moves::model_name.eq(mover.model),
            moves::alias.eq(alias),
            moves::at.eq(mover.at),
            moves::moved_by.eq(mover.by),
            moves::cause.eq(word),
            moves::from_version.eq(from),
            moves::to_version.eq(to),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// The model that has this name, or had it last.
pub fn model_named(conn: &mut Conn, name: &str) -> Result<Option<i64>> {
    let present = models::table.filter(models::name.eq(name)).select(models::id).first(conn).optional();
    if let Some(row) = present.map_err(Error::internal)? {
        return Ok(Some(row));
    }
    moves::table
        .filter(moves::model_name.eq(name))
        .order((moves::at.desc(), moves::id.desc()))
        .select(moves::model)
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// Newest first, at most so many; of all aliases when none is named.
pub fn of_model(conn: &mut Conn, row: i64, alias: Option<&str>, most: i64) -> Result<Vec<AliasMove>> {
    let mut query = moves::table.filter(moves::model.eq(row)).into_boxed();
    if let Some(alias) = alias {
        query = query.filter(moves::alias.eq(alias.to_owned()));
    }
    let rows: Vec<MoveRow> = query
        .order((moves::at.desc(), moves::id.desc()))
        .limit(most)
        .select(MoveRow::as_select())
        .load(conn)
        .map_err(Error::internal)?;
    Ok(rows.into_iter().map(MoveRow::view).collect())
}

/// The last move at or before the instant, and the first one after it.
pub fn around(conn: &mut Conn, row: i64, alias: &str, time: i64) -> Result<(Option<AliasMove>, Option<AliasMove>)> {
    let of_alias = || moves::table.filter(moves::model.eq(row)).filter(moves::alias.eq(alias));
    let before: Option<MoveRow> = of_alias()
        .filter(moves::at.le(time))
        .order((moves::at.desc(), moves::id.desc()))
        .select(MoveRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    // A renaming moves nothing: what it pointed at goes on.
    let after: Option<MoveRow> = of_alias()
        .filter(moves::at.gt(time))
        .filter(moves::cause.ne("renamed"))
        .order((moves::at, moves::id))
        .select(MoveRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    Ok((before.map(MoveRow::view), after.map(MoveRow::view)))
}
