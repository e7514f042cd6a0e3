//! A section of a form that most people leave alone.

use leptos::prelude::*;

/// A section that folds; open at first where something is set. Its head says what that is.
#[component]
pub fn Fold(title: &'static str, #[prop(into)] set: Signal<String>, open: bool, children: Children) -> impl IntoView {
    view! {
        <details class="card fold" open=open>
            <summary><h2>{title}</h2><span class="dim">{move || set.get()}</span></summary>
            <div class="stack">{children()}</div>
        </details>
    }
}
