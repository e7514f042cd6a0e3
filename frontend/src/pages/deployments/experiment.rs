//! Two revisions against each other: how each does, how sure a difference is, and of a shadow how the answers agree.

use super::traffic::milliseconds;
use crate::{
    api::seg,
    format,
    live::remote,
    pages::parts::query,
    reactive::memo,
    ui::{Card, Icon, Meter, Pill, Show, Status, TimeAgo, Tone, url::param},
};
use drydock_wire::{
    events::Topic,
    serving::{
        Agreement, Difference, Disagreement, Experiment, ExperimentName, ExperimentPage, Interval, MetricComparison,
        Split, Variant,
    },
};
use leptos::prelude::*;
use std::time::Duration;

const PERIOD: Duration = Duration::from_secs(4);
/// Below it, chance alone is an unlikely cause.
const SIGNIFICANT: f64 = 0.05;

#[component]
pub fn ExperimentPanel(name: Memo<String>) -> impl IntoView {
    let chosen = param("experiment", "");
    let path =
        move || Some(query(&format!("/deployments/{}/experiment", seg(&name.get())), &[("release", chosen.get())]));
    let page = remote::<ExperimentPage>(path, &[Topic::Deployments]).every(PERIOD);
    let shown = memo(move || page.data.with(|p| p.as_ref().and_then(|p| p.experiment.clone())));
    let all = memo(move || page.data.with(|p| p.as_ref().map(|p| p.all.clone()).unwrap_or_default()));
    let option = move |e: ExperimentName| {
        let text = format!("{} of revision {}", strategy(&e.strategy), e.revision);
        let is_shown = shown.with_untracked(|s| s.as_ref().is_some_and(|s| s.release.id == e.id));
        view! { <option value=e.id selected=is_shown>{text}</option> }
    };
    view! {
        <Show when=move || all.with(|a| a.len() > 1)>
            <div class="toolbar"><label class="pick"><span>"Measured "</span>
                <select on:change:target=move |e| chosen.push(&e.target().value())>{move || all.get().into_iter().map(option).collect_view()}</select>
            </label></div>
        </Show>
        {move || shown.get().map(experiment)}
    }
}

fn strategy(word: &str) -> &'static str {
    match word {
        "ab" => "A/B test",
        "shadow" => "Shadow",
        "canary" => "Canary",
        _ => "Release",
    }
}

fn experiment(e: Experiment) -> AnyView {
    let title = format!(
        "{}: revision {} against {}",
        strategy(e.release.plan.strategy()),
        e.candidate.revision,
        e.live.revision
    );
    let split = e.split.clone().map(split);
    let (success, metrics) = (e.success.map(success), e.metrics.iter().map(metric).collect::<Vec<_>>());
    let ended_at = e.release.ended_at;
    let ended = move || ended_at.map(|at| view! { <span class="dim">"ended "<TimeAgo at/></span> });
    let has_metrics = !metrics.is_empty();
    view! {
        <Card title=title class="flush" aside=ended>
            <div class="scroll-x" role="region" aria-label="Variants" tabindex="0">
                <table class="grid variants" aria-label="Variants">
                    <thead><tr><th scope="col">"Variant"</th><th scope="col">"Version"</th><th scope="col" class="num">"Share"</th><th scope="col" class="num">"Requests"</th>
                        <th scope="col" class="num">"Failed"</th><th scope="col" class="num">"Successful"</th>
                        <th scope="col" class="num">"p50"</th><th scope="col" class="num">"p95"</th><th scope="col" class="num">"p99"</th></tr></thead>
                    <tbody>{variant("Live", &e.live)}{variant("New", &e.candidate)}</tbody>
                </table>
            </div>
            <div class="experiment-notes">{success}{split}<p class="dim">"Below each figure, where the true value is with 95 % certainty."</p></div>
        </Card>
        {has_metrics.then(|| view! {
            <Card title="What callers reported" class="flush">
                <div class="scroll-x" role="region" aria-label="Metrics" tabindex="0">
                    <table class="grid variants" aria-label="Metrics">
                        <thead><tr><th scope="col">"Metric"</th><th scope="col" class="num">"Live"</th><th scope="col" class="num">"New"</th>
                            <th scope="col" class="num">"Difference"</th><th scope="col">"Range with 95 %"</th><th scope="col" class="num">"P-value"</th><th scope="col">"Verdict"</th></tr></thead>
                        <tbody>{metrics}</tbody>
                    </table>
                </div>
            </Card>
        })}
        {e.agreement.map(agreement)}
    }
    .into_any()
}

