//! The front page: what is there, how the box is, the sample lifecycle, what happened last.

use crate::{
    api,
    app::ago,
    format::{bytes, duration, number, plural},
    live::{hint, remote},
    reactive::memo,
    session::may,
    shell::use_overview,
    ui::{
        Button, Card, Each, EmptyState, Icon, LinkButton, Loaded, Look, Meter, PageHead, Pill, Skeleton, Status,
        TimeAgo, Tone, toast::toast_error, with_code,
    },
};
use drydock_wire::{
    Page,
    accounts::Role,
    demo::{DemoState, DemoStep, StepState},
    events::Topic,
    jobs::JobSummary,
    overview::{BoxInfo, Overview},
    serving::DeploymentSummary,
};
use leptos::{prelude::*, task::spawn_local};
use std::time::Duration;

#[component]
pub fn OverviewPage() -> impl IntoView {
    let overview = use_overview();
    let sub = move || {
        overview.data.with(|o| {
            o.as_ref().map(|o| {
                let docker = match &o.docker.version {
                    Some(version) => format!("Docker {version}"),
                    None => "Docker away".to_owned(),
                };
                format!("{} · Drydock {} · {docker} · started {}", o.box_info.hostname, o.version, ago(o.started_at))
            })
        })
    };
    view! {
        <section class="page">
            <PageHead title="Overview" sub=sub/>
            <Loaded remote=overview lines=3 let:data><Tiles data/></Loaded>
            <div class="overview">
                <div class="stack"><Sample/><Recent/></div>
                <div class="stack"><Sides/></div>
            </div>
        </section>
    }
}

/// The box and Docker, once they are known; the tiles above say what went wrong, if something did.
#[component]
fn Sides() -> impl IntoView {
    let overview = use_overview();
    let known = memo(move || overview.data.with(Option::is_some));
    let content = move || {
        if known.get() {
            return view! { <Loaded remote=overview let:data><Machine data/><Docker data/></Loaded> }.into_any();
        }
        view! { <Card title="This box"><Skeleton/></Card> }.into_any()
    };
    view! { {content} }
}

#[component]
fn Tiles(data: Signal<Overview>) -> impl IntoView {
    type Text = fn(&Overview) -> String;
    let tiles: [(&str, &str, &str, Text, Text); 5] = [
        (
            "/datasets",
            "database",
            "Datasets",
            |o| number(o.counts.datasets),
            |o| format!("{} stored", bytes(o.counts.blob_bytes)),
        ),
        (
            "/jobs",
            "container",
            "Jobs",
            |o| number(o.counts.jobs_running),
            |o| format!("running, {} queued", number(o.counts.jobs_queued)),
        ),
        (
            "/runs",
            "activity",
            "Runs",
            |o| number(o.counts.runs),
            |o| format!("in {}", plural(o.counts.experiments, "experiment")),
        ),
        ("/models", "box", "Models", |o| number(o.counts.models), |_| "registered".into()),
        (
            "/deployments",
            "rocket",
            "Deployments",
            |o| number(o.counts.deployments),
            |o| format!("{} ready", number(o.counts.deployments_ready)),
        ),
    ];
    view! {
        <div class="tiles">
            {tiles.into_iter().map(|(href, icon, label, figure, rest)| view! {
                <a class="tile" href=href><span><Icon name=icon/>{label}</span>
                    <b>{move || data.with(figure)}</b><small>{move || data.with(rest)}</small></a>
            }).collect_view()}
        </div>
    }
}

#[component]
fn Machine(data: Signal<Overview>) -> impl IntoView {
    let part = move |f: fn(&BoxInfo) -> f64| Signal::derive(move || data.with(|o| f(&o.box_info)));
    let text = move |f: fn(&BoxInfo) -> String| Signal::derive(move || data.with(|o| f(&o.box_info)));
    let gpus = memo(move || data.with(|o| o.box_info.gpus.len()));
    let server = text(|b| format!("{} of memory", bytes(b.server_memory_bytes)));
    view! {
        <Card title="This box">
            <div class="meters">
                <Meter label="CPU" calm=true share=part(|b| f64::from(b.cpu_percent) / 100.0)
                    text=text(|b| format!("{:.0} % of {}", b.cpu_percent, plural(b.cpu_count.into(), "core")))/>
                <Meter label="Memory" share=part(|b| b.memory_used_bytes as f64 / (b.memory_total_bytes as f64).max(1.0))
                    text=text(|b| format!("{} of {}", bytes(b.memory_used_bytes), bytes(b.memory_total_bytes)))/>
                <Meter label="Disk" share=part(|b| disk_used(b) as f64 / (b.disk_total_bytes as f64).max(1.0))
                    text=text(|b| format!("{} of {}", bytes(disk_used(b)), bytes(b.disk_total_bytes)))/>
                {move || (0..gpus.get()).map(|i| view! { <GpuMeters data i/> }).collect_view()}
                <dl class="facts">
                    <dt>"Server"</dt><dd>{move || server.get()}</dd>
                    {move || data.with(|o| o.box_info.gpu_note.clone()).map(|note| view! { <dt>"GPU"</dt><dd>{note}</dd> })}
                </dl>
            </div>
        </Card>
    }
}

