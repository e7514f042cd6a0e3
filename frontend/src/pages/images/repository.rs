//! One repository: its tags, what has no tag, the rules of what goes by itself.

use super::{UsedBy, kind, manifest_href, registry, retention::RetentionEditor, short};
use crate::{
    api,
    app::go,
    format,
    live::remote,
    pages::parts::{Command, is_engineer, query},
    reactive::memo,
    ui::{
        Button, Card, ConfirmDialog, EmptyState, Facts, Icon, Loaded, Look, PageHead, Show, Tabs, TimeAgo, Tone, act,
        opened_by, toast, url::param,
    },
};
use drydock_wire::{
    events::Topic,
    images::{ImageTag, ManifestSummary, RepositoryDetail},
};
use leptos::prelude::*;

#[component]
pub fn RepositoryPage() -> impl IntoView {
    let name = param("name", "");
    let path = move || Some(query("/repository", &[("name", name.get())]));
    let repository = remote::<RepositoryDetail>(path, &[Topic::Images, Topic::Jobs]);
    view! { <section class="page"><Loaded remote=repository lines=10 let:repository><Detail repository/></Loaded></section> }
}

#[component]
fn Detail(repository: Signal<RepositoryDetail>) -> impl IntoView {
    let tab = param("tab", "tags");
    let name = memo(move || repository.with(|r| r.summary.name.clone()));
    let deleting = RwSignal::new(false);
    let untagged = repository.with_untracked(|r| r.untagged.len());
    let mut tabs = vec![("tags", "Tags".to_owned()), ("untagged", format!("Untagged ({untagged})"))];
    tabs.push(("rules", "Retention".to_owned()));
    let panel = move || match tab.get().as_str() {
        "untagged" => view! { <Untagged repository/> }.into_any(),
        "rules" => view! { <RetentionEditor repository/> }.into_any(),
        _ => view! { <Tags repository/> }.into_any(),
    };
    let sub = move || {
        repository.with(|r| {
            let (size, own) = (format::bytes(r.summary.size_bytes), format::bytes(r.summary.own_bytes));
            format!("{} · {size}, of which {own} only here", format::plural(r.summary.tag_count, "tag"))
        })
    };
    view! {
        <PageHead title=Signal::derive(move || name.get()) sub>
            {is_engineer().then(|| view! {
                <Button look=Look::Danger icon="trash-2" on_press=move |_| deleting.set(true)>"Delete"</Button>
            })}
        </PageHead>
        <Pull repository/>
        <Tabs param=tab label="Parts of the repository" tabs/>
        <div role="tabpanel" class="panel">{panel}</div>
        <DeleteDialog open=deleting name repository/>
    }
}

/// How to get the latest of it.
#[component]
fn Pull(repository: Signal<RepositoryDetail>) -> impl IntoView {
    let address = registry();
    let command = Signal::derive(move || {
        let host = address.data.with(|a| a.as_ref().map(|a| a.host.clone())).unwrap_or_default();
        repository.with(|r| {
            let tag = r.tags.first().map_or_else(|| "latest".to_owned(), |t| t.tag.clone());
            format!("docker pull {host}/{}:{tag}", r.summary.name)
        })
    });
    view! {
        <Show when=move || address.data.with(Option::is_some) && repository.with(|r| !r.tags.is_empty())>
            <Command text=command what="Copy the pull command"/>
        </Show>
    }
}

