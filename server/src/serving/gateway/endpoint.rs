//! One deployment as the gateway sees it: where its requests may go, and who waits for room.
//!
//! A request takes its place under the lock that a switch takes, so after a switch the old replicas' requests can only
//! become fewer. Who finds no room waits in one line, in order of arrival, and is given the first place that comes free
//! where it wants to go: by a request that ends, or by a table that shows a new replica. Nothing is polled.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use drydock_wire::serving::{Protocol, ServingSettings};
use tokio::sync::oneshot;

use super::admission::Buckets;
use super::meter::{Kept, Meter};
use super::pool::{Pool, Replica};
use super::{Limits, Target};
use crate::background::Waker;
use crate::clock;
use crate::serving::release::book::Book;

/// One deployment.
#[derive(Debug)]
pub struct Endpoint {
    pub deployment_id: String,
    pub meter: Meter,
    pub(super) buckets: Buckets,
    routes: RwLock<Routes>,
    /// Requests that were shared out between revisions.
    turns: AtomicU64,
    line: Mutex<VecDeque<Waiter>>,
    /// Length of the line, to be seen without its lock.
    queued: AtomicUsize,
    arrivals: AtomicU64,
    refusals: [AtomicU64; Refused::ALL.len()],
    last_request_at: AtomicI64,
    waker: Arc<OnceLock<Waker>>,
}

/// The replicas of one deployment, and its settings.
#[derive(Debug, Default)]
pub(super) struct Routes {
    pub rules: Arc<Rules>,
    pub current: Option<Route>,
    /// Where there is none, one comes.
    pub is_coming: bool,
    /// With the percent of the requests that each gets.
    pub beside: Vec<(Route, u32)>,
    /// What is measured of the release that goes on.
    pub book: Option<Arc<Book>>,
}

/// The replicas of a revision that answer now; never empty.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub pool: Arc<Pool>,
    pub replicas: Vec<Arc<Replica>>,
}

/// How callers are treated.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Rules {
    pub settings: Arc<ServingSettings>,
    pub maker: String,
}

/// Where a request is to go. Decided once, when it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// The live revision.
    Live,
    /// The revision of this number, which is on trial, by its share; the live one stands in for it.
    Trial(i64),
    /// The caller asked for the revision of this number, and gets no other.
    Number(i64),
}

/// Why a request was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It may not call this deployment.
    Caller,
    /// It calls too often.
    Rate,
    /// Its body is too large.
    Body,
    /// No replica answers, and none is coming.
    NotReady,
    /// All replicas are busy and the line is full.
    QueueFull,
    /// It waited until its deadline.
    Waited,
}

/// What a deployment has to do now.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Requests at its replicas.
    pub in_flight: u64,
    /// Requests that wait for room or for a replica.
    pub queued: u64,
    /// Absent before the first since the server started.
    pub last_request_at: Option<i64>,
}

/// A request's hold on a replica, until dropped.
#[derive(Debug)]
pub struct Lease {
    endpoint: Arc<Endpoint>,
    pub pool: Arc<Pool>,
    pub replica: Arc<Replica>,
    pub aim: Aim,
}

#[derive(Debug)]
struct Waiter {
    arrival: u64,
    aim: Aim,
    place: oneshot::Sender<Lease>,
}

/// A place in the line, given up when dropped.
struct Waiting<'a> {
    endpoint: &'a Endpoint,
    arrival: u64,
    place: oneshot::Receiver<Lease>,
}

impl Endpoint {
    pub(super) fn new(deployment_id: &str, kept: Kept, waker: Arc<OnceLock<Waker>>) -> Self {
        Self {
            deployment_id: deployment_id.to_owned(),
            meter: Meter::restored(kept),
            buckets: Buckets::default(),
            routes: RwLock::default(),
            turns: AtomicU64::default(),
            line: Mutex::default(),
            queued: AtomicUsize::default(),
            arrivals: AtomicU64::default(),
            refusals: Default::default(),
            last_request_at: AtomicI64::new(0),
            waker,
        }
    }

    /// Makes it what the target says; `pool` finds or makes a revision's. Those who wait get what there is now.
    pub(super) fn point(self: &Arc<Self>, to: &Target, pool: impl Fn(&super::Answering) -> Arc<Pool>) {
        {
            let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
            let route = |it: &super::Answering| {
                let pool = pool(it);
                Route { replicas: pool.draw(&it.replicas), pool }
            };
            let rules = Rules { settings: to.settings.clone(), maker: to.maker.clone() };
            if *routes.rules != rules {
                routes.rules = Arc::new(rules);
            }
            routes.current = to.replica.as_ref().map(route);
            routes.is_coming = to.is_coming;
            routes.beside = to.beside.iter().map(|(answering, weight)| (route(answering), *weight)).collect();
        }
        self.hand_out();
    }

