//! One run of a pipeline: its graph with live states, its tasks on an axis of time, each task with its log at hand.

use super::{
    approval::Approval,
    cause_line,
    drawer::{Drawer, TaskTable},
    gantt::Gantt,
    graph::{Graph, NodeState, TaskList},
    href, run_href,
    words::{items, run_status, whole},
};
use crate::{
    api::{self, seg},
    app::{app, go},
    format,
    live::{hint, remote},
    pages::parts::is_engineer,
    reactive::memo,
    ui::{
        Button, Card, ConfirmDialog, Facts, Icon, Loaded, Look, PageHead, Pill, Show, Tabs, Tone, act, toast,
        url::{Param, param},
    },
};
use drydock_wire::{
    events::Topic,
    pipelines::{PipelineRunDetail, Rerun, RunState, TaskState},
};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use std::collections::HashMap;

#[component]
pub fn PipelineRunPage() -> impl IntoView {
    let params = use_params_map();
    let id = memo(move || params.with(|p| p.get("id")).unwrap_or_default());
    // the reason for which a job waits comes from the queue
    let run = remote::<PipelineRunDetail>(
        move || Some(format!("/pipeline-runs/{}", seg(&id.get()))),
        &[Topic::Pipelines, Topic::Jobs],
    );
    view! { <section class="page"><Loaded remote=run lines=10 let:run><Detail run/></Loaded></section> }
}

#[component]
fn Detail(run: Signal<PipelineRunDetail>) -> impl IntoView {
    let (tab, chosen) = (param("tab", "graph"), param("task", ""));
    let title = Signal::derive(move || run.with(|r| format!("{} run {}", r.run.pipeline, r.run.number)));
    let tabs = vec![
        ("graph", "Graph".to_owned()),
        ("gantt", "Times".to_owned()),
        ("tasks", "Tasks".to_owned()),
        ("parameters", "Parameters".to_owned()),
    ];
    let beside = move || !chosen.is("");
    view! {
        <PageHead title aside=move || run.with(|r| view! { <Pill status=run_status(&r.run)/> })
            sub=move || run.with(|r| cause_line(&r.run))><Actions run/></PageHead>
        {move || run.with(|r| r.run.reason.clone()).filter(|r| !r.is_empty()).map(|why| {
            let tone = if run.with_untracked(|r| r.run.state == RunState::Failed) { "bad" } else { "neutral" };
            view! { <p class=format!("callout {tone}") role="status"><Icon name="info"/><span>{why}</span></p> }
        })}
        <Asked run/>
        <Tabs param=tab label="Parts of the run" tabs/>
        <div role="tabpanel" class="panel">
            <div class="run-body" class:beside=beside>
                <div class="run-main">{move || part(&tab.get(), run, chosen)}</div>
                <Drawer run chosen/>
            </div>
        </div>
    }
}

fn part(tab: &str, run: Signal<PipelineRunDetail>, chosen: Param) -> AnyView {
    match tab {
        "gantt" => view! { <Gantt run chosen/> }.into_any(),
        "tasks" => view! { <TaskTable run chosen/> }.into_any(),
        "parameters" => view! { <Parameters run/> }.into_any(),
        _ => {
            let shapes = Signal::derive(move || run.with(|r| r.shapes.clone()));
            let states = Signal::derive(move || {
                let now = app().now.get();
                run.with(|r| states(r, now))
            });
            view! { <Graph shapes states chosen/><TaskList shapes states chosen/> }.into_any()
        }
    }
}

/// How each task stands, for the graph.
fn states(run: &PipelineRunDetail, now: i64) -> HashMap<String, NodeState> {
    let one = |name: &String| {
        let task = whole(&run.tasks, name)?;
        let took = task.started_at.map(|from| format::duration((task.ended_at.unwrap_or(now) - from).max(0) as u64));
        let detail = items(&run.tasks, name).or(took.filter(|_| task.state != TaskState::Cached)).unwrap_or_default();
        Some((name.clone(), NodeState { state: task.state, detail }))
    };
    run.shapes.iter().filter_map(|s| one(&s.name)).collect()
}