fn disk_used(b: &BoxInfo) -> u64 {
    b.disk_total_bytes.saturating_sub(b.disk_free_bytes)
}

#[component]
fn GpuMeters(data: Signal<Overview>, i: usize) -> impl IntoView {
    let gpu = memo(move || data.with(|o| o.box_info.gpus.get(i).cloned()));
    let label = gpu.with_untracked(|g| g.as_ref().map(|g| format!("GPU {}: {}", g.index, g.name)).unwrap_or_default());
    let memory = Signal::derive(move || {
        gpu.with(|g| {
            g.as_ref().map(|g| g.memory_used_bytes as f64 / (g.memory_total_bytes as f64).max(1.0)).unwrap_or_default()
        })
    });
    let text = Signal::derive(move || {
        gpu.with(|g| {
            g.as_ref()
                .map(|g| format!("{} of {}", bytes(g.memory_used_bytes), bytes(g.memory_total_bytes)))
                .unwrap_or_default()
        })
    });
    let load = Signal::derive(move || {
        gpu.with(|g| g.as_ref().map(|g| f64::from(g.utilization_percent) / 100.0).unwrap_or_default())
    });
    let heat = Signal::derive(move || {
        gpu.with(|g| {
            g.as_ref().map(|g| format!("{} %, {} °C", g.utilization_percent, g.temperature_celsius)).unwrap_or_default()
        })
    });
    view! { <Meter label=label share=memory text=text/><Meter label="Load" calm=true share=load text=heat/> }
}

#[component]
fn Docker(data: Signal<Overview>) -> impl IntoView {
    let docker = memo(move || data.with(|o| o.docker.clone()));
    let tasks = memo(move || data.with(|o| o.tasks.clone()));
    let failing = move || tasks.with(|t| t.iter().any(|t| t.last_error.is_some()));
    let state = move || {
        let docker = docker.get();
        let status =
            if docker.available { Status::new(Tone::Good, "Running") } else { Status::live(Tone::Warn, "Away") };
        view! { <Pill status/> }
    };
    view! {
        <Card title="Docker" aside=state>
            <dl class="facts">
                <dt>"Engine"</dt><dd>{move || docker.with(|d| d.version.clone().or(d.message.clone()).unwrap_or_else(|| "does not answer".into()))}</dd>
                <dt>"Runtime image"</dt><dd>{move || docker.with(|d| with_code(match (d.available, d.runtime_image) {
                    (_, true) => "on this box",
                    (true, false) => "missing: `make up` builds it",
                    (false, false) => "not known while Docker is away",
                }))}</dd>
                <dt>"Background"</dt><dd>
                    <details class="tasks" open=failing>
                        <summary>{move || tasks.with(|t| plural(t.len() as u64, "part"))}{move || if failing() { ", one failing" } else { "" }}</summary>
                        <dl class="facts">
                            {move || tasks.get().into_iter().map(|t| view! {
                                <dt>{t.name}</dt>
                                <dd>{match (t.last_error, t.last_run_at) {
                                    (Some(error), _) => error.into_any(),
                                    (None, Some(at)) => view! { <TimeAgo at/>", "{duration(t.last_duration_ms)} }.into_any(),
                                    (None, None) => "not run yet".into_any(),
                                }}</dd>
                            }).collect_view()}
                        </dl>
                    </details>
                </dd>
            </dl>
        </Card>
    }
}

/// Starts the sample lifecycle; the card on the overview shows its steps.
pub fn run_sample() {
    spawn_local(async {
        match api::post_empty::<serde_json::Value>("/demo").await {
            Ok(_) => hint(Topic::Demo),
            Err(error) => toast_error("The sample was not started", &error),
        }
    });
}

