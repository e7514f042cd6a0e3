//! What the dashboard and the CLI see of buckets and objects, and do with them: the verbs of this feature, seen as wire types.

use drydock_wire::{
    KeyValue,
    storage::{
        BucketDetail, BucketSettings, BucketSummary, CreateBucket, DeleteObjects, DeletedObjects, Grant, ObjectDetail,
        ObjectList, ObjectSummary, ObjectVersion, RestoreVersion, S3Endpoint, Versioning,
    },
};
use serde_json::json;

use super::{
    about::About,
    access::{Caller, Right, enter, may},
    buckets::{self, Settings},
    copy::{self, Copy},
    listing, objects, refusals,
    rules::VersionId,
    store::{self, buckets::BucketRow, fold::Wanted, list::Listed, objects::ObjectRow},
};
use crate::{
    accounts,
    app::App,
    db::Conn,
    error::{Error, Result},
};

/// What S3 says of an object whose sender said nothing.
const NO_TYPE: &str = "application/octet-stream";
/// Objects that are removed in one transaction.
const BATCH: usize = 500;
const MOST_NAMED: usize = 10_000;
/// Keys that a line of the audit names.
const MOST_TOLD: usize = 20;
const MOST_LISTED: usize = 1000;
const MOST_VERSIONS: i64 = 1000;

/// The buckets that the caller may read, by name.
pub async fn list(app: &App, caller: &Caller) -> Result<Vec<BucketSummary>> {
    let caller = caller.clone();
    app.db
        .read(move |conn| {
            let (mut seen, scope) = (vec![], caller.principal.reach.scope());
            for (row, owner) in store::buckets::all(conn)? {
                if scope.shows(&row.project_id) && may(conn, &caller, &row, Right::Enter, "")? {
                    seen.push(summary(conn, &caller, &row, owner)?);
                }
            }
            Ok(seen)
        })
        .await
}

pub async fn create(app: &App, caller: &Caller, wish: CreateBucket) -> Result<BucketSummary> {
    let row = buckets::create(app, caller, &wish.name, wish.access, wish.versioned).await?;
    let caller = caller.clone();
    let owner = caller.principal.username.clone();
    app.db.read(move |conn| summary(conn, &caller, &row, owner)).await
}

pub async fn detail(app: &App, caller: &Caller, name: &str) -> Result<BucketDetail> {
    let (caller, name) = (caller.clone(), name.to_owned());
    let at = &app.config.listeners;
    let endpoint = S3Endpoint { port: at.s3.port(), tls: at.is_tls(at.s3) };
    app.db.read(move |conn| detail_on(conn, &caller, &name, endpoint)).await
}

fn detail_on(conn: &mut Conn, caller: &Caller, name: &str, endpoint: S3Endpoint) -> Result<BucketDetail> {
    let bucket = enter(conn, caller, name, Right::Read, "")?;
    let owner = accounts::username(conn, &bucket.owner)?.unwrap_or_default();
    let summary = summary(conn, caller, &bucket, owner)?;
    // who else may open it concerns those who decide on it
    let grants = if summary.may_manage { store::buckets::grants(conn, bucket.id)? } else { vec![] };
    Ok(BucketDetail {
        lifecycle: bucket.lifecycle(),
        cors: bucket.cors(),
        grants: grants.into_iter().map(|(username, may_write)| Grant { username, may_write }).collect(),
        open_uploads: store::uploads::open_count(conn, bucket.id)?,
        endpoint,
        summary,
    })
}

fn summary(conn: &mut Conn, caller: &Caller, row: &BucketRow, owner: String) -> Result<BucketSummary> {
    let unsigned = |count: i64| u64::try_from(count).unwrap_or(0);
    Ok(BucketSummary {
        name: row.name.clone(),
        created_at: row.created_at,
        owner,
        access: row.access(),
        versioning: row.versioning(),
        object_count: unsigned(row.object_count),
        size_bytes: unsigned(row.size_bytes),
        quota_bytes: row.quota_bytes.map(unsigned),
        may_write: may(conn, caller, row, Right::Write, "")?,
        may_manage: may(conn, caller, row, Right::Manage, "")?,
    })
}

