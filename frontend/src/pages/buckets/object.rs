//! One object: its preview, what is known of it, its versions, and how programs name it.

use super::{
    browse::{Crumbs, object_href},
    bucket::Place,
    connect::snippets_of,
    content_url,
    discard::{Chosen, DeleteChosen},
    folder_of, last, object_path,
    preview::Preview,
    share::ShareDialog,
    versions::Versions,
};
use crate::{
    api::seg,
    app::go,
    format,
    live::{Remote, remote},
    pages::parts::{is_engineer, query},
    reactive::memo,
    ui::{Button, Card, CopyButton, Facts, Icon, Loaded, Look, Show, TimeAgo},
};
use drydock_wire::{
    KeyValue,
    storage::{BucketDetail, ObjectDetail},
};
use leptos::prelude::*;

#[component]
pub fn ObjectView(detail: Signal<BucketDetail>, place: Place, #[prop(into)] changed: Callback<()>) -> impl IntoView {
    let bucket = memo(move || detail.with(|d| d.summary.name.clone()));
    let key = memo(move || place.key.get());
    let version = memo(move || place.version.get());
    let path = move || Some(object_path(&bucket.get(), "object", &key.get(), &version.get()));
    let fetched = remote::<ObjectDetail>(path, &[]);
    let prefix = Signal::derive(move || key.with(|key| folder_of(key).to_owned()));
    view! {
        <div class="toolbar">{move || view! { <Crumbs name=bucket prefix file=last(&key.get()).to_owned()/> }}</div>
        <Loaded remote=fetched lines=10 let:object><Object detail object place bucket remote=fetched changed/></Loaded>
    }
}

#[component]
fn Object(
    detail: Signal<BucketDetail>,
    object: Signal<ObjectDetail>,
    place: Place,
    bucket: Memo<String>,
    remote: Remote<ObjectDetail>,
    changed: Callback<()>,
) -> impl IntoView {
    let writes = memo(move || detail.with(|d| d.summary.may_write));
    let key = memo(move || object.with(|o| o.object.key.clone()));
    let shown = memo(move || object.with(|o| (o.object.key.clone(), o.object.etag.clone(), o.object.size_bytes)));
    let hidden = memo(move || object.with(|o| o.versions.first().is_some_and(|v| v.is_delete_marker)));
    let older = memo(move || !place.version.get().is_empty());
    let (sharing, deleting) = (RwSignal::new(false), RwSignal::new(false));
    let get = move || content_url(&bucket.get(), &key.get(), &version_shown(object, place));
    let gone = move |()| {
        changed.run(());
        go(&query(
            &format!("/buckets/{}", seg(&bucket.get_untracked())),
            &[("prefix", folder_of(&key.get_untracked()).to_owned())],
        ));
    };
    view! {
        <Show when=move || hidden.get() && !older.get()>
            <p class="callout warn" role="status"><Icon name="info"/><span>"This file was deleted. Its versions are kept: restore one below and it is back."</span></p>
        </Show>
        <Show when=move || older.get()>
            <p class="callout info" role="status"><Icon name="history"/><span>"This is one version of the file. "
                <a href=move || object_href(&bucket.get(), &key.get())>"See the file as it is now"</a></span></p>
        </Show>
        <div class="object-head">
            <h2 class="mono">{move || last(&key.get()).to_owned()}</h2>
            <div class="actions">
                <a class="btn primary" href=get download=move || last(&key.get()).to_owned()><Icon name="download"/>"Download"</a>
                {is_engineer().then(|| view! { <Button icon="link" on_press=move |_| sharing.set(true)>"Share"</Button> })}
                <Show when=move || writes.get() && !hidden.get() && !older.get()>
                    <Button look=Look::Danger icon="trash-2" on_press=move |_| deleting.set(true)>"Delete"</Button>
                </Show>
            </div>
        </div>
        <div class="split">
            <div class="stack">
                {move || {
                    let (key, etag, size) = shown.get();
                    let version = version_shown(object, place);
                    let url = content_url(&bucket.get(), &key, &version);
                    let asked = object_path(&bucket.get(), "object/preview", &key, &version);
                    view! { <Preview url asked key etag size_bytes=size/> }
                }}
            </div>
            <div class="stack">
                <Known object/>
                <Versions bucket object writes place done=move |()| { remote.refetch(); changed.run(()) }/>
                <Named detail object/>
            </div>
        </div>
        <ShareDialog open=sharing bucket=bucket key=key version=Signal::derive(move || place.version.get())/>
        {move || view! { <DeleteChosen open=deleting bucket chosen=Chosen::one(key.get()) done=gone/> }}
    }
}

/// The version whose bytes are shown: the address's; of a deleted file its newest with content.
fn version_shown(object: Signal<ObjectDetail>, place: Place) -> String {
    let asked = place.version.get();
    let deleted = object.with(|o| o.versions.first().is_some_and(|v| v.is_delete_marker));
    match asked.is_empty() && deleted {
        true => object.with(|o| o.version_id.clone().unwrap_or_default()),
        false => asked,
    }
}

#[component]
fn Known(object: Signal<ObjectDetail>) -> impl IntoView {
    let pairs = |list: Vec<KeyValue>| {
        list.into_iter().map(|pair| view! { <dt>{pair.key}</dt><dd class="mono">{pair.value}</dd> }).collect_view()
    };
    let section = move |title: &'static str, of: fn(&ObjectDetail) -> Vec<KeyValue>| {
        let list = object.with(of);
        (!list.is_empty()).then(|| view! { <h3 class="facts-title">{title}</h3><Facts>{pairs(list)}</Facts> })
    };
    view! {
        <Card title="About this file">
            {move || object.with(|o| {
                let o = o.object.clone();
                let etag = o.etag.clone();
                view! {
                    <Facts>
                        <dt>"Size"</dt><dd>{format::bytes(o.size_bytes)}<span class="dim">{format!(" · {} bytes", format::number(o.size_bytes))}</span></dd>
                        <dt>"Kind"</dt><dd>{o.content_type}</dd>
                        <dt>"Changed"</dt><dd><TimeAgo at=o.modified_at/></dd>
                        <dt>"ETag"</dt><dd><code>{o.etag}</code><CopyButton text=Signal::stored(etag) what="Copy the ETag"/></dd>
                    </Facts>
                }
            })}
            {move || section("Check sums", |o| o.checksums.clone())}
            {move || section("Metadata", |o| o.metadata.clone())}
            {move || section("Tags", |o| o.tags.clone())}
        </Card>
    }
}

/// How programs name it.
#[component]
fn Named(detail: Signal<BucketDetail>, object: Signal<ObjectDetail>) -> impl IntoView {
    let shown = move || {
        let key = object.with(|o| o.object.key.clone());
        let (bucket, endpoint) = detail.with(|d| (d.summary.name.clone(), d.endpoint.clone()));
        snippets_of(&bucket, &key, &endpoint)
            .into_iter()
            .map(|(label, text, what)| {
                let copied = text.clone();
                view! { <div class="labelled"><span class="label">{label}</span>
                <div class="secret"><code>{text}</code><CopyButton text=Signal::stored(copied) what/></div></div> }
            })
            .collect_view()
    };
    view! { <Card title="Use it"><div class="stack tight">{shown}</div></Card> }
}
