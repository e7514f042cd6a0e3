//! The trash: deleted experiments, runs and logged models, for 30 days; what a deletion would take, before it takes it.
//!
//! Always holds: deleting, through whichever face, only marks; a preview changes nothing; a purge (after 30 days, or an
//! admin's "Free now") removes rows and artifact references in small transactions and then gives the bytes back to the
//! disk that nothing else refers to. What a registered version was made from is never purged, by nobody: the run, the
//! logged model and their files stay in the trash, named, until the version is deleted. Deleting such a run is allowed,
//! since nothing breaks: the version's files are there, and deployments go on. Every change has its audit row.
//! Never here: marks that MLflow's own calls set (`tracking`), blobs (`objects`).

mod routes;
mod rules;
mod store;
mod tasks;

pub use routes::configure;
pub use tasks::start;

use std::collections::BTreeMap;

use drydock_wire::{
    events::Topic,
    trash::{TRASH_DAYS, TrashDone, TrashItem, TrashKind, TrashPreview},
};
use serde_json::json;

use crate::{
    accounts::{
        Authorized, Principal, action, audit,
        projects::{self, Kind},
    },
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
    objects::sweep,
    registry::Holders,
};
use store::{Chosen, Thing, list, purge};

const DAY_MS: i64 = 86_400_000;
/// How long the trash keeps things.
pub const KEPT_MS: i64 = TRASH_DAYS * DAY_MS;
/// Things changed in one transaction, so that writers wait for no long one.
const AT_ONCE: usize = 50;
/// Names that a preview shows.
const NAMES: usize = 10;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    These(Chosen),
    /// All that lies in the trash.
    Everything,
}

impl Wish {
    /// The things of projects in which the person may do it: of everything those alone, of chosen ones all or none.
    fn things_of(self, conn: &mut Conn, who: &Principal) -> Result<Vec<Thing>> {
        let everything = self == Self::Everything;
        let mut things = self.things(conn)?;
        let mut known: BTreeMap<i64, bool> = BTreeMap::new();
        for thing in &things {
            if known.contains_key(&thing.experiment) {
                continue;
            }
            let id = thing.experiment.to_string();
            let allowed = match projects::may(conn, who, action::Develop, Kind::Experiment, &id) {
                Err(_) if everything => false,
                other => other.map(|()| true)?,
            };
            known.insert(thing.experiment, allowed);
        }
        things.retain(|thing| known.get(&thing.experiment).copied().unwrap_or(false));
        Ok(things)
    }

    fn things(self, conn: &mut Conn) -> Result<Vec<Thing>> {
        let chosen = match self {
            Self::These(chosen) => chosen,
            Self::Everything => store::everything(conn, None)?,
        };
        store::expand(conn, &chosen)
    }
}

/// What would go, and what has to be typed to let it go.
pub async fn preview(app: &App, auth: &Authorized<action::Develop>, wish: Wish) -> Result<TrashPreview> {
    let who = auth.principal().clone();
    app.db
        .read(move |conn| {
            let things = wish.clone().things_of(conn, &who)?;
            rules::not_nothing(&wish, &things)?;
            describe(conn, &wish, &things)
        })
        .await
}

fn describe(conn: &mut Conn, wish: &Wish, things: &[Thing]) -> Result<TrashPreview> {
    let weight = store::weigh(conn, things.iter())?;
    let holders = Holders::load(conn)?;
    let versions = things.iter().flat_map(|thing| store::needed_by(&holders, thing)).collect();
    let named = rules::named(wish, things);
    Ok(TrashPreview {
        experiments: rules::count(things, TrashKind::Experiment),
        runs: rules::count(things, TrashKind::Run),
        logged_models: rules::count(things, TrashKind::LoggedModel),
        traces: store::traces(conn, things)?,
        files: weight.files,
        bytes: weight.bytes,
        freed_bytes: weight.freed_bytes,
        running: things.iter().filter(|thing| thing.running && thing.deleted_at.is_none()).count() as u64,
        names: named.iter().take(NAMES).map(|thing| thing.name.clone()).collect(),
        versions: store::holders(conn, versions)?,
        confirm: rules::confirmation(wish, things),
    })
}

