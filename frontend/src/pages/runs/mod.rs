//! Runs: list, detail, compare.

use leptos::prelude::*;

#[component]
pub fn RunsPage() -> impl IntoView {
    view! { <p>"RunsPage"</p> }
}

#[component]
pub fn RunPage() -> impl IntoView {
    view! { <p>"RunPage"</p> }
}

#[component]
pub fn ComparePage() -> impl IntoView {
    view! { <p>"ComparePage"</p> }
}
