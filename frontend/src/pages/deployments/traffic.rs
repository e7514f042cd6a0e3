//! How much a deployment is asked, how fast it answers, how often it fails.

use crate::{
    app::app,
    chart::{Axis, LineChart, Series, Settings},
    format,
    reactive::{effect, memo},
    ui::{Button, Card, EmptyState, Show},
};
use drydock_wire::serving::{DeploymentDetail, TrafficMinute};
use leptos::prelude::*;
use std::sync::Arc;

const MINUTE_MS: i64 = 60_000;

/// `0.84 ms`, `12 ms`, `1.4 s`.
pub fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1000.0),
    }
}

/// Requests and errors a second, from what was counted in all between two looks at it.
#[derive(Clone, Copy, PartialEq)]
struct Rates {
    requests: f64,
    errors: f64,
}

/// So many looks are averaged over.
const LOOKS: usize = 4;

fn rates(deployment: Signal<DeploymentDetail>) -> RwSignal<Option<Rates>> {
    let now = RwSignal::new(None);
    let looks = StoredValue::new(std::collections::VecDeque::<(f64, u64, u64)>::new());
    let at = app().now;
    effect(move || {
        at.track();
        let (requests, errors) = deployment.with(|d| (d.total_requests, d.total_errors));
        let time = js_sys::Date::now();
        let rates = looks.try_update_value(|looks| {
            looks.push_back((time, requests, errors));
            let first = *looks.front()?;
            if looks.len() > LOOKS {
                looks.pop_front();
            }
            let seconds = (time - first.0) / 1000.0;
            let each = |new: u64, old: u64| new.saturating_sub(old) as f64 / seconds;
            (seconds > 1.0).then(|| Rates { requests: each(requests, first.1), errors: each(errors, first.2) })
        });
        now.set(rates.flatten());
    });
    now
}

/// What happens now and what happened in the last hour.
#[component]
pub fn Figures(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let figure = |label: &'static str, value: Signal<String>, note: Signal<String>| {
        view! { <div class="card stat"><span>{label}</span><b>{move || value.get()}</b><small class="dim">{move || note.get()}</small></div> }
    };
    let traffic = move || deployment.with(|d| d.summary.traffic.clone());
    let ms = |v: Option<f64>| v.map_or("–".to_owned(), milliseconds);
    let empty = Signal::stored(String::new());
    let all = Signal::derive(move || deployment.with(|d| format!("{} in all", format::number(d.total_requests))));
    let rates = rates(deployment);
    let rate = Signal::derive(move || rates.get().map_or("–".to_owned(), |r| format!("{}/s", brief(r.requests))));
    let load = move || deployment.with(|d| d.load);
    let line = Signal::derive(move || match load().queued {
        0 => "none waits".to_owned(),
        n => format!("{} in the line", format::number(n)),
    });
    let share = move || {
        let traffic = traffic();
        (traffic.requests > 0).then(|| traffic.errors as f64 / traffic.requests as f64)
    };
    let hour = Signal::derive(move || {
        let errors = format::number(traffic().errors);
        share().map_or("none in the last hour".to_owned(), |s| {
            format!("{errors} in the last hour, {}", format::percent(s))
        })
    });
    let errors = Signal::derive(move || rates.get().map_or("–".to_owned(), |r| format!("{}/s", brief(r.errors))));
    let last = move |of: fn(&TrafficMinute) -> f64| {
        let minute = move || deployment.with(|d| d.minutes.last().map(of));
        Signal::derive(move || {
            minute().map_or(String::new(), |v| format!("{} in the last minute with requests", milliseconds(v)))
        })
    };
    view! {
        <div class="stats">
            {figure("Requests now", rate, all)}
            {figure("Errors now", errors, hour)}
            {figure("In flight", Signal::derive(move || format::number(load().in_flight)), line)}
            {figure("Median (p50), last hour", Signal::derive(move || ms(traffic().p50_ms)), last(|m| m.p50_ms))}
            {figure("p95, last hour", Signal::derive(move || ms(traffic().p95_ms)), last(|m| m.p95_ms))}
            {figure("p99, last hour", Signal::derive(move || ms(traffic().p99_ms)), empty)}
        </div>
    }
}

/// `0`, `0.25`, `12.3`, `310`.
fn brief(rate: f64) -> String {
    match rate {
        r if r == 0.0 => "0".to_owned(),
        r if r < 10.0 => format!("{r:.2}"),
        r if r < 100.0 => format!("{r:.1}"),
        r => format::number(r as u64),
    }
}

/// Every minute of the last hour: a silent minute is a fact, not a gap.
fn filled(minutes: &[TrafficMinute]) -> Vec<(i64, Option<TrafficMinute>)> {
    // the box's clock and the browser's may differ
    let newest = minutes.last().map_or(0, |m| m.at).max(app().now.get() / MINUTE_MS * MINUTE_MS);
    let find = |at: i64| minutes.iter().find(|m| m.at == at).cloned();
    (0..60).rev().map(|i| newest - i * MINUTE_MS).map(|at| (at, find(at))).collect()
}

fn series(minutes: &[TrafficMinute], lines: &[(&str, usize, fn(Option<&TrafficMinute>) -> f64)]) -> Arc<Vec<Series>> {
    let points = filled(minutes);
    let at: Vec<f64> = points.iter().map(|p| p.0 as f64).collect();
    let line = |(label, colour, value): &(&str, usize, fn(Option<&TrafficMinute>) -> f64)| Series {
        label: (*label).to_owned(),
        steps: (0..points.len()).map(|i| i as f64).collect(),
        at: at.clone(),
        values: points.iter().map(|(_, m)| value(m.as_ref())).collect(),
        colour: *colour,
    };
    Arc::new(lines.iter().map(line).collect())
}

#[component]
pub fn Charts(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let settings = Settings::new("clock");
    let minutes = memo(move || deployment.with(|d| d.minutes.clone()));
    let counts = Signal::derive(move || {
        minutes.with(|m| {
            series(
                m,
                &[
                    ("requests", 0, |m| m.map_or(0.0, |m| m.requests as f64)),
                    ("errors", 2, |m| m.map_or(0.0, |m| m.errors as f64)),
                ],
            )
        })
    });
    let times = Signal::derive(move || {
        minutes.with(|m| {
            series(
                m,
                &[
                    ("p50 (ms)", 1, |m| m.map_or(f64::NAN, |m| m.p50_ms)),
                    ("p95 (ms)", 4, |m| m.map_or(f64::NAN, |m| m.p95_ms)),
                ],
            )
        })
    });
    view! {
        <Show when=move || minutes.with(|m| !m.is_empty()) fallback=|| view! {
            <Card title="Traffic"><EmptyState icon="activity" title="No requests in the last hour" text="Try a prediction; each minute with requests becomes a point here."/></Card>
        }>
            <Show when=move || settings.zoom.with(Option::is_some)>
                <div><Button small=true icon="rotate-ccw" on_press=move |_| settings.zoom.set(None)>"Reset zoom"</Button></div>
            </Show>
            <div class="charts">
                <Card title="Requests per minute"><LineChart title="Requests per minute" series=counts settings axis=Axis::Clock/></Card>
                <Card title="Time to answer"><LineChart title="Time to answer, in milliseconds" series=times settings axis=Axis::Clock/></Card>
            </div>
        </Show>
    }
}