/// Moves the chosen things into the trash.
///
/// # Errors
/// `refused` when `confirm` is not what the preview asked for; `not_found` when there is nothing of that kind.
pub async fn discard(
    app: &App,
    auth: &Authorized<action::Develop>,
    chosen: Chosen,
    confirm: &str,
) -> Result<TrashDone> {
    let wish = Wish::These(chosen);
    let things = confirmed(app, auth.principal(), wish, confirm).await?;
    // An experiment's models are deleted with it without a mark of their own, as MLflow has it.
    let whole: Vec<i64> =
        things.iter().filter(|thing| thing.kind == TrashKind::Experiment).map(|thing| thing.row).collect();
    let marked = things
        .into_iter()
        .filter(|thing| thing.deleted_at.is_none())
        .filter(|thing| thing.kind != TrashKind::LoggedModel || !whole.contains(&thing.experiment))
        .collect();
    mark_all(app, auth.principal(), marked, Some(clock::now_ms())).await
}

/// Takes the chosen things out of the trash.
///
/// # Errors
/// `conflict` when a run's or model's experiment lies in the trash: that has to be restored instead.
pub async fn restore(app: &App, auth: &Authorized<action::Develop>, wish: Wish) -> Result<TrashDone> {
    let who = auth.principal().clone();
    let things = app
        .db
        .read(move |conn| {
            let things = wish.clone().things_of(conn, &who)?;
            rules::not_nothing(&wish, &things)?;
            store::refuse_inside_deleted(conn, &things)?;
            Ok(things)
        })
        .await?;
    let marked = things.into_iter().filter(|thing| thing.deleted_at.is_some()).collect();
    mark_all(app, auth.principal(), marked, None).await
}

async fn mark_all(app: &App, who: &Principal, things: Vec<Thing>, at: Option<i64>) -> Result<TrashDone> {
    let mut done = TrashDone { experiments: 0, runs: 0, logged_models: 0, freed_bytes: 0, kept: Vec::new() };
    for batch in things.chunks(AT_ONCE) {
        let (who, batch) = (who.clone(), batch.to_vec());
        let changed = app.db.write(move |conn| mark_batch(conn, &who, &batch, at)).await?;
        for kind in changed {
            *rules::tally(&mut done, kind) += 1;
        }
    }
    app.events.publish(Topic::Runs, None);
    Ok(done)
}

fn mark_batch(conn: &mut Conn, who: &Principal, batch: &[Thing], at: Option<i64>) -> Result<Vec<TrashKind>> {
    let mut changed = Vec::with_capacity(batch.len());
    for thing in batch {
        if !purge::mark(conn, thing, at)? {
            continue;
        }
        audit(conn, who, rules::verb(thing.kind, at.is_some()), &thing.subject(), json!({"name": thing.name}))?;
        changed.push(thing.kind);
    }
    Ok(changed)
}

async fn confirmed(app: &App, who: &Principal, wish: Wish, confirm: &str) -> Result<Vec<Thing>> {
    let (asked, who) = (wish.clone(), who.clone());
    let things = app.db.read(move |conn| asked.things_of(conn, &who)).await?;
    rules::not_nothing(&wish, &things)?;
    let wanted = rules::confirmation(&wish, &things);
    if confirm == wanted {
        return Ok(things);
    }
    Err(Error::refused(format!("To go on, `confirm` has to be {wanted:?}, as the preview says.")))
}

/// Removes the chosen things from the trash for good and gives their bytes back to the disk.
///
/// # Errors
/// As `discard`; what a registered version needs is no error: it stays and is named in `kept`.
pub async fn purge(app: &App, auth: &Authorized<action::Administer>, wish: Wish, confirm: &str) -> Result<TrashDone> {
    let things = confirmed(app, auth.principal(), wish, confirm).await?;
    empty(app, auth.principal(), things).await
}

