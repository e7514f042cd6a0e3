//! What the box says about itself: `/healthz`, `/readyz`, `/metrics`, what was measured over time, and the middleware that counts, times
//! and names every request.
//!
//! Always holds: every answer carries `x-request-id`, and so does every log line of its request; metrics name routes by
//! pattern, never by path, so that nobody can make them grow. What is measured is gathered in one place (`gather`), for `/metrics`
//! and for the store of series alike. Never here: deciding anything by what was measured. Who does asks `latest` and `range`.

mod collector;
mod containers;
pub mod drift;
mod exposition;
mod gateway;
mod gather;
mod health;
pub mod http;
mod metrics;
mod push;
mod routes;
mod series;

use actix_web::web;
use utoipa_actix_web::service_config::ServiceConfig;

pub use series::{
    Answer, Asked, Function, Grouping, Identity, Join, Labels, Latest, Metrics, Point, Resolution, Selector,
    range as range_of, rolled_up,
};

use crate::app::App;
use crate::clock;
use crate::error::{Error, Result};
use crate::serving::Gateway;

/// Mounts health and metrics at the root.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/healthz", web::get().to(health::alive))
        .route("/readyz", web::get().to(health::ready))
        .route("/metrics", web::get().to(metrics::scrape));
}

/// Mounts the routes under `/api/v1`.
pub fn configure_native(config: &mut ServiceConfig<'_>) {
    config.configure(drift::configure).configure(series::configure).configure(routes::configure);
}

/// Starts what looks by itself: the collector of metrics, and the watcher of live traffic.
pub async fn start(app: &App, gateway: &Gateway) -> Result<()> {
    drift::live::start(app);
    let (metrics, folder, most) = (series::of(app), app.data_dir.clone(), app.config.metrics.max_bytes);
    let opened = tokio::task::spawn_blocking(move || metrics.open(&folder, most)).await.map_err(Error::internal)?;
    if let Err(error) = opened {
        // the box works without charts
        tracing::error!(error.chain = ?error.source, "metrics are not kept: {error}");
    }
    app.background.spawn(collector::Collector::new(app.clone(), gateway.clone()));
    Ok(())
}

/// The newest samples of the series that match, none of them older than `max_age_ms`.
pub fn latest(app: &App, of: &Selector, max_age_ms: i64) -> Vec<Latest> {
    series::of(app).latest(of, clock::now_ms() - max_age_ms)
}

/// Values over time; see `Asked`.
///
/// # Errors
/// `invalid` for a question that makes no sense or asks for too much; `unavailable` until the store is open.
pub async fn range(app: &App, asked: Asked) -> Result<series::Answer> {
    let metrics = series::of(app);
    let work = move || series::range(&metrics, &asked, clock::now_ms());
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}
