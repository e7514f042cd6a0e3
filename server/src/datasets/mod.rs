//! Datasets: named lines of immutable versions, each a snapshot of blobs by path, with profiles and declared rules.
//!
//! Always holds: a version never changes and is never deleted singly; each of its files is an object
//! (`datasets`, `{dataset id}/{version}/{path}`), so its bytes stay; two versions in a row differ in content; a digest can
//! only be referred to by who uploaded it or by the version after the one that has it. Never here: unpacking of
//! archives, or a judgement on a file's content other than the rules that its owner declared.

mod download;
mod profile;
mod routes;
mod rules;
mod store;
mod table;
mod tasks;
#[cfg(test)]
mod tests;
mod validate;

use bytes::Bytes;
use drydock_wire::datasets::{
    CreateDataset, CreateVersion, CreatedVersion, DatasetDetail, DatasetFile, DatasetSummary, Rule, Upload,
    ValidationReport, VersionDetail, VersionSummary,
};
use drydock_wire::events::Topic;
use futures_util::Stream;
use serde_json::json;

pub use routes::configure;

use crate::accounts::{self, Authorized, action};
use crate::app::App;
use crate::clock;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::objects;
use store::{DatasetRow, VersionRow};

/// The bucket of objects that versions refer to.
const BUCKET: &str = "datasets";

/// Starts what runs in the background.
pub fn start(app: &App) {
    app.background.spawn(tasks::Profiler::new(app.clone()));
}

/// The version that is meant by a number, or by its absence: the latest.
///
/// # Errors
/// `not_found` when there is no such dataset or version.
pub fn resolve_version(conn: &mut Conn, name: &str, version: Option<i64>) -> Result<i64> {
    let dataset = store::dataset(conn, name)?;
    store::version(conn, &dataset, version.unwrap_or(dataset.last_version)).map(|row| row.version)
}

/// Files of a version in path order.
///
/// # Errors
/// `not_found` when there is no such dataset or version.
pub fn version_files(conn: &mut Conn, name: &str, version: i64) -> Result<Vec<DatasetFile>> {
    let dataset = store::dataset(conn, name)?;
    let row = store::version(conn, &dataset, version)?;
    store::files(conn, &dataset.id, row.version)
}

/// Whether the person has uploaded these bytes lately, and so may refer to them.
pub fn owns_upload(conn: &mut Conn, person_id: &str, digest: &str) -> Result<bool> {
    store::upload_size(conn, person_id, digest).map(|size| size.is_some())
}

/// How many datasets there are.
pub fn count(conn: &mut Conn) -> Result<u64> {
    store::count(conn)
}

/// Every dataset, by name.
pub async fn list(app: &App, _auth: &Authorized<action::View>) -> Result<Vec<DatasetSummary>> {
    let rows = app.db.read(store::all_datasets).await?;
    Ok(rows.into_iter().map(|(dataset, latest)| summary(&dataset, latest)).collect())
}

/// Makes an empty dataset.
pub async fn create(app: &App, auth: &Authorized<action::Develop>, wish: CreateDataset) -> Result<DatasetDetail> {
    rules::check_naming(&wish.name, &wish.description)?;
    let who = auth.principal().clone();
    let dataset = DatasetRow {
        id: uuid::Uuid::now_v7().to_string(),
        name: wish.name,
        description: wish.description,
        created_at: clock::now_ms(),
        rules: "[]".into(),
        rules_revision: 0,
        last_version: 0,
    };
    let made = dataset.clone();
    app.db
        .write(move |conn| {
            store::insert_dataset(conn, &dataset)?;
            let detail = json!({ "id": dataset.id, "description": dataset.description });
            accounts::audit(conn, &who, "dataset.create", &subject(&dataset.name), detail)
        })
        .await?;
    app.events.publish(Topic::Datasets, Some(&made.name));
    Ok(DatasetDetail { summary: summary(&made, None), rules: vec![], versions: vec![] })
}

/// The dataset with its rules and versions.
pub async fn get(app: &App, _auth: &Authorized<action::View>, name: &str) -> Result<DatasetDetail> {
    let name = name.to_owned();
    app.db.read(move |conn| detail(conn, &name)).await
}

