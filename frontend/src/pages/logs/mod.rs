//! Logs of jobs, deployments, builds and Drydock itself, in one search.
//!
//! What is asked for lives in the address. Pages of older lines and lines that come live lie beside it, in the page's memory alone.

mod asked;
mod chart;
mod line;
mod lines;
mod live;

use crate::{
    format::{bytes, number, plural},
    live::remote,
    session::may,
    ui::{Button, Icon, Look, PageHead, SearchBox, Show, Tone, list::Chip, list::Chips},
};
use asked::Asked;
use chart::Chart;
use drydock_wire::{accounts::Role, logs::LogState};
use leptos::prelude::*;
use lines::Lines;
use live::Live;
use std::time::Duration;

const STATE_EVERY: Duration = Duration::from_secs(15);

/// Spans that can be chosen: value of the address, words.
const SPANS: [(&str, &str); 7] = [
    ("15m", "Last 15 minutes"),
    ("1h", "Last hour"),
    ("6h", "Last 6 hours"),
    ("24h", "Last 24 hours"),
    ("7d", "Last 7 days"),
    ("30d", "Last 30 days"),
    ("", "All that is kept"),
];

#[component]
pub fn LogsPage() -> impl IntoView {
    let asked = Asked::of_address();
    let live = Live::new(asked);
    let state = remote::<LogState>(|| Some("/logs/state".to_owned()), &[]).every(STATE_EVERY);
    let sub = move || {
        state.data.with(|s| {
            s.as_ref().map(|s| {
                let days = plural(u64::from(s.max_age_days), "day");
                format!(
                    "{} in {} of at most {}, kept for {days}.",
                    plural(s.line_count, "line"),
                    bytes(s.size_bytes),
                    bytes(s.max_bytes)
                )
            })
        })
    };
    let trouble = move || {
        state.data.with(|s| {
            let s = s.as_ref()?;
            let lost = (s.lost_count > 0).then(|| {
                format!("{} of Drydock itself came too fast to be written down.", plural(s.lost_count, "line"))
            });
            s.paused.clone().or(lost)
        })
    };
    view! {
        <section class="page logs-page">
            <PageHead title="Logs" sub>
                <LiveButtons live/>
                <Downloads asked/>
            </PageHead>
            {move || trouble().map(|text| view! {
                <p class="callout warn among" role="status"><Icon name="triangle-alert"/><span>{text}</span></p>
            })}
            <Filters asked/>
            <Chart asked/>
            <Lines asked live/>
        </section>
    }
}

#[component]
fn LiveButtons(live: Live) -> impl IntoView {
    let waiting = move || live.waiting.with(Vec::len);
    let pause = move |_| live.pause(!live.paused.get_untracked());
    view! {
        <Show when=move || live.on.get()>
            <Button small=true on_press=pause icon="pause">
                {move || match (live.paused.get(), waiting()) {
                    (false, _) => "Pause".to_owned(),
                    (true, 0) => "Go on".to_owned(),
                    (true, n) => format!("Go on, {} new", number(n as u64)),
                }}
            </Button>
        </Show>
        <button type="button" class="btn small" aria-pressed=move || live.on.get().to_string()
            on:click=move |_| live.on.update(|on| *on = !*on)><Icon name="activity"/>"Live"</button>
    }
}

#[component]
fn Downloads(asked: Asked) -> impl IntoView {
    let href = move |format: &'static str| {
        move || format!("/api/v1{}", asked.path("/logs/download", &[("format", format.to_owned())]))
    };
    view! {
        <a class="btn small" href=href("text") download="logs.txt"><Icon name="download"/>"Text"</a>
        <a class="btn small" href=href("jsonl") download="logs.jsonl"><Icon name="download"/>"JSON lines"</a>
    }
}

#[component]
fn Filters(asked: Asked) -> impl IntoView {
    let chip = |value, label, tone| Chip { value, label, tone, count: None };
    let levels = vec![
        chip("", "All levels", None),
        chip(">=info", "Info and above", Some(Tone::Info)),
        chip(">=warn", "Warnings and errors", Some(Tone::Warn)),
        chip(">=error", "Errors", Some(Tone::Bad)),
    ];
    let mut kinds = vec![
        chip("", "All sources", None),
        chip("job", "Jobs", None),
        chip("deployment", "Deployments", None),
        chip("build", "Builds", None),
    ];
    if untrack(|| may(Role::Admin)) {
        kinds.push(chip("drydock", "Drydock", None));
    }
    view! {
        <div class="toolbar">
            <SearchBox param=asked.q label="Search logs"/>
            <label class="plain-select"><span class="sr">"Time"</span>
                <select prop:value=move || asked.span.get() on:change:target=move |e| asked.choose(&e.target().value())>
                    {SPANS.map(|(value, words)| view! { <option value=value selected=asked.span.is(value)>{words}</option> })}
                </select></label>
            <Button small=true look=Look::Quiet icon="refresh-cw" on_press=move |_| asked.again()>"Refresh"</Button>
        </div>
        <div class="toolbar">
            <Chips param=asked.level label="Level" chips=Signal::stored(levels)/>
            <Chips param=asked.kind label="Source" chips=Signal::stored(kinds)/>
            <Show when=move || !asked.owner.is("")>
                <button type="button" class="chip" aria-pressed="true" title="Show all of them"
                    on:click=move |_| asked.owner.clear()>"One source alone"<Icon name="x"/></button>
            </Show>
        </div>
        <Help/>
    }
}

/// The language of the search box.
#[component]
fn Help() -> impl IntoView {
    let rows = [
        ("out memory", "lines with all of these words, in any order"),
        ("\"out of memory\"", "the words as a phrase"),
        ("conn*", "words that begin so"),
        ("timeout OR refused", "one or the other; brackets group"),
        ("-debug", "lines without it"),
        ("level:>=warn", "warnings and above"),
        ("job:train, deployment:iris, build:…", "of one source, by its name or id"),
        ("step:7, gpu.id:*", "a field of lines that are JSON; * for any value"),
        ("stream:stderr", "standard error alone"),
    ];
    view! {
        <details class="log-help">
            <summary>"What can be searched for"</summary>
            <dl>{rows.map(|(what, words)| view! { <div><dt><code>{what}</code></dt><dd>{words}</dd></div> })}</dl>
        </details>
    }
}
