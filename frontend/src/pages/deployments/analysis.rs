//! A release as it is judged: the steps of a canary, and what the analysis saw of each against the limits.

use super::traffic::milliseconds;
use crate::{
    app::app,
    format,
    ui::{Icon, Pill, Status, Tone},
};
use drydock_wire::serving::{Analysis, Canary, MetricLimit, MetricSeen, ReleaseLook};
use leptos::prelude::*;

/// The steps in a row: done, present, to come.
#[component]
pub fn Steps(plan: Canary, at: u32, since: i64, running: bool) -> impl IntoView {
    let item = move |(index, (weight, hold)): (usize, (u32, Option<u64>))| {
        let class = match (index as u32).cmp(&at) {
            std::cmp::Ordering::Less => "done",
            std::cmp::Ordering::Equal if running => "now",
            _ => "next",
        };
        let note = move || match hold {
            None => "all requests".to_owned(),
            Some(hold) if class == "now" => match (app().now.get() - since) / 1000 {
                ..10 => format!("just begun, at least {}", length(hold)),
                gone => format!("for {} of at least {}", length(gone.unsigned_abs()), length(hold)),
            },
            Some(hold) => format!("at least {}", length(hold)),
        };
        view! {
            <li class=class aria-current=(class == "now").then_some("step")>
                <b>{(class == "done").then(|| view! { <Icon name="check"/> })}{format!("{weight} %")}</b><small class="dim">{note}</small>
            </li>
        }
    };
    let steps: Vec<(u32, Option<u64>)> =
        plan.steps.iter().map(|s| (s.weight, Some(s.hold_s))).chain([(100, None)]).collect();
    view! { <ol class="release-steps" aria-label="Steps">{steps.into_iter().enumerate().map(item).collect_view()}</ol> }
}

/// `45 s`, `10 min`, `12m 05s`.
fn length(seconds: u64) -> String {
    match seconds % 60 {
        0 if seconds > 0 => format!("{} min", format::number(seconds / 60)),
        _ => format::duration(seconds.max(1) * 1000),
    }
}

/// The last look of each step against the limits.
#[component]
pub fn Looks(limits: Analysis, looks: Vec<ReleaseLook>, at: u32) -> impl IntoView {
    let mut last: Vec<ReleaseLook> = Vec::new();
    for look in looks {
        last.retain(|kept| kept.step != look.step);
        last.push(look);
    }
    let broken = last.last().filter(|look| look.step == at && !look.broken.is_empty());
    let broken = broken.map(|look| {
        let words = format!(
            "Out of limits: {}. After {} it goes back.",
            look.broken.join("; "),
            format::plural(u64::from(limits.max_failures), "such look")
        );
        view! { <p class="callout bad" role="status"><Icon name="triangle-alert"/><span>{words}</span></p> }
    });
    let names: Vec<String> = limits.metrics.iter().map(|limit| limit.metric.clone()).collect();
    let heads = names.iter().map(|name| view! { <th scope="col" class="num mono">{name.clone()}</th> }).collect_view();
    view! {
        {broken}
        <div class="pane" role="region" aria-label="Analysis" tabindex="0">
            <table class="grid analysis" aria-label="Analysis">
                <thead><tr><th scope="col">"Step"</th><th scope="col">"Analysis"</th><th scope="col" class="num">"Requests"</th>
                    <th scope="col" class="num">"Successful"</th><th scope="col" class="num">"p50"</th><th scope="col" class="num">"p95"</th>
                    <th scope="col" class="num">"p99"</th>{heads}</tr></thead>
                <tbody>
                    {last.iter().map(|look| row(look, &names)).collect_view()}
                    {limit_row(&limits)}
                </tbody>
            </table>
        </div>
    }
}

fn row(look: &ReleaseLook, names: &[String]) -> AnyView {
    let state = match (look.judged, look.broken.is_empty()) {
        (false, _) => Status::new(Tone::Neutral, "Too few requests"),
        (true, true) => Status::new(Tone::Good, "Within limits"),
        (true, false) => Status::new(Tone::Bad, "Out of limits"),
    };
    let rate = look.success_rate.map_or("–".to_owned(), |rate| format!("{rate:.1} %"));
    let ms = |value: Option<f64>| value.map_or("–".to_owned(), milliseconds);
    let metric = |name: &String| {
        let seen = look.metrics.iter().find(|seen| seen.metric == *name);
        view! { <td class="num">{seen.map(mean)}</td> }
    };
    view! {
        <tr>
            <td>{format!("Step {}", look.step + 1)}</td>
            <td title=look.broken.join("; ")><Pill status=state/></td>
            <td class="num">{format::number(look.requests)}</td>
            <td class="num">{rate}</td>
            <td class="num">{ms(look.p50_ms)}</td>
            <td class="num">{ms(look.p95_ms)}</td>
            <td class="num">{ms(look.p99_ms)}</td>
            {names.iter().map(metric).collect_view()}
        </tr>
    }
    .into_any()
}

fn mean(seen: &MetricSeen) -> AnyView {
    let mean = seen.mean.map_or("–".to_owned(), format::value);
    view! { {mean}<small class="dim">{format::plural(seen.reports, "report")}</small> }.into_any()
}

fn limit_row(limits: &Analysis) -> AnyView {
    let most = |value: Option<f64>| value.map_or("no limit".to_owned(), |ms| format!("at most {}", milliseconds(ms)));
    let least = limits.min_success_rate.map_or("no limit".to_owned(), |rate| format!("at least {rate} %"));
    let metric = |limit: &MetricLimit| {
        let range = match (limit.min, limit.max) {
            (Some(min), Some(max)) => format!("{} to {}", format::value(min), format::value(max)),
            (Some(min), None) => format!("at least {}", format::value(min)),
            (None, Some(max)) => format!("at most {}", format::value(max)),
            (None, None) => "no limit".to_owned(),
        };
        view! { <td class="num">{range}<small>{format!("from {} on", format::plural(limit.min_reports, "report"))}</small></td> }
    };
    view! {
        <tr class="dim">
            <td>"Limits"</td><td></td>
            <td class="num">{format!("at least {}", format::number(limits.min_requests))}</td>
            <td class="num">{least}</td>
            <td class="num">{most(limits.max_p50_ms)}</td><td class="num">{most(limits.max_p95_ms)}</td><td class="num">{most(limits.max_p99_ms)}</td>
            {limits.metrics.iter().map(metric).collect_view()}
        </tr>
    }
    .into_any()
}
