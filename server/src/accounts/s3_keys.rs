//! Keys of the S3 face: who has which, what it is limited to, and whom a signature speaks for.
//!
//! Always holds: a secret is shown once and kept sealed; a key that was ended, that expired or whose person was disabled
//! counts no more from the answer on that said so; an unknown key and an ended one look alike. Each request of an S3 client
//! asks, so what a key opens is remembered, and forgotten at the next commit of this process: whatever the change was.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use drydock_wire::{
    storage::{CreateS3Key, CreatedS3Key, KeyScope, S3Key},
    validate,
};
use serde_json::json;

use super::{
    Accounts, Authorized, Principal, Reach, Via, action, audit, authorize, bound_to, identify, limits, projects,
    secrets::{self, BoxKey},
    store,
};
use crate::{
    clock,
    db::{Conn, Db},
    error::{Error, Result},
};

/// What another process (the command line) changed counts within this.
const REMEMBERED: Duration = Duration::from_secs(1);
const MOST_REMEMBERED: usize = 10_000;
const MOST_SCOPES: usize = 32;
const LONGEST_DAYS: u32 = 3650;

/// Whom a key speaks for.
#[derive(Debug)]
pub struct S3Caller {
    pub access_key: String,
    /// In the clear: signatures are checked with it.
    pub secret: String,
    /// `via` is `Job` for the key of an attempt; `address` is empty, the face knows it.
    pub principal: Principal,
    /// Empty: whatever the person may.
    pub scopes: Vec<KeyScope>,
    expires_at: Option<i64>,
    last_used_at: AtomicI64,
}

/// Keys that were asked for lately.
#[derive(Clone, Default)]
pub struct Known(Arc<RwLock<HashMap<String, Remembered>>>);

struct Remembered {
    caller: Arc<S3Caller>,
    /// Commits of this process before it was read.
    commits: u64,
    read_at: Instant,
}

impl Known {
    fn fresh(&self, access_key: &str, commits: u64) -> Option<Arc<S3Caller>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(access_key)?;
        let good = found.commits == commits && found.read_at.elapsed() < REMEMBERED;
        good.then(|| found.caller.clone())
    }

    fn remember(&self, caller: &Arc<S3Caller>, commits: u64, read_at: Instant) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_REMEMBERED {
            known.clear();
        }
        let remembered = Remembered { caller: caller.clone(), commits, read_at };
        if let Some(before) = known.insert(caller.access_key.clone(), remembered) {
            // A use that is about to be written is not written once more.
            caller.last_used_at.fetch_max(before.caller.last_used_at.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    fn forget(&self, access_key: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(access_key);
    }
}

impl Accounts {
    /// Whom this access key speaks for; absent for one that is not known, was ended, has expired or whose person is disabled.
    /// Proves nothing yet: that is the signature's doing, after which `s3_key_used` is to be called.
    pub async fn s3_caller(&self, access_key: &str) -> Result<Option<Arc<S3Caller>>> {
        let (commits, read_at) = (self.db.stats().commits, Instant::now());
        let caller = match self.s3_callers.fresh(access_key, commits) {
            Some(caller) => Some(caller),
            None => self.read_s3_caller(access_key, commits, read_at).await?,
        };
        let now = clock::now_ms();
        Ok(caller.filter(|caller| caller.expires_at.is_none_or(|end| end > now)))
    }

    async fn read_s3_caller(&self, access_key: &str, commits: u64, at: Instant) -> Result<Option<Arc<S3Caller>>> {
        let wanted = access_key.to_owned();
        let found = self.db.glance(move |conn| keyed(conn, &wanted)).await?;
        let Some((key, person, reach)) = found.filter(|(_, person, _)| !person.disabled) else {
            self.s3_callers.forget(access_key);
            return Ok(None);
        };
        let via = if key.workload_id.is_some() { Via::Job } else { Via::Token };
        let caller = Arc::new(S3Caller {
            secret: self.box_key.open(&key.sealed_secret)?,
            scopes: key.read_scopes()?,
            principal: Principal { job_id: key.workload_id, ..identify::principal(&person, reach, via, String::new()) },
            access_key: key.access_key,
            expires_at: key.expires_at,
            last_used_at: AtomicI64::new(key.last_used_at.unwrap_or(0)),
        });
        self.s3_callers.remember(&caller, commits, at);
        Ok(Some(caller))
    }

    /// Notes the use of a key whose signature was right: once a minute at most, and nobody waits for it.
    pub fn s3_key_used(&self, caller: &S3Caller) {
        let (now, before) = (clock::now_ms(), caller.last_used_at.load(Ordering::Relaxed));
        let due = now - before > identify::TOUCH_EVERY_MS;
        if due && caller.last_used_at.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let key = caller.access_key.clone();
            self.in_background(move |conn| store::touch_s3_key(conn, &key, now));
        }
    }
}

