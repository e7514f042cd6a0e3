//! Buckets themselves: making, looking at, settings, removal. Every change writes its audit row.

use drydock_wire::storage::{BucketAccess, CorsRule, LifecycleRule, Versioning};
use serde_json::json;

use super::{
    access::{Caller, Entered, Right, enter, may},
    cors, lifecycle, refusals, rights, rules,
    store::{
        self,
        buckets::{BucketRow, Change, NewBucket},
    },
};
use crate::{
    accounts,
    app::App,
    clock,
    error::{Error, Result},
};

/// Rows that a removal of a whole bucket takes per transaction: others wait no longer than that takes.
const ERASE_BATCH: i64 = 500;

/// Makes an empty bucket of the caller's. Needs the role engineer.
///
/// # Errors
/// `invalid` for a name that S3 has not; `already_exists`.
pub async fn create(
    app: &App,
    caller: &Caller,
    name: &str,
    access: BucketAccess,
    versioned: bool,
) -> Result<BucketRow> {
    rules::check_bucket_name(name)?;
    if !rights::may_create(caller.asks()) {
        let text = "Engineers make buckets: no viewer, no job, and no access key that is limited to some.";
        return Err(Error::forbidden(text));
    }
    let (who, name) = (caller.principal.clone(), name.to_owned());
    app.db
        .write(move |conn| {
            let new = NewBucket {
                project_id: &who.project,
                name: &name,
                owner: &who.person_id,
                access,
                versioned,
                created_at: clock::now_ms(),
            };
            let row = store::buckets::insert(conn, &new)?;
            let detail = json!({ "access": row.access(), "versioned": versioned });
            accounts::audit(conn, &who, "bucket.create", &subject(&row.name), detail)?;
            Ok(row)
        })
        .await
}

/// The bucket, if the caller may use it so.
pub async fn get(app: &App, caller: &Caller, name: &str, right: Right) -> Result<Entered> {
    let (caller, name) = (caller.clone(), name.to_owned());
    app.db.glance(move |conn| enter(conn, &caller, &name, right, "")).await
}

/// The buckets that the caller may read, with their owners' usernames, by name.
pub async fn list(app: &App, caller: &Caller) -> Result<Vec<(BucketRow, String)>> {
    let caller = caller.clone();
    app.db
        .read(move |conn| {
            let mut seen = vec![];
            let scope = caller.principal.reach.scope();
            for (row, owner) in store::buckets::all(conn)? {
                if scope.shows(&row.project_id) && may(conn, &caller, &row, Right::Enter, "")? {
                    seen.push((row, owner));
                }
            }
            Ok(seen)
        })
        .await
}

/// What of the settings is to change; `None` leaves a thing as it is.
#[derive(Debug, Default, Clone)]
pub struct Settings {
    pub access: Option<BucketAccess>,
    pub versioning: Option<Versioning>,
    pub quota_bytes: Option<Option<u64>>,
    pub lifecycle: Option<Vec<LifecycleRule>>,
    pub cors: Option<Vec<CorsRule>>,
    pub tags: Option<Vec<(String, String)>>,
    /// Person ids, and whether they may write.
    pub grants: Option<Vec<(String, bool)>>,
}

impl Settings {
    fn check(&self, bucket: &BucketRow) -> Result<Change> {
        if self.versioning == Some(Versioning::Off) && bucket.versioning() != Versioning::Off {
            return Err(Error::invalid(
                "Versioning that was on cannot be undone, only suspended: older versions would be lost.",
            ));
        }
        if let Some(rules) = &self.lifecycle {
            lifecycle::check(rules)?;
        }
        if let Some(rules) = &self.cors {
            cors::check(rules)?;
        }
        if let Some(tags) = &self.tags {
            super::about::check_tags(tags, 50)?;
        }
        let quota = self.quota_bytes.map(|quota| quota.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)));
        Ok(Change {
            access: self.access,
            versioning: self.versioning,
            quota_bytes: quota,
            lifecycle: self.lifecycle.clone(),
            cors: self.cors.clone(),
            tags: self.tags.clone(),
        })
    }

    fn detail(&self) -> serde_json::Value {
        let mut detail = serde_json::Map::new();
        let mut note = |name: &str, value: Option<serde_json::Value>| {
            if let Some(value) = value {
                detail.insert(name.to_owned(), value);
            }
        };
        note("access", self.access.map(|access| json!(access)));
        note("versioning", self.versioning.map(|versioning| json!(versioning)));
        note("quota_bytes", self.quota_bytes.map(|quota| json!(quota)));
        note("lifecycle", self.lifecycle.as_ref().map(|rules| json!(rules)));
        note("cors", self.cors.as_ref().map(|rules| json!(rules)));
        note("tags", self.tags.as_ref().map(|tags| json!(tags)));
        note("grants", self.grants.as_ref().map(|grants| json!(grants)));
        detail.into()
    }
}

/// Changes settings; the bucket as it is then.
pub async fn change(app: &App, caller: &Caller, name: &str, settings: Settings) -> Result<Entered> {
    let (caller, name) = (caller.clone(), name.to_owned());
    app.db
        .write(move |conn| {
            let bucket = enter(conn, &caller, &name, Right::Manage, "")?;
            store::buckets::update(conn, bucket.id, &settings.check(&bucket)?)?;
            if let Some(grants) = &settings.grants {
                store::buckets::set_grants(conn, bucket.id, grants)?;
            }
            accounts::audit(conn, &caller.principal, "bucket.update", &subject(&name), settings.detail())?;
            enter(conn, &caller, &name, Right::Manage, "")
        })
        .await
}

/// Removes the bucket. With `with_objects` all that is in it goes first, in many small transactions; broken off half-way, the
/// bucket stays with what is left.
///
/// # Errors
/// `conflict` when it is not empty.
pub async fn delete(app: &App, caller: &Caller, name: &str, with_objects: bool) -> Result<()> {
    if with_objects {
        empty(app, caller, name).await?;
    }
    let (caller, wanted) = (caller.clone(), name.to_owned());
    app.db
        .write(move |conn| {
            let bucket = enter(conn, &caller, &wanted, Right::Manage, "")?;
            if !store::buckets::is_empty(conn, bucket.id)? {
                return Err(refusals::bucket_not_empty(&wanted));
            }
            store::buckets::delete(conn, bucket.id)?;
            let detail = json!({ "with_objects": with_objects });
            accounts::audit(conn, &caller.principal, "bucket.delete", &subject(&wanted), detail)
        })
        .await
}

async fn empty(app: &App, caller: &Caller, name: &str) -> Result<()> {
    loop {
        let (caller, name) = (caller.clone(), name.to_owned());
        let erased = app
            .db
            .write(move |conn| {
                let bucket = enter(conn, &caller, &name, Right::Manage, "")?;
                let uploads = store::uploads::begun_before(conn, bucket.id, "", i64::MAX, 100)?;
                for upload in &uploads {
                    store::uploads::abort(conn, &bucket, upload.id)?;
                }
                Ok(uploads.len() + store::objects::erase_some(conn, &bucket, ERASE_BATCH)?)
            })
            .await?;
        if erased == 0 {
            return Ok(());
        }
    }
}

fn subject(name: &str) -> String {
    format!("bucket/{name}")
}
