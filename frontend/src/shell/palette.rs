//! Ctrl-K: every page, everything the role may do, and everything that has a name.

use super::{nav::GROUPS, topbar};
use crate::{
    api,
    app::{app, go},
    pages::overview::run_sample,
    reactive::{effect, memo},
    session::may,
    ui::{Icon, Show, theme::Theme},
};
use drydock_wire::accounts::Role;
use leptos::{ev, html, prelude::*, task::spawn_local};

const SHOWN: usize = 60;

#[derive(Clone, PartialEq)]
enum Deed {
    Go(String),
    Theme(Theme),
    Sample,
    Shortcuts,
    LogOut,
}

#[derive(Clone, PartialEq)]
struct Entry {
    icon: &'static str,
    label: String,
    /// What kind of thing it is, at the right.
    kind: &'static str,
    deed: Deed,
}

impl Entry {
    fn go(icon: &'static str, label: impl Into<String>, kind: &'static str, to: String) -> Self {
        Self { icon, label: label.into(), kind, deed: Deed::Go(to) }
    }

    fn act(icon: &'static str, label: &str, deed: Deed) -> Self {
        Self { icon, label: label.into(), kind: "Action", deed }
    }

    /// All words of the search, in any order.
    fn matches(&self, words: &[String]) -> bool {
        let text = format!("{} {}", self.label, self.kind).to_lowercase();
        words.iter().all(|word| text.contains(word.as_str()))
    }

    fn run(self) {
        app().palette_open.set(false);
        match self.deed {
            Deed::Go(to) => go(&to),
            Deed::Theme(theme) => app().theme.set(theme),
            Deed::Sample => {
                go("/");
                run_sample();
            }
            Deed::Shortcuts => super::keys::show_shortcuts(),
            Deed::LogOut => topbar::log_out(),
        }
    }
}

/// Pages and actions for the present role.
fn fixed() -> Vec<Entry> {
    let areas = GROUPS.iter().flat_map(|(_, areas)| areas.iter());
    let mut list: Vec<Entry> = areas.map(|(to, icon, text, _)| Entry::go(icon, *text, "Page", (*to).into())).collect();
    list.push(Entry::go("key-round", "API tokens", "Page", "/settings?tab=tokens".into()));
    list.push(Entry::go("key-round", "S3 keys", "Page", "/settings?tab=s3-keys".into()));
    if may(Role::Admin) {
        list.push(Entry::go("users", "People", "Page", "/settings?tab=people".into()));
        list.push(Entry::go("scroll-text", "Audit trail", "Page", "/settings?tab=audit".into()));
    }
    if may(Role::Engineer) {
        list.push(Entry::go("download", "Import from MLflow", "Page", "/settings?tab=moving".into()));
        list.push(Entry::go("plus", "New job", "Action", "/jobs/new".into()));
        list.push(Entry::go("hammer", "Build an image", "Action", "/builds/new".into()));
        list.push(Entry::go("list-checks", "Missing packages", "Action", "/packages?tab=missing".into()));
        list.push(Entry::act("play", "Run the sample", Deed::Sample));
    }
    for theme in [Theme::Light, Theme::Dark, Theme::System] {
        let label = format!("Use the {}", theme.label().to_lowercase());
        list.push(Entry::act(theme.icon(), &label, Deed::Theme(theme)));
    }
    list.push(Entry::act("command", "Keyboard shortcuts", Deed::Shortcuts));
    list.push(Entry::act("log-out", "Log out", Deed::LogOut));
    list
}

/// Adds the things of one kind, as soon as the server names them. Read without their types: the palette wants a name of each,
/// and is part of what every page loads first.
fn add(named: RwSignal<Vec<Entry>>, path: &'static str, entry: fn(&Thing) -> Option<Entry>) {
    spawn_local(async move {
        let things: Vec<Thing> = match api::get(path).await {
            // some lists come as a page, some whole
            Ok(Thing::Object(mut page)) => match page.remove("items") {
                Some(Thing::Array(items)) => items,
                _ => return,
            },
            Ok(Thing::Array(items)) => items,
            _ => return,
        };
        let _ = named.try_update(|n| n.extend(things.iter().filter_map(entry)));
    });
}

type Thing = serde_json::Value;

/// A thing whose page is at its name.
fn by_name(thing: &Thing, icon: &'static str, kind: &'static str, area: &str) -> Option<Entry> {
    let name = thing.get("name")?.as_str()?;
    Some(Entry::go(icon, name, kind, format!("/{area}/{}", api::seg(name))))
}

/// A thing whose page is at its id.
fn by_id(thing: &Thing, icon: &'static str, kind: &'static str, area: &str) -> Option<Entry> {
    let (name, id) = (thing.get("name")?.as_str()?, thing.get("id")?.as_str()?);
    Some(Entry::go(icon, name, kind, format!("/{area}/{}", api::seg(id))))
}

