//! How right the answers were, as far as callers told the truth afterwards, next to how fast they came.

use crate::{
    api::seg,
    chart::{Axis, LineChart, Series, Settings},
    format,
    live::remote,
    pages::parts::{Command, query},
    reactive::memo,
    ui::{Card, EmptyState, Icon, Loaded, Show, url::param},
};
use drydock_wire::serving::{QualityFigures, QualityReport, QualityTask, QualityWindow};
use leptos::prelude::*;
use std::{sync::Arc, time::Duration};

const PERIOD: Duration = Duration::from_secs(10);

#[component]
pub fn QualityPanel(name: Memo<String>) -> impl IntoView {
    let hours = param("hours", "24");
    let path = move || Some(query(&format!("/deployments/{}/quality", seg(&name.get())), &[("hours", hours.get())]));
    let report = remote::<QualityReport>(path, &[]).every(PERIOD);
    let spans = [("1", "1 hour"), ("6", "6 hours"), ("24", "24 hours"), ("168", "7 days")];
    let span = move |(value, text): (&'static str, &'static str)| {
        view! { <button type="button" aria-pressed=move || hours.is(value).to_string() on:click=move |_| hours.set(value)>{text}</button> }
    };
    view! {
        <div class="toolbar"><div class="segments" role="group" aria-label="Time that is looked at">{spans.map(span)}</div></div>
        <Loaded remote=report lines=8 let:report>
            <Notes report/>
            <Show when=move || report.with(|r| r.all.count > 0 || r.all.scores > 0) fallback=move || view! { <HowTo name/> }>
                <Figures report/>
                <Curves report/>
                <Revisions report/>
                <Classes report/>
            </Show>
        </Loaded>
    }
}

/// What did not fit or waits.
#[component]
fn Notes(report: Signal<QualityReport>) -> impl IntoView {
    let said = memo(move || report.with(|r| (r.waiting, r.refused, r.refusal.clone())));
    move || {
        let (waiting, refused, refusal) = said.get();
        view! {
            {(waiting > 0).then(|| view! { <p class="dim">{format!("{} did not meet a prediction yet: it may be on its way into a file, or was not sampled.", format::plural(waiting, "truth"))}</p> })}
            {(refused > 0).then(|| view! { <p class="callout warn"><Icon name="triangle-alert"/>
                <span>{format!("{} did not fit the prediction. ", format::plural(refused, "truth"))}{refusal}</span></p> })}
        }
    }
}

#[component]
fn HowTo(name: Memo<String>) -> impl IntoView {
    let origin = window().location().origin().unwrap_or_default();
    let command = Signal::derive(move || {
        format!(
            "curl {origin}/serve/{}/feedback \\\n  -H \"Authorization: Bearer $DRYDOCK_TOKEN\" \\\n  -H 'Content-Type: application/json' \\\n  -d '{{\"request_id\": \"X-REQUEST-ID OF THE ANSWER\", \"truth\": 1}}'",
            name.get()
        )
    });
    view! {
        <Card title="Live accuracy">
            <EmptyState icon="flag" title="Nobody told the truth yet"
                text="With capture on, send what a prediction should have been by the answer's `X-Request-Id`, and this page shows how right the model is next to how fast."/>
            <Command text=command what="Copy the command"/>
        </Card>
    }
}

fn share(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |v| format!("{:.1} %", v * 100.0))
}

fn plain(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), format::value)
}

/// Pairs of words and figures of a task.
fn words(task: Option<QualityTask>, q: &QualityFigures) -> Vec<(&'static str, String)> {
    let mut said = match task {
        Some(QualityTask::Classification) => vec![("Accuracy", share(q.accuracy))],
        Some(QualityTask::Regression) => {
            vec![("Mean absolute error", plain(q.mae)), ("Root mean squared error", plain(q.rmse))]
        }
        None => vec![],
    };
    if q.scores > 0 {
        said.push(("Mean score", plain(q.mean_score)));
    }
    said
}

