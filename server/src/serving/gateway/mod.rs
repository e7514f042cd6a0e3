//! The way in for predictions: `/serve/{deployment}/…` goes to the replica that answers for the deployment now.
//!
//! The table is a picture of the rows (live revisions and the addresses at which their replicas answered); `show` replaces
//! it, at boot before the listeners open and after every change. `admission` says who may call and how often, `endpoint`
//! gives a request its place at a replica or in the line, `pool` chooses the replica, `upstream` keeps its connections,
//! `proxy` and `relay` carry request and answer. What the model server speaks is passed on as it is; the Open Inference
//! Protocol (`/v2`), which MLflow's scorer does not speak, is translated. Never here: deciding what serves.

mod admission;
mod asked;
mod assignment;
mod body;
mod books;
mod deadline;
mod endpoint;
mod headers;
pub mod histogram;
pub mod meter;
mod openai;
mod pool;
mod proxy;
mod relay;
mod scored;
mod shadow;
pub mod tally;
mod translated;
mod upstream;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use drydock_wire::serving::{Protocol, ServingSettings};

pub use admission::check_caller;
pub use endpoint::{Aim, Endpoint, Load, Refused};
pub use meter::{Kept, Meter};
pub use pool::{Pool, Replica};
pub use proxy::{REVISION_HEADER, forward, refused};

use crate::accounts::Principal;
use crate::background::Waker;
use crate::error::{Error, Result, request_id};
use crate::serving::capture::{Collector, tap::Tap};
use crate::serving::release::book::Book;
use crate::serving::v2;

pub use super::routes::configure_gateway as configure;

use tally::Counts;

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
    /// While none is: one is on its way, and requests are held until then.
    pub is_coming: bool,
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
    /// Every revision that may still have requests, by its id.
    pools: RwLock<HashMap<String, Arc<Pool>>>,
    /// What is measured of releases, by the release's id.
    books: RwLock<HashMap<String, Arc<Book>>>,
    /// Wakes who starts replicas, for a request that finds none.
    waker: Arc<OnceLock<Waker>>,
    /// Who captures; absent in tests of the gateway alone.
    collector: OnceLock<Collector>,
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

    /// Whom to wake when a request waits for a replica; the first one stays.
    pub fn wake_by(&self, waker: Waker) {
        let _ = self.shared.waker.set(waker);
    }

    /// Who takes captured requests; the first one stays.
    pub fn captured_by(&self, collector: Collector) {
        let _ = self.shared.collector.set(collector);
    }

    /// Listens to that request, if it is to be captured: predictions are asked for with POST.
    fn tap(&self, endpoint: &Endpoint, who: &Principal, request: &HttpRequest) -> Option<Tap> {
        let collector = self.shared.collector.get().filter(|_| request.method() == "POST")?;
        let plan = collector.plan(&endpoint.deployment_id)?;
        Tap::on(collector, &plan, request_id::current(), Some(who.username.clone()))
    }

    /// Makes the table show exactly these targets. `kept` gives a deployment that is new to the table its past traffic.
    pub fn show(&self, targets: &[Target], mut kept: impl FnMut(&str) -> Kept) {
        let mut endpoints = self.shared.endpoints.write().unwrap_or_else(PoisonError::into_inner);
        let is_shown = |name: &String, endpoint: &mut Arc<Endpoint>| {
            let is = targets.iter().any(|it| it.deployment == *name && it.deployment_id == endpoint.deployment_id);
            if !is {
                endpoint.close();
            }
            is
        };
        endpoints.retain(is_shown);
        for target in targets {
            let made = |id: &str, kept: Kept| Arc::new(Endpoint::new(id, kept, self.shared.waker.clone()));
            let endpoint = endpoints
                .entry(target.deployment.clone())
                .or_insert_with(|| made(&target.deployment_id, kept(&target.deployment_id)));
            endpoint.point(target, |answering| self.pool(answering));
        }
    }

    /// Requests that a revision has not answered yet.
    pub fn in_flight(&self, revision_id: &str) -> u64 {
        self.with(revision_id, |pool| pool.in_flight.load(Ordering::SeqCst)).unwrap_or_default()
    }

    /// Requests that a replica has not answered yet, whether or not it still gets any.
    pub fn in_flight_of(&self, replica_id: &str) -> u64 {
        self.replicas_of(replica_id).iter().map(|it| it.in_flight.load(Ordering::SeqCst)).sum()
    }

    /// Whether a replica failed so often lately that it gets no requests for a while.
    pub fn is_resting(&self, replica_id: &str) -> bool {
        let now = Instant::now();
        self.replicas_of(replica_id).iter().any(|it| it.is_resting(now))
    }

    /// What a deployment has to do now.
    pub fn load_of(&self, deployment_id: &str) -> Load {
        let endpoints = self.shared.endpoints.read().unwrap_or_else(PoisonError::into_inner);
        let found = endpoints.values().find(|endpoint| endpoint.deployment_id == deployment_id);
        found.map_or_else(Load::default, |endpoint| endpoint.load())
    }

    /// What a revision did since it was last told to begin anew, or since it runs here.
    pub fn counts(&self, revision_id: &str) -> Counts {
        self.with(revision_id, |pool| pool.tally.counts()).unwrap_or_default()
    }

    /// Counts of that revision begin anew.
    pub fn count_anew(&self, revision_id: &str) {
        self.with(revision_id, |pool| pool.tally.clear());
    }

    /// A revision is over; nothing asks for its requests any more.
    pub fn forget(&self, revision_id: &str) {
        self.shared.pools.write().unwrap_or_else(PoisonError::into_inner).remove(revision_id);
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

    /// The revision's, which keeps its requests and counts wherever it stands in the table.
    fn pool(&self, answering: &Answering) -> Arc<Pool> {
        let mut pools = self.shared.pools.write().unwrap_or_else(PoisonError::into_inner);
        pools.entry(answering.revision_id.clone()).or_insert_with(|| Arc::new(Pool::new(answering))).clone()
    }

    fn with<T>(&self, revision_id: &str, read: impl FnOnce(&Pool) -> T) -> Option<T> {
        let pools = self.shared.pools.read().unwrap_or_else(PoisonError::into_inner);
        pools.get(revision_id).map(|pool| read(pool))
    }

    fn replicas_of(&self, replica_id: &str) -> Vec<Arc<Replica>> {
        let pools = self.shared.pools.read().unwrap_or_else(PoisonError::into_inner);
        pools.values().flat_map(|pool| pool.replicas()).filter(|replica| replica.id == replica_id).collect()
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

#[cfg(test)]
mod tests;
