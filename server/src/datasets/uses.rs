//! Names for versions, and taking versions away: what refers to one, what would be freed, and the refusal that names it.

use std::sync::OnceLock;

use drydock_wire::datasets::{DatasetDeletion, DatasetDetail, DatasetUse};
use drydock_wire::events::Topic;
use serde_json::json;

use super::store::{self, DatasetRow, VersionRow};
use super::{leftovers, rules, subject, tasks, versions};
use crate::accounts::{self, Authorized, Principal, action};
use crate::app::App;
use crate::db::Conn;
use crate::error::{Error, Result};

/// Answers what came of a dataset's version, for somebody: its name and number are asked.
pub type WhoUses = fn(&mut Conn, &Principal, &str, i64) -> Result<Vec<DatasetUse>>;

static WHO_USES: OnceLock<WhoUses> = OnceLock::new();

/// Jobs and lineage stand above datasets: boot hands their answer down, once.
pub fn ask_who_uses(answer: WhoUses) {
    // A second call is a second server in one process (tests), with the same function.
    let _ = WHO_USES.set(answer);
}

/// Uses that a refusal names.
const NAMED: usize = 5;

/// Points the tag to the version; it may have pointed to another one.
pub async fn set_tag(
    app: &App,
    auth: &Authorized<action::Develop>,
    name: &str,
    tag: &str,
    version: i64,
) -> Result<DatasetDetail> {
    rules::check_tag(tag)?;
    let (who, wanted, tag) = (auth.principal().clone(), name.to_owned(), tag.to_owned());
    let set = move |conn: &mut Conn| {
        let dataset = store::dataset(conn, &wanted)?;
        store::version(conn, &dataset, version)?;
        let before = store::tag(conn, &dataset.id, &tag)?;
        if before != Some(version) {
            store::set_tag(conn, &dataset.id, &tag, version)?;
            let detail = json!({ "tag": tag, "version": version, "before": before });
            accounts::audit(conn, &who, "dataset.tag", &subject(&dataset.name), detail)?;
        }
        super::detail(conn, &wanted)
    };
    let detail = app.db.write(set).await?;
    app.events.publish(Topic::Datasets, Some(name));
    Ok(detail)
}

pub async fn remove_tag(app: &App, auth: &Authorized<action::Develop>, name: &str, tag: &str) -> Result<DatasetDetail> {
    let (who, wanted, tag) = (auth.principal().clone(), name.to_owned(), tag.to_owned());
    let remove = move |conn: &mut Conn| {
        let dataset = store::dataset(conn, &wanted)?;
        let before = store::tag(conn, &dataset.id, &tag)?
            .ok_or_else(|| Error::not_found(format!("The dataset {wanted} has no tag {tag:?}.")))?;
        store::remove_tag(conn, &dataset.id, &tag)?;
        let detail = json!({ "tag": tag, "before": before });
        accounts::audit(conn, &who, "dataset.untag", &subject(&dataset.name), detail)?;
        super::detail(conn, &wanted)
    };
    let detail = app.db.write(remove).await?;
    app.events.publish(Topic::Datasets, Some(name));
    Ok(detail)
}

/// The versions that would go: the one, or all of the dataset; and those that would stay.
fn chosen(
    conn: &mut Conn,
    name: &str,
    version: Option<&str>,
) -> Result<(DatasetRow, Vec<VersionRow>, Vec<VersionRow>)> {
    let dataset = store::dataset(conn, name)?;
    let all = store::versions(conn, &dataset.id)?;
    let Some(version) = version else { return Ok((dataset, all, vec![])) };
    let one = versions::resolve(conn, &dataset, version)?;
    let kept = all.into_iter().filter(|row| row.version != one.version).collect();
    Ok((dataset, vec![one], kept))
}

fn used(conn: &mut Conn, who: &Principal, name: &str, gone: &[VersionRow]) -> Result<Vec<DatasetUse>> {
    let Some(answer) = WHO_USES.get() else { return Ok(vec![]) };
    let mut found = vec![];
    for row in gone {
        found.extend(answer(conn, who, name, row.version)?);
    }
    Ok(found)
}

