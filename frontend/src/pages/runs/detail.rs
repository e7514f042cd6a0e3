//! One run: what it is, its charts as they grow, its files, where it came from and went. The tab is in the address.

use super::{
    artifacts::Artifacts,
    charts::{MetricCharts, RunSeries},
    columns::duration,
    data::Data,
    edit::RenameButton,
    media::{Media, logged_tables},
    origin::{Code, Models},
    overview::Overview,
};
use crate::{
    api::seg,
    app::{ago, go},
    chart::Settings,
    live::{Remote, remote},
    pages::parts::{DeleteRuns, LogView, metric_text},
    reactive::memo,
    ui::{EmptyState, LinkButton, Loaded, PageHead, Pill, Status, Tabs, url::param},
};
use drydock_wire::{
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
    let id = memo(move || params.with(|p| p.get("id")).unwrap_or_default());
    let run = remote::<RunDetail>(move || Some(format!("/runs/{}", seg(&id.get()))), &[Topic::Runs]);
    let series = remote::<Vec<MetricSeries>>(
        move || Some(format!("/runs/{}/metrics?max_points=1000", seg(&id.get()))),
        &[Topic::Runs],
    );
    let running = move || run.data.with_untracked(|r| r.as_ref().is_some_and(|r| r.summary.status == "running"));
    if let Ok(timer) = set_interval_with_handle(
        move || {
            if running() && !document().hidden() {
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
    let tab = param("tab", "overview");
    let settings = Settings::new("step");
    let summary = move || run.with(|r| r.summary.clone());
    let id = Signal::derive(move || run.with(|r| r.summary.id.clone()));
    let job = memo(move || run.with(|r| r.job_id.clone()));
    let media = memo(move || run.with(|r| !logged_tables(r).is_empty() || has_images(r)));
    let data = memo(move || run.with(|r| !r.datasets.is_empty()));
    let tabs = move || {
        let mut tabs = vec![("overview", "Overview"), ("charts", "Charts"), ("artifacts", "Artifacts")];
        if data.get() {
            tabs.push(("data", "Data"));
        }
        if media.get() {
            tabs.push(("media", "Images and tables"));
        }
        tabs.extend([("models", "Models"), ("code", "Code")]);
        if job.with(Option::is_some) {
            tabs.push(("log", "Log"));
        }
        tabs.into_iter().map(|(key, text)| (key, text.to_owned())).collect::<Vec<_>>()
    };
    let shown = memo(move || tab.get());
    view! {
        <PageHead title=Signal::derive(move || summary().name)
            aside=move || view! { <Pill status=Status::run(&summary().status)/> }
            sub=move || { let s = summary(); view! {
                <a href=format!("/runs?experiment={}", seg(&s.experiment_id))>{s.experiment_name.clone()}</a>
                {format!(" · {} · started {} · {} · ", s.user, ago(s.started_at), duration(&s))}
                <a href=format!("/lineage/run/{}", seg(&s.id))>"Lineage"</a>
            } }>
            <RenameButton run/>
            <LinkButton href=format!("/traces?run={}", seg(&untrack(summary).id)) icon="git-branch">"Traces"</LinkButton>
            {move || job.get().map(|job| view! { <LinkButton href=format!("/jobs/{job}") icon="container">"Job"</LinkButton> })}
            <DeleteRuns runs=Signal::derive(move || vec![id.get()]) done=move |_| go("/runs")/>
        </PageHead>
        <Figures run/>
        {move || view! { <Tabs param=tab label="Parts of the run" tabs=tabs()/> }}
        <div role="tabpanel" class="panel">
            {move || match shown.get().as_str() {
                "charts" => view! { <Charts run series settings/> }.into_any(),
                "artifacts" => view! { <Artifacts run/> }.into_any(),
                "data" => view! { <Data run/> }.into_any(),
                "media" => view! { <Media run/> }.into_any(),
                "models" => view! { <Models run/> }.into_any(),
                "code" => view! { <Code run/> }.into_any(),
                "log" => view! { <Beside job run series settings/> }.into_any(),
                _ => view! { <Overview run/> }.into_any(),
            }}
        </div>
    }
}

fn has_images(run: &RunDetail) -> bool {
    run.tags.iter().any(|t| t.key == "mlflow.loggedImages" && t.value.eq_ignore_ascii_case("true"))
}

#[component]
fn Charts(run: Signal<RunDetail>, series: Remote<Vec<MetricSeries>>, settings: Settings) -> impl IntoView {
    view! {
        <Loaded remote=series lines=8 let:list>
            {
                let runs = Signal::derive(move || {
                    vec![RunSeries { name: run.with(|r| r.summary.name.clone()), colour: 0, series: list.get() }]
                });
                view! { <MetricCharts runs settings/> }
            }
        </Loaded>
    }
}

/// The job's log as it is written, with the charts beside it where there is room.
#[component]
fn Beside(
    job: Memo<Option<String>>,
    run: Signal<RunDetail>,
    series: Remote<Vec<MetricSeries>>,
    settings: Settings,
) -> impl IntoView {
    move || {
        match job.get() {
        None => view! {
            <EmptyState icon="scroll-text" title="No log" text="Runs that a job of this box made have one. This run was logged from elsewhere."/>
        }
        .into_any(),
        Some(job) => {
            let path = format!("/jobs/{}/log", seg(&job));
            let file = format!("{job}.log");
            view! {
                <div class="beside">
                    <div><LogView path=Signal::derive(move || path.clone()) file=Signal::derive(move || file.clone())/></div>
                    <div class="beside-charts"><Charts run series settings/></div>
                </div>
            }
            .into_any()
        }
    }
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
