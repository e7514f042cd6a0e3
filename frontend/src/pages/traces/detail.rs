//! One trace: its spans in time, the chosen one's content, what was said about it, where it belongs.

use super::{judgements::Judgements, micros, span::SpanPanel, tree::SpanTree};
use crate::{
    api::{self, seg},
    app::{ago, go},
    format,
    live::remote,
    pages::parts::{PairTable, is_engineer},
    reactive::memo,
    ui::{
        Button, Card, ConfirmDialog, CopyButton, EmptyState, Facts, LinkButton, Loaded, Look, PageHead, Pill, Show,
        Status, TimeAgo, Tone, act, toast, url::param,
    },
};
use drydock_wire::{
    events::Topic,
    traces::{TraceDetail, TraceRun},
};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

#[component]
pub fn TracePage() -> impl IntoView {
    let params = use_params_map();
    let id = memo(move || params.with(|p| p.get("id")).unwrap_or_default());
    let trace = remote::<TraceDetail>(move || Some(format!("/traces/{}", seg(&id.get()))), &[Topic::Traces]);
    view! { <section class="page"><Loaded remote=trace lines=12 let:trace><Detail trace/></Loaded></section> }
}

#[component]
fn Detail(trace: Signal<TraceDetail>) -> impl IntoView {
    let (chosen, folded, part) = (param("span", ""), param("folded", ""), param("part", "io"));
    let summary = move || trace.with(|t| t.summary.clone());
    let id = Signal::derive(move || trace.with(|t| t.summary.id.clone()));
    let spans = memo(move || trace.with(|t| t.spans.clone()));
    let span = Signal::derive(move || {
        let wanted = chosen.get();
        spans.with(|s| s.iter().find(|s| s.id == wanted).or(s.first()).map(|s| s.id.clone())).unwrap_or_default()
    });
    let assessments = Signal::derive(move || trace.with(|t| t.assessments.clone()));
    let deleting = RwSignal::new(false);
    view! {
        <PageHead title=Signal::derive(move || summary().name)
            aside=move || view! { <Pill status=Status::trace(&summary().status)/> }
            sub=move || line(&trace.get())>
            {move || trace.with(|t| t.summary.runs.first().cloned()).map(run_button)}
            <LinkButton href=format!("/traces?experiment={}", seg(&untrack(summary).experiment_id)) icon="list">"Experiment"</LinkButton>
            {is_engineer().then(|| view! { <Button look=Look::Danger icon="trash-2" on_press=move |_| deleting.set(true)>"Delete"</Button> })}
        </PageHead>
        <Show when=move || spans.with(|s| !s.is_empty()) fallback=|| view! {
            <EmptyState icon="git-branch" title="No spans" text="The spans of this trace are still on their way, or the client never sent them."/>
        }>
            <div class="trace">
                <section class="card flush span-card" aria-label="Spans in time"><SpanTree spans chosen folded/></section>
                <SpanPanel trace=id span part/>
            </div>
        </Show>
        <div class="split">
            <Card title="Judgements"><Judgements all=assessments chosen/></Card>
            <Card title="Where it belongs"><Origin trace/></Card>
            <Card title="Tags"><PairTable label="Tags" pairs=Signal::derive(move || trace.with(|t| t.tags.clone())) none="No tags."/></Card>
            <Card title="Metadata"><PairTable label="Metadata" pairs=Signal::derive(move || trace.with(|t| t.metadata.clone())) none="No metadata."/></Card>
        </div>
        <Delete trace open=deleting/>
    }
}

/// Experiment, length, age, size.
fn line(trace: &TraceDetail) -> String {
    let s = &trace.summary;
    let took = s.duration_ms.map_or_else(|| "still running".to_owned(), |ms| micros(ms * 1000));
    let tokens = s.tokens.map(|n| format!(" · {} tokens", format::number(n))).unwrap_or_default();
    format!(
        "{} · {took} · started {} · {}{tokens}",
        s.experiment_name,
        ago(s.started_at),
        format::plural(s.span_count, "span")
    )
}

fn run_button(run: TraceRun) -> impl IntoView {
    view! { <LinkButton href=format!("/runs/{}", seg(&run.id)) icon="activity">"Run"</LinkButton> }
}

#[component]
fn Origin(trace: Signal<TraceDetail>) -> impl IntoView {
    let id = Signal::derive(move || trace.with(|t| t.summary.id.clone()));
    let run = |run: TraceRun| {
        let name = run.name.unwrap_or_else(|| run.id.clone());
        view! { <div><a href=format!("/runs/{}", seg(&run.id))>{name}</a></div> }
    };
    move || {
        let t = trace.get();
        let fact =
            |name: &'static str, value: Option<String>| value.map(|value| view! { <dt>{name}</dt><dd>{value}</dd> });
        let runs: Vec<TraceRun> = t.summary.runs.clone();
        view! {
            <Facts>
                <dt>"Trace id"</dt><dd><code>{id.get()}</code><CopyButton text=id what="Copy the trace's id"/></dd>
                <dt>"Experiment"</dt><dd><a href=format!("/traces?experiment={}", seg(&t.summary.experiment_id))>{t.summary.experiment_name.clone()}</a></dd>
                <dt>"Runs"</dt><dd>{if runs.is_empty() { view! { <span class="dim">"none"</span> }.into_any() } else { runs.into_iter().map(run).collect_view().into_any() }}</dd>
                <dt>"Started"</dt><dd><TimeAgo at=t.summary.started_at/></dd>
                {fact("Session", t.session.clone())}
                {fact("User", t.user.clone())}
                {fact("Request id", t.client_request_id.clone())}
                {(!t.prompts.is_empty()).then(|| view! { <dt>"Prompts"</dt><dd>{t.prompts.join(", ")}</dd> })}
            </Facts>
        }
    }
}

#[component]
fn Delete(trace: Signal<TraceDetail>, open: RwSignal<bool>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let name = Signal::derive(move || trace.with(|t| t.summary.name.clone()));
    let go_on = move |()| {
        let id = trace.with_untracked(|t| t.summary.id.clone());
        let call = async move { api::delete(&format!("/traces/{}", seg(&id))).await };
        act(busy, "The trace was not deleted", call, move |()| {
            open.set(false);
            toast(Tone::Good, "The trace is gone", "");
            go("/traces");
        });
    };
    view! {
        <ConfirmDialog open title="Delete this trace?" name action="Delete the trace" on_confirm=go_on busy>
            <p>{move || trace.with(|t| format!(
                "{}, {} and the files of this trace go at once and cannot be brought back.",
                format::plural(t.summary.span_count, "span"), format::plural(t.assessments.len() as u64, "judgement")
            ))}</p>
        </ConfirmDialog>
    }
}
