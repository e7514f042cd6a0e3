//! Why a job waits, for the one who waits.

use super::rows::*;

impl Wait {
    /// For the one who waits. `named` gives the head's name.
    pub fn words(&self, rows: &Rows, job: &Waiting, named: impl Fn(u128) -> String) -> String {
        let soon = |by: &i64| format!("at the latest in {}", span(by - rows.now));
        let latest =
            |by: &Option<i64>| by.as_ref().map(|by| format!("; next in line, {}", soon(by))).unwrap_or_default();
        let wanted = job.ask.amounts(rows.capacity.gpus.iter().map(|gpu| gpu.memory).max().unwrap_or(0));
        let whose = |scope: &Scope| match scope {
            Scope::Queue => format!("the queue {}", rows.queues[job.queue].name),
            Scope::Person => format!("each person in the queue {}", rows.queues[job.queue].name),
            Scope::Group => "the sweep".to_owned(),
        };
        match self {
            Wait::Starts => String::new(),
            Wait::Paused => format!("the queue {} is paused", rows.queues[job.queue].name),
            Wait::Retry { until } => format!("tries again in {}", span(until - rows.now)),
            Wait::Box { resource, free, of, by } => {
                let want = amount(*resource, wanted[*resource]);
                let (free, of) = (amount(*resource, *free), amount(*resource, *of));
                format!("waiting for {want}: {free} of {of} free{}", latest(by))
            }
            Wait::Share { freest, by } => {
                let GpuAsk::Share(bytes) = job.ask.gpu else { return String::new() };
                format!("waiting for {} of a GPU: the freest has {}{}", gib(bytes), gib(*freest), latest(by))
            }
            Wait::Cap { scope, resource, used, cap } => {
                let (used, cap) = (amount(*resource, *used), amount(*resource, *cap));
                format!("waiting: {} may use {cap} at once, {used} in use", whose(scope))
            }
            Wait::Behind { scope } => {
                format!("waiting behind an older job that what {} may use holds back", whose(scope))
            }
            Wait::Reserved { head, by } => format!("would delay {}, which has its turn {}", named(*head), soon(by)),
            Wait::Preempting { by } => format!("others are being stopped for it: starts {}", soon(by)),
            Wait::Never { resource: GPU, most } if matches!(job.ask.gpu, GpuAsk::Share(_)) => {
                format!("cannot run as things are: no usable GPU has more than {}", gib(*most))
            }
            Wait::Never { resource, most } => {
                let want = amount(*resource, wanted[*resource]);
                format!("cannot run as things are: it wants {want}, there may be {}", amount(*resource, *most))
            }
        }
    }
}

fn amount(resource: usize, amount: u64) -> String {
    let thousandths = |one: &str, many: &str| {
        let number = amount as f64 / 1000.0;
        format!("{number} {}", if amount == 1000 { one } else { many })
    };
    match resource {
        CPU => thousandths("CPU", "CPUs"),
        MEMORY => format!("{} of memory", gib(amount)),
        DISK => format!("{} of disk", gib(amount)),
        GPU => thousandths("GPU", "GPUs"),
        _ => format!("{amount} {}", if amount == 1 { "job" } else { "jobs" }),
    }
}

fn gib(bytes: u64) -> String {
    let gib = bytes as f64 / f64::from(1 << 30);
    if bytes < 1 << 30 { format!("{} MiB", bytes >> 20) } else { format!("{} GiB", (gib * 10.0).round() / 10.0) }
}

fn span(ms: i64) -> String {
    match ms.max(0).div_euclid(1000) {
        s if s < 60 => format!("{s} s"),
        s if s < 3600 => format!("{} min", s / 60),
        s if s < 48 * 3600 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        s => format!("{} days", s / 86_400),
    }
}