fn variant(label: &'static str, v: &Variant) -> impl IntoView + use<> {
    let rate = v.success_rate.map(|i| bounds(i, |v| format!("{v:.2} %")));
    let ms = |i: Option<Interval>| i.map(|i| bounds(i, milliseconds));
    let model = if v.model.is_empty() { "–".to_owned() } else { format!("{} version {}", v.model, v.version) };
    let refused = (v.refused > 0)
        .then(|| view! { <small class="dim">{format!("{} refused", format::number(v.refused))}</small> });
    view! {
        <tr>
            <th scope="row">{format!("{label}, revision {}", v.revision)}</th>
            <td>{model}</td>
            <td class="num">{v.weight}" %"</td>
            <td class="num">{format::number(v.requests)}{refused}</td>
            <td class="num" class:missing={v.failed > 0}>{format::number(v.failed)}</td>
            <td class="num">{rate}</td>
            <td class="num">{ms(v.p50_ms)}</td>
            <td class="num">{ms(v.p95_ms)}</td>
            <td class="num">{ms(v.p99_ms)}</td>
        </tr>
    }
}

/// A value with the range that it is in.
fn bounds(i: Interval, words: impl Fn(f64) -> String) -> AnyView {
    view! { <b>{words(i.value)}</b><small class="dim">{format!("{} to {}", words(i.low), words(i.high))}</small> }
        .into_any()
}

/// What the difference of the success rates means.
fn success(d: Difference) -> AnyView {
    let points = format!("{:+.2} points ({:+.2} to {:+.2}{})", d.value, d.low, d.high, p_value(d.p_value));
    let (tone, icon, words) = match (is_sure(&d), d.value < 0.0) {
        (false, _) => ("info", "info", "No difference in success is shown yet: "),
        (true, true) => ("bad", "triangle-alert", "The new one fails more often: "),
        (true, false) => ("good", "circle-check", "The new one fails less often: "),
    };
    view! { <p class=format!("callout {tone}") role="status"><Icon name=icon/><span><b>{words}</b>{points}</span></p> }
        .into_any()
}

fn is_sure(d: &Difference) -> bool {
    d.p_value.map_or(d.low > 0.0 || d.high < 0.0, |p| p < SIGNIFICANT)
}

fn p_value(p: Option<f64>) -> String {
    p.map(|p| format!(", p = {}", format::value(p))).unwrap_or_default()
}

fn split(s: Split) -> AnyView {
    let counted =
        format!("{} {} to the live one, {} to the new one", format::number(s.live), s.of, format::number(s.candidate));
    if s.mismatch {
        let words = format!(
            "The split is not as planned ({counted}; {} % were to go to the new one). Something else than chance decides who gets what: do not trust the rest.",
            s.expected
        );
        return view! { <p class="callout bad" role="alert"><Icon name="triangle-alert"/><span>{words}</span></p> }
            .into_any();
    }
    let capped = if s.capped { ", of the first ones" } else { "" };
    view! { <p class="dim">{format!("The split is as planned: {counted}{capped}.")}</p> }.into_any()
}

fn metric(m: &MetricComparison) -> AnyView {
    let mean = |side: &drydock_wire::serving::MetricMean| {
        let reports = format::plural(side.reports, "report");
        match side.mean {
            Some(mean) => view! { <b title=reports>{format::value(mean.value)}</b><small class="dim">{format!("{} to {}", format::value(mean.low), format::value(mean.high))}</small> }.into_any(),
            None => view! { <span class="dim">{reports}</span> }.into_any(),
        }
    };
    let (change, range, p, verdict) = match &m.difference {
        None => ("–".to_owned(), ().into_any(), "–".to_owned(), Status::new(Tone::Neutral, "Too few reports")),
        Some(d) => {
            let base = m.live.mean.map_or(0.0, |i| i.value);
            let uplift = if base == 0.0 { String::new() } else { format!(" ({:+.1} %)", d.value / base.abs() * 100.0) };
            let verdict = if is_sure(d) {
                Status::new(Tone::Info, "Significant")
            } else {
                Status::new(Tone::Neutral, "Not shown")
            };
            let sign = if d.value > 0.0 { "+" } else { "" };
            (
                format!("{sign}{}{uplift}", format::value(d.value)),
                whisker(d),
                d.p_value.map_or("–".to_owned(), format::value),
                verdict,
            )
        }
    };
    view! {
        <tr><th scope="row" class="mono">{m.metric.clone()}</th><td class="num">{mean(&m.live)}</td><td class="num">{mean(&m.candidate)}</td>
            <td class="num">{change}</td><td>{range}</td><td class="num mono">{p}</td><td><Pill status=verdict/></td></tr>
    }
    .into_any()
}

