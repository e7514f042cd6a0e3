//! Pure decisions of the watcher: what readings, faults and rows mean for the GPUs.
//!
//! [`watch`] looks at one [`Look`] and answers the steps to take. What it has to remember from look to look is [`Memory`]; a caller
//! whose write failed keeps the memory of before, so that the same steps come again.

mod fault;
mod quiet;
mod share;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use drydock_appliance::devices::{GpuFault, GpuReading};

pub use share::{is_held, used};

use super::store::{Facts, Frees, GpuRow, State};

/// A driver that owes an answer for so long hangs. Together with the period of readings and of the watcher it is below 10 s.
pub const SILENT: Duration = Duration::from_secs(6);
/// The first answer may take longer: a driver that nobody keeps loaded starts up GPU after GPU.
pub const SILENT_AT_START: Duration = Duration::from_secs(60);
/// Readings without a GPU until it counts as gone.
const ABSENT: u32 = 3;

/// All that a look depends on.
#[derive(Clone)]
pub struct Look<'a> {
    /// For what is shown.
    pub now_ms: i64,
    /// For what lasts.
    pub now: Instant,
    pub boot_id: &'a str,
    pub rows: &'a [GpuRow],
    pub readings: &'a [GpuReading],
    /// Number of the reading; 0 before the first.
    pub pass: u64,
    /// How long the driver has owed an answer.
    pub silent: Duration,
    pub faults: &'a [GpuFault],
    pub programs: &'a [Program],
    pub holders: &'a [Holder],
}

/// A program on a GPU, with the container that it runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub gpu: String,
    pub pid: u32,
    pub name: String,
    pub memory_bytes: u64,
    pub container: Option<String>,
}

/// Who has, or had a moment ago, a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub workload: String,
    pub generation: i64,
    pub gpu: String,
    /// Absent: the whole GPU.
    pub memory_bytes: Option<u64>,
    pub is_live: bool,
    /// Its workload is at a later generation, or nothing of it is left.
    pub is_over: bool,
    pub container: Option<String>,
}

/// What stays from look to look.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    pass: u64,
    /// Readings in a row without this GPU.
    absent: BTreeMap<String, u32>,
    /// Since when nothing speaks against freeing it.
    quiet_since: BTreeMap<String, Instant>,
    /// Readings in a row in which a lease was exceeded.
    over: BTreeMap<(String, i64, String), u32>,
    /// Programs outside Drydock that were named.
    named: BTreeSet<(String, u32)>,
}

/// Something to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A new GPU, or new facts about one.
    Put(Facts),
    /// Nothing new is given to it, and who has it is stopped.
    Quarantine {
        gpu: String,
        kind: &'static str,
        code: Option<i64>,
        words: String,
        frees: Frees,
    },
    /// Only told.
    Tell {
        gpu: String,
        kind: &'static str,
        code: Option<i64>,
        words: String,
    },
    Missing {
        gpu: String,
    },
    Back {
        gpu: String,
    },
    Free {
        gpu: String,
        words: String,
    },
    /// When it frees itself, as far as one can tell now.
    FreesItselfAt {
        gpu: String,
        at: Option<i64>,
    },
    /// Memory that programs outside Drydock hold.
    Foreign {
        gpu: String,
        bytes: u64,
    },
    /// A lease that outlived what it was for.
    End {
        workload: String,
        generation: i64,
    },
    /// It uses more than it asked for.
    Over {
        gpu: String,
        workload: String,
        generation: i64,
        words: String,
    },
}

/// The steps to take now, in the order to take them.
pub fn watch(memory: &mut Memory, look: &Look<'_>) -> Vec<Step> {
    let is_new = look.pass > memory.pass;
    memory.pass = look.pass;
    let mut steps: Vec<Step> = Vec::new();
    // what was read last is no news while the driver is silent
    if is_new {
        steps.extend(look.readings.iter().filter_map(|reading| put(look, reading)));
        steps.extend(look.rows.iter().filter_map(|row| presence(memory, look, row)));
    }
    steps.extend(
        look.holders
            .iter()
            .filter(|holder| holder.is_live && holder.is_over)
            .map(|holder| Step::End { workload: holder.workload.clone(), generation: holder.generation }),
    );
    let before = steps.len();
    steps.extend(fault::steps(look));
    steps.extend(fault::silence(look));
    // a fault while it is quiet begins the quiet time anew
    for step in &steps[before..] {
        if let Step::Quarantine { gpu, .. } | Step::Tell { gpu, .. } = step {
            memory.quiet_since.remove(gpu);
        }
    }
    let hit: BTreeSet<String> = steps.iter().filter_map(quarantined).collect();
    steps.extend(
        look.rows.iter().filter(|row| !hit.contains(&row.uuid)).flat_map(|row| quiet::steps(memory, look, row)),
    );
    if is_new {
        steps.extend(share::steps(memory, look));
    }
    steps
}

fn quarantined(step: &Step) -> Option<String> {
    match step {
        Step::Quarantine { gpu, .. } => Some(gpu.clone()),
        _ => None,
    }
}

fn put(look: &Look<'_>, reading: &GpuReading) -> Option<Step> {
    let facts = Facts {
        uuid: reading.uuid.clone(),
        parent_uuid: reading.parent_uuid.clone(),
        name: reading.name.clone(),
        number: reading.index,
        memory_bytes: reading.memory_total_bytes,
        is_divided: reading.is_divided,
    };
    let known = look.rows.iter().find(|row| row.uuid == facts.uuid);
    (known.map(facts_of).as_ref() != Some(&facts)).then_some(Step::Put(facts))
}

fn facts_of(row: &GpuRow) -> Facts {
    Facts {
        uuid: row.uuid.clone(),
        parent_uuid: row.parent_uuid.clone(),
        name: row.name.clone(),
        number: row.number,
        memory_bytes: row.memory_bytes,
        is_divided: row.is_divided,
    }
}

/// Comes back, or is gone: quietly when nobody had it, as a fault otherwise.
fn presence(memory: &mut Memory, look: &Look<'_>, row: &GpuRow) -> Option<Step> {
    if look.readings.iter().any(|reading| reading.uuid == row.uuid) {
        memory.absent.remove(&row.uuid);
        return (row.state == State::Missing).then(|| Step::Back { gpu: row.uuid.clone() });
    }
    let absent = memory.absent.entry(row.uuid.clone()).or_default();
    *absent = absent.saturating_add(1);
    if *absent < ABSENT || row.state != State::Usable {
        return None;
    }
    let is_held = look.holders.iter().any(|holder| holder.is_live && holder.gpu == row.uuid);
    Some(if is_held { fault::gone(row) } else { Step::Missing { gpu: row.uuid.clone() } })
}
