//! Amounts of the box in words and bars.

use crate::{
    format,
    ui::{Meter, Show},
};
use drydock_wire::queues::{BoxUse, Caps};
use leptos::prelude::*;

fn cores(n: f64) -> String {
    if n == 1.0 { "1 core".to_owned() } else { format!("{} cores", format::value(n)) }
}

fn gpus(n: f64) -> String {
    if n == 1.0 { "1 GPU".to_owned() } else { format!("{} GPUs", format::value(n)) }
}

/// "4 cores, 16 GiB, 1.5 GPUs"; what is none is left out.
pub fn used(amount: &BoxUse) -> String {
    let parts = [
        (amount.cpus > 0.0).then(|| cores(amount.cpus)),
        (amount.memory_bytes > 0).then(|| format::bytes(amount.memory_bytes)),
        (amount.disk_bytes > 0).then(|| format!("{} of disk", format::bytes(amount.disk_bytes))),
        (amount.gpus > 0.0).then(|| gpus(amount.gpus)),
    ];
    let words: Vec<String> = parts.into_iter().flatten().collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// "4 jobs, 16 cores"; absent where nothing is capped.
pub fn capped(caps: &Caps) -> Option<String> {
    let parts = [
        caps.jobs.map(|n| format::plural(u64::from(n), "job")),
        caps.cpus.map(cores),
        caps.memory_bytes.map(format::bytes),
        caps.disk_bytes.map(|n| format!("{} of disk", format::bytes(n))),
        caps.gpus.map(gpus),
    ];
    let words: Vec<String> = parts.into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// What jobs use of what the box has for them.
#[component]
pub fn BoxMeters(#[prop(into)] total: Signal<BoxUse>, #[prop(into)] using: Signal<BoxUse>) -> impl IntoView {
    let meter = move |label: &'static str, of: fn(&BoxUse) -> f64, words: fn(f64) -> String| {
        let share = Signal::derive(move || using.with(of) / total.with(of).max(1e-9));
        let text = Signal::derive(move || format!("{} of {}", words(using.with(of)), words(total.with(of))));
        view! { <Meter label share text calm=true/> }
    };
    let plain = |n: f64| format::value((n * 100.0).round() / 100.0);
    let sized = |n: f64| format::bytes(n as u64);
    view! {
        <section class="card box-use" aria-label="What jobs use of the box">
            {meter("Cores", |u| u.cpus, plain)}
            {meter("Memory", |u| u.memory_bytes as f64, sized)}
            {meter("Disk", |u| u.disk_bytes as f64, sized)}
            <Show when=move || total.with(|t| t.gpus > 0.0)>{meter("GPUs", |u| u.gpus, plain)}</Show>
        </section>
    }
}
