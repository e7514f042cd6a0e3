//! How many requests a deployment got and how long they took, by minute.
//!
//! A request adds to the shard of its thread, so threads do not wait for each other. Readers and the flusher gather the
//! shards into the window of the last hour. What is flushed is a minute's whole content, so writing it twice, or
//! again after a crash, changes nothing.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drydock_wire::serving::{Traffic, TrafficMinute};

use super::histogram::Histogram;
use crate::serving::tokens::{self, TokenMeter};

pub(super) const SHARDS: usize = 16;
const MINUTE_MS: i64 = 60_000;
const WINDOW_MINUTES: i64 = 60;

/// How one request ended.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Absent where the caller got no answer.
    pub status: Option<u16>,
    /// From its arrival to the last byte; absent where no replica was reached, so that refusals do not flatter latency.
    pub took: Option<Duration>,
}

/// One minute's requests.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Minute {
    pub requests: u64,
    pub errors: u64,
    pub latency: Histogram,
}

/// Since the server started, as Prometheus counts.
#[derive(Debug, Default, Clone)]
pub struct SinceStart {
    /// By first digit of the status; 0 for no answer.
    pub by_class: [u64; 6],
    pub latency: Histogram,
}

/// What the database keeps of a deployment's traffic.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Kept {
    /// Start of the minute, and its content.
    pub minutes: Vec<(i64, Minute)>,
    pub total_requests: u64,
    pub total_errors: u64,
    pub tokens: tokens::Kept,
}

/// Counts of one deployment.
#[derive(Debug, Default)]
pub struct Meter {
    pub tokens: TokenMeter,
    shards: [Mutex<Shard>; SHARDS],
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Shard {
    minutes: Vec<(i64, Minute)>,
    by_class: [u64; 6],
}

#[derive(Debug, Default)]
struct Window {
    minutes: BTreeMap<i64, Minute>,
    dirty: BTreeSet<i64>,
    total_requests: u64,
    total_errors: u64,
    since_start: SinceStart,
}

impl Meter {
    /// A meter that goes on where the database stands.
    pub fn restored(kept: Kept) -> Self {
        let window = Window {
            minutes: kept.minutes.into_iter().collect(),
            total_requests: kept.total_requests,
            total_errors: kept.total_errors,
            ..Window::default()
        };
        let tokens = TokenMeter::restored(kept.tokens);
        Self { window: Mutex::new(window), tokens, ..Self::default() }
    }

    /// Counts one request that ended now.
    pub fn record(&self, now: i64, outcome: Outcome) {
        let at = now - now.rem_euclid(MINUTE_MS);
        let class = outcome.status.map_or(0, |status| usize::from(status / 100).min(5));
        let mut shard = lock(&self.shards[shard_of_this_thread()]);
        shard.by_class[class] += 1;
        let minute = shard.minute(at);
        minute.requests += 1;
        if class == 0 || class == 5 {
            minute.errors += 1;
        }
        if let Some(took) = outcome.took {
            minute.latency.record(took.as_micros() as u64);
        }
    }

    /// The last hour in sum.
    pub fn traffic(&self, now: i64) -> Traffic {
        let window = self.gathered(now);
        let mut hour = Minute::default();
        window.minutes.values().for_each(|minute| hour.merge(minute));
        Traffic {
            requests: hour.requests,
            errors: hour.errors,
            p50_ms: hour.latency.quantile_ms(0.50),
            p95_ms: hour.latency.quantile_ms(0.95),
            p99_ms: hour.latency.quantile_ms(0.99),
        }
    }

    /// The last hour by minute, oldest first, without the empty ones.
    pub fn minutes(&self, now: i64) -> Vec<TrafficMinute> {
        let window = self.gathered(now);
        let wire = |(at, minute): (&i64, &Minute)| TrafficMinute {
            at: *at,
            requests: minute.requests,
            errors: minute.errors,
            p50_ms: minute.latency.quantile_ms(0.50).unwrap_or_default(),
            p95_ms: minute.latency.quantile_ms(0.95).unwrap_or_default(),
        };
        window.minutes.iter().map(wire).collect()
    }

    /// Requests and errors of the deployment's whole life.
    pub fn totals(&self, now: i64) -> (u64, u64) {
        let window = self.gathered(now);
        (window.total_requests, window.total_errors)
    }

    /// Counts since the server started.
    pub fn since_start(&self, now: i64) -> SinceStart {
        self.gathered(now).since_start.clone()
    }

    /// What changed since the last call, to be written; absent where nothing did. If the write fails, `unflushed` says so.
    pub fn to_flush(&self, now: i64) -> Option<Kept> {
        let mut window = self.gathered(now);
        let dirty = std::mem::take(&mut window.dirty);
        let minutes: Vec<_> =
            dirty.into_iter().filter_map(|at| window.minutes.get(&at).map(|minute| (at, minute.clone()))).collect();
        let tokens = self.tokens.to_flush(now);
        (!minutes.is_empty() || tokens.is_some()).then(|| Kept {
            minutes,
            total_requests: window.total_requests,
            total_errors: window.total_errors,
            tokens: tokens.unwrap_or_default(),
        })
    }

