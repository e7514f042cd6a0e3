//! People, roles, sessions, tokens, S3 keys, and the audit trail of every change.
//!
//! Always holds: secrets are stored hashed (S3 secrets sealed with the box key) and shown once; a change and its audit row
//! commit together; there is always an admin who can log in. Never here: what an action means to a feature.

pub mod audit;
mod authorize;
mod identify;
pub mod limits;
mod people;
pub mod projects;
mod reach;
mod routes;
mod s3_keys;
pub mod secrets;
mod sessions;
mod store;
mod throttle;

use std::{
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use drydock_wire::{
    ErrorCode,
    accounts::{AuditEntry, CreatePerson, CreateToken, CreatedToken, Person, Role, SetupState, Token, UpdatePerson},
    validate,
};

pub use authorize::{Action, Authorized, DEFAULT_PROJECT, action, authorize};
pub use identify::{SESSION_COOKIES, identify};
pub use people::{end_sessions, end_token, make_link, own_logins, person, use_link};
pub use reach::{Reach, Scope};
pub use routes::configure;
pub use s3_keys::{
    S3Caller, check_scopes, console_create_s3_key, create_s3_key, delete_s3_key, issue_job_s3_key, list_s3_keys,
};
pub use sessions::{Entered, change_password, complete_setup, login, logout, sessions, setup_secret};

use crate::{
    background::Background,
    clock,
    db::{Conn, Db},
    error::{Error, Result},
};
use secrets::BoxKey;

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub person_id: String,
    pub username: String,
    /// In the project that the request is about.
    pub role: Role,
    /// The project that the request is about: new things go into it.
    pub project: String,
    /// What they may do in the other ones.
    pub reach: Reach,
    pub via: Via,
    /// The workload (job attempt) whose token this is.
    pub job_id: Option<String>,
    pub session_id: Option<String>,
    /// Where the request came from.
    pub address: String,
}

/// How a request proved who makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    Session,
    Token,
    Basic,
    Job,
    /// A command on the box itself.
    Console,
}

impl Via {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Token => "token",
            Self::Basic => "basic",
            Self::Job => "job",
            Self::Console => "console",
        }
    }
}

impl Principal {
    /// Somebody who works on the data directory from a shell.
    pub fn console() -> Self {
        let anybody = Self::of_role("console", Role::Admin);
        Self { via: Via::Console, address: "console".into(), person_id: String::new(), ..anybody }
    }

    /// Somebody with this role everywhere, with a token; the person's id is the name.
    pub fn of_role(username: &str, role: Role) -> Self {
        Self {
            person_id: username.to_owned(),
            username: username.to_owned(),
            role,
            project: DEFAULT_PROJECT.to_owned(),
            reach: Reach::of_role(role),
            via: Via::Token,
            job_id: None,
            session_id: None,
            address: String::new(),
        }
    }

    /// The same person in a project; absent where the project is not there for them.
    pub fn within(&self, project: &str) -> Option<Self> {
        let role = self.reach.role_in(project)?;
        Some(Self { role, project: project.to_owned(), ..self.clone() })
    }
}

/// The handle of this feature; cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    db: Db,
    box_key: BoxKey,
    throttle: Arc<throttle::Throttle>,
    passed_basic: identify::PassedBasic,
    known_tokens: identify::KnownTokens,
    s3_callers: s3_keys::Known,
    /// Whether there are more projects than the default one.
    more_projects: Arc<AtomicBool>,
    /// Present while no admin exists.
    setup_secret: Arc<Mutex<Option<String>>>,
}

impl Accounts {
    /// The handle. While there is no admin it holds a one-time secret that `setup_secret` tells the console.
    pub async fn start(db: Db, box_key: BoxKey) -> Result<Self> {
        let needed = !db.read(store::any_admin).await?;
        let secret = if needed { Some(sessions::new_setup_secret()?) } else { None };
        let accounts = Self {
            db,
            box_key,
            throttle: Arc::default(),
            passed_basic: identify::PassedBasic::new()?,
            known_tokens: identify::KnownTokens::default(),
            s3_callers: s3_keys::Known::default(),
            more_projects: Arc::default(),
            setup_secret: Arc::new(Mutex::new(secret)),
        };
        accounts.count_projects().await?;
        Ok(accounts)
    }

