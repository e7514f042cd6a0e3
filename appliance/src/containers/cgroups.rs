//! What a container uses, out of the files in which the kernel counts it: microseconds where Docker takes up to a second.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::stats::Usage;

const ROOT: &str = "/sys/fs/cgroup";

/// One look at a container of this box; `None` where its files are not found or not readable, as when it does not run or Docker keeps
/// its groups elsewhere: then Docker has to be asked.
pub fn usage(id: &str) -> Option<Usage> {
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| usage_under(Path::new(ROOT), id)).flatten()
}

fn usage_under(root: &Path, id: &str) -> Option<Usage> {
    let mut usage = if root.join("cgroup.controllers").exists() { of_v2(root, id)? } else { of_v1(root, id)? };
    #[allow(clippy::disallowed_methods, reason = "when the kernel was asked, next to its counters, as Docker tells it")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    usage.at_ns = i64::try_from(since.as_nanos()).ok()?;
    Some(usage)
}

/// Docker's two ways to name a group: by itself, or as a unit of systemd.
fn folder(controller: &Path, id: &str) -> Option<PathBuf> {
    let candidates = [format!("docker/{id}"), format!("system.slice/docker-{id}.scope")];
    candidates.iter().map(|inner| controller.join(inner)).find(|path| path.is_dir())
}

fn of_v2(root: &Path, id: &str) -> Option<Usage> {
    let of = folder(root, id)?;
    let (read, written) = moved_v2(&fs::read_to_string(of.join("io.stat")).unwrap_or_default());
    let memory = number(&of.join("memory.current"))?;
    let clean = field(&fs::read_to_string(of.join("memory.stat")).ok()?, "inactive_file").unwrap_or(0);
    let (net_in_bytes, net_out_bytes) = network(&of)?;
    Some(Usage {
        at_ns: 0,
        cpu_ns: field(&fs::read_to_string(of.join("cpu.stat")).ok()?, "usage_usec")?.saturating_mul(1000),
        memory_bytes: memory.saturating_sub(clean),
        peak_memory_bytes: number(&of.join("memory.peak")),
        disk_read_bytes: read,
        disk_written_bytes: written,
        net_in_bytes,
        net_out_bytes,
        processes: number(&of.join("pids.current")).unwrap_or(0),
    })
}

fn of_v1(root: &Path, id: &str) -> Option<Usage> {
    let memory = folder(&root.join("memory"), id)?;
    let cpu = folder(&root.join("cpuacct"), id)?;
    let used = number(&memory.join("memory.usage_in_bytes"))?;
    let clean = field(&fs::read_to_string(memory.join("memory.stat")).ok()?, "total_inactive_file").unwrap_or(0);
    let moved = folder(&root.join("blkio"), id).and_then(|of| {
        let names = ["blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"];
        names.iter().find_map(|name| fs::read_to_string(of.join(name)).ok())
    });
    let (disk_read_bytes, disk_written_bytes) = moved_v1(&moved.unwrap_or_default());
    let (net_in_bytes, net_out_bytes) = network(&memory)?;
    Some(Usage {
        at_ns: 0,
        cpu_ns: number(&cpu.join("cpuacct.usage"))?,
        memory_bytes: used.saturating_sub(clean),
        peak_memory_bytes: number(&memory.join("memory.max_usage_in_bytes")).filter(|peak| *peak > 0),
        disk_read_bytes,
        disk_written_bytes,
        net_in_bytes,
        net_out_bytes,
        processes: folder(&root.join("pids"), id).and_then(|of| number(&of.join("pids.current"))).unwrap_or(0),
    })
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number behind a name, in lines of both.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().filter_map(|line| line.split_once(' ')).find(|(found, _)| *found == name)?.1.trim().parse().ok()
}

/// `8:0 rbytes=1 wbytes=2 rios=…`, a line for each device.
fn moved_v2(text: &str) -> (u64, u64) {
    let sum =
        |name: &str| text.split_whitespace().filter_map(|word| word.strip_prefix(name)?.parse::<u64>().ok()).sum();
    (sum("rbytes="), sum("wbytes="))
}

