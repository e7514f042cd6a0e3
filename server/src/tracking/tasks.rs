//! The sweeper of the trash.

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};

use super::{store::purge, uploads};
use crate::{app::App, background::Task, clock, error::Result};

/// How long deleted runs, logged models and experiments can be restored.
const TRASH_MS: i64 = 30 * 86_400_000;
/// Runs removed in one transaction, so that writers wait for no long one.
const AT_ONCE: i64 = 50;

/// Removes what has lain in the trash for 30 days, with its artifact references; the bytes go with the next collection.
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
        "tracking.sweeper"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        async move {
            let before = clock::now_ms() - TRASH_MS;
            self.app.db.write(uploads::forget_stale).await?;
            while self.app.db.write(move |conn| purge::purge(conn, before, AT_ONCE)).await? > 0 {}
            Ok(())
        }
        .boxed()
    }
}
