//! A search through a whole log, made by the server: also through lines that the page does not hold, of a log of any size.

use super::{
    log::{clock, marked},
    query as address,
    tail::plain,
};
use crate::{
    api::{self, ApiError},
    format::{number, plural},
    live::remote,
    ui::{Button, Icon, Loaded, Look, Show},
};
use drydock_wire::{
    jobs::LogLine,
    logs::{LogHits, LogPage},
};
use leptos::{prelude::*, task::spawn_local};

/// Lines shown before and after a hit.
const AROUND: u64 = 8;
const HITS: u32 = 100;

#[derive(Clone, Copy)]
struct Search {
    path: Signal<String>,
    query: Signal<String>,
    text: RwSignal<String>,
    regex: RwSignal<bool>,
    case: RwSignal<bool>,
    busy: RwSignal<bool>,
    hits: RwSignal<Option<Found>>,
    error: RwSignal<Option<ApiError>>,
}

#[derive(Clone, PartialEq)]
struct Found {
    lines: Vec<LogLine>,
    /// Where to go on.
    next: Option<u64>,
    total: u64,
    /// What was searched; empty for an expression, whose hits cannot be marked here.
    marks: String,
}

impl Search {
    fn address(&self, call: &str, pairs: &[(&str, String)]) -> String {
        let (path, own) = untrack(|| (self.path.get(), self.query.get()));
        let rest = address(&format!("{path}/{call}"), pairs);
        if own.is_empty() { rest } else { format!("{rest}&{own}") }
    }

    /// Searches from a line on; later hits come behind those that are there.
    fn run(self, from: u64) {
        let text = self.text.get_untracked();
        if text.is_empty() || self.busy.get_untracked() {
            return;
        }
        let on = |flag: RwSignal<bool>| if flag.get_untracked() { "true".to_owned() } else { String::new() };
        let pairs = [
            ("q", text.clone()),
            ("regex", on(self.regex)),
            ("case", on(self.case)),
            ("from", from.to_string()),
            ("limit", HITS.to_string()),
        ];
        let path = self.address("search", &pairs);
        let marks = if self.regex.get_untracked() { String::new() } else { text };
        self.busy.set(true);
        spawn_local(async move {
            let answer = api::get::<LogHits>(&path).await;
            let _ = self.busy.try_set(false);
            match answer {
                Ok(new) => {
                    let _ = self.error.try_set(None);
                    let mut lines = if from > 0 {
                        self.hits.try_get_untracked().flatten().map(|f| f.lines).unwrap_or_default()
                    } else {
                        vec![]
                    };
                    lines.extend(new.hits.into_iter().map(plain));
                    let _ = self.hits.try_set(Some(Found { lines, next: new.next, total: new.total, marks }));
                }
                Err(error) => drop(self.error.try_set(Some(error))),
            }
        });
    }
}

/// A search through all lines of the log at `path`, folded until somebody wants it.
#[component]
pub fn LogSearch(#[prop(into)] path: Signal<String>, #[prop(into)] query: Signal<String>) -> impl IntoView {
    let search = Search {
        path,
        query,
        text: RwSignal::new(String::new()),
        regex: RwSignal::new(false),
        case: RwSignal::new(false),
        busy: RwSignal::new(false),
        hits: RwSignal::new(None),
        error: RwSignal::new(None),
    };
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        search.run(0);
    };
    let check = |flag: RwSignal<bool>, text: &'static str| {
        view! {
            <label class="check"><input type="checkbox" prop:checked=move || flag.get()
                on:change:target=move |e| flag.set(e.target().checked())/>{text}</label>
        }
    };
    view! {
        <details class="log-search">
            <summary><Icon name="search"/>"Search all lines, on the server"</summary>
            <form class="plain toolbar" novalidate on:submit=submit>
                <label class="search"><Icon name="search"/><span class="sr">"Search all lines"</span>
                    <input type="search" placeholder="Search all lines" bind:value=search.text spellcheck="false" autocomplete="off"/></label>
                {check(search.regex, "Regular expression")}{check(search.case, "Match case")}
                <Button small=true submit=true busy=search.busy>"Search"</Button>
            </form>
            {move || search.error.get().map(|e| view! { <p class="missing" role="alert">{e.message}</p> })}
            <Show when=move || search.hits.with(Option::is_some)><Hits search/></Show>
        </details>
    }
}

#[component]
fn Hits(search: Search) -> impl IntoView {
    let words = move || {
        search.hits.with(|h| {
            h.as_ref().map(|h| {
                let more = if h.next.is_some() { " so far" } else { "" };
                format!("{}{more} in {}.", plural(h.lines.len() as u64, "hit"), plural(h.total, "line"))
            })
        })
    };
    let next = move || search.hits.with(|h| h.as_ref().and_then(|h| h.next));
    let lines = move || search.hits.with(|h| h.as_ref().map(|h| h.lines.clone()).unwrap_or_default());
    view! {
        <p class="dim" role="status">{words}</p>
        <ul class="log-hits card flush">
            <For each=lines key=|l| l.seq let:line><Hit search line/></For>
        </ul>
        <Show when=move || next().is_some()>
            <Button small=true look=Look::Quiet busy=search.busy on_press=move |_| if let Some(from) = untrack(next) { search.run(from) }>"More hits"</Button>
        </Show>
    }
}

#[component]
fn Hit(search: Search, line: LogLine) -> impl IntoView {
    let open = RwSignal::new(false);
    let (seq, at) = (line.seq, line.at);
    let text = StoredValue::new(line.text);
    let marks = move || search.hits.with(|h| h.as_ref().map(|h| h.marks.clone()).unwrap_or_default());
    view! {
        <li>
            <button type="button" class="log-line" aria-expanded=move || open.get().to_string() on:click=move |_| open.update(|o| *o = !*o)>
                <span class="dim">{number(seq + 1)}</span><time>{clock(at)}</time><span>{move || text.with_value(|t| marked(t, &marks()))}</span>
            </button>
            <Show when=move || open.get()><Around search seq/></Show>
        </li>
    }
}

/// The lines around a hit.
#[component]
fn Around(search: Search, seq: u64) -> impl IntoView {
    let from = seq.saturating_sub(AROUND);
    let pairs = [("from", from.to_string()), ("limit", (seq - from + AROUND + 1).to_string())];
    let path = search.address("lines", &pairs);
    let page = remote::<LogPage>(move || Some(path.clone()), &[]);
    view! {
        <div class="log-around" role="region" aria-label="Lines around it" tabindex="0">
            <Loaded remote=page lines=4 let:page>
                {move || page.get().lines.into_iter().map(plain).map(|l| view! {
                    <div class="log-line" class:hit=l.seq == seq class:err=l.stream == "stderr"><time>{clock(l.at)}</time><span>{l.text}</span></div>
                }).collect_view()}
            </Loaded>
        </div>
    }
}
