//! Measures everything once: for `/metrics`, and every five seconds for the store of series.

use std::time::{Duration, Instant};

use drydock_appliance::devices::{BoxReading, DiskReading, GpuReading, NetworkReading};

use tokio::sync::Mutex;

use super::containers::Containers;
use super::exposition::{Exposition, Family, Kind};
use super::push::Pushed;
use super::series::Metrics;
use super::{drift, http};
use crate::app::App;
use crate::db::Conn;
use crate::error::Result;
use crate::serving::{self, Gateway};
use crate::{jobs, objects};

/// Name, help, and how to read it off a GPU. A GPU that does not tell it has no sample.
type GpuMeasure = (&'static str, &'static str, fn(&GpuReading) -> Option<f64>);

/// Everything that is measured at this moment.
///
/// # Errors
/// When the database does not answer.
pub async fn gather(app: &App, gateway: &Gateway) -> Result<Vec<Family>> {
    let mut text = Exposition::default();
    process(&mut text, app).await;
    database(&mut text, app);
    counts(&mut text, app).await?;
    machine(&mut text, app).await;
    http::expose(&mut text);
    super::gateway::expose(&mut text, gateway);
    drift::live::expose(&mut text, app);
    tasks(&mut text, app);
    app.memory.of::<Containers>().expose(&mut text);
    app.memory.of::<Pushed>().expose(&mut text);
    app.memory.of::<Metrics>().expose(&mut text);
    Ok(text.finish())
}

async fn process(text: &mut Exposition, app: &App) {
    text.family("drydock_build_info", Kind::Gauge, "The version that runs.");
    text.sample("drydock_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let started_s = app.started_at as f64 / 1000.0;
    text.single("process_start_time_seconds", Kind::Gauge, "When the server started.", started_s);
    let resident = tokio::fs::read_to_string("/proc/self/statm").await.ok().and_then(|statm| resident_bytes(&statm));
    if let Some(resident) = resident {
        text.single("process_resident_memory_bytes", Kind::Gauge, "Memory of the server itself.", resident);
    }
}

fn resident_bytes(statm: &str) -> Option<u64> {
    const PAGE_BYTES: u64 = 4096;
    statm.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * PAGE_BYTES)
}

fn database(text: &mut Exposition, app: &App) {
    let stats = app.db.stats();
    text.single("drydock_db_writes_total", Kind::Counter, "Writes acknowledged.", stats.writes);
    text.single("drydock_db_commits_total", Kind::Counter, "Commits that carried them.", stats.commits);
    text.single("drydock_db_queued_writes", Kind::Gauge, "Writes that wait now.", stats.queued);
    let seconds = stats.commit_us as f64 / 1e6;
    text.single("drydock_db_commit_seconds_total", Kind::Counter, "Time spent in commits.", seconds);
}

/// How much content there is, and when and how long that was counted: with a million contents it takes a while.
#[derive(Default)]
struct Content(Mutex<Option<Counted>>);

/// When, for how long, and what was found.
type Counted = (Instant, Duration, (u64, u64));

/// Counting takes at most so small a part of the time.
const COUNTING: u32 = 200;

async fn content(app: &App) -> Result<(u64, u64)> {
    let content = app.memory.of::<Content>();
    let mut last = content.0.lock().await;
    if let Some((at, took, totals)) = *last
        && at.elapsed() < took * COUNTING
    {
        return Ok(totals);
    }
    let began = Instant::now();
    let totals = app.db.read(objects::store::totals).await?;
    *last = Some((Instant::now(), began.elapsed(), totals));
    Ok(totals)
}

async fn counts(text: &mut Exposition, app: &App) -> Result<()> {
    let (blobs, blob_bytes) = content(app).await?;
    let read = |conn: &mut Conn| Ok((serving::counts(conn)?, jobs::count(conn)?));
    let ((deployments, ready), (running, queued)) = app.db.read(read).await?;
    text.single("drydock_blobs", Kind::Gauge, "Distinct contents kept.", blobs);
    text.single("drydock_blob_bytes", Kind::Gauge, "Their size.", blob_bytes);
    text.single("drydock_deployments", Kind::Gauge, "Deployments.", deployments);
    text.single("drydock_deployments_ready", Kind::Gauge, "Deployments that answer.", ready);
    text.family("drydock_jobs", Kind::Gauge, "Jobs that are not over, by state.");
    text.sample("drydock_jobs", &[("state", "running")], running);
    text.sample("drydock_jobs", &[("state", "queued")], queued);
    Ok(())
}

