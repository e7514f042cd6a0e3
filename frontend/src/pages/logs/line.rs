//! A line; opened, its fields and what stands around it in its own log.

use super::{Asked, lines::around};
use crate::{
    api::seg,
    live::remote,
    pages::parts::{clock, full_time, marked},
    ui::{Button, CopyButton, Facts, Loaded, Look, Show},
};
use drydock_wire::logs::{LogContext, LogEntry, LogKind, LogLevel};
use leptos::prelude::*;

#[component]
pub fn Row(asked: Asked, line: LogEntry) -> impl IntoView {
    let open = RwSignal::new(false);
    let (at, name, level, id) = (line.at, line.name.clone(), line.level, line.id);
    let text = StoredValue::new(line.message.clone());
    let line = StoredValue::new(line);
    let marks = move || Some(asked.q.get()).filter(|q| q.chars().all(char::is_alphanumeric)).unwrap_or_default();
    view! {
        <li class=level_class(level)>
            <button type="button" class="log-line" data-line=id.to_string() aria-expanded=move || open.get().to_string()
                on:click=move |_| open.update(|open| *open = !*open)>
                <time title=full_time(at)>{day(at)}" "{clock(at)}</time>
                <b class="level">{level.map_or("", LogLevel::as_str)}</b>
                <span class="of">{name}</span>
                <span class="words">{move || text.with_value(|text| marked(text, &marks()))}</span>
            </button>
            <Show when=move || open.get()><Opened asked line/></Show>
        </li>
    }
}

#[component]
fn Opened(asked: Asked, line: StoredValue<LogEntry>) -> impl IntoView {
    let it = line.get_value();
    let owner = it.owner.clone();
    let whose = match (href(&it), it.part.clone()) {
        (Some(href), part) => view! { <a href=href>{it.name.clone()}</a>" "<span class="dim">{part}</span> }.into_any(),
        (None, _) => it.name.clone().into_any(),
    };
    let alone = (!owner.is_empty()).then(|| {
        view! { <Button small=true look=Look::Quiet icon="filter" on_press=move |_| asked.owner.push(&owner)>"Only this source"</Button> }
    });
    let label = move |key: String, value: String| {
        let part = format!("{key}:\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
        let title = format!("Only lines with {part}");
        view! {
            <dt>{key}</dt><dd><span class="mono">{value}</span>
                <button type="button" class="icon-btn" aria-label=title.clone() title=title on:click=move |_| asked.narrow(&part)>
                    <crate::ui::Icon name="filter"/></button></dd>
        }
    };
    let seen = RwSignal::new(false);
    view! {
        <div class="log-opened">
            <Facts>
                <dt>"Time"</dt><dd>{full_time(it.at)}</dd>
                <dt>{kind_word(it.kind)}</dt><dd>{whose}</dd>
                <dt>"Stream"</dt><dd>{it.stream.clone()}</dd>
                {it.labels.into_iter().map(|one| label(one.key, one.value)).collect_view()}
            </Facts>
            <p class="log-whole mono">{it.message.clone()}<CopyButton text=Signal::stored(it.message) what="Copy the line"/></p>
            <div class="toolbar">
                <button type="button" class="btn small" aria-expanded=move || seen.get().to_string() on:click=move |_| seen.update(|seen| *seen = !*seen)>
                    "Lines around it"</button>
                {alone}
            </div>
            <Show when=move || seen.get()><Around id=it.id/></Show>
        </div>
    }
}

#[component]
fn Around(id: u64) -> impl IntoView {
    let context = remote::<LogContext>(move || Some(around(id)), &[]);
    view! {
        <div class="log-around" role="region" aria-label="Lines around it" tabindex="0">
            <Loaded remote=context lines=4 let:context>
                {move || context.get().lines.into_iter().map(|line| view! {
                    <div class=format!("log-line {}", level_class(line.level)) class:hit=line.id == id>
                        <time>{clock(line.at)}</time><span>{line.message}</span></div>
                }).collect_view()}
            </Loaded>
        </div>
    }
}

/// Page of what wrote it.
fn href(line: &LogEntry) -> Option<String> {
    Some(match line.kind {
        LogKind::Job => format!("/jobs/{}", seg(&line.owner)),
        LogKind::Deployment => format!("/deployments/{}", seg(&line.name)),
        LogKind::Build => format!("/builds/{}", seg(&line.owner)),
        LogKind::Drydock => return None,
    })
}

fn kind_word(kind: LogKind) -> &'static str {
    match kind {
        LogKind::Job => "Job",
        LogKind::Deployment => "Deployment",
        LogKind::Build => "Build",
        LogKind::Drydock => "Source",
    }
}

fn level_class(level: Option<LogLevel>) -> &'static str {
    match level {
        Some(LogLevel::Error | LogLevel::Fatal) => "level-bad",
        Some(LogLevel::Warn) => "level-warn",
        Some(LogLevel::Debug | LogLevel::Trace) => "level-dim",
        _ => "",
    }
}

/// `11-27`.
fn day(at: i64) -> String {
    let date = js_sys::Date::new(&wasm_bindgen::JsValue::from_f64(at as f64));
    format!("{:02}-{:02}", date.get_month() + 1, date.get_date())
}
