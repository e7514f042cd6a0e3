//! The files of a run: folders that open in place, a preview beside them, a download for each.

use super::preview::{Place, Preview};
use crate::{
    format,
    live::remote,
    pages::parts::short_id,
    reactive::memo,
    ui::{
        EmptyState, Icon, Loaded, Show,
        url::{Param, param},
    },
};
use drydock_wire::{
    events::Topic,
    tracking::{ArtifactEntry, RunDetail},
};
use leptos::prelude::*;

#[component]
pub fn Artifacts(run: Signal<RunDetail>) -> impl IntoView {
    // the open file, and whose it is, live in the address, so that it can be sent to someone
    let (file, model) = (param("file", ""), param("model", ""));
    let place = memo(move || Place { run: run.with(|r| r.summary.id.clone()), model: model.get() });
    view! {
        <OwnerPicker run model file/>
        <div class="files">
            <div class="card tree">{move || view! { <Folder place=place.get() path="".to_owned() file/> }}</div>
            <div class="card preview">
                {move || match file.get() {
                    path if path.is_empty() => view! {
                        <EmptyState icon="file-text" title="Choose a file" text="Text, JSON, CSV, Parquet and images are shown here; anything can be downloaded."/>
                    }.into_any(),
                    path => view! { <Preview place=place.get() path/> }.into_any(),
                }}
            </div>
        </div>
    }
}

/// MLflow 3 keeps a logged model's files beside the run's, not among them.
#[component]
fn OwnerPicker(run: Signal<RunDetail>, model: Param, file: Param) -> impl IntoView {
    let models =
        memo(move || run.with(|r| r.logged_models.iter().map(|m| (m.id.clone(), m.name.clone())).collect::<Vec<_>>()));
    let choose = move |id: String| {
        file.set("");
        model.set(&id);
    };
    view! {
        <Show when=move || models.with(|m| !m.is_empty())>
            <label class="pick"><span>"Files of"</span>
                <select prop:value=move || model.get() on:change:target=move |e| choose(e.target().value())>
                    <option value="">"the run"</option>
                    {move || models.get().into_iter().map(|(id, name)| {
                        let text = format!("the model {name} ({})", short_id(id.trim_start_matches("m-")));
                        view! { <option value=id.clone() selected=model.is(&id)>{text}</option> }
                    }).collect_view()}
                </select>
            </label>
        </Show>
    }
}

/// The entries of one folder.
#[component]
fn Folder(place: Place, path: String, file: Param) -> AnyView {
    let root = path.is_empty();
    let asked = place.query("artifacts", &path);
    let entries = remote::<Vec<ArtifactEntry>>(move || Some(asked.clone()), &[Topic::Runs]);
    let place = StoredValue::new(place);
    view! {
        <Loaded remote=entries lines=3 let:list>
            <Show when=move || list.with(|l| !l.is_empty()) fallback=move || root.then(|| view! {
                <EmptyState icon="folder" title="No artifacts" text="Files that the run logs with mlflow.log_artifact or log_model appear here."/>
            })>
                <ul class="tree-list">
                    <For each=move || list.get() key=|e| e.path.clone() let:entry>{one(place.get_value(), entry, file)}</For>
                </ul>
            </Show>
        </Loaded>
    }
    .into_any()
}

fn one(place: Place, entry: ArtifactEntry, file: Param) -> impl IntoView {
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
    let (place, path) = (StoredValue::new(place), StoredValue::new(entry.path));
    view! {
        <li>
            <button type="button" class="node" aria-expanded=move || open.get().to_string() on:click=move |_| open.update(|o| *o = !*o)>
                {move || view! { <Icon name=if open.get() { "folder-open" } else { "folder" }/> }}<span>{name}</span>
            </button>
            <Show when=move || open.get()><Folder place=place.get_value() path=path.get_value() file/></Show>
        </li>
    }
    .into_any()
}