/// The one way in which things end: batch by batch, then the bytes.
async fn empty(app: &App, who: &Principal, mut things: Vec<Thing>) -> Result<TrashDone> {
    let mut done = TrashDone { experiments: 0, runs: 0, logged_models: 0, freed_bytes: 0, kept: Vec::new() };
    // Experiments last: they go once they are empty.
    things.sort_by_key(|thing| thing.kind == TrashKind::Experiment);
    let grace_ms = i64::try_from(app.config.limits.blob_grace_s.saturating_mul(1000)).unwrap_or(i64::MAX);
    for batch in things.chunks(AT_ONCE) {
        let (who, batch) = (who.clone(), batch.to_vec());
        let gone = app.db.write(move |conn| purge_batch(conn, &who, &batch)).await?;
        done.runs += gone.runs.len() as u64;
        done.logged_models += gone.logged_models.len() as u64;
        done.experiments += gone.experiments.len() as u64;
        done.freed_bytes += sweep::collect(&app.objects, &gone.digests, grace_ms).await?.freed_bytes;
    }
    done.kept = app.db.read(move |conn| kept(conn, &things)).await?;
    app.events.publish(Topic::Runs, None);
    Ok(done)
}

fn purge_batch(conn: &mut Conn, who: &Principal, batch: &[Thing]) -> Result<purge::Purged> {
    let gone = purge::purge(conn, batch)?;
    if gone.count() > 0 {
        let detail = json!({"runs": gone.runs, "logged_models": gone.logged_models, "experiments": gone.experiments});
        audit(conn, who, "trash.purge", "trash", detail)?;
    }
    Ok(gone)
}

/// What a purge had to leave, in words.
fn kept(conn: &mut Conn, things: &[Thing]) -> Result<Vec<String>> {
    let holders = Holders::load(conn)?;
    Ok(things
        .iter()
        .filter_map(|thing| {
            let versions = store::needed_by(&holders, thing);
            (!versions.is_empty()).then(|| rules::kept_because(thing, &versions))
        })
        .collect())
}

/// A page of the trash, newest first, how many there are, and the offset of the next page.
pub async fn items(
    app: &App,
    auth: &Authorized<action::View>,
    wish: list::Wish,
    (offset, limit): (i64, i64),
) -> Result<(Vec<TrashItem>, i64, Option<i64>)> {
    let scope = auth.scope();
    app.db
        .read(move |conn| {
            let (entries, total) = list::entries(conn, &scope, &wish, offset, limit)?;
            let holders = Holders::load(conn)?;
            let items = entries.into_iter().map(|entry| item(conn, &holders, entry)).collect::<Result<Vec<_>>>()?;
            let end = offset + i64::try_from(items.len()).unwrap_or(0);
            Ok((items, total, (end < total).then_some(end)))
        })
        .await
}

fn item(conn: &mut Conn, holders: &Holders, entry: list::Entry) -> Result<TrashItem> {
    let things = store::expand(conn, &rules::only(entry.kind(), &entry.id))?;
    let weight = store::weigh(conn, things.iter())?;
    let versions = things.iter().flat_map(|thing| store::needed_by(holders, thing)).collect();
    Ok(TrashItem {
        kind: entry.kind(),
        runs: if entry.kind() == TrashKind::Experiment { rules::count(&things, TrashKind::Run) } else { 0 },
        files: weight.files,
        bytes: weight.bytes,
        freed_bytes: weight.freed_bytes,
        ends_at: entry.deleted_at + KEPT_MS,
        held_by: store::holders(conn, versions)?,
        id: entry.id,
        name: entry.name,
        experiment: entry.experiment,
        deleted_at: entry.deleted_at,
        deleted_by: entry.deleted_by,
    })
}

#[cfg(test)]
mod tests;