/// Sets all settings; the bucket as it is then.
pub async fn set(app: &App, caller: &Caller, name: &str, wish: BucketSettings) -> Result<BucketDetail> {
    let named = wish.grants;
    let grants = app.db.read(move |conn| persons(conn, named)).await?;
    let settings = Settings {
        access: Some(wish.access),
        versioning: Some(wish.versioning),
        quota_bytes: Some(wish.quota_bytes),
        lifecycle: Some(wish.lifecycle),
        cors: Some(wish.cors),
        tags: None,
        grants: Some(grants),
    };
    buckets::change(app, caller, name, settings).await?;
    detail(app, caller, name).await
}

fn persons(conn: &mut Conn, grants: Vec<Grant>) -> Result<Vec<(String, bool)>> {
    let mut found: Vec<(String, bool)> = vec![];
    for grant in grants {
        let id = accounts::person_id(conn, &grant.username).map_err(|error| Error::invalid(error.message))?;
        if found.iter().any(|(known, _)| *known == id) {
            return Err(Error::invalid(format!("grants: {} is named twice.", grant.username)));
        }
        found.push((id, grant.may_write));
    }
    Ok(found)
}

/// One folder's content, or the keys under it that contain a text.
pub async fn objects(
    app: &App,
    caller: &Caller,
    bucket: &str,
    prefix: String,
    search: Option<&str>,
    (after, limit): (Option<String>, usize),
) -> Result<ObjectList> {
    let limit = limit.clamp(1, MOST_LISTED);
    let page = match search.filter(|text| !text.is_empty()) {
        Some(text) => listing::search(app, caller, bucket, (&prefix, text), after, limit).await?,
        None => {
            let wanted = Wanted { prefix, delimiter: "/".into(), after, limit, ..Wanted::default() };
            listing::objects(app, caller, bucket, wanted).await?.1
        }
    };
    Ok(ObjectList { folders: page.prefixes, objects: page.objects.into_iter().map(listed).collect(), next: page.next })
}

fn listed(row: Listed) -> ObjectSummary {
    ObjectSummary {
        key: row.key,
        size_bytes: u64::try_from(row.size_bytes).unwrap_or(0),
        modified_at: row.modified_at,
        etag: row.etag,
        content_type: row.content_type.unwrap_or_else(|| NO_TYPE.into()),
    }
}

/// The object as it is now, or one version of it. Of a key that a delete marker hides: its newest version with content.
pub async fn object(
    app: &App,
    caller: &Caller,
    bucket: &str,
    key: &str,
    version: Option<VersionId>,
) -> Result<ObjectDetail> {
    let (caller, name, key) = (caller.clone(), bucket.to_owned(), key.to_owned());
    app.db
        .read(move |conn| {
            let bucket = enter(conn, &caller, &name, Right::Read, &key)?;
            let all = store::objects::versions(conn, bucket.id, &key, MOST_VERSIONS)?;
            let has_content = |row: &&ObjectRow| !row.is_marker;
            let row = match version {
                Some(id) => {
                    let found = store::objects::version(conn, bucket.id, &key, id)?.filter(|row| !row.is_marker);
                    found.ok_or_else(|| refusals::no_such_version(&id.to_string()))?
                }
                None => all.iter().find(has_content).cloned().ok_or_else(|| refusals::no_such_key(&key))?,
            };
            shown(&bucket, row, &all)
        })
        .await
}

fn shown(bucket: &BucketRow, row: ObjectRow, all: &[ObjectRow]) -> Result<ObjectDetail> {
    let about = About::read(row.about.as_deref())?;
    let pairs = |map: std::collections::BTreeMap<String, String>| {
        map.into_iter().map(|(key, value)| KeyValue { key, value }).collect::<Vec<_>>()
    };
    let versions = all.iter().enumerate().map(|(index, row)| ObjectVersion {
        version_id: row.version_id().to_string(),
        is_latest: index == 0,
        is_delete_marker: row.is_marker,
        size_bytes: row.size(),
        modified_at: row.modified_at,
        etag: row.etag.clone(),
    });
    Ok(ObjectDetail {
        version_id: (bucket.versioning() != Versioning::Off).then(|| row.version_id().to_string()),
        metadata: pairs(about.metadata),
        tags: pairs(about.tags),
        checksums: pairs(about.checksums),
        versions: versions.collect(),
        object: summary_of(row),
    })
}

/// A row as a list shows it.
pub fn summary_of(row: ObjectRow) -> ObjectSummary {
    ObjectSummary {
        size_bytes: row.size(),
        key: row.key,
        modified_at: row.modified_at,
        etag: row.etag,
        content_type: row.content_type.unwrap_or_else(|| NO_TYPE.into()),
    }
}

