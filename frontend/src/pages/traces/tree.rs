//! The spans of a trace as a tree with a waterfall: what called what, when, and for how long.
//!
//! Arrows move and fold as in any tree. The chosen span and the folded ones are in the address.

use super::{kind_words, micros};
use crate::{
    reactive::memo,
    ui::{Each, Icon, Show, url::Param},
};
use drydock_wire::traces::SpanSummary;
use leptos::{ev, html, prelude::*};
use std::collections::HashSet;
use wasm_bindgen::JsCast;

/// Spans drawn at first, and more at each press.
const AT_ONCE: usize = 1000;

/// Colour of a kind of span: one of the series' colours.
fn colour(kind: &str) -> &'static str {
    match kind {
        "LLM" | "CHAT_MODEL" => "k4",
        "TOOL" => "k2",
        "RETRIEVER" | "RERANKER" => "k1",
        "EMBEDDING" => "k6",
        "AGENT" | "WORKFLOW" => "k3",
        "CHAIN" | "TASK" => "k0",
        "GUARDRAIL" | "EVALUATOR" => "k5",
        _ => "k7",
    }
}

/// Spans that are not below a folded one.
fn visible(spans: &[SpanSummary], folded: &HashSet<String>) -> Vec<SpanSummary> {
    let mut hidden_below = None;
    let mut shown = Vec::with_capacity(spans.len());
    for span in spans {
        if hidden_below.is_some_and(|depth| span.depth > depth) {
            continue;
        }
        hidden_below = folded.contains(&span.id).then_some(span.depth);
        shown.push(span.clone());
    }
    shown
}

#[component]
pub fn SpanTree(
    #[prop(into)] spans: Signal<Vec<SpanSummary>>,
    /// Id of the chosen span; empty: the first.
    chosen: Param,
    /// Ids of folded spans, with commas.
    folded: Param,
) -> impl IntoView {
    let node = NodeRef::<html::Div>::new();
    let most = RwSignal::new(AT_ONCE);
    let folded_ids =
        memo(move || folded.get().split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect::<HashSet<_>>());
    let rows = memo(move || spans.with(|s| folded_ids.with(|f| visible(s, f))));
    let end = memo(move || {
        spans.with(|s| s.iter().map(|s| s.start_us + s.duration_us.unwrap_or(0)).max().unwrap_or(0)).max(1)
    });
    let current = memo(move || {
        let wanted = chosen.get();
        rows.with(|r| r.iter().find(|s| s.id == wanted).or(r.first()).map(|s| s.id.clone())).unwrap_or_default()
    });
    let fold = move |id: &str, on: bool| {
        let mut ids: Vec<String> =
            folded.get_untracked().split(',').filter(|f| !f.is_empty() && *f != id).map(str::to_owned).collect();
        if on {
            ids.push(id.to_owned());
        }
        folded.set(&ids.join(","));
    };
    let on_key = move |e: ev::KeyboardEvent| {
        let list = rows.get_untracked();
        let Some(at) = list.iter().position(|s| s.id == current.get_untracked()) else { return };
        let span = &list[at];
        let to = match e.key().as_str() {
            "ArrowDown" => (at + 1).min(list.len() - 1),
            "ArrowUp" => at.saturating_sub(1),
            "Home" => 0,
            "End" => list.len() - 1,
            "ArrowLeft" if span.children > 0 && !folded_ids.with_untracked(|f| f.contains(&span.id)) => {
                fold(&span.id, true);
                at
            }
            "ArrowLeft" => (0..at).rev().find(|i| list[*i].depth < span.depth).unwrap_or(at),
            "ArrowRight" if folded_ids.with_untracked(|f| f.contains(&span.id)) => {
                fold(&span.id, false);
                at
            }
            "ArrowRight" => (at + 1).min(list.len() - 1),
            _ => return,
        };
        e.prevent_default();
        chosen.set(&list[to].id);
        focus_later(node, to);
    };
    let line = move |id: String| {
        let key = StoredValue::new(id);
        let span = Memo::new(move |old: Option<&Option<SpanSummary>>| {
            let found = rows.with(|r| key.with_value(|id| r.iter().find(|s| s.id == *id).cloned()));
            found.or_else(|| old.cloned().flatten())
        });
        move || span.get().map(|span| row(span, end, current, chosen, folded_ids, fold))
    };
    let ids = move || rows.with(|r| r.iter().take(most.get()).map(|s| s.id.clone()).collect::<Vec<_>>());
    let left = move || rows.with(|r| r.len().saturating_sub(most.get()));
    view! {
        <div class="span-axis" aria-hidden="true">
            <span></span>
            <span class="ticks"><i>"0"</i><i>{move || micros(end.get() / 2)}</i><i>{move || micros(end.get())}</i></span>
        </div>
        <div class="spans" role="tree" aria-label="Spans" node_ref=node on:keydown=on_key>
            <Each keys=ids children=line/>
        </div>
        <Show when=move || { left() > 0 }>
            <button type="button" class="btn small" on:click=move |_| most.update(|m| *m += AT_ONCE)>
                {move || format!("Show more of {} spans", crate::format::number(left() as u64))}
            </button>
        </Show>
    }
}

