//! Images built on the box from a Dockerfile or a form, pushed to its own registry.

use crate::{app::App, error::Result};

/// Mounts the routes of the native API.
pub fn configure(_config: &mut utoipa_actix_web::service_config::ServiceConfig<'_>) {}

/// Starts the background parts.
pub async fn start(_app: &App) -> Result<()> {
    Ok(())
}
