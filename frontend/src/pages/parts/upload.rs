//! Files on their way to the server: chosen or dropped, sent one after the other, each with its progress.
//!
//! A file that is done has a digest, which a dataset version or a job then refers to.

use crate::{
    api::{self, ApiError},
    format,
    reactive::effect,
    ui::{Icon, Show, dialog::fresh_id},
};
use drydock_wire::datasets::{DatasetFile, Upload};
use leptos::{ev, html, prelude::*, task::spawn_local};
use web_sys::{File, FileList};

#[derive(Clone, PartialEq)]
enum State {
    Waiting,
    /// Share sent, 0 to 1.
    Sending(f64),
    /// SHA-256 of what arrived.
    Done(String),
    Failed(ApiError),
}

#[derive(Clone, Copy)]
struct Item {
    id: u32,
    path: RwSignal<String>,
    size_bytes: u64,
    state: RwSignal<State>,
    file: StoredValue<File, LocalStorage>,
}

/// The files of one form.
#[derive(Clone, Copy)]
pub struct Uploads {
    items: RwSignal<Vec<Item>>,
    next_id: StoredValue<u32>,
    sending: RwSignal<bool>,
    owner: StoredValue<Owner>,
}

impl Uploads {
    /// Call it while the page or dialog is built.
    pub fn new() -> Self {
        Self {
            items: RwSignal::new(vec![]),
            next_id: StoredValue::new(1),
            sending: RwSignal::new(false),
            owner: StoredValue::new(Owner::current().unwrap_or_default()),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.items.with(Vec::is_empty)
    }

    /// Why the files cannot be used yet.
    pub fn why_not(&self) -> Option<String> {
        self.items.with(|items| {
            let states = || items.iter().map(|i| i.state.get());
            if states().any(|s| matches!(s, State::Failed(_))) {
                Some("A file could not be uploaded. Try it again or take it out.".to_owned())
            } else if states().any(|s| matches!(s, State::Waiting | State::Sending(_))) {
                Some("Files are still on their way.".to_owned())
            } else {
                None
            }
        })
    }

    /// What has arrived.
    pub fn files(&self) -> Vec<DatasetFile> {
        let done = |i: &Item| match i.state.get_untracked() {
            State::Done(digest) => Some(DatasetFile { path: i.path.get_untracked(), digest, size_bytes: i.size_bytes }),
            _ => None,
        };
        self.items.with_untracked(|items| items.iter().filter_map(done).collect())
    }

    fn add(&self, list: Option<FileList>) {
        let Some(list) = list else { return };
        let Some(owner) = self.owner.try_get_value() else { return };
        // the signals belong to the form, not to the event that brought the files
        owner.with(|| {
            for file in (0..list.length()).filter_map(|i| list.item(i)) {
                self.add_one(file);
            }
        });
        self.send_next();
    }

    fn add_one(&self, file: File) {
        // of a folder, the browser says where in it the file lies
        let inside = js_sys::Reflect::get(&file, &"webkitRelativePath".into()).ok().and_then(|path| path.as_string());
        let name = inside.filter(|path| !path.is_empty()).unwrap_or_else(|| file.name());
        self.add_named(file, name);
    }

    fn add_named(&self, file: File, name: String) {
        let id = self.next_id.get_value();
        self.next_id.set_value(id + 1);
        let item = Item {
            id,
            path: RwSignal::new(name.clone()),
            size_bytes: file.size() as u64,
            state: RwSignal::new(State::Waiting),
            file: StoredValue::new_local(file),
        };
        // the same name again means a corrected file
        self.items.update(|items| {
            items.retain(|i| i.path.get_untracked() != name);
            items.push(item);
        });
    }

    fn remove(&self, id: u32) {
        self.items.update(|items| items.retain(|i| i.id != id));
    }

    fn retry(&self, item: Item) {
        item.state.set(State::Waiting);
        self.send_next();
    }

    fn send_next(&self) {
        if self.sending.try_get_untracked() != Some(false) {
            return;
        }
        let waiting = |i: &&Item| i.state.get_untracked() == State::Waiting;
        let Some(item) = self.items.with_untracked(|items| items.iter().find(waiting).copied()) else { return };
        self.sending.set(true);
        item.state.set(State::Sending(0.0));
        let uploads = *self;
        let file = item.file.get_value();
        spawn_local(async move {
            let progress = move |sent: f64, all: f64| {
                if matches!(item.state.try_get_untracked(), Some(State::Sending(_))) {
                    item.state.set(State::Sending(if all > 0.0 { sent / all } else { 0.0 }));
                }
            };
            let answer = api::upload::<Upload>("/uploads", &file, progress).await;
            let _ = item.state.try_set(match answer {
                Ok(upload) => State::Done(upload.digest),
                Err(error) => State::Failed(error),
            });
            let _ = uploads.sending.try_set(false);
            uploads.send_next();
        });
    }
}

/// A place to drop files on, with a button that opens the browser's file chooser.
#[component]
pub fn DropZone(
    uploads: Uploads,
    /// "Drop CSV files here".
    text: &'static str,
    /// Whether a whole folder can be chosen, too.
    #[prop(optional)]
    folders: bool,
) -> impl IntoView {
    let over = RwSignal::new(false);
    let input = NodeRef::<html::Input>::new();
    let id = fresh_id("files");
    let choose = move |_| {
        if let Some(input) = input.get_untracked() {
            uploads.add(input.files());
            input.set_value("");
        }
    };
    let (folder, folder_id) = (NodeRef::<html::Input>::new(), fresh_id("folder"));
    effect(move || {
        if let Some(input) = folder.get() {
            let _ = input.set_attribute("webkitdirectory", "");
        }
    });
    let choose_folder = move |_| {
        if let Some(folder) = folder.get_untracked() {
            uploads.add(folder.files());
            folder.set_value("");
        }
    };
    let dropped = move |e: ev::DragEvent| {
        e.prevent_default();
        over.set(false);
        uploads.add(e.data_transfer().and_then(|t| t.files()));
    };
    view! {
        <div class="drop" class:over=move || over.get()
            on:dragover=move |e| { e.prevent_default(); over.set(true) }
            on:dragleave=move |_| over.set(false)
            on:drop=dropped>
            <Icon name="upload"/>
            <span>{text}" or "<label for=id.clone()>"choose files"</label>
                {folders.then(|| view! { " or "<label for=folder_id.clone()>"a folder"</label> })}</span>
            <input id=id class="sr" type="file" multiple node_ref=input on:change=choose/>
            {folders.then(|| view! {
                <input id=folder_id.clone() class="sr" type="file" multiple node_ref=folder on:change=choose_folder/>
            })}
        </div>
    }
}

/// The files chosen so far.
#[component]
pub fn UploadList(
    uploads: Uploads,
    /// Whether the path can be edited: a job's code may need folders.
    #[prop(optional)]
    paths: bool,
) -> impl IntoView {
    view! {
        <Show when=move || !uploads.is_empty()>
            <ul class="uploads">
                <For each=move || uploads.items.get() key=|i| i.id let:item>
                    <li>
                        <Icon name="file"/>
                        {if paths {
                            view! { <input class="mono" aria-label="Path of the file" bind:value=item.path spellcheck="false"/> }.into_any()
                        } else {
                            view! { <span class="mono">{move || item.path.get()}</span> }.into_any()
                        }}
                        <span class="dim">{format::bytes(item.size_bytes)}</span>
                        <span class="state" aria-live="polite">{move || state_text(uploads, item)}</span>
                        <button type="button" class="icon-btn" title="Take out"
                            aria-label=move || format!("Take out {}", item.path.get())
                            on:click=move |_| uploads.remove(item.id)><Icon name="x"/></button>
                    </li>
                </For>
            </ul>
        </Show>
    }
}

fn state_text(uploads: Uploads, item: Item) -> AnyView {
    match item.state.get() {
        State::Waiting => view! { <span class="dim">"Waiting"</span> }.into_any(),
        State::Sending(share) => view! {
            <span class="bar" role="progressbar" aria-label="Sent" aria-valuemin="0" aria-valuemax="100"
                aria-valuenow=format!("{:.0}", share * 100.0)><i style:width=format!("{:.1}%", share * 100.0)></i></span>
        }
        .into_any(),
        State::Done(_) => view! { <span class="good"><Icon name="check"/>"Uploaded"</span> }.into_any(),
        State::Failed(error) => view! {
            <span class="bad">"Failed: "{error.message}</span>
            <button type="button" class="btn small" on:click=move |_| uploads.retry(item)>"Try again"</button>
        }
        .into_any(),
    }
}
