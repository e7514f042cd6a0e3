//! From a request's cookie or Authorization header to a `Principal`.
//!
//! Every request looks its secret up, so that a revoked token or session ends at once, also when another process
//! (the command line) revoked it. A token that was looked up is good without looking until something is committed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::LocalBoxFuture;

use super::{
    Accounts, DEFAULT_PROJECT, Principal, Reach, Via, address_text, projects, secrets, store, too_many_attempts,
};
use crate::{
    clock,
    db::Mark,
    error::{Error, Result},
};

/// Names of the session cookie, under TLS and on plain loopback HTTP (where `__Host-` needs a Secure that browsers refuse).
pub const SESSION_COOKIES: [&str; 2] = ["__Host-drydock", "drydock"];
/// A session ends after this long without use …
pub const SESSION_IDLE_MS: i64 = 12 * 3_600_000;
/// … and after this long in any case.
pub const SESSION_MAX_MS: i64 = 7 * 86_400_000;
/// "Last used" is written at most this often.
pub(super) const TOUCH_EVERY_MS: i64 = 60_000;

impl FromRequest for Principal {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let accounts = request
                .app_data::<web::Data<Accounts>>()
                .ok_or_else(|| Error::internal(anyhow::anyhow!("accounts are not mounted")))?;
            let who = identify(accounts, &request).await?;
            projects::place(&accounts.db, who, &request).await
        })
    }
}

/// Who makes this request, wherever it goes: `projects::place` says in which project.
///
/// # Errors
/// `unauthenticated` without a good session, token or password.
pub async fn identify(accounts: &Accounts, request: &HttpRequest) -> Result<Principal> {
    let address = address_text(request.peer_addr().map(|peer| peer.ip()));
    if let Some(header) = request.headers().get("authorization") {
        let header = header.to_str().map_err(|_| Error::unauthenticated("The Authorization header is not text."))?;
        return accounts.by_header(header, address).await;
    }
    let cookie = SESSION_COOKIES.iter().find_map(|name| request.cookie(name));
    match cookie {
        Some(cookie) => accounts.by_session(cookie.value(), address).await,
        None => Err(Error::unauthenticated("Log in, or send a token.")),
    }
}

