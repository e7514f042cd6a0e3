//! The deployer, which moves every revision and its replicas to where the `rules` want them.
//!
//! A pass reads all rows that can still change, takes a step for each, and shows the gateway the result. Every step is
//! a transaction that checks the state it was decided upon, so a pass that was cut off anywhere is simply run again. Only
//! what may be forgotten is in memory: since when a revision is waited for, since when it drains, and what its probes said.

mod replica;
pub(super) mod revision;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use drydock_wire::events::Topic;
use drydock_wire::serving::ServedBy;
use futures_util::{FutureExt, future::BoxFuture};

use super::gateway::Gateway;
use super::replicas::health::Health;
use super::replicas::rules::{self as replica_rules, ReplicaState, Verdict};
use super::replicas::store::ReplicaRow;
use super::replicas::{self, probes};
use super::rules::{Container, Facts, Kin, RevisionState, Step, next_step};
use super::scale::{self, Scaler};
use super::store::{self, DeploymentRow, RevisionRow};
use super::{DEPLOYER, container, follow, release, show, swap, write_move};
use crate::app::App;
use crate::background::Task;
use crate::clock;
use crate::db::Conn;
use crate::error::Result;
use crate::workloads::{self, Desired, Observed};

/// While something drains the next look comes this soon.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// While a release is judged the next look comes this soon.
const JUDGE_AGAIN: Duration = Duration::from_secs(1);
const PROBE_PATIENCE: Duration = Duration::from_secs(2);

/// Makes revisions live, drains and ends them.
pub struct Deployer {
    app: App,
    gateway: Gateway,
    health: Health,
    probe: reqwest::Client,
    judge: release::Judge,
    scaler: Scaler,
    since: Mutex<HashMap<(String, &'static str), Instant>>,
}

/// A revision with all that its next step depends on.
struct Case {
    deployment: DeploymentRow,
    revision: RevisionRow,
    members: Vec<Member>,
    /// So many replicas are wanted.
    wanted: usize,
    facts: Facts,
}

/// A replica with all that its next step depends on.
struct Member {
    row: ReplicaRow,
    facts: replica_rules::Facts,
}

/// Rows as a pass finds them.
struct Found {
    deployment: DeploymentRow,
    revision: RevisionRow,
    replicas: Vec<FoundReplica>,
    kin: Kin,
}

struct FoundReplica {
    row: ReplicaRow,
    launched: bool,
    observed: Option<Observed>,
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
        let health = Health::new(gateway.clone(), app.background.waker(DEPLOYER))?;
        let scaler = Scaler::new(app.clone(), gateway.clone());
        Ok(Self { app, gateway, health, probe, judge, scaler, since: Mutex::default() })
    }

    async fn pass(&self) -> Result<()> {
        // first, so that a revision that drains is not asked for its requests while the gateway still sends some
        show(&self.app, &self.gateway).await?;
        follow::pass(&self.app).await?;
        let scales = self.scaler.pass().await?;
        let found = self.app.db.read(unfinished).await?;
        self.forget_others(&found);
        let mut first_error = Ok(());
        let (mut moved, mut drains) = (false, false);
        for one in found {
            let case = self.case(one)?;
            drains |= is_draining(&case);
            // one deployment's trouble must not hold up the others
            match self.take_steps(case).await {
                Ok(any) => moved |= any,
                Err(error) => {
                    tracing::warn!(error.chain = ?error.source, "deployer: {error}");
                    first_error = first_error.and(Err(error));
                }
            }
        }
        // after the revisions' steps: a candidate that has just ended is taken out before it can come again
        let judging = self.judge.pass(&self.probe).await;
        self.remove_deleted().await?;
        show(&self.app, &self.gateway).await?;
        match judging {
            _ if moved => self.app.background.waker(DEPLOYER).wake(),
            _ if drains => self.look_again(LOOK_AGAIN),
            Ok(false) if scales => self.look_again(scale::PERIOD),
            Ok(false) => {}
            Ok(true) | Err(_) => self.look_again(JUDGE_AGAIN),
        }
        first_error.and(judging.map(drop))
    }

    /// The revision's own step, and while it has none its replicas'; whether there was any.
    async fn take_steps(&self, case: Case) -> Result<bool> {
        let step = next_step(&case.facts);
        if step == Step::Nothing && case.facts.state == RevisionState::Waiting {
            self.tell_waiting(&case).await?;
        }
        if step == Step::Nothing && case.facts.state.has_replicas() {
            let moved = self.look_after(&case.deployment, &case.revision, &case.members, case.wanted).await?;
            self.tell_waiting(&case).await?;
            return Ok(moved);
        }
        let any = step != Step::Nothing;
        self.take(step, case).await?;
        Ok(any)
    }

