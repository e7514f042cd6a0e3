//! Fields for what may be in use at once: of a queue, or of each person in it.

use crate::ui::Field;
use drydock_wire::{queues::Caps, units};
use leptos::prelude::*;

/// The texts of the five fields; empty stands for no cap.
#[derive(Clone, Copy)]
pub struct CapFields {
    jobs: RwSignal<String>,
    cpus: RwSignal<String>,
    memory: RwSignal<String>,
    disk: RwSignal<String>,
    gpus: RwSignal<String>,
}

fn check_count(text: &str) -> Result<(), &'static str> {
    let good = text.trim().is_empty() || text.trim().parse::<u32>().is_ok();
    good.then_some(()).ok_or("A whole number, or nothing.")
}

fn check_number(text: &str) -> Result<(), &'static str> {
    let good = text.trim().is_empty() || text.trim().parse::<f64>().is_ok_and(|n| (0.0..1e6).contains(&n));
    good.then_some(()).ok_or("A number, or nothing.")
}

fn check_size(text: &str) -> Result<(), &'static str> {
    let good = text.trim().is_empty() || units::parse_bytes(text).is_ok();
    good.then_some(()).ok_or("Write it as 64GiB or 512MiB, or leave it empty.")
}

impl CapFields {
    pub fn new(caps: &Caps) -> Self {
        let text = |value: Option<String>| RwSignal::new(value.unwrap_or_default());
        Self {
            jobs: text(caps.jobs.map(|n| n.to_string())),
            cpus: text(caps.cpus.map(|n| n.to_string())),
            memory: text(caps.memory_bytes.map(units::bytes)),
            disk: text(caps.disk_bytes.map(units::bytes)),
            gpus: text(caps.gpus.map(|n| n.to_string())),
        }
    }

    /// Absent while a field is wrong.
    pub fn read(&self) -> Option<Caps> {
        let filled = |s: RwSignal<String>| Some(s.get_untracked().trim().to_owned()).filter(|t| !t.is_empty());
        let number = |s: RwSignal<String>| {
            check_number(&s.get_untracked()).ok()?;
            Some(filled(s).and_then(|t| t.parse::<f64>().ok()))
        };
        let size = |s: RwSignal<String>| filled(s).map(|t| units::parse_bytes(&t)).transpose().ok();
        check_count(&self.jobs.get_untracked()).ok()?;
        Some(Caps {
            jobs: filled(self.jobs).and_then(|t| t.parse().ok()),
            cpus: number(self.cpus)?,
            memory_bytes: size(self.memory)?,
            disk_bytes: size(self.disk)?,
            gpus: number(self.gpus)?,
        })
    }
}

/// The ids of one set of fields, since both sets are on one page.
pub type Ids = [&'static str; 5];
pub const OF_QUEUE: Ids = ["cap-jobs", "cap-cpus", "cap-memory", "cap-disk", "cap-gpus"];
pub const OF_PERSON: Ids = ["person-jobs", "person-cpus", "person-memory", "person-disk", "person-gpus"];

#[component]
pub fn CapInputs(legend: &'static str, fields: CapFields, ids: Ids, tried: RwSignal<bool>) -> impl IntoView {
    let none = "no cap";
    view! {
        <fieldset class="field caps"><legend>{legend}</legend>
            <div class="thirds">
                <Field id=ids[0] label="Jobs" value=fields.jobs check=check_count tried=tried placeholder=none/>
                <Field id=ids[1] label="CPU cores" value=fields.cpus check=check_number tried=tried placeholder=none/>
                <Field id=ids[2] label="Memory" value=fields.memory check=check_size tried=tried placeholder=none/>
                <Field id=ids[3] label="Disk" value=fields.disk check=check_size tried=tried placeholder=none/>
                <Field id=ids[4] label="GPUs" value=fields.gpus check=check_number tried=tried placeholder=none/>
            </div>
        </fieldset>
    }
}
