//! Releases: how a candidate becomes the live revision, or does not.
//!
//! Always holds: a deployment has at most one open release; whatever changes who gets requests changes release and
//! revisions in one transaction, so a kill at any instant leaves a state that the gateway's table can be drawn from and that
//! the next pass goes on from, or goes back. Must never: decide by anything but rows and what the gateway measured.

pub mod assign;
pub mod book;
pub mod check;
pub mod compare;
mod experiment;
mod judge;
mod measure;
mod measured;
mod routes;
pub mod rules;
mod statistics;
mod store;
mod views;

use std::collections::HashMap;

use drydock_wire::serving::{ReleasePage, ReleasePlan};

pub use judge::Judge;
pub use measure::{BookRecorder, Opened, books, record_books};
pub use routes::{configure, configure_metric};

use self::rules::State;
use self::store::ReleaseRow;
use super::rules::{RevisionState, Run};
use super::store::{self as revisions, DeploymentRow, RevisionRow};
use super::{Gateway, Wish, announce, rows_of, show, unknown, write_move};
use crate::accounts::{Authorized, DEFAULT_PROJECT, Principal, action, audit};
use crate::app::App;
use crate::clock;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::registry;

/// What a person may ask of a release that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Promote,
    Pause,
    Resume,
    Abort,
}

impl Order {
    fn word(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Abort => "abort",
        }
    }
}

/// The release that goes on, with what was measured, and those that are over.
pub async fn page(app: &App, gateway: &Gateway, _auth: &Authorized<action::View>, name: &str) -> Result<ReleasePage> {
    let (row, of_deployment) = rows_of(app, name).await?;
    let rows = app.db.read(move |conn| views::rows(conn, &row.id)).await?;
    views::page(rows, &of_deployment, gateway)
}

/// Carries out what a person asks of the open release.
///
/// # Errors
/// `conflict` where there is none, or where it cannot be done now: what to do instead.
pub async fn order(
    app: &App,
    gateway: &Gateway,
    auth: &Authorized<action::Deploy>,
    name: &str,
    order: Order,
) -> Result<ReleasePage> {
    let (who, wanted) = (auth.principal().clone(), name.to_owned());
    write_move(app, move |conn| order_on(conn, &who, &wanted, order)).await?;
    show(app, gateway).await?;
    announce(app, name);
    let (row, of_deployment) = rows_of(app, name).await?;
    let rows = app.db.read(move |conn| views::rows(conn, &row.id)).await?;
    views::page(rows, &of_deployment, gateway)
}

fn order_on(conn: &mut Conn, who: &Principal, name: &str, order: Order) -> Result<()> {
    let row = revisions::find(conn, name)?.ok_or_else(|| unknown(name))?;
    let release = store::open_of(conn, &row.id)?.ok_or_else(|| {
        Error::conflict(format!("No release of '{name}' goes on; there is nothing to {}.", order.word()))
    })?;
    let (by, now) = (Some(who.username.as_str()), clock::now_ms());
    match order {
        Order::Promote => {
            promote(conn, &release, &format!("Promoted by {}.", who.username), by, now)?;
        }
        Order::Abort => {
            super::follow::pin(conn, &row)?;
            abort(conn, &release, &format!("Taken back by {}.", who.username), by, now)?;
        }
        Order::Pause | Order::Resume => {
            if release.plan()? == ReleasePlan::Recreate {
                return Err(Error::conflict("A swap is not held in the middle; abort takes it back."));
            }
            let paused = order == Order::Pause;
            if release.paused == paused {
                let is = if paused { "is paused already" } else { "is not paused" };
                return Err(Error::conflict(format!("The release of '{name}' {is}.")));
            }
            store::set_paused(conn, &release.id, paused)?;
            store::note(conn, &release.id, by, if paused { "Paused." } else { "Resumed." }, now)?;
        }
    }
    let detail = serde_json::json!({"revision": release.revision, "stable": release.stable});
    audit(conn, who, &format!("release.{}", order.word()), &format!("deployment/{name}"), detail)
}

/// Goes back to a former revision: at once where it is kept warm, else as a new revision of the same content. The number of
/// the revision that serves it, and whether it is new.
///
/// # Errors
/// `not_found` for an unknown revision, `conflict` where it is the live one or there is none to go back to.
pub async fn roll_back_to(
    app: &App,
    gateway: &Gateway,
    auth: &Authorized<action::Deploy>,
    name: &str,
    number: Option<i64>,
) -> Result<(i64, bool)> {
    let (who, wanted) = (auth.principal().clone(), name.to_owned());
    let done = write_move(app, move |conn| roll_back_on(conn, &who, &wanted, number)).await?;
    show(app, gateway).await?;
    announce(app, name);
    Ok(done)
}

