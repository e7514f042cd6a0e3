//! All repositories, and how to push the first image.

use super::{registry, repository_href};
use crate::{
    format,
    live::remote,
    pages::parts::{Command, Listing, is_engineer},
    session::use_me,
    ui::{Button, Card, Column, EmptyState, Loaded, PageHead, SearchBox, Show, Table, TimeAgo, url::param},
};
use drydock_wire::{
    events::Topic,
    images::{RegistryAddress, RepositorySummary},
};
use leptos::prelude::*;

#[component]
pub fn ImagesPage() -> impl IntoView {
    let list = remote::<Listing<RepositorySummary>>(|| Some("/repositories".to_owned()), &[Topic::Images]);
    let address = registry();
    let (search, sort) = (param("search", ""), param("sort", "name"));
    let sub = move || {
        let host = address.data.with(|a| a.as_ref().map(|a| a.host.clone()));
        view! { "Container images and artifacts in the registry of this box"{host.map(|h| view! { ", "<code>{h}</code> })}"." }
    };
    view! {
        <section class="page">
            <PageHead title="Images" sub/>
            <Loaded remote=list lines=8 let:all>
                {
                    let rows = Signal::derive(move || {
                        let wanted = search.get().to_lowercase();
                        all.with(|l| l.items().iter().filter(|r| r.name.contains(&wanted)).cloned().collect::<Vec<_>>())
                    });
                    view! {
                        <Show when=move || all.with(|l| l.total() > 0) fallback=move || view! {
                            <EmptyState icon="package" title="No images yet"
                                text="Push an image with docker or podman, and jobs can run it: the registry speaks their language."/>
                            <HowTo address/>
                        }>
                            <div class="toolbar"><SearchBox param=search label="Search repositories"/></div>
                            <Show when=move || rows.with(|r| !r.is_empty()) fallback=move || view! {
                                <EmptyState icon="filter" title="No repository matches" text="Search for something else.">
                                    <Button on_press=move |_| search.clear()>"Clear the search"</Button>
                                </EmptyState>
                            }>
                                <Table id="repositories" label="Repositories" rows columns=Signal::derive(columns) key=|r| r.name.clone()
                                    href=|r| repository_href(&r.name) sort/>
                            </Show>
                            <details class="how-to"><summary>"Push an image, trust this box"</summary><HowTo address/></details>
                        </Show>
                    }
                }
            </Loaded>
        </section>
    }
}

fn columns() -> Vec<Column<RepositorySummary>> {
    let dash = || view! { <span class="dim">"–"</span> }.into_any();
    vec![
        Column::<RepositorySummary>::new("name", "Repository", |r| {
            view! { <a class="row-link name" href=repository_href(&r.name)>{r.name.clone()}</a> }.into_any()
        })
        .fixed()
        .sorts_by(|a, b| a.name.cmp(&b.name)),
        Column::<RepositorySummary>::new("tags", "Tags", |r| format::number(r.tag_count).into_any())
            .right()
            .sorts_by(|a, b| a.tag_count.cmp(&b.tag_count)),
        Column::<RepositorySummary>::new("size", "Size", |r| format::bytes(r.size_bytes).into_any())
            .right()
            .sorts_by(|a, b| a.size_bytes.cmp(&b.size_bytes)),
        Column::<RepositorySummary>::new("own", "Own size", |r| {
            view! { <span title="What removing this repository frees: the rest is in others, too.">{format::bytes(r.own_bytes)}</span> }.into_any()
        })
        .right()
        .wide_only()
        .sorts_by(|a, b| a.own_bytes.cmp(&b.own_bytes)),
        Column::<RepositorySummary>::new("by", "Pushed by", move |r| match &r.pushed_by {
            Some(by) => by.clone().into_any(),
            None => dash(),
        })
        .wide_only(),
        Column::<RepositorySummary>::new("pushed", "Last push", move |r| match r.pushed_at {
            Some(at) => view! { <TimeAgo at/> }.into_any(),
            None => dash(),
        })
        .right()
        .sorts_by(|a, b| a.pushed_at.cmp(&b.pushed_at)),
    ]
}

/// The commands of a first push, with this box's address in them.
#[component]
fn HowTo(address: crate::live::Remote<RegistryAddress>) -> impl IntoView {
    view! {
        <Loaded remote=address lines=4 let:address>
            {
                let host = move || address.with(|a| a.host.clone());
                let login = Signal::derive(move || format!("docker login {} -u {}", host(), use_me().map(|me| me.username).unwrap_or_default()));
                let push = Signal::derive(move || {
                    let host = host();
                    format!("docker tag my-image:latest {host}/my-image:latest\ndocker push {host}/my-image:latest")
                });
                let docker = Signal::derive(move || address.with(|a| a.docker_command.clone()));
                let podman = Signal::derive(move || address.with(|a| a.podman_command.clone()));
                let needs_trust = move || address.with(|a| a.is_tls || !a.host.starts_with("localhost:"));
                view! {
                    <div class="split">
                        {is_engineer().then(|| view! {
                            <Card title="Push an image">
                                <div class="stack">
                                    <p class="dim">"Log in with your password, or with an API token in its place."</p>
                                    <Command text=login what="Copy the login command"/>
                                    <Command text=push what="Copy the push commands"/>
                                </div>
                            </Card>
                        })}
                        <Card title="Trust this box">
                            <div class="stack">
                                <Show when=needs_trust fallback=move || view! {
                                    <p class="dim">"The registry listens on this machine only. docker needs nothing for that; podman is told once:"</p>
                                    <Command text=podman what="Copy the command for podman"/>
                                }>
                                    <p class="dim">"Run one of these once on each computer that pushes or pulls. It checks the fingerprint of this box's certificate."</p>
                                    <h3>"docker"</h3>
                                    <Command text=docker what="Copy the command for docker"/>
                                    <h3>"podman"</h3>
                                    <Command text=podman what="Copy the command for podman"/>
                                </Show>
                            </div>
                        </Card>
                    </div>
                }
            }
        </Loaded>
    }
}