#[component]
fn Figures(report: Signal<QualityReport>) -> impl IntoView {
    let cards = memo(move || {
        report.with(|r| {
            let mut cards = words(r.task, &r.all);
            cards.push(("Truths", format::number(r.all.count)));
            let requests: u64 = r.windows.iter().map(|w| w.requests).sum();
            let errors: u64 = r.windows.iter().map(|w| w.errors).sum();
            cards.push(("Requests", format::number(requests)));
            cards.push(("Errors", format::number(errors)));
            cards
        })
    });
    let card = |(label, value): (&'static str, String)| view! { <div class="card stat"><span>{label}</span><b>{value}</b></div> };
    view! { <div class="stats">{move || cards.get().into_iter().map(card).collect_view()}</div> }
}

type Line = (&'static str, usize, fn(&QualityWindow) -> Option<f64>);

fn series(windows: &[QualityWindow], lines: &[Line]) -> Arc<Vec<Series>> {
    let at: Vec<f64> = windows.iter().map(|w| w.from_at as f64).collect();
    let line = |(label, colour, value): &Line| Series {
        label: (*label).to_owned(),
        steps: (0..windows.len()).map(|i| i as f64).collect(),
        at: at.clone(),
        values: windows.iter().map(|w| value(w).unwrap_or(f64::NAN)).collect(),
        colour: *colour,
    };
    Arc::new(lines.iter().map(line).collect())
}

#[component]
fn Curves(report: Signal<QualityReport>) -> impl IntoView {
    let settings = Settings::new("clock");
    let task = memo(move || report.with(|r| r.task));
    let right = Signal::derive(move || {
        let lines: &[Line] = match task.get() {
            Some(QualityTask::Classification) => &[("accuracy", 1, |w| w.quality.accuracy)],
            Some(QualityTask::Regression) => &[("MAE", 1, |w| w.quality.mae), ("RMSE", 4, |w| w.quality.rmse)],
            None => &[("mean score", 1, |w| w.quality.mean_score)],
        };
        report.with(|r| series(&r.windows, lines))
    });
    let fast = Signal::derive(move || {
        let lines: [Line; 2] = [("p50 (ms)", 0, |w| w.p50_ms), ("p95 (ms)", 2, |w| w.p95_ms)];
        report.with(|r| series(&r.windows, &lines))
    });
    view! {
        <div class="charts">
            <Card title="How right"><LineChart title="How right the answers were" series=right settings axis=Axis::Clock/></Card>
            <Card title="How fast"><LineChart title="Time to answer, in milliseconds" series=fast settings axis=Axis::Clock/></Card>
        </div>
    }
}

#[component]
fn Revisions(report: Signal<QualityReport>) -> impl IntoView {
    let rows = memo(move || report.with(|r| (r.task, r.revisions.clone())));
    let body = move || {
        let (task, revisions) = rows.get();
        let one = |r: drydock_wire::serving::QualityOfRevision| {
            let href = format!("/models/{}?version={}", seg(&r.model), r.version);
            let model = (!r.model.is_empty())
                .then(|| view! { <a href=href>{format!("{} version {}", r.model, r.version)}</a> });
            let said = words(task, &r.quality).into_iter().map(|(name, value)| format!("{name} {value}"));
            view! { <tr><td>"Revision "{r.revision}</td><td>{model}</td><td class="num">{format::number(r.quality.count)}</td>
            <td class="num">{said.collect::<Vec<_>>().join(" · ")}</td></tr> }
        };
        revisions.into_iter().map(one).collect_view()
    };
    view! {
        <Show when=move || rows.with(|r| !r.1.is_empty())>
            <Card title="By revision" class="flush"><div class="scroll-x" role="region" aria-label="By revision" tabindex="0">
                <table class="grid" aria-label="By revision">
                    <thead><tr><th scope="col">"Revision"</th><th scope="col">"Model"</th><th scope="col" class="num">"Truths"</th><th scope="col" class="num">"How right"</th></tr></thead>
                    <tbody>{body}</tbody>
                </table>
            </div></Card>
        </Show>
    }
}

/// What was taken for what, of a classification.
#[component]
fn Classes(report: Signal<QualityReport>) -> impl IntoView {
    let classes = memo(move || report.with(|r| r.classes.clone()));
    let rows = move || {
        let all = classes.get();
        let total: u64 = all.iter().map(|c| c.count).sum();
        all.into_iter()
            .map(|c| {
                let wrong = c.truth != c.predicted;
                let part = c.count as f64 / total.max(1) as f64;
                view! { <tr><td class="mono">{c.truth}</td><td class="mono" class:missing=wrong>{c.predicted}</td>
                <td class="num">{format::number(c.count)}</td><td class="num">{format::percent(part)}</td></tr> }
            })
            .collect_view()
    };
    view! {
        <Show when=move || classes.with(|c| !c.is_empty())>
            <Card title="Truths and predictions" class="flush"><div class="scroll-x" role="region" aria-label="Truths and predictions" tabindex="0">
                <table class="grid" aria-label="Truths and predictions">
                    <thead><tr><th scope="col">"Truth"</th><th scope="col">"Predicted"</th><th scope="col" class="num">"How often"</th><th scope="col" class="num">"Share"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div></Card>
        </Show>
    }
}
