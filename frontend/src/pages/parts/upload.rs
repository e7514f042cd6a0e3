//! Files of a form: chosen or dropped, whole folders, too, sent as all uploads are (`transfer`), each with its progress.
//!
//! A file that is done has a digest, which a dataset version or a job then refers to. The files stay while the person looks at
//! other pages: the form that is opened again under the same word has them.

use crate::{
    format,
    transfer::{self, Goal, Item, State, pick, tray},
    ui::{Icon, Show, dialog::fresh_id},
};
use drydock_wire::datasets::DatasetFile;
use leptos::{ev, html, prelude::*};

/// More rows than this help nobody; what is not done comes first.
const SHOWN: usize = 100;

/// The files of one form.
#[derive(Clone, Copy)]
pub struct Uploads {
    goal: StoredValue<Goal>,
    items: Signal<Vec<Item>>,
}

impl Uploads {
    /// Call it while the page is built. `form` has a `/`: `dataset/wine`.
    pub fn of(form: String) -> Self {
        let (all, shown) = (transfer::items(), transfer::shown_forms());
        let goal = Goal::Content(form.clone());
        let mine = goal.clone();
        let items = Signal::derive(move || {
            all.with(|all| all.iter().filter(|item| item.goal == mine).cloned().collect::<Vec<_>>())
        });
        shown.update(|forms| forms.push(form.clone()));
        on_cleanup(move || {
            // one of them: the same form may have come anew before this one went
            shown.update(|forms| {
                if let Some(at) = forms.iter().position(|one| *one == form) {
                    forms.remove(at);
                }
            });
        });
        Self { goal: StoredValue::new(goal), items }
    }

    pub fn goal(&self) -> Goal {
        self.goal.get_value()
    }

    pub fn is_empty(&self) -> bool {
        self.items.with(Vec::is_empty)
    }

    /// The paths of all that was chosen, arrived or not; reactive.
    pub fn paths(&self) -> Vec<String> {
        self.items.with(|items| items.iter().map(|item| item.path.get()).collect())
    }

    /// Why the files cannot be used yet.
    pub fn why_not(&self) -> Option<String> {
        self.items.with(|items| {
            let states = || items.iter().map(|item| item.state.get());
            if states().any(|s| matches!(s, State::Failed(_))) {
                Some("A file could not be uploaded. Try it again or take it out.".to_owned())
            } else if states().any(|s| s == State::Paused) {
                Some("A file is paused. Go on with it or take it out.".to_owned())
            } else if states().any(|s| s != State::Done) {
                Some("Files are still on their way.".to_owned())
            } else {
                None
            }
        })
    }

    /// What has arrived.
    pub fn files(&self) -> Vec<DatasetFile> {
        let done = |item: &Item| {
            let (path, digest) = (item.path.get_untracked(), item.digest.get_untracked());
            (item.state.get_untracked() == State::Done).then_some(DatasetFile {
                path,
                digest,
                size_bytes: item.size_bytes,
            })
        };
        self.items.with_untracked(|items| items.iter().filter_map(done).collect())
    }

    /// The form is done with them.
    pub fn clear(&self) {
        if let Some(goal) = self.goal.try_get_value() {
            transfer::clear(&goal);
        }
    }

    /// They go with the page: another form under this word is about something else.
    pub fn of_this_page(self) -> Self {
        let goal = self.goal();
        on_cleanup(move || transfer::clear(&goal));
        self
    }

    /// The first rows, in the order they came; of very many those that need somebody.
    fn rows(&self) -> Vec<Item> {
        self.items.with(|items| {
            if items.len() <= SHOWN {
                return items.clone();
            }
            items.iter().filter(|item| item.state.get() != State::Done).take(SHOWN).cloned().collect()
        })
    }

    fn hidden(&self) -> usize {
        self.items.with(Vec::len).saturating_sub(self.rows().len())
    }
}

