//! GPUs of the box: what they are, who holds them, and what is done when one fails.
//!
//! Always holds: a lease belongs to one generation of one workload; a whole GPU has one lease, the shares of a GPU never exceed its memory.

use crate::{app::App, error::Result};

/// Mounts the routes of the native API.
pub fn configure(_config: &mut utoipa_actix_web::service_config::ServiceConfig<'_>) {}

/// Starts the background parts.
pub async fn start(_app: &App) -> Result<()> {
    Ok(())
}
