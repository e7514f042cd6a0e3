//! A hundred thousand random jobs, one event after the other, each decision held against sums of its own.
#![allow(clippy::unwrap_used)]

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::Instant,
};

use super::{
    examples::{GIB, HOUR, MINUTE, queue, rows},
    room::{Free, place},
    *,
};

#[derive(Clone)]
pub(super) struct Dice(pub u64);

impl Dice {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % end
    }
}

/// A job of the simulation: what it asks for, and how long it really takes.
pub(super) struct Made {
    pub(super) waiting: Waiting,
    takes_ms: i64,
    resumable: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Caps, sweeps; preemption, priorities, GPUs that come and go, which may change what was promised.
    Everything,
    /// Caps, sweeps: what is promised is kept.
    Plain,
    /// All are there from the beginning.
    Backlog,
}

pub(super) fn a_job(id: u128, at: i64, dice: &mut Dice, kind: Kind) -> Made {
    let gpu = match dice.below(100) {
        0..60 => GpuAsk::None,
        60..80 => GpuAsk::Share((1 + dice.below(60)) * GIB),
        80..94 => GpuAsk::Whole(1),
        94..98 => GpuAsk::Whole(2),
        _ => GpuAsk::Whole(4),
    };
    let cpus = if dice.below(50) == 0 { 32 + dice.below(32) } else { 1 + dice.below(8) };
    let takes_ms = if dice.below(10) == 0 {
        HOUR / 2 + dice.below(3 * HOUR as u64) as i64
    } else {
        dice.below(20 * MINUTE as u64) as i64 + 1000
    };
    // people think it takes longer than it does; some are right to the second
    let limit_ms = if dice.below(10) == 0 { takes_ms } else { takes_ms + dice.below(2 * takes_ms as u64) as i64 };
    let (everything, capped) = (kind == Kind::Everything, kind != Kind::Backlog);
    let mut queue = dice.below(3) as usize;
    if capped && (cpus > 48 && queue == 0 || gpu == GpuAsk::Whole(4) && queue == 1) {
        // over a cap by itself: refused when it is submitted
        queue = 2;
    }
    let waiting = Waiting {
        id,
        queue,
        person: dice.below(12) as u32,
        group: (capped && dice.below(10) == 0).then(|| dice.below(4) as usize),
        priority: if everything { dice.below(3) as i32 } else { 0 },
        since: at,
        not_before: 0,
        ask: Ask { cpus_milli: cpus * 1000, memory: (1 + dice.below(24)) * GIB, disk: dice.below(20) * GIB, gpu },
        limit_ms,
    };
    Made { waiting, takes_ms, resumable: everything && dice.below(4) == 0 }
}

pub(super) fn a_box(kind: Kind) -> Rows {
    let mut rows = rows(4);
    rows.now = 0;
    rows.capacity.cpus_milli = 64_000;
    rows.capacity.memory = 512 * GIB;
    rows.capacity.disk = 1000 * GIB;
    rows.queues = vec![queue("a", 1), queue("b", 2), queue("c", 4)];
    if kind != Kind::Backlog {
        rows.groups = vec![2; 4];
        rows.queues[0].caps[CPU] = Some(48_000);
        rows.queues[1].person_caps[GPU] = Some(2000);
        rows.queues[2].person_caps[JOBS] = Some(12);
        rows.queues[2].preempts = kind == Kind::Everything;
    }
    rows
}

#[derive(Default)]
struct Outcome {
    ended: usize,
    preempted: usize,
    longest_wait_ms: i64,
    /// Of the scarcest resource, while more waited than could run.
    utilisation: f64,
    makespan_ms: i64,
    bound_ms: i64,
    slowest: std::time::Duration,
    longest_queue: usize,
}

/// Holds the running jobs against the box by sums of its own.
fn check_allocation(rows: &Rows) {
    let sum = |f: fn(&Ask) -> u64| rows.running.iter().map(|one| f(&one.ask)).sum::<u64>();
    assert!(sum(|ask| ask.cpus_milli) <= rows.capacity.cpus_milli, "cores given twice at {}", rows.now);
    assert!(sum(|ask| ask.memory) <= rows.capacity.memory, "memory given twice at {}", rows.now);
    assert!(sum(|ask| ask.disk) <= rows.capacity.disk, "disk given twice at {}", rows.now);
    for (at, gpu) in rows.capacity.gpus.iter().enumerate() {
        let holders: Vec<&Running> = rows.running.iter().filter(|one| one.gpus.contains(&at)).collect();
        let whole = holders.iter().any(|one| matches!(one.ask.gpu, GpuAsk::Whole(_)));
        assert!(!whole || holders.len() == 1, "GPU {at} is somebody's alone and has {} holders", holders.len());
        let shares = holders.iter().map(|one| if let GpuAsk::Share(bytes) = one.ask.gpu { bytes } else { 0 });
        assert!(shares.sum::<u64>() <= gpu.memory, "more than GPU {at} has");
    }
    for one in &rows.running {
        let wanted = match one.ask.gpu {
            GpuAsk::None => 0,
            GpuAsk::Whole(count) => count as usize,
            GpuAsk::Share(_) => 1,
        };
        let mut distinct = one.gpus.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!((distinct.len(), one.gpus.len()), (wanted, wanted), "as many GPUs as asked for, each once");
    }
}

