//! One manifest: an image with its layers and configuration, an index with its children, or an artifact.

use super::{UsedBy, kind, manifest_href, registry, repository_href, short};
use crate::{
    api,
    app::go,
    format,
    live::remote,
    pages::parts::{Command, PairTable, is_engineer, query},
    reactive::memo,
    ui::{
        Button, Card, ConfirmDialog, CopyButton, EmptyState, Facts, Loaded, Look, PageHead, Show, Tabs, TimeAgo, Tone,
        act, toast, url::param,
    },
};
use drydock_wire::{
    events::Topic,
    images::{ImageConfig, ImageLayer, ManifestDetail, ManifestSummary},
};
use leptos::prelude::*;

#[component]
pub fn ManifestPage() -> impl IntoView {
    let (name, digest) = (param("name", ""), param("digest", ""));
    let path = move || Some(query("/repository/manifest", &[("name", name.get()), ("digest", digest.get())]));
    let manifest = remote::<ManifestDetail>(path, &[Topic::Images, Topic::Jobs]);
    let name = memo(move || name.get());
    view! {
        <section class="page"><Loaded remote=manifest lines=10 let:manifest>{
            // a part of an index is another manifest on the same page: with tabs of its own
            let shown = memo(move || manifest.with(|m| m.summary.digest.clone()));
            move || {
                // read, not only tracked: a memo that nobody has read never hears of a change
                shown.with(|_| ());
                view! { <Detail name manifest/> }
            }
        }</Loaded></section>
    }
}

#[component]
fn Detail(name: Memo<String>, manifest: Signal<ManifestDetail>) -> impl IntoView {
    let tab = param("tab", "layers");
    let deleting = RwSignal::new(false);
    let (has_children, has_config, referrers) =
        manifest.with_untracked(|m| (!m.children.is_empty(), m.config.is_some(), m.referrers.len()));
    let mut tabs = vec![("layers", if has_children { "Parts" } else { "Layers" }.to_owned())];
    if has_config {
        tabs.push(("config", "Configuration".to_owned()));
    }
    tabs.push(("referrers", format!("Referrers ({referrers})")));
    tabs.push(("raw", "Manifest".to_owned()));
    let panel = move || match tab.get().as_str() {
        "config" => view! { <Config manifest/> }.into_any(),
        "referrers" => view! { <Referrers name manifest/> }.into_any(),
        "raw" => view! { <Raw manifest/> }.into_any(),
        _ if has_children => {
            view! { <Manifests name label="Parts" of=Signal::derive(move || manifest.with(|m| m.children.clone()))/> }
                .into_any()
        }
        _ => view! { <Layers manifest/> }.into_any(),
    };
    let title = Signal::derive(move || {
        manifest.with(|m| match m.tags.first() {
            Some(tag) => format!("{}:{tag}", name.get()),
            None => format!("{}@{}", name.get(), short(&m.summary.digest)),
        })
    });
    let sub = move || {
        view! {
            <a href=repository_href(&name.get())>{name.get()}</a>" · "{manifest.with(|m| kind(&m.summary))}" · "
            {manifest.with(|m| format::bytes(m.summary.size_bytes))}
        }
    };
    view! {
        <PageHead title sub>
            {is_engineer().then(|| view! {
                <Button look=Look::Danger icon="trash-2" on_press=move |_| deleting.set(true)>"Delete"</Button>
            })}
        </PageHead>
        <Head name manifest/>
        <Tabs param=tab label="Parts of the manifest" tabs/>
        <div role="tabpanel" class="panel">{panel}</div>
        <DeleteDialog open=deleting name manifest/>
    }
}

