//! Deployments: a registered model version behind the gateway, changed for another without a failed request.
//!
//! Owns deployments, their revisions, releases and the gateway's table and traffic. Always holds: one revision of a deployment
//! is live, and at most one candidate gets a share beside it; each does so only after its model server answered; the one
//! before serves until then, or steps aside in a swap while requests are held, and ends only after its last request (or 30 s). What is live is in the database, so a server that starts again serves at
//! once what still runs. Must never: start or stop a container itself (it writes desired rows), or load a model.

pub mod capture;
mod check;
mod container;
mod example;
mod fit;
mod follow;
pub mod gateway;
mod last_words;
mod recorder;
mod release;
mod replicas;
mod routes;
mod rules;
mod scale;
mod store;
mod swap;
mod tasks;
pub mod tokens;
pub mod v2;
mod views;
mod wishes;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use drydock_wire::events::Topic;
use drydock_wire::serving::{DeploymentDetail, DeploymentSummary};

pub use gateway::{Gateway, Limits};
pub use release::check::plan as check_release;
pub use routes::configure;
pub use store::{
    Mark, Served, counts, images_in_use, marks, of_version as deployments_of_version, served_by, that_served,
};
pub use wishes::{pinned, put, put_on};

use crate::accounts::{Authorized, action, audit};
use crate::app::App;
use crate::background::Waker;
use crate::clock;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::workloads::failpoint;
use store::{DeploymentRow, RevisionRow, Wish};
use wishes::put_rows;

/// Name of the deployer on the status page, and of its waker, which changes of observed workloads are to wake.
pub const DEPLOYER: &str = "deployer";
const HOUR_MS: i64 = 3_600_000;

/// The waker to give to `workloads::start`.
pub fn waker(app: &App) -> Waker {
    app.background.waker(DEPLOYER)
}

impl Gateway {
    /// A gateway that already knows every live revision. Load it before the listeners answer: what still runs is served
    /// from the first request on.
    pub async fn load(app: &App) -> Result<Self> {
        let limits = &app.config.limits;
        let gateway = Self::new(Limits {
            body_bytes: limits.inference_bytes,
            patience: Duration::from_secs(limits.inference_timeout_s),
        });
        gateway.wake_by(waker(app));
        gateway.captured_by(capture::collector(app));
        show(app, &gateway).await?;
        Ok(gateway)
    }

    /// Writes the traffic that is not written yet; for a graceful shutdown, after the last request.
    pub async fn flush(&self, app: &App) -> Result<()> {
        let captured = capture::flush(app).await;
        release::record_books(app, self).await?;
        recorder::record_traffic(app, self).await?;
        captured
    }
}

/// Starts the deployer, and the recorder of the gateway's traffic.
pub async fn start(app: &App, gateway: &Gateway) -> Result<()> {
    app.background.spawn(tasks::Deployer::new(app.clone(), gateway.clone())?);
    capture::start(app);
    app.background.spawn(release::BookRecorder::new(app.clone(), gateway.clone()));
    app.background.spawn(recorder::TrafficRecorder::new(app.clone(), gateway.clone()));
    Ok(())
}

/// All deployments by name; `search` is part of the name or model.
pub async fn list(
    app: &App,
    gateway: &Gateway,
    auth: &Authorized<action::View>,
    search: Option<String>,
) -> Result<Vec<DeploymentSummary>> {
    let scope = auth.scope();
    let wanted = search.unwrap_or_default().to_lowercase();
    let rows = app
        .db
        .read(move |conn| {
            let rows = store::shown(conn, &scope)?;
            let mut whole = |row: DeploymentRow| {
                let replicas = replicas::store::of_deployment(conn, &row.id)?;
                Ok((store::revisions_of(conn, &row.id)?, replicas, row))
            };
            rows.into_iter().map(&mut whole).collect::<Result<Vec<_>>>()
        })
        .await?;
    let summaries = rows.iter().map(|(revisions, replicas, row)| views::summary(row, revisions, replicas, gateway));
    let summaries = summaries.collect::<Result<Vec<_>>>()?;
    Ok(summaries
        .into_iter()
        .filter(|it| it.name.contains(&wanted) || it.model.to_lowercase().contains(&wanted))
        .collect())
}

