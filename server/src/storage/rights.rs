//! Who may open a bucket: the one decision, for the S3 face, the native API and shared links alike.
//!
//! A role is the ceiling: a viewer never writes, only the owner and admins change settings. Below it, a bucket of the project
//! is open to whoever the role lets read or write; a private one to its owner, to admins and to whom a grant names. A key
//! with scopes opens those and nothing else, and the key or token of a job changes no bucket, whosever job it is.

use drydock_wire::{
    accounts::Role,
    storage::{BucketAccess, KeyScope},
};

use crate::accounts::{Principal, S3Caller, Via};

/// What somebody wants to do with a bucket or what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Get, head, list.
    Read,
    /// Put, delete, tag, begin and end uploads.
    Write,
    /// Settings, grants, removal of the bucket.
    Manage,
}

/// Who asks, and what the key that they ask with is limited to.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    pub who: &'a Principal,
    /// Empty: whatever the person may.
    pub scopes: &'a [KeyScope],
}

impl<'a> From<&'a Principal> for Caller<'a> {
    fn from(who: &'a Principal) -> Self {
        Self { who, scopes: &[] }
    }
}

impl<'a> From<&'a S3Caller> for Caller<'a> {
    fn from(caller: &'a S3Caller) -> Self {
        Self { who: &caller.principal, scopes: &caller.scopes }
    }
}

/// What the decision needs to know of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub name: String,
    /// Id of the person who owns it.
    pub owner: String,
    pub access: BucketAccess,
    /// Ids of persons, and whether they may write.
    pub grants: Vec<(String, bool)>,
}

/// What a list may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    All,
    /// Only keys that start with one of these, which all start with the prefix that was asked for.
    Under(Vec<String>),
    Nothing,
}

/// Whether the caller may do this in the bucket: to `key`, or where there is none, to the bucket itself. A list is
/// `shows`'s to decide.
pub fn may(caller: Caller<'_>, bucket: &Facts, right: Right, key: Option<&str>) -> bool {
    person_may(caller.who, bucket, right) && scopes_allow(caller.scopes, &bucket.name, right, key)
}

/// Whether the caller may make buckets.
pub fn may_create(caller: Caller<'_>) -> bool {
    caller.who.role >= Role::Engineer && caller.who.via != Via::Job && caller.scopes.is_empty()
}

/// What a list of the keys under `prefix` may show to the caller.
pub fn shows(caller: Caller<'_>, bucket: &Facts, prefix: &str) -> Shown {
    if !person_may(caller.who, bucket, Right::Read) {
        return Shown::Nothing;
    }
    let here = || caller.scopes.iter().filter(|scope| scope.bucket == bucket.name);
    if caller.scopes.is_empty() || here().any(|scope| prefix.starts_with(&scope.prefix)) {
        return Shown::All;
    }
    let mut under: Vec<String> =
        here().filter(|scope| scope.prefix.starts_with(prefix)).map(|scope| scope.prefix.clone()).collect();
    under.sort();
    // What starts with another one is shown by that one.
    under.dedup_by(|later, before| later.starts_with(before.as_str()));
    if under.is_empty() { Shown::Nothing } else { Shown::Under(under) }
}

fn person_may(who: &Principal, bucket: &Facts, right: Right) -> bool {
    let owns = who.person_id == bucket.owner || who.role == Role::Admin;
    let granted = bucket.grants.iter().find(|(person, _)| *person == who.person_id).map(|(_, may_write)| *may_write);
    match right {
        Right::Read => owns || bucket.access == BucketAccess::Project || granted.is_some(),
        Right::Write => {
            who.role >= Role::Engineer && (owns || bucket.access == BucketAccess::Project || granted == Some(true))
        }
        Right::Manage => owns && who.role >= Role::Engineer && who.via != Via::Job,
    }
}