/// The range of a difference as a line beside zero.
fn whisker(d: &Difference) -> AnyView {
    let most = d.low.abs().max(d.high.abs()).max(f64::MIN_POSITIVE) * 1.1;
    let at = |v: f64| (v / most + 1.0) * 50.0;
    let (left, right, middle) = (at(d.low), at(d.high), at(d.value));
    let label = format!("{} to {}", format::value(d.low), format::value(d.high));
    view! {
        <div class="whisker" role="img" aria-label=label.clone() title=label>
            <i class="zero"></i><i class="reach" style:left=format!("{left:.1}%") style:width=format!("{:.1}%", right - left)></i>
            <i class="middle" style:left=format!("{middle:.1}%")></i>
        </div>
    }
    .into_any()
}

fn agreement(a: Agreement) -> AnyView {
    let compared = a.compared;
    let part = move |n: u64| if compared == 0 { 0.0 } else { n as f64 / compared as f64 };
    let meter = move |label: &'static str, n: u64| {
        let text = format!("{} ({})", format::number(n), format::percent(part(n)));
        view! { <Meter label share=Signal::stored(part(n)) text=Signal::stored(text) calm=true/> }
    };
    let rate = a.rate.map(|i| format!("{:.2} % agree ({:.2} to {:.2})", i.value, i.low, i.high));
    let rate = rate.unwrap_or_else(|| "Nothing was compared yet".to_owned());
    let left = match (a.dropped, a.skipped) {
        (0, 0) => "Every request was copied and compared.".to_owned(),
        (dropped, skipped) => format!(
            "{} requests were not copied, as too many were under way; {} cannot be compared.",
            format::number(dropped),
            format::number(skipped)
        ),
    };
    let largest =
        a.largest_difference.map(|d| format!(" The largest difference of two numbers is {}.", format::value(d)));
    let examples = (!a.examples.is_empty()).then(|| a.examples.iter().map(disagreement).collect_view());
    view! {
        <Card title="How the answers agree" aside=move || view! { <b class="tabular">{rate.clone()}</b> }>
            <div class="shares">{meter("Equal", a.equal)}{meter("Near", a.near)}{meter("Different", a.different)}{meter("Failed", a.failed)}</div>
            <p class="note">{left}{largest}</p>
        </Card>
        {examples.map(|rows| view! {
            <Card title="Answers that differ" class="flush"><div class="scroll-x" role="region" aria-label="Answers that differ" tabindex="0">
                <table class="grid" aria-label="Answers that differ">
                    <thead><tr><th scope="col">"When"</th><th scope="col">"How"</th><th scope="col">"Request"</th><th scope="col">"Where"</th>
                        <th scope="col">"Live"</th><th scope="col">"New"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div></Card>
        })}
    }
    .into_any()
}

fn disagreement(d: &Disagreement) -> AnyView {
    let status = match d.how.as_str() {
        "failed" => Status::new(Tone::Bad, "Failed"),
        _ => Status::new(Tone::Warn, "Different"),
    };
    let answered = |code: Option<u16>| code.map_or("no answer".to_owned(), |code| code.to_string());
    let (place, live, new) = d.places.first().map_or_else(
        || (String::new(), d.live_status.to_string(), answered(d.candidate_status)),
        |p| {
            (
                if p.at.is_empty() { "the whole answer".to_owned() } else { p.at.clone() },
                p.live.clone(),
                p.candidate.clone(),
            )
        },
    );
    let more = d.places.len().saturating_sub(1);
    let more = (more > 0).then(|| view! { <small class="dim">{format!(" and {more} more")}</small> });
    view! {
        <tr><td class="dim"><TimeAgo at=d.at/></td><td><Pill status/></td><td class="mono" title=d.request_id.clone()>{d.path.clone()}</td>
            <td class="mono">{place}{more}</td><td class="mono">{live}</td><td class="mono">{new}</td></tr>
    }
    .into_any()
}
