//! Several runs beside each other: their charts in one picture, what differs between them marked.

use super::{
    charts::{MetricCharts, RunSeries},
    columns::duration,
};
use crate::{
    api::seg,
    chart::{COLOURS, Settings},
    format,
    live::{Remote, remote},
    pages::parts::metric_text,
    ui::{Card, EmptyState, ErrorState, Icon, LinkButton, PageHead, Pill, Skeleton, Status, Tabs, TimeAgo, url::param},
};
use drydock_wire::{
    events::Topic,
    tracking::{MetricSeries, RunDetail, RunSummary},
};
use leptos::prelude::*;
use std::collections::BTreeSet;

#[component]
pub fn ComparePage() -> impl IntoView {
    let ids = param("ids", "");
    let list =
        Memo::new(move |_| ids.get().split(',').filter(|i| !i.is_empty()).map(str::to_owned).collect::<Vec<_>>());
    let without = move |id: &str| {
        let rest = list.with_untracked(|l| l.iter().filter(|i| *i != id).cloned().collect::<Vec<_>>());
        ids.push(&rest.join(","));
    };
    let title = Signal::derive(move || format!("Compare {}", format::plural(list.with(Vec::len) as u64, "run")));
    view! {
        <section class="page">
            <PageHead title><LinkButton href="/runs" icon="list">"Choose others"</LinkButton></PageHead>
            {move || match list.get() {
                ids if ids.is_empty() => view! {
                    <EmptyState icon="git-compare" title="Nothing to compare" text="Choose two or more runs in the list, then press Compare.">
                        <LinkButton href="/runs" icon="list">"Go to the runs"</LinkButton>
                    </EmptyState>
                }.into_any(),
                ids => view! { <Compared ids without=Callback::new(move |id: String| without(&id))/> }.into_any(),
            }}
        </section>
    }
}

/// What is asked for each run.
#[derive(Clone, Copy)]
struct Column {
    run: Remote<RunDetail>,
    series: Remote<Vec<MetricSeries>>,
}

#[component]
fn Compared(ids: Vec<String>, without: Callback<String>) -> impl IntoView {
    let column = |id: &String| {
        let (run, series) = (format!("/runs/{}", seg(id)), format!("/runs/{}/metrics", seg(id)));
        Column {
            run: remote(move || Some(run.clone()), &[Topic::Runs]),
            series: remote(move || Some(series.clone()), &[Topic::Runs]),
        }
    };
    let columns = StoredValue::new(ids.iter().map(column).collect::<Vec<_>>());
    let runs = Memo::new(move |_| {
        columns.with_value(|c| c.iter().filter_map(|c| c.run.data.get().map(|r| r.summary)).collect::<Vec<_>>())
    });
    let series = Signal::derive(move || {
        let one = |(i, c): (usize, &Column)| {
            let name = c.run.data.with(|r| r.as_ref().map(|r| r.summary.name.clone()))?;
            Some(RunSeries { name, colour: i % COLOURS, series: c.series.data.get()? })
        };
        columns.with_value(|c| c.iter().enumerate().filter_map(one).collect::<Vec<_>>())
    });
    let failed = move || columns.with_value(|c| c.iter().find_map(|c| c.run.error.get().map(|e| (e, c.run))));
    let tab = param("tab", "charts");
    let settings = Settings::new("step");
    let tabs =
        vec![("charts", "Charts".to_owned()), ("params", "Parameters".to_owned()), ("metrics", "Metrics".to_owned())];
    view! {
        {move || failed().map(|(error, run)| view! { <ErrorState error retry=move |()| run.refetch()/> })}
        <Show when=move || runs.with(|r| !r.is_empty()) fallback=|| view! { <Skeleton lines=10/> }>
            <Legend runs without/>
            <Tabs param=tab label="What to compare" tabs=tabs.clone()/>
            <div role="tabpanel" class="panel">
                {move || match tab.get().as_str() {
                    "params" => view! { <Params runs/> }.into_any(),
                    "metrics" => view! { <Metrics runs/> }.into_any(),
                    _ => view! { <MetricCharts runs=series settings/> }.into_any(),
                }}
            </div>
        </Show>
    }
}

/// Who has which colour.
#[component]
fn Legend(runs: Memo<Vec<RunSummary>>, without: Callback<String>) -> impl IntoView {
    let one = move |(i, run): (usize, RunSummary)| {
        let (id, remove) = (run.id.clone(), format!("Take out {}", run.name));
        view! {
            <li class="card">
                <i class=format!("dot s{}", i % COLOURS) aria-hidden="true"></i>
                <a class="name" href=format!("/runs/{}", run.id)>{run.name.clone()}</a>
                <Pill status=Status::run(&run.status)/>
                <span class="dim">{duration(&run)}" · "<TimeAgo at=run.started_at/></span>
                <button type="button" class="icon-btn" aria-label=remove on:click=move |_| without.run(id.clone())><Icon name="x"/></button>
            </li>
        }
    };
    view! { <ul class="compared">{move || runs.get().into_iter().enumerate().map(one).collect_view()}</ul> }
}

