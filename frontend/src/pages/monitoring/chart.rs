//! A panel as a chart: its questions, asked again while it stands, and their answers as lines.

use super::{
    Shared,
    panels::{Panel, Unit},
};
use crate::{
    chart::{Axis, LineChart, Mark, Series},
    live::{Remote, remote},
    pages::parts::query,
    reactive::memo,
    ui::Show,
};
use drydock_wire::metrics::{MetricLine, MetricMark, MetricMarks, MetricRange};
use leptos::prelude::*;
use std::{sync::Arc, time::Duration};

const PERIOD: Duration = Duration::from_secs(10);
/// More lines than that are no chart any more.
const MOST_LINES: usize = 24;

/// A question with its words.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub name: String,
    pub of: String,
    pub function: String,
    pub by: String,
    pub quantile: String,
    pub window_s: String,
}

/// What a chart is to show.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    pub title: String,
    pub unit: Unit,
    pub asked: Vec<Asked>,
}

impl Wish {
    pub fn of(panel: &Panel) -> Self {
        let asked = |query: &super::panels::Query| Asked {
            name: query.name.to_owned(),
            of: query.of.to_owned(),
            function: query.function.to_owned(),
            by: query.by.to_owned(),
            quantile: query.quantile.to_owned(),
            window_s: String::new(),
        };
        Self { title: panel.title.to_owned(), unit: panel.unit, asked: panel.queries.iter().map(asked).collect() }
    }
}

#[component]
pub fn PanelChart(panel: Wish, shared: Shared) -> impl IntoView {
    let title = panel.title.clone();
    let unit = panel.unit;
    let answers: Vec<(Asked, Remote<MetricRange>)> = panel
        .asked
        .into_iter()
        .map(|asked| {
            let about = asked.clone();
            let path = move || Some(path(&about, &shared.span.get().pairs()));
            (asked, remote::<MetricRange>(path, &[]).every(PERIOD))
        })
        .collect();
    let answers = StoredValue::new(answers);
    let lines = memo(move || {
        answers.with_value(|answers| {
            let all = answers.iter().flat_map(|(asked, answer)| {
                answer.data.with(|data| data.as_ref().map(|range| lines(asked, range)).unwrap_or_default())
            });
            all.collect::<Vec<(String, Vec<f64>, Vec<f64>)>>()
        })
    });
    let scale =
        memo(move || unit_of(unit, lines.with(|all| all.iter().flat_map(|(_, _, v)| v).copied().fold(0.0, f64::max))));
    let series = Signal::derive(move || {
        let (by, _) = scale.get();
        let line = |(colour, (label, at, values)): (usize, &(String, Vec<f64>, Vec<f64>))| Series {
            label: label.clone(),
            steps: (0..at.len()).map(|n| n as f64).collect(),
            at: at.clone(),
            values: values.iter().map(|value| value * by).collect(),
            colour,
        };
        Arc::new(lines.with(|all| all.iter().take(MOST_LINES).enumerate().map(line).collect()))
    });
    let error = move || {
        answers.with_value(|all| all.iter().find_map(|(_, answer)| answer.error.get().map(|error| error.message)))
    };
    let waits = move || answers.with_value(|all| all.iter().any(|(_, answer)| answer.data.with(Option::is_none)));
    let note = move || {
        let count = lines.with(Vec::len);
        match (error(), count) {
            (Some(text), _) => Some(text),
            (None, 0) if !waits() => Some("Nothing was measured in this time.".to_owned()),
            (None, count) if count > MOST_LINES => Some(format!("{MOST_LINES} of {count} lines are shown.")),
            _ => None,
        }
    };
    view! {
        <Show when=move || !scale.with(|s| s.1.is_empty())><p class="dim unit">{move || scale.get().1}</p></Show>
        <LineChart title series settings=shared.settings axis=Axis::Clock marks=shared.marks/>
        {move || note().map(|text| view! { <p class="dim none">{text}</p> })}
    }
}

fn path(asked: &Asked, span: &[(&'static str, String)]) -> String {
    let mut pairs = vec![("match", asked.of.clone()), ("function", asked.function.clone())];
    pairs.push(("quantile", asked.quantile.clone()));
    pairs.push(("window_s", asked.window_s.clone()));
    if asked.by != "*" {
        // an empty one would be left out, and joins all to one
        pairs.push(("by", if asked.by.is_empty() { ",".to_owned() } else { asked.by.clone() }));
    }
    pairs.extend(span.iter().cloned());
    query("/metrics/range", &pairs)
}

/// Label, instants and values of each line.
fn lines(asked: &Asked, range: &MetricRange) -> Vec<(String, Vec<f64>, Vec<f64>)> {
    let count = range.series.first().map_or(0, |line| line.values.len());
    let at: Vec<f64> = (0..count).map(|n| (range.first_at + range.step_ms * n as i64) as f64).collect();
    let line = |line: &MetricLine| {
        let values = line.values.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
        (label(asked, line), at.clone(), values)
    };
    range.series.iter().map(line).collect()
}

/// What tells a line from its neighbours.
fn label(asked: &Asked, line: &MetricLine) -> String {
    let short = |(name, value): (&String, &String)| match name.as_str() {
        "uuid" => crate::format::short_uuid(value).to_owned(),
        "minutes" => format!("{value} min"),
        _ => value.clone(),
    };
    let labels: Vec<String> = line.labels.iter().map(short).collect();
    match (asked.name.is_empty(), labels.is_empty()) {
        (true, true) => asked.function.clone(),
        (true, false) => labels.join(" "),
        (false, true) => asked.name.clone(),
        (false, false) => format!("{}: {}", labels.join(" "), asked.name),
    }
}

/// What values are multiplied with, and what they are then.
fn unit_of(unit: Unit, most: f64) -> (f64, &'static str) {
    const KIB: f64 = 1_024.0;
    match unit {
        Unit::Plain => (1.0, ""),
        Unit::Share => (100.0, "%"),
        Unit::Seconds if most < 1.0 => (1_000.0, "ms"),
        Unit::Seconds => (1.0, "s"),
        Unit::Bytes if most >= KIB * KIB * KIB => (1.0 / (KIB * KIB * KIB), "GiB"),
        Unit::Bytes => (1.0 / (KIB * KIB), "MiB"),
        Unit::BytesPerSecond if most >= KIB * KIB / 10.0 => (1.0 / (KIB * KIB), "MiB/s"),
        Unit::BytesPerSecond => (1.0 / KIB, "KiB/s"),
    }
}

pub fn marks(found: &MetricMarks) -> Vec<Mark> {
    let mark = |mark: &MetricMark| Mark { x: mark.at as f64 / 1000.0, text: mark.text.clone() };
    found.marks.iter().map(mark).collect()
}