fn check_caps(rows: &Rows) {
    let within = |caps: &Caps, of: &dyn Fn(&Running) -> bool, what: &str| {
        let mut used = [0; 5];
        for one in rows.running.iter().filter(|one| of(one)) {
            let amounts = one.ask.amounts(80 * GIB);
            used.iter_mut().zip(amounts).for_each(|(used, more)| *used += more);
        }
        for (used, cap) in used.iter().zip(caps) {
            assert!(cap.is_none_or(|cap| *used <= cap), "{what} is over its cap: {used}");
        }
    };
    for (at, queue) in rows.queues.iter().enumerate() {
        within(&queue.caps, &|one| one.queue == at, "a queue");
        for person in 0..12 {
            within(&queue.person_caps, &|one| one.queue == at && one.person == person, "a person");
        }
    }
    for (at, cap) in rows.groups.iter().enumerate() {
        let caps = [None, None, None, None, Some(*cap)];
        within(&caps, &|one| one.group == Some(at), "a sweep");
    }
}

/// Whoever is said to wait for room would really not fit.
fn check_waits(rows: &Rows, made: &Decision, free: &Free) {
    for (job, wait) in rows.waiting.iter().zip(&made.waits) {
        if matches!(wait, Wait::Box { .. } | Wait::Share { .. }) {
            assert!(place(&job.ask, &rows.capacity, free, None).is_none(), "{} waits and would fit", job.id);
        }
    }
}

/// Lives through `count` jobs, one event after the other.
fn simulate(seed: u64, count: usize, kind: Kind) -> Outcome {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut rows, mut outcome) = (a_box(kind), Outcome::default());
    let mut at = 0;
    let mut coming: Vec<Made> = (0..count)
        .map(|id| {
            at += if kind == Kind::Backlog { 0 } else { dice.below(2 * 170_000) as i64 };
            a_job(id as u128 + 1, at, &mut dice, kind)
        })
        .collect();
    coming.reverse();
    let mut work = [0u128; 4];
    for one in &coming {
        let amounts = one.waiting.ask.amounts(80 * GIB);
        (0..4).for_each(|r| work[r] += u128::from(amounts[r]) * one.takes_ms as u128);
    }
    let totals = [64_000, 512 * GIB, 1000 * GIB, 4000];
    outcome.bound_ms = (0..4).map(|r| (work[r] / u128::from(totals[r])) as i64).max().unwrap_or(0);
    let mut left: HashMap<u128, (i64, bool)> = HashMap::new();
    let mut ends = BinaryHeap::new();
    let mut gpu_back_at = None;
    let mut promise: Option<(u128, i64)> = None;
    let mut backlog_work = 0u128;
    let mut backlog_until = 0;
    loop {
        let arrival = coming.last().map(|one| one.waiting.since);
        let end = ends.peek().map(|Reverse((at, _, _)): &Reverse<(i64, u128, i64)>| *at);
        let Some(next) = [arrival, end, gpu_back_at].iter().copied().flatten().min() else { break };
        if !rows.waiting.is_empty() {
            backlog_until = next;
        }
        rows.now = next;
        while coming.last().is_some_and(|one| one.waiting.since <= next) {
            let one = coming.pop().unwrap();
            left.insert(one.waiting.id, (one.takes_ms, one.resumable));
            rows.waiting.push(one.waiting);
        }
        while ends.peek().is_some_and(|Reverse((at, _, _))| *at <= next) {
            let Reverse((_, id, started_at)) = ends.pop().unwrap();
            // an older end of a job that was stopped meanwhile
            let Some(at) = rows.running.iter().position(|one| one.id == id && one.started_at == started_at) else {
                continue;
            };
            let one = rows.running.swap_remove(at);
            let (takes_ms, resumable) = left[&id];
            let ran_ms = next - one.started_at;
            if one.stopping && ran_ms < takes_ms {
                // goes on from its checkpoint
                let limit_ms = one.ends_by - one.started_at - ran_ms;
                left.insert(id, (takes_ms - ran_ms, resumable));
                let Running { queue, person, group, priority, ask, .. } = one;
                let (since, not_before, limit_ms) = (next, 0, limit_ms.max(takes_ms - ran_ms));
                rows.waiting.push(Waiting { id, queue, person, group, priority, since, not_before, ask, limit_ms });
            } else {
                outcome.ended += 1;
            }
        }
        if gpu_back_at.is_some_and(|at| at <= next) {
            rows.capacity.gpus[0].usable = true;
            gpu_back_at = None;
        } else if kind == Kind::Everything && gpu_back_at.is_none() && dice.below(2000) == 0 {
            rows.capacity.gpus[0].usable = false;
            gpu_back_at = Some(next + HOUR);
        }

        let began = Instant::now();
        let made = decide(&rows);
        outcome.slowest = outcome.slowest.max(began.elapsed());
        outcome.longest_queue = outcome.longest_queue.max(rows.waiting.len());

        for at in &made.preempt {
            let one = &mut rows.running[*at];
            assert!(one.resumable && !one.stopping);
            one.stopping = true;
            ends.push(Reverse((next + rows.grace_ms, one.id, one.started_at)));
            outcome.preempted += 1;
        }
        if let Some((id, before)) = promise.filter(|_| kind != Kind::Everything) {
            let starts = made.start.iter().any(|start| rows.waiting[start.job].id == id);
            let stays = made.head.is_some_and(|(head, by)| rows.waiting[head].id == id && by <= before);
            assert!(starts && next <= before || stays, "{id} was promised {before}; at {next} {:?}", made.head);
        }
        promise = made.head.map(|(head, by)| (rows.waiting[head].id, by));
        rows.head = promise.map(|(head, _)| head);
        let mut gone = vec![false; rows.waiting.len()];
        for start in &made.start {
            let job = rows.waiting[start.job].clone();
            gone[start.job] = true;
            let (takes_ms, resumable) = left[&job.id];
            assert!(start.gpus.iter().all(|at| rows.capacity.gpus[*at].usable));
            assert!(job.not_before <= next && takes_ms <= job.limit_ms);
            outcome.longest_wait_ms = outcome.longest_wait_ms.max(next - job.since);
            ends.push(Reverse((next + takes_ms, job.id, next)));
            let Waiting { id, queue, person, group, priority, ask, limit_ms, .. } = job;
            let (gpus, ends_by) = (start.gpus.clone(), next + limit_ms);
            let (started_at, stopping) = (next, false);
            if start.in_turn {
                rows.started.insert((queue, person), next);
            }
            rows.running.push(Running {
                id,
                queue,
                person,
                group,
                priority,
                ask,
                gpus,
                started_at,
                ends_by,
                resumable,
                stopping,
            });
        }
        check_allocation(&rows);
        check_caps(&rows);
        if dice.below(50) == 0 {
            let mut free = Free::of(&rows.capacity);
            rows.running.iter().for_each(|one| free.take(&one.ask, &one.gpus));
            check_waits(&rows, &made, &free);
        }
        let mut gone = gone.into_iter();
        rows.waiting.retain(|_| !gone.next().unwrap_or(false));
        if !rows.waiting.is_empty() {
            let until = [coming.last().map(|one| one.waiting.since), ends.peek().map(|Reverse((at, _, _))| *at)];
            let span = until.iter().copied().flatten().min().unwrap_or(next) - next;
            let scarcest = (0..4).map(|r| {
                rows.running.iter().map(|one| one.ask.amounts(80 * GIB)[r]).sum::<u64>() as f64 / totals[r] as f64
            });
            backlog_work += (scarcest.fold(0.0, f64::max) * span as f64) as u128;
        }
        outcome.makespan_ms = next;
    }
    assert!(rows.waiting.is_empty() && rows.running.is_empty(), "{} wait at the end", rows.waiting.len());
    outcome.utilisation = backlog_work as f64 / backlog_until.max(1) as f64;
    outcome
}

