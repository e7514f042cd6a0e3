//! Parameters and last values side by side. Beyond a few runs each row is a run, since hundreds of columns cannot be read.

use super::Compared;
use crate::{
    chart::COLOURS,
    pages::parts::metric_text,
    ui::{Card, url::param},
};
use drydock_wire::tracking::RunSummary;
use leptos::prelude::*;
use std::collections::BTreeSet;

/// Runs as columns; with more, the rows are runs.
const COLUMNS: usize = 8;
const KEYS: usize = 60;

/// A key, a text per run, and whether they differ.
#[derive(Clone)]
struct Line {
    key: String,
    texts: Vec<Option<String>>,
}

impl Line {
    fn differs(&self) -> bool {
        self.texts.windows(2).any(|pair| pair[0] != pair[1])
    }
}

fn name(i: usize, run: &RunSummary) -> impl IntoView + use<> {
    view! { <i class=format!("dot s{}", i % COLOURS) aria-hidden="true"></i><a class="name" href=format!("/runs/{}", run.id)>{run.name.clone()}</a> }
}

fn cell(text: Option<String>, differs: bool) -> AnyView {
    match text {
        Some(text) => view! { <td class="mono" class:differs=differs>{text}</td> }.into_any(),
        None => view! { <td class="dim" class:differs=differs>"–"</td> }.into_any(),
    }
}

/// Keys down and runs across, or the other way round.
fn table(runs: Vec<(usize, RunSummary)>, lines: Vec<Line>, label: &'static str, first: &'static str) -> AnyView {
    let body = if runs.len() <= COLUMNS {
        let head = runs.iter().map(|(i, r)| view! { <th scope="col">{name(*i, r)}</th> }).collect_view();
        let row = |line: Line| {
            let differs = line.differs();
            let cells = line.texts.into_iter().map(|t| cell(t, false)).collect_view();
            view! {
                <tr class:differs=differs><th scope="row">{line.key}{differs.then(|| view! { <span class="sr">" (differs)"</span> })}</th>{cells}</tr>
            }
        };
        view! { <table class="plain lines diff"><thead><tr><th scope="col">{first}</th>{head}</tr></thead>
        <tbody>{lines.into_iter().map(row).collect_view()}</tbody></table> }
        .into_any()
    } else {
        let head = lines.iter().map(|l| view! { <th scope="col">{l.key.clone()}</th> }).collect_view();
        let row = |(place, (i, run)): (usize, &(usize, RunSummary))| {
            let cells = lines.iter().map(|l| cell(l.texts[place].clone(), false)).collect_view();
            view! { <tr><th scope="row">{name(*i, run)}</th>{cells}</tr> }
        };
        let rows = runs.iter().enumerate().map(row).collect_view();
        view! { <table class="plain lines"><thead><tr><th scope="col">"Run"</th>{head}</tr></thead><tbody>{rows}</tbody></table> }
            .into_any()
    };
    view! { <div class="scroll-x tall" role="region" aria-label=label tabindex="0">{body}</div> }.into_any()
}

#[component]
pub fn Params(it: Compared) -> impl IntoView {
    let only = param("differing", "");
    let body = move || {
        let runs = it.shown();
        let keys: BTreeSet<String> = runs.iter().flat_map(|(_, r)| r.params.iter().map(|p| p.key.clone())).collect();
        let text = |r: &RunSummary, key: &str| r.params.iter().find(|p| p.key == key).map(|p| p.value.clone());
        let all: Vec<Line> = keys
            .into_iter()
            .map(|key| Line { texts: runs.iter().map(|(_, r)| text(r, &key)).collect(), key })
            .collect();
        let (count, only) = (all.len(), only.is("1"));
        let shown: Vec<Line> = all.into_iter().filter(|l| !only || l.differs()).take(KEYS).collect();
        match (count, shown.len()) {
            (0, _) => view! { <p class="dim none">"None of these runs logged a parameter."</p> }.into_any(),
            (_, 0) => view! { <p class="dim none">"All parameters are the same."</p> }.into_any(),
            _ => table(runs, shown, "Parameters of the runs", "Parameter"),
        }
    };
    view! {
        <Card title="Parameters" aside=move || view! {
            <label class="check"><input type="checkbox" prop:checked=move || only.is("1")
                on:change:target=move |e| only.set(if e.target().checked() { "1" } else { "" })/>"Only what differs"</label>
        }>{body}</Card>
    }
}

#[component]
pub fn Metrics(it: Compared) -> impl IntoView {
    let body = move || {
        let runs = it.shown();
        let keys: BTreeSet<String> = runs.iter().flat_map(|(_, r)| r.metrics.iter().map(|m| m.key.clone())).collect();
        let lines: Vec<Line> = keys.into_iter().take(KEYS).map(|key| marked(&runs, key)).collect();
        match lines.is_empty() {
            true => view! { <p class="dim none">"None of these runs logged a metric."</p> }.into_any(),
            false => table(runs, lines, "Metrics of the runs", "Metric"),
        }
    };
    view! {
        <Card title="Metrics" aside=|| view! { <small class="dim">"last values; ↑ the greatest, ↓ the least of each metric"</small> }>{body}</Card>
    }
}

fn marked(runs: &[(usize, RunSummary)], key: String) -> Line {
    let metrics: Vec<_> = runs.iter().map(|(_, r)| r.metrics.iter().find(|m| m.key == key)).collect();
    let numbers = || metrics.iter().filter_map(|m| m.and_then(|m| m.value));
    let (least, most) = (numbers().reduce(f64::min), numbers().reduce(f64::max));
    let spread = least.zip(most).is_some_and(|(a, b)| a < b);
    let text = |m: &Option<&drydock_wire::tracking::MetricValue>| {
        let m = (*m)?;
        let mark = match m.value {
            value if spread && value == most => " ↑",
            value if spread && value == least => " ↓",
            _ => "",
        };
        Some(format!("{}{mark}", metric_text(m)))
    };
    Line { texts: metrics.iter().map(text).collect(), key }
}
