//! The recorder, which writes the gateway's traffic to the database.

use std::time::Duration;

use drydock_wire::events::Topic;
use futures_util::{FutureExt, future::BoxFuture};

use super::{gateway::Gateway, store};
use crate::{app::App, background::Task, clock, error::Result};

const TRAFFIC_KEPT_MS: i64 = 25 * 3600 * 1000;

/// Writes the gateway's minutes to the database.
pub struct TrafficRecorder {
    app: App,
    gateway: Gateway,
}

impl TrafficRecorder {
    pub fn new(app: App, gateway: Gateway) -> Self {
        Self { app, gateway }
    }
}

impl Task for TrafficRecorder {
    fn name(&self) -> &'static str {
        "traffic-recorder"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        record_traffic(&self.app, &self.gateway).boxed()
    }
}

/// Writes what is new and drops what is old. Also the last thing that a shutdown does with the gateway.
pub async fn record_traffic(app: &App, gateway: &Gateway) -> Result<()> {
    let now = clock::now_ms();
    for (name, endpoint) in gateway.endpoints() {
        let Some(kept) = endpoint.meter.to_flush(now) else { continue };
        let (id, written) = (endpoint.deployment_id.clone(), kept.clone());
        let result = app
            .db
            .write(move |conn| {
                store::keep_traffic(conn, &id, &written)?;
                store::prune_traffic(conn, now - TRAFFIC_KEPT_MS)
            })
            .await;
        if let Err(error) = result {
            endpoint.meter.unflushed(&kept);
            return Err(error);
        }
        app.events.publish(Topic::Deployments, Some(&name));
    }
    Ok(())
}
