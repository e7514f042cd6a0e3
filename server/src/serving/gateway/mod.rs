//! The way in for predictions: `/serve/{deployment}/…` goes to the replica that answers for the deployment now.
//!
//! The table is a picture of the rows (live revisions and the address at which each answered); `show` replaces it, at
//! boot before the listeners open and after every change. A request takes a lease on its replica under the lock
//! that a switch takes, so after a switch the old replica's leases can only become fewer. What the model server speaks is
//! passed on as it is; the Open Inference Protocol (`/v2`), which MLflow's scorer does not speak, is translated. Never here:
//! deciding what serves.

mod body;
mod headers;
pub mod histogram;
pub mod meter;
mod proxy;
mod relay;
pub mod tally;
mod translated;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use drydock_wire::serving::{Protocol, ServingSettings};
pub use meter::{Kept, Meter};

pub use proxy::{REVISION_HEADER, forward, refused};

use crate::error::{Error, Result};
use crate::serving::v2;

pub use super::routes::configure_gateway as configure;

use tally::{Counts, Tally};

/// What the gateway allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest request body.
    pub body_bytes: u64,
    /// From the request's arrival to the head of the answer, and between two parts of the answer.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 16 << 20, patience: Duration::from_secs(60) }
    }
}

/// A row of the table: who answers for a deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub deployment_id: String,
    pub deployment: String,
    /// Limits, callers, scaling and capture.
    pub settings: Arc<ServingSettings>,
    /// Whose deployment it is: the maker may always call it.
    pub maker: String,
    /// Absent while no replica is well.
    pub replica: Option<Answering>,
    /// Revisions that run beside it, of a release or kept warm, each with the percent of the requests that it gets; those
    /// that ask for it by its number come on top.
    pub beside: Vec<(Answering, u32)>,
}

/// The replica that answers for a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answering {
    pub revision_id: String,
    /// The revision's.
    pub number: i64,
    /// Its containers that are well; never empty.
    pub replicas: Vec<Place>,
    /// What they speak.
    pub protocol: Protocol,
    pub model: Model,
}

/// A container that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Id of its workload.
    pub id: String,
    pub address: SocketAddr,
}

/// What it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    pub name: String,
    pub version: i64,
    /// Where its files are, `MLmodel` among them.
    pub folder: PathBuf,
}

/// The table. Cheap to clone.
#[derive(Clone, Default)]
pub struct Gateway {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    limits: Limits,
    endpoints: RwLock<HashMap<String, Arc<Endpoint>>>,
    /// Held from before the rows are read until the table shows them, so that an older picture never follows a newer.
    drawing: tokio::sync::Mutex<()>,
    /// Every replica that may still have requests, by revision.
    replicas: RwLock<HashMap<String, Arc<Replica>>>,
}

/// One deployment as the gateway sees it.
#[derive(Debug)]
pub struct Endpoint {
    pub deployment_id: String,
    pub meter: Meter,
    routes: RwLock<Routes>,
    /// Requests that were shared out between revisions.
    turns: AtomicU64,
}

/// The replicas of one deployment.
#[derive(Debug, Default)]
struct Routes {
    current: Option<Arc<Replica>>,
    /// With the percent of the requests that each gets.
    beside: Vec<(Arc<Replica>, u32)>,
}

/// One container that answers.
#[derive(Debug)]
struct Replica {
    revision_id: String,
    number: i64,
    address: SocketAddr,
    model: Model,
    /// Read when it is first asked for.
    signature: tokio::sync::OnceCell<Arc<v2::Signature>>,
    in_flight: AtomicU64,
    tally: Tally,
}

/// A request's hold on its replica, until dropped.
#[derive(Debug)]
pub(super) struct Lease {
    replica: Arc<Replica>,
    why: Why,
}

/// Why a request went to that replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It is the live one's.
    Live,
    /// It is on trial, and it was its turn.
    Trial,
    /// The caller asked for it.
    Number,
}