#[component]
fn Head(name: Memo<String>, manifest: Signal<ManifestDetail>) -> impl IntoView {
    let address = registry();
    let digest = Signal::derive(move || manifest.with(|m| m.summary.digest.clone()));
    let pull = Signal::derive(move || {
        let host = address.data.with(|a| a.as_ref().map(|a| a.host.clone())).unwrap_or_default();
        format!("docker pull {host}/{}@{}", name.get(), digest.get())
    });
    let tags = move || {
        manifest.with(|m| m.tags.iter().map(|t| view! { <span class="tag">{t.clone()}</span> " " }).collect_view())
    };
    view! {
        <Card>
            <Facts>
                <dt>"Digest"</dt><dd><code class="wrap">{move || digest.get()}</code><CopyButton text=digest what="Copy the digest"/></dd>
                <dt>"Tags"</dt><dd>{move || if manifest.with(|m| m.tags.is_empty()) { view! { <span class="dim">"none"</span> }.into_any() } else { tags().into_any() }}</dd>
                {move || manifest.with(|m| (!m.summary.platforms.is_empty()).then(|| view! {
                    <dt>"Platform"</dt><dd>{m.summary.platforms.join(", ")}</dd>
                }))}
                <dt>"Pushed"</dt><dd>{move || manifest.with(|m| m.summary.pushed_by.clone())}" "
                    <span class="dim">{move || { let at = manifest.with(|m| m.summary.pushed_at); view! { <TimeAgo at/> } }}</span></dd>
                {move || manifest.with(|m| (!m.summary.used_by.is_empty()).then(|| view! {
                    <dt>"Used by"</dt><dd><UsedBy users=m.summary.used_by.clone()/></dd>
                }))}
            </Facts>
        </Card>
        <Show when=move || address.data.with(Option::is_some)><Command text=pull what="Copy the pull command"/></Show>
    }
}

#[component]
fn Layers(manifest: Signal<ManifestDetail>) -> impl IntoView {
    let row = |(index, layer): (usize, ImageLayer)| {
        let shared = match layer.shared_with.len() {
            0 => view! { <span class="dim">"only here"</span> }.into_any(),
            1 => view! { <a href=repository_href(&layer.shared_with[0])>{layer.shared_with[0].clone()}</a> }.into_any(),
            n => view! { <span title=layer.shared_with.join(", ")>{format!("{n} repositories")}</span> }.into_any(),
        };
        let step = layer.created_by.unwrap_or_else(|| layer.media_type.clone());
        view! {
            <tr>
                <td class="num dim wide-only">{index + 1}</td>
                <td class="mono" title=layer.digest.clone()>{short(&layer.digest)}</td>
                <td class="num">{format::bytes(layer.size_bytes)}</td>
                <td class="among">{shared}</td>
                <td class="mono dim wide-only" title=step.clone()>{step.clone()}</td>
            </tr>
        }
    };
    view! {
        <Show when=move || manifest.with(|m| !m.layers.is_empty()) fallback=|| view! {
            <EmptyState icon="boxes" title="No layers" text="This manifest refers to nothing but its configuration."/>
        }>
            <div class="pane" role="region" aria-label="Layers" tabindex="0">
                <table class="grid" aria-label="Layers">
                    <thead><tr><th scope="col" class="num wide-only">"#"</th><th scope="col">"Layer"</th><th scope="col" class="num">"Size"</th>
                        <th scope="col">"Shared with"</th><th scope="col" class="wide-only">"Made by"</th></tr></thead>
                    <tbody>{move || manifest.with(|m| m.layers.clone()).into_iter().enumerate().map(row).collect_view()}</tbody>
                </table>
            </div>
        </Show>
    }
}

