//! Datasets.

use leptos::prelude::*;

#[component]
pub fn DatasetsPage() -> impl IntoView {
    view! { <p>"DatasetsPage"</p> }
}

#[component]
pub fn DatasetPage() -> impl IntoView {
    view! { <p>"DatasetPage"</p> }
}
