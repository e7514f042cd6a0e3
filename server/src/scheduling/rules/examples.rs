//! Promises of the decision by example.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use super::*;

pub(super) const GIB: u64 = 1 << 30;
pub(super) const MINUTE: i64 = 60_000;
pub(super) const HOUR: i64 = 60 * MINUTE;

pub(super) fn queue(name: &str, weight: u64) -> Queue {
    Queue {
        name: name.into(),
        weight,
        caps: NO_CAPS,
        person_caps: NO_CAPS,
        patience_ms: 2 * HOUR,
        paused: false,
        preempts: false,
        past: 0.0,
        persons_past: HashMap::new(),
    }
}

/// A box of 8 cores, 32 GiB and as many GPUs of 80 GiB.
pub(super) fn rows(gpus: usize) -> Rows {
    let gpu = Gpu { memory: 80 * GIB, usable: true, sharable: true };
    Rows {
        now: 100 * HOUR,
        capacity: Capacity { cpus_milli: 8000, memory: 32 * GIB, disk: 100 * GIB, gpus: vec![gpu; gpus] },
        queues: vec![queue("default", 1)],
        groups: vec![],
        running: vec![],
        waiting: vec![],
        started: HashMap::new(),
        head: None,
        least_run_ms: 5 * MINUTE,
        grace_ms: 30_000,
    }
}

pub(super) fn ask(cpus: u64, gpu: GpuAsk) -> Ask {
    Ask { cpus_milli: cpus * 1000, memory: GIB, disk: 0, gpu }
}

impl Rows {
    pub(super) fn waits(&mut self, id: u128, ask: Ask, limit_ms: i64) -> &mut Waiting {
        let since = self.now - MINUTE + id as i64;
        let (queue, person, group, priority, not_before) = (0, 0, None, 0, 0);
        self.waiting.push(Waiting { id, queue, person, group, priority, since, not_before, ask, limit_ms });
        self.waiting.last_mut().unwrap()
    }

    pub(super) fn runs(&mut self, id: u128, ask: Ask, gpus: &[usize], left_ms: i64) -> &mut Running {
        let (now, gpus) = (self.now, gpus.to_vec());
        let (queue, person, group, priority, resumable, stopping) = (0, 0, None, 0, false, false);
        let (started_at, ends_by) = (now - 10 * MINUTE, now + left_ms);
        let one = Running { id, queue, person, group, priority, ask, gpus, started_at, ends_by, resumable, stopping };
        self.running.push(one);
        self.running.last_mut().unwrap()
    }

    /// Ids that start, in their order.
    fn started(&self) -> Vec<u128> {
        decide(self).start.iter().map(|start| self.waiting[start.job].id).collect()
    }

    fn words(&self, id: u128) -> String {
        let at = self.waiting.iter().position(|job| job.id == id).unwrap();
        decide(self).waits[at].words(self, &self.waiting[at], |id| format!("job {id}"))
    }
}

#[test]
fn jobs_start_in_their_order_while_there_is_room() {
    let mut rows = rows(0);
    for id in 1..=5 {
        rows.waits(id, ask(2, GpuAsk::None), HOUR);
    }
    assert_eq!(rows.started(), [1, 2, 3, 4]);
    assert_eq!(rows.words(5), "waiting for 2 CPUs: 0 CPUs of 8 CPUs free; next in line, at the latest in 1 h 0 min");
}

#[test]
fn a_short_job_passes_a_large_one_and_a_long_one_does_not() {
    let mut rows = rows(0);
    rows.runs(1, ask(6, GpuAsk::None), &[], 30 * MINUTE);
    rows.waits(2, ask(8, GpuAsk::None), HOUR);
    rows.waits(3, ask(1, GpuAsk::None), HOUR);
    rows.waits(4, ask(1, GpuAsk::None), 29 * MINUTE);
    assert_eq!(rows.started(), [4]);
    assert_eq!(decide(&rows).head, Some((0, rows.now + 30 * MINUTE)));
    assert_eq!(rows.words(3), "would delay job 2, which has its turn at the latest in 30 min");
}

#[test]
fn a_long_job_passes_where_the_head_leaves_room() {
    let mut rows = rows(0);
    rows.runs(1, ask(6, GpuAsk::None), &[], 30 * MINUTE);
    rows.waits(2, ask(7, GpuAsk::None), HOUR);
    rows.waits(3, ask(1, GpuAsk::None), 100 * HOUR);
    rows.waits(4, ask(1, GpuAsk::None), 100 * HOUR);
    assert_eq!(rows.started(), [3]);
}

#[test]
fn shares_fill_a_gpu_to_its_memory_and_leave_the_other_whole() {
    let mut rows = rows(2);
    for id in 1..=3 {
        rows.waits(id, ask(1, GpuAsk::Share(30 * GIB)), HOUR);
    }
    rows.waits(4, ask(1, GpuAsk::Whole(1)), HOUR);
    let gpus: Vec<_> = decide(&rows).start.into_iter().map(|start| start.gpus).collect();
    assert_eq!(gpus, [vec![0], vec![0], vec![1]]);
    assert_eq!(rows.words(4), "waiting for 1 GPU: 0 GPUs of 2 GPUs free; next in line, at the latest in 1 h 0 min");
    rows.waiting.truncate(2);
    rows.waits(5, ask(1, GpuAsk::Whole(1)), HOUR);
    assert_eq!(rows.started(), [1, 2, 5]);
}

