//! The table of runs: fixed columns, and a column for each metric or parameter that is worth one.
//!
//! Without a choice in the address, the metrics that most rows have become columns.

use crate::{
    app::go,
    format,
    pages::parts::metric_text,
    ui::{Icon, Pill, Sort, Status, TimeAgo, url::Param},
};
use drydock_wire::tracking::RunSummary;
use leptos::{ev, prelude::*};
use std::collections::BTreeMap;
use wasm_bindgen::JsCast;

/// Metric columns that are shown when nobody chose.
const AUTOMATIC: usize = 3;

/// A column that depends on what the runs logged.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Logged {
    Metric(String),
    Param(String),
}

impl Logged {
    /// As the address and the server's `sort` have it.
    fn word(&self) -> String {
        match self {
            Self::Metric(key) => format!("metrics.{key}"),
            Self::Param(key) => format!("params.{key}"),
        }
    }

    fn label(&self) -> &str {
        match self {
            Self::Metric(key) | Self::Param(key) => key,
        }
    }

    fn text(&self, run: &RunSummary) -> String {
        let found = match self {
            Self::Metric(key) => run.metrics.iter().find(|m| m.key == *key).map(metric_text),
            Self::Param(key) => run.params.iter().find(|p| p.key == *key).map(|p| p.value.clone()),
        };
        found.unwrap_or_else(|| "–".to_owned())
    }
}

/// Everything that could be a column: metrics by how many rows have them, then parameters.
fn candidates(rows: &[RunSummary]) -> Vec<Logged> {
    let mut metrics = BTreeMap::<&str, usize>::new();
    let mut params = BTreeMap::<&str, usize>::new();
    for run in rows {
        run.metrics.iter().for_each(|m| *metrics.entry(&m.key).or_default() += 1);
        run.params.iter().for_each(|p| *params.entry(&p.key).or_default() += 1);
    }
    let ranked = |counts: BTreeMap<&str, usize>| {
        let mut list: Vec<(String, usize)> = counts.into_iter().map(|(k, n)| (k.to_owned(), n)).collect();
        list.sort_by_key(|(key, n)| (key.starts_with("system/"), std::cmp::Reverse(*n), !held_out(key)));
        list.into_iter().map(|(k, _)| k)
    };
    ranked(metrics).map(Logged::Metric).chain(ranked(params).map(Logged::Param)).collect()
}

/// Figures on data the model did not see say more.
fn held_out(key: &str) -> bool {
    let key = key.to_lowercase();
    ["val", "test", "eval", "holdout", "held_out"].iter().any(|word| key.contains(word))
}

#[component]
pub fn RunsTable(
    rows: Signal<Vec<RunSummary>>,
    sort: Param,
    columns: Param,
    chosen: RwSignal<Vec<String>>,
) -> impl IntoView {
    let all = Memo::new(move |_| rows.with(|r| candidates(r)));
    let logged = Memo::new(move |_| {
        let words = columns.get();
        match words.as_str() {
            "" => all.with(|a| {
                a.iter().filter(|c| matches!(c, Logged::Metric(_))).take(AUTOMATIC).cloned().collect::<Vec<_>>()
            }),
            words => words.split(',').filter_map(parse).collect(),
        }
    });
    let keys = move || rows.with(|l| l.iter().map(|r| r.id.clone()).collect::<Vec<_>>());
    let every = move || rows.with(|l| !l.is_empty() && l.iter().all(|r| chosen.with(|c| c.contains(&r.id))));
    let toggle_every = move |on: bool| {
        let ids = rows.with_untracked(|l| l.iter().map(|r| r.id.clone()).collect::<Vec<_>>());
        chosen.update(|c| {
            c.retain(|id| !ids.contains(id));
            if on {
                c.extend(ids);
            }
        });
    };
    view! {
        <div class="pane" role="region" aria-label="Runs" tabindex="0">
            <table class="grid runs" aria-label="Runs">
                <thead><tr>
                    <th scope="col" class="choose">
                        <input type="checkbox" aria-label="Choose all on this page" prop:checked=every
                            on:change:target=move |e| toggle_every(e.target().checked())/>
                    </th>
                    {heading(sort, "name", "Run", false)}
                    {heading(sort, "status", "Status", false)}
                    <th scope="col" class="wide-only">"Experiment"</th>
                    {move || logged.get().into_iter().map(|c| heading(sort, c.word(), c.label().to_owned(), true)).collect_view()}
                    <th scope="col" class="num">"Duration"</th>
                    {heading(sort, "started_at", "Started", true)}
                    <th class="tools" scope="col"><ColumnPicker all logged columns/></th>
                </tr></thead>
                <tbody><For each=keys key=|k| k.clone() children=move |id| row(id, rows, logged, chosen)/></tbody>
            </table>
        </div>
    }
}

fn parse(word: &str) -> Option<Logged> {
    let (kind, key) = word.split_once('.')?;
    match kind {
        "metrics" => Some(Logged::Metric(key.to_owned())),
        "params" => Some(Logged::Param(key.to_owned())),
        _ => None,
    }
}

