//! Rows of tokens.

use diesel::prelude::*;
use drydock_wire::serving::TokenCounts;

use super::meter::{Kept, Minute};
use crate::{
    db::{
        Conn,
        schema::serving::{token_callers, token_minutes},
    },
    error::{Error, Result},
    serving::gateway::histogram::Histogram,
};

/// Answers, prompt, completion and estimated.
type Columns = (i64, i64, i64, i64);

/// Tokens of a deployment: of its life by caller, and by minute since that instant.
pub fn kept(conn: &mut Conn, deployment_id: &str, since: i64) -> Result<Kept> {
    let rows: Vec<(i64, Columns, Vec<u8>)> = token_minutes::table
        .filter(token_minutes::deployment_id.eq(deployment_id))
        .filter(token_minutes::at.ge(since))
        .select((
            token_minutes::at,
            (token_minutes::answers, token_minutes::prompt, token_minutes::completion, token_minutes::estimated),
            token_minutes::first_token,
        ))
        .load(conn)
        .map_err(Error::internal)?;
    let minute = |(at, tokens, first_token): (i64, _, Vec<u8>)| {
        (at, Minute { tokens: counts(tokens), first_token: Histogram::decode(&first_token).unwrap_or_default() })
    };
    let minutes = rows.into_iter().map(minute).collect();
    let rows: Vec<(String, Columns)> = token_callers::table
        .filter(token_callers::deployment_id.eq(deployment_id))
        .select((
            token_callers::caller,
            (token_callers::answers, token_callers::prompt, token_callers::completion, token_callers::estimated),
        ))
        .load(conn)
        .map_err(Error::internal)?;
    let callers = rows.into_iter().map(|(caller, tokens)| (caller, counts(tokens))).collect();
    Ok(Kept { minutes, callers })
}

/// Writes whole minutes and callers of a deployment that is still there; writing the same again changes nothing.
pub fn keep(conn: &mut Conn, deployment_id: &str, kept: &Kept) -> Result<()> {
    for (at, minute) in &kept.minutes {
        let tokens = &minute.tokens;
        let values = (
            token_minutes::deployment_id.eq(deployment_id),
            token_minutes::at.eq(at),
            token_minutes::answers.eq(signed(tokens.answers)),
            token_minutes::prompt.eq(signed(tokens.prompt)),
            token_minutes::completion.eq(signed(tokens.completion)),
            token_minutes::estimated.eq(signed(tokens.estimated)),
            token_minutes::first_token.eq(minute.first_token.encode()),
        );
        diesel::replace_into(token_minutes::table).values(values).execute(conn).map_err(Error::internal)?;
    }
    for (caller, tokens) in &kept.callers {
        let values = (
            token_callers::deployment_id.eq(deployment_id),
            token_callers::caller.eq(caller),
            token_callers::answers.eq(signed(tokens.answers)),
            token_callers::prompt.eq(signed(tokens.prompt)),
            token_callers::completion.eq(signed(tokens.completion)),
            token_callers::estimated.eq(signed(tokens.estimated)),
        );
        diesel::replace_into(token_callers::table).values(values).execute(conn).map_err(Error::internal)?;
    }
    Ok(())
}

/// Forgets minutes before that instant.
pub fn prune(conn: &mut Conn, before: i64) -> Result<()> {
    let old = token_minutes::table.filter(token_minutes::at.lt(before));
    diesel::delete(old).execute(conn).map(drop).map_err(Error::internal)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn counts((answers, prompt, completion, estimated): Columns) -> TokenCounts {
    let unsigned = |count: i64| u64::try_from(count).unwrap_or_default();
    TokenCounts {
        answers: unsigned(answers),
        prompt: unsigned(prompt),
        completion: unsigned(completion),
        estimated: unsigned(estimated),
    }
}
