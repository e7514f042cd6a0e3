//! How a quarantine ends by itself: half a minute of readings with no container's program left, nor a container that may still use it. Of a
//! hardware fault this counts only after the box was restarted.

use std::time::Duration;

use super::{Look, Memory, SILENT, Step};
use crate::devices::store::{Frees, GpuRow, State};

/// How long a GPU has to be quiet.
pub const QUIET: Duration = Duration::from_secs(30);

pub fn steps(memory: &mut Memory, look: &Look<'_>, row: &GpuRow) -> Option<Step> {
    if row.state != State::Quarantined || !may_end(look, row) {
        return None;
    }
    if !is_quiet(look, row) {
        memory.quiet_since.remove(&row.uuid);
        return row.frees_itself_at.map(|_| Step::FreesItselfAt { gpu: row.uuid.clone(), at: None });
    }
    let since = *memory.quiet_since.entry(row.uuid.clone()).or_insert(look.now);
    let left = QUIET.saturating_sub(look.now.saturating_duration_since(since));
    if left.is_zero() {
        memory.quiet_since.remove(&row.uuid);
        let words = format!("{} has been quiet for {} s: usable again.", row.called(), QUIET.as_secs());
        return Some(Step::Free { gpu: row.uuid.clone(), words });
    }
    let at = look.now_ms + i64::try_from(left.as_millis()).unwrap_or(0);
    // told once, and again when it began anew
    let is_told = row.frees_itself_at.is_some_and(|told| (told - at).abs() < 5000);
    (!is_told).then(|| Step::FreesItselfAt { gpu: row.uuid.clone(), at: Some(at) })
}

fn may_end(look: &Look<'_>, row: &GpuRow) -> bool {
    match row.frees {
        Some(Frees::Quiet) => true,
        Some(Frees::Boot) => row.boot_id.as_deref().is_some_and(|then| then != look.boot_id),
        Some(Frees::Hand) | None => false,
    }
}

fn is_quiet(look: &Look<'_>, row: &GpuRow) -> bool {
    let answers = look.silent < SILENT && look.readings.iter().any(|reading| reading.uuid == row.uuid);
    let is_in_use = look.programs.iter().any(|program| program.gpu == row.uuid && program.container.is_some());
    // who was stopped may take its time
    let is_held = look.holders.iter().any(|holder| holder.gpu == row.uuid && !holder.is_over);
    answers && !is_in_use && !is_held
}
