//! The machine and its GPUs: what they do now, who holds them, what happened to them.

mod events;
mod gpu;
mod history;
mod holders;
mod machine;
mod quarantine;

use crate::{
    format,
    live::remote,
    reactive::memo,
    ui::{Card, Each, Icon, Loaded, PageHead, Show},
};
use drydock_wire::{
    devices::{Devices, GpuDevice},
    events::Topic,
};
use leptos::prelude::*;
use std::time::Duration;

/// Readings change without a hint.
const PERIOD: Duration = Duration::from_secs(2);

#[component]
pub fn DevicesPage() -> impl IntoView {
    let devices = remote::<Devices>(|| Some("/devices".to_owned()), &[Topic::Devices]).every(PERIOD);
    let sub = move || {
        devices.data.with(|d| {
            d.as_ref().map(|d| {
                let cores = format::plural(d.machine.cpu_percents.len() as u64, "core");
                let gpus = match d.gpus.iter().filter(|gpu| gpu.parent_uuid.is_none()).count() {
                    0 => "no GPU".to_owned(),
                    n => format::plural(n as u64, "GPU"),
                };
                format!("{}: {cores}, {}, {gpus}", d.machine.hostname, format::bytes(d.machine.memory_total_bytes))
            })
        })
    };
    view! {
        <section class="page">
            <PageHead title="Devices" sub/>
            <Loaded remote=devices lines=12 let:devices><All devices/></Loaded>
        </section>
    }
}

#[component]
fn All(devices: Signal<Devices>) -> impl IntoView {
    let quarantining = RwSignal::new(None::<GpuDevice>);
    let uuids = memo(move || devices.with(|d| d.gpus.iter().map(|gpu| gpu.uuid.clone()).collect::<Vec<_>>()));
    let note = memo(move || devices.with(|d| d.gpu_note.clone()));
    let over_share = memo(move || devices.with(|d| d.over_share));
    view! {
        <h2>"GPUs"</h2>
        {move || note.get().filter(|_| uuids.with(|all| !all.is_empty())).map(|text| view! {
            <p class="callout bad" role="alert"><Icon name="triangle-alert"/><span>{text}</span></p>
        })}
        <Show when=move || uuids.with(|all| !all.is_empty()) fallback=move || view! { <NoGpu note/> }>
            <div class="devices">
                <Each keys=uuids let:uuid>{gpu::card(uuid, devices, quarantining)}</Each>
            </div>
            <history::History devices/>
            <holders::SharingNote over_share/>
            <events::Events devices/>
        </Show>
        <machine::Machine devices/>
        <quarantine::QuarantineDialog quarantining/>
    }
}

/// Why there is nothing, and what to do about it.
#[component]
fn NoGpu(note: Memo<Option<String>>) -> impl IntoView {
    let text = move || {
        note.get().unwrap_or_else(|| {
            "Jobs and deployments run on the processor. Install NVIDIA's driver, and nvidia-container-toolkit for Docker, and GPUs appear here by themselves.".to_owned()
        })
    };
    view! { <Card><p class="dim none" data-testid="no-gpu">{text}</p></Card> }
}
