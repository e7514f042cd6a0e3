//! The versions of a dataset, newest first, with their tags; giving and taking tags, comparing, deleting.

use super::files::source;
use crate::{
    api::{self, seg},
    format,
    live::remote,
    pages::parts::is_engineer,
    reactive::effect,
    ui::{
        Button, ConfirmDialog, Dialog, EmptyState, Field, Icon, Loaded, Look, Pill, Show, TimeAgo, Tone, act,
        opened_by, toast,
    },
};
use drydock_wire::datasets::{DatasetDeletion, DatasetDetail, SetVersionTag, VersionSummary};
use leptos::prelude::*;

#[component]
pub fn Timeline(dataset: Signal<DatasetDetail>, name: Memo<String>) -> impl IntoView {
    let tagging = RwSignal::new(None::<i64>);
    let deleting = RwSignal::new(None::<i64>);
    let row = move |v: VersionSummary| {
        let number = v.version;
        let tags =
            dataset.with(|d| d.tags.iter().filter(|t| t.version == number).map(|t| t.tag.clone()).collect::<Vec<_>>());
        let compare = v.parent.map(|parent| format!("?tab=changes&from={parent}&to={number}"));
        view! {
            <li class="version">
                <div class="version-head">
                    <a class="name" href=format!("?version={number}")>"Version "{number}</a>
                    {tags.into_iter().map(|tag| view! { <TagMark name tag/> }).collect_view()}
                    <Pill status=v.validation/>
                    <span class="push"></span>
                    <span class="dim nowrap"><TimeAgo at=v.created_at/></span>
                </div>
                {(!v.message.is_empty()).then(|| view! { <p>{v.message.clone()}</p> })}
                <p class="dim">{v.author.clone()}" · "{format::plural(v.file_count, "file")}", "{format::bytes(v.size_bytes)}" · "{source(&v.source, v.parent)}</p>
                <div class="row">
                    {compare.map(|href| view! { <a class="btn small" href=href><Icon name="git-compare"/>"What changed"</a> })}
                    <a class="btn small" href=format!("?tab=files&version={number}")><Icon name="folder"/>"Files"</a>
                    <Show when=is_engineer>
                        <Button small=true icon="tag" on_press=move |_| tagging.set(Some(number))>"Tag"</Button>
                        <Button small=true look=Look::Quiet icon="trash-2" on_press=move |_| deleting.set(Some(number))>"Delete"</Button>
                    </Show>
                </div>
            </li>
        }
    };
    view! {
        <Show when=move || dataset.with(|d| !d.versions.is_empty()) fallback=|| view! {
            <EmptyState icon="history" title="No version yet" text="Each upload makes a version; versions never change."/>
        }>
            <ol class="version-line" aria-label="Versions">{move || dataset.with(|d| d.versions.clone()).into_iter().map(row).collect_view()}</ol>
        </Show>
        <TagDialog name version=tagging/>
        <DeleteVersion name version=deleting/>
    }
}

/// A tag, with the way to take it off.
#[component]
fn TagMark(name: Memo<String>, tag: String) -> impl IntoView {
    let busy = RwSignal::new(false);
    let kept = StoredValue::new(tag.clone());
    let remove = move |_| {
        let path = format!("/datasets/{}/tags/{}", seg(&name.get_untracked()), seg(&kept.get_value()));
        act(busy, "The tag was not removed", async move { api::delete(&path).await }, move |()| {
            toast(Tone::Good, "Tag removed", &kept.get_value());
        });
    };
    view! {
        <span class="tag mono">{tag.clone()}
            {is_engineer().then(|| view! {
                <button type="button" class="icon-btn" aria-label=format!("Remove the tag {tag}") title="Remove the tag" on:click=remove><Icon name="x"/></button>
            })}
        </span>
    }
}