impl Accounts {
    /// Who an Authorization header speaks for; the other faces (S3, registry) use it, too.
    pub async fn by_header(&self, header: &str, address: String) -> Result<Principal> {
        let (scheme, value) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.by_token(value.trim(), address).await;
        }
        if scheme.eq_ignore_ascii_case("basic") {
            let text = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text =
                text.ok_or_else(|| Error::unauthenticated("The Basic authorization is not base64 of name:password."))?;
            let (name, password) = text.split_once(':').unwrap_or((&text, ""));
            return self.by_basic(name, password, address).await;
        }
        Err(Error::unauthenticated("Use a Bearer token or Basic authorization."))
    }

    async fn by_token(&self, secret: &str, address: String) -> Result<Principal> {
        let now = clock::now_ms();
        let known = self.token_of(secrets::digest(secret)).await?;
        let (token, person, reach) = &*known;
        if person.disabled || token.expires_at.is_some_and(|end| end <= now) {
            return Err(Error::unauthenticated("This token has expired or its account is disabled."));
        }
        if now - token.last_used_at.unwrap_or(0) > TOUCH_EVERY_MS {
            let id = token.id.clone();
            self.in_background(move |conn| store::touch_token(conn, &id, now));
        }
        let via = if token.kind == "job" { Via::Job } else { Via::Token };
        Ok(Principal { job_id: token.workload_id.clone(), ..principal(person, reach.clone(), via, address) })
    }

    /// The token of that digest and whose it is.
    async fn token_of(&self, digest: Digest) -> Result<KnownToken> {
        // taken before the rows are read: what is committed meanwhile makes them old
        let mark = self.db.mark();
        if let Some(known) = mark.and_then(|mark| self.known_tokens.get(&digest, mark)) {
            return Ok(known);
        }
        let hash = hex::encode(digest);
        let read = move |conn: &mut crate::db::Conn| {
            let Some((token, person)) = store::token_by_hash(conn, &hash)? else { return Ok(None) };
            let reach = projects::reach(conn, &person)?.narrowed(token.project_id.clone(), token.ceiling());
            Ok(Some((token, person, reach)))
        };
        let found = self.db.glance(read).await?;
        let found = found.ok_or_else(|| Error::unauthenticated("This token is not known or was revoked."))?;
        let known = Arc::new(found);
        if let Some(mark) = mark {
            self.known_tokens.remember(digest, mark, known.clone());
        }
        Ok(known)
    }

    async fn by_session(&self, secret: &str, address: String) -> Result<Principal> {
        let (hash, now) = (secrets::hash_secret(secret), clock::now_ms());
        let read = move |conn: &mut crate::db::Conn| {
            let Some((session, person)) = store::session_by_hash(conn, &hash)? else { return Ok(None) };
            let reach = projects::reach(conn, &person)?;
            Ok(Some((session, person, reach)))
        };
        let found = self.db.glance(read).await?;
        let (session, person, reach) =
            found.ok_or_else(|| Error::unauthenticated("Your session has ended; log in again."))?;
        let idle = now - session.last_used_at > SESSION_IDLE_MS;
        if person.disabled || idle || now - session.created_at > SESSION_MAX_MS {
            return Err(Error::unauthenticated("Your session has ended; log in again."));
        }
        if now - session.last_used_at > TOUCH_EVERY_MS {
            let id = session.id.clone();
            self.in_background(move |conn| store::touch_session(conn, &id, now));
        }
        Ok(Principal { session_id: Some(session.id), ..principal(&person, reach, Via::Session, address) })
    }

    async fn by_basic(&self, name: &str, password: &str, address: String) -> Result<Principal> {
        // docker and mlflow put a token in the password field
        if password.starts_with("dd_") {
            let found = self.by_token(password, address).await?;
            return Ok(Principal { via: if found.via == Via::Job { Via::Job } else { Via::Basic }, ..found });
        }
        let wanted = name.to_owned();
        let person = self.db.glance(move |conn| store::person_by_name(conn, &wanted)).await?;
        let stored = person.as_ref().map(|person| person.password_hash.clone());
        if !self.passed_basic.knows(name, password, stored.as_deref()) {
            self.check_password(name, password, stored.clone(), &address).await?;
        }
        let person = person.filter(|person| !person.disabled).ok_or_else(wrong_password)?;
        self.passed_basic.remember(name, password, person.password_hash.clone());
        let reach = self.reach_of(&person).await?;
        Ok(principal(&person, reach, Via::Basic, address))
    }

    /// A mark of the person's present password, that another password does not have; nothing can be learnt from it.
    pub async fn password_mark(&self, name: &str) -> Result<String> {
        let wanted = name.to_owned();
        let person = self.db.glance(move |conn| store::person_by_name(conn, &wanted)).await?;
        Ok(person.map(|person| secrets::hash_secret(&person.password_hash)).unwrap_or_default())
    }

    /// The person of this name, who showed the password of this mark a moment ago.
    ///
    /// # Errors
    /// `unauthenticated` when the account is disabled or has another password by now.
    pub async fn by_name_and_mark(
        &self,
        name: &str,
        mark: &str,
        address: Option<std::net::IpAddr>,
    ) -> Result<Principal> {
        let wanted = name.to_owned();
        let person = self.db.glance(move |conn| store::person_by_name(conn, &wanted)).await?;
        let person = person.filter(|person| !person.disabled && secrets::hash_secret(&person.password_hash) == mark);
        let person =
            person.ok_or_else(|| Error::unauthenticated("This token is no longer good; ask for another one."))?;
        let reach = self.reach_of(&person).await?;
        Ok(principal(&person, reach, Via::Basic, address_text(address)))
    }

    pub(super) async fn reach_of(&self, person: &store::PersonRow) -> Result<Reach> {
        let person = person.clone();
        self.db.glance(move |conn| projects::reach(conn, &person)).await
    }

    /// Checks a password with its throttle. A wrong password and an unknown name answer alike, after the same work.
    pub(super) async fn check_password(
        &self,
        name: &str,
        password: &str,
        stored: Option<String>,
        address: &str,
    ) -> Result<()> {
        let keys = [format!("name:{name}"), format!("address:{address}")];
        if let Some(wait) = self.throttle.wait(&keys, Instant::now()) {
            return Err(too_many_attempts(wait.as_secs().max(1)));
        }
        if !secrets::verify_password(password.to_owned(), stored).await? {
            self.throttle.failed(&keys, Instant::now());
            return Err(wrong_password());
        }
        self.throttle.succeeded(&keys);
        Ok(())
    }

    pub(super) fn in_background(&self, change: impl FnOnce(&mut crate::db::Conn) -> Result<()> + Send + 'static) {
        let db = self.db.clone();
        tokio::spawn(async move {
            if let Err(error) = db.write(change).await {
                tracing::warn!("last use not written: {error}");
            }
        });
    }
}

