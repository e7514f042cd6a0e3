//! Sweeps: one job over many values of its parameters, and what came out, compared.

mod chart;
mod detail;
mod list;

pub use detail::SweepPage;
pub use list::SweepsPage;

use crate::ui::{Status, Tone};
use drydock_wire::sweeps::SweepSummary;

/// How many of its jobs are in these states.
fn count(sweep: &SweepSummary, states: &[&str]) -> u64 {
    states.iter().filter_map(|s| sweep.jobs.get(*s)).sum()
}

fn total(sweep: &SweepSummary) -> u64 {
    sweep.jobs.values().sum()
}

const RUNNING: [&str; 3] = ["starting", "running", "cancelling"];
const FAILED: [&str; 2] = ["failed", "lost"];

/// How a sweep stands, from its jobs.
fn status(sweep: &SweepSummary) -> Status {
    let (waiting, running, failed) = (count(sweep, &["queued"]), count(sweep, &RUNNING), count(sweep, &FAILED));
    match (sweep.cancelled_at.is_some(), waiting, running, failed) {
        (true, 0, 0, _) => Status::new(Tone::Neutral, "Cancelled"),
        (true, ..) => Status::live(Tone::Warn, "Cancelling"),
        (_, _, 1.., _) => Status::live(Tone::Info, "Running"),
        (_, 1.., ..) => Status::new(Tone::Warn, "Waiting"),
        (_, _, _, 0) => Status::new(Tone::Good, "Finished"),
        (_, _, _, n) if n == total(sweep) => Status::new(Tone::Bad, "Failed"),
        _ => Status::new(Tone::Warn, "Finished, some failed"),
    }
}

/// "12 of 20 ended, 2 failed".
fn progress(sweep: &SweepSummary) -> String {
    let ended = total(sweep) - count(sweep, &["queued"]) - count(sweep, &RUNNING);
    let failed = match count(sweep, &FAILED) {
        0 => String::new(),
        n => format!(", {n} failed"),
    };
    format!("{ended} of {} ended{failed}", total(sweep))
}
