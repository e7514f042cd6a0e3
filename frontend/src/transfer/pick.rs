//! Files for upload: chosen with an input, whole folders, too, or dropped on the page.

use crate::ui::{Tone, toast};
use js_sys::{Array, Function, Promise, Reflect};
use leptos::{ev, task::spawn_local};
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

/// The files of an input, with their paths within the chosen folder.
fn listed(files: &FileList) -> Vec<(String, File)> {
    let within = |file: &File| {
        let path = Reflect::get(file, &JsValue::from_str("webkitRelativePath")).ok().and_then(|path| path.as_string());
        path.filter(|path| !path.is_empty()).unwrap_or_else(|| file.name())
    };
    (0..files.length()).filter_map(|i| files.item(i)).map(|file| (within(&file), file)).collect()
}

/// Gives what was dropped, with paths: folders are read through.
pub fn dropped(e: &ev::DragEvent, take: impl FnOnce(Vec<(String, File)>) + 'static) {
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
        let files = if files.is_empty() { plain } else { files };
        if files.is_empty() {
            return toast(Tone::Info, "Nothing to upload", "There are no files in it.");
        }
        take(files);
    });
}

/// What was chosen with an input, which then stands ready for the same again.
pub fn chosen(input: &HtmlInputElement) -> Vec<(String, File)> {
    let files = input.files().map(|files| listed(&files)).unwrap_or_default();
    input.set_value("");
    if files.is_empty() {
        toast(Tone::Info, "Nothing to upload", "There are no files in it.");
    }
    files
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
