//! What the box says about itself: `/healthz`, `/readyz`, `/metrics`, and the middleware that counts, times and names
//! every request.
//!
//! Always holds: every answer carries `x-request-id`, and so does every log line of its request; metrics name routes by
//! pattern, never by path, so that nobody can make them grow. Never here: deciding anything by what was measured.

pub mod drift;
mod exposition;
mod gateway;
mod health;
pub mod http;
mod metrics;

use actix_web::web;

use crate::app::App;
use crate::error::Result;

/// Mounts health and metrics at the root.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/healthz", web::get().to(health::alive))
        .route("/readyz", web::get().to(health::ready))
        .route("/metrics", web::get().to(metrics::scrape));
}

/// Starts what looks by itself: the watcher of live traffic. Metrics are read when they are asked for.
pub async fn start(app: &App) -> Result<()> {
    drift::live::start(app);
    Ok(())
}
