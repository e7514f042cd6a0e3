//! Processor, memory, disks, networks, names and addresses, through sysinfo.

use std::{collections::BTreeMap, fs, net::IpAddr, path::Path, time::Instant};

use sysinfo::{Disk, DiskRefreshKind, Disks, InterfaceOperationalState, NetworkData, Networks, System};

use super::{BoxReading, DiskReading, NetworkReading};

/// File systems that lie on no device of their own.
const NO_DISKS: [&str; 8] = ["tmpfs", "devtmpfs", "overlay", "squashfs", "ramfs", "efivarfs", "iso9660", "erofs"];

/// The machine's name, if it has one.
pub fn hostname() -> Option<String> {
    System::host_name().ok().filter(|name| !name.is_empty())
}

/// Memory that the machine has; 0 where it cannot be read.
pub fn memory_bytes() -> u64 {
    let Ok(mut system) = System::new() else { return 0 };
    system.refresh_memory();
    system.total_memory()
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

/// What stays between two readings: use of processor, disks and networks are differences.
pub(super) struct Machine {
    system: Option<System>,
    disks: Option<Disks>,
    networks: Option<Networks>,
    read_at: Option<Instant>,
}

impl Machine {
    pub(super) fn new() -> Machine {
        Machine { system: System::new().ok(), disks: Disks::new().ok(), networks: Networks::new().ok(), read_at: None }
    }

    /// Everything but the GPUs; what cannot be read is 0. May block for as long as a file system hangs.
    pub(super) fn read(&mut self, path: &Path) -> BoxReading {
        let now = Instant::now();
        let passed_s = self.read_at.replace(now).map_or(0.0, |before| (now - before).as_secs_f64());
        let mut reading = BoxReading {
            hostname: hostname().unwrap_or_else(|| "localhost".to_owned()),
            server_memory_bytes: own_memory_bytes(),
            ..Default::default()
        };
        if let Some(system) = &mut self.system {
            read_system(system, &mut reading);
        }
        if let Some(disks) = &mut self.disks {
            disks.refresh_specifics(true, DiskRefreshKind::nothing().with_storage().with_io_usage());
            reading.disks = read_disks(disks, path, passed_s);
            let of_path = reading.disks.iter().find(|disk| disk.holds_path);
            (reading.disk_total_bytes, reading.disk_free_bytes) =
                of_path.map_or((0, 0), |disk| (disk.total_bytes, disk.free_bytes));
        }
        if reading.disk_total_bytes == 0 {
            (reading.disk_total_bytes, reading.disk_free_bytes) = disk_space(path).unwrap_or_default();
        }
        if let Some(networks) = &mut self.networks {
            networks.refresh(true);
            reading.networks = read_networks(networks, passed_s);
        }
        reading
    }
}

fn read_system(system: &mut System, reading: &mut BoxReading) {
    system.refresh_cpu_usage();
    system.refresh_memory();
    reading.cpu_count = u32::try_from(system.cpus().len()).unwrap_or(u32::MAX);
    reading.cpu_percent = system.global_cpu_usage().clamp(0.0, 100.0);
    reading.cpu_percents = system.cpus().iter().map(|cpu| cpu.usage().clamp(0.0, 100.0)).collect();
    if let Ok(load) = System::load_average() {
        reading.load_average = [load.one, load.five, load.fifteen];
    }
    reading.memory_total_bytes = system.total_memory();
    reading.memory_used_bytes = system.total_memory().saturating_sub(system.available_memory());
    (reading.swap_total_bytes, reading.swap_used_bytes) = (system.total_swap(), system.used_swap());
}

/// Each device once, by its shortest mount point; the one that holds `path` first, whatever it lies on.
fn read_disks(disks: &Disks, path: &Path, passed_s: f64) -> Vec<DiskReading> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let above = disks.iter().filter(|disk| path.starts_with(disk.mount_point()));
    let nearest = above.max_by_key(|disk| disk.mount_point().components().count());
    let holds_path = |disk: &Disk| nearest.is_some_and(|nearest| nearest.name() == disk.name());
    let is_nearest = |disk: &Disk| nearest.is_some_and(|nearest| nearest.mount_point() == disk.mount_point());
    let mut found: BTreeMap<String, DiskReading> = BTreeMap::new();
    for disk in disks.iter().filter(|disk| is_nearest(disk) || (is_real(disk) && disk.total_space() > 0)) {
        let (name, mounted_at) =
            (disk.name().to_string_lossy().into_owned(), disk.mount_point().to_string_lossy().into_owned());
        if found.get(&name).is_some_and(|known| known.mounted_at.len() <= mounted_at.len()) {
            continue;
        }
        let usage = disk.usage();
        let reading = DiskReading {
            holds_path: holds_path(disk),
            file_system: disk.file_system().to_string_lossy().into_owned(),
            total_bytes: disk.total_space(),
            free_bytes: disk.available_space(),
            read_bytes_per_s: per_second(usage.read_bytes, passed_s),
            written_bytes_per_s: per_second(usage.written_bytes, passed_s),
            mounted_at,
            name: name.clone(),
        };
        found.insert(name, reading);
    }
    let mut found: Vec<DiskReading> = found.into_values().collect();
    found.sort_by_key(|disk| (!disk.holds_path, disk.mounted_at.clone()));
    found
}

