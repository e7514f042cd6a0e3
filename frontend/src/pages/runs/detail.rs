//! One run: figures, charts that move while it runs, parameters, files, and where it came from and went.

use super::{
    artifacts::Artifacts,
    charts::{MetricCharts, RunSeries},
    table::duration,
};
use crate::{
    api::seg,
    app::ago,
    chart::Settings,
    live::{Remote, remote},
    pages::parts::{DeleteRuns, PairTable, metric_text, short_id},
    ui::{Card, CopyButton, Facts, LinkButton, Loaded, PageHead, Pill, Status, Tabs, TimeAgo, url::param},
};
use drydock_wire::{
    KeyValue,
    events::Topic,
    tracking::{MetricSeries, RunDetail},
};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use std::time::Duration;

/// Metrics of a running run also come without a hint.
const LIVE_PERIOD: Duration = Duration::from_secs(2);

#[component]
pub fn RunPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|p| p.get("id")).unwrap_or_default());
    let run = remote::<RunDetail>(move || Some(format!("/runs/{}", seg(&id.get()))), &[Topic::Runs]);
    let series = remote::<Vec<MetricSeries>>(move || Some(format!("/runs/{}/metrics", seg(&id.get()))), &[Topic::Runs]);
    let running = move || run.data.with_untracked(|r| r.as_ref().is_some_and(|r| r.summary.status == "running"));
    if let Ok(timer) = set_interval_with_handle(
        move || {
            if running() {
                series.refetch()
            }
        },
        LIVE_PERIOD,
    ) {
        on_cleanup(move || timer.clear());
    }
    view! { <section class="page"><Loaded remote=run lines=10 let:run><Detail run series/></Loaded></section> }
}

#[component]
fn Detail(run: Signal<RunDetail>, series: Remote<Vec<MetricSeries>>) -> impl IntoView {
    let tab = param("tab", "charts");
    let settings = Settings::new("step");
    let summary = move || run.with(|r| r.summary.clone());
    let id = Signal::derive(move || run.with(|r| r.summary.id.clone()));
    let tabs =
        vec![("charts", "Charts".to_owned()), ("details", "Details".to_owned()), ("artifacts", "Artifacts".to_owned())];
    view! {
        <PageHead title=Signal::derive(move || summary().name)
            aside=move || view! { <Pill status=Status::run(&summary().status)/> }
            sub=move || { let s = summary(); format!("{} · {} · started {} · {}", s.experiment_name, s.user, ago(s.started_at), duration(&s)) }>
            {move || run.with(|r| r.job_id.clone()).map(|job| view! {
                <LinkButton href=format!("/jobs/{job}") icon="container">"Job"</LinkButton>
            })}
            <LinkButton href=format!("/traces?run={}", seg(&untrack(summary).id)) icon="git-branch">"Traces"</LinkButton>
            <LinkButton href=format!("/runs?experiment={}", seg(&untrack(summary).experiment_id)) icon="list">"Experiment"</LinkButton>
            <DeleteRuns runs=Signal::derive(move || vec![id.get()]) done=move |_| crate::app::go("/runs")/>
        </PageHead>
        <Figures run/>
        <Tabs param=tab label="Parts of the run" tabs/>
        <div role="tabpanel" class="panel">
            {move || match tab.get().as_str() {
                "details" => view! { <Details run/> }.into_any(),
                "artifacts" => view! { <Artifacts run_id=id/> }.into_any(),
                _ => view! {
                    <Loaded remote=series lines=8 let:list>
                        {
                            let runs = Signal::derive(move || vec![RunSeries { name: summary().name, colour: 0, series: list.get() }]);
                            view! { <MetricCharts runs settings/> }
                        }
                    </Loaded>
                }.into_any(),
            }}
        </div>
    }
}

/// The last values of a few metrics, large.
#[component]
fn Figures(run: Signal<RunDetail>) -> impl IntoView {
    let shown = move || {
        let mut metrics = run.with(|r| r.summary.metrics.clone());
        metrics.retain(|m| !m.key.starts_with("system/"));
        metrics.truncate(4);
        metrics
    };
    view! {
        <div class="stats">
            {move || shown().into_iter().map(|m| view! {
                <div class="card stat"><span class="mono" title=m.key.clone()>{m.key.clone()}</span><b>{metric_text(&m)}</b></div>
            }).collect_view()}
        </div>
    }
}

#[component]
fn Details(run: Signal<RunDetail>) -> impl IntoView {
    let metrics = Signal::derive(move || {
        let pair = |m: &drydock_wire::tracking::MetricValue| KeyValue { key: m.key.clone(), value: metric_text(m) };
        run.with(|r| r.summary.metrics.iter().map(pair).collect::<Vec<_>>())
    });
    let params = Signal::derive(move || run.with(|r| r.summary.params.clone()));
    // what MLflow keeps for itself is longer than helpful
    let tags = Signal::derive(move || {
        run.with(|r| r.tags.iter().filter(|t| !t.key.starts_with("mlflow.log-model")).cloned().collect::<Vec<_>>())
    });
    view! {
        <div class="split">
            <Card title="Parameters"><PairTable label="Parameters" pairs=params none="No parameters were logged."/></Card>
            <Card title="Metrics"><PairTable label="Metrics" pairs=metrics none="No metrics were logged."/></Card>
            <Card title="Where from and where to"><Origin run/></Card>
            <Card title="Tags"><PairTable label="Tags" pairs=tags none="No tags."/></Card>
        </div>
    }
}

#[component]
fn Origin(run: Signal<RunDetail>) -> impl IntoView {
    let id = Signal::derive(move || run.with(|r| r.summary.id.clone()));
    move || {
        let r = run.get();
        let datasets = r.datasets.into_iter().map(|d| {
            let context = d.context.map(|c| format!(" ({c})")).unwrap_or_default();
            view! { <div><a href=format!("/datasets/{}", seg(&d.name))>{d.name.clone()}</a>{context}" "<code class="dim">{short_id(&d.digest)}</code></div> }
        });
        let versions = r.model_versions.into_iter().map(|v| {
            view! { <div><a href=format!("/models/{}?version={}", seg(&v.model), v.version)>{format!("{} version {}", v.model, v.version)}</a></div> }
        });
        let none = || view! { <span class="dim">"none"</span> };
        let (datasets, versions) = (datasets.collect::<Vec<_>>(), versions.collect::<Vec<_>>());
        let (no_data, no_versions) = (datasets.is_empty(), versions.is_empty());
        view! {
            <Facts>
                <dt>"Run id"</dt><dd><code>{id.get()}</code><CopyButton text=id what="Copy the run's id"/></dd>
                <dt>"Experiment"</dt><dd><a href=format!("/runs?experiment={}", seg(&r.summary.experiment_id))>{r.summary.experiment_name}</a></dd>
                <dt>"Job"</dt><dd>{match r.job_id {
                    Some(job) => view! { <a href=format!("/jobs/{job}")><code>{short_id(&job)}</code></a> }.into_any(),
                    None => view! { <span class="dim">"logged from outside"</span> }.into_any(),
                }}</dd>
                <dt>"Data"</dt><dd>{datasets}{no_data.then(none)}</dd>
                <dt>"Models"</dt><dd>{versions}{no_versions.then(none)}</dd>
                <dt>"Started"</dt><dd><TimeAgo at=r.summary.started_at/></dd>
                <dt>"Ended"</dt><dd>{match r.summary.ended_at {
                    Some(at) => view! { <TimeAgo at/> }.into_any(),
                    None => view! { <span class="dim">"still running"</span> }.into_any(),
                }}</dd>
            </Facts>
        }
    }
}
