//! Images built on the box from a Dockerfile or a form, pushed to its own registry.

use crate::{app::App, error::Result};

/// What an image's build calls the box: its address changes with the network, and would make every kept layer another one.
pub const NAME_OF_BOX: &str = "drydock";

/// Mounts the routes of the native API.
pub fn configure(_config: &mut utoipa_actix_web::service_config::ServiceConfig<'_>) {}

/// Starts the background parts.
pub async fn start(_app: &App) -> Result<()> {
    Ok(())
}
