//! What stands around a list: search, filter chips, pages. Their state lives in the address.

use super::{Icon, Show, Tone, url::Param};
use crate::{
    format::{number, plural},
    reactive::effect,
};
use leptos::prelude::*;
use std::time::Duration;

/// A search field; `/` focuses it from anywhere on the page.
#[component]
pub fn SearchBox(
    param: Param,
    /// "Search runs".
    label: &'static str,
    /// Set to its default when the search changes: the page's number, usually.
    #[prop(optional)]
    resets: Option<Param>,
) -> impl IntoView {
    let typed = RwSignal::new(param.get_untracked());
    let waiting = StoredValue::new(None::<TimeoutHandle>);
    // the address follows when the person pauses, so that not every key asks the server
    let on_input = move |text: String| {
        typed.set(text);
        if let Some(handle) = waiting.get_value() {
            handle.clear();
        }
        let later = set_timeout_with_handle(
            move || {
                if let Some(resets) = resets {
                    resets.clear();
                }
                param.set(&typed.get_untracked());
                waiting.set_value(None);
            },
            Duration::from_millis(180),
        );
        waiting.set_value(later.ok());
    };
    // what changes the address otherwise (Back, an example that was chosen) shows in the box, unless somebody is typing
    effect(move || {
        let now = param.get();
        if waiting.with_value(Option::is_none) && typed.with_untracked(|t| *t != now) {
            typed.set(now);
        }
    });
    on_cleanup(move || {
        if let Some(Some(handle)) = waiting.try_get_value() {
            handle.clear();
        }
    });
    view! {
        <label class="search">
            <Icon name="search"/><span class="sr">{label}</span>
            <input type="search" data-search="" placeholder=label prop:value=move || typed.get() spellcheck="false" autocomplete="off"
                on:input:target=move |e| on_input(e.target().value())/>
            <kbd aria-hidden="true">"/"</kbd>
        </label>
    }
}

/// A choice among a few filters.
#[derive(Clone, PartialEq)]
pub struct Chip {
    /// The parameter's value; the first chip is usually the default, "".
    pub value: &'static str,
    pub label: &'static str,
    pub tone: Option<Tone>,
    pub count: Option<u64>,
}

/// Filter chips with counts.
#[component]
pub fn Chips(
    param: Param,
    label: &'static str,
    #[prop(into)] chips: Signal<Vec<Chip>>,
    #[prop(optional)] resets: Option<Param>,
) -> impl IntoView {
    view! {
        <div class="chips" role="group" aria-label=label>
            {move || chips.get().into_iter().map(|chip| view! {
                <button type="button" class=format!("chip {}", chip.tone.map_or("", Tone::class))
                    aria-pressed=move || param.is(chip.value).to_string()
                    on:click=move |_| {
                        if let Some(resets) = resets { resets.clear() }
                        param.set(chip.value);
                    }>
                    {chip.tone.map(|_| view! { <i aria-hidden="true"></i> })}
                    {chip.label}
                    {chip.count.map(|n| view! { " " <b>{number(n)}</b> })}
                </button>
            }).collect_view()}
        </div>
    }
}

/// How many there are, and the way to the next page. `next` comes from `Page::next`; `param` is the address's `page`.
/// Earlier pages are reached with the browser's Back, or with "First page".
#[component]
pub fn Pager(
    param: Param,
    #[prop(into)] total: Signal<u64>,
    #[prop(into)] shown: Signal<usize>,
    #[prop(into)] next: Signal<Option<String>>,
    /// "run".
    noun: &'static str,
) -> impl IntoView {
    let later = move || !param.get().is_empty();
    view! {
        <div class="pager">
            <span class="dim" role="status">{move || match (shown.get() as u64, total.get()) {
                (shown, total) if shown >= total => plural(total, noun),
                (shown, total) => format!("{} of {}", number(shown), plural(total, noun)),
            }}</span>
            <Show when=move || later()>
                <button type="button" class="btn small" on:click=move |_| param.clear()><Icon name="chevron-left"/>"First page"</button>
            </Show>
            <Show when=move || next.with(Option::is_some)>
                <button type="button" class="btn small" on:click=move |_| if let Some(n) = next.get_untracked() { param.push(&n) }>
                    "Next page"<Icon name="chevron-right"/></button>
            </Show>
        </div>
    }
}
