//! The monitor against a library of ours in NVML's place, compiled here with `cc`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use drydock_appliance::devices::{BoxReading, FaultKind, GpuFault, Monitor, Settings};

/// A library of its own for each test: each is loaded separately and told separately what to do.
struct FakeNvml {
    dir: tempfile::TempDir,
}

impl FakeNvml {
    fn new(orders: &str) -> FakeNvml {
        let fake = FakeNvml { dir: tempfile::tempdir().unwrap() };
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nvml/fake_nvml.c");
        let compiler = Command::new("cc")
            .args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"])
            .arg(fake.library())
            .arg(source)
            .output();
        let compiled = compiler.expect("a C compiler is needed: apt-get install gcc");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        fake.tell(orders);
        fake
    }

    fn library(&self) -> PathBuf {
        self.dir.path().join("libfake-nvml.so")
    }

    fn tell(&self, orders: &str) {
        let next = self.dir.path().join("next");
        fs::write(&next, orders).unwrap();
        fs::rename(next, self.dir.path().join("libfake-nvml.so.conf")).unwrap();
    }

    fn monitor(&self) -> Monitor {
        monitor(self.library())
    }
}

fn monitor(library: PathBuf) -> Monitor {
    Monitor::start_with(Settings {
        disk: "/tmp".into(),
        nvml_library: Some(library),
        period: Duration::from_millis(50),
    })
}

