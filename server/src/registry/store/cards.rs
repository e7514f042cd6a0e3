//! Rows of model cards. Revisions are only ever added; they go with their version.

use diesel::prelude::*;
use drydock_wire::registry::CardContent;

use crate::{
    db::{
        Conn,
        schema::registry::{model_cards as cards, model_versions as versions},
    },
    error::{Error, Result},
};

/// A revision.
#[derive(Debug, Clone)]
pub struct CardRow {
    pub revision: i64,
    pub at: i64,
    pub author: String,
    pub note: String,
    pub content: CardContent,
}

/// Every revision of the version's card, newest first.
pub fn of_version(conn: &mut Conn, version: i64) -> Result<Vec<CardRow>> {
    let rows: Vec<(i64, i64, String, String, String)> = cards::table
        .filter(cards::version.eq(version))
        .order(cards::revision.desc())
        .select((cards::revision, cards::at, cards::author, cards::note, cards::content))
        .load(conn)
        .map_err(Error::internal)?;
    rows.into_iter()
        .map(|(revision, at, author, note, content)| {
            let content = serde_json::from_str(&content).map_err(Error::internal)?;
            Ok(CardRow { revision, at, author, note, content })
        })
        .collect()
}

pub fn newest(conn: &mut Conn, version: i64) -> Result<Option<(i64, CardContent)>> {
    let row: Option<(i64, String)> = cards::table
        .filter(cards::version.eq(version))
        .order(cards::revision.desc())
        .select((cards::revision, cards::content))
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    row.map(|(revision, content)| Ok((revision, serde_json::from_str(&content).map_err(Error::internal)?))).transpose()
}

/// Number of the model's nearest version before `number` that has a card.
pub fn earlier(conn: &mut Conn, model: i64, number: i64) -> Result<Option<i64>> {
    versions::table
        .filter(versions::model.eq(model))
        .filter(versions::version.lt(number))
        .filter(versions::id.eq_any(cards::table.select(cards::version)))
        .order(versions::version.desc())
        .select(versions::version)
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

pub fn insert(conn: &mut Conn, version: i64, row: &CardRow) -> Result<()> {
    let content = serde_json::to_string(&row.content).map_err(Error::internal)?;
    diesel::insert_into(cards::table)
        .values((
            cards::version.eq(version),
            cards::revision.eq(row.revision),
            cards::at.eq(row.at),
            cards::author.eq(&row.author),
            cards::note.eq(&row.note),
            cards::content.eq(content),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}