/// `8:0 Read 1`, some lines for each device.
fn moved_v1(text: &str) -> (u64, u64) {
    let sum = |name: &str| {
        let of = |line: &str| {
            let mut words = line.split_whitespace().skip(1);
            (words.next() == Some(name)).then(|| words.next()?.parse::<u64>().ok()).flatten()
        };
        text.lines().filter_map(of).sum()
    };
    (sum("Read"), sum("Write"))
}

/// Received and sent over all interfaces but the loopback, as the container's first process sees them.
fn network(group: &Path) -> Option<(u64, u64)> {
    let processes = fs::read_to_string(group.join("cgroup.procs")).ok()?;
    let pid: u32 = processes.lines().next()?.trim().parse().ok()?;
    Some(transferred(&fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?))
}

fn transferred(text: &str) -> (u64, u64) {
    let of = |line: &str| {
        let (name, counts) = line.split_once(':')?;
        let counts: Vec<u64> = counts.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        (name.trim() != "lo").then_some((*counts.first()?, *counts.get(8)?))
    };
    text.lines().filter_map(of).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ID: &str = "4f5a0c1e9b7d4f5a0c1e9b7d4f5a0c1e9b7d4f5a0c1e9b7d4f5a0c1e9b7d4f5a";

    fn put(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path.replace("ID", ID));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn both_kinds_of_groups_are_read() {
        let own = std::process::id().to_string();
        let dir = tempfile::tempdir().unwrap();
        put(
            dir.path(),
            &[
                ("cgroup.controllers", "cpu io memory pids"),
                ("system.slice/docker-ID.scope/cpu.stat", "usage_usec 5\nuser_usec 3\n"),
                ("system.slice/docker-ID.scope/memory.current", "1000\n"),
                ("system.slice/docker-ID.scope/memory.peak", "9000\n"),
                ("system.slice/docker-ID.scope/memory.stat", "anon 600\ninactive_file 400\n"),
                ("system.slice/docker-ID.scope/io.stat", "8:0 rbytes=10 wbytes=20 rios=1\n9:0 rbytes=1 wbytes=1\n"),
                ("system.slice/docker-ID.scope/pids.current", "3\n"),
                ("system.slice/docker-ID.scope/cgroup.procs", &own),
            ],
        );
        let found = usage_under(dir.path(), ID).unwrap();
        assert_eq!((found.cpu_ns, found.memory_bytes, found.peak_memory_bytes), (5_000, 600, Some(9_000)));
        assert_eq!((found.disk_read_bytes, found.disk_written_bytes, found.processes), (11, 21, 3));
        assert!(found.at_ns > 0);

        let dir = tempfile::tempdir().unwrap();
        put(
            dir.path(),
            &[
                ("cpuacct/docker/ID/cpuacct.usage", "5000\n"),
                ("memory/docker/ID/memory.usage_in_bytes", "1000\n"),
                ("memory/docker/ID/memory.stat", "inactive_file 1\ntotal_inactive_file 300\n"),
                ("memory/docker/ID/cgroup.procs", &own),
                (
                    "blkio/docker/ID/blkio.throttle.io_service_bytes",
                    "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\nTotal 30\n",
                ),
            ],
        );
        let found = usage_under(dir.path(), ID).unwrap();
        assert_eq!(
            (found.cpu_ns, found.memory_bytes, found.disk_read_bytes, found.disk_written_bytes),
            (5_000, 700, 10, 20)
        );
        assert_eq!(usage_under(dir.path(), &ID.replace('4', "5")), None);
        assert_eq!(usage("../../etc"), None);
    }

    #[test]
    fn the_loopback_does_not_count_as_network() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 99 1 0 0 0 0 0 0 99 1 0 0 0 0 0 0\n  eth0: 7 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0\n";
        assert_eq!(transferred(text), (7, 8));
    }
}
