//! Pausing a queue, going on with it, and its end.

use crate::{
    api::{self, seg},
    live,
    ui::{ConfirmDialog, Tone, act, opened_by, toast},
};
use drydock_wire::{
    events::Topic,
    queues::{PauseQueue, Queue},
};
use leptos::prelude::*;

/// Holds the queue's waiting jobs back, or lets them start again.
pub fn pause(name: String, paused: bool, busy: RwSignal<bool>) {
    let to = format!("/queues/{}/pause", seg(&name));
    let call = async move { api::post::<_, Queue>(&to, &PauseQueue { paused }).await };
    let failed = if paused { "The queue was not paused" } else { "The queue does not go on" };
    act(busy, failed, call, move |_| {
        live::hint(Topic::Queue);
        if paused {
            toast(Tone::Info, &format!("{name} is paused"), "Nothing of it starts; what runs goes on.");
        } else {
            toast(Tone::Good, &format!("{name} goes on"), "");
        }
    });
}

#[component]
pub fn DeleteQueue(deleting: RwSignal<Option<String>>) -> impl IntoView {
    let (open, busy) = (opened_by(deleting), RwSignal::new(false));
    let name = Signal::derive(move || deleting.get().unwrap_or_default());
    let confirm = move |()| {
        let gone = name.get_untracked();
        let to = format!("/queues/{}", seg(&gone));
        act(busy, "The queue was not deleted", async move { api::delete(&to).await }, move |()| {
            open.set(false);
            live::hint(Topic::Queue);
            toast(Tone::Good, "Queue deleted", &gone);
        });
    };
    view! {
        <ConfirmDialog open title="Delete this queue?" name action="Delete the queue" on_confirm=confirm busy=busy>
            <p>"Its settings go, and what was counted of its use. Jobs that name it are refused from then on; those that ended in it stay."</p>
        </ConfirmDialog>
    }
}