fn roll_back_on(conn: &mut Conn, who: &Principal, name: &str, number: Option<i64>) -> Result<(i64, bool)> {
    let row = revisions::find(conn, name)?.ok_or_else(|| unknown(name))?;
    let all = revisions::revisions_of(conn, &row.id)?;
    if let Some(open) = store::open_of(conn, &row.id)?
        && open.plan()? == ReleasePlan::Recreate
    {
        let text = format!(
            "Revisions of '{name}' are being swapped; abort the release to have revision {} back.",
            open.stable
        );
        return Err(Error::conflict(text));
    }
    let wanted = former(name, &all, number)?;
    let (by, now) = (who.username.as_str(), clock::now_ms());
    let is_warm = wanted.state()? == RevisionState::Warm && wanted.routed().is_some();
    let detail = serde_json::json!({"revision": wanted.number, "at_once": is_warm});
    super::follow::pin(conn, &row)?;
    audit(conn, who, "deployment.rollback", &format!("deployment/{name}"), detail)?;
    if !is_warm {
        if !wanted.model.is_empty() {
            registry::resolve(conn, &wanted.model, &wanted.version.to_string())?;
        }
        let mut wish = Wish {
            model: wanted.model.clone(),
            version: wanted.version,
            resources: wanted.resources()?,
            served_by: wanted.served_by()?,
            release: None,
        };
        wish.release = super::fit::plan_back(conn, name, &wish)?;
        return super::put_rows(conn, (DEFAULT_PROJECT, name), &wish, by);
    }
    replaced(conn, &row.id, &format!("{by} went back to revision {}.", wanted.number), now)?;
    let live = super::views::live(&all)?.map_or(wanted.number, |live| live.number);
    let entry = ReleaseRow::new(&row.id, wanted.number, live, &ReleasePlan::Rolling, by, now);
    store::insert(conn, &entry)?;
    take_over(conn, wanted, rules::keep_old_s(&ReleasePlan::Rolling), now)?;
    let why = format!("Switched back by {by}.");
    store::close(conn, &entry.id, State::Promoted, Some(&why), now)?;
    store::note(conn, &entry.id, Some(by), &why, now)?;
    Ok((wanted.number, false))
}

/// The revision to go back to: of that number, else the one that was live before.
fn former<'a>(name: &str, all: &'a [RevisionRow], number: Option<i64>) -> Result<&'a RevisionRow> {
    let live = super::views::live(all)?;
    let Some(number) = number else {
        let before = |it: &&RevisionRow| live.is_none_or(|live| it.number != live.number);
        let mut warm = Vec::new();
        for revision in all.iter().filter(before) {
            if revision.state()? == RevisionState::Warm {
                warm.push(revision);
            }
        }
        let older = |it: &&RevisionRow| it.ready_at.is_some() && live.is_some_and(|live| it.number < live.number);
        return warm
            .into_iter()
            .next()
            .or_else(|| all.iter().find(older))
            .ok_or_else(|| Error::conflict(format!("'{name}' has no former revision to go back to.")));
    };
    if live.is_some_and(|live| live.number == number) {
        return Err(Error::conflict(format!("Revision {number} of '{name}' is live already.")));
    }
    let wanted = all.iter().find(|it| it.number == number);
    let wanted = wanted.ok_or_else(|| Error::not_found(format!("'{name}' has no revision {number}.")))?;
    if wanted.state()? == RevisionState::Candidate {
        return Err(Error::conflict(format!("Revision {number} of '{name}' is being released; promote it instead.")));
    }
    Ok(wanted)
}

/// For `put`: a revision that was just asked for begins its release, if it has a plan and another revision is live.
pub fn begin(conn: &mut Conn, row: &DeploymentRow, number: i64, wish: &Wish, by: &str, now: i64) -> Result<()> {
    let Some(plan) = &wish.release else { return Ok(()) };
    let all = revisions::revisions_of(conn, &row.id)?;
    let Some(live) = super::views::serving(&all)? else { return Ok(()) };
    let release = ReleaseRow::new(&row.id, number, live.number, plan, by, now);
    store::insert(conn, &release)?;
    let how = if *plan == ReleasePlan::Recreate { "in place of" } else { "beside" };
    let what = format!("Asked for revision {number} {how} revision {}.", live.number);
    store::note(conn, &release.id, Some(by), &what, now)
}

/// Writes down what happens in the release that goes on, if one does.
pub fn tell(conn: &mut Conn, deployment_id: &str, what: &str) -> Result<()> {
    match store::open_of(conn, deployment_id)? {
        Some(release) => store::note(conn, &release.id, None, what, clock::now_ms()),
        None => Ok(()),
    }
}

/// For `put`: what was under way is not wanted any more. Its candidate finishes the requests it has.
pub fn replaced(conn: &mut Conn, deployment_id: &str, why: &str, now: i64) -> Result<()> {
    let Some(release) = store::open_of(conn, deployment_id)? else { return Ok(()) };
    end_candidate(conn, &release, RevisionState::Draining, why)?;
    store::close(conn, &release.id, State::Replaced, Some(why), now)?;
    store::note(conn, &release.id, None, why, now)
}

