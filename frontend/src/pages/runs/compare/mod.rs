//! Many runs beside each other: curves of one metric, scatter, parallel coordinates, what differs, last values.
//!
//! Which runs stands in the address: ids, the id of a kept list, or a filter; so does everything that is chosen on the page. All
//! values come in one request, and one more brings a metric's curves of all runs.

mod axes;
mod curves;
mod parallel;
mod scatter;
mod tables;

use super::columns::duration;
use crate::{
    api::seg,
    chart::COLOURS,
    format,
    live::remote,
    pages::parts::query,
    reactive::memo,
    ui::{EmptyState, Icon, LinkButton, Loaded, PageHead, Pill, Show, Status, Tabs, TimeAgo, url::param},
};
use drydock_wire::{Page, events::Topic, tracking::RunSummary};
use leptos::prelude::*;
use std::{collections::HashSet, sync::Arc};

/// The server gives no more.
const MOST: usize = 500;
/// More cards than this say nothing.
const LISTED: usize = 12;

/// The runs of a comparison and which of them a brush left in sight.
#[derive(Clone, Copy)]
pub struct Compared {
    pub runs: Memo<Arc<Vec<RunSummary>>>,
    /// Ids that the axes' brushes hide.
    pub hidden: RwSignal<HashSet<String>>,
    /// The parameters that choose the runs: `ids=…`.
    pub choice: Memo<String>,
}

impl Compared {
    pub fn shown(&self) -> Vec<(usize, RunSummary)> {
        self.hidden.with(|hidden| {
            self.runs.with(|r| {
                r.iter().enumerate().filter(|(_, r)| !hidden.contains(&r.id)).map(|(i, r)| (i, r.clone())).collect()
            })
        })
    }
}

#[component]
pub fn ComparePage() -> impl IntoView {
    let (ids, set, all) = (param("ids", ""), param("set", ""), param("all", ""));
    let (search, experiment, status) = (param("search", ""), param("experiment", ""), param("status", ""));
    let choice = memo(move || {
        let pairs = [
            ("ids", ids.get()),
            ("set", set.get()),
            ("search", search.get()),
            ("experiment", experiment.get()),
            ("status", status.get()),
        ];
        query("", &pairs).trim_start_matches('?').to_owned()
    });
    let nothing = move || choice.with(String::is_empty) && !all.is("1");
    let page = remote::<Page<RunSummary>>(
        move || (!nothing()).then(|| format!("/runs?limit={MOST}&{}", choice.get())),
        &[Topic::Runs],
    );
    let count = move || page.data.with(|p| p.as_ref().map_or(0, |p| p.items.len()));
    let title = Signal::derive(move || match count() {
        0 => "Compare runs".to_owned(),
        n => format!("Compare {}", format::plural(n as u64, "run")),
    });
    let without = Callback::new(move |id: String| {
        let rest = untrack(|| ids.get()).split(',').filter(|i| *i != id).collect::<Vec<_>>().join(",");
        ids.push(&rest);
    });
    view! {
        <section class="page">
            <PageHead title><LinkButton href="/runs" icon="list">"Choose others"</LinkButton></PageHead>
            {move || if nothing() {
                view! {
                    <EmptyState icon="git-compare" title="Nothing to compare" text="Choose two or more runs in the list, then press Compare.">
                        <LinkButton href="/runs" icon="list">"Go to the runs"</LinkButton>
                    </EmptyState>
                }.into_any()
            } else {
                view! { <Loaded remote=page lines=10 let:page><Body page choice without by_id=!ids.is("")/></Loaded> }.into_any()
            }}
        </section>
    }
}

#[component]
fn Body(page: Signal<Page<RunSummary>>, choice: Memo<String>, without: Callback<String>, by_id: bool) -> impl IntoView {
    let runs = memo(move || Arc::new(page.with(|p| p.items.clone())));
    let it = Compared { runs, hidden: RwSignal::new(HashSet::new()), choice };
    let tab = param("tab", "charts");
    let tabs = [
        ("charts", "Curves"),
        ("scatter", "Scatter"),
        ("parallel", "Parallel"),
        ("params", "Parameters"),
        ("metrics", "Metrics"),
    ];
    let left_out = move || page.with(|p| p.total.saturating_sub(p.items.len() as u64));
    view! {
        <Show when=move || runs.with(|r| !r.is_empty()) fallback=|| view! {
            <EmptyState icon="git-compare" title="No run matches any more" text="They may have been deleted, or the filter finds none."/>
        }>
            <Show when=move || { left_out() > 0 }>
                <p class="callout info"><Icon name="info"/><span>{move || format!("The first {MOST} are compared; {} are left out. Filter more narrowly to see those.", format::plural(left_out(), "run"))}</span></p>
            </Show>
            <Show when=move || runs.with(|r| r.len() <= LISTED)><Legend runs without by_id/></Show>
            <Tabs param=tab label="What to compare" tabs=tabs.map(|(k, t)| (k, t.to_owned())).to_vec()/>
            <div role="tabpanel" class="panel">
                {move || match tab.get().as_str() {
                    "scatter" => view! { <scatter::Scatter it/> }.into_any(),
                    "parallel" => view! { <parallel::Parallel it/> }.into_any(),
                    "params" => view! { <tables::Params it/> }.into_any(),
                    "metrics" => view! { <tables::Metrics it/> }.into_any(),
                    _ => view! { <curves::Curves it/> }.into_any(),
                }}
            </div>
        </Show>
    }
}

/// Who has which colour.
#[component]
fn Legend(runs: Memo<Arc<Vec<RunSummary>>>, without: Callback<String>, by_id: bool) -> impl IntoView {
    let one = move |(i, run): (usize, RunSummary)| {
        let (id, remove) = (run.id.clone(), format!("Take out {}", run.name));
        view! {
            <li class="card">
                <i class=format!("dot s{}", i % COLOURS) aria-hidden="true"></i>
                <a class="name" href=format!("/runs/{}", seg(&run.id))>{run.name.clone()}</a>
                <Pill status=Status::run(&run.status)/>
                <span class="dim">{duration(&run)}" · "<TimeAgo at=run.started_at/></span>
                {by_id.then(|| view! {
                    <button type="button" class="icon-btn" aria-label=remove on:click=move |_| without.run(id.clone())><Icon name="x"/></button>
                })}
            </li>
        }
    };
    view! { <ul class="compared">{move || runs.get().iter().cloned().enumerate().map(one).collect_view()}</ul> }
}
