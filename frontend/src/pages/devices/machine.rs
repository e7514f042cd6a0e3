//! The machine: its cores, memory, disks and networks.

use crate::{
    format,
    pages::parts::Bars,
    reactive::memo,
    ui::{Card, Facts, Meter, Pill, Show, Status, Tone},
};
use drydock_wire::devices::{self, Devices, Disk, Network};
use leptos::prelude::*;

#[component]
pub fn Machine(devices: Signal<Devices>) -> impl IntoView {
    let disks = memo(move || devices.with(|d| d.machine.disks.clone()));
    let networks = memo(move || devices.with(|d| d.machine.networks.clone()));
    view! {
        <h2>"Machine"</h2>
        <div class="split">
            <Processor devices/>
            <Memory devices/>
        </div>
        <Card title="Disks">
            <div class="scroll-x" role="region" aria-label="Disks" tabindex="0">
                <table class="plain lines">
                    <thead><tr><th scope="col">"Where"</th><th scope="col" class="wide-only">"Device"</th><th scope="col">"In use"</th><th scope="col" class="num">"Free"</th>
                        <th scope="col" class="num wide-only">"Reads"</th><th scope="col" class="num wide-only">"Writes"</th></tr></thead>
                    <tbody>{move || disks.get().into_iter().map(disk).collect_view()}</tbody>
                </table>
            </div>
        </Card>
        <Card title="Networks">
            <Show when=move || networks.with(|n| !n.is_empty()) fallback=|| view! { <p class="dim none">"No network card. The box is reached from itself only."</p> }>
                <div class="scroll-x" role="region" aria-label="Networks" tabindex="0">
                    <table class="plain lines">
                        <thead><tr><th scope="col">"Network"</th><th scope="col">"State"</th><th scope="col" class="wide-only">"Addresses"</th>
                            <th scope="col" class="num">"Receives"</th><th scope="col" class="num">"Sends"</th></tr></thead>
                        <tbody>{move || networks.get().into_iter().map(network).collect_view()}</tbody>
                    </table>
                </div>
            </Show>
        </Card>
    }
}

#[component]
fn Processor(devices: Signal<Devices>) -> impl IntoView {
    let mean = move || {
        devices.with(|d| {
            let all = &d.machine.cpu_percents;
            f64::from(all.iter().sum::<f32>()) / (all.len() as f64).max(1.0) / 100.0
        })
    };
    let text = Signal::derive(move || format!("{:.0} %", mean() * 100.0));
    let bars = move || {
        devices.with(|d| {
            let one =
                |(i, percent): (usize, &f32)| (format!("Core {i}, percent"), percent.round().clamp(0.0, 100.0) as u64);
            d.machine.cpu_percents.iter().enumerate().map(one).collect::<Vec<_>>()
        })
    };
    let load = move || devices.with(|d| d.machine.load_average.map(|n| format!("{n:.2}")).join(" · "));
    view! {
        <Card title="Processor">
            <div class="stack">
                <Meter label="All cores" share=Signal::derive(mean) text calm=true/>
                <div class="cores">{move || view! { <Bars label="Each core" bars=bars() of=100/> }}</div>
                <Facts><dt>"Load"</dt><dd class="tabular">{load}" "<span class="dim">"over 1, 5 and 15 minutes"</span></dd></Facts>
            </div>
        </Card>
    }
}

#[component]
fn Memory(devices: Signal<Devices>) -> impl IntoView {
    let of = move |used: fn(&devices::Machine) -> u64, total: fn(&devices::Machine) -> u64| {
        let share =
            Signal::derive(move || devices.with(|d| used(&d.machine) as f64 / (total(&d.machine) as f64).max(1.0)));
        let text = Signal::derive(move || {
            devices.with(|d| format!("{} of {}", format::bytes(used(&d.machine)), format::bytes(total(&d.machine))))
        });
        (share, text)
    };
    let (memory, memory_text) = of(|m| m.memory_used_bytes, |m| m.memory_total_bytes);
    let (swap, swap_text) = of(|m| m.swap_used_bytes, |m| m.swap_total_bytes);
    let has_swap = move || devices.with(|d| d.machine.swap_total_bytes != 0);
    view! {
        <Card title="Memory">
            <div class="stack">
                <Meter label="Memory" share=memory text=memory_text/>
                <Show when=has_swap><Meter label="Swap" share=swap text=swap_text/></Show>
            </div>
        </Card>
    }
}

fn disk(disk: Disk) -> impl IntoView {
    let used = disk.total_bytes.saturating_sub(disk.free_bytes);
    let share = used as f64 / (disk.total_bytes as f64).max(1.0);
    let level = match share {
        s if s >= 0.95 => "bar bad",
        s if s >= 0.85 => "bar warn",
        _ => "bar",
    };
    let rate = |n: u64| format!("{}/s", format::bytes(n));
    view! {
        <tr>
            <td><span class="mono">{disk.mounted_at}</span>{disk.holds_data.then(|| view! { " "<span class="tag">"data"</span> })}</td>
            <td class="mono dim wide-only">{disk.name}" "{disk.file_system}</td>
            <td class="filled"><span class="num">{format!("{} of {}", format::bytes(used), format::bytes(disk.total_bytes))}</span>
                <span class=level aria-hidden="true"><i style:width=format!("{:.1}%", share.clamp(0.0, 1.0) * 100.0)></i></span></td>
            <td class="num">{format::bytes(disk.free_bytes)}</td>
            <td class="num wide-only">{rate(disk.read_bytes_per_s)}</td>
            <td class="num wide-only">{rate(disk.written_bytes_per_s)}</td>
        </tr>
    }
}

fn network(network: Network) -> impl IntoView {
    let status = if network.is_up { Status::new(Tone::Good, "Up") } else { Status::new(Tone::Neutral, "Down") };
    let rate = |n: u64, sum: u64| view! { <span title=format!("{} since the machine started", format::bytes(sum))>{format!("{}/s", format::bytes(n))}</span> };
    view! {
        <tr>
            <td class="mono">{network.name}</td>
            <td><Pill status/></td>
            <td class="mono dim wide-only">{network.addresses.join(", ")}</td>
            <td class="num">{rate(network.received_bytes_per_s, network.received_bytes)}</td>
            <td class="num">{rate(network.sent_bytes_per_s, network.sent_bytes)}</td>
        </tr>
    }
}
