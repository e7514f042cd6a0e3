//! What pages show data with: states of loading, empty and failed, cards, facts, meters, tabs, times.

use super::{Button, Look, url::Param};
use crate::{
    api::ApiError,
    app::{ago, set_title},
    live::Remote,
    reactive::{effect, follow, memo},
};
use leptos::{ev, html, prelude::*};
use std::cell::{Cell, OnceCell};
use wasm_bindgen::{JsCast, JsValue};

/// One drawing of the sprite `public/icons.svg` (Lucide); the names are listed there.
#[component]
pub fn Icon(name: &'static str) -> impl IntoView {
    view! { <svg class="icon" aria-hidden="true"><use href=icon_href(name)></use></svg> }
}

fn icon_href(name: &str) -> String {
    thread_local! {
        static SPRITE: OnceCell<String> = const { OnceCell::new() };
    }
    // the sprite's name carries a hash, which only index.html knows
    SPRITE.with(|sprite| {
        let sprite = sprite.get_or_init(|| {
            let meta = document().query_selector("meta[name=icons]").ok().flatten();
            meta.and_then(|m| m.get_attribute("content")).unwrap_or_default()
        });
        format!("{sprite}#{name}")
    })
}

/// Text in which what stands between backticks is code: commands in advice.
pub fn with_code(text: &str) -> Vec<AnyView> {
    let part = |(at, part): (usize, &str)| match at % 2 {
        0 => part.to_owned().into_any(),
        _ => view! { <code>{part.to_owned()}</code> }.into_any(),
    };
    text.split('`').enumerate().filter(|(_, part)| !part.is_empty()).map(part).collect()
}

/// The head of a page: title (also the window's), a line below it, actions at the right.
#[component]
pub fn PageHead(
    #[prop(into)] title: Signal<String>,
    /// Beside the title, a pill usually.
    #[prop(optional, into)]
    aside: Option<ViewFn>,
    /// Below the title.
    #[prop(optional, into)]
    sub: Option<ViewFn>,
    /// Actions.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    effect(move || set_title(&title.get()));
    view! {
        <div class="head">
            <div class="head-text">
                <h1>{move || title.get()}{aside.map(|a| view! { " " {move || a.run()} })}</h1>
                {sub.map(|s| view! { <div class="sub">{move || s.run()}</div> })}
            </div>
            {children.map(|c| view! { <div class="actions">{c()}</div> })}
        </div>
    }
}

#[component]
pub fn Card(
    #[prop(optional, into)] title: Option<String>,
    #[prop(optional)] class: &'static str,
    /// At the right of the title.
    #[prop(optional, into)]
    aside: Option<ViewFn>,
    children: Children,
) -> impl IntoView {
    let label = title.clone();
    view! {
        <section class=format!("card {class}") aria-label=label>
            {title.map(|t| view! { <div class="card-head"><h2>{t}</h2>{aside.map(|a| move || a.run())}</div> })}
            {children()}
        </section>
    }
}

/// Nothing here yet: says so, and what to do next (children: a button or a link).
#[component]
pub fn EmptyState(
    icon: &'static str,
    #[prop(into)] title: String,
    #[prop(into)] text: String,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="empty" data-testid="empty">
            <span class="glyph"><Icon name=icon/></span>
            <h2>{title}</h2>
            <p>{with_code(&text)}</p>
            {children.map(|c| view! { <div class="actions">{c()}</div> })}
        </div>
    }
}

/// Grey bars where text will be; `lines` of them, so that the height is about right.
#[component]
pub fn Skeleton(#[prop(default = 6)] lines: usize) -> impl IntoView {
    view! {
        <div class="skeleton" role="status" aria-label="Loading">
            {(0..lines).map(|_| view! { <span></span> }).collect_view()}
        </div>
    }
}

/// What went wrong, the request's id to find it in the log, and a way to try again.
#[component]
pub fn ErrorState(error: ApiError, #[prop(into)] retry: Callback<()>) -> impl IntoView {
    let id = error.request_id.clone();
    view! {
        <div class="empty failed" role="alert" data-testid="error">
            <span class="glyph"><Icon name="triangle-alert"/></span>
            <h2>{error_title(&error)}</h2>
            <p>{with_code(&error.message)}</p>
            {(!id.is_empty()).then(|| view! { <p class="dim">"Request " <code>{id}</code></p> })}
            <div class="actions"><Button icon="rotate-ccw" on_press=move |_| retry.run(())>"Try again"</Button></div>
        </div>
    }
}

fn error_title(error: &ApiError) -> &'static str {
    use drydock_wire::ErrorCode::*;
    match error.code {
        NotFound => "Not found",
        Forbidden => "Your role does not allow this",
        Unavailable if error.request_id.is_empty() => "No connection to Drydock",
        Unavailable | GatewayTimeout | BadGateway => "Not available right now",
        _ => "This could not be loaded",
    }
}

