//! One task of a run: how it stands and why, its tries and items, what it made, its log at hand.

use super::{
    approval::Approval,
    words::{kind_icon, start_when, task_status},
};
use crate::{
    api::{self, seg},
    format,
    live::hint,
    pages::parts::{LogView, When, is_engineer, short_id},
    reactive::memo,
    ui::{
        Button, ConfirmDialog, Facts, Icon, LinkButton, Pill, Show, Tone, act, toast,
        url::{Param, param},
    },
};
use drydock_wire::{
    events::Topic,
    pipelines::{ClearTask, PipelineRunDetail, TaskRun, TaskShape, TaskState},
};
use leptos::prelude::*;
use serde_json::Value;

/// `chosen` names the task; which try or item, is in the address, too.
#[component]
pub fn Drawer(run: Signal<PipelineRunDetail>, chosen: Param) -> impl IntoView {
    let at = param("try", "");
    let shape = memo(move || run.with(|r| r.shapes.iter().find(|s| chosen.is(&s.name)).cloned()));
    let tries = memo(move || run.with(|r| r.tasks.iter().filter(|t| chosen.is(&t.task)).cloned().collect::<Vec<_>>()));
    let shown = memo(move || {
        tries.with(|all| {
            let wanted = at.get();
            let by_key = all.iter().find(|t| key(t) == wanted);
            by_key.or_else(|| all.iter().find(|t| t.item.is_none() && !t.is_past)).or(all.last()).cloned()
        })
    });
    let close = move |_| {
        at.clear();
        chosen.clear();
    };
    view! {
        <Show when=move || !chosen.is("")>
            <section class="task-drawer card" aria-label=move || format!("Task {}", chosen.get())>
                <div class="card-head">
                    <h2 class="mono">{move || chosen.get()}</h2>
                    <button type="button" class="icon-btn" aria-label="Close the task" title="Close" on:click=close><Icon name="x"/></button>
                </div>
                {move || match (shape.get(), shown.get()) {
                    (shape, Some(task)) => view! { <Task run task shape tries at/> }.into_any(),
                    (Some(shape), None) => view! { <p class="dim">"It has not come to its turn."</p>{facts(shape)} }.into_any(),
                    (None, None) => view! { <p class="dim">"This run has no such task."</p> }.into_any(),
                }}
            </section>
        </Show>
    }
}

/// A try in the address: `2`, of an item `3.1`.
fn key(t: &TaskRun) -> String {
    match t.item {
        Some(item) => format!("{item}.{}", t.number),
        None => t.number.to_string(),
    }
}

fn try_words(t: &TaskRun) -> String {
    let value = t.value.as_ref().map(|v| match v {
        Value::String(s) => s.clone(),
        v => v.to_string(),
    });
    let item = t.item.map(|i| format!("item {i}{}", value.map(|v| format!(" ({v})")).unwrap_or_default()));
    let state = task_status(t.state).label.to_lowercase();
    match item {
        Some(item) => format!("{item}, try {}: {state}", t.number),
        None => format!("try {}: {state}", t.number),
    }
}

#[component]
fn Task(
    run: Signal<PipelineRunDetail>,
    task: TaskRun,
    shape: Option<TaskShape>,
    tries: Memo<Vec<TaskRun>>,
    at: Param,
) -> impl IntoView {
    let run_id = run.with_untracked(|r| r.run.id.clone());
    let status = task_status(task.state);
    let why = task.reason.clone().map(|reason| {
        let (tone, icon) = match task.state {
            TaskState::Failed => ("bad", "triangle-alert"),
            TaskState::Blocked | TaskState::Waiting | TaskState::WaitsForPerson => ("warn", "clock"),
            _ => ("neutral", "info"),
        };
        view! { <p class=format!("callout {tone}") role="status"><Icon name=icon/><span>{reason}</span></p> }
    });
    let mine = StoredValue::new(key(&task));
    let option = move |t: TaskRun| {
        let k = key(&t);
        let chosen = mine.with_value(|m| *m == k);
        view! { <option value=k selected=chosen>{try_words(&t)}</option> }
    };
    let job = task.job_id.clone();
    let log = job.clone().map(|id| {
        let path = format!("/jobs/{}/log", seg(&id));
        let file = format!("{}.log", task.task);
        view! { <section class="drawer-log" aria-label="Log"><h3>"Log"</h3><LogView path=Signal::stored(path) file=Signal::stored(file)/></section> }
    });
    let link = task.link.clone().or(job.map(|id| format!("/jobs/{}", seg(&id))));
    let name = task.task.clone();
    let ended = run.with_untracked(|r| r.run.state.is_final());
    view! {
        <div class="row wrap-row"><Pill status/>
            <Show when=move || tries.with(|t| t.len() > 1)>
                <label class="pick"><span class="sr">"Try"</span><select on:change:target=move |e| at.set(&e.target().value())>{move || tries.get().into_iter().map(option).collect_view()}</select></label>
            </Show>
            <span class="push"></span>
            {link.map(|to| view! { <LinkButton small=true icon="arrow-up-right" href=to>"Open what it made"</LinkButton> })}
        </div>
        {why}
        {if task.state == TaskState::WaitsForPerson {
            view! { <p class="dim">"The question stands above, with its answers."</p> }.into_any()
        } else {
            view! { <Approval run_id=run_id.clone() task=task.clone()/> }.into_any()
        }}
        {times(task.clone())}
        {shape.map(facts)}
        {outputs(&task)}
        {is_engineer().then(|| view! { <Clear run_id name ended/> })}
        {log}
    }
}

