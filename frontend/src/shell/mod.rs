//! The frame around every page.
use leptos::prelude::*;
use leptos_router::components::Outlet;

#[component]
pub fn Shell() -> impl IntoView {
    view! { <main id="main"><Outlet/></main> }
}
