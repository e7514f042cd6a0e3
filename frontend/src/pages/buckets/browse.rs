//! A folder of a bucket: what is in it, page by page, with its search, its uploads and the removal of what is chosen.

use super::{
    bucket::Place,
    content_url,
    discard::{Chosen, DeleteChosen},
    last, path,
    pick::{UploadButtons, dropped},
};
use crate::{
    api::seg,
    format,
    live::remote,
    pages::parts::{FolderPath, Interrupted, query},
    reactive::{effect, memo},
    transfer::{self, Goal},
    ui::{Button, Each, EmptyState, Icon, Loaded, Look, SearchBox, Show, TimeAgo},
};
use drydock_wire::storage::{BucketDetail, ObjectList, ObjectSummary};
use leptos::prelude::*;
use std::time::Duration;

const PAGE: u32 = 200;

#[component]
pub fn Folder(detail: Signal<BucketDetail>, place: Place, #[prop(into)] changed: Callback<()>) -> impl IntoView {
    let name = memo(move || detail.with(|d| d.summary.name.clone()));
    let writes = memo(move || detail.with(|d| d.summary.may_write));
    let prefix = memo(move || place.prefix.get());
    let asked = move || {
        let pairs = [
            ("prefix", prefix.get()),
            ("search", place.search.get()),
            ("page", place.page.get()),
            ("limit", PAGE.to_string()),
        ];
        Some(query(&path(&name.get(), "/objects"), &pairs))
    };
    let list = remote::<ObjectList>(asked, &[]).every(Duration::from_secs(20));
    let landed = transfer::landed();
    effect(move || {
        landed.track();
        list.refetch();
    });
    let chosen = Chosen::new();
    effect(move || {
        (prefix.get(), place.page.get(), place.search.get());
        chosen.clear();
    });
    let over = RwSignal::new(false);
    let drop_here = move |e: leptos::ev::DragEvent| {
        e.prevent_default();
        over.set(false);
        if writes.get_untracked() {
            dropped(&e, name.get_untracked(), prefix.get_untracked());
        }
    };
    let after = Callback::new(move |()| {
        list.refetch();
        changed.run(());
    });
    view! {
        <div class="browse" class:over=move || over.get()
            on:dragover=move |e| if writes.get_untracked() { e.prevent_default(); over.set(true) }
            on:dragleave=move |e| if e.target() == e.current_target() { over.set(false) }
            on:drop=drop_here>
            <div class="toolbar">
                <Crumbs name prefix file="".to_owned()/>
                <span class="spread"></span>
                <SearchBox param=place.search label="Search below this folder" resets=place.page/>
                <Show when=move || writes.get()><UploadButtons bucket=name prefix/></Show>
            </div>
            <Interrupted goal=Signal::derive(move || Goal::Object(name.get()))/>
            <Loaded remote=list lines=10 let:list>
                {move || if list.with(|l| l.folders.is_empty() && l.objects.is_empty() && l.next.is_none()) {
                    nothing(place, prefix, writes).into_any()
                } else {
                    view! { <Rows list name place writes chosen after/> }.into_any()
                }}
            </Loaded>
            <Show when=move || over.get()>
                <div class="drop-note" aria-hidden="true"><Icon name="upload"/>{move || match prefix.get().as_str() {
                    "" => format!("Drop to upload to {}", name.get()),
                    folder => format!("Drop to upload to {folder}"),
                }}</div>
            </Show>
        </div>
    }
}

/// The way from the top of the bucket to here; `file`: the one in the folder that is looked at, or nothing.
#[component]
pub fn Crumbs(#[prop(into)] name: Signal<String>, #[prop(into)] prefix: Signal<String>, file: String) -> impl IntoView {
    view! { <FolderPath top=name folder=prefix file=Signal::stored(file) href=move |to: String| folder_href(&name.get(), &to)/> }
}

fn folder_href(bucket: &str, prefix: &str) -> String {
    query(&format!("/buckets/{}", seg(bucket)), &[("prefix", prefix.to_owned())])
}

/// The address of an object's page.
pub fn object_href(bucket: &str, key: &str) -> String {
    let pairs = [("prefix", super::folder_of(key).to_owned()), ("key", key.to_owned())];
    query(&format!("/buckets/{}", seg(bucket)), &pairs)
}

fn nothing(place: Place, prefix: Memo<String>, writes: Memo<bool>) -> impl IntoView {
    let is_search = !place.search.get_untracked().is_empty();
    let (title, text) = match (is_search, prefix.get_untracked().is_empty(), writes.get_untracked()) {
        (true, ..) => ("Nothing matches", "No name below this folder contains that text."),
        (_, true, true) => (
            "This bucket is empty",
            "Drop files or whole folders here, use the buttons above, or an S3 client: “Connect” has its settings.",
        ),
        (_, true, false) => ("This bucket is empty", "Whoever may write to it can upload files."),
        (_, false, true) => {
            ("This folder is empty", "Folders are part of the files' names. Drop files here and it is there.")
        }
        (_, false, false) => ("This folder is empty", "Its last file may have been moved or deleted."),
    };
    view! {
        <div class="pane"><EmptyState icon=if is_search { "filter" } else { "folder-open" } title text>
            {is_search.then(|| view! { <Button on_press=move |_| place.search.clear()>"Clear the search"</Button> })}
        </EmptyState></div>
    }
}

