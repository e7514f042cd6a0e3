//! The files of a run: folders that open in place, a preview beside them, a download for each.

use super::preview::Preview;
use crate::{
    api::seg,
    format,
    live::remote,
    ui::{EmptyState, Icon, Loaded, Show, url::param},
};
use drydock_wire::{events::Topic, tracking::ArtifactEntry};
use leptos::prelude::*;

#[component]
pub fn Artifacts(run_id: Signal<String>) -> impl IntoView {
    // the open file lives in the address, so that it can be sent to someone
    let file = param("file", "");
    view! {
        <div class="files">
            <div class="card tree"><Folder run_id path="".to_owned() file/></div>
            <div class="card preview">
                {move || match file.get() {
                    path if path.is_empty() => view! {
                        <EmptyState icon="file-text" title="Choose a file" text="Text, JSON, CSV, Parquet and images are shown here; anything can be downloaded."/>
                    }.into_any(),
                    path => view! { <Preview run_id=run_id.get() path/> }.into_any(),
                }}
            </div>
        </div>
    }
}

/// The entries of one folder.
#[component]
fn Folder(run_id: Signal<String>, path: String, file: crate::ui::url::Param) -> AnyView {
    let root = path.is_empty();
    let entries = remote::<Vec<ArtifactEntry>>(
        move || Some(format!("/runs/{}/artifacts?path={}", seg(&run_id.get()), seg(&path))),
        &[Topic::Runs],
    );
    view! {
        <Loaded remote=entries lines=3 let:list>
            <Show when=move || list.with(|l| !l.is_empty()) fallback=move || root.then(|| view! {
                <EmptyState icon="folder" title="No artifacts" text="Files that the run logs with mlflow.log_artifact or log_model appear here."/>
            })>
                <ul class="tree-list">
                    <For each=move || list.get() key=|e| e.path.clone() let:entry>{one(run_id, entry, file)}</For>
                </ul>
            </Show>
        </Loaded>
    }
    .into_any()
}

fn one(run_id: Signal<String>, entry: ArtifactEntry, file: crate::ui::url::Param) -> impl IntoView {
    let name = entry.path.rsplit('/').next().unwrap_or_default().to_owned();
    if !entry.is_dir {
        let (path, is_open) = (entry.path.clone(), entry.path.clone());
        let size = entry.size_bytes.map(format::bytes);
        let open = move |_| file.set(&path);
        return view! {
            <li><button type="button" class="node" aria-current=move || file.is(&is_open).then_some("true") on:click=open>
                <Icon name="file"/><span>{name}</span><small class="dim">{size}</small></button></li>
        }
        .into_any();
    }
    let inside = format!("{}/", entry.path);
    let open = RwSignal::new(file.get_untracked().starts_with(&inside));
    let path = StoredValue::new(entry.path);
    view! {
        <li>
            <button type="button" class="node" aria-expanded=move || open.get().to_string() on:click=move |_| open.update(|o| *o = !*o)>
                {move || view! { <Icon name=if open.get() { "folder-open" } else { "folder" }/> }}<span>{name}</span>
            </button>
            <Show when=move || open.get()><Folder run_id path=path.get_value() file/></Show>
        </li>
    }
    .into_any()
}
