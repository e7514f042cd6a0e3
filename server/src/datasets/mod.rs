//! Datasets: named lines of immutable versions, each a manifest of files by path, with profiles and declared rules.
//!
//! Always holds: a version never changes, and its number is never given again; what its manifest names is held
//! (`dataset_content`), so its bytes stay until no version has them; two versions in a row differ in content; a digest can
//! only be referred to by who uploaded it, by versions of the dataset that has it, or by finding it in a bucket or in a job's
//! output. Never here: unpacking of archives, or a judgement on a file's content other than the rules that its owner declared.

pub mod columns;
mod compare;
mod difference;
mod download;
mod images;
mod leftovers;
mod manifest;
mod mounts;
mod preview;
mod profile;
mod routes;
mod rules;
mod sending;
mod sketch;
mod sources;
mod spill;
mod spread;
mod store;
mod table;
mod tasks;
#[cfg(test)]
mod tests;
mod turning;
mod uses;
mod validate;
mod versions;
mod yaml;

use bytes::Bytes;
use drydock_wire::datasets::{
    CreateDataset, DatasetDetail, DatasetSummary, Rule, Upload, ValidationReport, VersionSource, VersionSummary,
    VersionTag,
};
use drydock_wire::events::Topic;
use futures_util::Stream;
use serde_json::json;

pub use mounts::{Mount, evict, laid_out, mount};
pub use routes::configure;
pub use sources::{Found, from_found};
pub use uses::ask_who_uses;
pub use versions::tell_of_new;

use crate::accounts::{self, Authorized, Principal, action};
use crate::app::App;
use crate::clock;
use crate::db::Conn;
use crate::error::{Error, Result};
use store::{DatasetRow, VersionRow};

/// Turns what earlier releases left and starts what runs in the background.
pub async fn start(app: &App) {
    mounts::clear_unfinished(app);
    if let Err(error) = turning::turn_old_versions(app).await {
        // the rest of the box works; the version says what to do when it is asked for
        tracing::error!("versions of datasets are still in the form of an earlier release: {error}");
    }
    app.background.spawn(tasks::Profiler::new(app.clone()));
}

/// The name and the version that `wine`, `wine@3` or `wine@prod` mean; `version` says the same with a number beside the name.
///
/// # Errors
/// `not_found` when there is no such dataset or version; `invalid` when both say a version.
pub fn resolve(conn: &mut Conn, text: &str, version: Option<i64>) -> Result<(String, i64)> {
    let (name, wanted) = match (text.split_once('@'), version) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid(format!("{text}: say the version after the @ or as a number, not both.")));
        }
        (Some((name, wanted)), None) => (name, wanted.to_owned()),
        (None, Some(number)) => (text, number.to_string()),
        (None, None) => (text, "latest".to_owned()),
    };
    let dataset = store::dataset(conn, name)?;
    let row = versions::resolve(conn, &dataset, &wanted)?;
    Ok((dataset.name, row.version))
}