    fn case(&self, found: Found) -> Result<Case> {
        let Found { deployment, revision, replicas, kin } = found;
        let (state, served_by) = (revision.state()?, revision.served_by()?);
        let members = replicas.into_iter().map(|one| self.member(&revision, &served_by, one));
        let members = members.collect::<Result<Vec<_>>>()?;
        // waiting for Docker is nobody's fault; the time counts from when something is tried
        let is_tried = |it: &Member| !matches!(it.facts.container, Container::Waiting(_) | Container::Gone);
        let is_coming = matches!(state, RevisionState::Starting | RevisionState::Returning);
        let counts = !is_coming || members.iter().any(is_tried);
        let since = self.since(&revision.id, state.as_str(), counts);
        let there = members.iter().filter(|it| it.facts.state.is_wanted()).count();
        let wanted = replicas::wanted(&deployment, state, there)?;
        let facts = Facts {
            state,
            is_goal: revision.number == deployment.goal,
            deleting: deployment.deleting,
            crew: replica::crew(&members, wanted),
            waited: since,
            ready_within: Duration::from_secs(self.app.config.limits.ready_timeout_s),
            in_flight: self.gateway.in_flight(&revision.id),
            drained_for: since,
            warm_is_over: revision.warm_until.is_none_or(|until| until <= clock::now_ms()),
            kin,
        };
        Ok(Case { deployment, revision, members, wanted, facts })
    }

    fn member(&self, revision: &RevisionRow, served_by: &ServedBy, found: FoundReplica) -> Result<Member> {
        let FoundReplica { row, launched, observed } = found;
        let (state, memory_bytes) = (row.state()?, revision.resources()?.memory_bytes);
        let container = container::seen(observed.as_ref(), memory_bytes, container::port(&served_by.runtime));
        let verdict = match container {
            Container::Running(run) if launched && state.is_wanted() => {
                self.health.of(&row.id, run, || probes::plan(served_by))
            }
            _ => Verdict::Unknown,
        };
        let drained_for = self.since(&row.id, "replica drains", state == ReplicaState::Draining);
        let in_flight = self.gateway.in_flight_of(&row.id);
        let routed = row.run();
        Ok(Member {
            facts: replica_rules::Facts { state, launched, container, routed, verdict, in_flight, drained_for },
            row,
        })
    }

    /// Writes one step, tells whoever looks, and shows the gateway.
    async fn change<F>(&self, deployment: &DeploymentRow, f: F) -> Result<()>
    where
        F: FnOnce(&mut Conn) -> Result<()> + Send + 'static,
    {
        write_move(&self.app, f).await?;
        show(&self.app, &self.gateway).await?;
        self.app.events.publish(Topic::Deployments, Some(&deployment.name));
        Ok(())
    }

    /// How long this server has seen it in this state; zero while that does not count.
    fn since(&self, id: &str, state: &'static str, counts: bool) -> Duration {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (id.to_owned(), state);
        if !counts {
            since.remove(&key);
            return Duration::ZERO;
        }
        since.entry(key).or_insert_with(Instant::now).elapsed()
    }

    fn forget_others(&self, found: &[Found]) {
        let is_replica = |id: &str| found.iter().any(|one| one.replicas.iter().any(|replica| replica.row.id == id));
        self.health.retain(is_replica);
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.retain(|(id, _), _| is_replica(id) || found.iter().any(|one| one.revision.id == *id));
    }

    fn look_again(&self, after: Duration) {
        let waker = self.app.background.waker(DEPLOYER);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            waker.wake();
        });
    }
}

/// Whether requests are to end, of which nobody tells. Everything else wakes the deployer by itself.
fn is_draining(case: &Case) -> bool {
    matches!(case.facts.state, RevisionState::Draining | RevisionState::Withdrawing | RevisionState::Yielding)
        || case.members.iter().any(|it| it.facts.state == ReplicaState::Draining)
}

fn unfinished(conn: &mut Conn) -> Result<Vec<Found>> {
    let rows = store::unfinished(conn)?;
    let mut all = Vec::with_capacity(rows.len());
    for of_one in rows.chunk_by(|left, right| left.0.id == right.0.id) {
        let Some((deployment, _)) = of_one.first() else { continue };
        let siblings: Vec<&RevisionRow> = of_one.iter().map(|(_, revision)| revision).collect();
        let family = swap::family(conn, deployment, &siblings)?;
        for revision in siblings {
            let rows = replicas::store::of_revision(conn, &revision.id)?;
            let replicas = rows.into_iter().map(|row| found(conn, row)).collect::<Result<_>>()?;
            let kin = family.kin(revision.number);
            all.push(Found { deployment: deployment.clone(), revision: revision.clone(), replicas, kin });
        }
    }
    Ok(all)
}

fn found(conn: &mut Conn, row: ReplicaRow) -> Result<FoundReplica> {
    let launched = workloads::find(conn, &row.id)?.is_some_and(|workload| workload.desired == Desired::Running);
    Ok(FoundReplica { launched, observed: workloads::observed(conn, &row.id)?, row })
}
