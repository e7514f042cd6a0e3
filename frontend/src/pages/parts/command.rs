//! Text to take along: a command to copy, a file to download.

use crate::{
    api::seg,
    ui::{CopyButton, Icon},
};
use leptos::prelude::*;

/// A command in a box, with a button that copies it.
#[component]
pub fn Command(#[prop(into)] text: Signal<String>, what: &'static str) -> impl IntoView {
    view! {
        <div class="command">
            <pre tabindex="0">{move || text.get()}</pre>
            <CopyButton text what/>
        </div>
    }
}

/// A link that looks like a button and saves a text that the page has as a file.
#[component]
pub fn SaveText(
    #[prop(into)] text: Signal<String>,
    /// Name of the file.
    file: &'static str,
    /// The button's words.
    label: &'static str,
) -> impl IntoView {
    let href = move || format!("data:text/plain;charset=utf-8,{}", seg(&text.get()));
    view! { <a class="btn" href=href download=file><Icon name="download"/>{label}</a> }
}