fn row(
    span: SpanSummary,
    end: Memo<u64>,
    current: Memo<String>,
    chosen: Param,
    folded: Memo<HashSet<String>>,
    fold: impl Fn(&str, bool) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let id = StoredValue::new(span.id.clone());
    let is_current = move || current.with(|c| id.with_value(|id| c == id));
    let is_folded = move || folded.with(|f| id.with_value(|id| f.contains(id)));
    let parent = span.children > 0;
    let share = move |us: u64| format!("{:.3}%", us as f64 / end.get() as f64 * 100.0);
    let (start, length) = (span.start_us, span.duration_us);
    let time = length.map_or_else(|| "running".to_owned(), micros);
    let failed = span.status == "error";
    let kind = kind_words(&span.kind);
    let bar = format!("wf-bar {}{}", colour(&span.kind), if failed { " failed" } else { "" });
    let toggle = move |e: ev::MouseEvent| {
        e.stop_propagation();
        id.with_value(|id| fold(id, !folded.with_untracked(|f| f.contains(id))));
    };
    view! {
        <div role="treeitem" class="span-row" class:chosen=is_current attr:aria-level=(span.depth + 1).to_string()
            aria-selected=move || is_current().to_string() aria-expanded=move || parent.then(|| (!is_folded()).to_string())
            tabindex=move || if is_current() { "0" } else { "-1" } on:click=move |_| chosen.set(&id.get_value())>
            <span class="span-name" style:padding-left=format!("{}px", span.depth.min(24) * 16)>
                <span class="twist" class:none=!parent on:click=toggle>
                    {parent.then(|| view! { {move || view! { <Icon name=if is_folded() { "chevron-right" } else { "chevron-down" }/> }} })}
                </span>
                {failed.then(|| view! { <span class="bad-mark" title="Failed"><Icon name="circle-alert"/><span class="sr">"Failed: "</span></span> })}
                <span class="span-label" title=span.name.clone()>{span.name.clone()}</span>
                {kind.map(|kind| view! { <span class=format!("kind {}", colour(&span.kind))>{kind}</span> })}
            </span>
            <span class="wf">
                <i class=bar style:left=move || share(start) style:width=move || share(length.unwrap_or(end.get().saturating_sub(start)))></i>
                <span class="wf-time num">{time}</span>
            </span>
        </div>
    }
}

/// After the next frame, when the row that is to have the focus is there.
fn focus_later(node: NodeRef<html::Div>, place: usize) {
    request_animation_frame(move || {
        let row = node.get_untracked().and_then(|n| n.children().item(place as u32));
        if let Some(row) = row.and_then(|r| r.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = row.focus();
        }
    });
}
