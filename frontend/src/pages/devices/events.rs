//! What happened to the GPUs, newest first.

use crate::{
    format,
    reactive::memo,
    ui::{Card, Pill, Show, Status, TimeAgo, Tone},
};
use drydock_wire::devices::{Devices, GpuEvent};
use leptos::prelude::*;

/// So many at first.
const SHOWN: usize = 8;

#[component]
pub fn Events(devices: Signal<Devices>) -> impl IntoView {
    let events = memo(move || devices.with(|d| d.events.clone()));
    let all = RwSignal::new(false);
    let number = move |uuid: &str| {
        devices.with(|d| {
            d.gpus
                .iter()
                .find(|gpu| gpu.uuid == uuid)
                .map_or_else(|| "a GPU that is gone".to_owned(), super::gpu::title)
        })
    };
    let row = move |event: GpuEvent| {
        let code = event.code.map(|code| format!(" {code}")).unwrap_or_default();
        let (tone, word) = kind(&event.kind);
        let gpu = number(&event.gpu_uuid);
        view! {
            <tr><td class="dim nowrap"><TimeAgo at=event.at/></td><td class="nowrap">{gpu}</td>
                <td><Pill status=Status::new(tone, &format!("{word}{code}"))/></td><td class="event-words">{event.words}</td></tr>
        }
    };
    let rows = move || {
        let count = if all.get() { usize::MAX } else { SHOWN };
        events.get().into_iter().take(count).map(row).collect_view()
    };
    let more = move || events.with(Vec::len).saturating_sub(SHOWN) as u64;
    view! {
        <Card title="What happened">
            <Show when=move || events.with(|e| !e.is_empty()) fallback=|| view! {
                <p class="dim none">"Nothing. Faults, quarantines and programs that use more than they asked for are told here."</p>
            }>
                <div class="scroll-x" role="region" aria-label="Events of the GPUs" tabindex="0">
                    <table class="plain lines gpu-events">
                        <thead><tr><th scope="col">"When"</th><th scope="col">"GPU"</th><th scope="col">"What"</th><th scope="col">"In words"</th></tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
                <Show when=move || more() != 0 && !all.get()>
                    <div class="actions below-text"><button type="button" class="btn small" on:click=move |_| all.set(true)>
                        {move || format!("Show {} more", format::number(more()))}</button></div>
                </Show>
            </Show>
        </Card>
    }
}

/// The server's word for an event, for people.
fn kind(word: &str) -> (Tone, &'static str) {
    match word {
        "xid" => (Tone::Bad, "Xid"),
        "ecc" => (Tone::Bad, "Memory error"),
        "gone" => (Tone::Bad, "Lost"),
        "silent" => (Tone::Bad, "Silent"),
        "missing" => (Tone::Bad, "Missing"),
        "quarantined" => (Tone::Bad, "Quarantined"),
        "over_share" => (Tone::Warn, "Too much used"),
        "foreign" => (Tone::Warn, "Foreign program"),
        "freed" => (Tone::Good, "Freed"),
        "back" => (Tone::Good, "Back"),
        "sharing" => (Tone::Neutral, "Sharing"),
        _ => (Tone::Neutral, "Noted"),
    }
}
