//! Slows down guessing: after five failures an account, or an address, waits; each further failure doubles the wait.
//! In memory on a monotonic clock; the command line's `admin reset-password` does not pass through here, so nobody can
//! lock the box's owner out.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const FREE_FAILURES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Forgotten after this long without a failure.
const MEMORY: Duration = Duration::from_secs(900);
const MAX_KEYS: usize = 10_000;

/// Failures by account and by address.
#[derive(Default)]
pub struct Throttle {
    failures: Mutex<HashMap<String, (u32, Instant)>>,
}

impl Throttle {
    /// How long any of `keys` still has to wait, if it does.
    pub fn wait(&self, keys: &[String], now: Instant) -> Option<Duration> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter()
            .filter_map(|key| {
                let (count, last) = failures.get(key)?;
                (*last + wait_after(*count)?).checked_duration_since(now).filter(|left| !left.is_zero())
            })
            .max()
    }

    /// Counts one failure for each key.
    pub fn failed(&self, keys: &[String], now: Instant) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() > MAX_KEYS {
            failures.retain(|_, (_, last)| now.duration_since(*last) < MEMORY);
        }
        for key in keys {
            let entry = failures.entry(key.clone()).or_insert((0, now));
            let count = if now.duration_since(entry.1) > MEMORY { 0 } else { entry.0 };
            *entry = (count + 1, now);
        }
    }

    /// Forgets the keys after a success.
    pub fn succeeded(&self, keys: &[String]) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            failures.remove(key);
        }
    }
}

fn wait_after(count: u32) -> Option<Duration> {
    let over = count.checked_sub(FREE_FAILURES)?;
    Some((FIRST_WAIT * 2u32.saturating_pow(over.min(16))).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_are_free_and_then_the_wait_doubles() {
        let (throttle, keys, now) = (Throttle::default(), ["ann".to_owned()], Instant::now());
        for _ in 0..4 {
            throttle.failed(&keys, now);
        }
        assert_eq!(throttle.wait(&keys, now), None);
        throttle.failed(&keys, now);
        assert_eq!(throttle.wait(&keys, now), Some(Duration::from_secs(2)));
        throttle.failed(&keys, now);
        assert_eq!(throttle.wait(&keys, now), Some(Duration::from_secs(4)));
        assert_eq!(throttle.wait(&keys, now + Duration::from_secs(5)), None);
        throttle.succeeded(&keys);
        assert_eq!(throttle.wait(&keys, now), None);
    }
}