fn is_real(disk: &Disk) -> bool {
    let file_system = disk.file_system().to_string_lossy();
    !NO_DISKS.contains(&file_system.as_ref()) && !file_system.starts_with("fuse.")
}

fn read_networks(networks: &Networks, passed_s: f64) -> Vec<NetworkReading> {
    let named = networks.iter().map(|(name, data)| (name.to_string_lossy().into_owned(), data));
    let mut found: Vec<NetworkReading> = named
        .filter(|(name, data)| is_shown(name, data))
        .map(|(name, data)| NetworkReading {
            name,
            addresses: data.ip_networks().iter().map(|network| network.addr.to_string()).collect(),
            is_up: is_up(data),
            received_bytes_per_s: per_second(data.received(), passed_s),
            sent_bytes_per_s: per_second(data.transmitted(), passed_s),
            received_bytes: data.total_received(),
            sent_bytes: data.total_transmitted(),
        })
        .collect();
    found.sort_by(|a, b| (!is_card(&a.name), &a.name).cmp(&(!is_card(&b.name), &b.name)));
    found
}

/// Cards always, bridges and tunnels while they are up; the ends of containers are not the machine's.
fn is_shown(name: &str, data: &NetworkData) -> bool {
    is_card(name) || (is_up(data) && name != "lo" && !name.starts_with("veth"))
}

fn is_up(data: &NetworkData) -> bool {
    data.operational_state() == InterfaceOperationalState::Up
}

/// A device of the machine stands behind it.
fn is_card(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).join("device").exists()
}

/// 0 at the first reading, whose difference is all since the start.
fn per_second(bytes: u64, passed_s: f64) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of bytes, never negative")]
    if passed_s < 0.01 { 0 } else { (bytes as f64 / passed_s) as u64 }
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
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn this_machine_has_all_of_it() {
        let mut machine = Machine::new();
        machine.read(Path::new("/tmp"));
        std::thread::sleep(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL);
        let reading = machine.read(Path::new("/tmp"));
        assert!(reading.cpu_count > 0 && (0.0..=100.0).contains(&reading.cpu_percent), "{reading:?}");
        assert_eq!(reading.cpu_percents.len(), reading.cpu_count as usize);
        assert!(reading.memory_used_bytes > 0 && reading.memory_used_bytes < reading.memory_total_bytes, "{reading:?}");
        assert!(reading.disk_free_bytes > 0 && reading.disk_free_bytes < reading.disk_total_bytes, "{reading:?}");
        assert!((1 << 20..1 << 32).contains(&reading.server_memory_bytes), "{reading:?}");
        assert!(!reading.hostname.is_empty());
    }

    #[test]
    fn every_disk_is_there_once_and_one_holds_the_path() {
        let reading = Machine::new().read(Path::new("/tmp"));
        assert!(!reading.disks.is_empty() && reading.disks[0].holds_path, "{:?}", reading.disks);
        assert_eq!(reading.disks.iter().filter(|disk| disk.holds_path).count(), 1);
        let names: std::collections::BTreeSet<_> = reading.disks.iter().map(|disk| &disk.name).collect();
        assert_eq!(names.len(), reading.disks.len());
        assert!(reading.disks.iter().all(|disk| disk.written_bytes_per_s == 0), "no rate without a first reading");
    }

    #[test]
    fn what_is_written_and_received_becomes_a_rate() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let mut machine = Machine::new();
        machine.read(folder.path());
        let mut file = fs::File::create(folder.path().join("written")).unwrap();
        std::io::Write::write_all(&mut file, &vec![7; 32 << 20]).unwrap();
        file.sync_all().unwrap();
        std::thread::sleep(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL);
        let reading = machine.read(folder.path());
        let disk = &reading.disks[0];
        // the layered file system of a container counts nothing
        assert!(disk.written_bytes_per_s > 0 || !disk.name.starts_with("/dev/"), "{disk:?}");
        assert!(reading.networks.iter().all(|network| network.name != "lo" && !network.name.starts_with("veth")));
        assert_eq!((per_second(100, 0.0), per_second(100, 2.0)), (0, 50));
    }

    #[test]
    fn loopback_is_no_address_for_others() {
        assert!(own_addresses().iter().all(|address| !address.is_loopback()));
        assert!(!reachable(&"127.0.0.1".parse().unwrap_or(IpAddr::from([0, 0, 0, 0]))));
    }
}