#[component]
fn Tags(repository: Signal<RepositoryDetail>) -> impl IntoView {
    let removing = RwSignal::new(None::<String>);
    let row = move |it: ImageTag| {
        let name = repository.with_untracked(|r| r.summary.name.clone());
        let (tag, manifest) = (it.tag, it.manifest);
        let remove = {
            let tag = tag.clone();
            move |_| removing.set(Some(tag.clone()))
        };
        let label = format!("Remove the tag {tag}");
        view! {
            <tr>
                <td><a class="row-link name" href=manifest_href(&name, &manifest.digest)>{tag}</a></td>
                <td class="mono dim wide-only" title=manifest.digest.clone()>{short(&manifest.digest)}</td>
                <td>{what(&manifest)}</td>
                <td class="num">{format::bytes(manifest.size_bytes)}</td>
                <td class="wide-only"><UsedBy users=manifest.used_by/></td>
                <td class="wide-only">{manifest.pushed_by}</td>
                <td class="num dim"><TimeAgo at=manifest.pushed_at/></td>
                <td class="tools">{is_engineer().then(|| view! {
                    <button type="button" class="icon-btn" aria-label=label title="Remove this tag" on:click=remove><Icon name="x"/></button>
                })}</td>
            </tr>
        }
    };
    view! {
        <Show when=move || repository.with(|r| !r.tags.is_empty()) fallback=|| view! {
            <EmptyState icon="tags" title="No tags" text="Push an image with a tag, and it is listed here."/>
        }>
            <div class="pane" role="region" aria-label="Tags" tabindex="0">
                <table class="grid" aria-label="Tags">
                    <thead><tr><th scope="col">"Tag"</th><th scope="col" class="wide-only">"Digest"</th><th scope="col">"Platform"</th>
                        <th scope="col" class="num">"Size"</th><th scope="col" class="wide-only">"Used by"</th><th scope="col" class="wide-only">"Pushed by"</th>
                        <th scope="col" class="num">"Pushed"</th><th scope="col" class="tools"><span class="sr">"Remove"</span></th></tr></thead>
                    <tbody>{move || repository.with(|r| r.tags.clone()).into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </Show>
        <RemoveTag removing repository/>
    }
}

/// Platforms of an image, or the kind of an artifact.
fn what(it: &ManifestSummary) -> String {
    if it.platforms.is_empty() { kind(it) } else { it.platforms.join(", ") }
}

#[component]
fn RemoveTag(removing: RwSignal<Option<String>>, repository: Signal<RepositoryDetail>) -> impl IntoView {
    let (open, busy) = (opened_by(removing), RwSignal::new(false));
    let tag = Signal::derive(move || removing.get().unwrap_or_default());
    let confirm = move |()| {
        let (name, tag) = (repository.with_untracked(|r| r.summary.name.clone()), tag.get_untracked());
        let path = query("/repository/tag", &[("name", name), ("tag", tag.clone())]);
        act(busy, "The tag was not removed", async move { api::delete(&path).await }, move |()| {
            open.set(false);
            toast(Tone::Good, "Tag removed", &tag);
        });
    };
    view! {
        <ConfirmDialog open title="Remove this tag?" name=tag action="Remove the tag" on_confirm=confirm busy=busy>
            <p>"The name goes; the image stays under its digest, among the untagged ones, until a rule or a person removes it."</p>
        </ConfirmDialog>
    }
}

#[component]
fn Untagged(repository: Signal<RepositoryDetail>) -> impl IntoView {
    let row = move |it: ManifestSummary| {
        let name = repository.with_untracked(|r| r.summary.name.clone());
        view! {
            <tr>
                <td><a class="row-link name mono" href=manifest_href(&name, &it.digest)>{short(&it.digest)}</a></td>
                <td>{what(&it)}</td>
                <td class="num">{format::bytes(it.size_bytes)}</td>
                <td class="wide-only"><UsedBy users=it.used_by/></td>
                <td class="wide-only">{it.pushed_by}</td>
                <td class="num dim"><TimeAgo at=it.pushed_at/></td>
            </tr>
        }
    };
    view! {
        <Show when=move || repository.with(|r| !r.untagged.is_empty()) fallback=|| view! {
            <EmptyState icon="tag" title="Nothing without a tag" text="When a tag moves to another image, the one before it is listed here."/>
        }>
            <div class="pane" role="region" aria-label="Untagged" tabindex="0">
                <table class="grid" aria-label="Untagged">
                    <thead><tr><th scope="col">"Digest"</th><th scope="col">"Platform"</th><th scope="col" class="num">"Size"</th>
                        <th scope="col" class="wide-only">"Used by"</th><th scope="col" class="wide-only">"Pushed by"</th><th scope="col" class="num">"Pushed"</th></tr></thead>
                    <tbody>{move || repository.with(|r| r.untagged.clone()).into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </Show>
    }
}

#[component]
fn DeleteDialog(open: RwSignal<bool>, name: Memo<String>, repository: Signal<RepositoryDetail>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let confirm = move |()| {
        let gone = name.get_untracked();
        let path = query("/repository", &[("name", gone.clone())]);
        act(busy, "The repository was not deleted", async move { api::delete(&path).await }, move |()| {
            open.set(false);
            toast(Tone::Good, "Repository deleted", &gone);
            go("/images");
        });
    };
    view! {
        <ConfirmDialog open title="Delete this repository?" name=Signal::derive(move || name.get()) action="Delete the repository"
            on_confirm=confirm busy=busy>
            <Card>
                <Facts>
                    <dt>"Tags"</dt><dd>{move || repository.with(|r| format::number(r.summary.tag_count))}</dd>
                    <dt>"Manifests"</dt><dd>{move || repository.with(|r| format::number(r.summary.manifest_count))}</dd>
                    <dt>"Frees"</dt><dd>{move || repository.with(|r| format::bytes(r.summary.own_bytes))}</dd>
                </Facts>
            </Card>
            <p>"Jobs that ended with an image of it keep their results, and cannot be run again from here."</p>
        </ConfirmDialog>
    }
}
