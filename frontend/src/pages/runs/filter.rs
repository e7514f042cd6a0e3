//! The filter box: MLflow's filter language with completion, or plain words. What the server finds wrong is shown at its place.

use crate::{
    api::{self, ApiError},
    format::plural,
    grammar::{self, Expect, Known, Offer},
    pages::parts::query,
    reactive::effect,
    ui::{Icon, Show, url::Param},
};
use drydock_wire::{
    ErrorCode,
    tracking::{KeyCount, RunKeys},
};
use leptos::{ev, html, prelude::*, task::spawn_local};
use std::time::Duration;

/// The address follows when the person pauses.
const PAUSE: Duration = Duration::from_millis(350);
const SHOWN: usize = 12;

#[derive(Clone, Copy)]
struct Entry {
    typed: RwSignal<String>,
    offers: RwSignal<Vec<Offer>>,
    /// Where an offer goes: characters from, to.
    span: RwSignal<(usize, usize)>,
    active: RwSignal<Option<usize>>,
    open: RwSignal<bool>,
    node: NodeRef<html::Input>,
    asked: StoredValue<u64>,
    keys: RwSignal<Option<RunKeys>>,
    experiment: Param,
    param: Param,
    waiting: StoredValue<Option<TimeoutHandle>>,
}

#[component]
pub fn FilterBox(
    param: Param,
    experiment: Param,
    keys: RwSignal<Option<RunKeys>>,
    /// What the server said about the filter.
    #[prop(into)]
    error: Signal<Option<ApiError>>,
) -> impl IntoView {
    let it = Entry {
        typed: RwSignal::new(param.get_untracked()),
        offers: RwSignal::new(vec![]),
        span: RwSignal::new((0, 0)),
        active: RwSignal::new(None),
        open: RwSignal::new(false),
        node: NodeRef::new(),
        asked: StoredValue::new(0),
        keys,
        experiment,
        param,
        waiting: StoredValue::new(None),
    };
    // the address may change without the box: Back, a saved view, "Clear filters"
    effect(move || {
        let text = param.get();
        let own = it
            .node
            .get_untracked()
            .is_some_and(|n| document().active_element().is_some_and(|a| a.is_same_node(Some(&n))));
        if !own && it.typed.get_untracked() != text {
            it.typed.set(text);
        }
    });
    on_cleanup(move || {
        if let Some(Some(handle)) = it.waiting.try_get_value() {
            handle.clear();
        }
    });
    let wrong = move || error.get().filter(|e| e.code == ErrorCode::InvalidRequest && !param.is(""));
    let listed = move || it.open.get() && it.offers.with(|o| !o.is_empty());
    view! {
        <div class="filter">
            <label class="search" class:wrong=move || wrong().is_some()>
                <Icon name="filter"/><span class="sr">"Filter runs"</span>
                <input type="search" data-search="" node_ref=it.node class="mono" placeholder="metrics.accuracy > 0.9 and params.lr = '0.1'"
                    spellcheck="false" autocomplete="off" autocapitalize="off" role="combobox" aria-autocomplete="list" aria-controls="filter-offers"
                    aria-expanded=move || listed().to_string() aria-invalid=move || wrong().map(|_| "true") aria-describedby="filter-note"
                    aria-activedescendant=move || it.active.get().filter(|_| listed()).map(|i| format!("offer-{i}"))
                    prop:value=move || it.typed.get()
                    on:input:target=move |e| { it.typed.set(e.target().value()); it.open.set(true); it.complete(); it.commit_soon() }
                    on:click=move |_| { it.open.set(true); it.complete() }
                    on:focus=move |_| it.complete()
                    on:blur=move |_| { it.open.set(false); it.commit() }
                    on:keydown=move |e| it.key(&e)/>
                <Show when=move || !it.typed.with(String::is_empty)>
                    <button type="button" class="icon-btn" aria-label="Clear the filter" on:click=move |_| { it.typed.set(String::new()); it.commit() }><Icon name="x"/></button>
                </Show>
                <kbd aria-hidden="true">"/"</kbd>
            </label>
            <ul id="filter-offers" class="offers" role="listbox" aria-label="What may come next" hidden=move || !listed()>
                {move || it.offers.get().into_iter().enumerate().map(|(i, o)| view! {
                    <li role="option" id=format!("offer-{i}") aria-selected=move || (it.active.get() == Some(i)).to_string()
                        on:mousedown=move |e| { e.prevent_default(); it.take(i) }>
                        <code>{o.label}</code><span>{o.note}</span>
                    </li>
                }).collect_view()}
            </ul>
            <p id="filter-note" class="filter-note" role="status">{move || wrong().map(|e| view! { <Wrong text=param.get() error=e/> })}</p>
        </div>
    }
}

/// The filter with the place that is wrong, and why.
#[component]
fn Wrong(text: String, error: ApiError) -> impl IntoView {
    let place = grammar::pointed_at(&error.message).map(|at| at.saturating_sub(1));
    let shown = place.map(|at| {
        let chars: Vec<char> = text.chars().collect();
        let at = at.min(chars.len());
        let end = (at + 1..chars.len()).find(|i| chars[*i].is_whitespace()).unwrap_or(chars.len());
        let part = |from: usize, to: usize| chars[from..to].iter().collect::<String>();
        let bad = if at == chars.len() { "⎵".to_owned() } else { part(at, end) };
        view! { <code class="where">{part(0, at)}<mark>{bad}</mark>{part(end.min(chars.len()), chars.len())}</code> }
    });
    view! { {shown}<span>{error.message}</span> }
}

