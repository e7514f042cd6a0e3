//! The tray at the edge of the page: what is on its way, with progress, speed, pause and retry. It stands beside all pages once
//! something was uploaded; what the form on the page shows itself is left out.

use super::{Goal, Item, State};
use crate::{
    format,
    reactive::memo,
    transfer,
    ui::{Icon, Show},
};
use leptos::prelude::*;
use std::cell::Cell;

thread_local! {
    static STANDS: Cell<bool> = const { Cell::new(false) };
}

/// Puts the tray beside the page, once.
pub fn stand() {
    if STANDS.replace(true) {
        return;
    }
    // An owner of its own: what is made while a page handles an event is that page's, and goes with it.
    let page = Owner::current();
    let own = Owner::new_root(None);
    own.with(|| leptos::mount::mount_to_body(Tray));
    match page {
        Some(page) => page.set(),
        None => own.clone().unset(),
    }
    std::mem::forget(own);
}

/// What a list of them shows, and what it leaves to another.
type Listed = Signal<Vec<Item>>;

#[component]
fn Tray() -> impl IntoView {
    let (items, forms) = (transfer::items(), transfer::shown_forms());
    let folded = RwSignal::new(false);
    let all: Listed = Signal::derive(move || {
        let forms = forms.get();
        let here = |item: &&Item| !matches!(&item.goal, Goal::Content(of) if forms.contains(of));
        items.with(|items| items.iter().filter(here).cloned().collect())
    });
    // a button is not drawn anew with each file that ends
    let any = memo(move || !all.with(Vec::is_empty));
    let finished = memo(move || all.with(|all| all.iter().all(|item| item.state.get().is_over())));
    view! {
        {move || any.get().then(|| {
            view! {
                <section class="tray" aria-label="Uploads" data-testid="tray">
                    <div class="tray-head">
                        <Summary items=all/>
                        <button type="button" class="icon-btn" aria-expanded=move || (!folded.get()).to_string()
                            aria-label=move || if folded.get() { "Show the uploads" } else { "Fold the uploads" }
                            on:click=move |_| folded.update(|f| *f = !*f)>
                            {move || view! { <Icon name=if folded.get() { "chevron-up" } else { "chevron-down" }/> }}
                        </button>
                        {move || finished.get().then(|| view! {
                            <button type="button" class="icon-btn" aria-label="Close the uploads" title="Close"
                                on:click=move |_| all.get_untracked().iter().for_each(transfer::remove)><Icon name="x"/></button>
                        })}
                    </div>
                    <Show when=move || !folded.get()>
                        <ul class="tray-list">
                            <For each=move || all.get() key=|item| item.id let:item>{line(item)}</For>
                        </ul>
                    </Show>
                </section>
            }
        })}
    }
}

/// All of it in a line: how many, how much, how fast, how long still.
#[component]
pub fn Summary(items: Listed) -> impl IntoView {
    let figures = move || {
        items.with(|all| {
            let mut sum = Figures { all: all.len(), ..Figures::default() };
            for item in all {
                let state = item.state.get();
                sum.done += usize::from(state == State::Done);
                sum.failed += usize::from(matches!(state, State::Failed(_)));
                sum.paused += usize::from(state == State::Paused);
                sum.bytes += item.size_bytes;
                sum.sent += item.sent_bytes.get();
                sum.speed += item.speed.get();
            }
            sum
        })
    };
    let clear = |figures: &Figures| figures.done > 0 && figures.done < figures.all;
    let drawn = move || {
        let now = figures();
        let share = now.sent as f64 / (now.bytes as f64).max(1.0) * 100.0;
        let clears = clear(&now);
        view! {
            <div class="tray-sum">
                <b role="status">{now.title()}</b><small class="dim num">{now.pace()}</small>
                <span class="bar" role="progressbar" aria-label="All uploads" aria-valuemin="0" aria-valuemax="100" aria-valuenow=format!("{share:.0}")>
                    <i style:width=format!("{share:.1}%")></i></span>
            </div>
            {clears.then(|| view! {
                <button type="button" class="btn small quiet" on:click=move |_| transfer::clear_done()>"Clear finished"</button>
            })}
        }
    };
    drawn
}

