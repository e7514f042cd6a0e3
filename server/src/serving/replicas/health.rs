//! Asks every running replica how it is, each by a task of its own, and wakes the deployer when the answer changes.
//!
//! A slow answer so holds up no pass. Nothing here is kept: a server that starts again asks anew, and until it was answered what was
//! known counts.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::probes::{Ask, Plan};
use super::rules::Verdict;
use crate::background::Waker;
use crate::error::{Error, Result};
use crate::serving::gateway::Gateway;
use crate::serving::rules::Run;

/// While it starts it is asked this often: a wake from nothing waits no longer than that after the server listens.
const SOON: Duration = Duration::from_millis(20);
const SOON_FOR: Duration = Duration::from_secs(3);
/// A server that takes longer to start is asked this often.
const LATER: Duration = Duration::from_millis(200);
/// So long a replica may be silent in any case.
const LEAST_PATIENCE: Duration = Duration::from_secs(60);

/// Who is asked. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    client: reqwest::Client,
    gateway: Gateway,
    waker: Waker,
    watched: Arc<Mutex<HashMap<String, Watched>>>,
    /// How long a replica took from its first refusal to its first answer, where that was seen.
    took: Arc<Mutex<HashMap<String, Duration>>>,
}

struct Watched {
    run: Run,
    verdict: Arc<Mutex<Verdict>>,
    asking: tokio::task::JoinHandle<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

/// What one run of a replica is asked, and where its answers go.
struct Questions {
    client: reqwest::Client,
    gateway: Gateway,
    waker: Waker,
    replica_id: String,
    address: SocketAddr,
    plan: Plan,
    /// For how long at most nobody listens; only where it is known how long this replica takes.
    patience: Option<Duration>,
    took: Arc<Mutex<HashMap<String, Duration>>>,
    verdict: Arc<Mutex<Verdict>>,
}

/// How often in a row a question failed.
struct Row<'a> {
    ask: &'a Ask,
    failed: u32,
    due: Instant,
}

impl<'a> Row<'a> {
    fn of(ask: &'a Ask) -> Self {
        Self { ask, failed: 0, due: Instant::now() + ask.period }
    }
}

/// How long nobody may listen at the address of a replica that took this long before. Docker can give a container an address that leads
/// elsewhere, for one to a container that it ended and did not clear away at its own restart; another start has another address.
fn patience(took: Duration) -> Duration {
    (took * 4).max(LEAST_PATIENCE)
}

impl Health {
    pub fn new(gateway: Gateway, waker: Waker) -> Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .map_err(Error::internal)?;
        Ok(Self { client, gateway, waker, watched: Arc::default(), took: Arc::default() })
    }

    /// What is known of that run; from the first call on it is asked.
    pub fn of(&self, replica: &str, run: Run, plan: impl FnOnce() -> Plan) -> Verdict {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = watched.get(replica).filter(|known| known.run == run) {
            return known.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone();
        }
        let verdict = Arc::new(Mutex::new(Verdict::Unknown));
        // taken, so that one which is started again for this has all the time it wants then
        let before = self.took.lock().unwrap_or_else(PoisonError::into_inner).remove(replica);
        let questions = Questions {
            client: self.client.clone(),
            gateway: self.gateway.clone(),
            waker: self.waker.clone(),
            replica_id: replica.to_owned(),
            address: run.address,
            plan: plan(),
            patience: before.map(patience),
            took: self.took.clone(),
            verdict: verdict.clone(),
        };
        let asking = tokio::spawn(questions.go_on());
        watched.insert(replica.to_owned(), Watched { run, verdict, asking });
        Verdict::Unknown
    }

    /// Asks no others than these.
    pub fn retain(&self, is_there: impl Fn(&str) -> bool) {
        self.took.lock().unwrap_or_else(PoisonError::into_inner).retain(|replica, _| is_there(replica));
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).retain(|replica, _| is_there(replica));
    }
}

impl Questions {
    async fn go_on(self) {
        if !self.starts().await {
            return;
        }
        self.say(Verdict::Well);
        let mut readiness = Row::of(&self.plan.readiness);
        let mut liveness = self.plan.liveness.as_ref().map(Row::of);
        loop {
            let due = liveness.as_ref().map_or(readiness.due, |liveness| liveness.due.min(readiness.due));
            tokio::time::sleep_until(due.into()).await;
            if let Some(liveness) = liveness.as_mut().filter(|liveness| liveness.due <= Instant::now())
                && let Some(why) = self.fails(liveness).await
            {
                return self.say(Verdict::Dead(format!("It is started again: {why}.")));
            }
            if readiness.due <= Instant::now() {
                match self.fails(&mut readiness).await {
                    Some(why) => self.say(Verdict::Unready(format!("It gets no requests: {why}."))),
                    None if readiness.failed == 0 => self.say(Verdict::Well),
                    None => {}
                }
            }
        }
    }

    /// Asks until it answers; false when its time is over.
    async fn starts(&self) -> bool {
        let (ask, began) = (&self.plan.startup, Instant::now());
        let at_most = ask.failures.map(|failures| ask.period * failures);
        let mut failed = false;
        loop {
            let Err(why) = ask.once(&self.client, self.address).await else {
                if failed {
                    let mut took = self.took.lock().unwrap_or_else(PoisonError::into_inner);
                    took.insert(self.replica_id.clone(), began.elapsed());
                }
                return true;
            };
            failed = true;
            let is_silent = why.contains("refuses") && self.patience.is_some_and(|most| began.elapsed() >= most);
            if is_silent || at_most.is_some_and(|most| began.elapsed() >= most) {
                self.say(Verdict::Dead(format!("It did not start in its time: {why}.")));
                return false;
            }
            tokio::time::sleep(if began.elapsed() < SOON_FOR { SOON } else { LATER }).await;
        }
    }

    /// Asks once; why it counts as failed, if it failed often enough in a row.
    async fn fails(&self, row: &mut Row<'_>) -> Option<String> {
        let answer = row.ask.once(&self.client, self.address).await;
        row.due = Instant::now() + row.ask.period;
        let Err(why) = answer else {
            row.failed = 0;
            return None;
        };
        if row.ask.by_default && self.gateway.in_flight_of(&self.replica_id) > 0 && !why.contains("refuses") {
            // it may be at work on what it was asked
            return None;
        }
        row.failed += 1;
        (row.failed >= row.ask.failures.unwrap_or(1)).then_some(why)
    }

    fn say(&self, verdict: Verdict) {
        let mut known = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != verdict {
            *known = verdict;
            self.waker.wake();
        }
    }
}
