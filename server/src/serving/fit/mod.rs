//! Whether a revision fits on the box: asked by people before anything is stopped, by `put` before anything is written, and by the
//! deployer before an old revision steps aside.
//!
//! GPUs are what is leased and can be missing now; memory and cores are limits that the box must have. Must never: write.

pub mod routes;
mod rules;

use std::sync::OnceLock;

use drydock_wire::serving::{
    Fit, FitCpus, FitGpu, FitHolder, FitMemory, FitVerdict, PutDeployment, ReleasePlan, ServingSettings,
};
use drydock_wire::validate;

use super::rules::RevisionState;
use super::store::{self, DeploymentRow, RevisionRow, Wish};
use super::{check, replicas};
use crate::accounts::{Authorized, Principal, action, projects};
use crate::app::App;
use crate::db::Conn;
use crate::devices::{self, Held};
use crate::error::{Error, Result};
use crate::workloads::{self, Kind};
use rules::{Ask, Decision, Gpu, Holding, Room, Whose, decide};

/// What runs, as far as it matters for one deployment.
struct Scene {
    room: Room,
    held: Vec<Holding>,
    /// Number of the revision that a new one is to replace.
    replaces: Option<i64>,
    /// It is in the middle of stepping aside.
    swaps: bool,
    settings: ServingSettings,
}

/// Whether the deployment as it is wished would find room.
///
/// # Errors
/// `invalid` for what is no wish at all.
pub async fn ask(app: &App, auth: &Authorized<action::Deploy>, name: &str, wish: PutDeployment) -> Result<Fit> {
    validate::slug(name).map_err(Error::invalid)?;
    check::amounts(&wish.resources)?;
    wish.settings.iter().try_for_each(|settings| check::settings(settings, &wish.version))?;
    let (who, name) = (auth.principal().clone(), name.to_owned());
    app.db
        .read(move |conn| {
            let scene = scene(conn, Some(&who), &name)?;
            let replicas = replicas_of(wish.settings.as_ref().unwrap_or(&scene.settings));
            let memory_held = workloads::demand(conn)?.iter().map(|one| one.memory_bytes).sum();
            let ask = Ask { resources: wish.resources, replicas };
            let decision = decide(&ask, &scene.room, &scene.held, scene.replaces);
            Ok(shown(&ask, scene, decision, memory_held))
        })
        .await
}

/// For `put`, before anything is written. `comes`: it would be a new revision.
///
/// # Errors
/// `refused` for what never fits; `conflict` for what does not fit beside the revision that runs, and during a swap.
pub fn admit(
    conn: &mut Conn,
    who: &Principal,
    name: &str,
    wish: &Wish,
    settings: Option<&ServingSettings>,
    comes: bool,
) -> Result<()> {
    let scene = scene(conn, Some(who), name)?;
    let replicas = replicas_of(settings.unwrap_or(&scene.settings));
    let ask = Ask { resources: wish.resources.clone(), replicas };
    let found = decide(&ask, &scene.room, &scene.held, scene.replaces);
    let way_out = found.way_out.unwrap_or_default();
    if found.verdict == FitVerdict::Never {
        return Err(Error::refused(format!("{} {way_out}", found.words)));
    }
    if !comes || wish.release == Some(ReleasePlan::Recreate) {
        return Ok(());
    }
    if scene.swaps {
        return Err(Error::conflict(format!(
            "Revisions of '{name}' are being swapped; wait for the end, take the release back, or ask with the release `recreate`."
        )));
    }
    match found.verdict {
        FitVerdict::After => Err(Error::conflict(format!("{} {way_out}", found.words))),
        _ => Ok(()),
    }
}

/// How a former revision comes back: by itself where it finds room, else after the one that runs.
pub fn plan_back(conn: &mut Conn, name: &str, wish: &Wish) -> Result<Option<ReleasePlan>> {
    let scene = scene(conn, None, name)?;
    let ask = Ask { resources: wish.resources.clone(), replicas: replicas_of(&scene.settings) };
    let found = decide(&ask, &scene.room, &scene.held, scene.replaces);
    Ok((found.verdict == FitVerdict::After).then_some(ReleasePlan::Recreate))
}

/// For a revision that waits for a GPU: what can be done, where its own deployment has what it waits for.
pub fn way_out(conn: &mut Conn, deployment: &DeploymentRow, revision: &RevisionRow) -> Result<Option<String>> {
    let scene = scene(conn, None, &deployment.name)?;
    if scene.replaces == Some(revision.number) {
        return Ok(None);
    }
    let ask = Ask { resources: revision.resources()?, replicas: 1 };
    let found = decide(&ask, &scene.room, &scene.held, scene.replaces);
    Ok(found.way_out.filter(|_| found.verdict == FitVerdict::After))
}

/// Whether all replicas of the revision find room once all others of its deployment have ended.
pub fn fits_alone(conn: &mut Conn, deployment: &DeploymentRow, revision: &RevisionRow) -> Result<bool> {
    let resources = revision.resources()?;
    if resources.gpus == 0 {
        return Ok(true);
    }
    let mut others = Vec::new();
    for lease in devices::leases(conn)? {
        let holder = workloads::find(conn, &lease.workload)?;
        if holder.is_none_or(|holder| holder.kind != Kind::Revision || holder.owner != deployment.id) {
            others.push(lease);
        }
    }
    let ask = Ask { resources, replicas: replicas_of(&deployment.settings()?) };
    Ok(rules::is_all(&ask, &devices::room(conn)?, &others))
}

