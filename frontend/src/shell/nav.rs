//! The way around: sidebar, on narrow screens a bottom bar and a drawer with the same links.

use super::use_overview;
use crate::{
    app::app,
    format,
    reactive::{effect, memo},
    ui::{Icon, Show},
};
use drydock_wire::overview::{Counts, Overview};
use leptos::{html, prelude::*};
use leptos_router::components::A;

type Count = fn(&Counts) -> u64;
/// Address, icon, words, and the count beside them.
type Area = (&'static str, &'static str, &'static str, Option<Count>);

const OVERVIEW: Area = ("/", "layout-dashboard", "Overview", None);
const JOBS: Area = ("/jobs", "container", "Jobs", Some(|c| c.jobs_running + c.jobs_queued));
const RUNS: Area = ("/runs", "activity", "Runs", Some(|c| c.runs));
const DEPLOYMENTS: Area = ("/deployments", "rocket", "Deployments", Some(|c| c.deployments));

/// The areas below their headings, in the order of the work.
pub const GROUPS: [(&str, &[Area]); 5] = [
    ("", &[OVERVIEW]),
    (
        "Data and images",
        &[
            ("/datasets", "database", "Datasets", Some(|c| c.datasets)),
            ("/buckets", "folder", "Buckets", None),
            ("/packages", "boxes", "Packages", None),
            ("/images", "package", "Images", None),
            ("/builds", "hammer", "Builds", None),
        ],
    ),
    (
        "Train",
        &[
            JOBS,
            ("/queue", "list-ordered", "Queue", Some(|c| c.jobs_queued)),
            ("/pipelines", "workflow", "Pipelines", None),
            RUNS,
            ("/traces", "git-branch", "Traces", Some(|c| c.traces)),
            ("/models", "box", "Models", Some(|c| c.models)),
        ],
    ),
    ("Serve", &[DEPLOYMENTS]),
    (
        "Manage",
        &[
            ("/monitoring", "chart-line", "Monitoring", None),
            ("/logs", "scroll-text", "Logs", None),
            ("/devices", "cpu", "Devices", None),
            ("/store", "hard-drive", "Store", None),
            ("/trash", "trash-2", "Trash", None),
            ("/settings", "settings", "Settings", None),
        ],
    ),
];

#[component]
pub fn Sidebar() -> impl IntoView {
    view! { <aside class="sidebar"><Brand/><Links label="Main"/><BoxState/></aside> }
}

#[component]
fn Brand() -> impl IntoView {
    let host = move || use_overview().data.with(|o| o.as_ref().map(|o| o.box_info.hostname.clone()));
    view! {
        <div class="brand"><a href="/" aria-label="Drydock, overview"><span class="mark" aria-hidden="true"></span>"Drydock"</a>
            <span class="host mono" title="This box">{host}</span></div>
    }
}

#[component]
fn Links(label: &'static str) -> impl IntoView {
    let counts = memo(move || use_overview().data.with(|o| o.as_ref().map(|o| o.counts.clone())));
    let link = move |(href, icon, text, count): Area| {
        let number = move || {
            let count = count?;
            counts.with(|c| c.as_ref().map(count)).filter(|n| *n > 0).map(format::number)
        };
        view! { <li><A href=href exact=href == "/"><Icon name=icon/><span>{text}</span><span class="count num">{number}</span></A></li> }
    };
    view! {
        <nav aria-label=label>
            {GROUPS.map(|(heading, areas)| view! {
                {(!heading.is_empty()).then(|| view! { <h2>{heading}</h2> })}
                <ul>{areas.iter().copied().map(link).collect_view()}</ul>
            }).collect_view()}
        </nav>
    }
}

/// The fullest resource of the box, small, always in sight.
#[component]
fn BoxState() -> impl IntoView {
    let overview = use_overview();
    let line = move |label: &'static str, share: fn(&Overview) -> f64| {
        let value = move || overview.data.with(|o| o.as_ref().map(share).unwrap_or_default());
        let level = move || match value() {
            // a busy processor is at work, not in trouble
            _ if label == "CPU" => "bar",
            s if s >= 0.95 => "bar bad",
            s if s >= 0.85 => "bar warn",
            _ => "bar",
        };
        view! {
            <div><span>{label}</span>
                <div class=level aria-hidden="true"><i style:width=move || format!("{:.1}%", value().clamp(0.0, 1.0) * 100.0)></i></div>
                <b>{move || format!("{:.0} %", value() * 100.0)}</b></div>
        }
    };
    let version = move || overview.data.with(|o| o.as_ref().map(|o| format!("Drydock {}", o.version)));
    view! {
        <div class="box-state">
            {line("CPU", |o| f64::from(o.box_info.cpu_percent) / 100.0)}
            {line("Memory", memory_share)}
            {line("Disk", disk_share)}
            <p class="dim">{version}</p>
        </div>
    }
}

/// Part of the memory in use, 0 to 1.
pub fn memory_share(o: &Overview) -> f64 {
    o.box_info.memory_used_bytes as f64 / (o.box_info.memory_total_bytes as f64).max(1.0)
}

/// Part of the data directory's disk in use, 0 to 1.
pub fn disk_share(o: &Overview) -> f64 {
    1.0 - o.box_info.disk_free_bytes as f64 / (o.box_info.disk_total_bytes as f64).max(1.0)
}

/// For thumbs: the four areas of daily use, and the rest behind "Menu".
#[component]
pub fn BottomBar() -> impl IntoView {
    let areas = [OVERVIEW, JOBS, RUNS, DEPLOYMENTS];
    view! {
        <nav class="bottom" aria-label="Quick">
            {areas.map(|(href, icon, text, _)| view! {
                <A href=href exact=href == "/"><Icon name=icon/><span>{if text == "Deployments" { "Serving" } else { text }}</span></A>
            }).collect_view()}
            <button type="button" aria-haspopup="dialog" on:click=move |_| app().drawer_open.set(true)><Icon name="menu"/><span>"Menu"</span></button>
        </nav>
    }
}

#[component]
pub fn Drawer() -> impl IntoView {
    let open = app().drawer_open;
    let node = NodeRef::<html::Dialog>::new();
    effect(move || {
        let Some(dialog) = node.get() else { return };
        match (open.get(), dialog.open()) {
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    view! {
        <dialog class="drawer" aria-label="Menu" node_ref=node on:close=move |_| open.set(false)
            on:mousedown=move |e| if e.target() == e.current_target() { open.set(false) }>
            <Show when=move || open.get()>
                <div class="sidebar in-drawer" on:click=move |_| open.set(false)><Brand/><Links label="All areas"/><BoxState/></div>
            </Show>
        </dialog>
    }
}
