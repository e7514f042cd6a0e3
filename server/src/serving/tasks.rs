//! The deployer, which moves every revision to where `rules` wants it.
//!
//! A pass reads all rows that can still change, takes one step for each, and shows the gateway the result. Every step is
//! a transaction that checks the state it was decided upon, so a pass that was cut off anywhere is simply run again. Only
//! what may be forgotten is in memory: since when a revision is waited for, and since when it drains.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use drydock_wire::events::Topic;
use futures_util::{FutureExt, future::BoxFuture, future::join_all};

use super::gateway::Gateway;
use super::rules::{Container, Facts, RevisionState, Step, next_step};
use super::store::{self, DeploymentRow, RevisionRow};
use super::{DEPLOYER, container, example, last_words, release, show};
use crate::app::App;
use crate::background::Task;
use crate::db::Conn;
use crate::error::Result;
use crate::workloads::{self, Desired, Observed};
use crate::{clock, objects, registry};

/// While something is under way the next look comes this soon.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// While a release is judged the next look comes this soon.
const JUDGE_AGAIN: Duration = Duration::from_secs(1);
const PROBE_PATIENCE: Duration = Duration::from_secs(2);

/// Makes revisions live, drains and ends them.
pub struct Deployer {
    app: App,
    gateway: Gateway,
    probe: reqwest::Client,
    judge: release::Judge,
    since: Mutex<HashMap<(String, RevisionState), Instant>>,
}

/// A revision with all that its next step depends on.
struct Case {
    deployment: DeploymentRow,
    revision: RevisionRow,
    facts: Facts,
}

impl Task for Deployer {
    fn name(&self) -> &'static str {
        DEPLOYER
    }

    fn period(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        self.pass().boxed()
    }
}

impl Deployer {
    pub fn new(app: App, gateway: Gateway) -> Result<Self> {
        let probe = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .timeout(PROBE_PATIENCE)
            .build()
            .map_err(crate::error::Error::internal)?;
        let judge = release::Judge::new(app.clone(), gateway.clone());
        Ok(Self { app, gateway, probe, judge, since: Mutex::default() })
    }

    async fn pass(&self) -> Result<()> {
        // first, so that a revision that drains is not asked for its requests while the gateway still sends some
        show(&self.app, &self.gateway).await?;
        let rows = self.app.db.read(unfinished).await?;
        self.forget_others(&rows);
        let cases = join_all(
            rows.into_iter().map(|(deployment, revision, observed)| self.case(deployment, revision, observed)),
        );
        let mut first_error = Ok(());
        let mut moving = false;
        for case in cases.await.into_iter().collect::<Result<Vec<_>>>()? {
            let step = next_step(&case.facts);
            moving |= step != Step::Nothing || needs_looking_at(&case.facts);
            // one deployment's trouble must not hold up the others
            if let Err(error) = self.take(step, case).await {
                tracing::warn!(error.chain = ?error.source, "deployer: {error}");
                first_error = first_error.and(Err(error));
            }
        }
        // after the revisions' steps: a candidate that has just ended is taken out before it can come again
        let judging = self.judge.pass(&self.probe).await;
        self.remove_deleted().await?;
        show(&self.app, &self.gateway).await?;
        match judging {
            _ if moving => self.look_again(LOOK_AGAIN),
            Ok(false) => {}
            Ok(true) | Err(_) => self.look_again(JUDGE_AGAIN),
        }
        first_error.and(judging.map(drop))
    }

