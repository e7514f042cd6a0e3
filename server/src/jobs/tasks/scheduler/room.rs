//! What the box has for jobs: all of it, less what deployments hold.

use super::container;
use crate::{
    app::App,
    db::Conn,
    devices,
    error::Result,
    scheduling::{BoxRoom, Capacity, Gpu},
    workloads::{self, Kind},
};

/// Cores count among jobs alone, since a model server is idle most of the time and its limit holds it back; memory and GPUs count over
/// everything, since they are not given back. Disk is what may still be written above the floor.
pub(super) async fn of(app: &App) -> Result<BoxRoom> {
    let reading = container::reading(app).await;
    let (cpus_milli, memory) = (u64::from(reading.cpu_count) * 1000, reading.memory_total_bytes);
    let disk = app.objects.room().state();
    let disk = disk.free_bytes.saturating_sub(disk.floor_bytes);
    app.db.read(move |conn| left(conn, Capacity { cpus_milli, memory, disk, gpus: vec![] })).await
}

fn left(conn: &mut Conn, mut capacity: Capacity) -> Result<BoxRoom> {
    let served: Vec<_> = workloads::demand(conn)?.into_iter().filter(|one| one.kind == Kind::Revision).collect();
    let memory: u64 = served.iter().map(|one| one.memory_bytes).sum();
    capacity.memory = capacity.memory.saturating_sub(memory);
    let room = devices::room(conn)?;
    let gpu_uuids: Vec<String> = room.iter().map(|gpu| gpu.uuid.clone()).collect();
    let is_served = |uuid: &String| served.iter().any(|one| one.gpu_uuids.contains(uuid));
    let as_gpu = |gpu: devices::GpuRoom| Gpu {
        memory: gpu.memory_bytes,
        usable: gpu.usable && !is_served(&gpu.uuid),
        sharable: gpu.sharable,
    };
    capacity.gpus = room.into_iter().map(as_gpu).collect();
    Ok(BoxRoom { capacity, gpu_uuids })
}