    /// The write of these failed; they are due again.
    pub fn unflushed(&self, kept: &Kept) {
        lock(&self.window).dirty.extend(kept.minutes.iter().map(|(at, _)| *at));
        self.tokens.unflushed(&kept.tokens);
    }

    fn gathered(&self, now: i64) -> MutexGuard<'_, Window> {
        let mut window = lock(&self.window);
        for shard in &self.shards {
            window.take_in(std::mem::take(&mut *lock(shard)));
        }
        let oldest = now - now.rem_euclid(MINUTE_MS) - (WINDOW_MINUTES - 1) * MINUTE_MS;
        let dirty: Vec<i64> = window.dirty.iter().copied().collect();
        // a minute that is still to be written stays until it is
        window.minutes.retain(|at, _| *at >= oldest || dirty.contains(at));
        window
    }
}

impl Minute {
    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.latency.merge(&other.latency);
    }
}

impl Shard {
    fn minute(&mut self, at: i64) -> &mut Minute {
        let known = self.minutes.iter().rposition(|(start, _)| *start == at);
        let index = known.unwrap_or_else(|| {
            self.minutes.push((at, Minute::default()));
            self.minutes.len() - 1
        });
        &mut self.minutes[index].1
    }
}

impl Window {
    fn take_in(&mut self, shard: Shard) {
        for (sum, count) in self.since_start.by_class.iter_mut().zip(shard.by_class) {
            *sum += count;
        }
        for (at, minute) in shard.minutes {
            self.total_requests += minute.requests;
            self.total_errors += minute.errors;
            self.since_start.latency.merge(&minute.latency);
            self.dirty.insert(at);
            self.minutes.entry(at).or_default().merge(&minute);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // counts are valid at every step, so a panic elsewhere does not spoil them
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where this thread counts.
pub(super) fn shard_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static MINE: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS));
    MINE.with(Cell::get)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const NOON: i64 = 1_000_000 * MINUTE_MS;

    fn answered(status: u16, ms: u64) -> Outcome {
        Outcome { status: Some(status), took: Some(Duration::from_millis(ms)) }
    }

    #[test]
    fn quantiles_of_the_hour_survive_a_restart() {
        let meter = Meter::default();
        for n in 0..100 {
            meter.record(NOON - n % 30 * MINUTE_MS, answered(200, n as u64 + 1));
        }
        let before = meter.traffic(NOON);
        let again = Meter::restored(meter.to_flush(NOON).unwrap());
        assert_eq!(again.traffic(NOON), before);
        assert_eq!((again.totals(NOON), again.minutes(NOON)), ((100, 0), meter.minutes(NOON)));
    }

    #[test]
    fn a_flush_writes_whole_minutes_so_that_twice_is_once() {
        let meter = Meter::default();
        meter.record(NOON, answered(200, 5));
        let first = meter.to_flush(NOON).unwrap();
        assert_eq!(meter.to_flush(NOON), None);
        meter.unflushed(&first);
        meter.record(NOON + 1, answered(200, 5));
        let second = meter.to_flush(NOON + 1).unwrap();
        assert_eq!((second.minutes.len(), second.minutes[0].1.requests, second.total_requests), (1, 2, 2));
    }

    #[test]
    fn the_hour_forgets_what_is_older_but_the_totals_do_not() {
        let meter = Meter::default();
        meter.record(NOON, answered(500, 5));
        meter.to_flush(NOON);
        let later = NOON + WINDOW_MINUTES * MINUTE_MS;
        assert_eq!((meter.traffic(later).requests, meter.totals(later)), (0, (1, 1)));
    }

    #[test]
    fn no_answer_and_five_hundreds_are_errors_and_refusals_are_not_timed() {
        let meter = Meter::default();
        meter.record(NOON, answered(200, 10));
        meter.record(NOON, answered(404, 10));
        meter.record(NOON, Outcome { status: Some(503), took: None });
        meter.record(NOON, Outcome { status: None, took: None });
        let traffic = meter.traffic(NOON);
        assert_eq!((traffic.requests, traffic.errors), (4, 2));
        assert_eq!(meter.since_start(NOON).by_class, [1, 0, 1, 0, 1, 1]);
        assert_eq!(meter.since_start(NOON).latency.total(), 2);
    }

    #[test]
    fn threads_lose_nothing() {
        let meter = Meter::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1000).for_each(|_| meter.record(NOON, answered(200, 1))));
            }
            (0..100).for_each(|_| {
                let _ = meter.traffic(NOON);
            });
        });
        assert_eq!(meter.totals(NOON), (8000, 0));
    }
}
