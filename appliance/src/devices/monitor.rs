//! [`Monitor`]: reads the machine again and again on two threads, one for what the kernel knows and one for the GPUs; a third waits for
//! faults that a driver tells by itself.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{
    BoxReading, FaultKind, GpuFault, GpuReading,
    events::{self, Shared},
    gpus::{Gpus, Pass},
    machine::Machine,
};

/// A pass of the GPU thread that takes longer is called a hang.
const HANG: Duration = Duration::from_secs(5);
/// How long a start waits for the first reading, so that nobody sees an empty one.
const FIRST: Duration = Duration::from_millis(200);

/// The latest reading of this machine, with the space of the file system that holds `disk`.
pub async fn read(disk: &Path) -> BoxReading {
    monitor(disk).await.map(|monitor| monitor.reading()).unwrap_or_default()
}

/// The one monitor of this process for `disk`: the first call starts it, it goes on until the process ends; the others answer at once.
/// Nothing if its start was cut off, as it is at the end of the process.
pub async fn monitor(disk: &Path) -> Option<Monitor> {
    static MONITORS: Mutex<BTreeMap<PathBuf, Monitor>> = Mutex::new(BTreeMap::new());
    if let Some(monitor) = lock(&MONITORS).get(disk) {
        return Some(monitor.clone());
    }
    let disk = disk.to_owned();
    let started = tokio::task::spawn_blocking(move || {
        let mut monitors = lock(&MONITORS);
        monitors.entry(disk).or_insert_with_key(|disk| Monitor::start(disk.clone())).clone()
    });
    started.await.ok()
}

/// What to read and how often.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its file system's space is read.
    pub disk: PathBuf,
    /// Another library in the place of NVIDIA's.
    pub nvml_library: Option<PathBuf>,
    pub period: Duration,
}

impl Settings {
    /// Every two seconds; NVML from `DRYDOCK_NVML_LIBRARY` where that is set.
    pub fn from_environment(disk: impl Into<PathBuf>) -> Settings {
        let library = std::env::var_os("DRYDOCK_NVML_LIBRARY").filter(|path| !path.is_empty());
        Settings { disk: disk.into(), nvml_library: library.map(PathBuf::from), period: Duration::from_secs(2) }
    }
}

/// The latest reading. Cheap to clone; the threads end with the last clone (one that hangs, when it comes back).
#[derive(Clone)]
pub struct Monitor {
    latest: Arc<Latest>,
}

#[derive(Default)]
struct Latest {
    machine: Mutex<BoxReading>,
    gpus: Mutex<GpuState>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct GpuState {
    gpus: Vec<GpuReading>,
    note: Option<String>,
    /// Counts the passes that are done.
    passes: u64,
    /// When the pass began that is not done yet.
    asked_at: Option<Instant>,
}

impl Monitor {
    /// Starts reading, with [`Settings::from_environment`].
    pub fn start(disk: impl Into<PathBuf>) -> Monitor {
        Monitor::start_with(Settings::from_environment(disk))
    }

    /// Starts reading. Waits for the first look at the machine, a fifth of a second at most; the GPUs come when they come.
    pub fn start_with(settings: Settings) -> Monitor {
        let latest = Arc::new(Latest::default());
        let (done, first) = mpsc::channel();
        let (weak, disk, period) = (Arc::downgrade(&latest), settings.disk, settings.period);
        spawn("box-reader", move || read_machine(&weak, &disk, period, &done));
        let (weak, library) = (Arc::downgrade(&latest), settings.nvml_library.clone());
        spawn("gpu-reader", move || read_gpus(&weak, Gpus::new(library), period));
        let (weak, shared) = (Arc::downgrade(&latest), latest.shared.clone());
        spawn("gpu-events", move || {
            events::listen(settings.nvml_library.as_deref(), &shared, || weak.strong_count() > 0);
        });
        let _late_is_fine = first.recv_timeout(FIRST);
        Monitor { latest }
    }

