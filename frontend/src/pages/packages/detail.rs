//! One package: its wheels by version, what they require, and who requires it.

use super::{
    href,
    upload::{UploadWheels, WheelDrop},
    yank::{RemoveFile, YankDialog, take_back},
};
use crate::{
    api::{self, seg},
    app::go,
    format,
    live::remote,
    pages::parts::{Command, is_engineer},
    reactive::memo,
    ui::{
        Button, Card, ConfirmDialog, CopyButton, Icon, Loaded, Look, PageHead, Pill, Show, Status, Tabs, TimeAgo, Tone,
        act, toast, url::param,
    },
};
use drydock_wire::{
    events::Topic,
    packages::{PackageDetail, PackageFile, PackageNeed},
};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use std::collections::BTreeSet;

#[component]
pub fn PackagePage() -> impl IntoView {
    let params = use_params_map();
    let name = memo(move || params.with(|p| p.get("name")).unwrap_or_default());
    let path = move || Some(format!("/packages/{}", seg(&name.get())));
    let package = remote::<PackageDetail>(path, &[Topic::Packages]);
    view! {
        <section class="page"><WheelDrop takes=is_engineer()>
            <Loaded remote=package lines=10 let:package><Detail package/></Loaded>
        </WheelDrop></section>
    }
}

#[component]
fn Detail(package: Signal<PackageDetail>) -> impl IntoView {
    let tab = param("tab", "wheels");
    let deleting = RwSignal::new(false);
    let name = Signal::derive(move || package.with(|p| p.summary.name.clone()));
    let sub = move || {
        package.with(|p| {
            let summary = p.summary.summary.clone().map(|text| format!("{text} · ")).unwrap_or_default();
            let size = format::bytes(p.summary.size_bytes);
            format!("{summary}{}, {size}", format::plural(p.summary.file_count, "wheel"))
        })
    };
    let install = Signal::derive(move || {
        package.with(|p| match &p.summary.latest {
            Some(version) => format!("pip install {}=={version}", p.summary.name),
            None => format!("pip install {}", p.summary.name),
        })
    });
    let needed = package.with_untracked(|p| p.needed_by.len());
    let tabs = vec![
        ("wheels", "Wheels".to_owned()),
        ("requires", "Requires".to_owned()),
        ("needed", format!("Required by ({needed})")),
    ];
    view! {
        <PageHead title=Signal::derive(move || package.with(|p| p.summary.shown.clone())) sub>
            {is_engineer().then(|| view! {
                <UploadWheels/>
                <Button look=Look::Danger icon="trash-2" on_press=move |_| deleting.set(true)>"Delete"</Button>
            })}
        </PageHead>
        <Command text=install what="Copy the command"/>
        <Tabs param=tab label="Parts of the package" tabs/>
        <div role="tabpanel" class="panel">
            {move || match tab.get().as_str() {
                "requires" => view! { <Requires package/> }.into_any(),
                "needed" => view! { <NeededBy package/> }.into_any(),
                _ => view! { <Wheels package name/> }.into_any(),
            }}
        </div>
        <DeleteDialog open=deleting package name/>
    }
}

