//! The monitor against a library of ours in NVML's place, compiled here with `cc`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use drydock_appliance::devices::{BoxReading, Monitor, Settings};

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
    assert!(reading.memory_total_bytes > 0 && reading.disk_total_bytes > 0);
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
