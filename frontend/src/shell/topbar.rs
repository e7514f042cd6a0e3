//! Where one is, the way to anywhere, the theme, the account.

use crate::{
    app::{app, go},
    live::remote,
    project, session,
    ui::{Icon, Show, Tone, toast, toast::toast_error},
};
use drydock_wire::projects::Project;
use leptos::{prelude::*, task::spawn_local};
use leptos_router::hooks::use_location;

#[component]
pub fn TopBar() -> impl IntoView {
    let theme = app().theme;
    let away = move || !app().connected.get();
    view! {
        <header class="topbar">
            <Crumbs/>
            <ProjectSwitch/>
            <Show when=away><span class="pill warn live" role="status"><i aria-hidden="true"></i>"Reconnecting"</span></Show>
            <button type="button" class="jump" aria-label="Search or jump to" aria-haspopup="dialog" aria-keyshortcuts="Control+K" on:click=move |_| app().palette_open.set(true)>
                <Icon name="search"/><span>"Search or jump to…"</span><kbd aria-hidden="true">"Ctrl K"</kbd>
            </button>
            <button type="button" class="icon-btn" title=move || theme.get().label()
                aria-label=move || format!("Theme: {}. Change to {}", theme.get().label(), theme.get().next().label())
                on:click=move |_| theme.update(|t| *t = t.next())>
                {move || view! { <Icon name=theme.get().icon()/> }}
            </button>
            <Account/>
        </header>
    }
}

/// Which project is shown; nothing on a box that has one alone.
#[component]
fn ProjectSwitch() -> impl IntoView {
    let projects = remote::<Vec<Project>>(|| Some("/projects".into()), &[]);
    let several = move || projects.data.with(|all| all.as_ref().is_some_and(|all| all.len() > 1));
    let choices = move || {
        let chosen = project::chosen();
        let all = projects.data.get().unwrap_or_default();
        let option = |one: Project| {
            let selected = chosen.as_deref() == Some(one.id.as_str());
            view! { <option value=one.id selected=selected>{one.name}</option> }
        };
        view! { <option value="" selected=chosen.is_none()>"All projects"</option>{all.into_iter().map(option).collect_view()} }
    };
    let change = move |id: String| project::choose(Some(id.as_str()).filter(|id| !id.is_empty()));
    view! {
        <Show when=several>
            <select class="project" aria-label="Project" data-testid="project-switch"
                on:change:target=move |e| change(e.target().value())>{choices}</select>
        </Show>
    }
}

/// The words for the first part of an address.
fn area(part: &str) -> &'static str {
    match part {
        "" => "Overview",
        "runs" => "Runs",
        "compare" => "Compare runs",
        "traces" => "Traces",
        "models" => "Models",
        "datasets" => "Datasets",
        "buckets" => "Buckets",
        "images" => "Images",
        "packages" => "Packages",
        "builds" => "Builds",
        "jobs" => "Jobs",
        "queue" => "Queue",
        "monitoring" => "Monitoring",
        "logs" => "Logs",
        "devices" => "Devices",
        "sweeps" => "Sweeps",
        "pipelines" => "Pipelines",
        "deployments" => "Deployments",
        "settings" => "Settings",
        "store" => "Store",
        "trash" => "Trash",
        _ => "Drydock",
    }
}

#[component]
fn Crumbs() -> impl IntoView {
    let path = use_location().pathname;
    let parts = move || {
        let path = path.get();
        let mut parts = path.trim_matches('/').split('/');
        let first = parts.next().unwrap_or_default().to_owned();
        let second = parts.next().map(|p| js_sys::decode_uri_component(p).map_or_else(|_| p.to_owned(), String::from));
        (first, second)
    };
    view! {
        <nav aria-label="Breadcrumb" class="crumbs"><ol>
            {move || {
                let (first, second) = parts();
                let name = area(&first);
                match second {
                    None => view! { <li><span class="here" aria-current="page">{name}</span></li> }.into_any(),
                    Some(second) => view! {
                        <li><a href=format!("/{first}")>{name}</a></li>
                        <li><Icon name="chevron-right"/><span class="here" aria-current="page">{short(&first, second)}</span></li>
                    }.into_any(),
                }
            }}
        </ol></nav>
    }
}

/// Ids of runs and jobs are long; their first eight characters are what people recognise.
fn short(area: &str, part: String) -> String {
    match (area, part.as_str()) {
        ("jobs", "new") => "New job".into(),
        ("pipelines", "new") => "New pipeline".into(),
        ("builds", "new") => "New build".into(),
        ("images", "repository") => "Repository".into(),
        ("images", "manifest") => "Manifest".into(),
        ("runs" | "jobs" | "builds" | "sweeps", id) if id.len() > 12 => id.chars().take(8).collect(),
        _ => part,
    }
}

#[component]
fn Account() -> impl IntoView {
    let me = move || session::use_me().map(|m| (m.username, m.role.as_str())).unwrap_or_default();
    let initial = move || me().0.chars().next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    view! {
        <details class="menu account">
            <summary class="avatar" aria-label=move || format!("Account of {}", me().0)><span aria-hidden="true">{initial}</span></summary>
            <div class="menu-list">
                <p class="menu-note"><b>{move || me().0}</b>{move || me().1}</p>
                <hr/>
                <a href="/settings"><Icon name="settings"/>"Settings"</a>
                <a href="/settings?tab=tokens"><Icon name="key-round"/>"API tokens"</a>
                <button type="button" on:click=move |_| super::keys::show_shortcuts()><Icon name="command"/>"Keyboard shortcuts"</button>
                <hr/>
                <button type="button" on:click=move |_| log_out()><Icon name="log-out"/>"Log out"</button>
            </div>
        </details>
    }
}

/// Ends the session and shows the login page.
pub fn log_out() {
    spawn_local(async {
        match session::log_out().await {
            Ok(()) => {
                go("/login");
                toast(Tone::Info, "You are logged out", "");
            }
            Err(error) => toast_error("Logging out failed", &error),
        }
    });
}