#[component]
fn Wheels(package: Signal<PackageDetail>, name: Signal<String>) -> impl IntoView {
    let (yanking, removing) = (RwSignal::new(None::<PackageFile>), RwSignal::new(None::<PackageFile>));
    let busy = RwSignal::new(false);
    let is_last = move || package.with_untracked(|p| p.files.len() < 2);
    let row = move |file: PackageFile| wheel(file, name, yanking, removing, busy);
    let done = move |()| {
        // with its last file the package is gone, too
        if is_last() {
            go("/packages");
        }
    };
    view! {
        <div class="pane" role="region" aria-label="Wheels" tabindex="0">
            <table class="grid" aria-label="Wheels">
                <thead><tr><th scope="col">"Version"</th><th scope="col">"For"</th><th scope="col" class="wide-only">"Python"</th>
                    <th scope="col" class="num">"Size"</th><th scope="col" class="wide-only">"By"</th><th scope="col" class="num wide-only">"Uploaded"</th>
                    <th scope="col"><span class="sr">"Actions"</span></th></tr></thead>
                <tbody>{move || package.with(|p| p.files.clone()).into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
        <YankDialog package=name yanking/>
        <RemoveFile package=name removing done/>
    }
}

fn wheel(
    file: PackageFile,
    package: Signal<String>,
    yanking: RwSignal<Option<PackageFile>>,
    removing: RwSignal<Option<PackageFile>>,
    busy: RwSignal<bool>,
) -> impl IntoView {
    let (yank, remove) = (file.clone(), file.clone());
    let named = file.filename.clone();
    let sha = Signal::stored(file.sha256.clone());
    let button = if file.yanked.is_some() {
        let label = format!("Offer {named} again");
        let back = named.clone();
        let press = move |_| take_back(package.get_untracked(), back.clone(), busy);
        view! { <button type="button" class="icon-btn" aria-label=label title="Take the yank back" on:click=press><Icon name="rotate-ccw"/></button> }.into_any()
    } else {
        let label = format!("Yank {named}");
        let press = move |_| yanking.set(Some(yank.clone()));
        view! { <button type="button" class="icon-btn" aria-label=label title="Yank: not for new installations" on:click=press><Icon name="eye-off"/></button> }.into_any()
    };
    let remove_label = format!("Delete {named}");
    let get_label = format!("Download {named}");
    let yanked = file.yanked.clone().map(|why| {
        view! { " "<span title=why.clone()><Pill status=Status::new(Tone::Warn, "Yanked")/></span>" "<span class="dim">{why.clone()}</span> }
    });
    view! {
        <tr>
            <td title=named.clone()><span class="mono name">{file.version}</span>{yanked}</td>
            <td class="mono dim" title=named>{file.tags}</td>
            <td class="mono dim wide-only">{file.requires_python.unwrap_or_else(|| "any".to_owned())}</td>
            <td class="num">{format::bytes(file.size_bytes)}</td>
            <td class="wide-only">{file.uploaded_by}</td>
            <td class="num dim wide-only"><TimeAgo at=file.uploaded_at/></td>
            <td class="row-actions">
                <span class="wide-only"><CopyButton text=sha what="Copy its SHA-256"/></span>
                <a class="icon-btn" href=file.url download="" aria-label=get_label title="Download"><Icon name="download"/></a>
                {is_engineer().then(|| view! {
                    {button}
                    <button type="button" class="icon-btn" aria-label=remove_label title="Delete" on:click=move |_| removing.set(Some(remove.clone()))><Icon name="trash-2"/></button>
                })}
            </td>
        </tr>
    }
}

/// What the newest wheel asks for; older ones' wishes are in their own metadata.
#[component]
fn Requires(package: Signal<PackageDetail>) -> impl IntoView {
    let newest = move || {
        package.with(|p| {
            let latest = p.files.iter().find(|f| Some(&f.version) == p.summary.latest.as_ref());
            latest.or(p.files.first()).cloned()
        })
    };
    let row = |text: String| {
        let (wanted, marker) = match text.split_once(';') {
            Some((wanted, marker)) => (wanted.trim().to_owned(), marker.trim().to_owned()),
            None => (text.trim().to_owned(), String::new()),
        };
        let end = wanted.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(wanted.len());
        let (name, rest) = wanted.split_at(end);
        view! {
            <tr><td class="mono among"><a href=href(&name.to_lowercase())>{name.to_owned()}</a>{rest.to_owned()}</td>
                <td class="mono dim">{marker}</td></tr>
        }
    };
    move || {
        let file = newest();
        let version = file.as_ref().map(|f| f.version.clone()).unwrap_or_default();
        let all = file.map(|f| f.requires).unwrap_or_default();
        if all.is_empty() {
            return view! { <Card><p class="dim none">{format!("Version {version} requires nothing else.")}</p></Card> }.into_any();
        }
        view! {
            <p class="dim">{format!("What version {version} asks for; a condition says when.")}</p>
            <div class="pane" role="region" aria-label="What it requires" tabindex="0">
                <table class="grid" aria-label="What it requires">
                    <thead><tr><th scope="col">"Package"</th><th scope="col">"Condition"</th></tr></thead>
                    <tbody>{all.into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        }
        .into_any()
    }
}

#[component]
fn NeededBy(package: Signal<PackageDetail>) -> impl IntoView {
    let row = |need: PackageNeed| {
        view! {
            <tr><td class="among"><a class="row-link name" href=href(&need.name)>{need.name.clone()}</a></td>
                <td class="mono">{need.version}</td><td class="mono dim">{need.requirement}</td></tr>
        }
    };
    view! {
        <Show when=move || package.with(|p| !p.needed_by.is_empty()) fallback=|| view! {
            <Card><p class="dim none">"No other package of the box asks for it."</p></Card>
        }>
            <div class="pane" role="region" aria-label="Who requires it" tabindex="0">
                <table class="grid" aria-label="Who requires it">
                    <thead><tr><th scope="col">"Package"</th><th scope="col">"Version"</th><th scope="col">"Asks for"</th></tr></thead>
                    <tbody>{move || package.with(|p| p.needed_by.clone()).into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </Show>
    }
}

#[component]
fn DeleteDialog(open: RwSignal<bool>, package: Signal<PackageDetail>, name: Signal<String>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let confirm = move |()| {
        let gone = name.get_untracked();
        let to = format!("/packages/{}", seg(&gone));
        act(busy, "The package was not deleted", async move { api::delete(&to).await }, move |()| {
            open.set(false);
            toast(Tone::Good, "Package deleted", &gone);
            go("/packages");
        });
    };
    let goes = move || {
        package.with(|p| {
            let wheels = format::plural(p.summary.file_count, "wheel");
            format!(
                "{wheels} of {} go for good, {} together.",
                format::plural(p.summary.version_count, "version"),
                format::bytes(p.summary.size_bytes)
            )
        })
    };
    let asked = move || {
        package.with(|p| p.needed_by.iter().map(|need| need.name.as_str()).collect::<BTreeSet<_>>().len() as u64)
    };
    view! {
        <ConfirmDialog open title="Delete this package?" name=name action="Delete the package" on_confirm=confirm busy=busy>
            <p>{goes}</p>
            <Show when=move || asked() != 0>
                <p class="warn-text">{move || format!("{} of the box ask for it and cannot be installed without it.", format::plural(asked(), "other package"))}</p>
            </Show>
            <p>"Images that were built with it, and jobs under way, keep what they installed."</p>
        </ConfirmDialog>
    }
}
