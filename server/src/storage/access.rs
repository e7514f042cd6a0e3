//! Who may do what in a bucket: the one decision, and the proof of it that everything else here asks for.
//!
//! An admin and the bucket's owner may everything. Otherwise, with access `project`, viewers read and engineers write; with `private`,
//! nobody does. A grant opens the bucket to one person beyond that. A key's scopes only ever narrow. Settings, grants and
//! removal are the owner's and admins' alone, and never a job's or a scoped key's.

use std::ops::Deref;

use diesel::prelude::*;
use drydock_wire::{
    accounts::Role,
    storage::{BucketAccess, KeyScope},
};

use super::{
    refusals,
    store::buckets::{self, BucketRow},
};
use crate::{
    accounts::{Principal, Via},
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Learn that the bucket is there, and its plain properties. The path does not count.
    Enter,
    /// Read objects under the path, or list it.
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

/// Says whether the caller may use the bucket so, at `path`: a key, or the prefix of a listing.
///
/// # Errors
/// `not_found` without such a bucket; `forbidden` with what would be needed.
pub fn enter(conn: &mut Conn, caller: &Caller, name: &str, right: Right, path: &str) -> Result<Entered> {
    let bucket = buckets::by_name(conn, name)?.ok_or_else(|| refusals::no_such_bucket(name))?;
    if !in_scope(&caller.scopes, name, right, path) {
        return Err(Error::forbidden(format!("This access key does not open {name}/{path} for that.")));
    }
    if may(conn, caller, &bucket, right)? {
        return Ok(Entered(bucket));
    }
    let text = match right {
        Right::Manage => format!("Only the owner of the bucket {name} and admins may do that."),
        Right::Write => format!("{} may not write to the bucket {name}; its owner can grant it.", caller.principal.username),
        Right::Enter | Right::Read => {
            format!("{} may not read the bucket {name}; its owner can grant it.", caller.principal.username)
        }
    };
    Err(Error::forbidden(text))
}

/// Whether the person may use the bucket so, a key's scopes left aside.
pub fn may(conn: &mut Conn, caller: &Caller, bucket: &BucketRow, right: Right) -> Result<bool> {
    let who = &caller.principal;
    let is_job = who.via == Via::Job;
    if right == Right::Manage {
        return Ok(!is_job && caller.scopes.is_empty() && (who.role == Role::Admin || bucket.owner == who.person_id));
    }
    if who.role == Role::Admin || bucket.owner == who.person_id {
        return Ok(true);
    }
    let by_role = match right {
        Right::Write => who.role >= Role::Engineer,
        _ => true,
    };
    if bucket.access() == BucketAccess::Project && by_role {
        return Ok(true);
    }
    let granted = grant(conn, bucket.id, &who.person_id)?;
    Ok(granted.is_some_and(|may_write| may_write || right != Right::Write))
}

fn grant(conn: &mut Conn, bucket: i64, person_id: &str) -> Result<Option<bool>> {
    use crate::db::schema::storage::bucket_grants;
    bucket_grants::table
        .find((bucket, person_id))
        .select(bucket_grants::may_write)
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

fn in_scope(scopes: &[KeyScope], bucket: &str, right: Right, path: &str) -> bool {
    scopes.is_empty()
        || scopes.iter().filter(|scope| scope.bucket == bucket).any(|scope| match right {
            Right::Enter => true,
            Right::Read => path.starts_with(&scope.prefix),
            Right::Write => scope.may_write && path.starts_with(&scope.prefix),
            Right::Manage => false,
        })
}
