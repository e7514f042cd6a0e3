//! NVIDIA's management library, found at run time. Every call may hang: only the monitor's own thread makes them.

use std::{ffi::OsStr, path::PathBuf};

use nvml_wrapper::{Nvml, enum_wrappers::device::TemperatureSensor, error::NvmlError};

use super::GpuReading;

/// The library, once it could be loaded.
pub(super) struct Gpus {
    library: Option<PathBuf>,
    nvml: Option<Nvml>,
}

impl Gpus {
    /// `library` instead of the driver's own.
    pub(super) fn new(library: Option<PathBuf>) -> Gpus {
        Gpus { library, nvml: None }
    }

    /// All GPUs that answer, and a note if something is missing.
    pub(super) fn read(&mut self) -> (Vec<GpuReading>, Option<String>) {
        let nvml = match self.nvml.take().map_or_else(|| load(self.library.as_deref().map(|path| path.as_os_str())), Ok)
        {
            Ok(nvml) => nvml,
            Err(error) => return (vec![], Some(absent(&error))),
        };
        let count = match nvml.device_count() {
            Ok(count) => count,
            // dropped, so that the next reading loads it anew: the driver may have been replaced
            Err(error) => return (vec![], Some(format!("The NVIDIA driver does not answer: {error}."))),
        };
        let mut gpus = Vec::new();
        let mut note = (count == 0).then(|| "The NVIDIA driver is there, but it sees no GPU.".to_owned());
        for index in 0..count {
            match read_one(&nvml, index) {
                Ok(gpu) => gpus.push(gpu),
                Err(error) => note = Some(format!("GPU {index} does not answer: {error}.")),
            }
        }
        // a lost GPU stays lost for this handle of the library
        self.nvml = note.is_none().then_some(nvml);
        (gpus, note)
    }
}

fn load(library: Option<&OsStr>) -> Result<Nvml, NvmlError> {
    match library {
        Some(path) => Nvml::builder().lib_path(path).init(),
        // the name that the driver's run-time package brings; the one without a number is a developer's
        None => Nvml::builder().lib_path(OsStr::new("libnvidia-ml.so.1")).init().or_else(|_| Nvml::init()),
    }
}

fn read_one(nvml: &Nvml, index: u32) -> Result<GpuReading, NvmlError> {
    let device = nvml.device_by_index(index)?;
    let memory = device.memory_info()?;
    Ok(GpuReading {
        index,
        uuid: device.uuid()?,
        name: device.name()?,
        memory_total_bytes: memory.total,
        memory_used_bytes: memory.used,
        utilization_percent: told(device.utilization_rates().map(|rates| rates.gpu))?,
        temperature_celsius: told(device.temperature(TemperatureSensor::Gpu))?,
    })
}

/// Some GPUs, and slices of them, do not tell everything.
fn told(value: Result<u32, NvmlError>) -> Result<u32, NvmlError> {
    match value {
        Err(NvmlError::NotSupported | NvmlError::NoPermission) => Ok(0),
        other => other,
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
