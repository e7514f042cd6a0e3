//! The decision in the making: the order in which jobs are considered, and what holds each of them back.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use super::{
    reserve::Reservation,
    room::{Free, place},
    rows::*,
};

#[derive(Clone, Default)]
pub(super) struct Use {
    pub(super) used: Amounts,
    /// An older job waits for room here.
    closed: bool,
    /// Of a person: something of the line was left waiting.
    passed: bool,
    /// Of a person: something of the line starts now, in its turn.
    served: bool,
}

impl Use {
    pub(super) fn add(&mut self, amounts: &Amounts) {
        self.used.iter_mut().zip(amounts).for_each(|(used, more)| *used += more);
    }

    fn over(&self, wanted: &Amounts, caps: &Caps) -> Option<(usize, u64)> {
        let over = |at: &usize| caps[*at].is_some_and(|cap| wanted[*at] > 0 && self.used[*at] + wanted[*at] > cap);
        (0..caps.len()).find(over).map(|at| (at, caps[at].unwrap_or(0)))
    }
}

/// One decision in the making.
pub(super) struct Maker<'a> {
    pub(super) rows: &'a Rows,
    /// All of the box, for shares.
    pub(super) total: Amounts,
    pub(super) largest_gpu: u64,
    pub(super) now: Free,
    pub(super) queues: Vec<Use>,
    persons: HashMap<(usize, u32), Use>,
    groups: Vec<Use>,
    pub(super) reservation: Option<Reservation>,
    pub(super) made: Decision,
}

/// Who starts, who is stopped for whom, and why each of the others waits.
pub fn decide(rows: &Rows) -> Decision {
    let mut maker = Maker::new(rows);
    let mut lines = maker.lines();
    if let Some(at) = maker.former_head() {
        lines.values_mut().for_each(|line| line.retain(|job| *job != at));
        maker.consider(at, true);
    }
    for line in maker.overdue(&lines) {
        // what can never run has no turn to take
        while let Some(at) = lines.get_mut(&line).and_then(Vec::pop) {
            maker.consider(at, true);
            if !matches!(maker.made.waits[at], Wait::Never { .. }) {
                break;
            }
        }
    }
    maker.go_by_shares(lines);
    maker.finish()
}

/// The jobs of each person in each queue; the next one is the last.
type Lines = HashMap<(usize, u32), Vec<usize>>;

impl<'a> Maker<'a> {
    fn new(rows: &'a Rows) -> Self {
        let capacity = &rows.capacity;
        let largest_gpu = capacity.gpus.iter().map(|gpu| gpu.memory).max().unwrap_or(0);
        let gpus = capacity.gpus.len() as u64 * 1000;
        let mut maker = Maker {
            rows,
            total: [capacity.cpus_milli, capacity.memory, capacity.disk, gpus, 0],
            largest_gpu,
            now: Free::of(capacity),
            queues: vec![Use::default(); rows.queues.len()],
            persons: HashMap::new(),
            groups: vec![Use::default(); rows.groups.len()],
            reservation: None,
            made: Decision { waits: vec![Wait::Starts; rows.waiting.len()], ..Decision::default() },
        };
        for job in &rows.running {
            maker.now.take(&job.ask, &job.gpus);
            maker.count(job.queue, job.person, job.group, &job.ask);
        }
        maker
    }

    pub(super) fn count(&mut self, queue: usize, person: u32, group: Option<usize>, ask: &Ask) {
        let amounts = ask.amounts(self.largest_gpu);
        self.queues[queue].add(&amounts);
        self.persons.entry((queue, person)).or_default().add(&amounts);
        if let Some(group) = group {
            self.groups[group].add(&amounts);
        }
    }

    fn is_overdue(&self, job: &Waiting) -> bool {
        self.rows.now - job.since >= self.rows.queues[job.queue].patience_ms
    }