fn until(monitor: &Monitor, right: impl Fn(&BoxReading) -> bool) -> BoxReading {
    let start = Instant::now();
    loop {
        let asked = Instant::now();
        let reading = monitor.reading();
        assert!(asked.elapsed() < Duration::from_millis(100), "a reading never waits");
        if right(&reading) {
            return reading;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "still not so: {reading:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_gpus_are_read() {
    let fake = FakeNvml::new("gpus=2\n");
    let reading = until(&fake.monitor(), |reading| reading.gpus.len() == 2);
    assert_eq!(reading.gpu_note, None);
    let second = &reading.gpus[1];
    assert_eq!((second.index, second.name.as_str()), (1, "Fake GPU 1"));
    assert_eq!(second.uuid, "GPU-00000000-0000-0000-0000-000000000001");
    assert_eq!((second.memory_total_bytes, second.memory_used_bytes), (80 << 30, 2 << 30));
    assert_eq!((second.utilization_percent, second.temperature_celsius), (Some(20), Some(41)));
    assert_eq!((second.power_mw, second.power_limit_mw), (Some(60_000), Some(400_000)));
    assert_eq!((second.clock_sm_mhz, second.clock_memory_mhz), (Some(1410), Some(1215)));
    assert_eq!((second.ecc_corrected, second.ecc_uncorrected), (Some(0), Some(0)));
    assert_eq!((second.processes.len(), second.is_divided, reading.gpu_pass > 0), (0, false, true));
    assert!(reading.memory_total_bytes > 0 && reading.disk_total_bytes > 0);
}

#[test]
fn what_a_gpu_does_not_tell_is_absent_and_what_it_counts_is_told() {
    let fake = FakeNvml::new("gpus=1\nmemory=8\npower=-1\necc=0,3,1\nprocess=0,4242,1073741824\nprocess=0,4243,5\n");
    let reading = until(&fake.monitor(), |reading| reading.gpus.len() == 1);
    let gpu = &reading.gpus[0];
    assert_eq!((gpu.power_mw, gpu.ecc_corrected, gpu.ecc_uncorrected), (None, Some(3), Some(1)));
    assert_eq!((gpu.memory_total_bytes, gpu.memory_used_bytes), (8 << 30, (2 << 30) + 5));
    let processes: Vec<_> = gpu.processes.iter().map(|process| (process.pid, process.memory_bytes)).collect();
    assert_eq!(processes, [(4242, 1 << 30), (4243, 5)]);
    assert_eq!(reading.gpu_note, None);
}

#[test]
fn mig_instances_are_gpus_behind_the_one_that_they_are_cut_from() {
    let fake = FakeNvml::new("gpus=2\nmig=0,2\nprocess=0.1,4242,7\n");
    let monitor = fake.monitor();
    let reading = until(&monitor, |reading| reading.gpus.len() == 4);
    let uuids: Vec<&str> = reading.gpus.iter().map(|gpu| &gpu.uuid[..7]).collect();
    assert_eq!(uuids, ["GPU-000", "MIG-000", "MIG-000", "GPU-000"]);
    assert!(reading.gpus[0].is_divided && !reading.gpus[3].is_divided);
    let instance = &reading.gpus[2];
    assert_eq!(instance.parent_uuid.as_deref(), Some("GPU-00000000-0000-0000-0000-000000000000"));
    assert_eq!((instance.index, instance.memory_total_bytes, instance.utilization_percent), (0, (80 << 30) / 7, None));
    assert_eq!((instance.processes.len(), reading.gpus[1].processes.len()), (1, 0));
    fake.tell("gpus=2\n");
    assert!(!until(&monitor, |reading| reading.gpus.len() == 2).gpus[0].is_divided);
}

#[test]
fn a_missing_library_is_a_note() {
    let reading = until(&monitor("/nowhere/libnvidia-ml.so".into()), |reading| reading.gpu_note.is_some());
    assert_eq!((reading.gpus.len(), reading.gpu_note.as_deref()), (0, Some("No NVIDIA driver was found on this box.")));
    assert!(reading.cpu_count > 0, "the rest is read all the same");
}

#[test]
fn a_driver_that_is_not_loaded_is_a_note_until_it_is() {
    let fake = FakeNvml::new("init=9\n");
    let monitor = fake.monitor();
    let reading = until(&monitor, |reading| reading.gpu_note.is_some());
    assert_eq!(reading.gpu_note.as_deref(), Some("The NVIDIA driver is installed but not loaded."));
    fake.tell("gpus=1\n");
    assert_eq!(until(&monitor, |reading| reading.gpus.len() == 1).gpu_note, None);
}

#[test]
fn a_gpu_that_is_gone_is_named_and_the_other_stays() {
    let fake = FakeNvml::new("gpus=2\n");
    let monitor = fake.monitor();
    until(&monitor, |reading| reading.gpus.len() == 2);
    fake.tell("gpus=2\ngone=0\n");
    let reading = until(&monitor, |reading| reading.gpus.len() == 1);
    assert_eq!(reading.gpus[0].index, 1);
    assert!(reading.gpu_note.is_some_and(|note| note.starts_with("GPU 0 does not answer")));
    assert_eq!(faults(&monitor, 1), [fault(0, FaultKind::Gone)]);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(monitor.take_faults(), [], "a GPU is lost once, not at every reading");
    // it comes back and is lost again
    fake.tell("gpus=2\n");
    until(&monitor, |reading| reading.gpus.len() == 2);
    fake.tell("gpus=2\ngone=0\n");
    assert_eq!(faults(&monitor, 1), [fault(0, FaultKind::Gone)]);
}

fn fault(gpu: u32, kind: FaultKind) -> GpuFault {
    GpuFault { uuid: format!("GPU-00000000-0000-0000-0000-{gpu:012}"), kind }
}

/// Waits for so many faults.
fn faults(monitor: &Monitor, count: usize) -> Vec<GpuFault> {
    let (start, mut found) = (Instant::now(), vec![]);
    while found.len() < count {
        found.extend(monitor.take_faults());
        assert!(start.elapsed() < Duration::from_secs(20), "only these: {found:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    found
}

#[test]
fn what_the_driver_tells_by_itself_is_heard_once_and_in_order() {
    let fake = FakeNvml::new("gpus=2\n");
    let monitor = fake.monitor();
    until(&monitor, |reading| reading.gpus.len() == 2);
    fake.tell("gpus=2\nxid=79@1#1\nxid=13@0#2\n");
    assert_eq!(faults(&monitor, 2), [fault(1, FaultKind::Xid(79)), fault(0, FaultKind::Xid(13))]);
    fake.tell("gpus=2\nxid=79@1#1\nxid=13@0#2\ndouble=0#3\nxid=999@0#4\n");
    assert_eq!(faults(&monitor, 2), [fault(0, FaultKind::DoubleBitEcc), fault(0, FaultKind::Xid(0))]);
    // a GPU that came later is listened to as well
    fake.tell("gpus=3\n");
    until(&monitor, |reading| reading.gpus.len() == 3);
    fake.tell("gpus=3\nxid=48@2#5\n");
    assert_eq!(faults(&monitor, 1), [fault(2, FaultKind::Xid(48))]);
}

#[test]
fn a_wait_that_says_some_gpu_is_lost_finds_out_which() {
    let fake = FakeNvml::new("gpus=2\n");
    // one that reads once and then never: only the events can tell
    let rare = Settings { disk: "/tmp".into(), nvml_library: Some(fake.library()), period: Duration::from_secs(600) };
    let monitor = Monitor::start_with(rare);
    until(&monitor, |reading| reading.gpus.len() == 2);
    std::thread::sleep(Duration::from_millis(500));
    fake.tell("gpus=2\nlost=1\ngone=1\n");
    assert_eq!(faults(&monitor, 1), [fault(1, FaultKind::Gone)]);
}

#[test]
fn a_hang_of_the_reader_keeps_no_fault_from_being_heard_nor_the_other_way_round() {
    let fake = FakeNvml::new("gpus=2\n");
    let monitor = fake.monitor();
    until(&monitor, |reading| reading.gpus.len() == 2);
    std::thread::sleep(Duration::from_millis(500));
    assert!(monitor.silent_for() < Duration::from_secs(2));
    fake.tell("gpus=2\nhang=60\n");
    until(&monitor, |_| monitor.silent_for() > Duration::from_secs(1));
    fake.tell("gpus=2\nhang=60\nxid=74@1#1\n");
    assert_eq!(faults(&monitor, 1), [fault(1, FaultKind::Xid(74))]);
    assert!(monitor.silent_for() > Duration::from_secs(1), "it still hangs");

    let other = FakeNvml::new("gpus=1\nhang_events=60\n");
    let monitor = other.monitor();
    until(&monitor, |reading| reading.gpus.len() == 1);
    other.tell("gpus=1\nhang_events=60\npower=1000\n");
    until(&monitor, |reading| reading.gpus[0].power_mw == Some(1000));
}

#[test]
fn a_hang_blocks_nobody_and_keeps_the_last_values() {
    let fake = FakeNvml::new("gpus=2\n");
    let monitor = fake.monitor();
    until(&monitor, |reading| reading.gpus.len() == 2);
    fake.tell("gpus=2\nhang=60\n");
    let reading = until(&monitor, |reading| reading.gpu_note.is_some());
    assert_eq!(reading.gpus.len(), 2);
    assert!(reading.gpu_note.is_some_and(|note| note.contains("has not answered") && note.contains("last known")));
}
