//! Metric series as charts: one chart per quantity, with training and validation in the same picture.

use crate::{
    chart::{ChartTools, LineChart, Series, Settings},
    format::plural,
    reactive::memo,
    ui::{
        Each, EmptyState, Icon, SearchBox, Show,
        url::{Param, param},
    },
};
use drydock_wire::tracking::MetricSeries;
use leptos::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

/// The series of one run, with the name and colour it has in comparisons.
#[derive(Clone, PartialEq)]
pub struct RunSeries {
    pub name: String,
    pub colour: usize,
    pub series: Vec<MetricSeries>,
}

/// `val/loss`, `training_loss` and `loss` are the same quantity on other data.
fn quantity(key: &str) -> &str {
    const DATA: [&str; 10] =
        ["training", "train", "validation", "valid", "val", "testing", "test", "eval", "holdout", "held_out"];
    for word in DATA {
        let rest = key.strip_prefix(word).and_then(|r| r.strip_prefix(['/', '_', '-', '.', ' ']));
        let rest = rest.or_else(|| key.strip_suffix(word).and_then(|r| r.strip_suffix(['/', '_', '-', '.', ' '])));
        if let Some(rest) = rest.filter(|r| !r.is_empty()) {
            return rest;
        }
    }
    key
}

/// One line; a comparison names it after its run.
fn line(run: &RunSeries, of: &MetricSeries, several_runs: bool, several_keys: bool, colour: usize) -> Series {
    let label = match (several_runs, several_keys) {
        (false, _) => of.key.clone(),
        (true, false) => run.name.clone(),
        (true, true) => format!("{} · {}", run.name, of.key),
    };
    Series {
        label,
        steps: of.steps.iter().map(|s| *s as f64).collect(),
        at: of.at.iter().map(|a| *a as f64).collect(),
        values: of.values.iter().map(|v| v.unwrap_or(f64::NAN)).collect(),
        colour,
    }
}

/// Charts of everything that has more than one point. `together`: quantities share a chart per data set (one run);
/// otherwise a chart per key with a line per run.
pub fn group(runs: &[RunSeries]) -> BTreeMap<String, Arc<Vec<Series>>> {
    let several_runs = runs.len() > 1;
    let drawn = |s: &&MetricSeries| s.steps.len() > 1;
    let mut groups = BTreeMap::<String, Vec<Series>>::new();
    for run in runs {
        for series in run.series.iter().filter(drawn) {
            let title = if several_runs { series.key.as_str() } else { quantity(&series.key) };
            let lines = groups.entry(title.to_owned()).or_default();
            let colour = if several_runs { run.colour } else { lines.len() };
            lines.push(line(run, series, several_runs, false, colour));
        }
    }
    groups.into_iter().map(|(title, lines)| (title, Arc::new(lines))).collect()
}

/// The part of a title that several share: `system/cpu` is of `system`; nothing for a title without one.
fn section_of(title: &str) -> &str {
    title.split_once('/').map_or("", |(section, _)| section)
}

/// All charts with their shared controls: those without a prefix first, then a section per prefix, the machine's own last.
#[component]
pub fn MetricCharts(runs: Signal<Vec<RunSeries>>, settings: Settings) -> impl IntoView {
    let groups = memo(move || runs.with(|r| group(r)));
    let wanted = param("charts", "");
    // open unless the address says otherwise; the machine's own figures are shut until asked for
    let shut = param("shut", "system");
    let all = memo(move || groups.with(|g| g.keys().cloned().collect::<Vec<_>>()));
    let titles = memo(move || {
        let text = wanted.get().to_lowercase();
        all.with(|all| all.iter().filter(|t| t.to_lowercase().contains(&text)).cloned().collect::<Vec<_>>())
    });
    let sections = memo(move || {
        let mut sections: Vec<String> = titles.with(|t| t.iter().map(|t| section_of(t).to_owned()).collect());
        sections.sort_by_key(|s| (s == "system", s.clone()));
        sections.dedup();
        sections
    });
    view! {
        <Show when=move || all.with(|t| !t.is_empty()) fallback=|| view! {
            <EmptyState icon="chart-line" title="Nothing to draw" text="A chart appears for each metric that is logged more than once. Single values are in the overview."/>
        }>
            <div class="chart-bar">
                <ChartTools settings/>
                <Show when=move || all.with(|t| t.len() > 6)>
                    <SearchBox param=wanted label="Search charts"/>
                </Show>
            </div>
            <Each keys=move || sections.get() let:section>
                <Section section titles groups settings shut/>
            </Each>
            <Show when=move || titles.with(Vec::is_empty)><p class="dim none">"No chart has that in its name."</p></Show>
        </Show>
    }
}

type Groups = Memo<BTreeMap<String, Arc<Vec<Series>>>>;

#[component]
fn Section(
    section: String,
    titles: Memo<Vec<String>>,
    groups: Groups,
    settings: Settings,
    shut: Param,
) -> impl IntoView {
    let name = StoredValue::new(section.clone());
    let own = memo(move || {
        titles.with(|t| t.iter().filter(|t| name.with_value(|n| section_of(t) == n)).cloned().collect::<Vec<_>>())
    });
    let is_shut = move || name.with_value(|n| !n.is_empty() && shut.get().split(',').any(|s| s == n));
    let toggle = move |_| {
        let now = untrack(|| shut.get());
        let mut list: Vec<String> = now.split(',').filter(|s| !s.is_empty() && *s != "-").map(str::to_owned).collect();
        let own = name.get_value();
        match list.iter().position(|s| *s == own) {
            Some(at) => drop(list.remove(at)),
            None => list.push(own),
        }
        // an empty list differs from the default one
        shut.set(&if list.is_empty() { "-".to_owned() } else { list.join(",") });
    };
    let head = if section.is_empty() {
        ().into_any()
    } else {
        let words = if section == "system" { "The machine (system)".to_owned() } else { section };
        view! {
            <button type="button" class="section-head" aria-expanded=move || (!is_shut()).to_string() on:click=toggle>
                {move || view! { <Icon name=if is_shut() { "chevron-right" } else { "chevron-down" }/> }}
                <b>{words}</b><span class="dim">{move || plural(own.with(Vec::len) as u64, "chart")}</span>
            </button>
        }
        .into_any()
    };
    view! {
        {head}
        <Show when=move || !is_shut()>
            <div class="charts" class:single=move || own.with(|t| t.len() == 1)>
                <Each keys=own let:title>
                    {
                        let key = title.clone();
                        let series = Signal::derive(move || groups.with(|g| g.get(&key).cloned().unwrap_or_default()));
                        let head = title.clone();
                        view! {
                            <section class="card">
                                <h2 class="mono">{head}</h2>
                                <LineChart title series settings/>
                            </section>
                        }
                    }
                </Each>
            </div>
        </Show>
    }
}
