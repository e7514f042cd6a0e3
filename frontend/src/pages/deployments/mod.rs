//! Deployments: the list, one with its revisions, traffic, releases, settings, what was captured of it, and a box to try it in.

mod analysis;
mod captured;
mod deploy;
mod detail;
mod drift;
mod experiment;
mod flow;
mod form;
mod list;
mod playground;
mod quality;
mod release;
mod replicas;
mod revisions;
mod settings;
mod tokens;
mod traffic;

pub use deploy::{DeployDialog, Wish};
pub use detail::DeploymentPage;
pub use list::DeploymentsPage;

use drydock_wire::serving::{DeploymentDetail, Protocol, Revision};

/// The revision that was asked for last: one that is on its way, else the live one, else the newest.
fn goal(deployment: &DeploymentDetail) -> Option<&Revision> {
    let all = &deployment.revisions;
    let coming = all.iter().find(|r| matches!(r.state.as_str(), "starting" | "candidate" | "live"));
    coming.or_else(|| all.first())
}

/// What the revision that answers now speaks.
fn protocol(deployment: &DeploymentDetail) -> Protocol {
    let live = deployment.revisions.iter().find(|r| r.state == "live").or_else(|| goal(deployment));
    live.map_or(Protocol::Mlflow, |r| r.served_by.runtime.protocol())
}
