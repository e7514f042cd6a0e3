//! A version's files as folders, a page at a time, and the one that is looked at.

use crate::{
    api::{self, seg},
    format,
    live::remote,
    pages::{
        parts::{FolderPath, query},
        runs::preview_of_head,
    },
    reactive::effect,
    ui::{
        Button, Card, CopyButton, EmptyState, Facts, Icon, Loaded, Show, TimeAgo, act,
        url::{Param, param},
    },
};
use drydock_wire::{
    datasets::{FilePage, VersionDetail, VersionSource},
    tracking::Preview,
};
use leptos::prelude::*;

const PAGE: usize = 200;

#[component]
pub fn Files(dataset: Memo<String>, detail: Signal<VersionDetail>) -> impl IntoView {
    let (folder, file) = (param("folder", ""), param("file", ""));
    let version = move || detail.with(|d| d.summary.version);
    let base = move || format!("/datasets/{}/versions/{}", seg(&dataset.get()), version());
    let page =
        remote::<FilePage>(move || Some(format!("{}/files?limit={PAGE}&prefix={}", base(), seg(&folder.get()))), &[]);
    let shown = param("version", "");
    let place = move |to: String| {
        let pairs = [("tab", "files".to_owned()), ("version", shown.get()), ("folder", to)];
        query(&format!("/datasets/{}", seg(&dataset.get())), &pairs)
    };
    view! {
        <About detail/>
        <div class="toolbar">
            <FolderPath top=Signal::stored("All files".to_owned()) folder=Signal::derive(move || folder.get())
                file=Signal::derive(move || last(&file.get())) href=place/>
        </div>
        <Show when=move || !file.get().is_empty() fallback=move || view! {
            <Loaded remote=page lines=8 let:page><Level page folder file base=Signal::derive(base)/></Loaded>
        }>
            {move || view! { <OneFile base=base() path=file.get()/> }}
        </Show>
    }
}

#[component]
fn About(detail: Signal<VersionDetail>) -> impl IntoView {
    let digest = Signal::derive(move || detail.with(|d| d.summary.digest.clone()));
    view! {
        <Card>
            <Facts>
                <dt>"Message"</dt><dd>{move || detail.with(|d| match d.summary.message.as_str() { "" => "–".to_owned(), m => m.to_owned() })}</dd>
                <dt>"Made by"</dt><dd>{move || detail.with(|d| d.summary.author.clone())}" "
                    <span class="dim">{move || { let at = detail.with(|d| d.summary.created_at); view! { <TimeAgo at/> } }}</span></dd>
                <dt>"Made from"</dt><dd>{move || detail.with(|d| source(&d.summary.source, d.summary.parent))}</dd>
                <dt>"Digest"</dt><dd><code>{move || digest.get()}</code><CopyButton text=digest what="Copy the digest"/></dd>
            </Facts>
        </Card>
    }
}

/// Where a version came from, with links.
pub fn source(source: &VersionSource, parent: Option<i64>) -> AnyView {
    let of_parent = parent.map_or_else(String::new, |parent| format!(", after version {parent}"));
    match source {
        VersionSource::Upload => format!("uploaded files{of_parent}").into_any(),
        VersionSource::Bucket { bucket, prefix } => {
            let href = format!("/buckets/{}?prefix={}", seg(bucket), seg(prefix));
            view! { "bucket "<a href=href class="mono">{bucket.clone()}"/"{prefix.clone()}</a>{of_parent} }.into_any()
        }
        VersionSource::Job { job_id, .. } => {
            let short: String = job_id.chars().take(8).collect();
            view! { "output of job "<a href=format!("/jobs/{job_id}") class="mono">{short}</a>{of_parent} }.into_any()
        }
    }
}

