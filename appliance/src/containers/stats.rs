//! What a container uses at this moment, as the kernel counts it.

use bollard::{models::ContainerStatsResponse, query_parameters::StatsOptionsBuilder};
use futures_util::StreamExt;

use super::{EngineError, Result, engine::Engine, error::timed_out, instant::parse_ns};

/// Counters and amounts of one container. Counters only grow; rates are differences between two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// When it was counted, in nanoseconds since 1970.
    pub at_ns: i64,
    /// Processor time of all its processes so far, in nanoseconds.
    pub cpu_ns: u64,
    /// In use, without clean pages of files, which go when somebody needs the memory.
    pub memory_bytes: u64,
    /// The most that was ever in use (with such pages); kernels with cgroups v2 do not tell Docker.
    pub peak_memory_bytes: Option<u64>,
    pub disk_read_bytes: u64,
    pub disk_written_bytes: u64,
    pub net_in_bytes: u64,
    pub net_out_bytes: u64,
    pub processes: u64,
}

impl Engine {
    /// One look; of a container that does not run, `None`. Out of the kernel's files where they are found; asking Docker takes up to a
    /// second, since its collector makes us wait for its turn.
    pub async fn usage(&self, id: &str) -> Result<Option<Usage>> {
        if let Some(usage) = super::cgroups::usage(id) {
            return Ok(Some(usage));
        }
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let answer = self
            .call(super::engine::QUICK, id, |docker| {
                let id = id.to_owned();
                async move { docker.stats(&id, Some(options)).next().await.transpose() }
            })
            .await;
        match answer {
            Ok(Some(stats)) => Ok(of(&stats)),
            Ok(None) => Err(timed_out(self.address())),
            Err(EngineError::NotFound(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }
}

/// `None` when nothing runs in it: then Docker answers with nothing but zeros.
fn of(stats: &ContainerStatsResponse) -> Option<Usage> {
    let cpu_ns = stats.cpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage?;
    let memory = stats.memory_stats.as_ref()?;
    let used = memory.usage?;
    let details = memory.stats.as_ref();
    // v1 counts its children's in `total_…`, v2 has one name
    let detail = |names: [&str; 2]| names.iter().find_map(|name| details?.get(*name)).copied().unwrap_or(0);
    let clean = detail(["total_inactive_file", "inactive_file"]);
    let mut usage = Usage {
        at_ns: stats.read.as_deref().and_then(parse_ns)?,
        cpu_ns,
        memory_bytes: used.saturating_sub(clean),
        peak_memory_bytes: memory.max_usage.filter(|peak| *peak > 0),
        processes: stats.pids_stats.as_ref().and_then(|pids| pids.current).unwrap_or(0),
        ..Usage::default()
    };
    let moved = stats.blkio_stats.as_ref().and_then(|blkio| blkio.io_service_bytes_recursive.as_ref());
    for entry in moved.into_iter().flatten() {
        let bytes = entry.value.unwrap_or(0);
        match entry.op.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("read") => usage.disk_read_bytes += bytes,
            Some("write") => usage.disk_written_bytes += bytes,
            _ => {}
        }
    }
    for network in stats.networks.iter().flat_map(|networks| networks.values()) {
        usage.net_in_bytes += network.rx_bytes.unwrap_or(0);
        usage.net_out_bytes += network.tx_bytes.unwrap_or(0);
    }
    Some(usage)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn counters_are_taken_from_either_kind_of_cgroups() {
        let v1 = json!({
            "read": "1970-01-01T00:00:02Z",
            "cpu_stats": { "cpu_usage": { "total_usage": 5_000 } },
            "memory_stats": { "usage": 1_000, "max_usage": 9_000, "stats": { "total_inactive_file": 300, "inactive_file": 1 } },
            "blkio_stats": { "io_service_bytes_recursive": [
                { "major": 8, "minor": 0, "op": "Read", "value": 10 }, { "major": 8, "minor": 0, "op": "Write", "value": 20 },
                { "major": 8, "minor": 0, "op": "Total", "value": 30 }, { "major": 9, "minor": 0, "op": "Write", "value": 1 },
            ] },
            "networks": { "eth0": { "rx_bytes": 7, "tx_bytes": 8 } },
            "pids_stats": { "current": 3 },
        });
        let usage = of(&serde_json::from_value(v1).unwrap()).unwrap();
        let expected = Usage {
            at_ns: 2_000_000_000,
            cpu_ns: 5_000,
            memory_bytes: 700,
            peak_memory_bytes: Some(9_000),
            disk_read_bytes: 10,
            disk_written_bytes: 21,
            net_in_bytes: 7,
            net_out_bytes: 8,
            processes: 3,
        };
        assert_eq!(usage, expected);
        let v2 = json!({
            "read": "1970-01-01T00:00:02Z",
            "cpu_stats": { "cpu_usage": { "total_usage": 5_000 } },
            "memory_stats": { "usage": 1_000, "stats": { "inactive_file": 400 } },
            "blkio_stats": { "io_service_bytes_recursive": null },
        });
        let usage = of(&serde_json::from_value(v2).unwrap()).unwrap();
        assert_eq!((usage.memory_bytes, usage.peak_memory_bytes), (600, None));
    }

    #[test]
    fn a_container_that_does_not_run_uses_nothing() {
        let ended = json!({ "read": "1970-01-01T00:00:02Z", "cpu_stats": { "cpu_usage": { "total_usage": 0 } }, "memory_stats": {} });
        assert_eq!(of(&serde_json::from_value(ended).unwrap()), None);
    }
}
