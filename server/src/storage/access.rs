//! Entering a bucket: the decision of `rights` on what the database says, and the proof of it that everything else here asks for.

use std::ops::Deref;

use diesel::prelude::*;
use drydock_wire::{
    accounts::Role,
    storage::{BucketAccess, KeyScope},
};

use super::{
    refusals,
    rights::{self, Facts, Shown},
    store::buckets::{self, BucketRow},
};
use crate::{
    accounts::{Authorized, Principal, S3Caller, Via},
    db::Conn,
    error::{Error, Result},
};

/// Who makes a request of the store: a person, maybe through a key that is good for less than the person is.
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Principal,
    /// Empty: whatever the person may.
    pub scopes: Vec<KeyScope>,
}

impl Caller {
    /// A person who is not narrowed by a key.
    pub fn person(principal: Principal) -> Self {
        Self { principal, scopes: vec![] }
    }

    /// Who asks through the native API. A job has a key of its own for buckets, which may be narrower than its token.
    ///
    /// # Errors
    /// `forbidden` for a job.
    pub fn of<A>(auth: &Authorized<A>) -> Result<Self> {
        let who = auth.principal();
        if who.via == Via::Job {
            let text =
                "The token of a job opens no bucket; use the S3 key that its container has as AWS_ACCESS_KEY_ID.";
            return Err(Error::forbidden(text));
        }
        Ok(Self::person(who.clone()))
    }

    /// Whoever the key speaks for.
    pub fn with_key(key: &S3Caller, address: String) -> Self {
        Self { principal: Principal { address, ..key.principal.clone() }, scopes: key.scopes.clone() }
    }

    /// With the role in the bucket's project; absent where that is not there for the caller.
    fn within(&self, project: &str) -> Option<Self> {
        if self.principal.project == project {
            return Some(self.clone());
        }
        Some(Self { principal: self.principal.within(project)?, scopes: self.scopes.clone() })
    }

    pub(super) fn asks(&self) -> rights::Caller<'_> {
        rights::Caller { who: &self.principal, scopes: &self.scopes }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Learn that the bucket is there, and its plain properties. The path does not count.
    Enter,
    /// Read objects under the path.
    Read,
    /// Write or delete objects under the path.
    Write,
    /// Settings, grants, removal.
    Manage,
}

/// A bucket that the caller may use in the way that was asked for. Made by `enter` alone.
#[derive(Debug, Clone)]
pub struct Entered(BucketRow);

impl Deref for Entered {
    type Target = BucketRow;

    fn deref(&self) -> &BucketRow {
        &self.0
    }
}

impl Entered {
    /// For what the server does by itself, in nobody's name: lifecycle rules.
    pub(super) fn by_the_box(bucket: BucketRow) -> Self {
        Self(bucket)
    }
}

/// Says whether the caller may use the bucket so, at `path`: a key, or the prefix of keys.
///
/// # Errors
/// `not_found` without such a bucket; `forbidden` with what would be needed.
pub fn enter(conn: &mut Conn, caller: &Caller, name: &str, right: Right, path: &str) -> Result<Entered> {
    let bucket = buckets::by_name(conn, name)?.ok_or_else(|| refusals::no_such_bucket(name))?;
    let Some(caller) = &caller.within(&bucket.project_id) else { return Err(refusals::no_such_bucket(name)) };
    if may(conn, caller, &bucket, right, path)? {
        return Ok(Entered(bucket));
    }
    let username = &caller.principal.username;
    let limited = if caller.scopes.is_empty() { "" } else { ", or this access key is limited to less" };
    let text = match right {
        Right::Manage => format!("Only the owner of the bucket {name} and admins may do that{limited}."),
        Right::Write => format!("{username} may not write to the bucket {name}{limited}; its owner can grant it."),
        Right::Enter | Right::Read => {
            format!("{username} may not read the bucket {name}{limited}; its owner can grant it.")
        }
    };
    Err(Error::forbidden(text))
}

/// As `enter`, for a listing of the keys under `prefix`: which of them the caller may see; none named means all.
pub fn enter_to_list(conn: &mut Conn, caller: &Caller, name: &str, prefix: &str) -> Result<(Entered, Vec<String>)> {
    let bucket = enter(conn, caller, name, Right::Enter, "")?;
    let Some(caller) = &caller.within(&bucket.project_id) else { return Err(refusals::no_such_bucket(name)) };
    let facts = facts(conn, caller, &bucket)?;
    match rights::shows(caller.asks(), &facts, prefix) {
        Shown::All => Ok((bucket, vec![])),
        Shown::Under(prefixes) => Ok((bucket, prefixes)),
        Shown::Nothing => Err(Error::forbidden(format!("This access key does not open {name}/{prefix}."))),
    }
}

/// Whether the caller may use the bucket so.
pub fn may(conn: &mut Conn, caller: &Caller, bucket: &BucketRow, right: Right, path: &str) -> Result<bool> {
    let Some(caller) = &caller.within(&bucket.project_id) else { return Ok(false) };
    let facts = facts(conn, caller, bucket)?;
    let (right, key) = match right {
        Right::Enter => (rights::Right::Read, None),
        Right::Read => (rights::Right::Read, Some(path)),
        Right::Write => (rights::Right::Write, Some(path)),
        Right::Manage => (rights::Right::Manage, None),
    };
    Ok(rights::may(caller.asks(), &facts, right, key))
}

/// What the decision looks at; the caller's own grant alone, and that only where it can matter.
fn facts(conn: &mut Conn, caller: &Caller, bucket: &BucketRow) -> Result<Facts> {
    use crate::db::schema::storage::bucket_grants;
    let who = &caller.principal;
    let owns = who.role == Role::Admin || who.person_id == bucket.owner;
    let grant: Option<bool> = if owns || bucket.access() == BucketAccess::Project {
        None
    } else {
        bucket_grants::table
            .find((bucket.id, &who.person_id))
            .select(bucket_grants::may_write)
            .first(conn)
            .optional()
            .map_err(Error::internal)?
    };
    let grants = grant.map(|may_write| (who.person_id.clone(), may_write)).into_iter().collect();
    Ok(Facts { name: bucket.name.clone(), owner: bucket.owner.clone(), access: bucket.access(), grants })
}
