//! Whose memory it is: a container's that asked for it, one's that takes more than it asked for, or a program's outside Drydock.

use std::collections::BTreeSet;

use super::{Holder, Look, Memory, Program, Step};
use crate::devices::store::GpuRow;

/// Readings in a row above its share until a container counts as over it: one may catch it while it trades one buffer for another.
const OVER: u32 = 2;
/// What programs outside hold is written down when it changed by this much; a desktop's windows come and go.
const STEP_BYTES: u64 = 64 << 20;

pub fn steps(memory: &mut Memory, look: &Look<'_>) -> Vec<Step> {
    let mut steps = over(memory, look);
    steps.extend(named(memory, look));
    steps.extend(look.rows.iter().filter(|row| !row.is_divided).filter_map(|row| foreign(look, row)));
    steps
}

/// What a holder's programs have of its GPU.
pub fn used(holder: &Holder, programs: &[Program]) -> u64 {
    let Some(container) = &holder.container else { return 0 };
    let its = |program: &&Program| program.gpu == holder.gpu && program.container.as_ref() == Some(container);
    programs.iter().filter(its).map(|program| program.memory_bytes).fold(0, u64::saturating_add)
}

/// Whether a program runs in the container of somebody who has a lease on that GPU.
pub fn is_held<'a>(program: &Program, mut holders: impl Iterator<Item = &'a Holder>) -> bool {
    holders
        .any(|holder| holder.gpu == program.gpu && holder.container.is_some() && holder.container == program.container)
}

fn over(memory: &mut Memory, look: &Look<'_>) -> Vec<Step> {
    let mut steps = vec![];
    let mut above = BTreeSet::new();
    for holder in look.holders.iter().filter(|holder| holder.is_live) {
        let Some(asked) = holder.memory_bytes else { continue };
        let used = used(holder, look.programs);
        if used <= asked {
            continue;
        }
        let key = (holder.workload.clone(), holder.generation, holder.gpu.clone());
        above.insert(key.clone());
        let count = memory.over.entry(key).or_default();
        *count = count.saturating_add(1);
        if *count == OVER {
            let called = look.rows.iter().find(|row| row.uuid == holder.gpu).map_or_else(String::new, GpuRow::called);
            steps.push(Step::Over {
                gpu: holder.gpu.clone(),
                workload: holder.workload.clone(),
                generation: holder.generation,
                words: format!("It used {} of {called}, {} were asked for.", gib(used), gib(asked)),
            });
        }
    }
    memory.over.retain(|key, _| above.contains(key));
    steps
}

/// Programs outside Drydock, each once. Those of a container whose lease just ended are on their way out.
fn named(memory: &mut Memory, look: &Look<'_>) -> Vec<Step> {
    let strangers: Vec<&Program> =
        look.programs.iter().filter(|program| !is_held(program, look.holders.iter())).collect();
    let there: BTreeSet<(String, u32)> = strangers.iter().map(|it| (it.gpu.clone(), it.pid)).collect();
    memory.named.retain(|known| there.contains(known));
    let mut steps = vec![];
    for program in strangers {
        if program.memory_bytes >= STEP_BYTES && memory.named.insert((program.gpu.clone(), program.pid)) {
            let name = if program.name.is_empty() { "A program" } else { &program.name };
            let of = program.container.as_ref().map_or_else(String::new, |id| format!(" in the container {id:.12}"));
            let words = format!(
                "{name} (process {}){of} was not started by Drydock and holds {}.",
                program.pid,
                gib(program.memory_bytes)
            );
            steps.push(Step::Tell { gpu: program.gpu.clone(), kind: "foreign", code: None, words });
        }
    }
    steps
}

fn foreign(look: &Look<'_>, row: &GpuRow) -> Option<Step> {
    let live = || look.holders.iter().filter(|holder| holder.is_live);
    let strangers = look.programs.iter().filter(|it| it.gpu == row.uuid && !is_held(it, live()));
    let bytes = strangers.map(|program| program.memory_bytes).fold(0, u64::saturating_add).min(row.memory_bytes);
    let is_news = bytes.abs_diff(row.foreign_bytes) >= STEP_BYTES || (bytes == 0) != (row.foreign_bytes == 0);
    is_news.then(|| Step::Foreign { gpu: row.uuid.clone(), bytes })
}

/// `14.0 GiB`.
pub fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
