//! Files for upload: chosen by button, whole folders, too, or dropped on the page.

use super::{transfer, tray};
use crate::ui::{Icon, Tone, toast};
use js_sys::{Array, Function, Promise, Reflect};
use leptos::{ev, html, prelude::*, task::spawn_local};
use std::pin::Pin;
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, FileList, HtmlInputElement};

#[wasm_bindgen]
extern "C" {
    /// A file or folder that was dropped (FileSystemEntry).
    type Entry;
    #[wasm_bindgen(method, getter, js_name = isFile)]
    fn is_file(this: &Entry) -> bool;
    #[wasm_bindgen(method, getter, js_name = fullPath)]
    fn full_path(this: &Entry) -> String;
    #[wasm_bindgen(method, js_name = file)]
    fn give_file(this: &Entry, done: &Function, failed: &Function);
    #[wasm_bindgen(method, js_name = createReader)]
    fn create_reader(this: &Entry) -> EntryReader;

    type EntryReader;
    #[wasm_bindgen(method, js_name = readEntries)]
    fn read_entries(this: &EntryReader, done: &Function, failed: &Function);

    /// One of the things that a drop brought (DataTransferItem).
    type Dropped;
    #[wasm_bindgen(method, js_name = webkitGetAsEntry)]
    fn entry(this: &Dropped) -> Option<Entry>;
}

/// Two buttons: files, and a folder with all that is in it.
#[component]
pub fn UploadButtons(#[prop(into)] bucket: Signal<String>, #[prop(into)] prefix: Signal<String>) -> impl IntoView {
    let chosen = move |input: HtmlInputElement| {
        if let Some(files) = input.files() {
            send(&bucket.get_untracked(), &prefix.get_untracked(), listed(&files));
        }
        input.set_value("");
    };
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

/// The files of an input, with their paths within the chosen folder.
fn listed(files: &FileList) -> Vec<(String, File)> {
    let within = |file: &File| {
        let path = Reflect::get(file, &JsValue::from_str("webkitRelativePath")).ok().and_then(|path| path.as_string());
        path.filter(|path| !path.is_empty()).unwrap_or_else(|| file.name())
    };
    (0..files.length()).filter_map(|i| files.item(i)).map(|file| (within(&file), file)).collect()
}

fn send(bucket: &str, prefix: &str, files: Vec<(String, File)>) {
    if files.is_empty() {
        return toast(Tone::Info, "Nothing to upload", "There are no files in it.");
    }
    tray::stand();
    transfer::add(bucket, files.into_iter().map(|(path, file)| (format!("{prefix}{path}"), file)).collect());
}

/// Sends what was dropped. Folders are read through.
pub fn dropped(e: &ev::DragEvent, bucket: String, prefix: String) {
    let Some(data) = e.data_transfer() else { return };
    // the list is empty once the event is over: the entries are taken now
    let items = Reflect::get(&data, &JsValue::from_str("items")).map(|items| Array::from(&items)).unwrap_or_default();
    let entries: Vec<Entry> = items.iter().filter_map(|item| item.unchecked_into::<Dropped>().entry()).collect();
    let plain = data.files().map(|files| listed(&files)).unwrap_or_default();
    spawn_local(async move {
        let mut files = vec![];
        for entry in entries {
            walk(entry, &mut files).await;
        }
        send(&bucket, &prefix, if files.is_empty() { plain } else { files });
    });
}

/// Adds the file, or all files below the folder.
fn walk<'a>(entry: Entry, files: &'a mut Vec<(String, File)>) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(async move {
        if entry.is_file() {
            let path = entry.full_path().trim_start_matches('/').to_owned();
            let found = answered(|done, failed| entry.give_file(done, failed)).await;
            files.extend(found.and_then(|file| file.dyn_into::<File>().ok()).map(|file| (path, file)));
            return;
        }
        let reader = entry.create_reader();
        // a reader gives a hundred at a time, and none at the end
        while let Some(batch) = answered(|done, failed| reader.read_entries(done, failed)).await {
            let batch = Array::from(&batch);
            if batch.length() == 0 {
                break;
            }
            for entry in batch.iter() {
                walk(entry.unchecked_into(), files).await;
            }
        }
    })
}

/// What a function with two callbacks answers.
async fn answered(ask: impl Fn(&Function, &Function)) -> Option<JsValue> {
    let promise = Promise::new(&mut |done, failed| ask(&done, &failed));
    JsFuture::from(promise).await.ok()
}
