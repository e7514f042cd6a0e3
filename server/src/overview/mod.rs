//! The front page: what the box is, what runs on it, and how the background parts are. Reads across features, changes
//! nothing.

mod routes;
mod store;

use drydock_appliance::{RUNTIME_IMAGE, containers::Engine, devices};
use drydock_wire::overview::{BoxInfo, DockerState, Gpu, Overview};

pub use routes::configure;
pub use store::name_of_owner;

use crate::{
    accounts::{Authorized, action},
    app::App,
    error::Result,
};

/// All of the front page.
pub async fn overview(app: &App, auth: &Authorized<action::View>) -> Result<Overview> {
    let scope = auth.scope();
    let counts = app.db.read(move |conn| store::counts(conn, &scope));
    let (counts, docker, box_info) = tokio::join!(counts, docker_state(&app.engine, &app.instance), box_info(app));
    Ok(Overview {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: app.started_at,
        box_info,
        docker,
        counts: counts?,
        tasks: app.background.states(),
    })
}

/// Whether containers can be run now, and if not, what to do. A Docker without room for the instance's network runs none.
pub async fn docker_state(engine: &Engine, instance: &str) -> DockerState {
    match engine.version().await {
        Ok(version) => {
            let runtime_image = matches!(engine.image(RUNTIME_IMAGE).await, Ok(Some(_)));
            let trouble = engine.ensure_network(instance).await.err();
            DockerState {
                available: trouble.is_none(),
                version: Some(version),
                message: trouble.map(|cause| cause.to_string()),
                runtime_image,
            }
        }
        Err(cause) => {
            DockerState { available: false, version: None, message: Some(cause.to_string()), runtime_image: false }
        }
    }
}

async fn box_info(app: &App) -> BoxInfo {
    let reading = devices::read(&app.data_dir).await;
    let gpus = reading.gpus.into_iter().filter(|gpu| gpu.parent_uuid.is_none()).map(|gpu| Gpu {
        index: gpu.index,
        uuid: gpu.uuid,
        name: gpu.name,
        memory_total_bytes: gpu.memory_total_bytes,
        memory_used_bytes: gpu.memory_used_bytes,
        utilization_percent: gpu.utilization_percent.unwrap_or(0),
        temperature_celsius: gpu.temperature_celsius.unwrap_or(0),
    });
    BoxInfo {
        hostname: reading.hostname,
        cpu_count: reading.cpu_count,
        cpu_percent: reading.cpu_percent,
        memory_total_bytes: reading.memory_total_bytes,
        memory_used_bytes: reading.memory_used_bytes,
        disk_total_bytes: reading.disk_total_bytes,
        disk_free_bytes: reading.disk_free_bytes,
        disk_level: app.objects.room().state().level,
        server_memory_bytes: reading.server_memory_bytes,
        gpus: gpus.collect(),
        gpu_note: reading.gpu_note,
    }
}