/// The sample lifecycle: data, training, model, deployment and prediction in one go.
#[component]
fn Sample() -> impl IntoView {
    let demo = remote::<DemoState>(|| Some("/demo".into()), &[Topic::Demo]);
    let running = memo(move || demo.data.with(|d| d.as_ref().is_some_and(|d| d.running)));
    // hints may be late while steps are short
    let tick = set_interval_with_handle(
        move || {
            if running.get_untracked() {
                demo.refetch()
            }
        },
        Duration::from_secs(2),
    );
    if let Ok(tick) = tick {
        on_cleanup(move || tick.clear());
    }
    let docker_away = Signal::derive(move || {
        let away = use_overview().data.with(|o| o.as_ref().is_some_and(|o| !o.docker.available));
        away.then(|| "Docker is not running; the sample trains and serves in containers.".to_owned())
    });
    let press = move |_| {
        run_sample();
        demo.refetch();
    };
    let button = move || {
        may(Role::Engineer).then(|| {
            view! { <Button look=Look::Primary small=true icon="play" busy=running why_not=docker_away on_press=press testid="run-sample">
                {move || if running.get() { "Running" } else { "Run the sample" }}</Button> }
        })
    };
    view! {
        <Card title="The sample lifecycle" class="sample" aside=button>
            <p>"Real data through the whole life of a model: a versioned dataset, checked, trained on in a container, gated, registered, deployed, and asked for a prediction."</p>
            <Loaded remote=demo lines=8 let:state>
                <ol class="steps" aria-label="Steps of the sample">
                    <Each keys=move || state.with(|s| s.steps.iter().map(|s| s.id.clone()).collect::<Vec<_>>())
                        children=move |id| view! { <Step state id/> }/>
                </ol>
            </Loaded>
        </Card>
    }
}

#[component]
fn Step(state: Signal<DemoState>, id: String) -> impl IntoView {
    let testid = format!("step-{id}");
    let step = memo(move || state.with(|s| s.steps.iter().find(|s| s.id == id).cloned()));
    let class = move || step.with(|s| s.as_ref().map(|s| format!("step {}", Status::from(s.state).tone.class())));
    view! { <li class=class data-testid=testid>{move || step.get().map(step_line)}</li> }
}

fn step_line(step: DemoStep) -> impl IntoView {
    let icon = match step.state {
        StepState::Waiting => "circle-dashed",
        StepState::Running => "loader-circle",
        StepState::Done => "circle-check",
        StepState::Failed => "circle-x",
    };
    let word = Status::from(step.state).label;
    let title = match step.link {
        Some(link) => view! { <a class="name" href=link>{step.title}</a> }.into_any(),
        None => step.title.into_any(),
    };
    view! {
        <Icon name=icon/><b>{title}<span class="sr">": "{word}</span></b>
        <span class="took">{step.duration_ms.map(duration)}</span>
        {step.outcome.map(|outcome| view! { <p>{outcome}</p> })}
    }
}

#[component]
fn Recent() -> impl IntoView {
    let jobs = remote::<Page<JobSummary>>(|| Some("/jobs?limit=6".into()), &[Topic::Jobs]);
    let deployments = remote::<Page<DeploymentSummary>>(|| Some("/deployments?limit=6".into()), &[Topic::Deployments]);
    view! {
        <div class="columns-2">
            <Card title="Recent jobs" class="flush" aside=|| view! { <a href="/jobs">"All jobs"</a> }>
                <Loaded remote=jobs lines=4 let:page>
                    {move || if page.with(|p| p.items.is_empty()) { no_jobs().into_any() } else { view! {
                        <ul class="lines">{page.get().items.into_iter().map(|job| view! {
                            <li><a class="name" href=format!("/jobs/{}", job.id)>{job.name}</a><Pill status=job.state/>
                                <span class="when"><TimeAgo at=job.submitted_at/></span></li>
                        }).collect_view()}</ul>
                    }.into_any() }}
                </Loaded>
            </Card>
            <Card title="Deployments" class="flush" aside=|| view! { <a href="/deployments">"All deployments"</a> }>
                <Loaded remote=deployments lines=4 let:page>
                    {move || if page.with(|p| p.items.is_empty()) { no_deployments().into_any() } else { view! {
                        <ul class="lines">{page.get().items.into_iter().map(|d| view! {
                            <li><a class="name" href=format!("/deployments/{}", api::seg(&d.name))>{d.name.clone()}</a>
                                <span class="dim">{d.model}" v"{d.version}</span><Pill status=d.state/>
                                <span class="when num">{number(d.traffic.requests)}" req/h"</span></li>
                        }).collect_view()}</ul>
                    }.into_any() }}
                </Loaded>
            </Card>
        </div>
    }
}

fn no_jobs() -> impl IntoView {
    view! {
        <EmptyState icon="container" title="No job ran yet" text="A job trains in a container with its own limits and a live log.">
            {may(Role::Engineer).then(|| view! { <LinkButton href="/jobs/new" small=true icon="plus">"New job"</LinkButton> })}
        </EmptyState>
    }
}

fn no_deployments() -> impl IntoView {
    view! {
        <EmptyState icon="rocket" title="Nothing is served yet" text="Deploy a version of a registered model; the gateway then answers under its name.">
            {may(Role::Engineer).then(|| view! { <LinkButton href="/models" small=true icon="box">"Choose a model"</LinkButton> })}
        </EmptyState>
    }
}
