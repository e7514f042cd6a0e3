//! Jobs.

use leptos::prelude::*;

#[component]
pub fn JobsPage() -> impl IntoView {
    view! { <p>"JobsPage"</p> }
}

#[component]
pub fn NewJobPage() -> impl IntoView {
    view! { <p>"NewJobPage"</p> }
}

#[component]
pub fn JobPage() -> impl IntoView {
    view! { <p>"JobPage"</p> }
}
