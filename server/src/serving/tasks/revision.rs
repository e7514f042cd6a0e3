//! Steps of a revision: each a transaction that checks the state it was decided upon.

use std::sync::PoisonError;

use drydock_wire::serving::ReleasePlan;

use super::super::replicas::rules::{ReplicaState, given_up, waits_for};
use super::super::rules::{Container, RevisionState, Run, Step};
use super::super::store::{self, DeploymentRow, RevisionRow};
use super::super::{container, example, last_words, release, replicas, swap};
use super::{Case, Deployer, Member};
use crate::app::App;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::workloads::{self, Kind};
use crate::{clock, objects, registry};

impl Deployer {
    pub(super) async fn take(&self, step: Step, case: Case) -> Result<()> {
        let Case { deployment, revision, members, wanted, facts } = case;
        let from = facts.state;
        tracing::debug!(
            revision.id = revision.id,
            revision.state = from.as_str(),
            ?step,
            "step of {}",
            deployment.name
        );
        match step {
            Step::Nothing => {}
            Step::Place => self.place(&deployment, &revision, wanted).await?,
            Step::Start | Step::Yield | Step::Stop | Step::Park | Step::Return | Step::Resume => {
                self.change(&deployment, move |conn| of_swap(conn, &step, &revision, from)).await?;
                workloads::wake(&self.app);
            }
            Step::Promote(run) => self.change(&deployment, move |conn| promote(conn, &revision, run)).await?,
            Step::Drain => {
                self.change(&deployment, move |conn| {
                    store::advance(conn, &revision.id, from, RevisionState::Draining, None).map(drop)
                })
                .await?;
            }
            Step::Retire => {
                // why it was taken out stays; what it waited for does not
                let why = revision.reason.clone().filter(|_| from == RevisionState::Draining);
                self.end(&deployment, revision, from, RevisionState::Retiring, why).await?;
            }
            Step::Withdraw => {
                let why = revision.reason.clone();
                self.end(&deployment, revision, from, RevisionState::Failing, why).await?;
            }
            Step::Fail(why) => self.fail(&deployment, revision, from, &members, why).await?,
            Step::Finish => self.finish(&deployment, revision, from).await?,
        }
        Ok(())
    }

    async fn place(&self, deployment: &DeploymentRow, revision: &RevisionRow, wanted: usize) -> Result<()> {
        let example = match self.place_model(revision).await {
            Ok(example) => example,
            // trying again does not bring the files back
            Err(error) if error.code.http_status() < 500 => {
                let why = format!("The model's files cannot be placed: {error}");
                return self
                    .end(deployment, revision.clone(), RevisionState::Placing, RevisionState::Failing, Some(why))
                    .await;
            }
            Err(error) => {
                self.tell_unplaced(deployment, revision, &error).await?;
                return Err(error);
            }
        };
        let (of, what) = (deployment.clone(), revision.clone());
        self.change(deployment, move |conn| {
            let recreates = what.release()? == Some(ReleasePlan::Recreate);
            let to = if recreates { RevisionState::Waiting } else { RevisionState::Starting };
            if !store::advance(conn, &what.id, RevisionState::Placing, to, None)? {
                return Ok(());
            }
            store::set_example(conn, &what.id, example.as_deref())?;
            if recreates {
                return swap::hand_over(conn, &of.id);
            }
            let numbers: Vec<i64> = (1..).take(wanted).collect();
            replicas::add(conn, &of, &what, &numbers)
        })
        .await?;
        workloads::wake(&self.app);
        Ok(())
    }

    /// The next pass tries again; until then the revision says what stood in the way.
    async fn tell_unplaced(&self, deployment: &DeploymentRow, revision: &RevisionRow, error: &Error) -> Result<()> {
        let why = format!("The model's files cannot be placed yet: {error}");
        if revision.reason.as_ref() == Some(&why) {
            return Ok(());
        }
        let id = revision.id.clone();
        self.change(deployment, move |conn| store::set_reason(conn, &id, Some(&why))).await
    }

    /// Puts the model's files down, if there is one; a body that it accepts.
    async fn place_model(&self, revision: &RevisionRow) -> Result<Option<String>> {
        if revision.model.is_empty() {
            return Ok(None);
        }
        let files = registry::artifacts_of(&self.app, &revision.model, revision.version).await?;
        container::place(&self.app, &revision.id, &files).await?;
        example_of(&self.app, &files).await
    }

    /// Wishes the containers absent. From here on the revision gets no requests.
    async fn end(
        &self,
        deployment: &DeploymentRow,
        revision: RevisionRow,
        from: RevisionState,
        to: RevisionState,
        why: Option<String>,
    ) -> Result<()> {
        self.change(deployment, move |conn| {
            if store::advance(conn, &revision.id, from, to, why.as_deref())? {
                for row in replicas::store::of_revision(conn, &revision.id)? {
                    replicas::end(conn, &row)?;
                }
            }
            Ok(())
        })
        .await?;
        workloads::wake(&self.app);
        Ok(())
    }