    async fn case(&self, deployment: DeploymentRow, revision: RevisionRow, observed: Option<Observed>) -> Result<Case> {
        let state = revision.state()?;
        let container = container::seen(observed.as_ref(), revision.resources()?.memory_bytes);
        let routed = revision.routed();
        let answers = match container {
            Container::Running(run) if routed != Some(run) && state.is_hopeful() => self.answers(run.address).await,
            _ => false,
        };
        // waiting for Docker is nobody's fault; the time counts from when something is tried
        let counts = state != RevisionState::Starting || !matches!(container, Container::Waiting(_) | Container::Gone);
        let since = self.since(&revision.id, state, counts);
        let facts = Facts {
            state,
            is_goal: revision.number == deployment.goal,
            deleting: deployment.deleting,
            container,
            routed,
            answers,
            waited: since,
            ready_within: Duration::from_secs(self.app.config.limits.ready_timeout_s),
            in_flight: self.gateway.in_flight(&revision.id),
            drained_for: since,
            warm_is_over: revision.warm_until.is_none_or(|until| until <= clock::now_ms()),
        };
        Ok(Case { deployment, revision, facts })
    }

    /// Whether the model server says that it can predict.
    async fn answers(&self, address: std::net::SocketAddr) -> bool {
        let answer = self.probe.get(format!("http://{address}/ping")).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    async fn take(&self, step: Step, case: Case) -> Result<()> {
        let Case { deployment, revision, facts } = case;
        let from = facts.state;
        tracing::debug!(
            revision.id = revision.id,
            revision.state = from.as_str(),
            ?step,
            "step of {}",
            deployment.name
        );
        match step {
            Step::Nothing => return self.tell_waiting(&deployment, &revision, &facts).await,
            Step::Place => self.place(&deployment, &revision).await?,
            Step::Promote(run) => self.change(&deployment, move |conn| promote(conn, &revision, run)).await?,
            Step::Route(run) => {
                self.change(&deployment, move |conn| {
                    store::set_routed(conn, &revision.id, Some(run))?;
                    store::set_reason(conn, &revision.id, None)
                })
                .await?;
            }
            Step::Unroute(why) => {
                self.change(&deployment, move |conn| {
                    store::set_routed(conn, &revision.id, None)?;
                    store::set_reason(conn, &revision.id, why.as_deref())
                })
                .await?;
            }
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
            Step::Fail(why) => self.fail(&deployment, revision, from, why).await?,
            Step::Finish => self.finish(&deployment, revision, from).await?,
        }
        Ok(())
    }

    /// Writes one step, tells whoever looks, and shows the gateway.
    async fn change<F>(&self, deployment: &DeploymentRow, f: F) -> Result<()>
    where
        F: FnOnce(&mut Conn) -> Result<()> + Send + 'static,
    {
        self.app.db.write(f).await?;
        show(&self.app, &self.gateway).await?;
        self.app.events.publish(Topic::Deployments, Some(&deployment.name));
        Ok(())
    }

    async fn place(&self, deployment: &DeploymentRow, revision: &RevisionRow) -> Result<()> {
        let placed = async {
            let files = registry::artifacts_of(&self.app, &revision.model, revision.version).await?;
            container::place(&self.app, &revision.id, &files).await?;
            example_of(&self.app, &files).await
        };
        let example = match placed.await {
            Ok(example) => example,
            // trying again does not bring the files back
            Err(error) if error.code.http_status() < 500 => {
                let why = format!("The model's files cannot be placed: {error}");
                return self
                    .end(deployment, revision.clone(), RevisionState::Placing, RevisionState::Failing, Some(why))
                    .await;
            }
            Err(error) => return Err(error),
        };
        let workload = container::workload(deployment, revision)?;
        let id = revision.id.clone();
        self.change(deployment, move |conn| {
            if store::advance(conn, &id, RevisionState::Placing, RevisionState::Starting, None)? {
                store::set_example(conn, &id, example.as_deref())?;
                workloads::put_desired(conn, workload)?;
            }
            Ok(())
        })
        .await?;
        workloads::wake(&self.app);
        Ok(())
    }

    /// Wishes the container absent. From here on the revision gets no requests.
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
                workloads::set_desired(conn, &revision.id, Desired::Absent)?;
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
        why: String,
    ) -> Result<()> {
        if self.app.engine.version().await.is_err() {
            // Docker is away, so its silence says nothing; the time starts anew
            self.since.lock().unwrap_or_else(PoisonError::into_inner).remove(&(revision.id, from));
            return Ok(());
        }
        let why = last_words::added_to(&self.app, &revision.id, why).await;
        tracing::warn!(deployment.name = deployment.name, revision.number = revision.number, "revision failed: {why}");
        self.end(deployment, revision, from, RevisionState::Failing, Some(why)).await
    }

