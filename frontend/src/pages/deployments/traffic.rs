//! How much a deployment is asked, how fast it answers, how often it fails.

use crate::{
    app::app,
    chart::{Axis, LineChart, Series, Settings},
    format,
    reactive::{effect, memo},
    ui::{Button, Card, EmptyState, Show},
};
use drydock_wire::serving::{DeploymentDetail, TokenMinute, TrafficMinute};
use leptos::prelude::*;
use std::{collections::VecDeque, sync::Arc};

const MINUTE_MS: i64 = 60_000;

/// `0.84 ms`, `12 ms`, `1.4 s`.
pub fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1000.0),
    }
}

/// So many looks are averaged over.
const LOOKS: usize = 4;

/// What several counts grow by in a second, from what they were at the last looks. A count that begins anew counts from 0.
pub fn per_second<const N: usize>(counts: impl Fn() -> [u64; N] + Send + Sync + 'static) -> RwSignal<Option<[f64; N]>> {
    let now = RwSignal::new(None);
    let looks = StoredValue::new(VecDeque::<(f64, [u64; N])>::new());
    let at = app().now;
    effect(move || {
        at.track();
        let (counts, time) = (counts(), js_sys::Date::now());
        let rates = looks.try_update_value(|looks| {
            looks.push_back((time, counts));
            let first = *looks.front()?;
            if looks.len() > LOOKS {
                looks.pop_front();
            }
            let seconds = (time - first.0) / 1000.0;
            let grown = |i: usize| counts[i].checked_sub(first.1[i]).unwrap_or(counts[i]);
            (seconds > 1.0).then(|| std::array::from_fn(|i| grown(i) as f64 / seconds))
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
    let rates = per_second(move || deployment.with(|d| [d.total_requests, d.total_errors]));
    let rate =
        move |i: usize| Signal::derive(move || rates.get().map_or("–".to_owned(), |r| format!("{}/s", brief(r[i]))));
    let load = move || deployment.with(|d| d.load);
    let line = Signal::derive(move || match load().queued {
        0 => "none waits".to_owned(),
        n => format!("{} in the line", format::number(n)),
    });
    let share = move || {
        let traffic = traffic();
        (traffic.requests > 0).then(|| traffic.errors as f64 / traffic.requests as f64)
    };
    let hour = Signal::derive(move || match (traffic().errors, share()) {
        (0, _) | (_, None) => "none in the last hour".to_owned(),
        (n, Some(s)) => format!("{} in the last hour, {}", format::number(n), format::percent(s)),
    });
    let last = move |of: fn(&TrafficMinute) -> f64| {
        let minute = move || deployment.with(|d| d.minutes.last().map(of));
        Signal::derive(move || minute().map_or(String::new(), |v| format!("last minute: {}", milliseconds(v))))
    };
    view! {
        <div class="stats">
            {figure("Requests now", rate(0), all)}
            {figure("Errors now", rate(1), hour)}
            {figure("In flight", Signal::derive(move || format::number(load().in_flight)), line)}
            {figure("p50, last hour", Signal::derive(move || ms(traffic().p50_ms)), last(|m| m.p50_ms))}
            {figure("p95, last hour", Signal::derive(move || ms(traffic().p95_ms)), last(|m| m.p95_ms))}
            {figure("p99, last hour", Signal::derive(move || ms(traffic().p99_ms)), empty)}
        </div>
    }
}

/// `0`, `0.25`, `12.3`, `310`.
pub fn brief(rate: f64) -> String {
    match rate {
        r if r == 0.0 => "0".to_owned(),
        r if r < 10.0 => format!("{r:.2}"),
        r if r < 100.0 => format!("{r:.1}"),
        r => format::number(r as u64),
    }
}

/// What was counted in a minute.
pub trait OfMinute: Clone {
    /// Start of the minute.
    fn at(&self) -> i64;
}

impl OfMinute for TrafficMinute {
    fn at(&self) -> i64 {
        self.at
    }
}

impl OfMinute for TokenMinute {
    fn at(&self) -> i64 {
        self.at
    }
}

/// Every minute of the last hour: a silent minute is a fact, not a gap.
fn filled<M: OfMinute>(minutes: &[M]) -> Vec<(i64, Option<M>)> {
    // the box's clock and the browser's may differ
    let newest = minutes.last().map_or(0, M::at).max(app().now.get() / MINUTE_MS * MINUTE_MS);
    let find = |at: i64| minutes.iter().find(|m| m.at() == at).cloned();
    (0..60).rev().map(|i| newest - i * MINUTE_MS).map(|at| (at, find(at))).collect()
}

/// Name, colour, and the value of a minute.
pub type Line<M> = (&'static str, usize, fn(Option<&M>) -> f64);

pub fn series<M: OfMinute>(minutes: &[M], lines: &[Line<M>]) -> Arc<Vec<Series>> {
    let points = filled(minutes);
    let at: Vec<f64> = points.iter().map(|p| p.0 as f64).collect();
    let line = |(label, colour, value): &Line<M>| Series {
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