async fn machine(text: &mut Exposition, app: &App) {
    let of = drydock_appliance::devices::read(&app.data_dir).await;
    text.single("drydock_box_cpu_ratio", Kind::Gauge, "Processor use over all cores, 0 to 1.", ratio(of.cpu_percent));
    text.single("drydock_box_cpus", Kind::Gauge, "Cores.", of.cpu_count);
    text.family("drydock_box_load", Kind::Gauge, "Processes that run or wait, over the last minutes.");
    for (minutes, load) in ["1", "5", "15"].iter().zip(of.load_average) {
        text.sample("drydock_box_load", &[("minutes", minutes)], load);
    }
    text.single("drydock_box_swap_bytes", Kind::Gauge, "Swap space of the box.", of.swap_total_bytes);
    text.single("drydock_box_swap_used_bytes", Kind::Gauge, "Swap space in use.", of.swap_used_bytes);
    text.single("drydock_box_memory_bytes", Kind::Gauge, "Memory of the box.", of.memory_total_bytes);
    text.single("drydock_box_memory_used_bytes", Kind::Gauge, "Memory in use.", of.memory_used_bytes);
    text.single(
        "drydock_box_disk_bytes",
        Kind::Gauge,
        "Size of the data directory's file system.",
        of.disk_total_bytes,
    );
    text.single("drydock_box_disk_free_bytes", Kind::Gauge, "What is free of it.", of.disk_free_bytes);
    disks_and_networks(text, &of);
    let gpus: Vec<&GpuReading> = of.gpus.iter().collect();
    text.single(
        "drydock_gpus",
        Kind::Gauge,
        "GPUs of the box.",
        gpus.iter().filter(|it| it.parent_uuid.is_none()).count(),
    );
    for (name, help, value) in GPU_MEASURES {
        let samples: Vec<_> = gpus.iter().filter_map(|gpu| Some((*gpu, value(gpu)?))).collect();
        if samples.is_empty() {
            continue;
        }
        text.family(name, Kind::Gauge, help);
        for (gpu, value) in samples {
            text.sample(name, &[("uuid", &gpu.uuid), ("name", &gpu.name)], value);
        }
    }
}

/// To a hundredth of a percent: what is behind it is noise, and noise is what a store of series is full of.
fn ratio(percent: f32) -> f64 {
    (f64::from(percent) * 100.0).round() / 10_000.0
}

const GPU_MEASURES: [GpuMeasure; 10] = [
    ("drydock_gpu_memory_bytes", "Memory of the GPU.", |gpu| Some(gpu.memory_total_bytes as f64)),
    ("drydock_gpu_memory_used_bytes", "Memory in use.", |gpu| Some(gpu.memory_used_bytes as f64)),
    ("drydock_gpu_utilization_ratio", "Use, 0 to 1.", |gpu| Some(f64::from(gpu.utilization_percent?) / 100.0)),
    ("drydock_gpu_temperature_celsius", "Temperature.", |gpu| Some(f64::from(gpu.temperature_celsius?))),
    ("drydock_gpu_power_watts", "Power drawn.", |gpu| Some(f64::from(gpu.power_mw?) / 1000.0)),
    ("drydock_gpu_power_limit_watts", "Power that it may draw.", |gpu| Some(f64::from(gpu.power_limit_mw?) / 1000.0)),
    ("drydock_gpu_clock_sm_hertz", "Clock of its processors.", |gpu| Some(f64::from(gpu.clock_sm_mhz?) * 1e6)),
    ("drydock_gpu_clock_memory_hertz", "Clock of its memory.", |gpu| Some(f64::from(gpu.clock_memory_mhz?) * 1e6)),
    ("drydock_gpu_ecc_corrected", "Memory errors mended since the driver was loaded.", |gpu| {
        Some(gpu.ecc_corrected? as f64)
    }),
    ("drydock_gpu_ecc_uncorrected", "Memory errors that could not be mended, since then.", |gpu| {
        Some(gpu.ecc_uncorrected? as f64)
    }),
];

/// Name, help and value of a family with a sample per thing.
type Gauge<T> = (&'static str, &'static str, fn(&T) -> u64);

fn disks_and_networks(text: &mut Exposition, of: &BoxReading) {
    let disks: [Gauge<DiskReading>; 4] = [
        ("drydock_disk_bytes", "Size of a file system.", |disk| disk.total_bytes),
        ("drydock_disk_free_bytes", "What is free of it.", |disk| disk.free_bytes),
        ("drydock_disk_read_bytes_per_second", "Read between the last two looks.", |disk| disk.read_bytes_per_s),
        ("drydock_disk_written_bytes_per_second", "Written between them.", |disk| disk.written_bytes_per_s),
    ];
    for (name, help, value) in disks {
        text.family(name, Kind::Gauge, help);
        for disk in &of.disks {
            text.sample(name, &[("device", &disk.name), ("mounted_at", &disk.mounted_at)], value(disk));
        }
    }
    let networks: [Gauge<NetworkReading>; 2] = [
        ("drydock_network_received_bytes_total", "Received since the interface exists.", |it| it.received_bytes),
        ("drydock_network_sent_bytes_total", "Sent since then.", |it| it.sent_bytes),
    ];
    for (name, help, value) in networks {
        text.family(name, Kind::Counter, help);
        for network in &of.networks {
            text.sample(name, &[("interface", &network.name)], value(network));
        }
    }
}

fn tasks(text: &mut Exposition, app: &App) {
    let states = app.background.states();
    text.family("drydock_task_last_run_timestamp_seconds", Kind::Gauge, "When the background part last ended a pass.");
    for state in &states {
        let at = state.last_run_at.unwrap_or_default() as f64 / 1000.0;
        text.sample("drydock_task_last_run_timestamp_seconds", &[("task", &state.name)], at);
    }
    text.family("drydock_task_ok", Kind::Gauge, "Whether that pass went well.");
    for state in &states {
        text.sample("drydock_task_ok", &[("task", &state.name)], u8::from(state.last_error.is_none()));
    }
    text.family("drydock_task_last_duration_seconds", Kind::Gauge, "How long that pass took.");
    for state in &states {
        let seconds = state.last_duration_ms as f64 / 1000.0;
        text.sample("drydock_task_last_duration_seconds", &[("task", &state.name)], seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_the_second_number_in_pages() {
        assert_eq!(resident_bytes("5000 123 45 1 0 99 0\n"), Some(123 * 4096));
        assert_eq!(resident_bytes(""), None);
    }
}
