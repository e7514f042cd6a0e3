//! Coming in and going out: the first admin, login, logout, password change.

use std::sync::PoisonError;

use drydock_wire::accounts::{ChangePassword, CompleteSetup, Login, Role, Session};
use drydock_wire::validate;
use subtle::ConstantTimeEq;

use super::{
    Accounts, Principal, Via, audit,
    identify::{self, wrong_password},
    new_person, secrets,
    store::{self, Outcome},
};
use crate::{
    clock,
    db::Conn,
    error::{Error, Result},
};

/// A session that has just begun: who, and the secret for the cookie.
pub struct Entered {
    pub who: Principal,
    pub secret: String,
}

/// A one-time secret that a person can type: five groups of four letters and digits, 100 bits.
pub(super) fn new_setup_secret() -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567899";
    let bytes = secrets::random_bytes::<20>()?;
    let text: String = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    Ok([&text[0..4], &text[4..8], &text[8..12], &text[12..16], &text[16..20]].join("-"))
}

/// The one-time secret for the console, while no admin exists.
pub fn setup_secret(accounts: &Accounts) -> Option<String> {
    accounts.setup_secret.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Makes the first admin and logs in.
///
/// # Errors
/// `conflict` when there is an admin already; `forbidden` for a wrong secret.
pub async fn complete_setup(accounts: &Accounts, wish: CompleteSetup, from: &str, agent: &str) -> Result<Entered> {
    if !accounts.setup_state().await?.needed {
        return Err(Error::conflict("This box has an admin already; log in, or ask the admin for an account."));
    }
    let keys = ["setup".to_owned(), format!("address:{from}")];
    if let Some(wait) = accounts.throttle.wait(&keys, std::time::Instant::now()) {
        return Err(super::too_many_attempts(wait.as_secs().max(1)));
    }
    let right = setup_secret(accounts)
        .is_some_and(|secret| bool::from(secret.as_bytes().ct_eq(wish.secret.trim().to_lowercase().as_bytes())));
    if !right {
        accounts.throttle.failed(&keys, std::time::Instant::now());
        return Err(Error::forbidden("This is not the secret that the server printed on its console when it started."));
    }
    let row = new_person(&wish.username, wish.password, Role::Admin).await?;
    let who = Principal { username: row.username.clone(), address: from.to_owned(), ..Principal::console() };
    let made = row.clone();
    accounts
        .db
        .write(move |conn| {
            if store::any_admin(conn)? {
                return Err(Error::conflict("This box has an admin already; log in."));
            }
            store::insert_person(conn, &made)?;
            let detail = serde_json::json!({"role": "admin", "first": true});
            audit(conn, &who, "person.create", &format!("person/{}", made.username), detail)
        })
        .await?;
    *accounts.setup_secret.lock().unwrap_or_else(PoisonError::into_inner) = None;
    enter(accounts, row, from, agent).await
}

/// Begins a session.
pub async fn login(accounts: &Accounts, wish: Login, from: &str, agent: &str) -> Result<Entered> {
    let name = wish.username.clone();
    let person = accounts.db.read(move |conn| store::person_by_name(conn, &name)).await?;
    let stored = person.as_ref().map(|person| person.password_hash.clone());
    let noted = |outcome| {
        let (name, from, agent) = (wish.username.clone(), from.to_owned(), agent.to_owned());
        move |conn: &mut Conn| store::insert_login(conn, clock::now_ms(), &name, (&from, &agent), outcome)
    };
    if let Err(error) = accounts.check_password(&wish.username, &wish.password, stored, from).await {
        // one that has to wait was not even looked at
        if error.code == drydock_wire::ErrorCode::Unauthenticated {
            accounts.in_background(noted(Outcome::Wrong));
        }
        return Err(error);
    }
    let Some(person) = person.filter(|person| !person.disabled) else {
        accounts.in_background(noted(Outcome::Disabled));
        return Err(wrong_password());
    };
    enter(accounts, person, from, agent).await
}

async fn enter(accounts: &Accounts, person: store::PersonRow, from: &str, agent: &str) -> Result<Entered> {
    let secret = secrets::new_secret("")?;
    let now = clock::now_ms();
    let row = store::SessionRow {
        id: uuid::Uuid::now_v7().to_string(),
        secret_hash: secrets::hash_secret(&secret),
        person_id: person.id.clone(),
        created_at: now,
        last_used_at: now,
        address: from.to_owned(),
        user_agent: agent.chars().take(200).collect(),
    };
    let reach = accounts.reach_of(&person).await?;
    let who = identify::principal(&person, reach, Via::Session, from.to_owned());
    let who = Principal { session_id: Some(row.id.clone()), ..who };
    let actor = who.clone();
    accounts
        .db
        .write(move |conn| {
            store::insert_session(conn, &row)?;
            let from = (row.address.as_str(), row.user_agent.as_str());
            store::insert_login(conn, now, &actor.username, from, Outcome::Entered)?;
            audit(conn, &actor, "session.create", &format!("session/{}", row.id), serde_json::json!({}))
        })
        .await?;
    Ok(Entered { who, secret })
}

/// Ends the session that `id` names, if it is the principal's.
pub async fn logout(accounts: &Accounts, who: &Principal, id: &str) -> Result<()> {
    let (who, id) = (who.clone(), id.to_owned());
    accounts
        .db
        .write(move |conn| {
            if !store::delete_session(conn, &who.person_id, &id)? {
                return Err(Error::not_found("There is no such session of yours."));
            }
            audit(conn, &who, "session.delete", &format!("session/{id}"), serde_json::json!({}))
        })
        .await
}

/// The principal's open sessions, last used first.
pub async fn sessions(accounts: &Accounts, who: &Principal) -> Result<Vec<Session>> {
    let person = who.person_id.clone();
    let rows = accounts.db.read(move |conn| store::sessions_of(conn, &person)).await?;
    Ok(rows.into_iter().map(|row| row.view(who.session_id.as_deref())).collect())
}

/// Changes the principal's own password; their other sessions end.
pub async fn change_password(accounts: &Accounts, who: &Principal, wish: ChangePassword) -> Result<()> {
    if matches!(who.via, Via::Job) {
        return Err(Error::forbidden("The token of a job cannot change passwords."));
    }
    validate::password(&wish.new).map_err(Error::invalid)?;
    let name = who.username.clone();
    let person = accounts.db.read(move |conn| store::person_by_name(conn, &name)).await?;
    let stored = person.as_ref().map(|person| person.password_hash.clone());
    let checked = accounts.check_password(&who.username, &wish.current, stored, &who.address).await;
    // Not 401: the session is good, only the field is wrong.
    checked.map_err(|error| match error.code {
        drydock_wire::ErrorCode::Unauthenticated => Error::invalid("The current password is wrong."),
        _ => error,
    })?;
    let hash = secrets::hash_password(wish.new).await?;
    let who = who.clone();
    accounts
        .db
        .write(move |conn| {
            let mut row = store::person_by_name(conn, &who.username)?.ok_or_else(wrong_password)?;
            row.password_hash = hash;
            store::update_person(conn, &row)?;
            store::delete_sessions(conn, &row.id, who.session_id.as_deref())?;
            let subject = format!("person/{}", who.username);
            audit(conn, &who, "person.update", &subject, serde_json::json!({"after": {"password": true}}))
        })
        .await
}
