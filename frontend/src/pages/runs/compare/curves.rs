//! One metric's curves of all runs in one picture; few runs get a chart of every metric.

use super::Compared;
use crate::{
    chart::{COLOURS, ChartTools, LineChart, Series, Settings},
    live::{Remote, remote},
    pages::parts::query,
    reactive::memo,
    ui::{Card, Each, EmptyState, Loaded, SearchBox, Show, url::param},
};
use drydock_wire::{
    events::Topic,
    tracking::{RunSeries, RunSummary},
};
use leptos::prelude::*;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// With no more runs than this, several metrics are drawn at once.
const FEW: usize = 12;
const AT_ONCE: usize = 6;
/// Names that a legend can show.
const NAMED: usize = 24;

#[component]
pub fn Curves(it: Compared) -> impl IntoView {
    let settings = Settings::new("step");
    let (key, wanted) = (param("metric", ""), param("charts", ""));
    // metrics by how many of the runs have them
    let keys = memo(move || {
        let mut counts = BTreeMap::<String, usize>::new();
        it.runs.with(|runs| {
            for metric in runs.iter().flat_map(|r| &r.metrics).filter(|m| m.step != 0 || m.at != 0) {
                *counts.entry(metric.key.clone()).or_default() += 1;
            }
        });
        let mut list: Vec<(String, usize)> = counts.into_iter().collect();
        list.sort_by_key(|(k, n)| (k.starts_with("system/"), std::cmp::Reverse(*n), k.clone()));
        list.into_iter().map(|(k, _)| k).collect::<Vec<_>>()
    });
    let few = memo(move || it.runs.with(|r| r.len() <= FEW));
    let drawn = memo(move || {
        let chosen = key.get();
        let text = wanted.get().to_lowercase();
        keys.with(|keys| match (chosen.as_str(), few.get()) {
            ("", true) => keys.iter().filter(|k| k.to_lowercase().contains(&text)).take(AT_ONCE).cloned().collect(),
            ("", false) => keys.iter().take(1).cloned().collect(),
            (one, _) => vec![one.to_owned()],
        })
    });
    view! {
        <Show when=move || keys.with(|k| !k.is_empty()) fallback=|| view! {
            <EmptyState icon="chart-line" title="Nothing to draw" text="None of these runs logged a metric."/>
        }>
            <div class="chart-bar">
                <label class="pick axis"><span>"Metric"</span>
                    <select prop:value=move || { keys.track(); key.get() } on:change:target=move |e| key.set(&e.target().value())>
                        <option value="">{move || if few.get() { "the first six" } else { "the most frequent" }}</option>
                        {move || keys.get().into_iter().map(|k| {
                            let chosen = key.get_untracked() == k;
                            view! { <option value=k.clone() selected=chosen>{k.clone()}</option> }
                        }).collect_view()}
                    </select>
                </label>
                <ChartTools settings/>
                <Show when=move || few.get() && key.is("") && keys.with(|k| k.len() > AT_ONCE)>
                    <SearchBox param=wanted label="Search metrics"/>
                </Show>
            </div>
            <div class="charts" class:single=move || drawn.with(|d: &Vec<String>| d.len() == 1)>
                <Each keys=move || drawn.get() let:metric><One it metric settings/></Each>
            </div>
        </Show>
    }
}

#[component]
fn One(it: Compared, metric: String, settings: Settings) -> impl IntoView {
    let wanted = metric.clone();
    let series: Remote<Vec<RunSeries>> = remote(
        move || {
            let path = query("/run-series", &[("key", wanted.clone())]);
            Some(format!("{path}&{}", it.choice.get()))
        },
        &[Topic::Runs],
    );
    let title = metric.clone();
    view! {
        <Card>
            <h2 class="mono">{title}</h2>
            <Loaded remote=series lines=5 let:list>
                {
                    let lines = Signal::derive(move || it.runs.with(|runs| lines(runs, &list.get())));
                    let legend = untrack(|| it.runs.with(|r| r.len() <= NAMED));
                    view! { <LineChart title=metric.clone() series=lines settings legend/> }
                }
            </Loaded>
        </Card>
    }
}

/// A line per run, each in the colour it has on the whole page.
fn lines(runs: &[RunSummary], series: &[RunSeries]) -> Arc<Vec<Series>> {
    let by_id: HashMap<&str, &RunSeries> = series.iter().map(|s| (s.run_id.as_str(), s)).collect();
    let one = |(i, run): (usize, &RunSummary)| {
        let of = &by_id.get(run.id.as_str())?.series;
        Some(Series {
            label: run.name.clone(),
            steps: of.steps.iter().map(|s| *s as f64).collect(),
            at: of.at.iter().map(|a| *a as f64).collect(),
            values: of.values.iter().map(|v| v.unwrap_or(f64::NAN)).collect(),
            colour: i % COLOURS,
        })
    };
    Arc::new(runs.iter().enumerate().filter_map(one).collect())
}
