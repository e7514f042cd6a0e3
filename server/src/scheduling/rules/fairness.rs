//! What becomes of shares, turns and promises over days, and how long a decision takes.
#![allow(clippy::unwrap_used)]

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::{Duration, Instant},
};

use super::{
    examples::{HOUR, MINUTE, ask, queue, rows},
    simulation::{Dice, Kind, a_box, a_job},
    *,
};

/// Lives on for `hours`: `arrive` adds jobs before each decision, every job takes all of its time. Ids with their waits.
fn live(rows: &mut Rows, hours: i64, mut arrive: impl FnMut(&mut Rows)) -> HashMap<u128, i64> {
    let mut waited = HashMap::new();
    let until = rows.now + hours * HOUR;
    while rows.now < until {
        arrive(rows);
        let made = decide(rows);
        rows.head = made.head.map(|(head, _)| rows.waiting[head].id);
        for start in &made.start {
            let job = rows.waiting[start.job].clone();
            waited.insert(job.id, rows.now - job.since);
            if start.in_turn {
                rows.started.insert((job.queue, job.person), rows.now);
            }
            let one = rows.runs(job.id, job.ask, &start.gpus, job.limit_ms);
            (one.queue, one.person, one.priority) = (job.queue, job.person, job.priority);
        }
        let mut waits = made.waits.iter();
        rows.waiting.retain(|_| waits.next() != Some(&Wait::Starts));
        let next = rows.running.iter().map(|one| one.ends_by).min().unwrap_or(until).min(rows.now + 5 * MINUTE);
        let hours = (next - rows.now) as f64 / HOUR as f64;
        for one in &rows.running {
            let used = one.ask.cpus_milli as f64 / 8000.0 * hours;
            rows.queues[one.queue].past += used;
            *rows.queues[one.queue].persons_past.entry(one.person).or_default() += used;
        }
        let fade = 0.5f64.powf(hours / 24.0);
        for queue in &mut rows.queues {
            queue.past *= fade;
            queue.persons_past.values_mut().for_each(|past| *past *= fade);
        }
        rows.now = next;
        rows.running.retain(|one| one.ends_by > next);
    }
    waited
}

#[test]
fn a_flood_of_one_person_keeps_others_waiting_no_longer_than_a_job_takes() {
    let mut rows = rows(0);
    for id in 1..=5000 {
        rows.waits(id, ask(1, GpuAsk::None), 20 * MINUTE).since = rows.now;
    }
    let (mut id, mut last) = (10_000, rows.now);
    let waited = live(&mut rows, 40, |rows| {
        if rows.now - last >= HOUR {
            (id, last) = (id + 1, rows.now);
            let job = rows.waits(id, ask(2, GpuAsk::None), 30 * MINUTE);
            (job.person, job.since) = (1, last);
        }
    });
    let others = waited.iter().filter(|(id, _)| **id > 10_000);
    let (count, longest) = others.fold((0, 0), |(count, longest), (_, wait)| (count + 1, longest.max(*wait)));
    println!("beside a flood of 5,000: {count} jobs of another waited {} min at most", longest / MINUTE);
    assert!(count >= 35 && longest <= 40 * MINUTE, "{count}, {longest}");
}

#[test]
fn a_large_job_is_starved_neither_by_its_persons_small_ones_nor_by_many_large_ones_of_others() {
    let mut rows = rows(0);
    let mut id = 10;
    let mut keep = |rows: &mut Rows, person: u32, cpus: u64, limit_ms: i64| {
        let of = |job: &&Waiting| job.person == person && job.ask.cpus_milli == cpus * 1000 && job.id > 1;
        while rows.waiting.iter().filter(of).count() < 3 {
            id += 1;
            let now = rows.now;
            let job = rows.waits(id, ask(cpus, GpuAsk::None), limit_ms);
            (job.person, job.since) = (person, now);
        }
    };
    let mut arrive = |rows: &mut Rows| {
        keep(rows, 0, 2, 10 * MINUTE);
        (1..=10).for_each(|person| keep(rows, person, 6, HOUR));
        keep(rows, 11, 7, HOUR);
    };
    live(&mut rows, 20, &mut arrive);
    rows.waits(1, ask(8, GpuAsk::None), HOUR).since = rows.now;
    let waited = live(&mut rows, 60, &mut arrive);
    let minutes = waited.get(&1).map(|wait| wait / MINUTE);
    println!("the large job beside its person's small ones and others' large ones waited {minutes:?} min");
    assert!(minutes.is_some_and(|minutes| minutes < 24 * 60), "{minutes:?}");
}

#[test]
fn urgent_jobs_without_end_do_not_starve_the_others() {
    let mut rows = rows(0);
    for id in 1..=3 {
        let job = rows.waits(id, ask(8, GpuAsk::None), HOUR);
        job.person = 1;
    }
    let mut id = 10;
    let waited = live(&mut rows, 24, |rows| {
        while rows.waiting.len() < 10 {
            id += 1;
            let now = rows.now;
            let job = rows.waits(id, ask(3, GpuAsk::None), HOUR);
            (job.priority, job.since, job.person) = (9, now, id as u32 % 5 + 2);
        }
    });
    let hours: Vec<_> = (1..=3).map(|id| waited.get(&id).map(|wait| wait / HOUR)).collect();
    println!("beside urgent ones without end: {hours:?} h");
    assert!(hours.iter().all(Option::is_some), "{hours:?}");
}

