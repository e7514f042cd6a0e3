//! Between the books, which the gateway writes into, and the rows: opening them, writing them down, showing them.

use std::time::Duration;

use drydock_wire::serving::{ExperimentPage, MetricReported, ReleasePlan, ReportMetric};
use futures_util::{FutureExt, future::BoxFuture};

use super::assign::Side;
use super::book::{Book, Kept, Title};
use super::rules::State;
use super::store::{self, ReleaseRow};
use super::{experiment, measured, views};
use crate::accounts::{Authorized, action};
use crate::app::App;
use crate::background::Task;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::serving::gateway::Gateway;
use crate::serving::rows_of;

/// A kill loses what came since.
const PERIOD: Duration = Duration::from_secs(3);

/// A release that is measured now.
#[derive(Debug)]
pub struct Opened {
    pub title: Title,
    /// Requests are shared out or copied; else it reached its end and waits.
    pub is_running: bool,
    /// Absent where its book is open already.
    pub kept: Option<Kept>,
}

/// The releases that are measured now; with what was written, unless their book is among the known ones.
pub fn books(conn: &mut Conn, known: &[String]) -> Result<Vec<Opened>> {
    let mut opened = Vec::new();
    for release in store::open(conn)? {
        let plan = release.plan()?;
        if release.state()? != State::Running || !experiment::is_measured(&plan) {
            continue;
        }
        let kept = match known.contains(&release.id) {
            true => None,
            false => Some(measured::read(conn, &release.id)?),
        };
        let is_running = matches!(plan, ReleasePlan::Canary(_)) || release.place() == 0;
        opened.push(Opened { title: title(release, plan), is_running, kept });
    }
    Ok(opened)
}

fn title(release: ReleaseRow, plan: ReleasePlan) -> Title {
    Title {
        release_id: release.id,
        deployment_id: release.deployment_id,
        plan,
        candidate: release.revision,
        live: release.stable,
    }
}

/// Writes the books down.
pub struct BookRecorder {
    app: App,
    gateway: Gateway,
}

impl BookRecorder {
    pub fn new(app: App, gateway: Gateway) -> Self {
        Self { app, gateway }
    }
}

impl Task for BookRecorder {
    fn name(&self) -> &'static str {
        "experiment-recorder"
    }

    fn period(&self) -> Duration {
        PERIOD
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        record_books(&self.app, &self.gateway).boxed()
    }
}

/// Writes what is new in the books, and lets go of those whose release is over. Also for a graceful shutdown.
pub async fn record_books(app: &App, gateway: &Gateway) -> Result<()> {
    for book in gateway.books() {
        // asked before it is written: what comes in between is written next time
        let is_over = book.is_closed() && std::sync::Arc::strong_count(&book) <= 2;
        let id = book.title.release_id.clone();
        if let Some(kept) = book.to_write() {
            let (of, written) = (id.clone(), kept.clone());
            if let Err(error) = app.db.write(move |conn| measured::write(conn, &of, &written)).await {
                book.unwritten(kept);
                return Err(error);
            }
        }
        if is_over {
            gateway.forget_book(&id);
        }
    }
    Ok(())
}

/// What a release measured: that one, else the one that goes on, else the last one.
///
/// # Errors
/// `not_found` where the deployment has no such release.
pub async fn page(
    app: &App,
    gateway: &Gateway,
    _auth: &Authorized<action::View>,
    name: &str,
    release_id: Option<String>,
) -> Result<ExperimentPage> {
    let (row, revisions) = rows_of(app, name).await?;
    let of_gateway = gateway.clone();
    let (all, shown) = app
        .db
        .read(move |conn| {
            let all = measured_releases(conn, &row.id)?;
            let wanted = match &release_id {
                Some(id) => Some(all.iter().find(|it| it.id == *id).ok_or_else(|| no_such_release(&row.name, id))?),
                None => all.first(),
            };
            let shown = wanted.cloned().map(|row| shown(conn, &of_gateway, row)).transpose()?;
            Ok((all, shown))
        })
        .await?;
    experiment::page(all, shown, &revisions)
}

fn shown(conn: &mut Conn, gateway: &Gateway, row: ReleaseRow) -> Result<(drydock_wire::serving::Release, Kept)> {
    let kept = match gateway.book(&row.id) {
        Some(book) => book.kept(),
        None => measured::read(conn, &row.id)?,
    };
    let events = store::events_of(conn, &row.id)?;
    Ok((views::release(row, events)?, kept))
}

/// Newest first.
fn measured_releases(conn: &mut Conn, deployment_id: &str) -> Result<Vec<ReleaseRow>> {
    let mut all = Vec::new();
    let open = store::open_of(conn, deployment_id)?;
    for release in open.into_iter().chain(store::ended_of(conn, deployment_id)?) {
        if experiment::is_measured(&release.plan()?) {
            all.push(release);
        }
    }
    Ok(all)
}

fn no_such_release(name: &str, id: &str) -> Error {
    Error::not_found(format!("'{name}' has no release {id} that was measured; its page lists those it has."))
}

/// Counts what a caller reports of an answer.
///
/// # Errors
/// `conflict` while nothing is measured, `not_found` for a request that is not known, `invalid` for a report that is none.
pub fn report(gateway: &Gateway, deployment: &str, wish: &ReportMetric) -> Result<MetricReported> {
    let unknown = || Error::not_found(format!("There is no deployment '{deployment}'."));
    let endpoint = gateway.endpoint(deployment).ok_or_else(unknown)?;
    let book = endpoint.book().ok_or_else(|| {
        let text = format!("No canary, A/B test or shadow of '{deployment}' goes on that this would count for.");
        Error::conflict(text)
    })?;
    let side = side_of(&book, wish)?;
    let reports = book.report(&wish.metric, side, wish.value)?;
    let revision = if side.is_candidate() { book.title.candidate } else { book.title.live };
    Ok(MetricReported { revision, reports })
}

fn side_of(book: &Book, wish: &ReportMetric) -> Result<Side> {
    match (&wish.request_id, &wish.key, wish.revision) {
        (Some(id), None, None) => book.side_of_request(id).ok_or_else(|| {
            Error::not_found("That request is not known (any more); send the answer's X-Drydock-Revision as revision.")
        }),
        (None, Some(key), None) => match &book.title.plan {
            ReleasePlan::Ab(plan) => Ok(book.unit(key).side(plan.weight)),
            _ => Err(Error::invalid("key is for an A/B test; send request_id or revision.")),
        },
        (None, None, Some(number)) if number == book.title.candidate => Ok(Side::Candidate),
        (None, None, Some(number)) if number == book.title.live => Ok(Side::Live),
        (None, None, Some(number)) => Err(Error::invalid(format!(
            "revision {number} is not measured; revisions {} and {} are.",
            book.title.live, book.title.candidate
        ))),
        _ => Err(Error::invalid("Send exactly one of request_id, key and revision.")),
    }
}
