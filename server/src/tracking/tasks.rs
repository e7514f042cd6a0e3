//! The sweeper of uploads that nobody ended.

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};

use super::uploads;
use crate::{app::App, background::Task, error::Result};

/// Starts the background part.
pub fn start(app: &App) {
    app.background.spawn(Sweeper { app: app.clone() });
}

/// Forgets parts of uploads that began days ago; their bytes go with the next collection.
struct Sweeper {
    app: App,
}

impl Task for Sweeper {
    fn name(&self) -> &'static str {
        "tracking.uploads"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        async move {
            let count = self.app.db.write(uploads::forget_stale).await?;
            if count > 0 {
                tracing::info!(upload.parts = count, "forgot uploads that nobody ended");
            }
            Ok(())
        }
        .boxed()
    }
}