pub(super) fn wrong_password() -> Error {
    Error::unauthenticated("Wrong username or password.")
}

/// The person in the project that the token is good in, or the default one.
pub(super) fn principal(person: &store::PersonRow, reach: Reach, via: Via, address: String) -> Principal {
    // a token of a project that is gone, or that its person is in no more, works nowhere
    let project = reach.bound().filter(|bound| reach.opens(bound)).unwrap_or(DEFAULT_PROJECT).to_owned();
    Principal {
        role: reach.role_in(&project).unwrap_or(drydock_wire::accounts::Role::Viewer),
        project,
        reach,
        person_id: person.id.clone(),
        username: person.username.clone(),
        via,
        job_id: None,
        session_id: None,
        address,
    }
}

/// Basic authorizations that passed lately, since argon2 on each request of a client would be too slow. Keyed by a hash
/// with a key of this process; good only while the stored password hash is the one it passed against.
#[derive(Clone)]
pub struct PassedBasic {
    key: [u8; 32],
    passed: Arc<Mutex<HashMap<String, String>>>,
}

impl PassedBasic {
    pub fn new() -> Result<Self> {
        Ok(Self { key: secrets::random_bytes::<32>()?, passed: Arc::default() })
    }

    fn slot(&self, name: &str, password: &str) -> String {
        secrets::hash_secret(&format!("{}:{}:{name}:{password}", hex::encode(self.key), name.len()))
    }

    fn knows(&self, name: &str, password: &str, stored: Option<&str>) -> bool {
        let passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        stored.is_some() && passed.get(&self.slot(name, password)).map(String::as_str) == stored
    }

    fn remember(&self, name: &str, password: &str, stored: String) {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        if passed.len() > 1000 {
            passed.clear();
        }
        passed.insert(self.slot(name, password), stored);
    }
}

/// Of a token's secret.
type Digest = [u8; 32];

/// A token, whose it is and how far it reaches.
type KnownToken = Arc<(store::TokenRow, store::PersonRow, Reach)>;

/// Tokens that were looked up, each good while the database is as it was then.
#[derive(Clone, Default)]
pub struct KnownTokens(Arc<Mutex<HashMap<Digest, (Mark, KnownToken)>>>);

impl KnownTokens {
    fn get(&self, digest: &Digest, mark: Mark) -> Option<KnownToken> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(digest).filter(|(of, _)| *of == mark).map(|(_, token)| token.clone())
    }

    fn remember(&self, digest: Digest, mark: Mark, token: KnownToken) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > 1000 {
            known.clear();
        }
        known.insert(digest, (mark, token));
    }
}