/// Removes the dataset with all its versions. Bytes that nothing else refers to go with a later sweep.
pub async fn delete(app: &App, auth: &Authorized<action::Develop>, name: &str) -> Result<()> {
    let (who, wanted) = (auth.principal().clone(), name.to_owned());
    app.db
        .write(move |conn| {
            let dataset = store::dataset(conn, &wanted)?;
            objects::store::delete_prefix(conn, BUCKET, &format!("{}/", dataset.id))?;
            store::delete_dataset(conn, &dataset.id)?;
            let detail = json!({ "id": dataset.id, "versions": dataset.last_version });
            accounts::audit(conn, &who, "dataset.delete", &subject(&dataset.name), detail)
        })
        .await?;
    app.events.publish(Topic::Datasets, Some(name));
    Ok(())
}

/// Keeps the bytes and remembers whose they are.
///
/// # Errors
/// `too_large` above the configured limit.
pub async fn upload<S, E>(app: &App, auth: &Authorized<action::Develop>, body: S) -> Result<Upload>
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    let kept = app.objects.put_stream(body, Some(app.config.limits.upload_bytes)).await?;
    let person_id = auth.principal().person_id.clone();
    let answer = Upload { digest: kept.digest.clone(), size_bytes: kept.size_bytes };
    app.db
        .write(move |conn| store::insert_upload(conn, &person_id, &kept.digest, kept.size_bytes, clock::now_ms()))
        .await?;
    Ok(answer)
}

/// Adds a version of these files, unless the latest has the very same content. Small ones are profiled and held against
/// the rules before the answer, large ones in the background.
pub async fn create_version(
    app: &App,
    auth: &Authorized<action::Develop>,
    name: &str,
    wish: CreateVersion,
) -> Result<CreatedVersion> {
    rules::check_text("message", &wish.message)?;
    let files = rules::manifest(wish.files)?;
    let (who, wanted, message) = (auth.principal().clone(), name.to_owned(), wish.message);
    let small = tasks::is_small(&files);
    let (id, mut answer) = app
        .db
        .write(move |conn| {
            let dataset = store::dataset(conn, &wanted)?;
            let answer = insert_version(conn, &who, &dataset, &files, message)?;
            Ok((dataset.id, answer))
        })
        .await?;
    if answer.created {
        app.events.publish(Topic::Datasets, Some(name));
        if small {
            answer.version = tasks::analyze_now(app, name, &id, answer.version).await;
        } else {
            app.background.waker(tasks::PROFILER).wake();
        }
    }
    Ok(answer)
}

fn insert_version(
    conn: &mut Conn,
    who: &accounts::Principal,
    dataset: &DatasetRow,
    files: &[DatasetFile],
    message: String,
) -> Result<CreatedVersion> {
    let digest = rules::manifest_digest(files);
    let before = match dataset.last_version {
        0 => vec![],
        last => {
            let latest = store::version(conn, dataset, last)?;
            if latest.digest == digest {
                return Ok(CreatedVersion { version: latest.view(dataset), created: false });
            }
            store::files(conn, &dataset.id, last)?
        }
    };
    for file in files {
        check_reference(conn, who, file, &before)?;
    }
    let (at, version) = (clock::now_ms(), dataset.last_version + 1);
    let row = VersionRow {
        dataset_id: dataset.id.clone(),
        version,
        created_at: at,
        author: who.username.clone(),
        message,
        file_count: store::signed(files.len() as u64),
        size_bytes: store::signed(files.iter().map(|file| file.size_bytes).sum()),
        digest,
        report_passed: None,
        report_revision: None,
    };
    store::insert_version(conn, &row, files)?;
    for file in files {
        objects::store::link(conn, BUCKET, &object_key(&dataset.id, version, &file.path), &file.digest, at)?;
    }
    let detail = json!({ "version": version, "digest": row.digest, "files": files.len(), "bytes": row.size_bytes });
    accounts::audit(conn, who, "dataset.version", &subject(&dataset.name), detail)?;
    Ok(CreatedVersion { version: row.view(dataset), created: true })
}

/// Knowing a digest is not having the bytes: it must be the caller's upload, or in the version before.
fn check_reference(
    conn: &mut Conn,
    who: &accounts::Principal,
    file: &DatasetFile,
    before: &[DatasetFile],
) -> Result<()> {
    let known = before.iter().find(|old| old.digest == file.digest).map(|old| old.size_bytes);
    let size = match known {
        Some(size) => Some(size),
        None => store::upload_size(conn, &who.person_id, &file.digest)?,
    };
    match size {
        Some(size) if size == file.size_bytes => Ok(()),
        Some(size) => Err(Error::invalid(format!(
            "{:?} is said to have {} bytes; its digest is of {size}.",
            file.path, file.size_bytes
        ))),
        None => Err(Error::invalid(format!(
            "{:?}: there is no upload of yours with the digest {}; send the file to PUT /api/v1/uploads first.",
            file.path, file.digest
        ))),
    }
}