#[component]
fn TagDialog(name: Memo<String>, version: RwSignal<Option<i64>>) -> impl IntoView {
    let (open, busy, tag) = (opened_by(version), RwSignal::new(false), RwSignal::new(String::new()));
    effect(move || {
        if open.get() {
            tag.set(String::new());
        }
    });
    let save = move |_| {
        let Some(version) = version.get_untracked() else { return };
        let (dataset, wish) = (name.get_untracked(), tag.get_untracked().trim().to_owned());
        let path = format!("/datasets/{}/tags/{}", seg(&dataset), seg(&wish));
        let call = async move { api::put::<_, DatasetDetail>(&path, &SetVersionTag { version }).await };
        act(busy, "The tag was not set", call, move |_| {
            open.set(false);
            toast(Tone::Good, "Tag set", &format!("{dataset}@{wish} is version {version}."));
        });
    };
    let why_not = Signal::derive(move || tag.with(|t| t.trim().is_empty()).then(|| "Give the tag a name.".to_owned()));
    view! {
        <Dialog open title=Signal::derive(move || format!("Tag version {}", version.get().unwrap_or_default()))>
            <div class="stack">
                <Field id="version-tag" label="Tag" value=tag mono=true autofocus=true placeholder="prod"
                    hint="A tag that is there already moves to this version. Jobs take it as name@tag."/>
                <div class="actions"><Button look=Look::Primary icon="tag" busy why_not on_press=save>"Set the tag"</Button></div>
            </div>
        </Dialog>
    }
}

/// What a deletion would take, in words.
pub fn deletion_words(gone: &DatasetDeletion) -> AnyView {
    let used = gone.used_by.clone();
    let count = used.len() as u64;
    let names = used.into_iter().take(8).map(|one| {
        let text = format!("{} {}", one.kind, one.title);
        match one.href {
            Some(href) => view! { <li><a href=href>{text}</a></li> }.into_any(),
            None => view! { <li>{text}</li> }.into_any(),
        }
    });
    view! {
        <p>{format!("{} with {} go; {} become free unless something else on the box has them.",
            format::plural(gone.versions.len() as u64, "version"), format::plural(gone.file_count, "file"), format::bytes(gone.freed_bytes))}</p>
        {(!gone.tags.is_empty()).then(|| view! { <p>{format!("Tags that go with it: {}.", gone.tags.join(", "))}</p> })}
        {(count > 0).then(|| view! {
            <p class="callout warn"><Icon name="triangle-alert"/><span>{format!("{} refer to it. They stay, but nobody can look up what they were made from:", format::plural(count, "thing"))}</span></p>
            <ul class="plain-list">{names.collect_view()}{(count > 8).then(|| view! { <li class="dim">{format!("and {} more", count - 8)}</li> })}</ul>
        })}
    }
    .into_any()
}

#[component]
fn DeleteVersion(name: Memo<String>, version: RwSignal<Option<i64>>) -> impl IntoView {
    let (open, busy) = (opened_by(version), RwSignal::new(false));
    let place = move || version.get().map(|v| format!("/datasets/{}/versions/{v}", seg(&name.get())));
    let preview = remote::<DatasetDeletion>(move || Some(format!("{}/deletion", place()?)), &[]);
    let confirm = move |()| {
        let Some(place) = untrack(place) else { return };
        let path = format!("{place}?even_if_used=true");
        act(busy, "The version was not deleted", async move { api::delete(&path).await }, move |()| {
            open.set(false);
            toast(Tone::Good, "Version deleted", "Its number is not given again.");
        });
    };
    let typed = Signal::derive(move || version.get().map_or_else(String::new, |v| format!("{}@{v}", name.get())));
    view! {
        <ConfirmDialog open title=Signal::derive(move || format!("Delete version {}?", version.get().unwrap_or_default()))
            name=typed action="Delete the version" on_confirm=confirm busy=busy>
            <Loaded remote=preview lines=3 let:gone>{move || gone.with(deletion_words)}</Loaded>
        </ConfirmDialog>
    }
}
