//! The lines that were found, newest first: those that came live above the pages that were asked for.

use super::{Asked, line::Row, live::Live};
use crate::{
    api::{self, ApiError},
    live::remote,
    pages::parts::query,
    reactive::effect,
    ui::{Button, EmptyState, Loaded, Look, Show},
};
use drydock_wire::logs::{LogAnswer, LogEntry};
use leptos::{prelude::*, task::spawn_local};

const PAGE: usize = 200;

/// Pages of older lines, behind the first.
#[derive(Clone, Copy)]
struct Older {
    lines: RwSignal<Vec<LogEntry>>,
    next: RwSignal<Option<String>>,
    busy: RwSignal<bool>,
    error: RwSignal<Option<ApiError>>,
}

#[component]
pub fn Lines(asked: Asked, live: Live) -> impl IntoView {
    let limit = [("limit", PAGE.to_string())];
    let first = remote::<LogAnswer>(move || Some(asked.path("/logs", &limit)), &[]);
    let older = Older {
        lines: RwSignal::new(vec![]),
        next: RwSignal::new(None),
        busy: RwSignal::new(false),
        error: RwSignal::new(None),
    };
    effect(move || {
        let next = first.data.with(|a| a.as_ref().and_then(|a| a.next.clone()));
        let newest = first.data.with(|a| a.as_ref().and_then(|a| a.lines.iter().map(|line| line.id).max()));
        older.lines.set(vec![]);
        older.next.set(next);
        live.start_after(newest);
    });
    view! {
        <Loaded remote=first lines=12 let:answer>
            <Found asked live older answer/>
        </Loaded>
    }
}

#[component]
fn Found(asked: Asked, live: Live, older: Older, answer: Signal<LogAnswer>) -> impl IntoView {
    let all = move || {
        let mut all = live.lines.get();
        answer.with(|a| all.extend(a.lines.iter().filter(|line| !live.has(line.id)).cloned()));
        older.lines.with(|lines| all.extend(lines.iter().cloned()));
        all
    };
    let nothing = move || live.lines.with(Vec::is_empty) && answer.with(|a| a.lines.is_empty());
    let empty = move || {
        let text = "Look in more time, take a filter out, or search for fewer words.";
        view! { <EmptyState icon="scroll-text" title="No line matches" text=text/> }
    };
    view! {
        <Show when=move || !nothing() fallback=empty>
            <ol class="log-list card flush" aria-label="Log lines" data-testid="log-list">
                <For each=all key=|line| line.id let:line><Row asked line/></For>
            </ol>
            {move || older.error.get().map(|e| view! { <p class="missing" role="alert">{e.message}</p> })}
            <Show when=move || older.next.with(Option::is_some)>
                <Button look=Look::Quiet busy=older.busy on_press=move |_| older.more(asked)>"Older lines"</Button>
            </Show>
        </Show>
    }
}

impl Older {
    fn more(self, asked: Asked) {
        let Some(before) = self.next.get_untracked() else { return };
        // older than what is there: the beginning of the time is all that bounds it
        let path = untrack(|| asked.path("/logs", &[("limit", PAGE.to_string()), ("before", before)]));
        self.busy.set(true);
        spawn_local(async move {
            let answer = api::get::<LogAnswer>(&path).await;
            let _ = self.busy.try_set(false);
            match answer {
                Ok(answer) => {
                    let _ = self.error.try_set(None);
                    let _ = self.lines.try_update(|lines| lines.extend(answer.lines));
                    let _ = self.next.try_set(answer.next);
                }
                Err(error) => drop(self.error.try_set(Some(error))),
            }
        });
    }
}

/// The address of what stands around a line.
pub fn around(id: u64) -> String {
    query("/logs/context", &[("id", id.to_string()), ("before", "15".into()), ("after", "15".into())])
}
