//! One job: why it is as it is, its log as it is written, what it uses, what it left, what it was asked, how its attempts went.

mod again;
mod attempts;
mod charts;
mod into_dataset;
mod outputs;
mod place;
mod runs;
mod spec;

use super::list::duration;
use crate::{
    api::{self, seg},
    app::ago,
    live::remote,
    pages::parts::{LogSearch, LogView, is_engineer, short_id},
    reactive::memo,
    ui::{
        Button, ConfirmDialog, Icon, Loaded, Look, PageHead, Pill, Show, Tabs, Tone, act, toast,
        url::{Param, param},
    },
};
use again::AgainMenu;
use attempts::{AttemptPicker, Attempts};
use charts::Charts;
use drydock_wire::{
    events::Topic,
    jobs::{JobDetail, JobState},
};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use outputs::Outputs;
use place::PlaceButton;
use runs::Runs;
use spec::Spec;

#[component]
pub fn JobPage() -> impl IntoView {
    let params = use_params_map();
    let id = memo(move || params.with(|p| p.get("id")).unwrap_or_default());
    // the reason for waiting comes from the last decision about the queue
    let job = remote::<JobDetail>(move || Some(format!("/jobs/{}", seg(&id.get()))), &[Topic::Jobs, Topic::Queue]);
    view! { <section class="page"><Loaded remote=job lines=10 let:job><Detail job/></Loaded></section> }
}

#[component]
fn Detail(job: Signal<JobDetail>) -> impl IntoView {
    let tab = param("tab", "log");
    // which attempt the log, the charts and the outputs are of; nothing: the latest
    let attempt = param("attempt", "");
    let stopping = RwSignal::new(false);
    let state = memo(move || job.with(|j| j.summary.state));
    let summary = move || job.with(|j| j.summary.clone());
    let why_not = Signal::derive(move || match state.get() {
        JobState::Cancelling => Some("The job is being stopped already.".to_owned()),
        s if s.is_final() => Some("The job has ended.".to_owned()),
        _ => None,
    });
    let tabs = vec![
        ("log", "Log".to_owned()),
        ("charts", "Charts".to_owned()),
        ("outputs", "Outputs".to_owned()),
        ("runs", "Runs".to_owned()),
        ("attempts", "Attempts".to_owned()),
        ("spec", "What was asked".to_owned()),
    ];
    view! {
        <PageHead title=Signal::derive(move || summary().name)
            aside=move || view! { <Pill status=state.get()/> }
            sub=move || { let s = summary(); format!("{} · submitted {} · {}", s.submitted_by, ago(s.submitted_at), duration(&s)) }>
            {move || is_engineer().then(|| view! {
                <PlaceButton job/>
                <AgainMenu job/>
                <Button look=Look::Danger icon="square" why_not on_press=move |_| stopping.set(true)>"Cancel job"</Button>
            })}
        </PageHead>
        <Relations job/>
        <Reason job/>
        <Tabs param=tab label="Parts of the job" tabs/>
        <div role="tabpanel" class="panel">{move || part(&tab.get(), job, attempt)}</div>
        <CancelDialog open=stopping job/>
    }
}

fn part(tab: &str, job: Signal<JobDetail>, attempt: Param) -> AnyView {
    match tab {
        "charts" => view! { <AttemptPicker job attempt/><Charts job attempt/> }.into_any(),
        "outputs" => view! { <AttemptPicker job attempt/><Outputs job attempt/> }.into_any(),
        "runs" => view! { <Runs job/> }.into_any(),
        "spec" => view! { <Spec job/> }.into_any(),
        "attempts" => view! { <Attempts job/> }.into_any(),
        _ => view! { <Log job attempt/> }.into_any(),
    }
}