/// For the deployer, when a revision first answers: it becomes the candidate of its release, if it has one; whether it has.
pub fn present(conn: &mut Conn, revision: &RevisionRow, run: Run, now: i64) -> Result<bool> {
    let Some(release) = store::open_of(conn, &revision.deployment_id)? else { return Ok(false) };
    if release.revision != revision.number {
        return Ok(false);
    }
    if revisions::other_live(conn, &revision.deployment_id, &revision.id)?.is_empty() {
        let why = match release.plan()? {
            ReleasePlan::Recreate => "It answers.",
            _ => "No other revision was live.",
        };
        store::close(conn, &release.id, State::Promoted, Some(why), now)?;
        store::note(conn, &release.id, None, why, now)?;
        return Ok(false);
    }
    if !revisions::advance(conn, &revision.id, RevisionState::Starting, RevisionState::Candidate, None)? {
        return Ok(true);
    }
    revisions::set_routed(conn, &revision.id, Some(run))?;
    revisions::set_ready(conn, &revision.id, now)?;
    store::set_running(conn, &release.id, now)?;
    store::note(conn, &release.id, None, &rules::begin_note(&release.plan()?), now)?;
    Ok(true)
}

/// The candidate becomes the live revision, and the one before it stays warm.
fn promote(conn: &mut Conn, release: &ReleaseRow, why: &str, by: Option<&str>, now: i64) -> Result<()> {
    let candidate = revision_of(conn, release)?;
    if candidate.state()? != RevisionState::Candidate || candidate.routed().is_none() {
        let text = format!("Revision {} does not answer now; wait until it does, or take it back.", release.revision);
        return Err(Error::conflict(text));
    }
    if !store::close(conn, &release.id, State::Promoted, Some(why), now)? {
        return Ok(());
    }
    take_over(conn, &candidate, rules::keep_old_s(&release.plan()?), now)?;
    store::note(conn, &release.id, by, why, now)
}

/// From now on this one is live, and what was live before is kept warm for so long.
fn take_over(conn: &mut Conn, revision: &RevisionRow, keep_old_s: u64, now: i64) -> Result<()> {
    for other in revisions::revisions_of(conn, &revision.deployment_id)? {
        match other.state()? {
            _ if other.id == revision.id => {}
            RevisionState::Live if keep_old_s > 0 => {
                let until = now.saturating_add(i64::try_from(keep_old_s).unwrap_or(i64::MAX).saturating_mul(1000));
                revisions::advance(conn, &other.id, RevisionState::Live, RevisionState::Warm, None)?;
                revisions::set_warm_until(conn, &other.id, Some(until))?;
            }
            // one is kept warm, the one before it
            from @ (RevisionState::Live | RevisionState::Warm) => {
                revisions::advance(conn, &other.id, from, RevisionState::Draining, None)?;
            }
            _ => {}
        }
    }
    revisions::advance(conn, &revision.id, revision.state()?, RevisionState::Live, None)?;
    revisions::set_warm_until(conn, &revision.id, None)?;
    revisions::set_goal(conn, &revision.deployment_id, revision.number, now)
}

/// The candidate gets no more requests and fails; what was asked for last stays it, so that its reason is seen.
fn roll_back(conn: &mut Conn, release: &ReleaseRow, why: &str, now: i64) -> Result<()> {
    if store::close(conn, &release.id, State::RolledBack, Some(why), now)? {
        end_candidate(conn, release, RevisionState::Withdrawing, why)?;
        store::note(conn, &release.id, None, &format!("Rolled back: {why}"), now)?;
    }
    Ok(())
}

/// A person takes the candidate back: the live revision is what is wanted again.
fn abort(conn: &mut Conn, release: &ReleaseRow, why: &str, by: Option<&str>, now: i64) -> Result<()> {
    if store::close(conn, &release.id, State::RolledBack, Some(why), now)? {
        end_candidate(conn, release, RevisionState::Draining, why)?;
        revisions::set_goal(conn, &release.deployment_id, release.stable, now)?;
        store::note(conn, &release.id, by, why, now)?;
    }
    Ok(())
}

/// One that does not answer yet retires by itself, once it is not wanted any more.
fn end_candidate(conn: &mut Conn, release: &ReleaseRow, to: RevisionState, why: &str) -> Result<()> {
    let candidate = revision_of(conn, release)?;
    revisions::advance(conn, &candidate.id, RevisionState::Candidate, to, Some(why)).map(drop)
}

fn revision_of(conn: &mut Conn, release: &ReleaseRow) -> Result<RevisionRow> {
    let all = revisions::revisions_of(conn, &release.deployment_id)?;
    let found = all.into_iter().find(|revision| revision.number == release.revision);
    found.ok_or_else(|| Error::internal(anyhow::anyhow!("release {} lacks its revision", release.id)))
}

/// For the gateway's table: the candidate of each deployment that gets a share of its requests by turns, with the percent. An
/// A/B test is shared out by its book.
pub fn weights(conn: &mut Conn) -> Result<HashMap<String, (i64, u32)>> {
    let share = |release: ReleaseRow| {
        let plan = release.plan()?;
        let weight = match plan {
            ReleasePlan::Ab(_) => 0,
            _ => rules::weight(&plan, release.state()?, release.place()),
        };
        Ok((release.deployment_id, (release.revision, weight)))
    };
    store::open(conn)?.into_iter().map(share).collect()
}

#[cfg(test)]
mod tests;