/// Removes objects and whole folders, a batch at a time, or only counts what would go. Broken off half-way, the rest stays.
pub async fn delete(app: &App, caller: &Caller, bucket: &str, wish: DeleteObjects) -> Result<DeletedObjects> {
    if wish.keys.len() + wish.prefixes.len() > MOST_NAMED {
        return Err(Error::invalid(format!("Name at most {MOST_NAMED} objects and folders at once.")));
    }
    if wish.prefixes.iter().any(|prefix| !prefix.ends_with('/')) {
        return Err(Error::invalid("A folder's name ends with '/'."));
    }
    if wish.preview {
        return count(app, caller, bucket, wish).await;
    }
    let mut gone = DeletedObjects::default();
    for keys in wish.keys.chunks(BATCH) {
        gone.count += remove(app, caller, bucket, keys.to_vec()).await?;
    }
    for prefix in &wish.prefixes {
        loop {
            let wanted = Wanted { prefix: prefix.clone(), limit: BATCH, ..Wanted::default() };
            let (_, page) = listing::objects(app, caller, bucket, wanted).await?;
            if page.objects.is_empty() {
                break;
            }
            gone.count += remove(app, caller, bucket, page.objects.into_iter().map(|row| row.key).collect()).await?;
        }
    }
    Ok(gone)
}

/// Removes these, all or none, and notes it with the first of them.
async fn remove(app: &App, caller: &Caller, bucket: &str, keys: Vec<String>) -> Result<u64> {
    let (caller, name) = (caller.clone(), bucket.to_owned());
    app.db
        .write(move |conn| {
            let first: Vec<String> = keys.iter().take(MOST_TOLD).cloned().collect();
            let wanted: Vec<_> = keys.into_iter().map(|key| (key, None)).collect();
            let count = wanted.len();
            objects::remove_each(conn, &caller, &name, &wanted)?.into_iter().try_for_each(|one| one.map(drop))?;
            note_removal(conn, &caller, &name, json!({ "count": count, "first": first }))?;
            Ok(count as u64)
        })
        .await
}

fn note_removal(conn: &mut Conn, caller: &Caller, bucket: &str, detail: serde_json::Value) -> Result<()> {
    accounts::audit(conn, &caller.principal, "object.delete", &format!("bucket/{bucket}"), detail)
}

async fn count(app: &App, caller: &Caller, bucket: &str, wish: DeleteObjects) -> Result<DeletedObjects> {
    let (caller, name) = (caller.clone(), bucket.to_owned());
    app.db
        .read(move |conn| {
            let mut sum = DeletedObjects::default();
            let mut add = |(count, bytes): (i64, i64)| {
                sum.count += u64::try_from(count).unwrap_or(0);
                sum.size_bytes += u64::try_from(bytes).unwrap_or(0);
            };
            for prefix in &wish.prefixes {
                let bucket = enter(conn, &caller, &name, Right::Write, prefix)?;
                add(store::list::totals(conn, bucket.id, prefix)?);
            }
            for key in &wish.keys {
                let bucket = enter(conn, &caller, &name, Right::Write, key)?;
                if let Some(row) = store::objects::current(conn, bucket.id, key)? {
                    add((1, row.size_bytes));
                }
            }
            Ok(sum)
        })
        .await
}

/// Makes an older version the latest again, as a new version.
pub async fn restore(app: &App, caller: &Caller, bucket: &str, wish: RestoreVersion) -> Result<ObjectSummary> {
    let wanted = Copy {
        from_bucket: bucket.to_owned(),
        from_key: wish.key.clone(),
        from_version: Some(VersionId::parse(&wish.version_id)?),
        bucket: bucket.to_owned(),
        key: wish.key,
        ..Copy::default()
    };
    Ok(summary_of(copy::copy(app, caller, wanted).await?.1.row))
}

/// Removes what the key holds, or one version for good.
pub async fn delete_one(app: &App, caller: &Caller, bucket: &str, key: &str, version: Option<VersionId>) -> Result<()> {
    let (caller, name, wanted) = (caller.clone(), bucket.to_owned(), vec![(key.to_owned(), version)]);
    app.db
        .write(move |conn| {
            objects::remove_each(conn, &caller, &name, &wanted)?.into_iter().try_for_each(|one| one.map(drop))?;
            let [(key, version)] = wanted.as_slice() else { return Ok(()) };
            let detail = json!({ "count": 1, "first": [key], "version": version.map(|id| id.to_string()) });
            note_removal(conn, &caller, &name, detail)
        })
        .await
}
