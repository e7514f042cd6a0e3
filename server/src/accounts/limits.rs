//! What goes on in somebody's name after they asked for it: with no more than the token was good for that they asked with.

use diesel::prelude::*;
use drydock_wire::accounts::Role;

use super::{Principal, principal_of};
use crate::{
    db::{Conn, schema::accounts::limits as rows},
    error::{Error, Result},
};

/// What goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Job,
    Build,
    PipelineRun,
    Schedule,
    Trigger,
    /// By the name of the deployment: what its drift starts, in the name of who put it.
    Deployment,
}

impl Asked {
    fn word(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Build => "build",
            Self::PipelineRun => "pipeline_run",
            Self::Schedule => "schedule",
            Self::Trigger => "trigger",
            Self::Deployment => "deployment",
        }
    }
}

/// What a token was good for; without any: all that its person may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    pub project: Option<String>,
    pub role: Option<Role>,
}

/// Notes with how much it was asked for; in the transaction that makes or changes it.
pub fn keep(conn: &mut Conn, who: &Principal, what: Asked, id: &str) -> Result<()> {
    let limits = Limits { project: who.reach.bound().map(str::to_owned), role: who.reach.ceiling() };
    put(conn, what, id, &limits)
}

/// Gives what something starts the limits of what starts it.
pub fn hand_on(conn: &mut Conn, (from, from_id): (Asked, &str), (to, to_id): (Asked, &str)) -> Result<()> {
    let limits = of(conn, from, from_id)?;
    put(conn, to, to_id, &limits)
}

fn put(conn: &mut Conn, what: Asked, id: &str, limits: &Limits) -> Result<()> {
    if *limits == Limits::default() {
        let before = rows::table.find((what.word(), id));
        return diesel::delete(before).execute(conn).map(drop).map_err(Error::internal);
    }
    let key = (rows::kind.eq(what.word()), rows::id.eq(id));
    let good_for = (rows::project.eq(limits.project.as_deref()), rows::role.eq(limits.role.map(|role| role.as_str())));
    diesel::replace_into(rows::table).values((key, good_for)).execute(conn).map(drop).map_err(Error::internal)
}

/// With how much it was asked for. An unreadable word for a role lets it look alone.
pub fn of(conn: &mut Conn, what: Asked, id: &str) -> Result<Limits> {
    let found: Option<(Option<String>, Option<String>)> = rows::table
        .find((what.word(), id))
        .select((rows::project, rows::role))
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    let (project, role) = found.unwrap_or_default();
    let role = role.map(|word| Role::parse(&word).unwrap_or(Role::Viewer));
    Ok(Limits { project, role })
}

/// The person as `principal_of` finds them, with no more than it was asked for with.
///
/// # Errors
/// `not_found` when the project of the token is not there for them any more.
pub fn principal(conn: &mut Conn, person_id: &str, what: Asked, id: &str) -> Result<Option<Principal>> {
    let limits = of(conn, what, id)?;
    let Some(who) = principal_of(conn, person_id)? else { return Ok(None) };
    if limits == Limits::default() {
        return Ok(Some(who));
    }
    let place = limits.project.clone().unwrap_or_else(|| who.project.clone());
    let reach = who.reach.clone().narrowed(limits.project, limits.role);
    let who = Principal { reach, ..who }.within(&place);
    who.map(Some).ok_or_else(|| Error::not_found(format!("There is no project {place}.")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use diesel::connection::SimpleConnection;

    use super::*;
    use crate::accounts::{Reach, issue_job_s3_key, issue_job_token, s3_keys, secrets, store};

    #[test]
    fn what_goes_on_may_no_more_than_the_token_that_asked() {
        let mut conn = crate::db::testing::connection();
        conn.batch_execute(
            "INSERT INTO people (id, username, password_hash, role, created_at) VALUES ('p1', 'ann', '', 'admin', 0);
             INSERT INTO projects (id, name, created_at, private) VALUES ('vault', 'Vault', 0, 1)",
        )
        .unwrap();
        let whole = principal_of(&mut conn, "p1").unwrap().unwrap();
        assert_eq!(whole.reach.role_in("vault"), Some(Role::Admin));
        let reach: Reach = whole.reach.clone().narrowed(Some("default".into()), Some(Role::Engineer));
        let asks = Principal { reach, ..whole.clone() };
        keep(&mut conn, &asks, Asked::Schedule, "s").unwrap();
        hand_on(&mut conn, (Asked::Schedule, "s"), (Asked::PipelineRun, "r")).unwrap();
        let runs = principal(&mut conn, "p1", Asked::PipelineRun, "r").unwrap().unwrap();
        assert_eq!((runs.reach.role_in("vault"), runs.role, runs.project.as_str()), (None, Role::Engineer, "default"));
        let (key, _) =
            issue_job_s3_key(&mut conn, &secrets::BoxKey::testing(), ("p1", "default"), "r1", i64::MAX, &[]).unwrap();
        let free = s3_keys::keyed(&mut conn, &key).unwrap().unwrap().2;
        assert_eq!((free.role_in("default"), free.bound()), (Some(Role::Admin), None));
        // a job of the default project is bound to it, too
        keep(&mut conn, &runs, Asked::Job, "j").unwrap();
        let secret = issue_job_token(&mut conn, "p1", "default", "j", i64::MAX).unwrap();
        let (token, _) = store::token_by_hash(&mut conn, &secrets::hash_secret(&secret)).unwrap().unwrap();
        assert_eq!((token.project_id.as_deref(), token.role.as_deref()), (Some("default"), Some("engineer")));
        let (key, _) =
            issue_job_s3_key(&mut conn, &secrets::BoxKey::testing(), ("p1", "default"), "j", i64::MAX, &[]).unwrap();
        let narrow = s3_keys::keyed(&mut conn, &key).unwrap().unwrap().2;
        assert_eq!((narrow.role_in("default"), narrow.bound()), (Some(Role::Engineer), Some("default")));
        // asked for anew with a token that is good for all
        keep(&mut conn, &whole, Asked::Schedule, "s").unwrap();
        assert_eq!(of(&mut conn, Asked::Schedule, "s").unwrap(), Limits::default());
    }
}
