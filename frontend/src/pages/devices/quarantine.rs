//! Taking a GPU out of use by hand, and giving it back.

use super::gpu::title;
use crate::{
    api::{self, seg},
    format,
    ui::{Button, Dialog, Field, Look, Tone, act, opened_by, toast},
};
use drydock_wire::devices::{GpuDevice, QuarantineGpu};
use leptos::prelude::*;

/// Ends a quarantine.
pub fn free(gpu: GpuDevice, busy: RwSignal<bool>) {
    let to = format!("/devices/{}/free", seg(&gpu.uuid));
    let call = async move { api::post_empty::<serde_json::Value>(&to).await };
    act(busy, "The GPU was not freed", call, move |_| {
        toast(Tone::Good, &format!("{} is free", title(&gpu)), "Waiting jobs may have it from now on.");
    });
}

#[component]
pub fn QuarantineDialog(quarantining: RwSignal<Option<GpuDevice>>) -> impl IntoView {
    let open = opened_by(quarantining);
    let heading = Signal::derive(move || {
        quarantining.with(|gpu| gpu.as_ref().map(|gpu| format!("Quarantine {}?", title(gpu)))).unwrap_or_default()
    });
    view! {
        <Dialog open title=heading>
            {move || quarantining.get_untracked().map(|gpu| view! { <Form gpu open/> })}
        </Dialog>
    }
}

fn check_reason(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() { Err("Say why, for those who wait for it.") } else { Ok(()) }
}

#[component]
fn Form(gpu: GpuDevice, open: RwSignal<bool>) -> impl IntoView {
    let reason = RwSignal::new(String::new());
    let stop = RwSignal::new(false);
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let names: Vec<String> = gpu.leases.iter().map(|lease| lease.name.clone()).collect();
    let held = names.len() as u64;
    let named = title(&gpu);
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let wish = QuarantineGpu { reason: reason.get_untracked().trim().to_owned(), stop: stop.get_untracked() };
        if check_reason(&wish.reason).is_err() {
            return;
        }
        let to = format!("/devices/{}/quarantine", seg(&gpu.uuid));
        let done = named.clone();
        let call = async move { api::post::<_, serde_json::Value>(&to, &wish).await };
        act(busy, "The GPU was not quarantined", call, move |_| {
            open.set(false);
            toast(Tone::Good, &format!("{done} is quarantined"), "Nothing new is given to it.");
        });
    };
    view! {
        <form novalidate on:submit=submit>
            <div class="modal-text"><p>"Nothing new is given to it until an admin frees it."</p></div>
            <Field id="quarantine-reason" label="Why" value=reason check=check_reason tried=tried placeholder="The fan is being replaced"
                hint="Those whose jobs wait for it read this."/>
            {(held != 0).then(|| view! {
                <div>
                    <label class="check"><input type="checkbox" prop:checked=move || stop.get() on:change:target=move |e| stop.set(e.target().checked())/>
                        "Also end what runs on it"</label>
                    <p class="note">{format!("{} on it: {}. Otherwise it goes on to its end.", format::plural(held, "program"), names.join(", "))}</p>
                </div>
            })}
            <div class="actions">
                <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                <Button look=Look::DangerSolid submit=true busy>"Quarantine it"</Button>
            </div>
        </form>
    }
}