/// The key, whose it is and how far it reaches; a job's no further than the token that the job was asked for with.
pub(super) fn keyed(conn: &mut Conn, access_key: &str) -> Result<Option<(store::S3KeyRow, store::PersonRow, Reach)>> {
    let Some((key, person)) = store::s3_key(conn, access_key)? else { return Ok(None) };
    let ceiling = match &key.workload_id {
        Some(job) => limits::of(conn, limits::Asked::Job, job)?.role,
        None => None,
    };
    let reach = projects::reach(conn, &person)?.narrowed(key.project_id.clone(), ceiling);
    Ok(Some((key, person, reach)))
}

/// The asker's own keys, or everybody's for an admin who asks for `all`.
///
/// # Errors
/// `forbidden` when somebody else asks for all.
pub async fn list_s3_keys(db: &Db, auth: &Authorized<action::View>, all: bool) -> Result<Vec<S3Key>> {
    let who = auth.principal().clone();
    if all {
        authorize(&who, action::Administer, super::DEFAULT_PROJECT)?;
    }
    let person = (!all).then_some(who.person_id);
    let rows = db.read(move |conn| store::s3_keys(conn, person.as_deref())).await?;
    rows.into_iter().map(|(row, username)| row.view(username)).collect()
}

/// A new key of the asker, with its secret for the only time.
pub async fn create_s3_key(
    accounts: &Accounts,
    auth: &Authorized<action::View>,
    wish: CreateS3Key,
) -> Result<CreatedS3Key> {
    let who = auth.principal().clone();
    if who.via == Via::Job {
        return Err(Error::forbidden("The token of a job cannot make keys."));
    }
    let known = |project: &str| who.reach.opens(project);
    if let Some(project) = wish.project.as_deref().filter(|project| !known(project)) {
        return Err(Error::not_found(format!("There is no project {project}.")));
    }
    if who.reach.bound().is_some_and(|bound| wish.project.as_deref() != Some(bound)) {
        return Err(Error::forbidden("A token of one project makes keys of that project alone."));
    }
    if who.reach.ceiling().is_some() {
        return Err(Error::forbidden("A token with a role of its own makes no keys, which would do more than it may."));
    }
    let (row, secret_key) = new_key(&accounts.box_key, &who.person_id, &wish)?;
    let key = row.clone().view(who.username.clone())?;
    accounts
        .db
        .write(move |conn| {
            store::insert_s3_key(conn, &row)?;
            audit(conn, &who, "s3_key.create", &subject(&row.access_key), told(&who.username, &row)?)
        })
        .await?;
    Ok(CreatedS3Key { key, secret_key })
}

/// Ends a key of the asker; an admin ends anybody's.
pub async fn delete_s3_key(db: &Db, auth: &Authorized<action::View>, access_key: &str) -> Result<()> {
    let (who, access_key) = (auth.principal().clone(), access_key.to_owned());
    if who.via == Via::Job {
        return Err(Error::forbidden("The token of a job cannot end keys."));
    }
    let anybody = authorize(&who, action::Administer, super::DEFAULT_PROJECT).is_ok();
    db.write(move |conn| {
        let owner = store::s3_key(conn, &access_key)?.map(|(_, person)| person.username);
        if !store::delete_s3_key(conn, &access_key, (!anybody).then_some(who.person_id.as_str()))? {
            return Err(Error::not_found("There is no such key of yours."));
        }
        audit(conn, &who, "s3_key.delete", &subject(&access_key), json!({ "of": owner }))
    })
    .await
}

