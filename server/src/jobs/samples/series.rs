//! Series of samples: pure. From counters to rates, and from many instants to as many as a chart can show.

use drydock_appliance::{containers::Usage, devices::GpuReading};
use drydock_wire::samples::{GpuSamples, JobSamples};
use serde::{Deserialize, Serialize};

use crate::devices::GpuName;

/// One instant. The names are short since they are kept by the thousand.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// Milliseconds since 1970.
    pub at: i64,
    /// Cores.
    pub cpu: f64,
    #[serde(rename = "mem")]
    pub memory_bytes: u64,
    /// Per second, as the four below.
    #[serde(rename = "dr")]
    pub disk_read: u64,
    #[serde(rename = "dw")]
    pub disk_write: u64,
    #[serde(rename = "ni")]
    pub net_in: u64,
    #[serde(rename = "no")]
    pub net_out: u64,
    pub gpus: Vec<GpuSample>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GpuSample {
    pub uuid: String,
    /// Absent where the driver does not tell.
    #[serde(rename = "pct", skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    #[serde(rename = "mem")]
    pub memory_bytes: u64,
}

/// What happened between two looks; nothing when they are not in order, as when a counter began anew.
pub fn between(before: &Usage, now: &Usage, gpus: Vec<GpuSample>) -> Option<Sample> {
    let elapsed_ns = u64::try_from(now.at_ns.checked_sub(before.at_ns)?).ok().filter(|ns| *ns > 0)?;
    let seconds = elapsed_ns as f64 / 1e9;
    let rate = |of: fn(&Usage) -> u64| (of(now).saturating_sub(of(before)) as f64 / seconds).round() as u64;
    Some(Sample {
        at: now.at_ns.div_euclid(1_000_000),
        cpu: rounded(now.cpu_ns.checked_sub(before.cpu_ns)? as f64 / elapsed_ns as f64),
        memory_bytes: now.memory_bytes,
        disk_read: rate(|usage| usage.disk_read_bytes),
        disk_write: rate(|usage| usage.disk_written_bytes),
        net_in: rate(|usage| usage.net_in_bytes),
        net_out: rate(|usage| usage.net_out_bytes),
        gpus,
    })
}

/// A GPU as one container uses it; `is_own` says whether a process is the container's. Where the driver tells no process's memory, it
/// is that of the whole GPU.
pub fn of_gpu(gpu: &GpuReading, is_own: impl Fn(u32) -> bool) -> GpuSample {
    let told = gpu.processes.iter().any(|process| process.memory_bytes > 0);
    let own = || gpu.processes.iter().filter(|process| is_own(process.pid)).map(|process| process.memory_bytes).sum();
    let memory_bytes = if told { own() } else { gpu.memory_used_bytes };
    GpuSample { uuid: gpu.uuid.clone(), percent: gpu.utilization_percent.map(f64::from), memory_bytes }
}

fn rounded(cores: f64) -> f64 {
    (cores * 1_000.0).round() / 1_000.0
}

/// As columns, joined to at most `points` instants: the highest memory of those that become one, the mean of the rest.
pub fn columns(samples: &[Sample], points: usize) -> JobSamples {
    let together = samples.len().div_ceil(points.max(1)).max(1);
    let mut found = JobSamples { gpus: gpus_of(samples), ..JobSamples::default() };
    for group in samples.chunks(together) {
        let Some(last) = group.last() else { continue };
        let mean = |of: fn(&Sample) -> f64| group.iter().map(of).sum::<f64>() / group.len() as f64;
        found.at.push(last.at);
        found.cpus.push(rounded(mean(|it| it.cpu)));
        found.memory_bytes.push(group.iter().map(|it| it.memory_bytes).max().unwrap_or(0));
        found.disk_read_bytes_s.push(mean(|it| it.disk_read as f64).round() as u64);
        found.disk_write_bytes_s.push(mean(|it| it.disk_write as f64).round() as u64);
        found.net_in_bytes_s.push(mean(|it| it.net_in as f64).round() as u64);
        found.net_out_bytes_s.push(mean(|it| it.net_out as f64).round() as u64);
        for series in &mut found.gpus {
            let of_gpu = || group.iter().flat_map(|it| &it.gpus).filter(|gpu| gpu.uuid == series.uuid);
            let told: Vec<f64> = of_gpu().filter_map(|gpu| gpu.percent).collect();
            series.percent.push((!told.is_empty()).then(|| told.iter().sum::<f64>() / told.len() as f64));
            series.memory_bytes.push(of_gpu().map(|gpu| gpu.memory_bytes).max());
        }
    }
    found
}

