//! The layers that builds keep, so that the next one is quick: how much of the limit they take, and the way to empty them.

use crate::{
    api, format,
    live::remote,
    session::may,
    ui::{Button, ConfirmDialog, Look, Meter, Show, Tone, act, toast},
};
use drydock_wire::{accounts::Role, builds::BuildCache, events::Topic};
use leptos::prelude::*;

#[component]
pub fn Cache() -> impl IntoView {
    let cache = remote::<BuildCache>(|| Some("/build-cache".to_owned()), &[Topic::Builds]);
    let (open, busy) = (RwSignal::new(false), RwSignal::new(false));
    let of = move |figure: fn(&BuildCache) -> u64| cache.data.with(|c| c.as_ref().map_or(0, figure));
    let share = Signal::derive(move || of(|c| c.size_bytes) as f64 / (of(|c| c.limit_bytes) as f64).max(1.0));
    let text = Signal::derive(move || {
        let layers = format::plural(of(|c| c.layer_count), "layer");
        format!("{layers}, {} of {}", format::bytes(of(|c| c.size_bytes)), format::bytes(of(|c| c.limit_bytes)))
    });
    let why_not = Signal::derive(move || (of(|c| c.layer_count) == 0).then(|| "It is empty.".to_owned()));
    let confirm = move |()| {
        act(busy, "The cache was not emptied", async { api::delete("/build-cache").await }, move |()| {
            open.set(false);
            cache.refetch();
            toast(Tone::Good, "Cache emptied", "The next build of each image makes its steps anew.");
        });
    };
    view! {
        <Show when=move || cache.data.with(Option::is_some)>
            <section class="card cache-line" aria-label="Build cache">
                <Meter label="Build cache" share text calm=true/>
                <Show when=move || may(Role::Admin)>
                    <Button small=true look=Look::Danger why_not on_press=move |_| open.set(true)>"Empty the cache"</Button>
                </Show>
            </section>
        </Show>
        <ConfirmDialog open title="Empty the build cache?" name="" action="Empty it" on_confirm=confirm busy=busy>
            <p>{move || format!("{} of layers go. Images in the registry stay; builds take longer until their layers are made again.", format::bytes(of(|c| c.size_bytes)))}</p>
        </ConfirmDialog>
    }
}
