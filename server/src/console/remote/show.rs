//! Jobs on a terminal.

use drydock_wire::{
    jobs::{Attempt, JobDetail, JobSummary},
    units,
};

use super::table;
use crate::{
    clock,
    error::{Error, Result},
};

/// "queued: waits for 2 GPUs", "failed: exit code 3".
pub fn state(job: &JobSummary) -> String {
    match &job.reason {
        Some(reason) => format!("{}: {reason}", job.state.as_str()),
        None => job.state.as_str().to_owned(),
    }
}

pub fn list(jobs: &[JobSummary]) -> String {
    let row = |job: &JobSummary| {
        vec![
            job.id.clone(),
            job.name.clone(),
            job.state.as_str().to_owned(),
            job.submitted_by.clone(),
            ago(job.submitted_at),
            ran(job.started_at, job.ended_at),
            job.reason.clone().unwrap_or_default(),
        ]
    };
    table(&["ID", "NAME", "STATE", "BY", "SUBMITTED", "RAN", "WHY"], &jobs.iter().map(row).collect::<Vec<_>>())
}

/// State, attempts, and the spec as a file for `job run --file`.
pub fn detail(job: &JobDetail) -> Result<String> {
    let summary = &job.summary;
    let mut text = format!("{}  {}\n{}\n", summary.id, summary.name, state(summary));
    text += &format!("submitted by {} {}", summary.submitted_by, ago(summary.submitted_at));
    if !summary.queue.is_empty() {
        text += &format!(", queue {}, priority {}", summary.queue, summary.priority);
    }
    if let Some(parent) = &job.parent_id {
        text += &format!("\nruns {parent} again");
    }
    for run in &job.run_ids {
        text += &format!("\nrun {run}");
    }
    let attempts: Vec<Vec<String>> = job.attempts.iter().map(attempt).collect();
    if !attempts.is_empty() {
        text += &format!("\n\n{}", table(&["ATTEMPT", "STATE", "RAN", "EXIT", "PEAK MEMORY", "WHY"], &attempts));
    }
    let spec = units::to_people(serde_json::to_value(&job.spec).map_err(Error::internal)?);
    Ok(format!("{text}\n\n{}", serde_yaml_ng::to_string(&spec).map_err(Error::internal)?.trim_end()))
}

fn attempt(attempt: &Attempt) -> Vec<String> {
    let peak = attempt.peak_memory_bytes.map(|bytes| format!("{} MiB", bytes >> 20));
    vec![
        attempt.number.to_string(),
        attempt.state.as_str().to_owned(),
        ran(attempt.started_at, attempt.ended_at),
        attempt.exit_code.map(|code| code.to_string()).unwrap_or_default(),
        peak.unwrap_or_default(),
        attempt.reason.clone().unwrap_or_default(),
    ]
}

pub fn ago(at: i64) -> String {
    format!("{} ago", rough((clock::now_ms() - at).max(0)))
}

fn ran(from: Option<i64>, to: Option<i64>) -> String {
    from.map(|from| rough((to.unwrap_or_else(clock::now_ms) - from).max(0))).unwrap_or_default()
}

/// In the two largest units.
fn rough(ms: i64) -> String {
    let seconds = u64::try_from(ms / 1000).unwrap_or(0);
    let unit = match seconds {
        0..3_600 => 1,
        3_600..86_400 => 60,
        _ => 3_600,
    };
    units::seconds(seconds / unit * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_two_units() {
        for (seconds, words) in [(0, "0s"), (61, "1m1s"), (3_725, "1h2m"), (90_061, "1d1h")] {
            assert_eq!(rough(seconds * 1000), words);
        }
    }
}
