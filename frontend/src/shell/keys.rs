//! Keys that work everywhere: Ctrl-K, `/`, `j` and `k`, `g` and a letter, `?`. None of them while one types.

use crate::{
    app::{app, go},
    ui::Dialog,
};
use leptos::{ev, prelude::*};
use std::cell::Cell;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

/// The second key after `g`, where it goes, and what that is.
const PLACES: [(&str, &str, &str); 16] = [
    ("o", "/", "Overview"),
    ("d", "/datasets", "Datasets"),
    ("b", "/buckets", "Buckets"),
    ("p", "/packages", "Packages"),
    ("u", "/builds", "Builds"),
    ("j", "/jobs", "Jobs"),
    ("q", "/queue", "Queue"),
    ("l", "/pipelines", "Pipelines"),
    ("w", "/logs", "Logs"),
    ("r", "/runs", "Runs"),
    ("t", "/traces", "Traces"),
    ("m", "/models", "Models"),
    ("s", "/deployments", "Deployments"),
    ("n", "/monitoring", "Monitoring"),
    ("v", "/devices", "Devices"),
    ("e", "/settings", "Settings"),
];
const PREFIX_LASTS_MS: f64 = 1_200.0;

thread_local! {
    static G_AT: Cell<f64> = const { Cell::new(0.0) };
    static HELP: Cell<Option<RwSignal<bool>>> = const { Cell::new(None) };
}

/// Listens for as long as the frame stands.
pub fn listen() {
    let keys = window_event_listener(ev::keydown, on_key);
    let clicks = window_event_listener(ev::click, |e| close_menus(e.target().and_then(|t| t.dyn_into().ok())));
    on_cleanup(move || {
        keys.remove();
        clicks.remove();
    });
}

/// Shows the list of keys.
pub fn show_shortcuts() {
    close_menus(None);
    if let Some(open) = HELP.get() {
        open.set(true);
    }
}

fn on_key(e: web_sys::KeyboardEvent) {
    let key = e.key();
    if (e.ctrl_key() || e.meta_key()) && key.eq_ignore_ascii_case("k") {
        e.prevent_default();
        return app().palette_open.update(|open| *open = !*open);
    }
    if key == "Escape" {
        return close_menus(None);
    }
    if e.ctrl_key() || e.meta_key() || e.alt_key() || is_typing() || query("dialog[open]").is_some() {
        return;
    }
    let now = js_sys::Date::now();
    if now - G_AT.replace(0.0) < PREFIX_LASTS_MS
        && let Some((_, to, _)) = PLACES.iter().find(|place| place.0 == key)
    {
        e.prevent_default();
        return go(to);
    }
    match key.as_str() {
        "g" => G_AT.set(now),
        "?" => show_shortcuts(),
        "j" | "k" => move_row(key == "j"),
        "/" => {
            if let Some(search) = query("[data-search]").and_then(|s| s.dyn_into::<HtmlElement>().ok()) {
                e.prevent_default();
                let _ = search.focus();
            }
        }
        _ => {}
    }
}

fn query(selector: &str) -> Option<Element> {
    document().query_selector(selector).ok().flatten()
}

fn is_typing() -> bool {
    let Some(at) = document().active_element() else { return false };
    at.matches("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]").unwrap_or(false)
}

/// Focuses the link of the next or the previous row; enter then opens it, as on any link.
fn move_row(down: bool) {
    let Ok(links) = document().query_selector_all("#main a.row-link") else { return };
    let at = document().active_element();
    let links: Vec<HtmlElement> = (0..links.length()).filter_map(|i| links.item(i)?.dyn_into().ok()).collect();
    let place = links.iter().position(|link| at.as_ref().is_some_and(|at| at.is_same_node(Some(link))));
    let next = match (place, down) {
        (None, true) => 0,
        (None, false) => links.len().saturating_sub(1),
        (Some(i), true) => i + 1,
        (Some(i), false) => i.saturating_sub(1),
    };
    if let Some(link) = links.get(next) {
        let _ = link.focus();
    }
}

/// Closes open menus, except one that holds `inside` and was not just used.
fn close_menus(inside: Option<Element>) {
    let Ok(menus) = document().query_selector_all("details.menu[open]") else { return };
    for menu in (0..menus.length()).filter_map(|i| menus.item(i)?.dyn_into::<Element>().ok()) {
        let within = inside.as_ref().is_some_and(|e| menu.contains(Some(e)));
        let chosen =
            inside.as_ref().is_some_and(|e| e.closest(".menu-list > a, .menu-list > button").ok().flatten().is_some());
        if !within || chosen {
            let _ = menu.remove_attribute("open");
        }
    }
}

#[component]
pub fn Shortcuts() -> impl IntoView {
    let open = RwSignal::new(false);
    HELP.set(Some(open));
    on_cleanup(|| HELP.set(None));
    let general = [
        ("Ctrl K", "Search, go anywhere, do anything"),
        ("/", "Search this list"),
        ("j  k", "Next and previous row"),
        ("Enter", "Open the row"),
        ("?", "This list"),
    ];
    view! {
        <Dialog open title="Keyboard shortcuts">
            <dl class="shortcuts">
                {general.map(|(key, what)| view! { <dt><kbd>{key}</kbd></dt><dd>{what}</dd> }).collect_view()}
                {PLACES.map(|(key, _, what)| view! { <dt><kbd>"g"</kbd>" "<kbd>{key}</kbd></dt><dd>{what}</dd> }).collect_view()}
            </dl>
        </Dialog>
    }
}