/// So many have to start before a revision is what was asked for; load may bring more.
fn replicas_of(settings: &ServingSettings) -> u32 {
    settings.scale.as_ref().map_or(settings.replicas, |scale| scale.min).max(1)
}

/// `who`: the one who is told of it, if anybody.
fn scene(conn: &mut Conn, who: Option<&Principal>, name: &str) -> Result<Scene> {
    let deployment = store::find(conn, name)?.filter(|row| !row.deleting);
    let (mut replaces, mut swaps) = (None, false);
    if let Some(row) = &deployment {
        for revision in store::unfinished_of(conn, &row.id)? {
            let state = revision.state()?;
            if state == RevisionState::Live || state.is_aside() {
                replaces = Some(revision.number);
                swaps = state.is_aside() && state != RevisionState::Returning;
            }
        }
    }
    let mut held = Vec::new();
    for lease in devices::leases(conn)? {
        held.push(holding(conn, who, lease, deployment.as_ref(), replaces)?);
    }
    let settings = deployment.map_or_else(|| Ok(ServingSettings::default()), |row| row.settings())?;
    Ok(Scene { room: room(conn)?, held, replaces, swaps, settings })
}

fn holding(
    conn: &mut Conn,
    who: Option<&Principal>,
    lease: Held,
    deployment: Option<&DeploymentRow>,
    replaces: Option<i64>,
) -> Result<Holding> {
    let holder = devices::holder(conn, &lease.workload)?;
    let revision = replicas::store::revision_number(conn, &lease.workload)?;
    let (kind, owner, name) = match holder {
        Some((Kind::Job, owner, name)) => ("job", owner, name),
        Some((Kind::Revision, owner, name)) => ("deployment", owner, name),
        None => ("workload", String::new(), lease.workload.clone()),
    };
    let is_own = deployment.is_some_and(|row| row.id == owner);
    let whose = match is_own {
        true if revision == replaces => Whose::Replaced,
        true => Whose::Ending,
        false => Whose::Other,
    };
    if is_hidden(conn, who, kind, &owner)? {
        let (kind, name) = (rules::HIDDEN, "of another project".to_owned());
        return Ok(Holding { lease, whose, kind, name, revision: None });
    }
    Ok(Holding { lease, whose, kind, name, revision })
}

/// Whether it is of a project that is not there for the one who is told of it.
fn is_hidden(conn: &mut Conn, who: Option<&Principal>, kind: &str, owner: &str) -> Result<bool> {
    let Some(who) = who.filter(|who| !who.reach.sees_all()) else { return Ok(false) };
    match kind {
        "job" => Ok(!projects::sees(conn, who, projects::Kind::Job, owner)?),
        "deployment" => {
            let project = store::project_of(conn, owner)?;
            Ok(project.is_some_and(|project| who.reach.role_in(&project).is_none()))
        }
        _ => Ok(false),
    }
}

fn room(conn: &mut Conn) -> Result<Room> {
    static MEMORY: OnceLock<u64> = OnceLock::new();
    let names = devices::names(conn)?;
    let called = |uuid: &str| names.iter().find(|it| it.uuid == uuid).map(|it| (it.number, it.name.clone()));
    let gpus = devices::room(conn)?.into_iter().map(|room| {
        let (number, name) = called(&room.uuid).unwrap_or_default();
        Gpu { room, number, name }
    });
    let cpus = std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX));
    let memory_bytes = *MEMORY.get_or_init(drydock_appliance::devices::memory_bytes);
    Ok(Room { gpus: gpus.collect(), cpus, memory_bytes })
}

fn shown(ask: &Ask, scene: Scene, decision: Decision, held_bytes: u64) -> Fit {
    let Scene { room, held, replaces, .. } = scene;
    let gpu = |gpu: &Gpu| FitGpu {
        free_bytes: rules::free_bytes(&gpu.room, &held),
        holders: held.iter().filter(|it| it.lease.uuid == gpu.room.uuid).map(holder).collect(),
        uuid: gpu.room.uuid.clone(),
        number: gpu.number,
        name: gpu.name.clone(),
        total_bytes: gpu.room.total_bytes,
        usable: gpu.room.usable,
        note: gpu.room.note.clone(),
    };
    Fit {
        gpus: room.gpus.iter().map(gpu).collect(),
        verdict: decision.verdict,
        words: decision.words,
        way_out: decision.way_out,
        beside: decision.beside,
        after: decision.after,
        replaces,
        replicas: ask.replicas,
        memory: FitMemory {
            asked_bytes: ask.resources.memory_bytes.saturating_mul(u64::from(ask.replicas)),
            held_bytes,
            total_bytes: room.memory_bytes,
        },
        cpus: FitCpus { asked: ask.resources.cpus, total: room.cpus },
    }
}

fn holder(holding: &Holding) -> FitHolder {
    FitHolder {
        kind: holding.kind.to_owned(),
        name: holding.name.clone(),
        revision: holding.revision,
        memory_bytes: holding.lease.memory_bytes,
    }
}