fn heading(sort: Param, key: impl Into<String>, label: impl Into<String>, num: bool) -> impl IntoView {
    let key = StoredValue::new(key.into());
    let label: String = label.into();
    let full = label.clone();
    let now = move || Some(Sort::parse(&sort.get())).filter(|s| key.with_value(|k| s.key == *k));
    let press = move |_| {
        let down = match now() {
            Some(s) => !s.descending,
            None => num,
        };
        key.with_value(|key| sort.set(&if down { format!("-{key}") } else { key.clone() }));
    };
    let aria = move || match now() {
        None => "none",
        Some(s) if s.descending => "descending",
        Some(_) => "ascending",
    };
    view! {
        <th scope="col" class:num=num aria-sort=aria title=full>
            <button type="button" on:click=press>
                <span>{label}</span>
                {move || now().map(|s| view! { <Icon name=if s.descending { "arrow-down" } else { "arrow-up" }/> })}
            </button>
        </th>
    }
}

fn row(
    id: String,
    rows: Signal<Vec<RunSummary>>,
    logged: Memo<Vec<Logged>>,
    chosen: RwSignal<Vec<String>>,
) -> impl IntoView {
    let key = StoredValue::new(id);
    let run = Memo::new(move |old: Option<&Option<RunSummary>>| {
        let found = rows.with(|l| key.with_value(|id| l.iter().find(|r| r.id == *id).cloned()));
        found.or_else(|| old.cloned().flatten())
    });
    let part = move |f: fn(&RunSummary) -> AnyView| move || run.with(|r| r.as_ref().map(f));
    let is_chosen = move || key.with_value(|id| chosen.with(|c| c.contains(id)));
    let choose = move |on: bool| {
        let id = key.get_value();
        chosen.update(|c| {
            c.retain(|other| *other != id);
            if on {
                c.push(id);
            }
        });
    };
    let open = move |e: ev::MouseEvent| {
        let inner = e.target().and_then(|t| t.dyn_into::<web_sys::Element>().ok());
        if inner.is_some_and(|t| t.closest("a, button, input, label, td.choose").ok().flatten().is_none()) {
            go(&format!("/runs/{}", key.get_value()));
        }
    };
    let name = move || run.with(|r| r.as_ref().map(|r| r.name.clone())).unwrap_or_default();
    view! {
        <tr class="link" class:chosen=is_chosen on:click=open>
            <td class="choose"><input type="checkbox" aria-label=move || format!("Choose {}", name()) prop:checked=is_chosen
                on:change:target=move |e| choose(e.target().checked())/></td>
            <td><a class="row-link name" href=format!("/runs/{}", key.get_value())>{name}</a></td>
            <td>{part(|r| view! { <Pill status=Status::run(&r.status)/> }.into_any())}</td>
            <td class="wide-only dim">{part(|r| r.experiment_name.clone().into_any())}</td>
            {move || logged.get().into_iter().map(|c| view! {
                <td class="num mono">{move || run.with(|r| r.as_ref().map(|r| c.text(r)))}</td>
            }).collect_view()}
            <td class="num mono">{part(|r| duration(r).into_any())}</td>
            <td class="num dim">{part(|r| view! { <TimeAgo at=r.started_at/> }.into_any())}</td>
            <td class="tools"></td>
        </tr>
    }
}

/// How long the run took, or takes so far.
pub fn duration(run: &RunSummary) -> String {
    let end = run.ended_at.unwrap_or_else(|| crate::app::app().now.get());
    format::duration((end - run.started_at).max(0) as u64)
}

#[component]
fn ColumnPicker(all: Memo<Vec<Logged>>, logged: Memo<Vec<Logged>>, columns: Param) -> impl IntoView {
    let toggle = move |column: &Logged, on: bool| {
        let mut now = logged.get_untracked();
        now.retain(|c| c != column);
        if on {
            now.push(column.clone());
        }
        columns.set(&now.iter().map(Logged::word).collect::<Vec<_>>().join(","));
    };
    let group = move |title: &'static str, wanted: fn(&Logged) -> bool| {
        let list = all.get().into_iter().filter(wanted).collect::<Vec<_>>();
        (!list.is_empty()).then(|| {
            view! {
                <b class="menu-title">{title}</b>
                {list.into_iter().map(|c| {
                    let (label, shown) = (c.label().to_owned(), c.clone());
                    view! {
                        <label class="check">
                            <input type="checkbox" prop:checked=move || logged.with(|l| l.contains(&shown))
                                on:change:target=move |e| toggle(&c, e.target().checked())/>
                            {label}
                        </label>
                    }
                }).collect_view()}
            }
        })
    };
    view! {
        <details class="menu columns">
            <summary class="icon-btn" aria-label="Columns" title="Columns"><Icon name="columns-3"/></summary>
            <div class="menu-list" role="group" aria-label="Columns shown">
                {move || group("Metrics", |c| matches!(c, Logged::Metric(_)))}
                {move || group("Parameters", |c| matches!(c, Logged::Param(_)))}
                <Show when=move || !columns.is("")>
                    <button type="button" class="btn small" on:click=move |_| columns.clear()>"Choose automatically"</button>
                </Show>
            </div>
        </details>
    }
}
