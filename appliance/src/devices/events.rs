//! Waits for what a driver tells by itself: Xids and memory errors. Has its own handle of the library, so that a reader that hangs does
//! not keep a fault from being heard, nor a silent wait a reading from being made.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nvml_wrapper::{
    EventSet, Nvml, bitmasks::event::EventTypes, enums::event::XidError, error::NvmlError,
    struct_wrappers::event::EventData,
};

use super::{
    FaultKind, GpuFault,
    faults::Faults,
    gpus::{is_gone, load},
};

/// How long a wait lasts; the thread ends at most this much after its monitor.
const WAIT_MS: u32 = 1000;
/// Pause before the library is loaded anew after an error.
const PAUSE: Duration = Duration::from_secs(5);
/// The same for a GPU that came later; looked for no more often than an error would be.
const AGAIN: Duration = Duration::from_millis(200);

/// What the thread shares with its monitor.
#[derive(Default)]
pub(super) struct Shared {
    pub faults: Faults,
    seen: Mutex<Seen>,
}

/// What the reader saw of GPUs, without their instances: faults are told of the GPU.
#[derive(Clone, Debug, Default)]
struct Seen {
    present: BTreeSet<String>,
    lost: BTreeSet<String>,
    /// How often a lost one came back: an old registration hears nothing of it.
    returns: u64,
}

impl Shared {
    /// The reader made another reading.
    pub(super) fn read(&self, present: BTreeSet<String>, lost: &[String]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let returned: Vec<String> = seen.lost.intersection(&present).cloned().collect();
        seen.returns += u64::from(!returned.is_empty());
        seen.lost.retain(|uuid| !returned.contains(uuid));
        seen.lost.extend(lost.iter().cloned());
        seen.present = present;
    }

    fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Listens until `is_wanted` says no. Without a driver it looks for one again and again.
pub(super) fn listen(library: Option<&Path>, shared: &Shared, is_wanted: impl Fn() -> bool) {
    while is_wanted() {
        let heard = load(library).and_then(|nvml| listen_with(&nvml, shared, &is_wanted));
        let end = Instant::now() + if heard.is_err() { PAUSE } else { AGAIN };
        while is_wanted() && Instant::now() < end {
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Until there is a GPU that is not listened to, or the driver fails.
fn listen_with(nvml: &Nvml, shared: &Shared, is_wanted: &impl Fn() -> bool) -> Result<(), NvmlError> {
    let returns = shared.seen().returns;
    let ((set, known), began) = (register(nvml)?, Instant::now());
    while is_wanted() {
        let seen = shared.seen();
        let is_known = |uuid: &String| known.values().any(|known| known == uuid);
        if seen.returns != returns || (began.elapsed() > PAUSE && !seen.present.iter().all(is_known)) {
            break;
        }
        match set.wait(WAIT_MS) {
            Ok(event) => shared.faults_of(&event),
            Err(NvmlError::Timeout) => {}
            Err(error) => {
                if is_gone(&error) {
                    shared.gone(nvml, &known);
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

impl Shared {
    fn faults_of(&self, event: &EventData<'_>) {
        // a device that is lost may not tell its name any more; the reader notices the loss
        let Ok(uuid) = event.device.uuid() else { return };
        if let Some(kind) = kind_of(event) {
            self.faults.push(GpuFault { uuid, kind });
        }
    }

    /// The wait says only that some GPU is lost: each is asked.
    fn gone(&self, nvml: &Nvml, known: &BTreeMap<u32, String>) {
        for (index, uuid) in known {
            let answer = nvml.device_by_index(*index).and_then(|device| device.memory_info());
            if answer.is_err_and(|error| is_gone(&error)) {
                self.faults.push(GpuFault { uuid: uuid.clone(), kind: FaultKind::Gone });
            }
        }
    }
}

fn kind_of(event: &EventData<'_>) -> Option<FaultKind> {
    if event.event_type.contains(EventTypes::CRITICAL_XID_ERROR) {
        return Some(FaultKind::Xid(match event.event_data {
            Some(XidError::Value(code)) => code,
            Some(XidError::Unknown) | None => 0,
        }));
    }
    event.event_type.contains(EventTypes::DOUBLE_BIT_ECC_ERROR).then_some(FaultKind::DoubleBitEcc)
}

/// Registers with all GPUs that tell something; answers all that there are, by index.
fn register(nvml: &Nvml) -> Result<(EventSet<'_>, BTreeMap<u32, String>), NvmlError> {
    let wanted = EventTypes::CRITICAL_XID_ERROR | EventTypes::DOUBLE_BIT_ECC_ERROR;
    let (mut set, mut known) = (nvml.create_event_set()?, BTreeMap::new());
    for index in 0..nvml.device_count()? {
        let Ok(device) = nvml.device_by_index(index) else { continue };
        let Ok(uuid) = device.uuid() else { continue };
        known.insert(index, uuid);
        // asked first, since a refused registration would take the set with it
        let told = device.supported_event_types().map_or(EventTypes::empty(), |all| all & wanted);
        if !told.is_empty() {
            set = device.register_events(told, set).map_err(|refused| refused.error)?;
        }
    }
    Ok((set, known))
}