impl Gateway {
    /// An empty table with these limits.
    pub fn new(limits: Limits) -> Self {
        Self { shared: Arc::new(Shared { limits, ..Shared::default() }) }
    }

    /// To be held around reading the rows and `show`.
    pub async fn drawing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.shared.drawing.lock().await
    }

    /// Makes the table show exactly these targets. `kept` gives a deployment that is new to the table its past traffic.
    pub fn show(&self, targets: &[Target], mut kept: impl FnMut(&str) -> Kept) {
        let mut endpoints = self.shared.endpoints.write().unwrap_or_else(PoisonError::into_inner);
        let is_shown = |name: &String, endpoint: &mut Arc<Endpoint>| {
            targets.iter().any(|it| it.deployment == *name && it.deployment_id == endpoint.deployment_id)
        };
        endpoints.retain(is_shown);
        for target in targets {
            let endpoint = endpoints
                .entry(target.deployment.clone())
                .or_insert_with(|| Arc::new(Endpoint::new(&target.deployment_id, kept(&target.deployment_id))));
            self.point(endpoint, target);
        }
    }

    /// Requests that a revision has not answered yet.
    pub fn in_flight(&self, revision_id: &str) -> u64 {
        let replicas = self.shared.replicas.read().unwrap_or_else(PoisonError::into_inner);
        replicas.get(revision_id).map_or(0, |replica| replica.in_flight.load(Ordering::SeqCst))
    }

    /// What a revision did since it was last told to begin anew, or since it runs here.
    pub fn counts(&self, revision_id: &str) -> Counts {
        let replicas = self.shared.replicas.read().unwrap_or_else(PoisonError::into_inner);
        replicas.get(revision_id).map_or_else(Counts::default, |replica| replica.tally.counts())
    }

    /// Counts of that revision begin anew.
    pub fn count_anew(&self, revision_id: &str) {
        let replicas = self.shared.replicas.read().unwrap_or_else(PoisonError::into_inner);
        replicas.get(revision_id).into_iter().for_each(|replica| replica.tally.clear());
    }

    /// A revision is over; nothing asks for its requests any more.
    pub fn forget(&self, revision_id: &str) {
        self.shared.replicas.write().unwrap_or_else(PoisonError::into_inner).remove(revision_id);
    }

    /// The deployment of that name.
    pub fn endpoint(&self, deployment: &str) -> Option<Arc<Endpoint>> {
        self.shared.endpoints.read().unwrap_or_else(PoisonError::into_inner).get(deployment).cloned()
    }

    /// All deployments by name.
    pub fn endpoints(&self) -> Vec<(String, Arc<Endpoint>)> {
        let endpoints = self.shared.endpoints.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = endpoints.iter().map(|(name, endpoint)| (name.clone(), endpoint.clone())).collect();
        all.sort_by(|left, right| left.0.cmp(&right.0));
        all
    }

    /// What is allowed.
    pub fn limits(&self) -> Limits {
        self.shared.limits
    }

    fn point(&self, endpoint: &Endpoint, to: &Target) {
        let mut routes = endpoint.routes.write().unwrap_or_else(PoisonError::into_inner);
        // a revision that only changes its place keeps its replica, with its requests and counts
        let known: Vec<Arc<Replica>> =
            routes.current.iter().chain(routes.beside.iter().map(|(replica, _)| replica)).cloned().collect();
        let find = |it: &Answering| {
            let same = known.iter().find(|known| {
                known.revision_id == it.revision_id
                    && Some(known.address) == it.replicas.first().map(|place| place.address)
            });
            same.cloned().unwrap_or_else(|| self.replica(it))
        };
        let current = to.replica.as_ref().map(find);
        let beside = to.beside.iter().map(|(answering, weight)| (find(answering), *weight)).collect();
        *routes = Routes { current, beside };
    }

    fn replica(&self, answering: &Answering) -> Arc<Replica> {
        let fresh = Arc::new(Replica {
            revision_id: answering.revision_id.clone(),
            number: answering.number,
            address: answering.replicas[0].address,
            model: answering.model.clone(),
            signature: tokio::sync::OnceCell::new(),
            in_flight: AtomicU64::default(),
            tally: Tally::default(),
        });
        let mut replicas = self.shared.replicas.write().unwrap_or_else(PoisonError::into_inner);
        replicas.insert(answering.revision_id.clone(), fresh.clone());
        fresh
    }
}