/// A row of a comparison: its key, a text per run, and whether they differ.
struct Line {
    key: String,
    texts: Vec<Option<String>>,
}

impl Line {
    fn differs(&self) -> bool {
        self.texts.windows(2).any(|pair| pair[0] != pair[1])
    }
}

fn head(runs: &[RunSummary], first: &'static str) -> impl IntoView + use<> {
    let cells = runs.iter().enumerate().map(|(i, r)| {
        view! { <th scope="col"><i class=format!("dot s{}", i % COLOURS) aria-hidden="true"></i>{r.name.clone()}</th> }
    });
    view! { <thead><tr><th scope="col">{first}</th>{cells.collect_view()}</tr></thead> }
}

#[component]
fn Params(runs: Memo<Vec<RunSummary>>) -> impl IntoView {
    let only = param("differing", "");
    let lines = move || {
        runs.with(|runs| {
            let keys: BTreeSet<&str> = runs.iter().flat_map(|r| r.params.iter().map(|p| p.key.as_str())).collect();
            let text = |r: &RunSummary, key: &str| r.params.iter().find(|p| p.key == key).map(|p| p.value.clone());
            let line = |key: &str| Line { key: key.to_owned(), texts: runs.iter().map(|r| text(r, key)).collect() };
            keys.into_iter().map(line).collect::<Vec<_>>()
        })
    };
    let row = |line: Line| {
        let differs = line.differs();
        let cells = line.texts.into_iter().map(|t| match t {
            Some(text) => view! { <td class="mono">{text}</td> }.into_any(),
            None => view! { <td class="dim">"–"</td> }.into_any(),
        });
        view! {
            <tr class:differs=differs><th scope="row">{line.key}{differs.then(|| view! { <span class="sr">" (differs)"</span> })}</th>
                {cells.collect_view()}</tr>
        }
    };
    view! {
        <Card title="Parameters" aside=move || view! {
            <label class="check"><input type="checkbox" prop:checked=move || only.is("1")
                on:change:target=move |e| only.set(if e.target().checked() { "1" } else { "" })/>"Only what differs"</label>
        }>
            {move || {
                let (all, only) = (lines(), only.is("1"));
                let count = all.len();
                let shown: Vec<Line> = all.into_iter().filter(|l| !only || l.differs()).collect();
                match (count, shown.len()) {
                    (0, _) => view! { <p class="dim none">"None of these runs logged a parameter."</p> }.into_any(),
                    (_, 0) => view! { <p class="dim none">"All parameters are the same."</p> }.into_any(),
                    _ => view! {
                        <div class="scroll-x" role="region" aria-label="Parameters of the runs" tabindex="0">
                            <table class="plain lines diff">{runs.with(|r| head(r, "Parameter"))}
                                <tbody>{shown.into_iter().map(row).collect_view()}</tbody></table>
                        </div>
                    }.into_any(),
                }
            }}
        </Card>
    }
}

#[component]
fn Metrics(runs: Memo<Vec<RunSummary>>) -> impl IntoView {
    let body = move || {
        runs.with(|runs| {
            let keys: BTreeSet<&str> = runs.iter().flat_map(|r| r.metrics.iter().map(|m| m.key.as_str())).collect();
            let row = |key: &str| {
                let metrics: Vec<_> = runs.iter().map(|r| r.metrics.iter().find(|m| m.key == key)).collect();
                let numbers = || metrics.iter().filter_map(|m| m.and_then(|m| m.value));
                let (least, most) = (numbers().reduce(f64::min), numbers().reduce(f64::max));
                let spread = least.zip(most).is_some_and(|(a, b)| a < b);
                let cells = metrics.iter().map(|m| {
                    let value = m.and_then(|m| m.value);
                    let mark = if spread && value == most {
                        " ↑"
                    } else if spread && value == least {
                        " ↓"
                    } else {
                        ""
                    };
                    let words = match mark {
                        " ↑" => "greatest",
                        " ↓" => "least",
                        _ => "",
                    };
                    let text = m.map_or("–".to_owned(), metric_text);
                    view! { <td class="num mono" title=words>{text}<span class="mark">{mark}</span></td> }
                });
                view! { <tr><th scope="row">{key.to_owned()}</th>{cells.collect_view()}</tr> }
            };
            keys.into_iter().map(row).collect_view()
        })
    };
    let none = move || runs.with(|r| r.iter().all(|r| r.metrics.is_empty()));
    view! {
        <Card title="Metrics">
            <Show when=move || !none() fallback=|| view! { <p class="dim none">"None of these runs logged a metric."</p> }>
                <p class="dim">"Last values; ↑ marks the greatest and ↓ the least of each row."</p>
                <div class="scroll-x" role="region" aria-label="Metrics of the runs" tabindex="0">
                    <table class="plain lines">{move || runs.with(|r| head(r, "Metric"))}<tbody>{body}</tbody></table>
                </div>
            </Show>
        </Card>
    }
}