impl Entry {
    fn caret(self) -> usize {
        let node = self.node.get_untracked();
        let units = node.and_then(|n| n.selection_end().ok().flatten()).unwrap_or(u32::MAX) as usize;
        // the browser counts UTF-16 units
        let mut seen = 0;
        self.typed.with_untracked(|t| {
            t.chars()
                .take_while(|c| {
                    seen += c.len_utf16();
                    seen <= units
                })
                .count()
        })
    }

    fn complete(self) {
        let caret = self.caret();
        let before: String = self.typed.with_untracked(|t| t.chars().take(caret).collect());
        let place = grammar::place(&before);
        self.span.set((place.from, caret));
        self.active.set(None);
        self.asked.update_value(|n| *n += 1);
        match place.expect {
            Expect::Subject => self.show(grammar::subjects(&place.typed, &self.known())),
            Expect::Operator(subject) => self.show(grammar::operators(&subject, &place.typed)),
            Expect::And => {
                let fits = "and".starts_with(&place.typed.to_lowercase()) && before.ends_with(char::is_whitespace);
                self.show(if fits {
                    vec![Offer { text: "and ".into(), label: "and".into(), note: "another condition".into() }]
                } else {
                    vec![]
                });
            }
            Expect::Value(subject) => {
                let part = place.typed.trim_matches(['\'', '"']).to_owned();
                if let Some(fixed) = grammar::fixed_values(&subject) {
                    let fits = fixed.into_iter().filter(|v| v.starts_with(&part.to_uppercase()));
                    return self.show(fits.map(|v| value(v, String::new())).collect());
                }
                match grammar::value_source(&subject) {
                    Some(of) => self.ask_values(of, part),
                    None => self.show(vec![]),
                }
            }
        }
    }

    fn known(self) -> Vec<Known> {
        self.keys.with_untracked(|keys| {
            let Some(k) = keys else { return vec![] };
            let of = |entity: &'static str, list: &[KeyCount]| {
                list.iter().map(|k| (entity, k.key.clone(), k.runs)).collect::<Vec<Known>>()
            };
            [of("metrics", &k.metrics), of("params", &k.params), of("tags", &k.tags)].concat()
        })
    }

    fn ask_values(self, of: String, part: String) {
        self.show(vec![]);
        let asked = self.asked.get_value();
        let path = query("/run-values", &[("of", of), ("part", part), ("experiment", self.experiment.get_untracked())]);
        spawn_local(async move {
            let Ok(found) = api::get::<Vec<KeyCount>>(&path).await else { return };
            if self.asked.try_get_value() == Some(asked) {
                self.show(found.into_iter().map(|v| value(&v.key, plural(v.runs, "run"))).collect());
            }
        });
    }

    fn show(self, mut offers: Vec<Offer>) {
        offers.truncate(SHOWN);
        self.offers.set(offers);
    }

    fn take(self, index: usize) {
        let Some(offer) = self.offers.with_untracked(|o| o.get(index).cloned()) else { return };
        let (from, to) = self.span.get_untracked();
        let chars: Vec<char> = self.typed.get_untracked().chars().collect();
        let (from, to) = (from.min(chars.len()), to.min(chars.len()));
        let head: String = chars[..from].iter().collect();
        let gap = if head.is_empty() || head.ends_with([' ', '(']) { "" } else { " " };
        let head = format!("{head}{gap}{}", offer.text);
        let tail: String = chars[to..].iter().collect();
        let caret = head.encode_utf16().count() as u32;
        let text = format!("{head}{}", tail.trim_start());
        self.typed.set(text.clone());
        if let Some(node) = self.node.get_untracked() {
            node.set_value(&text);
            let _ = node.set_selection_range(caret, caret);
        }
        self.complete();
        self.commit_soon();
    }

    fn key(self, e: &ev::KeyboardEvent) {
        let count = self.offers.with_untracked(Vec::len);
        let listed = self.open.get_untracked() && count > 0;
        match e.key().as_str() {
            "ArrowDown" if listed => self.active.update(|a| *a = Some(a.map_or(0, |i| (i + 1) % count))),
            "ArrowUp" if listed => self.active.update(|a| *a = Some(a.map_or(count - 1, |i| (i + count - 1) % count))),
            "ArrowDown" => {
                self.open.set(true);
                self.complete();
            }
            "Enter" | "Tab" if listed && self.active.get_untracked().is_some() => {
                self.take(self.active.get_untracked().unwrap_or(0));
            }
            "Enter" => {
                self.open.set(false);
                self.commit();
            }
            "Escape" if listed => self.open.set(false),
            _ => return,
        }
        e.prevent_default();
        e.stop_propagation();
    }

    fn commit_soon(self) {
        // what is half typed would only be found wrong
        let when_whole = move || {
            if self.typed.try_with_untracked(|t| grammar::is_whole(t)) == Some(true)
                && (self.offers.with_untracked(Vec::is_empty)
                    || self.typed.with_untracked(|t| t.trim().contains(' ') || t.is_empty()))
            {
                self.commit();
            }
        };
        let later = set_timeout_with_handle(when_whole, PAUSE);
        self.waiting.update_value(|w| {
            if let Some(old) = std::mem::replace(w, later.ok()) {
                old.clear();
            }
        });
    }

    fn commit(self) {
        if let Some(text) = self.typed.try_get_untracked() {
            self.param.set(text.trim());
        }
    }
}

fn value(text: &str, note: String) -> Offer {
    let quoted = grammar::quoted(text);
    Offer { text: format!("{quoted} "), label: quoted, note }
}
