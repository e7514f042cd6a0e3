//! overview

use leptos::prelude::*;

#[component]
pub fn OverviewPage() -> impl IntoView {
    view! { <p>"OverviewPage"</p> }
}
