//! Rows by their keys.

use leptos::prelude::*;
use std::sync::Arc;

/// A row for each key, in that order; rows whose key stays are kept. leptos's own `For`, but compiled once instead of once per list.
#[component]
pub fn Each<F, V>(#[prop(into)] keys: Signal<Vec<String>>, children: F) -> impl IntoView
where
    F: Fn(String) -> V + Send + Sync + 'static,
    V: IntoView + 'static,
{
    rows(keys, Arc::new(move |key| children(key).into_any()))
}

fn rows(keys: Signal<Vec<String>>, row: Arc<dyn Fn(String) -> AnyView + Send + Sync>) -> AnyView {
    view! { <For each=move || keys.get() key=|key| key.clone() children=move |key| row(key)/> }.into_any()
}
