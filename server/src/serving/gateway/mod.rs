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
mod translated;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

pub use meter::{Kept, Meter};
pub use proxy::{forward, refused};

use crate::error::{Error, Result};
use crate::serving::v2;

pub use super::routes::configure_gateway as configure;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub deployment_id: String,
    pub deployment: String,
    /// Absent while no replica is well.
    pub replica: Option<Answering>,
}

/// The replica that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answering {
    pub revision_id: String,
    pub address: SocketAddr,
    pub model: Model,
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
    current: RwLock<Option<Arc<Replica>>>,
}

/// One container that answers.
#[derive(Debug)]
struct Replica {
    revision_id: String,
    address: SocketAddr,
    model: Model,
    /// Read when it is first asked for.
    signature: tokio::sync::OnceCell<Arc<v2::Signature>>,
    in_flight: AtomicU64,
}

/// A request's hold on its replica, until dropped.
#[derive(Debug)]
pub(super) struct Lease {
    replica: Arc<Replica>,
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
            self.point(endpoint, target.replica.as_ref());
        }
    }

    /// Requests that a revision has not answered yet.
    pub fn in_flight(&self, revision_id: &str) -> u64 {
        let replicas = self.shared.replicas.read().unwrap_or_else(PoisonError::into_inner);
        replicas.get(revision_id).map_or(0, |replica| replica.in_flight.load(Ordering::SeqCst))
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

    fn point(&self, endpoint: &Endpoint, to: Option<&Answering>) {
        let mut current = endpoint.current.write().unwrap_or_else(PoisonError::into_inner);
        let now = current.as_ref().map(|replica| (&replica.revision_id, replica.address));
        if now == to.map(|it| (&it.revision_id, it.address)) {
            return;
        }
        *current = to.map(|it| self.replica(it));
    }

    fn replica(&self, answering: &Answering) -> Arc<Replica> {
        let fresh = Arc::new(Replica {
            revision_id: answering.revision_id.clone(),
            address: answering.address,
            model: answering.model.clone(),
            signature: tokio::sync::OnceCell::new(),
            in_flight: AtomicU64::default(),
        });
        let mut replicas = self.shared.replicas.write().unwrap_or_else(PoisonError::into_inner);
        replicas.insert(answering.revision_id.clone(), fresh.clone());
        fresh
    }
}

impl Endpoint {
    fn new(deployment_id: &str, kept: Kept) -> Self {
        Self { deployment_id: deployment_id.to_owned(), meter: Meter::restored(kept), current: RwLock::default() }
    }

    /// A hold on the replica that answers now, if there is one.
    pub(super) fn lease(&self) -> Option<Lease> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let replica = current.clone()?;
        // under the lock: whoever switches afterwards sees this request
        replica.in_flight.fetch_add(1, Ordering::SeqCst);
        Some(Lease { replica })
    }

    /// Whether a replica answers now.
    pub fn is_ready(&self) -> bool {
        self.current.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Lease {
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
