//! The lineage of anything that has one, on a page of its own: `/lineage/run/{id}`, `/lineage/deployment/{name}`.

use crate::{
    pages::parts::LineageView,
    reactive::memo,
    ui::{EmptyState, PageHead, Show},
};
use drydock_wire::lineage::NodeKind;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

#[component]
pub fn LineagePage() -> impl IntoView {
    let params = use_params_map();
    let part = move |name: &str| params.with(|p| p.get(name)).unwrap_or_default();
    let of = memo(move || NodeKind::parse(&part("kind")).map(|kind| (kind, part("id"))));
    let title = Signal::derive(move || match of.get() {
        Some((kind, id)) => format!("Lineage of {} {id}", kind.word().to_lowercase()),
        None => "Lineage".to_owned(),
    });
    view! {
        <section class="page">
            <PageHead title sub=|| "What led to it on the left, what came of it on the right."/>
            <Show when=move || of.with(Option::is_some) fallback=|| view! {
                <EmptyState icon="circle-alert" title="There is nothing at this address"
                    text="Open the lineage from a run, a dataset, a model version or a deployment."/>
            }>
                <LineageView of/>
            </Show>
        </section>
    }
}