/// One deployment with its revisions and traffic.
pub async fn get(
    app: &App,
    gateway: &Gateway,
    _auth: &Authorized<action::View>,
    name: &str,
) -> Result<DeploymentDetail> {
    detail(app, gateway, name).await
}

async fn detail(app: &App, gateway: &Gateway, name: &str) -> Result<DeploymentDetail> {
    let (row, revisions) = rows_of(app, name).await?;
    let id = row.id.clone();
    let replicas = app.db.read(move |conn| replicas::store::of_deployment(conn, &id)).await?;
    views::detail(&row, &revisions, &replicas, gateway)
}

/// Lets everybody know of what `put_on` changed.
pub fn announce(app: &App, name: &str) {
    waker(app).wake();
    app.events.publish(Topic::Deployments, Some(name));
}

/// How a revision is getting on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The word that people see: `starting`, `candidate`, `live`, `warm`, `draining`, `retired`, `failed`.
    pub state: &'static str,
    pub reason: Option<String>,
    pub model: String,
    pub version: i64,
}

/// For `pipelines`: the revision, unless it or its deployment is gone.
pub fn revision_on_conn(conn: &mut Conn, name: &str, number: i64) -> Result<Option<Standing>> {
    let Some(row) = store::find(conn, name)? else { return Ok(None) };
    let found = store::revisions_of(conn, &row.id)?.into_iter().find(|revision| revision.number == number);
    found
        .map(|revision| {
            let state = revision.state()?.shown();
            Ok(Standing { state, reason: revision.reason, model: revision.model, version: revision.version })
        })
        .transpose()
}

/// Takes the deployment out of the gateway; it is gone once its containers are.
pub async fn delete(app: &App, gateway: &Gateway, auth: &Authorized<action::Deploy>, name: &str) -> Result<()> {
    let (who, wanted) = (auth.principal().clone(), name.to_owned());
    app.db
        .write(move |conn| {
            let row = store::find(conn, &wanted)?.ok_or_else(|| unknown(&wanted))?;
            store::set_deleting(conn, &row.id, clock::now_ms())?;
            audit(conn, &who, "deployment.delete", &format!("deployment/{wanted}"), serde_json::json!({}))
        })
        .await?;
    waker(app).wake();
    show(app, gateway).await?;
    app.events.publish(Topic::Deployments, Some(name));
    Ok(())
}

/// The workload whose log is the deployment's: of that revision, else of the one that serves, else of the newest; of that replica of
/// it, else of the first.
pub async fn logged_workload(
    app: &App,
    _auth: &Authorized<action::View>,
    name: &str,
    number: Option<i64>,
    replica: Option<i64>,
) -> Result<(String, i64)> {
    let (row, revisions) = rows_of(app, name).await?;
    let of_number = |wanted: i64| revisions.iter().find(move |revision| revision.number == wanted);
    let revision = match number {
        Some(number) => {
            of_number(number).ok_or_else(|| Error::not_found(format!("'{name}' has no revision {number}.")))?
        }
        None => views::live(&revisions)?.or_else(|| of_number(row.goal)).ok_or_else(|| unknown(name))?,
    };
    let of_revision = revision.id.clone();
    app.db
        .read(move |conn| {
            let all = replicas::store::of_revision(conn, &of_revision)?;
            let found = all.iter().find(|row| replica.is_none_or(|number| row.number == number));
            let id = match (found, replica) {
                (Some(row), _) => row.id.clone(),
                (None, None) => of_revision,
                (None, Some(number)) => return Err(Error::not_found(format!("There is no replica {number}."))),
            };
            Ok((id.clone(), container::generation(conn, &id)?))
        })
        .await
}

