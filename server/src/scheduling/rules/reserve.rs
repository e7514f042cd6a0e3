//! The head: the room that is kept for it, who is stopped for it, and what is missing until then.

use std::cmp::Reverse;

use super::{
    decide::{Maker, billionths},
    room::{Free, place},
    rows::*,
};

pub(super) struct Reservation {
    pub(super) head: u128,
    pub(super) by: i64,
    /// What is free at `by`, once the head has taken its part.
    pub(super) later: Free,
}

impl Maker<'_> {
    /// Makes this job the head: stops others for it where that may be, and keeps the room of the instant at which it fits.
    pub(super) fn reserve(&mut self, at: usize) -> Wait {
        let (rows, job) = (self.rows, &self.rows.waiting[at]);
        let chosen = self.choose_victims(job);
        let mut ends: Vec<(i64, &Ask, Vec<usize>)> = vec![];
        for (index, one) in rows.running.iter().enumerate() {
            let stops = one.stopping || chosen.contains(&index);
            let by = if stops { one.ends_by.min(rows.now + rows.grace_ms) } else { one.ends_by };
            ends.push((by.max(rows.now + 1), &one.ask, one.gpus.clone()));
        }
        for start in &self.made.start {
            let one = &rows.waiting[start.job];
            ends.push((rows.now + one.limit_ms, &one.ask, start.gpus.clone()));
        }
        ends.sort_by_key(|end| end.0);
        let mut later = self.now.clone();
        for (number, (by, ask, gpus)) in ends.iter().enumerate() {
            later.give_back(ask, gpus, &rows.capacity);
            if ends.get(number + 1).is_some_and(|next| next.0 == *by) {
                continue;
            }
            if let Some(gpus) = place(&job.ask, &rows.capacity, &later, None) {
                later.take(&job.ask, &gpus);
                self.reservation = Some(Reservation { head: job.id, by: *by, later });
                // under the caps, too, its part is kept
                self.count(job.queue, job.person, job.group, &job.ask);
                self.made.head = Some((at, *by));
                let stops = !chosen.is_empty();
                self.made.preempt = chosen;
                return if stops { Wait::Preempting { by: *by } } else { self.shortage(&job.ask, Some(*by)) };
            }
        }
        self.never(&job.ask)
    }

    /// The fewest resumable jobs, least important and youngest first, without which it would fit; none when waiting for those that
    /// stop already is enough.
    fn choose_victims(&self, head: &Waiting) -> Vec<usize> {
        let rows = self.rows;
        if !rows.queues[head.queue].preempts {
            return vec![];
        }
        let mut free = self.now.clone();
        for one in rows.running.iter().filter(|one| one.stopping) {
            free.give_back(&one.ask, &one.gpus, &rows.capacity);
        }
        let fits = |free: &Free| place(&head.ask, &rows.capacity, free, None).is_some();
        if fits(&free) {
            return vec![];
        }
        let wanted = self.shares_with(head);
        let is_victim = |one: &Running| {
            let lower = one.queue == head.queue && one.priority < head.priority;
            let above = one.queue != head.queue && self.queue_share(one.queue) > wanted;
            one.resumable && !one.stopping && rows.now - one.started_at >= rows.least_run_ms && (lower || above)
        };
        let mut all: Vec<usize> = (0..rows.running.len()).filter(|at| is_victim(&rows.running[*at])).collect();
        all.sort_by_key(|at| (rows.running[*at].priority, Reverse(rows.running[*at].started_at), rows.running[*at].id));
        let mut chosen = vec![];
        for at in all {
            if fits(&free) {
                break;
            }
            free.give_back(&rows.running[at].ask, &rows.running[at].gpus, &rows.capacity);
            chosen.push(at);
        }
        if !fits(&free) {
            return vec![];
        }
        // who was chosen early may not be needed after those chosen later
        for at in chosen.clone() {
            let one = &rows.running[at];
            let mut without = free.clone();
            without.take(&one.ask, &one.gpus);
            if fits(&without) {
                free = without;
                chosen.retain(|other| *other != at);
            }
        }
        chosen
    }

    /// The share that the head's queue would have with it.
    fn shares_with(&self, head: &Waiting) -> u64 {
        let mut used = self.queues[head.queue].clone();
        used.add(&head.ask.amounts(self.largest_gpu));
        let settings = &self.rows.queues[head.queue];
        billionths((self.share(&used.used) + settings.past) / settings.weight.max(1) as f64)
    }

    pub(super) fn shortage(&self, ask: &Ask, by: Option<i64>) -> Wait {
        for (resource, wanted) in ask.plain().iter().copied().enumerate() {
            if wanted > self.now.plain[resource] {
                return Wait::Box { resource, free: self.now.plain[resource], of: self.total[resource], by };
            }
        }
        let capacity = &self.rows.capacity;
        if let GpuAsk::Share(_) = ask.gpu {
            let open = |at: &usize| capacity.gpus[*at].usable && capacity.gpus[*at].sharable;
            let freest = (0..capacity.gpus.len()).filter(open).map(|at| self.now.gpus[at].memory).max().unwrap_or(0);
            return Wait::Share { freest, by };
        }
        let free = (0..capacity.gpus.len()).filter(|at| self.now.may_have(*at, ask, &capacity.gpus[*at])).count();
        Wait::Box { resource: GPU, free: free as u64 * 1000, of: self.total[GPU], by }
    }

    fn never(&self, ask: &Ask) -> Wait {
        let over = ask.plain().iter().copied().enumerate().find(|(resource, wanted)| *wanted > self.total[*resource]);
        let usable = || self.rows.capacity.gpus.iter().filter(|gpu| gpu.usable);
        match (over, ask.gpu) {
            (Some((resource, _)), _) => Wait::Never { resource, most: self.total[resource] },
            (None, GpuAsk::Share(_)) => {
                let most = usable().filter(|gpu| gpu.sharable).map(|gpu| gpu.memory).max().unwrap_or(0);
                Wait::Never { resource: GPU, most }
            }
            (None, _) => Wait::Never { resource: GPU, most: usable().count() as u64 * 1000 },
        }
    }
}
