//! The files of a run: folders that open in place, a preview beside them, a download for each.

use crate::{
    api::{self, ApiError, seg},
    format,
    live::remote,
    ui::{EmptyState, ErrorState, Icon, Loaded, Skeleton, url::param},
};
use drydock_wire::{events::Topic, tracking::ArtifactEntry};
use leptos::{prelude::*, task::spawn_local};

/// Larger text files are downloaded rather than shown.
const PREVIEW_BYTES: u64 = 2 << 20;
const CSV_ROWS: usize = 200;
const CSV_COLUMNS: usize = 40;

#[component]
pub fn Artifacts(run_id: Signal<String>) -> impl IntoView {
    // the open file lives in the address, so that it can be sent to someone
    let file = param("file", "");
    let chosen = RwSignal::new(None::<ArtifactEntry>);
    view! {
        <div class="files">
            <div class="card tree"><Folder run_id path="".to_owned() file chosen/></div>
            <div class="card preview">
                {move || match file.get() {
                    path if path.is_empty() => view! {
                        <EmptyState icon="file-text" title="Choose a file" text="Text, JSON, CSV and images are shown here; anything can be downloaded."/>
                    }.into_any(),
                    path => {
                        let size = chosen.with(|c| c.as_ref().filter(|c| c.path == path).and_then(|c| c.size_bytes));
                        view! { <Preview run_id=run_id.get() path size/> }.into_any()
                    }
                }}
            </div>
        </div>
    }
}

/// The entries of one folder.
#[component]
fn Folder(
    run_id: Signal<String>,
    path: String,
    file: crate::ui::url::Param,
    chosen: RwSignal<Option<ArtifactEntry>>,
) -> AnyView {
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
                    <For each=move || list.get() key=|e| e.path.clone() let:entry>{one(run_id, entry, file, chosen)}</For>
                </ul>
            </Show>
        </Loaded>
    }
    .into_any()
}

fn one(
    run_id: Signal<String>,
    entry: ArtifactEntry,
    file: crate::ui::url::Param,
    chosen: RwSignal<Option<ArtifactEntry>>,
) -> impl IntoView {
    let name = entry.path.rsplit('/').next().unwrap_or_default().to_owned();
    if !entry.is_dir {
        let (path, is_open) = (entry.path.clone(), entry.path.clone());
        let size = entry.size_bytes.map(format::bytes);
        let open = move |_| {
            chosen.set(Some(entry.clone()));
            file.set(&path);
        };
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
            <Show when=move || open.get()><Folder run_id path=path.get_value() file chosen/></Show>
        </li>
    }
    .into_any()
}

/// What a file's name says it is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Image,
    Json,
    Table,
    Text,
    Other,
}

fn kind_of(path: &str) -> Kind {
    let name = path.rsplit('/').next().unwrap_or_default().to_lowercase();
    match name.rsplit_once('.').map_or(name.as_str(), |(_, extension)| extension) {
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "svg" => Kind::Image,
        "json" => Kind::Json,
        "csv" | "tsv" => Kind::Table,
        "txt" | "md" | "log" | "py" | "yaml" | "yml" | "toml" | "cfg" | "ini" | "html" | "sh" | "mlmodel" | "xml" => {
            Kind::Text
        }
        _ => Kind::Other,
    }
}

#[component]
fn Preview(run_id: String, path: String, size: Option<u64>) -> impl IntoView {
    let kind = kind_of(&path);
    let api_path = format!("/runs/{}/artifacts/file?path={}", seg(&run_id), seg(&path));
    let address = format!("/api/v1{api_path}");
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let too_large = size.is_some_and(|s| s > PREVIEW_BYTES);
    let body = match kind {
        Kind::Image => view! { <div class="picture"><img src=address.clone() alt=name.clone()/></div> }.into_any(),
        Kind::Other => view! { <EmptyState icon="file" title="No preview of this kind" text="Download the file to look at it."/> }.into_any(),
        _ if too_large => view! { <EmptyState icon="file" title="Too large to show" text="Files above 2 MiB are only offered for download."/> }.into_any(),
        kind => view! { <TextPreview api_path kind tabs=path.ends_with(".tsv")/> }.into_any(),
    };
    view! {
        <div class="card-head">
            <h2 class="mono">{path.clone()}</h2>
            <a class="btn small" href=address download=name><Icon name="download"/>"Download"</a>
        </div>
        {body}
    }
}

#[component]
fn TextPreview(api_path: String, kind: Kind, tabs: bool) -> impl IntoView {
    let content = RwSignal::new(None::<Result<String, ApiError>>);
    let path = StoredValue::new(api_path);
    let load = move || {
        content.set(None);
        spawn_local(async move {
            let answer = api::text(&path.get_value()).await;
            let _ = content.try_set(Some(answer));
        });
    };
    load();
    move || match content.get() {
        None => view! { <Skeleton lines=8/> }.into_any(),
        Some(Err(error)) => view! { <ErrorState error retry=move |()| load()/> }.into_any(),
        Some(Ok(text)) => match kind {
            Kind::Table => table(&text, if tabs { '\t' } else { ',' }),
            Kind::Json => {
                let pretty =
                    serde_json::from_str::<serde_json::Value>(&text).and_then(|v| serde_json::to_string_pretty(&v));
                code(pretty.unwrap_or(text))
            }
            _ => code(text),
        },
    }
}

fn code(text: String) -> AnyView {
    view! { <pre class="code" tabindex="0">{text}</pre> }.into_any()
}

/// The first rows of a CSV file.
fn table(text: &str, separator: char) -> AnyView {
    let mut rows = records(text, separator);
    let head = rows.next().unwrap_or_default();
    let body: Vec<Vec<String>> = rows.by_ref().take(CSV_ROWS).collect();
    let more = rows.count();
    view! {
        <div class="scroll-x tall" role="region" aria-label="The file as a table" tabindex="0">
            <table class="plain lines">
                <thead><tr>{head.into_iter().take(CSV_COLUMNS).map(|c| view! { <th scope="col">{c}</th> }).collect_view()}</tr></thead>
                <tbody>
                    {body.into_iter().map(|r| view! {
                        <tr>{r.into_iter().take(CSV_COLUMNS).map(|c| view! { <td class="mono">{c}</td> }).collect_view()}</tr>
                    }).collect_view()}
                </tbody>
            </table>
        </div>
        {(more > 0).then(|| view! { <p class="dim">{format!("{} more.", format::plural(more as u64, "row"))}</p> })}
    }
    .into_any()
}

/// Records of a CSV text, quotes and line breaks inside them included.
fn records(text: &str, separator: char) -> impl Iterator<Item = Vec<String>> {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        chars.peek()?;
        let (mut row, mut cell, mut quoted) = (vec![], String::new(), false);
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted && chars.next_if_eq(&'"').is_some() => cell.push('"'),
                '"' => quoted = !quoted,
                '\n' if !quoted => break,
                '\r' if !quoted => {}
                c if c == separator && !quoted => row.push(std::mem::take(&mut cell)),
                c => cell.push(c),
            }
        }
        row.push(cell);
        Some(row)
    })
}
