//! Steps of replicas: each a transaction that checks the state it was decided upon.

use super::super::replicas::rules::{ReplicaState, Resize, Step, given_up, next_step, resize, waits_for};
use super::super::replicas::{self, store::ReplicaRow};
use super::super::rules::{Container, Crew};
use super::super::store::{DeploymentRow, RevisionRow};
use super::{Deployer, Member};
use crate::error::Result;
use crate::workloads;

impl Deployer {
    /// Takes the next step of every replica of a revision that serves or may come to, and makes as many as are wanted; whether there
    /// was anything to do.
    pub(super) async fn look_after(
        &self,
        deployment: &DeploymentRow,
        revision: &RevisionRow,
        members: &[Member],
        wanted: usize,
    ) -> Result<bool> {
        let mut moves = false;
        for member in members {
            let step = next_step(&member.facts);
            // what waits for a GPU is looked at in its time
            moves |= !matches!(step, Step::Nothing | Step::Launch);
            self.step(deployment, revision, member, step).await?;
        }
        let there: Vec<_> = members
            .iter()
            .map(|it| (it.row.number, it.facts.state, matches!(it.facts.container, Container::Running(_))))
            .collect();
        let change = resize(&there, wanted);
        moves |= change != Resize::Nothing;
        self.resize(deployment, revision, members, change).await?;
        Ok(moves)
    }

    async fn step(
        &self,
        deployment: &DeploymentRow,
        revision: &RevisionRow,
        member: &Member,
        step: Step,
    ) -> Result<()> {
        if step != Step::Nothing {
            tracing::debug!(replica.id = member.row.id, ?step, "replica {} of {}", member.row.number, deployment.name);
        }
        let (row, launch) = (member.row.clone(), (deployment.clone(), revision.clone()));
        match step {
            Step::Nothing => return self.tell(deployment, member).await,
            Step::Route(run) => {
                self.change(deployment, move |conn| {
                    replicas::store::advance(conn, &row, ReplicaState::Ready, Some(run), None).map(drop)
                })
                .await
            }
            Step::Unroute(to, why) => {
                self.change(deployment, move |conn| {
                    replicas::store::advance(conn, &row, to, None, why.as_deref()).map(drop)
                })
                .await
            }
            Step::Launch => {
                self.change(deployment, move |conn| replicas::launch(conn, &launch.0, &launch.1, &row, None).map(drop))
                    .await
            }
            Step::Restart(why) => {
                tracing::warn!(replica.id = row.id, "replica {} of {}: {why}", row.number, deployment.name);
                self.change(deployment, move |conn| {
                    replicas::launch(conn, &launch.0, &launch.1, &row, Some(&why)).map(drop)
                })
                .await
            }
            Step::End => self.change(deployment, move |conn| replicas::end(conn, &row)).await,
            Step::Forget => self.change(deployment, move |conn| replicas::forget(conn, &row)).await,
        }?;
        workloads::wake(&self.app);
        Ok(())
    }

    /// One that waits says for what.
    async fn tell(&self, deployment: &DeploymentRow, member: &Member) -> Result<()> {
        if member.facts.state != ReplicaState::Starting || !member.facts.launched {
            return Ok(());
        }
        let reason = match &member.facts.container {
            Container::Running(_) | Container::Gone => return Ok(()),
            other => waits_for(other),
        };
        if reason == member.row.reason {
            return Ok(());
        }
        let id = member.row.id.clone();
        self.change(deployment, move |conn| replicas::store::set_reason(conn, &id, reason.as_deref())).await
    }

    async fn resize(
        &self,
        deployment: &DeploymentRow,
        revision: &RevisionRow,
        members: &[Member],
        change: Resize,
    ) -> Result<()> {
        let rows = |numbers: Vec<i64>| -> Vec<ReplicaRow> {
            members.iter().map(|it| &it.row).filter(|row| numbers.contains(&row.number)).cloned().collect()
        };
        match change {
            Resize::Nothing => return Ok(()),
            Resize::Add(numbers) => {
                let (deployment, revision) = (deployment.clone(), revision.clone());
                let told = deployment.clone();
                self.change(&told, move |conn| replicas::add(conn, &deployment, &revision, &numbers)).await?;
            }
            Resize::Drain(numbers) => {
                let rows = rows(numbers);
                self.change(deployment, move |conn| {
                    rows.iter().try_for_each(|row| {
                        replicas::store::advance(conn, row, ReplicaState::Draining, row.run(), None).map(drop)
                    })
                })
                .await?;
            }
            Resize::Revive(numbers) => {
                let rows = rows(numbers);
                self.change(deployment, move |conn| {
                    rows.iter().try_for_each(|row| {
                        let to = if row.run().is_some() { ReplicaState::Ready } else { ReplicaState::Starting };
                        replicas::store::advance(conn, row, to, row.run(), None).map(drop)
                    })
                })
                .await?;
            }
        }
        workloads::wake(&self.app);
        Ok(())
    }
}

/// What the replicas are together.
pub(super) fn crew(members: &[Member], wanted: usize) -> Crew {
    let ready = members.iter().filter(|it| it.facts.state == ReplicaState::Ready);
    let hopeless: Vec<String> = members.iter().filter_map(|it| given_up(&it.facts)).collect();
    Crew {
        wanted,
        ready: ready.clone().count(),
        answering: ready.clone().find_map(|it| it.row.run()),
        hopeless: hopeless.len(),
        given_up: hopeless.into_iter().next(),
        gone: members.iter().all(|it| it.facts.container == Container::Gone),
    }
}