    async fn fail(
        &self,
        deployment: &DeploymentRow,
        revision: RevisionRow,
        from: RevisionState,
        members: &[Member],
        why: String,
    ) -> Result<()> {
        if self.app.engine.version().await.is_err() {
            // Docker is away, so its silence says nothing; the time starts anew
            self.since.lock().unwrap_or_else(PoisonError::into_inner).remove(&(revision.id, from.as_str()));
            return Ok(());
        }
        let given_up = members.iter().find(|it| given_up(&it.facts).is_some()).or(members.first());
        let speaker = given_up.map_or(revision.id.as_str(), |it| it.row.id.as_str());
        let why = last_words::added_to(&self.app, speaker, why).await;
        tracing::warn!(deployment.name = deployment.name, revision.number = revision.number, "revision failed: {why}");
        self.end(deployment, revision, from, RevisionState::Failing, Some(why)).await
    }

    async fn finish(&self, deployment: &DeploymentRow, revision: RevisionRow, from: RevisionState) -> Result<()> {
        container::clear(&self.app, &revision.id).await?;
        self.gateway.forget(&revision.id);
        let to = if from == RevisionState::Failing { RevisionState::Failed } else { RevisionState::Retired };
        self.change(deployment, move |conn| {
            for row in replicas::store::of_revision(conn, &revision.id)? {
                replicas::forget(conn, &row)?;
            }
            store::advance(conn, &revision.id, from, to, revision.reason.as_deref())?;
            store::set_ended(conn, &revision.id, clock::now_ms())?;
            swap::hand_over(conn, &revision.deployment_id)
        })
        .await?;
        workloads::wake(&self.app);
        Ok(())
    }

    /// A revision that waits says for what.
    pub(super) async fn tell_waiting(&self, case: &Case) -> Result<()> {
        if !matches!(case.facts.state, RevisionState::Starting | RevisionState::Waiting | RevisionState::Returning) {
            return Ok(());
        }
        let waits = case.members.iter().find(|it| it.facts.state == ReplicaState::Starting);
        let reason = match waits.map(|it| (&it.facts.container, &it.row)) {
            None if case.facts.state == RevisionState::Waiting => Some(case.facts.kin.waits_for().to_owned()),
            // it says so itself, of a GPU
            Some((Container::Gone, row)) => row.reason.clone(),
            Some((Container::Running(_), _)) | None => case.revision.reason.clone(),
            Some((container, _)) => waits_for(container),
        };
        if reason == case.revision.reason {
            return Ok(());
        }
        let id = case.revision.id.clone();
        self.change(&case.deployment, move |conn| store::set_reason(conn, &id, reason.as_deref())).await
    }

    /// Deployments that were deleted and whose last revision is over.
    pub(super) async fn remove_deleted(&self) -> Result<()> {
        let gone = self.app.db.read(deleted).await?;
        for deployment in gone {
            let id = deployment.id.clone();
            self.change(&deployment, move |conn| {
                for (workload, _) in workloads::list(conn, Kind::Revision, Some(&id))? {
                    workloads::forget(conn, &workload.id)?;
                    objects::store::delete_prefix(conn, workloads::logs::BUCKET, &format!("{}/", workload.id))?;
                }
                store::delete(conn, &id)
            })
            .await?;
        }
        Ok(())
    }
}

fn deleted(conn: &mut Conn) -> Result<Vec<DeploymentRow>> {
    let mut over = Vec::new();
    for deployment in store::all(conn)?.into_iter().filter(|deployment| deployment.deleting) {
        let states: Result<Vec<_>> =
            store::revisions_of(conn, &deployment.id)?.iter().map(RevisionRow::state).collect();
        if states?.into_iter().all(RevisionState::is_final) {
            over.push(deployment);
        }
    }
    Ok(over)
}

/// A step of a swap, decided again upon the rows as they are now.
fn of_swap(conn: &mut Conn, step: &Step, revision: &RevisionRow, from: RevisionState) -> Result<()> {
    match step {
        Step::Yield => swap::step_aside(conn, revision, from),
        Step::Stop => swap::stop(conn, revision),
        Step::Park => swap::park(conn, revision),
        Step::Resume => swap::resume(conn, revision),
        Step::Return if from == RevisionState::Yielding => swap::take_back(conn, revision),
        _ => swap::hand_over(conn, &revision.deployment_id),
    }
}

/// The new revision comes in and the old one goes out, together; or it becomes a candidate, if a release says so.
pub fn promote(conn: &mut Conn, revision: &RevisionRow, run: Run) -> Result<()> {
    if !store::is_goal(conn, revision)? {
        return Ok(());
    }
    let now = clock::now_ms();
    if release::present(conn, revision, run, now)? {
        return Ok(());
    }
    if !store::advance(conn, &revision.id, RevisionState::Starting, RevisionState::Live, None)? {
        return Ok(());
    }
    store::set_routed(conn, &revision.id, Some(run))?;
    store::set_ready(conn, &revision.id, now)?;
    store::set_goal(conn, &revision.deployment_id, revision.number, now)?;
    for old in store::other_live(conn, &revision.deployment_id, &revision.id)? {
        store::advance(conn, &old, RevisionState::Live, RevisionState::Draining, None)?;
    }
    Ok(())
}

async fn example_of(app: &App, files: &[(String, String)]) -> Result<Option<String>> {
    for name in example::FILES {
        let Some((_, digest)) = files.iter().find(|(path, _)| path == name) else { continue };
        let content = app.objects.read(digest).await?;
        if content.len() > example::MAX_FILE_BYTES {
            continue;
        }
        if let Some(body) = example::from_file(name, &String::from_utf8_lossy(&content)) {
            return Ok(Some(body.to_string()));
        }
    }
    Ok(None)
}