/// For `lineage`: the version, if it is there.
pub fn version_on_conn(conn: &mut Conn, name: &str, version: i64) -> Result<Option<VersionSummary>> {
    let found =
        store::dataset(conn, name).and_then(|dataset| Ok(store::version(conn, &dataset, version)?.view(&dataset)));
    match found {
        Ok(summary) => Ok(Some(summary)),
        Err(error) if error.code == drydock_wire::ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// For `lineage`: the job whose output became the version, and the runs of it that had it.
pub fn makers(conn: &mut Conn, name: &str, version: i64) -> Result<Option<(String, Vec<String>)>> {
    let source = version_on_conn(conn, name, version)?.map(|summary| summary.source);
    Ok(match source {
        Some(VersionSource::Job { job_id, run_ids, .. }) => Some((job_id, run_ids)),
        _ => None,
    })
}

/// For `lineage`: versions that this run's share of the job's output became, oldest first.
pub fn made_by_run(conn: &mut Conn, job_id: &str, run_id: &str) -> Result<Vec<(String, i64)>> {
    let mut found = vec![];
    for (name, version) in store::made_by_job(conn, job_id)? {
        if makers(conn, &name, version)?.is_some_and(|(_, runs)| runs.iter().any(|run| run == run_id)) {
            found.push((name, version));
        }
    }
    Ok(found)
}

/// For `lineage`: versions that the job's output became, oldest first.
pub fn made_by_job(conn: &mut Conn, job_id: &str) -> Result<Vec<(String, i64)>> {
    store::made_by_job(conn, job_id)
}

/// Whether the person has uploaded these bytes lately, and so may refer to them.
pub fn owns_upload(conn: &mut Conn, person_id: &str, digest: &str) -> Result<bool> {
    store::upload_size(conn, person_id, digest).map(|size| size.is_some())
}

/// How many datasets there are.
pub fn count(conn: &mut Conn) -> Result<u64> {
    store::count(conn)
}

/// Every dataset that is shown to the asker, by name.
pub async fn list(app: &App, auth: &Authorized<action::View>) -> Result<Vec<DatasetSummary>> {
    let scope = auth.scope();
    let rows = app.db.read(move |conn| store::all_datasets(conn, &scope)).await?;
    Ok(rows.into_iter().map(|(dataset, latest, count)| summary(&dataset, latest, count)).collect())
}

/// Makes an empty dataset.
pub async fn create(app: &App, auth: &Authorized<action::Develop>, wish: CreateDataset) -> Result<DatasetDetail> {
    let who = auth.principal().clone();
    let dataset = new_dataset(wish)?;
    let made = dataset.clone();
    app.db.write(move |conn| insert(conn, &who, &dataset)).await?;
    app.events.publish(Topic::Datasets, Some(&made.name));
    Ok(DatasetDetail { summary: summary(&made, None, 0), rules: vec![], versions: vec![], tags: vec![] })
}

/// The row of a dataset that is to be made.
fn new_dataset(wish: CreateDataset) -> Result<DatasetRow> {
    rules::check_naming(&wish.name, &wish.description)?;
    Ok(DatasetRow {
        id: uuid::Uuid::now_v7().to_string(),
        name: wish.name,
        description: wish.description,
        created_at: clock::now_ms(),
        rules: "[]".into(),
        rules_revision: 0,
        last_version: 0,
        versions_made: 0,
        rules_yaml: None,
    })
}

/// The row with its entry in the audit trail.
fn insert(conn: &mut Conn, who: &Principal, dataset: &DatasetRow) -> Result<()> {
    store::insert_dataset(conn, &who.project, dataset)?;
    let detail = json!({ "id": dataset.id, "description": dataset.description });
    accounts::audit(conn, who, "dataset.create", &subject(&dataset.name), detail)
}

/// The dataset with its rules and versions.
pub async fn get(app: &App, _auth: &Authorized<action::View>, name: &str) -> Result<DatasetDetail> {
    let name = name.to_owned();
    app.db.read(move |conn| detail(conn, &name)).await
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

/// Declares what the dataset's files must keep to, and holds the latest version against it.
pub async fn set_rules(
    app: &App,
    auth: &Authorized<action::Develop>,
    name: &str,
    list: Vec<Rule>,
    yaml: Option<String>,
) -> Result<DatasetDetail> {
    rules::check_rules(&list)?;
    let (who, wanted) = (auth.principal().clone(), name.to_owned());
    let changed = app
        .db
        .write(move |conn| {
            let dataset = store::dataset(conn, &wanted)?;
            let before = dataset.rules()?;
            if before == list && dataset.rules_yaml == yaml {
                return Ok(false);
            }
            store::set_rules(conn, &dataset.id, &list, yaml.as_deref())?;
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

/// The rules as YAML: as their author wrote them, or made from the list.
pub async fn rules_yaml(app: &App, _auth: &Authorized<action::View>, name: &str) -> Result<String> {
    let name = name.to_owned();
    let dataset = app.db.read(move |conn| store::dataset(conn, &name)).await?;
    match dataset.rules_yaml.clone() {
        Some(text) => Ok(text),
        None => yaml::write(&dataset.rules()?),
    }
}

/// Holds the version against the dataset's rules now and keeps the report.
///
/// # Errors
/// `conflict` when there are no rules.
pub async fn check(
    app: &App,
    auth: &Authorized<action::Develop>,
    name: &str,
    version: &str,
) -> Result<ValidationReport> {
    let checked = examine(app, name, version).await?;
    let report = checked.report.clone();
    let who = auth.principal().clone();
    app.db.write(move |conn| keep_on(conn, &who, &checked)).await?;
    app.events.publish(Topic::Datasets, Some(name));
    Ok(report)
}

/// A version that was held against the rules; nothing of it is kept yet.
#[derive(Debug, Clone)]
pub struct Examined {
    dataset_id: String,
    revision: i64,
    pub dataset: String,
    pub version: i64,
    /// Of the version's content.
    pub digest: String,
    pub report: ValidationReport,
}

/// Holds the version against the dataset's rules now.
///
/// # Errors
/// `conflict` when there are no rules, `unavailable` while the version is still being profiled.
pub async fn examine(app: &App, name: &str, version: &str) -> Result<Examined> {
    let (dataset, row, _) = versions::open(app, name, version).await?;
    tasks::look_again(app, &dataset, &row).await?;
    let report = tasks::report(app, &dataset, &row).await?;
    Ok(Examined {
        revision: dataset.rules_revision,
        dataset_id: dataset.id,
        dataset: dataset.name,
        version: row.version,
        digest: row.digest,
        report,
    })
}

/// Keeps a report within the caller's transaction.
pub fn keep_on(conn: &mut Conn, who: &Principal, of: &Examined) -> Result<()> {
    store::set_report(conn, &of.dataset_id, of.version, &of.report, of.revision)?;
    let detail = json!({ "version": of.version, "passed": of.report.passed });
    accounts::audit(conn, who, "dataset.validate", &subject(&of.dataset), detail)
}

/// What the version's content and the rules it is held against are now: equal texts, equal reports.
///
/// # Errors
/// `not_found` when there is no such dataset or version.
pub fn fingerprint(conn: &mut Conn, name: &str, version: i64) -> Result<(String, String)> {
    let dataset = store::dataset(conn, name)?;
    let row = store::version(conn, &dataset, version)?;
    Ok((row.digest, dataset.rules))
}

fn detail(conn: &mut Conn, name: &str) -> Result<DatasetDetail> {
    let dataset = store::dataset(conn, name)?;
    let versions: Vec<VersionSummary> =
        store::versions(conn, &dataset.id)?.into_iter().map(|row| row.view(&dataset)).collect();
    let tags = store::tags(conn, &dataset.id)?.into_iter().map(|(tag, version)| VersionTag { tag, version }).collect();
    let mut summary = summary(&dataset, None, store::version_count(conn, &dataset.id)?);
    summary.latest = versions.first().cloned();
    Ok(DatasetDetail { summary, rules: dataset.rules()?, versions, tags })
}

fn summary(dataset: &DatasetRow, latest: Option<VersionRow>, version_count: i64) -> DatasetSummary {
    DatasetSummary {
        name: dataset.name.clone(),
        description: dataset.description.clone(),
        created_at: dataset.created_at,
        latest: latest.map(|row| row.view(dataset)),
        version_count: store::unsigned(version_count),
    }
}

fn subject(name: &str) -> String {
    format!("dataset/{name}")
}
