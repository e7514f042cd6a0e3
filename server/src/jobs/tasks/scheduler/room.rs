//! What the box has for jobs: all of it, less what deployments hold.

use super::container;
use crate::{
    app::App,
    error::Result,
    scheduling::{BoxRoom, Capacity, Gpu},
    workloads::{self, Kind},
};

/// Cores count among jobs alone, since a model server is idle most of the time and its limit holds it back; memory and GPUs count over
/// everything, since they are not given back. Disk is what may still be written above the floor.
pub(super) async fn of(app: &App) -> Result<BoxRoom> {
    let reading = container::reading(app).await;
    let demand = app.db.read(workloads::demand).await?;
    let served: Vec<_> = demand.into_iter().filter(|one| one.kind == Kind::Revision).collect();
    let memory: u64 = served.iter().map(|one| one.memory_bytes).sum();
    let holds = |uuid: &String| served.iter().any(|one| one.gpu_uuids.contains(uuid));
    let disk = app.objects.room().state();
    let gpu_uuids: Vec<String> = reading.gpus.iter().map(|gpu| gpu.uuid.clone()).collect();
    let gpus = reading.gpus.iter().map(|gpu| Gpu {
        memory: gpu.memory_total_bytes,
        usable: !holds(&gpu.uuid),
        sharable: true,
    });
    let capacity = Capacity {
        cpus_milli: u64::from(reading.cpu_count) * 1000,
        memory: reading.memory_total_bytes.saturating_sub(memory),
        disk: disk.free_bytes.saturating_sub(disk.floor_bytes),
        gpus: gpus.collect(),
    };
    Ok(BoxRoom { capacity, gpu_uuids })
}