/// Skeleton, then the error or the content. The content is built once and gets a signal, so later data moves nothing:
/// `<Loaded remote=jobs let:jobs> <p>{move || jobs.with(|j| j.total)}</p> </Loaded>`.
#[component]
pub fn Loaded<T, F, V>(remote: Remote<T>, #[prop(default = 6)] lines: usize, children: F) -> impl IntoView
where
    T: Clone + PartialEq + Send + Sync + 'static,
    F: Fn(Signal<T>) -> V + Send + Sync + 'static,
    V: IntoView + 'static,
{
    let there = memo(move || remote.data.with(Option::is_some));
    let content = move || {
        let shown = RwSignal::new(remote.data.get_untracked()?);
        // a remote value tells of itself only when it has changed; the first time it is what is shown
        let first = Cell::new(true);
        follow(move || {
            remote.data.track();
            if !first.take()
                && let Some(value) = remote.data.get_untracked()
            {
                shown.set(value);
            }
        });
        Some(children(shown.into()).into_any())
    };
    around(there, remote.error, Callback::new(move |()| remote.refetch()), lines, Box::new(content))
}

/// What is around a loaded value, whatever its type.
fn around(
    there: Memo<bool>,
    error: RwSignal<Option<ApiError>>,
    retry: Callback<()>,
    lines: usize,
    content: Box<dyn Fn() -> Option<AnyView> + Send + Sync>,
) -> impl IntoView {
    let failed = memo(move || error.get());
    let body = move || {
        if there.get()
            && let Some(content) = content()
        {
            return content;
        }
        match failed.get() {
            Some(error) => view! { <ErrorState error retry/> }.into_any(),
            None => view! { <Skeleton lines/> }.into_any(),
        }
    };
    let stale = move || {
        (there.get()).then(|| failed.get()).flatten().map(|e| {
            view! {
                <div class="stale" role="status">
                    <Icon name="wifi-off"/><span>"This may be out of date. "{e.message}</span>
                    <Button small=true look=Look::Quiet on_press=move |_| retry.run(())>"Try again"</Button>
                </div>
            }
        })
    };
    view! { {stale} {body} }
}

/// A list of terms with their values: `<Facts><dt>"Owner"</dt><dd>…</dd></Facts>`.
#[component]
pub fn Facts(children: Children) -> impl IntoView {
    view! { <dl class="facts">{children()}</dl> }
}

/// A share of a whole as a bar with its figures.
#[component]
pub fn Meter(
    #[prop(into)] label: String,
    /// 0 to 1.
    #[prop(into)]
    share: Signal<f64>,
    #[prop(into)] text: Signal<String>,
    /// Fullness is no trouble: a processor at work.
    #[prop(optional)]
    calm: bool,
) -> impl IntoView {
    let level = move || match share.get() {
        _ if calm => "bar",
        s if s >= 0.95 => "bar bad",
        s if s >= 0.85 => "bar warn",
        _ => "bar",
    };
    view! {
        <div class="meter">
            <div class="meter-text"><span>{label.clone()}</span><b>{move || text.get()}</b></div>
            <div class=level role="meter" aria-label=label aria-valuemin="0" aria-valuemax="100"
                aria-valuenow=move || format!("{:.0}", share.get() * 100.0) aria-valuetext=move || text.get()>
                <i style:width=move || format!("{:.1}%", share.get().clamp(0.0, 1.0) * 100.0)></i>
            </div>
        </div>
    }
}

/// Tabs whose choice is the address's parameter `param`. Left and right move between them.
/// The caller draws the panel: `{move || if tab.is("log") { … } else { … }}` inside an element with `role="tabpanel"`.
#[component]
pub fn Tabs(param: Param, #[prop(into)] label: String, tabs: Vec<(&'static str, String)>) -> impl IntoView {
    let node = NodeRef::<html::Div>::new();
    let keys: Vec<&'static str> = tabs.iter().map(|t| t.0).collect();
    show_chosen(node, param, keys.clone());
    let on_key = move |e: ev::KeyboardEvent| {
        let step = match e.key().as_str() {
            "ArrowRight" => 1,
            "ArrowLeft" => keys.len() - 1,
            _ => return,
        };
        e.prevent_default();
        let at = keys.iter().position(|k| param.is(k)).unwrap_or(0);
        let to = (at + step) % keys.len();
        param.set(keys[to]);
        let button = node.get_untracked().and_then(|n| n.children().item(to as u32));
        if let Some(button) = button.and_then(|b| b.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = button.focus();
        }
    };
    view! {
        <div class="tabs" role="tablist" aria-label=label node_ref=node on:keydown=on_key>
            {tabs.into_iter().map(|(key, text)| view! {
                <button type="button" role="tab" aria-selected=move || param.is(key).to_string()
                    tabindex=move || if param.is(key) { "0" } else { "-1" } on:click=move |_| param.set(key)>{text}</button>
            }).collect_view()}
        </div>
    }
}

/// Brings the chosen tab into sight where not all of them have room.
fn show_chosen(node: NodeRef<html::Div>, param: Param, keys: Vec<&'static str>) {
    effect(move || {
        let at = keys.iter().position(|k| param.is(k)).unwrap_or(0);
        let Some(tabs) = node.get() else { return };
        let button = tabs.children().item(at as u32).and_then(|b| b.dyn_into::<web_sys::HtmlElement>().ok());
        if let Some(button) = button {
            let room = tabs.client_width() - button.offset_width();
            tabs.set_scroll_left(button.offset_left() - tabs.offset_left() - room / 2);
        }
    });
}

/// How long ago, moving by itself, with the exact time on hover.
#[component]
pub fn TimeAgo(at: i64) -> impl IntoView {
    let date = js_sys::Date::new(&JsValue::from_f64(at as f64));
    let iso: String = date.to_iso_string().into();
    let full: String = date.to_locale_string("default", &JsValue::UNDEFINED).into();
    view! { <time datetime=iso title=full>{move || ago(at)}</time> }
}
