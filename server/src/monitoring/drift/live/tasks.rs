//! The watcher: judges each window of each watched deployment when it is over.

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};

use super::judging::judge;
use super::metrics::Latest;
use super::store;
use crate::app::App;
use crate::background::Task;
use crate::clock;
use crate::error::Result;
use crate::serving::capture::{self, Watched};

const MINUTE_MS: i64 = 60_000;

pub struct DriftWatcher {
    app: App,
}

impl DriftWatcher {
    pub fn new(app: App) -> Self {
        Self { app }
    }

    /// One deployment's trouble keeps no other from being judged.
    async fn pass(&self) -> Result<()> {
        let all = self.app.db.read(capture::all_on_conn).await?;
        let latest = self.app.memory.of::<Latest>();
        latest.keep(&all.iter().map(|one| one.deployment_id.as_str()).collect::<Vec<_>>());
        let mut first_failure = None;
        for one in all.iter().filter(|one| one.watch.is_some()) {
            if let Err(error) = self.look_at(one).await {
                latest.set_problem(&one.deployment_id, Some(error.message.clone()));
                first_failure.get_or_insert(error);
            }
        }
        first_failure.map_or(Ok(()), Err)
    }

    async fn look_at(&self, of: &Watched) -> Result<()> {
        let Some(watch) = &of.watch else { return Ok(()) };
        let latest = self.app.memory.of::<Latest>();
        if !latest.knows(&of.deployment_id) {
            // what was found before this start is still the newest
            let id = of.deployment_id.clone();
            let known =
                self.app.db.read(move |conn| Ok((store::report(conn, &id, None)?, store::last_until(conn, &id)?)));
            if let (Some((_, Some(drift))), Some(until)) = known.await? {
                latest.set(&of.deployment_id, &of.name, until, &drift);
            }
        }
        let id = of.deployment_id.clone();
        let last = self.app.db.read(move |conn| store::last_until(conn, &id)).await?;
        match due(i64::from(watch.window_minutes) * MINUTE_MS, last, clock::now_ms()) {
            Some(span) => judge(&self.app, of, span).await.map(drop),
            None => Ok(()),
        }
    }
}

/// The window that is over and not judged; what a window before has of its time is not counted twice.
fn due(length: i64, last_until: Option<i64>, now: i64) -> Option<(i64, i64)> {
    let until = now - now.rem_euclid(length);
    let from = (until - length).max(last_until.unwrap_or(i64::MIN));
    (from < until).then_some((from, until))
}

impl Task for DriftWatcher {
    fn name(&self) -> &'static str {
        "drift-watcher"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        self.pass().boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_due_once_when_it_is_over() {
        let hour = 3_600_000;
        assert_eq!(due(hour, None, 5 * hour + 7), Some((4 * hour, 5 * hour)));
        assert_eq!(due(hour, Some(5 * hour), 5 * hour + 7), None);
        assert_eq!(due(hour, Some(5 * hour), 6 * hour), Some((5 * hour, 6 * hour)));
        // after a long night only the last whole one
        assert_eq!(due(hour, Some(hour), 9 * hour), Some((8 * hour, 9 * hour)));
        // half of it was compared by hand
        assert_eq!(due(hour, Some(5 * hour + 100), 6 * hour + 1), Some((5 * hour + 100, 6 * hour)));
        assert_eq!(due(hour, Some(5 * hour + 100), 5 * hour + 200), None);
    }
}