/// A version with its files, profiles and report.
pub async fn version(app: &App, _auth: &Authorized<action::View>, name: &str, number: i64) -> Result<VersionDetail> {
    let name = name.to_owned();
    app.db
        .read(move |conn| {
            let dataset = store::dataset(conn, &name)?;
            let row = store::version(conn, &dataset, number)?;
            let files = store::files(conn, &dataset.id, number)?;
            let (profiles, report) = store::analysis(conn, &dataset, number)?;
            Ok(VersionDetail { summary: row.view(&dataset), files, profiles: profiles.unwrap_or_default(), report })
        })
        .await
}

/// One file of a version.
pub async fn file(
    app: &App,
    _auth: &Authorized<action::View>,
    name: &str,
    number: i64,
    path: &str,
) -> Result<DatasetFile> {
    let (name, path) = (name.to_owned(), path.to_owned());
    app.db
        .read(move |conn| {
            let missing = Error::not_found(format!("Version {number} of {name} has no file {path:?}."));
            version_files(conn, &name, number)?.into_iter().find(|file| file.path == path).ok_or(missing)
        })
        .await
}

/// Declares what the dataset's files must keep to, and holds the latest version against it.
pub async fn set_rules(
    app: &App,
    auth: &Authorized<action::Develop>,
    name: &str,
    list: Vec<Rule>,
) -> Result<DatasetDetail> {
    rules::check_rules(&list)?;
    let (who, wanted) = (auth.principal().clone(), name.to_owned());
    let changed = app
        .db
        .write(move |conn| {
            let dataset = store::dataset(conn, &wanted)?;
            let before = dataset.rules()?;
            if before == list {
                return Ok(false);
            }
            store::set_rules(conn, &dataset.id, &list)?;
            let detail = json!({ "before": before, "after": list });
            accounts::audit(conn, &who, "dataset.rules", &subject(&dataset.name), detail)?;
            Ok(true)
        })
        .await?;
    if changed {
        app.events.publish(Topic::Datasets, Some(name));
        app.background.waker(tasks::PROFILER).wake();
    }
    let name = name.to_owned();
    app.db.read(move |conn| detail(conn, &name)).await
}

/// Holds the version against the dataset's rules now and keeps the report.
///
/// # Errors
/// `conflict` when there are no rules.
pub async fn check(app: &App, auth: &Authorized<action::Develop>, name: &str, number: i64) -> Result<ValidationReport> {
    let wanted = name.to_owned();
    let dataset = app
        .db
        .read(move |conn| {
            let dataset = store::dataset(conn, &wanted)?;
            store::version(conn, &dataset, number)?;
            Ok(dataset)
        })
        .await?;
    let report = tasks::report(app, &dataset, number).await?;
    let (who, kept) = (auth.principal().clone(), report.clone());
    app.db
        .write(move |conn| {
            store::set_report(conn, &dataset.id, number, &kept, dataset.rules_revision)?;
            let detail = json!({ "version": number, "passed": kept.passed });
            accounts::audit(conn, &who, "dataset.validate", &subject(&dataset.name), detail)
        })
        .await?;
    app.events.publish(Topic::Datasets, Some(name));
    Ok(report)
}

fn detail(conn: &mut Conn, name: &str) -> Result<DatasetDetail> {
    let dataset = store::dataset(conn, name)?;
    let versions: Vec<VersionSummary> =
        store::versions(conn, &dataset.id)?.into_iter().map(|row| row.view(&dataset)).collect();
    let mut summary = summary(&dataset, None);
    summary.latest = versions.first().cloned();
    Ok(DatasetDetail { summary, rules: dataset.rules()?, versions })
}

fn summary(dataset: &DatasetRow, latest: Option<VersionRow>) -> DatasetSummary {
    DatasetSummary {
        name: dataset.name.clone(),
        description: dataset.description.clone(),
        created_at: dataset.created_at,
        latest: latest.map(|row| row.view(dataset)),
        version_count: store::unsigned(dataset.last_version),
    }
}

fn subject(name: &str) -> String {
    format!("dataset/{name}")
}

fn object_key(dataset_id: &str, version: i64, path: &str) -> String {
    format!("{dataset_id}/{version}/{path}")
}
