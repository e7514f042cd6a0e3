//! The form that submits a job, or a sweep of it: sections at the left, the same as YAML at the right.

pub mod fields;
mod pane;
mod sections;
mod state;
mod sweep;

use crate::{
    api::{self, ApiError, seg},
    app::go,
    pages::parts::is_engineer,
    ui::{Button, EmptyState, Icon, LinkButton, Look, PageHead, Skeleton, Tone, toast, url::param},
    wish::Wish,
};
use drydock_wire::{
    ErrorCode,
    jobs::{DatasetRef, JobDetail, SubmitJob},
    sweeps::SweepDetail,
};
use leptos::{prelude::*, task::spawn_local};
use pane::{Pane, YamlPane};
use sections::Sections;
use state::Form;

#[component]
pub fn NewJobPage() -> impl IntoView {
    let (from, sweep, dataset) = (param("from", ""), param("sweep", ""), param("dataset", ""));
    let before = RwSignal::new(None::<Wish>);
    let (from, sweep) = (from.get_untracked(), sweep.get_untracked());
    let ready = RwSignal::new(from.is_empty() && sweep.is_empty());
    if !ready.get_untracked() {
        spawn_local(async move {
            match wish_of(&from, &sweep).await {
                Ok(wish) => drop(before.try_set(Some(wish))),
                Err(error) => toast(Tone::Bad, "What is to be repeated could not be read", &error.message),
            }
            let _ = ready.try_set(true);
        });
    }
    let body = move || {
        if !is_engineer() {
            return view! { <EmptyState icon="lock" title="Your role does not submit jobs" text="Ask an admin for the role engineer."/> }.into_any();
        }
        if !ready.get() {
            return view! { <Skeleton lines=10/> }.into_any();
        }
        view! { <JobForm start=before.get_untracked() dataset=dataset.get_untracked()/> }.into_any()
    };
    view! {
        <section class="page">
            <PageHead title="Submit a job" sub=|| "Your code in a container of its own, cut off from the network except for Drydock."/>
            {body}
        </section>
    }
}

/// What a job or a sweep asked for.
async fn wish_of(job: &str, sweep: &str) -> Result<Wish, ApiError> {
    if sweep.is_empty() {
        let found = api::get::<JobDetail>(&format!("/jobs/{}", seg(job))).await?;
        return Ok(Wish::Job(as_new(found.spec)));
    }
    let mut found = api::get::<SweepDetail>(&format!("/sweeps/{}", seg(sweep))).await?.spec;
    found.job = as_new(found.job);
    Ok(Wish::Sweep(found))
}

/// The image by its name and a seed of its own: whoever wants the very same reruns exactly.
fn as_new(job: SubmitJob) -> SubmitJob {
    SubmitJob { image_id: None, seed: None, ..job }
}

#[component]
fn JobForm(start: Option<Wish>, dataset: String) -> impl IntoView {
    let form = Form::new();
    if let Some(wish) = &start {
        form.load(wish);
    }
    if !dataset.is_empty() {
        form.data.update(|d| d.push(DatasetRef { name: dataset, version: None }));
    }
    let pane = Pane::new(form);
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let refused = RwSignal::new(None::<ApiError>);
    let why_not = Signal::derive(move || {
        let yaml = pane.wrong.get().map(|_| "The YAML has a mistake; mend it first.".to_owned());
        yaml.or_else(|| form.uploads.why_not())
    });
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        refused.set(None);
        if let Err(wrong) = untrack(|| form.wrong()) {
            toast(Tone::Bad, "The form is not complete", &wrong);
            return;
        }
        if untrack(|| why_not.get()).is_some() || busy.get_untracked() {
            return;
        }
        busy.set(true);
        let wish = untrack(|| form.wish());
        spawn_local(async move {
            let answer = send(&wish).await;
            let _ = busy.try_set(false);
            match answer {
                Ok(to) => go(&to),
                Err(error) => drop(refused.try_set(Some(error))),
            }
        });
    };
    let is_sweep = move || form.sweep.is_on();
    view! {
        <form novalidate on:submit=submit class="plain job-form">
            <div class="job-fields">
                <Sections form tried/>
                {move || refused.get().map(refusal)}
                <div class="actions">
                    <LinkButton href="/jobs">"Cancel"</LinkButton>
                    <Button look=Look::Primary icon="play" submit=true busy why_not testid="submit-job">
                        {move || if is_sweep() { "Submit the sweep" } else { "Submit the job" }}</Button>
                </div>
            </div>
            <YamlPane form pane/>
        </form>
    }
}

/// Submits; answers the address of what was made.
async fn send(wish: &Wish) -> Result<String, ApiError> {
    match wish {
        Wish::Job(job) => {
            let made = api::post::<_, JobDetail>("/jobs", job).await?;
            Ok(format!("/jobs/{}", seg(&made.summary.id)))
        }
        Wish::Sweep(sweep) => {
            let made = api::post::<_, SweepDetail>("/sweeps", sweep).await?;
            Ok(format!("/sweeps/{}", seg(&made.summary.id)))
        }
    }
}

fn refusal(e: ApiError) -> impl IntoView {
    let title = if e.code == ErrorCode::Refused { "The job was refused. " } else { "The job was not submitted. " };
    view! {
        <p class="callout bad" role="alert"><Icon name="triangle-alert"/><span><b>{title}</b>{e.message}
            {(!e.request_id.is_empty()).then(|| view! { " Request "<code>{e.request_id}</code> })}</span></p>
    }
}
