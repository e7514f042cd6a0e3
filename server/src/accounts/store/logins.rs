//! Rows of logins, and of links that set a password.

use diesel::prelude::*;
use drydock_wire::accounts::LoginAttempt;

use super::PersonRow;
use crate::{
    db::{
        Conn,
        schema::accounts::{logins, password_links as links, people},
    },
    error::{Error, Result},
};

/// As many are kept; whoever guesses cannot fill the disk with them.
const KEPT: i64 = 50_000;
const SHOWN: i64 = 100;
const MOST_CHARS: usize = 64;

/// How a login ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Entered,
    Wrong,
    Disabled,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Entered => "entered",
            Self::Wrong => "wrong",
            Self::Disabled => "disabled",
        }
    }
}

pub fn insert_login(conn: &mut Conn, at: i64, username: &str, from: (&str, &str), outcome: Outcome) -> Result<()> {
    let name: String = username.chars().take(MOST_CHARS).collect();
    let agent: String = from.1.chars().take(200).collect();
    let id: i64 = diesel::insert_into(logins::table)
        .values((
            logins::at.eq(at),
            logins::username.eq(name),
            logins::address.eq(from.0),
            logins::user_agent.eq(agent),
            logins::outcome.eq(outcome.as_str()),
        ))
        .returning(logins::id)
        .get_result(conn)
        .map_err(Error::internal)?;
    diesel::delete(logins::table.filter(logins::id.le(id - KEPT))).execute(conn).map(drop).map_err(Error::internal)
}

/// Of that name, newest first.
pub fn logins_of(conn: &mut Conn, username: &str) -> Result<Vec<LoginAttempt>> {
    let rows: Vec<(i64, String, String, String)> = logins::table
        .filter(logins::username.eq(username))
        .order(logins::id.desc())
        .limit(SHOWN)
        .select((logins::at, logins::address, logins::user_agent, logins::outcome))
        .load(conn)
        .map_err(Error::internal)?;
    let view = |(at, address, user_agent, outcome)| LoginAttempt { at, address, user_agent, outcome };
    Ok(rows.into_iter().map(view).collect())
}

/// A new link; those that the person had before are good no more.
pub fn put_link(conn: &mut Conn, person_id: &str, hash: &str, by: &str, at: i64, expires_at: i64) -> Result<()> {
    delete_links(conn, person_id)?;
    diesel::insert_into(links::table)
        .values((
            links::secret_hash.eq(hash),
            links::person_id.eq(person_id),
            links::created_at.eq(at),
            links::created_by.eq(by),
            links::expires_at.eq(expires_at),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Whose link it is, if it is still good.
pub fn link(conn: &mut Conn, hash: &str, now: i64) -> Result<Option<PersonRow>> {
    links::table
        .inner_join(people::table)
        .filter(links::secret_hash.eq(hash))
        .filter(links::expires_at.gt(now))
        .select(PersonRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

pub fn delete_links(conn: &mut Conn, person_id: &str) -> Result<()> {
    diesel::delete(links::table.filter(links::person_id.eq(person_id))).execute(conn).map(drop).map_err(Error::internal)
}