    /// What may start at all, in lines.
    fn lines(&mut self) -> Lines {
        let rows = self.rows;
        let mut lines = Lines::new();
        for (at, job) in rows.waiting.iter().enumerate() {
            if rows.queues[job.queue].paused {
                self.made.waits[at] = Wait::Paused;
            } else if job.not_before > rows.now {
                self.made.waits[at] = Wait::Retry { until: job.not_before };
            } else {
                lines.entry((job.queue, job.person)).or_default().push(at);
            }
        }
        for line in lines.values_mut() {
            line.sort_by_cached_key(|at| {
                let job = &rows.waiting[*at];
                let (overdue, priority) = if self.is_overdue(job) { (true, 0) } else { (false, job.priority) };
                (overdue, priority, Reverse(job.since), Reverse(job.id))
            });
        }
        lines
    }

    /// Unless it is more urgent meanwhile that another job of its queue has its turn.
    fn former_head(&self) -> Option<usize> {
        let rows = self.rows;
        let at = rows.waiting.iter().position(|job| Some(job.id) == rows.head)?;
        let head = &rows.waiting[at];
        let passes = |job: &Waiting| job.queue == head.queue && job.priority > head.priority;
        let stays = self.made.waits[at] == Wait::Starts && (self.is_overdue(head) || !rows.waiting.iter().any(passes));
        stays.then_some(at)
    }