    /// It is no longer in the table: nobody waits for it any more.
    pub(super) fn close(&self) {
        let waiters = std::mem::take(&mut *self.lined_up());
        self.queued.fetch_sub(waiters.len(), Ordering::SeqCst);
    }

    /// How callers are treated now.
    pub fn rules(&self) -> Arc<Rules> {
        self.routes().rules.clone()
    }

    /// Whether a replica answers now.
    pub fn is_ready(&self) -> bool {
        self.routes().current.is_some()
    }

    /// What there is to do now.
    pub fn load(&self) -> Load {
        let in_flight = self.routes().all().map(|route| route.pool.in_flight.load(Ordering::SeqCst)).sum();
        let last_request_at = Some(self.last_request_at.load(Ordering::Relaxed)).filter(|at| *at > 0);
        Load { in_flight, queued: self.queued.load(Ordering::SeqCst) as u64, last_request_at }
    }

    /// The revisions that answer now, the live one first.
    pub fn pools(&self) -> Vec<Arc<Pool>> {
        self.routes().all().map(|route| route.pool.clone()).collect()
    }

    /// What is measured of its release.
    pub fn book(&self) -> Option<Arc<Book>> {
        self.routes().book.clone()
    }

    /// From now on its requests are measured there.
    pub(super) fn set_book(&self, book: Option<Arc<Book>>) {
        self.routes.write().unwrap_or_else(PoisonError::into_inner).book = book;
    }

    /// A request came.
    pub(super) fn note_request(&self) {
        self.last_request_at.store(clock::now_ms(), Ordering::Relaxed);
    }

