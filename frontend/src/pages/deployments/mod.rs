//! Deployments: the list, one with its revisions, traffic, log and a box to try it in.

mod deploy;
mod detail;
mod list;
mod predict;
mod release;
mod traffic;

pub use deploy::{DeployDialog, Wish};
pub use detail::DeploymentPage;
pub use list::DeploymentsPage;