#[test]
fn a_hundred_thousand_random_jobs_run_and_none_starves() {
    let began = Instant::now();
    let (mut jobs, mut slowest) = (0, std::time::Duration::ZERO);
    for (seed, kind) in (0..20).map(|seed| (seed + 1, if seed % 2 == 0 { Kind::Everything } else { Kind::Plain })) {
        let outcome = simulate(seed, 5000, kind);
        assert_eq!(outcome.ended, 5000, "seed {seed}");
        let days = outcome.longest_wait_ms as f64 / 86_400_000.0;
        println!(
            "seed {seed:2}: {} of 5000 ended, {} preempted, longest queue {:4}, longest wait {days:5.2} days of {:.1}, slowest decision {:?}",
            outcome.ended,
            outcome.preempted,
            outcome.longest_queue,
            outcome.makespan_ms as f64 / 86_400_000.0,
            outcome.slowest
        );
        jobs += outcome.ended;
        slowest = slowest.max(outcome.slowest);
    }
    println!("{jobs} jobs in {:?}; slowest decision {slowest:?}", began.elapsed());
    assert_eq!(jobs, 100_000);
}

#[test]
fn a_backlog_keeps_the_scarcest_resource_busy() {
    let (mut bound, mut makespan) = (0, 0);
    for seed in 101..=104 {
        let outcome = simulate(seed, 2000, Kind::Backlog);
        let of_bound = outcome.bound_ms as f64 / outcome.makespan_ms as f64;
        println!(
            "seed {seed}: makespan {:.1} h, bound {:.1} h ({:.0} %), scarcest resource busy {:.0} %",
            outcome.makespan_ms as f64 / HOUR as f64,
            outcome.bound_ms as f64 / HOUR as f64,
            of_bound * 100.0,
            outcome.utilisation * 100.0
        );
        (bound, makespan) = (bound + outcome.bound_ms, makespan + outcome.makespan_ms);
    }
    let of_bound = bound as f64 / makespan as f64;
    assert!(of_bound > 0.8, "only {:.0} % of the bound", of_bound * 100.0);
}
