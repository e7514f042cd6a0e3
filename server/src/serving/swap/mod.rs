//! A swap: the old revision steps aside, the new one gets what it held, and the old one comes back where the new one fails.
//!
//! Every step is a transaction that reads the rows anew, so one that was decided upon before somebody changed their mind does nothing.
//! What one holds goes over in the transaction that frees it (`hand_over`): nobody else gets it in between. `rules` decides.

pub mod rules;

use super::rules::RevisionState;
use super::store::{self, DeploymentRow, RevisionRow};
use super::{fit, release, replicas};
use crate::db::Conn;
use crate::error::Result;
use drydock_wire::serving::ReleasePlan;
use rules::{Family, Sibling, Swap};

/// The revisions of a deployment that can still change, as the rules see them.
pub fn family(conn: &mut Conn, deployment: &DeploymentRow, unfinished: &[&RevisionRow]) -> Result<Family> {
    let (mut siblings, mut goal_fits) = (Vec::new(), false);
    for revision in unfinished {
        let (state, recreates) = (revision.state()?, revision.release()? == Some(ReleasePlan::Recreate));
        if revision.number == deployment.goal && state == RevisionState::Waiting {
            goal_fits = fit::fits_alone(conn, deployment, revision)?;
        }
        siblings.push(Sibling { number: revision.number, state, recreates });
    }
    Ok(Family { siblings, goal: deployment.goal, goal_fits })
}

/// It gets no more requests, if it still is to make room.
pub fn step_aside(conn: &mut Conn, revision: &RevisionRow, from: RevisionState) -> Result<()> {
    if swap_of(conn, revision)? != Some(Swap::StepAside) {
        return Ok(());
    }
    let why = "It makes room for the next revision; requests are held.";
    if store::advance(conn, &revision.id, from, RevisionState::Yielding, Some(why))? {
        let what = format!("Revision {} finishes the requests it has; new ones are held.", revision.number);
        release::tell(conn, &revision.deployment_id, &what)?;
    }
    Ok(())
}

/// Its containers are wished absent, if it still is to make room.
pub fn stop(conn: &mut Conn, revision: &RevisionRow) -> Result<()> {
    if swap_of(conn, revision)? == Some(Swap::ComeBack) {
        return Ok(());
    }
    let why = revision.reason.as_deref();
    if store::advance(conn, &revision.id, RevisionState::Yielding, RevisionState::Stopping, why)? {
        for row in replicas::store::of_revision(conn, &revision.id)? {
            replicas::end(conn, &row)?;
        }
    }
    Ok(())
}

/// Its containers are gone: what they held goes to the one that waits.
pub fn park(conn: &mut Conn, revision: &RevisionRow) -> Result<()> {
    let why = "It made room for the next revision, and comes back should that one fail.";
    if store::advance(conn, &revision.id, RevisionState::Stopping, RevisionState::Parked, Some(why))? {
        for row in replicas::store::of_revision(conn, &revision.id)? {
            replicas::forget(conn, &row)?;
        }
    }
    hand_over(conn, &revision.deployment_id)
}

/// It still runs and is wanted again: it gets requests at once.
pub fn take_back(conn: &mut Conn, revision: &RevisionRow) -> Result<()> {
    if swap_of(conn, revision)? == Some(Swap::ComeBack)
        && store::advance(conn, &revision.id, RevisionState::Yielding, RevisionState::Live, None)?
    {
        replicas::store::mirror(conn, &revision.id)?;
    }
    Ok(())
}

/// It came back, and is live whether it answers or not.
pub fn resume(conn: &mut Conn, revision: &RevisionRow) -> Result<()> {
    if store::advance(conn, &revision.id, RevisionState::Returning, RevisionState::Live, None)? {
        replicas::store::mirror(conn, &revision.id)?;
    }
    Ok(())
}

/// Whoever waited for room that came free gets it: the next revision, or the one that comes back.
pub fn hand_over(conn: &mut Conn, deployment_id: &str) -> Result<()> {
    let Some(deployment) = store::by_id(conn, deployment_id)?.filter(|row| !row.deleting) else { return Ok(()) };
    let unfinished = store::unfinished_of(conn, deployment_id)?;
    let family = family(conn, &deployment, &unfinished.iter().collect::<Vec<_>>())?;
    for revision in &unfinished {
        let kin = family.kin(revision.number);
        match revision.state()? {
            RevisionState::Waiting if kin.may_start => start(conn, &deployment, revision, RevisionState::Starting)?,
            RevisionState::Parked if kin.may_return => start(conn, &deployment, revision, RevisionState::Returning)?,
            _ => {}
        }
    }
    Ok(())
}

fn start(conn: &mut Conn, deployment: &DeploymentRow, revision: &RevisionRow, to: RevisionState) -> Result<()> {
    let why = (to == RevisionState::Returning).then_some("It comes back, since the next revision does not serve.");
    if store::advance(conn, &revision.id, revision.state()?, to, why)? {
        let numbers: Vec<i64> = (1..).take(replicas::wanted(deployment, to, 0)?).collect();
        replicas::add(conn, deployment, revision, &numbers)?;
        release::tell(conn, &revision.deployment_id, &format!("Revision {} starts.", revision.number))?;
    }
    Ok(())
}

fn swap_of(conn: &mut Conn, revision: &RevisionRow) -> Result<Option<Swap>> {
    let Some(deployment) = store::by_id(conn, &revision.deployment_id)? else { return Ok(None) };
    let unfinished = store::unfinished_of(conn, &revision.deployment_id)?;
    let family = family(conn, &deployment, &unfinished.iter().collect::<Vec<_>>())?;
    Ok(Some(family.kin(revision.number).swap))
}

#[cfg(test)]
mod tests;