#[component]
fn Rows(
    list: Signal<ObjectList>,
    name: Memo<String>,
    place: Place,
    writes: Memo<bool>,
    chosen: Chosen,
    after: Callback<()>,
) -> impl IntoView {
    let all = move || {
        list.with(|l| l.folders.iter().cloned().chain(l.objects.iter().map(|o| o.key.clone())).collect::<Vec<_>>())
    };
    let is_all = move || all().iter().all(|key| chosen.has(key));
    let deleting = RwSignal::new(false);
    let searching = move || !place.search.get().is_empty();
    let next = move || list.with(|l| l.next.clone());
    view! {
        <Show when=move || writes.get() && chosen.count() != 0>
            <div class="toolbar chosen-bar" role="status">
                <b>{move || format!("{} chosen", format::number(chosen.count() as u64))}</b>
                <Button small=true look=Look::Danger icon="trash-2" on_press=move |_| deleting.set(true)>"Delete"</Button>
                <Button small=true look=Look::Quiet on_press=move |_| chosen.clear()>"Choose none"</Button>
            </div>
        </Show>
        <div class="pane" role="region" aria-label="Files" tabindex="0">
            <table class="grid runs objects" aria-label="Files">
                <thead><tr>
                    <Show when=move || writes.get()><th scope="col" class="choose">
                        <input type="checkbox" aria-label="Choose all on this page" prop:checked=is_all
                            on:change:target=move |e| chosen.set_all(&all(), e.target().checked())/></th></Show>
                    <th scope="col">"Name"</th><th scope="col" class="num">"Size"</th>
                    <th scope="col" class="wide-only">"Kind"</th><th scope="col" class="num wide-only">"Changed"</th>
                    <th scope="col" class="tools"><span class="sr">"Download"</span></th>
                </tr></thead>
                <tbody>
                    <Each keys=move || list.with(|l| l.folders.clone()) let:folder>{folder_row(folder, name, writes, chosen)}</Each>
                    <For each=move || list.with(|l| l.objects.clone()) key=|o| (o.key.clone(), o.etag.clone(), o.modified_at) let:object>
                        {object_row(object, name, writes, chosen, searching())}
                    </For>
                </tbody>
            </table>
        </div>
        <div class="pager">
            <span class="dim" role="status">{move || counted(&list.get(), next().is_some() || !place.page.get().is_empty())}</span>
            <Show when=move || !place.page.get().is_empty()>
                <button type="button" class="btn small" on:click=move |_| place.page.clear()><Icon name="chevron-left"/>"First page"</button>
            </Show>
            <Show when=move || next().is_some()>
                <button type="button" class="btn small" on:click=move |_| if let Some(next) = next() { place.page.push(&next) }>
                    "Next page"<Icon name="chevron-right"/></button>
            </Show>
        </div>
        <DeleteChosen open=deleting bucket=name chosen done=move |()| { chosen.clear(); after.run(()) }/>
    }
}

fn counted(list: &ObjectList, in_pages: bool) -> String {
    let folders = list.folders.len() as u64;
    let files = format::plural(list.objects.len() as u64, "file");
    let all = if folders == 0 { files } else { format!("{}, {files}", format::plural(folders, "folder")) };
    if in_pages { format!("{all} on this page") } else { all }
}

fn choice(key: String, what: String, writes: Memo<bool>, chosen: Chosen) -> impl IntoView {
    let (shown, set) = (key.clone(), StoredValue::new(key));
    let what = StoredValue::new(what);
    let shown = StoredValue::new(shown);
    view! {
        <Show when=move || writes.get()>
            <td class="choose"><input type="checkbox" aria-label=format!("Choose {}", what.get_value())
                prop:checked=move || shown.with_value(|key| chosen.has(key))
                on:change:target=move |e| set.with_value(|key| chosen.set(key, e.target().checked()))/></td>
        </Show>
    }
}

fn folder_row(folder: String, name: Memo<String>, writes: Memo<bool>, chosen: Chosen) -> impl IntoView {
    let label = last(&folder).to_owned();
    let href = folder_href(&name.get_untracked(), &folder);
    view! {
        <tr>
            {choice(folder, format!("the folder {label}"), writes, chosen)}
            <td><a class="row-link name with-icon" href=href><Icon name="folder"/>{label}"/"</a></td>
            <td class="num dim">"–"</td><td class="wide-only dim">"Folder"</td><td class="wide-only"></td><td class="tools"></td>
        </tr>
    }
}

fn object_row(
    object: ObjectSummary,
    name: Memo<String>,
    writes: Memo<bool>,
    chosen: Chosen,
    whole: bool,
) -> impl IntoView {
    let bucket = name.get_untracked();
    // a marker that some clients make for a folder has no name of its own here
    let label = if whole { object.key.clone() } else { last(&object.key).to_owned() };
    let (href, get) = (object_href(&bucket, &object.key), content_url(&bucket, &object.key, ""));
    let (download, title) = (format!("Download {label}"), label.clone());
    view! {
        <tr>
            {choice(object.key, label.clone(), writes, chosen)}
            <td title=title><a class="row-link name with-icon" href=href><Icon name="file"/>{label}</a></td>
            <td class="num">{format::bytes(object.size_bytes)}</td>
            <td class="wide-only dim">{object.content_type}</td>
            <td class="num wide-only dim"><TimeAgo at=object.modified_at/></td>
            <td class="tools"><a class="icon-btn" download="" href=get aria-label=download title="Download"><Icon name="download"/></a></td>
        </tr>
    }
}