#[test]
fn a_share_that_no_gpu_has_left_says_so() {
    let mut rows = rows(1);
    rows.runs(1, ask(1, GpuAsk::Share(72 * GIB)), &[0], HOUR);
    rows.waits(2, ask(1, GpuAsk::Share(12 * GIB)), HOUR);
    let text = "waiting for 12 GiB of a GPU: the freest has 8 GiB; next in line, at the latest in 1 h 0 min";
    assert_eq!(rows.words(2), text);
}

#[test]
fn a_quarantined_gpu_is_given_to_nobody_and_holds_up_nobody() {
    let mut rows = rows(2);
    rows.capacity.gpus[0].usable = false;
    rows.waits(1, ask(1, GpuAsk::Whole(2)), HOUR);
    rows.waits(2, ask(1, GpuAsk::Whole(1)), HOUR);
    rows.waits(3, ask(1, GpuAsk::None), HOUR);
    let made = decide(&rows);
    assert_eq!((rows.started(), made.start[0].gpus.as_slice(), made.head), (vec![2, 3], [1].as_slice(), None));
    assert_eq!(rows.words(1), "cannot run as things are: it wants 2 GPUs, there may be 1 GPU");
}

#[test]
fn queues_share_by_weight_and_persons_evenly() {
    let mut rows = rows(0);
    rows.queues.push(queue("big", 3));
    for id in 1..=40 {
        let job = rows.waits(id, ask(1, GpuAsk::None), HOUR);
        (job.queue, job.person) = ((id % 2) as usize, if id % 8 == 0 { 2 } else { 1 });
    }
    let made = decide(&rows);
    let of = |queue, person| {
        let jobs = made.start.iter().map(|start| &rows.waiting[start.job]);
        jobs.filter(|job| job.queue == queue && (person == 0 || job.person == person)).count()
    };
    assert_eq!((of(0, 0), of(1, 0)), (2, 6));
    assert_eq!((of(0, 1), of(0, 2)), (1, 1));
}

#[test]
fn what_was_used_before_counts() {
    let mut rows = rows(0);
    for id in 1..=8 {
        rows.waits(id, ask(2, GpuAsk::None), HOUR).person = u32::from(id > 4);
    }
    rows.queues[0].persons_past.insert(0, 2.0);
    assert_eq!(rows.started(), [5, 6, 7, 8]);
}

#[test]
fn priority_counts_in_its_queue_alone() {
    let mut rows = rows(0);
    rows.queues.push(queue("other", 1));
    for id in 1..=8 {
        let job = rows.waits(id, ask(2, GpuAsk::None), HOUR);
        job.queue = usize::from(id > 4);
        job.priority = i32::from(id == 4) * 10;
    }
    assert_eq!(rows.started(), [4, 5, 1, 6]);
}

#[test]
fn a_line_of_which_nothing_starts_for_long_goes_first() {
    let mut rows = rows(0);
    rows.runs(1, ask(8, GpuAsk::None), &[], MINUTE);
    rows.waits(2, ask(8, GpuAsk::None), HOUR).priority = 100;
    let old = rows.waits(3, ask(8, GpuAsk::None), HOUR);
    (old.person, old.since) = (1, 90 * HOUR);
    assert_eq!(decide(&rows).head.map(|head| head.0), Some(1));
    rows.started.insert((0, 1), 99 * HOUR);
    assert_eq!(decide(&rows).head.map(|head| head.0), Some(0));
}

#[test]
fn who_passes_an_older_job_of_the_line_starts_out_of_turn() {
    let mut rows = rows(0);
    rows.runs(1, ask(6, GpuAsk::None), &[], HOUR);
    rows.waits(2, ask(4, GpuAsk::None), HOUR);
    rows.waits(3, ask(1, GpuAsk::None), MINUTE);
    rows.waits(4, ask(1, GpuAsk::None), MINUTE).person = 1;
    let turns: Vec<_> = decide(&rows).start.iter().map(|start| (start.job, start.in_turn)).collect();
    assert_eq!(turns, [(2, true), (1, false)]);
}

#[test]
fn an_old_job_passes_its_persons_urgent_ones() {
    let mut rows = rows(0);
    rows.waits(1, ask(8, GpuAsk::None), HOUR).priority = 5;
    rows.waits(2, ask(8, GpuAsk::None), HOUR);
    assert_eq!(rows.started(), [1]);
    rows.waiting[1].since = 90 * HOUR;
    assert_eq!(rows.started(), [2]);
}