fn times(t: TaskRun) -> impl IntoView {
    let took = t.started_at.map(|from| {
        let to = t.ended_at.unwrap_or_else(|| crate::app::app().now.get_untracked());
        format::duration((to - from).max(0) as u64)
    });
    let from = t
        .cached_from
        .clone()
        .map(|id| view! { <dt>"Taken from"</dt><dd>"run "<code>{short_id(&id)}</code>", of equal inputs"</dd> });
    view! {
        <Facts>
            <dt>"Started"</dt><dd><When at=t.started_at/></dd>
            <dt>"Ended"</dt><dd><When at=t.ended_at/>{took.map(|t| format!(", took {t}"))}</dd>
            {t.not_before.map(|at| view! { <dt>"Not before"</dt><dd><When at=Some(at)/></dd> })}
            {from}
        </Facts>
    }
}

fn facts(s: TaskShape) -> impl IntoView {
    let after = if s.needs.is_empty() { "nothing".to_owned() } else { s.needs.join(", ") };
    let when = s.when.clone().map(|w| view! { <dt>"Only when"</dt><dd class="mono">{w}</dd> });
    view! {
        <Facts>
            <dt>"Kind"</dt><dd><span class="with-icon"><Icon name=kind_icon(s.kind)/>{s.kind.as_str()}</span></dd>
            <dt>"What"</dt><dd class="mono">{s.what.clone()}</dd>
            <dt>"After"</dt><dd>{after}{start_when(s.start_when).map(|w| format!(", {w}"))}</dd>
            {when}
        </Facts>
    }
}

fn outputs(t: &TaskRun) -> impl IntoView + use<> {
    let rows = t
        .outputs
        .iter()
        .map(|(name, value)| {
            let text = match value {
                Value::String(s) => s.clone(),
                v => v.to_string(),
            };
            view! { <tr><th scope="row">{name.clone()}</th><td class="mono">{text}</td></tr> }
        })
        .collect_view();
    (!t.outputs.is_empty()).then(|| view! {
        <section aria-label="Outputs"><h3>"Outputs"</h3><div class="pairs" role="region" aria-label="Outputs of the task" tabindex="0">
            <table class="plain"><tbody>{rows}</tbody></table></div></section>
    })
}

#[component]
fn Clear(run_id: String, name: String, ended: bool) -> impl IntoView {
    let (open, busy) = (RwSignal::new(false), RwSignal::new(false));
    let downstream = RwSignal::new(true);
    let asked = StoredValue::new((run_id, name));
    let confirm = move |()| {
        let (run, task) = asked.get_value();
        let path = format!("/pipeline-runs/{}/clear", seg(&run));
        let wish = ClearTask { task, downstream: downstream.get_untracked() };
        let call = async move { api::post::<_, PipelineRunDetail>(&path, &wish).await };
        act(busy, "The task was not cleared", call, move |_| {
            open.set(false);
            hint(Topic::Pipelines);
            toast(Tone::Good, "The task runs again", "");
        });
    };
    let note = if ended { "The run goes on with it." } else { "The run is under way." };
    view! {
        <div class="actions"><Button small=true icon="rotate-ccw" on_press=move |_| open.set(true)>"Clear and run again"</Button></div>
        <ConfirmDialog open title="Run this task again?" name="" action="Run it again" on_confirm=confirm busy=busy>
            <p>"What it made before stays, as a past try. "{note}</p>
            <label class="check"><input type="checkbox" prop:checked=move || downstream.get()
                on:change:target=move |e| downstream.set(e.target().checked())/>"and everything that follows it"</label>
        </ConfirmDialog>
    }
}

/// The tasks of a run as a table.
#[component]
pub fn TaskTable(run: Signal<PipelineRunDetail>, chosen: Param) -> impl IntoView {
    let row = move |t: TaskRun| {
        let (name, open) = (t.task.clone(), t.task.clone());
        let at = t.item.map(|i| format!(" [{i}]")).unwrap_or_default();
        let took = t.started_at.zip(t.ended_at).map(|(a, b)| format::duration((b - a).max(0) as u64));
        let log = t.job_id.clone().map(|id| view! { <a href=format!("/jobs/{}", seg(&id))>"log"</a> });
        let why = t.reason.clone().unwrap_or_default();
        view! {
            <tr class:past=t.is_past>
                <td><button type="button" class="link name mono" on:click=move |_| chosen.set(&open)>{name}{at}</button>{(t.number > 1).then(|| view! { " "<span class="dim">"try "{t.number}</span> })}</td>
                <td><Pill status=task_status(t.state)/></td><td class="dim" title=why.clone()>{why.clone()}</td>
                <td class="num mono wide-only">{took}</td><td class="num dim wide-only"><When at=t.started_at absent="–"/></td><td class="among">{log}</td>
            </tr>
        }
    };
    view! {
        <div class="pane" role="region" aria-label="Tasks of the run" tabindex="0">
            <table class="grid" aria-label="Tasks of the run">
                <thead><tr><th scope="col">"Task"</th><th scope="col">"State"</th><th scope="col">"Why"</th><th scope="col" class="num wide-only">"Took"</th>
                    <th scope="col" class="num wide-only">"Started"</th><th scope="col"><span class="sr">"Log"</span></th></tr></thead>
                <tbody>{move || run.with(|r| r.tasks.clone()).into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
}