/// A key for one attempt of a job, in the name of its owner and for the job's project, limited to `scopes` when there are any. Access key and secret.
pub fn issue_job_s3_key(
    conn: &mut Conn,
    box_key: &BoxKey,
    (owner_person_id, project): (&str, &str),
    workload_id: &str,
    expires_at: i64,
    scopes: &[KeyScope],
) -> Result<(String, String)> {
    let limits = limits::of(conn, limits::Asked::Job, workload_id)?;
    let (name, project) = (format!("job {workload_id}"), limits.project.or_else(|| bound_to(project)));
    let wish = CreateS3Key { name, expires_in_days: None, scopes: scopes.to_vec(), project };
    let (row, secret) = new_key(box_key, owner_person_id, &wish)?;
    let row = store::S3KeyRow { workload_id: Some(workload_id.to_owned()), expires_at: Some(expires_at), ..row };
    store::insert_s3_key(conn, &row)?;
    Ok((row.access_key, secret))
}

/// `drydock s3-key create`: access key and secret key of a new pair of that person.
pub fn console_create_s3_key(
    conn: &mut Conn,
    box_key: &BoxKey,
    username: &str,
    wish: &CreateS3Key,
) -> Result<(String, String)> {
    let person = store::person_by_name(conn, username)?.ok_or_else(|| super::nobody(username))?;
    let (row, secret) = new_key(box_key, &person.id, wish)?;
    store::insert_s3_key(conn, &row)?;
    audit(conn, &Principal::console(), "s3_key.create", &subject(&row.access_key), told(username, &row)?)?;
    Ok((row.access_key, secret))
}

/// Whether a list of scopes may be given to a key.
///
/// # Errors
/// `invalid`, naming the scope and what it may be.
pub fn check_scopes(scopes: &[KeyScope]) -> Result<()> {
    if scopes.len() > MOST_SCOPES {
        return Err(Error::invalid(format!("A key opens at most {MOST_SCOPES} buckets and folders by name.")));
    }
    for scope in scopes {
        validate::bucket(&scope.bucket).map_err(|text| Error::invalid(format!("bucket {:?}: {text}", scope.bucket)))?;
        if scope.prefix.len() > 1024 || scope.prefix.chars().any(char::is_control) {
            return Err(Error::invalid("prefix: use at most 1,024 bytes without control characters."));
        }
    }
    Ok(())
}

fn new_key(box_key: &BoxKey, person_id: &str, wish: &CreateS3Key) -> Result<(store::S3KeyRow, String)> {
    validate::label(&wish.name).map_err(|text| Error::invalid(format!("name: {text}")))?;
    if wish.expires_in_days.is_some_and(|days| !(1..=LONGEST_DAYS).contains(&days)) {
        return Err(Error::invalid("A key lasts 1 to 3,650 days."));
    }
    check_scopes(&wish.scopes)?;
    let now = clock::now_ms();
    let access_key = format!("DD{}", hex::encode_upper(secrets::random_bytes::<9>()?));
    let secret = secrets::new_secret("")?;
    let sealed = box_key.seal(&secret)?;
    let row = store::S3KeyRow::new(access_key, sealed, person_id, &wish.name, now).with_scopes(&wish.scopes)?;
    let expires_at = wish.expires_in_days.map(|days| now + i64::from(days) * 86_400_000);
    Ok((store::S3KeyRow { expires_at, project_id: wish.project.clone(), ..row }, secret))
}

fn subject(access_key: &str) -> String {
    format!("s3_key/{access_key}")
}

