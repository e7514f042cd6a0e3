//! What one revision did with its requests since a release began to judge it.
//!
//! A request adds to the shard of its thread, as in `meter`; only a release reads and empties them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::histogram::Histogram;
use super::meter::{Outcome, SHARDS, shard_of_this_thread};

/// Requests by how they ended, and how long they took.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Counts {
    pub requests: u64,
    /// Answers of 400 to 499: the caller's fault, unless another revision gives fewer of them.
    pub refused: u64,
    /// Answers of 500 and above, and those that the model server broke off.
    pub failed: u64,
    pub latency: Histogram,
}

/// Counts of one revision.
#[derive(Debug, Default)]
pub struct Tally {
    shards: [Mutex<Counts>; SHARDS],
}

impl Tally {
    /// Counts one request that ended; `broken` where the model server is to blame for a missing answer. Where it is not,
    /// the caller left, which says nothing about the revision.
    pub fn record(&self, outcome: Outcome, broken: bool) {
        let Some(status) = outcome.status.or(broken.then_some(502)) else { return };
        let mut counts = lock(&self.shards[shard_of_this_thread()]);
        counts.requests += 1;
        counts.refused += u64::from((400..500).contains(&status));
        counts.failed += u64::from(status >= 500);
        if let Some(took) = outcome.took {
            counts.latency.record(took.as_micros() as u64);
        }
    }

    /// All that was counted.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.shards.iter().for_each(|shard| sum.merge(&lock(shard)));
        sum
    }

    /// Begins anew.
    pub fn clear(&self) {
        self.shards.iter().for_each(|shard| *lock(shard) = Counts::default());
    }
}

impl Counts {
    /// Adds all that the other has counted.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.refused += other.refused;
        self.failed += other.failed;
        self.latency.merge(&other.latency);
    }
}

fn lock(shard: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_caller_that_leaves_says_nothing_and_a_break_is_a_failure() {
        let tally = Tally::default();
        let took = Some(Duration::from_millis(3));
        for (status, broken) in
            [(Some(200), false), (Some(400), false), (Some(503), false), (None, true), (None, false)]
        {
            tally.record(Outcome { status, took }, broken);
        }
        let counts = tally.counts();
        assert_eq!((counts.requests, counts.refused, counts.failed, counts.latency.total()), (4, 1, 2, 4));
        tally.clear();
        assert_eq!(tally.counts(), Counts::default());
    }
}
