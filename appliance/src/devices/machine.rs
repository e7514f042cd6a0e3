//! Processor, memory, disk, names and addresses, through sysinfo.

use std::{fs, net::IpAddr, path::Path};

use sysinfo::{DiskRefreshKind, Disks, Networks, System};

use super::BoxReading;

/// The machine's name, if it has one.
pub fn hostname() -> Option<String> {
    System::host_name().ok().filter(|name| !name.is_empty())
}

/// The addresses at which others can reach this machine: without loopback and link-local ones, sorted.
pub fn own_addresses() -> Vec<IpAddr> {
    let Ok(networks) = Networks::new_with_refreshed_list() else { return vec![] };
    let all = networks.values().flat_map(|network| network.ip_networks()).map(|network| network.addr);
    let mut addresses: Vec<IpAddr> = all.filter(reachable).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

fn reachable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
    }
}

/// What stays between two readings: processor use is a difference.
pub(super) struct Machine {
    system: Option<System>,
}

impl Machine {
    pub(super) fn new() -> Machine {
        Machine { system: System::new().ok() }
    }

    /// Everything but the GPUs; what cannot be read is 0. May block for as long as a file system hangs.
    pub(super) fn read(&mut self, disk: &Path) -> BoxReading {
        let mut reading = BoxReading {
            hostname: hostname().unwrap_or_else(|| "localhost".to_owned()),
            server_memory_bytes: own_memory_bytes(),
            ..Default::default()
        };
        if let Some(system) = &mut self.system {
            system.refresh_cpu_usage();
            system.refresh_memory();
            reading.cpu_count = u32::try_from(system.cpus().len()).unwrap_or(u32::MAX);
            reading.cpu_percent = system.global_cpu_usage().clamp(0.0, 100.0);
            reading.memory_total_bytes = system.total_memory();
            reading.memory_used_bytes = system.total_memory().saturating_sub(system.available_memory());
        }
        (reading.disk_total_bytes, reading.disk_free_bytes) = disk_bytes(disk);
        reading
    }
}

/// Size and free space of the file system that holds `path`: the one mounted nearest above it.
fn disk_bytes(path: &Path) -> (u64, u64) {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let Ok(disks) = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing().with_storage()) else {
        return (0, 0);
    };
    let above = disks.iter().filter(|disk| path.starts_with(disk.mount_point()));
    let nearest = above.max_by_key(|disk| disk.mount_point().components().count());
    nearest.map_or((0, 0), |disk| (disk.total_space(), disk.available_space()))
}

/// Size of the file system that holds `path`, and what of it is free for us, in bytes; one system call.
pub fn disk_space(path: &Path) -> Option<(u64, u64)> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some((found.f_blocks.saturating_mul(found.f_frsize), found.f_bavail.saturating_mul(found.f_frsize)))
}

fn own_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    resident.and_then(|kib| kib.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_all_of_it() {
        let mut machine = Machine::new();
        machine.read(Path::new("/tmp"));
        std::thread::sleep(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL);
        let reading = machine.read(Path::new("/tmp"));
        assert!(reading.cpu_count > 0 && (0.0..=100.0).contains(&reading.cpu_percent), "{reading:?}");
        assert!(reading.memory_used_bytes > 0 && reading.memory_used_bytes < reading.memory_total_bytes, "{reading:?}");
        assert!(reading.disk_free_bytes > 0 && reading.disk_free_bytes < reading.disk_total_bytes, "{reading:?}");
        assert!((1 << 20..1 << 32).contains(&reading.server_memory_bytes), "{reading:?}");
        assert!(!reading.hostname.is_empty());
    }

    #[test]
    fn loopback_is_no_address_for_others() {
        assert!(own_addresses().iter().all(|address| !address.is_loopback()));
        assert!(!reachable(&"127.0.0.1".parse().unwrap_or(IpAddr::from([0, 0, 0, 0]))));
    }
}