#[test]
fn the_head_stays_the_head_until_a_more_urgent_one_comes_to_its_queue() {
    let mut rows = rows(0);
    rows.runs(1, ask(8, GpuAsk::None), &[], HOUR).person = 2;
    rows.waits(2, ask(8, GpuAsk::None), HOUR);
    rows.waits(3, ask(8, GpuAsk::None), HOUR).person = 1;
    assert_eq!(decide(&rows).head.map(|head| head.0), Some(0));
    rows.head = Some(3);
    assert_eq!(decide(&rows).head.map(|head| head.0), Some(1));
    rows.waiting[0].priority = 1;
    assert_eq!(decide(&rows).head.map(|head| head.0), Some(0));
}

#[test]
fn caps_of_queue_person_and_sweep_hold() {
    let mut rows = rows(0);
    rows.groups = vec![1];
    rows.queues[0].person_caps[CPU] = Some(3000);
    for id in 1..=2 {
        rows.waits(id, ask(1, GpuAsk::None), HOUR).group = Some(0);
    }
    for id in 3..=4 {
        rows.waits(id, ask(2, GpuAsk::None), HOUR);
    }
    rows.waits(5, ask(2, GpuAsk::None), HOUR).person = 1;
    assert_eq!(rows.started(), [1, 5, 3]);
    assert_eq!(rows.words(2), "waiting: the sweep may use 1 job at once, 1 job in use");
    let text = "waiting: each person in the queue default may use 3 CPUs at once, 3 CPUs in use";
    assert_eq!(rows.words(4), text);
    rows.queues[0].caps[JOBS] = Some(2);
    assert_eq!(rows.started(), [1, 5]);
    assert_eq!(rows.words(3), "waiting: the queue default may use 2 jobs at once, 2 jobs in use");
}

#[test]
fn an_overdue_job_that_a_cap_holds_back_closes_it_for_younger_ones() {
    let mut rows = rows(0);
    rows.queues[0].person_caps[CPU] = Some(4000);
    rows.runs(1, ask(1, GpuAsk::None), &[], HOUR);
    rows.waits(2, ask(4, GpuAsk::None), HOUR).since = rows.now - 3 * HOUR;
    rows.waits(3, ask(1, GpuAsk::None), HOUR);
    rows.waits(4, ask(1, GpuAsk::None), HOUR).person = 1;
    assert_eq!(rows.started(), [4]);
    assert!(rows.words(3).starts_with("waiting behind an older job"), "{}", rows.words(3));
}

#[test]
fn only_resumable_jobs_of_lower_priority_are_stopped_and_no_more_than_needed() {
    let mut rows = rows(0);
    rows.queues[0].preempts = true;
    rows.runs(1, ask(4, GpuAsk::None), &[], 10 * HOUR).resumable = true;
    rows.runs(2, ask(2, GpuAsk::None), &[], 10 * HOUR).resumable = true;
    rows.runs(3, ask(2, GpuAsk::None), &[], 10 * HOUR);
    rows.running[0].started_at += MINUTE;
    rows.waits(4, ask(2, GpuAsk::None), HOUR);
    assert_eq!(decide(&rows).preempt, [0usize; 0]);
    rows.waiting[0].priority = 5;
    assert_eq!(decide(&rows).preempt, [0]);
    assert_eq!(rows.words(4), "others are being stopped for it: starts at the latest in 30 s");
    rows.running[0].stopping = true;
    assert_eq!(decide(&rows).preempt, [0usize; 0]);
    rows.running[0].stopping = false;
    rows.waiting[0].ask = ask(6, GpuAsk::None);
    assert_eq!(decide(&rows).preempt, [0, 1]);
    rows.waiting[0].ask = ask(7, GpuAsk::None);
    assert_eq!(decide(&rows).preempt, [0usize; 0]);
}

#[test]
fn a_queue_below_its_share_takes_back_from_one_above() {
    let mut rows = rows(0);
    rows.queues.push(queue("small", 1));
    rows.queues[1].preempts = true;
    rows.runs(1, ask(4, GpuAsk::None), &[], 10 * HOUR).resumable = true;
    rows.runs(2, ask(4, GpuAsk::None), &[], 10 * HOUR).resumable = true;
    rows.waits(3, ask(4, GpuAsk::None), HOUR).queue = 1;
    assert_eq!(decide(&rows).preempt, [0]);
    rows.waiting[0].ask = ask(8, GpuAsk::None);
    assert_eq!(decide(&rows).preempt, [0usize; 0]);
}

#[test]
fn what_can_never_run_holds_up_nobody() {
    let mut rows = rows(0);
    rows.waits(1, ask(9, GpuAsk::None), HOUR);
    rows.waits(2, ask(8, GpuAsk::None), HOUR);
    assert_eq!(rows.started(), [2]);
    assert_eq!(rows.words(1), "cannot run as things are: it wants 9 CPUs, there may be 8 CPUs");
}

#[test]
fn pauses_hold_and_say_so() {
    let mut rows = rows(0);
    rows.waits(1, ask(1, GpuAsk::None), HOUR).not_before = rows.now + 40_000;
    assert_eq!((rows.started(), rows.words(1)), (vec![], "tries again in 40 s".to_owned()));
    rows.queues[0].paused = true;
    assert_eq!(rows.words(1), "the queue default is paused");
}
