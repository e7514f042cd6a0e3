//! The collector: every five seconds, on the grid of the clock, everything is measured and goes into the store of series.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::containers::Containers;
use super::gather::gather;
use super::series::{self, Metrics};
use crate::app::App;
use crate::background::Task;
use crate::clock;
use crate::error::{Error, Result};
use crate::serving::Gateway;

const EVERY_MS: i64 = 5_000;

pub struct Collector {
    app: App,
    gateway: Gateway,
}

impl Task for Collector {
    fn name(&self) -> &'static str {
        "metrics-collector"
    }

    /// To the next place on the grid, so that passes do not drift across it.
    fn period(&self) -> Duration {
        let left = EVERY_MS - clock::now_ms().rem_euclid(EVERY_MS);
        Duration::from_millis(u64::try_from(left).unwrap_or(1))
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.pass())
    }
}

impl Collector {
    pub fn new(app: App, gateway: Gateway) -> Self {
        Self { app, gateway }
    }

    async fn pass(&self) -> Result<()> {
        let metrics: std::sync::Arc<Metrics> = series::of(&self.app);
        let at = clock::now_ms();
        // what could be measured is kept, whatever could not
        let looked = self.app.memory.of::<Containers>().look(&self.app).await;
        let gathered = gather(&self.app, &self.gateway).await;
        let taken = gathered.map(|families| metrics.take(at, &families));
        tokio::task::spawn_blocking(move || metrics.keep(clock::now_ms())).await.map_err(Error::internal)??;
        looked.and(taken)
    }
}
