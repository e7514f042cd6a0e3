//! Tokens of one deployment, by minute and by caller.
//!
//! As the gateway's other counts, what is flushed is whole, so that writing it again changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drydock_wire::serving::{CallerTokens, TokenCounts, TokenMinute, TokenTraffic};

use crate::serving::gateway::histogram::Histogram;

const MINUTE_MS: i64 = 60_000;
const WINDOW_MINUTES: i64 = 60;

/// One minute's answers.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Minute {
    pub tokens: TokenCounts,
    /// From the request to the first token, of streams.
    pub first_token: Histogram,
}

/// What the database keeps.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Kept {
    /// Start of the minute, and its content.
    pub minutes: Vec<(i64, Minute)>,
    /// Of the deployment's whole life.
    pub callers: Vec<(String, TokenCounts)>,
}

/// Counts of one deployment. An answer with tokens takes far longer than the lock is held.
#[derive(Debug, Default)]
pub struct TokenMeter {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    minutes: BTreeMap<i64, Minute>,
    callers: BTreeMap<String, TokenCounts>,
    changed_minutes: BTreeSet<i64>,
    changed_callers: BTreeSet<String>,
    since_start: Minute,
}

impl TokenMeter {
    /// A meter that goes on where the database stands.
    pub fn restored(kept: Kept) -> Self {
        let (minutes, callers) = (kept.minutes.into_iter().collect(), kept.callers.into_iter().collect());
        Self { counts: Mutex::new(Counts { minutes, callers, ..Counts::default() }) }
    }

    /// Counts an answer that ended now.
    pub fn record(&self, now: i64, caller: &str, tokens: &TokenCounts, first_token: Option<Duration>) {
        let mut counts = self.lock();
        let at = now - now.rem_euclid(MINUTE_MS);
        let Counts { minutes, callers, since_start, .. } = &mut *counts;
        for minute in [minutes.entry(at).or_default(), since_start] {
            minute.tokens.add(tokens);
            first_token.iter().for_each(|took| minute.first_token.record(took.as_micros() as u64));
        }
        callers.entry(caller.to_owned()).or_default().add(tokens);
        counts.changed_minutes.insert(at);
        counts.changed_callers.insert(caller.to_owned());
    }

    /// As people see it; absent where nothing was ever counted.
    pub fn traffic(&self, now: i64) -> Option<TokenTraffic> {
        let counts = self.lock();
        let oldest = oldest_minute(now);
        let mut hour = Histogram::default();
        let minute = |(at, minute): (&i64, &Minute)| {
            hour.merge(&minute.first_token);
            let quantile = |q| minute.first_token.quantile_ms(q);
            TokenMinute {
                at: *at,
                tokens: minute.tokens,
                first_token_p50_ms: quantile(0.50),
                first_token_p95_ms: quantile(0.95),
            }
        };
        let minutes = counts.minutes.range(oldest..).map(minute).collect();
        let caller =
            |(caller, tokens): (&String, &TokenCounts)| CallerTokens { caller: caller.clone(), tokens: *tokens };
        let mut callers: Vec<_> = counts.callers.iter().map(caller).collect();
        callers.sort_by_key(|it| std::cmp::Reverse(it.tokens.all()));
        let mut total = TokenCounts::default();
        callers.iter().for_each(|it| total.add(&it.tokens));
        (!callers.is_empty()).then(|| TokenTraffic {
            minutes,
            callers,
            total,
            first_token_p50_ms: hour.quantile_ms(0.50),
            first_token_p95_ms: hour.quantile_ms(0.95),
        })
    }

    /// Counts since the server started.
    pub fn since_start(&self) -> Minute {
        self.lock().since_start.clone()
    }

    /// What changed since the last call, to be written; absent where nothing did. If the write fails, `unflushed` says so.
    pub fn to_flush(&self, now: i64) -> Option<Kept> {
        let mut counts = self.lock();
        let (minutes, callers) =
            (std::mem::take(&mut counts.changed_minutes), std::mem::take(&mut counts.changed_callers));
        let minute = |at| counts.minutes.get(&at).map(|minute| (at, minute.clone()));
        let minutes: Vec<_> = minutes.into_iter().filter_map(minute).collect();
        let caller = |name: String| counts.callers.get(&name).copied().map(|tokens| (name, tokens));
        let callers: Vec<_> = callers.into_iter().filter_map(caller).collect();
        let oldest = oldest_minute(now);
        counts.minutes.retain(|at, _| *at >= oldest);
        (!callers.is_empty()).then_some(Kept { minutes, callers })
    }

    /// The write of these failed; they are due again.
    pub fn unflushed(&self, kept: &Kept) {
        let mut counts = self.lock();
        for (at, minute) in &kept.minutes {
            counts.minutes.entry(*at).or_insert_with(|| minute.clone());
        }
        counts.changed_minutes.extend(kept.minutes.iter().map(|(at, _)| *at));
        counts.changed_callers.extend(kept.callers.iter().map(|(caller, _)| caller.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // counts are valid at every step, so a panic elsewhere does not spoil them
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn oldest_minute(now: i64) -> i64 {
    now - now.rem_euclid(MINUTE_MS) - (WINDOW_MINUTES - 1) * MINUTE_MS
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const NOON: i64 = 1_000_000 * MINUTE_MS;

    #[test]
    fn what_is_flushed_is_whole_and_the_meter_goes_on_there() {
        let meter = TokenMeter::default();
        assert_eq!((meter.traffic(NOON), meter.to_flush(NOON)), (None, None));
        let tokens = TokenCounts { answers: 1, prompt: 5, completion: 2, estimated: 0 };
        meter.record(NOON, "ada", &tokens, Some(Duration::from_millis(30)));
        let first = meter.to_flush(NOON).unwrap();
        meter.unflushed(&first);
        meter.record(NOON + 1, "ada", &tokens, None);
        meter.record(NOON + 1, "bob", &TokenCounts { answers: 1, estimated: 100, ..TokenCounts::default() }, None);
        let second = meter.to_flush(NOON + 1).unwrap();
        assert_eq!((meter.to_flush(NOON + 1), second.minutes.len(), second.callers.len()), (None, 1, 2));
        let (now, again) = (meter.traffic(NOON).unwrap(), TokenMeter::restored(second));
        assert_eq!(again.traffic(NOON).unwrap(), now);
        assert_eq!((now.callers[0].caller.as_str(), now.callers[1].tokens.prompt, now.total.all()), ("bob", 10, 114));
        assert!((29.0..31.0).contains(&now.first_token_p50_ms.unwrap()), "{now:?}");
        let later = again.traffic(NOON + WINDOW_MINUTES * MINUTE_MS).unwrap();
        assert_eq!((later.minutes.len(), later.total), (0, now.total));
        assert_eq!(meter.since_start().tokens.answers, 3);
    }
}