fn tags_of(conn: &mut Conn, dataset: &DatasetRow, gone: &[VersionRow]) -> Result<Vec<String>> {
    let tags = store::tags(conn, &dataset.id)?;
    Ok(tags.into_iter().filter(|(_, v)| gone.iter().any(|row| row.version == *v)).map(|(tag, _)| tag).collect())
}

/// What deleting the version, or the whole dataset, would take.
pub async fn preview(
    app: &App,
    auth: &Authorized<action::View>,
    name: &str,
    version: Option<&str>,
) -> Result<DatasetDeletion> {
    let (who, name, version) = (auth.principal().clone(), name.to_owned(), version.map(str::to_owned));
    let (gone, kept, tags, used_by) = app
        .db
        .read(move |conn| {
            let (dataset, gone, kept) = chosen(conn, &name, version.as_deref())?;
            let tags = tags_of(conn, &dataset, &gone)?;
            let used_by = used(conn, &who, &name, &gone)?;
            Ok((gone, kept, tags, used_by))
        })
        .await?;
    let roots = |rows: &[VersionRow]| rows.iter().filter_map(|row| row.manifest.clone()).collect::<Vec<_>>();
    Ok(DatasetDeletion {
        versions: gone.iter().map(|row| row.version).collect(),
        tags,
        file_count: gone.iter().map(|row| store::unsigned(row.file_count)).sum(),
        freed_bytes: leftovers::freed_bytes(app, &roots(&gone), &roots(&kept)).await?,
        used_by,
    })
}

/// Takes the version, or the whole dataset, away. Bytes that nothing else refers to go with a later sweep.
///
/// # Errors
/// `conflict` when something refers to it and it was not said that it goes all the same.
pub async fn delete(
    app: &App,
    auth: &Authorized<action::Develop>,
    name: &str,
    version: Option<&str>,
    even_if_used: bool,
) -> Result<()> {
    let (who, wanted, version) = (auth.principal().clone(), name.to_owned(), version.map(str::to_owned));
    // Going through all that came of it takes a while, for which no other write may wait. Who begins to use a version at this
    // very moment finds it gone, as a moment later.
    let (asker, asked, of) = (who.clone(), wanted.clone(), version.clone());
    let look = move |conn: &mut Conn| {
        let (_, gone, _) = chosen(conn, &asked, of.as_deref())?;
        used(conn, &asker, &asked, &gone)
    };
    let used_by = app.db.read(look).await?;
    let take = move |conn: &mut Conn| {
        let (dataset, gone, _) = chosen(conn, &wanted, version.as_deref())?;
        let tags = tags_of(conn, &dataset, &gone)?;
        if !even_if_used {
            let tags = if version.is_some() { tags.as_slice() } else { &[] };
            refuse_used(&wanted, &used_by, tags)?;
        }
        let used_by: Vec<String> = used_by.iter().map(title).collect();
        let numbers: Vec<i64> = gone.iter().map(|row| row.version).collect();
        let detail = json!({ "id": dataset.id, "versions": numbers, "tags": tags, "used_by": used_by });
        match version {
            None => {
                store::delete_dataset(conn, &dataset.id)?;
                accounts::audit(conn, &who, "dataset.delete", &subject(&dataset.name), detail)
            }
            Some(_) => {
                gone.iter().try_for_each(|row| store::delete_version(conn, &dataset.id, row.version))?;
                accounts::audit(conn, &who, "dataset.version.delete", &subject(&dataset.name), detail)
            }
        }
    };
    app.db.write(take).await?;
    app.events.publish(Topic::Datasets, Some(name));
    app.background.waker(tasks::PROFILER).wake();
    Ok(())
}

fn title(one: &DatasetUse) -> String {
    format!("{} {} (of version {})", one.kind, one.title, one.version)
}

fn refuse_used(name: &str, used_by: &[DatasetUse], tags: &[String]) -> Result<()> {
    let mut names: Vec<String> = used_by.iter().map(title).collect();
    names.extend(tags.iter().map(|tag| format!("tag {tag}")));
    if names.is_empty() {
        return Ok(());
    }
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    Err(Error::conflict(format!(
        "{name} is referred to by {}. Say even_if_used=true to delete it all the same; what was made with it stays.",
        names.join(", ")
    )))
}