#[test]
fn weights_are_what_queues_get_over_time() {
    let mut rows = rows(0);
    rows.queues = vec![queue("a", 1), queue("b", 3)];
    rows.queues.iter_mut().for_each(|queue| queue.patience_ms = i64::MAX);
    let mut dice = Dice(7);
    let mut got = [0i64; 2];
    let mut ends = BinaryHeap::new();
    let mut id = 0;
    while rows.now < 500 * HOUR {
        for queue in 0..2 {
            while rows.waiting.iter().filter(|job| job.queue == queue).count() < 10 {
                id += 1;
                let limit_ms = (1 + dice.below(30)) as i64 * MINUTE;
                rows.waits(id, ask(1 + dice.below(3), GpuAsk::None), limit_ms).queue = queue;
            }
        }
        let made = decide(&rows);
        for start in &made.start {
            let job = rows.waiting[start.job].clone();
            got[job.queue] += job.limit_ms * job.ask.cpus_milli as i64;
            ends.push(Reverse((rows.now + job.limit_ms, job.id)));
            rows.runs(job.id, job.ask, &[], job.limit_ms).queue = job.queue;
        }
        let mut at = 0;
        rows.waiting.retain(|_| {
            at += 1;
            made.waits[at - 1] != Wait::Starts
        });
        let Some(Reverse((now, ended))) = ends.pop() else { break };
        let hours = (now - rows.now) as f64 / HOUR as f64;
        for queue in 0..2 {
            let used: u64 = rows.running.iter().filter(|one| one.queue == queue).map(|one| one.ask.cpus_milli).sum();
            let past = &mut rows.queues[queue].past;
            *past = *past * 0.5f64.powf(hours / 24.0) + used as f64 / 8000.0 * hours;
        }
        rows.now = now;
        rows.running.retain(|one| one.id != ended);
    }
    let part = got[1] as f64 / (got[0] + got[1]) as f64;
    println!("a queue of three times the weight got {:.1} %", part * 100.0);
    assert!((0.73..0.77).contains(&part), "{part}");
}

/// For a decision with ten thousand that wait. Code that is not optimised takes about ten times as long.
const GOAL: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 50 });

/// Ten thousand wait on a full box.
fn a_long_queue() -> Rows {
    let mut dice = Dice(99);
    let mut rows = a_box(Kind::Everything);
    rows.queues.extend((3..8).map(|n| queue(&format!("q{n}"), n)));
    for id in 1..=10_000u128 {
        let mut job = a_job(id, -(dice.below(6 * HOUR as u64) as i64), &mut dice, Kind::Everything).waiting;
        (job.queue, job.person) = (dice.below(8) as usize, dice.below(200) as u32);
        rows.waiting.push(job);
    }
    rows
}

#[test]
fn ten_thousand_are_decided_on_in_well_under_fifty_milliseconds() {
    let mut rows = a_long_queue();
    let first = decide(&rows);
    let mut times = vec![];
    for round in 0..20 {
        let began = Instant::now();
        let made = decide(&rows);
        times.push(began.elapsed());
        assert_eq!(made.waits.len(), rows.waiting.len());
        if round == 9 {
            // the box is full from here on
            for start in &made.start {
                let Waiting { id, queue, person, group, priority, ask, limit_ms, .. } = rows.waiting[start.job].clone();
                let (gpus, started_at, ends_by) = (start.gpus.clone(), rows.now - HOUR, rows.now + limit_ms);
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
                    resumable: true,
                    stopping: false,
                });
            }
        }
    }
    times.sort();
    println!(
        "10,000 queued: median {:?}, slowest {:?} of 20; {} started at first",
        times[10],
        times[19],
        first.start.len()
    );
    // the slowest says what else the machine did
    assert!(times[10] < GOAL, "{:?}", times[10]);
    // one person each, one queue: the other way to be slow
    for (at, job) in rows.waiting.iter_mut().enumerate() {
        (job.queue, job.person, job.group) = (0, at as u32, None);
    }
    let time = || {
        let began = Instant::now();
        decide(&rows);
        began.elapsed()
    };
    let quickest = (0..5).map(|_| time()).min().unwrap();
    println!("10,000 persons in one queue: {quickest:?}");
    assert!(quickest < GOAL, "{quickest:?}");
}

#[test]
fn the_order_of_the_rows_does_not_matter() {
    let mut dice = Dice(5);
    let ids = |rows: &Rows| {
        let made = decide(rows);
        let started: Vec<_> = made.start.iter().map(|start| (rows.waiting[start.job].id, start.gpus.clone())).collect();
        let mut waits: Vec<_> = rows.waiting.iter().map(|job| job.id).zip(made.waits).collect();
        waits.sort_by_key(|(id, _)| *id);
        (started, waits)
    };
    let mut rows = a_long_queue();
    rows.waiting.truncate(500);
    let expected = ids(&rows);
    for _ in 0..20 {
        for at in (1..rows.waiting.len()).rev() {
            rows.waiting.swap(at, dice.below(at as u64 + 1) as usize);
        }
        assert_eq!(ids(&rows), expected);
    }
}
