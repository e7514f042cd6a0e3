//! Replicas: the containers of a revision, each a workload of its own.
//!
//! Always holds: the gateway knows a replica only while it is `ready`, and a container is wished absent only after its last request (or
//! 30 s). A container that is started again, or that has other GPUs than before, is a new generation of the same workload. The GPUs of a
//! generation are leased in the transaction that wishes it running.

pub mod gpus;
pub mod health;
pub mod probes;
pub mod rules;
pub mod store;

use drydock_wire::serving::Scale;

use super::rules::RevisionState;
use super::store::{DeploymentRow, RevisionRow};
use super::{container, fit};
use crate::db::Conn;
use crate::devices::{self, Lease};
use crate::error::Result;
use crate::workloads::{self, Desired};
use rules::ReplicaState;
use store::ReplicaRow;

/// How many replicas a revision in that state is to have; `there` are those that it has.
pub fn wanted(deployment: &DeploymentRow, state: RevisionState, there: usize) -> Result<usize> {
    let settings = deployment.settings()?;
    let count = match &settings.scale {
        Some(scale) => scaled(deployment, scale),
        None => settings.replicas,
    };
    Ok(match state {
        RevisionState::Live => count as usize,
        // before it serves it has to prove that it can
        RevisionState::Placing | RevisionState::Waiting | RevisionState::Starting | RevisionState::Candidate => {
            count.max(1) as usize
        }
        RevisionState::Returning => count.max(1) as usize,
        // kept as it is, to be switched back to
        _ => there,
    })
}

/// How many scaling wants, within its bounds.
pub fn scaled(deployment: &DeploymentRow, scale: &Scale) -> u32 {
    let wanted = deployment.wanted_replicas.and_then(|wanted| u32::try_from(wanted).ok());
    wanted.unwrap_or(scale.min.max(1)).clamp(scale.min, scale.max.max(scale.min))
}

/// Adds replicas with these numbers and wishes their containers running.
pub fn add(conn: &mut Conn, deployment: &DeploymentRow, revision: &RevisionRow, numbers: &[i64]) -> Result<()> {
    for number in numbers {
        let row = ReplicaRow::new(&revision.id, *number);
        if store::insert(conn, &row)? {
            launch(conn, deployment, revision, &row, None)?;
        }
    }
    Ok(())
}

/// Wishes the replica's container running, as a new generation if there was one before; whether it could be: a GPU may have to be
/// waited for.
pub fn launch(
    conn: &mut Conn,
    deployment: &DeploymentRow,
    revision: &RevisionRow,
    row: &ReplicaRow,
    why: Option<&str>,
) -> Result<bool> {
    let resources = revision.resources()?;
    let before = workloads::find(conn, &row.id)?.map(|workload| workload.generation);
    if let Some(generation) = before {
        // its container goes before the next one starts, so the same GPU can be had again
        devices::end_leases(conn, &row.id, generation, "started again")?;
    }
    let generation = before.map_or(container::FIRST_GENERATION, |generation| generation + 1);
    let found = match gpus::choose(&devices::room(conn)?, &devices::leases(conn)?, &resources) {
        Ok(found) => found,
        Err(wait) => {
            workloads::set_desired(conn, &row.id, Desired::Absent)?;
            let wait = match fit::way_out(conn, deployment, revision)? {
                Some(way_out) => format!("{wait} {way_out}"),
                None => wait,
            };
            store::advance(conn, row, ReplicaState::Starting, None, Some(&wait))?;
            return Ok(false);
        }
    };
    let memory_bytes = resources.gpu_memory_bytes;
    let leases: Vec<Lease> = found.iter().map(|uuid| Lease { uuid: uuid.clone(), memory_bytes }).collect();
    devices::lease(conn, &row.id, generation, &leases)?;
    store::set_gpu(conn, &row.id, (!found.is_empty()).then(|| found.join(",")).as_deref())?;
    workloads::put_desired(conn, container::workload(deployment, revision, &row.id, generation, found)?)?;
    store::advance(conn, row, ReplicaState::Starting, None, why)
}

/// Wishes the replica's container absent. It gets no requests any more.
pub fn end(conn: &mut Conn, row: &ReplicaRow) -> Result<()> {
    store::advance(conn, row, ReplicaState::Ending, None, row.reason.as_deref())?;
    workloads::set_desired(conn, &row.id, Desired::Absent)
}

/// Its container is gone: what it held can be had by others.
pub fn forget(conn: &mut Conn, row: &ReplicaRow) -> Result<()> {
    if let Some(workload) = workloads::find(conn, &row.id)? {
        devices::end_leases(conn, &row.id, workload.generation, "the replica ended")?;
    }
    store::delete(conn, &row.id)
}