fn told(username: &str, row: &store::S3KeyRow) -> Result<serde_json::Value> {
    let scopes = row.read_scopes()?;
    Ok(json!({ "for": username, "name": row.name, "expires_at": row.expires_at, "scopes": scopes }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use drydock_wire::accounts::{Role, UpdatePerson};

    use super::*;
    use crate::db::testing;

    struct World {
        _dir: tempfile::TempDir,
        accounts: Accounts,
        ann: Principal,
    }

    async fn world() -> World {
        let (dir, db) = testing::temporary();
        let box_key = BoxKey::load_or_create(&dir.path().join("box.key")).unwrap();
        let accounts = Accounts::start(db.clone(), box_key).await.unwrap();
        let make = |name: &str, role| super::super::person_row(name, "x".into(), role);
        let (ann, root) = (make("ann", Role::Engineer), make("root", Role::Admin));
        let row = ann.clone();
        db.write(move |conn| store::insert_person(conn, &root).and_then(|()| store::insert_person(conn, &row)))
            .await
            .unwrap();
        World {
            _dir: dir,
            accounts,
            ann: identify::principal(&ann, Reach::of_role(Role::Engineer), Via::Token, String::new()),
        }
    }

    impl World {
        fn auth(&self) -> Authorized<action::View> {
            authorize(&self.ann, action::View, "default").unwrap()
        }

        async fn key(&self, days: Option<u32>) -> String {
            let wish = CreateS3Key { name: "mine".into(), expires_in_days: days, scopes: vec![], project: None };
            create_s3_key(&self.accounts, &self.auth(), wish).await.unwrap().key.access_key
        }

        async fn role(&self, key: &str) -> Option<Role> {
            self.accounts.s3_caller(key).await.unwrap().map(|caller| caller.principal.role)
        }

        async fn update(&self, wish: UpdatePerson) {
            let root = Principal { username: "root".into(), ..Principal::console() };
            let auth = authorize(&root, action::Administer, "default").unwrap();
            super::super::update_person(&self.accounts.db, &auth, "ann", wish).await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_ended_key_counts_no_more_from_the_answer_on() {
        let world = world().await;
        let key = world.key(None).await;
        for _ in 0..2 {
            assert_eq!(world.role(&key).await, Some(Role::Engineer));
        }
        delete_s3_key(&world.accounts.db, &world.auth(), &key).await.unwrap();
        assert_eq!(world.role(&key).await, None);
        assert_eq!(world.role("DDUNKNOWN").await, None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_role_taken_away_and_a_disabled_person_count_at_once() {
        let world = world().await;
        let key = world.key(None).await;
        assert_eq!(world.role(&key).await, Some(Role::Engineer));
        world.update(UpdatePerson { role: Some(Role::Viewer), disabled: None, password: None }).await;
        assert_eq!(world.role(&key).await, Some(Role::Viewer));
        world.update(UpdatePerson { role: None, disabled: Some(true), password: None }).await;
        assert_eq!(world.role(&key).await, None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_expired_key_is_as_an_unknown_one() {
        let world = world().await;
        let key = world.key(Some(1)).await;
        assert!(world.role(&key).await.is_some());
        let access = key.clone();
        let expire = move |conn: &mut Conn| {
            use crate::db::schema::accounts::s3_keys;
            use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
            diesel::update(s3_keys::table.find(access))
                .set(s3_keys::expires_at.eq(clock::now_ms()))
                .execute(conn)
                .map_err(Error::internal)
        };
        world.accounts.db.write(expire).await.unwrap();
        assert_eq!(world.role(&key).await, None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn last_use_is_written_once_a_minute() {
        let world = world().await;
        let key = world.key(None).await;
        let caller = world.accounts.s3_caller(&key).await.unwrap().unwrap();
        for _ in 0..50 {
            world.accounts.s3_key_used(&caller);
        }
        let used = || async { list_s3_keys(&world.accounts.db, &world.auth(), false).await.unwrap()[0].last_used_at };
        while used().await.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let writes = world.accounts.db.stats().writes;
        let again = world.accounts.s3_caller(&key).await.unwrap().unwrap();
        world.accounts.s3_key_used(&again);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(world.accounts.db.stats().writes, writes);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_key_of_an_attempt_ends_with_it_and_is_nobodys_to_list() {
        let world = world().await;
        let (box_key, person) = (world.accounts.box_key.clone(), world.ann.person_id.clone());
        let end = clock::now_ms() + 60_000;
        let issue = move |conn: &mut Conn| issue_job_s3_key(conn, &box_key, (&person, "default"), "w1", end, &[]);
        let (key, secret) = world.accounts.db.write(issue).await.unwrap();
        let caller = world.accounts.s3_caller(&key).await.unwrap().unwrap();
        assert_eq!((caller.principal.via, caller.secret.as_str()), (Via::Job, secret.as_str()));
        assert!(list_s3_keys(&world.accounts.db, &world.auth(), false).await.unwrap().is_empty());
        world.accounts.db.write(|conn| super::super::revoke_job_tokens(conn, "w1")).await.unwrap();
        assert_eq!(world.role(&key).await, None);
    }

    #[test]
    fn scopes_name_a_bucket() {
        let scope = |bucket: &str| KeyScope { bucket: bucket.into(), prefix: String::new(), may_write: false };
        assert!(check_scopes(&[scope("data")]).is_ok());
        assert!(check_scopes(&[scope("")]).is_err());
        assert!(check_scopes(&vec![scope("data"); MOST_SCOPES + 1]).is_err());
    }
}
