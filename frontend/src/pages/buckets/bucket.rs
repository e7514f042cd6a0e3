//! One bucket: its files, its settings, and how programs reach it.

use super::{browse::Folder, connect::Connect, list::access, object::ObjectView, path, settings::Settings};
use crate::{
    format,
    live::{Remote, remote},
    reactive::{effect, memo},
    transfer,
    ui::{
        Loaded, PageHead, Pill, Status, Tabs, Tone,
        url::{Param, param},
    },
};
use drydock_wire::storage::{BucketDetail, Versioning};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use std::time::Duration;

/// What of the page's state lives in the address.
#[derive(Clone, Copy)]
pub struct Place {
    pub prefix: Param,
    /// The object that is looked at; empty: the folder.
    pub key: Param,
    pub version: Param,
    pub search: Param,
    pub page: Param,
}

#[component]
pub fn BucketPage() -> impl IntoView {
    let params = use_params_map();
    let name = memo(move || params.with(|p| p.get("name")).unwrap_or_default());
    let bucket = remote::<BucketDetail>(move || Some(path(&name.get(), "")), &[]).every(Duration::from_secs(20));
    view! { <section class="page"><Loaded remote=bucket lines=10 let:detail><Bucket detail remote=bucket/></Loaded></section> }
}

#[component]
fn Bucket(detail: Signal<BucketDetail>, remote: Remote<BucketDetail>) -> impl IntoView {
    let tab = param("tab", "files");
    let place = Place {
        prefix: param("prefix", ""),
        key: param("key", ""),
        version: param("version", ""),
        search: param("search", ""),
        page: param("page", ""),
    };
    let name = memo(move || detail.with(|d| d.summary.name.clone()));
    let manages = memo(move || detail.with(|d| d.summary.may_manage));
    let mut tabs = vec![("files", "Files".to_owned()), ("connect", "Connect".to_owned())];
    if manages.get_untracked() {
        tabs.push(("settings", "Settings".to_owned()));
    }
    let landed = transfer::landed();
    effect(move || {
        landed.track();
        remote.refetch();
    });
    let opened = memo(move || place.key.get());
    let panel = move || match tab.get().as_str() {
        "connect" => view! { <Connect detail prefix=place.prefix/> }.into_any(),
        "settings" if manages.get() => view! { <Settings detail done=move |()| remote.refetch()/> }.into_any(),
        _ if !opened.with(String::is_empty) => {
            view! { <ObjectView detail place changed=move |()| remote.refetch()/> }.into_any()
        }
        _ => view! { <Folder detail place changed=move |()| remote.refetch()/> }.into_any(),
    };
    view! {
        <PageHead title=Signal::derive(move || name.get())
            aside=move || detail.with(|d| {
                let versions = match d.summary.versioning {
                    Versioning::On => Some(Status::new(Tone::Good, "Versions kept")),
                    Versioning::Suspended => Some(Status::new(Tone::Warn, "Versions suspended")),
                    Versioning::Off => None,
                };
                view! { <Pill status=access(d.summary.access)/>{versions.map(|status| view! { " "<Pill status/> })} }
            })
            sub=move || detail.with(sub_line)/>
        <Tabs param=tab label="Parts of the bucket" tabs/>
        <div role="tabpanel" class="panel" aria-label="Bucket">{panel}</div>
    }
}

fn sub_line(d: &BucketDetail) -> String {
    let objects = format::plural(d.summary.object_count, "object");
    let size = match d.summary.quota_bytes {
        Some(quota) => format!("{} of {}", format::bytes(d.summary.size_bytes), format::bytes(quota)),
        None => format::bytes(d.summary.size_bytes),
    };
    let open = match d.open_uploads {
        0 => String::new(),
        n => format!(" · {} unfinished", format::plural(n, "upload")),
    };
    format!("{objects} · {size} · owned by {}{open}", d.summary.owner)
}
