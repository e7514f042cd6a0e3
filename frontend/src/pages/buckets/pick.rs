//! Uploads to a bucket: chosen by button, whole folders, too, or dropped on the page.

use crate::{
    transfer::{self, Goal, pick},
    ui::Icon,
};
use leptos::{ev, html, prelude::*};
use web_sys::{File, HtmlInputElement};

/// Two buttons: files, and a folder with all that is in it.
#[component]
pub fn UploadButtons(#[prop(into)] bucket: Signal<String>, #[prop(into)] prefix: Signal<String>) -> impl IntoView {
    let chosen =
        move |input: HtmlInputElement| send(bucket.get_untracked(), &prefix.get_untracked(), pick::chosen(&input));
    let (one, folder) = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    // no attribute of HTML's, but one that every browser knows
    folder.on_load(|input| drop(input.set_attribute("webkitdirectory", "")));
    view! {
        <label class="btn primary"><Icon name="upload"/>"Upload files"
            <input class="sr" type="file" multiple node_ref=one data-testid="pick-files"
                on:change=move |_| if let Some(input) = one.get_untracked() { chosen(input) }/></label>
        <label class="btn"><Icon name="folder"/>"Upload a folder"
            <input class="sr" type="file" multiple node_ref=folder data-testid="pick-folder"
                on:change=move |_| if let Some(input) = folder.get_untracked() { chosen(input) }/></label>
    }
}

fn send(bucket: String, prefix: &str, files: Vec<(String, File)>) {
    let named = files.into_iter().map(|(path, file)| (format!("{prefix}{path}"), file));
    transfer::add(&Goal::Object(bucket), named.collect());
}

/// Sends what was dropped. Folders are read through.
pub fn dropped(e: &ev::DragEvent, bucket: String, prefix: String) {
    pick::dropped(e, move |files| send(bucket, &prefix, files));
}
