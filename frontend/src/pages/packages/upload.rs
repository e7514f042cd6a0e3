//! Wheels on their way into the index: chosen with a button or dropped anywhere on the page. The tray shows how far they are.

use crate::{
    transfer::{self, Goal, pick},
    ui::{Icon, Tone, toast},
};
use leptos::{ev, html, prelude::*};
use web_sys::File;

/// A button that opens the browser's file chooser.
#[component]
pub fn UploadWheels() -> impl IntoView {
    let input = NodeRef::<html::Input>::new();
    let chosen = move |_| {
        if let Some(input) = input.get_untracked() {
            send(pick::chosen(&input));
        }
    };
    view! {
        <label class="btn primary"><Icon name="upload"/>"Upload wheels"
            <input class="sr" type="file" accept=".whl" multiple node_ref=input data-testid="pick-wheels" on:change=chosen/></label>
    }
}

/// A part of the page that wheels, or folders with them, can be dropped on, where `takes` says so.
#[component]
pub fn WheelDrop(takes: bool, children: Children) -> impl IntoView {
    let over = RwSignal::new(false);
    let dropped = move |e: ev::DragEvent| {
        e.prevent_default();
        over.set(false);
        if takes {
            pick::dropped(&e, send);
        }
    };
    view! {
        <div class="browse" class:over=move || over.get()
            on:dragover=move |e| if takes { e.prevent_default(); over.set(true) }
            on:dragleave=move |e| if e.target() == e.current_target() { over.set(false) }
            on:drop=dropped>
            {children()}
            {move || over.get().then(|| view! {
                <div class="drop-note" aria-hidden="true"><Icon name="upload"/>"Drop wheels to add them to the index"</div>
            })}
        </div>
    }
}

/// Sends the wheels; says of the rest why it is not taken. Of a folder only the files' names count.
fn send(files: Vec<(String, File)>) {
    let named = files.into_iter().map(|(path, file)| (path.rsplit('/').next().unwrap_or_default().to_owned(), file));
    let (wheels, others): (Vec<_>, Vec<_>) = named.partition(|(name, _)| name.ends_with(".whl"));
    if let Some((name, _)) = others.first() {
        let title = match others.len() {
            1 => format!("{name} is no wheel"),
            n => format!("{n} files are no wheels"),
        };
        let is_source = name.ends_with(".tar.gz") || name.ends_with(".zip");
        let text = if is_source {
            format!(
                "Of a source package make a wheel where there is internet: python3 -m pip wheel --no-deps {name}. Then bring the .whl."
            )
        } else {
            "The index takes files that end in .whl.".to_owned()
        };
        toast(Tone::Warn, &title, &text);
    }
    if !wheels.is_empty() {
        transfer::add(&Goal::Wheel, wheels);
    }
}
