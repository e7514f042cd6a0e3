//! One pipeline: its runs by task, its graph, what starts it, its YAML in all versions.

use super::{
    editor::Editor,
    graph::{Graph, TaskList},
    grid::{Grid, RunList},
    href,
    start_run::StartDialog,
    starts::Starts,
    words::{kind_icon, start_when},
};
use crate::{
    api::{self, seg},
    app::{ago, go},
    format,
    live::{hint, remote},
    pages::parts::{is_engineer, query},
    reactive::memo,
    ui::{
        Button, Card, ConfirmDialog, CopyButton, Facts, Icon, Loaded, Look, PageHead, Pill, Show, Status, Tabs, Tone,
        act, toast,
        url::{Param, param},
    },
};
use drydock_wire::{
    events::Topic,
    pipelines::{PipelineDetail, TaskShape, UpdatePipeline},
};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use std::collections::HashMap;

#[component]
pub fn PipelinePage() -> impl IntoView {
    let params = use_params_map();
    let name = memo(move || params.with(|p| p.get("name")).unwrap_or_default());
    let version = param("version", "");
    let path = move || Some(query(&format!("/pipelines/{}", seg(&name.get())), &[("version", version.get())]));
    let pipeline = remote::<PipelineDetail>(path, &[Topic::Pipelines]);
    view! { <section class="page"><Loaded remote=pipeline lines=10 let:pipeline><Detail pipeline version/></Loaded></section> }
}

#[component]
fn Detail(pipeline: Signal<PipelineDetail>, version: Param) -> impl IntoView {
    let tab = param("tab", "grid");
    let (starting, deleting, busy) = (RwSignal::new(false), RwSignal::new(false), RwSignal::new(false));
    let name = memo(move || pipeline.with(|p| p.summary.name.clone()));
    let paused = memo(move || pipeline.with(|p| p.summary.paused));
    let pause = move |_| switch(name.get_untracked(), !paused.get_untracked(), busy);
    let sub = move || pipeline.with(line);
    let tabs = vec![
        ("grid", "Runs by task".to_owned()),
        ("runs", "Runs".to_owned()),
        ("graph", "Graph".to_owned()),
        ("starts", "What starts it".to_owned()),
        ("yaml", "YAML".to_owned()),
    ];
    view! {
        <PageHead title=name sub=sub aside=move || paused.get().then(|| view! { <Pill status=Status::new(Tone::Neutral, "Paused")/> })>
            <Show when=is_engineer>
                <Button look=Look::Primary icon="play" on_press=move |_| starting.set(true)>"Start a run"</Button>
                <Button busy icon="pause" on_press=pause>{move || if paused.get() { "Resume" } else { "Pause" }}</Button>
                <Button look=Look::Danger icon="trash-2" on_press=move |_| deleting.set(true)>"Delete"</Button>
            </Show>
        </PageHead>
        <Tabs param=tab label="Parts of the pipeline" tabs/>
        <div role="tabpanel" class="panel">
            {move || match tab.get().as_str() {
                "runs" => view! { <RunList name/> }.into_any(),
                "graph" => view! { <Shape pipeline/> }.into_any(),
                "starts" => view! { <Starts pipeline/> }.into_any(),
                "yaml" => view! { <Yaml pipeline version/> }.into_any(),
                _ => view! { <Grid name/> }.into_any(),
            }}
        </div>
        <StartDialog open=starting pipeline/>
        <DeleteDialog open=deleting name/>
    }
}

/// Pauses a pipeline or lets it go on.
fn switch(name: String, paused: bool, busy: RwSignal<bool>) {
    let (path, wish) = (format!("/pipelines/{}", seg(&name)), UpdatePipeline { paused: Some(paused) });
    let call = async move { api::patch::<_, PipelineDetail>(&path, &wish).await };
    act(busy, "It was not changed", call, move |now| {
        hint(Topic::Pipelines);
        let (title, text) = match now.summary.paused {
            true => ("The pipeline is paused", "Neither schedules nor triggers start runs; you can."),
            false => ("The pipeline goes on", "What fell into the pause is not made up for."),
        };
        toast(Tone::Good, title, text);
    });
}

/// Below the title; reactive.
fn line(p: &PipelineDetail) -> String {
    let next = p.summary.next_due_at.filter(|_| !p.summary.paused).map(|at| format!(" · next run {}", ago(at)));
    let said = if p.summary.description.is_empty() { String::new() } else { format!("{} · ", p.summary.description) };
    let changed = format!("{} by {}", ago(p.summary.updated_at), p.summary.updated_by);
    format!("{said}version {}, {changed}{}", p.version, next.unwrap_or_default())
}