#[component]
fn Level(page: Signal<FilePage>, folder: Param, file: Param, base: Signal<String>) -> impl IntoView {
    let more = RwSignal::new(Vec::<FilePage>::new());
    let busy = RwSignal::new(false);
    // another folder, or another version, begins anew
    effect(move || {
        page.with(|_| ());
        more.set(vec![]);
    });
    let next = move || more.with(|m| m.last().map(|p| p.next.clone())).unwrap_or_else(|| page.with(|p| p.next.clone()));
    let load = move |_| {
        let Some(after) = untrack(next) else { return };
        let (base, folder) = (base.get_untracked(), folder.get_untracked());
        let path = format!("{base}/files?limit={PAGE}&prefix={}&after={}", seg(&folder), seg(&after));
        let call = async move { api::get::<FilePage>(&path).await };
        act(busy, "More files could not be loaded", call, move |page| more.update(|m| m.push(page)));
    };
    let all = move || std::iter::once(page.get()).chain(more.get()).collect::<Vec<_>>();
    let folders = move || {
        all().into_iter().flat_map(|p| p.folders).map(|f| {
        let (name, path) = (last(&f.path), f.path.clone());
        view! {
            <tr>
                <td><button type="button" class="link mono" on:click=move |_| folder.push(&path)><Icon name="folder"/>{name}</button></td>
                <td class="dim">{format::plural(f.file_count, "file")}</td><td class="num">{format::bytes(f.size_bytes)}</td><td class="tools"></td>
            </tr>
        }
    }).collect_view()
    };
    let files = move || {
        all().into_iter().flat_map(|p| p.files).map(|f| {
        let (name, path) = (last(&f.path), f.path.clone());
        let href = format!("/api/v1{}/file?path={}", base.get(), seg(&f.path));
        view! {
            <tr>
                <td><button type="button" class="link mono" on:click=move |_| file.push(&path)>{name}</button></td>
                <td class="mono dim" title=f.digest.clone()>{f.digest.chars().take(16).collect::<String>()}</td>
                <td class="num">{format::bytes(f.size_bytes)}</td>
                <td class="tools"><a class="icon-btn" download="" href=href aria-label=format!("Download {}", f.path) title="Download"><Icon name="download"/></a></td>
            </tr>
        }
    }).collect_view()
    };
    view! {
        <Show when=move || page.with(|p| !p.folders.is_empty() || !p.files.is_empty()) fallback=|| view! {
            <EmptyState icon="folder" title="Nothing here" text="This version has no such folder. It may have been moved in a later one."/>
        }>
            <div class="pane" role="region" aria-label="Files" tabindex="0">
                <table class="grid" aria-label="Files">
                    <thead><tr><th scope="col">"File"</th><th scope="col">"SHA-256"</th><th scope="col" class="num">"Size"</th>
                        <th scope="col" class="tools"><span class="sr">"Download"</span></th></tr></thead>
                    <tbody>{folders}{files}</tbody>
                </table>
            </div>
            <Show when=move || next().is_some()><div class="actions"><Button busy on_press=load>"Show more"</Button></div></Show>
        </Show>
    }
}

/// The name within its folder; a folder keeps its `/`.
fn last(path: &str) -> String {
    let start = path.trim_end_matches('/').rfind('/').map_or(0, |at| at + 1);
    path[start..].to_owned()
}

#[component]
fn OneFile(base: String, path: String) -> impl IntoView {
    let asked = format!("{base}/preview?path={}", seg(&path));
    let head = remote::<Preview>(move || Some(asked.clone()), &[]);
    let address = format!("/api/v1{base}/file?path={}", seg(&path));
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let size = move || head.data.with(|h| h.as_ref().map(|h| format::bytes(h.size_bytes)));
    let (src, alt) = (StoredValue::new(address.clone()), StoredValue::new(name.clone()));
    view! {
        <section class="card" aria-label=path.clone()>
            <div class="card-head">
                <h2 class="mono">{path.clone()}</h2>
                <span class="row"><small class="dim nowrap">{size}</small>
                    <a class="btn small" href=address download=name><Icon name="download"/>"Download"</a></span>
            </div>
            <Loaded remote=head lines=8 let:head>
                {move || head.with(|head| preview_of_head(head, &src.get_value(), &alt.get_value()))}
            </Loaded>
        </section>
    }
}
