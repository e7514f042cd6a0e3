//! Metric series as charts: one chart per quantity, with training and validation in the same picture.

use crate::{
    chart::{ChartTools, LineChart, Series, Settings},
    ui::EmptyState,
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

/// All charts with their shared controls.
#[component]
pub fn MetricCharts(runs: Signal<Vec<RunSeries>>, settings: Settings) -> impl IntoView {
    let groups = Memo::new(move |_| runs.with(|r| group(r)));
    let titles = Memo::new(move |_| groups.with(|g| g.keys().cloned().collect::<Vec<_>>()));
    view! {
        <Show when=move || titles.with(|t| !t.is_empty()) fallback=|| view! {
            <EmptyState icon="chart-line" title="Nothing to draw" text="A chart appears for each metric that is logged more than once. Single values are under Metrics."/>
        }>
            <ChartTools settings/>
            <div class="charts" class:single=move || titles.with(|t| t.len() == 1)>
                <For each=move || titles.get() key=|t| t.clone() let:title>
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
                </For>
            </div>
        </Show>
    }
}
