//! Deployments: a registered model version behind the gateway, changed for another without a failed request.
//!
//! Owns deployments, their revisions, releases and the gateway's table and traffic. Always holds: one revision of a deployment
//! is live, and at most one candidate gets a share beside it; each does so only after its model server answered; the one
//! before serves until then, and ends only after its last request (or 30 s). What is live is in the database, so a server that starts again serves at
//! once what still runs. Must never: start or stop a container itself (it writes desired rows), or load a model.

mod container;
mod example;
pub mod gateway;
mod last_words;
mod recorder;
mod release;
mod routes;
mod rules;
mod store;
mod tasks;
pub mod v2;
mod views;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use drydock_wire::events::Topic;
use drydock_wire::serving::{
    DeploymentDetail, DeploymentSummary, PutDeployment, ReleasePlan, ServedBy, ServingSettings,
};

pub use gateway::{Gateway, Limits};
pub use routes::configure;
pub use store::{Served, counts, of_version as deployments_of_version, served_by, that_served};

use crate::accounts::{Authorized, Principal, action, audit};
use crate::app::App;
use crate::background::Waker;
use crate::clock;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::registry;
use store::{DeploymentRow, RevisionRow, Wish};

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
        show(app, &gateway).await?;
        Ok(gateway)
    }

    /// Writes the traffic that is not written yet; for a graceful shutdown, after the last request.
    pub async fn flush(&self, app: &App) -> Result<()> {
        release::record_books(app, self).await?;
        recorder::record_traffic(app, self).await
    }
}

/// Starts the deployer, and the recorder of the gateway's traffic.
pub async fn start(app: &App, gateway: &Gateway) -> Result<()> {
    app.background.spawn(tasks::Deployer::new(app.clone(), gateway.clone())?);
    app.background.spawn(release::BookRecorder::new(app.clone(), gateway.clone()));
    app.background.spawn(recorder::TrafficRecorder::new(app.clone(), gateway.clone()));
    Ok(())
}

/// All deployments by name; `search` is part of the name or model.
pub async fn list(
    app: &App,
    gateway: &Gateway,
    _auth: &Authorized<action::View>,
    search: Option<String>,
) -> Result<Vec<DeploymentSummary>> {
    let wanted = search.unwrap_or_default().to_lowercase();
    let rows = app
        .db
        .read(|conn| {
            let rows = store::all(conn)?;
            let with_revisions = |row: DeploymentRow| Ok((store::revisions_of(conn, &row.id)?, row));
            rows.into_iter().map(with_revisions).collect::<Result<Vec<_>>>()
        })
        .await?;
    let summaries = rows.into_iter().map(|(revisions, row)| views::summary(&row, &revisions, gateway));
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
    let (row, revisions) = rows_of(app, name).await?;
    views::detail(&row, &revisions, gateway)
}

/// Makes the deployment serve this, by a new revision if it does not yet; whether there is a new one.
///
/// # Errors
/// `not_found` for an unknown model or version, `conflict` while the deployment is being deleted.
pub async fn put(
    app: &App,
    gateway: &Gateway,
    auth: &Authorized<action::Deploy>,
    name: &str,
    wish: PutDeployment,
) -> Result<(bool, DeploymentDetail)> {
    let (who, wanted_name) = (auth.principal().clone(), name.to_owned());
    let (_, is_new) = app.db.write(move |conn| put_on(conn, &who, &wanted_name, wish)).await?;
    if is_new {
        waker(app).wake();
        show(app, gateway).await?;
        app.events.publish(Topic::Deployments, Some(name));
    }
    let (row, revisions) = rows_of(app, name).await?;
    Ok((is_new, views::detail(&row, &revisions, gateway)?))
}

/// As `put`, within the caller's transaction: number of the revision that serves this, and whether it is new. The caller calls `announce`
/// once that is committed.
pub fn put_on(conn: &mut Conn, who: &Principal, name: &str, wish: PutDeployment) -> Result<(i64, bool)> {
    let cpus = std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX));
    rules::check(name, &wish.resources, cpus)?;
    let plan = wish.release.filter(|plan| *plan != ReleasePlan::Rolling);
    plan.iter().try_for_each(release::check::plan)?;
    let version = registry::resolve(conn, &wish.model, &wish.version)?;
    let alias = wish.version.starts_with('@').then_some(wish.version);
    let served_by = match wish.served_by {
        Some(served_by) => served_by,
        None => served_by_before(conn, name)?,
    };
    let settings = wish.settings;
    let wish = Wish { model: wish.model, version, resources: wish.resources, served_by, release: plan };
    let (number, is_new) = put_rows(conn, name, &wish, &who.username)?;
    if let Some(row) = store::find(conn, name)? {
        let settings = settings.map_or_else(|| row.settings(), Ok)?;
        store::set_settings(conn, &row.id, &settings, alias.as_deref(), clock::now_ms())?;
    }
    if is_new {
        let strategy = wish.release.as_ref().unwrap_or(&ReleasePlan::Rolling).strategy();
        let detail = serde_json::json!({
            "model": wish.model, "version": version, "revision": number, "resources": wish.resources, "release": strategy,
        });
        audit(conn, who, "deployment.put", &format!("deployment/{name}"), detail)?;
    }
    Ok((number, is_new))
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