#[derive(Default)]
struct Figures {
    all: usize,
    done: usize,
    failed: usize,
    paused: usize,
    bytes: u64,
    sent: u64,
    speed: f64,
}

impl Figures {
    fn title(&self) -> String {
        let files = format::plural(self.all as u64, "file");
        match self {
            _ if self.done == self.all => format!("{files} uploaded"),
            _ if self.done + self.failed == self.all => format!("{} of {files} failed", self.failed),
            _ if self.done + self.failed + self.paused == self.all => format!("{} of {files} paused", self.paused),
            _ => format!("Uploading {} of {files}", (self.done + self.failed + 1).min(self.all)),
        }
    }

    fn pace(&self) -> String {
        if self.speed < 1.0 {
            return format!("{} of {}", format::bytes(self.sent), format::bytes(self.bytes));
        }
        let left = self.bytes.saturating_sub(self.sent) as f64 / self.speed * 1000.0;
        format!("{}/s · {} left", format::bytes(self.speed as u64), format::duration(left as u64))
    }
}

fn line(item: Item) -> impl IntoView {
    let name = last(&item.name).to_owned();
    let title = match &item.goal {
        Goal::Object(bucket) => format!("{bucket}/{}", item.name),
        Goal::Content(_) | Goal::Wheel => item.name.clone(),
    };
    let drawn = item.clone();
    view! {
        <li title=title>
            <Icon name="file"/>
            <div><span class="tray-name">{name}</span><small>{move || progress(&drawn)}</small></div>
            {tools(item)}
        </li>
    }
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Buttons to pause a file, to go on with it, and to take it out.
pub fn tools(item: Item) -> impl IntoView {
    let (pausing, state) = (item.clone(), item.state.clone());
    let label = format!("Take out {}", last(&item.name));
    let tool = move || {
        let item = pausing.clone();
        let named = last(&item.name).to_owned();
        let button = |icon: &'static str, verb: &'static str, press: fn(&Item)| {
            let label = format!("{verb} {named}");
            view! { <button type="button" class="icon-btn" aria-label=label title=verb on:click=move |_| press(&item)><Icon name=icon/></button> }.into_any()
        };
        match state.get() {
            State::Waiting | State::Sending | State::Offline => button("pause", "Pause", transfer::pause),
            State::Paused => button("play", "Go on with", transfer::resume),
            State::Failed(_) => button("rotate-ccw", "Try again", transfer::resume),
            State::Done => ().into_any(),
        }
    };
    view! {
        {tool}
        <button type="button" class="icon-btn" aria-label=label title="Take out" on:click=move |_| transfer::remove(&item)><Icon name="x"/></button>
    }
}

/// How far it is, or what is in its way.
pub fn progress(item: &Item) -> AnyView {
    let sent = item.sent_bytes.get();
    let of = format!("{} of {}", format::bytes(sent), format::bytes(item.size_bytes));
    let dim = |text: String| view! { <span class="dim num">{text}</span> }.into_any();
    match item.state.get() {
        State::Waiting => dim(format!("Waiting · {}", format::bytes(item.size_bytes))),
        State::Paused => dim(format!("Paused · {of}")),
        State::Offline => view! { <span class="warn-text">"No connection; goes on by itself · "{of}</span> }.into_any(),
        State::Done => {
            view! { <span class="good-text"><Icon name="check"/>{format::bytes(item.size_bytes)}</span> }.into_any()
        }
        State::Failed(why) => view! { <span class="missing">{why}</span> }.into_any(),
        State::Sending => {
            let share = sent as f64 / (item.size_bytes as f64).max(1.0) * 100.0;
            let label = format!("{} sent", last(&item.name));
            view! {
                <span class="bar" role="progressbar" aria-label=label aria-valuemin="0" aria-valuemax="100" aria-valuenow=format!("{share:.0}")>
                    <i style:width=format!("{share:.1}%")></i></span>
                <span class="dim num">{of}</span>
            }
            .into_any()
        }
    }
}
