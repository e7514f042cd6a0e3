//! Versions made from what is on the box already: objects of a bucket, artifacts of a job's runs, what a job left. Nothing is copied:
//! the version refers to the same content.

use drydock_wire::datasets::{CreatedVersion, VersionFromBucket, VersionFromJob, VersionSource};
use drydock_wire::{ErrorCode, validate};

use super::manifest::{Change, Changes, Entry};
use super::rules;
use super::store;
use super::versions::{self, Making};
use crate::accounts::projects::{self, Kind};
use crate::accounts::{Authorized, action};
use crate::app::App;
use crate::error::{Error, Result};
use crate::objects;
use crate::storage::{self, access::Caller};
use crate::tracking;

const FILE_LIMIT: usize = 1_000_000;
const PAGE: usize = 1_000;

/// A version of the objects under a prefix, as far as the caller may read them.
pub async fn from_bucket(
    app: &App,
    auth: &Authorized<action::Develop>,
    name: &str,
    wish: VersionFromBucket,
) -> Result<CreatedVersion> {
    rules::check_text("message", &wish.message)?;
    let caller = Caller::of(auth)?;
    let folder = wish.prefix.rfind('/').map_or(0, |at| at + 1);
    let into = folder_of(&wish.into)?;
    let (mut after, mut changes) = (None, Changes::default());
    loop {
        let wanted = storage::Wanted {
            prefix: wish.prefix.clone(),
            delimiter: String::new(),
            after: after.take(),
            limit: PAGE,
            only: vec![],
        };
        let (_, page) = storage::listing::objects(app, &caller, &wish.bucket, wanted).await?;
        for object in page.objects {
            // what a console makes to show an empty folder
            if object.key.ends_with('/') {
                continue;
            }
            let (digest, size) = storage::reading::whole_blob(app, &caller, &wish.bucket, &object.key, None).await?;
            put(&mut changes, format!("{into}{}", &object.key[folder..]), &digest, size)?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    if changes.paths.is_empty() {
        let place = format!("{}/{}", wish.bucket, wish.prefix);
        return Err(Error::not_found(format!("There is no object under {place} that you may read.")));
    }
    let source = VersionSource::Bucket { bucket: wish.bucket, prefix: wish.prefix };
    let making =
        Making { base: wish.base_version, changes, message: wish.message, source, is_found: true, create: false };
    versions::make(app, auth.principal(), name, making).await
}

/// A version of what the job's runs logged as artifacts; several runs have a folder each.
pub async fn from_job(
    app: &App,
    auth: &Authorized<action::Develop>,
    name: &str,
    wish: VersionFromJob,
) -> Result<CreatedVersion> {
    rules::check_text("message", &wish.message)?;
    let (into, folder) = (folder_of(&wish.into)?, folder_of(&wish.path)?);
    let (job, who) = (wish.job_id.clone(), auth.principal().clone());
    let found = app
        .db
        .read(move |conn| {
            projects::see(conn, &who, Kind::Job, &job)?;
            let mut found = vec![];
            for id in tracking::runs_of_job(conn, &job)? {
                let Some(run) = tracking::run_on_conn(conn, &id)? else { continue };
                let prefix = format!("{}/{id}/artifacts/{folder}", run.info.experiment_id);
                let files = objects::store::list_prefix(conn, tracking::ARTIFACT_BUCKET, &prefix)?;
                if !files.is_empty() {
                    found.push((id, prefix.len(), files));
                }
            }
            Ok(found)
        })
        .await?;
    if found.is_empty() {
        return Err(Error::not_found(format!(
            "No run of the job {} has artifacts{}.",
            wish.job_id,
            if wish.path.is_empty() { String::new() } else { format!(" under {:?}", wish.path) }
        )));
    }
    let (several, mut changes) = (found.len() > 1, Changes::default());
    let run_ids = found.iter().map(|(id, ..)| id.clone()).collect();
    for (id, cut, files) in found {
        let of_run = if several { format!("{id}/") } else { String::new() };
        for file in files {
            let path = format!("{into}{of_run}{}", &file.key[cut..]);
            put(&mut changes, path, &file.digest, u64::try_from(file.size_bytes).unwrap_or(0))?;
        }
    }
    let source = VersionSource::Job { job_id: wish.job_id, run_ids, path: wish.path, attempt: None };
    let making =
        Making { base: wish.base_version, changes, message: wish.message, source, is_found: true, create: false };
    versions::make(app, auth.principal(), name, making).await
}

/// What a feature above found for a version, in a place that the caller may read.
pub struct Found {
    /// Paths with digests and sizes in bytes.
    pub files: Vec<(String, String, u64)>,
    pub source: VersionSource,
    pub message: String,
    /// The version to add to; absent: the files are the whole version.
    pub base_version: Option<String>,
    /// Folder of the version that the files go to; empty: its top.
    pub into: String,
}

/// For `jobs`: a version of that content, of a dataset which `create` makes with it if need be. One that is refused leaves none.
///
/// # Errors
/// `not_found` for a dataset that is not there and is not to be made; `invalid` for paths that no file of a dataset can have.
pub async fn from_found(
    app: &App,
    auth: &Authorized<action::Develop>,
    name: &str,
    create: bool,
    found: Found,
) -> Result<CreatedVersion> {
    rules::check_text("message", &found.message)?;
    if !create {
        is_there(app, name).await?;
    }
    match make_found(app, auth, name, create, &found).await {
        // another made it at the same moment: the version goes to theirs
        Err(error) if create && error.code == ErrorCode::AlreadyExists => {
            make_found(app, auth, name, false, &found).await
        }
        made => made,
    }
}

async fn is_there(app: &App, name: &str) -> Result<()> {
    let wanted = name.to_owned();
    match app.db.glance(move |conn| store::dataset(conn, &wanted)).await {
        Err(error) if error.code == ErrorCode::NotFound => Err(Error::not_found(format!(
            "There is no dataset called {name}. Choose one that there is, or say that it is to be made (create)."
        ))),
        found => found.map(drop),
    }
}

async fn make_found(
    app: &App,
    auth: &Authorized<action::Develop>,
    name: &str,
    create: bool,
    found: &Found,
) -> Result<CreatedVersion> {
    let into = folder_of(&found.into)?;
    let mut changes = Changes::default();
    for (path, digest, size) in &found.files {
        put(&mut changes, format!("{into}{path}"), digest, *size)?;
    }
    let (message, source) = (found.message.clone(), found.source.clone());
    let making = Making { base: found.base_version.clone(), changes, message, source, is_found: true, create };
    versions::make(app, auth.principal(), name, making).await
}

/// The folder with its `/`, or nothing.
fn folder_of(text: &str) -> Result<String> {
    let text = text.trim_end_matches('/');
    if text.is_empty() {
        return Ok(String::new());
    }
    validate::relative_path(text).map_err(|advice| Error::invalid(format!("Folder {text:?}: {advice}")))?;
    Ok(format!("{text}/"))
}

/// A key may be what a path may not.
fn put(changes: &mut Changes, path: String, digest: &str, size_bytes: u64) -> Result<()> {
    validate::relative_path(&path)
        .map_err(|advice| Error::invalid(format!("{path:?} cannot be a file of a dataset. {advice}")))?;
    let entry = Entry::of(path, digest, size_bytes)?;
    if changes.paths.len() >= FILE_LIMIT {
        return Err(Error::invalid(format!("A version takes at most {FILE_LIMIT} files at a time; choose a prefix.")));
    }
    let change = Change::Put { digest: entry.digest, size_bytes: entry.size_bytes };
    changes.paths.insert(entry.path, change);
    Ok(())
}