/// Says what the GPUs are called, and puts them in the order of their numbers; ones that the box forgot come last.
pub fn name(gpus: &mut [GpuSamples], names: &[GpuName]) {
    for gpu in gpus.iter_mut() {
        if let Some(known) = names.iter().find(|known| known.uuid == gpu.uuid) {
            (gpu.number, gpu.is_instance) = (Some(known.number), known.is_instance);
            gpu.name.clone_from(&known.name);
        }
    }
    gpus.sort_by_key(|gpu| (gpu.number.is_none(), gpu.number, gpu.uuid.clone()));
}

fn gpus_of(samples: &[Sample]) -> Vec<GpuSamples> {
    let mut uuids: Vec<&str> = samples.iter().flat_map(|it| &it.gpus).map(|gpu| gpu.uuid.as_str()).collect();
    uuids.sort_unstable();
    uuids.dedup();
    uuids.into_iter().map(|uuid| GpuSamples { uuid: uuid.to_owned(), ..GpuSamples::default() }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn usage(seconds: i64, cpu_ns: u64, written: u64) -> Usage {
        Usage {
            at_ns: seconds * 1_000_000_000,
            cpu_ns,
            memory_bytes: 7,
            disk_written_bytes: written,
            ..Usage::default()
        }
    }

    #[test]
    fn counters_become_rates() {
        let sample = between(&usage(10, 1_000_000_000, 100), &usage(12, 4_000_000_000, 1_100), vec![]).unwrap();
        assert_eq!((sample.at, sample.cpu, sample.disk_write, sample.memory_bytes), (12_000, 1.5, 500, 7));
        assert_eq!(between(&usage(10, 5, 0), &usage(12, 4, 0), vec![]), None);
        assert_eq!(between(&usage(10, 5, 0), &usage(10, 6, 0), vec![]), None);
    }

    #[test]
    fn a_shared_gpus_memory_is_told_apart_where_the_driver_does() {
        use drydock_appliance::devices::GpuProcess;
        let processes = vec![GpuProcess { pid: 1, memory_bytes: 5 }, GpuProcess { pid: 2, memory_bytes: 7 }];
        let gpu = GpuReading { memory_used_bytes: 20, processes, ..GpuReading::default() };
        assert_eq!(of_gpu(&gpu, |pid| pid == 2).memory_bytes, 7);
        let silent = GpuReading { memory_used_bytes: 20, ..GpuReading::default() };
        assert_eq!(of_gpu(&silent, |_| true).memory_bytes, 20);
    }

    #[test]
    fn gpus_are_named_and_in_the_order_of_their_numbers() {
        let name = |uuid: &str, number, name: &str| GpuName {
            uuid: uuid.into(),
            number,
            name: name.into(),
            is_instance: uuid.starts_with("MIG"),
        };
        let of = |uuid: &str| GpuSamples { uuid: uuid.into(), ..GpuSamples::default() };
        let mut gpus = vec![of("GPU-a"), of("GPU-gone"), of("GPU-z"), of("MIG-b")];
        super::name(&mut gpus, &[name("GPU-z", 0, "RTX"), name("GPU-a", 1, "RTX"), name("MIG-b", 1, "1g.5gb")]);
        let told: Vec<_> = gpus.iter().map(|gpu| (gpu.uuid.as_str(), gpu.number, gpu.is_instance)).collect();
        assert_eq!(
            told,
            [("GPU-z", Some(0), false), ("GPU-a", Some(1), false), ("MIG-b", Some(1), true), ("GPU-gone", None, false)]
        );
        assert_eq!((gpus[2].name.as_str(), gpus[3].name.as_str()), ("1g.5gb", ""));
    }

    #[test]
    fn many_instants_become_as_many_as_asked_for() {
        let gpu = |percent, memory_bytes| vec![GpuSample { uuid: "g".into(), percent: Some(percent), memory_bytes }];
        let samples: Vec<Sample> = (0..10)
            .map(|n| Sample {
                at: n,
                cpu: n as f64,
                memory_bytes: u64::from(n == 4) * 9,
                gpus: if n < 5 { gpu(n as f64, 3) } else { vec![] },
                ..Sample::default()
            })
            .collect();
        let few = columns(&samples, 3);
        assert_eq!((few.at, few.cpus), (vec![3, 7, 9], vec![1.5, 5.5, 8.5]));
        assert_eq!(few.memory_bytes, [0, 9, 0]);
        assert_eq!(few.gpus[0].percent, [Some(1.5), Some(4.0), None]);
        assert_eq!(few.gpus[0].memory_bytes, [Some(3), Some(3), None]);
        assert_eq!(columns(&samples, 600).at.len(), 10);
        assert!(columns(&[], 600).at.is_empty());
    }
}
