//! What an admin sees of a person and does to their sessions and tokens; links with which a person sets a password.
//!
//! Always holds: a link is good once and for a day, and its secret is stored hashed; a password that is set through it ends all
//! sessions; who gets in with it is who was meant, an admin among them, but it enables no disabled account.

use drydock_wire::{
    accounts::{LoginAttempt, PasswordLink, PersonDetail, UsePasswordLink},
    validate,
};
use serde_json::json;

use super::{Accounts, Authorized, Principal, action, audit, nobody, secrets, store, too_many_attempts};
use crate::{
    clock,
    db::Db,
    error::{Error, Result},
};

/// A day.
const LINK_MS: i64 = 86_400_000;

/// All that there is about a person.
pub async fn person(db: &Db, _auth: &Authorized<action::Administer>, username: &str) -> Result<PersonDetail> {
    let username = username.to_owned();
    db.read(move |conn| {
        let row = store::person_by_name(conn, &username)?.ok_or_else(|| nobody(&username))?;
        let sessions = store::sessions_of(conn, &row.id)?.into_iter().map(|session| session.view(None)).collect();
        let tokens = store::tokens_of(conn, &row.id)?.into_iter().map(store::TokenRow::view).collect();
        let keys = store::s3_keys(conn, Some(&row.id))?.into_iter().map(|(key, username)| key.view(username));
        let s3_keys = keys.collect::<Result<Vec<_>>>()?;
        Ok(PersonDetail { sessions, tokens, s3_keys, logins: store::logins_of(conn, &username)?, person: row.view() })
    })
    .await
}

/// The asker's own logins, newest first.
pub async fn own_logins(db: &Db, who: &Principal) -> Result<Vec<LoginAttempt>> {
    let username = who.username.clone();
    db.read(move |conn| store::logins_of(conn, &username)).await
}

/// Logs a person out everywhere.
pub async fn end_sessions(db: &Db, auth: &Authorized<action::Administer>, username: &str) -> Result<()> {
    let (who, username) = (auth.principal().clone(), username.to_owned());
    db.write(move |conn| {
        let row = store::person_by_name(conn, &username)?.ok_or_else(|| nobody(&username))?;
        let ended = store::sessions_of(conn, &row.id)?.len();
        store::delete_sessions(conn, &row.id, None)?;
        audit(conn, &who, "session.delete", &format!("person/{username}"), json!({"sessions": ended}))
    })
    .await
}

/// Ends a token of somebody.
pub async fn end_token(db: &Db, auth: &Authorized<action::Administer>, username: &str, id: &str) -> Result<()> {
    let (who, username, id) = (auth.principal().clone(), username.to_owned(), id.to_owned());
    db.write(move |conn| {
        let row = store::person_by_name(conn, &username)?.ok_or_else(|| nobody(&username))?;
        if !store::delete_token(conn, &row.id, &id)? {
            return Err(Error::not_found(format!("{username} has no such token.")));
        }
        audit(conn, &who, "token.delete", &format!("token/{id}"), json!({"of": username}))
    })
    .await
}

/// A link for a person who has no password yet, or has forgotten it; one from before is good no more.
pub async fn make_link(db: &Db, auth: &Authorized<action::Administer>, username: &str) -> Result<PasswordLink> {
    let (who, username) = (auth.principal().clone(), username.to_owned());
    let (secret, now) = (secrets::new_secret("")?, clock::now_ms());
    let (hash, expires_at) = (secrets::hash_secret(&secret), now + LINK_MS);
    db.write(move |conn| {
        let row = store::person_by_name(conn, &username)?.ok_or_else(|| nobody(&username))?;
        store::put_link(conn, &row.id, &hash, &who.username, now, expires_at)?;
        audit(conn, &who, "person.link", &format!("person/{username}"), json!({"expires_at": expires_at}))
    })
    .await?;
    Ok(PasswordLink { path: format!("/welcome#{secret}"), expires_at })
}

/// Sets the password of the person whose link it is.
///
/// # Errors
/// `forbidden` for a link that is not, was used or has expired; `invalid` for a password that is not taken, which leaves the
/// link good.
pub async fn use_link(accounts: &Accounts, wish: UsePasswordLink, from: &str) -> Result<()> {
    let keys = ["link".to_owned() + from, format!("address:{from}")];
    if let Some(wait) = accounts.throttle.wait(&keys, std::time::Instant::now()) {
        return Err(too_many_attempts(wait.as_secs().max(1)));
    }
    let (hash, now) = (secrets::hash_secret(wish.secret.trim()), clock::now_ms());
    let wanted = hash.clone();
    if accounts.db.read(move |conn| store::link(conn, &wanted, now)).await?.is_none() {
        accounts.throttle.failed(&keys, std::time::Instant::now());
        return Err(used_up());
    }
    validate::password(&wish.password).map_err(Error::invalid)?;
    let password = secrets::hash_password(wish.password).await?;
    let from = from.to_owned();
    accounts
        .db
        .write(move |conn| {
            // another may have been quicker
            let mut row = store::link(conn, &hash, now)?.ok_or_else(used_up)?;
            row.password_hash = password;
            store::update_person(conn, &row)?;
            store::delete_links(conn, &row.id)?;
            store::delete_sessions(conn, &row.id, None)?;
            let who = Principal { address: from, ..Principal::of_role(&row.username, row.role()) };
            let told = json!({"after": {"password": true}, "by": "link"});
            audit(conn, &who, "person.update", &format!("person/{}", row.username), told)
        })
        .await
}

fn used_up() -> Error {
    Error::forbidden("This link was used already, or its day is over; ask an admin of the box for another one.")
}