    /// What was read last. Never waits for the machine.
    pub fn reading(&self) -> BoxReading {
        let mut reading = lock(&self.latest.machine).clone();
        let state = lock(&self.latest.gpus);
        reading.gpus.clone_from(&state.gpus);
        reading.gpu_note = state.note_at(Instant::now());
        reading.gpu_pass = state.passes;
        reading
    }

    /// What went wrong with GPUs since the last call, oldest first. There is one caller: who takes them acts on them.
    pub fn take_faults(&self) -> Vec<GpuFault> {
        self.latest.shared.faults.take()
    }

    /// Has `bell` called when there are faults to take: a program that a fault hit ends by itself within moments, and whoever takes them
    /// wants to say why before that is seen. The first that asks is the one that is called.
    pub fn on_fault(&self, bell: impl Fn() + Send + Sync + 'static) {
        self.latest.shared.faults.ring(bell);
    }

    /// How long the driver has owed an answer; zero while it gives them.
    pub fn silent_for(&self) -> Duration {
        lock(&self.latest.gpus).silent_at(Instant::now())
    }
}

impl GpuState {
    fn silent_at(&self, now: Instant) -> Duration {
        self.asked_at.map_or(Duration::ZERO, |asked_at| now.saturating_duration_since(asked_at))
    }

    fn note_at(&self, now: Instant) -> Option<String> {
        let silent = self.silent_at(now);
        if silent < HANG {
            return self.note.clone();
        }
        let shown = if self.gpus.is_empty() { "" } else { " The values shown are the last known ones." };
        Some(format!("The NVIDIA driver has not answered for {} s.{shown}", silent.as_secs()))
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = thread::Builder::new().name(name.to_owned()).spawn(work) {
        tracing::warn!(thread = name, error = %error, "{name} could not be started");
    }
}

fn read_machine(latest: &Weak<Latest>, disk: &Path, period: Duration, done: &mpsc::Sender<()>) {
    let mut machine = Machine::new();
    while latest.strong_count() > 0 {
        let reading = machine.read(disk);
        let Some(latest) = latest.upgrade() else { return };
        *lock(&latest.machine) = reading;
        drop(latest);
        let _nobody_waits_any_more = done.send(());
        thread::sleep(period);
    }
}

fn read_gpus(latest: &Weak<Latest>, mut gpus: Gpus, period: Duration) {
    while let Some(held) = latest.upgrade() {
        lock(&held.gpus).asked_at = Some(Instant::now());
        // not held during the calls: a hang must not keep the monitor alive
        drop(held);
        let pass = gpus.read();
        let Some(held) = latest.upgrade() else { return };
        held.take_in(pass);
        drop(held);
        thread::sleep(period);
    }
}

impl Latest {
    fn take_in(&self, pass: Pass) {
        let whole = pass.gpus.iter().filter(|gpu| gpu.parent_uuid.is_none());
        self.shared.read(whole.map(|gpu| gpu.uuid.clone()).collect(), &pass.lost);
        for uuid in pass.lost {
            self.shared.faults.push(GpuFault { uuid, kind: FaultKind::Gone });
        }
        let mut state = lock(&self.gpus);
        let passes = state.passes + 1;
        *state = GpuState { gpus: pass.gpus, note: pass.note, passes, asked_at: None };
    }
}

/// A reading is whole at any time, so that a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reading_is_not_empty() {
        let reading = read(Path::new("/tmp")).await;
        assert!(reading.cpu_count > 0 && reading.disk_total_bytes > 0, "{reading:?}");
        assert_eq!(read(Path::new("/tmp")).await.hostname, reading.hostname);
    }

    #[test]
    fn a_quick_driver_leaves_no_note_and_a_silent_one_does() {
        let now = Instant::now();
        let mut state = GpuState { asked_at: Some(now), ..Default::default() };
        assert_eq!(state.note_at(now + Duration::from_secs(4)), None);
        assert_eq!(
            state.note_at(now + Duration::from_secs(9)).as_deref(),
            Some("The NVIDIA driver has not answered for 9 s.")
        );
        state.gpus.push(GpuReading::default());
        assert!(state.note_at(now + Duration::from_secs(9)).is_some_and(|note| note.contains("last known")));
    }
}