/// A place to drop files and folders on, with buttons that open the browser's file chooser.
#[component]
pub fn DropZone(
    uploads: Uploads,
    /// "Drop CSV files here".
    text: &'static str,
) -> impl IntoView {
    let over = RwSignal::new(false);
    let (input, folder) = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    let (id, folder_id) = (fresh_id("files"), fresh_id("folder"));
    folder.on_load(|input| drop(input.set_attribute("webkitdirectory", "")));
    let choose = move |input: NodeRef<html::Input>| {
        if let Some(input) = input.get_untracked() {
            transfer::add(&uploads.goal(), pick::chosen(&input));
        }
    };
    let dropped = move |e: ev::DragEvent| {
        e.prevent_default();
        over.set(false);
        let goal = uploads.goal();
        pick::dropped(&e, move |files| transfer::add(&goal, files));
    };
    view! {
        <div class="drop" class:over=move || over.get()
            on:dragover=move |e| { e.prevent_default(); over.set(true) }
            on:dragleave=move |_| over.set(false)
            on:drop=dropped>
            <Icon name="upload"/>
            <span>{text}" or "<label for=id.clone()>"choose files"</label>" or "<label for=folder_id.clone()>"a folder"</label></span>
            <input id=id class="sr" type="file" multiple node_ref=input data-testid="form-files" on:change=move |_| choose(input)/>
            <input id=folder_id class="sr" type="file" multiple node_ref=folder data-testid="form-folder" on:change=move |_| choose(folder)/>
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
    let hidden = move || uploads.hidden() as u64;
    view! {
        <Show when=move || !uploads.is_empty()>
            <div class="form-uploads" data-testid="form-uploads">
                <tray::Summary items=uploads.items/>
                <ul class="uploads">
                    <For each=move || uploads.rows() key=|item| item.id let:item>{row(item, paths)}</For>
                </ul>
                <Show when=move || hidden() != 0><p class="dim">{move || format!("and {} more", format::plural(hidden(), "file"))}</p></Show>
            </div>
        </Show>
    }
}

fn row(item: Item, paths: bool) -> impl IntoView {
    let drawn = item.clone();
    let path = RwSignal::from(item.path.clone());
    view! {
        <li>
            <Icon name="file"/>
            {if paths {
                view! { <input class="mono" aria-label="Path of the file" bind:value=path spellcheck="false"/> }.into_any()
            } else {
                view! { <span class="mono">{move || path.get()}</span> }.into_any()
            }}
            <span class="state" aria-live="polite">{move || tray::progress(&drawn)}</span>
            {tray::tools(item)}
        </li>
    }
}

/// What a reload broke off, and how it goes on.
#[component]
pub fn Interrupted(goal: Signal<Goal>) -> impl IntoView {
    let asked = RwSignal::new(0);
    let landed = transfer::landed();
    // picked again, a file is no longer broken off
    let items = transfer::items();
    let list = move || {
        (asked.track(), landed.track(), items.track());
        transfer::broken_off(&goal.get())
    };
    let drawn = move || {
        let list = list();
        (!list.is_empty()).then(|| {
            let names: Vec<String> = list.iter().take(3).map(|one| one.name.rsplit('/').next().unwrap_or_default().to_owned()).collect();
            let more = list.len().saturating_sub(names.len());
            let names = if more == 0 { names.join(", ") } else { format!("{} and {more} more", names.join(", ")) };
            let what = format!("{} broken off: ", if list.len() == 1 { "An upload was".to_owned() } else { format!("{} uploads were", list.len()) });
            view! {
                <div class="callout info" role="status" data-testid="interrupted"><Icon name="info"/>
                    <span><b>{what}</b>{names}". Choose the same files again and they go on with what has arrived."</span>
                    <button type="button" class="btn small push" on:click=move |_| { transfer::give_up_all(&list); asked.update(|n| *n += 1) }>"Give up"</button>
                </div>
            }
        })
    };
    drawn
}