    /// Counts a request that was not let in.
    pub(super) fn note_refused(&self, why: Refused) {
        self.refusals[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Requests that were not let in, by reason.
    pub fn refusals(&self) -> impl Iterator<Item = (Refused, u64)> {
        Refused::ALL.into_iter().map(|why| (why, self.refusals[why as usize].load(Ordering::Relaxed)))
    }

    /// Where the next request goes that asks for no revision: in its turn to one that is on trial, else to the live one.
    pub(super) fn aim(&self) -> Aim {
        let routes = self.routes();
        if routes.beside.iter().all(|(_, weight)| *weight == 0) {
            return Aim::Live;
        }
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let mut tried = routes.beside.iter().filter(|(_, weight)| *weight > 0);
        tried
            .find(|(_, weight)| is_turn_of(*weight, turn))
            .map_or(Aim::Live, |(route, _)| Aim::Trial(route.pool.number))
    }

    /// Whether the revision of that number runs.
    pub(super) fn has(&self, number: i64) -> bool {
        self.routes().all().any(|route| route.pool.number == number)
    }

    /// What is spoken there.
    pub(super) fn protocol(&self, aim: Aim) -> Option<Protocol> {
        self.routes().find(aim).map(|route| route.pool.protocol)
    }

    /// A hold on a replica there, at once or after a wait in the line; dropping the future gives the place in it up.
    pub(super) async fn lease(self: &Arc<Self>, aim: Aim) -> Result<Lease, Refused> {
        if self.queued.load(Ordering::SeqCst) == 0
            && let Some(lease) = self.take(&self.routes(), aim, None)
        {
            return Ok(lease);
        }
        let mut waiting = self.line_up(aim)?;
        self.hand_out();
        // without a sender the deployment is gone
        (&mut waiting.place).await.map_err(|_| Refused::NotReady)
    }

    /// A hold on whoever is to answer after the replica of that lease did not: another one of its revision; one on trial is
    /// stood in for by the live one. Without waiting.
    pub(super) fn lease_instead(self: &Arc<Self>, of: &Lease) -> Option<Lease> {
        let routes = self.routes();
        if let Some(lease) = self.take(&routes, of.aim, Some(&of.replica)) {
            return Some(lease);
        }
        matches!(of.aim, Aim::Trial(_)).then(|| self.take(&routes, Aim::Live, Some(&of.replica)))?
    }

    /// A hold on a replica there, if one has room now.
    pub(super) fn lease_now(self: &Arc<Self>, aim: Aim) -> Option<Lease> {
        self.take(&self.routes(), aim, None)
    }

    fn line_up(&self, aim: Aim) -> Result<Waiting<'_>, Refused> {
        let (settings, is_there, swaps) = {
            let routes = self.routes();
            (routes.rules.settings.clone(), routes.find(aim).is_some(), routes.is_coming)
        };
        // asleep, or between a revision that had to end and the next: a replica comes
        let is_coming = aim == Aim::Live && (swaps || settings.scale.as_ref().is_some_and(|it| it.min == 0));
        if !is_there && !is_coming {
            return Err(Refused::NotReady);
        }
        let (sender, place) = oneshot::channel();
        let arrival = self.arrivals.fetch_add(1, Ordering::Relaxed);
        {
            let mut line = self.lined_up();
            if line.len() >= settings.limits.queue as usize {
                return Err(Refused::QueueFull);
            }
            line.push_back(Waiter { arrival, aim, place: sender });
            self.queued.fetch_add(1, Ordering::SeqCst);
        }
        if let Some(waker) = self.waker.get().filter(|_| !is_there) {
            waker.wake();
        }
        Ok(Waiting { endpoint: self, arrival, place })
    }

    /// Gives what room there is to those who wait, in order; who waits for another revision holds nobody up.
    fn hand_out(self: &Arc<Self>) {
        if self.queued.load(Ordering::SeqCst) == 0 {
            return;
        }
        // dropped after the locks, which their end takes again
        let mut unwanted = Vec::new();
        let mut line = self.lined_up();
        let routes = self.routes();
        let mut full: Vec<Aim> = Vec::new();
        let mut at = 0;
        while let Some(aim) = line.get(at).map(|waiter| waiter.aim) {
            let lease = if full.contains(&aim) { None } else { self.take(&routes, aim, None) };
            match lease {
                Some(lease) => {
                    self.queued.fetch_sub(1, Ordering::SeqCst);
                    unwanted.extend(line.remove(at).and_then(|waiter| waiter.place.send(lease).err()));
                }
                None => {
                    if !full.contains(&aim) {
                        full.push(aim);
                    }
                    at += 1;
                }
            }
        }
    }

    fn take(self: &Arc<Self>, routes: &Routes, aim: Aim, but: Option<&Replica>) -> Option<Lease> {
        let route = routes.find(aim)?;
        let replica = route.pool.take(&route.replicas, routes.rules.settings.limits.concurrency, but)?;
        route.pool.in_flight.fetch_add(1, Ordering::SeqCst);
        Some(Lease { endpoint: self.clone(), pool: route.pool.clone(), replica, aim })
    }

    fn routes(&self) -> RwLockReadGuard<'_, Routes> {
        self.routes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lined_up(&self) -> MutexGuard<'_, VecDeque<Waiter>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Routes {
    fn all(&self) -> impl Iterator<Item = &Route> {
        self.current.iter().chain(self.beside.iter().map(|(route, _)| route))
    }

    fn find(&self, aim: Aim) -> Option<&Route> {
        match aim {
            Aim::Live => self.current.as_ref(),
            Aim::Number(number) => self.all().find(|route| route.pool.number == number),
            // its trial may have ended meanwhile
            Aim::Trial(number) => self.all().find(|route| route.pool.number == number).or(self.current.as_ref()),
        }
    }
}

impl Rules {
    /// What is allowed here: as the deployment says, but never more than the server allows.
    pub fn limits(&self, server: Limits) -> Limits {
        let own = &self.settings.limits;
        Limits {
            body_bytes: own.body_bytes.map_or(server.body_bytes, |bytes| bytes.min(server.body_bytes)),
            patience: own
                .timeout_s
                .map_or(server.patience, |seconds| std::time::Duration::from_secs(seconds).min(server.patience)),
        }
    }
}

impl Refused {
    pub const ALL: [Self; 6] = [Self::Caller, Self::Rate, Self::Body, Self::NotReady, Self::QueueFull, Self::Waited];

    /// The word in the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Rate => "rate",
            Self::Body => "body",
            Self::NotReady => "not_ready",
            Self::QueueFull => "queue_full",
            Self::Waited => "waited",
        }
    }
}

impl Lease {
    /// Another hold on the same replica.
    pub fn again(&self) -> Self {
        self.replica.in_flight.fetch_add(1, Ordering::SeqCst);
        self.pool.in_flight.fetch_add(1, Ordering::SeqCst);
        Self { endpoint: self.endpoint.clone(), pool: self.pool.clone(), replica: self.replica.clone(), aim: self.aim }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.replica.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.pool.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.endpoint.hand_out();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut line = self.endpoint.lined_up();
        if let Some(at) = line.iter().position(|waiter| waiter.arrival == self.arrival) {
            line.remove(at);
            self.endpoint.queued.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Whether the request of that turn is one of `weight` percent: exactly so many of every hundred, evenly spread.
pub(super) fn is_turn_of(weight: u32, turn: u64) -> bool {
    let (place, weight) = (turn % 100, u64::from(weight));
    (place + 1) * weight / 100 > place * weight / 100
}