    /// Lines of which nothing has started for long, the longest first.
    fn overdue(&self, lines: &Lines) -> Vec<(usize, u32)> {
        let rows = self.rows;
        let idle_since = |(line, jobs): (&(usize, u32), &Vec<usize>)| {
            let oldest = jobs.iter().map(|at| rows.waiting[*at].since).min()?;
            let since = rows.started.get(line).map_or(oldest, |started| oldest.max(*started));
            let is_served = self.persons.get(line).is_some_and(|line| line.served);
            (!is_served && rows.now - since >= rows.queues[line.0].patience_ms).then_some((since, *line))
        };
        let mut found: Vec<_> = lines.iter().filter_map(idle_since).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, line)| line).collect()
    }

    /// The queue with the smallest share is next; in it the highest priority, of equals the person with the smallest share.
    fn go_by_shares(&mut self, mut lines: Lines) {
        let mut persons: Vec<BinaryHeap<_>> = self.rows.queues.iter().map(|_| BinaryHeap::new()).collect();
        for ((queue, person), line) in &mut lines {
            persons[*queue].extend(line.pop().map(|at| self.turn(at, *person)));
        }
        let waits = |queue: &usize| !persons[*queue].is_empty();
        let shares = (0..persons.len()).filter(waits).map(|queue| Reverse((self.queue_share(queue), queue)));
        let mut queues: BinaryHeap<_> = shares.collect();
        while let Some(Reverse((_, queue))) = queues.pop() {
            let Some(Reverse((_, _, _, _, person, at))) = persons[queue].pop() else { continue };
            self.consider(at, false);
            if let Some(at) = lines.get_mut(&(queue, person)).and_then(Vec::pop) {
                persons[queue].push(self.turn(at, person));
            }
            if !persons[queue].is_empty() {
                queues.push(Reverse((self.queue_share(queue), queue)));
            }
        }
    }

    fn turn(&self, at: usize, person: u32) -> Reverse<(Reverse<i32>, u64, i64, u128, u32, usize)> {
        let job = &self.rows.waiting[at];
        let past = self.rows.queues[job.queue].persons_past.get(&person).copied().unwrap_or(0.0);
        let used = self.persons.get(&(job.queue, person)).map_or(0.0, |used| self.share(&used.used));
        Reverse((Reverse(job.priority), billionths(used + past), job.since, job.id, person, at))
    }

    /// Use of the box over the queue's weight.
    pub(super) fn queue_share(&self, queue: usize) -> u64 {
        let settings = &self.rows.queues[queue];
        billionths((self.share(&self.queues[queue].used) + settings.past) / settings.weight.max(1) as f64)
    }

    /// The largest part of any one resource.
    pub(super) fn share(&self, used: &Amounts) -> f64 {
        let part = |at: usize| if self.total[at] == 0 { 0.0 } else { used[at] as f64 / self.total[at] as f64 };
        (CPU..=GPU).map(part).fold(0.0, f64::max)
    }

    /// What may not start at all comes behind everything else.
    fn finish(mut self) -> Decision {
        let mut seen = vec![false; self.rows.waiting.len()];
        self.made.order.iter().for_each(|at| seen[*at] = true);
        let mut rest: Vec<usize> = (0..seen.len()).filter(|at| !seen[*at]).collect();
        rest.sort_by_key(|at| (self.rows.waiting[*at].since, self.rows.waiting[*at].id));
        self.made.order.extend(rest);
        self.made
    }

    /// `is_first`: before all shares; then a cap that holds it back is closed for those that follow.
    fn consider(&mut self, at: usize, is_first: bool) {
        let job = &self.rows.waiting[at];
        self.made.order.push(at);
        let wait = match self.held_by_cap(job, is_first) {
            Some(wait) => wait,
            None => self.find_room(at, job),
        };
        if !matches!(wait, Wait::Starts | Wait::Never { .. }) {
            self.persons.entry((job.queue, job.person)).or_default().passed = true;
        }
        self.made.waits[at] = wait;
    }

    fn find_room(&mut self, at: usize, job: &Waiting) -> Wait {
        let rows = self.rows;
        let later = self.reservation.as_ref().filter(|reserved| rows.now + job.limit_ms > reserved.by);
        if let Some(gpus) = place(&job.ask, &rows.capacity, &self.now, later.map(|reserved| &reserved.later)) {
            let stays = later.is_some();
            self.start(at, gpus, stays);
            return Wait::Starts;
        }
        let Some(reserved) = &self.reservation else { return self.reserve(at) };
        match place(&job.ask, &rows.capacity, &self.now, None) {
            Some(_) => Wait::Reserved { head: reserved.head, by: reserved.by },
            None => self.shortage(&job.ask, None),
        }
    }

    fn held_by_cap(&mut self, job: &Waiting, is_first: bool) -> Option<Wait> {
        let (rows, wanted) = (self.rows, job.ask.amounts(self.largest_gpu));
        let queue = &rows.queues[job.queue];
        let mut group_caps = NO_CAPS;
        group_caps[JOBS] = job.group.map(|group| rows.groups[group]);
        let person = self.persons.entry((job.queue, job.person)).or_default();
        let mut nobody = Use::default();
        let group = match job.group {
            Some(group) => &mut self.groups[group],
            None => &mut nobody,
        };
        let scopes = [
            (Scope::Queue, &mut self.queues[job.queue], queue.caps),
            (Scope::Person, person, queue.person_caps),
            (Scope::Group, group, group_caps),
        ];
        for (scope, used, caps) in scopes {
            if let Some((resource, cap)) = Use::default().over(&wanted, &caps) {
                return Some(Wait::Never { resource, most: cap });
            }
            if used.closed {
                return Some(Wait::Behind { scope });
            }
            if let Some((resource, cap)) = used.over(&wanted, &caps) {
                used.closed = is_first;
                return Some(Wait::Cap { scope, resource, used: used.used[resource], cap });
            }
        }
        None
    }

    fn start(&mut self, at: usize, gpus: Vec<usize>, stays: bool) {
        let job = &self.rows.waiting[at];
        self.now.take(&job.ask, &gpus);
        if let Some(reserved) = self.reservation.as_mut().filter(|_| stays) {
            reserved.later.take(&job.ask, &gpus);
        }
        self.count(job.queue, job.person, job.group, &job.ask);
        let line = self.persons.entry((job.queue, job.person)).or_default();
        let in_turn = !line.passed;
        line.served |= in_turn;
        self.made.start.push(Start { job: at, gpus, in_turn });
    }
}

pub(super) fn billionths(share: f64) -> u64 {
    (share * 1e9) as u64
}
