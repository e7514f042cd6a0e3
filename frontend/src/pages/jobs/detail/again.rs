//! Running a job again: with what its names mean now, exactly as it was, or edited in the form.

use crate::{
    api::{self, seg},
    app::go,
    pages::parts::is_engineer,
    reactive::memo,
    ui::{Icon, Show, Tone, act, toast},
    wish::Wish,
};
use drydock_wire::jobs::{JobDetail, Rerun};
use leptos::prelude::*;

#[component]
pub fn AgainMenu(job: Signal<JobDetail>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let id = memo(move || job.with(|j| j.summary.id.clone()));
    let rerun = move |exactly: bool| {
        let path = format!("/jobs/{}/rerun", seg(&id.get_untracked()));
        let call = async move { api::post::<_, JobDetail>(&path, &Rerun { exactly }).await };
        act(busy, "The job was not submitted again", call, move |made| {
            let what = if exactly {
                "Same code, data, image, environment and seed."
            } else {
                "The image's name is looked up anew; the seed is a new one."
            };
            toast(Tone::Good, "The job is submitted again", what);
            go(&format!("/jobs/{}", seg(&made.summary.id)));
        });
    };
    let copy = move |_| {
        let yaml = job.with_untracked(|j| Wish::Job(j.spec.clone()).to_yaml());
        let writing = window().navigator().clipboard().write_text(&yaml);
        leptos::task::spawn_local(async move {
            match wasm_bindgen_futures::JsFuture::from(writing).await {
                Ok(_) => toast(Tone::Good, "YAML copied", "It runs with: drydock job run --file job.yaml"),
                Err(_) => toast(Tone::Bad, "The browser did not allow copying", ""),
            }
        });
    };
    view! {
        <Show when=is_engineer>
            <details class="menu">
                <summary class="btn" class:busy=move || busy.get()><Icon name="rotate-ccw"/>"Run again"<Icon name="chevron-down"/></summary>
                <div class="menu-list">
                    <button type="button" on:click=move |_| rerun(false)><Icon name="rotate-ccw"/>"Rerun"</button>
                    <button type="button" on:click=move |_| rerun(true)><Icon name="fingerprint"/>"Rerun exactly"</button>
                    <a href=move || format!("/jobs/new?from={}", seg(&id.get()))><Icon name="pencil"/>"Edit as new"</a>
                    <hr/>
                    <button type="button" on:click=copy><Icon name="copy"/>"Copy as YAML"</button>
                </div>
            </details>
        </Show>
    }
}