/// Questions that wait for a person, above everything else.
#[component]
fn Asked(run: Signal<PipelineRunDetail>) -> impl IntoView {
    let asked = memo(move || {
        run.with(|r| {
            let waits =
                r.tasks.iter().filter(|t| t.state == TaskState::WaitsForPerson && !t.is_past && t.approval.is_some());
            waits.map(|t| (r.run.id.clone(), t.clone())).collect::<Vec<_>>()
        })
    });
    move || asked.get().into_iter().map(|(run_id, task)| view! { <Approval run_id task/> }).collect_view()
}

#[component]
fn Parameters(run: Signal<PipelineRunDetail>) -> impl IntoView {
    let rows = move || {
        run.with(|r| r.parameters.clone())
            .into_iter()
            .map(|(name, value)| {
                let text = match value {
                    serde_json::Value::String(s) => s,
                    v => v.to_string(),
                };
                view! { <dt class="mono">{name}</dt><dd class="mono">{text}</dd> }
            })
            .collect_view()
    };
    let none = move || run.with(|r| r.parameters.is_empty());
    view! {
        <Card title="Parameters"><Show when=move || !none() fallback=|| view! { <p class="dim none">"This pipeline has no parameters."</p> }><Facts>{rows()}</Facts></Show></Card>
        <p class="dim among">"It runs version "{move || run.with(|r| r.run.version)}" of "<a href=move || run.with(|r| format!("{}?tab=yaml&version={}", href(&r.run.pipeline), r.run.version))>{move || run.with(|r| r.run.pipeline.clone())}</a>"."</p>
    }
}

#[component]
fn Actions(run: Signal<PipelineRunDetail>) -> impl IntoView {
    let (busy, stopping) = (RwSignal::new(false), RwSignal::new(false));
    let id = memo(move || run.with(|r| r.run.id.clone()));
    let state = memo(move || run.with(|r| r.run.state));
    let rerun = move |all: bool| {
        let path = format!("/pipeline-runs/{}/rerun", seg(&id.get_untracked()));
        let call = async move { api::post::<_, PipelineRunDetail>(&path, &Rerun { all }).await };
        act(busy, "It was not run again", call, move |made| {
            hint(Topic::Pipelines);
            if all {
                toast(
                    Tone::Good,
                    &format!("Run {} is started", made.run.number),
                    "The same version with the same parameters.",
                );
                go(&run_href(&made.run));
            } else {
                toast(Tone::Good, "What failed runs again", "What succeeded stays as it is.");
            }
        });
    };
    let stop = move |()| {
        let path = format!("/pipeline-runs/{}/cancel", seg(&id.get_untracked()));
        let call = async move { api::post_empty::<PipelineRunDetail>(&path).await };
        act(busy, "The run was not cancelled", call, move |_| {
            stopping.set(false);
            hint(Topic::Pipelines);
            toast(Tone::Good, "The run is being cancelled", "Its jobs get their time to end by themselves.");
        });
    };
    let nothing_failed = Signal::derive(move || {
        let failed = run.with(|r| r.tasks.iter().any(|t| !t.is_past && t.state.is_bad()));
        (!failed).then(|| "Nothing failed in this run.".to_owned())
    });
    let ended = Signal::derive(move || state.get().is_final().then(|| "The run has ended.".to_owned()));
    view! {
        <Show when=is_engineer>
            <Button icon="rotate-ccw" busy why_not=nothing_failed on_press=move |_| rerun(false)>"Rerun what failed"</Button>
            <Button icon="play" busy on_press=move |_| rerun(true)>"Run again"</Button>
            <Button look=Look::Danger icon="square" why_not=ended on_press=move |_| stopping.set(true)>"Cancel run"</Button>
        </Show>
        <ConfirmDialog open=stopping title="Cancel this run?" name="" action="Cancel the run" on_confirm=stop busy=busy>
            <p>"Its jobs are stopped, and nothing that waits starts. What it registered or deployed so far stays."</p>
        </ConfirmDialog>
    }
}
