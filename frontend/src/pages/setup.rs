//! setup

use leptos::prelude::*;

#[component]
pub fn SetupPage() -> impl IntoView {
    view! { <p>"SetupPage"</p> }
}