fn fetch_named(named: RwSignal<Vec<Entry>>) {
    named.set(vec![]);
    add(named, "/models?limit=200", |thing| by_name(thing, "box", "Model", "models"));
    add(named, "/buckets", |thing| by_name(thing, "folder", "Bucket", "buckets"));
    add(named, "/datasets?limit=200", |thing| by_name(thing, "database", "Dataset", "datasets"));
    add(named, "/packages?limit=200", |thing| by_name(thing, "boxes", "Package", "packages"));
    add(named, "/deployments?limit=200", |thing| by_name(thing, "rocket", "Deployment", "deployments"));
    add(named, "/jobs?limit=100", |thing| by_id(thing, "container", "Job", "jobs"));
    add(named, "/runs?limit=100", |thing| by_id(thing, "activity", "Run", "runs"));
    add(named, "/traces?limit=100", |thing| by_id(thing, "git-branch", "Trace", "traces"));
}

#[component]
pub fn Palette() -> impl IntoView {
    let open = app().palette_open;
    let node = NodeRef::<html::Dialog>::new();
    let named = RwSignal::new(Vec::<Entry>::new());
    effect(move || {
        let Some(dialog) = node.get() else { return };
        match (open.get(), dialog.open()) {
            (true, false) => {
                let _ = dialog.show_modal();
                fetch_named(named);
            }
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    view! {
        <dialog class="palette" aria-label="Search or jump to" node_ref=node on:close=move |_| open.set(false)
            on:mousedown=move |e| if e.target() == e.current_target() { open.set(false) }>
            <Show when=move || open.get()><Search named/></Show>
        </dialog>
    }
}

#[component]
fn Search(named: RwSignal<Vec<Entry>>) -> impl IntoView {
    let query = RwSignal::new(String::new());
    let chosen = RwSignal::new(0usize);
    let input = NodeRef::<html::Input>::new();
    input.on_load(|input| drop(input.focus()));
    let found = memo(move || {
        let words: Vec<String> = query.get().to_lowercase().split_whitespace().map(str::to_owned).collect();
        let mut list = fixed();
        // without a search the named things would only be noise below the pages
        if !words.is_empty() {
            list.extend(named.get());
        }
        list.retain(|entry| entry.matches(&words));
        if let Some(first) = words.first() {
            list.sort_by_key(|entry| !entry.label.to_lowercase().starts_with(first.as_str()));
        }
        list.truncate(SHOWN);
        list
    });
    let on_key = move |e: ev::KeyboardEvent| {
        let count = found.with_untracked(Vec::len).max(1);
        match e.key().as_str() {
            "ArrowDown" => chosen.update(|c| *c = (*c + 1) % count),
            "ArrowUp" => chosen.update(|c| *c = (*c + count - 1) % count),
            "Enter" => {
                if let Some(entry) = found.with_untracked(|f| f.get(chosen.get_untracked()).cloned()) {
                    entry.run();
                }
            }
            _ => return,
        }
        e.prevent_default();
        let at = format!("palette-{}", chosen.get_untracked());
        request_animation_frame(move || {
            if let Some(option) = document().get_element_by_id(&at) {
                option.scroll_into_view_with_bool(false);
            }
        });
    };
    let option = move |(i, entry): (usize, Entry)| {
        let run = entry.clone();
        view! {
            <li id=format!("palette-{i}") role="option" aria-selected=move || (chosen.get() == i).to_string()
                on:mousemove=move |_| if chosen.get_untracked() != i { chosen.set(i) }
                on:click=move |_| run.clone().run()>
                <Icon name=entry.icon/><span>{entry.label}</span><span class="dim">{entry.kind}</span>
            </li>
        }
    };
    view! {
        <div class="palette-search"><Icon name="search"/>
            <input node_ref=input type="text" role="combobox" aria-label="Search or jump to" aria-expanded="true" aria-controls="palette-list"
                aria-activedescendant=move || format!("palette-{}", chosen.get()) aria-autocomplete="list" autocomplete="off" spellcheck="false"
                placeholder="Pages, actions, runs, traces, models, datasets, deployments…"
                on:input:target=move |e| { query.set(e.target().value()); chosen.set(0) } on:keydown=on_key/>
            <kbd>"Esc"</kbd>
        </div>
        <ul id="palette-list" role="listbox" aria-label="Results">{move || found.get().into_iter().enumerate().map(option).collect_view()}</ul>
        <Show when=move || found.with(Vec::is_empty)><p class="palette-none dim" role="status">"Nothing has that name."</p></Show>
    }
}
