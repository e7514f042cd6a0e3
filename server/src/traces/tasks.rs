//! The sweeper of traces whose experiment was deleted.

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};

use super::{changing, store::traces as store};
use crate::{accounts::Principal, app::App, background::Task, clock, error::Result};

/// How long a deleted experiment can be restored, with its traces.
const TRASH_MS: i64 = 30 * 86_400_000;
const AT_ONCE: i64 = 200;

/// Removes the traces of experiments that have lain in the trash for 30 days; then `tracking` removes the experiments.
pub struct Sweeper {
    app: App,
}

impl Sweeper {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

impl Task for Sweeper {
    fn name(&self) -> &'static str {
        "traces.sweeper"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        async move {
            let before = clock::now_ms() - TRASH_MS;
            let experiments = self.app.db.read(move |conn| store::experiments_deleted_before(conn, before)).await?;
            for experiment in experiments {
                let some = move |conn: &mut crate::db::Conn| {
                    let all = changing::Doomed::Until(i64::MAX, None);
                    changing::delete_some(conn, &Principal::console(), experiment, &all, AT_ONCE)
                };
                while self.app.db.write(some).await? > 0 {}
            }
            Ok(())
        }
        .boxed()
    }
}