    /// Whether the first admin is still to be made.
    pub async fn setup_state(&self) -> Result<SetupState> {
        let needed = !self.db.read(store::any_admin).await?;
        Ok(SetupState { needed, version: env!("CARGO_PKG_VERSION").to_owned() })
    }
}

/// Writes who did what into the audit trail. Call it in the same `write` closure as the change.
/// `action` reads `dataset.create`, `subject` `dataset/wine`; `detail` never holds a secret.
pub fn audit(conn: &mut Conn, who: &Principal, action: &str, subject: &str, detail: serde_json::Value) -> Result<()> {
    let fields = [who.username.as_str(), who.address.as_str(), action, subject, &detail.to_string()];
    audit::append(conn, clock::now_ms(), fields)
}

/// A token for one attempt of a job, in the name of its owner and for the job's project; it may log, read and register,
/// nothing else. Returns the secret, which is nowhere stored.
pub fn issue_job_token(
    conn: &mut Conn,
    owner_person_id: &str,
    project: &str,
    workload_id: &str,
    expires_at: i64,
) -> Result<String> {
    let (row, secret) = new_token(owner_person_id, "job", workload_id, Some(expires_at))?;
    let limits = limits::of(conn, limits::Asked::Job, workload_id)?;
    let project_id = limits.project.or_else(|| bound_to(project));
    let role = limits.role.map(|role| role.as_str().to_owned());
    store::insert_token(conn, &store::TokenRow { workload_id: Some(workload_id.to_owned()), project_id, role, ..row })?;
    Ok(secret)
}

/// What a workload's token is bound to, if not by the token that asked for it: one of the default project reaches as far as its
/// owner does, as it did before there were others.
fn bound_to(project: &str) -> Option<String> {
    (project != DEFAULT_PROJECT).then(|| project.to_owned())
}

/// Ends the tokens and S3 keys of a workload. Without any: nothing to do.
pub fn revoke_job_tokens(conn: &mut Conn, workload_id: &str) -> Result<()> {
    store::delete_tokens_of_workload(conn, workload_id)?;
    store::delete_s3_keys_of_workload(conn, workload_id)
}

/// Id of the person of that name, for features that keep rights by person.
pub fn person_id(conn: &mut Conn, username: &str) -> Result<String> {
    store::person_by_name(conn, username)?.map(|person| person.id).ok_or_else(|| nobody(username))
}

/// Name of the person of that id; absent when there is nobody any more.
pub fn username(conn: &mut Conn, person_id: &str) -> Result<Option<String>> {
    Ok(store::person_by_id(conn, person_id)?.map(|person| person.username))
}

/// The person of that id as they are now, with no more proof than that: for what they asked for earlier. Absent when they
/// are gone or disabled.
pub fn principal_of(conn: &mut Conn, person_id: &str) -> Result<Option<Principal>> {
    match store::person_by_id(conn, person_id)?.filter(|person| !person.disabled) {
        Some(person) => {
            let reach = projects::reach(conn, &person)?;
            Ok(Some(identify::principal(&person, reach, Via::Token, String::new())))
        }
        None => Ok(None),
    }
}

/// A token of that person, made by the server for work it does in the person's name; good for no more than they asked with.
pub fn issue_person_token(conn: &mut Conn, who: &Principal, name: &str, expires_at: i64) -> Result<String> {
    let (row, secret) = new_token(&who.person_id, "person", name, Some(expires_at))?;
    let role = who.reach.ceiling().map(|role| role.as_str().to_owned());
    store::insert_token(conn, &store::TokenRow { project_id: who.reach.bound().map(str::to_owned), role, ..row })?;
    Ok(secret)
}

/// Ends a token that `issue_person_token` made.
pub fn revoke_person_token(conn: &mut Conn, person_id: &str, secret: &str) -> Result<()> {
    match store::token_by_hash(conn, &secrets::hash_secret(secret))? {
        Some((token, _)) => store::delete_token(conn, person_id, &token.id).map(drop),
        None => Ok(()),
    }
}

fn new_token(person_id: &str, kind: &str, name: &str, expires_at: Option<i64>) -> Result<(store::TokenRow, String)> {
    let secret = secrets::new_secret("dd_")?;
    let row = store::TokenRow {
        id: uuid::Uuid::now_v7().to_string(),
        secret_hash: secrets::hash_secret(&secret),
        person_id: person_id.to_owned(),
        kind: kind.to_owned(),
        workload_id: None,
        name: name.to_owned(),
        created_at: clock::now_ms(),
        expires_at,
        last_used_at: None,
        project_id: None,
        role: None,
    };
    Ok((row, secret))
}

