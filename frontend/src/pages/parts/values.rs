//! Values as text: metrics, pairs, ids, times.

use crate::{
    format,
    reactive::memo,
    ui::{Icon, Show, TimeAgo},
};
use drydock_wire::{KeyValue, tracking::MetricValue};
use leptos::prelude::*;

/// A metric's value, `NaN` and infinities included.
pub fn metric_text(metric: &MetricValue) -> String {
    match (metric.value, &metric.text) {
        (Some(value), _) => format::value(value),
        (None, Some(text)) => text.clone(),
        (None, None) => "–".to_owned(),
    }
}

/// The first eight characters: enough to tell ids apart by eye.
pub fn short_id(id: &str) -> String {
    id.chars().take(8).collect()
}

/// A time that may not have come yet.
#[component]
pub fn When(at: Option<i64>, #[prop(default = "not yet")] absent: &'static str) -> impl IntoView {
    match at {
        Some(at) => view! { <TimeAgo at/> }.into_any(),
        None => view! { <span class="dim">{absent}</span> }.into_any(),
    }
}

/// Keys with values; a search field where there are many.
#[component]
pub fn PairTable(
    #[prop(into)] label: String,
    #[prop(into)] pairs: Signal<Vec<KeyValue>>,
    /// What stands there when there are none.
    none: &'static str,
) -> impl IntoView {
    let wanted = RwSignal::new(String::new());
    let many = memo(move || pairs.with(|p| p.len() > 12));
    let shown = move || {
        let wanted = wanted.get().to_lowercase();
        let hit = |p: &&KeyValue| p.key.to_lowercase().contains(&wanted) || p.value.to_lowercase().contains(&wanted);
        pairs.with(|p| p.iter().filter(hit).cloned().collect::<Vec<_>>())
    };
    let search = format!("Search {}", label.to_lowercase());
    view! {
        <Show when=move || many.get()>
            <label class="search small"><Icon name="search"/><span class="sr">{search.clone()}</span>
                <input type="search" placeholder=search.clone() bind:value=wanted spellcheck="false" autocomplete="off"/></label>
        </Show>
        <Show when=move || pairs.with(|p| !p.is_empty()) fallback=move || view! { <p class="dim none">{none}</p> }>
            <div class="pairs" role="region" aria-label=label.clone() tabindex="0">
                <table class="plain"><tbody>
                    {move || shown().into_iter().map(|p| view! {
                        <tr><th scope="row">{p.key}</th><td class="mono">{p.value}</td></tr>
                    }).collect_view()}
                </tbody></table>
            </div>
        </Show>
    }
}