async fn rows_of(app: &App, name: &str) -> Result<(DeploymentRow, Vec<RevisionRow>)> {
    let wanted = name.to_owned();
    app.db
        .read(move |conn| {
            let row = store::find(conn, &wanted)?.ok_or_else(|| unknown(&wanted))?;
            let revisions = store::revisions_of(conn, &row.id)?;
            Ok((row, revisions))
        })
        .await
}

/// A transaction that moves a revision, its replicas or its release, with the places where a test kills the server around it.
async fn write_move<T, F>(app: &App, f: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(&mut Conn) -> Result<T> + Send + 'static,
{
    let number = failpoint::before_move();
    let done = app.db.write(f).await?;
    failpoint::after_move(number);
    Ok(done)
}

fn unknown(name: &str) -> Error {
    Error::not_found(format!("There is no deployment '{name}'."))
}

/// Makes the gateway's table a picture of the rows.
async fn show(app: &App, gateway: &Gateway) -> Result<()> {
    let _drawing = gateway.drawing().await;
    let since = clock::now_ms() - HOUR_MS;
    let of_app = app.clone();
    let known: Vec<String> =
        gateway.endpoints().into_iter().map(|(_, endpoint)| endpoint.deployment_id.clone()).collect();
    let books: Vec<String> = gateway.books().into_iter().map(|book| book.title.release_id.clone()).collect();
    let (targets, mut kept, opened) = app
        .db
        .read(move |conn| {
            let opened = release::books(conn, &books)?;
            let (all, weights) = (store::routed(conn)?, release::weights(conn)?);
            let (places, swapping) = (replicas::store::places(conn)?, store::swapping(conn)?);
            let (mut targets, mut kept) = (Vec::new(), HashMap::new());
            for row in store::all(conn)? {
                if !known.contains(&row.id) {
                    kept.insert(row.id.clone(), store::kept_traffic(conn, &row, since)?);
                }
                let mut target = target(&of_app, &row, &all, &places, weights.get(&row.id))?;
                target.is_coming = swapping.contains(&row.id) && !row.deleting;
                targets.push(target);
            }
            Ok((targets, kept, opened))
        })
        .await?;
    gateway.show(&targets, |id| kept.remove(id).unwrap_or_default());
    capture::follow(app, &targets);
    gateway.measure(opened);
    Ok(())
}

/// A deployment's line of the gateway's table; a candidate gets the percent that its release says.
fn target(
    app: &App,
    row: &DeploymentRow,
    routed: &[RevisionRow],
    places: &HashMap<String, Vec<gateway::Place>>,
    on_trial: Option<&(i64, u32)>,
) -> Result<gateway::Target> {
    let (mut replica, mut beside) = (None, Vec::new());
    for revision in routed.iter().filter(|it| it.deployment_id == row.id && !row.deleting) {
        let Some(answering) = answering(app, revision, places)? else { continue };
        if revision.state()? == rules::RevisionState::Live {
            replica = Some(answering);
            continue;
        }
        let weight = on_trial.filter(|(number, _)| *number == revision.number).map_or(0, |(_, weight)| *weight);
        beside.push((answering, weight));
    }
    Ok(gateway::Target {
        deployment_id: row.id.clone(),
        deployment: row.name.clone(),
        settings: Arc::new(row.settings()?),
        maker: row.created_by.clone(),
        replica,
        is_coming: false,
        beside,
    })
}

/// The revision as the gateway knows it; absent while no replica of it is well.
fn answering(
    app: &App,
    revision: &RevisionRow,
    places: &HashMap<String, Vec<gateway::Place>>,
) -> Result<Option<gateway::Answering>> {
    let Some(replicas) = places.get(&revision.id).cloned() else { return Ok(None) };
    Ok(Some(gateway::Answering {
        revision_id: revision.id.clone(),
        number: revision.number,
        replicas,
        protocol: revision.served_by()?.runtime.protocol(),
        model: gateway::Model {
            name: revision.model.clone(),
            version: revision.version,
            folder: container::model_folder(app, &revision.id),
        },
    }))
}

#[cfg(test)]
mod tests;