fn scopes_allow(scopes: &[KeyScope], bucket: &str, right: Right, key: Option<&str>) -> bool {
    let allows = |scope: &KeyScope| {
        let reaches = scope.bucket == bucket && key.is_none_or(|key| key.starts_with(&scope.prefix));
        match right {
            Right::Read => reaches,
            Right::Write => reaches && scope.may_write,
            Right::Manage => false,
        }
    };
    scopes.is_empty() || scopes.iter().any(allows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str, role: Role, via: Via) -> Principal {
        Principal { via, ..Principal::of_role(name, role) }
    }

    fn bucket(access: BucketAccess) -> Facts {
        let grants =
            vec![("reader".to_owned(), false), ("writer".to_owned(), true), ("viewing-writer".to_owned(), true)];
        Facts { name: "data".into(), owner: "owner".into(), access, grants }
    }

    /// `r`, `w`, `m` for what is allowed, in this order.
    fn allowed(caller: Caller<'_>, bucket: &Facts, key: Option<&str>) -> String {
        [(Right::Read, 'r'), (Right::Write, 'w'), (Right::Manage, 'm')]
            .into_iter()
            .filter(|(right, _)| may(caller, bucket, *right, key))
            .map(|(_, letter)| letter)
            .collect()
    }

    #[test]
    fn each_person_may_in_each_bucket_what_the_table_says() {
        use Role::{Admin, Engineer, Viewer};
        // who, role, how they come; then in a bucket of the project, and in a private one
        let table = [
            ("owner", Engineer, Via::Session, "rwm", "rwm"),
            ("owner", Engineer, Via::Job, "rw", "rw"),
            ("owner", Viewer, Via::Session, "r", "r"),
            ("root", Admin, Via::Session, "rwm", "rwm"),
            ("root", Admin, Via::Token, "rwm", "rwm"),
            ("root", Admin, Via::Job, "rw", "rw"),
            ("other", Engineer, Via::Session, "rw", ""),
            ("other", Engineer, Via::Job, "rw", ""),
            ("other", Viewer, Via::Session, "r", ""),
            ("reader", Engineer, Via::Session, "rw", "r"),
            ("reader", Viewer, Via::Session, "r", "r"),
            ("writer", Engineer, Via::Session, "rw", "rw"),
            ("writer", Engineer, Via::Job, "rw", "rw"),
            ("viewing-writer", Viewer, Via::Session, "r", "r"),
        ];
        for (name, role, via, in_project, in_private) in table {
            let who = person(name, role, via);
            for (access, expected) in [(BucketAccess::Project, in_project), (BucketAccess::Private, in_private)] {
                for key in [None, Some("a/b")] {
                    let found = allowed(Caller::from(&who), &bucket(access), key);
                    assert_eq!(found, expected, "{name}, {role:?}, {via:?}, {access:?}, {key:?}");
                }
            }
        }
    }

    fn scope(bucket: &str, prefix: &str, may_write: bool) -> KeyScope {
        KeyScope { bucket: bucket.into(), prefix: prefix.into(), may_write }
    }

    #[test]
    fn a_scope_narrows_and_never_widens() {
        let scopes = [scope("data", "raw/", false), scope("data", "out/", true), scope("elsewhere", "", true)];
        let table = [
            ("owner", Role::Engineer, BucketAccess::Private, "r", "rw", ""),
            ("root", Role::Admin, BucketAccess::Private, "r", "rw", ""),
            ("other", Role::Engineer, BucketAccess::Project, "r", "rw", ""),
            ("other", Role::Viewer, BucketAccess::Project, "r", "r", ""),
            ("other", Role::Engineer, BucketAccess::Private, "", "", ""),
            ("reader", Role::Engineer, BucketAccess::Private, "r", "r", ""),
        ];
        for (name, role, access, raw, out, rest) in table {
            let who = person(name, role, Via::Token);
            let caller = Caller { who: &who, scopes: &scopes };
            let all = [("raw/a", raw), ("out/a", out), ("a", rest), ("ra", rest), ("outer", rest)];
            for (key, expected) in all {
                assert_eq!(allowed(caller, &bucket(access), Some(key)), expected, "{name} {role:?} {access:?} {key}");
            }
        }
        let root = person("root", Role::Admin, Via::Token);
        let (mine, data) = (scope("mine", "", true), bucket(BucketAccess::Project));
        assert_eq!(allowed(Caller { who: &root, scopes: &[mine] }, &data, None), "");
        assert!(may_create(Caller::from(&root)));
        assert!(!may_create(Caller { who: &root, scopes: &scopes }));
    }

    #[test]
    fn only_engineers_make_buckets_and_no_job_does() {
        let may = |role, via| may_create(Caller::from(&person("ann", role, via)));
        assert!(may(Role::Engineer, Via::Token) && may(Role::Admin, Via::Session));
        assert!(!may(Role::Viewer, Via::Session) && !may(Role::Admin, Via::Job));
    }

    #[test]
    fn a_list_shows_what_the_key_opens() {
        let who = person("other", Role::Engineer, Via::Token);
        let open = bucket(BucketAccess::Project);
        let scopes =
            [scope("data", "raw/2026/", false), scope("data", "raw/2026/may/", true), scope("data", "out/", true)];
        let under = |list: &[&str]| Shown::Under(list.iter().map(|one| (*one).to_owned()).collect());
        let table = [
            ("", under(&["out/", "raw/2026/"])),
            ("raw/", under(&["raw/2026/"])),
            ("raw/2026/", Shown::All),
            ("raw/2026/april", Shown::All),
            ("raw/2025/", Shown::Nothing),
            ("out", under(&["out/"])),
            ("other/", Shown::Nothing),
        ];
        for (prefix, expected) in table {
            assert_eq!(shows(Caller { who: &who, scopes: &scopes }, &open, prefix), expected, "{prefix:?}");
        }
        assert_eq!(shows(Caller::from(&who), &open, ""), Shown::All);
        assert_eq!(shows(Caller::from(&who), &bucket(BucketAccess::Private), ""), Shown::Nothing);
        assert_eq!(shows(Caller { who: &who, scopes: &[scope("mine", "", true)] }, &open, ""), Shown::Nothing);
    }
}
