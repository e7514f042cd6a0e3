//! What a container may use: fields to ask for it, words to tell it.

use crate::{
    format,
    shell::use_overview,
    ui::{Field, Show},
};
use drydock_wire::{jobs::Resources, overview::Overview};
use leptos::prelude::*;

const GIB: f64 = 1_073_741_824.0;

/// "2 cores, 4 GiB, 1 GPU, 20 GiB of disk", "1 core, 1 GiB, 12 GiB of a GPU".
pub fn describe(resources: &Resources) -> String {
    let cores = match resources.cpus {
        1.0 => "1 core".to_owned(),
        n => format!("{} cores", format::value(n)),
    };
    let gpus = match (resources.gpus, resources.gpu_memory_bytes) {
        (0, _) => String::new(),
        (_, Some(share)) => format!(", {} of a GPU", format::bytes(share)),
        (n, None) => format!(", {}", format::plural(u64::from(n), "GPU")),
    };
    let disk = resources.disk_bytes.map(|d| format!(", {} of disk", format::bytes(d))).unwrap_or_default();
    format!("{cores}, {}{gpus}{disk}", format::bytes(resources.memory_bytes))
}

/// The texts of the fields.
#[derive(Clone, Copy)]
pub struct ResourceForm {
    cpus: RwSignal<String>,
    memory_gib: RwSignal<String>,
    gpus: RwSignal<String>,
    /// Empty: whole GPUs.
    gpu_memory_gib: RwSignal<String>,
    /// No field has it, and it stays.
    disk_bytes: Option<u64>,
}

impl ResourceForm {
    pub fn new(start: &Resources) -> Self {
        Self {
            cpus: RwSignal::new(start.cpus.to_string()),
            memory_gib: RwSignal::new((start.memory_bytes as f64 / GIB).to_string()),
            gpus: RwSignal::new(start.gpus.to_string()),
            gpu_memory_gib: RwSignal::new(gib_text(start.gpu_memory_bytes)),
            disk_bytes: start.disk_bytes,
        }
    }

    /// Absent while a field is wrong.
    pub fn read(&self) -> Option<Resources> {
        let (cpus, memory, gpus) =
            (self.cpus.get_untracked(), self.memory_gib.get_untracked(), self.gpus.get_untracked());
        check_cpus(&cpus).and(check_memory(&memory)).and(check_gpus(&gpus)).ok()?;
        let share = self.gpu_memory_gib.get_untracked();
        check_share(&share).ok()?;
        let bytes = |text: &str| text.trim().parse::<f64>().ok().map(|gib| (gib * GIB) as u64);
        let gpus: u32 = gpus.trim().parse().ok()?;
        Some(Resources {
            cpus: cpus.trim().parse().ok()?,
            memory_bytes: bytes(&memory)?,
            gpus,
            gpu_memory_bytes: bytes(&share).filter(|_| gpus == 1),
            disk_bytes: self.disk_bytes,
        })
    }
}

fn gib_text(bytes: Option<u64>) -> String {
    bytes.map(|b| (b as f64 / GIB).to_string()).unwrap_or_default()
}

fn check_share(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() { Ok(()) } else { check_memory(text) }
}

fn check_cpus(text: &str) -> Result<(), &'static str> {
    match text.trim().parse::<f64>() {
        Ok(n) if (0.1..=1024.0).contains(&n) => Ok(()),
        _ => Err("A number of cores from 0.1, such as 1 or 0.5."),
    }
}

fn check_memory(text: &str) -> Result<(), &'static str> {
    match text.trim().parse::<f64>() {
        Ok(n) if (0.05..=16_384.0).contains(&n) => Ok(()),
        _ => Err("A number of GiB, such as 2 or 0.5."),
    }
}

fn check_gpus(text: &str) -> Result<(), &'static str> {
    match text.trim().parse::<u32>() {
        Ok(0..=64) => Ok(()),
        _ => Err("A whole number; 0 for none."),
    }
}

/// Fields beside each other, each with what the box has; a share of a GPU where one is wanted.
#[component]
pub fn ResourceFields(form: ResourceForm, tried: Signal<bool>) -> impl IntoView {
    let box_state = use_overview();
    let hint = move |words: fn(&Overview) -> String| {
        Signal::derive(move || box_state.data.with(|o| o.as_ref().map(words)).unwrap_or_default())
    };
    let cpus = hint(|o| format!("The box has {}.", format::plural(u64::from(o.box_info.cpu_count), "core")));
    let memory = hint(|o| format!("The box has {}.", format::bytes(o.box_info.memory_total_bytes)));
    let gpus = hint(|o| match o.box_info.gpus.len() {
        0 => "The box has none.".to_owned(),
        n => format!("The box has {n}."),
    });
    view! {
        <div class="thirds">
            <div><Field id="cpus" label="CPU cores" value=form.cpus check=check_cpus tried=tried/><p class="below">{move || cpus.get()}</p></div>
            <div><Field id="memory" label="Memory (GiB)" value=form.memory_gib check=check_memory tried=tried/><p class="below">{move || memory.get()}</p></div>
            <div><Field id="gpus" label="GPUs" value=form.gpus check=check_gpus tried=tried/><p class="below">{move || gpus.get()}</p></div>
            <Show when=move || form.gpus.with(|g| g.trim() == "1")>
                <Field id="gpu-memory" label="GPU memory (GiB)" value=form.gpu_memory_gib check=check_share tried=tried placeholder="all of it"
                    hint="A share, which others leave alone."/>
            </Show>
        </div>
    }
}
