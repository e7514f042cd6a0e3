//! What should run (desired rows) and what does (observed rows), and the one reconciler that makes the second follow the
//! first.
//!
//! Always holds: nothing else starts, stops or removes a container. A feature writes a desired row in its own transaction
//! and calls `wake`. Generations never go backwards. A job's container is started only after its id is on disk, and never
//! a second time under one generation; its end is recorded before it is removed. Containers of other installations are
//! never touched. Never here: why something should run; that is the owner's (`jobs`, `serving`).

pub mod failpoint;
pub mod logs;
mod pulls;
mod rules;
mod spec;
mod store;
mod tasks;

use crate::{app::App, error::Result};

pub use pulls::{Fetch, OwnImages};
pub use rules::ending;
pub use spec::{Desired, DesiredWorkload, Kind, NewWorkload, Observed, Phase, SpecMount, Workload, WorkloadSpec};
pub use store::{
    Stop, demand, find, forget, list, mounted, observed, put_desired, running, set_desired, stop_because, why_stopped,
};

/// Name of the reconciler on the status page, and of its waker.
pub const RECONCILER: &str = "reconciler";

/// Makes the next pass start now. Call it after the transaction that changed a desired row.
pub fn wake(app: &App) {
    app.background.waker(RECONCILER).wake();
}

/// Background parts of the owners, by name: woken whenever an observed row changed. Named here rather than imported,
/// since owners are floors above.
const OWNERS: [&str; 3] = ["job-keeper", "deployer", logs::FOLLOWER];

/// Starts the reconciler and the watcher of Docker's events.
pub async fn start(app: &App, own_images: OwnImages) -> Result<()> {
    failpoint::warn_at_boot();
    let owners = OWNERS.map(|name| app.background.waker(name)).into();
    let touched = tasks::Touched::default();
    app.background.spawn(tasks::Reconciler::new(app.clone(), owners, own_images, touched.clone()));
    app.background.spawn(tasks::DockerWatcher::new(app.clone(), touched));
    logs::start(app);
    Ok(())
}
