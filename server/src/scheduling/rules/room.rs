//! What is free of the box at one instant, and where an ask fits.

use super::rows::{Ask, Capacity, Gpu, GpuAsk};

#[derive(Clone)]
pub(super) struct Free {
    pub(super) plain: [u64; 3],
    pub(super) gpus: Vec<GpuFree>,
}

#[derive(Clone)]
pub(super) struct GpuFree {
    pub(super) memory: u64,
    pub(super) holders: u32,
}

impl Free {
    pub(super) fn of(capacity: &Capacity) -> Free {
        let gpus = capacity.gpus.iter().map(|gpu| GpuFree { memory: gpu.memory, holders: 0 }).collect();
        Free { plain: [capacity.cpus_milli, capacity.memory, capacity.disk], gpus }
    }

    pub(super) fn take(&mut self, ask: &Ask, gpus: &[usize]) {
        for (free, wanted) in self.plain.iter_mut().zip(ask.plain()) {
            *free = free.saturating_sub(wanted);
        }
        for at in gpus {
            let gpu = &mut self.gpus[*at];
            gpu.holders += 1;
            gpu.memory = gpu.memory.saturating_sub(share_of(ask, gpu.memory));
        }
    }

    pub(super) fn give_back(&mut self, ask: &Ask, gpus: &[usize], capacity: &Capacity) {
        for (free, given) in self.plain.iter_mut().zip(ask.plain()) {
            *free += given;
        }
        for at in gpus {
            let (gpu, total) = (&mut self.gpus[*at], capacity.gpus[*at].memory);
            gpu.holders = gpu.holders.saturating_sub(1);
            gpu.memory = (gpu.memory + share_of(ask, total)).min(total);
        }
    }

    pub(super) fn may_have(&self, at: usize, ask: &Ask, gpu: &Gpu) -> bool {
        let free = &self.gpus[at];
        gpu.usable
            && match ask.gpu {
                GpuAsk::None => false,
                GpuAsk::Whole(_) => free.holders == 0,
                GpuAsk::Share(bytes) => gpu.sharable && free.memory >= bytes.max(1),
            }
    }
}

/// A whole GPU leaves nothing of its memory.
fn share_of(ask: &Ask, whole: u64) -> u64 {
    match ask.gpu {
        GpuAsk::Share(bytes) => bytes,
        _ => whole,
    }
}

/// The GPUs to give, if all of the ask fits now, and later too where that is asked. Shares go where least is left, so that whole
/// GPUs stay whole.
pub(super) fn place(ask: &Ask, capacity: &Capacity, now: &Free, later: Option<&Free>) -> Option<Vec<usize>> {
    let fits = |free: &Free| free.plain.iter().zip(ask.plain()).all(|(free, wanted)| wanted <= *free);
    if !fits(now) || !later.is_none_or(fits) {
        return None;
    }
    let wanted = match ask.gpu {
        GpuAsk::None => return Some(vec![]),
        GpuAsk::Whole(count) => count as usize,
        GpuAsk::Share(_) => 1,
    };
    let good = |at: &usize| {
        let gpu = &capacity.gpus[*at];
        now.may_have(*at, ask, gpu) && later.is_none_or(|later| later.may_have(*at, ask, gpu))
    };
    let mut found: Vec<usize> = (0..capacity.gpus.len()).filter(good).collect();
    found.sort_by_key(|at| (now.gpus[*at].memory, *at));
    found.truncate(wanted);
    (found.len() == wanted).then_some(found)
}