#[component]
fn Log(job: Signal<JobDetail>, attempt: Param) -> impl IntoView {
    let id = memo(move || job.with(|j| j.summary.id.clone()));
    let name = memo(move || job.with(|j| j.summary.name.clone()));
    let path = Signal::derive(move || format!("/jobs/{}/log", seg(&id.get())));
    let query = Signal::derive(move || match attempt.get() {
        number if number.is_empty() => String::new(),
        number => format!("attempt={number}"),
    });
    let file = Signal::derive(move || match attempt.get() {
        number if number.is_empty() => format!("{}.log", name.get()),
        number => format!("{}-{number}.log", name.get()),
    });
    let everywhere = Signal::derive(move || format!("/logs?span=&owner={}", seg(&id.get())));
    view! {
        <AttemptPicker job attempt/>
        <LogSearch path query/>
        <LogView path file query everywhere/>
    }
}

/// What it belongs to: its sweep, the job that it runs again, the jobs that run it again.
#[component]
fn Relations(job: Signal<JobDetail>) -> impl IntoView {
    let said = memo(move || {
        job.with(|j| {
            (
                j.summary.sweep_id.clone(),
                j.parent_id.clone(),
                j.rerun_ids.clone(),
                j.summary.queue.clone(),
                j.summary.priority,
            )
        })
    });
    let link = |id: String| view! { <a href=format!("/jobs/{}", seg(&id))>{format!("job {}", short_id(&id))}</a> };
    move || {
        let (sweep, parent, reruns, queue, priority) = said.get();
        let priority = (priority != 0).then(|| format!(", priority {priority}"));
        view! {
            <p class="relations among">
                {(!queue.is_empty()).then(|| view! { <span>"Queue "<a href=format!("/queue?queue={}", seg(&queue))>{queue.clone()}</a>{priority}</span> })}
                {sweep.map(|id| view! { <span>"Of "<a href=format!("/sweeps/{}", seg(&id))>"a sweep"</a></span> })}
                {parent.map(|id| view! { <span>"Runs "{link(id)}" again"</span> })}
                {(!reruns.is_empty()).then(|| view! { <span>"Run again by "{reruns.into_iter().map(|id| view! { " "{link(id)} }).collect_view()}</span> })}
            </p>
        }
    }
}

/// Why the job waits or how it ended, where that needs saying.
#[component]
fn Reason(job: Signal<JobDetail>) -> impl IntoView {
    let said = memo(move || job.with(|j| (j.summary.state, j.summary.reason.clone())));
    move || {
        let (state, reason) = said.get();
        let (tone, icon) = match state {
            JobState::Failed | JobState::Lost => ("bad", "triangle-alert"),
            JobState::Queued | JobState::Cancelling => ("warn", "clock"),
            JobState::Starting | JobState::Running => ("info", "info"),
            JobState::Succeeded | JobState::Cancelled => ("neutral", "info"),
        };
        reason.filter(|r| !r.is_empty()).map(|text| {
            view! { <p class=format!("callout {tone}") role="status"><Icon name=icon/><span>{sentence(&text)}</span></p> }
        })
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}

#[component]
fn CancelDialog(open: RwSignal<bool>, job: Signal<JobDetail>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let grace = move || job.with(|j| j.spec.resume.map_or(10, |r| r.grace_s));
    let confirm = move |()| {
        let path = format!("/jobs/{}/cancel", seg(&job.with_untracked(|j| j.summary.id.clone())));
        let said = format!("It gets {} seconds to end by itself.", untrack(grace));
        act(busy, "The job was not cancelled", async move { api::post_empty::<JobDetail>(&path).await }, move |_| {
            open.set(false);
            toast(Tone::Good, "The job is being stopped", &said);
        });
    };
    view! {
        <ConfirmDialog open title="Cancel this job?" name="" action="Stop the job" on_confirm=confirm busy=busy>
            <p>"Its container is stopped; what it computed and did not save is lost. Runs, logs, outputs and artifacts it left so far are kept."</p>
            <Show when=move || job.with(|j| j.spec.retries.limit > 0)><p>"It is not tried again."</p></Show>
        </ConfirmDialog>
    }
}
