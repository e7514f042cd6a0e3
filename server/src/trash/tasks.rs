//! The sweeper of the trash.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};

use super::{KEPT_MS, empty, store};
use crate::{accounts::Principal, app::App, background::Task, clock, error::Result};

/// Starts the background part: what lies in the trash for 30 days goes.
pub fn start(app: &App) {
    app.background
        .spawn(Sweeper { app: app.clone(), steady: Mutex::new(Steady::since(Instant::now(), clock::now_ms())) });
}

/// How long the wall clock has to agree with the other clock before things go: a box that starts with a wrong date, or whose
/// date jumps, must not empty its trash before somebody could notice.
const TRUSTED_AFTER: Duration = Duration::from_secs(6 * 3600);
/// What a clock that is being set right may be moved by.
const LEAP_MS: i64 = 60_000;

/// Since when the wall clock goes as fast as time does.
struct Steady {
    since: Instant,
    /// The last look at both clocks.
    seen: (Instant, i64),
}

impl Steady {
    fn since(now: Instant, wall_ms: i64) -> Self {
        Self { since: now, seen: (now, wall_ms) }
    }

    /// Looks at both clocks: whether the wall clock can be trusted.
    fn look(&mut self, now: Instant, wall_ms: i64) -> bool {
        let (then, wall_then) = self.seen;
        let passed = i64::try_from(now.duration_since(then).as_millis()).unwrap_or(i64::MAX);
        if (wall_ms - wall_then - passed).abs() > LEAP_MS {
            self.since = now;
        }
        self.seen = (now, wall_ms);
        now.duration_since(self.since) >= TRUSTED_AFTER
    }
}

/// Removes what has lain in the trash for 30 days, with its artifacts.
struct Sweeper {
    app: App,
    steady: Mutex<Steady>,
}

impl Task for Sweeper {
    fn name(&self) -> &'static str {
        "trash.sweeper"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        async move {
            let now = clock::now_ms();
            let trusted = self.steady.lock().unwrap_or_else(PoisonError::into_inner).look(Instant::now(), now);
            if !trusted {
                return Ok(());
            }
            let before = now - KEPT_MS;
            let things = self
                .app
                .db
                .read(move |conn| {
                    let old = store::everything(conn, Some(before))?;
                    store::expand(conn, &old)
                })
                .await?;
            if things.is_empty() {
                return Ok(());
            }
            let done = empty(&self.app, &Principal::console(), things).await?;
            let count = done.runs + done.logged_models + done.experiments;
            if count > 0 {
                tracing::info!(trash.removed = count, trash.freed_bytes = done.freed_bytes, "emptied old trash");
            }
            Ok(())
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_empties_nothing_for_six_hours() {
        let (start, hour) = (Instant::now(), Duration::from_secs(3600));
        let mut steady = Steady::since(start, 0);
        let mut at =
            |hours: u32, ahead_ms: i64| steady.look(start + hour * hours, i64::from(hours) * 3_600_000 + ahead_ms);
        assert!(!at(1, 0) && !at(5, 0), "not soon after the start");
        assert!(at(6, 0) && at(7, 5_000));
        let ten_years = 315_360_000_000;
        assert!(!at(8, ten_years) && !at(13, ten_years), "not soon after a jump");
        assert!(!at(13, 0), "nor after the jump back");
        assert!(at(19, 0));
    }
}
