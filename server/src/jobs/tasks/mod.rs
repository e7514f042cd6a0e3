//! Background parts of jobs: `keeper` moves admitted jobs along, `scheduler` starts the next ones, `start` and `end` are the two
//! transactions at either side of an attempt.

mod end;
mod keeper;
mod scheduler;
mod start;

use drydock_wire::events::Topic;

use super::{
    KEEPER, container, files, outputs, rules, runs,
    store::{self, Admitted, AttemptRecord, Job},
};
use crate::{app::App, workloads::Observed};

pub use keeper::JobKeeper;
pub use scheduler::Scheduler;
#[cfg(test)]
pub use {
    end::{end_on, finish},
    start::start,
};

/// Tells dashboards that look that the job changed.
fn publish(app: &App, id: &str) {
    app.events.publish(Topic::Jobs, Some(id));
    app.events.publish(Topic::Overview, None);
}

/// Of the kernel that runs now: another one than an attempt's means that the box was restarted meanwhile.
fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}
