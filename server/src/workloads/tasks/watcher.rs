//! The watcher of Docker's events.

use std::{sync::PoisonError, time::Duration};

use futures_util::{StreamExt, future::BoxFuture};

use super::Touched;
use crate::{app::App, background::Task, error::Result};

/// Wakes the reconciler whenever Docker says that something happened to a container of ours, and when Docker comes back.
pub struct DockerWatcher {
    app: App,
    touched: Touched,
}

impl DockerWatcher {
    pub fn new(app: App, touched: Touched) -> Self {
        Self { app, touched }
    }

    async fn watch(&self) -> Result<()> {
        if self.app.engine.version().await.is_err() {
            return Ok(());
        }
        let mut events = Box::pin(self.app.engine.events(&self.app.instance));
        // What happened before the subscription is found by a look.
        super::super::wake(&self.app);
        while let Some(container) = events.next().await {
            self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert(container);
            super::super::wake(&self.app);
        }
        super::super::wake(&self.app);
        Ok(())
    }
}

impl Task for DockerWatcher {
    fn name(&self) -> &'static str {
        "docker-watcher"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            tokio::select! {
                () = self.app.background.stopped() => Ok(()),
                watched = self.watch() => watched,
            }
        })
    }
}