#[component]
fn Manifests(name: Memo<String>, label: &'static str, #[prop(into)] of: Signal<Vec<ManifestSummary>>) -> impl IntoView {
    let row = move |it: ManifestSummary| {
        let what = if it.platforms.is_empty() { kind(&it) } else { it.platforms.join(", ") };
        view! {
            <tr>
                <td><a class="row-link name" href=manifest_href(&name.get_untracked(), &it.digest)>{what}</a></td>
                <td class="mono dim wide-only" title=it.digest.clone()>{short(&it.digest)}</td>
                <td class="num">{format::bytes(it.size_bytes)}</td>
                <td class="wide-only">{it.pushed_by}</td>
                <td class="num dim"><TimeAgo at=it.pushed_at/></td>
            </tr>
        }
    };
    view! {
        <div class="pane" role="region" aria-label=label tabindex="0">
            <table class="grid" aria-label=label>
                <thead><tr><th scope="col">"What"</th><th scope="col" class="wide-only">"Digest"</th><th scope="col" class="num">"Size"</th>
                    <th scope="col" class="wide-only">"Pushed by"</th><th scope="col" class="num">"Pushed"</th></tr></thead>
                <tbody>{move || of.get().into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
}

#[component]
fn Referrers(name: Memo<String>, manifest: Signal<ManifestDetail>) -> impl IntoView {
    view! {
        <Show when=move || manifest.with(|m| !m.referrers.is_empty()) fallback=|| view! {
            <EmptyState icon="link" title="Nothing refers to it" text="Signatures, lists of contents and other artifacts that name this manifest as their subject are listed here."/>
        }>
            <Manifests name label="Referrers" of=Signal::derive(move || manifest.with(|m| m.referrers.clone()))/>
        </Show>
    }
}

#[component]
fn Config(manifest: Signal<ManifestDetail>) -> impl IntoView {
    move || manifest.with(|m| m.config.clone()).map(config)
}

fn config(it: ImageConfig) -> impl IntoView {
    let or_dash = |text: String| if text.is_empty() { "–".to_owned() } else { text };
    let pairs = it.environment.iter().map(|line| {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        drydock_wire::KeyValue { key: key.to_owned(), value: value.to_owned() }
    });
    let (pairs, labels) = (pairs.collect::<Vec<_>>(), it.labels);
    view! {
        <div class="split">
            <Card title="Runs as">
                <Facts>
                    <dt>"Entrypoint"</dt><dd class="mono">{or_dash(it.entrypoint.join(" "))}</dd>
                    <dt>"Command"</dt><dd class="mono">{or_dash(it.command.join(" "))}</dd>
                    <dt>"User"</dt><dd class="mono">{or_dash(it.user)}</dd>
                    <dt>"Folder"</dt><dd class="mono">{or_dash(it.working_dir)}</dd>
                    <dt>"Ports"</dt><dd class="mono">{or_dash(it.ports.join(", "))}</dd>
                    <dt>"Platform"</dt><dd>{format!("{}/{}", it.os, it.architecture)}</dd>
                    {it.created_at.map(|at| view! { <dt>"Built"</dt><dd><TimeAgo at/></dd> })}
                </Facts>
            </Card>
            <Card title="Environment"><PairTable pairs=pairs label="Environment" none="No variables are set."/></Card>
            <Card title="Labels"><PairTable pairs=labels label="Labels" none="No labels."/></Card>
        </div>
    }
}

#[component]
fn Raw(manifest: Signal<ManifestDetail>) -> impl IntoView {
    let text = Signal::derive(move || {
        manifest.with(|m| {
            let value = serde_json::from_str::<serde_json::Value>(&m.manifest);
            value.and_then(|v| serde_json::to_string_pretty(&v)).unwrap_or_else(|_| m.manifest.clone())
        })
    });
    view! {
        <Card title="As it was pushed" aside=move || view! { <CopyButton text what="Copy the manifest"/> }>
            <pre class="code" tabindex="0">{move || text.get()}</pre>
        </Card>
    }
}

#[component]
fn DeleteDialog(open: RwSignal<bool>, name: Memo<String>, manifest: Signal<ManifestDetail>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let typed = Signal::derive(move || {
        manifest
            .with(|m| m.tags.first().cloned().unwrap_or_else(|| m.summary.digest.chars().skip(7).take(12).collect()))
    });
    let confirm = move |()| {
        let (repository, digest) = (name.get_untracked(), manifest.with_untracked(|m| m.summary.digest.clone()));
        let path = query("/repository/manifest", &[("name", repository.clone()), ("digest", digest)]);
        act(busy, "The image was not deleted", async move { api::delete(&path).await }, move |()| {
            open.set(false);
            toast(Tone::Good, "Image deleted", &repository);
            go(&repository_href(&repository));
        });
    };
    view! {
        <ConfirmDialog open title="Delete this image?" name=typed action="Delete the image" on_confirm=confirm busy=busy>
            <p>{move || manifest.with(|m| match m.tags.len() {
                0 => "The image goes for good.".to_owned(),
                1 => "The image goes for good, and its tag with it.".to_owned(),
                n => format!("The image goes for good, and its {n} tags with it."),
            })}</p>
            <p class="dim">"Layers that other images have stay."</p>
        </ConfirmDialog>
    }
}