    async fn finish(&self, deployment: &DeploymentRow, revision: RevisionRow, from: RevisionState) -> Result<()> {
        container::clear(&self.app, &revision.id).await?;
        self.gateway.forget(&revision.id);
        let to = if from == RevisionState::Failing { RevisionState::Failed } else { RevisionState::Retired };
        self.change(deployment, move |conn| {
            store::advance(conn, &revision.id, from, to, revision.reason.as_deref())?;
            store::set_ended(conn, &revision.id, clock::now_ms())
        })
        .await
    }

    /// A revision that waits says for what.
    async fn tell_waiting(&self, deployment: &DeploymentRow, revision: &RevisionRow, facts: &Facts) -> Result<()> {
        let reason = match &facts.container {
            _ if facts.state != RevisionState::Starting => return Ok(()),
            Container::Waiting(why) => why.clone(),
            Container::Refused { why, .. } => Some(why.clone()),
            Container::Ended { how, .. } => Some(format!("Starting again after {how}.")),
            Container::Running(_) | Container::Gone => revision.reason.clone(),
        };
        if reason == revision.reason {
            return Ok(());
        }
        let id = revision.id.clone();
        self.change(deployment, move |conn| store::set_reason(conn, &id, reason.as_deref())).await
    }

    /// Deployments that were deleted and whose last revision is over.
    async fn remove_deleted(&self) -> Result<()> {
        let gone = self.app.db.read(deleted).await?;
        for deployment in gone {
            let id = deployment.id.clone();
            self.change(&deployment, move |conn| {
                for revision in store::revisions_of(conn, &id)? {
                    workloads::forget(conn, &revision.id)?;
                    objects::store::delete_prefix(conn, workloads::logs::BUCKET, &format!("{}/", revision.id))?;
                }
                store::delete(conn, &id)
            })
            .await?;
        }
        Ok(())
    }

    /// How long this server has seen the revision in this state; zero while that does not count.
    fn since(&self, id: &str, state: RevisionState, counts: bool) -> Duration {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (id.to_owned(), state);
        if !counts {
            since.remove(&key);
            return Duration::ZERO;
        }
        since.entry(key).or_insert_with(Instant::now).elapsed()
    }

    fn forget_others(&self, rows: &[(DeploymentRow, RevisionRow, Option<Observed>)]) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.retain(|(id, _), _| rows.iter().any(|(_, revision, _)| revision.id == *id));
    }

    fn look_again(&self, after: Duration) {
        let waker = self.app.background.waker(DEPLOYER);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            waker.wake();
        });
    }
}

/// Whether something will change without anybody saying so: a probe to be answered, requests to end. The reconciler
/// wakes the deployer for everything else.
fn needs_looking_at(facts: &Facts) -> bool {
    let to_be_probed = match facts.container {
        Container::Running(run) => facts.state.is_hopeful() && facts.routed != Some(run),
        _ => false,
    };
    to_be_probed || matches!(facts.state, RevisionState::Draining | RevisionState::Withdrawing)
}

fn unfinished(conn: &mut Conn) -> Result<Vec<(DeploymentRow, RevisionRow, Option<Observed>)>> {
    let rows = store::unfinished(conn)?;
    rows.into_iter()
        .map(|(deployment, revision)| {
            let observed = workloads::observed(conn, &revision.id)?;
            Ok((deployment, revision, observed))
        })
        .collect()
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

/// The new revision comes in and the old one goes out, together; or it becomes a candidate, if a release says so.
pub(super) fn promote(conn: &mut Conn, revision: &RevisionRow, run: super::rules::Run) -> Result<()> {
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