impl Endpoint {
    fn new(deployment_id: &str, kept: Kept) -> Self {
        let (routes, turns) = (RwLock::default(), AtomicU64::default());
        Self { deployment_id: deployment_id.to_owned(), meter: Meter::restored(kept), routes, turns }
    }

    /// A hold on a replica that answers now, if there is one: the live one's, or in its turn one that is on trial.
    pub(super) fn lease(&self) -> Option<Lease> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        if routes.beside.iter().all(|(_, weight)| *weight == 0) {
            return routes.current.as_ref().map(|replica| Lease::of(replica, Why::Live));
        }
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let mut tried = routes.beside.iter().filter(|(_, weight)| *weight > 0);
        match tried.find(|(_, weight)| is_turn_of(*weight, turn)) {
            Some((replica, _)) => Some(Lease::of(replica, Why::Trial)),
            None => routes.current.as_ref().map(|replica| Lease::of(replica, Why::Live)),
        }
    }

    /// A hold on whoever is to answer after the replica of that lease did not: one on trial is stood in for by the live
    /// one, but who asked for a revision gets no other.
    pub(super) fn lease_instead(&self, of: &Lease) -> Option<Lease> {
        if of.why == Why::Number {
            return self.lease_of(of.replica.number);
        }
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.current.as_ref().map(|replica| Lease::of(replica, Why::Live))
    }

    /// A hold on the replica of that revision, which a caller asked for.
    pub(super) fn lease_of(&self, number: i64) -> Option<Lease> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let mut all = routes.current.iter().chain(routes.beside.iter().map(|(replica, _)| replica));
        all.find(|replica| replica.number == number).map(|replica| Lease::of(replica, Why::Number))
    }

    /// Whether a replica answers now.
    pub fn is_ready(&self) -> bool {
        self.routes.read().unwrap_or_else(PoisonError::into_inner).current.is_some()
    }
}

/// Whether the request of that turn is one of `weight` percent: exactly so many of every hundred, evenly spread.
fn is_turn_of(weight: u32, turn: u64) -> bool {
    let (place, weight) = (turn % 100, u64::from(weight));
    (place + 1) * weight / 100 > place * weight / 100
}

impl Lease {
    /// To be called under the lock that a switch takes, so that whoever switches afterwards sees this request.
    fn of(replica: &Arc<Replica>, why: Why) -> Self {
        replica.in_flight.fetch_add(1, Ordering::SeqCst);
        Self { replica: replica.clone(), why }
    }

    fn is_on_trial(&self) -> bool {
        self.why == Why::Trial
    }

    fn address(&self) -> SocketAddr {
        self.replica.address
    }

    fn model(&self) -> &Model {
        &self.replica.model
    }

    /// The model's signature; an empty one where it has none.
    async fn signature(&self) -> Result<Arc<v2::Signature>> {
        let read = || async { self.replica.model.signature().await.map(Arc::new) };
        self.replica.signature.get_or_try_init(read).await.cloned()
    }
}

impl Model {
    async fn signature(&self) -> Result<v2::Signature> {
        let path = self.folder.join("MLmodel");
        let size = match tokio::fs::metadata(&path).await {
            Ok(about) => about.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(v2::Signature::default()),
            Err(error) => return Err(Error::internal(error)),
        };
        if size > v2::MAX_FILE_BYTES {
            return Err(Error::refused(format!("The MLmodel file of '{}' is too large; use /invocations.", self.name)));
        }
        let text = tokio::fs::read_to_string(&path).await.map_err(Error::internal)?;
        v2::Signature::read(&text)
            .map_err(|fault| Error::refused(format!("The signature of '{}' cannot be used: {fault}", self.name)))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.replica.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;