/// The asker's own tokens.
pub async fn tokens(db: &Db, auth: &Authorized<action::View>) -> Result<Vec<Token>> {
    let person = auth.principal().person_id.clone();
    let rows = db.read(move |conn| store::tokens_of(conn, &person)).await?;
    Ok(rows.into_iter().map(store::TokenRow::view).collect())
}

/// A new token of the asker, with its secret for the only time.
pub async fn create_token(db: &Db, auth: &Authorized<action::View>, wish: CreateToken) -> Result<CreatedToken> {
    validate::label(&wish.name).map_err(Error::invalid)?;
    let who = auth.principal().clone();
    if matches!(who.via, Via::Job) {
        return Err(Error::forbidden("The token of a job cannot make tokens."));
    }
    if wish.expires_in_days.is_some_and(|days| !(1..=3650).contains(&days)) {
        return Err(Error::invalid("A token lasts 1 to 3,650 days."));
    }
    let expires_at = wish.expires_in_days.map(|days| clock::now_ms() + i64::from(days) * 86_400_000);
    let (row, secret) = new_token(&who.person_id, "person", &wish.name, expires_at)?;
    let known = |project: &str| who.reach.opens(project);
    if let Some(project) = wish.project.as_deref().filter(|project| !known(project)) {
        return Err(Error::not_found(format!("There is no project {project}.")));
    }
    if who.reach.bound().is_some_and(|bound| wish.project.as_deref() != Some(bound)) {
        return Err(Error::forbidden("A token of one project makes tokens of that project alone."));
    }
    // a token that only looks makes none that does more
    let ceiling = [wish.role, who.reach.ceiling()].into_iter().flatten().min();
    let role = ceiling.map(|role| role.as_str().to_owned());
    let row = store::TokenRow { project_id: wish.project, role, ..row };
    let view = row.clone().view();
    db.write(move |conn| {
        store::insert_token(conn, &row)?;
        audit(
            conn,
            &who,
            "token.create",
            &format!("token/{}", row.id),
            serde_json::json!({"name": row.name, "project": row.project_id, "role": row.role}),
        )
    })
    .await?;
    Ok(CreatedToken { token: view, secret })
}

/// Ends one of the asker's tokens.
pub async fn delete_token(db: &Db, auth: &Authorized<action::View>, id: &str) -> Result<()> {
    let (who, id) = (auth.principal().clone(), id.to_owned());
    db.write(move |conn| {
        if !store::delete_token(conn, &who.person_id, &id)? {
            return Err(Error::not_found("There is no such token of yours."));
        }
        audit(conn, &who, "token.delete", &format!("token/{id}"), serde_json::json!({}))
    })
    .await
}

/// Everybody with an account.
pub async fn people(db: &Db, _auth: &Authorized<action::Administer>) -> Result<Vec<Person>> {
    let rows = db.read(store::all_people).await?;
    Ok(rows.into_iter().map(store::PersonRow::view).collect())
}

/// A new account.
pub async fn create_person(db: &Db, auth: &Authorized<action::Administer>, wish: CreatePerson) -> Result<Person> {
    let row = match wish.password {
        Some(password) => new_person(&wish.username, password, wish.role).await?,
        None => {
            validate::username(&wish.username).map_err(Error::invalid)?;
            // of a password that nobody knows
            person_row(&wish.username, secrets::hash_password(secrets::new_secret("")?).await?, wish.role)
        }
    };
    let (who, view) = (auth.principal().clone(), row.clone().view());
    db.write(move |conn| {
        store::insert_person(conn, &row)?;
        let detail = serde_json::json!({"role": row.role});
        audit(conn, &who, "person.create", &format!("person/{}", row.username), detail)
    })
    .await?;
    Ok(view)
}

async fn new_person(username: &str, password: String, role: Role) -> Result<store::PersonRow> {
    validate::username(username).map_err(Error::invalid)?;
    validate::password(&password).map_err(Error::invalid)?;
    Ok(person_row(username, secrets::hash_password(password).await?, role))
}

fn person_row(username: &str, password_hash: String, role: Role) -> store::PersonRow {
    store::PersonRow {
        id: uuid::Uuid::now_v7().to_string(),
        username: username.to_owned(),
        password_hash,
        role: role.as_str().to_owned(),
        disabled: false,
        created_at: clock::now_ms(),
        last_seen_at: None,
    }
}