#[component]
fn Shape(pipeline: Signal<PipelineDetail>) -> impl IntoView {
    let chosen = param("task", "");
    let shapes = Signal::derive(move || pipeline.with(|p| p.tasks.clone()));
    let states = Signal::stored(HashMap::new());
    let shown = move || shapes.with(|s| s.iter().find(|t| chosen.is(&t.name)).cloned());
    view! {
        <Graph shapes states chosen/><TaskList shapes states chosen/>
        {move || shown().map(task)}
    }
}

/// What the YAML says of a task.
fn task(t: TaskShape) -> impl IntoView {
    view! {
        <Card title=t.name>
            <Facts>
                <dt>"Kind"</dt><dd><span class="with-icon"><Icon name=kind_icon(t.kind)/>{t.kind.as_str()}</span></dd>
                <dt>"What"</dt><dd class="mono">{t.what}</dd>
                <dt>"After"</dt><dd>{if t.needs.is_empty() { "nothing: it starts with the run".to_owned() } else { t.needs.join(", ") }}
                    {start_when(t.start_when).map(|w| format!(", {w}"))}</dd>
                {t.when.map(|w| view! { <dt>"Only when"</dt><dd class="mono">{w}</dd> })}
                <dt>"Retries"</dt><dd>{t.retries}</dd>
                <dt>"Time limit"</dt><dd>{t.timeout_s.map_or("none".to_owned(), |s| format::duration(s * 1000))}</dd>
                <dt>"Cache"</dt><dd>{if t.cache { "results of equal inputs are taken" } else { "it always runs" }}</dd>
                {t.fans_out.then(|| view! { <dt>"Fans out"</dt><dd>"once for each item of a list"</dd> })}
                {t.line.map(|l| view! { <dt>"In the YAML"</dt><dd>"line "{l}</dd> })}
            </Facts>
        </Card>
    }
}

#[component]
fn Yaml(pipeline: Signal<PipelineDetail>, version: Param) -> impl IntoView {
    let edit = param("edit", "");
    let name = memo(move || pipeline.with(|p| p.summary.name.clone()));
    let versions = memo(move || pipeline.with(|p| p.versions.clone()));
    let text = Signal::derive(move || pipeline.with(|p| p.yaml.clone()));
    let done = Callback::new(move |applied: String| {
        hint(Topic::Pipelines);
        go(&format!("{}?tab=yaml", href(&applied)));
    });
    let editing = move || !edit.is("") && is_engineer();
    let option = move |v: drydock_wire::pipelines::PipelineVersion| {
        let value = v.version.to_string();
        let chosen = version.is(&value);
        view! { <option value=value selected=chosen>"Version "{v.version}", "{ago(v.created_at)}" by "{v.author}</option> }
    };
    move || {
        if editing() {
            let back = format!("{}?tab=yaml", href(&name.get_untracked()));
            return view! { <Editor text=untrack(|| text.get()) on_done=done back/> }.into_any();
        }
        view! {
            <div class="toolbar">
                <label class="pick"><span class="sr">"Version"</span>
                    <select on:change:target=move |e| version.set(&e.target().value())>{versions.get().into_iter().map(option).collect_view()}</select></label>
                <span class="push"></span>
                <CopyButton text what="Copy the YAML"/>
                {is_engineer().then(|| view! { <Button small=true icon="pencil" on_press=move |_| edit.push("1")>"Edit"</Button> })}
            </div>
            <pre class="code long" tabindex="0" aria-label="The pipeline's YAML">{text}</pre>
        }
        .into_any()
    }
}

#[component]
fn DeleteDialog(open: RwSignal<bool>, name: Memo<String>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let confirm = move |()| {
        let path = format!("/pipelines/{}", seg(&name.get_untracked()));
        act(busy, "The pipeline was not deleted", async move { api::delete(&path).await }, move |()| {
            open.set(false);
            toast(Tone::Good, "Pipeline deleted", "");
            go("/pipelines");
        });
    };
    view! {
        <ConfirmDialog open title="Delete this pipeline?" name=name action="Delete the pipeline" on_confirm=confirm busy=busy>
            <p>"Its versions, its runs and their history go. The jobs, models and deployments that it made stay."</p>
        </ConfirmDialog>
    }
}
