//! The sweeper of the trash.

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};

use super::{KEPT_MS, empty, store};
use crate::{accounts::Principal, app::App, background::Task, clock, error::Result};

/// Starts the background part: what lies in the trash for 30 days goes.
pub fn start(app: &App) {
    app.background.spawn(Sweeper { app: app.clone() });
}

/// Removes what has lain in the trash for 30 days, with its artifacts.
struct Sweeper {
    app: App,
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
            let before = clock::now_ms() - KEPT_MS;
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