/// Changes role, password or access of an account. Its sessions end, so that the change takes hold at once.
///
/// # Errors
/// `conflict` when nobody would be left to administer the box.
pub async fn update_person(
    db: &Db,
    auth: &Authorized<action::Administer>,
    username: &str,
    wish: UpdatePerson,
) -> Result<Person> {
    let hash = match wish.password {
        Some(password) => {
            validate::password(&password).map_err(Error::invalid)?;
            Some(secrets::hash_password(password).await?)
        }
        None => None,
    };
    let (who, username) = (auth.principal().clone(), username.to_owned());
    db.write(move |conn| {
        let mut row = store::person_by_name(conn, &username)?.ok_or_else(|| nobody(&username))?;
        let detail = serde_json::json!({
            "before": {"role": row.role, "disabled": row.disabled},
            "after": {"role": wish.role, "disabled": wish.disabled, "password": hash.is_some()},
        });
        row.role = wish.role.map_or(row.role, |role| role.as_str().to_owned());
        row.disabled = wish.disabled.unwrap_or(row.disabled);
        row.password_hash = hash.unwrap_or(row.password_hash);
        store::update_person(conn, &row)?;
        if store::active_admins(conn)? == 0 {
            return Err(Error::conflict("Somebody has to be left as admin; make another admin first."));
        }
        store::delete_sessions(conn, &row.id, who.session_id.as_deref())?;
        audit(conn, &who, "person.update", &format!("person/{username}"), detail)?;
        Ok(row.view())
    })
    .await
}

fn nobody(username: &str) -> Error {
    Error::not_found(format!("There is nobody called {username}."))
}

/// The audit trail, newest first: what `search` looks for, and how many rows that are.
pub async fn audit_trail(
    db: &Db,
    _auth: &Authorized<action::Administer>,
    search: audit::Search,
    limit: i64,
) -> Result<(Vec<AuditEntry>, i64)> {
    db.read(move |conn| audit::page(conn, &search, limit.clamp(1, 200))).await
}

/// Signs the end of the audit trail from time to time.
pub fn start(background: &Background, db: Db, box_key: BoxKey, data_dir: &Path) {
    background.spawn(audit::Signer::new(db, box_key, data_dir));
}

/// `drydock admin create`: a new admin, made on the box.
pub fn console_create_admin(conn: &mut Conn, username: &str, password: &str) -> Result<()> {
    validate::username(username).map_err(Error::invalid)?;
    validate::password(password).map_err(Error::invalid)?;
    let row = person_row(username, secrets::hash_password_now(password)?, Role::Admin);
    store::insert_person(conn, &row)?;
    let detail = serde_json::json!({"role": "admin"});
    audit(conn, &Principal::console(), "person.create", &format!("person/{username}"), detail)
}

/// `drydock admin reset-password`: also re-enables the account and ends its sessions.
pub fn console_reset_password(conn: &mut Conn, username: &str, password: &str) -> Result<()> {
    validate::password(password).map_err(Error::invalid)?;
    let mut row = store::person_by_name(conn, username)?.ok_or_else(|| nobody(username))?;
    row.password_hash = secrets::hash_password_now(password)?;
    row.disabled = false;
    store::update_person(conn, &row)?;
    store::delete_sessions(conn, &row.id, None)?;
    let detail = serde_json::json!({"after": {"password": true, "disabled": false}});
    audit(conn, &Principal::console(), "person.update", &format!("person/{username}"), detail)
}

/// `drydock token create`: the secret of a new token of that person.
pub fn console_create_token(conn: &mut Conn, username: &str, name: &str) -> Result<String> {
    validate::label(name).map_err(Error::invalid)?;
    let person = store::person_by_name(conn, username)?.ok_or_else(|| nobody(username))?;
    let (row, secret) = new_token(&person.id, "person", name, None)?;
    store::insert_token(conn, &row)?;
    let detail = serde_json::json!({"name": name, "for": username});
    audit(conn, &Principal::console(), "token.create", &format!("token/{}", row.id), detail)?;
    Ok(secret)
}

/// An address as the audit trail keeps it.
pub(crate) fn address_text(peer: Option<IpAddr>) -> String {
    peer.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}

pub(crate) fn too_many_attempts(seconds: u64) -> Error {
    Error::new(ErrorCode::TooManyRequests, format!("Too many wrong attempts; wait {seconds} s and try again."))
}
