//! Drift of live traffic: what a deployment was asked and answered in a window of time, held against its training data or the window before.
//!
//! Owns the windows and their reports. Always holds: a window is judged once; a finding, the pipelines that it starts and the webhooks
//! that it tells are one transaction. Windows are aligned to the clock, so a server that was down judges the next whole one. Never
//! here: the tests themselves (`drift`), or what was captured (`serving::capture`).

mod columns;
mod judging;
mod metrics;
mod reference;
mod routes;
mod store;
mod tasks;

pub use metrics::expose;
pub use routes::configure;

use crate::app::App;

/// Starts the watcher.
pub fn start(app: &App) {
    app.background.spawn(tasks::DriftWatcher::new(app.clone()));
}