/// The workload whose log is the deployment's: of that revision, else of the one that serves, else of the newest.
pub async fn logged_workload(
    app: &App,
    _auth: &Authorized<action::View>,
    name: &str,
    number: Option<i64>,
) -> Result<(String, i64)> {
    let (row, revisions) = rows_of(app, name).await?;
    let of_number = |wanted: i64| revisions.iter().find(move |revision| revision.number == wanted);
    let revision = match number {
        Some(number) => {
            of_number(number).ok_or_else(|| Error::not_found(format!("'{name}' has no revision {number}.")))?
        }
        None => views::live(&revisions)?.or_else(|| of_number(row.goal)).ok_or_else(|| unknown(name))?,
    };
    Ok((revision.id.clone(), container::GENERATION))
}

/// What answers in the revision that was asked for last; where there is none, MLflow's scoring server.
fn served_by_before(conn: &mut Conn, name: &str) -> Result<ServedBy> {
    let Some(row) = store::find(conn, name)? else { return Ok(ServedBy::default()) };
    let revisions = store::revisions_of(conn, &row.id)?;
    let before = revisions.iter().find(|revision| revision.number == row.goal);
    before.map_or_else(|| Ok(ServedBy::default()), RevisionRow::served_by)
}

/// The number of the revision that serves this, and whether it is new.
fn put_rows(conn: &mut Conn, name: &str, wish: &Wish, by: &str) -> Result<(i64, bool)> {
    let now = clock::now_ms();
    let Some(row) = store::find(conn, name)? else {
        let row = DeploymentRow {
            id: uuid::Uuid::now_v7().to_string(),
            name: name.to_owned(),
            goal: 1,
            deleting: false,
            created_at: now,
            created_by: by.to_owned(),
            updated_at: now,
            total_requests: 0,
            total_errors: 0,
            settings: serde_json::json!(ServingSettings::default()).to_string(),
            alias: None,
            wanted_replicas: None,
        };
        store::insert(conn, &row)?;
        store::insert_revision(conn, &RevisionRow::new(&row.id, 1, wish, by, now))?;
        return Ok((1, true));
    };
    if row.deleting {
        return Err(Error::conflict(format!("'{name}' is being deleted; try again in a moment.")));
    }
    let revisions = store::revisions_of(conn, &row.id)?;
    for revision in &revisions {
        let serves = revision.state()? == rules::RevisionState::Live;
        let is_coming = revision.number == row.goal && revision.state()?.is_hopeful();
        if revision.is(wish)? && (serves || is_coming) {
            // what is wished serves or comes already; whatever else was on its way is not wanted any more
            if revision.number != row.goal {
                let why = format!("{by} asked for revision {} again.", revision.number);
                release::replaced(conn, &row.id, &why, now)?;
                store::set_goal(conn, &row.id, revision.number, now)?;
            }
            return Ok((revision.number, false));
        }
    }
    let number = revisions.first().map_or(0, |newest| newest.number) + 1;
    release::replaced(conn, &row.id, &format!("{by} asked for revision {number} meanwhile."), now)?;
    store::insert_revision(conn, &RevisionRow::new(&row.id, number, wish, by, now))?;
    store::set_goal(conn, &row.id, number, now)?;
    release::begin(conn, &row, number, wish, by, now)?;
    Ok((number, true))
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
            let (mut targets, mut kept) = (Vec::new(), HashMap::new());
            for row in store::all(conn)? {
                if !known.contains(&row.id) {
                    kept.insert(row.id.clone(), store::kept_traffic(conn, &row, since)?);
                }
                targets.push(target(&of_app, &row, &all, weights.get(&row.id))?);
            }
            Ok((targets, kept, opened))
        })
        .await?;
    gateway.show(&targets, |id| kept.remove(id).unwrap_or_default());
    gateway.measure(opened);
    Ok(())
}

/// A deployment's line of the gateway's table; a candidate gets the percent that its release says.
fn target(
    app: &App,
    row: &DeploymentRow,
    routed: &[RevisionRow],
    on_trial: Option<&(i64, u32)>,
) -> Result<gateway::Target> {
    let (mut replica, mut beside) = (None, Vec::new());
    for revision in routed.iter().filter(|it| it.deployment_id == row.id && !row.deleting) {
        let Some(answering) = answering(app, revision)? else { continue };
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
        beside,
    })
}

/// The revision as the gateway knows it; absent while it does not answer.
fn answering(app: &App, revision: &RevisionRow) -> Result<Option<gateway::Answering>> {
    let Some(run) = revision.routed() else { return Ok(None) };
    Ok(Some(gateway::Answering {
        revision_id: revision.id.clone(),
        number: revision.number,
        replicas: vec![gateway::Place { id: revision.id.clone(), address: run.address }],
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
