//! All pipelines with their last runs and what comes next; above them the runs that wait for a person.

use super::{
    href, run_href,
    words::{cause, run_status},
};
use crate::{
    api,
    app::go,
    live::remote,
    pages::parts::{Listing, PAGE_SIZE, When, is_engineer, query},
    reactive::memo,
    ui::{
        Button, Column, EmptyState, Icon, LinkButton, Loaded, Look, PageHead, Pager, Pill, SearchBox, Show, Status,
        Table, TimeAgo, Tone, act, toast, url::param,
    },
};
use drydock_wire::{
    events::Topic,
    pipelines::{PipelineDetail, PipelineRun, PipelineSummary},
};
use leptos::prelude::*;

#[component]
pub fn PipelinesPage() -> impl IntoView {
    let (search, page) = (param("search", ""), param("page", ""));
    let path = move || {
        Some(query("/pipelines", &[("search", search.get()), ("page", page.get()), ("limit", PAGE_SIZE.to_string())]))
    };
    let pipelines = remote::<Listing<PipelineSummary>>(path, &[Topic::Pipelines]);
    let new = || {
        is_engineer().then(
            || view! { <LinkButton href="/pipelines/new" look=Look::Primary icon="plus">"New pipeline"</LinkButton> },
        )
    };
    let nothing = move || {
        if !search.is("") {
            return view! {
                <EmptyState icon="filter" title="No pipeline matches" text="Search for another part of a name.">
                    <Button on_press=move |_| search.clear()>"Clear the search"</Button>
                </EmptyState>
            }
            .into_any();
        }
        view! { <Nothing/> }.into_any()
    };
    view! {
        <section class="page">
            <PageHead title="Pipelines" sub=|| "Tasks that follow each other: by hand, on a schedule, or when something happens.">{new}</PageHead>
            <Asked/>
            <div class="toolbar"><SearchBox param=search label="Search pipelines" resets=page/></div>
            <Loaded remote=pipelines lines=8 let:list>
                {
                    let rows = Signal::derive(move || list.with(|l| l.items().to_vec()));
                    view! {
                        <Show when=move || rows.with(|r| !r.is_empty()) fallback=nothing>
                            <Table id="pipelines" label="Pipelines" rows columns=Signal::derive(columns) key=|p| p.name.clone() href=|p| href(&p.name)/>
                            <Pager param=page total=Signal::derive(move || list.with(Listing::total)) noun="pipeline"
                                shown=Signal::derive(move || rows.with(Vec::len)) next=Signal::derive(move || list.with(Listing::next))/>
                        </Show>
                    }
                }
            </Loaded>
        </section>
    }
}

#[component]
fn Nothing() -> impl IntoView {
    let busy = RwSignal::new(false);
    let sample = move |_| {
        act(
            busy,
            "The sample was not made",
            async { api::post_empty::<PipelineDetail>("/demo/pipeline").await },
            |made| {
                toast(Tone::Good, "The sample pipeline is there", "Start it, or read its YAML.");
                go(&href(&made.summary.name));
            },
        );
    };
    view! {
        <EmptyState icon="workflow" title="No pipelines yet"
            text="A pipeline checks data, trains, compares with the present champion, registers and deploys, in an order that you write down in YAML. It runs when you say, by the clock, or when new data come.">
            <Show when=is_engineer>
                <LinkButton href="/pipelines/new" look=Look::Primary icon="plus">"New pipeline"</LinkButton>
                <Button icon="flask-conical" busy on_press=sample>"Make the sample"</Button>
            </Show>
        </EmptyState>
    }
}

/// Runs that wait for somebody's word.
#[component]
fn Asked() -> impl IntoView {
    let runs = remote::<Listing<PipelineRun>>(
        || Some("/pipeline-runs?state=running&limit=200".to_owned()),
        &[Topic::Pipelines],
    );
    let asked = memo(move || {
        let waits =
            |l: &Listing<PipelineRun>| l.items().iter().filter(|r| r.waits_for_person).cloned().collect::<Vec<_>>();
        runs.data.with(|l| l.as_ref().map(waits).unwrap_or_default())
    });
    move || {
        asked.get().into_iter().map(|run| view! {
            <p class="callout warn among" role="status"><Icon name="user"/>
                <span><a href=run_href(&run)>{run.pipeline.clone()}" run "{run.number}</a>" waits for a person, "{cause(&run)}", "<TimeAgo at=run.created_at/></span></p>
        }).collect_view()
    }
}

fn columns() -> Vec<Column<PipelineSummary>> {
    vec![
        Column::<PipelineSummary>::new("name", "Pipeline", |p| {
            let paused = p.paused.then(|| view! { " "<Pill status=Status::new(Tone::Neutral, "Paused")/> });
            view! { <a class="row-link name" href=href(&p.name) title=p.description.clone()>{p.name.clone()}</a>{paused} }.into_any()
        })
        .fixed(),
        Column::<PipelineSummary>::new("runs", "Last runs", |p| last_runs(&p.last_runs).into_any()).fixed(),
        Column::<PipelineSummary>::new("last", "Last run", |p| match p.last_runs.first() {
            Some(run) => view! { <Pill status=run_status(run)/>" "<span class="dim"><TimeAgo at=run.created_at/></span> }.into_any(),
            None => view! { <span class="dim">"never"</span> }.into_any(),
        })
        .wide_only(),
        Column::<PipelineSummary>::new("next", "Next run", |p| match (p.paused, p.next_due_at) {
            (true, Some(_)) => view! { <span class="dim">"paused"</span> }.into_any(),
            (_, at) => view! { <span class="dim"><When at absent="no schedule"/></span> }.into_any(),
        }),
        Column::<PipelineSummary>::new("tasks", "Tasks", |p| p.task_count.to_string().into_any()).right().wide_only(),
        Column::<PipelineSummary>::new("version", "Version", |p| p.version.to_string().into_any()).right().wide_only(),
        Column::<PipelineSummary>::new("changed", "Changed", |p| view! { <span class="dim"><TimeAgo at=p.updated_at/></span> }.into_any()).right().wide_only(),
    ]
}

/// The last runs as small squares, the newest at the right; each leads to its run.
fn last_runs(runs: &[PipelineRun]) -> impl IntoView + use<> {
    let square = |run: &PipelineRun| {
        let status = run_status(run);
        let words = format!("Run {}: {}", run.number, status.label);
        view! { <a class=format!("run-square {}", status.tone.class()) class:live=status.live href=run_href(run) aria-label=words.clone() title=words></a> }
    };
    view! { <span class="run-squares">{runs.iter().rev().map(square).collect_view()}</span> }
}
