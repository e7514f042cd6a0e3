//! NVIDIA's management library, found at run time. Every call may hang: only threads of the monitor make them.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use nvml_wrapper::{
    Device, Nvml,
    enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor},
    enums::device::UsedGpuMemory,
    error::NvmlError,
};

use super::{GpuProcess, GpuReading};

/// The library, once it could be loaded.
pub(super) struct Gpus {
    library: Option<PathBuf>,
    nvml: Option<Nvml>,
    /// By index; kept while a GPU does not answer, whose name could not be asked for then.
    known: BTreeMap<u32, String>,
}

/// What one look at all GPUs gave.
#[derive(Default)]
pub(super) struct Pass {
    /// MIG instances behind their GPU.
    pub gpus: Vec<GpuReading>,
    /// What is missing, for people.
    pub note: Option<String>,
    /// GPUs that were there before and are gone from the bus now.
    pub lost: Vec<String>,
}

impl Gpus {
    /// `library` instead of the driver's own.
    pub(super) fn new(library: Option<PathBuf>) -> Gpus {
        Gpus { library, nvml: None, known: BTreeMap::new() }
    }

    /// All GPUs that answer, and a note if something is missing.
    pub(super) fn read(&mut self) -> Pass {
        let nvml = match self.nvml.take().map_or_else(|| load(self.library.as_deref()), Ok) {
            Ok(nvml) => nvml,
            Err(error) => return Pass { note: Some(absent(&error)), ..Default::default() },
        };
        let count = match nvml.device_count() {
            Ok(count) => count,
            // dropped, so that the next reading loads it anew: the driver may have been replaced
            Err(error) => {
                let note = format!("The NVIDIA driver does not answer: {error}.");
                return Pass { note: Some(note), ..Default::default() };
            }
        };
        let note = (count == 0).then(|| "The NVIDIA driver is there, but it sees no GPU.".to_owned());
        let mut pass = Pass { note, ..Pass::default() };
        for index in 0..count {
            self.read_into(&nvml, index, &mut pass);
        }
        // a lost GPU stays lost for this handle of the library
        self.nvml = pass.note.is_none().then_some(nvml);
        pass
    }

    fn read_into(&mut self, nvml: &Nvml, index: u32, pass: &mut Pass) {
        match nvml.device_by_index(index).and_then(|device| read_with_instances(&device, index)) {
            Ok(gpus) => {
                self.known.extend(gpus.first().map(|gpu| (index, gpu.uuid.clone())));
                pass.gpus.extend(gpus);
            }
            Err(error) => {
                if is_gone(&error) {
                    pass.lost.extend(self.known.remove(&index));
                }
                pass.note = Some(format!("GPU {index} does not answer: {error}."));
            }
        }
    }
}

/// The library at `path`, or the driver's own.
pub(super) fn load(path: Option<&Path>) -> Result<Nvml, NvmlError> {
    match path {
        Some(path) => Nvml::builder().lib_path(path.as_os_str()).init(),
        // the name that the driver's run-time package brings; the one without a number is a developer's
        None => Nvml::builder().lib_path(OsStr::new("libnvidia-ml.so.1")).init().or_else(|_| Nvml::init()),
    }
}

/// The driver says that the device itself is lost, not that a question to it was wrong.
pub(super) fn is_gone(error: &NvmlError) -> bool {
    matches!(error, NvmlError::GpuLost | NvmlError::ResetRequired)
}

fn read_with_instances(device: &Device<'_>, index: u32) -> Result<Vec<GpuReading>, NvmlError> {
    let mut gpu = read_one(device, index)?;
    gpu.is_divided = optional(device.mig_mode())?.is_some_and(|mode| mode.current == 1);
    if !gpu.is_divided {
        return Ok(vec![gpu]);
    }
    let most = optional(device.mig_device_count())?.unwrap_or(0);
    let parent = gpu.uuid.clone();
    let mut all = vec![gpu];
    for slot in 0..most {
        // there are as many slots as instances can be made; those that were not made are not found
        let instance = match device.mig_device_by_index(slot) {
            Err(NvmlError::NotFound | NvmlError::InvalidArg) => continue,
            other => other?,
        };
        all.push(GpuReading { parent_uuid: Some(parent.clone()), ..read_one(&instance, index)? });
    }
    Ok(all)
}

fn read_one(device: &Device<'_>, index: u32) -> Result<GpuReading, NvmlError> {
    let memory = device.memory_info()?;
    let ecc = |kind| optional(device.total_ecc_errors(kind, EccCounter::Volatile));
    Ok(GpuReading {
        index,
        uuid: device.uuid()?,
        parent_uuid: None,
        is_divided: false,
        name: device.name()?,
        memory_total_bytes: memory.total,
        memory_used_bytes: memory.used,
        utilization_percent: optional(device.utilization_rates())?.map(|rates| rates.gpu),
        temperature_celsius: optional(device.temperature(TemperatureSensor::Gpu))?,
        power_mw: optional(device.power_usage())?,
        power_limit_mw: optional(device.enforced_power_limit())?,
        clock_sm_mhz: optional(device.clock_info(Clock::SM))?,
        clock_memory_mhz: optional(device.clock_info(Clock::Memory))?,
        ecc_corrected: ecc(MemoryError::Corrected)?,
        ecc_uncorrected: ecc(MemoryError::Uncorrected)?,
        processes: processes(device)?,
    })
}

fn processes(device: &Device<'_>) -> Result<Vec<GpuProcess>, NvmlError> {
    let memory = |used| match used {
        UsedGpuMemory::Used(bytes) => bytes,
        UsedGpuMemory::Unavailable => 0,
    };
    let found = optional(device.running_compute_processes())?.unwrap_or_default();
    Ok(found.into_iter().map(|it| GpuProcess { pid: it.pid, memory_bytes: memory(it.used_gpu_memory) }).collect())
}

/// Some GPUs, slices of them, and older drivers do not tell everything; only a device that is lost is an error here.
fn optional<T>(value: Result<T, NvmlError>) -> Result<Option<T>, NvmlError> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_gone(&error) => Err(error),
        Err(_not_told) => Ok(None),
    }
}

fn absent(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => {
            "No NVIDIA driver was found on this box.".to_owned()
        }
        NvmlError::DriverNotLoaded => "The NVIDIA driver is installed but not loaded.".to_owned(),
        other => format!("The NVIDIA driver does not answer: {other}."),
    }
}
